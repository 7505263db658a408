/* jinja_text.h - text as Python sees it (characters, cases, white space) and values as text (str, repr, JSON).
 *
 * Text is UTF-8 throughout; positions that templates count are characters. */
#ifndef AP_JINJA_TEXT_H
#define AP_JINJA_TEXT_H

#include "jinja/jinja_value.h"

/* ---- characters (jinja_unicode.c) ---- */

size_t ap__jtext_chars(struct ap_jtext t);
size_t ap__jtext_width(struct ap_jtext t, size_t at);     /* bytes of the character at byte `at` < n */
size_t ap__jtext_before(struct ap_jtext t, size_t at);    /* bytes of the character that ends at byte `at` > 0 */
size_t ap__jtext_offset(struct ap_jtext t, size_t chars); /* bytes of the first `chars` characters, at most n */
int32_t ap__jtext_char(struct ap_jtext t, size_t at);     /* code point */
size_t ap__jtext_put(char out[4], int32_t c);             /* its UTF-8; bytes written */
bool ap__jchar_is_space(int32_t c);
bool ap__jchar_is_alpha(int32_t c);
bool ap__jchar_is_alnum(int32_t c);
bool ap__jchar_is_digit(int32_t c);
bool ap__jchar_is_upper(int32_t c);
bool ap__jchar_is_lower(int32_t c);
bool ap__jchar_is_title(int32_t c);
bool ap__jchar_is_word(int32_t c); /* \w */
bool ap__jchar_is_printable(int32_t c);

/* What strip and its kin leave of t; chars: which characters go, s NULL for white space. */
struct ap_jtext ap__jtext_strip(struct ap_jtext t, struct ap_jtext chars, bool left, bool right);
/* Byte offset of the first (last) occurrence of `what` at or after byte `from`, or SIZE_MAX. */
size_t ap__jtext_find(struct ap_jtext t, struct ap_jtext what, size_t from);
size_t ap__jtext_find_last(struct ap_jtext t, struct ap_jtext what);

enum ap_jcase { AP_J_UPPER, AP_J_LOWER, AP_J_TITLE, AP_J_CAPITALIZE, AP_J_SWAPCASE, AP_J_FOLD };
ap_status ap__jtext_case(struct ap_jrun *run, struct ap_jtext t, enum ap_jcase how, struct ap_jval *out)
    AP_MUST_CHECK;

/* ---- values as text, emitted to the run's output (jinja_text.c, jinja_json.c) ---- */

ap_status ap__jval_print(struct ap_jrun *run, struct ap_jval v) AP_MUST_CHECK; /* str() */
ap_status ap__jval_repr(struct ap_jrun *run, struct ap_jval v) AP_MUST_CHECK;  /* repr() */
ap_status ap__jval_str(struct ap_jrun *run, struct ap_jval v, struct ap_jval *out) AP_MUST_CHECK; /* str() as a value */
/* Text with &<>"' as HTML entities. */
ap_status ap__jtext_escape(struct ap_jrun *run, struct ap_jtext t, struct ap_jval *out) AP_MUST_CHECK;
/* repr() of a float into out; returns its length. */
size_t ap__jfloat_repr(double f, char out[40]);

struct ap_json_style {
    bool ascii, sort;
    struct ap_jtext indent; /* per level; s NULL: one line */
    struct ap_jtext item, key; /* separators */
};
ap_status ap__jval_json(struct ap_jrun *run, struct ap_jval v, const struct ap_json_style *style) AP_MUST_CHECK;

/* ---- formats (jinja_format.c) ---- */

/* "%s of %d" % value */
ap_status ap__jformat_percent(struct ap_jrun *run, struct ap_jval format, struct ap_jval value,
                              struct ap_jval *out) AP_MUST_CHECK;
struct ap_jargs;
/* "{} of {n}".format(...) */
ap_status ap__jformat_braces(struct ap_jrun *run, struct ap_jval format, const struct ap_jargs *args,
                             struct ap_jval *out) AP_MUST_CHECK;

/* ---- numbers from text, as int() and float() read them (jinja_numbers.c) ---- */

bool ap__jtext_to_int(struct ap_jtext t, int base, int64_t *out);
bool ap__jtext_to_float(struct ap_jtext t, double *out);

#endif
