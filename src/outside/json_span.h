/* json_span.h - the text of one member of a JSON object, as it was written.
 *
 *   {"a": 1, "b": {"x": 0.10}}  --"b"-->  {"x": 0.10}
 *
 * For text that is known to be valid JSON.  Of keys that repeat the last counts,
 * as everywhere; keys with escapes are not found. */
#ifndef AP_JSON_SPAN_H
#define AP_JSON_SPAN_H

#include <stdbool.h>
#include <stddef.h>

struct ap_span {
    const char *text; /* (len,) */
    size_t len;
};

bool ap__json_span(struct ap_span object, const char *key, struct ap_span *out);

#endif
