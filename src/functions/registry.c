/* registry.c - a set of functions, its help text and its JSON schema.
 *
 *   core (Reasoning, Answer) + "math" + "fol" + the user's own
 *        '--> functions[] in order of registration, looked up by name
 *
 * Functions are borrowed constants; the registry owns its array, the prover that
 * its envs share, and what it was given to keep. */
#include "functions/registry.h"
#include "functions/call_scan.h"
#include "functions/function_sets.h"
#include "functions/prover.h"
#include <string.h>

struct ap_registry {
    const struct ap_function **functions; /* (n,) */
    size_t n, cap;
    struct ap_prover *prover;
    struct kept {
        void *object;
        void (*release)(void *object);
    } *kept; /* (n_kept,) */
    size_t n_kept, kept_cap;
};

static ap_status add_set(struct ap_registry *registry, const struct ap_function *functions, int32_t n,
                         struct ap_err *err)
{
    for (int32_t i = 0; i < n; i++) {
        if (ap__registry_find(registry, functions[i].name) != &functions[i])
            AP_TRY(ap__registry_add(registry, &functions[i], err));
    }
    return AP_OK;
}

ap_status ap__registry_new(struct ap_registry **out, struct ap_err *err)
{
    int32_t n_core;
    const struct ap_function *core = ap__core_functions(&n_core);
    struct ap_registry *registry = ap__alloc(sizeof *registry);
    *out = NULL;
    if (registry == NULL)
        return ap__fail(err, AP_E_MEMORY, NULL, "no memory for a function registry");
    ap_status status = ap__prover_new(&registry->prover, err);
    if (status == AP_OK)
        status = add_set(registry, core, n_core, err);
    if (status != AP_OK) {
        ap__registry_free(registry);
        return status;
    }
    *out = registry;
    return AP_OK;
}

void ap__registry_free(struct ap_registry *registry)
{
    if (registry == NULL)
        return;
    while (registry->n_kept-- > 0) /* the last first: it may stand on those before */
        registry->kept[registry->n_kept].release(registry->kept[registry->n_kept].object);
    ap__free(registry->kept);
    ap__prover_free(registry->prover);
    ap__free(registry->functions);
    ap__free(registry);
}

/* ---- adding ---- */

static ap_status check_params(const struct ap_function *function, struct ap_err *err)
{
    for (int32_t i = 0; i < function->n_params; i++) {
        const struct ap_param *param = &function->params[i];
        if (param->name == NULL || !ap__scan_is_name(param->name))
            return ap__fail(err, AP_E_ARG, function->name, "parameter %d has no valid name", i + 1);
        if (param->type < AP_TYPE_ANY || param->type > AP_TYPE_LIST)
            return ap__fail(err, AP_E_ARG, function->name, "parameter `%s` has no valid type", param->name);
        if (param->otherwise == NULL && i > 0 && function->params[i - 1].otherwise != NULL)
            return ap__fail(err, AP_E_ARG, function->name, "required parameter `%s` stands after an optional one",
                            param->name);
        if (param->otherwise != NULL) {
            struct ap_value value;
            AP_TRY(ap__call_parse_value(param->otherwise, strlen(param->otherwise), &value, err));
            ap__value_deinit(&value);
        }
    }
    return AP_OK;
}

static ap_status check_function(const struct ap_function *function, struct ap_err *err)
{
    struct ap_call example;
    if (function->name == NULL || !ap__scan_is_name(function->name))
        return ap__fail(err, AP_E_ARG, function->name, "a function's name must be letters, digits and `_`");
    if (function->run == NULL || function->description == NULL || function->example == NULL)
        return ap__fail(err, AP_E_ARG, function->name, "a function needs run, description and example");
    if (function->n_params < 0 || function->n_params > AP_CALL_MAX_ARGS || function->max_args > AP_CALL_MAX_ARGS ||
        (function->n_params > 0 && function->params == NULL) || (function->n_params == 0 && function->max_args > 0))
        return ap__fail(err, AP_E_ARG, function->name, "its number of parameters is not valid");
    AP_TRY(check_params(function, err));
    AP_TRY(ap__call_parse(function->example, strlen(function->example), &example, err));
    bool same = strcmp(example.name, function->name) == 0;
    ap__call_deinit(&example);
    return same ? AP_OK : ap__fail(err, AP_E_ARG, function->name, "its example calls another function");
}

ap_status ap__registry_add(struct ap_registry *registry, const struct ap_function *function, struct ap_err *err)
{
    AP_TRY(check_function(function, err));
    if (ap__registry_find(registry, function->name) != NULL)
        return ap__fail(err, AP_E_EXISTS, function->name, "a function of this name is registered already");
    if (registry->n >= AP_REGISTRY_MAX_FUNCTIONS)
        return ap__fail(err, AP_E_TOO_LARGE, function->name, "more than %d functions", AP_REGISTRY_MAX_FUNCTIONS);
    AP_TRY(ap__grow((void **)&registry->functions, &registry->cap, registry->n + 1, sizeof *registry->functions, err));
    registry->functions[registry->n++] = function;
    return AP_OK;
}

ap_status ap__registry_keep(struct ap_registry *registry, void *object, void (*release)(void *object),
                            struct ap_err *err)
{
    ap_status status = ap__grow((void **)&registry->kept, &registry->kept_cap, registry->n_kept + 1,
                                sizeof *registry->kept, err);
    if (status == AP_OK)
        registry->kept[registry->n_kept++] = (struct kept){object, release};
    else
        release(object);
    return status;
}

ap_status ap__registry_add_builtin(struct ap_registry *registry, const char *name, struct ap_err *err)
{
    int32_t n;
    struct ap_function_set set;
    const struct ap_function *core = ap__core_functions(&n);
    for (int32_t i = 0; i < n; i++) {
        if (strcmp(core[i].name, name) == 0)
            return AP_OK; /* always there */
    }
    if (!ap__function_set_find(name, &set))
        return ap__function_set_fail(name, err);
    return add_set(registry, set.functions, set.n, err);
}

ap_status ap__registry_select(const char *const *names, int32_t n, struct ap_registry **out, struct ap_err *err)
{
    AP_TRY(ap__registry_new(out, err));
    for (int32_t i = 0; i < n; i++) {
        ap_status status = ap__registry_add_builtin(*out, names[i], err);
        if (status != AP_OK) {
            ap__registry_free(*out);
            *out = NULL;
            return status;
        }
    }
    return AP_OK;
}

/* ---- reading ---- */

const struct ap_function *ap__registry_find(const struct ap_registry *registry, const char *name)
{
    for (size_t i = 0; i < registry->n; i++) {
        if (strcmp(registry->functions[i]->name, name) == 0)
            return registry->functions[i];
    }
    return NULL;
}

int32_t ap__registry_count(const struct ap_registry *registry)
{
    return (int32_t)registry->n;
}

const struct ap_function *ap__registry_at(const struct ap_registry *registry, int32_t index)
{
    return registry->functions[index];
}

struct ap_prover *ap__registry_prover(const struct ap_registry *registry)
{
    return registry->prover;
}

/* ---- help ---- */

static const char *type_text(enum ap_type type)
{
    static const char *const texts[] = {"any", "bool", "number", "string", "list"};
    return texts[type];
}

void ap__function_signature(const struct ap_function *function, struct ap_buf *out)
{
    ap__buf_printf(out, "%s(", function->name);
    for (int32_t i = 0; i < function->n_params; i++) {
        const struct ap_param *param = &function->params[i];
        ap__buf_printf(out, "%s%s", i > 0 ? ", " : "", param->name);
        if (param->type != AP_TYPE_ANY)
            ap__buf_printf(out, ": %s", type_text(param->type));
        if (param->otherwise != NULL)
            ap__buf_printf(out, " = %s", param->otherwise);
    }
    ap__buf_puts(out, function->max_args > function->n_params ? ", ...)" : ")");
}

void ap__registry_help(const struct ap_registry *registry, struct ap_buf *out)
{
    for (size_t i = 0; i < registry->n; i++) {
        const struct ap_function *function = registry->functions[i];
        ap__function_signature(function, out);
        ap__buf_printf(out, " %s Example: %s\n", function->description, function->example);
    }
}

/* ---- OpenAI schema ---- */

static json_t *param_schema(const struct ap_param *param)
{
    static const char *const types[] = {NULL, "boolean", "number", "string", "array"};
    json_t *schema = json_object();
    if (types[param->type] != NULL)
        json_object_set_new(schema, "type", json_string(types[param->type]));
    if (param->description != NULL)
        json_object_set_new(schema, "description", json_string(param->description));
    if (param->type == AP_TYPE_LIST)
        json_object_set_new(schema, "items", json_object());
    return schema;
}

json_t *ap__function_schema(const struct ap_function *function)
{
    if (function->schema != NULL)
        return json_loads(function->schema, 0, NULL);
    json_t *properties = json_object(), *required = json_array();
    for (int32_t i = 0; i < function->n_params; i++) {
        const struct ap_param *param = &function->params[i];
        json_object_set_new(properties, param->name, param_schema(param));
        if (param->otherwise == NULL)
            json_array_append_new(required, json_string(param->name));
    }
    json_t *more = json_false();
    if (function->max_args > function->n_params)
        more = param_schema(&function->params[function->n_params - 1]);
    return json_pack("{s:s, s:o, s:o, s:o}", "type", "object", "properties", properties, "required", required,
                     "additionalProperties", more);
}

json_t *ap__registry_schema(const struct ap_registry *registry)
{
    json_t *tools = json_array();
    for (size_t i = 0; i < registry->n && tools != NULL; i++) {
        const struct ap_function *function = registry->functions[i];
        json_t *tool = json_pack("{s:s, s:{s:s, s:s, s:o}}", "type", "function", "function", "name", function->name,
                                 "description", function->description, "parameters", ap__function_schema(function));
        if (tool == NULL || json_array_append_new(tools, tool) != 0) {
            json_decref(tools);
            return NULL;
        }
    }
    return tools;
}
