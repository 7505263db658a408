/* jinja_strings.h - work on text that filters and methods of strings share (jinja_strings.c). */
#ifndef AP_JINJA_STRINGS_H
#define AP_JINJA_STRINGS_H

#include "jinja/jinja_value.h"

/* count < 0: all of them. */
ap_status ap__jtext_replace(struct ap_jrun *run, struct ap_jtext t, struct ap_jtext old, struct ap_jtext new,
                            int64_t count, struct ap_jval *out) AP_MUST_CHECK;

enum ap_jpad { AP_J_PAD_LEFT, AP_J_PAD_RIGHT, AP_J_PAD_CENTER }; /* where the text stands */
/* Filled to `width` characters. */
ap_status ap__jtext_pad(struct ap_jrun *run, struct ap_jtext t, int64_t width, struct ap_jtext fill, enum ap_jpad how,
                        struct ap_jval *out) AP_MUST_CHECK;

/* The end of the line that begins at `at` (< n), without its break; *next is behind the break. */
size_t ap__jtext_line(struct ap_jtext t, size_t at, size_t *next);

/* str.split and str.rsplit: sep.s NULL parts at white space; max < 0: no limit. */
ap_status ap__jtext_split(struct ap_jrun *run, struct ap_jtext t, struct ap_jtext sep, int64_t max, bool from_right,
                          struct ap_jval *out) AP_MUST_CHECK;

#endif
