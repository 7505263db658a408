/* added_tokens.h - the `added_tokens` of a tokenizer.json: found in text before anything else.
 *
 * Two kinds: those looked for in the text as it comes, and those looked for in
 * the normalized text ("normalized": true, spelled in normal form too). */
#ifndef AP_ADDED_TOKENS_H
#define AP_ADDED_TOKENS_H

#include "model/bpe.h"
#include "model/normalizer.h"

struct ap_added_token {
    char *content;        /* as the file spells it; unlike the pattern, which decoding gives back, not normalized */
    char *pattern;        /* (pattern_len,) what is looked for */
    size_t pattern_len;
    int32_t id;
    bool special, single_word, lstrip, rstrip, normalized;
};

struct ap_added {
    struct ap_added_token *token; /* (count,) longest pattern first */
    size_t count;
    int32_t *by_id; /* (size,) index into token or -1 */
    int32_t size;   /* highest id + 1 */
    bool starts[2][256]; /* [normalized][byte]: some pattern starts so */
    bool spelled[256];   /* some content starts so */
    bool any_normalized;
};

struct ap_added_match {
    size_t start, end; /* with the spaces that the token swallows */
    int32_t id;
};

/* list: the array, or NULL. Tokens that are in the vocabulary must have its id. */
ap_status ap__added_init(struct ap_added *a, const json_t *list, const char *place, const struct ap_normalizer *normalizer,
                         const struct ap_bpe *bpe, struct ap_err *err) AP_MUST_CHECK;
void ap__added_deinit(struct ap_added *a);

/* The first token at or after `from` (longest at the leftmost place); false when there is none. normalized: which
 * kind; specials: also those marked special. */
bool ap__added_find(const struct ap_added *a, bool normalized, bool specials, const char *text, size_t len, size_t from,
                    struct ap_added_match *out);
/* The first token of any kind as the file spells it, special or not; *at = its first byte in text, which may not be
 * where normalized ones end up being found.  NULL: none. */
const struct ap_added_token *ap__added_spelled(const struct ap_added *a, const char *text, size_t len, size_t from,
                                               size_t *at);
/* Bytes at the beginning of text that the token before it swallows. */
size_t ap__added_swallows(const struct ap_added *a, int32_t id, const char *text, size_t len);
const struct ap_added_token *ap__added_get(const struct ap_added *a, int32_t id); /* NULL: not an added token */

#endif
