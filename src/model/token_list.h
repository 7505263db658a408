/* token_list.h - a vocabulary as a list of tokens, made into the value of a tokenizer.json.
 *
 *     GGUF metadata, vocab.json + merges.txt, tokenizer.model, llama2.c's tokenizer.bin
 *         --> struct ap_token_list --> {"model": {vocab, merges}, "added_tokens", "normalizer", ...} --> tokenizer.c
 *
 * So that there is one implementation of encoding, whatever the file. */
#ifndef AP_TOKEN_LIST_H
#define AP_TOKEN_LIST_H

#include "base/json.h"

/* The numbers are GGUF's and sentencepiece's. */
enum ap_token_kind {
    AP_KIND_NORMAL = 1, AP_KIND_UNKNOWN, AP_KIND_CONTROL, AP_KIND_USER_DEFINED, AP_KIND_UNUSED, AP_KIND_BYTE
};

struct ap_listed_token {
    const char *text; /* (len,) not NUL-terminated */
    size_t len;
    double score; /* sentencepiece: the token with the best one is merged first */
    enum ap_token_kind kind;
};

/* Borrows all texts. */
struct ap_token_list {
    const char *place;             /* names the file in errors */
    struct ap_listed_token *token; /* (count,) by id */
    int32_t count;
    int32_t bos, eos, unk, pad; /* ids or -1 */
    bool add_bos, add_eos;
    bool space_prefix; /* sentencepiece: a space is put before the text */
    const char *chat_template; /* or NULL */
};
/* Room for count tokens, all of kind normal with no text. */
ap_status ap__token_list_init(struct ap_token_list *list, const char *place, int64_t count,
                              struct ap_err *err) AP_MUST_CHECK;
void ap__token_list_deinit(struct ap_token_list *list);

/* Sentencepiece's BPE: what may merge, and when, is in the scores. */
ap_status ap__token_list_sentencepiece(const struct ap_token_list *list, json_t **out, struct ap_err *err) AP_MUST_CHECK;
/* Byte-level BPE; merges: array as in a tokenizer.json, borrowed.  rules: a name that token_rules.h knows. */
ap_status ap__token_list_byte_level(const struct ap_token_list *list, json_t *merges, const char *rules, json_t **out,
                                    struct ap_err *err) AP_MUST_CHECK;
/* What tokenizer_config.json says of it: bos_token, eos_token, ..., chat_template. */
ap_status ap__token_list_config(const struct ap_token_list *list, json_t **out, struct ap_err *err) AP_MUST_CHECK;

#endif
