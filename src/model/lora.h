/* lora.h - adapters as the files that read, write, merge and verify them see them.
 *
 *     y = x W^T + scale * (x A^T) B^T      A (R, I), B (O, R), scale = alpha/R or alpha/sqrt(R)
 *
 * Linears may differ in rank and alpha, and some may have no adapter.  What users of a model call is in
 * transformer.h (ap__model_add_lora, ap__lora_load, ap__lora_save, ap__model_use_adapter). */
#ifndef AP_LORA_H
#define AP_LORA_H

#include "model/weights.h"

/* What one linear gets; rank 0: nothing. */
struct ap_lora_shape {
    int32_t rank;
    float alpha;
};

/* Room for an adapter of shape (L, 7), all values zero, in use; one that was there is gone, and whatever the model
 * trained before is frozen.  alpha: the adapter's own, which most linears share. */
ap_status ap__lora_attach(struct ap_model *m, const struct ap_lora_shape *shape, float alpha, bool stabilised,
                          struct ap_err *err) AP_MUST_CHECK;

/* "model.layers.0.self_attn.q_proj", as PEFT calls linear j of layer l. */
void ap__lora_module(const struct ap_model *m, int32_t l, int j, char out[64]);
/* "q_proj" ... of AP_LINEAR_*. */
const char *ap__lora_linear_name(int j);

/* W (rows, I) f32, rows first .. first+rows-1 of linear j of layer l, += scale * B A.  row (I,) is scratch. */
void ap__lora_merge(const struct ap_lora_pair *p, int32_t first, int32_t rows, float *W, double *row);

#endif
