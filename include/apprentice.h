/* apprentice.h - the public interface of libapprentice.
 *
 * Grown by the modules: status codes here, functions and registry below.
 * Usage example: examples/calculator.c */
#ifndef APPRENTICE_H
#define APPRENTICE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define AP_MUST_CHECK __attribute__((warn_unused_result))

/* Every status code with its text; AP_OK is 0 everywhere. */
#define AP_STATUS_MAP(X)                                          \
    X(AP_OK, "success")                                           \
    X(AP_E_ARG, "invalid argument")                               \
    X(AP_E_MEMORY, "out of memory")                               \
    X(AP_E_IO, "input/output error")                              \
    X(AP_E_PARSE, "cannot parse")                                 \
    X(AP_E_FORMAT, "unsupported or broken format")                \
    X(AP_E_NOT_FOUND, "not found")                                \
    X(AP_E_EXISTS, "exists already")                              \
    X(AP_E_TOO_LARGE, "too large")                                \
    X(AP_E_LIMIT, "limit reached")                                \
    X(AP_E_STATE, "not possible in this state")                   \
    X(AP_E_DATABASE, "store error")                               \
    X(AP_E_INTERRUPTED, "interrupted")

typedef enum ap_status {
#define X(code, text) code,
    AP_STATUS_MAP(X)
#undef X
    AP_STATUS_COUNT
} ap_status;

/* One failure: recorded at its source.  Plain data, needs no release. */
struct ap_err {
    ap_status code;
    char place[256];   /* file:line, tensor name, URL ...; may be "" */
    char message[512]; /* one sentence */
};

/* Constant text of a status code. */
const char *ap_status_text(ap_status code);

/* The library's version, "major.minor.patch". */
const char *ap_version(void);

#ifdef __cplusplus
}
#endif
#endif
