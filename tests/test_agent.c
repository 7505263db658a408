/* test_agent.c - chains, one call per step, with the scripted model of script_fixture.h. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "script_fixture.h"

/* ---- functions of the tests ---- */

static ap_status create_count(void *user_data, void **out)
{
    (void)user_data;
    *out = ap__alloc(sizeof(int));
    return *out ? AP_OK : AP_E_MEMORY;
}

static const struct ap_state_kind count_state = {create_count, ap__free};

static ap_status run_count(struct ap_invocation *call)
{
    int *count = ap_invocation_state(call);
    return ap_result_number(call, ++*count);
}

static ap_status run_add(struct ap_invocation *call)
{
    return ap_result_number(call, ap_arg_number(call, 0) + ap_arg_number(call, 1));
}

static const struct ap_param two_numbers[] = {{"a", AP_TYPE_NUMBER, "first", NULL}, {"b", AP_TYPE_NUMBER, "second", NULL}};
static const struct ap_function add = {.name = "Add", .description = "adds two numbers.", .example = "Add(a=1, b=2)",
                                       .params = two_numbers, .n_params = 2, .run = run_add};
static const struct ap_function count = {.name = "Count", .description = "counts its calls.", .example = "Count()",
                                         .run = run_count, .state = &count_state};

static struct ap_registry *functions;

static int set_up(void **state)
{
    (void)state;
    struct ap_err err;
    if (make_script() != 0 || ap__registry_new(&functions, &err) != AP_OK)
        return -1;
    return ap__registry_add(functions, &add, &err) != AP_OK || ap__registry_add(functions, &count, &err) != AP_OK;
}

static int tear_down(void **state)
{
    (void)state;
    ap__registry_free(functions);
    return unlink(script_path);
}

static struct ap_agent_config config_of_tests(void)
{
    return (struct ap_agent_config){.prompt = "Solve the problem.", .functions = functions, .max_steps = 6,
                                    .max_bad_calls = 3, .max_call_tokens = 64, .in_flight = 8};
}

/* ---- chains ---- */

static const struct script solved = {.question = "What is 2 + 3 + 4?",
                                     .answer = {"Add(a=2, b=3)", "Add(a=5, b=4)", "Answer(9)"}};

/* ---- tests ---- */

static void a_chain_runs_one_call_per_step_until_its_answer(void **state)
{
    (void)state;
    struct ap_agent_config config = config_of_tests();
    struct collected all = {0};
    must_run(&config, &solved, 1, &all);
    const struct ap_chain *c = &all.chain[0];
    assert_int_equal(c->end, AP_END_ANSWER);
    assert_string_equal(ap__end_text(c->end), "answer");
    assert_int_equal(c->verdict, AP_INVALID);
    assert_string_equal(c->answer, "9");
    assert_int_equal(c->n, 3);
    assert_string_equal(c->step[0].call, "Add(a=2, b=3)");
    assert_string_equal(c->step[0].result, "5");
    assert_string_equal(c->step[0].function, "Add");
    assert_false(c->step[0].error);
    assert_string_equal(c->step[2].function, "Answer");
    assert_int_equal(c->tokens.n, 0);
    assert_int_equal(all.steps_seen, 3);
    collected_deinit(&all);
}

static void examples_stand_before_the_question_and_are_not_steps(void **state)
{
    (void)state;
    static const char *const bootstrap[] = {"Add(a=1, b=2)", "Reasoning('3')", "Add(a=0, b=3)"};
    struct ap_agent_config config = config_of_tests();
    struct ap_conversation c;
    struct ap_err err = {0};
    config.bootstrap = bootstrap;
    config.bootstrap_count = 3;
    assert_int_equal(ap__prompt_prefix(&config, NULL, &c, &err), AP_OK);
    assert_int_equal(c.n, 7);
    assert_true(c.message[1].scaffold && c.message[6].scaffold);
    assert_false(c.message[0].scaffold);
    assert_string_equal(c.message[2].text, "3");
    ap__conversation_deinit(&c);
}

static void bootstrap_calls_leave_nothing_behind_in_a_chain(void **state)
{
    (void)state;
    static const char *const bootstrap[] = {"Add(a=1, b=2)"};
    struct ap_agent_config config = config_of_tests();
    struct script script = {.question = "How often?", .answer = {"Count()", "Count()", "Answer(2)"}};
    struct collected all = {0};
    config.bootstrap = bootstrap;
    config.bootstrap_count = 1;
    must_run(&config, &script, 1, &all);
    assert_int_equal(all.chain[0].n, 3);
    assert_string_equal(all.chain[0].step[1].result, "2");
    collected_deinit(&all);
}

static void a_bootstrap_call_that_fails_is_named(void **state)
{
    (void)state;
    static const char *const bootstrap[] = {"Add(a=1)"};
    struct ap_agent_config config = config_of_tests();
    struct ap_conversation c;
    struct ap_err err = {0};
    config.bootstrap = bootstrap;
    config.bootstrap_count = 1;
    assert_int_equal(ap__prompt_prefix(&config, NULL, &c, &err), AP_E_ARG);
    assert_non_null(strstr(err.message, "Add(a=1)"));
    assert_non_null(strstr(err.message, "missing"));
}

static void an_error_observation_stays_in_the_chain(void **state)
{
    (void)state;
    struct ap_agent_config config = config_of_tests();
    struct script script = {.question = "2 + 3?", .answer = {"Add(a=2)", "Add(a=2, b=3)", "Answer(5)"}};
    struct collected all = {0};
    must_run(&config, &script, 1, &all);
    const struct ap_chain *c = &all.chain[0];
    assert_int_equal(c->n, 3);
    assert_true(c->step[0].error);
    assert_non_null(strstr(c->step[0].result, "missing"));
    assert_false(c->step[1].error);
    assert_string_equal(c->answer, "5");
    collected_deinit(&all);
}

static void too_many_bad_calls_end_the_chain(void **state)
{
    (void)state;
    struct ap_agent_config config = config_of_tests();
    struct script script = {.question = "2 + 3?", .answer = {"Add(2)", "Add(a=2, b=3)", "Add(3)", "Add(4)"}};
    struct collected all = {0};
    must_run(&config, &script, 1, &all);
    assert_int_equal(all.chain[0].end, AP_END_BAD_CALLS);
    assert_int_equal(all.chain[0].n, 4);
    assert_null(all.chain[0].answer);
    collected_deinit(&all);
}

static void too_many_steps_end_the_chain(void **state)
{
    (void)state;
    struct ap_agent_config config = config_of_tests();
    struct script script = {.question = "Go on.", .answer = {"Count()", "Count()", "Count()", "Count()", "Count()", "Count()"}};
    struct collected all = {0};
    must_run(&config, &script, 1, &all);
    assert_int_equal(all.chain[0].end, AP_END_STEPS);
    assert_int_equal(all.chain[0].n, 6);
    assert_string_equal(all.chain[0].step[5].result, "6");
    collected_deinit(&all);
}

static void a_call_that_is_cut_off_ends_the_chain_and_is_shown(void **state)
{
    (void)state;
    struct ap_agent_config config = config_of_tests();
    struct script script = {.question = "Go.", .answer = {"Count()", "Reasoning('and so on and so on"}, .finish = "length"};
    struct collected all = {0};
    must_run(&config, &script, 1, &all);
    const struct ap_chain *c = &all.chain[0];
    assert_int_equal(c->end, AP_END_LENGTH);
    assert_int_equal(c->n, 2);
    assert_true(c->step[1].error);
    assert_string_equal(c->step[1].call, "Reasoning('and so on and so on");
    collected_deinit(&all);
}

static void a_full_context_ends_the_chain(void **state)
{
    (void)state;
    struct ap_agent_config config = config_of_tests();
    struct script script = {.question = "Go.", .answer = {"Count()", "too long"}, .finish = "error"};
    struct collected all = {0};
    must_run(&config, &script, 1, &all);
    assert_int_equal(all.chain[0].end, AP_END_CONTEXT);
    assert_int_equal(all.chain[0].n, 1);
    collected_deinit(&all);
}

static void calls_in_json_are_understood(void **state)
{
    (void)state;
    struct ap_agent_config config = config_of_tests();
    struct script script = {.question = "2 + 3?",
                            .answer = {"{\"name\": \"Add\", \"arguments\": {\"a\": 2, \"b\": 3}}",
                                       "{\"name\": \"Answer\", \"arguments\": {\"value\": 5}}"}};
    struct collected all = {0};
    must_run(&config, &script, 1, &all);
    assert_string_equal(all.chain[0].step[0].result, "5");
    assert_string_equal(all.chain[0].answer, "5");
    collected_deinit(&all);
}

static void whatever_else_a_model_writes_is_an_error_observation(void **state)
{
    (void)state;
    static char endless[100000];
    static const char *const junk[] = {"", " ", "I think it is 5.", "Add(a=2, b=3) Add(a=2, b=3)", "Add(a=2, b=3", "((((",
                                       "{\"name\":", "Launch()", "Answer()", "Answer(1, 2)", "\"'\\", "<|end|>", "\xe2\x88\x80",
                                       "Add(a=1e999999999, b=2)", endless};
    struct ap_agent_config config = config_of_tests();
    memset(endless, 'x', sizeof endless - 1);
    for (size_t i = 0; i < sizeof junk / sizeof *junk; i++) {
        struct script script = {.question = "2 + 3?", .answer = {junk[i], "Answer(5)"}};
        struct collected all = {0};
        must_run(&config, &script, 1, &all);
        assert_int_equal(all.chain[0].n, 2);
        assert_true(all.chain[0].step[0].error);
        assert_string_equal(all.chain[0].step[0].call, junk[i]);
        assert_true(strlen(all.chain[0].step[0].result) < 2048);
        assert_string_equal(all.chain[0].answer, "5");
        collected_deinit(&all);
    }
}

static void strict_chains_forget_their_failed_calls(void **state)
{
    (void)state;
    struct ap_agent_config config = config_of_tests();
    struct collected all = {0};
    struct script wrong = {.question = "2 + 3?", .answer = {"Add(a=2)"}};
    struct script right = {.question = "2 + 3?", .answer = {"Add(a=2, b=3)", "Answer(5)"}};
    struct script both[2] = {wrong, right};
    struct ap_agent_job jobs[MAX_CHAINS];
    struct ap_err err = {0};
    int with_failure = 0;
    config.strict = true;
    write_scripts(&config, both, 2); /* two samples of the first call: chance picks */
    for (int i = 0; i < 32; i++)
        jobs[i] = (struct ap_agent_job){.tag = (uint64_t)i, .question = wrong.question, .key = (uint64_t)i,
                                        .sampling = {.temperature = 1, .top_p = 1}};
    assert_int_equal(run_jobs(&config, jobs, 32, &all, &err), AP_OK);
    for (int i = 0; i < 32; i++) {
        const struct ap_chain *c = &all.chain[i];
        if (c->end == AP_END_BAD_CALLS) {
            assert_int_equal(c->n, 0);
            continue;
        }
        assert_int_equal(c->end, AP_END_ANSWER);
        assert_int_equal(c->n, 2);
        assert_false(c->step[0].error);
    }
    for (int i = 0; i < 32; i++)
        with_failure += all.chain[i].end == AP_END_BAD_CALLS;
    assert_in_range(with_failure, 1, 12);
    assert_true(all.steps_seen > 64); /* the dropped ones were shown */
    collected_deinit(&all);
}

static void every_chain_has_functions_with_a_state_of_its_own(void **state)
{
    (void)state;
    struct ap_agent_config config = config_of_tests();
    struct script scripts[3];
    struct collected all = {0};
    for (int i = 0; i < 3; i++)
        scripts[i] = (struct script){.question = i == 0 ? "a" : i == 1 ? "b" : "c", .answer = {"Count()", "Count()", "Answer(2)"}};
    must_run(&config, scripts, 3, &all);
    for (int i = 0; i < 3; i++)
        assert_string_equal(all.chain[i].step[1].result, "2");
    collected_deinit(&all);
}

/* A little tree of samples: each question may be answered at once, after one or after two sums. */
static void write_samples(const struct ap_agent_config *config, int questions, char (*question)[32])
{
    FILE *f = fopen(script_path, "w");
    assert_non_null(f);
    for (int q = 0; q < questions; q++) {
        snprintf(question[q], sizeof question[q], "question %d", q);
        write_script(f, config, &(struct script){.question = question[q], .answer = {"Answer(1)"}});
        write_script(f, config, &(struct script){.question = question[q], .answer = {"Add(a=1, b=1)", "Answer(2)"}});
        write_script(f, config,
                     &(struct script){.question = question[q], .answer = {"Add(a=1, b=1)", "Add(a=2, b=1)", "Answer(3)"}});
    }
    assert_int_equal(fclose(f), 0);
}

static void chains_do_not_depend_on_how_many_are_in_flight(void **state)
{
    (void)state;
    enum { QUESTIONS = 8, SAMPLES = 8 };
    static const int32_t in_flight[] = {1, 3, 64, 1000};
    static struct collected all[4];
    struct ap_agent_config config = config_of_tests();
    struct ap_agent_job jobs[QUESTIONS * SAMPLES];
    struct ap_err err = {0};
    char question[QUESTIONS][32];
    int answers[3] = {0};
    write_samples(&config, QUESTIONS, question);
    for (int i = 0; i < QUESTIONS * SAMPLES; i++)
        jobs[i] = (struct ap_agent_job){.tag = (uint64_t)i, .question = question[i / SAMPLES], .seed = 7, .key = (uint64_t)i,
                                        .sampling = {.temperature = 1, .top_p = 1}};
    for (int f = 0; f < 4; f++) {
        config.in_flight = in_flight[f];
        assert_int_equal(run_jobs(&config, jobs, QUESTIONS * SAMPLES, &all[f], &err), AP_OK);
        for (int i = 0; i < QUESTIONS * SAMPLES; i++)
            assert_string_equal(all[f].chain[i].answer, all[0].chain[i].answer);
    }
    for (int i = 0; i < QUESTIONS * SAMPLES; i++)
        answers[all[0].chain[i].answer[0] - '1']++;
    assert_true(answers[0] > 0 && answers[1] > 0 && answers[2] > 0);
    for (int f = 0; f < 4; f++)
        collected_deinit(&all[f]);
}

static void a_failing_callback_ends_the_run(void **state)
{
    (void)state;
    struct ap_agent_config config = config_of_tests();
    struct script scripts[3] = {solved, solved, solved};
    struct collected all = {.fail_at = 2};
    struct ap_err err = {0};
    assert_int_equal(run_scripts(&config, scripts, 3, &all, &err), AP_E_IO);
    assert_string_equal(err.message, "full");
    assert_int_equal(all.n, 2);
    collected_deinit(&all);
}

static void a_failing_llm_ends_the_run_with_its_message(void **state)
{
    (void)state;
    struct ap_agent_config config = config_of_tests();
    struct ap_agent_job job = {.question = "Never heard.", .sampling = AP_GREEDY};
    struct collected all = {0};
    struct ap_err err = {0};
    write_scripts(&config, &solved, 1);
    assert_int_equal(run_jobs(&config, &job, 1, &all, &err), AP_E_NOT_FOUND);
    assert_non_null(strstr(err.message, "Never heard."));
    assert_int_equal(all.n, 0);
}

static void no_jobs_are_no_work(void **state)
{
    (void)state;
    struct ap_agent_config config = config_of_tests();
    struct collected all = {0};
    struct ap_err err = {0};
    write_scripts(&config, &solved, 1);
    assert_int_equal(run_jobs(&config, NULL, 0, &all, &err), AP_OK);
    assert_int_equal(all.n, 0);
}

static void any_failing_allocation_is_an_error_and_leaks_nothing(void **state)
{
    (void)state;
    static const char *const bootstrap[] = {"Add(a=1, b=2)"};
    struct ap_agent_config config = config_of_tests();
    struct script scripts[2] = {solved, {.question = "2 + 3?", .answer = {"Add(a=2)", "Count()", "Answer(5)"}}};
    config.bootstrap = bootstrap;
    config.bootstrap_count = 1;
    survive_failing_allocations(&config, scripts, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_chain_runs_one_call_per_step_until_its_answer),
        cmocka_unit_test(examples_stand_before_the_question_and_are_not_steps),
        cmocka_unit_test(bootstrap_calls_leave_nothing_behind_in_a_chain),
        cmocka_unit_test(a_bootstrap_call_that_fails_is_named),
        cmocka_unit_test(an_error_observation_stays_in_the_chain),
        cmocka_unit_test(too_many_bad_calls_end_the_chain),
        cmocka_unit_test(too_many_steps_end_the_chain),
        cmocka_unit_test(a_call_that_is_cut_off_ends_the_chain_and_is_shown),
        cmocka_unit_test(a_full_context_ends_the_chain),
        cmocka_unit_test(calls_in_json_are_understood),
        cmocka_unit_test(whatever_else_a_model_writes_is_an_error_observation),
        cmocka_unit_test(strict_chains_forget_their_failed_calls),
        cmocka_unit_test(every_chain_has_functions_with_a_state_of_its_own),
        cmocka_unit_test(chains_do_not_depend_on_how_many_are_in_flight),
        cmocka_unit_test(a_failing_callback_ends_the_run),
        cmocka_unit_test(a_failing_llm_ends_the_run_with_its_message),
        cmocka_unit_test(no_jobs_are_no_work),
        cmocka_unit_test(any_failing_allocation_is_an_error_and_leaks_nothing),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
