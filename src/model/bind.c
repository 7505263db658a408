/* bind.c - opens a model: gives every slot its values.
 *
 *     source.c: shape -> slots (weights.c) --name--> tensor
 *         stays where it is mapped; a matrix may be converted to the asked dtype (quantize.c)
 *
 * Tensors are asked for by their Hugging Face names, whatever they are stored in. */
#include "model/quantize.h"

#include "base/read_ahead.h"
#include "base/text.h"
#include "tensor/quant.h"
#include <string.h>

static ap_status check_shape(const struct ap_weight *w, const struct ap_tensor_view *view, const char *place,
                             struct ap_err *err)
{
    int32_t ndim = w->W.cols > 0 ? 2 : 1;
    if (view->ndim == ndim && view->shape[0] == w->W.rows && (ndim == 1 || view->shape[1] == w->W.cols))
        return AP_OK;
    return ap__fail(err, AP_E_FORMAT, place,
                    "tensor `%s` must have shape (%d, %d) by its configuration, the file has %d dimensions (%lld, %lld)",
                    w->name, w->W.rows, ndim == 2 ? w->W.cols : 1, view->ndim, (long long)view->shape[0],
                    (long long)view->shape[1]);
}

static ap_status bind_slot(struct ap_model *m, struct ap_weight *w, const struct ap_model_options *options,
                           const char *place, struct ap_err *err)
{
    struct ap_tensor_view view;
    AP_TRY(ap__source_get(m->source, w->name, &view, err));
    AP_TRY(check_shape(w, &view, place, err));
    if (options != NULL && options->convert && w->hidden && options->base_dtype != view.dtype) {
        AP_TRY(ap__weight_convert(w, &view, options->base_dtype, place, err));
        ap__source_forget(m->source, w->name);
        return AP_OK;
    }
    w->W.dtype = view.dtype;
    w->W.data = view.data;
    return AP_OK;
}

/* Every tensor of the file must have a use, except the ones that older writers left in. */
static ap_status check_all_used(const struct ap_model *m, const char *place, struct ap_err *err)
{
    for (size_t i = 0; i < ap__source_count(m->source); i++) {
        const char *name = ap__source_name(m->source, i);
        bool known = ap__ends_with(name, "rotary_emb.inv_freq") ||
                     (m->config.tied && strcmp(name, "lm_head.weight") == 0);
        for (int32_t j = 0; j < m->weight_count && !known; j++)
            known = strcmp(name, m->weight[j].name) == 0;
        if (!known)
            return ap__fail(err, AP_E_FORMAT, place, "tensor `%s` has no place in a %s model of %d layers", name,
                            ap__family_name(m->config.family), m->config.L);
    }
    return AP_OK;
}

/* What stays mapped is not read here: a page that is read alone keeps its neighbours from being read as one large page. */
static ap_status bind_file(struct ap_model *m, const char *path, const struct ap_model_options *options,
                           struct ap_err *err)
{
    for (int32_t i = 0; i < m->weight_count; i++)
        AP_TRY(bind_slot(m, &m->weight[i], options, path, err));
    return check_all_used(m, path, err);
}

ap_status ap__model_open(const char *path, const struct ap_model_options *options, struct ap_model **out,
                         struct ap_err *err)
{
    struct ap_source *source = NULL;
    struct ap_model *m = NULL;
    AP_TRY(ap__source_open(path, &source, err));
    ap_status status = ap__model_make(ap__source_config(source), &m, err);
    if (status != AP_OK) {
        ap__source_free(source);
        return status;
    }
    m->source = source;
    status = bind_file(m, path, options, err);
    if (status != AP_OK)
        ap__model_free(m);
    else
        *out = m;
    return status;
}

void ap__bind_read_ahead(struct ap_model *m)
{
    struct ap_bytes *bytes = ap__alloc_array((size_t)m->weight_count, sizeof *bytes);
    size_t n = 0;
    for (int32_t i = 0; bytes != NULL && i < m->weight_count; i++) {
        struct ap_matrix W = ap__as_rows(&m->weight[i].W);
        bytes[n++] = (struct ap_bytes){W.data, ap__matrix_bytes(W.dtype, W.rows, W.cols)};
    }
    if (n > 0 && m->ahead == NULL)
        m->ahead = ap__read_ahead_start(bytes, n);
    ap__free(bytes);
}

void ap__bind_release(struct ap_model *m)
{
    ap__read_ahead_end(m->ahead);
    m->ahead = NULL;
    for (int32_t i = 0; m->weight != NULL && i < m->weight_count; i++) {
        ap__free(m->weight[i].converted);
        m->weight[i].converted = NULL;
    }
    ap__free(m->values);
    ap__source_free(m->source);
    m->values = NULL;
    m->source = NULL;
}
