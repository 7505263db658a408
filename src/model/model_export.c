/* model_export.c - write a trained model in one of the formats.
 *
 *     hf         save.c in the base's layout, and its tokenizer's files
 *     peft       peft.c
 *     gguf       gguf_write.c asks for merged tensors one at a time
 *     gguf-lora  gguf_write.c; scales that differ between linears go into B */
#include "model/model_export.h"

#include "base/file.h"
#include "base/text.h"
#include "model/folder.h"
#include "model/gguf_write.h"
#include "model/lora.h"
#include "model/save.h"
#include <string.h>

static const char *const format_name[AP_EXPORT_FORMATS] = {"hf", "peft", "gguf", "gguf-lora"};

const char *ap__export_format_name(enum ap_export_format format) { return format_name[format]; }

bool ap__export_format_read(const char *name, enum ap_export_format *out)
{
    for (int i = 0; i < AP_EXPORT_FORMATS; i++)
        if (strcmp(name, format_name[i]) == 0) {
            *out = (enum ap_export_format)i;
            return true;
        }
    return false;
}

static bool is_adapter(enum ap_export_format f) { return f == AP_EXPORT_PEFT || f == AP_EXPORT_GGUF_LORA; }

static ap_status check(const struct ap_export *e, struct ap_err *err)
{
    const char *name = format_name[e->format];
    if (is_adapter(e->format) && e->adapter == NULL)
        return ap__fail(err, AP_E_ARG, e->out, "the format %s needs an adapter", name);
    if (is_adapter(e->format) && e->cast && e->dtype != AP_F32)
        return ap__fail(err, AP_E_ARG, e->out, "adapters are written in F32, not in %s", ap__dtype_name(e->dtype));
    if (e->cast && ap__dtype_size(e->dtype) == 0 && !(e->format == AP_EXPORT_GGUF && e->dtype == AP_Q8_0))
        return ap__fail(err, AP_E_ARG, e->out, "the format %s has no %s", name, ap__dtype_name(e->dtype));
    return AP_OK;
}

ap_status ap__export_open_trained(const struct ap_export *e, struct ap_model **out, struct ap_err *err)
{
    struct ap_model *m = NULL;
    AP_TRY(ap__model_open(e->base, &e->held, &m, err));
    ap_status status = e->adapter != NULL ? ap__lora_load(m, e->adapter, err) : AP_OK;
    if (status != AP_OK)
        ap__model_free(m);
    else
        *out = m;
    return status;
}

/* The dtype most matrices are stored in, as far as it can be written. */
static ap_status stored_dtype(const struct ap_export *e, enum ap_dtype *out, struct ap_err *err)
{
    struct ap_source *source = NULL;
    AP_TRY(ap__source_open(e->base, &source, err));
    *out = ap__source_dtype(source);
    ap__source_free(source);
    if (ap__dtype_size(*out) == 0)
        *out = AP_BF16;
    return AP_OK;
}

/* ---- hf ---- */

static ap_status write_hf(const struct ap_export *e, const struct ap_model *m, struct ap_err *err)
{
    bool folder = ap__dir_exists(e->base);
    struct ap_save_options how = {.like = folder ? e->base : NULL, .cast = e->cast || !folder, .dtype = e->dtype,
                                  .shard_bytes = e->shard_bytes};
    if (!e->cast && !folder)
        AP_TRY(stored_dtype(e, &how.dtype, err));
    AP_TRY(ap__model_save_as(m, e->out, &how, err));
    return folder ? ap__folder_copy_tokenizer(e->base, e->out, err) : AP_OK;
}

/* ---- gguf ---- */

/* What gguf_write.c is called back with. */
struct merger {
    const struct ap_model *m;
    double *scratch; /* (widest row,) */
};

static ap_status merged_values(void *context, size_t i, float *out, struct ap_err *err)
{
    const struct merger *g = context;
    int32_t rows, cols;
    (void)err;
    ap__slot_shape(g->m, (int32_t)i, &rows, &cols);
    ap__merged_rows(g->m, (int32_t)i, 0, rows, out, g->scratch);
    return AP_OK;
}

static void list_slots(const struct ap_model *m, struct ap_gguf_tensor *tensor, int32_t *widest)
{
    *widest = 1;
    for (int32_t i = 0; i < m->weight_count; i++) {
        const struct ap_matrix *W = &m->weight[i].W;
        tensor[i] = (struct ap_gguf_tensor){m->weight[i].name, W->rows, W->cols};
        *widest = W->cols > *widest ? W->cols : *widest;
    }
}

static ap_status write_gguf(const struct ap_export *e, const struct ap_model *m, struct ap_err *err)
{
    int32_t widest;
    enum ap_dtype dtype = e->dtype;
    struct merger merger = {.m = m};
    struct ap_gguf_tensor *tensor = ap__alloc_array((size_t)m->weight_count, sizeof *tensor);
    if (tensor == NULL)
        return ap__fail(err, AP_E_MEMORY, e->out, "no memory for a list of tensors");
    list_slots(m, tensor, &widest);
    merger.scratch = ap__alloc_array((size_t)widest, sizeof *merger.scratch);
    ap_status status = merger.scratch != NULL ? AP_OK : ap__fail(err, AP_E_MEMORY, e->out, "no memory for merging");
    if (status == AP_OK && !e->cast)
        status = stored_dtype(e, &dtype, err);
    struct ap_gguf_model model = {.name = ap__path_base(e->base), .config = &m->config, .tokenizer = e->base,
                                  .tensor = tensor, .tensors = (size_t)m->weight_count, .values = merged_values,
                                  .context = &merger};
    if (status == AP_OK)
        status = ap__gguf_write_model(e->out, &model, dtype, NULL, err);
    ap__free(merger.scratch);
    ap__free(tensor);
    return status;
}

/* ---- gguf-lora ---- */

/* The file has one alpha; a linear whose scale is not alpha/R gets the rest of it into B. */
static ap_status list_pair(const struct ap_model *m, int32_t i, struct ap_arena *arena, struct ap_gguf_lora *out,
                           struct ap_err *err)
{
    const struct ap_lora_pair *p = &m->pair[i];
    int32_t R = p->A.rows;
    char module[64];
    ap__lora_module(m, i / AP_LINEAR_COUNT, i % AP_LINEAR_COUNT, module);
    float *b = p->b, rest = p->scale / (m->lora.alpha / (float)R);
    const char *name = ap__arena_strdup(arena, module);
    if (rest != 1.0f) {
        int64_t n = (int64_t)p->B.rows * R;
        b = ap__arena_alloc(arena, (size_t)n * sizeof *b);
        for (int64_t k = 0; b != NULL && k < n; k++)
            b[k] = rest * p->b[k];
    }
    *out = (struct ap_gguf_lora){name, R, p->A.cols, p->B.rows, p->a, b};
    return name != NULL && b != NULL ? AP_OK : ap__fail(err, AP_E_MEMORY, module, "no memory for an adapter's factor");
}

static ap_status write_gguf_lora(const struct ap_export *e, const struct ap_model *m, struct ap_err *err)
{
    struct ap_arena arena;
    size_t n = 0;
    struct ap_gguf_lora *list = ap__alloc_array((size_t)(m->config.L * AP_LINEAR_COUNT), sizeof *list);
    if (list == NULL)
        return ap__fail(err, AP_E_MEMORY, e->out, "no memory for a list of factors");
    ap__arena_init(&arena, 0);
    ap_status status = AP_OK;
    for (int32_t i = 0; i < m->config.L * AP_LINEAR_COUNT && status == AP_OK; i++)
        if (m->pair[i].a != NULL)
            status = list_pair(m, i, &arena, &list[n++], err);
    if (status == AP_OK)
        status = ap__gguf_write_lora(e->out, ap__path_base(e->base), &m->config, m->lora.alpha, list, n, err);
    ap__arena_deinit(&arena);
    ap__free(list);
    return status;
}

ap_status ap__export_write(const struct ap_export *e, struct ap_err *err)
{
    struct ap_model *m = NULL;
    AP_TRY(check(e, err));
    AP_TRY(ap__export_open_trained(e, &m, err));
    ap_status status = AP_OK;
    switch (e->format) {
    case AP_EXPORT_HF: status = write_hf(e, m, err); break;
    case AP_EXPORT_PEFT: status = ap__lora_save(m, e->out, e->base_name != NULL ? e->base_name : e->base, err); break;
    case AP_EXPORT_GGUF: status = write_gguf(e, m, err); break;
    default: status = write_gguf_lora(e, m, err);
    }
    ap__model_free(m);
    return status;
}
