/* bytelevel.h - GPT-2's alphabet: every byte has a printable character.
 *
 * Vocabulary files of byte-level models spell tokens in this alphabet (a space
 * is "\xC4\xA0", G with a dot).  Inside this program tokens are plain bytes. */
#ifndef AP_BYTELEVEL_H
#define AP_BYTELEVEL_H

#include "base/alloc.h"

/* Append the characters (UTF-8) of n bytes. */
ap_status ap__bytelevel_encode(const char *bytes, size_t n, struct ap_buf *out);
/* Append the bytes that text (UTF-8, n bytes) spells; false, with nothing appended, when a character of it is not of
 * the alphabet. An append that runs out of memory sets out->failed. */
bool ap__bytelevel_decode(const char *text, size_t n, struct ap_buf *out);

#endif
