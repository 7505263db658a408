/* text.h - small text helpers that the C library lacks. */
#ifndef AP_TEXT_H
#define AP_TEXT_H

#include "base/alloc.h"

bool ap__starts_with(const char *s, const char *prefix);
bool ap__ends_with(const char *s, const char *suffix);
/* Strict number readers: the whole string must be consumed. */
bool ap__parse_i64(const char *s, int64_t *out);
bool ap__parse_f64(const char *s, double *out);
/* The values a number may take, in words for a message: "from 1 to 9", "of at
 * least 0", "" when any will do.  INT64_MIN/MAX and infinities mean no bound. */
#define AP_RANGE_TEXT_MAX 80
void ap__range_i64_text(char out[AP_RANGE_TEXT_MAX], int64_t min, int64_t max);
void ap__range_f64_text(char out[AP_RANGE_TEXT_MAX], double min, double max);
/* Length of one UTF-8 sequence at s (1..4), 0 when it is not valid UTF-8; n = bytes left. */
int ap__utf8_len(const char *s, size_t n);
bool ap__utf8_valid(const char *s, size_t n);
/* Append n bytes as valid UTF-8 without NULs; what is not becomes U+FFFD, as decoders do. */
ap_status ap__buf_add_valid(struct ap_buf *buf, const char *s, size_t n);
/* Nearest name to `word` among n (edit distance <= 2 or a third), or NULL: for "did you mean". */
const char *ap__nearest(const char *word, const char *const *names, size_t n);
/* Append s with &<>"' escaped for HTML. */
ap_status ap__buf_html(struct ap_buf *buf, const char *s);

#endif
