/* test_call.c - values, number texts and the call parser, also against hostile text. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "base/rng.h"
#include "functions/call.h"

/* Canonical text of the call, or the error message; in a static buffer. */
static const char *reparse(const char *text, size_t len)
{
    static char result[AP_CALL_MAX_TEXT * 2];
    struct ap_call call;
    struct ap_err err;
    if (ap__call_parse(text, len, &call, &err) != AP_OK) {
        assert_null(call.name);
        snprintf(result, sizeof result, "%s", err.message);
        return result;
    }
    struct ap_buf out;
    ap__buf_init(&out, 0);
    ap__call_print(&call, &out);
    snprintf(result, sizeof result, "%s", ap__buf_cstr(&out));
    ap__buf_deinit(&out);
    ap__call_deinit(&call);
    return result;
}

static void expect(const char *text, const char *want)
{
    assert_string_equal(reparse(text, strlen(text)), want);
}

static void calls_are_read_and_printed_canonically(void **state)
{
    (void)state;
    expect("Sum(a=2, b=-3)", "Sum(a=2, b=-3)");
    expect("  Sum ( 2 ,b = +3.50 )\n", "Sum(2, b=3.5)");
    expect("F()", "F()");
    expect("F(1,)", "F(1)");
    expect("F(1e3, .5, -2E-2, 4/6)", "F(1000, 0.5, -0.02, 2/3)");
    expect("F(True, False, None, true, null)", "F(True, False, None, True, None)");
    expect("F([1, 'a', [2, []]], x = [ ])", "F([1, 'a', [2, []]], x=[])");
    expect("F('it\\'s', \"it's\", 'a\"b', '\\n\\t\\\\')", "F(\"it's\", \"it's\", 'a\"b', '\\n\\t\\\\')");
    expect("F('\\u00e9 \\xe9 \\ud83d\\ude00 \\q')", "F('é é 😀 \\\\q')");
    expect("F('∀x (P(x) → Q(x))')", "F('∀x (P(x) → Q(x))')");
}

static void json_calls_mean_the_same(void **state)
{
    (void)state;
    expect("{\"name\": \"Sum\", \"arguments\": {\"a\": 2, \"b\": -3.25}}", "Sum(a=2, b=-3.25)");
    expect("{\"arguments\":{},\"name\":\"F\"}", "F()");
    expect("{\"name\": \"F\"}", "F()");
    expect("{\"name\": \"F\", \"arguments\": {\"l\": [true, null, \"x\\u0041\"]}}", "F(l=[True, None, 'xA'])");
    expect("{\"name\": \"F\", \"arguments\": {\"a\": 0.1}}", "F(a=0.1)"); /* exact, not a double */
    expect("{\"name\": \"F\", \"arguments\": {\"a\": 1, \"a\": 2}}", "argument `a` is given twice at column 37");
    expect("{\"name\": \"F\", \"args\": {}}", "expected \"name\" and \"arguments\" once each, got \"args\" at column 23");
    expect("{\"name\": \"F\", \"arguments\": {\"a b\": 1}}", "`a b` is not a name at column 29");
    expect("{\"name\": \"F G\"}", "`F G` is not a name at column 16");
    expect("{\"arguments\": {}}", "the call has no \"name\" at column 18");
    expect("{\"name\": \"F\", \"arguments\": [1]}", "expected `{` after \"arguments\":, got `[` at column 28");
    expect("{\"name\": \"F\"", "expected `,` or `}`, but the text ends at column 13");
}

static void anything_else_is_an_error_with_its_column(void **state)
{
    (void)state;
    expect("", "expected a function name, but the text ends at column 1");
    expect("I think so", "expected `(` after the function name, got `t` at column 3");
    expect("Sum(2, 3) Sum(4, 5)", "expected one call and nothing after it, got `S` at column 11");
    expect("Sum(2+3, 4)", "expected `,` or `)`, got `+` at column 6");
    expect("Sum(2, 3", "expected `,` or `)`, but the text ends at column 9");
    expect("F(é)", "expected a number, a string in quotes, True, False, None or a list, got `é` at column 3");
    expect("F(cat)", "expected a value, got the word `cat` (text needs quotes) at column 3");
    expect("F(a=1, 2)", "a positional argument may not follow a keyword argument at column 8");
    expect("F(a=1, a=2)", "argument `a` is given twice at column 8");
    expect("F('abc)", "the string that begins with ' is not closed at column 3");
    expect("F('a\nb')", "the string that begins with ' is not closed at column 3");
    expect("F('\\x0g')", "broken escape `\\x` at column 5");
    expect("F('\\u0000')", "broken escape `\\u` at column 5");
    expect("F('\\ud800')", "broken escape `\\u` at column 5");
    expect("F(1/0)", "the number `1/0` is too large or divides by zero at column 3");
    expect("F(1e999)", "the number `1e999` is too large or divides by zero at column 3");
    assert_string_equal(reparse("F('a\0b')", 8), "the call is not valid UTF-8 text");
    assert_string_equal(reparse("F('\xff')", 6), "the call is not valid UTF-8 text");
}

static void ceilings_hold_against_nesting_and_length(void **state)
{
    (void)state;
    static char text[AP_CALL_MAX_TEXT + 64];
    memset(text, 0, sizeof text);
    strcpy(text, "F(");
    memset(text + 2, '[', 10000);
    expect(text, "lists nested deeper than 8");
    memset(text + 2, '9', 10000);
    expect(text, "a number of more than 700 characters at column 3");
    memset(text, 'F', AP_CALL_MAX_TEXT + 1);
    expect(text, "the call is longer than 16384 bytes");
    text[100] = '\0';
    expect(text, "a name longer than 64 bytes");
    strcpy(text, "F(");
    for (int i = 0; i < 65; i++)
        strcat(text, "1,");
    expect(text, "more than 64 arguments");
    strcpy(text, "F([");
    for (int i = 0; i < 1100; i++)
        strcat(text, "1,");
    expect(text, "more than 1024 values in one call");
}

/* ---- numbers ---- */

static const char *number(const char *text, bool (*read)(const char *, mpq_t))
{
    static char result[2048];
    mpq_t value;
    struct ap_buf out;
    mpq_init(value);
    ap__buf_init(&out, 0);
    if (read(text, value))
        ap__number_print(value, &out);
    else
        ap__buf_puts(&out, "no");
    snprintf(result, sizeof result, "%s", ap__buf_cstr(&out));
    ap__buf_deinit(&out);
    mpq_clear(value);
    return result;
}

static void number_texts_are_strict(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {
        {"0", "0"},       {"-0", "0"},         {"007", "7"},      {"2.50", "2.5"},      {".5", "0.5"},
        {"5.", "5"},      {"1e3", "1000"},     {"12E-1", "1.2"},  {"1/3", "1/3"},       {"-2/4", "-0.5"},
        {"1/1024", "0.0009765625"},            {"", "no"},        {"-", "no"},          {".", "no"},
        {"1 ", "no"},     {"1e", "no"},        {"1e301", "no"},   {"1/0", "no"},        {"1/-2", "no"},
        {"1,000", "no"},  {"0x10", "no"},      {"1/2/3", "no"},   {"--1", "no"},        {"1e99999999999999999999", "no"},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
        assert_string_equal(number(pairs[i][0], ap__number_parse), pairs[i][1]);
}

static void number_texts_of_people_are_read_leniently(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {
        {" 1,234,567.50 ", "1234567.5"}, {"$70,000", "70000"}, {"-$5", "-5"}, {"€ 5", "no"}, {"£3.20.", "3.2"},
        {"20%", "20"}, {"20 %", "20"}, {"5.", "5"}, {"1,23", "no"}, {"1,2345", "no"}, {",123", "no"},
        {"$-3", "-3"}, {"", "no"}, {"about 5", "no"}, {"1/3", "1/3"}, {"1,000/3", "1000/3"},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
        assert_string_equal(number(pairs[i][0], ap__number_read_lenient), pairs[i][1]);
}

/* The stupid twin: p/q by long division on 64-bit integers. */
static void long_division(int64_t p, int64_t q, char *out)
{
    int64_t a = p < 0 ? -p : p, rest = a % q, g = a, h = q;
    int n = sprintf(out, "%s%lld", p < 0 ? "-" : "", (long long)(a / q));
    if (rest == 0)
        return;
    out[n++] = '.';
    for (int i = 0; i < 64 && rest != 0; i++) {
        rest *= 10;
        out[n++] = (char)('0' + rest / q);
        rest %= q;
    }
    out[n] = '\0';
    if (rest == 0)
        return;
    while (h != 0) {
        int64_t t = g % h;
        g = h;
        h = t;
    }
    sprintf(out, "%lld/%lld", (long long)(p / g), (long long)(q / g));
}

static void printed_numbers_agree_with_long_division_and_read_back(void **state)
{
    (void)state;
    struct ap_rng rng = ap__rng_make(7, "test", 0, 0, 0);
    for (int i = 0; i < 20000; i++) {
        char literal[64], want[128];
        int64_t p = ap__rng_range(&rng, -1000000, 1000000), q = ap__rng_range(&rng, 1, i % 2 ? 4096 : 60);
        snprintf(literal, sizeof literal, "%lld/%lld", (long long)p, (long long)q);
        long_division(p, q, want);
        if (strcmp(number(literal, ap__number_parse), want) != 0)
            fail_msg("%s printed as %s, long division says %s", literal, number(literal, ap__number_parse), want);
        assert_string_equal(number(want, ap__number_parse), want);
    }
}

/* ---- values ---- */

static void copies_of_values_live_on_their_own(void **state)
{
    (void)state;
    static const char *const texts[] = {"None", "True", "1/3", "'it'", "[1, ['a', None], []]"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct ap_value value, copy;
        struct ap_buf out;
        struct ap_err err;
        assert_int_equal(ap__call_parse_value(texts[i], strlen(texts[i]), &value, &err), AP_OK);
        assert_int_equal(ap__value_copy(&value, &copy, &err), AP_OK);
        ap__value_deinit(&value);
        ap__buf_init(&out, 0);
        ap__value_print_quoted(&copy, &out);
        assert_string_equal(ap__buf_cstr(&out), texts[i]);
        ap__buf_deinit(&out);
        ap__value_deinit(&copy);
    }
}

/* ---- hostile text ---- */

/* Random mutations: no crash, and what parses prints to something that parses to the same text. */
static void mutated_calls_parse_or_fail_cleanly(void **state)
{
    (void)state;
    static const char *const seeds[] = {
        "Sum(a=2, b=-3.5e2, c=[1, 'x', True])", "{\"name\": \"F\", \"arguments\": {\"a\": [1, \"\\u00e9\"]}}",
        "Prove(goal='∀x (Cat(x) → ¬Dog(x))')"};
    static const char bits[] = "()[]{},='\"\\:.-+/0e9aTx \n\xc3\xa9";
    struct ap_rng rng = ap__rng_make(11, "test", 0, 0, 0);
    for (int i = 0; i < 30000; i++) {
        char text[128], first[1024];
        struct ap_call call;
        struct ap_err err;
        size_t n = strlen(strcpy(text, seeds[i % 3]));
        for (uint32_t k = ap__rng_below(&rng, 4) + 1; k > 0; k--)
            text[ap__rng_below(&rng, (uint32_t)n)] = bits[ap__rng_below(&rng, sizeof bits)];
        if (ap__call_parse(text, n, &call, &err) != AP_OK)
            continue;
        ap__call_deinit(&call);
        snprintf(first, sizeof first, "%s", reparse(text, n));
        assert_string_equal(reparse(first, strlen(first)), first);
    }
}

static void failing_allocations_leave_nothing_behind(void **state)
{
    (void)state;
    const char *text = "F(a=[1, 'two', [3]], b='four', c=None)";
    for (int64_t n = 1; n < 64; n++) {
        struct ap_call call;
        struct ap_err err;
        ap__alloc_fail_after(n);
        ap_status status = ap__call_parse(text, strlen(text), &call, &err);
        ap__alloc_fail_after(0);
        assert_true(status == AP_OK || status == AP_E_MEMORY);
        ap__call_deinit(&call);
        if (status == AP_OK)
            return;
    }
    fail_msg("64 allocations did not suffice");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(calls_are_read_and_printed_canonically),
        cmocka_unit_test(json_calls_mean_the_same),
        cmocka_unit_test(anything_else_is_an_error_with_its_column),
        cmocka_unit_test(ceilings_hold_against_nesting_and_length),
        cmocka_unit_test(number_texts_are_strict),
        cmocka_unit_test(number_texts_of_people_are_read_leniently),
        cmocka_unit_test(printed_numbers_agree_with_long_division_and_read_back),
        cmocka_unit_test(copies_of_values_live_on_their_own),
        cmocka_unit_test(mutated_calls_parse_or_fail_cleanly),
        cmocka_unit_test(failing_allocations_leave_nothing_behind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
