/* outside.h - for tests of outside functions: a registry from the text of a task's `functions:`. */
#ifndef AP_TEST_OUTSIDE_H
#define AP_TEST_OUTSIDE_H

#include "functions/registry.h"
#include "outside/functions_yaml.h"
#include "testing.h"
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

/* A process with that argument anywhere? */
AP_TEST_HELPER bool runs(const char *argument)
{
    char command[200];
    snprintf(command, sizeof command, "for f in /proc/[0-9]*/cmdline; do cat $f 2>/dev/null | tr '\\0' ' '; echo; done | "
             "grep -q '^sleep %s'", argument);
    return system(command) == 0;
}

#endif
