/* test_remote.c - hundreds of chains on a scripted server: throughput, failures, budgets, limits, journals. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "base/progress.h"
#include "teacher_server.h"

static struct ap_llm *open_remote(struct ap_remote_options how)
{
    struct ap_llm *llm = NULL;
    OK(ap__llm_remote_open(&how, &llm, err));
    return llm;
}

static void all_answer(const struct outcomes *all, int32_t n, int32_t calls)
{
    for (int32_t i = 0; i < n; i++) {
        assert_int_equal(all->chain[i].end, AP_END_ANSWER);
        assert_int_equal(all->chain[i].n, calls);
    }
}

static void hundreds_of_chains_wait_at_once(void **state)
{
    (void)state;
    struct outcomes all;
    struct ap_remote_options how = quick_options("latency=200");
    how.in_flight = 256;
    struct ap_llm *llm = open_remote(how);
    double started = ap__now();
    OK(run_chains(llm, 256, "steps=4", 256, &all, err));
    double seconds = ap__now() - started, ideal = 5 * 0.2;
    all_answer(&all, 256, 5);
    print_message("256 chains, 5 calls of 200 ms: %.2f s, %.0f %% of the ideal\n", seconds, 100 * ideal / seconds);
    assert_true(seconds < 3 * ideal); /* sanitized, on a busy machine; bench_remote measures */
    json_t *count = server_get("count");
    assert_int_equal(counted(count, "requests"), 256 * 5);
    assert_int_equal(counted(count, "peak") > 200, 1);
    assert_true(counted(count, "connections") <= 256 + 2); /* kept alive */
    json_decref(count);
    free_outcomes(&all, 256);
    llm->ops->free(llm);
}

static void a_limit_of_requests_in_flight_holds(void **state)
{
    (void)state;
    struct outcomes all;
    struct ap_remote_options how = quick_options("latency=20");
    how.in_flight = 7;
    struct ap_llm *llm = open_remote(how);
    OK(run_chains(llm, 60, "steps=1", 60, &all, err));
    json_t *count = server_get("count");
    assert_true(counted(count, "peak") <= 8); /* with this question itself */
    json_decref(count);
    free_outcomes(&all, 60);
    llm->ops->free(llm);
}

static void failures_of_every_kind_lose_nothing(void **state)
{
    (void)state;
    struct outcomes all;
    struct ap_remote_stats s;
    struct ap_remote_options how = quick_options("fail=20");
    how.attempts = 12;
    how.price = (struct ap_price){.prompt = 2, .cached = 1, .completion = 8};
    struct ap_llm *llm = open_remote(how);
    OK(run_chains(llm, 200, "steps=3", 128, &all, err));
    all_answer(&all, 200, 4);
    json_t *count = server_get("count");
    assert_true(counted(count, "failed") > 50);
    assert_int_equal(counted(count, "good"), 800);
    assert_int_equal(counted(count, "twice"), 0);
    assert_true(ap__llm_remote_stats(llm, &s));
    assert_int_equal(s.usage.answers, 800);
    assert_true(s.usage.retries <= counted(count, "failed")); /* libcurl itself asks again when a kept connection is gone */
    assert_true(s.usage.retries >= counted(count, "failed") * 8 / 10);
    assert_int_equal(s.usage.lost, 0);
    assert_int_equal(s.usage.prompt_tokens, counted(count, "prompt"));
    assert_int_equal(s.usage.cached_tokens, counted(count, "cached"));
    assert_int_equal(s.usage.completion_tokens, counted(count, "completion"));
    double cost = (double)(counted(count, "prompt") - counted(count, "cached")) * 2e-6 +
                  (double)counted(count, "cached") * 1e-6 + (double)counted(count, "completion") * 8e-6;
    assert_true(s.cost > cost - 1e-12 && s.cost < cost + 1e-12);
    json_decref(count);
    free_outcomes(&all, 200);
    llm->ops->free(llm);
}

static void what_is_lost_is_told_and_the_rest_goes_on(void **state)
{
    (void)state;
    struct outcomes all;
    struct ap_remote_stats s;
    int32_t lost = 0;
    struct ap_remote_options how = quick_options("fail=20");
    how.attempts = 1;
    struct ap_llm *llm = open_remote(how);
    ap_status status = run_chains(llm, 100, "steps=1", 1, &all, NULL); /* one by one: the first answer comes before a loss, mostly */
    if (status == AP_OK) {
        for (int32_t i = 0; i < 100; i++) {
            assert_true(all.chain[i].end == AP_END_ANSWER || all.chain[i].end == AP_END_LOST);
            lost += all.chain[i].end == AP_END_LOST;
        }
        assert_true(ap__llm_remote_stats(llm, &s));
        assert_int_equal(s.usage.lost, lost);
        assert_true(lost > 5 && lost < 80);
        assert_true(s.last_failure[0]);
    } else {
        assert_int_equal(status, AP_E_IO);
    }
    free_outcomes(&all, 100);
    llm->ops->free(llm);
}

static void a_journal_answers_what_was_answered_before(void **state)
{
    (void)state;
    struct outcomes first, second;
    struct ap_remote_stats s;
    struct ap_remote_options how = quick_options("x");
    how.journal = in_dir("answers.jsonl");
    struct ap_llm *llm = open_remote(how);
    OK(run_chains(llm, 20, "steps=2", 20, &first, err));
    llm->ops->free(llm);
    llm = open_remote(how);
    OK(run_chains(llm, 30, "steps=2", 20, &second, err));
    json_t *count = server_get("count");
    assert_int_equal(counted(count, "requests"), 30 * 3);
    assert_true(ap__llm_remote_stats(llm, &s));
    assert_int_equal(s.usage.answers, 90); /* with those of the first process */
    assert_int_equal(s.usage.prompt_tokens, counted(count, "prompt"));
    assert_int_equal(s.replayed, 60);
    json_decref(count);
    for (int32_t i = 0; i < 20; i++)
        assert_int_equal(first.chain[i].new_tokens, second.chain[i].new_tokens);
    llm->ops->free(llm);
    free_outcomes(&first, 20);
    free_outcomes(&second, 30);

    how.replay = how.journal; /* offline: no server, no key */
    how.url = NULL;
    llm = open_remote(how);
    OK(run_chains(llm, 30, "steps=2", 20, &first, err));
    all_answer(&first, 30, 3);
    free_outcomes(&first, 30);
    assert_int_equal(run_chains(llm, 31, "steps=2", 31, &first, NULL), AP_E_NOT_FOUND);
    free_outcomes(&first, 31);
    llm->ops->free(llm);
}

static void a_budget_is_never_exceeded_and_can_be_raised(void **state)
{
    (void)state;
    struct outcomes all;
    struct ap_remote_stats s;
    struct ap_err why = {0};
    struct ap_remote_options how = quick_options("latency=5");
    how.journal = in_dir("answers.jsonl");
    how.form.max_tokens = 50;
    how.price = (struct ap_price){.prompt = 1, .cached = -1, .completion = 10};
    how.budget = 0.02;
    struct ap_llm *llm = open_remote(how);
    assert_int_equal(run_chains(llm, 200, "steps=3", 64, &all, &why), AP_E_LIMIT);
    assert_non_null(strstr(why.message, "budget is used up"));
    assert_true(ap__llm_remote_stats(llm, &s));
    assert_true(s.cost <= 0.02);
    assert_true(s.cost > 0.015);
    free_outcomes(&all, 200);
    llm->ops->free(llm);
    how.budget = 100;
    llm = open_remote(how);
    OK(run_chains(llm, 200, "steps=3", 64, &all, err));
    all_answer(&all, 200, 4);
    json_t *count = server_get("count");
    assert_int_equal(counted(count, "requests"), 800); /* nothing twice */
    json_decref(count);
    free_outcomes(&all, 200);
    llm->ops->free(llm);
}

static void a_budget_of_tokens_holds(void **state)
{
    (void)state;
    struct outcomes all;
    struct ap_remote_stats s;
    struct ap_err why = {0};
    struct ap_remote_options how = quick_options("x");
    how.form.max_tokens = 20;
    how.budget_tokens = 20000;
    struct ap_llm *llm = open_remote(how);
    assert_int_equal(run_chains(llm, 200, "steps=3", 64, &all, &why), AP_E_LIMIT);
    assert_true(ap__llm_remote_stats(llm, &s));
    assert_true(s.usage.prompt_tokens + s.usage.completion_tokens <= 20000);
    assert_true(s.usage.prompt_tokens + s.usage.completion_tokens > 15000);
    free_outcomes(&all, 200);
    llm->ops->free(llm);
}

static void tokens_that_are_not_told_are_estimated(void **state)
{
    (void)state;
    struct outcomes all;
    struct ap_remote_stats s;
    struct ap_llm *llm = open_remote(quick_options("nousage"));
    OK(run_chains(llm, 3, "steps=1", 3, &all, err));
    assert_true(ap__llm_remote_stats(llm, &s));
    assert_int_equal(s.usage.estimated, 6);
    assert_true(s.usage.prompt_tokens > 100 && s.usage.completion_tokens >= 6);
    free_outcomes(&all, 3);
    llm->ops->free(llm);
}

static void tools_are_called_as_tools(void **state)
{
    (void)state;
    struct outcomes all;
    struct ap_remote_options how = quick_options("x");
    how.form.style = AP_CHAT_TOOLS;
    struct ap_llm *llm = open_remote(how);
    OK(run_chains(llm, 4, "steps=3", 4, &all, err));
    all_answer(&all, 4, 4);
    assert_string_equal(all.chain[0].step[0].call, "{\"name\": \"Sum\", \"arguments\": {\"a\": 0, \"b\": 1}}");
    assert_string_equal(all.chain[0].step[0].result, "1");
    assert_string_equal(all.chain[0].answer, "3");
    free_outcomes(&all, 4);
    llm->ops->free(llm);
}

static void a_key_goes_into_the_request_and_nowhere_else(void **state)
{
    (void)state;
    struct outcomes all;
    struct ap_buf text;
    struct ap_remote_options how = quick_options("mode=echo_key");
    how.key_env = "AP_TEST_KEY";
    how.journal = in_dir("answers.jsonl");
    setenv("AP_TEST_KEY", "sk-secret-123456", 1);
    struct ap_llm *llm = open_remote(how);
    OK(run_chains(llm, 2, "steps=1", 2, &all, err));
    free_outcomes(&all, 2);
    OK(run_chains(llm, 2, "hostile", 2, &all, err)); /* the server says it in its answer */
    for (int32_t i = 0; i < 2; i++)
        for (int32_t k = 0; k < all.chain[i].n; k++)
            assert_null(strstr(all.chain[i].step[k].call, "secret"));
    json_t *count = server_get("count");
    assert_int_equal(counted(count, "keys"), counted(count, "requests"));
    json_decref(count);
    llm->ops->free(llm);
    free_outcomes(&all, 2);
    ap__buf_init(&text, 0);
    OK(ap__file_read(in_dir("answers.jsonl"), 1 << 20, &text, err));
    assert_null(strstr(ap__buf_cstr(&text), "secret"));
    ap__buf_deinit(&text);
    unsetenv("AP_TEST_KEY");
}

static void refuses(struct ap_remote_options how, const char *words)
{
    struct ap_llm *llm = NULL;
    struct ap_err err = {0};
    assert_int_equal(ap__llm_remote_open(&how, &llm, &err), AP_E_ARG);
    if (!strstr(err.message, words))
        fail_msg("`%s` is not in `%s`", words, err.message);
    assert_null(strstr(err.message, "hunter2"));
}

static void wrong_options_are_named(void **state)
{
    (void)state;
    struct ap_remote_options how = quick_options("x");
    refuses((how.url = "localhost:8000", how), "`url` must be");
    refuses((how.url = "ftp://host/v1", how), "`url` must be");
    refuses((how.url = "https://user:hunter2@host/v1", how), "key_env");
    refuses((how.url = "https://host/v1?key=hunter2", how), "key_env");
    refuses((how.url = NULL, how), "url");
    how = quick_options("x");
    refuses((how.key_env = "AP_TEST_NO_SUCH_KEY", how), "AP_TEST_NO_SUCH_KEY");
    setenv("AP_TEST_KEY", "hunter2\r\nX: y", 1);
    refuses((how.key_env = "AP_TEST_KEY", how), "AP_TEST_KEY");
    unsetenv("AP_TEST_KEY");
    how = quick_options("x");
    refuses((how.in_flight = 0, how), "in flight");
    how = quick_options("x");
    refuses((how.budget = 5, how), "price");
    const char *const two_lines[] = {"X-A: b\r\nX-C: d"};
    how = quick_options("x");
    how.headers = two_lines;
    how.header_count = 1;
    refuses(how, "header");
}

static void requests_per_minute_are_counted(void **state)
{
    (void)state;
    struct ap_remote_options how = quick_options("x");
    how.requests_per_minute = 10;
    struct ap_llm *llm = open_remote(how);
    struct ap_conversation c[20] = {0};
    int32_t done = 0;
    for (uint64_t i = 0; i < 20; i++) {
        OK(ap__conversation_add(&c[i], AP_USER, "steps=0", false, err));
        struct ap_request request = {.id = i, .conversation = &c[i], .max_tokens = 9, .stream = {1, i, 0}};
        OK(llm->ops->submit(llm, &request, err));
    }
    for (double end = ap__now() + 0.7; ap__now() < end;) {
        struct ap_completion completion[20];
        struct ap_waiter waiter;
        int32_t n;
        OK(llm->ops->poll(llm, completion, 20, &n, err));
        done += n;
        ap__waiter_init(&waiter);
        llm->ops->wait(llm, &waiter);
        ap__waiter_wait(&waiter);
    }
    assert_int_equal(done, 10); /* the others wait for the minute to pass */
    for (int i = 0; i < 20; i++) {
        llm->ops->release(llm, &c[i]);
        ap__conversation_deinit(&c[i]);
    }
    llm->ops->free(llm);
}

static void a_pause_that_the_server_asks_for_is_everybodys(void **state)
{
    (void)state;
    struct outcomes all;
    struct ap_remote_options how = quick_options("mode=retry_after");
    how.attempts = 2;
    struct ap_llm *llm = open_remote(how);
    struct ap_conversation c = {0};
    struct ap_completion completion;
    int32_t n = 0;
    OK(run_chains(llm, 1, "steps=0", 1, &all, err));
    free_outcomes(&all, 1);
    OK(ap__conversation_add(&c, AP_USER, "hostile", false, err));
    struct ap_request request = {.conversation = &c, .max_tokens = 9};
    OK(llm->ops->submit(llm, &request, err));
    for (double end = ap__now() + 0.2; ap__now() < end;) /* long enough for the refusal to come */
        OK(llm->ops->poll(llm, &completion, 1, &n, err));
    assert_int_equal(n, 0);
    llm->ops->release(llm, &c);
    ap__conversation_deinit(&c);
    double started = ap__now();
    OK(run_chains(llm, 1, "steps=1", 1, &all, err));
    assert_true(ap__now() - started > 0.7);
    all_answer(&all, 1, 2);
    free_outcomes(&all, 1);
    llm->ops->free(llm);
}

static void a_server_that_is_not_there_stops_the_run(void **state)
{
    (void)state;
    struct outcomes all;
    struct ap_err err = {0};
    struct ap_remote_options how = quick_options("x");
    how.url = "http://127.0.0.1:1/v1";
    how.attempts = 3;
    struct ap_llm *llm = open_remote(how);
    assert_int_equal(run_chains(llm, 40, "steps=1", 40, &all, &err), AP_E_IO);
    assert_non_null(strstr(err.message, "3 attempts"));
    assert_non_null(strstr(err.place, "127.0.0.1:1"));
    free_outcomes(&all, 40);
    llm->ops->free(llm);
}

/* Allocation 1, 2, 3, ... fails, from opening to the last answer. */
static void memory_may_run_out_at_any_point(void **state)
{
    (void)state;
    struct ap_remote_options how = quick_options("x");
    how.journal = in_dir("answers.jsonl");
    for (int64_t n = 1; n < 2000; n += 1 + n / 40) {
        struct ap_llm *llm = NULL;
        struct ap_conversation c = {0};
        struct ap_completion completion;
        int32_t done = 0;
        OK(ap__conversation_add(&c, AP_USER, "steps=0", false, err));
        struct ap_request request = {.conversation = &c, .max_tokens = 9, .stream = {1, (uint64_t)n, 0}};
        ap__alloc_fail_after(n);
        ap_status status = ap__llm_remote_open(&how, &llm, NULL);
        if (status == AP_OK)
            status = llm->ops->submit(llm, &request, NULL);
        for (double end = ap__now() + 5; status == AP_OK && done == 0 && ap__now() < end;)
            status = llm->ops->poll(llm, &completion, 1, &done, NULL);
        ap__alloc_fail_after(0);
        if (llm) {
            llm->ops->release(llm, &c);
            llm->ops->free(llm);
        }
        ap__conversation_deinit(&c);
        if (status == AP_OK) {
            assert_int_equal(done, 1);
            return;
        }
        assert_int_equal(status, AP_E_MEMORY);
    }
    fail_msg("it never succeeded");
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, reset_server, remove_dir)
    const struct CMUnitTest tests[] = {
        TEST(hundreds_of_chains_wait_at_once),
        TEST(a_limit_of_requests_in_flight_holds),
        TEST(failures_of_every_kind_lose_nothing),
        TEST(what_is_lost_is_told_and_the_rest_goes_on),
        TEST(a_journal_answers_what_was_answered_before),
        TEST(a_budget_is_never_exceeded_and_can_be_raised),
        TEST(a_budget_of_tokens_holds),
        TEST(tokens_that_are_not_told_are_estimated),
        TEST(tools_are_called_as_tools),
        TEST(a_key_goes_into_the_request_and_nowhere_else),
        TEST(wrong_options_are_named),
        TEST(requests_per_minute_are_counted),
        TEST(a_pause_that_the_server_asks_for_is_everybodys),
        TEST(a_server_that_is_not_there_stops_the_run),
        TEST(memory_may_run_out_at_any_point),
    };
    return cmocka_run_group_tests(tests, start_server, end_server);
}
