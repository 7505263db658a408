/* source.c - safetensors or GGUF behind one face.
 *
 *     GGUF: name -> gguf_names.c -> tensor -> in Hugging Face's order?  its place in the mapping
 *                                             reordered (llama's q, k)?  a copy, made when asked for */
#include "model/source.h"

#include "base/file.h"
#include "base/text.h"
#include "model/gguf.h"
#include "model/gguf_config.h"
#include "model/gguf_names.h"

#include <stdlib.h>
#include <string.h>

/* A tensor of a GGUF file under its Hugging Face name. */
struct named {
    char name[AP_TENSOR_NAME_MAX];
    struct ap_tensor_view view; /* of the mapping */
    int32_t heads;              /* width of the heads within which rows are reordered, 0: none are */
    void *copy;                 /* in Hugging Face's order, from the first request on */
};

struct ap_source {
    struct ap_config config;
    struct ap_safetensors *safetensors; /* one of the two */
    struct ap_gguf *gguf;
    struct named *named; /* (count,) sorted by name; gguf only */
    size_t count;
};

/* ------------------------------------------------------------------ GGUF */

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct named *)a)->name, ((const struct named *)b)->name);
}

static ap_status check_heads(const struct ap_source *s, struct named *n, struct ap_err *err)
{
    n->heads = ap__gguf_reordered(&s->config, n->name);
    if (n->heads == 0 || n->view.shape[0] % n->heads == 0)
        return AP_OK;
    return ap__fail(err, AP_E_FORMAT, ap__gguf_path(s->gguf), "tensor `%s` has %lld rows, which are no heads of %d",
                    n->name, (long long)n->view.shape[0], n->heads);
}

static ap_status put_in_order(const struct ap_source *s, struct named *n, struct ap_err *err)
{
    size_t rows = (size_t)n->view.shape[0];
    n->copy = ap__alloc(n->view.bytes);
    if (n->copy == NULL)
        return ap__fail(err, AP_E_MEMORY, ap__gguf_path(s->gguf), "out of memory for `%s`", n->name);
    ap__gguf_reorder_back(n->copy, n->view.data, rows, n->view.bytes / rows, n->heads);
    ap__map_forget(n->view.data, n->view.bytes);
    return AP_OK;
}

static ap_status name_tensors(struct ap_source *s, struct ap_err *err)
{
    size_t all = ap__gguf_count(s->gguf);
    s->named = ap__alloc_array(all, sizeof *s->named);
    if (s->named == NULL)
        return ap__fail(err, AP_E_MEMORY, ap__gguf_path(s->gguf), "out of memory for %zu tensors", all);
    for (size_t i = 0; i < all; i++) {
        const char *name = ap__gguf_name(s->gguf, i);
        struct named *n = &s->named[s->count];
        if (strcmp(name, AP_GGUF_ROPE_FACTORS) == 0)
            continue; /* is in the configuration */
        if (!ap__gguf_hf_name(name, n->name))
            return ap__fail(err, AP_E_FORMAT, ap__gguf_path(s->gguf), "tensor `%s` has no place in a %s model", name,
                            ap__family_name(s->config.family));
        AP_TRY(ap__gguf_get(s->gguf, name, &n->view, err));
        s->count++;
        AP_TRY(check_heads(s, n, err));
    }
    if (s->count > 0)
        qsort(s->named, s->count, sizeof *s->named, by_name);
    return AP_OK;
}

static ap_status open_gguf(struct ap_source *s, const char *path, struct ap_err *err)
{
    AP_TRY(ap__gguf_open(path, &s->gguf, err));
    AP_TRY(ap__gguf_config(s->gguf, &s->config, err));
    return name_tensors(s, err);
}

/* ------------------------------------------------------------------ either */

static ap_status open_folder(struct ap_source *s, const char *dir, struct ap_err *err)
{
    AP_TRY(ap__config_load(dir, &s->config, err));
    return ap__safetensors_open_dir(dir, &s->safetensors, err);
}

ap_status ap__source_open(const char *path, struct ap_source **out, struct ap_err *err)
{
    struct ap_source *s = ap__alloc(sizeof *s);
    if (s == NULL)
        return ap__fail(err, AP_E_MEMORY, path, "out of memory");
    bool file = ap__file_exists(path) && !ap__dir_exists(path);
    ap_status status = (file ? open_gguf : open_folder)(s, path, err);
    if (status != AP_OK) {
        ap__source_free(s);
        return status;
    }
    *out = s;
    return AP_OK;
}

void ap__source_free(struct ap_source *s)
{
    if (s == NULL)
        return;
    for (size_t i = 0; i < s->count; i++)
        ap__free(s->named[i].copy);
    ap__free(s->named);
    ap__gguf_free(s->gguf);
    ap__safetensors_free(s->safetensors);
    ap__free(s);
}

const struct ap_config *ap__source_config(const struct ap_source *s)
{
    return &s->config;
}

size_t ap__source_count(const struct ap_source *s)
{
    return s->gguf ? s->count : ap__safetensors_count(s->safetensors);
}

const char *ap__source_name(const struct ap_source *s, size_t i)
{
    return s->gguf ? s->named[i].name : ap__safetensors_name(s->safetensors, i);
}

static struct named *find(struct ap_source *s, const char *name)
{
    struct named key;
    snprintf(key.name, sizeof key.name, "%s", name);
    return s->count ? bsearch(&key, s->named, s->count, sizeof key, by_name) : NULL;
}

ap_status ap__source_get(struct ap_source *s, const char *name, struct ap_tensor_view *out, struct ap_err *err)
{
    if (s->gguf == NULL)
        return ap__safetensors_get(s->safetensors, name, out, err);
    struct named *n = find(s, name);
    if (n == NULL)
        return ap__fail(err, AP_E_NOT_FOUND, ap__gguf_path(s->gguf), "no tensor for `%s`", name);
    if (n->heads > 0 && n->copy == NULL)
        AP_TRY(put_in_order(s, n, err));
    *out = n->view;
    out->data = n->copy ? n->copy : n->view.data;
    return AP_OK;
}

void ap__source_forget(struct ap_source *s, const char *name)
{
    struct ap_tensor_view view;
    struct named *n = s->gguf ? find(s, name) : NULL;
    if (n && n->copy) {
        ap__free(n->copy);
        n->copy = NULL;
    } else if (ap__source_get(s, name, &view, NULL) == AP_OK) {
        ap__map_forget(view.data, view.bytes);
    }
}

enum ap_dtype ap__source_dtype(struct ap_source *s)
{
    int64_t numbers[AP_DTYPE_COUNT] = {0};
    int best = AP_F32;
    for (size_t i = 0; i < ap__source_count(s); i++) {
        struct ap_tensor_view view;
        if (s->gguf)
            view = s->named[i].view;
        else if (ap__safetensors_get(s->safetensors, ap__source_name(s, i), &view, NULL) != AP_OK)
            continue;
        if (view.ndim == 2)
            numbers[view.dtype] += view.shape[0] * view.shape[1];
    }
    for (int d = 0; d < AP_DTYPE_COUNT; d++)
        best = numbers[d] > numbers[best] ? d : best;
    return (enum ap_dtype)best;
}
