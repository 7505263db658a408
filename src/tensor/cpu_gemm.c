/* cpu_gemm.c - matrix products: OpenBLAS underneath, our own division of labour.
 *
 *     y (T,O)  = x (T,I) W^T      forward
 *     dx (T,I) += dy (T,O) W      backward to the input
 *     dW (O,I) += dy^T x          backward to the weight
 *
 * Each thread multiplies its own slice of the result with a serial sgemm: for
 * the shapes of small models this is faster than OpenBLAS's own threads, and it
 * leaves small products of a decode step on one thread.  Weights that are not f32
 * are widened in panels that stay in the cache.  Few rows go to cpu_gemv.c. */
#include "tensor/cpu.h"
#include "tensor/quant.h"

#include <cblas.h>
#include <omp.h>
#undef I /* cblas.h brings complex.h, whose I is not our number of inputs */

/* Products M*N*K up to this are done by the calling thread alone (as OpenBLAS itself does). */
#define SERIAL_MAX 262144.0
/* Slices of a result are multiples of this, a whole number of the kernel's tiles. */
enum { SLICE = 16 };
/* A widened piece of a weight matrix: outputs x inputs, 256 KiB. */
enum { PANEL_ROWS = 128, PANEL_COLS = 512 };

static int32_t min32(int32_t a, int32_t b)
{
    return a < b ? a : b;
}

/* Threads for a product whose result can be cut into `slices`. */
static int32_t threads_for(double products, int32_t slices)
{
    if (products <= SERIAL_MAX || omp_in_parallel())
        return 1;
    return min32(omp_get_max_threads(), slices);
}

static int32_t slices_of(int32_t n)
{
    return (n + SLICE - 1) / SLICE;
}

/* First index of part `i` of `parts` of n, a multiple of unit. */
static int32_t part_start_by(int32_t n, int32_t i, int32_t parts, int32_t unit)
{
    return min32(n, (int32_t)((int64_t)((n + unit - 1) / unit) * i / parts) * unit);
}

static int32_t part_start(int32_t n, int32_t i, int32_t parts)
{
    return part_start_by(n, i, parts, SLICE);
}

/* Rows [m0, m1) and columns [n0, n1) of the result. */
static void gemm_part(const struct ap_gemm *g, int32_t m0, int32_t m1, int32_t n0, int32_t n1)
{
    if (m0 >= m1 || n0 >= n1)
        return;
    size_t a = g->transpose_a ? (size_t)m0 : (size_t)m0 * (size_t)g->lda;
    size_t b = g->transpose_b ? (size_t)n0 * (size_t)g->ldb : (size_t)n0;
    cblas_sgemm(CblasRowMajor, g->transpose_a ? CblasTrans : CblasNoTrans, g->transpose_b ? CblasTrans : CblasNoTrans,
                m1 - m0, n1 - n0, g->K, g->alpha, g->A + a, g->lda, g->B + b, g->ldb, g->beta,
                g->C + (size_t)m0 * (size_t)g->ldc + (size_t)n0, g->ldc);
}

void ap__cpu_gemm(const struct ap_gemm *g)
{
    bool by_rows = g->M >= g->N;
    int32_t side = by_rows ? g->M : g->N;
    int32_t threads = threads_for((double)g->M * g->N * g->K, slices_of(side));
    if (threads <= 1) {
        gemm_part(g, 0, g->M, 0, g->N);
        return;
    }
#pragma omp parallel num_threads(threads)
    {
        int32_t parts = omp_get_num_threads(), i = omp_get_thread_num();
        int32_t from = part_start(side, i, parts), to = part_start(side, i + 1, parts);
        if (by_rows)
            gemm_part(g, from, to, 0, g->N);
        else
            gemm_part(g, 0, g->M, from, to);
    }
}

/* ---- weights that are not f32 ---- */

/* A piece of a linear operation: rows [t0, t1) of the input, columns [c0, c1) of the result. */
struct slice {
    int32_t t0, t1, c0, c1;
};

static void panel_widen(float *panel, const struct ap_matrix *W, int32_t o, int32_t rows, int32_t i, int32_t cols)
{
    for (int32_t r = 0; r < rows; r++)
        ap__matrix_row(panel + (size_t)r * (size_t)cols, W, o + r, i, cols);
}

static void linear_slice(float *y, const float *x, const struct ap_matrix *W, const struct slice *s, bool accumulate,
                         float scale)
{
    float panel[PANEL_ROWS * PANEL_COLS];
    int32_t O = W->rows, I = W->cols;
    for (int32_t o = s->c0; o < s->c1; o += PANEL_ROWS) {
        int32_t rows = min32(PANEL_ROWS, s->c1 - o);
        for (int32_t i = 0; i < I; i += PANEL_COLS) {
            int32_t cols = min32(PANEL_COLS, I - i);
            panel_widen(panel, W, o, rows, i, cols);
            gemm_part(&(struct ap_gemm){false, true, s->t1 - s->t0, rows, cols, scale,
                                        accumulate || i > 0 ? 1.0f : 0.0f, x + (size_t)s->t0 * (size_t)I + (size_t)i,
                                        panel, y + (size_t)s->t0 * (size_t)O + (size_t)o, I, cols, O},
                      0, s->t1 - s->t0, 0, rows);
        }
    }
}

static void linear_dx_slice(float *dx, const float *dy, const struct ap_matrix *W, const struct slice *s, float scale)
{
    float panel[PANEL_ROWS * PANEL_COLS];
    int32_t O = W->rows, I = W->cols;
    for (int32_t i = s->c0; i < s->c1; i += PANEL_COLS) {
        int32_t cols = min32(PANEL_COLS, s->c1 - i);
        for (int32_t o = 0; o < O; o += PANEL_ROWS) {
            int32_t rows = min32(PANEL_ROWS, O - o);
            panel_widen(panel, W, o, rows, i, cols);
            gemm_part(&(struct ap_gemm){false, false, s->t1 - s->t0, cols, rows, scale, 1.0f,
                                        dy + (size_t)s->t0 * (size_t)O + (size_t)o, panel,
                                        dx + (size_t)s->t0 * (size_t)I + (size_t)i, O, cols, I},
                      0, s->t1 - s->t0, 0, cols);
        }
    }
}

/* Thread i's slice of T x columns.  16-bit weights are cheap to widen: by rows when there are enough of them, else by
 * columns.  Blocks are not, so every thread decodes its own columns only, from a whole number of blocks on. */
static struct slice slice_of(const struct ap_matrix *W, int32_t T, int32_t columns, int32_t i, int32_t parts)
{
    if (W->dtype < AP_DTYPE_PLAIN && T >= parts * PANEL_ROWS / 2)
        return (struct slice){part_start(T, i, parts), part_start(T, i + 1, parts), 0, columns};
    int32_t unit = ap__matrix_unit(W->dtype);
    unit = unit > SLICE ? unit : SLICE;
    return (struct slice){0, T, part_start_by(columns, i, parts, unit), part_start_by(columns, i + 1, parts, unit)};
}

/* ---- the operations ---- */

void ap__cpu_linear(float *y, const float *x, const struct ap_matrix *W, int32_t T, bool accumulate, float scale)
{
    int32_t O = W->rows, I = W->cols;
    if (ap__cpu_gemv_pays(W, T)) {
        int32_t columns = threads_for((double)T * O * I, slices_of(O));
#pragma omp parallel for num_threads(columns) if (columns > 1)
        for (int32_t i = 0; i < columns; i++)
            ap__cpu_gemv(y, x, W, T, accumulate, scale, part_start(O, i, columns), part_start(O, i + 1, columns));
        return;
    }
    if (W->dtype == AP_F32) {
        ap__cpu_gemm(&(struct ap_gemm){false, true, T, O, I, scale, accumulate ? 1.0f : 0.0f, x, W->data, y, I, I, O});
        return;
    }
    int32_t threads = threads_for((double)T * O * I, slices_of(T > O ? T : O));
#pragma omp parallel num_threads(threads) if (threads > 1)
    {
        struct slice s = slice_of(W, T, O, omp_get_thread_num(), omp_get_num_threads());
        linear_slice(y, x, W, &s, accumulate, scale);
    }
}

void ap__cpu_linear_dx(float *dx, const float *dy, const struct ap_matrix *W, int32_t T, float scale)
{
    int32_t O = W->rows, I = W->cols;
    if (W->dtype == AP_F32) {
        ap__cpu_gemm(&(struct ap_gemm){false, false, T, I, O, scale, 1.0f, dy, W->data, dx, O, I, I});
        return;
    }
    int32_t threads = threads_for((double)T * O * I, slices_of(T > I ? T : I));
#pragma omp parallel num_threads(threads) if (threads > 1)
    {
        struct slice s = slice_of(W, T, I, omp_get_thread_num(), omp_get_num_threads());
        linear_dx_slice(dx, dy, W, &s, scale);
    }
}

void ap__cpu_linear_dw(float *dW, const float *dy, const float *x, int32_t T, int32_t O, int32_t I, float scale)
{
    ap__cpu_gemm(&(struct ap_gemm){true, false, O, I, T, scale, 1.0f, dy, x, dW, O, I, I});
}
