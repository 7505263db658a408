/* gguf_write.h - models and LoRA adapters as GGUF v3 files, which llama.cpp loads.
 *
 *     tensors by Hugging Face's names, values on request    metadata from config and tokenizer
 *               |  renamed; q and k of llama permuted                   |
 *               +---------------------> temporary file <----------------+   renamed at the end
 *
 * Only one tensor's values are in memory at a time.  Readers see the old file
 * or the new one.  gguf.h reads what this writes. */
#ifndef AP_GGUF_WRITE_H
#define AP_GGUF_WRITE_H

#include "model/config.h"

struct ap_gguf_tensor {
    const char *name;   /* Hugging Face's: "model.layers.0.self_attn.q_proj.weight" */
    int32_t rows, cols; /* cols 0: a vector */
};

/* All borrowed. */
struct ap_gguf_model {
    const char *name; /* general.name */
    const struct ap_config *config;
    const char *tokenizer; /* model folder or .gguf file whose tokenizer and chat template go along */
    const struct ap_gguf_tensor *tensor; /* (tensors,) a tied head is left out */
    size_t tensors;
    /* Write the values of tensor i, (rows, cols) f32, as they are in a Hugging Face folder. */
    ap_status (*values)(void *context, size_t i, float *out, struct ap_err *err);
    void *context;
};

/* dtype: of the matrices, AP_F32, AP_F16, AP_BF16 or AP_Q8_0; vectors are always F32, and so are, for Q8_0, matrices
 * whose rows are no multiple of 32 wide F16.  *same_text (may be NULL): llama.cpp knows how this tokenizer cuts text; when
 * false it computes the same from the same ids, but makes other ids of the same text. */
ap_status ap__gguf_write_model(const char *path, const struct ap_gguf_model *model, enum ap_dtype dtype,
                               bool *same_text, struct ap_err *err) AP_MUST_CHECK;

/* One adapted linear: y += alpha/R * (x A^T) B^T. */
struct ap_gguf_lora {
    const char *module;   /* Hugging Face's: "model.layers.0.self_attn.q_proj" */
    int32_t rank, in, out;
    const float *a, *b;   /* (rank, in), (out, rank) */
};

/* An adapter for `llama-cli --lora`, F32.  config is the base's.  llama.cpp scales by alpha / R; an adapter with
 * another scale s (rslora) hands in alpha = s * R. */
ap_status ap__gguf_write_lora(const char *path, const char *name, const struct ap_config *config, float alpha,
                              const struct ap_gguf_lora *lora, size_t n, struct ap_err *err) AP_MUST_CHECK;

#endif
