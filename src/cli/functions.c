/* functions.c - names from the command line to a registry.
 *
 *   plug-ins first --> NAME.yaml or NAME/...: that task's;  else NAME,NAME,...: sets and functions */
#include "cli/functions.h"
#include "base/file.h"
#include "base/text.h"
#include "outside/plugin.h"

#include <stdio.h>
#include <string.h>

ap_status ap__plugins_load(const struct ap_option_list *plugins, struct ap_err *err)
{
    for (int i = 0; i < plugins->n; i++) {
        /* Without a slash the loader would look in the system's folders only. */
        bool here = !strchr(plugins->v[i], '/') && ap__file_exists(plugins->v[i]);
        char *path = here ? ap__path_join(".", plugins->v[i]) : ap__strdup(plugins->v[i]);
        if (!path)
            return ap__fail(err, AP_E_MEMORY, plugins->v[i], "no memory for a plug-in");
        ap_status status = ap__plugin_load(path, NULL, err);
        ap__free(path);
        if (status != AP_OK)
            return status;
    }
    return AP_OK;
}

/* "math" or "math,fol" or "Sum,Prove" */
static ap_status select_names(const char *names, struct ap_registry **out, struct ap_err *err)
{
    char name[AP_CALL_MAX_NAME + 1];
    AP_TRY(ap__registry_new(out, err));
    ap_status status = AP_OK;
    while (status == AP_OK && *names != '\0') {
        size_t n = strcspn(names, ",");
        snprintf(name, sizeof name, "%.*s", n < sizeof name ? (int)n : (int)sizeof name - 1, names);
        status = ap__registry_add_builtin(*out, name, err);
        names += n + (names[n] == ',');
    }
    if (status == AP_OK)
        return AP_OK;
    ap__registry_free(*out);
    *out = NULL;
    return status;
}

ap_status ap__functions_open(const char *names, const struct ap_option_list *plugins, struct ap_functions *out,
                             struct ap_err *err)
{
    *out = (struct ap_functions){0};
    AP_TRY(ap__plugins_load(plugins, err));
    if (!strchr(names, '/') && !ap__ends_with(names, ".yaml"))
        return select_names(names, &out->registry, err);
    AP_TRY(ap__task_open(names, &out->task, err));
    out->registry = out->task->functions;
    return AP_OK;
}

void ap__functions_close(struct ap_functions *functions)
{
    if (functions->task)
        ap__task_free(functions->task);
    else
        ap__registry_free(functions->registry);
    *functions = (struct ap_functions){0};
}
