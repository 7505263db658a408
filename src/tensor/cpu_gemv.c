/* cpu_gemv.c - y (T,O) = x (T,I) W^T for a few rows of x, as in a decode step.
 *
 *     for 4 outputs, for 1, 2 or 4 rows of x:
 *         rows x 4 accumulators += x[t][16 numbers] * W[o][16 numbers]   over I
 *
 * Every weight is read from memory once and 16-bit ones are widened on the way,
 * which is all that counts when there are only a few rows: sgemm would copy W first.
 * Blocks are decoded to pieces of 4 rows that stay in the first cache. */
#include "tensor/cpu.h"
#include "tensor/quant.h"
#include "tensor/vector.h"

/* Outputs at a time; columns of a decoded piece (16 KiB), rows of x for which decoding once more would be a waste; rows up
 * to which this is faster with weights that are not decoded. */
enum { OUTPUTS = 4, PIECE = 1024, PIECE_ROWS = 16, PLAIN_ROWS = 8 };

AP_INLINE const void *weight_at(const void *W, size_t at, const enum ap_dtype dtype)
{
    return (const uint8_t *)W + at * (dtype == AP_F32 ? 4 : 2);
}

/* AP_LANES weights. */
AP_INLINE ap_vec weights_load(const void *W, const enum ap_dtype dtype)
{
    return dtype == AP_F32 ? ap__vec_load(W) : dtype == AP_BF16 ? ap__vec_load_bf16(W) : ap__vec_load_f16(W);
}

AP_INLINE float weight_load(const void *W, const enum ap_dtype dtype)
{
    float w;
    ap__dtype_to_f32(&w, W, dtype, 1);
    return w;
}

/* dot (rows, outputs) of rows of x with rows of W, both of I numbers, ldx and ldw apart.  Asks: the next rows of W are
 * asked for meanwhile; left to themselves, loads of rows this short wait for memory half of the time. */
AP_INLINE void dots(float dot[][OUTPUTS], const float *x, size_t ldx, const void *W, size_t w_at, size_t ldw, int32_t I,
                    const int32_t rows, const int32_t outputs, const enum ap_dtype dtype, const bool asks)
{
    ap_vec sum[4][OUTPUTS] = {0};
    int32_t i = 0;
    for (; i + AP_LANES <= I; i += AP_LANES) {
#pragma GCC unroll 4
        for (int32_t o = 0; o < outputs; o++) {
            size_t at = w_at + (size_t)o * ldw + (size_t)i;
            ap_vec w = weights_load(weight_at(W, at, dtype), dtype);
            if (asks)
                __builtin_prefetch(weight_at(W, at + OUTPUTS * ldw, dtype), 0, 2);
#pragma GCC unroll 4
            for (int32_t t = 0; t < rows; t++)
                sum[t][o] += ap__vec_load(x + (size_t)t * ldx + i) * w;
        }
    }
#pragma GCC unroll 4
    for (int32_t t = 0; t < rows; t++) {
#pragma GCC unroll 4
        for (int32_t o = 0; o < outputs; o++) {
            dot[t][o] = ap__vec_sum(sum[t][o]);
            for (int32_t rest = i; rest < I; rest++)
                dot[t][o] += x[(size_t)t * ldx + (size_t)rest] *
                             weight_load(weight_at(W, w_at + (size_t)o * ldw + (size_t)rest, dtype), dtype);
        }
    }
}

struct gemv {
    float *y;
    const float *x;
    const struct ap_matrix *W;
    int32_t T;
    float keep, scale; /* y = keep y + scale x W^T; keep 0 does not read y */
};

AP_INLINE void put(const struct gemv *g, float *y, const float *dot, int32_t outputs)
{
    for (int32_t k = 0; k < outputs; k++)
        y[k] = g->scale * dot[k] + (g->keep > 0 ? g->keep * y[k] : 0);
}

AP_INLINE void gemv_block(const struct gemv *g, int32_t o, int32_t t, const int32_t rows, const int32_t outputs,
                          const enum ap_dtype dtype, const bool asks)
{
    float dot[4][OUTPUTS];
    int32_t I = g->W->cols, O = g->W->rows;
    dots(dot, g->x + (size_t)t * (size_t)I, (size_t)I, g->W->data, (size_t)o * (size_t)I, (size_t)I, I, rows, outputs,
         dtype, asks);
    for (int32_t r = 0; r < rows; r++)
        put(g, g->y + (size_t)(t + r) * (size_t)O + (size_t)o, dot[r], outputs);
}

AP_INLINE void gemv_outputs(const struct gemv *g, int32_t o, const int32_t outputs, const enum ap_dtype dtype)
{
    int32_t t = 0;
    for (; t + 4 <= g->T; t += 4)
        gemv_block(g, o, t, 4, outputs, dtype, t == 0);
    for (; t + 2 <= g->T; t += 2)
        gemv_block(g, o, t, 2, outputs, dtype, t == 0);
    for (; t < g->T; t++)
        gemv_block(g, o, t, 1, outputs, dtype, t == 0);
}

AP_INLINE void gemv_range(const struct gemv *g, int32_t from, int32_t to, const enum ap_dtype dtype)
{
    int32_t o = from;
    for (; o + OUTPUTS <= to; o += OUTPUTS)
        gemv_outputs(g, o, OUTPUTS, dtype);
    for (; o < to; o++)
        gemv_outputs(g, o, 1, dtype);
}

/* ---- blocks ---- */

/* sum (rows, outputs) += x (rows, n) piece^T, for rows of x that are ldx apart. */
AP_INLINE void add_dots(float sum[][OUTPUTS], const float *x, size_t ldx, const float *piece, int32_t n,
                        const int32_t rows)
{
    float dot[4][OUTPUTS];
    dots(dot, x, ldx, piece, 0, PIECE, n, rows, OUTPUTS, AP_F32, false);
    for (int32_t r = 0; r < rows; r++)
        for (int32_t k = 0; k < OUTPUTS; k++)
            sum[r][k] += dot[r][k];
}

/* Rows [t0, t1) of x, at most PIECE_ROWS, with rows [o, o + outputs) of W. */
static void decoded_block(const struct gemv *g, int32_t o, int32_t outputs, int32_t t0, int32_t t1)
{
    float piece[OUTPUTS * PIECE] = {0}, sum[PIECE_ROWS][OUTPUTS] = {0};
    size_t I = (size_t)g->W->cols, O = (size_t)g->W->rows;
    for (int32_t i = 0; i < g->W->cols; i += PIECE) {
        int32_t n = g->W->cols - i < PIECE ? g->W->cols - i : PIECE, t = t0;
        for (int32_t k = 0; k < outputs; k++)
            ap__matrix_row(piece + k * PIECE, g->W, o + k, i, n);
        for (; t + 4 <= t1; t += 4)
            add_dots(sum + (t - t0), g->x + (size_t)t * I + (size_t)i, I, piece, n, 4);
        for (; t < t1; t++)
            add_dots(sum + (t - t0), g->x + (size_t)t * I + (size_t)i, I, piece, n, 1);
    }
    for (int32_t t = t0; t < t1; t++)
        put(g, g->y + (size_t)t * O + (size_t)o, sum[t - t0], outputs);
}

static void decoded_range(const struct gemv *g, int32_t from, int32_t to)
{
    for (int32_t o = from; o < to; o += OUTPUTS)
        for (int32_t t = 0; t < g->T; t += PIECE_ROWS)
            decoded_block(g, o, to - o < OUTPUTS ? to - o : OUTPUTS, t,
                          g->T - t < PIECE_ROWS ? g->T : t + PIECE_ROWS);
}

bool ap__cpu_gemv_pays(const struct ap_matrix *W, int32_t T)
{
    int64_t size = (int64_t)W->rows * W->cols;
    if (W->dtype >= AP_DTYPE_PLAIN)
        return T <= PIECE_ROWS;
    return T <= PLAIN_ROWS && (W->dtype != AP_F32 || size >= 100000);
}

void ap__cpu_gemv(float *y, const float *x, const struct ap_matrix *W, int32_t T, bool accumulate, float scale,
                  int32_t from, int32_t to)
{
    struct gemv g = {y, x, W, T, accumulate ? 1.0f : 0.0f, scale};
    if (W->dtype >= AP_DTYPE_PLAIN)
        decoded_range(&g, from, to);
    else if (W->dtype == AP_BF16)
        gemv_range(&g, from, to, AP_BF16);
    else if (W->dtype == AP_F16)
        gemv_range(&g, from, to, AP_F16);
    else
        gemv_range(&g, from, to, AP_F32);
}
