/* llama2c.h - checkpoints of llama2.c (model.bin + tokenizer.bin) to a Hugging Face folder.
 *
 *     header   7 int32: D, F, L, H, Hkv, V (negative: a head of its own), longest context
 *     weights  f32, tensor by tensor over all layers; q and k in the order of GGUF's (gguf_names.h)
 *     tokens   int32 longest, then per token: f32 score, int32 length, bytes; spaces are spaces
 *
 * The file does not say RoPE's base and the norm's epsilon: they are 10000 and 1e-5. */
#ifndef AP_LLAMA2C_H
#define AP_LLAMA2C_H

#include "base/status.h"

/* Write config.json, model.safetensors (F32), tokenizer.json and tokenizer_config.json into dir. */
ap_status ap__llama2c_convert(const char *model, const char *tokenizer, const char *dir,
                              struct ap_err *err) AP_MUST_CHECK;

#endif
