/* token_rules.h - how text is cut before BPE, by the names that llama.cpp gives the ways.
 *
 *     "llama-bpe" --> normalizer, pre_tokenizer, decoder, ignore_merges --> "llama-bpe"
 *
 * A GGUF file has only the name, a tokenizer.json only the rules. */
#ifndef AP_TOKEN_RULES_H
#define AP_TOKEN_RULES_H

#include "base/json.h"

struct ap_token_rules {
    const char *name;         /* llama.cpp's */
    const char *normalizer;   /* JSON, as in a tokenizer.json; "null": none */
    const char *pre_tokenizer;
    bool ignore_merges;
    bool add_bos;             /* what llama.cpp takes for granted when a file does not say */
};

/* The rules of byte-level BPE called `name`; NULL when unknown. */
const struct ap_token_rules *ap__token_rules_find(const char *name);
/* The rules that a tokenizer.json with byte-level BPE follows, or NULL when they have no name. */
const struct ap_token_rules *ap__token_rules_of(const json_t *tokenizer);
/* All names, for messages. */
const char *ap__token_rules_names(void);

/* Does a tokenizer.json cut text as sentencepiece does (spaces become U+2581, pieces are never cut apart)?
 * *prefix: a space is put before the text. */
bool ap__token_rules_sentencepiece(const json_t *tokenizer, bool *prefix);

#endif
