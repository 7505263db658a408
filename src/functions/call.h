/* call.h - one call as a model writes it.
 *
 *   Sum(a=2, b=-3)      Prove('Bird(tom)')      F([1, "x"], True, None, 1/3)
 *   {"name": "Sum", "arguments": {"a": 2, "b": -3}}
 *
 * and in the forms that call_formats.h lists.  Blanks around the call are fine,
 * and thoughts before it where the form has a place for them; anything else
 * beside it is an error.
 * Names in the JSON form and keywords may not repeat. */
#ifndef AP_CALL_H
#define AP_CALL_H

#include "functions/value.h"

enum {
    AP_CALL_MAX_TEXT = 16384, /* bytes */
    AP_CALL_MAX_ARGS = 64,
    AP_CALL_MAX_DEPTH = 8, /* lists in lists */
    AP_CALL_MAX_ITEMS = 1024, /* values in one call */
    AP_CALL_MAX_NAME = 64,
};

struct ap_arg {
    char *name; /* NULL = positional */
    struct ap_value value;
};

struct ap_call {
    char *name;
    char *id;  /* given by the model (Mistral), else NULL */
    bool json; /* it was written as JSON */
    struct ap_arg *args; /* (n,) */
    int32_t n;
};

/* Exactly one call.  AP_E_PARSE with a message that names the column (1-based, in characters),
 * AP_E_TOO_LARGE over a ceiling, AP_E_MEMORY; *out is then empty. */
ap_status ap__call_parse(const char *text, size_t len, struct ap_call *out, struct ap_err *err) AP_MUST_CHECK;
void ap__call_deinit(struct ap_call *call);
/* Canonical Python-like text; parses back to the same call. */
void ap__call_print(const struct ap_call *call, struct ap_buf *out);
/* A single literal as it stands inside a call ("0", "'x'", "[1, 2]"). */
ap_status ap__call_parse_value(const char *text, size_t len, struct ap_value *out, struct ap_err *err) AP_MUST_CHECK;

#endif
