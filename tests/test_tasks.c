/* test_tasks.c - task files, problem lists, splits of files, verdicts and soundness. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "base/file.h"
#include "tasks/task.h"
#include "testing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>


static const char *write_file(const char *name, const char *text)
{
    static char path[160];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    OK(ap__file_write(path, text, strlen(text), err));
    return path;
}

#define GOOD                                                                                        \
    "prompt: |\n  Add.\nfunctions: [Sum, Answer]\nbootstrap: ['Sum(1, 2)']\n"                       \
    "limits: {steps: 5, lockstep: true}\nproblems: {generator: math-word}\nchecker: number\n"

static void built_in_tasks_open_by_name(void **state)
{
    (void)state;
    static const char *const names[] = {"fol-entailment", "fol-translation", "math-word", "math-expression", "gsm8k"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct ap_task *task;
        OK(ap__task_open(names[i], &task, err));
        assert_string_equal(task->name, names[i]);
        assert_non_null(ap__registry_find(task->functions, "Answer"));
        assert_true(strlen(task->agent.prompt) > 10);
        assert_true(task->agent.max_steps > 1 && task->agent.in_flight > 0);
        ap__task_free(task);
    }
}

static void a_task_file_is_read_as_written(void **state)
{
    (void)state;
    struct ap_task *task;
    OK(ap__task_open(write_file("adding.yaml", GOOD), &task, err));
    assert_string_equal(task->name, "adding");
    assert_string_equal(task->agent.prompt, "Add.");
    assert_int_equal(task->agent.bootstrap_count, 1);
    assert_string_equal(task->agent.bootstrap[0], "Sum(1, 2)");
    assert_int_equal(task->agent.max_steps, 5);
    assert_int_equal(task->agent.max_bad_calls, 3);
    assert_true(task->agent.lockstep);
    assert_int_equal(task->checker.kind, AP_CHECK_NUMBER);
    struct ap_problems ps = {0};
    OK(ap__task_problems(task, AP_HELDOUT, 1, 0, 3, &ps, err));
    assert_string_equal(ps.item[0].task, "adding");
    assert_int_equal(strncmp(ps.item[0].id, "adding/heldout/", 15), 0);
    ap__problems_deinit(&ps);
    ap__task_free(task);
}

/* One edit of the good file, and what the message must say. */
static void expect_error(const char *from, const char *to, const char *line, const char *message)
{
    char text[1024];
    struct ap_err err = {0};
    struct ap_task *task = NULL;
    const char *at = strstr(GOOD, from);
    assert_non_null(at);
    snprintf(text, sizeof text, "%.*s%s%s", (int)(at - GOOD), GOOD, to, at + strlen(from));
    ap_status st = ap__task_open(write_file("wrong.yaml", text), &task, &err);
    if (st == AP_OK)
        fail_msg("`%s` was accepted", to);
    if (!strstr(err.place, line) || !strstr(err.message, message))
        fail_msg("for `%s`: %s: %s", to, err.place, err.message);
}

static void wrong_task_files_are_reported_with_line_and_suggestion(void **state)
{
    (void)state;
    expect_error("limits", "limit", "wrong.yaml:5", "did you mean `limits`?");
    expect_error("steps: 5", "stpes: 5", "wrong.yaml:5", "did you mean `steps`?");
    expect_error("steps: 5", "steps: 0", "wrong.yaml:5", "steps");
    expect_error("Sum, Answer", "Sun, Answer", "wrong.yaml:3", "Sum");
    expect_error("generator: math-word", "generator: math-wrod", "wrong.yaml:6", "did you mean `math-word`?");
    expect_error("generator: math-word", "generator: math-word, profile: huge", "wrong.yaml:6", "short, long or mixed");
    expect_error("generator: math-word", "generator: math-word, file: x", "wrong.yaml:6",
                 "either `generator` or `file`");
    expect_error("generator: math-word", "file: x, format: csv", "wrong.yaml:6", "not `csv`");
    expect_error("checker: number", "checker: numbers", "wrong.yaml:7", "exact, number, choice or formula");
    expect_error("checker: number", "checker: choice", "wrong.yaml:7", "choices");
    expect_error("checker: number", "checker: {kind: number, tolerance: x}", "wrong.yaml:7", "tolerance");
    expect_error("checker: number\n", "", "wrong.yaml", "`checker` is missing");
    expect_error("prompt: |\n  Add.\n", "", "wrong.yaml", "prompt");
}

static void an_unknown_task_is_named(void **state)
{
    (void)state;
    struct ap_err err = {0};
    struct ap_task *task;
    assert_int_equal(ap__task_open("math-wrod", &task, &err), AP_E_NOT_FOUND);
    assert_non_null(strstr(err.message, "math-wrod"));
    assert_non_null(strstr(err.message, "did you mean `math-word`?"));
    assert_int_equal(ap__task_open("no/such.yaml", &task, &err), AP_E_NOT_FOUND);
}

/* ---- files as problem sources ---- */

static void write_numbers(const char *name, int count)
{
    struct ap_buf text;
    ap__buf_init(&text, 0);
    for (int i = 0; i < count; i++)
        ap__buf_printf(&text, "{\"question\": \"What is %d plus 1?\", \"answer\": %d}\n", i, i + 1);
    ap__buf_puts(&text, "{\"question\": \"  what is 0 PLUS 1?\", \"answer\": 1}\n"); /* the first one again */
    write_file(name, ap__buf_cstr(&text));
    ap__buf_deinit(&text);
}

static void one_file_is_split_by_content_and_repetitions_are_dropped(void **state)
{
    (void)state;
    struct ap_task *task;
    struct ap_problems train = {0}, heldout = {0};
    struct ap_err why = {0};
    write_numbers("numbers.jsonl", 100);
    OK(ap__task_open(write_file("own.yaml", "prompt: Add.\nfunctions: [Sum]\nproblems: {file: numbers.jsonl}\n"
                                            "checker: number\n"),
                     &task, err));
    int32_t t = 0, h = 0;
    while (ap__task_problems(task, AP_TRAIN, 1, t, 1, &train, &why) == AP_OK)
        t++;
    assert_int_equal(why.code, AP_E_LIMIT);
    assert_non_null(strstr(why.message, "training"));
    while (ap__task_problems(task, AP_HELDOUT, 1, h, 1, &heldout, &why) == AP_OK)
        h++;
    assert_int_equal(t + h, 100);
    assert_true(h >= 8 && h <= 35);
    for (size_t i = 0; i < train.n; i++)
        for (size_t k = 0; k < heldout.n; k++)
            assert_true(ap__problem_hash(&train.item[i]) != ap__problem_hash(&heldout.item[k]));
    ap__problems_deinit(&train);
    ap__problems_deinit(&heldout);
    ap__task_free(task);
}

static void the_hash_ignores_case_and_white_space(void **state)
{
    (void)state;
    struct ap_problem a = {.question = "Is  it\n True?"}, b = {.question = " is it true?  "},
                      c = {.question = "isit true?"};
    assert_true(ap__problem_hash(&a) == ap__problem_hash(&b));
    assert_true(ap__problem_hash(&a) != ap__problem_hash(&c));
}

static void problems_survive_json(void **state)
{
    (void)state;
    struct ap_task *task;
    struct ap_problems ps = {0};
    OK(ap__task_open("fol-entailment", &task, err));
    OK(ap__task_problems(task, AP_TRAIN, 1, 0, 5, &ps, err));
    for (size_t i = 0; i < ps.n; i++) {
        json_t *json, *again;
        struct ap_problem p;
        OK(ap__problem_to_json(&ps.item[i], &json, err));
        OK(ap__problem_from_json(json, "test", &p, err));
        OK(ap__problem_to_json(&p, &again, err));
        assert_true(json_equal(json, again));
        json_decref(json);
        json_decref(again);
        ap__problem_deinit(&p);
    }
    ap__problems_deinit(&ps);
    ap__task_free(task);
}

/* ---- verdicts ---- */

/* A chain by hand; every call is run so that its result is the true one. */
static void make_chain(const struct ap_task *task, const char *const *calls, int32_t n, struct ap_chain *chain)
{
    struct ap_env *env = NULL;
    *chain = (struct ap_chain){.verdict = AP_INVALID};
    chain->step = ap__alloc_array((size_t)n, sizeof *chain->step);
    OK(ap__env_new(task->functions, &env, err));
    for (chain->n = 0; chain->n < n; chain->n++) {
        struct ap_call_result result = {0};
        struct ap_step *step = &chain->step[chain->n];
        OK(ap__env_call(env, calls[chain->n], strlen(calls[chain->n]), &result, err));
        step->call = ap__strdup(calls[chain->n]);
        step->result = ap__strdup(result.text);
        step->function = ap__strdup(result.function);
        step->error = result.error;
        if (result.answered)
            chain->answer = ap__strdup(result.answer);
        ap__call_result_deinit(&result);
    }
    ap__env_free(env);
}

static void expect_chain(const struct ap_task *task, const struct ap_problem *p, const char *const *calls, int32_t n,
                         enum ap_verdict verdict, bool sound)
{
    struct ap_chain chain;
    bool is_sound;
    make_chain(task, calls, n, &chain);
    OK(ap__task_judge(task, p, &chain, err));
    assert_int_equal(chain.verdict, verdict);
    OK(ap__task_sound(task, p, &chain, &is_sound, err));
    assert_int_equal(is_sound, sound);
    ap__chain_deinit(&chain);
}
#define CHAIN(...)                                                                                                     \
    (const char *const[]){__VA_ARGS__}, (int32_t)(sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *))

static void a_right_answer_is_sound_only_with_the_gold_premises_and_goal(void **state)
{
    (void)state;
    static char *premises[] = {"forall x. (Cat(x) -> Pet(x))", "Cat(tom)"};
    static char *gold[] = {"AddPremise('forall x. (Cat(x) -> Pet(x))')", "AddPremise('Cat(tom)')", "Prove('Pet(tom)')",
                           "Answer('True')"};
    const struct ap_problem p = {.question = "?", .answer = "True", .premise = premises, .premise_count = 2,
                                 .call = gold, .call_count = 4};
    struct ap_task *task;
    OK(ap__task_open("fol-entailment", &task, err));
    expect_chain(task, &p, CHAIN(gold[0], gold[1], gold[2], gold[3]), AP_CORRECT, true);
    expect_chain(task, &p, CHAIN("AddPremise('forall y. (not Pet(y) -> not Cat(y))')", gold[1], gold[2], gold[3]),
                 AP_CORRECT, true);
    expect_chain(task, &p, CHAIN("AddPremise('forall x. (Pet(x) -> Cat(x))')", gold[1], gold[2], gold[3]), AP_CORRECT,
                 false);
    expect_chain(task, &p, CHAIN(gold[1], "Prove('Cat(tom)')", gold[3]), AP_CORRECT, false);
    expect_chain(task, &p, CHAIN(gold[0], gold[1], "Prove('Cat(tom)')", gold[3]), AP_CORRECT, false);
    expect_chain(task, &p, CHAIN(gold[0], gold[1], gold[3]), AP_CORRECT, false);
    expect_chain(task, &p, CHAIN(gold[0], "AddPremise('Cat(')", gold[1], gold[2], gold[3]), AP_CORRECT, false);
    expect_chain(task, &p, CHAIN(gold[0], gold[1], gold[1], gold[2], gold[3]), AP_CORRECT, false);
    expect_chain(task, &p, CHAIN(gold[0], gold[1], gold[2], "Answer('False')"), AP_INCORRECT, false);
    expect_chain(task, &p, CHAIN(gold[0], gold[1], gold[2]), AP_INVALID, false);
    ap__task_free(task);
}

static void a_sound_calculation_has_no_error_observation(void **state)
{
    (void)state;
    const struct ap_problem p = {.question = "?", .answer = "5"};
    struct ap_task *task;
    OK(ap__task_open("math-word", &task, err));
    expect_chain(task, &p, CHAIN("Sum(2, 3)", "Answer(5)"), AP_CORRECT, true);
    expect_chain(task, &p, CHAIN("Divide(1, 0)", "Sum(2, 3)", "Answer(5)"), AP_CORRECT, false);
    expect_chain(task, &p, CHAIN("Sum(2, 3)", "Answer(6)"), AP_INCORRECT, false);
    ap__task_free(task);
}

/* Open, make two problems of either split's kind; their questions go into *out. */
static ap_status open_and_make(const char *path, struct ap_buf *out, struct ap_err *why)
{
    struct ap_task *task = NULL;
    struct ap_problems ps = {0};
    ap_status st = ap__task_open(path, &task, why);
    if (st == AP_OK)
        st = ap__task_problems(task, AP_TRAIN, 1, 0, 2, &ps, why);
    ap__alloc_fail_after(0);
    for (size_t i = 0; i < ps.n; i++)
        ap__buf_printf(out, "%s %s %s\n", ps.item[i].question, ps.item[i].answer,
                       ps.item[i].call_count ? ps.item[i].call[ps.item[i].call_count - 1] : "");
    ap__problems_deinit(&ps);
    ap__task_free(task);
    return st;
}

static void check_failing_allocations(const char *path)
{
    struct ap_buf expected, got;
    int64_t n = 0;
    ap__buf_init(&expected, 0);
    ap__buf_init(&got, 0);
    OK(open_and_make(path, &expected, err));
    for (ap_status st = AP_E_MEMORY; st != AP_OK && n < 20000;) {
        struct ap_err why = {0};
        ap__alloc_fail_after(++n);
        st = open_and_make(path, &got, &why);
        if (st != AP_OK && st != AP_E_MEMORY)
            fail_msg("allocation %d: %s: %s: %s", (int)n, ap_status_text(st), why.place, why.message);
        if (st == AP_OK)
            assert_string_equal(ap__buf_cstr(&got), ap__buf_cstr(&expected));
        else
            assert_int_equal(got.len, 0);
    }
    assert_true(n > 20 && n < 20000);
    ap__buf_deinit(&expected);
    ap__buf_deinit(&got);
}

static void failing_allocations_leave_nothing_behind(void **state)
{
    (void)state;
    check_failing_allocations(write_file("adding.yaml", GOOD));
    check_failing_allocations(
        write_file("proving.yaml", "prompt: Prove.\nfunctions: fol\nproblems: {generator: fol-entailment}\n"
                                   "checker: {kind: choice, choices: ['True', 'False', Unknown]}\n"));
    write_numbers("numbers.jsonl", 12);
    check_failing_allocations(
        write_file("own.yaml", "prompt: Add.\nfunctions: Sum\nproblems: {file: numbers.jsonl}\nchecker: number\n"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(built_in_tasks_open_by_name),
        cmocka_unit_test(a_task_file_is_read_as_written),
        cmocka_unit_test(wrong_task_files_are_reported_with_line_and_suggestion),
        cmocka_unit_test(an_unknown_task_is_named),
        cmocka_unit_test(one_file_is_split_by_content_and_repetitions_are_dropped),
        cmocka_unit_test(the_hash_ignores_case_and_white_space),
        cmocka_unit_test(problems_survive_json),
        cmocka_unit_test(a_right_answer_is_sound_only_with_the_gold_premises_and_goal),
        cmocka_unit_test(a_sound_calculation_has_no_error_observation),
        cmocka_unit_test(failing_allocations_leave_nothing_behind),
    };
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
