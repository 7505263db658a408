/* cpu_attention.c - attention over a token tree, forward; cpu_attention_d.c goes back.
 *
 *     S = Q K^T    P = 2^(S - max)    O += P V         (online softmax)
 *
 * block by block (attention_block.h), as in FlashAttention (Dao et al. 2022).  Q is packed with scale*log2(e) so that
 * powers are of 2.  Items are independent. */
#include "tensor/attention_block.h"
#include "tensor/cpu.h"

#include <math.h>
#include <omp.h>
#include <string.h>

#define LAX 8.0f

struct forward {
    const struct ap_plan *plan;
    const float *k, *v; /* the first row of the key/value head */
    size_t ld;          /* between rows */
    struct ap_stream stream; /* to be taken; no keys: none */
    int32_t position[AP_ITEM_ROWS]; /* only with a window */
    float max[AP_ITEM_ROWS];
    AP_ALIGNED float sum[AP_ITEM_ROWS * AP_LANES]; /* per lane */
    AP_ALIGNED float Q[AP_ITEM_NUMBERS], O[AP_ITEM_NUMBERS]; /* (rows, width) */
    AP_ALIGNED float Kt[AP_ITEM_NUMBERS]; /* (Dh, AP_KEYS) */
    AP_ALIGNED float V[AP_ITEM_NUMBERS];  /* (AP_KEYS, width) */
    AP_ALIGNED float S[AP_GROUP * AP_KEYS];
};

/* Turn the scores of one row into powers relative to a maximum. It only follows the largest score, and O and sum follow
 * it, when that is far above: powers up to 2^LAX are as exact as those up to 1. */
static void row_softmax(float *restrict S, float *restrict O, float *restrict max, float *restrict sum, int32_t padded,
                        int32_t width)
{
    ap_vec high = ap__vec_load(S), total = ap__vec_load(sum);
    for (int32_t c = AP_LANES; c < padded; c += AP_LANES)
        high = ap__vec_max(high, ap__vec_load(S + c));
    if (ap__vec_above(high, *max + LAX)) {
        float top = ap__vec_largest(high), shrink = ap__exp2(*max - top);
        *max = top;
        total *= shrink;
        for (int32_t d = 0; d < width; d += AP_LANES)
            ap__vec_store(O + d, ap__vec_load(O + d) * shrink);
    }
    float shift = *max;
    for (int32_t c = 0; c < padded; c += AP_LANES) {
        ap_vec power = ap__vec_exp2(ap__vec_load(S + c) - shift);
        ap__vec_store(S + c, power);
        total += power;
    }
    ap__vec_store(sum, total);
}

/* The n rows of a block from `first` on, shared out to the tiles of a product of `rows` rows and `columns` columns. */
static struct ap_ahead rows_ahead(const struct forward *w, const float *first, int32_t n, int32_t rows, int32_t columns)
{
    int32_t tiles = (columns / AP_PANEL) * ((rows + AP_TILE - 1) / AP_TILE);
    return (struct ap_ahead){(const char *)first, (ptrdiff_t)(w->ld * sizeof *first),
                             w->plan->attn->Dh * (int32_t)sizeof *first, (n + tiles - 1) / tiles};
}

/* What is read after block [from, from + AP_KEYS) of a stream, which may be of the next stream, as far as it is neighbours:
 * keys for the scores of `rows` rows to ask for, values for what is mixed of them.  False when there are none. */
static bool keys_ahead(const struct forward *w, const struct ap_stream *stream, const struct ap_stream *next, int32_t from,
                       int32_t rows, struct ap_ahead *keys, struct ap_ahead *values)
{
    int32_t row;
    from += AP_KEYS;
    if (from >= stream->keys && next) {
        stream = next;
        from = ap__first_key(stream, w->position, w->plan->attn->window);
    }
    if (from >= stream->keys)
        return false;
    int32_t n = ap__stream_stretch(stream, from, ap__min32(AP_KEYS, stream->keys - from), &row);
    *keys = rows_ahead(w, w->k + (size_t)row * w->ld, n, rows, AP_KEYS);
    *values = rows_ahead(w, w->v + (size_t)row * w->ld, n, rows, w->plan->width);
    return true;
}

static void multiply(const struct ap_product *product, const struct ap_ahead *ahead)
{
    if (ahead)
        ap__product_ahead(product, ahead);
    else
        ap__product(product);
}

/* Keys [from, from+n) of the stream are in Kt and V (rows ldv apart); meanwhile those after them are asked for. */
static void forward_block(struct forward *w, const struct ap_stream *stream, const struct ap_stream *next, int32_t from,
                          int32_t n, const float *V, int32_t ldv)
{
    int32_t width = w->plan->width, heads = w->plan->heads, Dh = w->plan->attn->Dh;
    struct ap_ahead keys, values;
    int32_t first = ap__first_row(stream, from, heads);
    bool ask = keys_ahead(w, stream, next, from, ap__min32(AP_GROUP, stream->row1 - first), &keys, &values);
    for (int32_t r = first; r < stream->row1; r += AP_GROUP) {
        int32_t rows = ap__min32(AP_GROUP, stream->row1 - r);
        int32_t seen = ap__keys_seen(stream, r + rows - 1, from, n, heads), padded = ap__whole_lanes(seen);
        struct ap_product scores = {w->Q + r * width, w->Kt, w->S, width, AP_KEYS, AP_KEYS, rows, padded, Dh, false};
        multiply(&scores, ask && r == first ? &keys : NULL);
        ap__scores_hide(w->S, w->plan, stream, w->position, r, rows, from, seen);
        for (int32_t i = 0; i < rows; i++)
            row_softmax(w->S + i * AP_KEYS, w->O + (r + i) * width, &w->max[r + i], w->sum + (r + i) * AP_LANES, padded,
                        width);
        struct ap_product mix = {w->S, V, w->O + r * width, AP_KEYS, ldv, width, rows, width, seen, true};
        multiply(&mix, ask && r == first ? &values : NULL);
    }
}

static void forward_stream(struct forward *w, const struct ap_stream *stream, const struct ap_stream *next)
{
    int32_t row[AP_KEYS], Dh = w->plan->attn->Dh;
    int32_t from = ap__first_key(stream, w->position, w->plan->attn->window);
    for (; from < stream->keys; from += AP_KEYS) {
        int32_t n = ap__min32(AP_KEYS, stream->keys - from);
        ap__stream_rows(stream, from, n, row);
        ap__rows_transpose(w->Kt, w->k, w->ld, row, n, Dh);
        int32_t ldv;
        const float *V = ap__rows_pack(w->V, w->v, w->ld, row, n, Dh, w->plan->width, &ldv);
        forward_block(w, stream, next, from, n, V, ldv);
    }
}

/* A stream is taken when the one after it is known. */
static void forward_visit(void *ctx, const struct ap_stream *next)
{
    struct forward *w = ctx;
    forward_stream(w, &w->stream, next);
    w->stream = *next;
}

/* Item i for head group j. */
static void forward_item(const struct ap_plan *plan, int32_t i, int32_t j, float *out, float *lse, const float *q,
                         const float *k, const float *v)
{
    const struct ap_attn *attn = plan->attn;
    int32_t head0 = j * plan->heads, Dh = attn->Dh, width = plan->width;
    size_t at_head = (size_t)(j / plan->groups) * (size_t)Dh * (size_t)(attn->head_rows > 0 ? attn->head_rows : 1);
    struct ap_piece piece[AP_ITEM_ROWS];
    int32_t pieces = ap__plan_pieces(plan, i, piece);
    int32_t rows = piece[pieces - 1].row + piece[pieces - 1].count * plan->heads;
    struct forward w;
    w.plan = plan;
    w.k = k + at_head;
    w.v = v + at_head;
    w.ld = (size_t)Dh * (size_t)(attn->head_rows > 0 ? 1 : attn->Hkv);
    ap__item_pack(w.Q, q, plan, piece, pieces, head0, attn->scale * AP_LOG2E);
    ap__item_positions(w.position, plan, piece, pieces);
    for (int32_t r = 0; r < rows; r++)
        w.max[r] = AP_MASKED;
    memset(w.sum, 0, (size_t)rows * AP_LANES * sizeof *w.sum);
    memset(w.O, 0, (size_t)rows * (size_t)width * sizeof *w.O);
    w.stream = (struct ap_stream){0};
    ap__plan_walk(plan, piece, pieces, forward_visit, &w);
    forward_stream(&w, &w.stream, NULL);
    AP_FOR_ROWS(plan, piece, pieces, head0)
    {
        size_t at = (size_t)query * (size_t)attn->H + (size_t)head;
        float sum = ap__vec_sum(ap__vec_load(w.sum + r * AP_LANES)), inverse = 1.0f / sum;
        for (int32_t d = 0; d < Dh; d++)
            out[at * (size_t)Dh + (size_t)d] = w.O[r * width + d] * inverse;
        if (lse)
            lse[at] = (w.max[r] + log2f(sum)) * AP_LN2;
    }
}

void ap__cpu_attention(float *out, float *lse, const float *q, const float *k, const float *v,
                       const struct ap_attn *attn)
{
    struct ap_plan plan;
    for (int32_t next = 0; next < attn->run_count;) {
        ap__plan_make(&plan, attn, &next, 6 * omp_get_max_threads());
        int32_t work = plan.items * plan.groups * attn->Hkv, threads = ap__attention_threads(&plan, ap__attention_cost(&plan));
#pragma omp parallel for schedule(dynamic, 1) num_threads(threads) if (threads > 1)
        for (int32_t i = 0; i < work; i++)
            forward_item(&plan, i / (plan.groups * attn->Hkv), i % (plan.groups * attn->Hkv), out, lse, q, k, v);
    }
}
