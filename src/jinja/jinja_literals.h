/* jinja_literals.h - numbers and strings as templates write them. */
#ifndef AP_JINJA_LITERALS_H
#define AP_JINJA_LITERALS_H

#include "jinja/jinja_value.h"

/* Each reads a literal at the start of `rest` and returns its bytes, 0 when there is none.  *wrong says what is
 * wrong with it, else it stays as it was. */
size_t ap__jliteral_float(struct ap_jtext rest, bool after_dot, double *out);
size_t ap__jliteral_int(struct ap_jtext rest, int64_t *out, const char **wrong);
/* With quotes, possibly over lines; escapes as in Python.  The text lies in the arena. */
size_t ap__jliteral_string(struct ap_arena *arena, struct ap_jtext rest, struct ap_jtext *out, const char **wrong);

#endif
