/* cpu_loss.c - log-probabilities of targets, fused with the output projection.
 *
 *     chunk (C, D): rows of h, one per target
 *     for each block of B words: logits (C, B), which do not leave the caches
 *         forward    largest logit and sum of powers so far (online softmax), the target's own logit
 *         backward   dlogits = (onehot - softmax) dlogp in their place;  dh += dlogits W_B   dW_B += dlogits^T h
 *
 * Backward needs the logits again.  To keep them takes V numbers per target; where that is too much they are computed
 * twice.  Kept ones stand chunk by chunk, block by block, (C, B) as they were computed. */
#include "tensor/cpu.h"
#include "tensor/vector.h"

#include <float.h>
#include <math.h>
#include <string.h>

/* Targets of a chunk, words of a block at most: each thread's part of the logits fits its second cache. */
enum { CHUNK = 512, BLOCK = 1024 };

struct chunk {
    int32_t n;             /* targets in it */
    int32_t target[CHUNK]; /* which of all */
    int32_t row[CHUNK], token[CHUNK];
    float *h, *dh;         /* (CHUNK, D) gathered rows, their gradient */
    float *logits;         /* (CHUNK, BLOCK) */
    int32_t N, V;
    float top[CHUNK], own[CHUNK];
    double sum[CHUNK];     /* of e^(logit - top) */
};

static ap_status chunk_alloc(struct chunk *c, const struct ap_matrix *W, int32_t N, bool backward,
                             struct ap_arena *scratch, struct ap_err *err)
{
    size_t size = (size_t)(N < CHUNK ? N : CHUNK), D = (size_t)W->cols, B = W->rows < BLOCK ? (size_t)W->rows : BLOCK;
    c->h = ap__arena_alloc(scratch, size * D * sizeof *c->h);
    c->dh = backward ? ap__arena_alloc(scratch, size * D * sizeof *c->dh) : NULL;
    c->logits = ap__arena_alloc(scratch, size * B * sizeof *c->logits);
    if (c->h == NULL || c->logits == NULL || (backward && c->dh == NULL))
        return ap__fail(err, AP_E_MEMORY, "log-probs", "no memory for the logits of %d targets", (int)size);
    return AP_OK;
}

/* The next targets from *from on, without those whose dlogp is 0 (NULL: all of them count). */
static void chunk_fill(struct chunk *c, const float *h, int32_t D, const int32_t *row, const int32_t *token, int32_t N,
                       const float *dlogp, int32_t *from)
{
    c->n = 0;
    for (; *from < N && c->n < CHUNK; ++*from) {
        if (dlogp && dlogp[*from] == 0.0f)
            continue;
        c->target[c->n] = *from;
        c->row[c->n] = row[*from];
        c->token[c->n] = token[*from];
        memcpy(c->h + (size_t)c->n * (size_t)D, h + (size_t)row[*from] * (size_t)D, (size_t)D * sizeof *h);
        c->n++;
    }
}

/* Where among the kept logits those of target i stand, for B words from v on. */
static size_t kept_at(const struct chunk *c, int32_t i, int32_t v, int32_t B)
{
    int32_t first = i / CHUNK * CHUNK, n = c->N - first < CHUNK ? c->N - first : CHUNK;
    return (size_t)first * (size_t)c->V + (size_t)n * (size_t)v + (size_t)(i - first) * (size_t)B;
}

/* Words of the block that begins at v: blocks are about equally large. */
static int32_t block_words(int32_t V, int32_t v)
{
    int32_t blocks = (V + BLOCK - 1) / BLOCK, even = (V + blocks - 1) / blocks;
    even = (even + AP_LANES - 1) / AP_LANES * AP_LANES;
    return V - v < even ? V - v : even;
}

static float largest(const float *logit, int32_t B)
{
    float top = logit[0];
#pragma omp simd reduction(max : top)
    for (int32_t v = 0; v < B; v++)
        top = logit[v] > top ? logit[v] : top;
    return top;
}

static float powers_sum(const float *logit, int32_t B, float top)
{
    float sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int32_t v = 0; v < B; v++)
        sum += ap__exp2((logit[v] - top) * AP_LOG2E);
    return sum;
}

/* Words [v, v+B) for all targets of the chunk, whose logits (n, B) are there. */
static void block_sums(struct chunk *c, const float *logits, int32_t v, int32_t B)
{
#pragma omp parallel for if ((int64_t)c->n * B > AP_PARALLEL_MIN)
    for (int32_t i = 0; i < c->n; i++) {
        const float *logit = logits + (size_t)i * (size_t)B;
        float top = largest(logit, B);
        if (top > c->top[i]) {
            c->sum[i] *= exp((double)c->top[i] - (double)top);
            c->top[i] = top;
        }
        c->sum[i] += (double)powers_sum(logit, B, c->top[i]);
        if (c->token[i] >= v && c->token[i] < v + B)
            c->own[i] = logit[c->token[i] - v];
    }
}

ap_status ap__cpu_logprobs(float *logp, float *lse, float *logits, const float *h, const struct ap_matrix *W, const int32_t *row,
                           const int32_t *token, int32_t N, struct ap_arena *scratch, struct ap_err *err)
{
    struct ap_arena_mark mark = ap__arena_mark(scratch);
    struct chunk c = {.N = N, .V = W->rows};
    ap_status status = N > 0 ? chunk_alloc(&c, W, N, false, scratch, err) : AP_OK;
    for (int32_t from = 0; from < N && status == AP_OK;) {
        chunk_fill(&c, h, W->cols, row, token, N, NULL, &from);
        for (int32_t i = 0; i < c.n; i++) {
            c.top[i] = -FLT_MAX;
            c.sum[i] = 0;
        }
        for (int32_t v = 0, B; v < W->rows; v += B) {
            B = block_words(W->rows, v);
            float *block = logits != NULL ? logits + kept_at(&c, c.target[0], v, B) : c.logits;
            ap__cpu_linear_rows(block, c.h, W, v, B, c.n, false, 1.0f);
            block_sums(&c, block, v, B);
        }
        for (int32_t i = 0; i < c.n; i++) {
            float total = (float)log(c.sum[i]);
            logp[c.target[i]] = c.own[i] - c.top[i] - total;
            if (lse)
                lse[c.target[i]] = c.top[i] + total;
        }
    }
    ap__arena_release(scratch, mark);
    return status;
}

/* Logits of words [v, v+B), kept ones or those in c, become d logp / d logit, times dlogp, in c. */
static void block_d(struct chunk *c, const float *kept, int32_t v, int32_t B, const float *dlogp, const float *lse)
{
#pragma omp parallel for if ((int64_t)c->n * B > AP_PARALLEL_MIN)
    for (int32_t i = 0; i < c->n; i++) {
        float *to = c->logits + (size_t)i * (size_t)B, d = dlogp[c->target[i]], shift = lse[c->target[i]];
        const float *logit = kept != NULL ? kept + kept_at(c, c->target[i], v, B) : to;
#pragma omp simd
        for (int32_t w = 0; w < B; w++)
            to[w] = ap__exp2((logit[w] - shift) * AP_LOG2E) * -d;
        if (c->token[i] >= v && c->token[i] < v + B)
            to[c->token[i] - v] += d;
    }
}

ap_status ap__cpu_logprobs_d(float *dh, float *dW, const float *dlogp, const float *lse, const float *logits,
                             const float *h, const struct ap_matrix *W, const int32_t *row, const int32_t *token, int32_t N,
                             struct ap_arena *scratch, struct ap_err *err)
{
    struct ap_arena_mark mark = ap__arena_mark(scratch);
    struct chunk c = {.N = N, .V = W->rows};
    int32_t D = W->cols;
    ap_status status = N > 0 ? chunk_alloc(&c, W, N, true, scratch, err) : AP_OK;
    for (int32_t from = 0; from < N && status == AP_OK;) {
        chunk_fill(&c, h, D, row, token, N, dlogp, &from);
        for (int32_t v = 0, B; v < W->rows && c.n > 0; v += B) {
            B = block_words(W->rows, v);
            if (logits == NULL)
                ap__cpu_linear_rows(c.logits, c.h, W, v, B, c.n, false, 1.0f);
            block_d(&c, logits, v, B, dlogp, lse);
            ap__cpu_linear_rows_dx(c.dh, c.logits, W, v, B, c.n, v > 0, 1.0f);
            if (dW)
                ap__cpu_linear_dw(dW + (size_t)v * (size_t)D, c.logits, c.h, c.n, B, D, 1.0f);
        }
        ap__cpu_rows_add(dh, c.dh, c.row, c.n, D);
    }
    ap__arena_release(scratch, mark);
    return status;
}
