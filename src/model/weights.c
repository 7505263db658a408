/* weights.c - make and free models; make weights trainable.
 *
 *     configuration -> slots (names, shapes) -> bind.c: where they are in a file, or own f32 block
 *                                                  |  train_full: copy out              */
#include "model/quantize.h"

#include "base/rng.h"
#include "base/text.h"
#include <string.h>

static void set_slot(struct ap_weight *w, const char *name, int32_t rows, int32_t cols, bool hidden)
{
    snprintf(w->name, sizeof w->name, "%s", name);
    w->W = (struct ap_matrix){AP_F32, rows, cols, NULL};
    w->hidden = hidden;
}

/* One slot of every layer; rows 0 = this family has none. */
struct slot_shape {
    const char *part;
    int32_t rows, cols;
};

static void layer_shapes(const struct ap_config *c, struct slot_shape slot[AP_SLOT_COUNT])
{
    int32_t q = c->H * c->Dh, kv = c->Hkv * c->Dh, width = ap__config_qk_norm(c) ? c->Dh : 0;
    const struct slot_shape always[AP_SLOT_BIAS] = {
        [AP_SLOT_ATTN_NORM] = {"input_layernorm.weight", c->D, 0},
        [AP_SLOT_Q] = {"self_attn.q_proj.weight", q, c->D},
        [AP_SLOT_K] = {"self_attn.k_proj.weight", kv, c->D},
        [AP_SLOT_V] = {"self_attn.v_proj.weight", kv, c->D},
        [AP_SLOT_O] = {"self_attn.o_proj.weight", c->D, q},
        [AP_SLOT_FFN_NORM] = {"post_attention_layernorm.weight", c->D, 0},
        [AP_SLOT_GATE] = {"mlp.gate_proj.weight", c->F, c->D},
        [AP_SLOT_UP] = {"mlp.up_proj.weight", c->F, c->D},
        [AP_SLOT_DOWN] = {"mlp.down_proj.weight", c->D, c->F},
    };
    static const char *const bias[AP_LINEAR_COUNT] = {
        "self_attn.q_proj.bias", "self_attn.k_proj.bias", "self_attn.v_proj.bias", "self_attn.o_proj.bias",
        "mlp.gate_proj.bias",    "mlp.up_proj.bias",      "mlp.down_proj.bias"};
    memcpy(slot, always, sizeof always);
    for (int j = 0; j < AP_LINEAR_COUNT; j++) {
        bool has = j < AP_LINEAR_O ? ap__config_qkv_bias(c) : j == AP_LINEAR_O ? c->attention_bias : c->mlp_bias;
        slot[ap__bias_slot(j)] = (struct slot_shape){bias[j], has ? slot[ap__linear_slot(j)].rows : 0, 0};
    }
    slot[AP_SLOT_Q_NORM] = (struct slot_shape){"self_attn.q_norm.weight", width, 0};
    slot[AP_SLOT_K_NORM] = (struct slot_shape){"self_attn.k_norm.weight", width, 0};
}

static void set_layer_slots(struct ap_model *m, const struct slot_shape *slot, int32_t l)
{
    char name[64];
    for (int i = 0; i < AP_SLOT_COUNT; i++) {
        struct ap_weight *w = ap__layer_weight(m, l, (enum ap_layer_slot)i);
        if (w == NULL)
            continue;
        snprintf(name, sizeof name, "model.layers.%d.%s", l, slot[i].part);
        set_slot(w, name, slot[i].rows, slot[i].cols, slot[i].cols > 0);
    }
}

ap_status ap__model_make(const struct ap_config *c, struct ap_model **out, struct ap_err *err)
{
    struct ap_model *m = ap__alloc(sizeof *m);
    if (m == NULL)
        return ap__fail(err, AP_E_MEMORY, NULL, "out of memory for a model");
    struct slot_shape slot[AP_SLOT_COUNT];
    layer_shapes(c, slot);
    for (int i = 0; i < AP_SLOT_COUNT; i++)
        m->slot_at[i] = (int8_t)(slot[i].rows > 0 ? m->layer_slots++ : -1);
    m->config = *c;
    m->be = &ap__backend_cpu;
    m->weight_count = 1 + m->layer_slots * c->L + (c->tied ? 1 : 2);
    m->weight = ap__alloc_array((size_t)m->weight_count, sizeof *m->weight);
    m->inv_freq = ap__alloc_array((size_t)c->Dh / 2, sizeof *m->inv_freq);
    if (m->weight == NULL || m->inv_freq == NULL) {
        ap__model_free(m);
        return ap__fail(err, AP_E_MEMORY, NULL, "out of memory for a model");
    }
    ap__rope_frequencies(&c->rope, (double)c->theta, c->Dh, m->inv_freq);
    set_slot(ap__embedding_weight(m), "model.embed_tokens.weight", c->V, c->D, false);
    for (int32_t l = 0; l < c->L; l++)
        set_layer_slots(m, slot, l);
    set_slot(ap__final_norm(m), "model.norm.weight", c->D, 0, false);
    if (!c->tied)
        set_slot(ap__head_weight(m), "lm_head.weight", c->V, c->D, false);
    *out = m;
    return AP_OK;
}

/* ---- owned, trainable weights ---- */

/* Move all weights into one owned f32 block; gradients (zero) beside them. */
static ap_status own_weights(struct ap_model *m, struct ap_err *err)
{
    int64_t total = 0;
    for (int32_t i = 0; i < m->weight_count; i++)
        total += ap__weight_size(&m->weight[i]);
    float *values = ap__alloc_array((size_t)total, sizeof *values);
    float *grads = ap__alloc_array((size_t)total, sizeof *grads);
    if (values == NULL || grads == NULL) {
        ap__free(values);
        ap__free(grads);
        return ap__fail(err, AP_E_MEMORY, NULL, "out of memory for %lld trainable weights", (long long)total);
    }
    int64_t at = 0;
    for (int32_t i = 0; i < m->weight_count; i++) {
        struct ap_weight *w = &m->weight[i];
        if (w->W.data != NULL)
            ap__weight_to_f32(values + at, w);
        w->w = values + at;
        w->g = grads + at;
        w->W.dtype = AP_F32;
        w->W.data = w->w;
        at += ap__weight_size(w);
    }
    ap__bind_release(m);
    m->values = values;
    m->grads = grads;
    m->value_count = total;
    m->mode = AP_FULL;
    return AP_OK;
}

ap_status ap__model_train_full(struct ap_model *m, struct ap_err *err)
{
    if (m->mode == AP_LORA)
        return ap__fail(err, AP_E_STATE, NULL, "the model has an adapter; full training needs a model without one");
    return m->mode == AP_FULL ? AP_OK : own_weights(m, err);
}

/* Matrices N(0, 0.02), norms 1 and biases 0, as transformers initialises these families. */
ap_status ap__model_new(const struct ap_config *config, uint64_t seed, struct ap_model **out, struct ap_err *err)
{
    struct ap_model *m = NULL;
    AP_TRY(ap__config_check(config, NULL, err));
    AP_TRY(ap__model_make(config, &m, err));
    ap_status status = own_weights(m, err);
    if (status != AP_OK) {
        ap__model_free(m);
        return status;
    }
    for (int32_t i = 0; i < m->weight_count; i++) {
        struct ap_weight *w = &m->weight[i];
        struct ap_rng rng = ap__rng_make(seed, "weights", (uint64_t)i, 0, 0);
        float vector = ap__ends_with(w->name, ".bias") ? 0.0f : 1.0f;
        for (int64_t j = 0; j < ap__weight_size(w); j++)
            w->w[j] = w->W.cols > 0 ? (float)(0.02 * ap__rng_normal(&rng)) : vector;
    }
    *out = m;
    return AP_OK;
}

void ap__model_free(struct ap_model *m)
{
    if (m == NULL)
        return;
    ap__lora_free(m);
    ap__free(m->inv_freq);
    ap__free(m->grads);
    ap__bind_release(m);
    ap__free(m->weight);
    ap__free(m);
}

const struct ap_config *ap__model_config(const struct ap_model *m) { return &m->config; }

int64_t ap__model_parameters(const struct ap_model *m) { return ap__config_parameters(&m->config); }

static int32_t list_lora(struct ap_model *m, struct ap_model_param *out, int32_t cap)
{
    int32_t n = 0;
    for (int32_t i = 0; i < m->config.L * AP_LINEAR_COUNT; i++) {
        struct ap_lora_pair *p = &m->pair[i];
        if (p->a == NULL)
            continue;
        if (n + 1 < cap) {
            out[n] = (struct ap_model_param){p->name_a, p->a, p->da, (int64_t)p->A.rows * p->A.cols, p->A.rows, p->A.cols,
                                       false};
            out[n + 1] = (struct ap_model_param){p->name_b, p->b, p->db, (int64_t)p->B.rows * p->B.cols, p->B.rows,
                                           p->B.cols, false};
        }
        n += 2;
    }
    return n;
}

int32_t ap__model_params(struct ap_model *m, struct ap_model_param *out, int32_t cap)
{
    if (m->mode == AP_FROZEN)
        return 0;
    if (m->mode == AP_LORA)
        return list_lora(m, out, cap);
    for (int32_t i = 0; i < m->weight_count && i < cap; i++) {
        struct ap_weight *w = &m->weight[i];
        out[i] = (struct ap_model_param){w->name, w->w, w->g, ap__weight_size(w), w->W.rows, w->W.cols, w->hidden};
    }
    return m->weight_count;
}

void ap__model_zero_grad(struct ap_model *m)
{
    if (m->mode == AP_FULL)
        memset(m->grads, 0, (size_t)m->value_count * sizeof *m->grads);
    if (m->mode == AP_LORA)
        memset(m->lora_grads, 0, (size_t)m->lora_count * sizeof *m->lora_grads);
}
