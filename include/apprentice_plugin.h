/* apprentice_plugin.h - functions in a shared library, loaded while Apprentice runs.
 *
 *     static const struct ap_plugin_host *host;
 *     static ap_status run_miles(struct ap_invocation *call) {
 *         return host->result_number(call, host->arg_number(call, 0) * 1.609344);
 *     }
 *     static const struct ap_param params[] = {{"miles", AP_TYPE_NUMBER, "the distance", NULL}};
 *     static const struct ap_function functions[] = {{.name = "Kilometres", .description = "converts miles.",
 *         .example = "Kilometres(miles=26)", .params = params, .n_params = 1, .run = run_miles}};
 *     AP_PLUGIN_EXPORT const struct ap_plugin *ap_plugin(const struct ap_plugin_host *given) {
 *         static const struct ap_plugin plugin = AP_PLUGIN("distances", functions);
 *         host = given;
 *         return &plugin;
 *     }
 *
 *     cc -shared -fPIC -I... -o libdistances.so distances.c          (it links with nothing of ours)
 *     apprentice call Kilometres 'Kilometres(miles=3)' --plugin ./libdistances.so
 *
 * The library stays loaded as long as the program runs.  Its functions run in the
 * program's process, so they are trusted; what is not is better a command or an
 * MCP server (docs/FUNCTIONS.md). */
#ifndef APPRENTICE_PLUGIN_H
#define APPRENTICE_PLUGIN_H

#include "apprentice.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Changes when a struct or a rule in this header or of functions in apprentice.h does. */
#define AP_PLUGIN_ABI 1

#define AP_PLUGIN_EXPORT __attribute__((visibility("default")))

/* What a function may do with its call; later versions add at the end. */
struct ap_plugin_host {
    uint32_t abi, size; /* of the host: AP_PLUGIN_ABI, sizeof(struct ap_plugin_host) */
    int32_t (*arg_count)(const struct ap_invocation *call);
    double (*arg_number)(const struct ap_invocation *call, int32_t index);
    const char *(*arg_text)(const struct ap_invocation *call, int32_t index); /* also an object, as JSON */
    int (*arg_bool)(const struct ap_invocation *call, int32_t index);
    void *(*state)(const struct ap_invocation *call);
    void *(*user_data)(const struct ap_invocation *call);
    ap_status (*result_number)(struct ap_invocation *call, double value);
    ap_status (*result_text)(struct ap_invocation *call, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
    ap_status (*result_error)(struct ap_invocation *call, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
};

/* What a library offers; everything must stay as long as the program runs. */
struct ap_plugin {
    uint32_t abi, size;           /* AP_PLUGIN_ABI, sizeof(struct ap_plugin) */
    uint32_t function_size, param_size; /* sizeof(struct ap_function), sizeof(struct ap_param) */
    const char *name;             /* of the set of all its functions */
    const struct ap_function *functions; /* (n_functions,) */
    int32_t n_functions;
};

#define AP_PLUGIN(name_, functions_)                                                          \
    {AP_PLUGIN_ABI, sizeof(struct ap_plugin), sizeof(struct ap_function), sizeof(struct ap_param), (name_), \
     (functions_), (int32_t)(sizeof(functions_) / sizeof(functions_)[0])}

/* The one symbol of the library; NULL = it does not want to be used with this host. */
AP_PLUGIN_EXPORT const struct ap_plugin *ap_plugin(const struct ap_plugin_host *host);

#ifdef __cplusplus
}
#endif
#endif
