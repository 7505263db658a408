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
#include <stddef.h>

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

/* Rows in memory that will be read after a product.  The tiles ask for them while they multiply, each for the next few;
 * asked for all at once they would hold it up. */
struct ap_ahead {
    const char *first;   /* need not be readable */
    ptrdiff_t apart;     /* bytes from a row to the next */
    int32_t bytes, each; /* of a row; rows for a tile, at least 1 */
};
void ap__product_ahead(const struct ap_product *product, const struct ap_ahead *ahead);

#endif
