/* test_llm_local.c - a local model in the agent's hands: batched like alone, live like rendered.
 *
 * The model is the little one of talking_model.h; half of what it says at
 * higher temperatures is broken, which is what the agent must stand. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "base/text.h"
#include "nap_fixture.h"
#include "talking_model.h"

enum { JOBS = 32 };

static struct ap_registry *functions;
static char taught[] = "/tmp/ap-local-XXXXXX", wild[] = "/tmp/ap-wild-XXXXXX";

static int set_up(void **state)
{
    (void)state;
    if (!mkdtemp(taught) || !mkdtemp(wild))
        return -1;
    functions = talking_functions();
    talking_model(taught, functions, true);
    talking_model(wild, functions, false);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    ap__registry_free(functions);
    return talking_remove(taught) | talking_remove(wild);
}

static struct ap_llm *open_llm(const char *dir, int32_t max_tokens, int32_t max_prefill)
{
    struct ap_llm *llm = NULL;
    struct ap_local_options options = {.dir = dir, .max_tokens = max_tokens, .max_prefill = max_prefill};
    MUST(ap__llm_local_open(&options, &llm, err));
    return llm;
}

/* ---- chains ---- */

/* Every question several times, from greedy to hot. */
static void make_jobs(struct ap_agent_job jobs[JOBS])
{
    static const float temperature[] = {0, 0.4f, 0.7f, 1.0f, 1.0f, 1.3f, 1.3f, 2.0f};
    for (int i = 0; i < JOBS; i++)
        jobs[i] = (struct ap_agent_job){.tag = (uint64_t)i, .question = talking_question[i / 8], .seed = 3,
                                        .key = (uint64_t)i, .sampling = {.temperature = temperature[i % 8], .top_p = 1}};
}

static void run_with(struct ap_llm *llm, const struct ap_agent_config *config, int32_t n, struct chains *all)
{
    struct ap_agent_job jobs[JOBS];
    make_jobs(jobs);
    MUST(ap__agent_run(llm, config, jobs, n, collect, NULL, all, err));
    assert_int_equal(all->n, n);
}

static void same_chain(const struct ap_chain *a, const struct ap_chain *b, int i)
{
    if (a->tokens.n != b->tokens.n || memcmp(a->tokens.id, b->tokens.id, a->tokens.n * sizeof *a->tokens.id) != 0)
        fail_msg("chain %d has other tokens", i);
    assert_memory_equal(a->tokens.role, b->tokens.role, a->tokens.n);
    assert_int_equal(a->end, b->end);
    assert_int_equal(a->n, b->n);
    assert_int_equal(a->new_tokens, b->new_tokens);
    for (int32_t k = 0; k < a->n; k++) {
        assert_string_equal(a->step[k].call, b->step[k].call);
        assert_string_equal(a->step[k].result, b->step[k].result);
    }
}

/* ---- what a chain is ---- */

static void a_taught_model_solves_a_problem_greedily(void **state)
{
    (void)state;
    struct ap_agent_config config = talking_config(functions);
    struct ap_llm *llm = open_llm(taught, 0, 0);
    struct chains all = {0};
    int answered = 0;
    run_with(llm, &config, JOBS, &all);
    for (int i = 0; i < JOBS; i += 8)
        answered += all.chain[i].end == AP_END_ANSWER;
    assert_in_range(answered, 1, TALKING_QUESTIONS);
    chains_deinit(&all);
    llm->ops->free(llm);
}

static void every_step_points_at_its_own_tokens(void **state)
{
    (void)state;
    struct ap_agent_config config = talking_config(functions);
    struct ap_llm *llm = open_llm(taught, 0, 0);
    struct chains all = {0};
    run_with(llm, &config, JOBS, &all);
    for (int i = 0; i < JOBS; i++) {
        const struct ap_chain *c = &all.chain[i];
        int32_t trained = 0, in_steps = 0;
        for (size_t t = 0; t < c->tokens.n; t++)
            trained += c->tokens.role[t] == AP_TOKEN_CALL;
        for (int32_t k = 0; k < c->n; k++) {
            for (int32_t t = 0; t < c->step[k].token_count; t++)
                assert_int_equal(c->tokens.role[c->step[k].token_first + t], AP_TOKEN_CALL);
            in_steps += c->step[k].token_count;
            int32_t last = c->tokens.id[c->step[k].token_first + c->step[k].token_count - 1];
            assert_int_equal(last == 260, c->end != AP_END_LENGTH || k + 1 < c->n);
        }
        assert_int_equal(trained, in_steps);
        assert_int_equal(trained, c->new_tokens);
    }
    chains_deinit(&all);
    llm->ops->free(llm);
}

/* Whether text encodes to the ids that were generated: bytes that are no UTF-8 and markup tokens do not. */
static bool is_plain(const struct ap_chain *c)
{
    for (size_t t = 0; t < c->tokens.n; t++)
        if (c->tokens.role[t] == AP_TOKEN_CALL && ((c->tokens.id[t] >= 127 && c->tokens.id[t] != 260) || c->tokens.id[t] == 0))
            return false;
    return c->end != AP_END_LENGTH && c->end != AP_END_CONTEXT;
}

static void check_rendered(const struct ap_agent_config *config, const struct ap_template *tmpl, const char *question,
                           const struct ap_chain *live)
{
    const char *calls[16];
    struct ap_conversation prefix;
    struct ap_chain rendered;
    bool ok;
    for (int32_t k = 0; k < live->n; k++)
        calls[k] = live->step[k].call;
    MUST(ap__prompt_prefix(config, tmpl, &prefix, err));
    MUST(ap__prompt_render_after(&prefix, config->functions, tmpl, question, calls, live->n, &rendered, &ok, err));
    assert_int_equal(rendered.tokens.n, live->tokens.n);
    assert_memory_equal(rendered.tokens.id, live->tokens.id, live->tokens.n * sizeof *live->tokens.id);
    assert_memory_equal(rendered.tokens.role, live->tokens.role, live->tokens.n);
    for (int32_t k = 0; k < live->n; k++) {
        assert_string_equal(rendered.step[k].result, live->step[k].result);
        assert_int_equal(rendered.step[k].token_first, live->step[k].token_first);
        assert_int_equal(rendered.step[k].token_count, live->step[k].token_count);
        ok = ok || live->step[k].error;
    }
    assert_true(ok);
    ap__chain_deinit(&rendered);
    ap__conversation_deinit(&prefix);
}

static int rendered_chains(struct ap_agent_config *config)
{
    struct ap_llm *llm = open_llm(taught, 0, 0);
    struct ap_tokenizer *tok = NULL;
    struct ap_template *tmpl = NULL;
    struct chains all = {0};
    int checked = 0;
    MUST(ap__tokenizer_open(taught, &tok, err));
    MUST(ap__template_open(taught, tok, &tmpl, err));
    run_with(llm, config, JOBS, &all);
    for (int i = 0; i < JOBS; i++) {
        if (!is_plain(&all.chain[i]) || all.chain[i].n == 0)
            continue;
        check_rendered(config, tmpl, talking_question[i / 8], &all.chain[i]);
        checked++;
    }
    chains_deinit(&all);
    ap__template_free(tmpl);
    ap__tokenizer_free(tok);
    llm->ops->free(llm);
    return checked;
}

static void a_live_chain_and_its_calls_rendered_have_the_same_tokens(void **state)
{
    (void)state;
    struct ap_agent_config config = talking_config(functions);
    assert_in_range(rendered_chains(&config), 8, JOBS);
}

static void a_strict_chain_has_no_tokens_of_dropped_calls(void **state)
{
    (void)state;
    struct ap_agent_config config = talking_config(functions);
    config.strict = true;
    config.max_bad_calls = 8;
    config.max_steps = 12;
    assert_in_range(rendered_chains(&config), 4, JOBS);
}

/* ---- batching ---- */

static void chains_do_not_depend_on_what_is_batched_with_them(void **state)
{
    (void)state;
    /* in flight, key/value rows, prompt tokens per step */
    static const int32_t how[][3] = {{1, 0, 0}, {JOBS, 0, 0}, {5, 0, 0}, {JOBS, 0, 7}, {JOBS, 2500, 0}, {JOBS, 1200, 64}};
    struct ap_agent_config config = talking_config(functions);
    struct chains alone = {0};
    for (size_t h = 0; h < sizeof how / sizeof *how; h++) {
        struct chains all = {0};
        struct ap_llm *llm = open_llm(taught, how[h][1], how[h][2]);
        config.in_flight = how[h][0];
        run_with(llm, &config, JOBS, h == 0 ? &alone : &all);
        for (int i = 0; i < JOBS && h > 0; i++)
            same_chain(&alone.chain[i], &all.chain[i], i);
        chains_deinit(&all);
        llm->ops->free(llm);
    }
    chains_deinit(&alone);
}

/* Which talks step together depends on who is back from its function: only in lockstep the bits do not. */
static void in_lockstep_chains_are_sampled_as_if_functions_took_no_time(void **state)
{
    (void)state;
    struct ap_llm *llm = open_llm(taught, 0, 0);
    struct ap_function add = talking_function;
    struct ap_registry *naps_first;
    struct chains fast = {0}, slow = {0};
    add.run = run_add_later;
    MUST(ap__registry_new(&naps_first, err));
    MUST(ap__registry_add(naps_first, &add, err));
    struct ap_agent_config config = talking_config(functions);
    run_with(llm, &config, JOBS, &fast);
    config.functions = naps_first;
    config.lockstep = true;
    run_with(llm, &config, JOBS, &slow);
    assert_true(naps > JOBS / 2);
    for (int i = 0; i < JOBS; i++)
        same_chain(&fast.chain[i], &slow.chain[i], i);
    chains_deinit(&fast);
    chains_deinit(&slow);
    llm->ops->free(llm);
    ap__registry_free(naps_first);
}

static void a_prompt_shared_by_all_chains_is_computed_once(void **state)
{
    (void)state;
    struct ap_agent_config config = talking_config(functions);
    struct ap_llm *llm = open_llm(taught, 0, 0);
    struct chains all = {0};
    config.in_flight = JOBS;
    run_with(llm, &config, JOBS, &all);
    int64_t flat = 0;
    for (int i = 0; i < JOBS; i++)
        flat += (int64_t)all.chain[i].tokens.n;
    struct ap_session_stats stats = ap__llm_local_stats(llm);
    assert_true(stats.tokens_computed < flat / 2);
    assert_true(stats.tokens_computed + stats.tokens_shared <= flat);
    chains_deinit(&all);
    llm->ops->free(llm);
}

/* ---- limits ---- */

static void a_pool_too_small_for_one_chain_ends_it_and_not_the_run(void **state)
{
    (void)state;
    struct ap_agent_config config = talking_config(functions);
    struct ap_llm *llm = open_llm(taught, 160, 0);
    struct chains all = {0};
    run_with(llm, &config, JOBS, &all);
    for (int i = 0; i < JOBS; i++) {
        assert_int_equal(all.chain[i].end, AP_END_CONTEXT);
        assert_int_equal(all.chain[i].new_tokens, 0);
    }
    chains_deinit(&all);
    llm->ops->free(llm);
}

static void a_context_longer_than_the_models_ends_the_chain(void **state)
{
    (void)state;
    static char question[3000];
    struct ap_agent_config config = talking_config(functions);
    struct ap_llm *llm = open_llm(taught, 0, 0);
    struct ap_agent_job job = {.question = question, .sampling = AP_GREEDY};
    struct chains all = {0};
    memset(question, '1', sizeof question - 1);
    MUST(ap__agent_run(llm, &config, &job, 1, collect, NULL, &all, err));
    assert_int_equal(all.chain[0].end, AP_END_CONTEXT);
    assert_int_equal(all.chain[0].n, 0);
    chains_deinit(&all);
    llm->ops->free(llm);
}

static void endless_and_broken_output_ends_in_valid_text(void **state)
{
    (void)state;
    struct ap_agent_config config = talking_config(functions);
    struct ap_llm *llm = open_llm(wild, 0, 0);
    struct chains all = {0};
    int cut_off = 0;
    config.max_bad_calls = 100;
    run_with(llm, &config, JOBS, &all);
    for (int i = 0; i < JOBS; i++) {
        const struct ap_chain *c = &all.chain[i];
        for (int32_t k = 0; k < c->n; k++)
            assert_true(ap__utf8_valid(c->step[k].call, strlen(c->step[k].call)));
        cut_off += c->end == AP_END_LENGTH;
    }
    assert_in_range(cut_off, JOBS / 2, JOBS);
    chains_deinit(&all);
    llm->ops->free(llm);
}

static void an_endless_answer_stops_where_the_context_is_full(void **state)
{
    (void)state;
    struct ap_agent_config config = talking_config(functions);
    struct ap_llm *llm = open_llm(wild, 0, 0);
    struct ap_agent_job job = {.question = "1 + 1?", .sampling = {.temperature = 1, .top_p = 1, .top_k = 250}};
    config.max_call_tokens = 100000;
    for (uint64_t seed = 0, full = 0; full == 0; seed++) {
        struct chains all = {0};
        assert_true(seed < 50);
        job.seed = seed;
        MUST(ap__agent_run(llm, &config, &job, 1, collect, NULL, &all, err));
        full = all.chain[0].end == AP_END_CONTEXT;
        assert_true(all.chain[0].tokens.n <= (size_t)talking_shape().max_position);
        chains_deinit(&all);
    }
    llm->ops->free(llm);
}

/* ---- single requests ---- */

static ap_status ask(struct ap_llm *llm, struct ap_conversation *c, uint64_t id, int32_t max_tokens, struct ap_err *err)
{
    struct ap_request request = {.id = id, .conversation = c, .sampling = AP_GREEDY, .stream = {1, id, 0},
                                 .max_tokens = max_tokens};
    return llm->ops->submit(llm, &request, err);
}

/* Poll until something is complete. */
static struct ap_completion wait_for(struct ap_llm *llm)
{
    struct ap_completion done;
    int32_t n = 0;
    for (int i = 0; i < 10000 && n == 0; i++)
        MUST(llm->ops->poll(llm, &done, 1, &n, err));
    assert_int_equal(n, 1);
    return done;
}

static void a_stop_text_ends_the_answer_and_is_left_out(void **state)
{
    (void)state;
    static const char *const stop[] = {"never to be seen", "=", "b"};
    struct ap_llm *llm = open_llm(taught, 0, 0);
    struct ap_agent_config config = talking_config(functions);
    struct ap_conversation c;
    MUST(ap__prompt_prefix(&config, llm->tmpl, &c, err));
    MUST(ap__conversation_add(&c, AP_USER, talking_question[0], false, err));
    struct ap_request request = {.conversation = &c, .sampling = AP_GREEDY, .max_tokens = 50, .stop = stop, .stop_count = 3};
    MUST(llm->ops->submit(llm, &request, err));
    struct ap_completion done = wait_for(llm);
    assert_int_equal(done.finish, AP_FINISH_STOP);
    assert_null(strchr(done.text, '='));
    assert_int_equal(c.tokens.id[c.tokens.n - 1], '=');
    assert_int_equal(done.new_tokens, (int)strlen(done.text) + 1);
    llm->ops->release(llm, &c);
    ap__conversation_deinit(&c);
    llm->ops->free(llm);
}

static void a_conversation_has_one_request_at_a_time(void **state)
{
    (void)state;
    struct ap_llm *llm = open_llm(taught, 0, 0);
    struct ap_conversation c = {0};
    MUST(ap__conversation_add(&c, AP_USER, "1?", false, err));
    MUST(ask(llm, &c, 1, 10, err));
    assert_int_equal(ask(llm, &c, 2, 10, NULL), AP_E_STATE);
    assert_int_equal(wait_for(llm).id, 1);
    llm->ops->release(llm, &c);
    ap__conversation_deinit(&c);
    llm->ops->free(llm);
}

static void a_released_conversation_never_completes_and_may_start_afresh(void **state)
{
    (void)state;
    struct ap_llm *llm = open_llm(taught, 0, 0);
    struct ap_conversation c[2] = {0};
    struct ap_completion done;
    int32_t n;
    for (int i = 0; i < 2; i++) {
        MUST(ap__conversation_add(&c[i], AP_USER, "1?", false, err));
        MUST(ask(llm, &c[i], (uint64_t)i, 10, err));
    }
    struct ap_conversation_mark mark = ap__conversation_mark(&c[0]);
    MUST(llm->ops->poll(llm, &done, 1, &n, err));
    llm->ops->release(llm, &c[0]);
    llm->ops->release(llm, &c[0]);
    assert_int_equal(wait_for(llm).id, 1);
    ap__conversation_rewind(&c[0], mark);
    MUST(ask(llm, &c[0], 7, 10, err));
    assert_int_equal(wait_for(llm).id, 7);
    for (int i = 0; i < 2; i++) {
        llm->ops->release(llm, &c[i]);
        ap__conversation_deinit(&c[i]);
    }
    llm->ops->free(llm);
}

static void freeing_the_llm_lets_go_of_unfinished_conversations(void **state)
{
    (void)state;
    struct ap_llm *llm = open_llm(taught, 0, 0);
    struct ap_conversation c = {0};
    struct ap_completion done;
    int32_t n;
    MUST(ap__conversation_add(&c, AP_USER, "1?", false, err));
    MUST(ask(llm, &c, 1, 10, err));
    MUST(llm->ops->poll(llm, &done, 1, &n, err));
    llm->ops->free(llm);
    assert_null(c.backend);
    ap__conversation_deinit(&c);
}

/* Greedily, the untaught model repeats itself and never stops. */
static void generating_does_not_allocate(void **state)
{
    (void)state;
    struct ap_llm *llm = open_llm(wild, 0, 0);
    struct ap_conversation c[8] = {0};
    struct ap_completion done;
    int32_t n;
    for (int i = 0; i < 8; i++) {
        char question[] = {(char)('a' + i), 0};
        MUST(ap__conversation_add(&c[i], AP_USER, question, false, err));
        MUST(ask(llm, &c[i], (uint64_t)i, 400, err));
    }
    for (int i = 0; i < 100; i++)
        MUST(llm->ops->poll(llm, &done, 1, &n, err));
    uint64_t before = ap__alloc_count();
    for (int i = 0; i < 50; i++) {
        MUST(llm->ops->poll(llm, &done, 1, &n, err));
        assert_int_equal(n, 0);
    }
    assert_int_equal(ap__alloc_count(), before);
    for (int i = 0; i < 8; i++) {
        assert_int_equal(c[i].tokens.n, 3 + 150);
        llm->ops->release(llm, &c[i]);
        ap__conversation_deinit(&c[i]);
    }
    llm->ops->free(llm);
}

/* ---- failures ---- */

static void a_missing_model_or_adapter_is_named(void **state)
{
    (void)state;
    struct ap_llm *llm;
    struct ap_err err = {0};
    struct ap_local_options nowhere = {.dir = "/nowhere/model"};
    struct ap_local_options no_adapter = {.dir = taught, .adapter = "/nowhere/adapter"};
    assert_int_not_equal(ap__llm_local_open(&nowhere, &llm, &err), AP_OK);
    assert_null(llm);
    assert_non_null(strstr(err.place, "/nowhere/model"));
    assert_int_not_equal(ap__llm_local_open(&no_adapter, &llm, &err), AP_OK);
    assert_null(llm);
    assert_non_null(strstr(err.place, "/nowhere/adapter"));
}

static void a_base_dtype_is_read_and_a_cache_without_memory_refused(void **state)
{
    (void)state;
    struct ap_llm *llm;
    struct ap_err e = {0};
    struct ap_local_options quantised = {.dir = taught, .max_tokens = 300, .base_dtype = "nf4"}, wrong = quantised;
    struct ap_local_options large = {.dir = taught, .max_tokens = 1 << 30, .cache_knob = "--cache-tokens"};
    MUST(ap__llm_local_open(&quantised, &llm, err));
    llm->ops->free(llm);
    wrong.base_dtype = "q4";
    assert_int_equal(ap__llm_local_open(&wrong, &llm, &e), AP_E_ARG);
    assert_non_null(strstr(e.message, "nf4-single"));
    assert_int_equal(ap__llm_local_open(&large, &llm, &e), AP_E_MEMORY);
    assert_non_null(strstr(e.message, "; try --cache-tokens "));
}

static void any_failing_allocation_is_an_error_and_the_llm_stays_usable(void **state)
{
    (void)state;
    struct ap_agent_config config = talking_config(functions);
    struct ap_llm *llm = open_llm(taught, 1200, 0);
    struct ap_agent_job jobs[JOBS];
    struct ap_err err = {0};
    ap_status status = AP_E_MEMORY;
    make_jobs(jobs);
    int64_t n = 1;
    for (; status != AP_OK; n += 1 + n / 16) {
        struct chains all = {0};
        ap__alloc_fail_after(n);
        status = ap__agent_run(llm, &config, jobs, 4, collect, NULL, &all, &err);
        ap__alloc_fail_after(0);
        if (status != AP_OK && status != AP_E_MEMORY)
            fail_msg("allocation %d: %s: %s", (int)n, err.place, err.message);
        chains_deinit(&all);
    }
    assert_true(n > 100);
    llm->ops->free(llm);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_taught_model_solves_a_problem_greedily),
        cmocka_unit_test(every_step_points_at_its_own_tokens),
        cmocka_unit_test(a_live_chain_and_its_calls_rendered_have_the_same_tokens),
        cmocka_unit_test(a_strict_chain_has_no_tokens_of_dropped_calls),
        cmocka_unit_test(chains_do_not_depend_on_what_is_batched_with_them),
        cmocka_unit_test(in_lockstep_chains_are_sampled_as_if_functions_took_no_time),
        cmocka_unit_test(a_prompt_shared_by_all_chains_is_computed_once),
        cmocka_unit_test(a_pool_too_small_for_one_chain_ends_it_and_not_the_run),
        cmocka_unit_test(a_context_longer_than_the_models_ends_the_chain),
        cmocka_unit_test(endless_and_broken_output_ends_in_valid_text),
        cmocka_unit_test(an_endless_answer_stops_where_the_context_is_full),
        cmocka_unit_test(a_stop_text_ends_the_answer_and_is_left_out),
        cmocka_unit_test(a_conversation_has_one_request_at_a_time),
        cmocka_unit_test(a_released_conversation_never_completes_and_may_start_afresh),
        cmocka_unit_test(freeing_the_llm_lets_go_of_unfinished_conversations),
        cmocka_unit_test(generating_does_not_allocate),
        cmocka_unit_test(a_missing_model_or_adapter_is_named),
        cmocka_unit_test(a_base_dtype_is_read_and_a_cache_without_memory_refused),
        cmocka_unit_test(any_failing_allocation_is_an_error_and_the_llm_stays_usable),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
