/* test_llm_replay.c - recorded answers are found by the whole conversation, or not at all. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "llm/llm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char path[] = "/tmp/ap-replay-XXXXXX";

static int set_up(void **state)
{
    (void)state;
    int fd = mkstemp(path);
    return fd < 0 ? -1 : close(fd);
}

static int tear_down(void **state)
{
    (void)state;
    return unlink(path);
}

static struct ap_llm *open_with(const char *lines)
{
    struct ap_llm *llm = NULL;
    struct ap_err err = {0};
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_true(fputs(lines, f) >= 0);
    assert_int_equal(fclose(f), 0);
    if (ap__llm_replay_open(path, &llm, &err) != AP_OK)
        fail_msg("%s: %s", err.place, err.message);
    return llm;
}

static ap_status ask(struct ap_llm *llm, struct ap_conversation *c, uint64_t id, float temperature)
{
    struct ap_request request = {.id = id, .conversation = c, .stream = {1, id, 0}, .max_tokens = 10,
                                 .sampling = {.temperature = temperature, .top_p = 1}};
    return llm->ops->submit(llm, &request, NULL);
}

static void completes_with(struct ap_llm *llm, uint64_t id, enum ap_finish finish, const char *text)
{
    struct ap_completion c[4];
    int32_t n = -1;
    assert_int_equal(llm->ops->poll(llm, c, 4, &n, NULL), AP_OK);
    assert_int_equal(n, 1);
    assert_int_equal(c[0].id, id);
    assert_int_equal(c[0].finish, finish);
    if (finish == AP_FINISH_ERROR)
        assert_string_equal(c[0].error, text);
    else
        assert_string_equal(c[0].text, text);
}

static void an_answer_is_found_by_the_whole_conversation(void **state)
{
    (void)state;
    struct ap_llm *llm = open_with(
        "{\"messages\": [{\"role\": \"user\", \"content\": \"a\"}], \"answer\": \"first\"}\n"
        "\n"
        "{\"messages\": [{\"role\": \"user\", \"content\": \"a\"}, {\"role\": \"assistant\", \"content\": \"first\"},"
        " {\"role\": \"tool\", \"content\": \"b\"}], \"answer\": \"second\"}\n");
    struct ap_conversation c = {0};
    assert_int_equal(ap__conversation_add(&c, AP_USER, "a", false, NULL), AP_OK);
    assert_int_equal(ask(llm, &c, 5, 0), AP_OK);
    completes_with(llm, 5, AP_FINISH_STOP, "first");
    assert_int_equal(c.n, 2);
    assert_int_equal(c.message[1].role, AP_ASSISTANT);
    assert_int_equal(ap__conversation_add(&c, AP_TOOL, "b", false, NULL), AP_OK);
    assert_int_equal(ask(llm, &c, 6, 0), AP_OK);
    completes_with(llm, 6, AP_FINISH_STOP, "second");
    ap__conversation_deinit(&c);
    llm->ops->free(llm);
}

static void another_conversation_has_no_answer(void **state)
{
    (void)state;
    static const struct { enum ap_role role; const char *text; } other[] = {
        {AP_USER, "b"}, {AP_SYSTEM, "a"}, {AP_USER, ""}, {AP_USER, "a "}, {AP_USER, "a1user 1 a"}};
    struct ap_llm *llm = open_with("{\"messages\": [{\"role\": \"user\", \"content\": \"a\"}], \"answer\": \"x\"}\n");
    for (size_t i = 0; i < sizeof other / sizeof *other; i++) {
        struct ap_conversation c = {0};
        assert_int_equal(ap__conversation_add(&c, other[i].role, other[i].text, false, NULL), AP_OK);
        assert_int_equal(ask(llm, &c, 1, 0), AP_E_NOT_FOUND);
        ap__conversation_deinit(&c);
    }
    llm->ops->free(llm);
}

static const char *const TWO_SAMPLES = "{\"messages\": [], \"answer\": \"x\"}\n{\"messages\": [], \"answer\": \"y\"}\n";

static char answer_of(struct ap_llm *llm, uint64_t id, float temperature)
{
    struct ap_conversation c = {0};
    struct ap_completion done;
    int32_t n;
    assert_int_equal(ask(llm, &c, id, temperature), AP_OK);
    assert_int_equal(llm->ops->poll(llm, &done, 1, &n, NULL), AP_OK);
    assert_int_equal(n, 1);
    char first = done.text[0];
    ap__conversation_deinit(&c);
    return first;
}

static void greedy_takes_the_first_sample_and_chance_takes_all_of_them(void **state)
{
    (void)state;
    struct ap_llm *llm = open_with(TWO_SAMPLES);
    int seen[2] = {0};
    for (uint64_t id = 0; id < 40; id++) {
        assert_int_equal(answer_of(llm, id, 0), 'x');
        char sampled = answer_of(llm, id, 1);
        assert_int_equal(answer_of(llm, id, 1), sampled);
        seen[sampled - 'x']++;
    }
    assert_true(seen[0] > 5 && seen[1] > 5);
    llm->ops->free(llm);
}

static void answers_may_end_by_length_or_error(void **state)
{
    (void)state;
    struct ap_llm *llm = open_with("{\"messages\": [{\"role\": \"user\", \"content\": \"a\"}], \"answer\": \"x\", \"finish\": \"length\"}\n"
                                   "{\"messages\": [], \"answer\": \"too long\", \"finish\": \"error\"}\n");
    struct ap_conversation a = {0}, b = {0};
    assert_int_equal(ap__conversation_add(&a, AP_USER, "a", false, NULL), AP_OK);
    assert_int_equal(ask(llm, &a, 1, 0), AP_OK);
    completes_with(llm, 1, AP_FINISH_LENGTH, "x");
    assert_int_equal(ask(llm, &b, 2, 0), AP_OK);
    completes_with(llm, 2, AP_FINISH_ERROR, "too long");
    assert_int_equal(b.n, 0);
    ap__conversation_deinit(&a);
    ap__conversation_deinit(&b);
    llm->ops->free(llm);
}

static void completions_come_in_the_order_of_submission_and_released_ones_never(void **state)
{
    (void)state;
    struct ap_llm *llm = open_with(TWO_SAMPLES);
    struct ap_conversation c[5] = {0};
    struct ap_completion done[2];
    int32_t n;
    for (uint64_t i = 0; i < 5; i++)
        assert_int_equal(ask(llm, &c[i], i, 0), AP_OK);
    llm->ops->release(llm, &c[1]);
    llm->ops->release(llm, &c[1]);
    assert_int_equal(llm->ops->poll(llm, done, 2, &n, NULL), AP_OK);
    assert_int_equal(n, 2);
    assert_int_equal(done[0].id, 0);
    assert_int_equal(done[1].id, 2);
    assert_int_equal(llm->ops->poll(llm, done, 2, &n, NULL), AP_OK);
    assert_int_equal(n, 2);
    assert_int_equal(done[1].id, 4);
    assert_int_equal(llm->ops->poll(llm, done, 2, &n, NULL), AP_OK);
    assert_int_equal(n, 0);
    for (int i = 0; i < 5; i++)
        ap__conversation_deinit(&c[i]);
    llm->ops->free(llm);
}

static void a_broken_file_is_refused_with_its_line(void **state)
{
    (void)state;
    static const struct { const char *line, *expect; } broken[] = {
        {"{", ""}, {"[]", ""}, {"{\"messages\": []}", "answer"}, {"{\"answer\": \"x\"}", "messages"},
        {"{\"messages\": [{\"role\": \"king\", \"content\": \"\"}], \"answer\": \"\"}", "king"},
        {"{\"messages\": [{\"role\": \"user\"}], \"answer\": \"\"}", "content"},
        {"{\"messages\": [], \"answer\": \"\", \"finish\": \"never\"}", "never"}};
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        struct ap_llm *llm;
        struct ap_err err = {0};
        FILE *f = fopen(path, "w");
        assert_non_null(f);
        fprintf(f, "{\"messages\": [], \"answer\": \"x\"}\n%s\n", broken[i].line);
        assert_int_equal(fclose(f), 0);
        assert_int_not_equal(ap__llm_replay_open(path, &llm, &err), AP_OK);
        assert_null(llm);
        if (!strstr(err.place, ":2") || !strstr(err.message, broken[i].expect))
            fail_msg("%s gave %s: %s", broken[i].line, err.place, err.message);
    }
}

static void a_missing_file_is_named(void **state)
{
    (void)state;
    struct ap_llm *llm;
    struct ap_err err = {0};
    assert_int_not_equal(ap__llm_replay_open("/nowhere/x.jsonl", &llm, &err), AP_OK);
    assert_non_null(strstr(err.place, "/nowhere/x.jsonl"));
}

static void rewinding_a_conversation_forgets_what_came_later(void **state)
{
    (void)state;
    struct ap_conversation c = {0};
    assert_int_equal(ap__conversation_add(&c, AP_USER, "a", false, NULL), AP_OK);
    struct ap_conversation_mark mark = ap__conversation_mark(&c);
    assert_int_equal(ap__conversation_add(&c, AP_ASSISTANT, "b", false, NULL), AP_OK);
    assert_int_equal(ap__conversation_add(&c, AP_TOOL, "c", false, NULL), AP_OK);
    ap__conversation_rewind(&c, mark);
    assert_int_equal(c.n, 1);
    assert_int_equal(ap__conversation_add(&c, AP_ASSISTANT, "d", true, NULL), AP_OK);
    assert_string_equal(c.message[1].text, "d");
    ap__conversation_deinit(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_is_found_by_the_whole_conversation),
        cmocka_unit_test(another_conversation_has_no_answer),
        cmocka_unit_test(greedy_takes_the_first_sample_and_chance_takes_all_of_them),
        cmocka_unit_test(answers_may_end_by_length_or_error),
        cmocka_unit_test(completions_come_in_the_order_of_submission_and_released_ones_never),
        cmocka_unit_test(a_broken_file_is_refused_with_its_line),
        cmocka_unit_test(a_missing_file_is_named),
        cmocka_unit_test(rewinding_a_conversation_forgets_what_came_later),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
