/* test_outside_tools.c - functions that are programs: good ones, and a hostile one in every mode. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "base/progress.h"
#include "functions/later.h"
#include "outside.h"
#include "outside/sandbox.h"
#include "outside/turns.h"

/* One mode of tests/hostile/hostile_tool.c and what the chain sees. */
struct scene {
    const char *name, *mode, *limits, *expected;
    bool error;
};

static const struct scene scenes[] = {
    {"an_echo_gets_its_arguments_as_json", "echo", "", "{\"text\":\"hi\"}", false},
    {"what_fails_is_quoted_with_its_last_words", "fail", "", "Tool ended with exit code 3: no such word", true},
    {"no_output_is_an_empty_result", "silent", "", "", false},
    {"what_hangs_is_ended", "hang", "timeout: 0.4", "Tool did not end within 0.4 seconds", true},
    {"what_ignores_signals_is_ended", "stubborn", "timeout: 0.4", "did not end within", true},
    {"endless_output_is_cut_off", "endless", "output: 4", "Tool printed more than 4096 bytes", true},
    {"endless_complaints_do_not_matter", "endless_words", "", "done", false},
    {"bytes_that_are_no_text_become_question_marks", "bytes", "", "a??b", false},
    {"zero_bytes_are_refused", "nul", "", "printed bytes that are no text", true},
    {"a_crash_is_named", "crash", "", "was killed by signal 11", true},
    {"private_memory_has_a_limit", "eat_memory", "memory: 64", "exit code 9: no more memory after ", true},
    {"shared_memory_has_a_limit", "eat_shared_memory", "memory: 64", "no more shared memory", true},
    {"processor_time_has_a_limit", "spin", "cpu: 1, timeout: 20", "was killed by signal ", true},
    {"files_have_a_limit", "fill_disk", "file: 5", "the file may have 5 MiB", true},
    {"what_closes_its_output_is_still_waited_for", "close_output", "timeout: 0.4", "did not end within", true},
    {"what_never_reads_may_still_answer", "deaf", "", "did not listen", false},
    {"the_environment_is_an_allow_list", "show_env", "", "!SECRET", false},
    {"what_is_allowed_of_the_environment_comes", "show_env", "env: [SECRET_KEY, B=2]", "SECRET_KEY", false},
    {"no_file_of_ours_is_open_in_it", "show_fds", "", "none other", false},
};

static void a_scene_ends_in_one_clear_observation(void **state)
{
    const struct scene *scene = *state;
    char yaml[512];
    struct ap_registry *registry;
    struct ap_env *env;
    bool error;
    double start = ap__now();
    snprintf(yaml, sizeof yaml, "- {command: [%s, %s], name: Tool, description: does it., parameters: {text: string}%s%s}\n",
             HOSTILE_TOOL, scene->mode, scene->limits[0] ? ", " : "", scene->limits);
    setenv("SECRET_KEY", "sesame", 1);
    OK(add_functions(yaml, &registry, err));
    OK(ap__env_new(registry, &env, err));
    const char *text = observe(env, "Tool(text='hi')", &error);
    if (scene->expected[0] == '!' ? strstr(text, scene->expected + 1) != NULL : !strstr(text, scene->expected))
        fail_msg("%s: %s", scene->name, text);
    if (error != scene->error)
        fail_msg("%s: error is %d", text, error);
    if (ap__now() - start > 15)
        fail_msg("it took %.1f seconds", ap__now() - start);
    ap__env_free(env);
    ap__registry_free(registry);
}

/* ---- what is left behind ---- */

static void nothing_survives_a_call(void **state)
{
    (void)state;
    struct ap_registry *registry;
    struct ap_env *env;
    bool error;
    if (!ap__sandbox_can_contain()) {
        print_message("the kernel allows no namespaces: a daemon can hide here\n");
        skip();
    }
    OK(add_functions("- {command: [" HOSTILE_TOOL ", leave_child], name: Leave, description: d.}\n"
                     "- {command: [" HOSTILE_TOOL ", many_children], name: Many, description: d., timeout: 0.4}\n",
                     &registry, err));
    OK(ap__env_new(registry, &env, err));
    assert_string_equal(observe(env, "Leave()", &error), "left it");
    assert_non_null(strstr(observe(env, "Many()", &error), "did not end within"));
    assert_false(runs("87654"));
    assert_false(runs("87655"));
    ap__env_free(env);
    ap__registry_free(registry);
}

static void the_network_must_be_granted(void **state)
{
    (void)state;
    struct ap_registry *registry;
    struct ap_env *env;
    bool error;
    if (!ap__sandbox_can_contain()) {
        print_message("the kernel allows no namespaces: nothing keeps a program from the network here\n");
        skip();
    }
    OK(add_functions("- {command: [" HOSTILE_TOOL ", network], name: Net, description: d.}\n", &registry, err));
    OK(ap__env_new(registry, &env, err));
    assert_non_null(strstr(observe(env, "Net()", &error), "no network"));
    ap__env_free(env);
    ap__registry_free(registry);
}

/* ---- what cannot be started ---- */

static void a_program_that_cannot_be_started_is_an_observation(void **state)
{
    (void)state;
    static const char *const cases[][2] = {{"no-such-program-anywhere", "there is no program `no-such-program-anywhere`"},
                                           {"/etc/passwd", "could not be started"},
                                           {"/", "could not be started"},
                                           {"./nowhere/tool", "could not be started"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char yaml[256];
        struct ap_registry *registry;
        struct ap_env *env;
        bool error;
        snprintf(yaml, sizeof yaml, "- {command: %s, name: Tool, description: d.}\n", cases[i][0]);
        OK(add_functions(yaml, &registry, err));
        OK(ap__env_new(registry, &env, err));
        const char *text = observe(env, "Tool()", &error);
        if (!error || !strstr(text, cases[i][1]))
            fail_msg("%s: %s", cases[i][0], text);
        ap__env_free(env);
        ap__registry_free(registry);
    }
}

/* ---- arguments ---- */

static void arguments_are_checked_before_anything_is_started(void **state)
{
    (void)state;
    struct ap_registry *registry;
    struct ap_env *env;
    bool error;
    OK(add_functions("- command: [" HOSTILE_TOOL ", echo]\n  name: Tool\n  description: d.\n"
                     "  parameters: {days: {type: integer, minimum: 1, maximum: 14}, unit: {enum: [C, F], default: C},"
                     " tags: {type: array, items: {type: string}, default: []}, more: {type: object, default: null}}\n",
                     &registry, err));
    OK(ap__env_new(registry, &env, err));
    static const char *const cases[][2] = {
        {"Tool(days=15)", "Error: `days` must be at most 14. Tool(days: number"},
        {"Tool(days=1.5)", "`days` must be a whole number, got a number"},
        {"Tool(days='x')", "`days` must be a number, got a string"},
        {"Tool()", "argument `days` is missing"},
        {"Tool(days=2, unit='K')", "`unit` must be one of \"C\", \"F\""},
        {"Tool(days=2, tags=[1])", "`tags[0]` must be a string, got a whole number"},
        {"Tool(days=2, more='no json')", "`more` must be an object, got a string"},
        {"Tool(days=2, more={'a': [1, None, True]})",
         "{\"days\":2,\"more\":{\"a\":[1,null,true]},\"tags\":[],\"unit\":\"C\"}"},
        {"{\"name\": \"Tool\", \"arguments\": {\"days\": 3, \"more\": {\"k\": \"v\"}, \"tags\": [\"a\"]}}",
         "{\"days\":3,\"more\":{\"k\":\"v\"},\"tags\":[\"a\"],\"unit\":\"C\"}"},
        {"Tool(days=4, more=None)", "{\"days\":4,\"tags\":[],\"unit\":\"C\"}"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *text = observe(env, cases[i][0], &error);
        if (!strstr(text, cases[i][1]))
            fail_msg("%s: %s", cases[i][0], text);
    }
    ap__env_free(env);
    ap__registry_free(registry);
}

static void results_of_pure_functions_are_kept_per_arguments(void **state)
{
    (void)state;
    struct ap_registry *registry;
    struct ap_env *env;
    bool error;
    char yaml[512], first[64];
    snprintf(yaml, sizeof yaml, "- {command: [sh, -c, \"cat >/dev/null; echo x >>%s; wc -l <%s\"], name: Count, "
             "description: d., parameters: {n: integer}, pure: true}\n", in_dir("count"), in_dir("count"));
    OK(add_functions(yaml, &registry, err));
    OK(ap__env_new(registry, &env, err));
    snprintf(first, sizeof first, "%s", observe(env, "Count(n=1)", &error));
    assert_string_equal(first, "1");
    assert_string_equal(observe(env, "Count(n=1)", &error), "1");
    assert_string_equal(observe(env, "Count(2)", &error), "2");
    assert_string_equal(observe(env, "Count(1)", &error), "1");
    ap__env_free(env);
    ap__registry_free(registry);
}

/* ---- many at once ---- */

static void calls_of_many_chains_run_at_the_same_time(void **state)
{
    (void)state;
    enum { N = 8 };
    struct ap_registry *registry;
    struct ap_env *env[N];
    struct ap_running *running[N];
    double start = ap__now();
    int32_t left = N;
    OK(add_functions("- {command: [sh, -c, 'sleep 1; echo done'], name: Slow, description: d.}\n", &registry, err));
    for (int32_t i = 0; i < N; i++) {
        OK(ap__env_new(registry, &env[i], err));
        OK(ap__env_start(env[i], "Slow()", 6, &running[i], err));
    }
    while (left > 0) {
        struct ap_waiter waiter;
        ap__waiter_init(&waiter);
        for (int32_t i = 0; i < N; i++) {
            bool done = false;
            struct ap_call_result result;
            if (!running[i])
                continue;
            OK(ap__running_advance(running[i], &done, err));
            if (!done) {
                ap__running_wait(running[i], &waiter);
                continue;
            }
            OK(ap__running_finish(running[i], &result, err));
            assert_string_equal(result.text, "done");
            ap__call_result_deinit(&result);
            running[i] = NULL;
            left--;
        }
        if (left > 0)
            ap__waiter_wait(&waiter);
    }
    if (ap__now() - start > 0.75 * N)
        fail_msg("%d calls of a second took %.2f seconds", N, ap__now() - start);
    for (int32_t i = 0; i < N; i++)
        ap__env_free(env[i]);
    ap__registry_free(registry);
}

static void turns_come_in_order_and_the_same_work_is_waited_for(void **state)
{
    (void)state;
    struct ap_turns turns;
    struct ap_turn a, b, c, d, e;
    ap__turns_init(&turns, 2);
    ap__turns_join(&turns, &a, "x");
    ap__turns_join(&turns, &b, "x");
    ap__turns_join(&turns, &c, "y");
    ap__turns_join(&turns, &d, NULL);
    ap__turns_join(&turns, &e, "x");
    assert_false(ap__turn_comes(&turns, &c)); /* a may go, but has not looked yet */
    assert_true(ap__turn_comes(&turns, &a));
    assert_true(ap__turn_follows(&turns, &b));
    assert_true(ap__turn_follows(&turns, &e));
    assert_false(ap__turn_comes(&turns, &b));
    assert_false(ap__turn_comes(&turns, &d)); /* after c */
    assert_true(ap__turn_comes(&turns, &c));
    assert_false(ap__turn_comes(&turns, &d)); /* both places are taken */
    ap__turns_leave(&turns, &a);
    assert_false(ap__turn_follows(&turns, &b));
    assert_true(ap__turn_comes(&turns, &b)); /* before d, and not after another of its kind */
    assert_false(ap__turn_comes(&turns, &e));
    ap__turns_leave(&turns, &c);
    ap__turns_leave(&turns, &d); /* given up */
    assert_true(ap__turn_comes(&turns, &e));
    ap__turns_leave(&turns, &b);
    ap__turns_leave(&turns, &e);
    assert_int_equal(turns.running, 0);
    ap__turns_deinit(&turns);
}

static void a_call_that_is_given_up_leaves_nothing(void **state)
{
    (void)state;
    struct ap_registry *registry;
    struct ap_env *env;
    struct ap_running *running;
    OK(add_functions("- {command: [sleep, '87657'], name: Slow, description: d.}\n", &registry, err));
    OK(ap__env_new(registry, &env, err));
    OK(ap__env_start(env, "Slow()", 6, &running, err));
    assert_true(runs("87657"));
    ap__running_free(running);
    assert_false(runs("87657"));
    ap__env_free(env);
    ap__registry_free(registry);
}

/* ---- wrong tasks ---- */

static void wrong_entries_are_named_with_their_line(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"- {command: [x], description: d.}", "`name`"},
        {"- {command: [x], name: F}", "`description`"},
        {"- {command: [], name: F, description: d.}", "`command` must name a program"},
        {"- {command: [x], name: 'a b', description: d.}", "a function's name must be letters, digits and `_`"},
        {"- {command: [x], name: F, description: d., tiemout: 3}", "did you mean `timeout`"},
        {"- {command: [x], name: F, description: d., timeout: 0}", "timeout"},
        {"- {command: [x], name: F, description: d., parallel: 0}", "parallel"},
        {"- {command: [x], name: F, description: d., parameters: [a]}", "`parameters` must be a map"},
        {"- {command: [x], name: F, description: d., example: 'F('}", "its example is no call"},
        {"- {command: [x], name: F, description: d., example: 'G()'}", "its example calls another function"},
        {"- {name: F}", "needs `command`, `mcp` or `plugin`"},
        {"- [a]", "a function is a name, or a map"},
        {"- {mcp: x, session: always}", "`session` must be task or chain"},
        {"- {mcp: 'http://127.0.0.1:1/', key_env: AP_NO_SUCH_KEY}", "the environment has no key in `AP_NO_SUCH_KEY`"},
        {"- {mcp: no-such-program-anywhere}", "there is no program"},
        {"- {plugin: ./no-such.so}", "the plug-in cannot be loaded"},
        {"- {command: [x], name: F, description: d.}\n- {command: [x], name: F, description: d.}", "registered already"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct ap_registry *registry;
        struct ap_err err = {0};
        assert_int_not_equal(add_functions(cases[i][0], &registry, &err), AP_OK);
        if (!strstr(err.message, cases[i][1]) || !strstr(err.place, "t.yaml:"))
            fail_msg("%s: %s: %s", cases[i][0], err.place, err.message);
    }
}

/* ---- out of memory ---- */

/* Opening and one call while allocation n fails; true when none did. */
static bool survives(const char *yaml, const char *call, int64_t n)
{
    struct ap_registry *registry = NULL;
    struct ap_env *env = NULL;
    struct ap_call_result result = {0};
    struct ap_err fault = {0};
    ap__alloc_fail_after(n);
    ap_status status = add_functions(yaml, &registry, &fault);
    if (status == AP_OK)
        status = ap__env_new(registry, &env, &fault);
    if (status == AP_OK)
        status = ap__env_call(env, call, strlen(call), &result, &fault);
    ap__alloc_fail_after(0);
    bool fine = status == AP_OK && result.text && strstr(result.text, "well done");
    ap__call_result_deinit(&result);
    ap__env_free(env);
    ap__registry_free(registry);
    return fine;
}

static void every_failing_allocation_is_survived(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"- {command: [sh, -c, 'echo well done'], name: Tool, description: d., pure: true,"
         " parameters: {a: {type: object, default: {b: 1}}, c: {enum: [x, y]}}}\n", "Tool(a={'b': [1]}, c='x')"},
        {"- {mcp: [" HOSTILE_SERVER ", good], timeout: 5, pure: true, prefix: m_}\n", "m_echo('hi')"}};
    for (size_t i = 0; i < 2; i++) {
        int64_t n = 1, good = 0;
        for (; good < 30; n++) /* an allocation that may fail unnoticed is no end */
            good = survives(cases[i][0], cases[i][1], n) ? good + 1 : 0;
        assert_true(n > 60);
    }
}

int main(void)
{
    enum { N = sizeof scenes / sizeof scenes[0] };
    struct CMUnitTest tests[N + 11];
    size_t n = 0;
    for (size_t i = 0; i < N; i++)
        tests[n++] = (struct CMUnitTest){scenes[i].name, a_scene_ends_in_one_clear_observation, NULL, NULL,
                                         (void *)(uintptr_t)&scenes[i]};
    tests[n++] = (struct CMUnitTest)cmocka_unit_test(nothing_survives_a_call);
    tests[n++] = (struct CMUnitTest)cmocka_unit_test(the_network_must_be_granted);
    tests[n++] = (struct CMUnitTest)cmocka_unit_test(a_program_that_cannot_be_started_is_an_observation);
    tests[n++] = (struct CMUnitTest)cmocka_unit_test(arguments_are_checked_before_anything_is_started);
    tests[n++] = (struct CMUnitTest)cmocka_unit_test_setup_teardown(results_of_pure_functions_are_kept_per_arguments,
                                                                    make_dir, remove_dir);
    tests[n++] = (struct CMUnitTest)cmocka_unit_test(calls_of_many_chains_run_at_the_same_time);
    tests[n++] = (struct CMUnitTest)cmocka_unit_test(turns_come_in_order_and_the_same_work_is_waited_for);
    tests[n++] = (struct CMUnitTest)cmocka_unit_test(a_call_that_is_given_up_leaves_nothing);
    tests[n++] = (struct CMUnitTest)cmocka_unit_test(wrong_entries_are_named_with_their_line);
    tests[n++] = (struct CMUnitTest)cmocka_unit_test(every_failing_allocation_is_survived);
    return _cmocka_run_group_tests("outside tools", tests, n, NULL, NULL);
}
