/* gguf_names.h - the same tensors in the words of Hugging Face and of GGUF.
 *
 *     model.layers.0.self_attn.q_proj.weight  <->  blk.0.attn_q.weight
 *
 * Of architecture `llama` (which mistral is, too) GGUF also reorders the rows
 * of q and k within each head, so that the two numbers that RoPE turns together
 * lie side by side:
 *
 *     Hugging Face    a0 a1 a2 ... b0 b1 b2 ...        (Dh rows: pairs a_i, b_i)
 *     GGUF            a0 b0 a1 b1 a2 b2 ... */
#ifndef AP_GGUF_NAMES_H
#define AP_GGUF_NAMES_H

#include "model/config.h"
#include <stddef.h>

enum { AP_TENSOR_NAME_MAX = 128 };

/* false: no such tensor in a model that can be read here. */
bool ap__gguf_name_of(const char *hf, char out[AP_TENSOR_NAME_MAX]);
bool ap__gguf_hf_name(const char *gguf, char out[AP_TENSOR_NAME_MAX]);

/* "llama", "qwen2", "qwen3": general.architecture of a family. */
const char *ap__gguf_architecture(enum ap_family family);
/* Width of the heads whose rows are reordered in the tensor or module of this Hugging Face name; 0: none are. */
int32_t ap__gguf_reordered(const struct ap_config *c, const char *hf);

/* dst (rows of `bytes` bytes) = the rows of src in GGUF's order, or back; dst and src are apart. rows % Dh == 0. */
void ap__gguf_reorder(void *dst, const void *src, size_t rows, size_t bytes, int32_t Dh);
void ap__gguf_reorder_back(void *dst, const void *src, size_t rows, size_t bytes, int32_t Dh);

#endif
