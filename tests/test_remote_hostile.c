/* test_remote_hostile.c - servers that cut, flood, drip, lie and redirect: one clear error each, in bounded time and
 * memory, and the key stays with us.
 *
 * Every mode is asked twice: by a chain after a good one, which alone is to suffer,
 * and by the first chain of all, where some modes are to stop the run. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "base/progress.h"
#include "teacher_server.h"

#include <sys/resource.h>

#define KEY "sk-do-not-tell-0123456789"

enum expected {
    LOST,    /* that chain ends without an answer, the run goes on */
    STOP,    /* the run stops */
    CONTEXT, /* that chain ends: its conversation is too long */
    CHAIN,   /* it is the model's words: steps of a chain */
    ANSWERED, /* nothing wrong with what matters */
};

static const struct {
    const char *mode;
    enum expected expected;
    const char *words; /* of the reason, when there is one */
} modes[] = {
    {"http_400", LOST, "HTTP 400: what is this [31m"},
    {"http_400_context", CONTEXT, ""},
    {"http_401", STOP, "HTTP 401: no"},
    {"http_402", STOP, "HTTP 402"},
    {"http_403", STOP, "HTTP 403"},
    {"http_404", STOP, "does not exist"},
    {"http_418", LOST, "HTTP 418: short and stout"},
    {"http_422", LOST, "HTTP 422: temperature"},
    {"http_429", LOST, "HTTP 429"},
    {"http_429_quota", STOP, "no money"},
    {"http_500", LOST, "HTTP 500: oops"},
    {"http_503", LOST, "HTTP 503"},
    {"http_999", LOST, "HTTP 999"},
    {"http_204", LOST, ""},
    {"redirect_301", STOP, "redirect"},
    {"redirect_307", STOP, "redirect"},
    {"redirect_file", STOP, "redirect"},
    {"length_negative", LOST, ""},
    {"length_two", LOST, ""},
    {"gzip", LOST, ""},
    {"empty", LOST, ""},
    {"not_json", LOST, "JSON"},
    {"json_number", LOST, "no JSON object"},
    {"json_array", LOST, "no JSON object"},
    {"json_null", LOST, "no JSON object"},
    {"json_twice", LOST, "JSON"},
    {"error_200", LOST, "an error: inside"},
    {"error_text_200", LOST, "an error: inside"},
    {"error_number_200", LOST, "no `choices`"},
    {"no_choices", LOST, "no `choices`"},
    {"choices_empty", LOST, "`choices` hold nothing"},
    {"choices_object", LOST, "no `choices`"},
    {"choice_null", LOST, "`choices` hold nothing"},
    {"no_message", LOST, "no message"},
    {"message_text", LOST, "no message"},
    {"event_stream", LOST, "JSON"},
    {"content_number", LOST, "content is no text"},
    {"content_list", LOST, "content is no text"},
    {"content_null", CHAIN, ""},
    {"content_missing", CHAIN, ""},
    {"content_nul", LOST, "JSON"},
    {"surrogate", LOST, "JSON"},
    {"bad_utf8", LOST, "JSON"},
    {"escape", CHAIN, ""},
    {"call_nameless", LOST, "no function's name"},
    {"call_number", LOST, "no function's name"},
    {"calls_text", CHAIN, ""},
    {"call_broken", CHAIN, ""},
    {"call_list", CHAIN, ""},
    {"call_unknown", CHAIN, ""},
    {"call_sneaky", CHAIN, ""},
    {"usage_negative", ANSWERED, ""},
    {"usage_huge", ANSWERED, ""},
    {"usage_text", ANSWERED, ""},
    {"usage_list", ANSWERED, ""},
    {"usage_cached", ANSWERED, ""},
    {"usage_twice", ANSWERED, ""},
    {"hang", LOST, "imeout"},
    {"hangs_up", LOST, ""},
    {"reset", LOST, ""},
    {"cut_head", LOST, ""},
    {"cut_body", LOST, ""},
    {"cut_chunk", LOST, ""},
    {"garbage", LOST, ""},
    {"http_09", LOST, ""},
    {"continues", LOST, ""},
    {"endless_body", LOST, "too large"},
    {"endless_chunks", LOST, "too large"},
    {"endless_headers", LOST, "too large"},
    {"huge_header", LOST, ""},
    {"drip_body", LOST, "imeout"},
    {"drip_head", LOST, "imeout"},
    {"length_short", LOST, ""},
    {"length_huge", LOST, ""},
    {"chunk_garbage", LOST, ""},
    {"chunk_huge", LOST, ""},
    {"nested", LOST, "JSON"},
    {"huge_text", CHAIN, ""},
    {"many_calls", CHAIN, ""},
    {"long_name", LOST, "no function's name"},
    {"echo_key", CHAIN, ""},
    {"echo_key_401", STOP, "wrong key ****"},
    {"echo_key_400", LOST, "your key ****"},
};
enum { MODES = sizeof modes / sizeof *modes };

static bool waits(const char *mode)
{
    return strcmp(mode, "hang") == 0 || strncmp(mode, "drip", 4) == 0;
}

static struct ap_llm *open_mode(const char *mode)
{
    struct ap_llm *llm = NULL;
    char settings[64];
    snprintf(settings, sizeof settings, "mode=%s", mode);
    struct ap_remote_options how = quick_options(settings);
    how.attempts = 2;
    how.timeout = waits(mode) ? 0.3 : 20;
    how.form.style = strncmp(mode, "call_", 5) == 0 ? AP_CHAT_TOOLS : AP_CHAT_TEXT;
    how.key_env = "AP_TEST_KEY";
    how.journal = in_dir("answers.jsonl");
    OK(ap__llm_remote_open(&how, &llm, err));
    return llm;
}

static void holds(const char *mode, const char *text, const char *words)
{
    if (!strstr(text, words))
        fail_msg("%s: `%s` is not in `%s`", mode, words, text);
    if (strstr(text, KEY))
        fail_msg("%s: the key is in `%s`", mode, text);
}

static void check_chain(size_t m, ap_status status, const struct ap_err *err, const struct ap_chain *chain,
                        const struct ap_remote_stats *s)
{
    const char *mode = modes[m].mode;
    switch (modes[m].expected) {
    case STOP:
        if (status != AP_E_IO)
            fail_msg("%s: the run should stop", mode);
        holds(mode, err->message, modes[m].words);
        return;
    case LOST:
        if (status != AP_OK || chain->end != AP_END_LOST)
            fail_msg("%s: expected a lost chain, got status %d (%s), end `%s`", mode, status, err->message,
                     ap__end_text(chain->end));
        holds(mode, s->last_failure, modes[m].words);
        if (!s->last_failure[0])
            fail_msg("%s: no reason", mode);
        return;
    case CONTEXT: assert_int_equal(chain->end, AP_END_CONTEXT); return;
    case ANSWERED: assert_int_equal(chain->end, AP_END_ANSWER); return;
    case CHAIN:
        if (status != AP_OK || chain->n < 1 || chain->end == AP_END_LOST)
            fail_msg("%s: expected steps, got status %d (%s), end `%s`", mode, status, err->message,
                     ap__end_text(chain->end));
        for (int32_t i = 0; i < chain->n; i++) {
            holds(mode, chain->step[i].call, "");
            assert_true(strlen(chain->step[i].call) <= AP_CHAT_MAX_TEXT);
        }
    }
}

static void a_good_server_that_turns_hostile_costs_that_chain(void **state)
{
    (void)state;
    for (size_t m = 0; m < MODES; m++) {
        struct outcomes good, bad, after;
        struct ap_remote_stats s;
        struct ap_err why = {0};
        struct ap_llm *llm = open_mode(modes[m].mode);
        OK(run_chains(llm, 1, "steps=1", 1, &good, err));
        assert_int_equal(good.chain[0].end, AP_END_ANSWER);
        double started = ap__now();
        ap_status status = run_chains(llm, 1, "hostile", 1, &bad, &why);
        if (ap__now() - started > 5)
            fail_msg("%s: took %.1f s", modes[m].mode, ap__now() - started);
        assert_true(ap__llm_remote_stats(llm, &s));
        check_chain(m, status, &why, &bad.chain[0], &s);
        if (modes[m].expected != STOP) {
            OK(run_chains(llm, 1, "steps=2", 1, &after, err));
            assert_int_equal(after.chain[0].end, AP_END_ANSWER);
            free_outcomes(&after, 1);
        }
        llm->ops->free(llm);
        free_outcomes(&good, 1);
        free_outcomes(&bad, 1);
        unlink(in_dir("answers.jsonl"));
    }
}

static void a_server_that_never_answers_well_stops_the_run(void **state)
{
    (void)state;
    for (size_t m = 0; m < MODES; m++) {
        struct outcomes bad;
        struct ap_err why = {0};
        if (modes[m].expected != STOP && modes[m].expected != LOST)
            continue;
        struct ap_llm *llm = open_mode(modes[m].mode);
        ap_status status = run_chains(llm, 3, "hostile", 3, &bad, &why);
        if (status != AP_E_IO)
            fail_msg("%s: status %d", modes[m].mode, status);
        holds(modes[m].mode, why.message, "the server ");
        holds(modes[m].mode, why.place, "/chat/completions");
        llm->ops->free(llm);
        free_outcomes(&bad, 3);
        unlink(in_dir("answers.jsonl"));
    }
}

/* All of them at once: what one does is nothing to the others. */
static void memory_stays_bounded(void **state)
{
    (void)state;
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    print_message("%d modes, at most %ld MiB\n", MODES, usage.ru_maxrss >> 10);
    assert_true(usage.ru_maxrss < 600 << 10); /* KiB, with the sanitizers' own */
}

static int set_up(void **state)
{
    setenv("AP_TEST_KEY", KEY, 1);
    return start_server(state);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, reset_server, remove_dir)
    const struct CMUnitTest tests[] = {
        TEST(a_good_server_that_turns_hostile_costs_that_chain),
        TEST(a_server_that_never_answers_well_stops_the_run),
        TEST(memory_stays_bounded),
    };
    return cmocka_run_group_tests(tests, set_up, end_server);
}
