/* test_export.c - a run's pairs and chains as another tool reads them. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "base/file.h"
#include "store/export.h"
#include "store_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void add_chain(struct ap_store *store, const char *actor, const char *const *calls, int32_t n, const char *answer)
{
    struct ap_step step[8] = {0};
    for (int32_t i = 0; i < n; i++)
        step[i] = (struct ap_step){.call = (char *)calls[i], .result = (char *)"4\xff", .function = (char *)"Sum"};
    struct ap_stored_chain chain = {.key = {"p", actor, AP_FOR_COLLECT, 0},
                                    .chain = {.step = step, .n = n, .answer = (char *)answer,
                                              .verdict = answer ? AP_CORRECT : AP_INVALID}};
    OK(ap__store_add_chain(store, &chain, err));
}

/* One problem with a chosen and a rejected chain. */
static struct ap_store *make_run(const char *task)
{
    static const char *const good[] = {"Sum(1, 2.5, c=1/3)", "Reasoning('it\\'s four')",
                                       "<think>4</think><tool_call>{\"name\": \"Answer\", \"arguments\": {\"value\": 4}}</tool_call>"};
    static const char *const bad[] = {"Sum(a=1 b=2)", "Nonsense(1)", "Sum(\xff)"};
    struct ap_store *store = open_store(AP_STORE_WRITE);
    struct ap_problem p = problem("p", "How many?");
    p.task = (char *)task;
    OK(ap__store_add_problem(store, AP_TRAIN, &p, err));
    add_chain(store, "teacher", good, 3, "4");
    add_chain(store, "student", bad, 3, NULL);
    struct ap_pair pair = {.problem = (char *)"p", .chosen = 1, .rejected = 2, .provenance = (char *)"teacher>student"};
    struct ap_pairs pairs = {.item = &pair, .n = 1};
    OK(ap__store_set_pairs(store, &pairs, err));
    return store;
}

static json_t *read_line(size_t which)
{
    struct ap_map map;
    OK(ap__map_open(in_dir("out.jsonl"), &map, err));
    size_t offset = 0, len = 0;
    const char *line = NULL;
    for (size_t i = 0; i <= which; i++)
        assert_true(ap__map_line(&map, &offset, &line, &len));
    json_t *json = NULL;
    OK(ap__json_parse(line, len, in_dir("out.jsonl"), &json, err));
    ap__map_close(&map);
    return json;
}

static const json_t *at(const json_t *array, size_t i, const char *key)
{
    const json_t *value = json_object_get(json_array_get(array, i), key);
    if (!value)
        fail_msg("element %zu has no `%s`", i, key);
    return value;
}

static const char *text_at(const json_t *array, size_t i, const char *key)
{
    return json_string_value(at(array, i, key));
}

static void a_pair_is_a_line_of_messages_with_tools_and_tool_calls(void **state)
{
    (void)state;
    struct ap_task *task = NULL;
    OK(ap__task_open("math-word", &task, err));
    struct ap_store *store = make_run("math-word");
    int64_t n = 0;
    OK(ap__export_pairs(store, (const struct ap_task *const *)&task, 1, in_dir("out.jsonl"), &n, err));
    assert_int_equal(n, 1);
    json_t *line = read_line(0);
    const json_t *prompt = json_object_get(line, "prompt"), *chosen = json_object_get(line, "chosen"),
                 *rejected = json_object_get(line, "rejected");
    size_t last = json_array_size(prompt) - 1;
    assert_string_equal(text_at(prompt, 0, "role"), "system");
    assert_string_equal(text_at(prompt, last, "role"), "user");
    assert_string_equal(text_at(prompt, last, "content"), "How many?");
    assert_true(json_array_size(json_object_get(line, "tools")) > 3);

    /* assistant, tool, assistant, tool, assistant: nothing is said after the answer */
    assert_int_equal(json_array_size(chosen), 5);
    const json_t *function = at(at(chosen, 0, "tool_calls"), 0, "function");
    assert_string_equal(ap__json_str_or(function, "name", ""), "Sum");
    const json_t *arguments = json_object_get(function, "arguments");
    assert_int_equal(json_integer_value(json_object_get(arguments, "a")), 1);
    assert_true(json_real_value(json_object_get(arguments, "b")) == 2.5);
    assert_string_equal(ap__json_str_or(arguments, "c", ""), "1/3");
    assert_string_equal(text_at(chosen, 1, "role"), "tool");
    assert_string_equal(text_at(chosen, 1, "content"), "4\xEF\xBF\xBD");
    arguments = json_object_get(at(at(chosen, 2, "tool_calls"), 0, "function"), "arguments");
    assert_string_equal(ap__json_str_or(arguments, "reasoning", ""), "it's four");

    assert_null(json_object_get(json_array_get(chosen, 2), "content"));
    function = at(at(chosen, 4, "tool_calls"), 0, "function"); /* in another model's form, with a thought */
    assert_string_equal(ap__json_str_or(function, "name", ""), "Answer");
    assert_string_equal(text_at(chosen, 4, "content"), "<think>4</think>");

    /* what is no call of a known function stands as it was written */
    assert_int_equal(json_array_size(rejected), 6);
    assert_string_equal(text_at(rejected, 0, "content"), "Sum(a=1 b=2)");
    assert_string_equal(text_at(rejected, 2, "content"), "Nonsense(1)");
    assert_string_equal(text_at(rejected, 4, "content"), "Sum(\xEF\xBF\xBD)");
    json_decref(line);
    ap__store_free(store);
    ap__task_free(task);
}

static void chains_are_lines_with_verdicts(void **state)
{
    (void)state;
    struct ap_task *task = NULL;
    OK(ap__task_open("math-word", &task, err));
    struct ap_store *store = make_run("math-word");
    int64_t n = 0;
    OK(ap__export_chains(store, (const struct ap_task *const *)&task, 1, in_dir("out.jsonl"), &n, err));
    assert_int_equal(n, 2);
    json_t *student = read_line(0), *teacher = read_line(1);
    assert_string_equal(ap__json_str_or(student, "actor", ""), "student");
    assert_string_equal(ap__json_str_or(student, "verdict", ""), "invalid");
    assert_true(json_is_null(json_object_get(student, "answer")));
    assert_string_equal(ap__json_str_or(teacher, "verdict", ""), "correct");
    assert_string_equal(ap__json_str_or(teacher, "answer", ""), "4");
    json_decref(student);
    json_decref(teacher);
    ap__store_free(store);
    ap__task_free(task);
}

static void a_failed_export_leaves_the_old_file_and_names_what_failed(void **state)
{
    (void)state;
    struct ap_task *task = NULL;
    OK(ap__task_open("math-word", &task, err));
    struct ap_store *store = make_run("a task that is not there");
    struct ap_err why = {0};
    OK(ap__file_write(in_dir("out.jsonl"), "old\n", 4, err));
    assert_int_equal(ap__export_pairs(store, (const struct ap_task *const *)&task, 1, in_dir("out.jsonl"), NULL, &why), AP_E_NOT_FOUND);
    assert_non_null(strstr(why.message, "a task that is not there"));
    struct ap_buf text;
    ap__buf_init(&text, 0);
    OK(ap__file_read(in_dir("out.jsonl"), 100, &text, err));
    assert_string_equal(text.data, "old\n");
    ap__buf_deinit(&text);
    assert_int_equal(ap__export_pairs(store, (const struct ap_task *const *)&task, 1, "/no/such/folder/x", NULL, &why),
                     AP_E_IO);
    assert_non_null(strstr(why.place, "/no/such/folder/x"));
    ap__store_free(store);
    ap__task_free(task);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_pair_is_a_line_of_messages_with_tools_and_tool_calls),
        TEST(chains_are_lines_with_verdicts),
        TEST(a_failed_export_leaves_the_old_file_and_names_what_failed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
