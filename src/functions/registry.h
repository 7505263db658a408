/* registry.h - the functions a task offers, and a chain's calls to them.
 *
 *   names --select--> registry --help, schema--> prompt
 *                        |
 *                       env (one per chain) <--call text--  model
 *                        '--> observation --> model
 *
 * A registry is built once and then only read, so many envs (also on several
 * threads, one thread per env at a time) may share it; its prover has a lock.
 * Everything a model can get wrong ends as an observation with error = true. */
#ifndef AP_REGISTRY_H
#define AP_REGISTRY_H

#include "functions/call.h"
#include <jansson.h>

enum {
    AP_REGISTRY_MAX_FUNCTIONS = 256,
    AP_OBSERVATION_MAX = 1024, /* bytes; longer ones are cut and end in "..." */
};

struct ap_prover;

/* With Reasoning and Answer. */
ap_status ap__registry_new(struct ap_registry **out, struct ap_err *err) AP_MUST_CHECK;
void ap__registry_free(struct ap_registry *registry);
ap_status ap__registry_add(struct ap_registry *registry, const struct ap_function *function,
                           struct ap_err *err) AP_MUST_CHECK;
/* Release `object` when the registry is freed (at once on failure): for functions that are made at run time. */
ap_status ap__registry_keep(struct ap_registry *registry, void *object, void (*release)(void *object),
                            struct ap_err *err) AP_MUST_CHECK;
/* Make a set of functions known to ap__registry_add_builtin in this whole program; the same again is fine.
 * Everything is borrowed for good. */
ap_status ap__registry_offer(const char *name, const struct ap_function *functions, int32_t n,
                             struct ap_err *err) AP_MUST_CHECK;
/* name: a set ("math", "fol") or one built-in function; adding twice is fine.
 * AP_E_NOT_FOUND with the nearest name. */
ap_status ap__registry_add_builtin(struct ap_registry *registry, const char *name,
                                   struct ap_err *err) AP_MUST_CHECK;
/* New registry with n sets or functions (_add_builtin for each). */
ap_status ap__registry_select(const char *const *names, int32_t n, struct ap_registry **out,
                              struct ap_err *err) AP_MUST_CHECK;
const struct ap_function *ap__registry_find(const struct ap_registry *registry, const char *name); /* or NULL */
int32_t ap__registry_count(const struct ap_registry *registry);
const struct ap_function *ap__registry_at(const struct ap_registry *registry, int32_t index);
/* The prover shared by all envs of the registry; borrowed, thread-safe. */
struct ap_prover *ap__registry_prover(const struct ap_registry *registry);

/* "Sum(a: number, b: number, ...)" */
void ap__function_signature(const struct ap_function *function, struct ap_buf *out);
/* Name of argument i: the parameter's, or one made in buffer for repeated arguments beyond it (env.c). */
const char *ap__function_arg_name(const struct ap_function *function, int32_t i, char buffer[24]);
/* One line per function: signature, description, example. */
void ap__registry_help(const struct ap_registry *registry, struct ap_buf *out);
/* JSON Schema of a function's arguments; a new reference; NULL = out of memory. */
json_t *ap__function_schema(const struct ap_function *function);
/* OpenAI tools array; the caller owns it; NULL = out of memory. */
json_t *ap__registry_schema(const struct ap_registry *registry);

/* ---- env.c ---- */

struct ap_call_result {
    bool error;     /* the observation says what was wrong */
    bool answered;  /* Answer was called */
    char *text;     /* observation, one line */
    char *function; /* its name, "" when the text named none that exists */
    char *answer;   /* Answer's value as text when answered, else NULL */
};
void ap__call_result_deinit(struct ap_call_result *result);

ap_status ap__env_new(const struct ap_registry *registry, struct ap_env **out, struct ap_err *err) AP_MUST_CHECK;
void ap__env_free(struct ap_env *env);
/* Parse, check and run one call of len bytes.  Not AP_OK only when memory ran
 * out or a function failed internally; *out is then empty. */
ap_status ap__env_call(struct ap_env *env, const char *text, size_t len, struct ap_call_result *out,
                       struct ap_err *err) AP_MUST_CHECK;

/* ---- for the built-in functions ---- */

const struct ap_value *ap__invocation_arg(const struct ap_invocation *call, int32_t index);
struct ap_prover *ap__invocation_prover(const struct ap_invocation *call);
ap_status ap__result_number(struct ap_invocation *call, const mpq_t number) AP_MUST_CHECK;
/* Like ap_result_error but without the example: for `division by zero` and the
 * like, where the call's form was right. */
ap_status ap__result_refusal(struct ap_invocation *call, const char *fmt, ...)
    __attribute__((format(printf, 2, 3))) AP_MUST_CHECK;
/* Marks the chain as answered with the value of argument 0. */
ap_status ap__result_answer(struct ap_invocation *call) AP_MUST_CHECK;

/* Built-in sets, (*n,) constant tables. */
const struct ap_function *ap__core_functions(int32_t *n);
const struct ap_function *ap__math_functions(int32_t *n);
const struct ap_function *ap__fol_functions(int32_t *n);

#endif
