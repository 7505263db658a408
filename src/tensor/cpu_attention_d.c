/* cpu_attention_d.c - the way back through attention over a token tree.
 *
 *     S = Q K^T    P = 2^(S - lse)     dV += P^T dO
 *                  dP = dO V^T         dS = P (dP - delta)    dK += dS^T Q    dQ += dS K
 *
 * Items of one key/value head add into the same dK, dV: each thread takes a fixed, contiguous stretch of items, and where
 * two threads meet inside a head the later one adds into rows of its own, which are summed in the order of threads. */
#include "tensor/attention_block.h"
#include "tensor/cpu.h"

#include <omp.h>
#include <string.h>

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
    AP_ALIGNED float P[AP_GROUP * AP_KEYS], dS[AP_GROUP * AP_KEYS];
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
    for (int32_t r = ap__first_row(stream, from, heads); r < stream->row1; r += AP_GROUP) {
        int32_t rows = ap__min32(AP_GROUP, stream->row1 - r);
        int32_t seen = ap__keys_seen(stream, r + rows - 1, from, n, heads), padded = ap__whole_lanes(seen);
        float *Q = w->Q + r * width, *dO = w->dO + r * width, *dQ = w->dQ + r * width;
        struct ap_product scores = {Q, w->Kt, w->P, width, AP_KEYS, AP_KEYS, rows, padded, Dh, false};
        ap__product(&scores);
        ap__scores_hide(w->P, w->plan, stream, w->position, r, rows, from, seen);
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
    int32_t from = ap__first_key(stream, w->position, w->plan->attn->window);
    for (; from < stream->keys; from += AP_KEYS) {
        int32_t n = ap__min32(AP_KEYS, stream->keys - from);
        ap__stream_rows(stream, from, n, row);
        ap__rows_transpose(w->Kt, w->k, w->ld, row, n, Dh);
        ap__rows_transpose(w->Vt, w->v, w->ld, row, n, Dh);
        int32_t ldk;
        const float *K = ap__rows_pack(w->K, w->k, w->ld, row, n, Dh, width, &ldk);
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
    int32_t cut[AP_MAX_THREADS + 1];      /* thread t does units [cut[t], cut[t+1]): item + items * head group */
    float *own;                        /* (threads, 2, rows, Dh) for threads that start inside a head */
};

static void item_delta(float *delta, float *lse2, const struct backward_call *c, const struct ap_piece *piece,
                       int32_t pieces, int32_t head0)
{
    int32_t Dh = c->plan->attn->Dh;
    AP_FOR_ROWS(c->plan, piece, pieces, head0)
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
    ap__item_pack(w.Q, c->q, plan, piece, pieces, head0, attn->scale * AP_LOG2E);
    ap__item_positions(w.position, plan, piece, pieces);
    ap__item_pack(w.dO, c->dout, plan, piece, pieces, head0, 1.0f);
    item_delta(w.delta, w.lse, c, piece, pieces, head0);
    memset(w.dQ, 0, (size_t)rows * (size_t)width * sizeof *w.dQ);
    ap__plan_walk(plan, piece, pieces, backward_stream, &w);
    AP_FOR_ROWS(plan, piece, pieces, head0)
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
            c->row_lo = ap__min32(c->row_lo, span.start);
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
    double cost = ap__attention_cost(c->plan);
    int32_t threads = ap__attention_threads(c->plan, cost);
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
