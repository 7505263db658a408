/* jinja_filters.c - which filter has a name; filters of any value and of numbers.
 *
 *     {{ x | default("none") | length }}      text: jinja_filters_text.c, lists: jinja_filters_list.c,
 *                                             sorting: jinja_filters_order.c, map and select: jinja_filters_select.c */
#include "jinja/jinja_run.h"
#include "jinja/jinja_text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct ap_jfunc *ap__jinja_filter_find(const char *name, size_t n)
{
    const struct ap_jfunc *const tables[] = {ap__jinja_text_filters, ap__jinja_number_filters, ap__jinja_list_filters,
                                             ap__jinja_order_filters, ap__jinja_select_filters};
    const struct ap_jfunc *found = NULL;
    for (size_t i = 0; i < sizeof tables / sizeof *tables && !found; i++)
        found = ap__jfunc_find(tables[i], name, n);
    return found;
}

/* ------------------------------------------------------------------ any value */

static ap_status filter_default(struct ap_jrun *run, struct ap_jval self, const struct ap_jval *slot,
                                const struct ap_jargs *args, struct ap_jval *out)
{
    (void)run, (void)args;
    bool replace = self.kind == AP_J_UNDEFINED || (ap__jval_truth(slot[1]) && !ap__jval_truth(self));
    *out = !replace ? self : slot[0].kind == AP_J_MISSING ? ap__jval_view("", 0) : slot[0];
    return AP_OK;
}

static ap_status filter_length(struct ap_jrun *run, struct ap_jval self, const struct ap_jval *slot,
                               const struct ap_jargs *args, struct ap_jval *out)
{
    int64_t n;
    (void)slot, (void)args;
    if (!ap__jval_len(self, &n))
        return ap__jrun_fail(run, "object of type '%s' has no len()", ap__jval_type(self));
    *out = ap__jval_int(n);
    return AP_OK;
}

static ap_status separators(struct ap_jrun *run, struct ap_jval given, struct ap_json_style *style)
{
    struct ap_jlist parts;
    if (given.kind == AP_J_MISSING || given.kind == AP_J_NONE)
        return AP_OK;
    AP_TRY(ap__jval_iterate(run, given, &parts));
    if (parts.n != 2 || parts.v[0].kind != AP_J_STRING || parts.v[1].kind != AP_J_STRING)
        return ap__jrun_fail(run, "separators are two strings");
    style->item = parts.v[0].text;
    style->key = parts.v[1].text;
    return AP_OK;
}

static ap_status indentation(struct ap_jrun *run, struct ap_jval given, struct ap_json_style *style)
{
    if (given.kind == AP_J_MISSING || given.kind == AP_J_NONE)
        return AP_OK;
    style->item = AP_JTEXT(",");
    if (given.kind == AP_J_STRING) {
        style->indent = given.text;
        return AP_OK;
    }
    if (!ap__jval_is_integer(given))
        return ap__jrun_fail(run, "indent is a number or a string, not %s", ap__jval_type(given));
    struct ap_jval text;
    AP_TRY(ap__jop_binary(run, AP_JOP_MUL, ap__jval_view(" ", 1), given, &text));
    style->indent = text.text;
    return AP_OK;
}

static ap_status filter_tojson(struct ap_jrun *run, struct ap_jval self, const struct ap_jval *slot,
                               const struct ap_jargs *args, struct ap_jval *out)
{
    struct ap_json_style style = {.ascii = ap__jval_truth(slot[0]), .sort = ap__jval_truth(slot[3]),
                                  .item = AP_JTEXT(", "), .key = AP_JTEXT(": ")};
    (void)args;
    AP_TRY(indentation(run, slot[1], &style));
    AP_TRY(separators(run, slot[2], &style));
    size_t mark = ap__jrun_catch(run);
    AP_TRY(ap__jval_json(run, self, &style));
    return ap__jrun_caught(run, mark, out);
}

static ap_status filter_attr(struct ap_jrun *run, struct ap_jval self, const struct ap_jval *slot,
                             const struct ap_jargs *args, struct ap_jval *out)
{
    (void)args;
    if (slot[0].kind != AP_J_STRING)
        return ap__jrun_fail(run, "the name of an attribute is a string");
    if (self.kind == AP_J_DICT) { /* methods only: members are no attributes */
        struct ap_jval empty;
        AP_TRY(ap__jval_dict(run, 0, &empty));
        AP_TRY(ap__jval_attribute(run, empty, slot[0].text, out));
        if (out->kind == AP_J_METHOD)
            out->method->self = self;
        return AP_OK;
    }
    return ap__jval_attribute(run, self, slot[0].text, out);
}

/* ------------------------------------------------------------------ numbers */

static ap_status from_float(struct ap_jrun *run, double f, struct ap_jval *out)
{
    if (!(fabs(f) < 9.2e18))
        return ap__jrun_fail(run, "an integer does not fit into 64 bits");
    *out = ap__jval_int((int64_t)f);
    return AP_OK;
}

static ap_status filter_int(struct ap_jrun *run, struct ap_jval self, const struct ap_jval *slot,
                            const struct ap_jargs *args, struct ap_jval *out)
{
    int64_t base = 10, i;
    double f = NAN;
    (void)args;
    if (self.kind == AP_J_UNDEFINED)
        return ap__jrun_undefined(run, self);
    if (slot[1].kind == AP_J_INT)
        base = slot[1].i;
    if (self.kind == AP_J_STRING && (base == 0 || (base >= 2 && base <= 36)) &&
        ap__jtext_to_int(self.text, (int)base, &i)) {
        *out = ap__jval_int(i);
        return AP_OK;
    }
    if (ap__jval_is_integer(self)) {
        *out = ap__jval_int(ap__jval_integer(self));
        return AP_OK;
    }
    if (self.kind == AP_J_FLOAT)
        f = self.f;
    else if (self.kind == AP_J_STRING && !ap__jtext_to_float(self.text, &f))
        f = NAN;
    if (isfinite(f))
        return from_float(run, f, out);
    *out = slot[0].kind == AP_J_MISSING ? ap__jval_int(0) : slot[0];
    return AP_OK;
}

static ap_status filter_float(struct ap_jrun *run, struct ap_jval self, const struct ap_jval *slot,
                              const struct ap_jargs *args, struct ap_jval *out)
{
    double f;
    (void)args;
    if (self.kind == AP_J_UNDEFINED)
        return ap__jrun_undefined(run, self);
    if (ap__jval_is_number(self))
        *out = ap__jval_float(ap__jval_number(self));
    else if (self.kind == AP_J_STRING && ap__jtext_to_float(self.text, &f))
        *out = ap__jval_float(f);
    else
        *out = slot[0].kind == AP_J_MISSING ? ap__jval_float(0) : slot[0];
    return AP_OK;
}

static ap_status need_number(struct ap_jrun *run, struct ap_jval v)
{
    if (v.kind == AP_J_UNDEFINED)
        return ap__jrun_undefined(run, v);
    return ap__jval_is_number(v) ? AP_OK : ap__jrun_fail(run, "a number is needed, not '%s'", ap__jval_type(v));
}

static ap_status filter_abs(struct ap_jrun *run, struct ap_jval self, const struct ap_jval *slot,
                            const struct ap_jargs *args, struct ap_jval *out)
{
    (void)slot, (void)args;
    AP_TRY(need_number(run, self));
    if (ap__jval_number(self) < 0)
        return ap__jop_unary(run, AP_JOP_NEG, self, out);
    return ap__jop_unary(run, AP_JOP_POS, self, out);
}

/* To the nearest, ties to even: of the number as it is, not as it prints. */
static double round_to(double f, int64_t digits)
{
    char text[400];
    if (!isfinite(f) || digits > 300)
        return f;
    if (digits < 0) {
        double unit = pow(10, (double)-digits);
        return digits < -308 ? copysign(0.0, f) : nearbyint(f / unit) * unit;
    }
    snprintf(text, sizeof text, "%.*f", digits < 60 ? (int)digits : 60, f);
    return strtod(text, NULL);
}

static int64_t round_integer(int64_t i, int64_t digits)
{
    int64_t unit = 1;
    if (digits >= 0)
        return i;
    for (; digits < 0; digits++)
        if (__builtin_mul_overflow(unit, (int64_t)10, &unit))
            return 0;
    int64_t rest = i % unit, half = unit / 2;
    i -= rest;
    if (rest < 0 ? -rest > half || (-rest == half && (i / unit) % 2) : rest > half || (rest == half && (i / unit) % 2))
        i += rest < 0 ? -unit : unit;
    return i;
}

static ap_status filter_round(struct ap_jrun *run, struct ap_jval self, const struct ap_jval *slot,
                              const struct ap_jargs *args, struct ap_jval *out)
{
    int64_t digits;
    bool common = slot[1].kind == AP_J_MISSING || ap__jval_text_is(slot[1], "common");
    (void)args;
    if (!common && !ap__jval_text_is(slot[1], "ceil") && !ap__jval_text_is(slot[1], "floor"))
        return ap__jrun_fail(run, "method must be common, ceil or floor");
    AP_TRY(need_number(run, self));
    digits = 0;
    if (slot[0].kind != AP_J_NONE || !common)
        AP_TRY(ap__jarg_int(run, slot[0], 0, &digits));
    digits = digits < -400 ? -400 : digits > 400 ? 400 : digits;
    if (!common) {
        double unit = pow(10, (double)digits), f = ap__jval_number(self) * unit;
        f = ap__jval_text_is(slot[1], "ceil") ? ceil(f) : floor(f);
        *out = ap__jval_float(f / unit);
    } else if (ap__jval_is_integer(self)) {
        *out = ap__jval_int(round_integer(ap__jval_integer(self), digits));
    } else if (slot[0].kind == AP_J_NONE) { /* Python's round without digits gives an int */
        return from_float(run, round_to(self.f, 0), out);
    } else {
        *out = ap__jval_float(round_to(self.f, digits));
    }
    return AP_OK;
}

const struct ap_jfunc ap__jinja_number_filters[] = {
    {"default", "default_value boolean", 0, filter_default},
    {"d", "default_value boolean", 0, filter_default},
    {"length", "", 0, filter_length},
    {"count", "", 0, filter_length},
    {"tojson", "ensure_ascii indent separators sort_keys", 0, filter_tojson},
    {"attr", "name", 1, filter_attr},
    {"int", "default base", 0, filter_int},
    {"float", "default", 0, filter_float},
    {"abs", "", 0, filter_abs},
    {"round", "precision method", 0, filter_round},
    {0},
};
