/* cpu_ops.c - the operations between the products: biases, norms, activation, embedding,
 * sums.  All are bound by memory; loops vectorise by `omp simd`.
 *
 * Whatever many rows add into is divided among the threads by columns, so each
 * number has one writer and its order of summation is fixed. */
#include "tensor/cpu.h"
#include "tensor/quant.h"
#include "tensor/vector.h"

#include <math.h>
#include <string.h>

enum {
    COLUMN_SLICE = 64, /* columns that one thread sums at a time: a cache line or more of each row */
    PIECE = 256,       /* numbers of a vector that are converted at a time: whole blocks of any format */
};

static size_t row_at(int32_t t, int32_t width)
{
    return (size_t)t * (size_t)width;
}

/* Numbers [from, from + *n) of a vector: all the rest where it lies when it is f32, else a piece converted in `room`. */
static const float *vector_piece(const struct ap_matrix *w, int32_t from, float *room, int32_t *n)
{
    int32_t left = w->rows - from;
    *n = w->dtype == AP_F32 || left < PIECE ? left : PIECE;
    if (w->dtype == AP_F32)
        return (const float *)w->data + from;
    struct ap_matrix row = ap__as_rows(w);
    ap__matrix_row(room, &row, 0, from, *n);
    return room;
}

/* ---- bias ---- */

void ap__cpu_bias(float *y, const struct ap_matrix *b, int32_t T)
{
#pragma omp parallel for if ((int64_t)T * b->rows > AP_PARALLEL_MIN)
    for (int32_t t = 0; t < T; t++) {
        float room[PIECE];
        for (int32_t from = 0, n; from < b->rows; from += n) {
            const float *bn = vector_piece(b, from, room, &n);
            float *yt = y + row_at(t, b->rows) + from;
#pragma omp simd
            for (int32_t o = 0; o < n; o++)
                yt[o] += bn[o];
        }
    }
}

void ap__cpu_bias_d(float *db, const float *dy, int32_t T, int32_t O)
{
#pragma omp parallel for if ((int64_t)T * O > AP_PARALLEL_MIN)
    for (int32_t o0 = 0; o0 < O; o0 += COLUMN_SLICE) {
        int32_t n = O - o0 < COLUMN_SLICE ? O - o0 : COLUMN_SLICE;
        for (int32_t t = 0; t < T; t++) {
            const float *dyt = dy + row_at(t, O) + o0;
#pragma omp simd
            for (int32_t o = 0; o < n; o++)
                db[o0 + o] += dyt[o];
        }
    }
}

/* ---- rmsnorm (Zhang & Sennrich 2019) ---- */

/* y (D,) = x * r * w. */
static void scale_row(float *y, const float *x, float r, const struct ap_matrix *w)
{
    float room[PIECE];
    for (int32_t from = 0, n; from < w->rows; from += n) {
        const float *wn = vector_piece(w, from, room, &n), *xn = x + from;
        float *yn = y + from;
#pragma omp simd
        for (int32_t d = 0; d < n; d++)
            yn[d] = xn[d] * r * wn[d];
    }
}

void ap__cpu_rmsnorm(float *y, float *rstd, const float *x, const struct ap_matrix *w, int32_t T, float eps)
{
    int32_t D = w->rows;
#pragma omp parallel for if ((int64_t)T * D > AP_PARALLEL_MIN)
    for (int32_t t = 0; t < T; t++) {
        const float *xt = x + row_at(t, D);
        float sum = 0;
#pragma omp simd reduction(+ : sum)
        for (int32_t d = 0; d < D; d++)
            sum += xt[d] * xt[d];
        rstd[t] = 1.0f / sqrtf(sum / (float)D + eps);
        scale_row(y + row_at(t, D), xt, rstd[t], w);
    }
}

/* dw[d] += sum over rows of dy * x * rstd. */
static void rmsnorm_dw(float *dw, const float *dy, const float *x, const float *rstd, int32_t T, int32_t D)
{
#pragma omp parallel for if ((int64_t)T * D > AP_PARALLEL_MIN)
    for (int32_t d0 = 0; d0 < D; d0 += COLUMN_SLICE) {
        int32_t n = D - d0 < COLUMN_SLICE ? D - d0 : COLUMN_SLICE;
        float sum[COLUMN_SLICE] = {0};
        for (int32_t t = 0; t < T; t++) {
            const float *dyt = dy + row_at(t, D) + d0, *xt = x + row_at(t, D) + d0;
#pragma omp simd
            for (int32_t d = 0; d < n; d++)
                sum[d] += dyt[d] * xt[d] * rstd[t];
        }
        for (int32_t d = 0; d < n; d++)
            dw[d0 + d] += sum[d];
    }
}

/* The sum of dy * w * x over a row. */
static float row_dot(const float *dy, const struct ap_matrix *w, const float *x)
{
    float room[PIECE], dot = 0;
    for (int32_t from = 0, n; from < w->rows; from += n) {
        const float *wn = vector_piece(w, from, room, &n), *dyn = dy + from, *xn = x + from;
#pragma omp simd reduction(+ : dot)
        for (int32_t d = 0; d < n; d++)
            dot += dyn[d] * wn[d] * xn[d];
    }
    return dot;
}

/* dx (D,) += dy * w * r - x * shrink. */
static void add_row_d(float *dx, const float *dy, const struct ap_matrix *w, float r, const float *x, float shrink)
{
    float room[PIECE];
    for (int32_t from = 0, n; from < w->rows; from += n) {
        const float *wn = vector_piece(w, from, room, &n), *dyn = dy + from, *xn = x + from;
        float *dxn = dx + from;
#pragma omp simd
        for (int32_t d = 0; d < n; d++)
            dxn[d] += dyn[d] * wn[d] * r - xn[d] * shrink;
    }
}

void ap__cpu_rmsnorm_d(float *dx, float *dw, const float *dy, const float *x, const struct ap_matrix *w,
                       const float *rstd, int32_t T)
{
    int32_t D = w->rows;
#pragma omp parallel for if ((int64_t)T * D > AP_PARALLEL_MIN)
    for (int32_t t = 0; t < T; t++) {
        const float *xt = x + row_at(t, D), *dyt = dy + row_at(t, D);
        float r = rstd[t], shrink = row_dot(dyt, w, xt) * r * r * r / (float)D;
        add_row_d(dx + row_at(t, D), dyt, w, r, xt, shrink);
    }
    if (dw)
        rmsnorm_dw(dw, dy, x, rstd, T, D);
}

/* ---- swiglu (Shazeer 2020) ---- */

static inline float sigmoid(float x)
{
    return 1.0f / (1.0f + ap__exp2(x * -AP_LOG2E));
}

void ap__cpu_swiglu(float *y, const float *gate, const float *up, int64_t n)
{
#pragma omp parallel for simd if (parallel : n > AP_PARALLEL_MIN)
    for (int64_t i = 0; i < n; i++)
        y[i] = gate[i] * sigmoid(gate[i]) * up[i];
}

void ap__cpu_swiglu_d(float *dgate, float *dup, float *y, const float *dy, const float *gate, const float *up, int64_t n)
{
#pragma omp parallel for simd if (parallel : n > AP_PARALLEL_MIN)
    for (int64_t i = 0; i < n; i++) {
        float s = sigmoid(gate[i]), g = gate[i], u = up[i], d = dy[i];
        dgate[i] = d * u * s * (1.0f + g * (1.0f - s));
        dup[i] = d * g * s;
        y[i] = g * s * u;
    }
}

/* ---- embedding ---- */

void ap__cpu_embedding(float *y, const int32_t *token, const struct ap_matrix *E, int32_t T)
{
#pragma omp parallel for if ((int64_t)T * E->cols > AP_PARALLEL_MIN)
    for (int32_t t = 0; t < T; t++)
        ap__matrix_row(y + row_at(t, E->cols), E, token[t], 0, E->cols);
}

void ap__cpu_rows_add(float *dst, const float *src, const int32_t *index, int32_t n, int32_t D)
{
#pragma omp parallel for if ((int64_t)n * D > AP_PARALLEL_MIN)
    for (int32_t d0 = 0; d0 < D; d0 += COLUMN_SLICE) {
        int32_t columns = D - d0 < COLUMN_SLICE ? D - d0 : COLUMN_SLICE;
        for (int32_t i = 0; i < n; i++) {
            const float *from = src + row_at(i, D) + d0;
            float *to = dst + row_at(index[i], D) + d0;
#pragma omp simd
            for (int32_t d = 0; d < columns; d++)
                to[d] += from[d];
        }
    }
}

void ap__cpu_embedding_d(float *dE, const float *dy, const int32_t *token, int32_t T, int32_t D)
{
    ap__cpu_rows_add(dE, dy, token, T, D);
}

/* ---- sums ---- */

void ap__cpu_axpy(float *y, const float *x, float a, int64_t n)
{
#pragma omp parallel for simd if (parallel : n > AP_PARALLEL_MIN)
    for (int64_t i = 0; i < n; i++)
        y[i] += a * x[i];
}

/* The blocks do not depend on the number of threads, nor does the result. */
double ap__cpu_sumsq(const float *x, int64_t n)
{
    enum { BLOCKS = 64 };
    double block_sum[BLOCKS] = {0}, total = 0;
    int64_t size = (n + BLOCKS - 1) / BLOCKS;
#pragma omp parallel for if (n > AP_PARALLEL_MIN)
    for (int32_t b = 0; b < BLOCKS; b++) {
        int64_t from = b * size, to = from + size < n ? from + size : n;
        double sum = 0;
#pragma omp simd reduction(+ : sum)
        for (int64_t i = from; i < to; i++)
            sum += (double)x[i] * (double)x[i];
        block_sum[b] = sum;
    }
    for (int32_t b = 0; b < BLOCKS; b++)
        total += block_sum[b];
    return total;
}
