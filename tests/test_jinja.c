/* test_jinja.c - limits, failures, spans and variables of chat templates; the language itself is in
 * test_jinja_language.c, whole templates in test_jinja_templates.c. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "jinja/jinja.h"
#include "jinja/jinja_chat.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Text of a template without variables (ap__free), NULL when it fails. */
static char *run(const char *source, struct ap_err *err)
{
    struct ap_jinja *t = NULL;
    struct ap_buf out;
    json_t *none = json_object();
    *err = (struct ap_err){0};
    ap__buf_init(&out, 0);
    ap_status status = ap__jinja_parse(source, strlen(source), "chat", &t, err);
    if (status == AP_OK)
        status = ap__jinja_render(t, none, 0, &out, NULL, err);
    char *text = status == AP_OK ? ap__buf_take(&out) : NULL;
    assert_int_equal(status, err->code);
    json_decref(none);
    ap__jinja_free(t);
    ap__buf_deinit(&out);
    return text;
}

static void expect_failure(const char *source, ap_status code, const char *place, const char *message)
{
    struct ap_err err;
    char *text = run(source, &err);
    if (text || err.code != code || strcmp(err.place, place) != 0 || !strstr(err.message, message))
        fail_msg("%.60s: got %s (%s: %s)", source, text ? text : ap_status_text(err.code), err.place, err.message);
    assert_null(text);
}

/* ------------------------------------------------------------------ failures */

static void a_broken_template_is_named_with_its_line(void **state)
{
    (void)state;
    expect_failure("a\nb\n{% if x %}", AP_E_PARSE, "chat:3", "`{% endif %}` is missing for the tag on line 3");
    expect_failure("a\n{{ 1 +\n }}", AP_E_PARSE, "chat:3", "an expression is expected");
    expect_failure("{{ 'x }}", AP_E_PARSE, "chat:1", "the string has no end");
    expect_failure("{% endfor %}", AP_E_PARSE, "chat:1", "got `endfor`");
    expect_failure("\n\n{# x", AP_E_PARSE, "chat:3", "`#}` is missing");
    expect_failure("{{ (1] }}", AP_E_PARSE, "chat:1", "bracket");
    expect_failure("{% include 'x' %}", AP_E_PARSE, "chat:1", "got `include`");
}

static void a_failure_while_running_is_named_with_its_line(void **state)
{
    (void)state;
    expect_failure("a\n{{ x.y }}", AP_E_FORMAT, "chat:2", "'x' is undefined");
    expect_failure("{{ {}.a.b }}", AP_E_FORMAT, "chat:1", "'dict object' has no attribute 'a'");
    expect_failure("\n\n{% if 1 %}\n{{ raise_exception('No ' ~ 'good') }}{% endif %}", AP_E_FORMAT, "chat:4",
                   "No good");
    expect_failure("{{ 1 + 'a' }}", AP_E_FORMAT, "chat:1", "unsupported operand types for +: 'int' and 'str'");
    expect_failure("{{ 1 | nope }}", AP_E_FORMAT, "chat:1", "no filter named `nope`");
    expect_failure("{{ 1 is nope }}", AP_E_FORMAT, "chat:1", "no test named `nope`");
    expect_failure("{{ 'a' | replace('b') }}", AP_E_FORMAT, "chat:1", "`replace` needs the argument `new`");
    expect_failure("{{ 'a' | trim(x=1) }}", AP_E_FORMAT, "chat:1", "`trim` takes no argument `x`");
    expect_failure("{{ 9223372036854775807 + 1 }}", AP_E_FORMAT, "chat:1", "64 bits");
    expect_failure("{{ 99999999999999999999 }}", AP_E_PARSE, "chat:1", "too large");
}

static void text_that_is_not_utf8_is_refused(void **state)
{
    struct ap_jinja *t = NULL;
    struct ap_err err;
    (void)state;
    assert_int_equal(ap__jinja_parse("a\xff", 2, "chat", &t, &err), AP_E_PARSE);
    assert_null(t);
}

/* ------------------------------------------------------------------ limits */

static void endless_work_ends(void **state)
{
    (void)state;
    expect_failure("{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}", AP_E_LIMIT,
                   "chat:1", "too many steps");
    expect_failure("{% set n = namespace(s='x') %}{% for a in range(99) %}{% set n.s = n.s ~ n.s %}{% endfor %}",
                   AP_E_LIMIT, "chat:1", "too m");
    expect_failure("{% for a in range(100000) %}{{ 'x' * 100000 }}{% endfor %}", AP_E_LIMIT, "chat:1", "too m");
    expect_failure("{{ 'x' * 1000000000000 }}", AP_E_LIMIT, "chat:1", "too m");
    expect_failure("{{ '' * 9223372036854775807 ~ [[]] * 9000000000000000000 }}", AP_E_LIMIT, "chat:1", "too m");
    expect_failure("{{ '%99999999999d' % 1 }}", AP_E_FORMAT, "chat:1", "too large");
    expect_failure("{{ '{:99999999999}'.format(1) }}", AP_E_FORMAT, "chat:1", "Invalid format");
}

static char *repeat(const char *part, size_t times)
{
    struct ap_buf buf;
    ap__buf_init(&buf, 0);
    for (size_t i = 0; i < times; i++)
        assert_int_equal(ap__buf_puts(&buf, part), AP_OK);
    return ap__buf_take(&buf);
}

static void expect_deep(const char *before, const char *part, ap_status code)
{
    struct ap_buf source;
    struct ap_err err;
    char *middle = repeat(part, 20000);
    ap__buf_init(&source, 0);
    ap__buf_printf(&source, "%s%s", before, middle);
    assert_null(run(ap__buf_cstr(&source), &err));
    assert_int_equal(err.code, code);
    ap__buf_deinit(&source);
    ap__free(middle);
}

static void deep_nesting_fails_instead_of_overflowing_the_stack(void **state)
{
    (void)state;
    expect_deep("{{ ", "(", AP_E_PARSE);
    expect_deep("{{ ", "[", AP_E_PARSE);
    expect_deep("{{ ", "-", AP_E_PARSE);
    expect_deep("{{ ", "not ", AP_E_PARSE);
    expect_deep("{{ 1", " if 1 else 1", AP_E_PARSE);
    expect_deep("", "{% if 1 %}", AP_E_PARSE);
    expect_deep("{% set ", "(", AP_E_PARSE);
    expect_deep("{% for ", "(", AP_E_PARSE);
    expect_failure("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", AP_E_LIMIT, "chat:1", "too deeply");
    expect_failure("{% set n = namespace() %}{% set n.n = n %}{{ n }}", AP_E_LIMIT, "chat:1", "too deeply");
    expect_failure("{% set n = namespace(l=[]) %}{% for i in range(5000) %}{% set n.l = [n.l] %}{% endfor %}"
                   "{{ n.l|tojson }}", AP_E_LIMIT, "chat:1", "too deeply");
    expect_failure("{% set n = namespace(a=[], b=[]) %}{% for i in range(5000) %}{% set n.a = [n.a] %}"
                   "{% set n.b = [n.b] %}{% endfor %}{{ n.a == n.b }}", AP_E_LIMIT, "chat:1", "too deeply");
}

/* a.b.b.b... and 1+1+1...: long, not nested, for the parser; deep for who evaluates it. */
static void long_expressions_fail_instead_of_overflowing_the_stack(void **state)
{
    static const char *const parts[] = {"+1", ".b", "|abs", "[0]", "()", " and 1", " ~ 1", " == 1", "|d is d"};
    (void)state;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        struct ap_buf source;
        struct ap_err err;
        char *middle = repeat(parts[i], 20000);
        ap__buf_init(&source, 0);
        ap__buf_printf(&source, "{{ 1%s }}", middle);
        char *text = run(ap__buf_cstr(&source), &err);
        assert_true(text || err.message[0] != '\0');
        ap__free(text);
        ap__buf_deinit(&source);
        ap__free(middle);
    }
}

static void a_failed_rendering_leaves_the_output_as_it_was(void **state)
{
    static const char source[] = "new{% set x %}caught{{ y.z }}{% endset %}";
    struct ap_jinja *t = NULL;
    struct ap_err err;
    struct ap_buf out;
    struct ap_jinja_spans spans = {0};
    json_t *none = json_object();
    (void)state;
    ap__buf_init(&out, 0);
    ap__buf_puts(&out, "old");
    assert_int_equal(ap__jinja_parse(source, strlen(source), "chat", &t, &err), AP_OK);
    assert_int_equal(ap__jinja_render(t, none, 0, &out, &spans, &err), AP_E_FORMAT);
    assert_string_equal(ap__buf_cstr(&out), "old");
    assert_int_equal(spans.n, 0);
    json_decref(none);
    ap__jinja_free(t);
    ap__buf_deinit(&out);
}

/* Parse and render with the n-th allocation failing. */
static ap_status render_starved(int64_t n, const json_t *variables)
{
    static const char source[] =
        "{% macro m(a, b=[1]) %}{{ a ~ b }}{% endmacro %}{% for x in v %}{% generation %}{{ m(x) }}{% endgeneration %}"
        "{% set y %}{{ x|tojson|upper }}{% endset %}{{ y.split('A') }}{% endfor %}{{ '%5d' % 3 }}{{ v|sort|join }}";
    struct ap_jinja *t = NULL;
    struct ap_err err = {0};
    struct ap_buf out;
    struct ap_jinja_spans spans = {0};
    ap__buf_init(&out, 0);
    ap__alloc_fail_after(n);
    ap_status status = ap__jinja_parse(source, strlen(source), "chat", &t, &err);
    if (status == AP_OK)
        status = ap__jinja_render(t, variables, 0, &out, &spans, &err);
    ap__alloc_fail_after(0);
    assert_true(status == AP_OK || err.message[0] != '\0');
    ap__jinja_free(t);
    ap__buf_deinit(&out);
    ap__jinja_spans_deinit(&spans);
    return status;
}

static void running_out_of_memory_is_a_failure_like_others(void **state)
{
    json_t *variables = json_pack("{s:[s,s,s]}", "v", "b", "a", "c");
    int64_t n = 1;
    (void)state;
    while (render_starved(n, variables) != AP_OK)
        n++;
    assert_true(n > 5);
    json_decref(variables);
}

/* ------------------------------------------------------------------ spans, time, variables */

static void generation_blocks_are_reported_as_bytes_of_the_output(void **state)
{
    static const char source[] = "é{% for x in [1, 22] %}<{% generation %}ü{{ x }}{% endgeneration %}>{% endfor %}";
    struct ap_jinja *t = NULL;
    struct ap_err err;
    struct ap_buf out;
    struct ap_jinja_spans spans = {0};
    json_t *none = json_object();
    (void)state;
    ap__buf_init(&out, 0);
    assert_int_equal(ap__jinja_parse(source, strlen(source), "chat", &t, &err), AP_OK);
    assert_int_equal(ap__jinja_render(t, none, 0, &out, &spans, &err), AP_OK);
    assert_string_equal(ap__buf_cstr(&out), "é<ü1><ü22>");
    assert_int_equal(spans.n, 2);
    assert_int_equal(spans.span[0].begin, 3);
    assert_int_equal(spans.span[0].end, 6);
    assert_int_equal(spans.span[1].begin, 8);
    assert_int_equal(spans.span[1].end, 12);
    json_decref(none);
    ap__jinja_free(t);
    ap__buf_deinit(&out);
    ap__jinja_spans_deinit(&spans);
}

static void variables_are_those_that_transformers_gives(void **state)
{
    json_t *config = json_pack("{s:{s:s}, s:s, s:n, s:s}", "bos_token", "content", "<s>", "eos_token", "</s>",
                               "pad_token", "chat_template", "x");
    json_t *talk = json_pack("{s:[{s:s, s:s}, {s:s}], s:s}", "messages", "role", "assistant", "reasoning", "why",
                             "role", "user", "eos_token", "<end>");
    json_t *v = NULL, *expect;
    struct ap_err err;
    (void)state;
    assert_int_equal(ap__chat_variables(config, talk, "talk", true, &v, &err), AP_OK);
    expect = json_pack("{s:s, s:s, s:n, s:n, s:b, s:[{s:s, s:s, s:s, s:s}, {s:s}]}", "bos_token", "<s>", "eos_token",
                       "<end>", "tools", "documents", "add_generation_prompt", 1, "messages", "thinking", "why", "role",
                       "assistant", "reasoning", "why", "reasoning_content", "why", "role", "user");
    assert_true(json_equal(v, expect));
    assert_string_equal(ap__chat_template_text(config, true), "x");
    json_decref(v);
    json_decref(expect);
    json_decref(talk);
    json_decref(config);
}

static void a_template_is_chosen_by_name(void **state)
{
    json_t *config = json_pack("{s:[{s:s, s:s}, {s:s, s:s}, {s:s, s:s}]}", "chat_template", "name", "tool_use",
                               "template", "T", "name", "default", "template", "D", "name", "rag", "template", "R");
    (void)state;
    assert_string_equal(ap__chat_template_text(config, true), "T");
    assert_string_equal(ap__chat_template_text(config, false), "D");
    assert_null(ap__chat_template_text(NULL, false));
    json_decref(config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_broken_template_is_named_with_its_line),
        cmocka_unit_test(a_failure_while_running_is_named_with_its_line),
        cmocka_unit_test(text_that_is_not_utf8_is_refused),
        cmocka_unit_test(endless_work_ends),
        cmocka_unit_test(deep_nesting_fails_instead_of_overflowing_the_stack),
        cmocka_unit_test(long_expressions_fail_instead_of_overflowing_the_stack),
        cmocka_unit_test(a_failed_rendering_leaves_the_output_as_it_was),
        cmocka_unit_test(running_out_of_memory_is_a_failure_like_others),
        cmocka_unit_test(generation_blocks_are_reported_as_bytes_of_the_output),
        cmocka_unit_test(variables_are_those_that_transformers_gives),
        cmocka_unit_test(a_template_is_chosen_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
