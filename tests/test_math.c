/* test_math.c - the math functions: exact results, refusals, and random
 * expressions against a plain evaluator of small fractions. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "functions/expression.h"
#include "functions/registry.h"

static struct ap_registry *registry;
static struct ap_env *env;

static int set_up(void **state)
{
    (void)state;
    struct ap_err err;
    const char *names[] = {"math"};
    if (ap__registry_select(names, 1, &registry, &err) != AP_OK)
        return -1;
    return ap__env_new(registry, &env, &err) == AP_OK ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    ap__env_free(env);
    ap__registry_free(registry);
    return 0;
}

/* The observation, cut before the signature. */
static const char *call(const char *text)
{
    static char observation[AP_OBSERVATION_MAX + 1];
    struct ap_call_result result;
    struct ap_err err;
    assert_int_equal(ap__env_call(env, text, strlen(text), &result, &err), AP_OK);
    snprintf(observation, sizeof observation, "%s", result.text);
    assert_int_equal(result.error, strncmp(observation, "Error: ", 7) == 0);
    ap__call_result_deinit(&result);
    return observation;
}

static void expect(const char *text, const char *want)
{
    const char *got = call(text);
    if (strcmp(got, want) != 0)
        fail_msg("%s gave\n  %s\nand not\n  %s", text, got, want);
}

/* The observation begins with want. */
static void expect_start(const char *text, const char *want)
{
    const char *got = call(text);
    if (strncmp(got, want, strlen(want)) != 0)
        fail_msg("%s gave\n  %s\nwhich does not begin with\n  %s", text, got, want);
}

static void arithmetic_is_exact(void **state)
{
    (void)state;
    expect("Sum(a=2, b=-3)", "-1");
    expect("Sum(0.1, 0.2)", "0.3");
    expect("Sum(a=1, b=2, c=3, d=1/3)", "19/3");
    expect("Product(2, 3, 4)", "24");
    expect("Product(a=1/3, b=3)", "1");
    expect("Subtract(7, 10)", "-3");
    expect("Divide(1, 3)", "1/3");
    expect("Divide(1, 8)", "0.125");
    expect("Percent(percent=20, of=50)", "10");
    expect("Percent(1/3, 100)", "1/3");
    expect("Power(2, 100)", "1267650600228229401496703205376");
    expect("Power(2, -2)", "0.25");
    expect("Power(9/4, 1/2)", "1.5");
    expect("Power(-8, 2/3)", "4");
    expect("Power(-1, 99999999999999999999)", "-1");
    expect("Power(0, 0)", "1");
    expect("Compare(1/3, 0.33)", "greater");
    expect("Compare(0.5, 1/2)", "equal");
    expect("Compare(-2, -1)", "less");
}

static void rounding_takes_halves_away_from_zero(void **state)
{
    (void)state;
    expect("Round(2.5)", "3");
    expect("Round(-2.5)", "-3");
    expect("Round(2.49999)", "2");
    expect("Round(2/3, 4)", "0.6667");
    expect("Round(value=2.345, decimals=2)", "2.35");
    expect("Round(5, 3)", "5");
    expect("Round(1.5, -1)", "Error: decimals must be a whole number from 0 to 30");
    expect("Round(1.5, 1000000000000)", "Error: decimals must be a whole number from 0 to 30");
}

static void impossible_and_huge_results_are_refused(void **state)
{
    (void)state;
    expect("Divide(1, 0)", "Error: division by zero");
    expect("Power(0, -1)", "Error: division by zero");
    expect("Power(2, 1/2)", "Error: the root is not an exact number");
    expect("Power(-4, 1/2)", "Error: the root is not an exact number");
    expect("Power(10, 10000000000)", "Error: the power is too large");
    expect("Power(10, 1e300)", "Error: the power is too large");
    expect("Power(1/10, 1e9)", "Error: the power is too large");
    expect("Power(2, 1/99999999999999999999)", "Error: the root is not an exact number");
    expect("Product(1e300, 1e300)", "Error: the result is too large");
    expect("Product(1e300, 1e300, 1e300, 1e300, 1e300)", "Error: the result is too large");
    expect("Evaluate('10^10^10')", "Error: the power is too large");
    expect("Evaluate('9^9^9^9^9^9^9')", "Error: the power is too large");
    expect("Evaluate('1/(2-2)')", "Error: division by zero");
}

static void expressions_follow_the_usual_precedence(void **state)
{
    (void)state;
    expect("Evaluate('2 + 3 * 4')", "14");
    expect("Evaluate('(2 + 3) * 4')", "20");
    expect("Evaluate('2 - 3 - 4')", "-5");
    expect("Evaluate('2 ^ 3 ^ 2')", "512");
    expect("Evaluate('-2 ** 2')", "-4");
    expect("Evaluate('2 ^ -1')", "0.5");
    expect("Evaluate('8 / 4 / 2')", "1");
    expect("Evaluate('2(3 + 4)(1)')", "14");
    expect("Evaluate('50% * 20 + 5%')", "10.05");
    expect("Evaluate('48 ÷ 2 × 3 − 1')", "71");
    expect("Evaluate('.5 + 1e2')", "100.5");
    expect("Evaluate('--3')", "3");
    expect_start("Evaluate('7 % 3')", "Error: expected an operator after % (it means per cent) at column 5, got `3`. ");
    expect_start("Evaluate('2 +')", "Error: expected a number or `(`, but the expression ends. ");
    expect_start("Evaluate('2 3')", "Error: expected an operator at column 3, got `3`. ");
    expect_start("Evaluate('(2')", "Error: expected `)`, but the expression ends. ");
    expect_start("Evaluate('2 + x')", "Error: only numbers are allowed, got `x` at column 5. ");
    expect_start("Evaluate('')", "Error: expected a number or `(`, but the expression ends. ");
    expect_start("Evaluate('1,000 + 1')", "Error: expected an operator at column 2, got `,`. ");
}

static void deep_expressions_are_refused(void **state)
{
    (void)state;
    char text[3000] = "Evaluate('";
    memset(text + 10, '(', 2000);
    strcpy(text + 2010, "')");
    expect("Evaluate('((((((((1))))))))')", "1");
    expect(text, "Error: the expression is nested too deeply");
    memset(text + 10, '-', 2000);
    expect(text, "Error: the expression is nested too deeply");
    memset(text + 10, '9', 2000);
    expect(text, "Error: a number gets too large");
    memset(text + 10, '1', 2500);
    strcpy(text + 2510, "')");
    expect(text, "Error: the expression is longer than 2048 bytes");
}

static void equations_are_solved_in_rationals(void **state)
{
    (void)state;
    expect("Solve('2x + 3 = 7')", "2");
    expect("Solve('3 * y = 1', 'y')", "1/3");
    expect("Solve(equation='5 = 2 - n', variable='n')", "-3");
    expect("Solve('x^2 - 5x + 6 = 0')", "2 or 3");
    expect("Solve('x^2 = 1/4')", "-0.5 or 0.5");
    expect("Solve('(x - 2)^2 = 0')", "2");
    expect("Solve('-x*x = -9')", "-3 or 3");
    expect("Solve('x * x = x * x + 2 * x - 4')", "2");
    expect("Solve('x^2 = -1')", "no real solution");
    expect("Solve('x = x + 1')", "no solution");
    expect("Solve('2x = x + x')", "every number");
    expect("Solve('x^2 = 2')", "Error: the solutions are not rational numbers");
    expect("Solve('x^3 = 8')", "Error: only linear and quadratic equations can be solved");
    expect("Solve('12 / x = 3')", "Error: the variable may not stand in a divisor; multiply by it first");
    expect("Solve('2^x = 8')", "Error: the variable may not stand in an exponent");
    expect_start("Solve('2x + 3')", "Error: an equation needs `=`. Solve(");
    expect_start("Solve('2y = 3')", "Error: expected the variable `x` at column 2, got `y`. ");
    expect_start("Solve('x = 1', '2')", "Error: variable must be a name like 'x'. ");
    expect_start("Solve('x = 1 = 2')", "Error: expected an operator at column 7, got `=`. ");
}

/* ---- the stupid twin: fractions of 64-bit integers ---- */

struct fraction {
    int64_t p, q;
    bool bad;
};

static struct fraction make(int64_t p, int64_t q)
{
    int64_t a = llabs(p), b = llabs(q);
    if (q == 0)
        return (struct fraction){0, 1, true};
    while (b != 0) {
        int64_t t = a % b;
        a = b;
        b = t;
    }
    if (q < 0)
        a = -a;
    return (struct fraction){p / a, q / a, llabs(p / a) > 1000000 || llabs(q / a) > 1000000};
}

static struct fraction apply(char op, struct fraction a, struct fraction b)
{
    if (a.bad || b.bad)
        return (struct fraction){0, 1, true};
    if (op == '*')
        return make(a.p * b.p, a.q * b.q);
    if (op == '/')
        return make(a.p * b.q, a.q * b.p);
    return make(a.p * b.q + (op == '+' ? b.p * a.q : -b.p * a.q), a.q * b.q);
}

/* Random fully bracketed expression into text; its value by fractions. */
static struct fraction generate(struct ap_rng *rng, int depth, struct ap_buf *text)
{
    static const char ops[] = "+-*/";
    if (depth == 0 || ap__rng_below(rng, 4) == 0) {
        int64_t n = ap__rng_range(rng, 0, 20);
        ap__buf_printf(text, "%lld", (long long)n);
        return make(n, 1);
    }
    char op = ops[ap__rng_below(rng, 4)];
    ap__buf_putc(text, '(');
    struct fraction a = generate(rng, depth - 1, text);
    ap__buf_printf(text, " %c ", op);
    struct fraction b = generate(rng, depth - 1, text);
    ap__buf_putc(text, ')');
    return apply(op, a, b);
}

static void random_expressions_agree_with_small_fractions(void **state)
{
    (void)state;
    struct ap_rng rng = ap__rng_make(3, "test", 0, 0, 0);
    int checked = 0;
    for (int i = 0; i < 5000; i++) {
        struct ap_buf text;
        struct ap_err err;
        mpq_t got, want;
        ap__buf_init(&text, 0);
        struct fraction value = generate(&rng, 4, &text);
        mpq_init(got);
        mpq_init(want);
        ap_status status = ap__expression_eval(ap__buf_cstr(&text), got, &err);
        if (!value.bad) {
            checked++;
            mpq_set_si(want, value.p, (unsigned long)value.q);
            if (status != AP_OK || !mpq_equal(got, want))
                fail_msg("%s should be %lld/%lld", ap__buf_cstr(&text), (long long)value.p, (long long)value.q);
        }
        mpq_clear(got);
        mpq_clear(want);
        ap__buf_deinit(&text);
    }
    assert_true(checked > 3000);
}

/* (a x + b)(c x + d) = 0 has the solutions -b/a and -d/c. */
static void random_quadratics_give_back_their_roots(void **state)
{
    (void)state;
    struct ap_rng rng = ap__rng_make(5, "test", 0, 0, 0);
    for (int i = 0; i < 500; i++) {
        char text[200], low[64], want[140];
        int64_t a = ap__rng_range(&rng, 1, 9), b = ap__rng_range(&rng, -9, 9), c = ap__rng_range(&rng, 1, 9),
                d = ap__rng_range(&rng, -9, 9);
        if (b * c < d * a) { /* order the roots: -b/a <= -d/c */
            int64_t t = a;
            a = c;
            c = t;
            t = b;
            b = d;
            d = t;
        }
        snprintf(text, sizeof text, "Divide(%lld, %lld)", (long long)-b, (long long)a);
        snprintf(low, sizeof low, "%s", call(text));
        snprintf(text, sizeof text, "Divide(%lld, %lld)", (long long)-d, (long long)c);
        if (b * c == d * a)
            snprintf(want, sizeof want, "%s", low);
        else
            snprintf(want, sizeof want, "%s or %.60s", low, call(text));
        snprintf(text, sizeof text, "Solve('(%lld x + %lld) * (%lld x + %lld) = 0')", (long long)a, (long long)b,
                 (long long)c, (long long)d);
        expect(text, want);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arithmetic_is_exact),
        cmocka_unit_test(rounding_takes_halves_away_from_zero),
        cmocka_unit_test(impossible_and_huge_results_are_refused),
        cmocka_unit_test(expressions_follow_the_usual_precedence),
        cmocka_unit_test(deep_expressions_are_refused),
        cmocka_unit_test(equations_are_solved_in_rationals),
        cmocka_unit_test(random_expressions_agree_with_small_fractions),
        cmocka_unit_test(random_quadratics_give_back_their_roots),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
