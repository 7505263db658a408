/* bench_large.c - a model of Mistral 7B's shape: load it, train one step, tell the peak of memory.
 *
 *     bench_large FOLDER [base-dtype [tokens [GiB [layers]]]]      (default: nf4 1024 8 32)
 *
 *     random bf16 shards (14.5 GB) into FOLDER --> estimate --> load --> adapter of rank 16
 *         --> one DPO step with AdamW on a pair of `tokens` tokens --> seconds, peak RSS
 *
 * What it wrote is removed at the end.  It keeps within GiB as on a machine that has no more: activations are
 * recomputed when they would not fit, and what cannot fit is refused.  Exit code 1 when the peak was higher.
 * The weights are drawn from 65536 normal numbers. */
#include "base/file.h"
#include "base/json.h"
#include "base/machine.h"
#include "base/progress.h"
#include "base/rng.h"
#include "model/memory.h"
#include "model/weights.h"
#include "train/trainer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { NORMALS = 1 << 16, PIECE = 1 << 18, SHARDS = 4 };

static struct ap_config mistral(int32_t layers)
{
    return (struct ap_config){.family = AP_MISTRAL, .D = 4096, .L = layers, .H = 32, .Hkv = 8, .Dh = 128, .F = 14336,
                              .V = 32000, .max_position = 32768, .window = 4096, .theta = 10000.0f, .eps = 1e-5f,
                              .tied = false, .bos = 1, .eos = 2};
}

/* ---- the folder ---- */

struct random_bf16 {
    uint16_t normal[NORMALS], one, piece[PIECE];
    struct ap_rng rng;
};

static struct random_bf16 *random_new(void)
{
    struct random_bf16 *r = ap__alloc(sizeof *r);
    float x, one = 1.0f;
    if (r == NULL)
        return NULL;
    r->rng = ap__rng_make(1, "large", 0, 0, 0);
    for (int i = 0; i < NORMALS; i++) {
        x = (float)(0.02 * ap__rng_normal(&r->rng));
        ap__dtype_from_f32(&r->normal[i], &x, AP_BF16, 1);
    }
    ap__dtype_from_f32(&r->one, &one, AP_BF16, 1);
    return r;
}

/* The next n <= PIECE numbers into r->piece. */
static void random_fill(struct random_bf16 *r, int64_t n, bool norm)
{
    for (int64_t i = 0; i < n; i += 4) {
        uint64_t bits = ap__rng_u64(&r->rng);
        for (int k = 0; k < 4; k++, bits >>= 16)
            r->piece[i + k] = norm ? r->one : r->normal[bits & (NORMALS - 1)];
    }
}

static ap_status write_shard(const char *path, struct random_bf16 *r, struct ap_tensor_entry *entry, size_t n,
                             struct ap_err *err)
{
    struct ap_safetensors_writer *w = NULL;
    json_t *metadata = json_pack("{s:s}", "format", "pt");
    ap_status status = ap__safetensors_begin(path, entry, n, metadata, &w, err);
    json_decref(metadata);
    AP_TRY(status);
    for (size_t i = 0; i < n && status == AP_OK; i++) {
        int64_t left = entry[i].shape[0] * entry[i].shape[1];
        for (int64_t now; left > 0 && status == AP_OK; left -= now) {
            now = left < PIECE ? left : PIECE;
            random_fill(r, now, entry[i].ndim == 1);
            status = ap__safetensors_put(w, r->piece, (size_t)now * sizeof *r->piece, err);
        }
    }
    if (status == AP_OK)
        return ap__safetensors_commit(w, err);
    ap__safetensors_abandon(w);
    return status;
}

static void path_in(char *out, size_t cap, const char *dir, const char *name)
{
    snprintf(out, cap, "%s/%s", dir, name);
}

static void shard_name(char *out, size_t cap, int i)
{
    snprintf(out, cap, "model-%05d-of-%05d.safetensors", i + 1, SHARDS);
}

/* All tensors in slot order, a quarter of them in each shard; and the index. */
static ap_status write_weights(const char *dir, const struct ap_model *shape, struct random_bf16 *r,
                               struct ap_err *err)
{
    char name[64], path[512];
    int32_t n = shape->weight_count;
    struct ap_tensor_entry *entry = ap__alloc_array((size_t)n, sizeof *entry);
    json_t *map = json_object();
    ap_status status = entry != NULL ? AP_OK : ap__fail(err, AP_E_MEMORY, dir, "no memory for the tensors' names");
    for (int shard = 0; shard < SHARDS && status == AP_OK; shard++) {
        int32_t from = n * shard / SHARDS, to = n * (shard + 1) / SHARDS;
        shard_name(name, sizeof name, shard);
        for (int32_t i = from; i < to; i++) {
            const struct ap_weight *w = &shape->weight[i];
            entry[i] = (struct ap_tensor_entry){.name = w->name, .dtype = AP_BF16, .ndim = w->W.cols > 0 ? 2 : 1,
                                                .shape = {w->W.rows, w->W.cols > 0 ? w->W.cols : 1, 1, 1}};
            json_object_set_new(map, w->name, json_string(name));
        }
        path_in(path, sizeof path, dir, name);
        status = write_shard(path, r, entry + from, (size_t)(to - from), err);
    }
    char *text = NULL;
    json_t *index = json_pack("{s:{s:I}, s:o}", "metadata", "total_size",
                              (json_int_t)(2 * ap__config_parameters(&shape->config)), "weight_map", map);
    if (status == AP_OK && (index == NULL || (text = ap__json_dump(index)) == NULL))
        status = ap__fail(err, AP_E_MEMORY, dir, "no memory for the index");
    path_in(path, sizeof path, dir, "model.safetensors.index.json");
    if (status == AP_OK)
        status = ap__file_write(path, text, strlen(text), err);
    ap__free(text);
    json_decref(index);
    ap__free(entry);
    return status;
}

static ap_status write_folder(const char *dir, const struct ap_config *c, struct ap_err *err)
{
    struct ap_model *shape = NULL;
    struct random_bf16 *r = random_new();
    ap_status status = r != NULL ? ap__model_make(c, &shape, err) : ap__fail(err, AP_E_MEMORY, dir, "no memory");
    if (status == AP_OK)
        status = ap__mkdirs(dir, err);
    if (status == AP_OK)
        status = write_weights(dir, shape, r, err);
    if (status == AP_OK)
        status = ap__config_save(c, dir, AP_BF16, err);
    ap__model_free(shape);
    ap__free(r);
    return status;
}

static void remove_folder(const char *dir)
{
    char name[64], path[512];
    for (int i = 0; i < SHARDS; i++) {
        shard_name(name, sizeof name, i);
        path_in(path, sizeof path, dir, name);
        unlink(path);
    }
    path_in(path, sizeof path, dir, "model.safetensors.index.json");
    unlink(path);
    path_in(path, sizeof path, dir, "config.json");
    unlink(path);
    rmdir(dir);
}

/* ---- the step ---- */

static double peak_gib(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)usage.ru_maxrss / (1 << 20); /* in KiB */
}

static ap_status tell_step(void *user, const struct ap_train_metrics *m, struct ap_err *err)
{
    (void)user;
    (void)err;
    printf("step: loss %.4f, gradient norm %.4g, %lld tokens in the tree, %.1f s\n", m->loss, m->grad_norm,
           (long long)m->tree_tokens, m->seconds);
    return AP_OK;
}

/* A pair whose chains share 3/8 of the tokens and part then; 5/16 each of their own. */
static ap_status train_step(struct ap_model *m, int32_t tokens, struct ap_err *err)
{
    int32_t shared = tokens * 3 / 8, len = shared + tokens * 5 / 16;
    int32_t *token = ap__alloc_array(2 * (size_t)len, sizeof *token);
    uint8_t *trained = ap__alloc_array((size_t)len, 1);
    struct ap_rng rng = ap__rng_make(2, "pair", 0, 0, 0);
    if (token == NULL || trained == NULL)
        return ap__fail(err, AP_E_MEMORY, NULL, "no memory for a pair");
    for (int32_t i = 0; i < len; i++) {
        token[i] = (int32_t)ap__rng_below(&rng, 32000);
        token[len + i] = i < shared ? token[i] : (int32_t)ap__rng_below(&rng, 32000);
        trained[i] = i >= shared;
    }
    struct ap_train_example pair = {.chosen = {token, trained, len}, .rejected = {token + len, trained, len}};
    struct ap_train_config config = ap__train_default();
    config.batch = 1;
    config.steps = 1;
    config.batch_config.max_tokens = tokens;
    double started = ap__now();
    ap_status status = ap__train_reference(m, AP_REFERENCE_BASE, &pair, 1, tokens, err);
    if (status == AP_OK) {
        printf("reference: log-probs %.1f and %.1f, %.1f s\n", pair.ref_chosen, pair.ref_rejected,
               ap__now() - started);
        status = ap__train(m, &config, &pair, 1, tell_step, NULL, err);
    }
    ap__free(trained);
    ap__free(token);
    return status;
}

/* Estimate, and refuse or recompute as a machine with `limit` bytes would. */
static ap_status fit(const struct ap_model *m, const char *dir, struct ap_memory_plan *plan, int64_t limit,
                     struct ap_err *err)
{
    struct ap_memory need;
    AP_TRY(ap__memory_check(m, plan, limit, dir, err));
    ap__memory_estimate(m, plan, &need);
    plan->recompute = need.total > limit;
    double all = (double)need.total / (1 << 30);
    ap__memory_estimate(m, plan, &need);
    printf("parameters %lld, %d tokens: estimated %.2f GiB keeping all activations, %.2f GiB as it is run%s\n",
           (long long)ap__model_parameters(m), plan->max_tokens, all, (double)need.total / (1 << 30),
           plan->recompute ? " (recomputing)" : "");
    return AP_OK;
}

static ap_status load_and_train(const char *dir, const char *base_dtype, int32_t tokens, int64_t limit,
                                struct ap_err *err)
{
    struct ap_model *m = NULL;
    struct ap_memory_plan plan = {.mode = AP_LORA, .lora = {.rank = 16, .alpha = 32.0f, .targets = AP_LORA_ALL},
                                  .max_tokens = tokens, .dtype_knob = "base-dtype", .tokens_knob = "tokens"};
    double started = ap__now();
    AP_TRY(ap__base_dtype_read(base_dtype, "base-dtype", &plan.options, err));
    AP_TRY(ap__model_open(dir, NULL, &m, err));
    ap_status status = fit(m, dir, &plan, limit, err);
    if (status == AP_OK)
        status = ap__memory_admit(dir, &plan, &m, err);
    if (status == AP_OK) {
        printf("load: %.1f s as %s, peak RSS so far %.2f GiB\n", ap__now() - started, base_dtype, peak_gib());
        ap__model_recompute(m, plan.recompute);
        status = ap__model_add_lora(m, &plan.lora, 1, err);
    }
    if (status == AP_OK)
        status = train_step(m, tokens, err);
    ap__model_free(m);
    return status;
}

int main(int argc, char **argv)
{
    struct ap_err err;
    char machine[256], dir[400];
    if (argc < 2 || argc > 6) {
        fprintf(stderr, "usage: bench_large FOLDER [base-dtype [tokens [GiB [layers]]]]\n");
        return 2;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    const char *base_dtype = argc > 2 ? argv[2] : "nf4";
    int32_t tokens = argc > 3 ? atoi(argv[3]) : 1024;
    double limit = argc > 4 ? atof(argv[4]) : 8.0;
    struct ap_config c = mistral(argc > 5 ? atoi(argv[5]) : 32);
    path_in(dir, sizeof dir, argv[1], "bench-large-model");
    ap__machine_describe(machine, sizeof machine);
    printf("machine: %s\n", machine);
    double started = ap__now();
    ap_status status = write_folder(dir, &c, &err);
    if (status == AP_OK) {
        printf("write: %.1f s, peak RSS so far %.2f GiB\n", ap__now() - started, peak_gib());
        status = load_and_train(dir, base_dtype, tokens, (int64_t)(limit * (1 << 30)), &err);
    }
    remove_folder(dir);
    if (status != AP_OK)
        fprintf(stderr, "%s: %s\n", err.place, err.message);
    else
        printf("peak RSS %.2f GiB of %.2f\n", peak_gib(), limit);
    ap__backend_cpu_release();
    return status == AP_OK && peak_gib() <= limit ? 0 : 1;
}
