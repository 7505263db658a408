/* timed.c - one wrapper per operation.  What is not wrapped is passed through untimed. */
#include "bench/timed.h"

#include "base/progress.h"

#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct ap_backend *base;
static struct ap_backend table;
static struct ap_timed_row rows[AP_TIMED_MAX];
static int32_t row_count;

/* Add one call to its row; when the table is full, to the last one. */
static void add(const char *op, int32_t O, int32_t I, double seconds, double flop)
{
    int32_t i = 0;
    while (i < row_count && (strcmp(rows[i].op, op) != 0 || rows[i].O != O || rows[i].I != I))
        i++;
    if (i == row_count && row_count < AP_TIMED_MAX) {
        snprintf(rows[row_count].op, sizeof rows->op, "%s", op);
        rows[row_count].O = O;
        rows[row_count++].I = I;
    }
    struct ap_timed_row *row = &rows[i < row_count ? i : row_count - 1];
    row->calls++;
    row->seconds += seconds;
    row->gflop += 1e-9 * flop;
}

/* One of n threads that each do an operation of their own takes an n-th of the time. */
static void note(const char *op, int32_t O, int32_t I, double started, double flop)
{
    double seconds = (ap__now() - started) / omp_get_num_threads();
#pragma omp critical(ap_timed)
    add(op, O, I, seconds, flop);
}

static double product(int32_t T, int32_t O, int32_t I) { return 2.0 * T * O * I; }

static void linear(float *y, const float *x, const struct ap_matrix *W, int32_t T, bool accumulate, float scale)
{
    double start = ap__now();
    base->linear(y, x, W, T, accumulate, scale);
    note("linear", W->rows, W->cols, start, product(T, W->rows, W->cols));
}

static void linear_dx(float *dx, const float *dy, const struct ap_matrix *W, int32_t T, bool accumulate, float scale)
{
    double start = ap__now();
    base->linear_dx(dx, dy, W, T, accumulate, scale);
    note("linear_dx", W->rows, W->cols, start, product(T, W->rows, W->cols));
}

static void linear_adapted(float *y, const float *x, const struct ap_matrix *W, const float *u, const struct ap_matrix *B,
                           float scale, int32_t T, bool accumulate)
{
    double start = ap__now();
    base->linear_adapted(y, x, W, u, B, scale, T, accumulate);
    note("adapted", W->rows, W->cols, start, product(T, W->rows, W->cols) + product(T, B->rows, B->cols));
}

static void linear_adapted_dx(float *dx, const float *dy, const struct ap_matrix *W, const float *du,
                              const struct ap_matrix *A, int32_t T, bool accumulate)
{
    double start = ap__now();
    base->linear_adapted_dx(dx, dy, W, du, A, T, accumulate);
    note("adapted_dx", W->rows, W->cols, start, product(T, W->rows, W->cols) + product(T, A->rows, A->cols));
}

static void linear_dw(float *dW, const float *dy, const float *x, int32_t T, int32_t O, int32_t I, float scale)
{
    double start = ap__now();
    base->linear_dw(dW, dy, x, T, O, I, scale);
    note("linear_dw", O, I, start, product(T, O, I));
}

static void bias(float *y, const struct ap_matrix *b, int32_t T)
{
    double start = ap__now();
    base->bias(y, b, T);
    note("bias", 0, 0, start, 0);
}

static void bias_d(float *db, const float *dy, int32_t T, int32_t O)
{
    double start = ap__now();
    base->bias_d(db, dy, T, O);
    note("bias_d", 0, 0, start, 0);
}

static void rmsnorm(float *y, float *rstd, const float *x, const struct ap_matrix *w, int32_t T, float eps)
{
    double start = ap__now();
    base->rmsnorm(y, rstd, x, w, T, eps);
    note("rmsnorm", 0, 0, start, 0);
}

static void rmsnorm_d(float *dx, float *dw, const float *dy, const float *x, const struct ap_matrix *w, const float *rstd,
                      int32_t T)
{
    double start = ap__now();
    base->rmsnorm_d(dx, dw, dy, x, w, rstd, T);
    note("rmsnorm_d", 0, 0, start, 0);
}

static void rope(float *x, const int32_t *position, const float *inv_freq, int32_t T, int32_t heads, int32_t Dh,
                 bool inverse)
{
    double start = ap__now();
    base->rope(x, position, inv_freq, T, heads, Dh, inverse);
    note("rope", 0, 0, start, 0);
}

/* Visible query-key pairs without regard to a window, times the operations of one product over all heads. */
static double visible(const struct ap_attn *a)
{
    double pairs = 0;
    for (int32_t r = 0; r < a->run_count; r++) {
        const struct ap_attn_run *run = &a->run[r];
        double above = 0, n = run->q_len;
        for (int32_t s = 0; s < run->span_count; s++)
            above += a->span[run->span_first + s].len;
        pairs += n * above + 0.5 * n * (n + 1);
    }
    return 2.0 * pairs * a->H * a->Dh;
}

static void attention(float *out, float *lse, const float *q, const float *k, const float *v,
                      const struct ap_attn *attn)
{
    double start = ap__now();
    base->attention(out, lse, q, k, v, attn);
    note("attention", 0, 0, start, 2 * visible(attn));
}

static void attention_d(float *dq, float *dk, float *dv, const float *dout, const float *out, const float *lse,
                        const float *q, const float *k, const float *v, const struct ap_attn *attn)
{
    double start = ap__now();
    base->attention_d(dq, dk, dv, dout, out, lse, q, k, v, attn);
    note("attention_d", 0, 0, start, 4 * visible(attn));
}

static void swiglu(float *y, const float *gate, const float *up, int64_t n)
{
    double start = ap__now();
    base->swiglu(y, gate, up, n);
    note("swiglu", 0, 0, start, 0);
}

static void swiglu_d(float *dgate, float *dup, float *y, const float *dy, const float *gate, const float *up, int64_t n)
{
    double start = ap__now();
    base->swiglu_d(dgate, dup, y, dy, gate, up, n);
    note("swiglu_d", 0, 0, start, 0);
}

static void embedding(float *y, const int32_t *token, const struct ap_matrix *E, int32_t T)
{
    double start = ap__now();
    base->embedding(y, token, E, T);
    note("embedding", 0, 0, start, 0);
}

static ap_status logprobs(float *logp, float *lse, float *logits, const float *h, const struct ap_matrix *W, const int32_t *row,
                          const int32_t *token, int32_t N, struct ap_arena *scratch, struct ap_err *err)
{
    double start = ap__now();
    ap_status status = base->logprobs(logp, lse, logits, h, W, row, token, N, scratch, err);
    note("logprobs", W->rows, W->cols, start, product(N, W->rows, W->cols));
    return status;
}

static ap_status logprobs_d(float *dh, float *dW, const float *dlogp, const float *lse, const float *logits, const float *h,
                            const struct ap_matrix *W, const int32_t *row, const int32_t *token, int32_t N,
                            struct ap_arena *scratch, struct ap_err *err)
{
    double start = ap__now();
    ap_status status = base->logprobs_d(dh, dW, dlogp, lse, logits, h, W, row, token, N, scratch, err);
    note("logprobs_d", W->rows, W->cols, start, ((dh != NULL) + (dW != NULL)) * product(N, W->rows, W->cols));
    return status;
}

static void adamw(float *w, float *m, float *v, const float *g, int64_t n, const struct ap_adamw *opt, float g_scale)
{
    double start = ap__now();
    base->adamw(w, m, v, g, n, opt, g_scale);
    note("adamw", 0, 0, start, 0);
}

const struct ap_backend *ap__timed_backend(const struct ap_backend *of)
{
    base = of;
    table = *of;
    table.linear = linear;
    table.linear_dx = linear_dx;
    table.linear_adapted = linear_adapted;
    table.linear_adapted_dx = linear_adapted_dx;
    table.linear_dw = linear_dw;
    table.bias = bias;
    table.bias_d = bias_d;
    table.rmsnorm = rmsnorm;
    table.rmsnorm_d = rmsnorm_d;
    table.rope = rope;
    table.attention = attention;
    table.attention_d = attention_d;
    table.swiglu = swiglu;
    table.swiglu_d = swiglu_d;
    table.embedding = embedding;
    table.logprobs = logprobs;
    table.logprobs_d = logprobs_d;
    table.adamw = adamw;
    ap__timed_clear();
    return &table;
}

void ap__timed_clear(void)
{
    memset(rows, 0, sizeof rows);
    row_count = 0;
}

static int longest_first(const void *a, const void *b)
{
    double x = ((const struct ap_timed_row *)a)->seconds, y = ((const struct ap_timed_row *)b)->seconds;
    return (x < y) - (x > y);
}

int32_t ap__timed_rows(struct ap_timed_row out[AP_TIMED_MAX])
{
    memcpy(out, rows, (size_t)row_count * sizeof *out);
    qsort(out, (size_t)row_count, sizeof *out, longest_first);
    return row_count;
}
