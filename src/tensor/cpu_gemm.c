/* cpu_gemm.c - dense matrix products for the optimizer: OpenBLAS underneath, our own division of labour.
 *
 * Each thread multiplies its own slice of the result with a serial sgemm: for
 * the shapes of small models this is faster than OpenBLAS's own threads. */
#include "tensor/cpu.h"
#include "tensor/libopenblas.h"
#include "tensor/vector.h"

#include <omp.h>

/* Products M*N*K up to this are done by the calling thread alone (as OpenBLAS itself does). */
#define SERIAL_MAX 262144.0
/* Slices of a result are multiples of this, a whole number of the kernel's tiles. */
enum { SLICE = 16 };

/* Threads for a product whose result can be cut into `slices`. */
static int32_t threads_for(double products, int32_t slices)
{
    if (products <= SERIAL_MAX || omp_in_parallel())
        return 1;
    return ap__min32(omp_get_max_threads(), slices);
}

static int32_t slices_of(int32_t n)
{
    return (n + SLICE - 1) / SLICE;
}

/* First index of part `i` of `parts` of n, a multiple of SLICE. */
static int32_t part_start(int32_t n, int32_t i, int32_t parts)
{
    return ap__min32(n, (int32_t)((int64_t)slices_of(n) * i / parts) * SLICE);
}

/* Rows [m0, m1) and columns [n0, n1) of the result. */
static void gemm_part(const struct ap_gemm *g, int32_t m0, int32_t m1, int32_t n0, int32_t n1)
{
    if (m0 >= m1 || n0 >= n1)
        return;
    size_t a = g->transpose_a ? (size_t)m0 : (size_t)m0 * (size_t)g->lda;
    size_t b = g->transpose_b ? (size_t)n0 * (size_t)g->ldb : (size_t)n0;
    ap__libopenblas.sgemm(CblasRowMajor, g->transpose_a ? CblasTrans : CblasNoTrans,
                          g->transpose_b ? CblasTrans : CblasNoTrans, m1 - m0, n1 - n0, g->K, g->alpha, g->A + a,
                          g->lda, g->B + b, g->ldb, g->beta, g->C + (size_t)m0 * (size_t)g->ldc + (size_t)n0, g->ldc);
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
