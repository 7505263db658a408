/* tokenizer_files.h - where a model's tokenizer is written down, and reading it from there.
 *
 *     DIR     tokenizer.json, else vocab.json + merges.txt, else tokenizer.model
 *     FILE    a .gguf file, or a tokenizer.json by whatever name
 *
 * Whatever it is, the result has the form of a tokenizer.json. */
#ifndef AP_TOKENIZER_FILES_H
#define AP_TOKENIZER_FILES_H

#include "base/json.h"

/* *place (ap__free it) names the file that was read, for messages; set with AP_OK only.  *out: json_decref. */
ap_status ap__tokenizer_files_load(const char *path, json_t **out, char **place, struct ap_err *err) AP_MUST_CHECK;
/* What tokenizer_config.json says (an empty object when a folder has none), with `chat_template` from
 * chat_template.jinja when that file is there; of a GGUF file, from its metadata.  path may be a tokenizer.json, too:
 * its neighbours count. */
ap_status ap__tokenizer_files_config(const char *path, json_t **out, struct ap_err *err) AP_MUST_CHECK;

#endif
