/* test_jinja_language.c - the language of chat templates, case by case as Python's jinja2 does it.
 *
 *     data/jinja/language.json: variables, {topic: [{template, text or "raises"}]}  -->  the same here
 *
 * Made by make_language.py beside it. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "jinja/jinja.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static json_t *fixture;

/* Text, or NULL with the failure in *err. */
static char *render(const char *source, size_t len, const json_t *variables, int64_t now, struct ap_err *err)
{
    struct ap_jinja *t = NULL;
    struct ap_buf out;
    char *text = NULL;
    ap__buf_init(&out, 0);
    *err = (struct ap_err){0};
    ap_status status = ap__jinja_parse(source, len, "case", &t, err);
    if (status == AP_OK)
        status = ap__jinja_render(t, variables, now, &out, NULL, err);
    if (status == AP_OK)
        text = ap__buf_take(&out);
    else
        assert_int_equal(out.len, 0);
    ap__jinja_free(t);
    ap__buf_deinit(&out);
    return text;
}

static bool check_case(const char *topic, const json_t *item, const json_t *variables, int64_t now)
{
    const char *source = json_string_value(json_object_get(item, "t"));
    const char *raises = ap__json_str_or(item, "raises", NULL);
    const char *expect = ap__json_str_or(item, "out", "");
    struct ap_err err;
    char *text = render(source, strlen(source), variables, now, &err);
    bool good = text ? !raises && strcmp(text, expect) == 0 : raises && err.code != AP_E_MEMORY && err.message[0];
    if (!good)
        print_error("%s: %s\n  expected: %s\n  got:      %s%s\n", topic, source, raises ? raises : expect,
                    text ? text : "failure: ", text ? "" : err.message);
    ap__free(text);
    return good;
}

static void the_language_is_pythons(void **state)
{
    const json_t *variables = json_object_get(fixture, "variables"), *cases, *item;
    int64_t now = ap__json_i64_or(fixture, "now", 0);
    const char *topic;
    size_t i, n = 0, bad = 0;
    (void)state;
    json_object_foreach(json_object_get(fixture, "cases"), topic, cases)
        json_array_foreach(cases, i, item) {
            bad += !check_case(topic, item, variables, now);
            n++;
        }
    print_message("%zu cases\n", n);
    assert_true(n > 600);
    assert_int_equal(bad, 0);
}

static int set_up(void **state)
{
    struct ap_err err;
    (void)state;
    setenv("TZ", "UTC", 1);
    return ap__json_load(AP_TEST_DATA "/jinja/language.json", &fixture, &err);
}

static int tear_down(void **state)
{
    (void)state;
    json_decref(fixture);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_language_is_pythons),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
