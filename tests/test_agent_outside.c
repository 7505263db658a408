/* test_agent_outside.c - many chains whose functions take time: beside each other, none waits for another's.
 *
 * The model is scripted, so a chain is what its script says; what is looked at
 * is when it was done, and that it is the one that a function which answers at
 * once makes. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "nap_fixture.h"
#include "outside.h"
#include "script_fixture.h"

#include <signal.h>
#include <sys/wait.h>

static int set_up(void **state)
{
    (void)state;
    return make_script();
}

static int tear_down(void **state)
{
    (void)state;
    return unlink(script_path);
}

static struct ap_agent_config config_with(const struct ap_registry *functions)
{
    return (struct ap_agent_config){.prompt = "Solve the problem.", .functions = functions, .max_steps = 6,
                                    .max_bad_calls = 3, .max_call_tokens = 64, .in_flight = 64};
}

/* ---- functions that take their time, and their twins ---- */

static ap_status run_add(struct ap_invocation *call)
{
    return ap_result_number(call, ap_arg_number(call, 0) + ap_arg_number(call, 1));
}

/* Add answers at once, Later as `run` does; all such sets have the same help. */
static struct ap_registry *functions_with(ap_status (*run)(struct ap_invocation *))
{
    static const struct ap_param params[] = {{"a", AP_TYPE_NUMBER, "first", NULL}, {"b", AP_TYPE_NUMBER, "second", NULL}};
    static const struct ap_function add = {.name = "Add", .description = "adds.", .example = "Add(a=1, b=2)",
                                           .params = params, .n_params = 2, .run = run_add};
    static struct ap_function later;
    struct ap_registry *functions;
    later = add;
    later.name = "Later";
    later.example = "Later(a=1, b=2)";
    later.run = run;
    OK(ap__registry_new(&functions, err));
    OK(ap__registry_add(functions, &add, err));
    OK(ap__registry_add(functions, &later, err));
    return functions;
}

static void same_chain(const struct ap_chain *a, const struct ap_chain *b, int i)
{
    assert_int_equal(a->n, b->n);
    assert_int_equal(a->end, b->end);
    for (int32_t k = 0; k < a->n; k++)
        if (strcmp(a->step[k].call, b->step[k].call) != 0 || strcmp(a->step[k].result, b->step[k].result) != 0)
            fail_msg("chain %d, step %d: %s -> %s, not %s -> %s", i, (int)k, a->step[k].call, a->step[k].result,
                     b->step[k].call, b->step[k].result);
    assert_int_equal(a->tokens.n, b->tokens.n);
    if (a->tokens.n > 0)
        assert_memory_equal(a->tokens.id, b->tokens.id, a->tokens.n * sizeof *a->tokens.id);
}

static void slow_and_fast_functions_mixed_make_the_chains_of_their_fast_twins(void **state)
{
    (void)state;
    enum { N = 60 };
    static const struct script samples[] = {
        {.question = "Go.", .answer = {"Answer(1)"}},
        {.question = "Go.", .answer = {"Add(a=1, b=1)", "Answer(2)"}},
        {.question = "Go.", .answer = {"Later(a=1, b=1)", "Add(a=2, b=1)", "Answer(3)"}},
        {.question = "Go.", .answer = {"Later(a=1, b=1)", "Later(a=1, b=2)", "Later(a=2, b=2)", "Answer(4)"}},
        {.question = "Go.", .answer = {"Later(a=1)", "Later(a=1, b=2)", "Answer(5)"}}};
    static struct collected all[3];
    struct ap_agent_job jobs[N];
    struct ap_err err = {0};
    for (int i = 0; i < N; i++)
        jobs[i] = (struct ap_agent_job){.tag = (uint64_t)i, .question = "Go.", .seed = 2, .key = (uint64_t)i,
                                        .sampling = {.temperature = 1, .top_p = 1}};
    for (int strict = 0; strict < 2; strict++) {
        for (int twin = 0; twin < 3; twin++) {
            struct ap_registry *functions = functions_with(twin == 0 ? run_add : run_add_later);
            struct ap_agent_config config = config_with(functions);
            config.in_flight = 13;
            config.strict = strict;
            config.lockstep = twin == 2;
            write_scripts(&config, samples, 5);
            if (run_jobs(&config, jobs, N, &all[twin], &err) != AP_OK)
                fail_msg("%s", err.message);
            assert_int_equal(all[twin].n, N);
            for (int i = 0; i < N; i++)
                same_chain(&all[0].chain[i], &all[twin].chain[i], i);
            ap__registry_free(functions);
        }
        for (int twin = 0; twin < 3; twin++)
            collected_deinit(&all[twin]);
    }
}

/* ---- programs and servers ---- */

/* n chains of one script, from which the answers are recorded; seconds = what they took. */
static struct ap_registry *run_many(const char *yaml, const struct script *script, int n, struct collected *all,
                                    double *seconds)
{
    struct ap_registry *functions;
    struct ap_agent_job jobs[MAX_CHAINS];
    OK(add_functions(yaml, &functions, err));
    struct ap_agent_config config = config_with(functions);
    write_scripts(&config, script, 1);
    for (int i = 0; i < n; i++)
        jobs[i] = (struct ap_agent_job){.tag = (uint64_t)i, .question = script->question, .sampling = AP_GREEDY};
    double start = ap__now();
    OK(run_jobs(&config, jobs, n, all, err));
    *seconds = ap__now() - start;
    assert_int_equal(all->n, n);
    for (int i = 0; i < n; i++) {
        assert_int_equal(all->chain[i].end, AP_END_ANSWER);
        same_chain(&all->chain[0], &all->chain[i], i);
    }
    return functions;
}

static void chains_with_slow_tools_take_the_time_of_one(void **state)
{
    (void)state;
    enum { N = 64 };
    static const char *const cases[] = {
        "- {command: [sh, -c, 'sleep 0.1; echo well done'], name: Tool, description: d., parallel: 64,"
        " parameters: {text: string}}\n",
        "- {mcp: [" HOSTILE_SERVER ", takes_time], prefix: m_, parallel: 64}\n",
    };
    static const struct script scripts[] = {
        {.question = "Go.", .answer = {"Tool('a')", "Tool('b')", "Tool('c')", "Answer(1)"}},
        {.question = "Go.", .answer = {"m_echo('a')", "m_echo('b')", "m_echo('c')", "Answer(1)"}}};
    for (int i = 0; i < 2; i++) {
        static struct collected all;
        double seconds;
        ap__registry_free(run_many(cases[i], &scripts[i], N, &all, &seconds));
        assert_string_equal(all.chain[N - 1].step[2].result, "well done");
        print_message("%d chains, 3 calls of 100 ms each: %.2f seconds\n", N, seconds);
        if (seconds > 0.5 * N * 0.3)
            fail_msg("one after the other they take %.1f seconds, together they took %.1f", N * 0.3, seconds);
        collected_deinit(&all);
    }
}

static void so_many_calls_run_at_once_as_the_task_says(void **state)
{
    (void)state;
    struct collected all = {0};
    char yaml[512], line[64];
    double seconds;
    int now = 0, most = 0;
    snprintf(yaml, sizeof yaml, "- {command: [sh, -c, 'echo + >>%s; sleep 0.05; echo - >>%s; echo done'], name: Tool, "
             "description: d., parallel: 3}\n", in_dir("log"), in_dir("log"));
    ap__registry_free(run_many(yaml, &(struct script){.question = "Go.", .answer = {"Tool()", "Tool()", "Answer(1)"}}, 8,
                               &all, &seconds));
    FILE *f = fopen(in_dir("log"), "r");
    assert_non_null(f);
    while (fgets(line, sizeof line, f)) {
        now += line[0] == '+' ? 1 : -1;
        most = now > most ? now : most;
    }
    fclose(f);
    assert_in_range(most, 2, 3);
    collected_deinit(&all);
}

static void a_pure_call_that_many_chains_make_at_once_is_made_once(void **state)
{
    (void)state;
    struct collected all = {0};
    char yaml[512];
    double seconds;
    snprintf(yaml, sizeof yaml, "- {command: [sh, -c, 'sleep 0.1; echo x >>%s; wc -l <%s'], name: Count, description: d., "
             "parameters: {n: integer}, pure: true}\n", in_dir("log"), in_dir("log"));
    ap__registry_free(run_many(yaml, &(struct script){.question = "Go.", .answer = {"Count(1)", "Count(2)", "Answer(1)"}},
                               16, &all, &seconds));
    assert_string_equal(all.chain[15].step[0].result, "1");
    assert_string_equal(all.chain[15].step[1].result, "2");
    collected_deinit(&all);
}

static void identical_pure_calls_that_fail_do_not_wait_for_each_other(void **state)
{
    (void)state;
    struct collected all = {0};
    double seconds;
    ap__registry_free(run_many("- {command: [sleep, '87659'], name: Hang, description: d., pure: true, timeout: 0.3}\n",
                               &(struct script){.question = "Go.", .answer = {"Hang()", "Answer(1)"}}, 12, &all, &seconds));
    assert_true(all.chain[11].step[0].error);
    if (seconds > 2)
        fail_msg("12 calls that hang for 0.3 seconds took %.1f", seconds);
    collected_deinit(&all);
}

/* ---- what goes wrong is one chain's ---- */

static void a_hanging_tool_delays_no_other_chain(void **state)
{
    (void)state;
    enum { N = 8 };
    struct ap_registry *functions;
    struct ap_agent_job jobs[N];
    struct script scripts[N];
    char question[N][16];
    struct collected all = {0};
    OK(add_functions("- {command: [sleep, '87658'], name: Hang, description: d., timeout: 2}\n"
                     "- {command: [" HOSTILE_TOOL ", crash], name: Crash, description: d.}\n"
                     "- {command: [sh, -c, 'echo done'], name: Quick, description: d.}\n"
                     "- {mcp: [" HOSTILE_SERVER ", hang], prefix: h_, timeout: 2, session: chain}\n", &functions, err));
    struct ap_agent_config config = config_with(functions);
    for (int i = 0; i < N; i++) {
        snprintf(question[i], sizeof question[i], "question %d", i);
        scripts[i] = (struct script){.question = question[i], .answer = {"Quick()", "Quick()", "Answer(1)"}};
        jobs[i] = (struct ap_agent_job){.tag = (uint64_t)i, .question = question[i], .sampling = AP_GREEDY};
    }
    scripts[0].answer[1] = "Hang()";
    scripts[1].answer[1] = "Crash()";
    scripts[2].answer[1] = "h_echo('x')";
    write_scripts(&config, scripts, N);
    double start = ap__now();
    OK(run_jobs(&config, jobs, N, &all, err));
    for (int i = 0; i < N; i++) {
        double took = all.when[i] - start;
        bool hangs = i == 0 || i == 2;
        assert_int_equal(all.chain[i].end, AP_END_ANSWER);
        assert_int_equal(all.chain[i].step[1].error, i < 3);
        if (hangs ? took < 2 : took > 1.9)
            fail_msg("chain %d took %.2f seconds", i, took);
    }
    assert_non_null(strstr(all.chain[0].step[1].result, "did not end within 2 seconds"));
    assert_non_null(strstr(all.chain[1].step[1].result, "was killed by signal 11"));
    assert_non_null(strstr(all.chain[2].step[1].result, "did not answer within 2 seconds"));
    collected_deinit(&all);
    ap__registry_free(functions);
}

/* In a process of its own, since an interrupt is for good. */
static int interrupted_run(bool lockstep)
{
    struct ap_registry *functions;
    struct ap_err err = {0};
    struct collected all = {0};
    struct ap_agent_job job = {.question = "Go.", .sampling = AP_GREEDY};
    if (add_functions("- {command: [sleep, '87660'], name: Hang, description: d., timeout: 60}\n", &functions, &err) != AP_OK)
        return 1;
    struct ap_agent_config config = config_with(functions);
    config.lockstep = lockstep;
    FILE *f = fopen(script_path, "w");
    json_t *messages = opening(&config, "Go.");
    record(f, messages, "Hang()", "stop");
    fclose(f);
    json_decref(messages);
    ap__interrupt_install();
    if (fork() == 0) {
        usleep(300000);
        kill(getppid(), SIGINT);
        _exit(0);
    }
    double start = ap__now();
    ap_status status = run_jobs(&config, &job, 1, &all, &err);
    ap__registry_free(functions);
    return status == AP_E_INTERRUPTED && ap__now() - start < 10 && !runs("87660") ? 0 : 2;
}

static void an_interrupt_ends_the_run_and_its_functions(void **state)
{
    (void)state;
    for (int lockstep = 0; lockstep < 2; lockstep++) {
        int ended;
        pid_t pid = fork();
        if (pid == 0)
            _exit(interrupted_run(lockstep));
        assert_int_equal(waitpid(pid, &ended, 0), pid);
        assert_true(WIFEXITED(ended));
        assert_int_equal(WEXITSTATUS(ended), 0);
    }
}

static void a_run_that_ends_early_gives_up_what_still_runs(void **state)
{
    (void)state;
    struct ap_registry *functions;
    struct ap_err fault = {0};
    struct collected all = {.fail_at = 1};
    struct ap_agent_job jobs[2] = {{.question = "Slow.", .sampling = AP_GREEDY}, {.question = "Quick.", .sampling = AP_GREEDY}};
    OK(add_functions("- {command: [sleep, '87661'], name: Hang, description: d., timeout: 60}\n"
                     "- {mcp: [" HOSTILE_SERVER ", hang], prefix: h_, timeout: 60, session: chain}\n", &functions, err));
    struct ap_agent_config config = config_with(functions);
    for (int i = 0; i < 2; i++) {
        FILE *f = fopen(script_path, "w");
        json_t *quick = opening(&config, "Quick."), *slow = opening(&config, "Slow.");
        record(f, slow, i == 0 ? "Hang()" : "h_echo('x')", "stop");
        record(f, quick, "Answer(1)", "stop");
        json_decref(quick);
        json_decref(slow);
        fclose(f);
        all.n = 0;
        double start = ap__now();
        assert_int_equal(run_jobs(&config, jobs, 2, &all, &fault), AP_E_IO);
        assert_true(ap__now() - start < 30);
        assert_false(runs("87661"));
    }
    ap__registry_free(functions);
}

/* ---- out of memory ---- */

static void any_failing_allocation_while_functions_run_leaks_nothing(void **state)
{
    (void)state;
    static const struct script scripts[] = {
        {.question = "Go.", .answer = {"Later(a=1, b=1)", "Tool()", "Answer(3)"}},
        {.question = "On.", .answer = {"Add(a=1, b=1)", "Later(a=1)", "Later(a=1, b=2)", "Answer(5)"}}};
    static const char yaml[] = "- {command: [sh, -c, 'echo done'], name: Tool, description: d.}\n";
    for (int lockstep = 0; lockstep < 2; lockstep++) {
        struct ap_registry *functions = functions_with(run_add_later);
        struct ap_yaml_doc doc;
        OK(ap__yaml_parse(yaml, strlen(yaml), "t.yaml", &doc, err));
        OK(ap__functions_add_yaml(functions, &doc, doc.root->child[0], err));
        ap__yaml_free(&doc);
        struct ap_agent_config config = config_with(functions);
        config.lockstep = lockstep;
        survive_failing_allocations(&config, scripts, 2);
        ap__registry_free(functions);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slow_and_fast_functions_mixed_make_the_chains_of_their_fast_twins),
        cmocka_unit_test(chains_with_slow_tools_take_the_time_of_one),
        cmocka_unit_test_setup_teardown(so_many_calls_run_at_once_as_the_task_says, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(a_pure_call_that_many_chains_make_at_once_is_made_once, make_dir, remove_dir),
        cmocka_unit_test(identical_pure_calls_that_fail_do_not_wait_for_each_other),
        cmocka_unit_test(a_hanging_tool_delays_no_other_chain),
        cmocka_unit_test(an_interrupt_ends_the_run_and_its_functions),
        cmocka_unit_test(a_run_that_ends_early_gives_up_what_still_runs),
        cmocka_unit_test(any_failing_allocation_while_functions_run_leaks_nothing),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
