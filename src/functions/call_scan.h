/* call_scan.h - the cursor under the call parser: blanks, names, values. */
#ifndef AP_CALL_SCAN_H
#define AP_CALL_SCAN_H

#include "functions/call.h"

struct ap_scan {
    const char *text; /* (len,) valid UTF-8 without NUL */
    size_t len, pos;
    int32_t items; /* values so far */
    struct ap_err *err;
};

/* Check the text's length and encoding and stand at its first non-blank. */
ap_status ap__scan_begin(struct ap_scan *scan, const char *text, size_t len, struct ap_err *err) AP_MUST_CHECK;
/* Only blanks may follow. */
ap_status ap__scan_end(struct ap_scan *scan, const char *expected) AP_MUST_CHECK;
void ap__scan_blanks(struct ap_scan *scan);
char ap__scan_peek(const struct ap_scan *scan); /* NUL at the end */
bool ap__scan_at_name(const struct ap_scan *scan);
bool ap__scan_is_name(const char *text); /* letters, digits, _; not too long */
ap_status ap__scan_name(struct ap_scan *scan, char **out) AP_MUST_CHECK;
ap_status ap__scan_string(struct ap_scan *scan, char **out) AP_MUST_CHECK; /* at a quote; out set on AP_OK only */
ap_status ap__scan_value(struct ap_scan *scan, struct ap_value *out, int32_t depth) AP_MUST_CHECK;
/* At a {: an object as the text of its JSON, a string value. */
ap_status ap__scan_object(struct ap_scan *scan, struct ap_value *out) AP_MUST_CHECK;
/* One call into a zeroed *call, which the caller releases on failure too. */
ap_status ap__scan_python_call(struct ap_scan *scan, struct ap_call *call) AP_MUST_CHECK;
ap_status ap__scan_json_call(struct ap_scan *scan, struct ap_call *call) AP_MUST_CHECK; /* at a { */
/* AP_E_PARSE "... at column N" */
ap_status ap__scan_fail(struct ap_scan *scan, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* "expected X at column N, got Y" */
ap_status ap__scan_fail_expected(struct ap_scan *scan, const char *expected);

#endif
