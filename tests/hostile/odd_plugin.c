/* odd_plugin.c - a shared library that is a plug-in, or not, as ODD says. */
#include <apprentice_plugin.h>

static ap_status run(struct ap_invocation *call)
{
    (void)call;
    return AP_OK;
}

static const struct ap_function functions[] = {
#if ODD == 4
    {.name = "Sum", .description = "d.", .example = "Sum()", .run = run},
#elif ODD == 5
    {.name = "Odd", .description = "d.", .example = "Even()", .run = run},
#else
    {.name = "Odd", .description = "d.", .example = "Odd()", .run = run},
#endif
};

#if ODD != 1
AP_PLUGIN_EXPORT const struct ap_plugin *ap_plugin(const struct ap_plugin_host *host)
{
    static struct ap_plugin plugin = AP_PLUGIN("odd", functions);
    if (host->abi != AP_PLUGIN_ABI || host->size < sizeof *host)
        return 0;
#if ODD == 2
    plugin.abi = 99;
#elif ODD == 3
    plugin.function_size = 8;
#elif ODD == 6
    return 0;
#elif ODD == 7
    plugin.n_functions = 0;
#endif
    return &plugin;
}
#endif
