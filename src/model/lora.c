/* lora.c - low-rank adapters (Hu et al. 2021): attach, merge, and PEFT's folder format.
 *
 *     y = x W^T + alpha/R * (x A^T) B^T      A (R, I) random, B (O, R) zero at first
 *
 *     adapter_config.json        r, lora_alpha, target_modules
 *     adapter_model.safetensors  base_model.model.<module>.lora_A.weight, .lora_B.weight */
#include "model/weights.h"

#include "base/file.h"
#include "base/json.h"
#include "base/rng.h"
#include <math.h>
#include <string.h>

static const char *const target_name[AP_LINEAR_COUNT] = {"q_proj",    "k_proj",  "v_proj",   "o_proj",
                                                         "gate_proj", "up_proj", "down_proj"};

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

/* Names and shapes of linear j of layer l; the values come from the blocks at `at`. */
static void set_pair(struct ap_model *m, int32_t l, int j, int64_t *at)
{
    const struct ap_weight *w = ap__layer_weight(m, l, ap__linear_slot(j));
    struct ap_lora_pair *p = &m->pair[l * AP_LINEAR_COUNT + j];
    int32_t R = m->lora.rank;
    int module = (int)strlen(w->name) - (int)strlen(".weight");
    snprintf(p->name_a, sizeof p->name_a, "base_model.model.%.*s.lora_A.weight", module, w->name);
    snprintf(p->name_b, sizeof p->name_b, "base_model.model.%.*s.lora_B.weight", module, w->name);
    p->a = m->lora_values + *at;
    p->da = m->lora_grads + *at;
    p->A = (struct ap_matrix){AP_F32, R, w->W.cols, p->a};
    *at += (int64_t)R * w->W.cols;
    p->b = m->lora_values + *at;
    p->db = m->lora_grads + *at;
    p->B = (struct ap_matrix){AP_F32, w->W.rows, R, p->b};
    *at += (int64_t)R * w->W.rows;
}

static int64_t count_values(const struct ap_model *m, const struct ap_lora_config *lora)
{
    int64_t n = 0;
    for (int j = 0; j < AP_LINEAR_COUNT; j++) {
        const struct ap_matrix *W = &ap__layer_weight(m, 0, ap__linear_slot(j))->W;
        if (lora->targets & (1u << j))
            n += (int64_t)lora->rank * (W->rows + W->cols);
    }
    return n * m->config.L;
}

/* Room for an adapter, all zero; whatever the model trained before is frozen. */
static ap_status attach(struct ap_model *m, const struct ap_lora_config *lora, struct ap_err *err)
{
    if (lora->rank < 1 || lora->rank > 4096 || !(lora->alpha > 0.0f) || (lora->targets & AP_LORA_ALL) == 0 ||
        (lora->targets & ~(uint32_t)AP_LORA_ALL) != 0)
        return ap__fail(err, AP_E_ARG, NULL, "LoRA needs a rank from 1 to 4096, a positive alpha and target linears");
    ap__lora_free(m);
    m->lora = *lora;
    m->lora_count = count_values(m, lora);
    m->pair = ap__alloc_array((size_t)(m->config.L * AP_LINEAR_COUNT), sizeof *m->pair);
    m->lora_values = ap__alloc_array((size_t)m->lora_count, sizeof *m->lora_values);
    m->lora_grads = ap__alloc_array((size_t)m->lora_count, sizeof *m->lora_grads);
    if (m->pair == NULL || m->lora_values == NULL || m->lora_grads == NULL) {
        ap__lora_free(m);
        return ap__fail(err, AP_E_MEMORY, NULL, "out of memory for an adapter of %lld values",
                        (long long)m->lora_count);
    }
    int64_t at = 0;
    for (int32_t l = 0; l < m->config.L; l++)
        for (int j = 0; j < AP_LINEAR_COUNT; j++)
            if (lora->targets & (1u << j))
                set_pair(m, l, j, &at);
    for (int32_t i = 0; i < m->weight_count; i++)
        m->weight[i].g = NULL;
    ap__free(m->grads);
    m->grads = NULL;
    m->mode = AP_LORA;
    m->use_adapter = true;
    return AP_OK;
}

/* A ~ U(-1/sqrt(I), 1/sqrt(I)), PEFT's initialisation; B stays zero, so nothing changes at first. */
ap_status ap__model_add_lora(struct ap_model *m, const struct ap_lora_config *lora, uint64_t seed, struct ap_err *err)
{
    AP_TRY(attach(m, lora, err));
    for (int32_t i = 0; i < m->config.L * AP_LINEAR_COUNT; i++) {
        struct ap_lora_pair *p = &m->pair[i];
        struct ap_rng rng = ap__rng_make(seed, "lora", (uint64_t)i, 0, 0);
        if (p->a == NULL)
            continue;
        double bound = 1.0 / sqrt((double)p->A.cols);
        for (int64_t k = 0; k < (int64_t)p->A.rows * p->A.cols; k++)
            p->a[k] = (float)(bound * (2.0 * ap__rng_uniform(&rng) - 1.0));
    }
    return AP_OK;
}

/* W (O, I) f32 += alpha/R * B A. */
ap_status ap__lora_merge(const struct ap_model *m, int32_t l, int j, float *W, struct ap_err *err)
{
    const struct ap_lora_pair *p = &m->pair[l * AP_LINEAR_COUNT + j];
    int32_t R = p->A.rows, I = p->A.cols, O = p->B.rows;
    double *row = ap__alloc_array((size_t)I, sizeof *row);
    double s = (double)m->lora.alpha / R;
    if (row == NULL)
        return ap__fail(err, AP_E_MEMORY, p->name_a, "out of memory while merging the adapter");
    for (int32_t o = 0; o < O; o++) {
        memset(row, 0, (size_t)I * sizeof *row);
        for (int32_t r = 0; r < R; r++)
            for (int32_t i = 0; i < I; i++)
                row[i] += (double)p->b[(int64_t)o * R + r] * (double)p->a[(int64_t)r * I + i];
        for (int32_t i = 0; i < I; i++)
            W[(int64_t)o * I + i] = (float)((double)W[(int64_t)o * I + i] + s * row[i]);
    }
    ap__free(row);
    return AP_OK;
}

/* ---- PEFT folder ---- */

/* Variants of LoRA that compute something else. */
static ap_status check_plain(const json_t *root, const char *place, struct ap_err *err)
{
    static const char *const must_be_empty[] = {"use_rslora",      "use_dora",        "rank_pattern",
                                                "alpha_pattern",   "modules_to_save", "layers_to_transform",
                                                "layers_pattern",  "fan_in_fan_out"};
    const char *type = ap__json_str_or(root, "peft_type", "");
    if (strcmp(type, "LORA") != 0)
        return ap__fail(err, AP_E_FORMAT, place, "`peft_type` is `%s`, which is not supported (only LORA)", type);
    if (strcmp(ap__json_str_or(root, "bias", "none"), "none") != 0)
        return ap__fail(err, AP_E_FORMAT, place, "`bias` other than none is not supported");
    for (size_t i = 0; i < sizeof must_be_empty / sizeof *must_be_empty; i++) {
        const json_t *v = json_object_get(root, must_be_empty[i]);
        bool empty = v == NULL || json_is_null(v) || json_is_false(v) ||
                     (json_is_object(v) && json_object_size(v) == 0) || (json_is_array(v) && json_array_size(v) == 0);
        if (!empty)
            return ap__fail(err, AP_E_FORMAT, place, "`%s` is set, which is not supported", must_be_empty[i]);
    }
    return AP_OK;
}

static ap_status read_targets(const json_t *root, const char *place, uint32_t *targets, struct ap_err *err)
{
    json_t *list = NULL;
    AP_TRY(ap__json_array(root, "target_modules", place, &list, err));
    *targets = 0;
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *name = json_string_value(json_array_get(list, i));
        int j = 0;
        while (j < AP_LINEAR_COUNT && (name == NULL || strcmp(name, target_name[j]) != 0))
            j++;
        if (j == AP_LINEAR_COUNT)
            return ap__fail(err, AP_E_FORMAT, place, "`target_modules` names `%s`; a llama layer has q_proj, k_proj, "
                            "v_proj, o_proj, gate_proj, up_proj, down_proj", name != NULL ? name : "?");
        *targets |= 1u << j;
    }
    return AP_OK;
}

static ap_status read_lora_config(const char *path, struct ap_lora_config *out, struct ap_err *err)
{
    json_t *root = NULL;
    int64_t rank = 0;
    double alpha = 0.0;
    AP_TRY(ap__json_load(path, &root, err));
    ap_status status = check_plain(root, path, err);
    if (status == AP_OK)
        status = ap__json_i64(root, "r", path, &rank, err);
    if (status == AP_OK)
        status = ap__json_f64(root, "lora_alpha", path, &alpha, err);
    if (status == AP_OK)
        status = read_targets(root, path, &out->targets, err);
    out->rank = rank > 0 && rank <= 4096 ? (int32_t)rank : 0;
    out->alpha = (float)alpha;
    json_decref(root);
    return status;
}

static ap_status read_factor(const struct ap_safetensors *st, const char *name, const struct ap_matrix *shape,
                             float *values, const char *path, struct ap_err *err)
{
    struct ap_tensor_view view;
    AP_TRY(ap__safetensors_get(st, name, &view, err));
    if (view.ndim != 2 || view.shape[0] != shape->rows || view.shape[1] != shape->cols)
        return ap__fail(err, AP_E_FORMAT, path, "tensor `%s` must have shape (%d, %d), the file has (%lld, %lld)", name,
                        shape->rows, shape->cols, (long long)view.shape[0], (long long)view.shape[1]);
    ap__dtype_to_f32(values, view.data, view.dtype, (size_t)shape->rows * (size_t)shape->cols);
    return AP_OK;
}

static ap_status read_factors(struct ap_model *m, const char *path, struct ap_err *err)
{
    struct ap_safetensors *st = NULL;
    size_t used = 0;
    AP_TRY(ap__safetensors_open(path, &st, err));
    ap_status status = AP_OK;
    for (int32_t i = 0; i < m->config.L * AP_LINEAR_COUNT && status == AP_OK; i++) {
        struct ap_lora_pair *p = &m->pair[i];
        if (p->a == NULL)
            continue;
        status = read_factor(st, p->name_a, &p->A, p->a, path, err);
        if (status == AP_OK)
            status = read_factor(st, p->name_b, &p->B, p->b, path, err);
        used += 2;
    }
    if (status == AP_OK && used != ap__safetensors_count(st))
        status = ap__fail(err, AP_E_FORMAT, path, "the adapter has %zu tensors, this model and target_modules use %zu",
                          ap__safetensors_count(st), used);
    ap__safetensors_free(st);
    return status;
}

ap_status ap__lora_load(struct ap_model *m, const char *dir, struct ap_err *err)
{
    struct ap_lora_config lora = {0};
    ap_status status = AP_E_MEMORY;
    char *config = ap__path_join(dir, "adapter_config.json");
    char *weights = ap__path_join(dir, "adapter_model.safetensors");
    if (config == NULL || weights == NULL)
        ap__fail(err, AP_E_MEMORY, dir, "out of memory");
    else
        status = read_lora_config(config, &lora, err);
    if (status == AP_OK)
        status = attach(m, &lora, err);
    if (status == AP_OK && (status = read_factors(m, weights, err)) != AP_OK)
        ap__lora_free(m);
    ap__free(weights);
    ap__free(config);
    return status;
}

static ap_status write_lora_config(const struct ap_model *m, const char *path, const char *base_name,
                                   struct ap_err *err)
{
    json_t *modules = json_array();
    for (int j = 0; j < AP_LINEAR_COUNT; j++)
        if (m->lora.targets & (1u << j))
            json_array_append_new(modules, json_string(target_name[j]));
    json_t *root = json_pack("{s:s, s:s, s:s?, s:i, s:f, s:f, s:s, s:b, s:b, s:o}", "peft_type", "LORA", "task_type",
                             "CAUSAL_LM", "base_model_name_or_path", base_name, "r", m->lora.rank, "lora_alpha",
                             (double)m->lora.alpha, "lora_dropout", 0.0, "bias", "none", "fan_in_fan_out", 0,
                             "inference_mode", 1, "target_modules", modules);
    char *text = root != NULL ? ap__json_dump(root) : NULL;
    ap_status status = text != NULL ? ap__file_write(path, text, strlen(text), err)
                                    : ap__fail(err, AP_E_MEMORY, path, "out of memory");
    ap__free(text);
    json_decref(root);
    return status;
}

static ap_status write_factors(const struct ap_model *m, const char *path, struct ap_err *err)
{
    size_t n = 0;
    struct ap_tensor_entry *entry = ap__alloc_array((size_t)(2 * m->config.L * AP_LINEAR_COUNT), sizeof *entry);
    json_t *metadata = json_pack("{s:s}", "format", "pt");
    ap_status status = AP_OK;
    if (entry == NULL || metadata == NULL)
        status = ap__fail(err, AP_E_MEMORY, path, "out of memory while saving the adapter");
    for (int32_t i = 0; i < m->config.L * AP_LINEAR_COUNT && status == AP_OK; i++) {
        const struct ap_lora_pair *p = &m->pair[i];
        if (p->a == NULL)
            continue;
        entry[n++] = (struct ap_tensor_entry){p->name_a, AP_F32, 2, {p->A.rows, p->A.cols, 1, 1}, p->a};
        entry[n++] = (struct ap_tensor_entry){p->name_b, AP_F32, 2, {p->B.rows, p->B.cols, 1, 1}, p->b};
    }
    if (status == AP_OK)
        status = ap__safetensors_write(path, entry, n, metadata, err);
    json_decref(metadata);
    ap__free(entry);
    return status;
}

ap_status ap__lora_save(const struct ap_model *m, const char *dir, const char *base_name, struct ap_err *err)
{
    if (m->pair == NULL)
        return ap__fail(err, AP_E_STATE, dir, "the model has no adapter to save");
    AP_TRY(ap__mkdirs(dir, err));
    ap_status status = AP_E_MEMORY;
    char *config = ap__path_join(dir, "adapter_config.json");
    char *weights = ap__path_join(dir, "adapter_model.safetensors");
    if (config == NULL || weights == NULL)
        ap__fail(err, AP_E_MEMORY, dir, "out of memory");
    else
        status = write_factors(m, weights, err);
    if (status == AP_OK)
        status = write_lora_config(m, config, base_name, err);
    ap__free(weights);
    ap__free(config);
    return status;
}
