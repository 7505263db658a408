/* test_jinja_templates.c - whole chat templates, of real models and our own, as transformers renders them.
 *
 *     templates.json: {file, tokens, {conversation: [without cue, with cue]}}
 *     conversations.json, the file  -->  text, spans  -->  the same length, hash and spans
 *
 * The models' templates are not in this repository: where ../shared/data is missing they are skipped. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "base/file.h"
#include "base/text.h"
#include "jinja/jinja.h"
#include "jinja/jinja_chat.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static json_t *fixture, *conversations;

static void fnv(const char *s, size_t n, char out[17])
{
    uint64_t h = 0xCBF29CE484222325u;
    for (size_t i = 0; i < n; i++)
        h = (h ^ (unsigned char)s[i]) * 0x100000001B3u;
    snprintf(out, 17, "%016" PRIx64, h);
}

static bool spans_agree(const json_t *expect, const struct ap_jinja_spans *spans)
{
    if (json_array_size(expect) != spans->n)
        return false;
    for (size_t i = 0; i < spans->n; i++) {
        const json_t *span = json_array_get(expect, i);
        if (json_integer_value(json_array_get(span, 0)) != (json_int_t)spans->span[i].begin ||
            json_integer_value(json_array_get(span, 1)) != (json_int_t)spans->span[i].end)
            return false;
    }
    return true;
}

/* One text; where it differs, it is printed. */
static bool check_text(const char *file, const char *talk, const struct ap_jinja *t, const json_t *tokens, bool cue,
                       const json_t *expect)
{
    struct ap_err err = {0};
    struct ap_buf out;
    struct ap_jinja_spans spans = {0};
    json_t *variables = NULL;
    char hash[17];
    ap__buf_init(&out, 0);
    ap_status status = ap__chat_variables(tokens, json_object_get(conversations, talk), talk, cue, &variables, &err);
    assert_int_equal(status, AP_OK);
    status = ap__jinja_render(t, variables, ap__json_i64_or(fixture, "now", 0), &out, &spans, &err);
    fnv(ap__buf_cstr(&out), out.len, hash);
    const json_t *expect_spans = json_object_get(expect, "spans");
    bool raises = json_object_get(expect, "raises") != NULL;
    bool good = raises ? status == AP_E_FORMAT
                       : status == AP_OK && strcmp(hash, ap__json_str_or(expect, "fnv", "")) == 0 &&
                             (!expect_spans || spans_agree(expect_spans, &spans));
    if (!good)
        print_error("%s, \"%s\"%s: expected %s %s, got %zu bytes %s %s: %s\n%s\n", file, talk, cue ? " with cue" : "",
                    ap__json_str_or(expect, "raises", "hash"), ap__json_str_or(expect, "fnv", ""), out.len, hash,
                    err.place, err.message, ap__buf_cstr(&out));
    json_decref(variables);
    ap__buf_deinit(&out);
    ap__jinja_spans_deinit(&spans);
    return good;
}

/* The template's text, or NULL when the file is not there or is another version. */
static char *read_template(const json_t *source)
{
    const char *file = ap__json_str_or(source, "file", "");
    char *text = NULL, hash[17];
    struct ap_err err;
    struct ap_buf buf;
    json_t *config = NULL;
    ap__buf_init(&buf, 0);
    if (ap__ends_with(file, ".jinja")) {
        if (ap__file_read(file, 1 << 20, &buf, &err) == AP_OK)
            text = ap__strdup(ap__buf_cstr(&buf));
    } else if (ap__json_load(file, &config, &err) == AP_OK) {
        text = ap__strdup(ap__chat_template_text(config, false));
    }
    json_decref(config);
    ap__buf_deinit(&buf);
    fnv(text ? text : "", text ? strlen(text) : 0, hash);
    if (text && strcmp(hash, ap__json_str_or(source, "fnv", "")) == 0)
        return text;
    print_message("skipped: %s is %s\n", file, text ? "another version" : "not there");
    ap__free(text);
    return NULL;
}

/* Returns texts compared; *bad counts those that differ. */
static size_t check_template(const json_t *source, size_t *bad)
{
    const char *file = ap__json_str_or(source, "file", ""), *talk;
    char *text = read_template(source);
    json_t *expect;
    size_t n = 0;
    struct ap_jinja *t = NULL;
    struct ap_err err = {0};
    if (!text)
        return 0;
    if (ap__jinja_parse(text, strlen(text), file, &t, &err) != AP_OK)
        fail_msg("%s: %s", err.place, err.message);
    json_object_foreach(json_object_get(source, "cases"), talk, expect)
        for (size_t cue = 0; cue < 2; cue++, n++)
            *bad += !check_text(file, talk, t, json_object_get(source, "tokens"), cue, json_array_get(expect, cue));
    ap__jinja_free(t);
    ap__free(text);
    return n;
}

static void check_all(bool own)
{
    const json_t *source;
    size_t i, n = 0, bad = 0;
    json_array_foreach(json_object_get(fixture, "templates"), i, source)
        if (ap__starts_with(ap__json_str_or(source, "file", ""), "tests/") == own)
            n += check_template(source, &bad);
    print_message("%zu texts\n", n);
    assert_int_equal(bad, 0);
    if (own)
        assert_true(n > 100);
}

static void our_own_templates_give_the_texts_of_transformers(void **state)
{
    (void)state;
    check_all(true);
}

static void templates_of_real_models_give_the_texts_of_transformers(void **state)
{
    (void)state;
    check_all(false);
}

static int set_up(void **state)
{
    struct ap_err err;
    (void)state;
    setenv("TZ", "UTC", 1);
    return ap__json_load(AP_TEST_DATA "/jinja/templates.json", &fixture, &err) ||
           ap__json_load(AP_TEST_DATA "/jinja/conversations.json", &conversations, &err);
}

static int tear_down(void **state)
{
    (void)state;
    json_decref(fixture);
    json_decref(conversations);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(our_own_templates_give_the_texts_of_transformers),
        cmocka_unit_test(templates_of_real_models_give_the_texts_of_transformers),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
