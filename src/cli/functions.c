/* functions.c - names from the command line to a registry.
 *
 *   NAME.yaml or NAME/...: that task's;  else NAME,NAME,...: sets and functions
 *   --plugin LIB.so --> more names */
#include "cli/functions.h"
#include "base/file.h"
#include "base/text.h"
#include "outside/plugin.h"

#include <stdio.h>
#include <string.h>

static ap_status load_plugin(const char *name, struct ap_err *err)
{
    /* Without a slash the loader would look in the system's folders only. */
    bool here = !strchr(name, '/') && ap__file_exists(name);
    char *path = here ? ap__path_join(".", name) : ap__strdup(name);
    if (!path)
        return ap__fail(err, AP_E_MEMORY, name, "no memory for a plug-in");
    ap_status status = ap__plugin_load(path, NULL, err);
    ap__free(path);
    return status;
}

ap_status ap__plugins_take(int *argc, char **argv, struct ap_err *err)
{
    static const char option[] = "--plugin";
    const size_t n = sizeof option - 1;
    int kept = 0;
    for (int i = 0; i < *argc; i++) {
        bool ours = i > 0 && strncmp(argv[i], option, n) == 0 && (argv[i][n] == '\0' || argv[i][n] == '=');
        if (i > 0 && strcmp(argv[i], "--") == 0) { /* what follows are no options */
            while (i < *argc)
                argv[kept++] = argv[i++];
            break;
        }
        if (!ours) {
            argv[kept++] = argv[i];
            continue;
        }
        const char *name = argv[i][n] == '=' ? argv[i] + n + 1 : i + 1 < *argc ? argv[++i] : "";
        if (!name[0])
            return ap__fail(err, AP_E_ARG, NULL, "--plugin needs the name of a library");
        AP_TRY(load_plugin(name, err));
    }
    argv[kept] = NULL;
    *argc = kept;
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

ap_status ap__functions_open(const char *names, struct ap_functions *out, struct ap_err *err)
{
    *out = (struct ap_functions){0};
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
