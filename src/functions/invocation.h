/* invocation.h - one running call, as env.c fills it and functions see it. */
#ifndef AP_INVOCATION_H
#define AP_INVOCATION_H

#include "functions/registry.h"

struct ap_invocation {
    struct ap_env *env;
    const struct ap_registry *registry;
    const struct ap_function *function;
    struct ap_value values[AP_CALL_MAX_ARGS]; /* (n,) in parameter order, defaults filled in */
    int32_t n;
    void *state;
    struct ap_buf text; /* the observation */
    bool error, answered;
    bool example; /* an error that shows signature and example */
    char *answer;
    struct ap_later *later; /* the result is still to come */
    struct ap_err *err;
};

/* Start the observation over as an error. */
void ap__invocation_begin_error(struct ap_invocation *call);
/* The whole error text; signature and example follow it. */
void ap__invocation_say_error(struct ap_invocation *call, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
