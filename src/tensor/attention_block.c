/* attention_block.c - packing of rows and keys, masks. */
#include "tensor/attention_block.h"

#include <omp.h>

/* Queries x keys x heads x Dh below which one thread does it all. */
#define SERIAL_MAX 200000.0

/* ---- packing ---- */

const float *ap__rows_pack(float *dst, const float *src, size_t ld, const int32_t *row, int32_t n, int32_t Dh,
                           int32_t width, int32_t *apart)
{
    bool stretch = Dh == width;
    for (int32_t i = 0; i < n; i++)
        stretch &= row[i] == row[0] + i;
    *apart = stretch ? (int32_t)ld : width;
    if (stretch)
        return src + (size_t)row[0] * ld;
    for (int32_t i = 0; i < n; i++) {
        const float *from = src + (size_t)row[i] * ld;
        float *to = dst + i * width;
#pragma omp simd
        for (int32_t d = 0; d < Dh; d++)
            to[d] = from[d];
        for (int32_t d = Dh; d < width; d++)
            to[d] = 0;
    }
    return dst;
}

/* Columns [i, i+AP_LANES) of dst (Dh, AP_KEYS) from as many rows, zero from n on. */
static void square_transpose(float *dst, const float *src, size_t ld, const int32_t *row, int32_t i, int32_t n, int32_t d)
{
    ap_vec x[AP_LANES];
#pragma GCC unroll 16
    for (int32_t r = 0; r < AP_LANES; r++)
        x[r] = i + r < n ? ap__vec_load(src + (size_t)row[i + r] * ld + d) : (ap_vec){0};
    ap__vec_transpose(x);
#pragma GCC unroll 16
    for (int32_t r = 0; r < AP_LANES; r++)
        ap__vec_store(dst + (d + r) * AP_KEYS + i, x[r]);
}

void ap__rows_transpose(float *dst, const float *src, size_t ld, const int32_t *row, int32_t n, int32_t Dh)
{
    int32_t padded = ap__whole_lanes(n), whole = Dh / AP_LANES * AP_LANES;
    for (int32_t i = 0; i < padded; i += AP_LANES)
        for (int32_t d = 0; d < whole; d += AP_LANES)
            square_transpose(dst, src, ld, row, i, n, d);
    for (int32_t d = whole; d < Dh; d++)
        for (int32_t i = 0; i < padded; i++)
            dst[d * AP_KEYS + i] = i < n ? src[(size_t)row[i] * ld + (size_t)d] : 0;
}

void ap__item_pack(float *dst, const float *src, const struct ap_plan *plan, const struct ap_piece *piece,
                   int32_t pieces, int32_t head0, float factor)
{
    int32_t Dh = plan->attn->Dh, width = plan->width;
    AP_FOR_ROWS(plan, piece, pieces, head0)
    {
        const float *from = src + ((size_t)query * (size_t)plan->attn->H + (size_t)head) * (size_t)Dh;
        float *to = dst + r * width;
#pragma omp simd
        for (int32_t d = 0; d < Dh; d++)
            to[d] = from[d] * factor;
        for (int32_t d = Dh; d < width; d++)
            to[d] = 0;
    }
}

int32_t ap__first_row(const struct ap_stream *stream, int32_t from, int32_t heads)
{
    int32_t hidden = stream->own_len > 0 ? from + 1 - stream->visible0 : 0;
    return stream->row0 + (hidden > 0 ? hidden * heads : 0);
}

int32_t ap__keys_seen(const struct ap_stream *stream, int32_t last, int32_t from, int32_t n, int32_t heads)
{
    return stream->own_len > 0 ? ap__min32(n, stream->visible0 + (last - stream->row0) / heads - from) : n;
}

/* What is behind a row's own position, and the padding. */
static void scores_mask(float *S, const struct ap_stream *stream, int32_t r, int32_t rows, int32_t from, int32_t n,
                        int32_t padded, int32_t heads)
{
    for (int32_t i = 0; i < rows; i++) {
        int32_t visible = stream->own_len > 0 ? stream->visible0 + (r + i - stream->row0) / heads - from : n;
        for (int32_t c = ap__min32(visible, n); c < padded; c++)
            S[i * AP_KEYS + c] = AP_MASKED;
    }
}

/* ---- the window ---- */

void ap__item_positions(int32_t *position, const struct ap_plan *plan, const struct ap_piece *piece, int32_t pieces)
{
    for (int32_t p = 0, r = 0; plan->attn->window > 0 && p < pieces; p++)
        for (int32_t i = 0; i < piece[p].count; i++)
            for (int32_t h = 0; h < plan->heads; h++)
                position[r++] = piece[p].context + piece[p].from + i;
}

/* Keys of the stream before the window of a row at `position`. */
static int32_t keys_hidden(const struct ap_stream *stream, int32_t position, int32_t window)
{
    int32_t hidden = position + 1 - window - stream->before;
    return hidden > 0 ? ap__min32(hidden, stream->keys) : 0;
}

int32_t ap__first_key(const struct ap_stream *stream, const int32_t *position, int32_t window)
{
    if (window == 0)
        return 0;
    int32_t hidden = stream->keys;
    for (int32_t r = stream->row0; r < stream->row1; r++)
        hidden = ap__min32(hidden, keys_hidden(stream, position[r], window));
    return hidden < stream->keys ? hidden / AP_KEYS * AP_KEYS : hidden;
}

static void window_mask(float *S, const struct ap_stream *stream, const int32_t *position, int32_t window, int32_t rows,
                        int32_t from, int32_t n)
{
    for (int32_t i = 0; i < rows; i++) {
        int32_t hidden = ap__min32(keys_hidden(stream, position[i], window) - from, n);
        for (int32_t c = 0; c < hidden; c++)
            S[i * AP_KEYS + c] = AP_MASKED;
    }
}

void ap__scores_hide(float *S, const struct ap_plan *plan, const struct ap_stream *stream, const int32_t *position, int32_t r,
                     int32_t rows, int32_t from, int32_t seen)
{
    scores_mask(S, stream, r, rows, from, seen, ap__whole_lanes(seen), plan->heads);
    if (plan->attn->window > 0)
        window_mask(S, stream, position + r, plan->attn->window, rows, from, seen);
}

/* ---- how much it is ---- */

double ap__attention_cost(const struct ap_plan *plan)
{
    double cost = 0;
    for (int32_t i = 0; i < plan->items; i++)
        cost += ap__plan_cost(plan, i);
    return cost;
}

int32_t ap__attention_threads(const struct ap_plan *plan, double cost)
{
    if (cost * plan->attn->H * plan->attn->Dh < SERIAL_MAX || omp_in_parallel())
        return 1;
    return ap__min32(omp_get_max_threads(), AP_MAX_THREADS);
}
