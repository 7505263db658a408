/* gguf_tokenizer.h - the tokenizer in a GGUF file's metadata, as the values of a model folder's JSON files. */
#ifndef AP_GGUF_TOKENIZER_H
#define AP_GGUF_TOKENIZER_H

#include "base/json.h"
#include "model/gguf.h"

/* As a tokenizer.json would say it. */
ap_status ap__gguf_tokenizer(const struct ap_gguf *g, json_t **out, struct ap_err *err) AP_MUST_CHECK;
/* As a tokenizer_config.json would say it: bos_token, eos_token, add_bos_token, chat_template, ... */
ap_status ap__gguf_tokenizer_config(const struct ap_gguf *g, json_t **out, struct ap_err *err) AP_MUST_CHECK;

#endif
