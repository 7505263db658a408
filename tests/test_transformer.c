/* test_transformer.c - packed trees against one sequence at a time, and the model's edges. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "tiny_model.h"

#include <omp.h>

enum { SEEDS = 6 };

/* DPO over consecutive sequences: loss and gradient of the batch. */
static void run_batch(struct ap_model *m, const struct ap_batch_config *c, const struct ap_train_example *e, int32_t n,
                      struct ap_batch_sums *sums, float **gradient, int64_t *size)
{
    struct ap_arena step;
    ap__arena_init(&step, 0);
    ap__model_zero_grad(m);
    OK(ap__batch_gradient(m, c, e, n, &step, sums, err));
    *gradient = copy_gradients(m, size);
    ap__arena_deinit(&step);
}

/* The stupid twin: each sequence forward and backward by itself, as a pack of one. */
static void run_single(struct ap_model *m, const struct ap_batch_config *c, const struct ap_train_example *e, int32_t n,
                       double *loss, float **gradient, int64_t *size)
{
    struct ap_arena step;
    struct ap_err err = {0};
    ap__arena_init(&step, 0);
    ap__model_zero_grad(m);
    *loss = 0.0;
    for (int32_t i = 0; i < n; i++) {
        const struct ap_seq *seq[3] = {&e[i].chosen, &e[i].rejected, &e[i].held};
        double logp[3] = {0.0, 0.0, 0.0};
        int32_t tokens[3] = {0, 0, 0}, many = e[i].held.len > 0 ? 3 : 2;
        for (int pass = 0; pass < 2; pass++) /* first the log-probs of all, then their gradients */
            for (int s = 0; s < many; s++) {
                struct ap_pack pack;
                struct ap_activations *acts = NULL;
                float out[TREE_LEN], dout[TREE_LEN];
                ap__arena_reset(&step);
                assert_int_equal(ap__pack_build(&step, seq[s], 1, 0, &pack, &err), AP_OK);
                assert_int_equal(ap__model_forward(m, &pack, &step, true, out, &acts, &err), AP_OK);
                if (pass == 0) {
                    for (int32_t k = 0; k < pack.N; k++)
                        logp[s] += (double)out[k];
                    tokens[s] = pack.N;
                    continue;
                }
                struct ap_pair_logp pair = {logp[0], logp[1], e[i].ref_chosen, e[i].ref_rejected, tokens[0], tokens[1]};
                struct ap_pair_loss l = ap__loss_dpo(&c->dpo, &pair);
                double d = s == 0 ? l.dchosen : s == 1 ? l.drejected : 0.0;
                *loss += s == 0 ? l.loss / n : 0.0;
                if (s == (many == 3 ? 2 : 0)) {
                    *loss -= c->dpo.nll_weight * logp[s] / tokens[s] / n;
                    d -= c->dpo.nll_weight / tokens[s];
                }
                for (int32_t k = 0; k < pack.N; k++)
                    dout[k] = (float)(d / n);
                assert_int_equal(ap__model_backward(m, &pack, acts, dout, &step, &err), AP_OK);
            }
    }
    *gradient = copy_gradients(m, size);
    ap__arena_deinit(&step);
}

static bool has_trained(const struct ap_seq *seq)
{
    return memchr(seq->trained, 1, (size_t)seq->len) != NULL;
}

/* Every other pair compares the beginnings of its sequences, and holds its whole chosen one. */
static void make_pairs(const struct tree_data *d, struct ap_train_example *e)
{
    for (int32_t i = 0; i < TREE_SEQS / 2; i++) {
        e[i] = (struct ap_train_example){.chosen = d->seq[2 * i], .rejected = d->seq[2 * i + 1],
                                         .ref_chosen = -40.0 - i, .ref_rejected = -41.0 + i};
        /* A random tree may have made one without a trained token. */
        for (int s = 0; s < 2; s++) {
            struct ap_seq *seq = s == 0 ? &e[i].chosen : &e[i].rejected;
            if (!has_trained(seq))
                *seq = d->seq[0];
        }
        struct ap_seq part = e[i].chosen;
        part.len = (part.len + 1) / 2;
        if (i % 2 == 1 && has_trained(&part)) {
            e[i].held = e[i].chosen;
            e[i].chosen = part;
        }
    }
}

static void check_packed_equals_single(bool lora, int32_t max_tokens)
{
    struct ap_batch_config config = {.method = AP_METHOD_DPO, .max_tokens = max_tokens,
                                     .dpo = {.beta = 0.2, .label_smoothing = 0.05, .nll_weight = 0.5}};
    for (uint64_t seed = 1; seed <= SEEDS + AP_FAMILY_COUNT; seed++) {
        bool plain = seed <= SEEDS;
        struct ap_config shape = plain ? tiny_config() : tiny_family((enum ap_family)(seed - SEEDS - 1));
        shape.tied = plain ? seed % 2 == 0 : shape.tied;
        struct ap_model *m = tiny_model(&shape, seed);
        struct tree_data d;
        struct ap_train_example e[TREE_SEQS / 2];
        struct ap_batch_sums sums;
        float *packed, *single;
        int64_t n;
        double loss;
        if (lora) {
            OK(ap__model_add_lora(m, &(struct ap_lora_config){3, 5.0f, seed % 3 ? AP_LORA_ALL : AP_LORA_V | AP_LORA_UP},
                                  seed, err));
            stir(m, 0.1f, seed);
        }
        make_tree(&d, shape.V, seed);
        make_pairs(&d, e);
        run_batch(m, &config, e, TREE_SEQS / 2, &sums, &packed, &n);
        run_single(m, &config, e, TREE_SEQS / 2, &loss, &single, &n);
        assert_true(sums.tree_tokens < sums.flat_tokens);
        assert_true(max_tokens > 0 ? sums.packs > 1 : sums.packs == 1);
        assert_below("loss", fabs(sums.loss - loss) / fabs(loss), 1e-6, seed);
        assert_below("gradient", relative_error(packed, single, n), 1e-5, seed);
        ap__free(packed);
        ap__free(single);
        ap__model_free(m);
    }
}

enum { BEGINNING = 40, SAME = 10 };

enum { EVERY_OTHER_PAIR = 0xccc, LAST_PAIR = 0xc00 };

/* The pairs of a random tree, each behind an untrained beginning; some sequences (bits) have another one, which begins
 * alike. */
struct long_data {
    struct tree_data tree;
    int32_t token[TREE_SEQS][BEGINNING + TREE_LEN];
    uint8_t trained[TREE_SEQS][BEGINNING + TREE_LEN];
};

static void make_long_pairs(struct long_data *d, struct ap_train_example *e, int32_t V, uint64_t seed, unsigned others)
{
    make_tree(&d->tree, V, seed);
    memset(d->trained, 0, sizeof d->trained);
    for (int32_t s = 0; s < TREE_SEQS; s++) {
        struct ap_seq *seq = &d->tree.seq[s];
        struct ap_rng rng = ap__rng_make(seed, "beginning", 0, 0, 0), other = ap__rng_make(seed, "other", 0, 0, 0);
        for (int32_t t = 0; t < BEGINNING; t++)
            d->token[s][t] = (int32_t)ap__rng_below(t >= SAME && (others >> s & 1) != 0 ? &other : &rng, (uint32_t)V);
        memcpy(d->token[s] + BEGINNING, seq->token, (size_t)seq->len * sizeof(int32_t));
        memcpy(d->trained[s] + BEGINNING, seq->trained, (size_t)seq->len);
        *seq = (struct ap_seq){d->token[s], d->trained[s], BEGINNING + seq->len};
    }
    make_pairs(&d->tree, e);
}

static void check_parts(bool lora, bool recompute)
{
    for (uint64_t seed = 1; seed <= SEEDS + AP_FAMILY_COUNT; seed++) {
        struct ap_config shape = seed <= SEEDS ? tiny_config() : tiny_family((enum ap_family)(seed - SEEDS - 1));
        struct ap_batch_config config = {.method = AP_METHOD_DPO, .dpo = {.beta = 0.2, .nll_weight = 0.5, .sft_weight = 0}};
        struct ap_model *m = tiny_model(&shape, seed);
        struct long_data d;
        struct ap_train_example e[TREE_SEQS / 2];
        struct ap_batch_sums whole_sums, sums;
        float *whole, *parts, *single;
        int64_t n;
        double loss;
        if (lora) {
            OK(ap__model_add_lora(m, &(struct ap_lora_config){3, 5.0f, AP_LORA_ALL}, seed, err));
            stir(m, 0.1f, seed);
        }
        ap__model_recompute(m, recompute);
        make_long_pairs(&d, e, shape.V, seed, EVERY_OTHER_PAIR);
        run_batch(m, &config, e, TREE_SEQS / 2, &whole_sums, &whole, &n);
        config.part_tokens = 60 + (int32_t)seed;
        run_batch(m, &config, e, TREE_SEQS / 2, &sums, &parts, &n);
        run_single(m, &config, e, TREE_SEQS / 2, &loss, &single, &n);
        assert_int_equal(whole_sums.packs, 1);
        assert_true(sums.packs > 2);
        assert_int_equal(sums.flat_tokens, whole_sums.flat_tokens);
        assert_below("loss", fabs(sums.loss - loss) / fabs(loss), 1e-6, seed);
        assert_below("gradient against the whole tree", relative_error(parts, whole, n), 1e-5, seed);
        assert_below("gradient against single sequences", relative_error(parts, single, n), 1e-5, seed);
        ap__free(whole);
        ap__free(parts);
        ap__free(single);
        ap__model_free(m);
    }
}

static void parts_on_a_trunk_have_the_gradient_of_the_whole_tree(void **state)
{
    (void)state;
    check_parts(false, false);
    check_parts(true, false);
    check_parts(false, true);
    check_parts(true, true);
}

/* Parts are shared out among as many workers as there are threads. */
static void workers_have_the_gradient_of_single_sequences_and_the_same_bits_every_time(void **state)
{
    (void)state;
    enum { FULL, LORA, MODES };
    int before = omp_get_max_threads();
    for (int mode = FULL; mode < MODES; mode++)
        for (int threads = 1; threads <= 5; threads++) {
            struct ap_config shape = tiny_config();
            struct ap_batch_config config = {.method = AP_METHOD_DPO, .dpo = {.beta = 0.2, .nll_weight = 0.5}, .part_tokens = 60};
            struct ap_model *m = tiny_model(&shape, 1);
            struct long_data d;
            struct ap_train_example e[TREE_SEQS / 2];
            struct ap_batch_sums sums[2];
            float *parts, *again, *single;
            int64_t n;
            double loss;
            if (mode == LORA) {
                OK(ap__model_add_lora(m, &(struct ap_lora_config){3, 5.0f, AP_LORA_ALL}, 1, err));
                stir(m, 0.1f, 1);
            }
            make_long_pairs(&d, e, shape.V, 1, threads % 2 == 0 ? LAST_PAIR : 0); /* which is one tree apart */
            omp_set_num_threads(threads);
            run_batch(m, &config, e, TREE_SEQS / 2, &sums[0], &parts, &n);
            run_batch(m, &config, e, TREE_SEQS / 2, &sums[1], &again, &n);
            run_single(m, &config, e, TREE_SEQS / 2, &loss, &single, &n);
            assert_true(sums[0].packs >= 2 * (threads < 4 ? threads : 1));
            assert_below("loss", fabs(sums[0].loss - loss) / fabs(loss), 1e-6, (uint64_t)threads);
            assert_below("gradient", relative_error(parts, single, n), 1e-5, (uint64_t)threads);
            assert_memory_equal(parts, again, (size_t)n * sizeof *parts);
            assert_memory_equal(&sums[0], &sums[1], sizeof *sums);
            ap__free(parts);
            ap__free(again);
            ap__free(single);
            ap__model_free(m);
        }
    omp_set_num_threads(before);
}

static void a_packed_batch_trains_all_weights_like_single_sequences(void **state)
{
    (void)state;
    check_packed_equals_single(false, 0);
}

static void a_packed_batch_trains_an_adapter_like_single_sequences(void **state)
{
    (void)state;
    check_packed_equals_single(true, 0);
}

static void a_batch_over_the_token_budget_is_split_without_changing_its_gradient(void **state)
{
    (void)state;
    check_packed_equals_single(false, 110);
    check_packed_equals_single(true, 110);
}

static double sft_loss(struct ap_model *m, const struct ap_train_example *e, int32_t n)
{
    struct ap_batch_config config = {.method = AP_METHOD_SFT};
    struct ap_batch_sums sums;
    struct ap_arena step;
    ap__arena_init(&step, 0);
    OK(ap__batch_gradient(m, &config, e, n, &step, &sums, err));
    ap__arena_deinit(&step);
    return sums.loss;
}

/* Central differences along a random direction within each tensor. */
static void check_differences(const struct ap_config *shape)
{
    struct ap_model *m = tiny_model(shape, 7);
    struct tree_data d;
    struct ap_train_example e[3];
    memset(e, 0, sizeof e);
    struct ap_model_param param[64];
    int32_t count = ap__model_params(m, param, 64);
    make_tree(&d, shape->V, 3);
    for (int i = 0; i < 3; i++)
        e[i].chosen = d.seq[i];
    ap__model_zero_grad(m);
    (void)sft_loss(m, e, 3);
    int64_t size;
    float *gradient = copy_gradients(m, &size), *g = gradient;
    struct ap_rng rng = ap__rng_make(1, "direction", 0, 0, 0);
    for (int32_t i = 0; i < count; i++, g += param[i - 1].n) {
        float *direction = ap__alloc_array((size_t)param[i].n, sizeof *direction);
        double slope = 0.0, eps = 2e-3, loss[2], norm = 0.0;
        /* Half along the gradient, half random: the slope stands out of the rounding of f32. */
        for (int64_t k = 0; k < param[i].n; k++)
            norm += (double)g[k] * (double)g[k];
        for (int64_t k = 0; k < param[i].n; k++) {
            double r = ap__rng_normal(&rng) / sqrt((double)param[i].n);
            direction[k] = (float)((double)g[k] / sqrt(norm) + r);
            slope += (double)direction[k] * (double)g[k];
        }
        for (int side = 0; side < 2; side++) {
            for (int64_t k = 0; k < param[i].n; k++)
                param[i].w[k] += (float)(side == 0 ? eps : -2.0 * eps) * direction[k];
            loss[side] = sft_loss(m, e, 3);
        }
        for (int64_t k = 0; k < param[i].n; k++)
            param[i].w[k] += (float)eps * direction[k];
        double seen = (loss[0] - loss[1]) / (2.0 * eps);
        assert_below(param[i].name, fabs(seen - slope) / fabs(slope), 5e-3, 7);
        ap__free(direction);
    }
    ap__free(gradient);
    ap__model_free(m);
}

static void gradients_agree_with_finite_differences(void **state)
{
    (void)state;
    struct ap_config shape = tiny_config();
    check_differences(&shape);
    for (int f = 0; f < AP_FAMILY_COUNT; f++) {
        shape = tiny_family((enum ap_family)f);
        check_differences(&shape);
    }
}

static void a_forward_pass_that_keeps_nothing_gives_the_same_logprobs_in_less_memory(void **state)
{
    (void)state;
    struct ap_config shape = tiny_family(AP_QWEN3);
    shape.L = 6;
    struct ap_model *m = tiny_model(&shape, 5);
    struct tree_data d;
    struct ap_pack pack;
    struct ap_arena tree, kept, dropped;
    struct ap_activations *acts = NULL;
    float a[TREE_SEQS * TREE_LEN], b[TREE_SEQS * TREE_LEN];
    make_tree(&d, shape.V, 9);
    ap__arena_init(&tree, 0);
    ap__arena_init(&kept, 0);
    ap__arena_init(&dropped, 0);
    OK(ap__pack_build(&tree, d.seq, TREE_SEQS, 0, &pack, err));
    OK(ap__model_forward(m, &pack, &kept, true, a, &acts, err));
    OK(ap__model_forward(m, &pack, &dropped, false, b, NULL, err));
    assert_memory_equal(a, b, (size_t)pack.N * sizeof *a);
    assert_int_equal(dropped.used, 0);
    assert_true(dropped.reserved * 2 < kept.reserved);
    ap__arena_deinit(&tree);
    ap__arena_deinit(&kept);
    ap__arena_deinit(&dropped);
    ap__model_free(m);
}

/* Loss and gradients with everything kept, then recomputed; bytes of each step. */
static void check_recompute(const struct ap_config *shape, bool lora, uint64_t seed, size_t peak[2])
{
    struct ap_batch_config config = {.method = AP_METHOD_DPO, .dpo = {.beta = 0.2, .nll_weight = 0.5}};
    struct ap_model *m = tiny_model(shape, seed);
    struct tree_data d;
    struct ap_train_example e[TREE_SEQS / 2];
    struct ap_batch_sums sums[2];
    float *gradient[2];
    int64_t n = 0;
    make_tree(&d, shape->V, seed);
    make_pairs(&d, e);
    if (lora) {
        OK(ap__model_add_lora(m, &(struct ap_lora_config){3, 5.0f, AP_LORA_Q | AP_LORA_DOWN}, seed, err));
        stir(m, 0.1f, seed);
    }
    for (int recompute = 0; recompute < 2; recompute++) {
        struct ap_arena step;
        ap__arena_init(&step, 0);
        ap__model_zero_grad(m);
        ap__model_recompute(m, recompute);
        OK(ap__batch_gradient(m, &config, e, TREE_SEQS / 2, &step, &sums[recompute], err));
        gradient[recompute] = copy_gradients(m, &n);
        peak[recompute] = step.peak;
        ap__arena_deinit(&step);
    }
    assert_true(sums[0].loss == sums[1].loss);
    assert_memory_equal(gradient[0], gradient[1], (size_t)n * sizeof *gradient[0]);
    ap__free(gradient[0]);
    ap__free(gradient[1]);
    ap__model_free(m);
}

static void recomputing_gives_the_same_gradients_bit_for_bit_in_less_memory(void **state)
{
    (void)state;
    size_t peak[2];
    for (int family = 0; family < AP_FAMILY_COUNT; family++)
        for (int32_t L = 1; L <= 7; L += 3) {
            struct ap_config shape = tiny_family((enum ap_family)family);
            shape.L = L;
            check_recompute(&shape, false, 20 + (uint64_t)L, peak);
            check_recompute(&shape, true, 30 + (uint64_t)L, peak);
            assert_true(L < 7 || 2 * peak[1] < peak[0]);
        }
}

static void a_step_that_has_seen_its_largest_batch_allocates_nothing(void **state)
{
    (void)state;
    struct ap_config shape = tiny_config();
    struct ap_model *m = tiny_model(&shape, 5);
    struct ap_batch_config config = {.method = AP_METHOD_DPO, .dpo = {.beta = 0.1}};
    struct tree_data d;
    struct ap_train_example e[TREE_SEQS / 2];
    struct ap_batch_sums sums;
    struct ap_arena step;
    ap__arena_init(&step, 0);
    make_tree(&d, shape.V, 2);
    make_pairs(&d, e);
    for (int i = 0; i < 2; i++) /* the second one melts the arena into one block */
        OK(ap__batch_gradient(m, &config, e, TREE_SEQS / 2, &step, &sums, err));
    uint64_t before = ap__alloc_count();
    for (int i = 0; i < 5; i++)
        OK(ap__batch_gradient(m, &config, e, TREE_SEQS / 2, &step, &sums, err));
    assert_int_equal(ap__alloc_count(), before);
    ap__arena_deinit(&step);
    ap__model_free(m);
}

static void bad_tokens_and_long_sequences_are_refused(void **state)
{
    (void)state;
    struct ap_config shape = tiny_config();
    shape.max_position = 8;
    struct ap_model *m = tiny_model(&shape, 5);
    int32_t token[9] = {1, 2, 37};
    uint8_t trained[9] = {0, 1, 1};
    struct ap_train_example e = {.chosen = {token, trained, 3}};
    struct ap_batch_config config = {.method = AP_METHOD_SFT};
    struct ap_batch_sums sums;
    struct ap_arena step;
    ap__arena_init(&step, 0);
    FAILS(AP_E_ARG, "token id 37", ap__batch_gradient(m, &config, &e, 1, &step, &sums, err));
    token[2] = 3;
    e.chosen.len = 9;
    FAILS(AP_E_TOO_LARGE, "8 positions", ap__batch_gradient(m, &config, &e, 1, &step, &sums, err));
    e.chosen.len = 3;
    memset(trained, 0, sizeof trained);
    FAILS(AP_E_ARG, "without trained tokens", ap__batch_gradient(m, &config, &e, 1, &step, &sums, err));
    ap__arena_deinit(&step);
    ap__model_free(m);
}

static void a_frozen_model_refuses_to_train(void **state)
{
    (void)state;
    struct ap_model *m = NULL;
    int32_t token[] = {1, 2, 3};
    uint8_t trained[] = {0, 1, 1};
    struct ap_train_example e = {.chosen = {token, trained, 3}};
    struct ap_batch_config config = {.method = AP_METHOD_SFT};
    struct ap_batch_sums sums;
    struct ap_arena step;
    ap__arena_init(&step, 0);
    OK(ap__model_open(AP_TEST_DATA "/tiny_llama", NULL, &m, err));
    FAILS(AP_E_STATE, "nothing is trainable", ap__batch_gradient(m, &config, &e, 1, &step, &sums, err));
    struct long_data d; /* nor on several threads */
    struct ap_train_example pair[TREE_SEQS / 2];
    int before = omp_get_max_threads();
    config = (struct ap_batch_config){.method = AP_METHOD_DPO, .dpo = {.beta = 0.2}, .part_tokens = 60};
    make_long_pairs(&d, pair, ap__model_config(m)->V, 1, 0);
    omp_set_num_threads(2);
    FAILS(AP_E_STATE, "nothing is trainable", ap__batch_gradient(m, &config, pair, TREE_SEQS / 2, &step, &sums, err));
    omp_set_num_threads(before);
    ap__arena_deinit(&step);
    ap__model_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_packed_batch_trains_all_weights_like_single_sequences),
        cmocka_unit_test(a_packed_batch_trains_an_adapter_like_single_sequences),
        cmocka_unit_test(a_batch_over_the_token_budget_is_split_without_changing_its_gradient),
        cmocka_unit_test(parts_on_a_trunk_have_the_gradient_of_the_whole_tree),
        cmocka_unit_test(workers_have_the_gradient_of_single_sequences_and_the_same_bits_every_time),
        cmocka_unit_test(gradients_agree_with_finite_differences),
        cmocka_unit_test(a_forward_pass_that_keeps_nothing_gives_the_same_logprobs_in_less_memory),
        cmocka_unit_test(recomputing_gives_the_same_gradients_bit_for_bit_in_less_memory),
        cmocka_unit_test(a_step_that_has_seen_its_largest_batch_allocates_nothing),
        cmocka_unit_test(bad_tokens_and_long_sequences_are_refused),
        cmocka_unit_test(a_frozen_model_refuses_to_train),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
