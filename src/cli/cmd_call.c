/* cmd_call.c - `apprentice call`: run function calls as a model would write them.
 *
 *   SET or TASK.yaml 'Sum(a=2, b=-3)' ['...' ...]  -->  one env for all  -->  results on stdout,
 *                                                                error observations on stderr, exit 1 */
#include "base/json.h"
#include "cli/command.h"
#include "cli/functions.h"
#include "functions/registry.h"

#include <stdio.h>
#include <string.h>

static bool as_json, list, schema;

static const struct ap_option options[] = {
    AP_OPTION_FLAG("list", &list, "print the help of SET's functions, as it stands in prompts"),
    AP_OPTION_FLAG("schema", &schema, "print SET's functions as OpenAI tools (JSON)"),
    AP_OPTION_FLAG("json", &as_json, "print one JSON line per call"),
    AP_OPTION_END,
};

static ap_status print_list(const struct ap_registry *registry, struct ap_err *err)
{
    struct ap_buf text;
    ap__buf_init(&text, 0);
    ap__registry_help(registry, &text);
    if (!text.failed)
        fputs(ap__buf_cstr(&text), stdout);
    bool failed = text.failed;
    ap__buf_deinit(&text);
    return failed ? ap__fail(err, AP_E_MEMORY, NULL, "no memory for the help text") : AP_OK;
}

/* Print value and release it. */
static ap_status print_value(json_t *value, struct ap_err *err)
{
    char *text = value != NULL ? ap__json_dump(value) : NULL;
    json_decref(value);
    if (text == NULL)
        return ap__fail(err, AP_E_MEMORY, NULL, "no memory for a line of JSON");
    puts(text);
    ap__free(text);
    return AP_OK;
}

static ap_status print_result(const struct ap_call_result *result, struct ap_err *err)
{
    if (as_json)
        return print_value(json_pack("{s:s, s:b, s:s, s:s*}", "function", result->function, "error", result->error,
                                     "text", result->text, "answer", result->answer),
                           err);
    fprintf(result->error ? stderr : stdout, "%s\n", result->text);
    return AP_OK;
}

/* All calls in one env; *errors counts error observations. */
static ap_status run_calls(const struct ap_registry *registry, const char *const *calls, int n, int *errors,
                           struct ap_err *err)
{
    struct ap_env *env;
    struct ap_call_result result;
    AP_TRY(ap__env_new(registry, &env, err));
    ap_status status = AP_OK;
    for (int i = 0; i < n && status == AP_OK; i++) {
        status = ap__env_call(env, calls[i], strlen(calls[i]), &result, err);
        if (status == AP_OK) {
            *errors += result.error;
            status = print_result(&result, err);
            ap__call_result_deinit(&result);
        }
    }
    ap__env_free(env);
    return status;
}

static int run(int argc, char **argv)
{
    struct ap_args args;
    struct ap_err err = {0};
    struct ap_functions functions;
    int errors = 0, rc = ap__options_parse(&ap__cmd_call, argc, argv, 1, AP_ARGS_MAX, &args);
    if (rc >= 0)
        return rc;
    if (args.n == 1 && !list && !schema)
        return ap__usage_fail(&ap__cmd_call, "there is no call; --list shows the functions of `%s`", args.v[0]);
    ap_status status = ap__functions_open(args.v[0], &functions, &err);
    if (status != AP_OK)
        return ap__cli_fail(&err);
    const struct ap_registry *registry = functions.registry;
    if (list)
        status = print_list(registry, &err);
    if (status == AP_OK && schema)
        status = print_value(ap__registry_schema(registry), &err);
    if (status == AP_OK)
        status = run_calls(registry, args.v + 1, args.n - 1, &errors, &err);
    ap__functions_close(&functions);
    if (status != AP_OK)
        return ap__cli_fail(&err);
    return errors > 0 ? AP_EXIT_FAILED : AP_EXIT_OK;
}

const struct ap_command ap__cmd_call = {
    .name = "call",
    .summary = "run function calls as a model would write them",
    .usage = "SET 'CALL' ['CALL' ...]",
    .options = options,
    .example = "apprentice call math 'Sum(a=2, b=-3)'\n"
               "apprentice call fol \"AddPremise('Cat(tom)')\" \"Prove('exists x. Cat(x)')\"\n"
               "apprentice call math --list\n"
               "apprentice call my-task.yaml \"Words(text='one two')\"",
    .run = run,
};
