/* test_llm_tools.c - a local model whose chat template knows tools: its chains are tool calls from end to end.
 *
 * The model is the little one of talking_model.h with a template in the manner
 * of Hermes; it has learned to write {"name": ..., "arguments": ...}. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "talking_model.h"

enum { JOBS = 16 };

static struct ap_registry *functions;
static char taught[] = "/tmp/ap-tools-XXXXXX";

static int set_up(void **state)
{
    (void)state;
    if (!mkdtemp(taught))
        return -1;
    functions = talking_functions();
    talking_model_with(taught, functions, TALKING_TOOLS, 100);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    ap__registry_free(functions);
    return talking_remove(taught);
}

static struct ap_agent_config config_of_tests(void)
{
    struct ap_agent_config config = talking_config(functions);
    config.max_call_tokens = 40;
    return config;
}

/* Every question several times, from greedy to hot. */
static void run(struct ap_llm *llm, const struct ap_agent_config *config, struct chains *all)
{
    static const float temperature[] = {0, 0.5f, 0.8f, 1.1f};
    struct ap_agent_job jobs[JOBS];
    for (int i = 0; i < JOBS; i++)
        jobs[i] = (struct ap_agent_job){.tag = (uint64_t)i, .question = talking_question[i / 4], .seed = 3,
                                        .key = (uint64_t)i, .sampling = {.temperature = temperature[i % 4], .top_p = 1}};
    MUST(ap__agent_run(llm, config, jobs, JOBS, collect, NULL, all, err));
    assert_int_equal(all->n, JOBS);
}

static struct ap_llm *open_llm(void)
{
    struct ap_llm *llm = NULL;
    struct ap_local_options options = {.dir = taught};
    MUST(ap__llm_local_open(&options, &llm, err));
    return llm;
}

static void calls_are_sampled_as_json_run_and_answered_to_the_end(void **state)
{
    (void)state;
    struct ap_agent_config config = config_of_tests();
    struct ap_llm *llm = open_llm();
    struct chains all = {0};
    int answered = 0, second_steps = 0;
    assert_int_equal(ap__template_form(llm->tmpl), AP_FORM_NATIVE);
    run(llm, &config, &all);
    for (int i = 0; i < JOBS; i++) {
        const struct ap_chain *c = &all.chain[i];
        answered += c->end == AP_END_ANSWER;
        second_steps += c->n > 1 && !c->step[0].error;
        if (c->end == AP_END_ANSWER)
            assert_memory_equal(c->step[c->n - 1].call, "<tool_call>{\"name\": \"Answer\"", 28);
    }
    assert_in_range(answered, 2, JOBS);
    assert_in_range(second_steps, 2, JOBS);
    chains_deinit(&all);
    llm->ops->free(llm);
}

/* Trained tokens are those that were sampled, each step's in a row; results stand between them. */
static void only_what_was_sampled_is_trained(void **state)
{
    (void)state;
    struct ap_agent_config config = config_of_tests();
    struct ap_llm *llm = open_llm();
    struct chains all = {0};
    run(llm, &config, &all);
    for (int i = 0; i < JOBS; i++) {
        const struct ap_chain *c = &all.chain[i];
        int32_t trained = 0;
        bool results = false;
        for (size_t t = 0; t < c->tokens.n; t++) {
            trained += c->tokens.role[t] == AP_TOKEN_CALL;
            results = results || c->tokens.role[t] == AP_TOKEN_RESULT;
        }
        assert_int_equal(trained, c->new_tokens);
        assert_int_equal(results, c->n > 1);
        for (int32_t k = 0; k < c->n; k++)
            for (int32_t t = 0; t < c->step[k].token_count; t++)
                assert_int_equal(c->tokens.role[c->step[k].token_first + t], AP_TOKEN_CALL);
    }
    chains_deinit(&all);
    llm->ops->free(llm);
}

/* Does every call of the chain stand in the form in which the template writes it? */
static bool is_canonical(const struct ap_chain *c)
{
    for (int32_t k = 0; k < c->n; k++)
        if (c->step[k].error)
            return false;
    return c->end == AP_END_ANSWER;
}

static void a_live_chain_and_its_calls_rendered_have_the_same_tokens(void **state)
{
    (void)state;
    struct ap_agent_config config = config_of_tests();
    struct ap_llm *llm = open_llm();
    struct ap_conversation prefix;
    struct chains all = {0};
    int checked = 0;
    run(llm, &config, &all);
    MUST(ap__prompt_prefix(&config, llm->tmpl, &prefix, err));
    for (int i = 0; i < JOBS; i++) {
        const struct ap_chain *live = &all.chain[i];
        const char *calls[16];
        struct ap_chain rendered;
        bool ok;
        if (!is_canonical(live))
            continue;
        for (int32_t k = 0; k < live->n; k++)
            calls[k] = live->step[k].call;
        MUST(ap__prompt_render_after(&prefix, functions, llm->tmpl, talking_question[i / 4], calls, live->n, &rendered, &ok, err));
        assert_true(ok);
        assert_int_equal(rendered.tokens.n, live->tokens.n);
        assert_memory_equal(rendered.tokens.id, live->tokens.id, live->tokens.n * sizeof *live->tokens.id);
        assert_memory_equal(rendered.tokens.role, live->tokens.role, live->tokens.n);
        ap__chain_deinit(&rendered);
        checked++;
    }
    assert_in_range(checked, 2, JOBS);
    ap__conversation_deinit(&prefix);
    chains_deinit(&all);
    llm->ops->free(llm);
}

/* Failed calls are taken back, so what the template shows of them must be, too. */
static void strict_chains_and_small_batches_are_sound_as_well(void **state)
{
    (void)state;
    struct ap_agent_config config = config_of_tests();
    struct chains all[2] = {0};
    config.strict = true;
    config.max_bad_calls = 6;
    config.max_steps = 10;
    for (int i = 0; i < 2; i++) {
        struct ap_llm *llm = open_llm();
        config.in_flight = i ? 3 : JOBS;
        run(llm, &config, &all[i]);
        llm->ops->free(llm);
    }
    for (int i = 0; i < JOBS; i++) {
        const struct ap_chain *a = &all[0].chain[i], *b = &all[1].chain[i];
        assert_int_equal(a->end, b->end);
        assert_int_equal(a->tokens.n, b->tokens.n);
        assert_memory_equal(a->tokens.id, b->tokens.id, a->tokens.n * sizeof *a->tokens.id);
        assert_memory_equal(a->tokens.role, b->tokens.role, a->tokens.n);
    }
    chains_deinit(&all[0]);
    chains_deinit(&all[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(calls_are_sampled_as_json_run_and_answered_to_the_end),
        cmocka_unit_test(only_what_was_sampled_is_trained),
        cmocka_unit_test(a_live_chain_and_its_calls_rendered_have_the_same_tokens),
        cmocka_unit_test(strict_chains_and_small_batches_are_sound_as_well),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
