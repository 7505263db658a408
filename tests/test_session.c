/* test_session.c - cached, shared, batched decoding against whole forward passes. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "tiny_model.h"
#include "model/sampler.h"
#include "model/session.h"

enum { BRANCHES = 9, MAX_CONTEXT = 200, V = 37 };
#define TOLERANCE 2e-5 /* of the largest logit: other batch shapes add in another order */

/* The stupid twin: the whole context through the model, the last row's logits. */
static void plain_logits(struct ap_model *m, const int32_t *token, int32_t n, float *out)
{
    static const uint8_t untrained[MAX_CONTEXT + 64];
    struct ap_seq seq = {token, untrained, n};
    struct ap_pack pack;
    struct ap_arena step;
    ap__arena_init(&step, 0);
    OK(ap__pack_build(&step, &seq, 1, 0, &pack, err));
    float *logits = ap__arena_alloc(&step, (size_t)n * V * sizeof *logits);
    OK(ap__model_logits(m, &pack, &step, logits, err));
    memcpy(out, logits + (size_t)(n - 1) * V, V * sizeof *out);
    ap__arena_deinit(&step);
}

static void assert_logits(const float *got, const float *expected, const char *what, uint64_t seed)
{
    double error = 0.0, scale = 0.0;
    for (int i = 0; i < V; i++) {
        error = fmax(error, fabs((double)got[i] - (double)expected[i]));
        scale = fmax(scale, fabs((double)expected[i]));
    }
    assert_below(what, error, TOLERANCE * scale, seed);
}

struct live {
    struct ap_branch *branch;
    int32_t token[MAX_CONTEXT + 64], len;
};

/* Open a branch on a prompt that starts like a random live one. */
static int32_t choose_tokens(struct live *l, const struct live *others, struct ap_rng *rng)
{
    int32_t n = 1 + (int32_t)ap__rng_below(rng, ap__rng_below(rng, 4) == 0 ? 40 : 2);
    const struct live *like = &others[ap__rng_below(rng, BRANCHES)];
    for (int32_t t = 0; t < n; t++) {
        bool follow = l->len + t < like->len && memcmp(l->token, like->token, (size_t)l->len * sizeof(int32_t)) == 0 &&
                      ap__rng_below(rng, 20) > 0;
        l->token[l->len + t] = follow ? like->token[l->len + t] : (int32_t)ap__rng_below(rng, V);
    }
    l->len += n;
    return n;
}

/* Random steps of random branches, opening and closing all the time, every output checked. */
static void churn(struct ap_model *m, int32_t pool, uint64_t seed, struct ap_session_stats *stats)
{
    struct ap_session *s = NULL;
    static struct live live[BRANCHES];
    struct ap_extend item[BRANCHES];
    int32_t who[BRANCHES];
    float logits[BRANCHES * V], expected[V];
    struct ap_rng rng = ap__rng_make(seed, "churn", 0, 0, 0);
    memset(live, 0, sizeof live);
    OK(ap__session_new(m, pool, &s, err));
    for (int step = 0; step < 25; step++) {
        int32_t count = 0;
        for (int i = 0; i < BRANCHES; i++) {
            if (live[i].branch != NULL && (live[i].len > MAX_CONTEXT / 2 || ap__rng_below(&rng, 12) == 0)) {
                ap__session_close(s, live[i].branch);
                live[i] = (struct live){0};
            }
            if (live[i].branch == NULL)
                OK(ap__session_open(s, &live[i].branch, err));
            if (ap__rng_below(&rng, 3) == 0)
                continue;
            int32_t start = live[i].len, n = choose_tokens(&live[i], live, &rng);
            who[count] = i;
            item[count++] = (struct ap_extend){live[i].branch, live[i].token + start, n};
        }
        OK(ap__session_step(s, item, count, logits, err));
        for (int32_t k = 0; k < count; k++) {
            const struct live *l = &live[who[k]];
            assert_int_equal(ap__branch_len(l->branch), l->len);
            plain_logits(m, l->token, l->len, expected);
            assert_logits(logits + k * V, expected, "churn", seed);
        }
    }
    *stats = ap__session_stats(s);
    for (int i = 0; i < BRANCHES; i++)
        ap__session_close(s, live[i].branch);
    ap__session_free(s);
}

static void random_branching_equals_whole_forward_passes(void **state)
{
    (void)state;
    struct ap_config shape = tiny_config();
    struct ap_session_stats stats;
    for (uint64_t seed = 1; seed <= 3; seed++) {
        shape.tied = seed % 2 == 0;
        struct ap_model *m = tiny_model(&shape, seed);
        if (seed > 2) {
            OK(ap__model_add_lora(m, &(struct ap_lora_config){4, 8.0f, AP_LORA_ALL}, seed, err));
            stir(m, 0.1f, seed);
        }
        churn(m, 8000, seed, &stats);
        assert_true(stats.tokens_shared > 0);
        /* About nine branches of up to 140 tokens are live: the rest must be evicted again and again. */
        churn(m, 1600, seed, &stats);
        assert_true(stats.rows_used <= stats.rows_max && stats.rows_max == 1600);
        ap__model_free(m);
    }
}

static void random_branching_equals_whole_forward_passes_in_every_family(void **state)
{
    (void)state;
    struct ap_session_stats stats;
    for (int f = 0; f < AP_FAMILY_COUNT; f++) {
        struct ap_config shape = tiny_family((enum ap_family)f);
        struct ap_model *m = tiny_model(&shape, (uint64_t)f + 10);
        churn(m, 1600, (uint64_t)f + 10, &stats);
        ap__model_free(m);
    }
}

static void samples_of_one_prompt_compute_it_once(void **state)
{
    (void)state;
    struct ap_config shape = tiny_config();
    struct ap_model *m = tiny_model(&shape, 2);
    struct ap_session *s = NULL;
    struct ap_branch *b[5];
    struct ap_extend item[5];
    int32_t prompt[50], next[5];
    float logits[5 * V];
    for (int t = 0; t < 50; t++)
        prompt[t] = t * 7 % V;
    OK(ap__session_new(m, 1000, &s, err));
    for (int i = 0; i < 5; i++) {
        OK(ap__session_open(s, &b[i], err));
        item[i] = (struct ap_extend){b[i], prompt, 50};
    }
    OK(ap__session_step(s, item, 5, logits, err));
    assert_int_equal(ap__session_stats(s).tokens_computed, 50);
    assert_int_equal(ap__session_stats(s).tokens_shared, 200);
    for (int i = 1; i < 5; i++)
        assert_memory_equal(logits, logits + i * V, V * sizeof *logits);
    for (int i = 0; i < 5; i++) {
        next[i] = i / 2; /* two pairs of equal ones */
        item[i] = (struct ap_extend){b[i], &next[i], 1};
    }
    OK(ap__session_step(s, item, 5, logits, err));
    assert_int_equal(ap__session_stats(s).tokens_computed, 53);
    for (int i = 0; i < 5; i++)
        ap__session_close(s, b[i]);
    /* Closed, but still there: only the last token is computed again. */
    OK(ap__session_open(s, &b[0], err));
    item[0] = (struct ap_extend){b[0], prompt, 50};
    OK(ap__session_step(s, item, 1, logits + V, err));
    assert_int_equal(ap__session_stats(s).tokens_computed, 54);
    ap__session_close(s, b[0]);
    ap__session_clear(s);
    assert_int_equal(ap__session_stats(s).rows_used, 0);
    ap__session_free(s);
    ap__model_free(m);
}

static void a_full_pool_refuses_a_step_and_stays_as_it_was(void **state)
{
    (void)state;
    struct ap_config shape = tiny_config();
    struct ap_model *m = tiny_model(&shape, 2);
    struct ap_session *s = NULL;
    struct ap_branch *a, *b;
    int32_t one[60], two[100];
    float logits[2 * V], expected[V];
    for (int t = 0; t < 60; t++)
        one[t] = t % V;
    for (int t = 0; t < 100; t++)
        two[t] = (t * 5 + 1) % V;
    OK(ap__session_new(m, 128, &s, err));
    OK(ap__session_open(s, &a, err));
    OK(ap__session_open(s, &b, err));
    struct ap_extend item[2] = {{a, one, 40}, {b, two, 100}};
    OK(ap__session_step(s, item, 1, logits, err));
    item[0] = (struct ap_extend){a, one + 40, 5};
    FAILS(AP_E_LIMIT, "128 tokens is full", ap__session_step(s, item, 2, logits, err));
    assert_int_equal(ap__branch_len(a), 40);
    assert_int_equal(ap__branch_len(b), 0);
    assert_int_equal(ap__session_stats(s).rows_used, 48);
    item[0].n = 20;
    OK(ap__session_step(s, item, 1, logits, err));
    plain_logits(m, one, 60, expected);
    assert_logits(logits, expected, "after a refused step", 0);
    item[1].n = 60;
    OK(ap__session_step(s, item + 1, 1, logits, err));
    plain_logits(m, two, 60, expected);
    assert_logits(logits, expected, "the rest of the pool", 0);
    ap__session_close(s, a);
    item[1].token += 60;
    item[1].n = 40;
    OK(ap__session_step(s, item + 1, 1, logits, err)); /* the closed branch makes room */
    plain_logits(m, two, 100, expected);
    assert_logits(logits, expected, "after eviction", 0);
    ap__session_close(s, b);
    ap__session_free(s);
    ap__model_free(m);
}

static void bad_steps_are_refused(void **state)
{
    (void)state;
    struct ap_config shape = tiny_config();
    shape.max_position = 8;
    struct ap_model *m = tiny_model(&shape, 2);
    struct ap_session *s = NULL;
    struct ap_branch *b;
    int32_t token[9] = {0, 1, 2, V};
    float logits[2 * V];
    FAILS(AP_E_ARG, "pool", ap__session_new(m, 0, &s, err));
    OK(ap__session_new(m, 64, &s, err));
    OK(ap__session_open(s, &b, err));
    struct ap_extend item[2] = {{b, token, 1}, {b, token, 1}};
    FAILS(AP_E_ARG, "repeats a branch", ap__session_step(s, item, 2, logits, err));
    item[0].n = 0;
    FAILS(AP_E_ARG, "empty", ap__session_step(s, item, 1, logits, err));
    item[0].n = 4;
    FAILS(AP_E_ARG, "token id 37", ap__session_step(s, item, 1, logits, err));
    item[0].n = 9;
    FAILS(AP_E_TOO_LARGE, "8 positions", ap__session_step(s, item, 1, logits, err));
    assert_int_equal(ap__branch_len(b), 0);
    ap__session_close(s, b);
    ap__session_free(s);
    ap__model_free(m);
}

/* Decode 64 branches for `steps` tokens each; the tokens, one after the other. */
static void decode(struct ap_session *s, struct ap_branch **b, int32_t count, int32_t steps, int32_t *token,
                   float *logits, int32_t *out)
{
    struct ap_extend item[64];
    const struct ap_sampling how = {.temperature = 1.0f, .top_p = 0.95f};
    struct ap_rng rng[64];
    for (int32_t i = 0; i < count; i++) {
        rng[i] = ap__rng_make(1, "branch", (uint64_t)i, 0, 0);
        item[i] = (struct ap_extend){b[i], &token[i], 1};
    }
    for (int32_t t = 0; t < steps; t++) {
        OK(ap__session_step(s, item, count, logits, err));
        for (int32_t i = 0; i < count; i++)
            out[t * count + i] = token[i] = ap__sample(logits + i * V, V, &how, &rng[i]);
    }
}

static void a_warm_decode_loop_does_not_allocate_and_repeats_itself(void **state)
{
    (void)state;
    static int32_t out[2][64 * 80];
    static float logits[64 * V];
    for (int run = 0; run < 2; run++) {
        struct ap_config shape = tiny_config();
        struct ap_model *m = tiny_model(&shape, 2);
        struct ap_session *s = NULL;
        struct ap_branch *b[64];
        int32_t token[64] = {0};
        OK(ap__session_new(m, 64 * 128, &s, err));
        for (int i = 0; i < 64; i++)
            OK(ap__session_open(s, &b[i], err));
        decode(s, b, 64, 40, token, logits, out[run]);
        uint64_t before = ap__alloc_count();
        decode(s, b, 64, 40, token, logits, out[run] + 64 * 40);
        assert_int_equal(ap__alloc_count(), before);
        for (int i = 0; i < 64; i++)
            ap__session_close(s, b[i]);
        ap__session_free(s);
        ap__model_free(m);
    }
    assert_memory_equal(out[0], out[1], sizeof out[0]);
}

static void failing_allocations_leave_the_session_usable(void **state)
{
    (void)state;
    struct ap_config shape = tiny_config();
    struct ap_model *m = tiny_model(&shape, 2);
    int32_t prompt[40];
    float logits[V], expected[V];
    for (int t = 0; t < 40; t++)
        prompt[t] = t % V;
    plain_logits(m, prompt, 40, expected);
    for (int64_t n = 1, done = 0; !done; n++) {
        struct ap_session *s = NULL;
        struct ap_branch *b = NULL;
        struct ap_err e = {0};
        ap__alloc_fail_after(n);
        ap_status status = ap__session_new(m, 256, &s, &e);
        if (status == AP_OK)
            status = ap__session_open(s, &b, &e);
        struct ap_extend item = {b, prompt, 40};
        if (status == AP_OK)
            status = ap__session_step(s, &item, 1, logits, &e);
        ap__alloc_fail_after(0);
        done = status == AP_OK;
        if (b != NULL) {
            assert_int_equal(ap__branch_len(b), done ? 40 : 0);
            if (!done)
                OK(ap__session_step(s, &item, 1, logits, err));
            assert_logits(logits, expected, "after a failed allocation", (uint64_t)n);
            ap__session_close(s, b);
        }
        ap__session_free(s);
        assert_true(n < 100);
    }
    ap__model_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_branching_equals_whole_forward_passes),
        cmocka_unit_test(random_branching_equals_whole_forward_passes_in_every_family),
        cmocka_unit_test(samples_of_one_prompt_compute_it_once),
        cmocka_unit_test(a_full_pool_refuses_a_step_and_stays_as_it_was),
        cmocka_unit_test(bad_steps_are_refused),
        cmocka_unit_test(a_warm_decode_loop_does_not_allocate_and_repeats_itself),
        cmocka_unit_test(failing_allocations_leave_the_session_usable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
