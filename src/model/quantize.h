/* quantize.h - a model's frozen linears in another format than the file's. */
#ifndef AP_QUANTIZE_H
#define AP_QUANTIZE_H

#include "model/weights.h"

/* w->W and w->converted from a tensor of the same shape, which is not needed afterwards. */
ap_status ap__weight_convert(struct ap_weight *w, const struct ap_tensor_view *view, enum ap_dtype dtype,
                             const char *place, struct ap_err *err) AP_MUST_CHECK;
/* dst (rows, cols), or (rows,) of a vector: values in any dtype to f32, overwrites. */
void ap__weight_to_f32(float *dst, const struct ap_weight *w);

#endif
