/* model_export.c - write a trained model in one of the formats.
 *
 *     hf               save.c in the base's layout, and its tokenizer's files
 *     peft             peft.c
 *     gguf, gguf-lora  save_gguf.c */
#include "model/model_export.h"

#include "base/file.h"
#include "base/text.h"
#include "model/folder.h"
#include "model/save.h"
#include "model/save_gguf.h"
#include <string.h>
#include <strings.h>

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

bool ap__export_dtype_read(const char *name, enum ap_dtype *out)
{
    static const enum ap_dtype known[] = {AP_F32, AP_BF16, AP_F16, AP_Q8_0};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcasecmp(name, ap__dtype_name(known[i])) == 0) {
            *out = known[i];
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
    return ap__folder_copy_tokenizer(e->base, e->out, err);
}

/* ---- gguf ---- */

static ap_status write_gguf(const struct ap_export *e, const struct ap_model *m, bool *same_text, struct ap_err *err)
{
    enum ap_dtype dtype = e->dtype;
    if (!e->cast)
        AP_TRY(stored_dtype(e, &dtype, err));
    return ap__model_save_gguf(m, e->out, ap__path_base(e->base), e->base, dtype, same_text, err);
}

ap_status ap__export_write(const struct ap_export *e, bool *same_text, struct ap_err *err)
{
    struct ap_model *m = NULL;
    if (same_text != NULL)
        *same_text = true;
    AP_TRY(check(e, err));
    AP_TRY(ap__export_open_trained(e, &m, err));
    ap_status status = AP_OK;
    switch (e->format) {
    case AP_EXPORT_HF: status = write_hf(e, m, err); break;
    case AP_EXPORT_PEFT: status = ap__lora_save(m, e->out, e->base_name != NULL ? e->base_name : e->base, err); break;
    case AP_EXPORT_GGUF: status = write_gguf(e, m, same_text, err); break;
    default: status = ap__lora_save_gguf(m, e->out, ap__path_base(e->base), err);
    }
    ap__model_free(m);
    return status;
}
