/* config.h - the shape of a Llama-architecture model, from and to config.json.
 *
 * Legend used everywhere in model/: D model width, L layers, H query heads,
 * Hkv key/value heads (H divisible by Hkv), Dh head width, F feed-forward
 * width, V vocabulary.  What the decoder cannot compute exactly (other
 * activations, biases, scaled RoPE, quantised files, ...) is refused with the
 * key and value that ask for it. */
#ifndef AP_CONFIG_H
#define AP_CONFIG_H

#include "base/status.h"
#include "tensor/dtype.h"
#include <stdbool.h>

struct ap_config {
    int32_t D, L, H, Hkv, Dh, F, V;
    int32_t max_position; /* longest context, in tokens */
    float theta;          /* RoPE base */
    float eps;            /* of RMSNorm */
    bool tied;            /* the output head is the embedding */
    int32_t bos, eos;     /* token ids, -1 = none; carried along for other tools */
};

/* Read dir/config.json.  AP_E_FORMAT names the key that is missing or unsupported. */
ap_status ap__config_load(const char *dir, struct ap_config *out, struct ap_err *err) AP_MUST_CHECK;
/* Write dir/config.json as transformers reads it; dtype is that of the weights beside it. */
ap_status ap__config_save(const struct ap_config *c, const char *dir, enum ap_dtype dtype,
                          struct ap_err *err) AP_MUST_CHECK;
/* Sizes are positive, bounded, and fit together; place names the source in the error. */
ap_status ap__config_check(const struct ap_config *c, const char *place, struct ap_err *err) AP_MUST_CHECK;
/* Number of weights (a tied head counts once). */
int64_t ap__config_parameters(const struct ap_config *c);

#endif
