/* quantize.c - holds a model's frozen linears in another format than the file's.
 *
 *     mapped tensor --pieces--> f32 --> int8, NF4, bf16, ...   one tensor after the other;
 *                                       bind.c lets go of each before it reads the next
 *
 * Only the blocks' linears: norms, biases, embedding and head stay as they are stored, as in QLoRA
 * (Dettmers et al. 2023). */
#include "model/quantize.h"

#include "tensor/quant.h"
#include <string.h>

static const struct {
    const char *name;
    enum ap_dtype dtype;
} base_dtypes[] = {{"f32", AP_F32}, {"bf16", AP_BF16}, {"int8", AP_INT8}, {"nf4", AP_NF4_DOUBLE},
                   {"nf4-single", AP_NF4}};
enum { BASE_DTYPES = sizeof base_dtypes / sizeof *base_dtypes };

ap_status ap__base_dtype_read(const char *text, const char *place, struct ap_model_options *out, struct ap_err *err)
{
    *out = (struct ap_model_options){0};
    if (text == NULL)
        return AP_OK;
    for (int i = 0; i < BASE_DTYPES; i++)
        if (strcmp(text, base_dtypes[i].name) == 0) {
            *out = (struct ap_model_options){.convert = true, .base_dtype = base_dtypes[i].dtype};
            return AP_OK;
        }
    return ap__fail(err, AP_E_ARG, place, "is f32, bf16, int8, nf4 or nf4-single, got `%s`", text);
}

ap_status ap__weight_convert(struct ap_weight *w, const struct ap_tensor_view *view, enum ap_dtype dtype,
                             const char *place, struct ap_err *err)
{
    struct ap_matrix from = {view->dtype, w->W.rows, w->W.cols, view->data};
    struct ap_matrix to = {dtype, w->W.rows, w->W.cols, NULL};
    size_t bytes = ap__matrix_bytes(dtype, to.rows, to.cols);
    w->converted = ap__alloc(bytes);
    if (w->converted == NULL)
        return ap__fail(err, AP_E_MEMORY, place, "out of memory for the %zu bytes of `%s`", bytes, w->name);
    AP_TRY(ap__matrix_convert(&to, w->converted, &from, err));
    to.data = w->converted;
    w->W = to;
    return AP_OK;
}

void ap__weight_to_f32(float *dst, const struct ap_weight *w)
{
    struct ap_matrix W = ap__as_rows(&w->W);
    ap__matrix_to_f32(dst, &W);
}
