/* tokenizer.h - Hugging Face tokenizer.json with BPE, byte-level or with byte fallback.
 *
 *     text -> added tokens -> normalizer -> pre-tokenizer pieces -> BPE -> ids
 *
 * Immutable after opening; safe to share between threads. */
#ifndef AP_TOKENIZER_H
#define AP_TOKENIZER_H

#include "model/ids.h"

struct ap_tokenizer;

/* path: a model folder, a tokenizer.json or a .gguf file (tokenizer_files.h). */
ap_status ap__tokenizer_open(const char *path, struct ap_tokenizer **out, struct ap_err *err) AP_MUST_CHECK;
void ap__tokenizer_free(struct ap_tokenizer *tok);

/* Append the ids of text (len bytes, any bytes).  specials: recognise added tokens
 * marked special in the text (trusted text only); false: such text is encoded as plain characters. */
ap_status ap__tokenizer_encode(const struct ap_tokenizer *tok, const char *text, size_t len, bool specials,
                               struct ap_ids *out, struct ap_err *err) AP_MUST_CHECK;
/* Where a text stands that a template adds to a conversation; added tokens are recognised in it, special ones too. */
struct ap_encode_place {
    int32_t before;      /* the token before it, -1: nothing stands before it */
    const size_t *apart; /* (apart_count,) ascending bytes of the text; no added token is seen across them */
    size_t apart_count;
};
ap_status ap__tokenizer_encode_at(const struct ap_tokenizer *tok, const char *text, size_t len,
                                  const struct ap_encode_place *place, struct ap_ids *out,
                                  struct ap_err *err) AP_MUST_CHECK;
/* The first added token spelled in the text at or behind `from`; false: none. */
struct ap_added_span {
    size_t start, end;  /* bytes */
    size_t second;      /* of its second character */
    size_t next;        /* `end` and the blanks that it swallows */
    int32_t id;
    bool special, cuts; /* cuts: what stands before and behind it is encoded independently */
};
bool ap__tokenizer_find_added(const struct ap_tokenizer *tok, const char *text, size_t len, size_t from,
                              struct ap_added_span *out);
/* The pieces that text (valid UTF-8, no added tokens) is cut into before BPE; overwrites *out. */
struct ap_pieces;
ap_status ap__tokenizer_cut(const struct ap_tokenizer *tok, const char *text, size_t len, struct ap_pieces *out,
                            struct ap_err *err) AP_MUST_CHECK;
/* Append the text of n ids; special tokens are skipped unless `specials`. */
ap_status ap__tokenizer_decode(const struct ap_tokenizer *tok, const int32_t *id, size_t n, bool specials,
                               struct ap_buf *out, struct ap_err *err) AP_MUST_CHECK;
int32_t ap__tokenizer_size(const struct ap_tokenizer *tok);              /* highest id + 1 */
int32_t ap__tokenizer_id(const struct ap_tokenizer *tok, const char *token); /* exact vocabulary entry or -1 */

#endif
