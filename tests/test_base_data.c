/* test_base_data.c - JSON and YAML: places in the messages, hostile input, every allocation failing. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "base/json.h"
#include "base/rng.h"
#include "base/yaml.h"

#include <math.h>
#include <string.h>

#define KEYS(...) (const char *const[]){__VA_ARGS__}, sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *)

static struct ap_err err;

static void expect_err(const char *place, const char *message)
{
    assert_string_equal(err.place, place);
    assert_string_equal(err.message, message);
}

/* ---- JSON ---- */

static json_t *json(const char *text)
{
    json_t *value;
    assert_int_equal(ap__json_parse(text, strlen(text), "x.jsonl:12", &value, &err), AP_OK);
    return value;
}

static void json_members_are_read_by_type(void **state)
{
    (void)state;
    json_t *v = json("{\"s\": \"t\\u00e9\", \"i\": -7, \"f\": 0.5, \"b\": true, \"a\": [1]}"), *array;
    const char *s;
    int64_t i;
    double f;
    assert_int_equal(ap__json_str(v, "s", "p", &s, &err), AP_OK);
    assert_string_equal(s, "t\xc3\xa9");
    assert_int_equal(ap__json_i64(v, "i", "p", &i, &err), AP_OK);
    assert_int_equal(i, -7);
    assert_int_equal(ap__json_f64(v, "i", "p", &f, &err), AP_OK);
    assert_true(f == -7);
    assert_int_equal(ap__json_array(v, "a", "p", &array, &err), AP_OK);
    assert_int_equal(json_array_size(array), 1);
    assert_true(ap__json_bool_or(v, "b", false));
    assert_true(ap__json_f64_or(v, "f", 9) == 0.5);
    assert_int_equal(ap__json_i64_or(v, "absent", 9), 9);
    assert_string_equal(ap__json_str_or(v, "i", "other"), "other");
    json_decref(v);
}

/* tokenizer_config.json has 10^30 for "no limit". */
static void integers_of_any_size_are_read(void **state)
{
    (void)state;
    json_t *v = json("{\"n\": 1000000000000000019884624838656, \"s\": \"1000000000000000019884624838656 \\\"\", \"m\": -9000000000000000000000, "
                     "\"r\": 12345678901234567890123.5, \"e\": 1e0000000000000000000002, \"i\": 123456789012345678}");
    assert_true(ap__json_f64_or(v, "n", 0) > 0.9e30);
    assert_string_equal(ap__json_str_or(v, "s", ""), "1000000000000000019884624838656 \"");
    assert_true(ap__json_f64_or(v, "m", 0) == -9e21);
    assert_true(ap__json_f64_or(v, "e", 0) == 100);
    assert_true(ap__json_i64_or(v, "i", 0) == 123456789012345678);
    json_decref(v);
    const char *broken = "{\"n\": 1000000000000000019884624838656,}";
    assert_int_equal(ap__json_parse(broken, strlen(broken), "p", &v, &err), AP_E_PARSE);
}

static void a_wrong_json_member_is_named_with_what_was_expected(void **state)
{
    (void)state;
    json_t *v = json("{\"label\": 3, \"n\": 1.5}");
    const char *s;
    int64_t i;
    assert_int_equal(ap__json_str(v, "label", "x.jsonl:12", &s, &err), AP_E_FORMAT);
    expect_err("x.jsonl:12", "`label` must be a string, got an integer");
    assert_int_equal(ap__json_i64(v, "n", "x.jsonl:12", &i, &err), AP_E_FORMAT);
    expect_err("x.jsonl:12", "`n` must be an integer, got a number with a fraction");
    assert_int_equal(ap__json_str(v, "gone", "x.jsonl:12", &s, &err), AP_E_FORMAT);
    expect_err("x.jsonl:12", "`gone` is missing; it must be a string");
    json_decref(v);
    v = json("[1]");
    assert_int_equal(ap__json_str(v, "a", "here", &s, &err), AP_E_FORMAT);
    expect_err("here", "an object with `a` was expected, got an array");
    json_decref(v);
}

static void broken_json_is_placed_by_line_or_column(void **state)
{
    (void)state;
    json_t *v;
    const char *many = "{\n \"a\": 1,\n oops\n}";
    assert_int_equal(ap__json_parse(many, strlen(many), "config.json", &v, &err), AP_E_PARSE);
    assert_null(v);
    assert_memory_equal(err.place, "config.json:3:", 14);
    assert_int_equal(ap__json_parse("{\"a\" 1}", 7, "x.jsonl:12", &v, &err), AP_E_PARSE);
    assert_string_equal(err.place, "x.jsonl:12");
    assert_non_null(strstr(err.message, "not valid JSON at column "));
    assert_int_equal(ap__json_parse("", 0, "x", &v, &err), AP_E_PARSE);
    assert_int_equal(ap__json_parse("\"a\\u0000b\"", 10, "x", &v, &err), AP_E_PARSE);
}

static void json_nested_beyond_measure_is_refused(void **state)
{
    (void)state;
    char deep[10000];
    json_t *v;
    memset(deep, '[', sizeof deep);
    assert_int_equal(ap__json_parse(deep, sizeof deep, "deep", &v, &err), AP_E_PARSE);
}

static void json_is_written_compactly_with_sorted_keys(void **state)
{
    (void)state;
    json_t *v = json("{ \"b\": [1, 2.5, null], \"a\": \"\xc3\xa9\\n\" }");
    char *text = ap__json_dump(v);
    assert_string_equal(text, "{\"a\":\"\xc3\xa9\\n\",\"b\":[1,2.5,null]}");
    ap__free(text);
    json_decref(v);
}

static void json_survives_every_failing_allocation(void **state)
{
    (void)state;
    const char *text = "{\"a\": [1, 2, {\"b\": \"long enough to need memory of its own\"}], \"c\": 1e5}";
    bool done = false;
    json_set_alloc_funcs(ap__alloc, ap__free);
    for (int64_t n = 1; !done && n < 10000; n++) {
        json_t *v;
        ap__alloc_fail_after(n);
        ap_status status = ap__json_parse(text, strlen(text), "torture", &v, &err);
        char *dump = status == AP_OK ? ap__json_dump(v) : NULL;
        ap__alloc_fail_after(0);
        done = dump != NULL;
        if (status == AP_OK)
            json_decref(v);
        ap__free(dump);
    }
    json_set_alloc_funcs(malloc, free);
    assert_true(done);
}

/* ---- YAML ---- */

static const char *const recipe =
    "# a comment\n"          /* 1 */
    "task: math-word\n"      /* 2 */
    "seed: 7\n"              /* 3 */
    "train:\n"               /* 4 */
    "  steps: 100\n"         /* 5 */
    "  rate: 2e-3\n"         /* 6 */
    "  packed: yes\n"        /* 7 */
    "  note:\n"              /* 8 */
    "  name: \"12\"\n"       /* 9 */
    "tasks: [a, b]\n"        /* 10 */
    "prompt: |\n"            /* 11 */
    "  two\n"                /* 12 */
    "  lines\n";             /* 13 */

static struct ap_yaml_doc yaml(const char *text)
{
    struct ap_yaml_doc doc;
    assert_int_equal(ap__yaml_parse(text, strlen(text), "demo.yaml", &doc, &err), AP_OK);
    return doc;
}

static void expect_yaml_error(const char *text, ap_status code, const char *place, const char *part)
{
    struct ap_yaml_doc doc;
    assert_int_equal(ap__yaml_parse(text, strlen(text), "demo.yaml", &doc, &err), code);
    assert_string_equal(err.place, place);
    if (!strstr(err.message, part))
        fail_msg("expected \"%s\" in \"%s\"", part, err.message);
    ap__yaml_free(&doc);
}

static void yaml_values_are_read_by_type_and_nodes_know_their_line(void **state)
{
    (void)state;
    struct ap_yaml_doc doc = yaml(recipe);
    const struct ap_yaml *train = ap__yaml_get(doc.root, "train"), *tasks = ap__yaml_get(doc.root, "tasks");
    const char *text = NULL;
    int64_t steps = 0;
    double rate = 0;
    bool packed = false;
    assert_int_equal(train->line, 4);
    assert_int_equal(ap__yaml_get(train, "rate")->line, 6);
    assert_int_equal(tasks->count, 2);
    assert_string_equal(tasks->child[1]->text, "b");
    assert_null(tasks->child[1]->key);
    assert_int_equal(ap__yaml_str(&doc, doc.root, "prompt", true, &text, &err), AP_OK);
    assert_string_equal(text, "two\nlines\n");
    assert_int_equal(ap__yaml_i64(&doc, train, "steps", true, 1, 1000, &steps, &err), AP_OK);
    assert_int_equal(steps, 100);
    assert_int_equal(ap__yaml_f64(&doc, train, "rate", true, 0, 1, &rate, &err), AP_OK);
    assert_true(rate == 2e-3);
    assert_int_equal(ap__yaml_bool(&doc, train, "packed", true, &packed, &err), AP_OK);
    assert_true(packed);
    ap__yaml_free(&doc);
}

static void an_absent_or_empty_yaml_key_keeps_the_default(void **state)
{
    (void)state;
    struct ap_yaml_doc doc = yaml(recipe);
    const struct ap_yaml *train = ap__yaml_get(doc.root, "train");
    const char *note = "default";
    int64_t n = 42;
    assert_int_equal(ap__yaml_str(&doc, train, "note", false, &note, &err), AP_OK);
    assert_string_equal(note, "default");
    assert_int_equal(ap__yaml_i64(&doc, train, "gone", false, 0, 9, &n, &err), AP_OK);
    assert_int_equal(n, 42);
    assert_int_equal(ap__yaml_i64(&doc, train, "gone", true, 0, 9, &n, &err), AP_E_FORMAT);
    expect_err("demo.yaml:4", "`gone` is missing; it must be an integer from 0 to 9");
    ap__yaml_free(&doc);
}

static void a_wrong_yaml_value_is_named_with_its_line_and_what_it_takes(void **state)
{
    (void)state;
    struct ap_yaml_doc doc = yaml(recipe);
    const struct ap_yaml *train = ap__yaml_get(doc.root, "train");
    int64_t n;
    double x;
    bool b;
    const char *s;
    assert_int_equal(ap__yaml_i64(&doc, train, "steps", true, 1, 50, &n, &err), AP_E_FORMAT);
    expect_err("demo.yaml:5", "`steps` must be an integer from 1 to 50, got `100`");
    assert_int_equal(ap__yaml_i64(&doc, train, "rate", true, 1, INT64_MAX, &n, &err), AP_E_FORMAT);
    expect_err("demo.yaml:6", "`rate` must be an integer of at least 1, got `2e-3`");
    assert_int_equal(ap__yaml_i64(&doc, train, "name", true, INT64_MIN, INT64_MAX, &n, &err), AP_E_FORMAT);
    expect_err("demo.yaml:9", "`name` must be an integer, got `12`");
    assert_int_equal(ap__yaml_f64(&doc, train, "packed", true, -INFINITY, 0.5, &x, &err), AP_E_FORMAT);
    expect_err("demo.yaml:7", "`packed` must be a number of at most 0.5, got `yes`");
    assert_int_equal(ap__yaml_bool(&doc, doc.root, "tasks", true, &b, &err), AP_E_FORMAT);
    expect_err("demo.yaml:10", "`tasks` must be true or false, got a list");
    assert_int_equal(ap__yaml_str(&doc, doc.root, "train", true, &s, &err), AP_E_FORMAT);
    expect_err("demo.yaml:4", "`train` must be text, got a map");
    ap__yaml_free(&doc);
}

static void an_unknown_yaml_key_is_refused_with_the_nearest_known_one(void **state)
{
    (void)state;
    struct ap_yaml_doc doc = yaml("steps: 1\nlearning_rte: 2\n");
    assert_int_equal(ap__yaml_check_keys(&doc, doc.root, KEYS("steps", "learning_rate"), &err), AP_E_FORMAT);
    expect_err("demo.yaml:2", "unknown key `learning_rte`; did you mean `learning_rate`?");
    assert_int_equal(ap__yaml_check_keys(&doc, doc.root, KEYS("steps", "seed"), &err), AP_E_FORMAT);
    expect_err("demo.yaml:2", "unknown key `learning_rte`");
    assert_int_equal(ap__yaml_check_keys(&doc, doc.root, KEYS("steps", "learning_rte"), &err), AP_OK);
    ap__yaml_free(&doc);
}

static void broken_yaml_is_placed_by_line(void **state)
{
    (void)state;
    char deep[200];
    memset(deep, '[', sizeof deep - 1);
    deep[sizeof deep - 1] = '\0';
    expect_yaml_error("a: 1\nb: [1, 2\n", AP_E_PARSE, "demo.yaml:3", "not valid YAML");
    expect_yaml_error("a: 1\na: 2\n", AP_E_FORMAT, "demo.yaml:2", "a second key `a`");
    expect_yaml_error("a: &x 1\nb: *x\n", AP_E_FORMAT, "demo.yaml:2", "aliases are not supported");
    expect_yaml_error("a: 1\n---\nb: 1\n", AP_E_FORMAT, "demo.yaml:2", "a second document");
    expect_yaml_error("? [1, 2]\n: 3\n", AP_E_FORMAT, "demo.yaml:1", "a key must be plain text");
    expect_yaml_error(deep, AP_E_TOO_LARGE, "demo.yaml:1", "nested too deeply");
    expect_yaml_error("a: \"x\\0y\"\n", AP_E_FORMAT, "demo.yaml:1", "NUL");
    expect_yaml_error("# nothing\n", AP_E_FORMAT, "demo.yaml", "empty");
    expect_yaml_error("a: \xff\xfe\n", AP_E_PARSE, "demo.yaml: byte 3", "not valid YAML");
}

static void yaml_with_a_lost_or_changed_byte_never_crashes(void **state)
{
    (void)state;
    struct ap_rng rng = ap__rng_make(3, "mutate", 0, 0, 0);
    static const char odd[] = "\n:[]{}&*|>'\"# -\t\x01\xc3?!%@`,x";
    size_t len = strlen(recipe);
    for (int i = 0; i < 3000; i++) {
        char text[512];
        struct ap_yaml_doc doc;
        memcpy(text, recipe, len);
        for (int k = 0; k < 3; k++)
            text[ap__rng_below(&rng, (uint32_t)len)] = odd[ap__rng_below(&rng, sizeof odd - 1)];
        err = (struct ap_err){0};
        if (ap__yaml_parse(text, len - ap__rng_below(&rng, 20), "mutant", &doc, &err) != AP_OK)
            assert_string_not_equal(err.message, "");
        ap__yaml_free(&doc);
    }
}

static void yaml_survives_every_failing_allocation(void **state)
{
    (void)state;
    char *text = ap__alloc(200000); /* enough for several blocks of the arena */
    size_t len = 0;
    for (int i = 0; i < 3000; i++)
        len += (size_t)sprintf(text + len, "key_%d: [some, text, {of: a, map: b}]\n", i);
    bool done = false;
    for (int64_t n = 1; !done && n < 1000; n++) {
        struct ap_yaml_doc doc;
        ap__alloc_fail_after(n);
        ap_status status = ap__yaml_parse(text, len, "torture", &doc, &err);
        ap__alloc_fail_after(0);
        done = status == AP_OK;
        assert_true(done || status == AP_E_MEMORY);
        assert_true(done || n < 100);
        ap__yaml_free(&doc);
    }
    ap__free(text);
    assert_true(done);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_members_are_read_by_type),
        cmocka_unit_test(integers_of_any_size_are_read),
        cmocka_unit_test(a_wrong_json_member_is_named_with_what_was_expected),
        cmocka_unit_test(broken_json_is_placed_by_line_or_column),
        cmocka_unit_test(json_nested_beyond_measure_is_refused),
        cmocka_unit_test(json_is_written_compactly_with_sorted_keys),
        cmocka_unit_test(json_survives_every_failing_allocation),
        cmocka_unit_test(yaml_values_are_read_by_type_and_nodes_know_their_line),
        cmocka_unit_test(an_absent_or_empty_yaml_key_keeps_the_default),
        cmocka_unit_test(a_wrong_yaml_value_is_named_with_its_line_and_what_it_takes),
        cmocka_unit_test(an_unknown_yaml_key_is_refused_with_the_nearest_known_one),
        cmocka_unit_test(broken_yaml_is_placed_by_line),
        cmocka_unit_test(yaml_with_a_lost_or_changed_byte_never_crashes),
        cmocka_unit_test(yaml_survives_every_failing_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
