/* script_fixture.h - a scripted model, and the chains that an agent makes with it.
 *
 * A script says what the model answers in turn.  From it the recorded answers
 * of the replay llm are written with an own, simple idea of how a conversation
 * grows; the agent must ask for exactly those conversations, since an unknown
 * one is an error. */
#ifndef AP_TESTS_SCRIPT_FIXTURE_H
#define AP_TESTS_SCRIPT_FIXTURE_H

#include "agent/agent.h"
#include "base/json.h"
#include "base/progress.h"
#include "testing.h"

#include <string.h>
#include <unistd.h>

enum { MAX_ANSWERS = 16, MAX_CHAINS = 64 };

AP_TEST_HELPER char script_path[] = "/tmp/ap-script-XXXXXX";

AP_TEST_HELPER int make_script(void)
{
    int fd = mkstemp(script_path);
    return fd < 0 ? -1 : close(fd);
}

/* ---- scripts ---- */

struct script {
    const char *question;
    const char *answer[MAX_ANSWERS]; /* NULL-terminated */
    const char *finish;              /* of the last answer; NULL = stop */
};

AP_TEST_HELPER void say(json_t *messages, const char *role, const char *text)
{
    json_array_append_new(messages, json_pack("{s:s, s:s}", "role", role, "content", text));
}

/* System message, examples and question in the order that the agent promises. */
AP_TEST_HELPER json_t *opening(const struct ap_agent_config *config, const char *question)
{
    struct ap_buf system;
    ap__buf_init(&system, 0);
    ap__buf_printf(&system, "%s\n", config->prompt);
    ap__registry_help(config->functions, &system);
    json_t *messages = json_array();
    say(messages, "system", ap__buf_cstr(&system));
    for (int32_t i = 0; i < config->bootstrap_count; i++) {
        say(messages, "assistant", config->bootstrap[i]);
        say(messages, "tool", "3"); /* every example of these tests results in it */
    }
    say(messages, "user", question);
    ap__buf_deinit(&system);
    return messages;
}

AP_TEST_HELPER void record(FILE *f, json_t *messages, const char *answer, const char *finish)
{
    json_t *line = json_pack("{s:O, s:s, s:s}", "messages", messages, "answer", answer, "finish", finish);
    assert_int_equal(json_dumpf(line, f, JSON_COMPACT), 0);
    fputc('\n', f);
    json_decref(line);
}

AP_TEST_HELPER void write_script(FILE *f, const struct ap_agent_config *config, const struct script *script)
{
    struct ap_env *env;
    struct ap_call_result result;
    json_t *messages = opening(config, script->question);
    assert_int_equal(ap__env_new(config->functions, &env, NULL), AP_OK);
    for (int i = 0; script->answer[i]; i++) {
        const char *text = script->answer[i];
        record(f, messages, text, script->answer[i + 1] || !script->finish ? "stop" : script->finish);
        assert_int_equal(ap__env_call(env, text, strlen(text), &result, NULL), AP_OK);
        if (!result.error || !config->strict) {
            say(messages, "assistant", text);
            say(messages, "tool", result.text);
        }
        ap__call_result_deinit(&result);
    }
    ap__env_free(env);
    json_decref(messages);
}

AP_TEST_HELPER void write_scripts(const struct ap_agent_config *config, const struct script *scripts, int n)
{
    FILE *f = fopen(script_path, "w");
    assert_non_null(f);
    for (int i = 0; i < n; i++)
        write_script(f, config, &scripts[i]);
    assert_int_equal(fclose(f), 0);
}

/* ---- running ---- */

struct collected {
    struct ap_chain chain[MAX_CHAINS]; /* by the job's tag */
    double when[MAX_CHAINS];           /* it was done */
    int n, steps_seen;
    const char *last_call;
    int fail_at; /* the n-th chain is refused, 0 = none */
};

AP_TEST_HELPER ap_status collect(void *user, const struct ap_agent_job *job, struct ap_chain *chain, struct ap_err *err)
{
    struct collected *all = user;
    if (++all->n == all->fail_at)
        return ap__fail(err, AP_E_IO, "the store", "full");
    all->chain[job->tag] = *chain;
    all->when[job->tag] = ap__now();
    *chain = (struct ap_chain){0};
    return AP_OK;
}

AP_TEST_HELPER void see_step(void *user, const struct ap_agent_job *job, const struct ap_step *step)
{
    struct collected *all = user;
    (void)job;
    all->steps_seen++;
    all->last_call = step->call;
}

AP_TEST_HELPER void collected_deinit(struct collected *all)
{
    for (int i = 0; i < MAX_CHAINS; i++)
        ap__chain_deinit(&all->chain[i]);
    memset(all, 0, sizeof *all);
}

AP_TEST_HELPER ap_status run_jobs(const struct ap_agent_config *config, const struct ap_agent_job *jobs, int32_t n,
                          struct collected *all, struct ap_err *err)
{
    struct ap_llm *llm;
    AP_TRY(ap__llm_replay_open(script_path, &llm, err));
    ap_status status = ap__agent_run(llm, config, jobs, n, collect, see_step, all, err);
    llm->ops->free(llm);
    return status;
}

/* Greedy chains of the scripts, one each. */
AP_TEST_HELPER ap_status run_scripts(const struct ap_agent_config *config, const struct script *scripts, int n,
                             struct collected *all, struct ap_err *err)
{
    struct ap_agent_job jobs[MAX_CHAINS];
    write_scripts(config, scripts, n);
    for (int i = 0; i < n; i++)
        jobs[i] = (struct ap_agent_job){.tag = (uint64_t)i, .question = scripts[i].question, .sampling = AP_GREEDY};
    return run_jobs(config, jobs, n, all, err);
}

AP_TEST_HELPER void must_run(const struct ap_agent_config *config, const struct script *scripts, int n, struct collected *all)
{
    struct ap_err err = {0};
    if (run_scripts(config, scripts, n, all, &err) != AP_OK)
        fail_msg("%s: %s", err.place, err.message);
    assert_int_equal(all->n, n);
}

/* Greedy chains of the scripts while one allocation after the other fails; ASan sees what is then lost. */
AP_TEST_HELPER void survive_failing_allocations(const struct ap_agent_config *config, const struct script *scripts, int n)
{
    struct ap_agent_job jobs[MAX_CHAINS];
    ap_status status = AP_E_MEMORY;
    int64_t failing = 0;
    write_scripts(config, scripts, n);
    for (int i = 0; i < n; i++)
        jobs[i] = (struct ap_agent_job){.tag = (uint64_t)i, .question = scripts[i].question, .sampling = AP_GREEDY};
    while (status != AP_OK) {
        struct collected all = {0};
        struct ap_err err = {0};
        ap__alloc_fail_after(++failing);
        status = run_jobs(config, jobs, n, &all, &err);
        ap__alloc_fail_after(0);
        if (status != AP_OK && status != AP_E_MEMORY)
            fail_msg("allocation %d: %s: %s", (int)failing, err.place, err.message);
        assert_true(status != AP_OK || all.n == n);
        collected_deinit(&all);
    }
    assert_in_range(failing, 50, 100000);
}

#endif
