/* test_options.c - the option table: values, ranges, messages, help. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "cli/command.h"

#include <math.h>
#include <string.h>

static struct {
    const char *model;
    int64_t k, most;
    double temperature;
    bool json;
    struct ap_option_list premises;
} opt;

static const struct ap_option options[] = {
    AP_OPTION_GROUP("Input"),
    AP_OPTION_STR("model", "DIR", &opt.model, "folder of the model"),
    AP_OPTION_LIST("premise", "FORMULA", &opt.premises, "a premise"),
    AP_OPTION_GROUP("Sampling"),
    AP_OPTION_INT("k", 1, 64, &opt.k, "samples per problem"),
    AP_OPTION_INT("most", 1, 64, &opt.most, "of all samples"),
    AP_OPTION_FLOAT("a-long-name-of-temperature", 0, INFINITY, &opt.temperature, "sampling temperature (default: 0.7)"),
    AP_OPTION_FLAG("json", &opt.json, "print JSON,\none object"),
    AP_OPTION_END,
};

static struct ap_args args;
static struct ap_err err;

static int reset(void **state)
{
    (void)state;
    memset(&opt, 0, sizeof opt);
    opt.k = 4;
    opt.temperature = 0.7;
    opt.model = "models/student";
    return 0;
}

#define READ(...)                                                        \
    ap__options_read(options, sizeof((char *[]){"cmd", __VA_ARGS__}) / sizeof(char *), \
                     (char *[]){"cmd", __VA_ARGS__}, &args, &err)

static void values_are_taken_apart_or_joined(void **state)
{
    (void)state;
    assert_int_equal(READ("--model", "m", "--k=8", "--a-long-name-of-temperature", "1.5", "--json"), AP_OK);
    assert_string_equal(opt.model, "m");
    assert_int_equal(opt.k, 8);
    assert_true(opt.temperature == 1.5);
    assert_true(opt.json);
    assert_int_equal(args.n, 0);
    assert_int_equal(READ("--model="), AP_OK);
    assert_string_equal(opt.model, "");
}

static void what_is_not_given_keeps_its_default(void **state)
{
    (void)state;
    assert_int_equal(READ("run"), AP_OK);
    assert_int_equal(opt.k, 4);
    assert_string_equal(opt.model, "models/student");
    assert_false(opt.json);
}

static void an_option_may_be_repeated_in_order_up_to_a_ceiling(void **state)
{
    (void)state;
    assert_int_equal(READ("--premise", "A", "--premise=B"), AP_OK);
    assert_int_equal(opt.premises.n, 2);
    assert_string_equal(opt.premises.v[1], "B");
    opt.premises.n = AP_OPTION_LIST_MAX;
    assert_int_equal(READ("--premise", "A"), AP_E_ARG);
    assert_string_equal(err.message, "--premise may be given at most 64 times");
}

static void arguments_stand_anywhere_and_may_look_like_numbers(void **state)
{
    (void)state;
    assert_int_equal(READ("a", "--json", "-3.5", "-", "--", "--k"), AP_OK);
    assert_int_equal(args.n, 4);
    assert_string_equal(args.v[0], "a");
    assert_string_equal(args.v[1], "-3.5");
    assert_string_equal(args.v[2], "-");
    assert_string_equal(args.v[3], "--k");
    assert_null(args.v[4]);
}

static void expect_message(ap_status status, const char *message)
{
    assert_int_equal(status, AP_E_ARG);
    assert_string_equal(err.message, message);
}

static void a_bad_value_names_the_option_what_it_got_and_what_it_takes(void **state)
{
    (void)state;
    expect_message(READ("--k", "many"), "--k must be an integer from 1 to 64, got `many`");
    expect_message(READ("--k=65"), "--k must be an integer from 1 to 64, got `65`");
    expect_message(READ("--k", "-1"), "--k must be an integer from 1 to 64, got `-1`");
    expect_message(READ("--a-long-name-of-temperature=-1"),
                   "--a-long-name-of-temperature must be a number of at least 0, got `-1`");
    expect_message(READ("--json=yes"), "--json takes no value, got `yes`");
    expect_message(READ("--model"), "--model needs a value (DIR)");
    assert_int_equal(opt.k, 4);
}

static void an_unknown_option_gets_the_nearest_name(void **state)
{
    (void)state;
    expect_message(READ("--modle", "x"), "unknown option `--modle`; did you mean `--model`?");
    expect_message(READ("--jsn"), "unknown option `--jsn`; did you mean `--json`?");
    expect_message(READ("-json"), "unknown option `-json`; did you mean `--json`?");
    expect_message(READ("--frobnicate=1"), "unknown option `--frobnicate=1`");
    expect_message(READ("--Input"), "unknown option `--Input`"); /* a group's title is no option */
}

static void too_many_arguments_are_refused(void **state)
{
    (void)state;
    char *argv[AP_ARGS_MAX + 2];
    for (int i = 0; i < AP_ARGS_MAX + 2; i++)
        argv[i] = "x";
    assert_int_equal(ap__options_read(options, AP_ARGS_MAX + 1, argv, &args, &err), AP_OK);
    expect_message(ap__options_read(options, AP_ARGS_MAX + 2, argv, &args, &err), "more than 64 arguments");
}

static void the_help_is_the_table(void **state)
{
    (void)state;
    const struct ap_command command = {
        .name = "eval", .summary = "evaluate", .usage = "TASK [--option ...]",
        .options = options, .example = "apprentice eval math-word\napprentice eval fol",
    };
    struct ap_buf text;
    ap__buf_init(&text, 0);
    assert_int_equal(ap__options_help(&command, &text), AP_OK);
    assert_string_equal(text.data,
                        "apprentice eval - evaluate\n\n"
                        "Usage: apprentice eval TASK [--option ...]\n\n"
                        "Input\n"
                        "  --model DIR               folder of the model [models/student]\n"
                        "  --premise FORMULA         a premise (may be repeated)\n\n"
                        "Sampling\n"
                        "  --k N                     samples per problem [4]\n"
                        "  --most N                  of all samples\n"
                        "  --a-long-name-of-temperature X\n"
                        "                            sampling temperature (default: 0.7)\n"
                        "  --json                    print JSON,\n"
                        "                            one object\n\n"
                        "Example\n  apprentice eval math-word\n  apprentice eval fol\n");
    ap__buf_deinit(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(values_are_taken_apart_or_joined, reset),
        cmocka_unit_test_setup(what_is_not_given_keeps_its_default, reset),
        cmocka_unit_test_setup(an_option_may_be_repeated_in_order_up_to_a_ceiling, reset),
        cmocka_unit_test_setup(arguments_stand_anywhere_and_may_look_like_numbers, reset),
        cmocka_unit_test_setup(a_bad_value_names_the_option_what_it_got_and_what_it_takes, reset),
        cmocka_unit_test_setup(an_unknown_option_gets_the_nearest_name, reset),
        cmocka_unit_test_setup(too_many_arguments_are_refused, reset),
        cmocka_unit_test_setup(the_help_is_the_table, reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
