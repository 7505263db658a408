/* attention_plan.h - how the queries of a tree are divided into work.
 *
 * Runs are put in order of their spans, so that those with a common prefix
 * stand together.  An item is a stretch of consecutive queries in this order
 * for the heads of one group; walking it meets every distinct span once:
 *
 *     queries of the item     a a a b b c c c
 *     stream of keys 1        [---- shared --]     all of them at once
 *     stream 2, 3, 4          [own]               the rest and the own, causal
 *                                   [own]
 *                                       [-own-]
 *
 * So a shared prefix is one dense product per item, however short its runs. */
#ifndef AP_ATTENTION_PLAN_H
#define AP_ATTENTION_PLAN_H

#include "tensor/backend.h"

enum {
    AP_BATCH_RUNS = 4096, /* runs planned at a time */
    AP_ITEM_ROWS = 192,   /* query rows (queries x heads) of an item */
    AP_ITEM_NUMBERS = 16384,
    AP_ITEM_HEADS = 32,
    AP_KEYS = 64 /* keys taken at a time */
};

struct ap_plan {
    const struct ap_attn *attn;
    int32_t count;                      /* runs of this batch */
    int32_t order[AP_BATCH_RUNS];       /* runs, sorted by spans */
    int32_t first[AP_BATCH_RUNS + 1];   /* queries before each, in this order */
    int32_t context[AP_BATCH_RUNS];     /* keys in the spans of each */
    int32_t queries;                    /* of an item (the last may have fewer) */
    int32_t items;                      /* per head group */
    int32_t heads, groups;              /* heads of an item; head groups per key/value head */
    int32_t width;                      /* Dh rounded up to whole vectors */
};

/* Part of a run within an item: queries [from, from+count), rows from `row`. */
struct ap_piece {
    const struct ap_attn_run *run;
    int32_t from, count, row;
    int32_t context; /* keys in the spans of the run: the position of its first query */
};

/* Keys that rows [row0, row1) of an item see: spans, then own rows of a run.
 * Row row0 + i*heads + h sees the first visible0 + i keys (all of them when not causal). */
struct ap_stream {
    int32_t row0, row1;
    const struct ap_span *span; /* (spans,) */
    int32_t spans;
    int32_t own_start, own_len; /* own_len 0: none, and nothing is causal */
    int32_t keys, visible0;
    int32_t before; /* position of its first key */
};

/* Plan the runs from *next on, as many as fit; *next moves behind them.  wanted: items in total that
 * keep all threads busy. */
void ap__plan_make(struct ap_plan *plan, const struct ap_attn *attn, int32_t *next, int32_t wanted);
/* The pieces of item i; returns how many (at most AP_ITEM_ROWS). */
int32_t ap__plan_pieces(const struct ap_plan *plan, int32_t i, struct ap_piece *piece);
/* Queries x keys of item i, about. */
double ap__plan_cost(const struct ap_plan *plan, int32_t i);

/* Call visit for every stream of the pieces, shared ones first. */
typedef void (*ap_visit)(void *ctx, const struct ap_stream *stream);
void ap__plan_walk(const struct ap_plan *plan, const struct ap_piece *piece, int32_t count, ap_visit visit, void *ctx);

/* Rows of the key/value arrays that keys [from, from+n) of a stream are: row (n,). */
void ap__stream_rows(const struct ap_stream *stream, int32_t from, int32_t n, int32_t *row);
/* The row of key `from`; returns how many of the n keys from there on are in neighbouring rows, at least 1. */
int32_t ap__stream_stretch(const struct ap_stream *stream, int32_t from, int32_t n, int32_t *row);

#endif
