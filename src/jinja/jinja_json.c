/* jinja_json.c - the filter tojson, as transformers replaces it: Python's json.dumps.
 *
 *     {{ tools | tojson }}            one line, ", " and ": "
 *     {{ tools | tojson(indent=4) }}  one member per line
 *
 * Unlike Jinja's own filter it escapes nothing for HTML and keeps characters beyond ASCII. */
#include "jinja/jinja_run.h"
#include "jinja/jinja_text.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static ap_status put(struct ap_jrun *run, struct ap_jval v, const struct ap_json_style *style, int level);

static ap_status put_unit(struct ap_jrun *run, unsigned unit)
{
    char text[8];
    snprintf(text, sizeof text, "\\u%04x", unit & 0xFFFFu);
    return ap__jrun_puts(run, text);
}

static ap_status put_special(struct ap_jrun *run, int32_t c)
{
    static const char from[] = "\"\\\n\r\t\f\b", to[] = "\"\\nrtfb";
    const char *at = c ? strchr(from, c) : NULL; /* c < 0x80 here, or escaped as units */
    if (c < 0x80 && at) {
        char text[2] = {'\\', to[at - from]};
        return ap__jrun_emit(run, text, 2);
    }
    if (c < 0x10000)
        return put_unit(run, (unsigned)c);
    AP_TRY(put_unit(run, 0xD800u + ((unsigned)(c - 0x10000) >> 10)));
    return put_unit(run, 0xDC00u + ((unsigned)(c - 0x10000) & 0x3FFu));
}

static ap_status put_string(struct ap_jrun *run, struct ap_jtext t, bool ascii)
{
    size_t plain = 0;
    AP_TRY(ap__jrun_puts(run, "\""));
    for (size_t at = 0, width; at < t.n; at += width) {
        int32_t c = ap__jtext_char(t, at);
        width = ap__jtext_width(t, at);
        if (c >= 0x20 && c != '"' && c != '\\' && !(ascii && c >= 0x7F))
            continue;
        AP_TRY(ap__jrun_emit(run, t.s + plain, at - plain));
        AP_TRY(put_special(run, c));
        plain = at + width;
    }
    AP_TRY(ap__jrun_emit(run, t.s + plain, t.n - plain));
    return ap__jrun_puts(run, "\"");
}

static ap_status put_float(struct ap_jrun *run, double f)
{
    char text[40];
    if (!isfinite(f))
        return ap__jrun_puts(run, isnan(f) ? "NaN" : f > 0 ? "Infinity" : "-Infinity");
    return ap__jrun_emit(run, text, ap__jfloat_repr(f, text));
}

/* A line break and the indentation of `level`, when there is one. */
static ap_status put_break(struct ap_jrun *run, const struct ap_json_style *style, int level)
{
    if (!style->indent.s)
        return AP_OK;
    AP_TRY(ap__jrun_puts(run, "\n"));
    for (int i = 0; i < level; i++)
        AP_TRY(ap__jrun_emit(run, style->indent.s, style->indent.n));
    return AP_OK;
}

static ap_status put_list(struct ap_jrun *run, const struct ap_jlist *list, const struct ap_json_style *style,
                          int level)
{
    if (list->n == 0)
        return ap__jrun_puts(run, "[]");
    AP_TRY(ap__jrun_puts(run, "["));
    for (size_t i = 0; i < list->n; i++) {
        if (i)
            AP_TRY(ap__jrun_emit(run, style->item.s, style->item.n));
        AP_TRY(put_break(run, style, level + 1));
        AP_TRY(put(run, list->v[i], style, level + 1));
    }
    AP_TRY(put_break(run, style, level));
    return ap__jrun_puts(run, "]");
}

/* Keys of JSON are text: numbers, true and null are put into quotes. */
static ap_status put_key(struct ap_jrun *run, struct ap_jval key, const struct ap_json_style *style)
{
    if (key.kind == AP_J_STRING)
        return put_string(run, key.text, style->ascii);
    if (!ap__jval_is_number(key) && key.kind != AP_J_NONE)
        return ap__jrun_fail(run, "keys must be str, int, float, bool or None, not %s", ap__jval_type(key));
    AP_TRY(ap__jrun_puts(run, "\""));
    AP_TRY(put(run, key, style, 0));
    return ap__jrun_puts(run, "\"");
}

static ap_status put_dict(struct ap_jrun *run, const struct ap_jdict *d, const struct ap_json_style *style, int level)
{
    size_t *order = NULL;
    if (d->n == 0)
        return ap__jrun_puts(run, "{}");
    if (style->sort) {
        struct ap_jval *key = ap__jrun_alloc(run, d->n, sizeof *key);
        order = ap__jrun_alloc(run, d->n, sizeof *order);
        if (!key || !order)
            return ap__jrun_memory(run);
        for (size_t i = 0; i < d->n; i++)
            key[i] = d->v[i].key;
        AP_TRY(ap__jval_sort(run, key, order, d->n, false));
    }
    AP_TRY(ap__jrun_puts(run, "{"));
    for (size_t i = 0; i < d->n; i++) {
        const struct ap_jpair *pair = &d->v[order ? order[i] : i];
        if (i)
            AP_TRY(ap__jrun_emit(run, style->item.s, style->item.n));
        AP_TRY(put_break(run, style, level + 1));
        AP_TRY(put_key(run, pair->key, style));
        AP_TRY(ap__jrun_emit(run, style->key.s, style->key.n));
        AP_TRY(put(run, pair->value, style, level + 1));
    }
    AP_TRY(put_break(run, style, level));
    return ap__jrun_puts(run, "}");
}

static ap_status put_value(struct ap_jrun *run, struct ap_jval v, const struct ap_json_style *style, int level)
{
    switch (v.kind) {
    case AP_J_NONE:
        return ap__jrun_puts(run, "null");
    case AP_J_BOOL:
        return ap__jrun_puts(run, v.b ? "true" : "false");
    case AP_J_INT:
        return ap__jval_repr(run, v);
    case AP_J_FLOAT:
        return put_float(run, v.f);
    case AP_J_STRING:
        return put_string(run, v.text, style->ascii);
    case AP_J_DICT:
        return put_dict(run, v.dict, style, level);
    case AP_J_LIST:
        if (v.list->flavour == AP_J_PLAIN || ap__jval_is_tuple(v))
            return put_list(run, v.list, style, level);
        break;
    default:
        break;
    }
    return ap__jrun_fail(run, "Object of type %s is not JSON serializable", ap__jval_type(v));
}

static ap_status put(struct ap_jrun *run, struct ap_jval v, const struct ap_json_style *style, int level)
{
    AP_TRY(ap__jrun_enter(run));
    AP_TRY(put_value(run, v, style, level));
    ap__jrun_leave(run);
    return AP_OK;
}

ap_status ap__jval_json(struct ap_jrun *run, struct ap_jval v, const struct ap_json_style *style)
{
    return put(run, v, style, 0);
}
