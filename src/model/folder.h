/* folder.h - the files of a model folder that are carried along unchanged. */
#ifndef AP_FOLDER_H
#define AP_FOLDER_H

#include "base/json.h"

/* Copy what belongs to the tokenizer (tokenizer.json, tokenizer_config.json, ...) from one model folder to
 * another; files that do not exist are passed over.  from may be a .gguf file: its metadata says the same. */
ap_status ap__folder_copy_tokenizer(const char *from, const char *to, struct ap_err *err) AP_MUST_CHECK;

/* Write tokenizer.json and tokenizer_config.json. */
ap_status ap__folder_write_tokenizer(const json_t *tokenizer, const json_t *config, const char *to,
                                     struct ap_err *err) AP_MUST_CHECK;

#endif
