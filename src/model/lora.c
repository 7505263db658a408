/* lora.c - low-rank adapters (Hu et al. 2021): attach, start, merge.
 *
 *     y = x W^T + scale * (x A^T) B^T      A (R, I) random, B (O, R) zero at first
 *
 *     values   A, B of every adapted linear, layer by layer, in one block; gradients in another like it */
#include "model/lora.h"

#include "base/rng.h"
#include <math.h>
#include <string.h>

const char *ap__lora_linear_name(int j)
{
    static const char *const name[AP_LINEAR_COUNT] = {"q_proj",    "k_proj",  "v_proj",   "o_proj",
                                                      "gate_proj", "up_proj", "down_proj"};
    return name[j];
}

void ap__lora_module(const struct ap_model *m, int32_t l, int j, char out[64])
{
    const char *name = ap__layer_weight(m, l, ap__linear_slot(j))->name;
    snprintf(out, 64, "%.*s", (int)(strlen(name) - strlen(".weight")), name);
}

void ap__lora_free(struct ap_model *m)
{
    ap__free(m->pair);
    ap__free(m->lora_values);
    ap__free(m->lora_grads);
    m->pair = NULL;
    m->lora_values = m->lora_grads = NULL;
    m->lora_count = 0;
    m->use_adapter = false;
    if (m->mode == AP_LORA)
        m->mode = AP_FROZEN;
}

void ap__model_use_adapter(struct ap_model *m, bool use) { m->use_adapter = use && m->pair != NULL; }

/* Name and shape of linear j of layer l; the values come from the blocks at `at`. */
static void set_pair(struct ap_model *m, int32_t l, int j, const struct ap_lora_shape *shape, int64_t *at)
{
    const struct ap_matrix *W = &ap__layer_weight(m, l, ap__linear_slot(j))->W;
    struct ap_lora_pair *p = &m->pair[l * AP_LINEAR_COUNT + j];
    int32_t R = shape->rank;
    char module[64];
    ap__lora_module(m, l, j, module);
    snprintf(p->name_a, sizeof p->name_a, "base_model.model.%s.lora_A.weight", module);
    snprintf(p->name_b, sizeof p->name_b, "base_model.model.%s.lora_B.weight", module);
    p->alpha = shape->alpha;
    p->scale = shape->alpha / (m->lora_stabilised ? sqrtf((float)R) : (float)R);
    p->a = m->lora_values + *at;
    p->da = m->lora_grads + *at;
    p->A = (struct ap_matrix){AP_F32, R, W->cols, p->a};
    *at += (int64_t)R * W->cols;
    p->b = m->lora_values + *at;
    p->db = m->lora_grads + *at;
    p->B = (struct ap_matrix){AP_F32, W->rows, R, p->b};
    *at += (int64_t)R * W->rows;
}

/* The whole adapter in numbers: values, largest rank, which linears. */
static ap_status sum_up(struct ap_model *m, const struct ap_lora_shape *shape, float alpha, struct ap_err *err)
{
    m->lora = (struct ap_lora_config){.alpha = alpha};
    for (int32_t i = 0; i < m->config.L * AP_LINEAR_COUNT; i++) {
        int j = i % AP_LINEAR_COUNT;
        const struct ap_matrix *W = &ap__layer_weight(m, 0, ap__linear_slot(j))->W;
        int32_t R = shape[i].rank;
        if (R == 0)
            continue;
        if (R < 0 || R > 4096 || !(shape[i].alpha > 0.0f))
            return ap__fail(err, AP_E_ARG, NULL, "LoRA needs a rank from 1 to 4096 and a positive alpha");
        m->lora_count += (int64_t)R * (W->rows + W->cols);
        m->lora.targets |= 1u << j;
        m->lora.rank = R > m->lora.rank ? R : m->lora.rank;
    }
    return m->lora_count > 0 ? AP_OK : ap__fail(err, AP_E_ARG, NULL, "LoRA needs target linears");
}

ap_status ap__lora_attach(struct ap_model *m, const struct ap_lora_shape *shape, float alpha, bool stabilised,
                          struct ap_err *err)
{
    ap__lora_free(m);
    ap_status status = sum_up(m, shape, alpha, err);
    if (status != AP_OK) {
        ap__lora_free(m);
        return status;
    }
    m->lora_stabilised = stabilised;
    m->pair = ap__alloc_array((size_t)(m->config.L * AP_LINEAR_COUNT), sizeof *m->pair);
    m->lora_values = ap__alloc_array((size_t)m->lora_count, sizeof *m->lora_values);
    m->lora_grads = ap__alloc_array((size_t)m->lora_count, sizeof *m->lora_grads);
    if (m->pair == NULL || m->lora_values == NULL || m->lora_grads == NULL) {
        int64_t count = m->lora_count;
        ap__lora_free(m);
        return ap__fail(err, AP_E_MEMORY, NULL, "out of memory for an adapter of %lld values", (long long)count);
    }
    int64_t at = 0;
    for (int32_t i = 0; i < m->config.L * AP_LINEAR_COUNT; i++)
        if (shape[i].rank > 0)
            set_pair(m, i / AP_LINEAR_COUNT, i % AP_LINEAR_COUNT, &shape[i], &at);
    for (int32_t i = 0; i < m->weight_count; i++)
        m->weight[i].g = NULL;
    ap__free(m->grads);
    m->grads = NULL;
    m->mode = AP_LORA;
    m->use_adapter = true;
    return AP_OK;
}

/* A ~ U(-1/sqrt(I), 1/sqrt(I)), PEFT's initialisation; B stays zero, so nothing changes at first. */
static void start_pair(struct ap_lora_pair *p, uint64_t seed, int32_t i)
{
    struct ap_rng rng = ap__rng_make(seed, "lora", (uint64_t)i, 0, 0);
    double bound = 1.0 / sqrt((double)p->A.cols);
    for (int64_t k = 0; k < (int64_t)p->A.rows * p->A.cols; k++)
        p->a[k] = (float)(bound * (2.0 * ap__rng_uniform(&rng) - 1.0));
}

ap_status ap__model_add_lora(struct ap_model *m, const struct ap_lora_config *lora, uint64_t seed, struct ap_err *err)
{
    int32_t n = m->config.L * AP_LINEAR_COUNT;
    if (lora->rank < 1 || (lora->targets & ~(uint32_t)AP_LORA_ALL) != 0)
        return ap__fail(err, AP_E_ARG, NULL, "LoRA needs a rank from 1 to 4096 and target linears");
    struct ap_lora_shape *shape = ap__alloc_array((size_t)n, sizeof *shape);
    if (shape == NULL)
        return ap__fail(err, AP_E_MEMORY, NULL, "out of memory for an adapter");
    for (int32_t i = 0; i < n; i++)
        if (lora->targets & (1u << (i % AP_LINEAR_COUNT)))
            shape[i] = (struct ap_lora_shape){lora->rank, lora->alpha};
    ap_status status = ap__lora_attach(m, shape, lora->alpha, false, err);
    ap__free(shape);
    for (int32_t i = 0; i < n && status == AP_OK; i++)
        if (m->pair[i].a != NULL)
            start_pair(&m->pair[i], seed, i);
    return status;
}

/* In double, as one rounding to f32 of the sum. */
void ap__lora_merge(const struct ap_lora_pair *p, int32_t first, int32_t rows, float *W, double *row)
{
    int32_t R = p->A.rows, I = p->A.cols;
    double s = (double)p->scale;
    for (int32_t o = 0; o < rows; o++, W += I) {
        const float *b = p->b + (int64_t)(first + o) * R;
        memset(row, 0, (size_t)I * sizeof *row);
        for (int32_t r = 0; r < R; r++) {
            const float *a = p->a + (int64_t)r * I;
            for (int32_t i = 0; i < I; i++)
                row[i] += (double)b[r] * (double)a[i];
        }
        for (int32_t i = 0; i < I; i++)
            W[i] = (float)((double)W[i] + s * row[i]);
    }
}
