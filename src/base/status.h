/* status.h - how every function in Apprentice reports failure.
 *
 * A function that can fail returns an ap_status (0 is success) and takes a
 * last argument `struct ap_err *err`.  The failure is described exactly once,
 * where it happened, by ap__fail; callers pass it up and may prepend a place.
 * Nothing in the library prints or exits; the program's main decides. */
#ifndef AP_STATUS_H
#define AP_STATUS_H

#include "apprentice.h" /* ap_status, struct ap_err, AP_MUST_CHECK */

/* Fill *err (may be NULL) and return code.  place: file:line, tensor, URL...
 * may be NULL.  fmt is one clear sentence without a final period or newline. */
ap_status ap__fail(struct ap_err *err, ap_status code, const char *place, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/* Like ap__fail with strerror(errno) appended; code is AP_E_IO. */
ap_status ap__fail_errno(struct ap_err *err, const char *place, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Propagate: evaluate expr once, return its status when it is not AP_OK.
 * For functions that hold nothing; others use `goto done`. */
#define AP_TRY(expr)                      \
    do {                                  \
        ap_status ap_try_status = (expr); \
        if (ap_try_status != AP_OK)       \
            return ap_try_status;         \
    } while (0)

#endif
