/* gguf_write_tokenizer.h - a tokenizer's files as tokenizer.ggml.* metadata. */
#ifndef AP_GGUF_WRITE_TOKENIZER_H
#define AP_GGUF_WRITE_TOKENIZER_H

#include "model/gguf_out.h"

/* path: as in tokenizer_files.h; V: rows of the embedding, which all get a token.  bos, eos: of config.json, for
 * folders whose tokenizer does not say; -1: none.  *same_text as in gguf_write.h. */
ap_status ap__gguf_put_tokenizer(struct ap_gguf_out *o, const char *path, int32_t V, int32_t bos, int32_t eos,
                                 bool *same_text, struct ap_err *err) AP_MUST_CHECK;

#endif
