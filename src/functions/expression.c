/* expression.c - evaluates while it parses, by recursive descent.
 *
 *   sum     = product { (+ | -) product }
 *   product = unary { (* | / | nothing) unary }
 *   unary   = (+ | -) unary | power
 *   power   = postfix [ (^ | **) unary ]
 *   postfix = atom { % }
 *   atom    = number | variable | ( sum )
 *
 * Every node's value is a polynomial c0 + c1 v + c2 v^2; without a variable
 * only c0 is ever set.  Each operation checks the size of what it made. */
#include "functions/expression.h"
#include "base/text.h"
#include <ctype.h>
#include <string.h>

struct poly {
    mpq_t c[AP_POLY_TERMS];
};

struct reader {
    const char *text; /* (end,) */
    size_t pos, end;
    const char *variable; /* NULL: none allowed */
    int32_t depth;
    struct ap_err *err;
};

static ap_status read_sum(struct reader *r, struct poly *out) AP_MUST_CHECK;
static ap_status read_unary(struct reader *r, struct poly *out) AP_MUST_CHECK;

/* ---- polynomials ---- */

static void poly_init(struct poly *p)
{
    for (int i = 0; i < AP_POLY_TERMS; i++)
        mpq_init(p->c[i]);
}

static void poly_clear(struct poly *p)
{
    for (int i = 0; i < AP_POLY_TERMS; i++)
        mpq_clear(p->c[i]);
}

static void poly_set(struct poly *out, const struct poly *p)
{
    for (int i = 0; i < AP_POLY_TERMS; i++)
        mpq_set(out->c[i], p->c[i]);
}

static bool poly_constant(const struct poly *p)
{
    return mpq_sgn(p->c[1]) == 0 && mpq_sgn(p->c[2]) == 0;
}

static ap_status poly_check(const struct poly *p, struct ap_err *err)
{
    for (int i = 0; i < AP_POLY_TERMS; i++) {
        if (!ap__number_fits(p->c[i]))
            return ap__fail(err, AP_E_LIMIT, NULL, "a number gets too large");
    }
    return AP_OK;
}

/* out += sign * p */
static void poly_add(struct poly *out, const struct poly *p, int sign)
{
    for (int i = 0; i < AP_POLY_TERMS; i++) {
        if (sign > 0)
            mpq_add(out->c[i], out->c[i], p->c[i]);
        else
            mpq_sub(out->c[i], out->c[i], p->c[i]);
    }
}

/* out *= p */
static ap_status poly_mul(struct poly *out, const struct poly *p, struct ap_err *err)
{
    struct poly result;
    mpq_t term;
    ap_status status = AP_OK;
    poly_init(&result);
    mpq_init(term);
    for (int i = 0; i < AP_POLY_TERMS; i++) {
        for (int j = 0; j < AP_POLY_TERMS; j++) {
            mpq_mul(term, out->c[i], p->c[j]);
            if (i + j < AP_POLY_TERMS)
                mpq_add(result.c[i + j], result.c[i + j], term);
            else if (mpq_sgn(term) != 0)
                status = ap__fail(err, AP_E_ARG, NULL, "only linear and quadratic equations can be solved");
        }
    }
    poly_set(out, &result);
    mpq_clear(term);
    poly_clear(&result);
    return status != AP_OK ? status : poly_check(out, err);
}

/* out /= p */
static ap_status poly_div(struct poly *out, const struct poly *p, struct ap_err *err)
{
    if (!poly_constant(p))
        return ap__fail(err, AP_E_ARG, NULL, "the variable may not stand in a divisor; multiply by it first");
    if (mpq_sgn(p->c[0]) == 0)
        return ap__fail(err, AP_E_ARG, NULL, "division by zero");
    for (int i = 0; i < AP_POLY_TERMS; i++)
        mpq_div(out->c[i], out->c[i], p->c[0]);
    return poly_check(out, err);
}

static ap_status poly_pow(struct poly *out, const struct poly *exponent, struct ap_err *err)
{
    if (!poly_constant(exponent))
        return ap__fail(err, AP_E_ARG, NULL, "the variable may not stand in an exponent");
    if (poly_constant(out))
        return ap__number_power(out->c[0], exponent->c[0], out->c[0], err);
    if (mpq_cmp_ui(exponent->c[0], 1, 1) == 0)
        return AP_OK;
    if (mpq_cmp_ui(exponent->c[0], 2, 1) != 0)
        return ap__fail(err, AP_E_ARG, NULL, "only linear and quadratic equations can be solved");
    struct poly base;
    poly_init(&base);
    poly_set(&base, out);
    ap_status status = poly_mul(out, &base, err);
    poly_clear(&base);
    return status;
}

/* ---- powers of numbers ---- */

/* z = root-th root of z when exact. */
static bool exact_root(mpz_t z, unsigned long root)
{
    if (root == 1)
        return true;
    if (mpz_sgn(z) < 0 && root % 2 == 0)
        return false;
    return mpz_root(z, z, root) != 0;
}

/* Would |base|^e stay within the ceiling?  e > 0. */
static bool power_fits(const mpq_t base, const mpz_t e)
{
    size_t bits = mpz_sizeinbase(mpq_numref(base), 2), den = mpz_sizeinbase(mpq_denref(base), 2);
    if (den > bits)
        bits = den;
    return bits <= 1 || mpz_cmp_ui(e, AP_NUMBER_MAX_BITS / (bits - 1)) <= 0;
}

/* out = base^(e/root), e >= 0, base's size checked */
static ap_status raise(const mpq_t base, const mpz_t e, const mpz_t root, mpq_t out, struct ap_err *err)
{
    mpq_set(out, base);
    if (mpz_cmp_ui(root, 64) > 0 || !exact_root(mpq_numref(out), mpz_get_ui(root)) ||
        !exact_root(mpq_denref(out), mpz_get_ui(root)))
        return ap__fail(err, AP_E_ARG, NULL, "the root is not an exact number");
    if (!power_fits(out, e))
        return ap__fail(err, AP_E_LIMIT, NULL, "the power is too large");
    /* |out| <= 1 with den 1 is 0, 1 or -1: any e; only its parity matters */
    unsigned long small = mpz_fits_ulong_p(e) ? mpz_get_ui(e) : 2 + mpz_tdiv_ui(e, 2);
    if (mpz_sizeinbase(mpq_numref(out), 2) <= 1 && mpz_cmp_ui(mpq_denref(out), 1) == 0 && small > 3)
        small = 2 + small % 2;
    mpz_pow_ui(mpq_numref(out), mpq_numref(out), small);
    mpz_pow_ui(mpq_denref(out), mpq_denref(out), small);
    return ap__number_fits(out) ? AP_OK : ap__fail(err, AP_E_LIMIT, NULL, "the power is too large");
}

ap_status ap__number_power(mpq_srcptr base, mpq_srcptr exponent, mpq_ptr out, struct ap_err *err)
{
    mpq_t b;
    mpz_t e;
    if (mpq_sgn(exponent) < 0 && mpq_sgn(base) == 0)
        return ap__fail(err, AP_E_ARG, NULL, "division by zero");
    mpq_init(b);
    mpz_init(e);
    mpq_set(b, base);
    if (mpq_sgn(exponent) < 0)
        mpq_inv(b, b);
    mpz_abs(e, mpq_numref(exponent));
    ap_status status = raise(b, e, mpq_denref(exponent), out, err);
    mpz_clear(e);
    mpq_clear(b);
    return status;
}

/* ---- cursor ---- */

static void skip_blanks(struct reader *r)
{
    while (r->pos < r->end && strchr(" \t\r\n", r->text[r->pos]) != NULL)
        r->pos++;
}

static int column(const struct reader *r)
{
    int characters = 1;
    for (size_t i = 0; i < r->pos; i++)
        characters += ((unsigned char)r->text[i] & 0xC0) != 0x80;
    return characters;
}

/* Is token next?  Consumes it. */
static bool accept(struct reader *r, const char *token)
{
    size_t n = strlen(token);
    skip_blanks(r);
    if (r->end - r->pos < n || memcmp(r->text + r->pos, token, n) != 0)
        return false;
    r->pos += n;
    return true;
}

/* The next operator as one character, consumed; NUL when there is none of these. */
static char accept_sign(struct reader *r)
{
    if (accept(r, "+"))
        return '+';
    return accept(r, "-") || accept(r, "−") ? '-' : '\0';
}

static bool name_start(char c)
{
    return isalpha((unsigned char)c) || c == '_';
}

static bool at_factor(struct reader *r)
{
    skip_blanks(r);
    return r->pos < r->end && (name_start(r->text[r->pos]) || r->text[r->pos] == '(');
}

static char accept_product(struct reader *r)
{
    size_t start = r->pos;
    if (accept(r, "**")) {
        r->pos = start;
        return '\0';
    }
    if (accept(r, "*") || accept(r, "×") || accept(r, "·"))
        return '*';
    if (accept(r, "/") || accept(r, "÷"))
        return '/';
    return at_factor(r) ? '*' : '\0';
}

static ap_status fail_expected(struct reader *r, const char *expected)
{
    skip_blanks(r);
    if (r->pos >= r->end)
        return ap__fail(r->err, AP_E_PARSE, NULL, "expected %s, but the expression ends", expected);
    int n = ap__utf8_len(r->text + r->pos, r->end - r->pos);
    return ap__fail(r->err, AP_E_PARSE, NULL, "expected %s at column %d, got `%.*s`", expected, column(r),
                    n > 0 ? n : 1, r->text + r->pos);
}

/* ---- grammar ---- */

static ap_status read_number(struct reader *r, struct poly *out)
{
    char literal[AP_NUMBER_MAX_TEXT + 1];
    const char *at = r->text + r->pos;
    size_t n = ap__number_span(at, r->end - r->pos);
    const char *slash = memchr(at, '/', n); /* here a slash divides, with its own precedence */
    if (slash != NULL)
        n = (size_t)(slash - at);
    if (n > AP_NUMBER_MAX_TEXT)
        return ap__fail(r->err, AP_E_LIMIT, NULL, "a number gets too large");
    memcpy(literal, at, n);
    literal[n] = '\0';
    if (!ap__number_parse(literal, out->c[0]))
        return ap__fail(r->err, AP_E_LIMIT, NULL, "a number gets too large");
    r->pos += n;
    return AP_OK;
}

static ap_status read_variable(struct reader *r, struct poly *out)
{
    const char *at = r->text + r->pos;
    size_t n = 1;
    while (r->pos + n < r->end && (name_start(at[n]) || isdigit((unsigned char)at[n])))
        n++;
    if (r->variable == NULL)
        return ap__fail(r->err, AP_E_PARSE, NULL, "only numbers are allowed, got `%.*s` at column %d",
                        n < 40 ? (int)n : 40, at, column(r));
    if (strlen(r->variable) != n || memcmp(r->variable, at, n) != 0)
        return ap__fail(r->err, AP_E_PARSE, NULL, "expected the variable `%.40s` at column %d, got `%.*s`",
                        r->variable, column(r), n < 40 ? (int)n : 40, at);
    mpq_set_ui(out->c[1], 1, 1);
    r->pos += n;
    return AP_OK;
}

static ap_status read_atom(struct reader *r, struct poly *out)
{
    skip_blanks(r);
    char c = r->pos < r->end ? r->text[r->pos] : '\0';
    if (isdigit((unsigned char)c) || (c == '.' && ap__number_span(r->text + r->pos, r->end - r->pos) > 0))
        return read_number(r, out);
    if (name_start(c))
        return read_variable(r, out);
    if (!accept(r, "("))
        return fail_expected(r, "a number or `(`");
    AP_TRY(read_sum(r, out));
    return accept(r, ")") ? AP_OK : fail_expected(r, "`)`");
}

static ap_status read_postfix(struct reader *r, struct poly *out)
{
    AP_TRY(read_atom(r, out));
    while (accept(r, "%")) {
        skip_blanks(r);
        if (at_factor(r) || (r->pos < r->end && isdigit((unsigned char)r->text[r->pos])))
            return fail_expected(r, "an operator after % (it means per cent)");
        for (int i = 0; i < AP_POLY_TERMS; i++) {
            mpz_mul_ui(mpq_denref(out->c[i]), mpq_denref(out->c[i]), 100);
            mpq_canonicalize(out->c[i]);
        }
        AP_TRY(poly_check(out, r->err));
    }
    return AP_OK;
}

/* Evaluate an operand with `read` and combine it into *out by `op`. */
static ap_status combine(struct reader *r, char op, ap_status (*read)(struct reader *, struct poly *),
                         struct poly *out)
{
    struct poly operand;
    poly_init(&operand);
    ap_status status = read(r, &operand);
    if (status == AP_OK && (op == '+' || op == '-')) {
        poly_add(out, &operand, op == '+' ? 1 : -1);
        status = poly_check(out, r->err);
    } else if (status == AP_OK && op == '*') {
        status = poly_mul(out, &operand, r->err);
    } else if (status == AP_OK && op == '/') {
        status = poly_div(out, &operand, r->err);
    } else if (status == AP_OK) {
        status = poly_pow(out, &operand, r->err);
    }
    poly_clear(&operand);
    return status;
}

static ap_status read_power(struct reader *r, struct poly *out)
{
    AP_TRY(read_postfix(r, out));
    if (accept(r, "^") || accept(r, "**"))
        return combine(r, '^', read_unary, out);
    return AP_OK;
}

static ap_status read_unary(struct reader *r, struct poly *out)
{
    if (++r->depth > AP_EXPRESSION_MAX_DEPTH)
        return ap__fail(r->err, AP_E_LIMIT, NULL, "the expression is nested too deeply");
    char sign = accept_sign(r);
    ap_status status = sign != '\0' ? read_unary(r, out) : read_power(r, out);
    for (int i = 0; i < AP_POLY_TERMS && sign == '-'; i++)
        mpq_neg(out->c[i], out->c[i]);
    r->depth--;
    return status;
}

static ap_status read_product(struct reader *r, struct poly *out)
{
    AP_TRY(read_unary(r, out));
    for (char op = accept_product(r); op != '\0'; op = accept_product(r))
        AP_TRY(combine(r, op, read_unary, out));
    return AP_OK;
}

static ap_status read_sum(struct reader *r, struct poly *out)
{
    AP_TRY(read_product(r, out));
    for (char op = accept_sign(r); op != '\0'; op = accept_sign(r))
        AP_TRY(combine(r, op, read_product, out));
    return AP_OK;
}

/* ---- entry points ---- */

static ap_status check_text(const char *text, struct ap_err *err)
{
    size_t n = strlen(text);
    if (n > AP_EXPRESSION_MAX_TEXT)
        return ap__fail(err, AP_E_LIMIT, NULL, "the expression is longer than %d bytes", AP_EXPRESSION_MAX_TEXT);
    return ap__utf8_valid(text, n) ? AP_OK : ap__fail(err, AP_E_PARSE, NULL, "the expression is not valid UTF-8");
}

/* Bytes [begin, end) of text, which must be one whole sum. */
static ap_status read_range(const char *text, size_t begin, size_t end, const char *variable, struct poly *out,
                            struct ap_err *err)
{
    struct reader r = {.text = text, .pos = begin, .end = end, .variable = variable, .err = err};
    AP_TRY(read_sum(&r, out));
    skip_blanks(&r);
    return r.pos == r.end ? AP_OK : fail_expected(&r, "an operator");
}

ap_status ap__expression_eval(const char *text, mpq_t out, struct ap_err *err)
{
    struct poly value;
    AP_TRY(check_text(text, err));
    poly_init(&value);
    ap_status status = read_range(text, 0, strlen(text), NULL, &value, err);
    mpq_set(out, value.c[0]);
    poly_clear(&value);
    return status;
}

ap_status ap__equation_poly(const char *text, const char *variable, mpq_t out[AP_POLY_TERMS], struct ap_err *err)
{
    struct poly left, right;
    AP_TRY(check_text(text, err));
    const char *equals = strchr(text, '=');
    if (equals == NULL)
        return ap__fail(err, AP_E_PARSE, NULL, "an equation needs `=`");
    size_t at = (size_t)(equals - text);
    poly_init(&left);
    poly_init(&right);
    ap_status status = read_range(text, 0, at, variable, &left, err);
    if (status == AP_OK)
        status = read_range(text, at + 1, strlen(text), variable, &right, err);
    poly_add(&left, &right, -1);
    for (int i = 0; i < AP_POLY_TERMS; i++)
        mpq_set(out[i], left.c[i]);
    poly_clear(&right);
    poly_clear(&left);
    return status;
}
