/* test_import.c - readers of real problem files: small records of each format here, and the
 * whole files of ../shared/data where they are present. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "base/file.h"
#include "functions/registry.h"
#include "tasks/import.h"
#include "tasks/task.h"
#include "testing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DATA "../shared/data/"

static const char *write_file(const char *text)
{
    static char path[160];
    snprintf(path, sizeof path, "%s/file.jsonl", dir);
    OK(ap__file_write(path, text, strlen(text), err));
    return path;
}

static void import_text(const char *text, const char *format, struct ap_problems *out)
{
    OK(ap__problems_import(write_file(text), format, NULL, 0, out, err));
}

static void skip_without(const char *path)
{
    if (!ap__file_exists(path)) {
        print_message("skipped: %s is not there\n", path);
        skip();
    }
}

/* ---- small records ---- */

static void gsm8k_annotations_become_calls(void **state)
{
    (void)state;
    struct ap_problems ps = {0};
    import_text("{\"question\": \"How many?\", \"answer\": \"He has <<2*20*.01=.4>>.4 and <<80/100*10+1-(-3)=12>>12.\\n"
                "#### 12\"}\n",
                NULL, &ps);
    static const char *const calls[] = {"Product(2, 20, 0.01)", "Divide(80, 100)", "Product(0.8, 10)", "Sum(8, 1)",
                                        "Subtract(9, -3)",      "Answer(12)"};
    assert_int_equal(ps.n, 1);
    assert_string_equal(ps.item[0].answer, "12");
    assert_string_equal(ps.item[0].template_name, "gsm8k");
    assert_string_equal(ps.item[0].id, "file/1");
    assert_int_equal(ps.item[0].call_count, 6);
    for (int32_t i = 0; i < 6; i++)
        assert_string_equal(ps.item[0].call[i], calls[i]);
    ap__problems_deinit(&ps);
}

static void gsm8k_quirks_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *annotation, *call;
    } cases[] = {{"560//10=56", "Divide(560, 10)"},         {"71+-3=68", "Sum(71, -3)"},
                 {"-20+10=-10", "Sum(-20, 10)"},            {"3*+6=18", "Product(3, 6)"},
                 {"-48+21+(-3)=-30", "Sum(-48, 21, -3)"},   {"2*(3+4)=14", "Sum(3, 4)"},
                 {"1.50*2.=3", "Product(1.5, 2)"},          {"1+2-3+4=4", "Sum(1, 2)"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct ap_problems ps = {0};
        char text[200];
        snprintf(text, sizeof text, "{\"question\": \"q\", \"answer\": \"<<%s>>\\n#### %s\"}\n", cases[i].annotation,
                 strchr(cases[i].annotation, '=') + 1);
        import_text(text, "gsm8k", &ps);
        assert_true(ps.item[0].call_count > 0);
        assert_string_equal(ps.item[0].call[0], cases[i].call);
        ap__problems_deinit(&ps);
    }
}

static void a_gsm8k_answer_that_no_step_yields_has_no_gold_chain(void **state)
{
    (void)state;
    struct ap_problems ps = {0};
    import_text("{\"question\": \"q\", \"answer\": \"<<4*5=20>>\\n#### 1,020\"}\n", NULL, &ps);
    assert_string_equal(ps.item[0].answer, "1020");
    assert_int_equal(ps.item[0].call_count, 0);
    ap__problems_deinit(&ps);
}

static void contexts_are_laid_out_in_numbered_sentences(void **state)
{
    (void)state;
    struct ap_problems ps = {0};
    import_text("[{\"id\": \"P1\", \"context\": \"Mr. Fox is red. The cat's 3.5 m tall.  All J. Smith fans sing! \", "
                "\"question\": \"Is the following statement true, false, or unknown? The fox is red.\", "
                "\"options\": [\"A) True\", \"B) False\", \"C) Unknown\"], \"answer\": \"C\"}]",
                NULL, &ps);
    assert_string_equal(ps.item[0].question,
                        "1. Mr. Fox is red.\n2. The cat's 3.5 m tall.\n3. All J. Smith fans sing!\n"
                        "Is it true? The fox is red.");
    assert_string_equal(ps.item[0].answer, "Unknown");
    assert_string_equal(ps.item[0].id, "P1");
    assert_string_equal(ps.item[0].template_name, "proofwriter");
    ap__problems_deinit(&ps);
}

static void folio_records_bring_a_gold_chain(void **state)
{
    (void)state;
    struct ap_problems ps = {0};
    import_text("{\"premises\": [\"All cats are pets. \", \"Tom is a cat.\"], \"premises-FOL\": "
                "[\"\\u2200x (Cat(x) \\u2192 Pet(x))\", \"Cat(tom)\"], \"conclusion\": \"Tom is a pet.\", "
                "\"conclusion-FOL\": \"Pet(tom)\", \"label\": \"Uncertain\"}\n",
                NULL, &ps);
    assert_string_equal(ps.item[0].question, "1. All cats are pets.\n2. Tom is a cat.\nIs it true? Tom is a pet.");
    assert_string_equal(ps.item[0].answer, "Unknown");
    assert_int_equal(ps.item[0].premise_count, 2);
    assert_string_equal(ps.item[0].premise[0], "forall x. (Cat(x) -> Pet(x))");
    assert_int_equal(ps.item[0].call_count, 4);
    assert_string_equal(ps.item[0].call[2], "Prove('Pet(tom)')");
    ap__problems_deinit(&ps);
}

static void own_records_need_only_question_and_answer(void **state)
{
    (void)state;
    struct ap_problems ps = {0};
    import_text(
        "\n{\"question\": \"1+1?\", \"answer\": 2}\n\n{\"question\": \"Is it?\", \"answer\": true, \"id\": \"x\","
        "\"template\": \"t\", \"calls\": [\"Answer(True)\"]}",
        NULL, &ps);
    assert_int_equal(ps.n, 2);
    assert_string_equal(ps.item[0].answer, "2");
    assert_string_equal(ps.item[0].id, "file/2");
    assert_string_equal(ps.item[0].template_name, "jsonl");
    assert_string_equal(ps.item[1].answer, "True");
    assert_string_equal(ps.item[1].id, "x");
    assert_string_equal(ps.item[1].call[0], "Answer(True)");
    ap__problems_deinit(&ps);
}

static void expect_error(const char *text, const char *format, const char *place, const char *message)
{
    struct ap_problems ps = {0};
    struct ap_err err = {0};
    ap_status st = ap__problems_import(write_file(text), format, NULL, 0, &ps, &err);
    if (st == AP_OK)
        fail_msg("accepted: %s", text);
    assert_int_equal(ps.n, 0);
    if (!strstr(err.place, place) || !strstr(err.message, message))
        fail_msg("for %s: %s: %s", text, err.place, err.message);
    ap__problems_deinit(&ps);
}

static void broken_records_are_errors_with_their_place(void **state)
{
    (void)state;
    expect_error("", NULL, "file.jsonl", "no problems");
    expect_error("{\"question\": \"q\", \"answer\": \"a\"}\n{\"question\": \"q\"", NULL, "file.jsonl:2", "");
    expect_error("{\"question\": \"q\", \"answer\": \"a\"}\n{\"question\": \"q\"}\n", NULL, "file.jsonl:2", "answer");
    expect_error("{\"question\": \"q\", \"answer\": \"a\"}\n[1]\n", NULL, "file.jsonl:2", "object");
    expect_error("{\"text\": \"q\"}\n", NULL, "file.jsonl:1", "no known format");
    expect_error("{\"question\": \"q\", \"answer\": \"<<2+=3>>\\n#### 3\"}\n", NULL, "file.jsonl:1", "2+=3");
    expect_error("{\"question\": \"q\", \"answer\": \"<<2+1=3\\n#### 3\"}\n", NULL, "file.jsonl:1", ">>");
    expect_error("{\"question\": \"q\", \"answer\": \"3\"}\n", "gsm8k", "file.jsonl:1", "####");
    expect_error("{\"question\": \"q\", \"answer\": \"3\"}\n", "csv", "", "not `csv`");
    expect_error("[{\"question\": \"q\", \"answer\": \"3\"}]", "gsm8k", "file.jsonl", "on each line");
    expect_error("{\"question\": \"q\", \"answer\": \"3\"}", "prontoqa", "file.jsonl", "one JSON array");
    expect_error(
        "[{\"context\": \"A.\", \"question\": \"q? B.\", \"options\": [\"A) True\", \"B) False\"], \"answer\": "
        "\"D\"}]",
        NULL, "record 1", "none of the options");
    expect_error("{\"premises\": [\"A.\"], \"conclusion\": \"B.\", \"label\": \"Maybe\"}\n", NULL, "file.jsonl:1",
                 "Maybe");
    expect_error("{\"premises\": [5], \"conclusion\": \"B.\", \"label\": \"True\"}\n", NULL, "file.jsonl:1", "item 1");
}

static void deeply_nested_annotations_are_an_error(void **state)
{
    (void)state;
    char text[4096] = "{\"question\": \"q\", \"answer\": \"<<";
    memset(text + strlen(text), '(', 3000);
    strcat(text, "1=1>>\\n#### 1\"}\n");
    expect_error(text, "gsm8k", "file.jsonl:1", "cannot be read");
}

/* ---- the whole files ---- */

/* Results of the derived record, in order, against the steps' own. */
static void compare_steps(const struct ap_calc *calc, const json_t *derived, const char *place)
{
    const json_t *calls = json_object_get(derived, "calls");
    mpq_t result[AP_CALC_STEPS], expected;
    if ((size_t)calc->n != json_array_size(calls))
        fail_msg("%s: %d calls, expected %zu", place, calc->n, json_array_size(calls));
    ap__calc_init_numbers(result);
    mpq_init(expected);
    assert_true(ap__calc_run(calc, result));
    for (int32_t i = 0; i < calc->n; i++) {
        const json_t *call = json_array_get(calls, (size_t)i);
        assert_string_equal(ap__calc_op_name(calc->step[i].op), json_string_value(json_object_get(call, "name")));
        assert_int_equal(calc->step[i].n, json_array_size(json_object_get(call, "args")));
        assert_true(ap__number_parse(json_string_value(json_object_get(call, "result")), expected));
        if (!mpq_equal(expected, result[i]))
            fail_msg("%s: the result of step %d differs", place, i);
    }
    mpq_clear(expected);
    ap__calc_deinit_numbers(result);
}

static size_t compare_gsm8k_file(const char *path, const struct ap_map *derived, size_t *offset, size_t *derivable)
{
    struct ap_map map;
    size_t at = 0, n = 0, length, derived_length, count = 0;
    const char *line, *derived_line;
    OK(ap__map_open(path, &map, err));
    while (ap__map_line(&map, &at, &line, &length) && length > 0) {
        json_t *record, *expected;
        struct ap_calc calc;
        char final[AP_CALC_TEXT], place[64];
        snprintf(place, sizeof place, "%s:%zu", path, ++n);
        assert_true(ap__map_line(derived, offset, &derived_line, &derived_length));
        OK(ap__json_parse(line, length, place, &record, err));
        OK(ap__json_parse(derived_line, derived_length, place, &expected, err));
        OK(ap__gsm8k_steps(json_string_value(json_object_get(record, "answer")), place, &calc, final, err));
        assert_string_equal(final, json_string_value(json_object_get(expected, "final")));
        const json_t *calls = json_object_get(expected, "calls");
        const char *last = ap__json_str_or(json_array_get(calls, json_array_size(calls) - 1), "result", "");
        if (strcmp(last, final) == 0 && calc.answer.ref != calc.n - 1)
            fail_msg("%s: step %d is the answer %s, expected %d", place, calc.answer.ref, final, calc.n - 1);
        *derivable += calc.answer.ref >= 0;
        compare_steps(&calc, expected, place);
        count += (size_t)calc.n;
        json_decref(record);
        json_decref(expected);
    }
    ap__map_close(&map);
    return count;
}

static void all_gsm8k_annotations_give_the_known_calls_and_results(void **state)
{
    (void)state;
    struct ap_map derived;
    size_t offset = 0, derivable = 0;
    skip_without(DATA "derived/gsm8k-calls.jsonl");
    OK(ap__map_open(DATA "derived/gsm8k-calls.jsonl", &derived, err));
    size_t calls = compare_gsm8k_file(DATA "gsm8k/train.jsonl", &derived, &offset, &derivable);
    calls += compare_gsm8k_file(DATA "gsm8k/test.jsonl", &derived, &offset, &derivable);
    print_message("%zu calls compared, %zu problems have a gold chain\n", calls, derivable);
    assert_int_equal(offset, derived.size);
    ap__map_close(&derived);
}

static void gsm8k_gold_chains_run_and_answer_right(void **state)
{
    (void)state;
    struct ap_problems ps = {0};
    struct ap_task *task;
    skip_without(DATA "gsm8k/test.jsonl");
    OK(ap__task_open("gsm8k", &task, err));
    OK(ap__problems_import(DATA "gsm8k/test.jsonl", NULL, task, 0, &ps, err));
    for (size_t i = 0; i < ps.n; i++) {
        struct ap_env *env;
        bool correct = ps.item[i].call_count == 0;
        assert_string_equal(ps.item[i].task, "gsm8k");
        assert_true(ps.item[i].call_count <= task->agent.max_steps);
        OK(ap__env_new(task->functions, &env, err));
        for (int32_t k = 0; k < ps.item[i].call_count; k++) {
            struct ap_call_result result = {0};
            OK(ap__env_call(env, ps.item[i].call[k], strlen(ps.item[i].call[k]), &result, err));
            assert_false(result.error);
            if (result.answered)
                OK(ap__checker_judge(&task->checker, result.answer, ps.item[i].answer, &correct, err));
            ap__call_result_deinit(&result);
        }
        if (!correct)
            fail_msg("%s: the gold chain does not give %s", ps.item[i].id, ps.item[i].answer);
        ap__env_free(env);
    }
    ap__problems_deinit(&ps);
    ap__task_free(task);
}

/* Layout against the sentences of a derived file. */
static void compare_sentences(const char *path, const char *derived_path, size_t expected)
{
    struct ap_problems ps = {0};
    struct ap_map map;
    struct ap_buf text;
    size_t offset = 0, length, n = 0;
    const char *line;
    skip_without(path);
    OK(ap__problems_import(path, NULL, NULL, 0, &ps, err));
    OK(ap__map_open(derived_path, &map, err));
    ap__buf_init(&text, 0);
    assert_int_equal(ps.n, expected);
    while (ap__map_line(&map, &offset, &line, &length) && length > 0) {
        json_t *record, *sentence;
        size_t i;
        OK(ap__json_parse(line, length, derived_path, &record, err));
        ap__buf_clear(&text);
        json_array_foreach(json_object_get(record, "premises"), i, sentence)
            ap__buf_printf(&text, "%zu. %s\n", i + 1, json_string_value(sentence));
        ap__buf_printf(&text, "Is it true? %s", json_string_value(json_object_get(record, "conclusion")));
        assert_true(n < ps.n);
        assert_string_equal(ps.item[n].id, json_string_value(json_object_get(record, "id")));
        assert_string_equal(ps.item[n].question, ap__buf_cstr(&text));
        const char *label = json_string_value(json_object_get(record, "label"));
        assert_string_equal(ps.item[n].answer, strcmp(label, "Uncertain") == 0 ? "Unknown" : label);
        json_decref(record);
        n++;
    }
    assert_int_equal(n, ps.n);
    ap__buf_deinit(&text);
    ap__map_close(&map);
    ap__problems_deinit(&ps);
}

static void proofwriter_files_are_split_into_their_sentences(void **state)
{
    (void)state;
    compare_sentences(DATA "logic-llm/ProofWriter-dev.json", DATA "derived/proofwriter-dev-fol.jsonl", 499);
    compare_sentences(DATA "logic-llm/ProofWriter-test.json", DATA "derived/proofwriter-test-fol.jsonl", 295);
}

static void prontoqa_files_are_split_into_their_sentences(void **state)
{
    (void)state;
    compare_sentences(DATA "logic-llm/ProntoQA-dev.json", DATA "derived/prontoqa-dev-fol.jsonl", 285);
}

static void every_folio_record_is_read(void **state)
{
    (void)state;
    struct ap_problems train = {0}, validation = {0};
    size_t chains = 0;
    skip_without(DATA "folio/folio-train.jsonl");
    OK(ap__problems_import(DATA "folio/folio-train.jsonl", NULL, NULL, 0, &train, err));
    OK(ap__problems_import(DATA "folio/folio-validation.jsonl", NULL, NULL, 0, &validation, err));
    assert_int_equal(train.n, 905);
    assert_int_equal(validation.n, 126);
    for (size_t i = 0; i < validation.n; i++)
        chains += validation.item[i].call_count > 0;
    assert_int_equal(chains, validation.n);
    ap__problems_deinit(&train);
    ap__problems_deinit(&validation);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gsm8k_annotations_become_calls),
        cmocka_unit_test(gsm8k_quirks_are_read),
        cmocka_unit_test(a_gsm8k_answer_that_no_step_yields_has_no_gold_chain),
        cmocka_unit_test(contexts_are_laid_out_in_numbered_sentences),
        cmocka_unit_test(folio_records_bring_a_gold_chain),
        cmocka_unit_test(own_records_need_only_question_and_answer),
        cmocka_unit_test(broken_records_are_errors_with_their_place),
        cmocka_unit_test(deeply_nested_annotations_are_an_error),
        cmocka_unit_test(all_gsm8k_annotations_give_the_known_calls_and_results),
        cmocka_unit_test(gsm8k_gold_chains_run_and_answer_right),
        cmocka_unit_test(proofwriter_files_are_split_into_their_sentences),
        cmocka_unit_test(prontoqa_files_are_split_into_their_sentences),
        cmocka_unit_test(every_folio_record_is_read),
    };
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
