/* jinja_text.c - values as text: str() and repr() of Python.
 *
 *     {{ v }}, v|string, a ~ b  -->  print: text as it is, everything else as repr
 *     [..., {...}]              -->  repr of what is inside: 'text' in quotes, None, True, 1.0 */
#include "jinja/jinja_text.h"
#include "jinja/jinja_run.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ------------------------------------------------------------------ floats */

/* The digits that a float needs to be told apart from its neighbours, d.ddde+xx split up. */
static int shortest(double f, char digits[20], int *exponent)
{
    char text[40];
    int precision = 0;
    do
        snprintf(text, sizeof text, "%.*e", precision, f);
    while (strtod(text, NULL) != f && ++precision < 17);
    int n = 0;
    for (const char *p = text; *p && *p != 'e'; p++)
        if (*p >= '0' && *p <= '9')
            digits[n++] = *p;
    while (n > 1 && digits[n - 1] == '0')
        n--;
    digits[n] = '\0';
    *exponent = atoi(strchr(text, 'e') + 1);
    return n;
}

size_t ap__jfloat_repr(double f, char out[40])
{
    char digits[20];
    int exponent;
    if (!isfinite(f))
        return (size_t)snprintf(out, 40, "%s", isnan(f) ? "nan" : f > 0 ? "inf" : "-inf");
    const char *sign = signbit(f) ? "-" : "";
    int n = shortest(fabs(f), digits, &exponent);
    if (exponent < -4 || exponent >= 16)
        return (size_t)snprintf(out, 40, "%s%c%s%se%c%02d", sign, digits[0], n > 1 ? "." : "", digits + 1,
                                exponent < 0 ? '-' : '+', abs(exponent));
    if (exponent < 0)
        return (size_t)snprintf(out, 40, "%s0.%.*s%s", sign, -exponent - 1, "0000", digits);
    if (n <= exponent + 1)
        return (size_t)snprintf(out, 40, "%s%s%.*s.0", sign, digits, exponent + 1 - n, "0000000000000000");
    return (size_t)snprintf(out, 40, "%s%.*s.%s", sign, exponent + 1, digits, digits + exponent + 1);
}

/* ------------------------------------------------------------------ strings */

static ap_status put_escaped(struct ap_jrun *run, int32_t c, char quote)
{
    char text[16];
    if (c == '\\' || c == quote)
        snprintf(text, sizeof text, "\\%c", (char)c);
    else if (c == '\n' || c == '\r' || c == '\t')
        snprintf(text, sizeof text, "\\%c", c == '\n' ? 'n' : c == '\r' ? 'r' : 't');
    else
        snprintf(text, sizeof text, c < 0x100 ? "\\x%02x" : c < 0x10000 ? "\\u%04x" : "\\U%08x", (unsigned)c);
    return ap__jrun_puts(run, text);
}

static ap_status repr_string(struct ap_jrun *run, struct ap_jtext t)
{
    bool single = memchr(t.s, '\'', t.n), both = single && memchr(t.s, '"', t.n);
    char quote = single && !both ? '"' : '\'';
    size_t plain = 0; /* start of what needs no escape */
    AP_TRY(ap__jrun_emit(run, &quote, 1));
    for (size_t at = 0, width; at < t.n; at += width) {
        int32_t c = ap__jtext_char(t, at);
        width = ap__jtext_width(t, at);
        if (c != '\\' && c != quote && ap__jchar_is_printable(c))
            continue;
        AP_TRY(ap__jrun_emit(run, t.s + plain, at - plain));
        AP_TRY(put_escaped(run, c, quote));
        plain = at + width;
    }
    AP_TRY(ap__jrun_emit(run, t.s + plain, t.n - plain));
    return ap__jrun_emit(run, &quote, 1);
}

ap_status ap__jtext_escape(struct ap_jrun *run, struct ap_jtext t, struct ap_jval *out)
{
    size_t mark = ap__jrun_catch(run);
    for (size_t i = 0; i < t.n; i++) {
        char c = t.s[i];
        const char *entity = c == '&' ? "&amp;" : c == '<' ? "&lt;" : c == '>' ? "&gt;"
                           : c == '"' ? "&#34;" : c == '\'' ? "&#39;" : NULL;
        AP_TRY(entity ? ap__jrun_puts(run, entity) : ap__jrun_emit(run, &c, 1));
    }
    AP_TRY(ap__jrun_caught(run, mark, out));
    out->markup = true;
    return AP_OK;
}

/* ------------------------------------------------------------------ containers */

static ap_status repr_items(struct ap_jrun *run, const struct ap_jlist *list)
{
    for (size_t i = 0; i < list->n; i++) {
        if (i)
            AP_TRY(ap__jrun_puts(run, ", "));
        AP_TRY(ap__jval_repr(run, list->v[i]));
    }
    return AP_OK;
}

static ap_status repr_list(struct ap_jrun *run, const struct ap_jlist *list)
{
    static const char *const marks[][2] = {
        [AP_J_PLAIN] = {"[", "]"},           [AP_J_TUPLE] = {"(", ")"},         [AP_J_GROUP] = {"(", ")"},
        [AP_J_KEYS] = {"dict_keys([", "])"}, [AP_J_VALUES] = {"dict_values([", "])"},
        [AP_J_ITEMS] = {"dict_items([", "])"},
    };
    if (list->flavour == AP_J_GENERATOR)
        return ap__jrun_fail(run, "a generator cannot be printed; put it through the filter list or join");
    AP_TRY(ap__jrun_puts(run, marks[list->flavour][0]));
    AP_TRY(repr_items(run, list));
    if (list->flavour == AP_J_TUPLE && list->n == 1)
        AP_TRY(ap__jrun_puts(run, ","));
    return ap__jrun_puts(run, marks[list->flavour][1]);
}

static ap_status repr_dict(struct ap_jrun *run, const struct ap_jdict *d)
{
    AP_TRY(ap__jrun_puts(run, "{"));
    for (size_t i = 0; i < d->n; i++) {
        if (i)
            AP_TRY(ap__jrun_puts(run, ", "));
        AP_TRY(ap__jval_repr(run, d->v[i].key));
        AP_TRY(ap__jrun_puts(run, ": "));
        AP_TRY(ap__jval_repr(run, d->v[i].value));
    }
    return ap__jrun_puts(run, "}");
}

static ap_status repr_range(struct ap_jrun *run, const struct ap_jrange *r)
{
    char text[96];
    if (r->step == 1)
        snprintf(text, sizeof text, "range(%" PRId64 ", %" PRId64 ")", r->start, r->stop);
    else
        snprintf(text, sizeof text, "range(%" PRId64 ", %" PRId64 ", %" PRId64 ")", r->start, r->stop, r->step);
    return ap__jrun_puts(run, text);
}

static ap_status repr_loop(struct ap_jrun *run, const struct ap_jloop *l)
{
    char text[80];
    snprintf(text, sizeof text, "<LoopContext %zu/%zu>", l->at + 1, l->n);
    return ap__jrun_puts(run, text);
}

static ap_status repr_macro(struct ap_jrun *run, const struct ap_jmacro *m)
{
    if (m->node->kind != AP_JN_MACRO)
        return ap__jrun_puts(run, "<Macro anonymous>");
    AP_TRY(ap__jrun_puts(run, "<Macro "));
    AP_TRY(repr_string(run, run->t->name[m->node->name]));
    return ap__jrun_puts(run, ">");
}

static ap_status repr_number(struct ap_jrun *run, struct ap_jval v)
{
    char text[40];
    size_t n = v.kind == AP_J_FLOAT ? ap__jfloat_repr(v.f, text)
                                    : (size_t)snprintf(text, sizeof text, "%" PRId64, v.i);
    return ap__jrun_emit(run, text, n);
}

static ap_status repr(struct ap_jrun *run, struct ap_jval v)
{
    switch (v.kind) {
    case AP_J_MISSING:
    case AP_J_UNDEFINED:
        return ap__jrun_puts(run, "Undefined");
    case AP_J_NONE:
        return ap__jrun_puts(run, "None");
    case AP_J_BOOL:
        return ap__jrun_puts(run, v.b ? "True" : "False");
    case AP_J_INT:
    case AP_J_FLOAT:
        return repr_number(run, v);
    case AP_J_STRING:
        if (!v.markup)
            return repr_string(run, v.text);
        AP_TRY(ap__jrun_puts(run, "Markup("));
        AP_TRY(repr_string(run, v.text));
        return ap__jrun_puts(run, ")");
    case AP_J_LIST:
        return repr_list(run, v.list);
    case AP_J_DICT:
        return repr_dict(run, v.dict);
    case AP_J_NAMESPACE:
        AP_TRY(ap__jrun_puts(run, "<Namespace "));
        AP_TRY(repr_dict(run, v.dict));
        return ap__jrun_puts(run, ">");
    case AP_J_RANGE:
        return repr_range(run, v.range);
    case AP_J_MACRO:
        return repr_macro(run, v.macro);
    case AP_J_LOOP:
        return repr_loop(run, v.loop);
    case AP_J_FUNCTION:
    case AP_J_METHOD:
        break;
    }
    /* Python prints an address here; no template means to. */
    return ap__jrun_fail(run, "a %s cannot be printed", ap__jval_type(v));
}

ap_status ap__jval_repr(struct ap_jrun *run, struct ap_jval v)
{
    AP_TRY(ap__jrun_enter(run));
    AP_TRY(repr(run, v));
    ap__jrun_leave(run);
    return AP_OK;
}

ap_status ap__jval_print(struct ap_jrun *run, struct ap_jval v)
{
    if (v.kind == AP_J_STRING)
        return ap__jrun_emit(run, v.text.s, v.text.n);
    return v.kind == AP_J_UNDEFINED ? AP_OK : ap__jval_repr(run, v);
}

ap_status ap__jval_str(struct ap_jrun *run, struct ap_jval v, struct ap_jval *out)
{
    if (v.kind == AP_J_STRING) {
        *out = ap__jval_view(v.text.s, v.text.n);
        return AP_OK;
    }
    size_t mark = ap__jrun_catch(run);
    AP_TRY(ap__jval_print(run, v));
    return ap__jrun_caught(run, mark, out);
}
