/* outside.h - for tests of outside functions: a registry from the text of a task's `functions:`. */
#ifndef AP_TEST_OUTSIDE_H
#define AP_TEST_OUTSIDE_H

#include "functions/registry.h"
#include "outside/functions_yaml.h"
#include "testing.h"
#include <dirent.h>
#include <string.h>

#define HOSTILE_TOOL AP_TEST_PROGRAMS "/hostile_tool"
#define HOSTILE_SERVER AP_TEST_PROGRAMS "/hostile_server"

/* yaml: a list of entries.  The place in messages is "t.yaml". */
AP_TEST_HELPER ap_status add_functions(const char *yaml, struct ap_registry **out, struct ap_err *err)
{
    struct ap_yaml_doc doc;
    AP_TRY(ap__yaml_parse(yaml, strlen(yaml), "t.yaml", &doc, err));
    ap_status status = ap__registry_new(out, err);
    for (int32_t i = 0; status == AP_OK && i < doc.root->count; i++)
        status = ap__functions_add_yaml(*out, &doc, doc.root->child[i], err);
    ap__yaml_free(&doc);
    if (status != AP_OK) {
        ap__registry_free(*out);
        *out = NULL;
    }
    return status;
}

/* The observation of one call in `env`; overwritten by the next. */
AP_TEST_HELPER const char *observe(struct ap_env *env, const char *call, bool *error)
{
    static char text[AP_OBSERVATION_MAX + 1];
    struct ap_call_result result;
    OK(ap__env_call(env, call, strlen(call), &result, err));
    snprintf(text, sizeof text, "%s", result.text);
    *error = result.error;
    ap__call_result_deinit(&result);
    return text;
}

/* Does `sleep argument` run anywhere? */
AP_TEST_HELPER bool runs(const char *argument)
{
    DIR *all = opendir("/proc");
    bool found = false;
    for (struct dirent *one; all && !found && (one = readdir(all)) != NULL;) {
        char path[300], line[128] = "";
        snprintf(path, sizeof path, "/proc/%s/cmdline", one->d_name);
        FILE *f = one->d_name[0] >= '0' && one->d_name[0] <= '9' ? fopen(path, "r") : NULL;
        if (!f)
            continue;
        size_t n = fread(line, 1, sizeof line - 1, f);
        fclose(f);
        found = n > 6 && strcmp(line, "sleep") == 0 && strcmp(line + 6, argument) == 0;
    }
    if (all)
        closedir(all);
    return found;
}

#endif
