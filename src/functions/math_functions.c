/* math_functions.c - exact arithmetic for models.
 *
 *   Sum Product Subtract Divide Power Percent Round Compare   numbers -> number
 *   Evaluate(expression)                                      text -> number
 *   Solve(equation, variable)                                 text -> solutions
 *
 * Arguments are at most AP_NUMBER_MAX_BITS wide and every result is checked
 * against that again, so each operation's cost is bounded. */
#include "functions/registry.h"
#include "functions/expression.h"
#include <ctype.h>
#include <string.h>

/* Number argument `index` as mpq. */
static mpq_srcptr number(const struct ap_invocation *call, int32_t index)
{
    return ap__invocation_arg(call, index)->as.number;
}

/* Refuse in the words of err; the form of the call is shown again when the
 * text could not be read. */
static ap_status refuse(struct ap_invocation *call, ap_status status, const struct ap_err *err)
{
    if (status == AP_E_PARSE)
        return ap_result_error(call, "%s", err->message);
    return ap__result_refusal(call, "%s", err->message);
}

/* Fold all arguments with op, refusing as soon as a partial result is too large. */
static ap_status fold(struct ap_invocation *call, void (*op)(mpq_ptr, mpq_srcptr, mpq_srcptr))
{
    mpq_t result;
    mpq_init(result);
    mpq_set(result, number(call, 0));
    for (int32_t i = 1; i < ap_arg_count(call) && ap__number_fits(result); i++)
        op(result, result, number(call, i));
    ap_status status = ap__result_number(call, result);
    mpq_clear(result);
    return status;
}

static ap_status run_sum(struct ap_invocation *call)
{
    return fold(call, mpq_add);
}

static ap_status run_product(struct ap_invocation *call)
{
    return fold(call, mpq_mul);
}

static ap_status run_subtract(struct ap_invocation *call)
{
    return fold(call, mpq_sub);
}

static ap_status run_divide(struct ap_invocation *call)
{
    if (mpq_sgn(number(call, 1)) == 0)
        return ap__result_refusal(call, "division by zero");
    return fold(call, mpq_div);
}

static ap_status run_power(struct ap_invocation *call)
{
    struct ap_err err;
    mpq_t result;
    mpq_init(result);
    ap_status status = ap__number_power(number(call, 0), number(call, 1), result, &err);
    status = status == AP_OK ? ap__result_number(call, result) : refuse(call, status, &err);
    mpq_clear(result);
    return status;
}

static ap_status run_percent(struct ap_invocation *call)
{
    mpq_t result, hundred;
    mpq_init(result);
    mpq_init(hundred);
    mpq_set_ui(hundred, 100, 1);
    mpq_mul(result, number(call, 0), number(call, 1));
    mpq_div(result, result, hundred);
    ap_status status = ap__result_number(call, result);
    mpq_clear(hundred);
    mpq_clear(result);
    return status;
}

/* *value = nearest integer, halves away from zero. */
static void round_half_away(mpq_t value)
{
    mpz_t doubled, den;
    mpz_init(doubled);
    mpz_init(den);
    bool negative = mpq_sgn(value) < 0;
    mpq_abs(value, value);
    mpz_mul_2exp(doubled, mpq_numref(value), 1);
    mpz_add(doubled, doubled, mpq_denref(value)); /* floor((2 n + d) / 2 d) */
    mpz_mul_2exp(den, mpq_denref(value), 1);
    mpz_fdiv_q(doubled, doubled, den);
    mpq_set_z(value, doubled);
    if (negative)
        mpq_neg(value, value);
    mpz_clear(den);
    mpz_clear(doubled);
}

static ap_status run_round(struct ap_invocation *call)
{
    mpq_t result, scale;
    mpq_srcptr decimals = number(call, 1);
    if (mpz_cmp_ui(mpq_denref(decimals), 1) != 0 || mpq_sgn(decimals) < 0 || mpq_cmp_ui(decimals, 30, 1) > 0)
        return ap__result_refusal(call, "decimals must be a whole number from 0 to 30");
    mpq_init(result);
    mpq_init(scale);
    mpz_ui_pow_ui(mpq_numref(scale), 10, mpz_get_ui(mpq_numref(decimals)));
    mpq_mul(result, number(call, 0), scale);
    round_half_away(result);
    mpq_div(result, result, scale);
    ap_status status = ap__result_number(call, result);
    mpq_clear(scale);
    mpq_clear(result);
    return status;
}

static ap_status run_compare(struct ap_invocation *call)
{
    int order = mpq_cmp(number(call, 0), number(call, 1));
    return ap_result_text(call, "%s", order < 0 ? "less" : order > 0 ? "greater" : "equal");
}

static ap_status run_evaluate(struct ap_invocation *call)
{
    struct ap_err err;
    mpq_t result;
    mpq_init(result);
    ap_status status = ap__expression_eval(ap_arg_text(call, 0), result, &err);
    status = status == AP_OK ? ap__result_number(call, result) : refuse(call, status, &err);
    mpq_clear(result);
    return status;
}

/* ---- Solve ---- */

static ap_status solve_linear(struct ap_invocation *call, const mpq_t *c)
{
    mpq_t root;
    if (mpq_sgn(c[1]) == 0)
        return ap_result_text(call, mpq_sgn(c[0]) == 0 ? "every number" : "no solution");
    mpq_init(root);
    mpq_div(root, c[0], c[1]);
    mpq_neg(root, root);
    ap_status status = ap__result_number(call, root);
    mpq_clear(root);
    return status;
}

/* "low or high" of (-c1 -+ s) / 2 c2 */
static ap_status print_roots(struct ap_invocation *call, const mpq_t *c, const mpq_t s)
{
    mpq_t low, high, divisor;
    struct ap_buf text;
    mpq_init(low);
    mpq_init(high);
    mpq_init(divisor);
    ap__buf_init(&text, 0);
    mpq_add(divisor, c[2], c[2]);
    mpq_add(low, c[1], s);
    mpq_neg(low, low);
    mpq_sub(high, s, c[1]);
    mpq_div(low, low, divisor);
    mpq_div(high, high, divisor);
    if (mpq_cmp(low, high) > 0)
        mpq_swap(low, high);
    ap__number_print(low, &text);
    if (!mpq_equal(low, high)) {
        ap__buf_puts(&text, " or ");
        ap__number_print(high, &text);
    }
    bool fits = ap__number_fits(low) && ap__number_fits(high);
    ap_status status = fits ? ap_result_text(call, "%s", ap__buf_cstr(&text))
                            : ap__result_refusal(call, "the result is too large");
    ap__buf_deinit(&text);
    mpq_clear(divisor);
    mpq_clear(high);
    mpq_clear(low);
    return status;
}

static ap_status solve_quadratic(struct ap_invocation *call, const mpq_t *c)
{
    mpq_t disc, four;
    ap_status status;
    mpq_init(disc);
    mpq_init(four);
    mpq_set_ui(four, 4, 1);
    mpq_mul(four, four, c[2]);
    mpq_mul(four, four, c[0]);
    mpq_mul(disc, c[1], c[1]);
    mpq_sub(disc, disc, four);
    if (mpq_sgn(disc) < 0) {
        status = ap_result_text(call, "no real solution");
    } else if (!mpz_perfect_square_p(mpq_numref(disc)) || !mpz_perfect_square_p(mpq_denref(disc))) {
        status = ap__result_refusal(call, "the solutions are not rational numbers");
    } else {
        mpz_sqrt(mpq_numref(disc), mpq_numref(disc));
        mpz_sqrt(mpq_denref(disc), mpq_denref(disc));
        status = print_roots(call, c, disc);
    }
    mpq_clear(four);
    mpq_clear(disc);
    return status;
}

static bool valid_variable(const char *name)
{
    if (!isalpha((unsigned char)name[0]) || strlen(name) > 32)
        return false;
    for (const char *c = name; *c != '\0'; c++) {
        if (!isalnum((unsigned char)*c) && *c != '_')
            return false;
    }
    return true;
}

static ap_status run_solve(struct ap_invocation *call)
{
    struct ap_err err;
    mpq_t c[AP_POLY_TERMS];
    if (!valid_variable(ap_arg_text(call, 1)))
        return ap_result_error(call, "variable must be a name like 'x'");
    for (int i = 0; i < AP_POLY_TERMS; i++)
        mpq_init(c[i]);
    ap_status status = ap__equation_poly(ap_arg_text(call, 0), ap_arg_text(call, 1), c, &err);
    if (status != AP_OK)
        status = refuse(call, status, &err);
    else
        status = mpq_sgn(c[2]) != 0 ? solve_quadratic(call, c) : solve_linear(call, c);
    for (int i = 0; i < AP_POLY_TERMS; i++)
        mpq_clear(c[i]);
    return status;
}

/* ---- table ---- */

#define NUMBER(name, what) {name, AP_TYPE_NUMBER, what, NULL}
static const struct ap_param two[] = {NUMBER("a", "first number"), NUMBER("b", "second number")};
static const struct ap_param power[] = {NUMBER("base", "number to raise"), NUMBER("exponent", "the power")};
static const struct ap_param percent[] = {NUMBER("percent", "how many per cent"), NUMBER("of", "of which number")};
static const struct ap_param rounding[] = {NUMBER("value", "number to round"),
                                           {"decimals", AP_TYPE_NUMBER, "digits to keep", "0"}};
static const struct ap_param expression[] = {{"expression", AP_TYPE_STRING, "numbers, + - * / ^ and brackets", NULL}};
static const struct ap_param equation[] = {{"equation", AP_TYPE_STRING, "left = right", NULL},
                                           {"variable", AP_TYPE_STRING, "the unknown", "'x'"}};
#define PARAMS(array) .params = array, .n_params = sizeof array / sizeof *array

static const struct ap_function functions[] = {
    {.name = "Sum", .description = "adds two or more numbers.", .example = "Sum(a=2, b=3)", PARAMS(two),
     .max_args = 32, .run = run_sum},
    {.name = "Subtract", .description = "takes b away from a.", .example = "Subtract(a=7, b=3)", PARAMS(two),
     .run = run_subtract},
    {.name = "Product", .description = "multiplies two or more numbers.", .example = "Product(a=2, b=3)", PARAMS(two),
     .max_args = 32, .run = run_product},
    {.name = "Divide", .description = "divides a by b.", .example = "Divide(a=6, b=3)", PARAMS(two),
     .run = run_divide},
    {.name = "Power", .description = "raises base to exponent.", .example = "Power(base=2, exponent=3)",
     PARAMS(power), .run = run_power},
    {.name = "Percent", .description = "takes a percentage of a number.", .example = "Percent(percent=20, of=50)",
     PARAMS(percent), .run = run_percent},
    {.name = "Round", .description = "rounds, halves away from zero.", .example = "Round(value=2.345, decimals=2)",
     PARAMS(rounding), .run = run_round},
    {.name = "Compare", .description = "tells if a is less than, equal to or greater than b.",
     .example = "Compare(a=2, b=3)", PARAMS(two), .run = run_compare},
    {.name = "Evaluate", .description = "computes an expression.", .example = "Evaluate(expression='2 * (3 + 4)')",
     PARAMS(expression), .run = run_evaluate},
    {.name = "Solve", .description = "solves a linear or quadratic equation.",
     .example = "Solve(equation='2 * x + 3 = 7', variable='x')", PARAMS(equation), .run = run_solve},
};

const struct ap_function *ap__math_functions(int32_t *n)
{
    *n = sizeof functions / sizeof *functions;
    return functions;
}
