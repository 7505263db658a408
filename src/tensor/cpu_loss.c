/* cpu_loss.c - log-probabilities of targets, fused with the output projection.
 *
 *     rows of h --gather--> (C, D) --W--> logits (C, V) --softmax--> logp (C,)
 *                                           |
 *     dh, dW <--W-- dlogits = (onehot - softmax) * dlogp, in place
 *
 * A chunk of C targets at a time; the logits of a whole batch never exist.
 * Backward computes a chunk's logits again. */
#include "tensor/cpu.h"
#include "tensor/vector.h"

#include <math.h>
#include <string.h>

/* Targets of a chunk at most, and numbers of its logits (64 MiB) for large vocabularies. */
enum { CHUNK_TARGETS = 512, CHUNK_LOGITS = 16 << 20 };

struct chunk {
    int32_t size;      /* most targets */
    float *h, *dh;     /* (size, D) gathered rows, their gradient */
    float *logits;     /* (size, V) */
};

static ap_status chunk_alloc(struct chunk *c, const struct ap_matrix *W, int32_t N, bool backward,
                             struct ap_arena *scratch, struct ap_err *err)
{
    size_t V = (size_t)W->rows, D = (size_t)W->cols;
    size_t size = CHUNK_LOGITS / V < CHUNK_TARGETS ? CHUNK_LOGITS / V : CHUNK_TARGETS;
    size = size < 1 ? 1 : size > (size_t)N ? (size_t)N : size;
    c->size = (int32_t)size;
    c->h = ap__arena_alloc(scratch, size * D * sizeof *c->h);
    c->dh = backward ? ap__arena_alloc(scratch, size * D * sizeof *c->dh) : NULL;
    c->logits = ap__arena_alloc(scratch, size * V * sizeof *c->logits);
    if (c->h == NULL || c->logits == NULL || (backward && c->dh == NULL))
        return ap__fail(err, AP_E_MEMORY, "log-probs", "no memory for the logits of %d targets", c->size);
    return AP_OK;
}

static void chunk_logits(const struct chunk *c, const float *h, const struct ap_matrix *W, const int32_t *row, int32_t n)
{
    size_t D = (size_t)W->cols;
    for (int32_t i = 0; i < n; i++)
        memcpy(c->h + (size_t)i * D, h + (size_t)row[i] * D, D * sizeof *h);
    ap__cpu_linear(c->logits, c->h, W, n, false, 1.0f);
}

/* log of the sum of e^logit, given the largest logit. */
static float log_sum(const float *logit, int32_t V, float top)
{
    double total = 0;
    for (int32_t from = 0; from < V; from += 4096) { /* short sums in float, their total in double */
        int32_t to = V - from < 4096 ? V : from + 4096;
        float sum = 0;
#pragma omp simd reduction(+ : sum)
        for (int32_t v = from; v < to; v++)
            sum += ap__exp2((logit[v] - top) * AP_LOG2E);
        total += (double)sum;
    }
    return (float)log(total);
}

static float largest(const float *logit, int32_t V)
{
    float top = logit[0];
#pragma omp simd reduction(max : top)
    for (int32_t v = 0; v < V; v++)
        top = logit[v] > top ? logit[v] : top;
    return top;
}

ap_status ap__cpu_logprobs(float *logp, const float *h, const struct ap_matrix *W, const int32_t *row,
                           const int32_t *token, int32_t N, struct ap_arena *scratch, struct ap_err *err)
{
    struct ap_arena_mark mark = ap__arena_mark(scratch);
    struct chunk c;
    int32_t V = W->rows;
    ap_status status = N > 0 ? chunk_alloc(&c, W, N, false, scratch, err) : AP_OK;
    for (int32_t from = 0; from < N && status == AP_OK; from += c.size) {
        int32_t n = N - from < c.size ? N - from : c.size;
        chunk_logits(&c, h, W, row + from, n);
#pragma omp parallel for if ((int64_t)n * V > AP_PARALLEL_MIN)
        for (int32_t i = 0; i < n; i++) {
            const float *logit = c.logits + (size_t)i * (size_t)V;
            float top = largest(logit, V);
            logp[from + i] = logit[token[from + i]] - top - log_sum(logit, V, top);
        }
    }
    ap__arena_release(scratch, mark);
    return status;
}

/* logit (V,) becomes d logp / d logit, times d. */
static void logits_d(float *logit, int32_t V, int32_t token, float d)
{
    float top = largest(logit, V), shift = top + log_sum(logit, V, top);
#pragma omp simd
    for (int32_t v = 0; v < V; v++)
        logit[v] = ap__exp2((logit[v] - shift) * AP_LOG2E) * -d;
    logit[token] += d;
}

ap_status ap__cpu_logprobs_d(float *dh, float *dW, const float *dlogp, const float *h, const struct ap_matrix *W,
                             const int32_t *row, const int32_t *token, int32_t N, struct ap_arena *scratch,
                             struct ap_err *err)
{
    struct ap_arena_mark mark = ap__arena_mark(scratch);
    struct chunk c;
    int32_t V = W->rows, D = W->cols;
    ap_status status = N > 0 ? chunk_alloc(&c, W, N, true, scratch, err) : AP_OK;
    for (int32_t from = 0; from < N && status == AP_OK; from += c.size) {
        int32_t n = N - from < c.size ? N - from : c.size;
        chunk_logits(&c, h, W, row + from, n);
#pragma omp parallel for if ((int64_t)n * V > AP_PARALLEL_MIN)
        for (int32_t i = 0; i < n; i++)
            logits_d(c.logits + (size_t)i * (size_t)V, V, token[from + i], dlogp[from + i]);
        memset(c.dh, 0, (size_t)n * (size_t)D * sizeof *c.dh);
        ap__cpu_linear_dx(c.dh, c.logits, W, n, 1.0f);
        ap__cpu_rows_add(dh, c.dh, row + from, n, D);
        if (dW)
            ap__cpu_linear_dw(dW, c.logits, c.h, n, V, D, 1.0f);
    }
    ap__arena_release(scratch, mark);
    return status;
}
