/* cpu.h - the operations of the CPU back end, as the table binds them.
 *
 * Contracts stand in backend.h; here only what the files of the back end share. */
#ifndef AP_CPU_H
#define AP_CPU_H

#include "tensor/backend.h"

/* Loops below this many numbers are not worth waking the other threads. */
enum { AP_PARALLEL_MIN = 16384 };

/* C (M,N) = alpha op(A) op(B) + beta C, row-major; op is a transpose when asked.
 * Large products are shared among the threads, along the longer side of C. */
struct ap_gemm {
    bool transpose_a, transpose_b;
    int32_t M, N, K;
    float alpha, beta;
    const float *A, *B;
    float *C;
    int32_t lda, ldb, ldc;
};
void ap__cpu_gemm(const struct ap_gemm *gemm);

/* Columns [from, to) of a linear operation with few rows (cpu_gemv.c), and whether that is faster than cpu_linear.c. */
void ap__cpu_gemv(float *y, const float *x, const struct ap_matrix *W, int32_t T, bool accumulate, float scale,
                  int32_t from, int32_t to);
bool ap__cpu_gemv_pays(const struct ap_matrix *W, int32_t T);

/* Memory that the calling thread keeps between calls. */
struct ap_scratch {
    void *data;
    size_t size;
};
/* At least size bytes (contents undefined), or NULL. */
void *ap__scratch_need(struct ap_scratch *scratch, size_t size);
void ap__scratch_free(struct ap_scratch *scratch);

void ap__cpu_linear(float *y, const float *x, const struct ap_matrix *W, int32_t T, bool accumulate, float scale);
void ap__cpu_linear_dx(float *dx, const float *dy, const struct ap_matrix *W, int32_t T, bool accumulate, float scale);
void ap__cpu_linear_adapted(float *y, const float *x, const struct ap_matrix *W, const float *u, const struct ap_matrix *B,
                            float scale, int32_t T, bool accumulate);
void ap__cpu_linear_adapted_dx(float *dx, const float *dy, const struct ap_matrix *W, const float *du,
                               const struct ap_matrix *A, int32_t T, bool accumulate);
/* linear and linear_dx with rows [first, first+O) of W alone: y, dy (T, O). */
void ap__cpu_linear_rows(float *y, const float *x, const struct ap_matrix *W, int32_t first, int32_t O, int32_t T,
                         bool accumulate, float scale);
void ap__cpu_linear_rows_dx(float *dx, const float *dy, const struct ap_matrix *W, int32_t first, int32_t O, int32_t T,
                            bool accumulate, float scale);
void ap__cpu_linear_dw(float *dW, const float *dy, const float *x, int32_t T, int32_t O, int32_t I, float scale);

void ap__cpu_bias(float *y, const struct ap_matrix *b, int32_t T);
void ap__cpu_bias_d(float *db, const float *dy, int32_t T, int32_t O);
void ap__cpu_rmsnorm(float *y, float *rstd, const float *x, const struct ap_matrix *w, int32_t T, float eps);
void ap__cpu_rmsnorm_d(float *dx, float *dw, const float *dy, const float *x, const struct ap_matrix *w,
                       const float *rstd, int32_t T);
void ap__cpu_swiglu(float *y, const float *gate, const float *up, int64_t n);
void ap__cpu_swiglu_d(float *dgate, float *dup, float *y, const float *dy, const float *gate, const float *up, int64_t n);
void ap__cpu_embedding(float *y, const int32_t *token, const struct ap_matrix *E, int32_t T);
void ap__cpu_embedding_d(float *dE, const float *dy, const int32_t *token, int32_t T, int32_t D);
/* dst[index[i]] += src[i] for i < n in this order, rows of D numbers; deterministic. */
void ap__cpu_rows_add(float *dst, const float *src, const int32_t *index, int32_t n, int32_t D);
void ap__cpu_axpy(float *y, const float *x, float a, int64_t n);
double ap__cpu_sumsq(const float *x, int64_t n);

void ap__cpu_rope(float *x, const int32_t *position, const float *inv_freq, int32_t T, int32_t heads, int32_t Dh,
                  bool inverse);
void ap__cpu_rope_release(void);

void ap__cpu_attention(float *out, float *lse, const float *q, const float *k, const float *v,
                       const struct ap_attn *attn);
void ap__cpu_attention_d(float *dq, float *dk, float *dv, const float *dout, const float *out, const float *lse,
                         const float *q, const float *k, const float *v, const struct ap_attn *attn);
void ap__cpu_attention_release(void);

ap_status ap__cpu_logprobs(float *logp, float *lse, float *logits, const float *h, const struct ap_matrix *W, const int32_t *row,
                           const int32_t *token, int32_t N, struct ap_arena *scratch, struct ap_err *err);
ap_status ap__cpu_logprobs_d(float *dh, float *dW, const float *dlogp, const float *lse, const float *logits, const float *h,
                             const struct ap_matrix *W, const int32_t *row, const int32_t *token, int32_t N,
                             struct ap_arena *scratch, struct ap_err *err);

void ap__cpu_adamw(float *w, float *m, float *v, const float *g, int64_t n, const struct ap_adamw *opt, float g_scale);
ap_status ap__cpu_muon(float *w, float *momentum, const float *g, int32_t rows, int32_t cols, float lr, float mu,
                       float weight_decay, float g_scale, struct ap_arena *scratch, struct ap_err *err);

#endif
