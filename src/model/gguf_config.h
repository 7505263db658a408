/* gguf_config.h - a model's shape from a GGUF file's metadata and tensors. */
#ifndef AP_GGUF_CONFIG_H
#define AP_GGUF_CONFIG_H

#include "model/config.h"
#include "model/gguf.h"

/* AP_E_FORMAT names the key that is missing or unsupported. */
ap_status ap__gguf_config(const struct ap_gguf *g, struct ap_config *out, struct ap_err *err) AP_MUST_CHECK;

/* llama3's scaling is no metadata in GGUF but a tensor, (Dh/2,) f32, that the frequencies are divided by. */
#define AP_GGUF_ROPE_FACTORS "rope_freqs.weight"
void ap__gguf_rope_factors(const struct ap_config *c, float *factors);

/* Keys of ours, behind "ARCH.": what the factors were made from.  Files of others have none, but are all made alike. */
#define AP_GGUF_LLAMA3_FACTOR "rope.scaling.llama3.factor"
#define AP_GGUF_LLAMA3_LOW "rope.scaling.llama3.low_freq_factor"
#define AP_GGUF_LLAMA3_HIGH "rope.scaling.llama3.high_freq_factor"
#define AP_GGUF_LLAMA3_ORIGINAL "rope.scaling.llama3.original_context_length"

#endif
