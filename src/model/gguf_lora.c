/* gguf_lora.c - a GGUF file of factors to an attached adapter.
 *
 *     metadata   adapter.type lora, adapter.lora.alpha, the base's architecture
 *     tensors    blk.N.attn_q.weight.lora_a (R, I)   copied
 *                blk.N.attn_q.weight.lora_b (O, R)   rows back in Hugging Face's order */
#include "model/gguf_lora.h"

#include "model/gguf.h"
#include "model/gguf_names.h"
#include <string.h>

static ap_status check_kind(const struct ap_gguf *g, const struct ap_model *m, double *alpha, struct ap_err *err)
{
    const char *path = ap__gguf_path(g), *type = "", *architecture = "";
    const char *ours = ap__gguf_architecture(m->config.family);
    AP_TRY(ap__gguf_str(g, "adapter.type", false, &type, err));
    if (strcmp(type, "lora") != 0)
        return ap__fail(err, AP_E_FORMAT, path, "not a LoRA adapter: `adapter.type` is `%.40s`", type);
    AP_TRY(ap__gguf_str(g, "general.architecture", true, &architecture, err));
    if (strcmp(architecture, ours) != 0)
        return ap__fail(err, AP_E_FORMAT, path, "the adapter is for `%.40s`, the model is `%s`", architecture, ours);
    AP_TRY(ap__gguf_f64(g, "adapter.lora.alpha", true, alpha, err));
    return *alpha > 0.0 ? AP_OK
                        : ap__fail(err, AP_E_FORMAT, path, "`adapter.lora.alpha` is %g, not positive", *alpha);
}

/* Factor `part` ("lora_a", "lora_b") of linear i. */
static ap_status find_factor(const struct ap_gguf *g, const struct ap_model *m, int32_t i, const char *part,
                             struct ap_tensor_view *out, struct ap_err *err)
{
    char name[AP_TENSOR_NAME_MAX], full[AP_TENSOR_NAME_MAX + 8];
    const char *hf = ap__layer_weight(m, i / AP_LINEAR_COUNT, ap__linear_slot(i % AP_LINEAR_COUNT))->name;
    if (!ap__gguf_name_of(hf, name))
        return ap__fail(err, AP_E_NOT_FOUND, ap__gguf_path(g), "no tensor for `%s`", hf);
    snprintf(full, sizeof full, "%s.%s", name, part);
    return ap__gguf_get(g, full, out, err);
}

/* Ranks of the linears that have factors; every tensor of the file must be one of these. */
static ap_status read_shapes(const struct ap_gguf *g, const struct ap_model *m, float alpha,
                             struct ap_lora_shape *shape, struct ap_err *err)
{
    size_t used = 0;
    for (int32_t i = 0; i < m->config.L * AP_LINEAR_COUNT; i++) {
        const struct ap_matrix *W = &ap__layer_weight(m, i / AP_LINEAR_COUNT, ap__linear_slot(i % AP_LINEAR_COUNT))->W;
        struct ap_tensor_view a, b;
        ap_status status = find_factor(g, m, i, "lora_a", &a, err);
        if (status == AP_E_NOT_FOUND)
            continue;
        AP_TRY(status);
        AP_TRY(find_factor(g, m, i, "lora_b", &b, err));
        if (a.ndim != 2 || b.ndim != 2 || a.shape[1] != W->cols || b.shape[0] != W->rows || b.shape[1] != a.shape[0] ||
            a.shape[0] < 1 || a.shape[0] > 4096)
            return ap__fail(err, AP_E_FORMAT, ap__gguf_path(g), "the factors (%lld, %lld), (%lld, %lld) do not fit the "
                            "linear (%d, %d) of layer %d", (long long)a.shape[0], (long long)a.shape[1],
                            (long long)b.shape[0], (long long)b.shape[1], W->rows, W->cols, i / AP_LINEAR_COUNT);
        shape[i] = (struct ap_lora_shape){(int32_t)a.shape[0], alpha};
        used += 2;
    }
    if (used != ap__gguf_count(g))
        return ap__fail(err, AP_E_FORMAT, ap__gguf_path(g), "%zu of the adapter's %zu tensors have no place in this model",
                        ap__gguf_count(g) - used, ap__gguf_count(g));
    return AP_OK;
}

static ap_status read_pair(const struct ap_gguf *g, const struct ap_model *m, int32_t i, struct ap_err *err)
{
    struct ap_lora_pair *p = &m->pair[i];
    struct ap_tensor_view a, b;
    size_t row = (size_t)p->B.cols * sizeof *p->b, rows = (size_t)p->B.rows;
    char module[64];
    ap__lora_module(m, i / AP_LINEAR_COUNT, i % AP_LINEAR_COUNT, module);
    int32_t Dh = ap__gguf_reordered(&m->config, module);
    AP_TRY(find_factor(g, m, i, "lora_a", &a, err));
    AP_TRY(find_factor(g, m, i, "lora_b", &b, err));
    if (ap__dtype_size(a.dtype) == 0 || ap__dtype_size(b.dtype) == 0)
        return ap__fail(err, AP_E_FORMAT, ap__gguf_path(g), "`%s` has factors in %s; only F32, F16 and BF16 are read",
                        module, ap__dtype_name(ap__dtype_size(a.dtype) == 0 ? a.dtype : b.dtype));
    ap__dtype_to_f32(p->a, a.data, a.dtype, (size_t)p->A.rows * (size_t)p->A.cols);
    if (Dh == 0) {
        ap__dtype_to_f32(p->b, b.data, b.dtype, rows * (size_t)p->B.cols);
        return AP_OK;
    }
    float *ordered = ap__alloc_array(rows, row);
    if (ordered == NULL)
        return ap__fail(err, AP_E_MEMORY, ap__gguf_path(g), "out of memory for `%s`", module);
    ap__dtype_to_f32(ordered, b.data, b.dtype, rows * (size_t)p->B.cols);
    ap__gguf_reorder_back(p->b, ordered, rows, row, Dh);
    ap__free(ordered);
    return AP_OK;
}

static ap_status attach(struct ap_model *m, const struct ap_gguf *g, double alpha, struct ap_err *err)
{
    struct ap_lora_shape *shape = ap__alloc_array((size_t)(m->config.L * AP_LINEAR_COUNT), sizeof *shape);
    if (shape == NULL)
        return ap__fail(err, AP_E_MEMORY, ap__gguf_path(g), "out of memory for an adapter's shape");
    ap_status status = read_shapes(g, m, (float)alpha, shape, err);
    if (status == AP_OK)
        status = ap__lora_attach(m, shape, (float)alpha, false, err);
    ap__free(shape);
    AP_TRY(status);
    for (int32_t i = 0; i < m->config.L * AP_LINEAR_COUNT && status == AP_OK; i++)
        if (m->pair[i].a != NULL)
            status = read_pair(g, m, i, err);
    if (status != AP_OK)
        ap__lora_free(m);
    return status;
}

ap_status ap__gguf_lora_load(struct ap_model *m, const char *path, struct ap_err *err)
{
    struct ap_gguf *g = NULL;
    double alpha = 0.0;
    AP_TRY(ap__gguf_open(path, &g, err));
    ap_status status = check_kind(g, m, &alpha, err);
    if (status == AP_OK)
        status = attach(m, g, alpha, err);
    ap__gguf_free(g);
    return status;
}
