/* calculator.c - registers a C function beside the built-in ones, prints the
 * help that a model would see, and runs calls as a model would write them.
 *
 *     cc calculator.c $(pkg-config --cflags --libs apprentice) && ./a.out
 *     ./a.out "Kilometres(miles=3)" "Sum(2, 3)" */
#include <apprentice.h>
#include <stdio.h>

/* The function: arguments are checked before it runs. */
static ap_status run_kilometres(struct ap_invocation *call)
{
    double miles = ap_arg_number(call, 0);
    if (miles < 0)
        return ap_result_error(call, "a distance cannot be negative");
    return ap_result_number(call, miles * 1.609344);
}

static const struct ap_param params[] = {{"miles", AP_TYPE_NUMBER, "the distance", NULL}};
static const struct ap_function kilometres = {.name = "Kilometres",
                                              .description = "converts miles to kilometres.",
                                              .example = "Kilometres(miles=26)",
                                              .params = params,
                                              .n_params = 1,
                                              .run = run_kilometres};

static int fail(const struct ap_err *err)
{
    fprintf(stderr, "calculator: %s\n", err->message);
    return 1;
}

static int call(struct ap_env *env, const char *text)
{
    struct ap_err err;
    char *observation;
    int is_error;
    if (ap_env_call(env, text, &observation, &is_error, &err) != AP_OK)
        return fail(&err);
    printf("%s\n  %s\n", text, observation);
    ap_free(observation);
    return 0;
}

int main(int argc, char **argv)
{
    static char *demo[] = {"", "Kilometres(miles=26.2)", "Sum(0.1, 0.2)", "Kilometres('far')", "Kilometers(3)"};
    struct ap_registry *registry = NULL;
    struct ap_env *env = NULL;
    struct ap_err err;
    int rc = 1;
    if (argc < 2) {
        argv = demo;
        argc = sizeof demo / sizeof *demo;
    }
    if (ap_registry_new(&registry, &err) != AP_OK || ap_registry_add_builtin(registry, "math", &err) != AP_OK ||
        ap_registry_add(registry, &kilometres, &err) != AP_OK || ap_env_new(registry, &env, &err) != AP_OK) {
        rc = fail(&err);
        goto done;
    }
    char *help = ap_registry_help(registry);
    if (help == NULL)
        goto done;
    printf("%s\n", help);
    ap_free(help);
    rc = 0;
    for (int i = 1; i < argc && rc == 0; i++)
        rc = call(env, argv[i]);
done:
    ap_env_free(env);
    ap_registry_free(registry);
    return rc;
}
