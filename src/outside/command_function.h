/* command_function.h - a function that is a program: JSON arguments in, its result out.
 *
 *   Words(text='a b')  -->  program  <-- {"text":"a b"}     (standard input, then its end)
 *                                    --> 2                  (standard output, exit code 0)
 *
 * A new process per call, as sandbox.h says.  Another exit code, no end within the
 * time, too much output: each is an observation of that call. */
#ifndef AP_COMMAND_FUNCTION_H
#define AP_COMMAND_FUNCTION_H

#include "functions/registry.h"
#include "outside/sandbox.h"
#include <jansson.h>

struct ap_command_spec {
    const char *name, *description;
    const char *example;  /* NULL = made from the parameters */
    const json_t *schema; /* of the arguments */
    struct ap_sandbox box;
    double timeout;      /* seconds */
    size_t max_output;   /* bytes */
    int32_t parallel;    /* processes at once, at least 1 */
    bool pure;           /* the same arguments have the same result */
};

/* All texts are copied. */
ap_status ap__command_add(struct ap_registry *registry, const struct ap_command_spec *spec,
                          struct ap_err *err) AP_MUST_CHECK;

#endif
