/* normalizer.h - the `normalizer` of a tokenizer.json: rewrites text before it is split.
 *
 * NFC, NFD, NFKC, NFKD, Lowercase, Strip, Prepend, Replace, and sequences of them. */
#ifndef AP_NORMALIZER_H
#define AP_NORMALIZER_H

#include "base/json.h"

struct ap_normalizer; /* immutable */

/* spec NULL or null: a normalizer that changes nothing. place names the file; an unknown type is AP_E_FORMAT. */
ap_status ap__normalizer_new(const json_t *spec, const char *place, struct ap_normalizer **out,
                             struct ap_err *err) AP_MUST_CHECK;
void ap__normalizer_free(struct ap_normalizer *n);

/* Append to out the normal form of text, which must be valid UTF-8. continues: the text goes on from other bytes, so
 * that nothing is put before it.  *trimmed (may be NULL) becomes true when its first characters were stripped. */
ap_status ap__normalizer_apply(const struct ap_normalizer *n, const char *text, size_t len, bool continues,
                               struct ap_buf *out, bool *trimmed, struct ap_err *err) AP_MUST_CHECK;

/* Is this code point white space, as Unicode defines it? */
bool ap__char_is_space(int32_t c);

#endif
