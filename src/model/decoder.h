/* decoder.h - the `decoder` of a tokenizer.json: from tokens back to text.
 *
 * ByteLevel, ByteFallback, Metaspace, Replace, Strip, Fuse, and sequences of
 * them.  Bytes that form no valid UTF-8 come out as they are, so that decoding
 * in parts and joining the parts is the same as decoding at once. */
#ifndef AP_DECODER_H
#define AP_DECODER_H

#include "base/json.h"

struct ap_decoder; /* immutable */

/* spec NULL or null: tokens joined by spaces. byte_level: tokens are bytes already; the decoder must then be ByteLevel,
 * and only then. */
ap_status ap__decoder_new(const json_t *spec, const char *place, bool byte_level, struct ap_decoder **out,
                          struct ap_err *err) AP_MUST_CHECK;
void ap__decoder_free(struct ap_decoder *d);

struct ap_part {
    const char *text; /* (len,) borrowed */
    size_t len;
    bool raw; /* a byte token, turned into its byte */
};

/* Append the text of n tokens; part is overwritten. */
ap_status ap__decoder_run(const struct ap_decoder *d, struct ap_part *part, size_t n, struct ap_buf *out,
                          struct ap_err *err) AP_MUST_CHECK;

#endif
