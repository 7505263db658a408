/* source.h - a model as it is stored, whichever way: its shape and its tensors by Hugging Face's names.
 *
 *     DIR         config.json, *.safetensors      mapped as they are
 *     FILE.gguf   metadata, tensors               mapped; q and k of llama are copied into Hugging Face's order when asked for
 *
 * tokenizer_files.h does the same for tokenizers. */
#ifndef AP_SOURCE_H
#define AP_SOURCE_H

#include "model/config.h"
#include "model/safetensors.h"

struct ap_source; /* owns the mapping; views die with it */

ap_status ap__source_open(const char *path, struct ap_source **out, struct ap_err *err) AP_MUST_CHECK;
void ap__source_free(struct ap_source *s);

const struct ap_config *ap__source_config(const struct ap_source *s);
size_t ap__source_count(const struct ap_source *s);
const char *ap__source_name(const struct ap_source *s, size_t i); /* borrowed */
/* AP_E_NOT_FOUND names tensor and file.  The dtype may be one of GGUF's block formats (tensor/quant.h reads them). */
ap_status ap__source_get(struct ap_source *s, const char *name, struct ap_tensor_view *out,
                         struct ap_err *err) AP_MUST_CHECK;
/* The tensor is not needed soon: its memory is given back, and its views are over.  It can be had again. */
void ap__source_forget(struct ap_source *s, const char *name);
/* The most frequent dtype of the matrices, by numbers. */
enum ap_dtype ap__source_dtype(struct ap_source *s);

#endif
