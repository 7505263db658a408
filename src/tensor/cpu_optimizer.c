/* cpu_optimizer.c - one update of a tensor from its gradient.
 *
 *     AdamW   (Loshchilov & Hutter 2019)  moments per number
 *     Muon    (Jordan 2024)               momentum, then the nearest orthogonal
 *                                         matrix by five Newton-Schulz steps */
#include "tensor/cpu.h"
#include "tensor/libopenblas.h"

#include <math.h>

void ap__cpu_adamw(float *w, float *m, float *v, const float *g, int64_t n, const struct ap_adamw *opt, float g_scale)
{
    double step = (double)opt->step;
    float correct1 = (float)(1.0 / (1.0 - pow((double)opt->beta1, step)));
    float correct2 = (float)(1.0 / (1.0 - pow((double)opt->beta2, step)));
    float beta1 = opt->beta1, beta2 = opt->beta2, keep = 1.0f - opt->lr * opt->weight_decay, lr = opt->lr,
          eps = opt->eps;
#pragma omp parallel for simd if (parallel : n > AP_PARALLEL_MIN)
    for (int64_t i = 0; i < n; i++) {
        float gi = g[i] * g_scale;
        m[i] = beta1 * m[i] + (1.0f - beta1) * gi;
        v[i] = beta2 * v[i] + (1.0f - beta2) * gi * gi;
        w[i] = keep * w[i] - lr * (m[i] * correct1) / (sqrtf(v[i] * correct2) + eps);
    }
}

/* Scratch of a Muon update; n is the smaller side of the matrix. */
struct muon {
    int32_t rows, cols, n;
    size_t size;  /* rows * cols */
    float *X, *Y; /* (rows, cols) */
    float *A, *B; /* (n, n) */
};

/* Y = a X + (b A + c A^2) X with A = X X^T, or the mirror when there are more rows than columns. */
static void newton_schulz_step(const struct muon *s, const float *X, float *Y)
{
    const float a = 3.4445f, b = -4.7750f, c = 2.0315f;
    int32_t rows = s->rows, cols = s->cols, n = s->n;
    bool tall = rows > cols;
    ap__cpu_gemm(&(struct ap_gemm){tall, !tall, n, n, tall ? rows : cols, 1.0f, 0.0f, X, X, s->A, cols, cols, n});
    for (size_t i = 0; i < (size_t)n * (size_t)n; i++)
        s->B[i] = b * s->A[i];
    ap__cpu_gemm(&(struct ap_gemm){false, false, n, n, n, c, 1.0f, s->A, s->A, s->B, n, n, n});
    for (size_t i = 0; i < s->size; i++)
        Y[i] = a * X[i];
    if (tall)
        ap__cpu_gemm(&(struct ap_gemm){false, false, rows, cols, n, 1.0f, 1.0f, X, s->B, Y, cols, n, cols});
    else
        ap__cpu_gemm(&(struct ap_gemm){false, false, rows, cols, n, 1.0f, 1.0f, s->B, X, Y, n, cols, cols});
}

static void orthogonalise(struct muon *s)
{
    float scale = (float)(1.0 / (sqrt(ap__cpu_sumsq(s->X, (int64_t)s->size)) + 1e-7));
    for (size_t i = 0; i < s->size; i++)
        s->X[i] *= scale;
    for (int32_t step = 0; step < 5; step++) {
        newton_schulz_step(s, s->X, s->Y);
        float *swap = s->X;
        s->X = s->Y;
        s->Y = swap;
    }
}

ap_status ap__cpu_muon(float *w, float *momentum, const float *g, int32_t rows, int32_t cols, float lr, float mu,
                       float weight_decay, float g_scale, struct ap_arena *scratch, struct ap_err *err)
{
    AP_TRY(ap__libopenblas_load(err)); /* for ap__cpu_gemm */
    struct ap_arena_mark mark = ap__arena_mark(scratch);
    size_t size = (size_t)rows * (size_t)cols;
    struct muon s = {.rows = rows, .cols = cols, .n = rows < cols ? rows : cols, .size = size};
    size_t small = (size_t)s.n * (size_t)s.n;
    ap_status status = AP_OK;
    s.X = ap__arena_alloc(scratch, size * sizeof *s.X);
    s.Y = ap__arena_alloc(scratch, size * sizeof *s.Y);
    s.A = ap__arena_alloc(scratch, small * sizeof *s.A);
    s.B = ap__arena_alloc(scratch, small * sizeof *s.B);
    if (!s.X || !s.Y || !s.A || !s.B) {
        status = ap__fail(err, AP_E_MEMORY, "muon", "no memory for a matrix of %d x %d", rows, cols);
        goto done;
    }
    for (size_t i = 0; i < size; i++) {
        float gi = g[i] * g_scale;
        momentum[i] = mu * momentum[i] + gi;
        s.X[i] = gi + mu * momentum[i]; /* Nesterov */
    }
    orthogonalise(&s);
    float rate = lr * (rows > cols ? sqrtf((float)rows / (float)cols) : 1.0f), keep = 1.0f - lr * weight_decay;
    for (size_t i = 0; i < size; i++)
        w[i] = keep * w[i] - rate * s.X[i];
done:
    ap__arena_release(scratch, mark);
    return status;
}
