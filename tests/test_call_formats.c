/* test_call_formats.c - calls as the model families write them, and thoughts around them. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "functions/call_formats.h"

static char result[1 << 16];

/* "thought|id:Call(...)|..." or the error message, in a static buffer. */
static const char *reread(const char *text)
{
    struct ap_calls calls;
    struct ap_err err;
    struct ap_buf out;
    if (ap__calls_parse(text, strlen(text), &calls, &err) != AP_OK) {
        assert_null(calls.call);
        assert_null(calls.thought);
        snprintf(result, sizeof result, "%s", err.message);
        return result;
    }
    ap__buf_init(&out, 0);
    ap__buf_puts(&out, calls.thought ? calls.thought : "");
    for (int32_t i = 0; i < calls.n; i++) {
        ap__buf_printf(&out, "|%s%s", calls.call[i].id ? calls.call[i].id : "", calls.call[i].id ? ":" : "");
        ap__call_print(&calls.call[i], &out);
    }
    snprintf(result, sizeof result, "%s", ap__buf_cstr(&out));
    ap__buf_deinit(&out);
    ap__calls_deinit(&calls);
    return result;
}

static void expect(const char *text, const char *want)
{
    assert_string_equal(reread(text), want);
}

static void hermes_calls_are_read_one_or_several_with_words_before_them(void **state)
{
    (void)state;
    expect("<tool_call>\n{\"name\": \"Sum\", \"arguments\": {\"a\": 2, \"b\": -3}}\n</tool_call>", "|Sum(a=2, b=-3)");
    expect("<tool_call>{\"arguments\": {}, \"name\": \"F\"}</tool_call>\n<tool_call>{\"name\": \"G\"}</tool_call>", "|F()|G()");
    expect("I add them.\n<tool_call>\n{\"name\": \"F\"}\n</tool_call>\n", "I add them.|F()");
    expect("<tool_call>{\"name\": \"F\"}", "expected `</tool_call>`, but the text ends at column 25");
    expect("<tool_call>F()</tool_call>", "expected a call as a JSON object, got `F` at column 12");
    expect("<tool_call>{\"name\": \"F\"}</tool_call> and so on", "expected one call and nothing after it, got `a` at column 38");
}

static void mistral_calls_are_an_array_and_keep_their_ids(void **state)
{
    (void)state;
    expect("[TOOL_CALLS] [{\"name\": \"Sum\", \"arguments\": {\"a\": 2}, \"id\": \"aB3dE6gH9\"}]", "|aB3dE6gH9:Sum(a=2)");
    expect("[TOOL_CALLS][{\"name\": \"F\", \"arguments\": {}}, {\"name\": \"G\", \"arguments\": {}}]", "|F()|G()");
    expect(" [{\"name\": \"F\", \"arguments\": {}}]", "|F()"); /* a decoder may leave the mark out */
    expect("Let me see. [TOOL_CALLS] [{\"name\": \"F\"}]", "Let me see.|F()");
    expect("[TOOL_CALLS] [{\"name\": \"F\"}", "expected `,` or `]`, but the text ends at column 28");
    expect("[TOOL_CALLS] []", "expected a call as a JSON object, got `]` at column 15");
    expect("[TOOL_CALLS] {\"name\": \"F\"}", "expected `[`, got `{` at column 14");
}

static void llama_calls_have_parameters_and_a_python_tag(void **state)
{
    (void)state;
    expect("{\"name\": \"Sum\", \"parameters\": {\"a\": 2, \"b\": \"x\"}}", "|Sum(a=2, b='x')");
    expect("{\"type\": \"function\", \"name\": \"F\", \"parameters\": {}}", "|F()");
    expect("<|python_tag|>{\"name\": \"F\", \"parameters\": {\"x\": [1, true]}}", "|F(x=[1, True])");
    expect("{\"name\": \"F\"}; {\"name\": \"G\"}", "|F()|G()");
    expect("<|python_tag|>Sum.call(a=2, b=3)", "|Sum(a=2, b=3)");
    expect("<|python_tag|>Sum(a=2)", "|Sum(a=2)");
    expect("{\"name\": \"F\", \"arguments\": {}, \"parameters\": {}}",
           "expected \"name\" and \"arguments\" once each, got \"parameters\" at column 46");
}

static void arguments_may_be_text_as_openai_has_them(void **state)
{
    (void)state;
    expect("{\"name\": \"F\", \"arguments\": \"{\\\"a\\\": \\\"x\\\\ny\\\"}\"}", "|F(a='x\\ny')");
    expect("{\"name\": \"F\", \"arguments\": \"{\\\"a\\\": 1} x\"}",
           "expected one object and nothing after it, got `x` at column 10");
}

static void python_calls_are_read_as_ever(void **state)
{
    (void)state;
    expect("Sum(a=2, b=-3)", "|Sum(a=2, b=-3)");
    expect("Say('<tool_call>{}</tool_call> [TOOL_CALLS] </think>')", "|Say('<tool_call>{}</tool_call> [TOOL_CALLS] </think>')");
    expect("{\"name\": \"Say\", \"arguments\": {\"x\": \"<tool_call>\"}}", "|Say(x='<tool_call>')");
    expect("I think it is 5.", "expected `(` after the function name, got `t` at column 3");
    expect("", "expected a function name, but the text ends at column 1");
    expect("[1, 2]", "expected a function name, got `[` at column 1");
}

static void thoughts_are_kept_and_never_run(void **state)
{
    (void)state;
    expect("<think>\nF(1) or G(2)?\n</think>\n\nSum(a=2)", "<think>\nF(1) or G(2)?\n</think>|Sum(a=2)");
    expect("<think></think>{\"name\": \"F\"}", "<think></think>|F()");
    expect("<think>a <tool_call> b</think>so:\n<tool_call>{\"name\": \"F\"}</tool_call>",
           "<think>a <tool_call> b</think>so:|F()");
    expect("two and two\n</think>\n\nSum(a=2)", "two and two\n</think>|Sum(a=2)");
    expect("<think>F(1)", "expected a function name, got `<` at column 1");
    expect("<think>x</think>", "expected a function name, but the text ends at column 1");
    expect("<think>x</think> It is 5.", "expected `(` after the function name, got `i` at column 5");
}

static void one_call_is_asked_for_when_several_are_written(void **state)
{
    (void)state;
    struct ap_call call;
    struct ap_err err;
    const char *two = "{\"name\": \"F\"}; {\"name\": \"G\"}", *one = "why not <tool_call>{\"name\": \"F\"}</tool_call>";
    assert_int_equal(ap__call_parse(two, strlen(two), &call, &err), AP_E_PARSE);
    assert_string_equal(err.message, "write one call at a time, these are 2");
    assert_null(call.name);
    assert_int_equal(ap__call_parse(one, strlen(one), &call, &err), AP_OK);
    assert_string_equal(call.name, "F");
    ap__call_deinit(&call);
}

static void more_calls_than_a_turn_may_have_are_refused(void **state)
{
    (void)state;
    struct ap_buf text;
    ap__buf_init(&text, 0);
    for (int i = 0; i <= AP_CALLS_MAX; i++)
        ap__buf_puts(&text, "<tool_call>{\"name\": \"F\"}</tool_call>");
    expect(ap__buf_cstr(&text), "more than 32 calls at once");
    ap__buf_deinit(&text);
}

/* ---- in an environment ---- */

static struct ap_registry *functions;

static int set_up(void **state)
{
    static const char *const names[] = {"math"};
    (void)state;
    return ap__registry_select(names, 1, &functions, NULL) != AP_OK;
}

static int tear_down(void **state)
{
    (void)state;
    ap__registry_free(functions);
    return 0;
}

static void expect_run(const char *text, bool error, const char *want)
{
    struct ap_env *env;
    struct ap_call_result got;
    assert_int_equal(ap__env_new(functions, &env, NULL), AP_OK);
    assert_int_equal(ap__env_call(env, text, strlen(text), &got, NULL), AP_OK);
    assert_string_equal(got.text, want);
    assert_int_equal(got.error, error);
    ap__call_result_deinit(&got);
    ap__env_free(env);
}

static void every_form_is_run_and_several_calls_are_an_error(void **state)
{
    (void)state;
    expect_run("[TOOL_CALLS] [{\"name\": \"Sum\", \"arguments\": {\"a\": 2, \"b\": 3}, \"id\": \"123456789\"}]", false, "5");
    expect_run("<think>2 and 3.</think><tool_call>{\"name\": \"Sum\", \"arguments\": {\"a\": 2, \"b\": 3}}</tool_call>", false, "5");
    assert_int_equal(ap__calls_parse("", 0, &(struct ap_calls){0}, NULL), AP_E_PARSE);
    expect_run("{\"name\": \"Sum\", \"arguments\": {\"a\": \"1/3\", \"b\": \"2/3\"}}", false, "1");
    struct ap_env *env;
    struct ap_call_result got;
    const char *two = "{\"name\": \"Sum\", \"parameters\": {\"a\": 1, \"b\": 1}}; {\"name\": \"Sum\", \"parameters\": {\"a\": 1, \"b\": 1}}";
    assert_int_equal(ap__env_new(functions, &env, NULL), AP_OK);
    assert_int_equal(ap__env_call(env, two, strlen(two), &got, NULL), AP_OK);
    assert_true(got.error);
    assert_non_null(strstr(got.text, "one call at a time"));
    assert_non_null(strstr(got.text, "Sum("));
    ap__call_result_deinit(&got);
    ap__env_free(env);
}

static void only_json_may_put_a_number_into_quotes(void **state)
{
    (void)state;
    struct ap_env *env;
    struct ap_call_result got;
    assert_int_equal(ap__env_new(functions, &env, NULL), AP_OK);
    assert_int_equal(ap__env_call(env, "Sum('2', 3)", 11, &got, NULL), AP_OK);
    assert_true(got.error);
    ap__call_result_deinit(&got);
    const char *word = "{\"name\": \"Sum\", \"arguments\": {\"a\": \"two\", \"b\": 3}}";
    assert_int_equal(ap__env_call(env, word, strlen(word), &got, NULL), AP_OK);
    assert_true(got.error);
    assert_non_null(strstr(got.text, "must be a number"));
    ap__call_result_deinit(&got);
    ap__env_free(env);
}

/* ---- writing ---- */

static void calls_written_as_json_are_read_back_the_same(void **state)
{
    (void)state;
    static const char *const calls[] = {"Sum(a=2, b=-3.25)", "Sum(a=0.1, b=100000)", "Answer(value=[1, 'it\\'s \"so\"', True, None])",
                                        "Answer(value='\xe2\x88\x80x P(x)')", "F()"};
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        struct ap_call call;
        struct ap_buf text, plain;
        ap__buf_init(&text, 0);
        ap__buf_init(&plain, 0);
        assert_int_equal(ap__call_parse(calls[i], strlen(calls[i]), &call, NULL), AP_OK);
        ap__call_print(&call, &plain);
        assert_int_equal(ap__call_print_hermes(&call, ap__registry_find(functions, call.name), &text, NULL), AP_OK);
        assert_memory_equal(text.data, "<tool_call>\n{\"name\": \"", 22);
        assert_string_equal(reread(text.data) + 1, plain.data);
        ap__call_deinit(&call);
        ap__buf_deinit(&plain);
        ap__buf_deinit(&text);
    }
}

static void positional_arguments_get_the_names_of_their_parameters(void **state)
{
    (void)state;
    struct ap_call call;
    assert_int_equal(ap__call_parse("Sum(1, 1/3, 5)", 14, &call, NULL), AP_OK);
    json_t *named = ap__call_arguments(&call, ap__registry_find(functions, "Sum"));
    json_t *numbered = ap__call_arguments(&call, NULL);
    char *text = json_dumps(named, 0), *bare = json_dumps(numbered, 0);
    assert_string_equal(text, "{\"a\": 1, \"b\": \"1/3\", \"c\": 5}");
    assert_string_equal(bare, "{\"argument1\": 1, \"argument2\": \"1/3\", \"argument3\": 5}");
    free(text);
    free(bare);
    json_decref(named);
    json_decref(numbered);
    ap__call_deinit(&call);
}

/* ---- conversations of mistral-common, when they are at hand ---- */

#define SAMPLES "../shared/data/mistral-samples"

/* The file with blanks for the tokenizer's marks of them. */
static char *sample_text(const char *name, const char *version)
{
    struct ap_buf raw, text;
    struct ap_err err = {0};
    char path[256];
    ap__buf_init(&raw, 0);
    ap__buf_init(&text, 0);
    snprintf(path, sizeof path, SAMPLES "/%s/text_%s.txt", name, version);
    assert_int_equal(ap__file_read(path, 1 << 20, &raw, &err), AP_OK);
    for (const char *at = raw.data; *at;) {
        bool mark = strncmp(at, "\xE2\x96\x81", 3) == 0;
        ap__buf_putc(&text, mark ? ' ' : *at);
        at += mark ? 3 : 1;
    }
    ap__buf_deinit(&raw);
    return ap__buf_take(&text);
}

/* The calls of the request's messages, flat. */
static json_t *sample_calls(const char *name)
{
    char path[256];
    json_t *file = NULL, *calls = json_array(), *message, *call;
    struct ap_err err = {0};
    size_t i, k;
    snprintf(path, sizeof path, SAMPLES "/%s/sample.json", name);
    assert_int_equal(ap__json_load(path, &file, &err), AP_OK);
    json_array_foreach(json_object_get(file, "messages"), i, message)
        json_array_foreach(json_object_get(message, "tool_calls"), k, call)
            json_array_append(calls, json_object_get(call, "function"));
    json_decref(file);
    return calls;
}

static void same_as_requested(const struct ap_call *call, const json_t *wanted)
{
    json_t *arguments = json_loads(json_string_value(json_object_get(wanted, "arguments")), 0, NULL);
    json_t *got = ap__call_arguments(call, NULL);
    assert_string_equal(call->name, json_string_value(json_object_get(wanted, "name")));
    assert_true(json_equal(got, arguments));
    json_decref(got);
    json_decref(arguments);
}

/* v2 leaves out the calls of turns before the last question. */
static void calls_of_real_conversations_are_those_of_the_requests(void **state)
{
    (void)state;
    static const char *const name[] = {"get_weather_full", "several_calls"}, *const version[] = {"v2", "v3"};
    if (!ap__dir_exists(SAMPLES)) {
        print_message(SAMPLES " is not there\n");
        skip();
    }
    for (int i = 0; i < 4; i++) {
        json_t *wanted = sample_calls(name[i / 2]);
        char *text = sample_text(name[i / 2], version[i % 2]);
        size_t n = 0;
        for (char *at = text; (at = strstr(at, "[TOOL_CALLS]")) != NULL; at++)
            n++;
        assert_true(n > 0 && n <= json_array_size(wanted));
        size_t next = json_array_size(wanted) - n;
        for (char *at = text; (at = strstr(at, "[TOOL_CALLS]")) != NULL; at++, next++) {
            struct ap_calls calls;
            assert_int_equal(ap__calls_parse(at, (size_t)(strstr(at, "</s>") - at), &calls, NULL), AP_OK);
            assert_int_equal(calls.n, 1);
            same_as_requested(&calls.call[0], json_array_get(wanted, next));
            assert_int_equal(calls.call[0].id != NULL, i % 2 == 1);
            ap__calls_deinit(&calls);
        }
        ap__free(text);
        json_decref(wanted);
    }
}

static void any_failing_allocation_leaves_nothing_behind(void **state)
{
    (void)state;
    const char *text = "words <tool_call>{\"name\": \"F\", \"id\": \"x\", \"arguments\": \"{\\\"a\\\": [1, \\\"b\\\"]}\"}</tool_call>";
    ap_status status = AP_E_MEMORY;
    for (int64_t n = 1; status != AP_OK; n++) {
        struct ap_calls calls;
        struct ap_err err = {0};
        ap__alloc_fail_after(n);
        status = ap__calls_parse(text, strlen(text), &calls, &err);
        ap__alloc_fail_after(0);
        if (status != AP_OK)
            assert_int_equal(status, AP_E_MEMORY);
        ap__calls_deinit(&calls);
        assert_true(n < 1000);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hermes_calls_are_read_one_or_several_with_words_before_them),
        cmocka_unit_test(mistral_calls_are_an_array_and_keep_their_ids),
        cmocka_unit_test(llama_calls_have_parameters_and_a_python_tag),
        cmocka_unit_test(arguments_may_be_text_as_openai_has_them),
        cmocka_unit_test(python_calls_are_read_as_ever),
        cmocka_unit_test(thoughts_are_kept_and_never_run),
        cmocka_unit_test(one_call_is_asked_for_when_several_are_written),
        cmocka_unit_test(more_calls_than_a_turn_may_have_are_refused),
        cmocka_unit_test(every_form_is_run_and_several_calls_are_an_error),
        cmocka_unit_test(only_json_may_put_a_number_into_quotes),
        cmocka_unit_test(calls_written_as_json_are_read_back_the_same),
        cmocka_unit_test(positional_arguments_get_the_names_of_their_parameters),
        cmocka_unit_test(calls_of_real_conversations_are_those_of_the_requests),
        cmocka_unit_test(any_failing_allocation_leaves_nothing_behind),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
