/* html.h - small pieces of HTML: escaped text, numbers as people write them.
 *
 * Raw markup goes through ap__buf_puts and holds only literals and numbers; every text that a user,
 * a model or a file wrote goes through ap__html_text. */
#ifndef AP_HTML_H
#define AP_HTML_H

#include "base/alloc.h"
#include "evaluate/statistics.h"

/* Escaped; bytes that are not UTF-8 and control characters become U+FFFD. NULL is "". */
void ap__html_text(struct ap_buf *out, const char *text);
/* "<tag class='...'>text</tag>"; tag and class are literals. class may be NULL. */
void ap__html_tag(struct ap_buf *out, const char *tag, const char *class_name, const char *text);
void ap__html_count(struct ap_buf *out, int64_t n);            /* 12 345, with narrow spaces */
void ap__html_percent(struct ap_buf *out, double share);       /* 43.0 % of 0.43 */
void ap__html_percent_of(struct ap_buf *out, int64_t k, int64_t n); /* a dash when n is 0 */
void ap__html_interval(struct ap_buf *out, struct ap_interval i);   /* [38.7, 47.4] in percent */
void ap__html_number(struct ap_buf *out, double value, int decimals); /* with a real minus, none on zero */
void ap__html_points(struct ap_buf *out, double difference);   /* +41.2, signed, in points */
void ap__html_p(struct ap_buf *out, double p);                 /* 0.042, 3.1 x 10^-45, < 10^-300 */
void ap__html_seconds(struct ap_buf *out, double seconds);     /* 8.4 s, 2 min 05 s, 1 h 02 min */

#endif
