/* vocabulary.h - the tokenizer of the bundled models, made from a list of words.
 *
 *     words.txt --> tokenizer.json + tokenizer_config.json, which transformers loads too
 *
 * Whole pieces that are on the list are one token; everything else falls back
 * to parts ("str", "ea") and letters, so that a small model can copy words it
 * has never seen, and numbers are read digit by digit.  docs: models/README.md */
#ifndef AP_VOCABULARY_H
#define AP_VOCABULARY_H

#include "base/alloc.h"

struct ap_vocabulary {
    int32_t size; /* V */
    int32_t end;  /* id of <|end|> */
};

/* Write both files into dir, which is made if need be.  The words file has one piece per line; empty lines and lines that
 * begin with '#' are passed over; \n, \s (a space) and \\ are escapes.  A line that the pre-tokenizer would cut, or that
 * is there already, is AP_E_FORMAT with its number.  A line "parts: bl st str" lists letters that become one token inside
 * other words; all but the last letter of a longer part must be a part, too, and come before it. */
ap_status ap__vocabulary_write(const char *words, const char *dir, struct ap_vocabulary *made,
                               struct ap_err *err) AP_MUST_CHECK;

/* Append a piece as a line of a words file spells it. */
ap_status ap__vocabulary_escape(const char *piece, size_t len, struct ap_buf *out);

#endif
