/* plugin_distance.c - a plug-in: one function, and state that a chain's calls share.
 *
 *     cc -shared -fPIC -o plugin_distance.so plugin_distance.c $(pkg-config --cflags apprentice)
 *     apprentice call distance 'Kilometres(miles=26.2)' --plugin ./plugin_distance.so
 *
 * It links with nothing: what it may do comes through `host`. */
#include <apprentice_plugin.h>
#include <stdlib.h>

static const struct ap_plugin_host *host;

static ap_status run_kilometres(struct ap_invocation *call)
{
    double miles = host->arg_number(call, 0);
    if (miles < 0)
        return host->result_error(call, "a distance cannot be negative");
    return host->result_number(call, miles * 1.609344);
}

/* ---- state: how far a chain has travelled ---- */

static ap_status create(void *user_data, void **out)
{
    (void)user_data;
    *out = calloc(1, sizeof(double));
    return *out ? AP_OK : AP_E_MEMORY;
}

static ap_status run_travel(struct ap_invocation *call)
{
    double *sum = host->state(call);
    *sum += host->arg_number(call, 0);
    return host->result_text(call, "%g km so far", *sum);
}

static const struct ap_state_kind journey = {create, free};
static const struct ap_param miles[] = {{"miles", AP_TYPE_NUMBER, "the distance", NULL}};
static const struct ap_param kilometres[] = {{"kilometres", AP_TYPE_NUMBER, "the next stage", NULL}};

static const struct ap_function functions[] = {
    {.name = "Kilometres",
     .description = "converts miles to kilometres.",
     .example = "Kilometres(miles=26)",
     .params = miles,
     .n_params = 1,
     .run = run_kilometres},
    {.name = "Travel",
     .description = "adds a stage to the journey and gives its length.",
     .example = "Travel(kilometres=12)",
     .params = kilometres,
     .n_params = 1,
     .run = run_travel,
     .state = &journey},
};

AP_PLUGIN_EXPORT const struct ap_plugin *ap_plugin(const struct ap_plugin_host *given)
{
    static const struct ap_plugin plugin = AP_PLUGIN("distance", functions);
    host = given;
    return &plugin;
}
