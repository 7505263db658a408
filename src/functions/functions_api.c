/* functions_api.c - the public names of registry and env (apprentice.h).
 *
 *   ap_registry_*, ap_env_* --> ap__registry_*, ap__env_*, with plain C strings */
#include "functions/registry.h"
#include "base/json.h"
#include <string.h>

ap_status ap_registry_new(struct ap_registry **out, struct ap_err *err)
{
    return ap__registry_new(out, err);
}

void ap_registry_free(struct ap_registry *registry)
{
    ap__registry_free(registry);
}

ap_status ap_registry_add(struct ap_registry *registry, const struct ap_function *function, struct ap_err *err)
{
    return ap__registry_add(registry, function, err);
}

ap_status ap_registry_add_builtin(struct ap_registry *registry, const char *name, struct ap_err *err)
{
    return ap__registry_add_builtin(registry, name, err);
}

char *ap_registry_help(const struct ap_registry *registry)
{
    struct ap_buf text;
    ap__buf_init(&text, 0);
    ap__registry_help(registry, &text);
    char *taken = ap__buf_take(&text);
    ap__buf_deinit(&text);
    return taken;
}

char *ap_registry_schema(const struct ap_registry *registry)
{
    json_t *tools = ap__registry_schema(registry);
    char *text = tools != NULL ? ap__json_dump(tools) : NULL;
    json_decref(tools);
    return text;
}

ap_status ap_env_new(const struct ap_registry *registry, struct ap_env **out, struct ap_err *err)
{
    return ap__env_new(registry, out, err);
}

void ap_env_free(struct ap_env *env)
{
    ap__env_free(env);
}

ap_status ap_env_call(struct ap_env *env, const char *text, char **observation, int *is_error, struct ap_err *err)
{
    struct ap_call_result result;
    *observation = NULL;
    AP_TRY(ap__env_call(env, text, strlen(text), &result, err));
    *observation = result.text;
    *is_error = result.error;
    result.text = NULL;
    ap__call_result_deinit(&result);
    return AP_OK;
}

void ap_free(void *text)
{
    ap__free(text);
}
