/* sentencepiece.h - tokenizer.model, the protocol buffer that sentencepiece writes (BPE models only). */
#ifndef AP_SENTENCEPIECE_H
#define AP_SENTENCEPIECE_H

#include "model/token_list.h"

/* The value of the tokenizer.json that says the same. */
ap_status ap__sentencepiece_load(const char *path, json_t **out, struct ap_err *err) AP_MUST_CHECK;

#endif
