/* cpu_attention.c - attention over a token tree, forward and backward.
 *
 * An item (attention_plan.h) packs its query rows once and takes the keys of
 * each stream in blocks of AP_KEYS, rows in groups that stay in the first cache:
 *
 *     forward    S = Q K^T    P = 2^(S - max)        O += P V         (online softmax)
 *     backward   S = Q K^T    P = 2^(S - lse)        dV += P^T dO
 *                dP = dO V^T  dS = P (dP - delta)    dK += dS^T Q     dQ += dS K
 *
 * as in FlashAttention (Dao et al. 2022).  Q is packed with scale*log2(e) so
 * that powers are of 2.  Forward items are independent.  Backward items of one
 * key/value head add into the same dK, dV: each thread takes a fixed, contiguous
 * stretch of items, and where two threads meet inside a head the later one adds
 * into rows of its own, which are summed in the order of threads. */
#include "tensor/attention_plan.h"
#include "tensor/cpu.h"
#include "tensor/product.h"

#include <math.h>
#include <omp.h>
#include <string.h>

#define MASKED -1e30f /* a score no visible key can have; its power of 2 is 0 */
/* Queries x keys x heads x Dh below which one thread does it all. */
#define SERIAL_MAX 200000.0
enum { GROUP = 4 * AP_TILE, MAX_THREADS = 256 };

_Static_assert(AP_KEYS % AP_PANEL == 0, "a block of keys is whole panels");
_Static_assert(AP_MAX_HEAD_WIDTH % AP_PANEL == 0, "the widest head is whole panels");
_Static_assert(AP_KEYS * AP_MAX_HEAD_WIDTH <= AP_ITEM_NUMBERS, "a block of keys fits");

static int32_t min32(int32_t a, int32_t b)
{
    return a < b ? a : b;
}

static int32_t whole_lanes(int32_t n)
{
    return (n + AP_LANES - 1) / AP_LANES * AP_LANES;
}

/* ---- packing ---- */

/* Rows row[i] of src (rows ld apart) as (n, width), zero behind Dh: in place when they
 * stand in a stretch of whole vectors, else copied to dst.  *apart is their distance. */
static const float *rows_pack(float *dst, const float *src, size_t ld, const int32_t *row, int32_t n, int32_t Dh,
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

/* dst (Dh, AP_KEYS) = rows row[i] of src as columns, zero up to whole lanes. */
static void rows_transpose(float *dst, const float *src, size_t ld, const int32_t *row, int32_t n, int32_t Dh)
{
    int32_t padded = whole_lanes(n), whole = Dh / AP_LANES * AP_LANES;
    for (int32_t i = 0; i < padded; i += AP_LANES)
        for (int32_t d = 0; d < whole; d += AP_LANES)
            square_transpose(dst, src, ld, row, i, n, d);
    for (int32_t d = whole; d < Dh; d++)
        for (int32_t i = 0; i < padded; i++)
            dst[d * AP_KEYS + i] = i < n ? src[(size_t)row[i] * ld + (size_t)d] : 0;
}

/* Visits the rows of an item: row r of the pack is query `query`, head `head`. */
#define FOR_ROWS(plan, piece, pieces, head0)                                                                       \
    for (int32_t p_ = 0, r = 0; p_ < (pieces); p_++)                                                               \
        for (int32_t i_ = 0, query = (piece)[p_].run->q_start + (piece)[p_].from; i_ < (piece)[p_].count;          \
             i_++, query++)                                                                                        \
            for (int32_t head = (head0), end_ = head + (plan)->heads; head < end_; head++, r++)

/* dst (rows, width) = factor * the item's rows of src (Tq, H*Dh). */
static void item_pack(float *dst, const float *src, const struct ap_plan *plan, const struct ap_piece *piece,
                      int32_t pieces, int32_t head0, float factor)
{
    int32_t Dh = plan->attn->Dh, width = plan->width;
    FOR_ROWS(plan, piece, pieces, head0)
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

/* First row of a stream that sees key `from` of it. */
static int32_t first_row(const struct ap_stream *stream, int32_t from, int32_t heads)
{
    int32_t hidden = stream->own_len > 0 ? from + 1 - stream->visible0 : 0;
    return stream->row0 + (hidden > 0 ? hidden * heads : 0);
}

/* Keys among the n from `from` on that the last of some rows sees, and with it the others. */
static int32_t keys_seen(const struct ap_stream *stream, int32_t last, int32_t from, int32_t n, int32_t heads)
{
    return stream->own_len > 0 ? min32(n, stream->visible0 + (last - stream->row0) / heads - from) : n;
}

/* Hide from row r what is behind its own position, and the padding. */
static void scores_mask(float *S, const struct ap_stream *stream, int32_t r, int32_t rows, int32_t from, int32_t n,
                        int32_t padded, int32_t heads)
{
    for (int32_t i = 0; i < rows; i++) {
        int32_t visible = stream->own_len > 0 ? stream->visible0 + (r + i - stream->row0) / heads - from : n;
        for (int32_t c = min32(visible, n); c < padded; c++)
            S[i * AP_KEYS + c] = MASKED;
    }
}

/* ---- the window ---- */

/* position (rows,) of the item's rows, when a window asks for them. */
static void item_positions(int32_t *position, const struct ap_plan *plan, const struct ap_piece *piece, int32_t pieces)
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
    return hidden > 0 ? min32(hidden, stream->keys) : 0;
}

/* First key of the stream to be taken: a whole number of blocks, all hidden from all rows, stands before it. */
static int32_t first_key(const struct ap_stream *stream, const int32_t *position, int32_t window)
{
    if (window == 0)
        return 0;
    int32_t hidden = stream->keys;
    for (int32_t r = stream->row0; r < stream->row1; r++)
        hidden = min32(hidden, keys_hidden(stream, position[r], window));
    return hidden < stream->keys ? hidden / AP_KEYS * AP_KEYS : hidden;
}

/* Hide from row r what is before its window.  A row that sees nothing of this block keeps the maximum MASKED; what it
 * adds up until it sees its first key is multiplied by 0 then, and it always sees itself. */
static void window_mask(float *S, const struct ap_stream *stream, const int32_t *position, int32_t window, int32_t rows,
                        int32_t from, int32_t n)
{
    for (int32_t i = 0; window > 0 && i < rows; i++) {
        int32_t hidden = min32(keys_hidden(stream, position[i], window) - from, n);
        for (int32_t c = 0; c < hidden; c++)
            S[i * AP_KEYS + c] = MASKED;
    }
}

/* ---- forward ---- */

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
    AP_ALIGNED float S[GROUP * AP_KEYS];
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

/* The keys after block [from, from + AP_KEYS) of a stream, or the first of the next stream, as far as they are neighbours:
 * their rows and how many tiles of `rows` rows ask for.  Values lie as keys do.  False when there are none. */
static bool keys_ahead(const struct forward *w, const struct ap_stream *stream, const struct ap_stream *next, int32_t from,
                       int32_t rows, struct ap_ahead *keys, struct ap_ahead *values)
{
    int32_t row, tiles = 2 * ((rows + AP_TILE - 1) / AP_TILE);
    from += AP_KEYS;
    if (from >= stream->keys && next) {
        stream = next;
        from = first_key(stream, w->position, w->plan->attn->window);
    }
    if (from >= stream->keys)
        return false;
    int32_t n = ap__stream_stretch(stream, from, min32(AP_KEYS, stream->keys - from), &row);
    *keys = (struct ap_ahead){(const char *)(w->k + (size_t)row * w->ld), (ptrdiff_t)(w->ld * sizeof *w->k),
                              w->plan->attn->Dh * (int32_t)sizeof *w->k, (n + tiles - 1) / tiles};
    *values = *keys;
    values->first = (const char *)(w->v + (size_t)row * w->ld);
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
    int32_t first = first_row(stream, from, heads);
    bool ask = keys_ahead(w, stream, next, from, min32(GROUP, stream->row1 - first), &keys, &values);
    for (int32_t r = first; r < stream->row1; r += GROUP) {
        int32_t rows = min32(GROUP, stream->row1 - r);
        int32_t seen = keys_seen(stream, r + rows - 1, from, n, heads), padded = whole_lanes(seen);
        struct ap_product scores = {w->Q + r * width, w->Kt, w->S, width, AP_KEYS, AP_KEYS, rows, padded, Dh, false};
        multiply(&scores, ask && r == first ? &keys : NULL);
        scores_mask(w->S, stream, r, rows, from, seen, padded, heads);
        window_mask(w->S, stream, w->position + r, w->plan->attn->window, rows, from, seen);
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
    int32_t from = first_key(stream, w->position, w->plan->attn->window);
    for (; from < stream->keys; from += AP_KEYS) {
        int32_t n = min32(AP_KEYS, stream->keys - from);
        ap__stream_rows(stream, from, n, row);
        rows_transpose(w->Kt, w->k, w->ld, row, n, Dh);
        int32_t ldv;
        const float *V = rows_pack(w->V, w->v, w->ld, row, n, Dh, w->plan->width, &ldv);
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
    item_pack(w.Q, q, plan, piece, pieces, head0, attn->scale * AP_LOG2E);
    item_positions(w.position, plan, piece, pieces);
    for (int32_t r = 0; r < rows; r++)
        w.max[r] = MASKED;
    memset(w.sum, 0, (size_t)rows * AP_LANES * sizeof *w.sum);
    memset(w.O, 0, (size_t)rows * (size_t)width * sizeof *w.O);
    w.stream = (struct ap_stream){0};
    ap__plan_walk(plan, piece, pieces, forward_visit, &w);
    forward_stream(&w, &w.stream, NULL);
    FOR_ROWS(plan, piece, pieces, head0)
    {
        size_t at = (size_t)query * (size_t)attn->H + (size_t)head;
        float sum = ap__vec_sum(ap__vec_load(w.sum + r * AP_LANES)), inverse = 1.0f / sum;
        for (int32_t d = 0; d < Dh; d++)
            out[at * (size_t)Dh + (size_t)d] = w.O[r * width + d] * inverse;
        if (lse)
            lse[at] = (w.max[r] + log2f(sum)) * AP_LN2;
    }
}

/* Queries x keys of the whole plan, per head. */
static double plan_cost(const struct ap_plan *plan)
{
    double cost = 0;
    for (int32_t i = 0; i < plan->items; i++)
        cost += ap__plan_cost(plan, i);
    return cost;
}

static int32_t threads_for(const struct ap_plan *plan, double cost)
{
    if (cost * plan->attn->H * plan->attn->Dh < SERIAL_MAX || omp_in_parallel())
        return 1;
    return min32(omp_get_max_threads(), MAX_THREADS);
}

void ap__cpu_attention(float *out, float *lse, const float *q, const float *k, const float *v,
                       const struct ap_attn *attn)
{
    struct ap_plan plan;
    for (int32_t next = 0; next < attn->run_count;) {
        ap__plan_make(&plan, attn, &next, 6 * omp_get_max_threads());
        int32_t work = plan.items * plan.groups * attn->Hkv, threads = threads_for(&plan, plan_cost(&plan));
#pragma omp parallel for schedule(dynamic, 1) num_threads(threads) if (threads > 1)
        for (int32_t i = 0; i < work; i++)
            forward_item(&plan, i / (plan.groups * attn->Hkv), i % (plan.groups * attn->Hkv), out, lse, q, k, v);
    }
}

/* ---- backward ---- */

/* Where gradients of one key/value head go: row r at (r - base) * ld. */
struct head_grad {
    float *dk, *dv;
    size_t ld;
    int32_t base;
};

struct backward {
    const struct ap_plan *plan;
    const float *k, *v;
    size_t ld;
    struct head_grad grad;
    int32_t position[AP_ITEM_ROWS];               /* only with a window */
    float lse[AP_ITEM_ROWS], delta[AP_ITEM_ROWS]; /* lse to base 2 */
    AP_ALIGNED float Q[AP_ITEM_NUMBERS], dO[AP_ITEM_NUMBERS], dQ[AP_ITEM_NUMBERS]; /* (rows, width) */
    AP_ALIGNED float Kt[AP_ITEM_NUMBERS], Vt[AP_ITEM_NUMBERS];                     /* (Dh, AP_KEYS) */
    AP_ALIGNED float K[AP_ITEM_NUMBERS], dK[AP_ITEM_NUMBERS], dV[AP_ITEM_NUMBERS]; /* (AP_KEYS, width) */
    AP_ALIGNED float P[GROUP * AP_KEYS], dS[GROUP * AP_KEYS];
};

/* P = 2^(S - lse) in place, dS = P (dP - delta) in place. */
static void rows_softmax_d(float *restrict P, float *restrict dS, const float *lse, const float *delta, int32_t rows,
                           int32_t padded)
{
    for (int32_t i = 0; i < rows; i++) {
        float *restrict p = P + i * AP_KEYS, *restrict d = dS + i * AP_KEYS, shift = lse[i], mean = delta[i];
        for (int32_t c = 0; c < padded; c += AP_LANES) {
            ap_vec power = ap__vec_exp2(ap__vec_load(p + c) - shift);
            ap__vec_store(p + c, power);
            ap__vec_store(d + c, power * (ap__vec_load(d + c) - mean));
        }
    }
}

static void backward_block(struct backward *w, const struct ap_stream *stream, int32_t from, int32_t n, const float *K,
                           int32_t ldk)
{
    int32_t width = w->plan->width, heads = w->plan->heads, Dh = w->plan->attn->Dh;
    memset(w->dK, 0, (size_t)n * (size_t)width * sizeof *w->dK);
    memset(w->dV, 0, (size_t)n * (size_t)width * sizeof *w->dV);
    for (int32_t r = first_row(stream, from, heads); r < stream->row1; r += GROUP) {
        int32_t rows = min32(GROUP, stream->row1 - r);
        int32_t seen = keys_seen(stream, r + rows - 1, from, n, heads), padded = whole_lanes(seen);
        float *Q = w->Q + r * width, *dO = w->dO + r * width, *dQ = w->dQ + r * width;
        struct ap_product scores = {Q, w->Kt, w->P, width, AP_KEYS, AP_KEYS, rows, padded, Dh, false};
        ap__product(&scores);
        scores_mask(w->P, stream, r, rows, from, seen, padded, heads);
        window_mask(w->P, stream, w->position + r, w->plan->attn->window, rows, from, seen);
        struct ap_product dP = {dO, w->Vt, w->dS, width, AP_KEYS, AP_KEYS, rows, padded, Dh, false};
        ap__product(&dP);
        rows_softmax_d(w->P, w->dS, w->lse + r, w->delta + r, rows, padded);
        struct ap_product dV = {w->P, dO, w->dV, AP_KEYS, width, width, seen, width, rows, true};
        ap__product_ta(&dV);
        struct ap_product dK = {w->dS, Q, w->dK, AP_KEYS, width, width, seen, width, rows, true};
        ap__product_ta(&dK);
        struct ap_product mix = {w->dS, K, dQ, AP_KEYS, ldk, width, rows, width, seen, true};
        ap__product(&mix);
    }
}

static void backward_stream(void *ctx, const struct ap_stream *stream)
{
    struct backward *w = ctx;
    int32_t row[AP_KEYS], Dh = w->plan->attn->Dh, width = w->plan->width;
    int32_t from = first_key(stream, w->position, w->plan->attn->window);
    for (; from < stream->keys; from += AP_KEYS) {
        int32_t n = min32(AP_KEYS, stream->keys - from);
        ap__stream_rows(stream, from, n, row);
        rows_transpose(w->Kt, w->k, w->ld, row, n, Dh);
        rows_transpose(w->Vt, w->v, w->ld, row, n, Dh);
        int32_t ldk;
        const float *K = rows_pack(w->K, w->k, w->ld, row, n, Dh, width, &ldk);
        backward_block(w, stream, from, n, K, ldk);
        for (int32_t i = 0; i < n; i++) {
            size_t at = (size_t)(row[i] - w->grad.base) * w->grad.ld;
            float *dk = w->grad.dk + at, *dv = w->grad.dv + at;
#pragma omp simd
            for (int32_t d = 0; d < Dh; d++) {
                dk[d] += w->dK[i * width + d] * AP_LN2; /* Q holds scale*log2(e), dK wants scale */
                dv[d] += w->dV[i * width + d];
            }
        }
    }
}

/* What every item of a call reads and writes. */
struct backward_call {
    const struct ap_plan *plan;
    float *dq, *dk, *dv;
    const float *dout, *out, *lse, *q, *k, *v;
    int32_t row_lo, row_hi;            /* rows of k, v that occur */
    int32_t cut[MAX_THREADS + 1];      /* thread t does units [cut[t], cut[t+1]): item + items * head group */
    float *own;                        /* (threads, 2, rows, Dh) for threads that start inside a head */
};

static void item_delta(float *delta, float *lse2, const struct backward_call *c, const struct ap_piece *piece,
                       int32_t pieces, int32_t head0)
{
    int32_t Dh = c->plan->attn->Dh;
    FOR_ROWS(c->plan, piece, pieces, head0)
    {
        size_t at = (size_t)query * (size_t)c->plan->attn->H + (size_t)head;
        const float *o = c->out + at * (size_t)Dh, *d_o = c->dout + at * (size_t)Dh;
        float sum = 0;
#pragma omp simd reduction(+ : sum)
        for (int32_t d = 0; d < Dh; d++)
            sum += o[d] * d_o[d];
        delta[r] = sum;
        lse2[r] = c->lse[at] * AP_LOG2E;
    }
}

static void backward_item(const struct backward_call *c, int32_t i, int32_t j, const struct head_grad *grad)
{
    const struct ap_plan *plan = c->plan;
    const struct ap_attn *attn = plan->attn;
    int32_t head0 = j * plan->heads, Dh = attn->Dh, width = plan->width;
    size_t column = (size_t)(j / plan->groups) * (size_t)Dh;
    struct ap_piece piece[AP_ITEM_ROWS];
    int32_t pieces = ap__plan_pieces(plan, i, piece);
    int32_t rows = piece[pieces - 1].row + piece[pieces - 1].count * plan->heads;
    struct backward w;
    w.plan = plan;
    w.k = c->k + column;
    w.v = c->v + column;
    w.ld = (size_t)attn->Hkv * (size_t)Dh;
    w.grad = *grad;
    item_pack(w.Q, c->q, plan, piece, pieces, head0, attn->scale * AP_LOG2E);
    item_positions(w.position, plan, piece, pieces);
    item_pack(w.dO, c->dout, plan, piece, pieces, head0, 1.0f);
    item_delta(w.delta, w.lse, c, piece, pieces, head0);
    memset(w.dQ, 0, (size_t)rows * (size_t)width * sizeof *w.dQ);
    ap__plan_walk(plan, piece, pieces, backward_stream, &w);
    FOR_ROWS(plan, piece, pieces, head0)
    {
        float *to = c->dq + ((size_t)query * (size_t)attn->H + (size_t)head) * (size_t)Dh;
        for (int32_t d = 0; d < Dh; d++)
            to[d] = w.dQ[r * width + d] * attn->scale;
    }
}

static int32_t units_per_head(const struct ap_plan *plan)
{
    return plan->items * plan->groups;
}

/* Cut all units into `threads` stretches of equal cost; whole heads only when asked. */
static void units_cut(struct backward_call *c, int32_t threads, double item_cost, bool whole_heads)
{
    const struct ap_plan *plan = c->plan;
    int32_t groups = plan->attn->Hkv * plan->groups;
    for (int32_t t = 0; t <= threads; t++) {
        double before = (double)t * groups / threads; /* in head groups */
        int32_t j = (int32_t)before, i = 0;
        double rest = (before - j) * item_cost;
        while (i < plan->items && rest > 0.5 * ap__plan_cost(plan, i))
            rest -= ap__plan_cost(plan, i++);
        int32_t head = (int32_t)((int64_t)t * plan->attn->Hkv / threads);
        c->cut[t] = whole_heads ? head * units_per_head(plan) : j * plan->items + i;
    }
}

static bool starts_inside_head(const struct backward_call *c, int32_t t)
{
    return c->cut[t] < c->cut[t + 1] && c->cut[t] % units_per_head(c->plan) != 0;
}

/* Numbers of dk (and of dv) of one head over the rows that occur. */
static size_t own_numbers(const struct backward_call *c)
{
    return (size_t)(c->row_hi - c->row_lo) * (size_t)c->plan->attn->Dh;
}

/* Gradients of key/value head kv as thread t sees them. */
static struct head_grad grad_of(const struct backward_call *c, int32_t t, int32_t kv)
{
    size_t Dh = (size_t)c->plan->attn->Dh, n = own_numbers(c);
    if (starts_inside_head(c, t) && kv == c->cut[t] / units_per_head(c->plan)) {
        float *own = c->own + (size_t)t * 2 * n;
        return (struct head_grad){own, own + n, Dh, c->row_lo};
    }
    return (struct head_grad){c->dk + (size_t)kv * Dh, c->dv + (size_t)kv * Dh, (size_t)c->plan->attn->Hkv * Dh, 0};
}

static void backward_units(const struct backward_call *c, int32_t t)
{
    if (starts_inside_head(c, t))
        memset(c->own + (size_t)t * 2 * own_numbers(c), 0, 2 * own_numbers(c) * sizeof *c->own);
    for (int32_t u = c->cut[t]; u < c->cut[t + 1]; u++) {
        int32_t j = u / c->plan->items;
        struct head_grad grad = grad_of(c, t, j / c->plan->groups);
        backward_item(c, u % c->plan->items, j, &grad);
    }
}

/* Add what threads collected on their own for row r, in the order of threads. */
static void own_add(const struct backward_call *c, int32_t threads, int32_t r)
{
    size_t Dh = (size_t)c->plan->attn->Dh, n = own_numbers(c);
    for (int32_t t = 1; t < threads; t++) {
        if (!starts_inside_head(c, t))
            continue;
        size_t kv = (size_t)(c->cut[t] / units_per_head(c->plan));
        size_t to = ((size_t)r * (size_t)c->plan->attn->Hkv + kv) * Dh;
        const float *own = c->own + (size_t)t * 2 * n + (size_t)(r - c->row_lo) * Dh;
        for (size_t d = 0; d < Dh; d++) {
            c->dk[to + d] += own[d];
            c->dv[to + d] += own[n + d];
        }
    }
}

static void rows_range(struct backward_call *c)
{
    const struct ap_attn *attn = c->plan->attn;
    c->row_lo = INT32_MAX;
    c->row_hi = 0;
    for (int32_t i = 0; i < c->plan->count; i++) {
        const struct ap_attn_run *run = &attn->run[c->plan->order[i]];
        for (int32_t s = -1; s < run->span_count; s++) {
            struct ap_span span = s < 0 ? (struct ap_span){run->own_start, run->q_len} : attn->span[run->span_first + s];
            c->row_lo = min32(c->row_lo, span.start);
            c->row_hi = span.start + span.len > c->row_hi ? span.start + span.len : c->row_hi;
        }
    }
}

static _Thread_local struct ap_scratch own_scratch;

void ap__cpu_attention_release(void)
{
    ap__scratch_free(&own_scratch);
}

/* Divide the plan among threads; without memory for rows of their own, heads stay whole. */
static int32_t backward_divide(struct backward_call *c)
{
    double cost = plan_cost(c->plan);
    int32_t threads = threads_for(c->plan, cost);
    bool inside = false;
    units_cut(c, threads, cost, false);
    for (int32_t t = 0; t < threads; t++)
        inside = inside || starts_inside_head(c, t);
    if (!inside)
        return threads;
    rows_range(c);
    c->own = ap__scratch_need(&own_scratch, (size_t)threads * 2 * own_numbers(c) * sizeof *c->own);
    if (c->own == NULL)
        units_cut(c, threads, cost, true);
    return threads;
}

void ap__cpu_attention_d(float *dq, float *dk, float *dv, const float *dout, const float *out, const float *lse,
                         const float *q, const float *k, const float *v, const struct ap_attn *attn)
{
    struct ap_plan plan;
    struct backward_call c = {.plan = &plan, .dq = dq, .dk = dk, .dv = dv, .dout = dout, .out = out, .lse = lse,
                              .q = q, .k = k, .v = v};
    for (int32_t next = 0; next < attn->run_count;) {
        ap__plan_make(&plan, attn, &next, 4 * omp_get_max_threads());
        int32_t threads = backward_divide(&c);
#pragma omp parallel for schedule(static, 1) num_threads(threads) if (threads > 1)
        for (int32_t t = 0; t < threads; t++)
            backward_units(&c, t);
        if (c.own) {
#pragma omp parallel for num_threads(threads)
            for (int32_t r = c.row_lo; r < c.row_hi; r++)
                own_add(&c, threads, r);
        }
        c.own = NULL;
    }
}
