/* block.c - one transformer block: a linear with its adapter, attention half, feed-forward half;
 * each forward beside its backward. */
#include "model/block.h"

#include <string.h>

static void zero(float *x, int64_t n) { memset(x, 0, (size_t)n * sizeof *x); }

static void copy(float *dst, const float *src, int64_t n)
{
    if (dst != src)
        memcpy(dst, src, (size_t)n * sizeof *dst);
}

/* dst (Q, D) = rows query[i] of src; dst may be src, because query[i] >= i. */
static void gather(float *dst, const float *src, const struct ap_block_rows *rows, int32_t D)
{
    for (int32_t i = 0; i < rows->Q; i++)
        memmove(dst + (size_t)i * (size_t)D, src + (size_t)rows->query[i] * (size_t)D, (size_t)D * sizeof *dst);
}

/* The mirror, in place: row i of x moves to row query[i], the others become 0. */
static void spread(float *x, const struct ap_block_rows *rows, int32_t D)
{
    int32_t end = rows->T;
    for (int32_t i = rows->Q - 1; i >= 0; i--) {
        int32_t to = rows->query[i];
        memmove(x + (size_t)to * (size_t)D, x + (size_t)i * (size_t)D, (size_t)D * sizeof *x);
        zero(x + (size_t)(to + 1) * (size_t)D, (int64_t)(end - to - 1) * D);
        end = to;
    }
    zero(x, (int64_t)end * D);
}

static bool is_folded(const struct ap_lora_pair *p) { return p != NULL && p->folded.data != NULL; }

/* y (T,O) = x (T,I) W^T + b + s (x A^T) B^T, or += when accumulate.  u (T,R) is kept for backward, unless folded. */
static void linear(const struct ap_model *m, int32_t l, int j, float *y, const float *x, float *u, int32_t T,
                   bool accumulate)
{
    const struct ap_lora_pair *p = ap__lora_pair(m, l, j);
    const struct ap_weight *b = ap__layer_weight(m, l, ap__bias_slot(j));
    const struct ap_matrix *W = is_folded(p) ? &p->folded : &ap__layer_weight(m, l, ap__linear_slot(j))->W;
    if (p != NULL && !is_folded(p)) {
        m->be->linear(u, x, &p->A, T, false, 1.0f);
        m->be->linear_adapted(y, x, W, u, &p->B, p->scale, T, accumulate);
    } else {
        m->be->linear(y, x, W, T, accumulate, 1.0f);
    }
    if (b != NULL)
        m->be->bias(y, &b->W, T);
}

/* The way back to the input: dx (T,I) = dy W + s (dy B) A, or += when accumulate; dx may be NULL.  du (T,R) = s dy B. */
static void linear_input_d(const struct ap_model *m, int32_t l, int j, float *dx, bool accumulate, const float *dy,
                           float *du, int32_t T)
{
    const struct ap_lora_pair *p = ap__lora_pair(m, l, j);
    const struct ap_matrix *W = is_folded(p) ? &p->folded : &ap__layer_weight(m, l, ap__linear_slot(j))->W;
    if (p != NULL)
        m->be->linear_dx(du, dy, &p->B, T, false, p->scale);
    if (dx != NULL && p != NULL && !is_folded(p))
        m->be->linear_adapted_dx(dx, dy, W, du, &p->A, T, accumulate);
    else if (dx != NULL)
        m->be->linear_dx(dx, dy, W, T, accumulate, 1.0f);
}

/* ... and to the weights, whose gradients accumulate, given du.  u (T,R) is scratch when folded. */
static void linear_weights_d(const struct ap_model *m, int32_t l, int j, const float *dy, const float *x, float *u,
                             const float *du, int32_t T)
{
    const struct ap_weight *w = ap__layer_weight(m, l, ap__linear_slot(j));
    const struct ap_weight *b = ap__layer_weight(m, l, ap__bias_slot(j));
    const struct ap_lora_pair *p = ap__lora_pair(m, l, j);
    if (w->g != NULL)
        m->be->linear_dw(w->g, dy, x, T, w->W.rows, w->W.cols, 1.0f);
    if (b != NULL && b->g != NULL)
        m->be->bias_d(b->g, dy, T, b->W.rows);
    if (p == NULL)
        return;
    if (is_folded(p))
        m->be->linear(u, x, &p->A, T, false, 1.0f);
    m->be->linear_dw(p->db, dy, u, T, p->B.rows, p->B.cols, p->scale);
    m->be->linear_dw(p->da, du, x, T, p->A.rows, p->A.cols, 1.0f);
}

static void linear_d(const struct ap_model *m, int32_t l, int j, float *dx, bool accumulate, const float *dy,
                     const float *x, float *u, float *du, int32_t T)
{
    linear_input_d(m, l, j, dx, accumulate, dy, du, T);
    linear_weights_d(m, l, j, dy, x, u, du, T);
}

/* y = each head of x (rows, heads*Dh) normed, when the family does that. */
static void head_norm(const struct ap_model *m, int32_t l, enum ap_layer_slot slot, float *y, float *rstd, const float *x,
                      int32_t rows, int32_t heads)
{
    const struct ap_weight *w = ap__layer_weight(m, l, slot);
    if (w != NULL)
        m->be->rmsnorm(y, rstd, x, &w->W, rows * heads, m->config.eps);
}

/* The gradient of x: dx overwritten and returned, or dy itself where there is no norm. */
static float *head_norm_d(const struct ap_model *m, int32_t l, enum ap_layer_slot slot, float *dx, float *dy,
                          const float *x, const float *rstd, int32_t rows, int32_t heads)
{
    const struct ap_weight *w = ap__layer_weight(m, l, slot);
    if (w == NULL)
        return dy;
    zero(dx, (int64_t)rows * heads * m->config.Dh);
    m->be->rmsnorm_d(dx, w->g, dy, x, &w->W, rstd, rows * heads);
    return dx;
}

/* The runs as layer l sees them. */
static struct ap_attn layer_attn(const struct ap_model *m, int32_t l, const struct ap_block_rows *rows)
{
    struct ap_attn attn = *rows->attn;
    attn.window = ap__layer_window(&m->config, l);
    return attn;
}

/* Row i of k, v -> row kv_row[i] of every head of the cache. */
static void cache_rows(const struct ap_model *m, const struct ap_block_rows *rows, const struct ap_block_acts *a)
{
    size_t Dh = (size_t)m->config.Dh, heads = (size_t)m->config.Hkv, bytes = Dh * sizeof(float);
    for (int32_t i = 0; i < rows->T; i++) {
        for (size_t h = 0; rows->kv_row[i] >= 0 && h < heads; h++) {
            size_t to = (h * (size_t)rows->attn->head_rows + (size_t)rows->kv_row[i]) * Dh;
            size_t from = ((size_t)i * heads + h) * Dh;
            memcpy(rows->cache_k + to, a->k + from, bytes);
            memcpy(rows->cache_v + to, a->v + from, bytes);
        }
    }
}

static void attention_norm(const struct ap_model *m, int32_t l, int32_t T, const struct ap_block_acts *a)
{
    m->be->rmsnorm(a->h, a->rstd1, a->x, &ap__layer_weight(m, l, AP_SLOT_ATTN_NORM)->W, T, m->config.eps);
}

static void attention_half(const struct ap_model *m, int32_t l, const struct ap_block_rows *rows,
                           struct ap_block_acts *a)
{
    const struct ap_config *c = &m->config;
    int32_t T = rows->T, Q = rows->Q;
    attention_norm(m, l, T, a);
    linear(m, l, AP_LINEAR_K, a->k_in, a->h, a->u[AP_LINEAR_K], T, false);
    linear(m, l, AP_LINEAR_V, a->v, a->h, a->u[AP_LINEAR_V], T, false);
    head_norm(m, l, AP_SLOT_K_NORM, a->k, a->k_rstd, a->k_in, T, c->Hkv);
    m->be->rope(a->k, rows->position, m->inv_freq, T, c->Hkv, c->Dh, false);
    if (rows->kv_row != NULL)
        cache_rows(m, rows, a);
    if (rows->Q == 0)
        return;
    if (rows->query != NULL)
        gather(a->hq, a->h, rows, c->D);
    struct ap_attn attn = layer_attn(m, l, rows);
    linear(m, l, AP_LINEAR_Q, a->q_in, a->hq, a->u[AP_LINEAR_Q], Q, false);
    head_norm(m, l, AP_SLOT_Q_NORM, a->q, a->q_rstd, a->q_in, Q, c->H);
    m->be->rope(a->q, rows->query != NULL ? rows->query_position : rows->position, m->inv_freq, Q, c->H, c->Dh, false);
    m->be->attention(a->att, a->lse, a->q, rows->cache_k != NULL ? rows->cache_k : a->k,
                     rows->cache_v != NULL ? rows->cache_v : a->v, &attn);
    if (rows->query != NULL)
        gather(a->mid, a->x, rows, c->D);
    else
        copy(a->mid, a->x, (int64_t)T * c->D);
    linear(m, l, AP_LINEAR_O, a->mid, a->att, a->u[AP_LINEAR_O], Q, true);
}

/* From dLoss/dmid (Q, D) in g->dx through attention: dk, dv of all keys seen are added to, dh (Q, D; may be NULL) is
 * overwritten with what reaches hq. */
static void queries_d(const struct ap_model *m, int32_t l, const struct ap_block_rows *rows,
                      const struct ap_block_acts *a, struct ap_block_grads *g, float *dh, float *dk, float *dv)
{
    const struct ap_config *c = &m->config;
    const float *k = rows->cache_k != NULL ? rows->cache_k : a->k, *v = rows->cache_v != NULL ? rows->cache_v : a->v;
    int32_t Q = rows->Q;
    struct ap_attn attn = layer_attn(m, l, rows);
    linear_d(m, l, AP_LINEAR_O, g->datt, false, g->dx, a->att, a->u[AP_LINEAR_O], g->du, Q);
    m->be->attention_d(g->dq, dk, dv, g->datt, a->att, a->lse, a->q, k, v, &attn);
    m->be->rope(g->dq, rows->query != NULL ? rows->query_position : rows->position, m->inv_freq, Q, c->H, c->Dh, true);
    float *dq = head_norm_d(m, l, AP_SLOT_Q_NORM, g->datt, g->dq, a->q_in, a->q_rstd, Q, c->H); /* datt is free now */
    linear_d(m, l, AP_LINEAR_Q, dh, false, dq, a->hq, a->u[AP_LINEAR_Q], g->du, Q);
}

/* g->dx: dLoss/dmid (Q, D) in, dLoss/dx (T, D) out. */
static void attention_half_d(const struct ap_model *m, int32_t l, const struct ap_block_rows *rows,
                             const struct ap_block_acts *a, struct ap_block_grads *g, bool input_grad)
{
    const struct ap_config *c = &m->config;
    struct ap_weight *norm = ap__layer_weight(m, l, AP_SLOT_ATTN_NORM);
    int32_t T = rows->T;
    int64_t width = (int64_t)c->Hkv * c->Dh, own = rows->cache_dk != NULL ? rows->key_first * width : 0;
    float *all_dk = rows->cache_dk != NULL ? rows->cache_dk : g->dk, *own_dk = all_dk + own;
    float *all_dv = rows->cache_dv != NULL ? rows->cache_dv : g->dv, *own_dv = all_dv + own;
    float *dh = input_grad ? g->dh : NULL, *dnorm = g->datt; /* free after attention */
    if (!rows->keys_begun) {
        zero(own_dk, T * width);
        zero(own_dv, T * width);
    }
    attention_norm(m, l, T, a);
    if (rows->Q > 0)
        queries_d(m, l, rows, a, g, dh, all_dk, all_dv);
    if (input_grad && rows->query != NULL) {
        spread(dh, rows, c->D);
        spread(g->dx, rows, c->D);
    }
    m->be->rope(own_dk, rows->position, m->inv_freq, T, c->Hkv, c->Dh, true);
    float *dk = head_norm_d(m, l, AP_SLOT_K_NORM, dnorm, own_dk, a->k_in, a->k_rstd, T, c->Hkv);
    linear_d(m, l, AP_LINEAR_K, dh, true, dk, a->h, a->u[AP_LINEAR_K], g->du, T);
    linear_d(m, l, AP_LINEAR_V, dh, true, own_dv, a->h, a->u[AP_LINEAR_V], g->du, T);
    if (input_grad)
        m->be->rmsnorm_d(g->dx, norm->g, dh, a->x, &norm->W, a->rstd1, T);
}

static void feed_forward_norm(const struct ap_model *m, int32_t l, int32_t T, const struct ap_block_acts *a)
{
    m->be->rmsnorm(a->h, a->rstd2, a->mid, &ap__layer_weight(m, l, AP_SLOT_FFN_NORM)->W, T, m->config.eps);
}

static void feed_forward_half(const struct ap_model *m, int32_t l, int32_t T, struct ap_block_acts *a)
{
    const struct ap_config *c = &m->config;
    feed_forward_norm(m, l, T, a);
    linear(m, l, AP_LINEAR_GATE, a->gate, a->h, a->u[AP_LINEAR_GATE], T, false);
    linear(m, l, AP_LINEAR_UP, a->up, a->h, a->u[AP_LINEAR_UP], T, false);
    m->be->swiglu(a->act, a->gate, a->up, (int64_t)T * c->F);
    copy(a->out, a->mid, (int64_t)T * c->D);
    linear(m, l, AP_LINEAR_DOWN, a->out, a->act, a->u[AP_LINEAR_DOWN], T, true);
}

/* g->dx: dLoss/dout in, dLoss/dmid out.  The gradients of gate and up take their places, act that of its own. */
static void feed_forward_half_d(const struct ap_model *m, int32_t l, int32_t T, const struct ap_block_acts *a,
                                struct ap_block_grads *g)
{
    const struct ap_config *c = &m->config;
    struct ap_weight *norm = ap__layer_weight(m, l, AP_SLOT_FFN_NORM);
    float *dgate = a->gate, *dup = a->up, *act = g->dact;
    linear_input_d(m, l, AP_LINEAR_DOWN, g->dact, false, g->dx, g->du, T);
    m->be->swiglu_d(dgate, dup, act, g->dact, a->gate, a->up, (int64_t)T * c->F);
    linear_weights_d(m, l, AP_LINEAR_DOWN, g->dx, act, a->u[AP_LINEAR_DOWN], g->du, T);
    feed_forward_norm(m, l, T, a);
    linear_d(m, l, AP_LINEAR_GATE, g->dh, false, dgate, a->h, a->u[AP_LINEAR_GATE], g->du, T);
    linear_d(m, l, AP_LINEAR_UP, g->dh, true, dup, a->h, a->u[AP_LINEAR_UP], g->du, T);
    m->be->rmsnorm_d(g->dx, norm->g, g->dh, a->mid, &norm->W, a->rstd2, T);
}

void ap__block_forward(const struct ap_model *m, int32_t l, const struct ap_block_rows *rows,
                       struct ap_block_acts *a)
{
    attention_half(m, l, rows, a);
    if (rows->Q > 0)
        feed_forward_half(m, l, rows->Q, a);
}

void ap__block_backward(const struct ap_model *m, int32_t l, const struct ap_block_rows *rows,
                        const struct ap_block_acts *a, struct ap_block_grads *g, bool input_grad)
{
    if (rows->Q > 0)
        feed_forward_half_d(m, l, rows->Q, a, g);
    attention_half_d(m, l, rows, a, g, input_grad);
}
