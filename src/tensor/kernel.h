/* kernel.h - small dense products for attention, kept in registers.
 *
 *     C (M, N) (+)= A (M, K) B (K, N)      one tile: AP_TILE rows x 2 vectors
 *
 * B's rows are read as vectors, A's elements are broadcast, so A may be read
 * along either side: element (m, k) is A[m * step_m + k * step_k].  N is a
 * multiple of AP_PANEL; operands are packed so that it is. */
#ifndef AP_KERNEL_H
#define AP_KERNEL_H

#include "tensor/vector.h"

#include <stdbool.h>

/* Columns of a tile, and rows: as many accumulators as there are registers to hold them. */
enum {
    AP_PANEL = 2 * AP_LANES,
#if defined(__AVX512F__)
    AP_TILE = 12
#elif defined(__AVX__)
    AP_TILE = 6
#else
    AP_TILE = 4
#endif
};

struct ap_product {
    const float *A, *B;
    float *C;
    int32_t step_m, step_k; /* of A */
    int32_t ldb, ldc;
    int32_t M, N, K;
    bool accumulate;
};

AP_INLINE void ap__tile(const int32_t rows, float *restrict C, const float *restrict A, const float *restrict B,
                        const struct ap_product *p, int32_t step_m, int32_t step_k)
{
    ap_vec sum[AP_TILE][2];
#pragma GCC unroll 16
    for (int32_t m = 0; m < rows; m++) {
        sum[m][0] = p->accumulate ? ap__vec_load(C + m * p->ldc) : (ap_vec){0};
        sum[m][1] = p->accumulate ? ap__vec_load(C + m * p->ldc + AP_LANES) : (ap_vec){0};
    }
    for (int32_t k = 0; k < p->K; k++) {
        ap_vec b0 = ap__vec_load(B), b1 = ap__vec_load(B + AP_LANES);
#pragma GCC unroll 16
        for (int32_t m = 0; m < rows; m++) {
            sum[m][0] += A[m * step_m] * b0;
            sum[m][1] += A[m * step_m] * b1;
        }
        A += step_k;
        B += p->ldb;
    }
#pragma GCC unroll 16
    for (int32_t m = 0; m < rows; m++) {
        ap__vec_store(C + m * p->ldc, sum[m][0]);
        ap__vec_store(C + m * p->ldc + AP_LANES, sum[m][1]);
    }
}

/* One of step_m, step_k is the constant 1, which the caller's inlining makes known. */
AP_INLINE void ap__product_steps(const struct ap_product *p, int32_t step_m, int32_t step_k)
{
    for (int32_t n = 0; n < p->N; n += AP_PANEL) {
        int32_t m = 0;
#define AP_TILES(rows)                                                                                             \
    for (; m + (rows) <= p->M; m += (rows))                                                                        \
    ap__tile(rows, p->C + m * p->ldc + n, p->A + m * step_m, p->B + n, p, step_m, step_k)
        AP_TILES(AP_TILE);
        if (AP_TILE > 8)
            AP_TILES(8);
        AP_TILES(4);
        AP_TILES(2);
        AP_TILES(1);
#undef AP_TILES
    }
}

#endif
