/* test_registry.c - selecting functions, help and schema, observations about
 * wrong calls, a chain's state, functions written in C. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "functions/registry.h"

static struct ap_registry *select_sets(const char *first, const char *second)
{
    const char *names[] = {first, second};
    struct ap_registry *registry;
    struct ap_err err;
    if (ap__registry_select(names, second != NULL ? 2 : 1, &registry, &err) != AP_OK)
        fail_msg("%s", err.message);
    return registry;
}

static struct ap_env *new_env(const struct ap_registry *registry)
{
    struct ap_env *env;
    struct ap_err err;
    assert_int_equal(ap__env_new(registry, &env, &err), AP_OK);
    return env;
}

/* The observation of a call. */
static const char *observe(struct ap_env *env, const char *text)
{
    static char observation[AP_OBSERVATION_MAX + 1];
    struct ap_call_result result;
    struct ap_err err;
    assert_int_equal(ap__env_call(env, text, strlen(text), &result, &err), AP_OK);
    assert_true(strlen(result.text) <= AP_OBSERVATION_MAX);
    snprintf(observation, sizeof observation, "%s", result.text);
    ap__call_result_deinit(&result);
    return observation;
}

/* ---- selecting ---- */

static void sets_and_single_functions_are_selected_by_name(void **state)
{
    (void)state;
    struct ap_registry *registry = select_sets("Prove", "Sum");
    assert_int_equal(ap__registry_count(registry), 4);
    assert_string_equal(ap__registry_at(registry, 0)->name, "Reasoning");
    assert_string_equal(ap__registry_at(registry, 1)->name, "Answer");
    assert_non_null(ap__registry_find(registry, "Prove"));
    assert_null(ap__registry_find(registry, "AddPremise"));
    ap__registry_free(registry);
    registry = select_sets("Sum", "math"); /* once is enough */
    assert_int_equal(ap__registry_count(registry), 12);
    ap__registry_free(registry);
    registry = select_sets("Answer", NULL);
    assert_int_equal(ap__registry_count(registry), 2);
    ap__registry_free(registry);
}

static void unknown_names_get_the_nearest_one(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {
        {"maths", "there is no function or set `maths`; did you mean `math`?"},
        {"Summ", "there is no function or set `Summ`; did you mean `Sum`?"},
        {"qwertyuiop", "there is no function or set `qwertyuiop`; the sets are `math` and `fol`"}};
    for (size_t i = 0; i < 3; i++) {
        struct ap_registry *registry;
        struct ap_err err;
        assert_int_equal(ap__registry_select(&pairs[i][0], 1, &registry, &err), AP_E_NOT_FOUND);
        assert_string_equal(err.message, pairs[i][1]);
        assert_null(registry);
    }
}

/* Every example in the help is a call that its own function accepts. */
static void every_example_runs(void **state)
{
    (void)state;
    struct ap_registry *registry = select_sets("math", "fol");
    struct ap_env *env = new_env(registry);
    for (int32_t i = 0; i < ap__registry_count(registry); i++) {
        const struct ap_function *function = ap__registry_at(registry, i);
        const char *observation = observe(env, function->example);
        if (strncmp(observation, "Error", 5) == 0)
            fail_msg("%s: %s", function->example, observation);
    }
    ap__env_free(env);
    ap__registry_free(registry);
}

static void help_is_one_line_per_function(void **state)
{
    (void)state;
    struct ap_registry *registry = select_sets("Sum", "Round");
    char *help = ap_registry_help(registry);
    assert_string_equal(
        help, "Reasoning(reasoning: string) notes a thought. Example: Reasoning(reasoning='First add, then divide.')\n"
              "Answer(value) gives the final answer and ends. Example: Answer(value=42)\n"
              "Sum(a: number, b: number, ...) adds two or more numbers. Example: Sum(a=2, b=3)\n"
              "Round(value: number, decimals: number = 0) rounds, halves away from zero. "
              "Example: Round(value=2.345, decimals=2)\n");
    ap_free(help);
    ap__registry_free(registry);
}

static void schema_is_what_openai_calls_tools(void **state)
{
    (void)state;
    struct ap_registry *registry = select_sets("Round", NULL);
    char *text = ap_registry_schema(registry);
    json_t *tools;
    struct ap_err err;
    assert_int_equal(ap__json_parse(text, strlen(text), "schema", &tools, &err), AP_OK);
    assert_int_equal(json_array_size(tools), 3);
    json_t *function = json_object_get(json_array_get(tools, 2), "function");
    assert_string_equal(json_string_value(json_object_get(function, "name")), "Round");
    json_t *params = json_object_get(function, "parameters");
    json_t *value = json_object_get(json_object_get(params, "properties"), "value");
    assert_string_equal(json_string_value(json_object_get(value, "type")), "number");
    assert_int_equal(json_array_size(json_object_get(params, "required")), 1);
    json_decref(tools);
    ap_free(text);
    ap__registry_free(registry);
}

/* ---- observations ---- */

static void wrong_calls_are_explained_with_signature_and_example(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {
        {"Sum(2)", "Error: argument `b` is missing. Sum(a: number, b: number, ...), for example: Sum(a=2, b=3)"},
        {"Sum(a=1, d=3, b=2)",
         "Error: argument `c` is missing. Sum(a: number, b: number, ...), for example: Sum(a=2, b=3)"},
        {"Sum('2', 3)",
         "Error: `a` must be a number, got a string. Sum(a: number, b: number, ...), for example: Sum(a=2, b=3)"},
        {"Sum(2, a=3)",
         "Error: argument `a` is given twice. Sum(a: number, b: number, ...), for example: Sum(a=2, b=3)"},
        {"Round(1, 2, 3)",
         "Error: Round takes at most 2 arguments. Round(value: number, decimals: number = 0), for example: "
         "Round(value=2.345, decimals=2)"},
        {"Round(digits=1)",
         "Error: Round has no parameter `digits`. Round(value: number, decimals: number = 0), for example: "
         "Round(value=2.345, decimals=2)"},
        {"Sum(2, 3) is 5", "Error: expected one call and nothing after it, got `i` at column 11. "
                           "Sum(a: number, b: number, ...), for example: Sum(a=2, b=3)"},
        {"Summ(2, 3)", "Error: there is no function Summ; did you mean Sum. "
                       "Sum(a: number, b: number, ...), for example: Sum(a=2, b=3)"},
        {"Multiply(2, 3)", "Error: there is no function Multiply. The functions are Reasoning, Answer, Sum, Round"},
        {"Answer()", "Error: argument `value` is missing. Answer(value), for example: Answer(value=42)"},
        {"I would add", "Error: expected `(` after the function name, got `w` at column 3. "
                        "Write one call, for example: Sum(a=2, b=3)"},
        {"{\"name\": \"Sum\", \"arguments\": {\"a\": 2,}}",
         "Error: expected a key in double quotes, got `}` at column 38. "
         "Sum(a: number, b: number, ...), for example: Sum(a=2, b=3)"},
        {"", "Error: expected a function name, but the text ends at column 1. "
             "Write one call, for example: Sum(a=2, b=3)"},
    };
    struct ap_registry *registry = select_sets("Sum", "Round");
    struct ap_env *env = new_env(registry);
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
        assert_string_equal(observe(env, pairs[i][0]), pairs[i][1]);
    ap__env_free(env);
    ap__registry_free(registry);
}

static void results_say_what_happened(void **state)
{
    (void)state;
    struct ap_registry *registry = select_sets("math", NULL);
    struct ap_env *env = new_env(registry);
    struct ap_call_result result;
    struct ap_err err;
    assert_int_equal(ap__env_call(env, "Answer(0.50)", 12, &result, &err), AP_OK);
    assert_true(result.answered && !result.error);
    assert_string_equal(result.text, "0.5");
    assert_string_equal(result.answer, "0.5");
    assert_string_equal(result.function, "Answer");
    ap__call_result_deinit(&result);
    assert_int_equal(ap__env_call(env, "Answer(a b)", 11, &result, &err), AP_OK);
    assert_true(!result.answered && result.error);
    assert_null(result.answer);
    assert_string_equal(result.function, "Answer");
    ap__call_result_deinit(&result);
    assert_int_equal(ap__env_call(env, "Nothing(1)", 10, &result, &err), AP_OK);
    assert_true(result.error);
    assert_string_equal(result.function, "");
    ap__call_result_deinit(&result);
    assert_string_equal(observe(env, "Answer('True\\nor so')"), "True or so"); /* one line */
    assert_string_equal(observe(env, "Reasoning('hm')"), "ok");
    ap__env_free(env);
    ap__registry_free(registry);
}

static void long_observations_are_cut_at_a_character(void **state)
{
    (void)state;
    static char text[8192];
    struct ap_registry *registry = select_sets("math", NULL);
    struct ap_env *env = new_env(registry);
    strcpy(text, "Answer('");
    for (int i = 0; i < 2000; i++)
        strcat(text, "é");
    strcat(text, "')");
    const char *observation = observe(env, text);
    size_t n = strlen(observation);
    assert_true(n > 1000 && n <= AP_OBSERVATION_MAX);
    assert_string_equal(observation + n - 5, "é...");
    strcpy(text, "Summ(");
    memset(text + 5, 'x', 4000);
    observe(env, text);
    ap__env_free(env);
    ap__registry_free(registry);
}

/* ---- a chain's premises ---- */

static void premises_belong_to_one_chain(void **state)
{
    (void)state;
    struct ap_registry *registry = select_sets("fol", NULL);
    struct ap_env *a = new_env(registry), *b = new_env(registry);
    assert_string_equal(observe(a, "AddPremise('∀x (Cat(x) → Pet(x))')"), "premise 1");
    assert_string_equal(observe(a, "AddPremise(\"Cat(tom)\")"), "premise 2");
    assert_string_equal(observe(b, "AddPremise('Cat(bob)')"), "premise 1");
    assert_string_equal(observe(a, "Prove('Pet(tom)')"), "True");
    assert_string_equal(observe(a, "Prove('not Pet(tom)')"), "False");
    assert_string_equal(observe(b, "Prove('Pet(tom)')"), "Unknown");
    ap__env_free(a);
    ap__env_free(b);
    ap__registry_free(registry);
}

static void a_failing_premise_adds_nothing(void **state)
{
    (void)state;
    struct ap_registry *registry = select_sets("fol", NULL);
    struct ap_env *env = new_env(registry);
    assert_string_equal(observe(env, "AddPremise('Cat(tom)')"), "premise 1");
    assert_non_null(strstr(observe(env, "AddPremise('Dog(x)')"), "is free"));
    assert_non_null(strstr(observe(env, "AddPremise('Dog(rex')"), "but the formula ends at column 8"));
    assert_string_equal(observe(env, "AddPremise('Dog(rex) & Cat(tom, rex)')"),
                        "Error: `Cat` at column 12 has 2 arguments, but had 1 before");
    assert_string_equal(observe(env, "AddPremise('Dog(rex, tom)')"), "premise 2"); /* Dog was not kept */
    assert_string_equal(observe(env, "Prove('Cat(rex)')"), "Unknown");
    assert_string_equal(observe(env, "AddPremise('not Cat(tom)')"), "premise 3");
    assert_string_equal(observe(env, "Prove('Cat(rex)')"), "Error: the premises contradict each other");
    ap__env_free(env);
    ap__registry_free(registry);
}

static void the_number_and_size_of_premises_have_ceilings(void **state)
{
    (void)state;
    struct ap_registry *registry = select_sets("fol", NULL);
    struct ap_env *env = new_env(registry);
    char text[64];
    for (int i = 1; i <= 128; i++) {
        snprintf(text, sizeof text, "AddPremise('P%d(a)')", i);
        assert_int_equal(strncmp(observe(env, text), "premise", 7), 0);
    }
    assert_string_equal(observe(env, "AddPremise('P(a)')"), "Error: there are 128 premises already");
    ap__env_free(env);
    env = new_env(registry);
    char big[4200] = "AddPremise('P(a,a,a,a,a,a,a)";
    for (int i = 0; i < 110; i++)
        strcat(big, " & P(a,a,a,a,a,a,a)");
    strcat(big, "')");
    const char *last = "";
    for (int i = 0; i < 100 && strncmp(last, "Error", 5) != 0; i++)
        last = observe(env, big);
    assert_string_equal(last, "Error: the premises are too long together");
    ap__env_free(env);
    ap__registry_free(registry);
}

/* ---- functions in C ---- */

struct counter {
    double sum;
    int *alive;
};

static int alive;

static ap_status create_counter(void *user_data, void **out)
{
    struct counter *counter = ap__alloc(sizeof *counter);
    if (counter == NULL)
        return AP_E_MEMORY;
    counter->alive = user_data;
    (*counter->alive)++;
    *out = counter;
    return AP_OK;
}

static void destroy_counter(void *state)
{
    (*((struct counter *)state)->alive)--;
    ap__free(state);
}

static const struct ap_state_kind counter_kind = {create_counter, destroy_counter};

static ap_status run_count(struct ap_invocation *call)
{
    struct counter *counter = ap_invocation_state(call);
    counter->sum += ap_arg_number(call, 0);
    return ap_result_number(call, counter->sum);
}

static ap_status run_shout(struct ap_invocation *call)
{
    struct counter *counter = ap_invocation_state(call);
    if (ap_arg_text(call, 0)[0] == '\0')
        return ap_result_error(call, "nothing to shout");
    return ap_result_text(call, "%s%s %g", ap_arg_text(call, 0), ap_arg_bool(call, 1) ? "!" : "", counter->sum);
}

static const struct ap_param count_params[] = {{"by", AP_TYPE_NUMBER, "how much", "0.5"}};
static const struct ap_param shout_params[] = {{"text", AP_TYPE_STRING, "what", NULL},
                                               {"loud", AP_TYPE_BOOL, "how", "True"}};
static const struct ap_function count = {.name = "Count", .description = "counts.", .example = "Count(by=2)",
    .params = count_params, .n_params = 1, .run = run_count, .state = &counter_kind, .user_data = &alive};
static const struct ap_function shout = {.name = "Shout", .description = "shouts.", .example = "Shout('hey')",
    .params = shout_params, .n_params = 2, .run = run_shout, .state = &counter_kind, .user_data = &alive};

static void c_functions_share_state_within_a_chain(void **state)
{
    (void)state;
    struct ap_registry *registry;
    struct ap_err err;
    assert_int_equal(ap_registry_new(&registry, &err), AP_OK);
    assert_int_equal(ap_registry_add(registry, &count, &err), AP_OK);
    assert_int_equal(ap_registry_add(registry, &shout, &err), AP_OK);
    assert_int_equal(ap_registry_add(registry, &count, &err), AP_E_EXISTS);
    struct ap_env *env = new_env(registry), *idle = new_env(registry);
    assert_string_equal(observe(env, "Count(2)"), "2");
    assert_string_equal(observe(env, "Count()"), "2.5");
    assert_string_equal(observe(env, "Shout('hey')"), "hey! 2.5");
    assert_string_equal(observe(env, "Shout('hey', loud=False)"), "hey 2.5");
    assert_string_equal(observe(env, "Shout('')"),
                        "Error: nothing to shout. Shout(text: string, loud: bool = True), for example: Shout('hey')");
    assert_int_equal(alive, 1); /* made at the first call only */
    ap__env_free(env);
    ap__env_free(idle);
    assert_int_equal(alive, 0);
    ap_registry_free(registry);
}

static void incomplete_functions_are_not_registered(void **state)
{
    (void)state;
    static const struct ap_param late[] = {{"a", AP_TYPE_NUMBER, "", "1"}, {"b", AP_TYPE_NUMBER, "", NULL}};
    static const struct ap_param broken[] = {{"a", AP_TYPE_NUMBER, "", "[1"}};
    struct ap_function bad[5] = {count, count, count, count, count};
    struct ap_registry *registry;
    struct ap_err err;
    bad[0].name = "No Name";
    bad[1].example = "Other(1)";
    bad[2].description = NULL;
    bad[3].params = late;
    bad[3].n_params = 2;
    bad[4].params = broken;
    assert_int_equal(ap_registry_new(&registry, &err), AP_OK);
    for (int i = 0; i < 5; i++)
        assert_int_not_equal(ap_registry_add(registry, &bad[i], &err), AP_OK);
    assert_int_equal(ap__registry_count(registry), 2);
    ap_registry_free(registry);
}

/* ---- memory and threads ---- */

static void failing_allocations_are_the_only_failure(void **state)
{
    (void)state;
    struct ap_registry *registry = select_sets("math", "fol");
    static const char *const calls[] = {"Sum(2, 3)", "Nothing()", "Solve('x^2 = 4')", "Answer('text')",
                                        "AddPremise('∀x (Cat(x) → Pet(x))')", "Prove('Cat(tom)')",
                                        "Equivalent('A & B', 'B & A')"};
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        ap_status status = AP_E_MEMORY;
        for (int64_t n = 1; n < 500 && status != AP_OK; n++) {
            struct ap_call_result result = {0};
            struct ap_err err;
            struct ap_env *env = new_env(registry);
            ap__alloc_fail_after(n);
            status = ap__env_call(env, calls[i], strlen(calls[i]), &result, &err);
            ap__alloc_fail_after(0);
            assert_true(status == AP_OK || status == AP_E_MEMORY);
            ap__call_result_deinit(&result);
            ap__env_free(env);
        }
        assert_int_equal(status, AP_OK);
    }
    ap__registry_free(registry);
}

static void *prove_a_lot(void *argument)
{
    struct ap_registry *registry = argument;
    for (int i = 0; i < 40; i++) {
        struct ap_env *env;
        struct ap_call_result result;
        struct ap_err err;
        char goal[64];
        snprintf(goal, sizeof goal, "Prove('P%d(a) | not P%d(a)')", i, i);
        if (ap__env_new(registry, &env, &err) != AP_OK || ap__env_call(env, goal, strlen(goal), &result, &err) != AP_OK)
            return "failed";
        bool right = strcmp(result.text, "True") == 0;
        ap__call_result_deinit(&result);
        ap__env_free(env);
        if (!right)
            return "wrong";
    }
    return NULL;
}

static void chains_on_several_threads_share_the_prover(void **state)
{
    (void)state;
    struct ap_registry *registry = select_sets("fol", NULL);
    pthread_t threads[3];
    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, prove_a_lot, registry), 0);
    for (int i = 0; i < 3; i++) {
        void *problem;
        pthread_join(threads[i], &problem);
        assert_null(problem);
    }
    ap__registry_free(registry);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sets_and_single_functions_are_selected_by_name),
        cmocka_unit_test(unknown_names_get_the_nearest_one),
        cmocka_unit_test(every_example_runs),
        cmocka_unit_test(help_is_one_line_per_function),
        cmocka_unit_test(schema_is_what_openai_calls_tools),
        cmocka_unit_test(wrong_calls_are_explained_with_signature_and_example),
        cmocka_unit_test(results_say_what_happened),
        cmocka_unit_test(long_observations_are_cut_at_a_character),
        cmocka_unit_test(premises_belong_to_one_chain),
        cmocka_unit_test(a_failing_premise_adds_nothing),
        cmocka_unit_test(the_number_and_size_of_premises_have_ceilings),
        cmocka_unit_test(c_functions_share_state_within_a_chain),
        cmocka_unit_test(incomplete_functions_are_not_registered),
        cmocka_unit_test(failing_allocations_are_the_only_failure),
        cmocka_unit_test(chains_on_several_threads_share_the_prover),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
