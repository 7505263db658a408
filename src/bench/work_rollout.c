/* work_rollout.c - chains per second, token by token with results put in between.
 *
 *     step 0      every chain: its prompt
 *     then        every chain: the token just sampled; after each `call` tokens also the result that follows
 *
 * All chains live in one session, which shares what they share. */
#include "bench/repeats.h"
#include "base/progress.h"
#include "model/account.h"
#include "model/sampler.h"
#include "model/session.h"
#include "model/weights.h"

#include <math.h>
#include <omp.h>
#include <stdio.h>
#include <string.h>

enum { SEED = 1 };

struct chain {
    struct ap_branch *branch;
    struct ap_rng rng;
    int32_t *next; /* tokens to append: the prompt, or the one sampled and perhaps a result */
    int32_t n;
};

struct rollout {
    struct ap_work_script script;
    struct ap_session *session;
    struct chain *chain;    /* (count,) */
    struct ap_extend *item; /* (count,) */
    int32_t *token;         /* (count, 1 + result) */
    float *logits;          /* (count, V) */
    int32_t count, V;
    double first[AP_BENCH_CHECKS]; /* of each problem, see bench.h */
};

/* The log-probability of the likeliest token. */
static double likeliest(const float *logits, int32_t V)
{
    float most = logits[0];
    double sum = 0.0;
    for (int32_t i = 1; i < V; i++)
        most = fmaxf(most, logits[i]);
    for (int32_t i = 0; i < V; i++)
        sum += exp((double)logits[i] - (double)most);
    return -log(sum);
}

static ap_status open_chains(struct rollout *r, struct ap_err *err)
{
    const struct ap_work_rollout *s = &r->script.shape;
    for (int32_t i = 0; i < r->count; i++) {
        struct chain *c = &r->chain[i];
        c->rng = ap__rng_make(SEED, "sample", (uint64_t)i, 0, 0);
        c->n = s->tool + s->question;
        c->next = r->script.prompt + (size_t)(i / s->samples) * (size_t)c->n;
        AP_TRY(ap__session_open(r->session, &c->branch, err));
    }
    return AP_OK;
}

static void close_chains(struct rollout *r)
{
    for (int32_t i = 0; i < r->count; i++)
        if (r->chain[i].branch != NULL)
            ap__session_close(r->session, r->chain[i].branch);
    memset(r->chain, 0, (size_t)r->count * sizeof *r->chain);
    ap__session_clear(r->session);
}

/* What follows the sampled token: a result when the call is complete, unless it was the last. */
static void append_next(struct rollout *r, int32_t i, int32_t token, int32_t sampled)
{
    const struct ap_work_rollout *s = &r->script.shape;
    struct chain *c = &r->chain[i];
    int32_t call = sampled / s->call;
    c->next = r->token + (size_t)i * (size_t)(1 + s->result);
    c->next[0] = token;
    c->n = 1;
    if (sampled % s->call != 0 || call == s->steps)
        return;
    size_t at = ((size_t)i * (size_t)(s->steps - 1) + (size_t)(call - 1)) * (size_t)s->result;
    memcpy(c->next + 1, r->script.result + at, (size_t)s->result * sizeof *c->next);
    c->n += s->result;
}

static void sample_all(struct rollout *r, int32_t sampled)
{
    const struct ap_sampling how = {.temperature = 1.0f, .top_p = 1.0f};
#pragma omp parallel for schedule(static)
    for (int32_t i = 0; i < r->count; i++) {
        int32_t token = ap__sample(r->logits + (size_t)i * (size_t)r->V, r->V, &how, &r->chain[i].rng);
        append_next(r, i, token, sampled);
    }
}

static void note_first(struct rollout *r)
{
    for (int32_t p = 0; p < r->script.shape.problems && p < AP_BENCH_CHECKS; p++)
        r->first[p] = likeliest(r->logits + (size_t)(p * r->script.shape.samples) * (size_t)r->V, r->V);
}

static ap_status roll(struct rollout *r, double *seconds, struct ap_err *err)
{
    const struct ap_work_rollout *s = &r->script.shape;
    double start = ap__now();
    AP_TRY(open_chains(r, err));
    for (int32_t sampled = 1; sampled <= s->steps * s->call; sampled++) {
        AP_TRY(ap__check_interrupt(err));
        for (int32_t i = 0; i < r->count; i++)
            r->item[i] = (struct ap_extend){r->chain[i].branch, r->chain[i].next, r->chain[i].n};
        AP_TRY(ap__session_step(r->session, r->item, r->count, r->logits, err));
        if (sampled == 1)
            note_first(r);
        sample_all(r, sampled);
    }
    *seconds = ap__now() - start;
    return AP_OK;
}

/* Every token but a chain's last, which nobody reads, passes the model once; what is sampled from is read.  A problem's
 * chains are sampled first from one and the same row. */
static void count(const struct ap_config *c, const struct ap_work_rollout *s, struct ap_bench_result *out)
{
    struct ap_work_size size = {0};
    double chains = (double)s->problems * s->samples;
    int32_t at = 0, gap = s->call + s->result, own = s->steps * gap - s->result - 1;
    for (; at < s->tool; at++)
        ap__account_add(c, at, false, 1.0, &size);
    for (; at < s->tool + s->question; at++)
        ap__account_add(c, at, at + 1 == s->tool + s->question, s->problems, &size);
    for (int32_t i = 0; i < own; i++) /* the last token of a result is read, the call's last is not */
        ap__account_add(c, at + i, i % gap < s->call - 1 || i % gap == gap - 1, chains, &size);
    out->tokens_tree = size.T;
    out->tokens_flat = chains * (at + own);
    out->gflop = 1e-9 * ap__account_forward(c, &size);
}

/* Rows for all of it, whatever the pages leave unused. */
static int32_t pool_rows(const struct ap_work_rollout *s)
{
    int64_t chains = (int64_t)s->problems * s->samples, own = (int64_t)s->steps * (s->call + s->result) + 64;
    int64_t rows = s->tool + s->problems * ((int64_t)s->question + 64) + chains * own + 64;
    return (int32_t)(rows < INT32_MAX / 2 ? rows : INT32_MAX / 2);
}

static ap_status prepare(struct rollout *r, const struct ap_work_rollout *shape, struct ap_model *m,
                         struct ap_arena *arena, struct ap_err *err)
{
    size_t n = (size_t)shape->problems * (size_t)shape->samples;
    r->count = (int32_t)n;
    r->V = ap__model_config(m)->V;
    r->chain = ap__arena_zalloc(arena, n * sizeof *r->chain);
    r->item = ap__arena_alloc(arena, n * sizeof *r->item);
    r->token = ap__arena_alloc(arena, n * (size_t)(1 + shape->result) * sizeof *r->token);
    r->logits = ap__arena_alloc(arena, n * (size_t)r->V * sizeof *r->logits);
    if (r->chain == NULL || r->item == NULL || r->token == NULL || r->logits == NULL)
        return ap__fail(err, AP_E_MEMORY, NULL, "no memory for %zu chains", n);
    AP_TRY(ap__work_script_make(shape, r->V, arena, &r->script, err));
    return ap__session_new(m, pool_rows(shape), &r->session, err);
}

static ap_status measure(struct rollout *r, const struct ap_bench_options *o, struct ap_bench_result *out,
                         struct ap_err *err)
{
    static struct ap_repeats repeats;
    ap_status status = AP_OK;
    for (int32_t i = -o->warm; i < o->repeats && status == AP_OK; i++) {
        double seconds = 0.0;
        if (i == 0) {
            ap__timed_clear();
            ap__repeats_begin(&repeats);
        }
        status = roll(r, &seconds, err);
        if (i >= 0)
            ap__repeats_add(&repeats, seconds, out->gflop);
        close_chains(r);
    }
    AP_TRY(status);
    ap__repeats_end(&repeats, out);
    for (out->checks = 0; out->checks < r->script.shape.problems && out->checks < AP_BENCH_CHECKS; out->checks++)
        out->check[out->checks] = r->first[out->checks];
    out->rows = o->profile ? ap__timed_rows(out->row) : 0;
    return AP_OK;
}

ap_status ap__bench_rollout(const struct ap_bench_options *options, const struct ap_work_rollout *shape,
                            struct ap_bench_result *out, struct ap_err *err)
{
    struct rollout r = {0};
    struct ap_model *m = NULL;
    struct ap_arena arena;
    *out = (struct ap_bench_result){.unit = "chains", .threads = omp_get_max_threads()};
    AP_TRY(ap__model_open(options->model, NULL, &m, err));
    ap__arena_init(&arena, 0);
    if (options->profile)
        m->be = ap__timed_backend(m->be);
    ap_status status = prepare(&r, shape, m, &arena, err);
    if (status == AP_OK) {
        out->units = r.count;
        count(ap__model_config(m), shape, out);
        status = measure(&r, options, out, err);
    }
    ap__session_free(r.session);
    ap__arena_deinit(&arena);
    ap__model_free(m);
    return status;
}
