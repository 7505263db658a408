/* plugin.c - dlopen, the one symbol, the versions, the functions.
 *
 *   path --dlopen--> ap_plugin(host) --> struct ap_plugin --checked--> ap__registry_offer
 *
 * A library is never unloaded: registries anywhere may hold its functions. */
#include "outside/plugin.h"
#include "functions/registry.h"

#include <dlfcn.h>
#include <string.h>

enum { MAX_FUNCTIONS = 256 };

static const struct ap_plugin_host host = {
    .abi = AP_PLUGIN_ABI,
    .size = sizeof(struct ap_plugin_host),
    .arg_count = ap_arg_count,
    .arg_number = ap_arg_number,
    .arg_text = ap_arg_text,
    .arg_bool = ap_arg_bool,
    .state = ap_invocation_state,
    .user_data = ap_invocation_user_data,
    .result_number = ap_result_number,
    .result_text = ap_result_text,
    .result_error = ap_result_error,
};

static ap_status check(const struct ap_plugin *plugin, const char *path, struct ap_err *err)
{
    if (!plugin)
        return ap__fail(err, AP_E_STATE, path, "the plug-in does not want to be used with version %s", AP_VERSION);
    if (plugin->abi != AP_PLUGIN_ABI)
        return ap__fail(err, AP_E_FORMAT, path, "the plug-in is built for interface %u; this program has %d",
                        plugin->abi, AP_PLUGIN_ABI);
    if (plugin->size < sizeof *plugin || plugin->function_size != sizeof(struct ap_function) ||
        plugin->param_size != sizeof(struct ap_param))
        return ap__fail(err, AP_E_FORMAT, path, "the plug-in is built with another apprentice_plugin.h");
    if (!plugin->name || !plugin->functions || plugin->n_functions < 1 || plugin->n_functions > MAX_FUNCTIONS)
        return ap__fail(err, AP_E_FORMAT, path, "the plug-in has no name, or not 1 to %d functions", MAX_FUNCTIONS);
    return AP_OK;
}

ap_status ap__plugin_load(const char *path, const struct ap_plugin **out, struct ap_err *err)
{
    const struct ap_plugin *(*open)(const struct ap_plugin_host *) = NULL;
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!library) {
        const char *why = dlerror();
        return ap__fail(err, AP_E_NOT_FOUND, path, "the plug-in cannot be loaded: %.300s", why ? why : "no reason given");
    }
    void *symbol = dlsym(library, "ap_plugin");
    memcpy(&open, &symbol, sizeof open);
    const struct ap_plugin *plugin = open ? open(&host) : NULL;
    ap_status status = open ? check(plugin, path, err)
                            : ap__fail(err, AP_E_FORMAT, path, "it is no plug-in: it does not have `ap_plugin`");
    if (status == AP_OK)
        status = ap__registry_offer(plugin->name, plugin->functions, plugin->n_functions, err);
    if (status != AP_OK)
        (void)dlclose(library);
    else if (out)
        *out = plugin;
    return status;
}
