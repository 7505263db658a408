/* bench_train.c - time of one training step on made-up chains in the shape of the demo's.
 *
 *     bench_train [tasks] > train.csv
 *
 * Prompts of 300 tokens per task, questions of 46, chains of calls (trained) and
 * results (not trained); no tokenizer, no files.  Fixed work, three warm-up
 * steps, median of eleven (and the least CPU time of all threads, for busy machines).
 * CSV: model,method,mode,examples,flat_tokens,tree_tokens,milliseconds,
 * tree_tokens_per_second,flat_tokens_per_second,gflops,cpu_milliseconds */
#include "base/progress.h"
#include "base/rng.h"
#include "train/batch.h"
#include "train/optimizer.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { WARM = 3, REPEATS = 11, HELP = 300, QUESTION = 46, LEN = 512, MAX_EXAMPLES = 64 };

struct chain {
    int32_t token[LEN];
    uint8_t trained[LEN];
};

static void add(struct chain *c, int32_t *len, int32_t n, bool trained, struct ap_rng *rng)
{
    for (int32_t i = 0; i < n && *len < LEN; i++, ++*len) {
        c->token[*len] = (int32_t)ap__rng_below(rng, 600);
        c->trained[*len] = trained;
    }
}

/* Calls of 9 tokens and results of 3, until the chain has about 60 call tokens. */
static void add_calls(struct chain *c, int32_t *len, int32_t calls, struct ap_rng *rng)
{
    for (int32_t i = 0; i < calls; i++) {
        add(c, len, 9, true, rng);
        add(c, len, 3, false, rng);
    }
}

/* Example i: its task's help, its own question, chains that share their first three calls. */
static void make_example(struct chain chain[2], int32_t i, bool pair, struct ap_train_example *out)
{
    struct ap_rng help = ap__rng_make(1, "help", (uint64_t)i % 2, 0, 0), own = ap__rng_make(1, "own", (uint64_t)i, 0, 0);
    int32_t len = 0, chosen, rejected;
    memset(out, 0, sizeof *out);
    add(&chain[0], &len, HELP, false, &help);
    add(&chain[0], &len, QUESTION, false, &own);
    add_calls(&chain[0], &len, 3, &own);
    chain[1] = chain[0];
    chosen = rejected = len;
    add_calls(&chain[0], &chosen, 4, &own);
    add_calls(&chain[1], &rejected, 4, &own);
    out->chosen = (struct ap_seq){chain[0].token, chain[0].trained, chosen};
    out->ref_chosen = out->ref_rejected = -300.0;
    if (pair)
        out->rejected = (struct ap_seq){chain[1].token, chain[1].trained, rejected};
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double cpu_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static ap_status one_step(struct ap_model *m, struct ap_optimizer *o, const struct ap_batch_config *config,
                          const struct ap_train_example *e, int32_t n, struct ap_arena *step, struct ap_batch_sums *sums,
                          struct ap_err *err)
{
    double norm;
    ap__model_zero_grad(m);
    AP_TRY(ap__batch_gradient(m, config, e, n, step, sums, err));
    return ap__optimizer_update(o, 1e-3, &norm, err);
}

static ap_status bench(const char *name, const struct ap_config *shape, bool lora, bool dpo, int32_t n,
                       struct ap_err *err)
{
    static struct chain chain[MAX_EXAMPLES][2];
    struct ap_train_example e[MAX_EXAMPLES];
    struct ap_batch_config config = {dpo ? AP_METHOD_DPO : AP_METHOD_SFT, {.beta = 0.5, .nll_weight = 2.0}, 0, 0};
    struct ap_optimizer_config how = ap__optimizer_default();
    struct ap_batch_sums sums;
    struct ap_optimizer o;
    struct ap_model *m = NULL;
    struct ap_arena step;
    double seconds[REPEATS], cpu = 1e9;
    how.muon = !lora;
    for (int32_t i = 0; i < n; i++)
        make_example(chain[i], i, dpo, &e[i]);
    AP_TRY(ap__model_new(shape, 1, &m, err));
    if (lora)
        AP_TRY(ap__model_add_lora(m, &(struct ap_lora_config){16, 32.0f, AP_LORA_ALL}, 1, err));
    AP_TRY(ap__optimizer_init(&o, &how, m, err));
    ap__arena_init(&step, 0);
    for (int i = -WARM; i < REPEATS; i++) {
        double start = ap__now(), cpu_start = cpu_now();
        AP_TRY(one_step(m, &o, &config, e, n, &step, &sums, err));
        if (i >= 0)
            seconds[i] = ap__now() - start;
        if (cpu_now() - cpu_start < cpu)
            cpu = cpu_now() - cpu_start;
    }
    qsort(seconds, REPEATS, sizeof *seconds, compare);
    double t = seconds[REPEATS / 2], tree = (double)sums.tree_tokens, flat = (double)sums.flat_tokens;
    /* 2 flops per weight and token forward, 2 for the inputs' gradient, 2 for the weights' own. */
    double gflops = tree * (double)ap__config_parameters(shape) * (lora ? 4.0 : 6.0) * 1e-9;
    printf("%s,%s,%s,%d,%.0f,%.0f,%.2f,%.0f,%.0f,%.1f,%.2f\n", name, dpo ? "dpo" : "sft", lora ? "lora" : "full", n, flat,
           tree, 1e3 * t, tree / t, flat / t, gflops / t, 1e3 * cpu);
    fflush(stdout);
    ap__arena_deinit(&step);
    ap__optimizer_deinit(&o);
    ap__model_free(m);
    return AP_OK;
}

int main(void)
{
    struct ap_config S = {.D = 128, .L = 3, .H = 4, .Hkv = 2, .Dh = 32, .F = 352, .V = 600, .max_position = 1024,
                          .theta = 10000.0f, .eps = 1e-5f, .tied = true, .bos = -1, .eos = -1};
    struct ap_config M = S;
    struct ap_err err = {0};
    M.D = 192;
    M.L = 4;
    M.H = 6;
    M.F = 512;
    puts("model,method,mode,examples,flat_tokens,tree_tokens,milliseconds,tree_tokens_per_second,"
         "flat_tokens_per_second,gflops,cpu_milliseconds");
    if (bench("S", &S, false, false, 16, &err) != AP_OK || bench("S", &S, true, true, 16, &err) != AP_OK ||
        bench("M", &M, false, false, 16, &err) != AP_OK || bench("M", &M, true, true, 16, &err) != AP_OK) {
        fprintf(stderr, "bench_train: %s\n", err.message);
        return 1;
    }
    return 0;
}
