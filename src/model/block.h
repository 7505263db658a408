/* block.h - one transformer block, forward and backward, over any rows.
 *
 *     x (T,D) -> rmsnorm h -> q,k,v (-> rmsnorm of each q,k head) -> rope -> attention att -> o -> + x = mid
 *     mid     -> rmsnorm h -> gate,up -> swiglu act -> down      -> + mid = out
 *
 * Training, prefill and decoding all pass through here; they differ in the
 * attention runs, and in where keys and values go.  In the last block only rows
 * whose output is wanted (Q of the T) go on after their keys and values. */
#ifndef AP_BLOCK_H
#define AP_BLOCK_H

#include "model/weights.h"

/* What one block computes for T rows.  Backward needs all of it, but makes h and act again, which take little time and
 * much memory, and leaves gradients in the place of gate and up; without backward all layers share one set, and x, mid and out are the same buffer. */
struct ap_block_acts {
    float *x;                /* (T, D) input, not written unless it is also mid */
    float *h;                /* (T, D) x, then mid normed; a buffer of all layers */
    float *rstd1, *rstd2;    /* (T,), (Q,) of these norms */
    float *hq;               /* (Q, D) rows of the first h that ask; h itself when all do or without backward */
    float *q_in, *k_in;      /* as q, k: what a family with norms of queries and keys puts into them; else q, k */
    float *q_rstd, *k_rstd;  /* (Q, H), (T, Hkv) of these norms */
    float *q, *k, *v;        /* (Q, H*Dh), (T, Hkv*Dh) x 2; q and k after rope */
    float *att, *lse;        /* (Q, H*Dh), (Q, H); lse NULL without backward */
    float *mid;              /* (Q, D) */
    float *gate, *up;        /* (Q, F) x 2 */
    float *act;              /* (Q, F) a buffer of all layers; without backward gate's */
    float *out;              /* (Q, D) */
    float *u[AP_LINEAR_COUNT]; /* (Q or T, R) x A^T of each adapter; one buffer without backward */
};

/* Rows of a forward pass. */
struct ap_block_rows {
    int32_t T;
    const int32_t *position; /* (T,) */
    /* Rows whose output is wanted, ascending, and their positions; NULL = all, Q = T. */
    int32_t Q;
    const int32_t *query, *query_position; /* (Q,) */
    const struct ap_attn *attn;            /* its queries are the Q rows, its keys the T rows or the cache; the
                                              block adds its layer's window */
    /* Keys and values that attention sees: NULL = this pass's own k, v.  Otherwise row i of k, v
     * is first copied to row kv_row[i] of these (-1 = not copied), (Hkv, attn->head_rows, Dh). */
    float *cache_k, *cache_v;
    const int32_t *kv_row; /* (T,); NULL = k, v are rows of the cache already, from key_first on */
    /* Backward: gradients of the cache, added to; what they hold for this pass's own rows is overwritten unless
     * keys_begun (others have seen these rows, too). */
    float *cache_dk, *cache_dv;
    int32_t key_first;
    bool keys_begun;
};

void ap__block_forward(const struct ap_model *m, int32_t l, const struct ap_block_rows *rows,
                       struct ap_block_acts *a);

/* Scratch of backward, shared by all layers. */
struct ap_block_grads {
    float *dx;                 /* (T, D) in: dLoss/dout (Q, D), out: dLoss/dx (T, D) */
    float *dh;                 /* (T, D) */
    float *dq, *dk, *dv, *datt; /* as q, k, v, att */
    float *dact;               /* (T, F) */
    float *du;                 /* (T, R) */
};
/* input_grad: false when nothing below this block is trainable; dx is then left undefined. */
void ap__block_backward(const struct ap_model *m, int32_t l, const struct ap_block_rows *rows,
                        const struct ap_block_acts *a, struct ap_block_grads *g, bool input_grad);

#endif
