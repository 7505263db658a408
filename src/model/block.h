/* block.h - one transformer block, forward and backward, over any rows.
 *
 *     x (T,D) -> rmsnorm h1 -> q,k,v -> rope -> attention att -> o -> + x = mid
 *     mid     -> rmsnorm h2 -> gate,up -> swiglu act -> down      -> + mid = out
 *
 * Training, prefill and decoding all pass through here; they differ in the
 * attention runs, and in where keys and values go. */
#ifndef AP_BLOCK_H
#define AP_BLOCK_H

#include "model/weights.h"

/* What one block computes for T rows.  Backward needs all of it; without
 * backward all layers share one set, and x, mid and out are the same buffer. */
struct ap_block_acts {
    float *x;                /* (T, D) input, not written by the block */
    float *h1, *rstd1;       /* (T, D), (T,) */
    float *q, *k, *v;        /* (T, H*Dh), (T, Hkv*Dh) x 2; q and k after rope */
    float *att, *lse;        /* (T, H*Dh), (T, H); lse NULL without backward */
    float *mid;              /* (T, D) */
    float *h2, *rstd2;       /* (T, D), (T,) */
    float *gate, *up, *act;  /* (T, F) x 3; act may be gate's buffer without backward */
    float *out;              /* (T, D) */
    float *u[AP_LINEAR_COUNT]; /* (T, R) x A^T of each adapter; one buffer without backward */
};

/* Rows of a forward pass. */
struct ap_block_rows {
    int32_t T;
    const int32_t *position; /* (T,) */
    const struct ap_attn *attn;
    /* Keys and values that attention sees: NULL = this pass's own k, v.  Otherwise row i of k, v
     * is first copied to row kv_row[i] of these (-1 = not copied). */
    float *cache_k, *cache_v;
    const int32_t *kv_row; /* (T,) */
};

void ap__block_forward(const struct ap_model *m, int32_t l, const struct ap_block_rows *rows,
                       struct ap_block_acts *a);

/* Scratch of backward, shared by all layers. */
struct ap_block_grads {
    float *dx;                 /* (T, D) in: dLoss/dout, out: dLoss/dx */
    float *dh;                 /* (T, D) */
    float *dq, *dk, *dv, *datt; /* as q, k, v, att */
    float *dgate, *dup, *dact; /* (T, F) */
    float *du;                 /* (T, R) */
};
/* input_grad: false when nothing below this block is trainable; dx is then left undefined. */
void ap__block_backward(const struct ap_model *m, int32_t l, const struct ap_block_rows *rows,
                        const struct ap_block_acts *a, struct ap_block_grads *g, bool input_grad);

#endif
