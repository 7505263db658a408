/* json_quick.h - common JSON read fast; what is rare or wrong is left to jansson. */
#ifndef AP_JSON_QUICK_H
#define AP_JSON_QUICK_H

#include <jansson.h>

/* What json_loadb(text, len, JSON_DECODE_ANY, ...) gives, or NULL: then ask it.  NULL for text that is not valid, and
 * for numbers with a fraction or of more than 18 digits, for surrogates, NUL, keys longer than 1023 bytes, and nesting
 * deeper than 64. */
json_t *ap__json_quick(const char *text, size_t len);

#endif
