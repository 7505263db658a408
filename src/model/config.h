/* config.h - the shape of a decoder, from and to config.json.
 *
 * Families differ in little, all of it said here:
 *     llama     biases of the attention and feed-forward linears when asked
 *     mistral   a sliding window
 *     qwen2     biases of q, k, v; a window in the upper layers when asked
 *     qwen3     norms of each query and key head instead; biases of attention and a window when asked
 * Frequencies of the rotary embedding may be scaled in all of them (rope.h).
 *
 * Legend used everywhere in model/: D model width, L layers, H query heads,
 * Hkv key/value heads (H divisible by Hkv), Dh head width, F feed-forward
 * width, V vocabulary.  What the decoder cannot compute exactly (other
 * activations, mixtures, quantised files, ...) is refused with the key and value
 * that ask for it. */
#ifndef AP_CONFIG_H
#define AP_CONFIG_H

#include "model/rope.h"
#include "tensor/dtype.h"

enum ap_family { AP_LLAMA, AP_MISTRAL, AP_QWEN2, AP_QWEN3, AP_FAMILY_COUNT };
enum { AP_MAX_OTHER_EOS = 7 };

struct ap_config {
    enum ap_family family;
    int32_t D, L, H, Hkv, Dh, F, V;
    int32_t max_position;        /* longest context, in tokens */
    int32_t window, window_from; /* layers from window_from on see the last `window` positions; 0 = none */
    float theta;                 /* RoPE base */
    struct ap_rope rope;
    float eps;      /* of RMSNorm */
    bool tied;      /* the output head is the embedding */
    bool attention_bias, mlp_bias; /* as the keys of config.json say: of q, k, v and o; of gate, up and down */
    int32_t bos, eos; /* token ids, -1 = none; carried along for other tools */
    int32_t other_eos[AP_MAX_OTHER_EOS], other_eos_count; /* when config.json lists several */
};

/* Read dir/config.json.  AP_E_FORMAT names the key that is missing or unsupported. */
ap_status ap__config_load(const char *dir, struct ap_config *out, struct ap_err *err) AP_MUST_CHECK;
/* The same from parsed JSON; place names it in errors. */
ap_status ap__config_read(const json_t *root, const char *place, struct ap_config *out,
                          struct ap_err *err) AP_MUST_CHECK;
/* Append it as transformers reads it; dtype is that of the weights beside it.  A failed append marks the buffer. */
void ap__config_write(const struct ap_config *c, enum ap_dtype dtype, struct ap_buf *out);
/* Write dir/config.json. */
ap_status ap__config_save(const struct ap_config *c, const char *dir, enum ap_dtype dtype,
                          struct ap_err *err) AP_MUST_CHECK;
/* Sizes are positive, bounded, and fit together; place names the source in the error. */
ap_status ap__config_check(const struct ap_config *c, const char *place, struct ap_err *err) AP_MUST_CHECK;
/* Number of weights (a tied head counts once). */
int64_t ap__config_parameters(const struct ap_config *c);
/* As in config.json's `model_type`: "llama", "mistral", "qwen2", "qwen3". */
const char *ap__family_name(enum ap_family family);
/* AP_E_FORMAT: `key` is value, which is not supported (only ...). */
ap_status ap__config_unsupported(const char *place, const char *key, const json_t *value, const char *only,
                                 struct ap_err *err);

static inline bool ap__config_qkv_bias(const struct ap_config *c) { return c->family == AP_QWEN2 || c->attention_bias; }
static inline bool ap__config_qk_norm(const struct ap_config *c) { return c->family == AP_QWEN3; }
/* The window of layer l, 0 = none. */
static inline int32_t ap__layer_window(const struct ap_config *c, int32_t l)
{
    return l >= c->window_from ? c->window : 0;
}
/* Factor of the scores: 1/sqrt(Dh), and what YaRN puts into queries and keys. */
float ap__attention_scale(const struct ap_config *c);

#endif
