/* jinja_operators.c - arithmetic, as Python does it.
 *
 *     int op int --> int ( / and negative powers: float; // and % round down)
 *     float with int or bool --> float
 *     str + str, str * int, str % values, list + list, list * int
 *
 * Integers have 64 bits; what does not fit fails. */
#include "jinja/jinja_run.h"
#include "jinja/jinja_text.h"

#include <math.h>
#include <string.h>

static ap_status unsupported(struct ap_jrun *run, enum ap_jop op, struct ap_jval a, struct ap_jval b)
{
    static const char *const symbols[] = {[AP_JOP_ADD] = "+", [AP_JOP_SUB] = "-",       [AP_JOP_MUL] = "*",
                                          [AP_JOP_DIV] = "/", [AP_JOP_FLOORDIV] = "//", [AP_JOP_MOD] = "%",
                                          [AP_JOP_POW] = "**"};
    return ap__jrun_fail(run, "unsupported operand types for %s: '%s' and '%s'", symbols[op], ap__jval_type(a),
                         ap__jval_type(b));
}

static ap_status too_large(struct ap_jrun *run)
{
    return ap__jrun_fail(run, "an integer does not fit into 64 bits");
}

/* ------------------------------------------------------------------ numbers */

static ap_status power_integers(struct ap_jrun *run, int64_t base, int64_t exponent, struct ap_jval *out)
{
    if (exponent < 0) {
        if (base == 0)
            return ap__jrun_fail(run, "0 cannot be raised to a negative power");
        *out = ap__jval_float(pow((double)base, (double)exponent));
        return AP_OK;
    }
    int64_t result = 1;
    bool overflow = false;
    for (; exponent > 0; exponent >>= 1) {
        if (exponent & 1)
            overflow |= __builtin_mul_overflow(result, base, &result);
        if (exponent > 1 && __builtin_mul_overflow(base, base, &base))
            return too_large(run);
    }
    *out = ap__jval_int(result);
    return overflow ? too_large(run) : AP_OK;
}

static int64_t floor_divide(int64_t a, int64_t b)
{
    int64_t q = a / b;
    return q - (a % b != 0 && (a % b < 0) != (b < 0));
}

static ap_status integers(struct ap_jrun *run, enum ap_jop op, int64_t a, int64_t b, struct ap_jval *out)
{
    int64_t r = 0;
    bool overflow = false;
    if ((op == AP_JOP_DIV || op == AP_JOP_FLOORDIV || op == AP_JOP_MOD) && b == 0)
        return ap__jrun_fail(run, "division by zero");
    switch (op) {
    case AP_JOP_ADD:
        overflow = __builtin_add_overflow(a, b, &r);
        break;
    case AP_JOP_SUB:
        overflow = __builtin_sub_overflow(a, b, &r);
        break;
    case AP_JOP_MUL:
        overflow = __builtin_mul_overflow(a, b, &r);
        break;
    case AP_JOP_DIV:
        *out = ap__jval_float((double)a / (double)b);
        return AP_OK;
    case AP_JOP_FLOORDIV:
        overflow = a == INT64_MIN && b == -1;
        r = overflow ? 0 : floor_divide(a, b);
        break;
    case AP_JOP_MOD:
        r = b == -1 ? 0 : a - floor_divide(a, b) * b;
        break;
    default:
        return power_integers(run, a, b, out);
    }
    *out = ap__jval_int(r);
    return overflow ? too_large(run) : AP_OK;
}

static ap_status power_floats(struct ap_jrun *run, double a, double b, struct ap_jval *out)
{
    double r = pow(a, b);
    if (a == 0 && b < 0)
        return ap__jrun_fail(run, "0.0 cannot be raised to a negative power");
    if (isnan(r) && !isnan(a) && !isnan(b))
        return ap__jrun_fail(run, "a power is a complex number");
    if (isinf(r) && !isinf(a) && !isinf(b))
        return ap__jrun_fail(run, "a power is too large");
    *out = ap__jval_float(r);
    return AP_OK;
}

/* The remainder has the divisor's sign. */
static double modulo(double a, double b)
{
    double r = fmod(a, b);
    if (r != 0)
        return (r < 0) != (b < 0) ? r + b : r;
    return copysign(0.0, b);
}

static double divide_down(double a, double b)
{
    double r = fmod(a, b), q = (a - r) / b;
    if (r != 0 && (r < 0) != (b < 0))
        q -= 1;
    if (q == 0)
        return copysign(0.0, a / b);
    double f = floor(q);
    return q - f > 0.5 ? f + 1 : f;
}

static ap_status floats(struct ap_jrun *run, enum ap_jop op, double a, double b, struct ap_jval *out)
{
    if ((op == AP_JOP_DIV || op == AP_JOP_FLOORDIV || op == AP_JOP_MOD) && b == 0)
        return ap__jrun_fail(run, "float division by zero");
    switch (op) {
    case AP_JOP_ADD:
        *out = ap__jval_float(a + b);
        break;
    case AP_JOP_SUB:
        *out = ap__jval_float(a - b);
        break;
    case AP_JOP_MUL:
        *out = ap__jval_float(a * b);
        break;
    case AP_JOP_DIV:
        *out = ap__jval_float(a / b);
        break;
    case AP_JOP_FLOORDIV:
        *out = ap__jval_float(divide_down(a, b));
        break;
    case AP_JOP_MOD:
        *out = ap__jval_float(modulo(a, b));
        break;
    default:
        return power_floats(run, a, b, out);
    }
    return AP_OK;
}

/* ------------------------------------------------------------------ text and lists */

static ap_status join_text(struct ap_jrun *run, struct ap_jval a, struct ap_jval b, struct ap_jval *out)
{
    bool markup = a.markup || b.markup;
    if (markup && !a.markup)
        AP_TRY(ap__jtext_escape(run, a.text, &a));
    if (markup && !b.markup)
        AP_TRY(ap__jtext_escape(run, b.text, &b));
    size_t mark = ap__jrun_catch(run);
    AP_TRY(ap__jrun_emit(run, a.text.s, a.text.n));
    AP_TRY(ap__jrun_emit(run, b.text.s, b.text.n));
    AP_TRY(ap__jrun_caught(run, mark, out));
    out->markup = markup;
    return AP_OK;
}

static ap_status join_lists(struct ap_jrun *run, const struct ap_jlist *a, const struct ap_jlist *b,
                            struct ap_jval *out)
{
    struct ap_jval joined;
    AP_TRY(ap__jrun_spend(run, a->n + b->n));
    AP_TRY(ap__jval_list(run, a->flavour == AP_J_PLAIN ? AP_J_PLAIN : AP_J_TUPLE, a->n + b->n, &joined));
    struct ap_jlist *l = joined.list;
    for (size_t i = 0; i < a->n; i++)
        l->v[l->n++] = a->v[i];
    for (size_t i = 0; i < b->n; i++)
        l->v[l->n++] = b->v[i];
    *out = joined;
    return AP_OK;
}

static bool is_sequence(struct ap_jval v)
{
    return v.kind == AP_J_LIST && (v.list->flavour == AP_J_PLAIN || ap__jval_is_tuple(v));
}

static ap_status repeat_text(struct ap_jrun *run, struct ap_jval text, int64_t times, struct ap_jval *out)
{
    size_t mark = ap__jrun_catch(run);
    for (int64_t i = 0; text.text.n && i < times; i++)
        AP_TRY(ap__jrun_emit(run, text.text.s, text.text.n));
    AP_TRY(ap__jrun_caught(run, mark, out));
    out->markup = text.markup;
    return AP_OK;
}

static ap_status repeat_list(struct ap_jrun *run, const struct ap_jlist *list, int64_t times, struct ap_jval *out)
{
    struct ap_jval result;
    size_t cap = 0;
    AP_TRY(ap__jval_list(run, list->flavour == AP_J_PLAIN ? AP_J_PLAIN : AP_J_TUPLE, 0, &result));
    for (int64_t i = 0; list->n && i < times; i++)
        for (size_t k = 0; k < list->n; k++) {
            AP_TRY(ap__jrun_spend(run, 1));
            AP_TRY(ap__jval_push(run, result.list, &cap, list->v[k]));
        }
    *out = result;
    return AP_OK;
}

static ap_status repeat(struct ap_jrun *run, struct ap_jval v, int64_t times, struct ap_jval *out)
{
    return v.kind == AP_J_STRING ? repeat_text(run, v, times, out) : repeat_list(run, v.list, times, out);
}

/* ------------------------------------------------------------------ all of them */

ap_status ap__jop_binary(struct ap_jrun *run, enum ap_jop op, struct ap_jval a, struct ap_jval b, struct ap_jval *out)
{
    if (ap__jval_is_integer(a) && ap__jval_is_integer(b))
        return integers(run, op, ap__jval_integer(a), ap__jval_integer(b), out);
    if (ap__jval_is_number(a) && ap__jval_is_number(b))
        return floats(run, op, ap__jval_number(a), ap__jval_number(b), out);
    if (op == AP_JOP_MOD && a.kind == AP_J_STRING)
        return ap__jformat_percent(run, a, b, out);
    if (a.kind == AP_J_UNDEFINED)
        return ap__jrun_undefined(run, a);
    if (b.kind == AP_J_UNDEFINED)
        return ap__jrun_undefined(run, b);
    if (op == AP_JOP_ADD && a.kind == AP_J_STRING && b.kind == AP_J_STRING)
        return join_text(run, a, b, out);
    if (op == AP_JOP_ADD && is_sequence(a) && is_sequence(b) && ap__jval_is_tuple(a) == ap__jval_is_tuple(b))
        return join_lists(run, a.list, b.list, out);
    if (op == AP_JOP_MUL && (a.kind == AP_J_STRING || is_sequence(a)) && ap__jval_is_integer(b))
        return repeat(run, a, ap__jval_integer(b), out);
    if (op == AP_JOP_MUL && (b.kind == AP_J_STRING || is_sequence(b)) && ap__jval_is_integer(a))
        return repeat(run, b, ap__jval_integer(a), out);
    return unsupported(run, op, a, b);
}

ap_status ap__jop_unary(struct ap_jrun *run, enum ap_jop op, struct ap_jval a, struct ap_jval *out)
{
    if (op == AP_JOP_NOT) {
        *out = ap__jval_bool(!ap__jval_truth(a));
        return AP_OK;
    }
    if (a.kind == AP_J_UNDEFINED)
        return ap__jrun_undefined(run, a);
    if (!ap__jval_is_number(a))
        return ap__jrun_fail(run, "bad operand type for unary %c: '%s'", op == AP_JOP_NEG ? '-' : '+',
                             ap__jval_type(a));
    if (a.kind == AP_J_FLOAT) {
        *out = ap__jval_float(op == AP_JOP_NEG ? -a.f : a.f);
        return AP_OK;
    }
    int64_t i = ap__jval_integer(a);
    if (op == AP_JOP_NEG && i == INT64_MIN)
        return too_large(run);
    *out = ap__jval_int(op == AP_JOP_NEG ? -i : i);
    return AP_OK;
}
