/* token_tree.h - a radix tree of token sequences: shared prefixes stand once.
 *
 *     prompt --+-- question 1 --+-- chain a        segments: runs of tokens
 *              |                +-- chain b        without a branch
 *              +-- question 2 ----- chain c
 *
 * Two sequences share a token only if they agree on its id, its position and
 * whether it is trained.  Knows nothing of models or losses. */
#ifndef AP_TOKEN_TREE_H
#define AP_TOKEN_TREE_H

#include "base/alloc.h"

/* One token sequence, borrowed. */
struct ap_seq {
    const int32_t *token;   /* (len,) ids */
    const uint8_t *trained; /* (len,) 1 = enters the loss; trained[0] must be 0 (nothing predicts it) */
    int32_t len;
};

/* A flattened tree in depth-first order: a segment's tokens are contiguous,
 * ancestors come before descendants.  T tokens, G segments, S sequences, N targets. */
struct ap_segment {
    int32_t start, len;  /* its tokens: rows [start, start+len) */
    int32_t parent;      /* segment, -1 for a root */
    int32_t depth;       /* position of its first token = tokens above it */
    int32_t first_target, target_count; /* its targets, contiguous in target order */
};
struct ap_pack {
    int32_t T, G, S, N;
    int64_t flat_tokens; /* sum of sequence lengths: what it would cost without sharing */
    int32_t *token;      /* (T,) */
    int32_t *position;   /* (T,) depth in the tree = RoPE position */
    int32_t *parent;     /* (T,) row of the previous token, -1 at a root */
    struct ap_segment *segment; /* (G,) */
    int32_t *leaf;       /* (S,) segment in which sequence s ends (sequences may end inside others:
                            segments are split there, so an end is always a segment's end) */
    int32_t *target_row;   /* (N,) row whose output predicts the target = parent of the trained token */
    int32_t *target_token; /* (N,) id that is predicted */
    double *weight;        /* (G,) workspace of ap__pack_scatter, which therefore is not reentrant */
};

/* Build *out from S sequences.  max_tokens 0 = no limit; AP_E_TOO_LARGE when
 * the flattened tree exceeds it (*out untouched).  All arrays live in arena.
 * Order of sequences does not change sums; the layout is a deterministic
 * function of the input order. */
ap_status ap__pack_build(struct ap_arena *arena, const struct ap_seq *seqs, int32_t S, int32_t max_tokens,
                         struct ap_pack *out, struct ap_err *err) AP_MUST_CHECK;

/* seq_logp[s] = sum over trained tokens of s of logp[target].  logp (N,) -> seq_logp (S,), overwrites;
 * count (S,) may be NULL: number of trained tokens per sequence. */
void ap__pack_sum(const struct ap_pack *pack, const float *logp, double *seq_logp, int32_t *count);
/* The mirror: dlogp[t] = sum over sequences through t of dseq[s] (DESIGN section 2), overwrites. */
void ap__pack_scatter(const struct ap_pack *pack, const double *dseq, float *dlogp);

#endif
