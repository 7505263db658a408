/* status.c - one failure, described once.
 *
 *     ap__fail(&err, code, place, "sentence %s", ...)  -->  err = {code, place, message}
 *
 * The sentence is formatted before err is touched, so that an outer caller may
 * quote err->message while it rewrites it. */
#include "base/status.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *ap_status_text(ap_status code)
{
    static const char *const text[] = {
#define X(code, text) text,
        AP_STATUS_MAP(X)
#undef X
    };
    return (unsigned)code < AP_STATUS_COUNT ? text[code] : "unknown status";
}

const char *ap_version(void)
{
    return AP_VERSION;
}

/* Copy, and when s is too long cut it before a UTF-8 sequence and end it in dots. */
static void copy_cut(char *dst, size_t size, const char *s)
{
    size_t len = strlen(s);
    if (len < size) {
        memmove(dst, s, len + 1);
        return;
    }
    size_t keep = size - 4;
    while (keep > 0 && ((unsigned char)s[keep] & 0xC0) == 0x80)
        keep--;
    memmove(dst, s, keep);
    memcpy(dst + keep, "...", 4);
}

static ap_status record(struct ap_err *err, ap_status code, const char *place, const char *message)
{
    if (err) {
        err->code = code;
        copy_cut(err->place, sizeof err->place, place ? place : "");
        copy_cut(err->message, sizeof err->message, message);
    }
    return code;
}

ap_status ap__fail(struct ap_err *err, ap_status code, const char *place, const char *fmt, ...)
{
    char message[2 * sizeof err->message];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(message, sizeof message, fmt, ap);
    va_end(ap);
    return record(err, code, place, message);
}

ap_status ap__fail_errno(struct ap_err *err, const char *place, const char *fmt, ...)
{
    int saved = errno;
    char message[2 * sizeof err->message], reason[128];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(message, sizeof message, fmt, ap);
    va_end(ap);
    size_t len = n < 0 ? 0 : (size_t)n < sizeof message ? (size_t)n : sizeof message - 1;
    if (strerror_r(saved, reason, sizeof reason) != 0)
        snprintf(reason, sizeof reason, "error %d", saved);
    snprintf(message + len, sizeof message - len, ": %s", reason);
    return record(err, AP_E_IO, place, message);
}
