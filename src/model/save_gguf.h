/* save_gguf.h - a model, or its adapter alone, to a GGUF file. */
#ifndef AP_SAVE_GGUF_H
#define AP_SAVE_GGUF_H

#include "model/weights.h"

/* An adapter in use is merged in.  dtype: F32, F16, BF16 or Q8_0.  name: general.name; tokenizer: the folder or .gguf
 * file whose tokenizer and chat template go along.  *same_text as in gguf_write.h, may be NULL. */
ap_status ap__model_save_gguf(const struct ap_model *m, const char *path, const char *name, const char *tokenizer,
                              enum ap_dtype dtype, bool *same_text, struct ap_err *err) AP_MUST_CHECK;
/* The attached adapter, F32.  AP_E_STATE without one. */
ap_status ap__lora_save_gguf(const struct ap_model *m, const char *path, const char *name,
                             struct ap_err *err) AP_MUST_CHECK;

#endif
