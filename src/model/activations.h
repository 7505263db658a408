/* activations.h - what forward keeps for backward, and which rows go where.
 *
 *     pack -> attention runs: a segment's queries see the rows of all segments above it (one span each) and their own
 *          -> the Q rows that go on after the last block's keys and values: those of each segment from its first
 *             predicting row to its last one
 *          -> buffers per block, in the step's arena
 *
 * On a trunk, whose P rows are there already, only rows from P on are computed.  Keys and values of both lie in
 * the trunk's buffers, (L, P + most, Hkv*Dh): the trunk's first, then those of whoever stands on it now.  Gradients
 * of the trunk's keys and values gather in dk, dv until its own backward. */
#ifndef AP_ACTIVATIONS_H
#define AP_ACTIVATIONS_H

#include "model/block.h"

/* Logits that are kept of one pack, at most. */
enum { AP_KEPT_LOGITS = 1 << 25 };

struct ap_trunk {
    int32_t P, most;      /* its rows; those of the largest pack on it */
    float *k, *v;         /* (L, P + most, Hkv*Dh) */
    float *dk, *dv;       /* likewise */
    struct ap_pack pack;  /* one segment, no targets */
    struct ap_activations *acts;
};

struct ap_activations {
    struct ap_block_acts *layer; /* (L,) with keep, else one set that all layers share */
    bool recompute;      /* the L sets are one but for x and out, and hold the last block's */
    struct ap_block_rows rows, last; /* of all blocks but the last, of the last */
    struct ap_attn attn, last_attn;
    int32_t first;       /* row of the pack where these rows begin */
    const struct ap_trunk *trunk; /* what they stand on, or are; NULL */
    bool is_trunk;
    int32_t *target;     /* (N,) row of h that predicts each target */
    float *x, *h, *rstd; /* (Q, D) after the last block, (Q, D) normed, (Q,) */
    float *lse;          /* (N,) with keep: log of the sum of e^logit where each target is predicted */
    float *logits;       /* (N, V) with keep unless there are too many: else backward computes them again */
};

struct ap_activations_how {
    bool keep;                    /* for backward */
    bool all;                     /* every row goes through the last block (full logits) */
    const struct ap_trunk *trunk; /* NULL = none */
    bool is_trunk;                /* these are its rows */
};
ap_status ap__activations_make(const struct ap_model *m, const struct ap_pack *pack, const struct ap_activations_how *how,
                               struct ap_arena *step, struct ap_activations **out, struct ap_err *err) AP_MUST_CHECK;
/* The rows of block l, with the trunk's keys and values if there is one. */
struct ap_block_rows ap__activations_rows(const struct ap_activations *a, const struct ap_config *c, int32_t l);
/* Scratch of backward for so many rows. */
ap_status ap__activations_grads(const struct ap_model *m, struct ap_arena *step, int32_t tokens,
                                struct ap_block_grads *g, struct ap_err *err) AP_MUST_CHECK;
/* Buffers for keys, values and their gradients (zeroed); nothing is computed. */
ap_status ap__trunk_make(const struct ap_config *c, int32_t P, int32_t most, struct ap_arena *step,
                         struct ap_trunk **out, struct ap_err *err) AP_MUST_CHECK;

#endif
