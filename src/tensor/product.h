/* product.h - dense products whose operands are in the caches, kept in registers.
 *
 *     C (M, N) (+)= A (M, K) B (K, N)      one tile: AP_TILE rows x 2 vectors
 *
 * B's rows are read as vectors, A's elements are broadcast, so A may be stored
 * either way.  N is a multiple of AP_LANES; operands are packed so that it is. */
#ifndef AP_PRODUCT_H
#define AP_PRODUCT_H

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
    int32_t lda, ldb, ldc; /* distance of rows as stored */
    int32_t M, N, K;
    bool accumulate;
};
/* A is stored as (M, K). */
void ap__product(const struct ap_product *product);
/* A is stored as (K, M): C (+)= A^T B. */
void ap__product_ta(const struct ap_product *product);

#endif
