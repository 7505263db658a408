/* attention_plan.c - sort runs by their spans, cut them into items, walk an item.
 *
 * Sorting is a merge sort over run indices (stable, no allocation); runs of a
 * depth-first layout or of an ordered decode step are mostly in place already. */
#include "tensor/attention_plan.h"
#include "tensor/product.h"

#include <string.h>

static int32_t max32(int32_t a, int32_t b)
{
    return a > b ? a : b;
}

static const struct ap_span *spans_of(const struct ap_attn *attn, const struct ap_attn_run *run)
{
    return attn->span + run->span_first;
}

/* Number of leading spans that two runs share. */
static int32_t spans_shared(const struct ap_attn *attn, const struct ap_attn_run *a, const struct ap_attn_run *b)
{
    const struct ap_span *x = spans_of(attn, a), *y = spans_of(attn, b);
    int32_t n = ap__min32(a->span_count, b->span_count), i = 0;
    while (i < n && x[i].start == y[i].start && x[i].len == y[i].len)
        i++;
    return i;
}

/* Whether b must stand before a. */
static bool out_of_order(const struct ap_attn *attn, const struct ap_attn_run *a, const struct ap_attn_run *b)
{
    int32_t i = spans_shared(attn, a, b);
    if (i == a->span_count || i == b->span_count)
        return b->span_count < a->span_count;
    const struct ap_span *x = spans_of(attn, a) + i, *y = spans_of(attn, b) + i;
    return y->start != x->start ? y->start < x->start : y->len < x->len;
}

static void runs_merge(const struct ap_attn *attn, const int32_t *from, int32_t *to, int32_t lo, int32_t mid, int32_t hi)
{
    int32_t a = lo, b = mid;
    for (int32_t i = lo; i < hi; i++) {
        bool take_b = b < hi && (a >= mid || out_of_order(attn, &attn->run[from[a]], &attn->run[from[b]]));
        to[i] = take_b ? from[b++] : from[a++];
    }
}

static void runs_sort(struct ap_plan *plan)
{
    int32_t other[AP_BATCH_RUNS], *from = plan->order, *to = other, n = plan->count;
    bool sorted = true;
    for (int32_t i = 1; i < n && sorted; i++)
        sorted = !out_of_order(plan->attn, &plan->attn->run[from[i - 1]], &plan->attn->run[from[i]]);
    for (int32_t size = 1; size < n && !sorted; size *= 2) {
        for (int32_t lo = 0; lo < n; lo += 2 * size)
            runs_merge(plan->attn, from, to, lo, ap__min32(lo + size, n), ap__min32(lo + 2 * size, n));
        int32_t *swap = from;
        from = to;
        to = swap;
    }
    if (from != plan->order)
        memcpy(plan->order, from, (size_t)n * sizeof *from);
}

/* Heads that share a key/value head, divided so that an item holds at most AP_ITEM_HEADS. */
static void heads_divide(struct ap_plan *plan)
{
    int32_t ratio = plan->attn->H / plan->attn->Hkv;
    plan->groups = (ratio + AP_ITEM_HEADS - 1) / AP_ITEM_HEADS;
    while (ratio % plan->groups != 0)
        plan->groups++;
    plan->heads = ratio / plan->groups;
}

/* Items as large as fits, but enough of them for `wanted` in total. */
static void items_size(struct ap_plan *plan, int32_t wanted)
{
    int32_t rows = ap__min32(AP_ITEM_ROWS, AP_ITEM_NUMBERS / plan->width);
    int32_t most = rows / plan->heads, least = ap__min32(most, max32(1, 16 / plan->heads));
    int64_t total = (int64_t)plan->first[plan->count] * plan->groups * plan->attn->Hkv;
    int64_t even = (total + wanted - 1) / wanted;
    plan->queries = even > most ? most : max32(least, (int32_t)even);
    plan->items = (plan->first[plan->count] + plan->queries - 1) / plan->queries;
}

void ap__plan_make(struct ap_plan *plan, const struct ap_attn *attn, int32_t *next, int32_t wanted)
{
    plan->attn = attn;
    plan->count = ap__min32(AP_BATCH_RUNS, attn->run_count - *next);
    plan->width = (attn->Dh + AP_PANEL - 1) / AP_PANEL * AP_PANEL;
    for (int32_t i = 0; i < plan->count; i++)
        plan->order[i] = *next + i;
    *next += plan->count;
    runs_sort(plan);
    plan->first[0] = 0;
    for (int32_t i = 0; i < plan->count; i++) {
        const struct ap_attn_run *run = &attn->run[plan->order[i]];
        plan->first[i + 1] = plan->first[i] + run->q_len;
        plan->context[i] = 0;
        for (int32_t s = 0; s < run->span_count; s++)
            plan->context[i] += spans_of(attn, run)[s].len;
    }
    heads_divide(plan);
    items_size(plan, wanted);
}

/* The run (in order) that holds query q: the last with first <= q, which is not empty. */
static int32_t run_holding(const struct ap_plan *plan, int32_t q)
{
    int32_t lo = 0, hi = plan->count;
    while (hi - lo > 1) {
        int32_t mid = lo + (hi - lo) / 2;
        if (plan->first[mid] <= q)
            lo = mid;
        else
            hi = mid;
    }
    return lo;
}

int32_t ap__plan_pieces(const struct ap_plan *plan, int32_t i, struct ap_piece *piece)
{
    int32_t q = i * plan->queries, end = ap__min32(q + plan->queries, plan->first[plan->count]), n = 0, row = 0;
    for (int32_t r = run_holding(plan, q); q < end; r++) {
        int32_t from = q - plan->first[r], count = ap__min32(plan->first[r + 1], end) - q;
        if (count <= 0)
            continue;
        piece[n++] = (struct ap_piece){&plan->attn->run[plan->order[r]], from, count, row, plan->context[r]};
        row += count * plan->heads;
        q += count;
    }
    return n;
}

double ap__plan_cost(const struct ap_plan *plan, int32_t i)
{
    int32_t q = i * plan->queries, end = ap__min32(q + plan->queries, plan->first[plan->count]);
    double cost = 0, most = plan->attn->window > 0 ? plan->attn->window : INT32_MAX;
    for (int32_t r = run_holding(plan, q); q < end; r++) {
        int32_t from = q - plan->first[r], count = ap__min32(plan->first[r + 1], end) - q;
        if (count <= 0)
            continue;
        double keys = plan->context[r] + from + 0.5 * count;
        cost += (double)count * (keys < most ? keys : most);
        q += count;
    }
    return cost;
}

static struct ap_stream stream_make(const struct ap_plan *plan, const struct ap_piece *first,
                                    const struct ap_piece *last, int32_t span_from, int32_t span_to, int32_t before)
{
    struct ap_stream stream = {.row0 = first->row,
                               .before = before,
                               .row1 = last->row + last->count * plan->heads,
                               .span = spans_of(plan->attn, first->run) + span_from,
                               .spans = span_to - span_from};
    for (int32_t s = 0; s < stream.spans; s++)
        stream.keys += stream.span[s].len;
    return stream;
}

/* What is left for a piece: its spans from `level` on and its own keys up to the last query. */
static void visit_piece(const struct ap_plan *plan, const struct ap_piece *piece, int32_t level, int32_t before,
                        ap_visit visit, void *ctx)
{
    struct ap_stream stream = stream_make(plan, piece, piece, level, piece->run->span_count, before);
    stream.own_start = piece->run->own_start;
    stream.own_len = piece->from + piece->count;
    stream.visible0 = stream.keys + piece->from + 1;
    stream.keys += stream.own_len;
    visit(ctx, &stream);
}

/* The pieces share their first `level` spans of `before` keys, which were visited. */
static void walk(const struct ap_plan *plan, const struct ap_piece *piece, int32_t count, int32_t level, int32_t before,
                 ap_visit visit, void *ctx)
{
    const struct ap_attn *attn = plan->attn;
    if (count == 1) {
        visit_piece(plan, piece, level, before, visit, ctx);
        return;
    }
    /* sorted, so what the first and the last share is shared by all */
    int32_t shared = spans_shared(attn, piece[0].run, piece[count - 1].run);
    if (shared > level) {
        struct ap_stream stream = stream_make(plan, &piece[0], &piece[count - 1], level, shared, before);
        if (stream.keys > 0)
            visit(ctx, &stream);
        before += stream.keys;
    }
    for (int32_t i = 0, n; i < count; i += n) {
        n = 1;
        while (piece[i].run->span_count > shared && i + n < count &&
               spans_shared(attn, piece[i].run, piece[i + n].run) > shared)
            n++;
        walk(plan, piece + i, n, shared, before, visit, ctx);
    }
}

void ap__plan_walk(const struct ap_plan *plan, const struct ap_piece *piece, int32_t count, ap_visit visit, void *ctx)
{
    walk(plan, piece, count, 0, 0, visit, ctx);
}

void ap__stream_rows(const struct ap_stream *stream, int32_t from, int32_t n, int32_t *row)
{
    int32_t filled = 0, skip = from;
    for (int32_t s = 0; s < stream->spans && filled < n; s++) {
        for (int32_t i = ap__min32(skip, stream->span[s].len); i < stream->span[s].len && filled < n; i++)
            row[filled++] = stream->span[s].start + i;
        skip = max32(0, skip - stream->span[s].len);
    }
    for (int32_t i = skip; filled < n; i++)
        row[filled++] = stream->own_start + i;
}

int32_t ap__stream_stretch(const struct ap_stream *stream, int32_t from, int32_t n, int32_t *row)
{
    for (int32_t s = 0; s < stream->spans; s++) {
        if (from < stream->span[s].len) {
            *row = stream->span[s].start + from;
            return ap__min32(n, stream->span[s].len - from);
        }
        from -= stream->span[s].len;
    }
    *row = stream->own_start + from;
    return n;
}
