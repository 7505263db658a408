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

/* The one place of the version; the build reads it from here. */
#define AP_VERSION "0.1.0"

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

/* ---- functions that a model may call --------------------------------------
 *
 *     static ap_status run(struct ap_invocation *call) {
 *         return ap_result_number(call, ap_arg_number(call, 0) * 1.609344);
 *     }
 *     static const struct ap_param params[] = {{"miles", AP_TYPE_NUMBER, "distance", NULL}};
 *     static const struct ap_function miles = {.name = "Kilometres", .description = "converts miles.",
 *         .example = "Kilometres(miles=26)", .params = params, .n_params = 1, .run = run};
 *     ...
 *     ap_registry_add(registry, &miles, &err);
 *     ap_env_call(env, "Kilometres(miles=3)", &observation, &is_error, &err);
 *
 * Whatever a model writes is answered by an observation; a status other than
 * AP_OK means that memory ran out or the like. */

struct ap_registry;   /* a set of functions */
struct ap_env;        /* one chain's state: e.g. the premises it has added */
struct ap_invocation; /* one running call, handed to a function */

enum ap_type { AP_TYPE_ANY, AP_TYPE_BOOL, AP_TYPE_NUMBER, AP_TYPE_STRING, AP_TYPE_LIST };

struct ap_param {
    const char *name;
    enum ap_type type;
    const char *description;
    const char *otherwise; /* default as written in a call ("0", "'x'"); NULL = required */
};

/* State that functions of one chain share; all functions that point to the
 * same ap_state_kind see the same object.  Created at the first call. */
struct ap_state_kind {
    ap_status (*create)(void *user_data, void **out);
    void (*destroy)(void *state);
};

/* All texts are borrowed and must outlive the registry. */
struct ap_function {
    const char *name;
    const char *description; /* continues the signature: "adds two or more numbers." */
    const char *example;     /* one call */
    const struct ap_param *params;
    int32_t n_params;
    int32_t max_args; /* > n_params: the last parameter may be repeated up to so many arguments; else 0 */
    ap_status (*run)(struct ap_invocation *call);
    const struct ap_state_kind *state; /* or NULL */
    void *user_data;                   /* borrowed */
    const char *schema; /* JSON Schema of the arguments, for models that get one; NULL = made from params */
};

/* A registry has Reasoning(reasoning) and Answer(value) from the start. */
ap_status ap_registry_new(struct ap_registry **out, struct ap_err *err) AP_MUST_CHECK;
void ap_registry_free(struct ap_registry *registry);
/* AP_E_EXISTS when the name is taken, AP_E_ARG when the description is incomplete. */
ap_status ap_registry_add(struct ap_registry *registry, const struct ap_function *function,
                          struct ap_err *err) AP_MUST_CHECK;
/* Add a built-in set ("math", "fol") or one of their functions by name. */
ap_status ap_registry_add_builtin(struct ap_registry *registry, const char *name, struct ap_err *err) AP_MUST_CHECK;
/* One line per function, as it stands in prompts.  ap_free it; NULL = out of memory. */
char *ap_registry_help(const struct ap_registry *registry);
/* The functions as OpenAI "tools" (JSON text).  ap_free it; NULL = out of memory. */
char *ap_registry_schema(const struct ap_registry *registry);

/* The registry is borrowed and must outlive the env. */
ap_status ap_env_new(const struct ap_registry *registry, struct ap_env **out, struct ap_err *err) AP_MUST_CHECK;
void ap_env_free(struct ap_env *env);
/* Parse, check and run one call.  *observation: ap_free it.  *is_error: 1 when
 * the call was wrong and the observation says why. */
ap_status ap_env_call(struct ap_env *env, const char *text, char **observation, int *is_error,
                      struct ap_err *err) AP_MUST_CHECK;

/* Inside a function: arguments are checked for presence and type before, so
 * these cannot fail for the parameter's own type. */
int32_t ap_arg_count(const struct ap_invocation *call);
double ap_arg_number(const struct ap_invocation *call, int32_t index);      /* nearest double */
const char *ap_arg_text(const struct ap_invocation *call, int32_t index);   /* string; borrowed; "" if none */
int ap_arg_bool(const struct ap_invocation *call, int32_t index);
void *ap_invocation_state(const struct ap_invocation *call);     /* see ap_state_kind */
void *ap_invocation_user_data(const struct ap_invocation *call); /* ap_function.user_data */
/* Set the result (the last one counts).  An error's text is shown to the model
 * with the signature and the example. */
ap_status ap_result_number(struct ap_invocation *call, double value) AP_MUST_CHECK;
ap_status ap_result_text(struct ap_invocation *call, const char *fmt, ...)
    __attribute__((format(printf, 2, 3))) AP_MUST_CHECK;
ap_status ap_result_error(struct ap_invocation *call, const char *fmt, ...)
    __attribute__((format(printf, 2, 3))) AP_MUST_CHECK;

void ap_free(void *text); /* releases what the functions above handed out */

#ifdef __cplusplus
}
#endif
#endif
