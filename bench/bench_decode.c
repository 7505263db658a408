/* bench_decode.c - decoded tokens per second of many live branches.
 *
 *     bench_decode > decode.csv
 *
 * A model of 0.8 M weights; as in the demo, prompts of 500 common and 46 own tokens and
 * chains of up to 100 tokens; stochastic sampling; no tokenizer, no files.  Fixed work: 20
 * warm-up steps, then the median of five times 16 steps (and the least CPU time of all threads, for busy machines).
 * CSV: branches,context,tokens_per_second,model_ms_per_step,sampling_ms_per_step,prefill_tokens_per_second,
 * cpu_microseconds_per_token */
#include "base/progress.h"
#include "model/sampler.h"
#include "model/session.h"
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { MAX_BRANCHES = 256, COMMON = 500, OWN = 46, GROWN = 20, STEPS = 16, REPEATS = 5, V = 600 };

struct decoding {
    struct ap_session *session;
    struct ap_branch *branch[MAX_BRANCHES];
    struct ap_rng rng[MAX_BRANCHES];
    struct ap_extend item[MAX_BRANCHES];
    int32_t token[MAX_BRANCHES], count;
    float *logits; /* (MAX_BRANCHES, V) */
    double model_seconds, sampling_seconds;
};

static double cpu_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static ap_status decode(struct decoding *d, int32_t steps, struct ap_err *err)
{
    const struct ap_sampling how = {.temperature = 1.0f, .top_p = 1.0f};
    for (int32_t t = 0; t < steps; t++) {
        double start = ap__now();
        for (int32_t i = 0; i < d->count; i++)
            d->item[i] = (struct ap_extend){d->branch[i], &d->token[i], 1};
        AP_TRY(ap__session_step(d->session, d->item, d->count, d->logits, err));
        double computed = ap__now();
        for (int32_t i = 0; i < d->count; i++)
            d->token[i] = ap__sample(d->logits + (size_t)i * V, V, &how, &d->rng[i]);
        d->model_seconds += computed - start;
        d->sampling_seconds += ap__now() - computed;
    }
    return AP_OK;
}

static ap_status prefill(struct decoding *d, double *tokens_per_second, struct ap_err *err)
{
    static int32_t prompt[MAX_BRANCHES][COMMON + OWN];
    for (int32_t i = 0; i < d->count; i++) {
        d->rng[i] = ap__rng_make(1, "branch", (uint64_t)i, 0, 0);
        for (int32_t t = 0; t < COMMON + OWN; t++)
            prompt[i][t] = t < COMMON ? t % V : (int32_t)ap__rng_below(&d->rng[i], V);
        AP_TRY(ap__session_open(d->session, &d->branch[i], err));
        d->item[i] = (struct ap_extend){d->branch[i], prompt[i], COMMON + OWN};
    }
    double start = ap__now();
    AP_TRY(ap__session_step(d->session, d->item, d->count, d->logits, err));
    *tokens_per_second = (double)ap__session_stats(d->session).tokens_computed / (ap__now() - start);
    return AP_OK;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static ap_status bench(struct ap_model *m, int32_t branches, float *logits, struct ap_err *err)
{
    struct decoding d = {.count = branches, .logits = logits};
    double speed[REPEATS], prefill_speed = 0.0, cpu = 1e9;
    AP_TRY(ap__session_new(m, COMMON + branches * 512, &d.session, err));
    AP_TRY(prefill(&d, &prefill_speed, err));
    for (int32_t i = 0; i < branches; i++)
        d.token[i] = i % V;
    AP_TRY(decode(&d, GROWN, err)); /* also the warm-up */
    d.model_seconds = d.sampling_seconds = 0.0;
    for (int r = 0; r < REPEATS; r++) {
        double start = ap__now(), cpu_start = cpu_now();
        AP_TRY(decode(&d, STEPS, err));
        speed[r] = branches * STEPS / (ap__now() - start);
        if (cpu_now() - cpu_start < cpu)
            cpu = cpu_now() - cpu_start;
    }
    qsort(speed, REPEATS, sizeof *speed, compare);
    printf("%d,%d,%.0f,%.3f,%.3f,%.0f,%.1f\n", branches, COMMON + OWN + GROWN + STEPS * REPEATS / 2, speed[REPEATS / 2],
           1e3 * d.model_seconds / (STEPS * REPEATS), 1e3 * d.sampling_seconds / (STEPS * REPEATS), prefill_speed,
           1e6 * cpu / (branches * STEPS));
    fflush(stdout);
    for (int32_t i = 0; i < branches; i++)
        ap__session_close(d.session, d.branch[i]);
    ap__session_free(d.session);
    return AP_OK;
}

int main(void)
{
    static const int32_t branches[] = {1, 16, 64, 128, 256};
    struct ap_config c = {.D = 128, .L = 4, .H = 4, .Hkv = 2, .Dh = 32, .F = 352, .V = V, .max_position = 2048,
                          .theta = 10000.0f, .eps = 1e-5f, .tied = true, .bos = -1, .eos = -1};
    struct ap_model *m = NULL;
    struct ap_err err = {0};
    ap_status status = ap__model_new(&c, 1, &m, &err);
    float *logits = ap__alloc_array((size_t)MAX_BRANCHES * V, sizeof *logits);
    puts("branches,context,tokens_per_second,model_ms_per_step,sampling_ms_per_step,prefill_tokens_per_second,"
         "cpu_microseconds_per_token");
    for (size_t i = 0; i < sizeof branches / sizeof *branches && status == AP_OK && logits != NULL; i++)
        status = bench(m, branches[i], logits, &err);
    if (status != AP_OK || logits == NULL)
        fprintf(stderr, "bench_decode: %s\n", status != AP_OK ? err.message : "out of memory");
    ap__free(logits);
    ap__model_free(m);
    return status != AP_OK || logits == NULL;
}
