/* test_plugin.c - a plug-in is loaded and used; libraries that are none are refused with a reason. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "outside.h"
#include "outside/plugin.h"

#define GOOD AP_TEST_EXAMPLES "/plugin_distance.so"

static void a_plugin_offers_its_functions_by_name(void **state)
{
    (void)state;
    static const char *const set[] = {"distance"}, *const one[] = {"Kilometres"};
    const struct ap_plugin *plugin;
    struct ap_registry *registry;
    OK(ap__plugin_load(GOOD, &plugin, err));
    assert_string_equal(plugin->name, "distance");
    OK(ap__plugin_load(GOOD, NULL, err)); /* again is fine */
    OK(ap__registry_select(set, 1, &registry, err));
    assert_int_equal(ap__registry_count(registry), 4);
    ap__registry_free(registry);
    OK(ap__registry_select(one, 1, &registry, err));
    assert_int_equal(ap__registry_count(registry), 3);
    ap__registry_free(registry);
}

static void functions_of_a_plugin_run_and_keep_state_per_chain(void **state)
{
    (void)state;
    struct ap_registry *registry;
    struct ap_env *first, *second;
    bool error;
    OK(add_functions("- {plugin: " GOOD "}\n", &registry, err));
    OK(ap__env_new(registry, &first, err));
    OK(ap__env_new(registry, &second, err));
    assert_string_equal(observe(first, "Kilometres(miles=10)", &error), "16.09344");
    assert_string_equal(observe(first, "Kilometres(-1)", &error),
                        "Error: a distance cannot be negative. Kilometres(miles: number), for example: "
                        "Kilometres(miles=26)");
    assert_string_equal(observe(first, "Travel(3)", &error), "3 km so far");
    assert_string_equal(observe(first, "Travel(4)", &error), "7 km so far");
    assert_string_equal(observe(second, "Travel(5)", &error), "5 km so far");
    ap__env_free(first);
    ap__env_free(second);
    ap__registry_free(registry);
}

static void a_task_may_take_some_of_its_functions(void **state)
{
    (void)state;
    struct ap_registry *registry;
    struct ap_err fault = {0};
    OK(add_functions("- {plugin: " GOOD ", functions: [Travel]}\n", &registry, err));
    assert_null(ap__registry_find(registry, "Kilometres"));
    assert_non_null(ap__registry_find(registry, "Travel"));
    ap__registry_free(registry);
    assert_int_equal(add_functions("- {plugin: " GOOD ", functions: [Travels]}\n", &registry, &fault), AP_E_NOT_FOUND);
    assert_non_null(strstr(fault.message, "did you mean `Travel`"));
}

static void libraries_that_are_no_plugins_are_refused(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"odd_plugin_1.so", "it does not have `ap_plugin`"},
        {"odd_plugin_2.so", "built for interface 99; this program has 1"},
        {"odd_plugin_3.so", "built with another apprentice_plugin.h"},
        {"odd_plugin_4.so", "there is a function or set `Sum` already"},
        {"odd_plugin_5.so", "its example calls another function"},
        {"odd_plugin_6.so", "does not want to be used"},
        {"odd_plugin_7.so", "not 1 to 256 functions"},
        {"no_plugin.so", "cannot be loaded"},
        {"hostile_tool", "cannot be loaded"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char path[512];
        struct ap_err err = {0};
        snprintf(path, sizeof path, "%s/%s", AP_TEST_PROGRAMS, cases[i][0]);
        assert_int_not_equal(ap__plugin_load(path, NULL, &err), AP_OK);
        if (!strstr(err.message, cases[i][1]))
            fail_msg("%s: %s", cases[i][0], err.message);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_plugin_offers_its_functions_by_name),
        cmocka_unit_test(functions_of_a_plugin_run_and_keep_state_per_chain),
        cmocka_unit_test(a_task_may_take_some_of_its_functions),
        cmocka_unit_test(libraries_that_are_no_plugins_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
