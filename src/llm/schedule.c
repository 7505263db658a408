/* schedule.c - which conversations take part in the next forward pass (continuous batching).
 *
 *     active talks, oldest first
 *       one token to go    decode: always in
 *       more               prefill: in while the step's budget lasts; a prompt may take several steps
 *                          (the session computes what they share once)
 *            |
 *            v
 *     ap__session_step --pool is full--> close the youngest branch, its talk is parked; again
 *            |
 *            v
 *     sample, each from its own stream: the step it was drawn in plays no part
 *
 * The oldest talk is never parked, so there is always progress; a talk that
 * does not fit even alone fails.  Parked talks return when rows were released. */
#include "llm/local.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Sampling fewer logits than this is not worth waking the other threads. */
enum { PARALLEL_LOGITS = 65536 };

void ap__talk_close(struct ap_local *l, struct ap_talk *t)
{
    if (t->branch)
        ap__session_close(l->session, t->branch);
    t->branch = NULL;
}

void ap__talk_fail(struct ap_talk *t, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(t->error, sizeof t->error, fmt, ap);
    va_end(ap);
    t->finish = AP_FINISH_ERROR;
    t->finished = true;
}

static bool runs(const struct ap_talk *t)
{
    return t->active && !t->finished && !t->parked;
}

static int32_t cached_len(const struct ap_talk *t)
{
    return t->branch ? ap__branch_len(t->branch) : 0;
}

/* ---- choosing ---- */

/* Tokens of a talk that the one before it in line has as well: jobs come problem by problem, so they are most
 * likely cached, or computed for both in this step. */
static int32_t shared_with(const struct ap_talk *before, const struct ap_talk *t)
{
    const struct ap_tokens *x = &before->conversation->tokens, *y = &t->conversation->tokens;
    size_t n = x->n < y->n ? x->n : y->n, i = 0;
    while (i < n && x->id[i] == y->id[i])
        i++;
    return (int32_t)i;
}

static ap_status add_item(struct ap_local *l, struct ap_talk *t, int32_t n, struct ap_err *err)
{
    size_t need = (size_t)l->items + 1;
    AP_TRY(ap__grow((void **)&l->item, &l->item_cap, need, sizeof *l->item, err));
    AP_TRY(ap__grow((void **)&l->member, &l->member_cap, need, sizeof *l->member, err));
    AP_TRY(ap__grow((void **)&l->logits, &l->logits_cap, need * (size_t)l->V, sizeof *l->logits, err));
    if (!t->branch)
        AP_TRY(ap__session_open(l->session, &t->branch, err));
    l->item[l->items] = (struct ap_extend){.branch = t->branch, .n = n,
                                           .token = t->conversation->tokens.id + ap__branch_len(t->branch)};
    l->member[l->items++] = t;
    return AP_OK;
}

/* First come, first served; *budget counts tokens that are likely to be computed. */
static ap_status add_prefill(struct ap_local *l, struct ap_talk *t, const struct ap_talk *before, int32_t *budget,
                             struct ap_err *err)
{
    int32_t len = cached_len(t), todo = (int32_t)t->conversation->tokens.n - len;
    int32_t shared = len == 0 && before && before->branch ? shared_with(before, t) : 0;
    if (*budget <= 0)
        return AP_OK;
    if (shared >= todo)
        shared = todo - 1;
    int32_t n = todo - shared < *budget ? todo : shared + *budget;
    *budget -= n - shared;
    return add_item(l, t, n, err);
}

static ap_status choose(struct ap_local *l, struct ap_err *err)
{
    int32_t budget = l->max_prefill;
    l->items = 0;
    for (size_t i = 0; i < l->n; i++)
        if (runs(l->talk[i]) && cached_len(l->talk[i]) + 1 == (int32_t)l->talk[i]->conversation->tokens.n)
            AP_TRY(add_item(l, l->talk[i], 1, err));
    for (size_t i = 0; i < l->n; i++)
        if (runs(l->talk[i]) && cached_len(l->talk[i]) + 1 < (int32_t)l->talk[i]->conversation->tokens.n)
            AP_TRY(add_prefill(l, l->talk[i], i > 0 ? l->talk[i - 1] : NULL, &budget, err));
    return AP_OK;
}

/* ---- making room ---- */

static void remove_item(struct ap_local *l, const struct ap_talk *t)
{
    int32_t kept = 0;
    for (int32_t i = 0; i < l->items; i++)
        if (l->member[i] != t) {
            l->item[kept] = l->item[i];
            l->member[kept++] = l->member[i];
        }
    l->items = kept;
}

/* Close the youngest branch but the oldest one's of this step; false when there is no other. */
static bool make_room(struct ap_local *l)
{
    size_t i = l->n, oldest = 0;
    while (!runs(l->talk[oldest]) || !l->talk[oldest]->branch)
        oldest++;
    do {
        if (i == 0)
            return false;
        i--;
    } while (i == oldest || !l->talk[i]->branch);
    remove_item(l, l->talk[i]);
    ap__talk_close(l, l->talk[i]);
    l->talk[i]->parked = l->talk[i]->active && !l->talk[i]->finished;
    return true;
}

/* Step over the chosen items, fewer and fewer of them while the pool is too small. */
static ap_status forward(struct ap_local *l, struct ap_err *err)
{
    while (l->items > 0) {
        ap_status status = ap__session_step(l->session, l->item, l->items, l->logits, err);
        if (status != AP_E_LIMIT)
            return status;
        if (make_room(l))
            continue;
        ap__talk_fail(l->member[0], "a context of %zu tokens does not fit into the %d key/value rows",
                      l->member[0]->conversation->tokens.n, l->max_tokens);
        ap__talk_close(l, l->member[0]);
        remove_item(l, l->member[0]);
    }
    return AP_OK;
}

/* Let parked talks try again, if rows were released or nobody else is there to release any. */
static void unpark(struct ap_local *l)
{
    bool busy = false;
    for (size_t i = 0; i < l->n; i++)
        busy = busy || runs(l->talk[i]);
    for (size_t i = 0; i < l->n && (l->room || !busy); i++)
        l->talk[i]->parked = false;
    l->room = false;
}

/* ---- after the forward pass ---- */

static bool ends_by_text(struct ap_local *l, const struct ap_talk *t, bool *ends, struct ap_err *err)
{
    *ends = false;
    if (t->request.stop_count == 0)
        return AP_OK;
    AP_TRY(ap__talk_text(l, t, err));
    for (int32_t i = 0; i < t->request.stop_count; i++)
        *ends = *ends || strstr(ap__buf_cstr(&l->text), t->request.stop[i]);
    return AP_OK;
}

/* Take the next token into the conversation and see whether the answer is complete. */
static ap_status accept(struct ap_local *l, struct ap_talk *t, int32_t id, struct ap_err *err)
{
    struct ap_tokens *tokens = &t->conversation->tokens;
    bool ends = ap__template_stops(l->tmpl, id);
    AP_TRY(ap__tokens_add(tokens, id, AP_TOKEN_CALL, err));
    if (!ends)
        AP_TRY(ends_by_text(l, t, &ends, err));
    t->finished = true;
    if (ends)
        t->finish = AP_FINISH_STOP;
    else if (tokens->n - t->answer >= (size_t)t->request.max_tokens)
        t->finish = AP_FINISH_LENGTH;
    else if (tokens->n >= (size_t)l->max_position)
        ap__talk_fail(t, "the context is full: %d tokens", l->max_position);
    else
        t->finished = false;
    return AP_OK;
}

/* Sample for every member whose prompt is complete. The draws are independent of each other. */
static ap_status sample(struct ap_local *l, struct ap_err *err)
{
    int32_t id[l->items > 0 ? l->items : 1];
#pragma omp parallel for schedule(static) if ((int64_t)l->items * l->V >= PARALLEL_LOGITS)
    for (int32_t i = 0; i < l->items; i++) {
        struct ap_talk *t = l->member[i];
        bool complete = ap__branch_len(t->branch) == (int32_t)t->conversation->tokens.n;
        id[i] = complete ? ap__sample(l->logits + (size_t)i * (size_t)l->V, l->V, &t->request.sampling, &t->rng) : -1;
    }
    for (int32_t i = 0; i < l->items; i++)
        if (id[i] >= 0)
            AP_TRY(accept(l, l->member[i], id[i], err));
    return AP_OK;
}

ap_status ap__local_step(struct ap_local *l, struct ap_err *err)
{
    unpark(l);
    AP_TRY(choose(l, err));
    AP_TRY(forward(l, err));
    return sample(l, err);
}
