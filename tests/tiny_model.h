/* tiny_model.h - what the tests of model/ and train/ share: small random models
 * and random trees of sequences. */
#ifndef AP_TESTS_TINY_MODEL_H
#define AP_TESTS_TINY_MODEL_H

#include "base/rng.h"
#include "model/transformer.h"
#include "train/batch.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Run expr, which uses `err`, and fail the test with its message unless it succeeds. */
#define OK(expr)                                                     \
    do {                                                             \
        struct ap_err e_ = {0};                                      \
        struct ap_err *err = &e_;                                    \
        ap_status s_ = (expr);                                       \
        if (s_ != AP_OK)                                             \
            fail_msg("%s: %s: %s", #expr, e_.place, e_.message);     \
    } while (0)

/* Run expr and check its status; the message must hold `part`. */
#define FAILS(expected, part, expr)                                                        \
    do {                                                                                   \
        struct ap_err e_ = {0};                                                            \
        struct ap_err *err = &e_;                                                          \
        ap_status s_ = (expr);                                                             \
        assert_int_equal(s_, expected);                                                    \
        if (strstr(e_.message, part) == NULL)                                              \
            fail_msg("%s: the message `%s` lacks `%s`", #expr, e_.message, part);          \
    } while (0)

static inline struct ap_config tiny_config(void)
{
    return (struct ap_config){.D = 24, .L = 2, .H = 4, .Hkv = 2, .Dh = 6, .F = 20, .V = 37, .max_position = 256,
                              .theta = 10000.0f, .eps = 1e-5f, .tied = true, .bos = -1, .eos = -1};
}

/* One of each family with all that sets it apart from the others. */
static inline struct ap_config tiny_family(enum ap_family family)
{
    struct ap_config c = tiny_config();
    c.family = family;
    switch (family) {
    case AP_MISTRAL:
        c.Dh = 8;
        c.window = 5;
        break;
    case AP_QWEN2:
        c.window = 4;
        c.window_from = 1;
        c.rope = (struct ap_rope){.type = AP_ROPE_YARN, .factor = 4.0, .original_position = 32, .beta_fast = 4.0,
                                  .beta_slow = 1.0, .attention = 1.2};
        break;
    case AP_QWEN3:
        c.Dh = 10;
        c.attention_bias = true;
        c.tied = false;
        break;
    default:
        c.attention_bias = c.mlp_bias = true;
        c.rope = (struct ap_rope){.type = AP_ROPE_LLAMA3, .factor = 4.0, .original_position = 64, .low_freq = 1.0,
                                  .high_freq = 4.0};
        break;
    }
    return c;
}

/* Larger weights than at initialisation, so that every part of the model matters. */
static inline void stir(struct ap_model *m, float size, uint64_t seed)
{
    struct ap_model_param param[128];
    int32_t n = ap__model_params(m, param, 128);
    struct ap_rng rng = ap__rng_make(seed, "stir", 0, 0, 0);
    for (int32_t i = 0; i < n; i++)
        for (int64_t k = 0; k < param[i].n; k++)
            param[i].w[k] += size * (float)ap__rng_normal(&rng);
}

static inline struct ap_model *tiny_model(const struct ap_config *c, uint64_t seed)
{
    struct ap_model *m = NULL;
    OK(ap__model_new(c, seed, &m, err));
    stir(m, 0.2f, seed);
    return m;
}

enum { TREE_SEQS = 12, TREE_LEN = 48 };

/* Random sequences that share prefixes: each starts as a random prefix of an earlier one. */
struct tree_data {
    int32_t token[TREE_SEQS][TREE_LEN];
    uint8_t trained[TREE_SEQS][TREE_LEN];
    struct ap_seq seq[TREE_SEQS];
};

static inline void make_tree(struct tree_data *d, int32_t V, uint64_t seed)
{
    struct ap_rng rng = ap__rng_make(seed, "tree", 0, 0, 0);
    for (int32_t s = 0; s < TREE_SEQS; s++) {
        int32_t len = 4 + (int32_t)ap__rng_below(&rng, TREE_LEN - 4), shared = 0;
        if (s > 0) {
            int32_t from = (int32_t)ap__rng_below(&rng, (uint32_t)s);
            shared = 1 + (int32_t)ap__rng_below(&rng, (uint32_t)d->seq[from].len);
            shared = shared < len ? shared : len;
            memcpy(d->token[s], d->token[from], (size_t)shared * sizeof(int32_t));
            memcpy(d->trained[s], d->trained[from], (size_t)shared);
        }
        for (int32_t t = shared; t < len; t++) {
            d->token[s][t] = (int32_t)ap__rng_below(&rng, (uint32_t)V);
            d->trained[s][t] = t > 0 && ap__rng_below(&rng, 3) > 0;
        }
        if (len > shared && len > 1)
            d->trained[s][len - 1] = 1;
        d->seq[s] = (struct ap_seq){d->token[s], d->trained[s], len};
    }
}

/* A copy of all gradients, one after the other; ap__free it.  *n = their number. */
static inline float *copy_gradients(struct ap_model *m, int64_t *n)
{
    struct ap_model_param param[128];
    int32_t count = ap__model_params(m, param, 128);
    *n = 0;
    for (int32_t i = 0; i < count; i++)
        *n += param[i].n;
    float *all = ap__alloc_array((size_t)*n, sizeof *all), *at = all;
    for (int32_t i = 0; i < count; i++, at += param[i - 1].n)
        memcpy(at, param[i].g, (size_t)param[i].n * sizeof *at);
    return all;
}

static inline float *copy_values(struct ap_model *m, int64_t *n)
{
    struct ap_model_param param[128];
    int32_t count = ap__model_params(m, param, 128);
    *n = 0;
    for (int32_t i = 0; i < count; i++)
        *n += param[i].n;
    float *all = ap__alloc_array((size_t)*n, sizeof *all), *at = all;
    for (int32_t i = 0; i < count; i++, at += param[i - 1].n)
        memcpy(at, param[i].w, (size_t)param[i].n * sizeof *at);
    return all;
}

/* |a - b| / |b| in the 2-norm. */
static inline double relative_error(const float *a, const float *b, int64_t n)
{
    double d = 0.0, s = 0.0;
    for (int64_t i = 0; i < n; i++) {
        d += ((double)a[i] - (double)b[i]) * ((double)a[i] - (double)b[i]);
        s += (double)b[i] * (double)b[i];
    }
    return sqrt(d / (s > 0.0 ? s : 1.0));
}

static inline void assert_below(const char *what, double got, double limit, uint64_t seed)
{
    if (!(got <= limit))
        fail_msg("%s: %g is more than %g (seed %llu)", what, got, limit, (unsigned long long)seed);
}

/* Remove the files of a folder made by a test, and the folder. */
static inline void remove_dir(const char *dir)
{
    static const char *const name[] = {"model.safetensors",          "config.json", "adapter_config.json",
                                       "adapter_model.safetensors", "checkpoint.safetensors"};
    char path[512];
    for (size_t i = 0; i < sizeof name / sizeof *name; i++) {
        snprintf(path, sizeof path, "%s/%s", dir, name[i]);
        unlink(path);
    }
    rmdir(dir);
}

#endif
