/* test_remote_parts.c - limits per minute, waits, budgets, journals: what a remote llm is made of, without a server. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "base/file.h"
#include "llm/journal.h"
#include "llm/pace.h"
#include "llm/usage.h"
#include "testing.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* ---- per minute ---- */

/* The stupid twin: every taking is remembered. */
static void no_minute_has_more_than_the_limit(void **state)
{
    (void)state;
    enum { N = 20000 };
    static double at[N];
    struct ap_window w = {.limit = 100};
    struct ap_rng rng = ap__rng_make(1, "window", 0, 0, 0);
    int taken = 0, first = 0;
    for (double now = 1000; now < 1600; now += 0.05 * ap__rng_uniform(&rng))
        if (ap__window_allows(&w, now, 1) && taken < N) {
            ap__window_take(&w, now, 1);
            at[taken++] = now;
            while (at[first] <= now - 60)
                first++;
            assert_true(taken - first <= 100);
        }
    assert_true(taken > 900); /* of at most 1000 in ten minutes */
}

static void a_window_opens_again(void **state)
{
    (void)state;
    struct ap_window w = {.limit = 10};
    assert_true(ap__window_allows(&w, 5, 50)); /* more than the limit, alone */
    ap__window_take(&w, 5, 50);
    assert_false(ap__window_allows(&w, 64.9, 1));
    assert_true(ap__window_next(&w) == 65);
    assert_true(ap__window_allows(&w, 66, 10));
    ap__window_take(&w, 66, 10);
    ap__window_take(&w, 67, -4); /* it was fewer tokens */
    assert_true(ap__window_allows(&w, 67, 4));
    assert_false(ap__window_allows(&w, 67, 5));
    assert_true(ap__window_allows(&w, 1e6, 10));
    struct ap_window none = {0};
    assert_true(ap__window_allows(&none, 1, INT64_MAX));
}

/* ---- waits ---- */

static void waits_double_with_jitter_up_to_a_minute(void **state)
{
    (void)state;
    struct ap_rng rng = ap__rng_make(1, "backoff", 0, 0, 0);
    double least = 1e9, most = 0;
    for (int i = 0; i < 1000; i++) {
        double wait = ap__backoff(1, 3, &rng);
        least = wait < least ? wait : least;
        most = wait > most ? wait : most;
    }
    assert_true(least >= 2 && least < 2.1 && most <= 4 && most > 3.9);
    assert_true(ap__backoff(1, 1000000, &rng) <= 60);
}

static void retry_after_is_seconds_or_a_date(void **state)
{
    (void)state;
    const time_t now = 1445412480; /* Wed, 21 Oct 2015 07:28:00 GMT */
    assert_true(ap__retry_after("7", now) == 7);
    assert_true(ap__retry_after("0.5", now) == 0.5);
    assert_true(ap__retry_after("Wed, 21 Oct 2015 07:28:30 GMT", now) == 30);
    assert_true(ap__retry_after("Wed, 21 Oct 2015 07:27:30 GMT", now) == 0);
    assert_true(ap__retry_after("-3", now) == 0);
    assert_true(ap__retry_after("99999999", now) == AP_RETRY_LONGEST);
    assert_true(ap__retry_after("1e300", now) == AP_RETRY_LONGEST);
    assert_true(ap__retry_after("soon", now) == -1);
    assert_true(ap__retry_after("", now) == -1);
}

/* ---- money ---- */

static void a_cost_is_exact(void **state)
{
    (void)state;
    struct ap_usage u = {.prompt_tokens = 3000000, .cached_tokens = 1000000, .completion_tokens = 500000};
    struct ap_price price = {.prompt = 2, .cached = 0.5, .completion = 8};
    assert_true(ap__usage_cost(&u, &price) == 4 + 0.5 + 4);
    price.cached = -1;
    assert_true(ap__usage_cost(&u, &price) == 6 + 4);
}

static void what_is_reserved_counts(void **state)
{
    (void)state;
    struct ap_meter m = {.price = {.prompt = 1e6, .cached = -1, .completion = 1e6}, .money = 100};
    struct ap_estimate e = {.prompt = 40, .completion = 10};
    assert_true(ap__meter_fits(&m, e));
    ap__meter_reserve(&m, e);
    assert_true(ap__meter_fits(&m, e));
    ap__meter_reserve(&m, e);
    assert_false(ap__meter_fits(&m, (struct ap_estimate){1, 0}));
    ap__meter_free(&m, e);
    struct ap_chat_answer a = {.text = (char *)(uintptr_t)"x", .counted = true, .prompt_tokens = 40, .completion_tokens = 1};
    ap__meter_answer(&m, &a, 3, 80);
    assert_int_equal(m.spent.retries, 2);
    assert_true(ap__meter_fits(&m, (struct ap_estimate){9, 0}));
    assert_false(ap__meter_fits(&m, (struct ap_estimate){10, 0}));
    assert_int_equal(ap__meter_estimate(&m, 100, 7).prompt, 51); /* half a token per byte was seen */
}

/* ---- the journal ---- */

static struct ap_journal_key key_of(int i)
{
    struct ap_request request = {.stream = {1, (uint64_t)i, 0}};
    return ap__journal_key(&request, "{}");
}

struct counts {
    int answers, lost;
    int64_t prompt;
};

static void count_line(void *user, const struct ap_chat_answer *answer, int32_t attempts, const char *lost)
{
    struct counts *c = user;
    (void)attempts;
    c->answers += answer != NULL;
    c->lost += lost != NULL;
    c->prompt += answer ? answer->prompt_tokens : 0;
}

static struct ap_journal *open_journal(struct counts *c)
{
    struct ap_journal *j = NULL;
    *c = (struct counts){0};
    OK(ap__journal_open(in_dir("j"), true, count_line, c, &j, err));
    return j;
}

static void add(struct ap_journal *j, int i)
{
    char text[32];
    snprintf(text, sizeof text, "Sum(%d, \"\n\")", i);
    struct ap_chat_answer a = {.text = text, .counted = true, .prompt_tokens = i, .finish = i % 2 ? AP_FINISH_STOP : AP_FINISH_LENGTH};
    OK(ap__journal_add(j, key_of(i), &a, 1, err));
}

static bool has(struct ap_journal *j, int i)
{
    struct ap_chat_answer a;
    bool found;
    char text[32];
    OK(ap__journal_find(j, key_of(i), &a, &found, err));
    snprintf(text, sizeof text, "Sum(%d, \"\n\")", i);
    if (found) {
        assert_string_equal(a.text, text);
        assert_int_equal(a.finish, i % 2 ? AP_FINISH_STOP : AP_FINISH_LENGTH);
        assert_int_equal(a.prompt_tokens, i);
    }
    ap__chat_answer_deinit(&a);
    return found;
}

static void a_journal_remembers_across_processes(void **state)
{
    (void)state;
    struct counts c;
    struct ap_journal *j = open_journal(&c), *second = NULL;
    for (int i = 0; i < 1000; i++)
        add(j, i);
    OK(ap__journal_add_lost(j, key_of(5000), "HTTP 500", 6, err));
    struct ap_err why = {0};
    assert_int_equal(ap__journal_open(in_dir("j"), true, NULL, NULL, &second, &why), AP_E_STATE);
    ap__journal_free(j);
    j = open_journal(&c);
    assert_int_equal(c.answers, 1000);
    assert_int_equal(c.lost, 1);
    assert_int_equal(c.prompt, 999 * 1000 / 2);
    for (int i = 0; i < 1000; i++)
        assert_true(has(j, i));
    assert_false(has(j, 1000));
    assert_false(has(j, 5000)); /* is asked again */
    ap__journal_free(j);
}

/* The file cut at every length: what was whole is there, and it goes on. */
static void a_torn_line_is_dropped_wherever_it_is_torn(void **state)
{
    (void)state;
    struct counts c;
    struct ap_buf text;
    struct ap_journal *j = open_journal(&c);
    for (int i = 0; i < 3; i++)
        add(j, i);
    ap__journal_free(j);
    ap__buf_init(&text, 0);
    OK(ap__file_read(in_dir("j"), 1 << 20, &text, err));
    for (size_t len = 0; len <= text.len; len++) {
        size_t whole = 0;
        for (size_t i = 0; i < len; i++)
            whole += text.data[i] == '\n';
        OK(ap__file_write(in_dir("j"), text.data, len, err));
        j = open_journal(&c);
        assert_int_equal(c.answers, whole);
        for (int i = 0; i < 3; i++)
            assert_int_equal(has(j, i), (size_t)i < whole);
        add(j, 7);
        ap__journal_free(j);
        j = open_journal(&c);
        assert_int_equal(c.answers, whole + 1);
        assert_true(has(j, 7));
        ap__journal_free(j);
    }
    ap__buf_deinit(&text);
}

static void a_broken_line_is_named(void **state)
{
    (void)state;
    static const char *const lines[] = {"{}\n", "[1]\n", "{\"key\":\"12\",\"answer\":\"x\"}\n", "nonsense\n",
                                        "{\"key\":\"00000000000000000000000000000000\"}\n",
                                        "{\"key\":\"00000000000000000000000000000000\",\"answer\":7}\n",
                                        "{\"key\":\"00000000000000000000000000000000\",\"answer\":\"x\",\"finish\":\"?\"}\n"};
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        struct ap_journal *j = NULL;
        struct ap_err why = {0};
        OK(ap__file_write(in_dir("j"), lines[i], strlen(lines[i]), err));
        assert_int_not_equal(ap__journal_open(in_dir("j"), true, NULL, NULL, &j, &why), AP_OK);
        assert_non_null(strstr(why.place, "/j:1"));
        assert_null(j);
    }
}

static void memory_may_run_out_at_any_point(void **state)
{
    (void)state;
    struct counts c;
    struct ap_journal *j = open_journal(&c);
    add(j, 1);
    ap__journal_free(j);
    for (int64_t n = 1; n < 200; n++) {
        struct ap_chat_answer a = {0};
        bool found = false;
        ap__alloc_fail_after(n);
        ap_status status = ap__journal_open(in_dir("j"), true, NULL, NULL, &j, NULL);
        if (status == AP_OK)
            status = ap__journal_find(j, key_of(1), &a, &found, NULL);
        ap__alloc_fail_after(0);
        assert_true(status == AP_OK || status == AP_E_MEMORY);
        assert_int_equal(status == AP_OK, found);
        ap__chat_answer_deinit(&a);
        ap__journal_free(j);
        j = NULL;
        if (status == AP_OK)
            return;
    }
    fail_msg("it never succeeded");
}

int main(void)
{
#define IN_DIR(f) cmocka_unit_test_setup_teardown(f, make_dir, remove_dir)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_minute_has_more_than_the_limit),
        cmocka_unit_test(a_window_opens_again),
        cmocka_unit_test(waits_double_with_jitter_up_to_a_minute),
        cmocka_unit_test(retry_after_is_seconds_or_a_date),
        cmocka_unit_test(a_cost_is_exact),
        cmocka_unit_test(what_is_reserved_counts),
        IN_DIR(a_journal_remembers_across_processes),
        IN_DIR(a_torn_line_is_dropped_wherever_it_is_torn),
        IN_DIR(a_broken_line_is_named),
        IN_DIR(memory_may_run_out_at_any_point),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
