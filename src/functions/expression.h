/* expression.h - arithmetic as text, exactly: "2 * (3 + 4) ^ 2", "2x + 3 = 7".
 *
 * + - * / and × ÷ − ·, ^ or ** (to the right, tighter than a sign before it),
 * postfix % (per cent), brackets, a number or bracket directly before a name
 * or bracket multiplies.  Values are polynomials of at most second degree in
 * one variable with rational coefficients. */
#ifndef AP_EXPRESSION_H
#define AP_EXPRESSION_H

#include "functions/value.h"

enum {
    AP_EXPRESSION_MAX_TEXT = 2048, /* bytes */
    AP_EXPRESSION_MAX_DEPTH = 64,
    AP_POLY_TERMS = 3,
};

/* AP_E_PARSE (with the column), AP_E_LIMIT for numbers that grow past
 * AP_NUMBER_MAX_BITS, AP_E_ARG for division by zero and the like.  *out is an
 * initialised mpq, undefined on failure. */
ap_status ap__expression_eval(const char *text, mpq_t out, struct ap_err *err) AP_MUST_CHECK;
/* out[i] is the coefficient of variable^i in left - right of "left = right". */
ap_status ap__equation_poly(const char *text, const char *variable, mpq_t out[AP_POLY_TERMS],
                            struct ap_err *err) AP_MUST_CHECK;
/* base^exponent; exponents p/q work where the root is exact.  out may be base. */
ap_status ap__number_power(mpq_srcptr base, mpq_srcptr exponent, mpq_ptr out, struct ap_err *err) AP_MUST_CHECK;

#endif
