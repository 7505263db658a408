/* product.c - the register tiles of product.h.
 *
 *     for each panel of N (2 vectors, the last perhaps 1), for each 12, 8, 4, 2, 1 rows of M:
 *         rows x vectors accumulators += broadcast A[m][k] * B[k][panel]   over k
 *
 * Kept apart from its callers: inlined there, their constants would compete for
 * the registers of the innermost loop. */
#include "tensor/product.h"

/* Left alone, gcc turns these pointers into one and an offset per row, for which there are not enough registers. */
#define AP_ADVANCE(pointer, step)                                                                                  \
    do {                                                                                                           \
        (pointer) += (step);                                                                                       \
        __asm__("" : "+r"(pointer));                                                                               \
    } while (0)

/* Depth from which on the next tile of C is asked for while this one is computed; before, it would only cost. */
enum { PREFETCH_K = 256 };

AP_INLINE void tile_prefetch(const int32_t rows, const int32_t vectors, float *C, int32_t ldc)
{
#pragma GCC unroll 16
    for (int32_t m = 0; m < rows; m++)
#pragma GCC unroll 2
        for (int32_t v = 0; v < vectors; v++)
            __builtin_prefetch(C + m * ldc + v * AP_LANES, 1);
}

/* How a tile asks for its rows: one after the other, a few bytes with each k. */
struct asking {
    const char *row;
    ptrdiff_t apart;
    int32_t each, leg, step; /* rows; k for a row; bytes per k */
};

AP_INLINE struct asking asking_begin(const struct ap_ahead *ahead, int32_t K)
{
    int32_t leg = K > ahead->each ? K / ahead->each : 1;
    return (struct asking){ahead->first, ahead->apart, ahead->each, leg, (ahead->bytes + leg - 1) / leg};
}

/* Every third row has a pointer: it reaches the next two with the one distance of rows, as an address takes the
 * index once or twice. */
AP_INLINE void tile(const int32_t rows, const int32_t vectors, float *restrict C, const float *restrict A,
                    const float *restrict B, const struct ap_product *p, int32_t step_m, const int32_t step_k,
                    const struct asking *ask)
{
    ap_vec sum[AP_TILE][2];
#pragma GCC unroll 16
    for (int32_t m = 0; m < rows; m++)
#pragma GCC unroll 2
        for (int32_t v = 0; v < vectors; v++)
            sum[m][v] = p->accumulate ? ap__vec_load(C + m * p->ldc + v * AP_LANES) : (ap_vec){0};
    const ptrdiff_t step = step_m;
    if (p->K >= PREFETCH_K)
        tile_prefetch(rows, vectors, C + rows * p->ldc, p->ldc);
    const float *third[(AP_TILE + 2) / 3]; /* rows 0, 3, 6, 9 */
#pragma GCC unroll 4
    for (int32_t i = 0; i < (rows + 2) / 3; i++)
        third[i] = A + 3 * i * step;
    const char *row = ask ? ask->row : NULL, *ahead = row;
    for (int32_t k = 0, turn = ask ? ask->leg : 0; k < p->K; k++) {
        if (ask) {
            if (k == turn) {
                ahead = row += ask->apart;
                turn += ask->leg;
            }
            __builtin_prefetch(ahead, 0, 2);
            ahead += ask->step;
        }
        ap_vec b0 = ap__vec_load(B), b1 = vectors > 1 ? ap__vec_load(B + AP_LANES) : b0;
#pragma GCC unroll 16
        for (int32_t m = 0; m < rows; m++) {
            float a = third[m / 3][m % 3 * step];
            sum[m][0] += a * b0;
            if (vectors > 1)
                sum[m][1] += a * b1;
        }
#pragma GCC unroll 4
        for (int32_t i = 0; i < (rows + 2) / 3; i++)
            AP_ADVANCE(third[i], step_k);
        B += p->ldb;
    }
#pragma GCC unroll 16
    for (int32_t m = 0; m < rows; m++)
#pragma GCC unroll 2
        for (int32_t v = 0; v < vectors; v++)
            ap__vec_store(C + m * p->ldc + v * AP_LANES, sum[m][v]);
}

/* A's element (m, k) is A[m * step_m + k * step_k]. */
AP_INLINE void panel(const struct ap_product *p, int32_t n, const int32_t vectors, int32_t step_m, int32_t step_k,
                     struct asking *ask)
{
    int32_t m = 0;
#define AP_TILES(rows)                                                                                             \
    for (; m + (rows) <= p->M; m += (rows)) {                                                                      \
        tile(rows, vectors, p->C + m * p->ldc + n, p->A + m * step_m, p->B + n, p, step_m, step_k, ask);           \
        if (ask)                                                                                                   \
            ask->row += ask->each * ask->apart;                                                                    \
    }
    AP_TILES(AP_TILE)
    if (AP_TILE > 8)
        AP_TILES(8)
    AP_TILES(4)
    AP_TILES(3)
    AP_TILES(2)
    AP_TILES(1)
#undef AP_TILES
}

AP_INLINE void product(const struct ap_product *p, int32_t step_m, int32_t step_k, struct asking *ask)
{
    int32_t n = 0;
    for (; n + AP_PANEL <= p->N; n += AP_PANEL)
        panel(p, n, 2, step_m, step_k, ask);
    if (n < p->N)
        panel(p, n, 1, step_m, step_k, ask);
}

void ap__product(const struct ap_product *p)
{
    product(p, p->lda, 1, NULL);
}

void ap__product_ta(const struct ap_product *p)
{
    product(p, 1, p->lda, NULL);
}

void ap__product_ahead(const struct ap_product *p, const struct ap_ahead *ahead)
{
    struct asking ask = asking_begin(ahead, p->K);
    product(p, p->lda, 1, &ask);
}
