/* checkpoint.c - trainable tensors and moments to one safetensors file and back. */
#include "train/checkpoint.h"

#include "base/file.h"
#include "base/text.h"
#include "model/safetensors.h"
#include <inttypes.h>
#include <string.h>

enum { NAME_MAX_LEN = 160 };

/* Parameter i is stored as NAME, its moments as m.NAME and v.NAME. */
struct part {
    char name[NAME_MAX_LEN];
    float *data; /* (n,) */
    int64_t n;
};

static int32_t list_parts(const struct ap_optimizer *o, struct part *part)
{
    int32_t count = 0;
    for (int32_t i = 0; i < o->count; i++) {
        const struct ap_model_param *p = &o->param[i];
        const struct {
            const char *prefix;
            float *data;
        } kinds[] = {{"", p->w}, {"m.", o->m[i]}, {"v.", o->v[i]}};
        for (int k = 0; k < 3; k++) {
            if (kinds[k].data == NULL)
                continue;
            snprintf(part[count].name, sizeof part[count].name, "%s%s", kinds[k].prefix, p->name);
            part[count].data = kinds[k].data;
            part[count++].n = p->n;
        }
    }
    return count;
}

static json_t *make_metadata(const struct ap_optimizer *o, int64_t step, uint64_t fingerprint)
{
    char number[3][32];
    snprintf(number[0], sizeof number[0], "%" PRId64, step);
    snprintf(number[1], sizeof number[1], "%" PRId64, o->updates);
    snprintf(number[2], sizeof number[2], "%016" PRIx64, fingerprint);
    return json_pack("{s:s, s:s, s:s}", "step", number[0], "updates", number[1], "fingerprint", number[2]);
}

static ap_status write_parts(const char *path, const struct ap_optimizer *o, int64_t step, uint64_t fingerprint,
                             struct ap_err *err)
{
    ap_status status = AP_E_MEMORY;
    struct part *part = ap__alloc_array(3 * (size_t)o->count, sizeof *part);
    struct ap_tensor_entry *entry = ap__alloc_array(3 * (size_t)o->count, sizeof *entry);
    json_t *metadata = make_metadata(o, step, fingerprint);
    if (part == NULL || entry == NULL || metadata == NULL) {
        ap__fail(err, status, path, "out of memory while saving a checkpoint");
        goto done;
    }
    int32_t n = list_parts(o, part);
    for (int32_t i = 0; i < n; i++)
        entry[i] = (struct ap_tensor_entry){part[i].name, AP_F32, 1, {part[i].n, 1, 1, 1}, part[i].data};
    status = ap__safetensors_write(path, entry, (size_t)n, metadata, err);
done:
    json_decref(metadata);
    ap__free(entry);
    ap__free(part);
    return status;
}

ap_status ap__checkpoint_save(const char *dir, const struct ap_optimizer *o, int64_t step, uint64_t fingerprint,
                              struct ap_err *err)
{
    AP_TRY(ap__mkdirs(dir, err));
    char *path = ap__path_join(dir, "checkpoint.safetensors");
    ap_status status = path != NULL ? write_parts(path, o, step, fingerprint, err)
                                    : ap__fail(err, AP_E_MEMORY, dir, "out of memory");
    ap__free(path);
    return status;
}

static ap_status read_metadata(const struct ap_safetensors *st, const char *path, uint64_t fingerprint, int64_t *step,
                               int64_t *updates, struct ap_err *err)
{
    char expected[32];
    const char *print = ap__safetensors_metadata(st, "fingerprint");
    const char *at = ap__safetensors_metadata(st, "step"), *made = ap__safetensors_metadata(st, "updates");
    snprintf(expected, sizeof expected, "%016" PRIx64, fingerprint);
    if (print == NULL || at == NULL || made == NULL || !ap__parse_i64(at, step) || !ap__parse_i64(made, updates))
        return ap__fail(err, AP_E_FORMAT, path, "not a checkpoint: step, updates or fingerprint is missing");
    if (strcmp(print, expected) != 0)
        return ap__fail(err, AP_E_STATE, path,
                        "the checkpoint belongs to a training with other settings or examples; remove it to start anew");
    return AP_OK;
}

/* Two passes, so that a broken file changes nothing: check all, then copy all. */
static ap_status read_parts(const struct ap_safetensors *st, const char *path, struct ap_optimizer *o,
                            struct ap_err *err)
{
    struct part *part = ap__alloc_array(3 * (size_t)o->count, sizeof *part);
    struct ap_tensor_view view;
    if (part == NULL)
        return ap__fail(err, AP_E_MEMORY, path, "out of memory while reading a checkpoint");
    int32_t n = list_parts(o, part);
    ap_status status = AP_OK;
    for (int32_t i = 0; i < n && status == AP_OK; i++) {
        status = ap__safetensors_get(st, part[i].name, &view, err);
        if (status == AP_OK && (view.dtype != AP_F32 || view.ndim != 1 || view.shape[0] != part[i].n))
            status = ap__fail(err, AP_E_FORMAT, path, "tensor `%s` must hold %" PRId64 " f32 numbers", part[i].name,
                              part[i].n);
    }
    for (int32_t i = 0; i < n && status == AP_OK; i++) {
        status = ap__safetensors_get(st, part[i].name, &view, err);
        if (status == AP_OK)
            memcpy(part[i].data, view.data, (size_t)part[i].n * sizeof(float));
    }
    ap__free(part);
    return status;
}

ap_status ap__checkpoint_load(const char *dir, struct ap_optimizer *o, uint64_t fingerprint, int64_t *step,
                              struct ap_err *err)
{
    struct ap_safetensors *st = NULL;
    ap_status status = AP_OK;
    int64_t next = 0, updates = 0;
    char *path = ap__path_join(dir, "checkpoint.safetensors");
    *step = 0;
    if (path == NULL)
        return ap__fail(err, AP_E_MEMORY, dir, "out of memory");
    if (!ap__file_exists(path))
        goto done;
    status = ap__safetensors_open(path, &st, err);
    if (status == AP_OK)
        status = read_metadata(st, path, fingerprint, &next, &updates, err);
    if (status == AP_OK)
        status = read_parts(st, path, o, err);
    if (status == AP_OK) {
        *step = next;
        o->updates = updates;
    }
done:
    ap__safetensors_free(st);
    ap__free(path);
    return status;
}
