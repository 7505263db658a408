/* test_outside_mcp.c - the tools of MCP servers: good ones, and a hostile one in every mode. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "base/progress.h"
#include "functions/later.h"
#include "outside.h"
#include "outside/sandbox.h"

/* A mode of tests/hostile/hostile_server.c.  start: the task cannot be opened, and says this.
 * calls: what the calls of a chain see, one after the other, "E " before errors. */
struct scene {
    const char *name, *mode, *limits, *start;
    const char *calls[4][2];
};

#define ECHO "echo(text='hi')"
#define FINE {ECHO, "well done"}

static const struct scene scenes[] = {
    /* good */
    {"a_good_server_answers", "good", "", NULL, {FINE, {"add(a=1)", "well done"}}},
    {"a_server_of_2024_answers", "old", "", NULL, {FINE}},
    {"a_server_of_march_2025_answers", "march", "", NULL, {FINE}},
    {"a_server_of_june_2025_answers", "june", "", NULL, {FINE}},
    {"a_list_in_pages_is_read_to_its_end", "pages", "", NULL, {FINE, {"add(a=1, b=2)", "well done"}}},
    {"lines_that_are_no_messages_are_passed_over", "chatty", "", NULL, {FINE}},
    {"a_batch_is_read", "batch", "", NULL, {{ECHO, "in a batch"}}},
    {"a_second_answer_is_ignored", "twice", "", NULL, {FINE, FINE}},
    {"requests_of_the_server_are_refused_and_it_goes_on", "asks", "", NULL, {FINE}},
    {"progress_prolongs_a_call", "progress", "timeout: 1", NULL, {FINE}},
    {"an_integer_beyond_64_bits_does_no_harm", "big_integer", "", NULL, {{ECHO, "big"}}},
    {"a_flood_of_complaints_does_no_harm", "words_flood", "", NULL, {FINE}},
    {"a_list_that_always_changes_does_no_harm", "always_changing", "", NULL, {FINE, FINE}},
    /* it does not start */
    {"a_mute_server_is_not_waited_for", "mute", "start_timeout: 0.5", "did not answer `initialize` within 0.5 seconds", {{0}}},
    {"a_server_that_dies_at_once_is_named", "dies_at_once", "", "hostile_server ended with exit code 7", {{0}}},
    {"a_server_that_refuses_is_named", "refuses", "", "refused `initialize`: not today (code -32000)", {{0}}},
    {"garbage_without_end_is_no_server", "garbage", "", "prints what is no message", {{0}}},
    {"a_line_without_end_is_no_server", "endless_line", "output: 64", "sent more than 65536 bytes at once", {{0}}},
    {"an_unknown_revision_is_named", "future", "", "speaks the protocol 2031-01-01, which is not known here", {{0}}},
    {"a_missing_revision_is_named", "no_version", "", "speaks the protocol without a name", {{0}}},
    {"wrong_types_are_no_revision", "wrong_types", "", "speaks the protocol without a name", {{0}}},
    {"a_refused_list_is_named", "list_refused", "", "refused `tools/list`: no tools here", {{0}}},
    {"a_list_that_never_comes_is_not_waited_for", "list_hangs", "start_timeout: 0.5", "did not list its tools within", {{0}}},
    {"a_list_must_be_a_list", "list_wrong", "", "answered `tools/list` without a list", {{0}}},
    {"tools_need_names", "list_nameless", "", "a tool without a usable name", {{0}}},
    {"names_of_tools_have_a_limit", "list_long_name", "", "a tool without a usable name", {{0}}},
    {"pages_have_a_limit", "list_endless", "", "lists more than 256 tools or 64 pages", {{0}}},
    {"tools_have_a_limit", "list_many", "", "lists more than 256 tools", {{0}}},
    {"two_tools_of_one_name_are_refused", "list_twice", "", "registered already", {{0}}},
    {"arguments_must_be_an_object", "bad_schema", "", "is not that of an object", {{0}}},
    {"a_missing_tool_is_named", "good", "tools: [echo, fly]", "has no tool `fly`", {{0}}},
    /* it dies */
    {"a_crash_is_seen_by_its_call_and_the_next_works", "crash_once", "", NULL,
     {{ECHO, "E the server hostile_server was killed by signal 6"}, FINE}},
    {"a_server_that_always_crashes_is_an_observation_each_time", "crash", "", NULL,
     {{ECHO, "E was killed by signal 6"}, {ECHO, "E was killed by signal 6"}, {ECHO, "E is down"}}},
    {"a_silent_end_is_an_observation", "exits", "", NULL, {{ECHO, "E ended with exit code 0"}}},
    {"last_words_are_quoted", "last_words", "", NULL, {{ECHO, "E ended with exit code 1: ValueError: too bad"}}},
    {"half_an_answer_is_none", "half", "", NULL, {{ECHO, "E ended with exit code 0"}}},
    {"a_death_between_calls_is_not_noticed_by_chains", "dies_after", "", NULL, {FINE, FINE, FINE}},
    {"memory_has_a_limit", "eats_memory", "memory: 64", NULL, {{ECHO, "E hostile_server was killed by signal"}}},
    {"a_hidden_child_does_not_keep_it_alive", "leaves_child", "", NULL, {{ECHO, "E ended with exit code 0"}}},
    /* it is late */
    {"a_hanging_server_is_started_again", "hang", "timeout: 0.4", NULL,
     {{ECHO, "E echo did not answer within 0.4 seconds"}, {ECHO, "E did not answer"}}},
    {"a_lost_answer_is_an_observation_and_the_server_stays", "slow", "timeout: 1", NULL, {{ECHO, "E did not answer"}, FINE}},
    {"a_call_that_is_late_is_cancelled_by_its_id", "tells_cancelled", "timeout: 1", NULL,
     {{ECHO, "E did not answer"}, {ECHO, "request 3 was cancelled"}}}, /* after initialize and tools/list */
    {"a_late_answer_is_nobodys", "late", "timeout: 0.4", NULL, {{ECHO, "E did not answer"}}},
    {"progress_without_end_has_an_end", "progress_forever", "timeout: 0.4", NULL,
     {{ECHO, "E echo makes progress, but had no result after 1.6 seconds"}}},
    {"a_flood_of_notices_is_no_answer", "flood", "timeout: 0.4", NULL, {{ECHO, "E did not answer"}}},
    {"closing_its_output_is_no_answer", "closes_output", "timeout: 0.4", NULL, {{ECHO, "E did not answer"}}},
    {"another_id_is_no_answer", "other_id", "timeout: 0.4", NULL, {{ECHO, "E did not answer"}}},
    {"an_id_as_text_is_no_answer", "text_id", "timeout: 0.4", NULL, {{ECHO, "E did not answer"}}},
    {"an_id_beyond_all_numbers_is_no_answer", "huge_id", "timeout: 0.4", NULL, {{ECHO, "E did not answer"}}},
    {"text_that_is_no_utf8_is_no_answer", "bad_utf8", "timeout: 0.4", NULL, {{ECHO, "E did not answer"}}},
    {"brackets_without_end_are_no_answer", "nested", "timeout: 0.4", NULL, {{ECHO, "E did not answer"}}},
    {"pings_without_end_end_the_server", "never_reads", "timeout: 2", NULL, {{ECHO, "E "}}},
    {"a_message_has_a_limit", "huge", "timeout: 8, output: 64", NULL, {{ECHO, "E sent more than 65536 bytes"}}},
    /* it answers wrongly */
    {"a_result_needs_content", "no_content", "", NULL, {{ECHO, "E echo was answered wrongly: its result has no content"}}},
    {"content_must_be_a_list", "content_text", "", NULL, {{ECHO, "E its result has no content"}}},
    {"content_needs_types", "typeless", "", NULL, {{ECHO, "E piece 1 of its result has no type"}}},
    {"a_result_must_be_an_object", "result_text", "", NULL, {{ECHO, "E its result has no content"}}},
    {"a_result_may_not_be_null", "result_null", "", NULL, {{ECHO, "E its result has no content"}}},
    {"images_are_refused_politely", "image", "", NULL, {{ECHO, "[an image was left out: only text can be read here]"}}},
    {"what_is_no_text_is_named", "mixed", "", NULL,
     {{ECHO, "see [a piece of audio was left out: only text can be read here] inside [the file file:///b was left out: "
             "only text can be read here] [see file:///c] [content of type smell was left out"}}},
    {"structured_content_is_text_too", "structured", "", NULL, {{ECHO, "{\"sum\":3}"}}},
    {"a_failed_tool_is_an_error", "tool_error", "", NULL, {{ECHO, "E the disk is full"}}},
    {"an_error_of_the_protocol_is_an_error", "rpc_error", "", NULL, {{ECHO, "E echo was refused: bad arguments (code -32602)"}}},
    {"an_error_may_be_anything", "odd_error", "", NULL, {{ECHO, "E echo was refused: no reason is given (code 0)"}}},
    {"escapes_do_not_reach_a_terminal", "escape", "", NULL, {{ECHO, "a [31mb"}}},
    {"references_in_a_circle_check_nothing", "circle", "", NULL, {{"echo(text=5)", "well done"}}},
    {"what_is_listed_no_more_is_an_observation", "list_changes", "", NULL,
     {FINE, {ECHO, "well done"}}},
    /* arguments */
    {"arguments_are_checked_before_they_are_sent", "crash", "", NULL,
     {{"echo(text=5)", "E `text` must be a string, got a number"},
      {"echo(text='0123456789012345678901234567890123456789x')", "E `text` must have at most 40 characters"},
      {"add(a=0.5)", "E `a` must be a whole number"}}},
};

static void rest(double seconds)
{
    double until = ap__now() + seconds;
    while (ap__now() < until) {
        struct ap_waiter waiter;
        ap__waiter_init(&waiter);
        ap__waiter_until(&waiter, until);
        ap__waiter_wait(&waiter);
    }
}

static void a_scene_plays_as_written(void **state)
{
    const struct scene *scene = *state;
    char yaml[512];
    struct ap_registry *registry;
    struct ap_env *env;
    struct ap_err fault = {0};
    double start = ap__now();
    snprintf(yaml, sizeof yaml, "- {mcp: [%s, %s, %s], start_timeout: 20, %s%s}\n", HOSTILE_SERVER, scene->mode,
             in_dir("memory"), strstr(scene->limits, "timeout") ? "" : "timeout: 8, ", scene->limits);
    if (strstr(scene->limits, "start_timeout"))
        snprintf(yaml, sizeof yaml, "- {mcp: [%s, %s], %s}\n", HOSTILE_SERVER, scene->mode, scene->limits);
    ap_status status = add_functions(yaml, &registry, &fault);
    if (scene->start) {
        assert_int_not_equal(status, AP_OK);
        if (!strstr(fault.message, scene->start))
            fail_msg("%s", fault.message);
        return;
    }
    if (status != AP_OK)
        fail_msg("%s: %s", fault.place, fault.message);
    OK(ap__env_new(registry, &env, err));
    for (size_t i = 0; i < 4 && scene->calls[i][0]; i++) {
        if (i > 0 && strcmp(scene->mode, "dies_after") == 0)
            rest(0.2); /* its end must have come */
        bool error, expected = strncmp(scene->calls[i][1], "E ", 2) == 0;
        const char *text = observe(env, scene->calls[i][0], &error);
        if (error != expected || !strstr(text, scene->calls[i][1] + (expected ? 2 : 0)))
            fail_msg("call %zu: %s", i + 1, text);
    }
    ap__env_free(env);
    ap__registry_free(registry);
    if (ap__now() - start > 20)
        fail_msg("it took %.1f seconds", ap__now() - start);
    assert_false(runs("87656") && ap__sandbox_can_contain());
}

/* ---- sessions ---- */

static void tools_that_vanish_are_an_observation(void **state)
{
    (void)state;
    struct ap_registry *registry;
    struct ap_env *env;
    bool error;
    OK(add_functions("- {mcp: [" HOSTILE_SERVER ", list_changes], timeout: 2}\n", &registry, err));
    OK(ap__env_new(registry, &env, err));
    assert_string_equal(observe(env, ECHO, &error), "well done");
    rest(1.2); /* lists are not read again at once */
    assert_string_equal(observe(env, "add(a=1)", &error), "well done");
    assert_non_null(strstr(observe(env, ECHO, &error), "does not offer echo any more"));
    assert_true(error);
    ap__env_free(env);
    ap__registry_free(registry);
}

static void many_chains_share_a_server(void **state)
{
    (void)state;
    enum { N = 50 };
    struct ap_registry *registry;
    struct ap_env *env[N];
    struct ap_running *running[N];
    OK(add_functions("- {mcp: [" HOSTILE_SERVER ", good], timeout: 10}\n", &registry, err));
    for (int32_t i = 0; i < N; i++) {
        OK(ap__env_new(registry, &env[i], err));
        OK(ap__env_start(env[i], ECHO, strlen(ECHO), &running[i], err));
    }
    for (int32_t left = N; left > 0;) {
        struct ap_waiter waiter;
        ap__waiter_init(&waiter);
        for (int32_t i = 0; i < N; i++) {
            bool done = false;
            struct ap_call_result result;
            if (!running[i])
                continue;
            OK(ap__running_advance(running[i], &done, err));
            ap__running_wait(running[i], &waiter);
            if (!done)
                continue;
            OK(ap__running_finish(running[i], &result, err));
            assert_string_equal(result.text, "well done");
            ap__call_result_deinit(&result);
            running[i] = NULL;
            left--;
        }
        if (left > 0)
            ap__waiter_wait(&waiter);
    }
    for (int32_t i = 0; i < N; i++)
        ap__env_free(env[i]);
    ap__registry_free(registry);
}

static void a_chain_may_have_a_server_of_its_own(void **state)
{
    (void)state;
    struct ap_registry *registry;
    struct ap_env *first, *second;
    bool error;
    OK(add_functions("- {mcp: [" HOSTILE_SERVER ", slow], timeout: 0.4, session: chain}\n", &registry, err));
    OK(ap__env_new(registry, &first, err));
    OK(ap__env_new(registry, &second, err));
    assert_non_null(strstr(observe(first, ECHO, &error), "did not answer")); /* its first call is lost */
    assert_string_equal(observe(first, ECHO, &error), "well done");
    assert_non_null(strstr(observe(second, ECHO, &error), "did not answer")); /* a new server, so the first again */
    ap__env_free(first);
    ap__env_free(second);
    ap__registry_free(registry);
}

static void names_may_have_a_prefix_and_results_be_kept(void **state)
{
    (void)state;
    struct ap_registry *registry;
    struct ap_env *env;
    bool error;
    OK(add_functions("- {mcp: [" HOSTILE_SERVER ", dies_after], timeout: 2, prefix: my_, tools: [echo], pure: true}\n",
                     &registry, err));
    OK(ap__env_new(registry, &env, err));
    assert_null(ap__registry_find(registry, "my_add"));
    for (int32_t i = 0; i < 20; i++)
        assert_string_equal(observe(env, "my_echo('hi')", &error), "well done");
    const struct ap_function *echo = ap__registry_find(registry, "my_echo");
    assert_string_equal(echo->description, "says it again.");
    assert_string_equal(echo->example, "my_echo(text='text')");
    ap__env_free(env);
    ap__registry_free(registry);
}

int main(void)
{
    enum { N = sizeof scenes / sizeof scenes[0] };
    struct CMUnitTest tests[N + 4];
    size_t n = 0;
    for (size_t i = 0; i < N; i++)
        tests[n++] = (struct CMUnitTest){scenes[i].name, a_scene_plays_as_written, make_dir, remove_dir, NULL};
    tests[n++] = (struct CMUnitTest)cmocka_unit_test(tools_that_vanish_are_an_observation);
    tests[n++] = (struct CMUnitTest)cmocka_unit_test(many_chains_share_a_server);
    tests[n++] = (struct CMUnitTest)cmocka_unit_test(a_chain_may_have_a_server_of_its_own);
    tests[n++] = (struct CMUnitTest)cmocka_unit_test(names_may_have_a_prefix_and_results_be_kept);
    for (size_t i = 0; i < N; i++)
        tests[i].initial_state = (void *)(uintptr_t)&scenes[i];
    return _cmocka_run_group_tests("outside mcp", tests, n, NULL, NULL);
}
