/* test_base_data.c - JSON and YAML: places in the messages, hostile input, every allocation failing. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "base/json.h"
#include "base/json_quick.h"
#include "base/rng.h"
#include "base/yaml.h"

#include <math.h>
#include <stdlib.h>
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

/* What both make of the same text: the same value with its members in the same order, or NULL from the quick one. */
static bool check_quick(const char *text, size_t len)
{
    json_error_t why;
    json_t *got = ap__json_quick(text, len), *want = json_loadb(text, len, JSON_DECODE_ANY, &why);
    bool read = got != NULL;
    if (read) {
        char *a = json_dumps(got, JSON_ENCODE_ANY), *b = json_dumps(want, JSON_ENCODE_ANY);
        if (a == NULL || b == NULL || strcmp(a, b) != 0)
            fail_msg("`%.*s` is read as %s, jansson: %s", (int)len, text, a ? a : "nothing", b ? b : why.text);
        free(a);
        free(b);
    }
    json_decref(got);
    json_decref(want);
    return read;
}

static void reading_json_quickly_is_reading_it(void **state)
{
    (void)state;
    static const char *const common[] = {
        " {\"a\" : [1, -2 ,0, -0, 123456789012345678], \"b\":{}, \"c\": [ ], \"a\": true,\"\":null}\n",
        "[\"\", \"\\\"\\\\\\/\\b\\f\\n\\r\\t\", "
        "\"\\u0120x\\u0041\\u20AC\\u00e9\", \"\xc4\xa0\xe6\xbc\xa2\xf0\x9f\x99\x82\x7f\", false]",
        "{\"k\\u00e9y\\n\": {\"deep\": [[[\"x\"]]]}}", "7", "\"text\"", "null"};
    static const char *const left[] = {
        "", " ", "1.5", "1e3", "01", "-", "- 1", "1234567890123456789", "[1,]", "[,1]", "[1 2]", "[1]]", "[", "[}", "{",
        "{\"a\"}", "{\"a\":}", "{a:1}", "{\"a\":1,}", "\"", "\"\\", "\"\\u12", "\"\\x\"", "\"\\u0000\"",
        "\"\\ud83d\\ude42\"", "\"\\u\x10\x11\x12\x13\"", "\"a\nb\"", "\"\xff\"", "\"\xc0\x80\"", "tru", "truee", "nul", "1 2"};
    for (size_t i = 0; i < sizeof common / sizeof *common; i++)
        assert_true(check_quick(common[i], strlen(common[i])));
    for (size_t i = 0; i < sizeof left / sizeof *left; i++)
        if (check_quick(left[i], strlen(left[i])))
            fail_msg("`%s` should be left to jansson", left[i]);
    assert_false(check_quick("[1]\0", 4));
    struct ap_rng rng = ap__rng_make(11, "json", 0, 0, 0);
    int read = 0;
    for (int round = 0; round < 60000; round++) {
        static const char bytes[] = "{}[]\",:\\u0019aeE.- tfn\n\x01\x7f\xc3\xa9\xed\xa0\xf0\x9f";
        char text[128];
        const char *from = common[ap__rng_below(&rng, sizeof common / sizeof *common)];
        size_t len = strlen(from);
        memcpy(text, from, len);
        for (uint32_t n = 1 + ap__rng_below(&rng, 3); n > 0; n--)
            text[ap__rng_below(&rng, (uint32_t)len)] = bytes[ap__rng_below(&rng, sizeof bytes)];
        read += check_quick(text, len - ap__rng_below(&rng, 2));
    }
    assert_true(read > 1000);
}

static void long_json_is_read_with_what_quick_reading_leaves(void **state)
{
    (void)state;
    static const char *const last[] = {"7", "7.5", "\"\\ud83d\\ude42\"", "100000000000000000000", "oops"};
    struct ap_buf text;
    ap__buf_init(&text, 0);
    for (size_t i = 0; i < sizeof last / sizeof *last; i++) {
        json_t *value = NULL;
        ap__buf_clear(&text);
        ap__buf_putc(&text, '[');
        for (int n = 0; n < 20000; n++)
            ap__buf_printf(&text, "\"%d\",\n", n);
        ap__buf_printf(&text, "%s]", last[i]);
        ap_status status = ap__json_parse(text.data, text.len, "long", &value, &err);
        assert_int_equal(status, i == 4 ? AP_E_PARSE : AP_OK);
        assert_int_equal(json_array_size(value), i == 4 ? 0 : 20001);
        json_decref(value);
    }
    assert_string_equal(err.place, "long:20001:4");
    ap__buf_deinit(&text);
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
        cmocka_unit_test(reading_json_quickly_is_reading_it),
        cmocka_unit_test(long_json_is_read_with_what_quick_reading_leaves),
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
