/* peft.c - PEFT's adapter folder: load, save.
 *
 *     adapter_config.json        what the adapter is (peft_config.h)
 *     adapter_model.safetensors  base_model.model.<module>.lora_A.weight (R, I), .lora_B.weight (O, R) */
#include "base/file.h"
#include "base/text.h"
#include "model/gguf.h"
#include "model/gguf_lora.h"
#include "model/peft_config.h"
#include <string.h>

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

/* Whatever the adapter trained must have its place here, or the model would behave otherwise than it did. */
static ap_status check_all_used(const struct ap_model *m, const struct ap_safetensors *st, const char *path,
                                struct ap_err *err)
{
    for (size_t i = 0; i < ap__safetensors_count(st); i++) {
        const char *name = ap__safetensors_name(st, i);
        bool known = false;
        for (int32_t k = 0; k < m->config.L * AP_LINEAR_COUNT && !known; k++)
            known = m->pair[k].a != NULL &&
                    (strcmp(name, m->pair[k].name_a) == 0 || strcmp(name, m->pair[k].name_b) == 0);
        if (!known)
            return ap__fail(err, AP_E_FORMAT, path, "tensor `%s` has no place in this model with the linears that "
                            "`target_modules` selects", name);
    }
    return AP_OK;
}

static ap_status read_factors(struct ap_model *m, const char *path, struct ap_err *err)
{
    struct ap_safetensors *st = NULL;
    AP_TRY(ap__safetensors_open(path, &st, err));
    ap_status status = check_all_used(m, st, path, err);
    for (int32_t i = 0; i < m->config.L * AP_LINEAR_COUNT && status == AP_OK; i++) {
        struct ap_lora_pair *p = &m->pair[i];
        if (p->a == NULL)
            continue;
        status = read_factor(st, p->name_a, &p->A, p->a, path, err);
        if (status == AP_OK)
            status = read_factor(st, p->name_b, &p->B, p->b, path, err);
    }
    ap__safetensors_free(st);
    return status;
}

/* adapter_config.json and adapter_model.safetensors of dir; ap__free both. */
static ap_status paths_of(const char *dir, char **config, char **weights, struct ap_err *err)
{
    *config = ap__path_join(dir, "adapter_config.json");
    *weights = ap__path_join(dir, "adapter_model.safetensors");
    return *config != NULL && *weights != NULL ? AP_OK : ap__fail(err, AP_E_MEMORY, dir, "out of memory");
}

ap_status ap__lora_load(struct ap_model *m, const char *dir, struct ap_err *err)
{
    struct ap_peft_config c = {0};
    char *config, *weights;
    if (ap__gguf_is(dir))
        return ap__gguf_lora_load(m, dir, err);
    ap_status status = paths_of(dir, &config, &weights, err);
    if (status == AP_OK)
        status = ap__peft_config_read(config, m, &c, err);
    if (status == AP_OK)
        status = ap__lora_attach(m, c.shape, c.alpha, c.stabilised, err);
    if (status == AP_OK && (status = read_factors(m, weights, err)) != AP_OK)
        ap__lora_free(m);
    ap__free(c.shape);
    ap__free(weights);
    ap__free(config);
    return status;
}

/* ---- how large ---- */

static void measure(const struct ap_tensor_view *view, int64_t *numbers, int32_t *rank)
{
    int64_t n = 1, least = view->ndim == 2 ? view->shape[0] : 0;
    for (int32_t i = 0; i < view->ndim; i++)
        n *= view->shape[i];
    if (view->ndim == 2 && view->shape[1] < least)
        least = view->shape[1];
    *numbers += n;
    *rank = least > *rank && least < INT32_MAX ? (int32_t)least : *rank;
}

static ap_status measure_gguf(const char *path, int64_t *numbers, int32_t *rank, struct ap_err *err)
{
    struct ap_gguf *g = NULL;
    struct ap_tensor_view view;
    AP_TRY(ap__gguf_open(path, &g, err));
    ap_status status = AP_OK;
    for (size_t i = 0; i < ap__gguf_count(g) && status == AP_OK; i++)
        if ((status = ap__gguf_get(g, ap__gguf_name(g, i), &view, err)) == AP_OK)
            measure(&view, numbers, rank);
    ap__gguf_free(g);
    return status;
}

static ap_status measure_safetensors(const char *path, int64_t *numbers, int32_t *rank, struct ap_err *err)
{
    struct ap_safetensors *st = NULL;
    struct ap_tensor_view view;
    AP_TRY(ap__safetensors_open(path, &st, err));
    ap_status status = AP_OK;
    for (size_t i = 0; i < ap__safetensors_count(st) && status == AP_OK; i++)
        if ((status = ap__safetensors_get(st, ap__safetensors_name(st, i), &view, err)) == AP_OK)
            measure(&view, numbers, rank);
    ap__safetensors_free(st);
    return status;
}

ap_status ap__lora_measure(const char *dir, int64_t *numbers, int32_t *rank, struct ap_err *err)
{
    char *config, *weights;
    *numbers = 0;
    *rank = 0;
    if (ap__gguf_is(dir))
        return measure_gguf(dir, numbers, rank, err);
    ap_status status = paths_of(dir, &config, &weights, err);
    if (status == AP_OK)
        status = measure_safetensors(weights, numbers, rank, err);
    ap__free(weights);
    ap__free(config);
    return status;
}

/* ---- saving ---- */

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
    char *config, *weights;
    if (m->pair == NULL)
        return ap__fail(err, AP_E_STATE, dir, "the model has no adapter to save");
    AP_TRY(ap__mkdirs(dir, err));
    ap_status status = paths_of(dir, &config, &weights, err);
    if (status == AP_OK)
        status = write_factors(m, weights, err);
    if (status == AP_OK)
        status = ap__peft_config_write(m, config, base_name, err);
    ap__free(weights);
    ap__free(config);
    return status;
}
