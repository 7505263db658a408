/* backend.h - the operations a transformer is made of, as one const table.
 *
 * Each forward stands beside its backward.  The CPU table (ap__backend_cpu) is
 * the definition.  Activations are f32 row-major; sums of losses are double.
 * Legend: T packed tokens, D model width, H/Hkv heads, Dh head width,
 * F feed-forward width, V vocabulary, R LoRA rank, N targets, I/O linear in/out. */
#ifndef AP_BACKEND_H
#define AP_BACKEND_H

#include "base/alloc.h"
#include "tensor/dtype.h" /* enum ap_dtype { AP_F32, AP_BF16, AP_F16, ... }, sizes, converters */

/* A matrix of weights, rows = outputs, or with cols 0 a vector of `rows` numbers.  Frozen weights may be any dtype. */
struct ap_matrix {
    enum ap_dtype dtype;
    int32_t rows, cols;
    const void *data; /* (rows, cols) or (rows,) */
};
/* A vector as the one row that it is stored as; a matrix as it is. */
static inline struct ap_matrix ap__as_rows(const struct ap_matrix *w)
{
    return w->cols > 0 ? *w : (struct ap_matrix){w->dtype, 1, w->rows, w->data};
}

/* Keys/values visible to a run of queries: rows [start, start+len) of the key/value arrays, in
 * order of position. */
struct ap_span {
    int32_t start, len;
};
/* One run of consecutive queries.  Query i (0..q_len-1) sees every row of its spans, and of the own
 * rows [own_start, own_start+i].  Prefill, decoding and training differ only in their runs.
 * Through a window it sees the last `window` of these, itself included: spans hold the whole context from
 * position 0 on, so a key's position is its place among them. */
struct ap_attn_run {
    int32_t q_start, q_len; /* rows of q and out */
    int32_t own_start;      /* row of its first own key in k/v */
    int32_t span_first, span_count;
};
struct ap_attn {
    const struct ap_attn_run *run; /* (run_count,) */
    const struct ap_span *span;
    int32_t run_count;
    int32_t H, Hkv, Dh;
    float scale;    /* usually 1/sqrt(Dh) */
    int32_t window; /* 0 = none */
    /* 0: k and v are (rows, Hkv*Dh). Otherwise (Hkv, head_rows, Dh), as a cache has them: what one head reads while
     * decoding is one stretch of memory then. Forward only. */
    int32_t head_rows;
};

struct ap_adamw {
    float lr, beta1, beta2, eps, weight_decay;
    int64_t step; /* 1-based, for bias correction */
};

struct ap_backend {
    const char *name;

    /* y (T,O) = x (T,I) W^T, or += when accumulate. */
    void (*linear)(float *y, const float *x, const struct ap_matrix *W, int32_t T, bool accumulate, float scale);
    /* dx (T,I) = scale * dy (T,O) W, or += when accumulate. */
    void (*linear_dx)(float *dx, const float *dy, const struct ap_matrix *W, int32_t T, bool accumulate, float scale);
    /* y (T,O) = x (T,I) W^T + scale * u (T,R) B^T, or += when accumulate: a linear and its adapter. */
    void (*linear_adapted)(float *y, const float *x, const struct ap_matrix *W, const float *u, const struct ap_matrix *B,
                           float scale, int32_t T, bool accumulate);
    /* dx (T,I) = dy (T,O) W + du (T,R) A, or += when accumulate; A and B are f32. */
    void (*linear_adapted_dx)(float *dx, const float *dy, const struct ap_matrix *W, const float *du,
                              const struct ap_matrix *A, int32_t T, bool accumulate);
    /* dW (O,I) += scale * dy^T x. */
    void (*linear_dw)(float *dW, const float *dy, const float *x, int32_t T, int32_t O, int32_t I, float scale);

    /* y (T,O) += b (O,) in every row. */
    void (*bias)(float *y, const struct ap_matrix *b, int32_t T);
    /* db (O,) += sum of the rows of dy (T,O). */
    void (*bias_d)(float *db, const float *dy, int32_t T, int32_t O);

    /* y (T,D) = x / rms(x) * w (D,), y may be x; rstd (T,) kept for backward. */
    void (*rmsnorm)(float *y, float *rstd, const float *x, const struct ap_matrix *w, int32_t T, float eps);
    /* dx (T,D) +=, dw (D,) += when not NULL. */
    void (*rmsnorm_d)(float *dx, float *dw, const float *dy, const float *x, const struct ap_matrix *w, const float *rstd,
                      int32_t T);

    /* Rotate in place x (T, heads, Dh), Hugging Face half-split layout; inv_freq (Dh/2,);
     * backward = the same with inverse=true. */
    void (*rope)(float *x, const int32_t *position, const float *inv_freq, int32_t T, int32_t heads, int32_t Dh,
                 bool inverse);

    /* out (Tq, H*Dh) overwritten; k,v as attn says; lse (Tq, H) log-sum-exp kept for backward, may be NULL. */
    void (*attention)(float *out, float *lse, const float *q, const float *k, const float *v,
                      const struct ap_attn *attn);
    /* dq overwritten for its rows; dk, dv accumulate.  out, lse from forward. */
    void (*attention_d)(float *dq, float *dk, float *dv, const float *dout, const float *out, const float *lse,
                        const float *q, const float *k, const float *v, const struct ap_attn *attn);

    /* y (T,F) = silu(gate) * up. */
    void (*swiglu)(float *y, const float *gate, const float *up, int64_t n);
    /* dgate, dup and y (once more) overwritten; they may stand in the places of gate, up and dy. */
    void (*swiglu_d)(float *dgate, float *dup, float *y, const float *dy, const float *gate, const float *up, int64_t n);

    /* y (T,D) = E[token]. */
    void (*embedding)(float *y, const int32_t *token, const struct ap_matrix *E, int32_t T);
    /* dE (V,D) += */
    void (*embedding_d)(float *dE, const float *dy, const int32_t *token, int32_t T, int32_t D);

    /* logp[i] = log softmax(h[row[i]] W^T)[token[i]] for i < N; h (T,D).  For backward, each NULL when not wanted: lse[i]
     * the log of the sum of e^logit, and all logits, (N,V) in an order of their own.  Where logits are not kept they exist
     * only for some targets and a part of the vocabulary at a time. */
    ap_status (*logprobs)(float *logp, float *lse, float *logits, const float *h, const struct ap_matrix *W, const int32_t *row,
                          const int32_t *token, int32_t N, struct ap_arena *scratch, struct ap_err *err);
    /* dh[row[i]] += and dW += (dW may be NULL), given lse; without logits (NULL) they are computed again.  Targets whose
     * dlogp is 0 cost nothing.  Deterministic: rows of equal `row` may repeat (a parent with several children) and need
     * not be sorted. */
    ap_status (*logprobs_d)(float *dh, float *dW, const float *dlogp, const float *lse, const float *logits, const float *h,
                            const struct ap_matrix *W, const int32_t *row, const int32_t *token, int32_t N,
                            struct ap_arena *scratch, struct ap_err *err);

    /* y += a * x, n elements. */
    void (*axpy)(float *y, const float *x, float a, int64_t n);
    /* Sum of squares in double. */
    double (*sumsq)(const float *x, int64_t n);
    /* One AdamW update (Loshchilov & Hutter 2019), g scaled by g_scale first. */
    void (*adamw)(float *w, float *m, float *v, const float *g, int64_t n, const struct ap_adamw *opt, float g_scale);
    /* Muon update (Jordan 2024) for a hidden matrix w (rows, cols): momentum, Newton-Schulz
     * orthogonalisation (5 steps), lr * sqrt(max(1, rows/cols)). */
    ap_status (*muon)(float *w, float *momentum, const float *g, int32_t rows, int32_t cols, float lr, float mu,
                      float weight_decay, float g_scale, struct ap_arena *scratch, struct ap_err *err);
};

/* Widest head that attention takes; whoever reads a configuration checks it. */
enum { AP_MAX_HEAD_WIDTH = 256 };

/* Operations never allocate, except that a thread that calls them keeps a little scratch, grown to the
 * largest call so far.  When it cannot be had they go on without it, slower but right. */
extern const struct ap_backend ap__backend_cpu;
/* Give the calling thread's scratch back; this happens by itself when a thread other than the first ends. */
void ap__backend_cpu_release(void);

#endif
