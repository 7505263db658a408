/* pretokenizer.h - the `pre_tokenizer` of a tokenizer.json: cuts text into pieces.
 *
 * BPE never merges across pieces.  ByteLevel, Split, Digits, Punctuation,
 * Metaspace, Whitespace, WhitespaceSplit, and sequences of them. */
#ifndef AP_PRETOKENIZER_H
#define AP_PRETOKENIZER_H

#include "model/pattern.h"

struct ap_pretokenizer; /* immutable */

/* Zero-initialise; reused from text to text. */
struct ap_pieces {
    struct ap_buf text;   /* the text that the pieces cut; spaces may have been put in or replaced */
    struct ap_piece *at;  /* (n,) in order, none empty */
    size_t n, cap;
    struct ap_piece *old; /* the step before */
    size_t old_n, old_cap;
    struct ap_matches matches;
};
void ap__pieces_deinit(struct ap_pieces *p);

/* spec NULL or null: one piece. place names the file; an unknown type is AP_E_FORMAT. */
ap_status ap__pretokenizer_new(const json_t *spec, const char *place, struct ap_pretokenizer **out,
                               struct ap_err *err) AP_MUST_CHECK;
void ap__pretokenizer_free(struct ap_pretokenizer *p);
/* Whether the vocabulary is spelled in the byte alphabet. */
bool ap__pretokenizer_byte_level(const struct ap_pretokenizer *p);

/* Overwrites *out with the pieces of text, which must be valid UTF-8. first: the text stands at the very beginning;
 * continues: it goes on from other bytes, so that no space is put before it. */
ap_status ap__pretokenizer_cut(const struct ap_pretokenizer *p, const char *text, size_t len, bool first,
                               bool continues, struct ap_pieces *out, struct ap_err *err) AP_MUST_CHECK;

#endif
