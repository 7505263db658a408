/* weights.h - the tensors of a model: where each one lives and what it is called.
 *
 *     slot 0            model.embed_tokens.weight        (V, D)
 *     per layer l       input_layernorm                  (D,)
 *                       q_proj  k_proj  v_proj           (H*Dh, D) (Hkv*Dh, D) (Hkv*Dh, D)
 *                       o_proj                           (D, H*Dh)
 *                       post_attention_layernorm         (D,)
 *                       gate_proj  up_proj  down_proj    (F, D) (F, D) (D, F)
 *                       biases of the seven linears      where the family has them
 *                       q_norm  k_norm                   (Dh,) x 2, where the family has them
 *     then              model.norm                       (D,)
 *                       lm_head (when not tied)          (V, D)
 *
 * This is also the order in memory and in files that we write.  A frozen model's
 * weights stay in the mapped file in the file's dtype.  A trainable one owns all
 * its weights as one f32 block, and one block of gradients with the same layout. */
#ifndef AP_WEIGHTS_H
#define AP_WEIGHTS_H

#include "model/source.h"
#include "model/transformer.h"

/* Slots within a layer; the seven linears in the order of the AP_LORA_* bits. */
enum ap_layer_slot {
    AP_SLOT_ATTN_NORM,
    AP_SLOT_Q,
    AP_SLOT_K,
    AP_SLOT_V,
    AP_SLOT_O,
    AP_SLOT_FFN_NORM,
    AP_SLOT_GATE,
    AP_SLOT_UP,
    AP_SLOT_DOWN,
    AP_SLOT_BIAS, /* of q; then of the others in the order of the linears */
    AP_SLOT_Q_NORM = AP_SLOT_BIAS + 7,
    AP_SLOT_K_NORM,
    AP_SLOT_COUNT
};
enum { AP_LINEAR_Q, AP_LINEAR_K, AP_LINEAR_V, AP_LINEAR_O, AP_LINEAR_GATE, AP_LINEAR_UP, AP_LINEAR_DOWN,
       AP_LINEAR_COUNT };

struct ap_weight {
    char name[64];
    struct ap_matrix W; /* (rows, cols); a vector has cols 0 */
    void *converted;    /* what W points to when it is neither in the file nor in the owned block */
    float *w, *g;       /* writable values and gradient; NULL while frozen */
    bool hidden;
};

/* One linear's adapter: y += scale * (x A^T) B^T.  All NULL when this linear has none. */
struct ap_lora_pair {
    char name_a[112], name_b[112]; /* as PEFT writes them */
    struct ap_matrix A, B;         /* (R, I), (O, R), f32; R <= ap_model.lora.rank */
    float *a, *b, *da, *db;        /* values and gradients */
    struct ap_matrix folded;       /* W + scale B A (O, I) while a gradient is computed (fold.h); else without data */
    float alpha, scale;            /* scale: alpha/R, or alpha/sqrt(R) when rank-stabilised */
};

struct ap_model {
    struct ap_config config;
    const struct ap_backend *be;
    enum ap_train_mode mode;
    struct ap_weight *weight; /* (weight_count,) in slot order */
    int32_t weight_count;
    int32_t layer_slots;         /* slots of a layer that this family has */
    int8_t slot_at[AP_SLOT_COUNT]; /* where each stands among them, -1 = the family has none */
    struct ap_source *source; /* while frozen and mapped */
    struct ap_read_ahead *ahead; /* from ap__bind_read_ahead on */
    float *values, *grads;       /* owned blocks behind weight[].w, .g; NULL while frozen */
    int64_t value_count;
    float *inv_freq; /* (Dh/2,) */
    /* Adapter, only in mode AP_LORA. */
    struct ap_lora_config lora; /* rank: the largest of the pairs' */
    bool lora_stabilised;       /* scaled by alpha/sqrt(R), not alpha/R (Kalajdzievski 2023, "rsLoRA") */
    struct ap_lora_pair *pair; /* (L, 7) */
    float *lora_values, *lora_grads;
    int64_t lora_count;
    bool use_adapter;
    bool recompute; /* backward makes each block's activations again instead of finding them kept */
};

static inline struct ap_weight *ap__embedding_weight(const struct ap_model *m) { return &m->weight[0]; }
/* NULL for biases and norms of queries and keys where the family has none. */
static inline struct ap_weight *ap__layer_weight(const struct ap_model *m, int32_t l, enum ap_layer_slot slot)
{
    int32_t at = m->slot_at[slot];
    return at >= 0 ? &m->weight[1 + m->layer_slots * l + at] : NULL;
}
static inline struct ap_weight *ap__final_norm(const struct ap_model *m)
{
    return &m->weight[1 + m->layer_slots * m->config.L];
}
static inline struct ap_weight *ap__head_weight(const struct ap_model *m)
{
    return m->config.tied ? &m->weight[0] : &m->weight[2 + m->layer_slots * m->config.L];
}
/* Slot of linear j (AP_LINEAR_*). */
static inline enum ap_layer_slot ap__linear_slot(int j)
{
    return (enum ap_layer_slot)(j < AP_LINEAR_GATE ? AP_SLOT_Q + j : AP_SLOT_GATE + (j - AP_LINEAR_GATE));
}
static inline enum ap_layer_slot ap__bias_slot(int j) { return (enum ap_layer_slot)(AP_SLOT_BIAS + j); }
/* The adapter of linear j in layer l as far as it is attached and in use, else NULL. */
static inline struct ap_lora_pair *ap__lora_pair(const struct ap_model *m, int32_t l, int j)
{
    struct ap_lora_pair *p = m->pair != NULL && m->use_adapter ? &m->pair[l * AP_LINEAR_COUNT + j] : NULL;
    return p != NULL && p->a != NULL ? p : NULL;
}

/* Number of values in a slot. */
static inline int64_t ap__weight_size(const struct ap_weight *w)
{
    return (int64_t)w->W.rows * (w->W.cols > 0 ? w->W.cols : 1);
}

/* An empty model: slots named and shaped, no values yet (weights.c). */
ap_status ap__model_make(const struct ap_config *c, struct ap_model **out, struct ap_err *err) AP_MUST_CHECK;
/* Begin to bring the weights into memory, in the order of the slots; for a model that stays mapped (bind.c). */
void ap__bind_read_ahead(struct ap_model *m);
/* Give back what holds the values of all slots: the file, converted copies, the owned block (bind.c). */
void ap__bind_release(struct ap_model *m);
/* Detach the adapter (lora.c). */
void ap__lora_free(struct ap_model *m);

#endif
