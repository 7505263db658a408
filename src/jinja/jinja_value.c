/* jinja_value.c - values made, taken from JSON, gathered into lists and dicts, walked through.
 *
 *     json_t --> from_json --> DICT (pairs in order) / LIST / STRING (text borrowed) / numbers
 *     anything that Python can iterate --> iterate --> items in a row */
#include "jinja/jinja_run.h"
#include "jinja/jinja_text.h"

#include <string.h>

#define JSON_DEPTH_MAX 200

struct ap_jval ap__jval_none(void)
{
    return (struct ap_jval){.kind = AP_J_NONE};
}

struct ap_jval ap__jval_bool(bool b)
{
    return (struct ap_jval){.kind = AP_J_BOOL, .b = b};
}

struct ap_jval ap__jval_int(int64_t i)
{
    return (struct ap_jval){.kind = AP_J_INT, .i = i};
}

struct ap_jval ap__jval_float(double f)
{
    return (struct ap_jval){.kind = AP_J_FLOAT, .f = f};
}

struct ap_jval ap__jval_view(const char *s, size_t n)
{
    return (struct ap_jval){.kind = AP_J_STRING, .text = {s, n}};
}

struct ap_jval ap__jval_undefined(void)
{
    return (struct ap_jval){.kind = AP_J_UNDEFINED};
}

/* ------------------------------------------------------------------ what a value is */

static const char *list_type(enum ap_jflavour flavour)
{
    switch (flavour) {
    case AP_J_PLAIN:
        return "list";
    case AP_J_TUPLE:
    case AP_J_GROUP:
        return "tuple";
    case AP_J_GENERATOR:
        return "generator";
    case AP_J_KEYS:
        return "dict_keys";
    case AP_J_VALUES:
        return "dict_values";
    case AP_J_ITEMS:
        break;
    }
    return "dict_items";
}

const char *ap__jval_type(struct ap_jval v)
{
    static const char *const names[] = {
        [AP_J_MISSING] = "nothing",       [AP_J_UNDEFINED] = "Undefined", [AP_J_NONE] = "NoneType",
        [AP_J_BOOL] = "bool",             [AP_J_INT] = "int",             [AP_J_FLOAT] = "float",
        [AP_J_STRING] = "str",            [AP_J_DICT] = "dict",           [AP_J_RANGE] = "range",
        [AP_J_NAMESPACE] = "Namespace",   [AP_J_LOOP] = "LoopContext",    [AP_J_MACRO] = "Macro",
        [AP_J_FUNCTION] = "function",     [AP_J_METHOD] = "method",
    };
    return v.kind == AP_J_LIST ? list_type(v.list->flavour) : names[v.kind];
}

bool ap__jval_is_integer(struct ap_jval v)
{
    return v.kind == AP_J_BOOL || v.kind == AP_J_INT;
}

bool ap__jval_is_number(struct ap_jval v)
{
    return ap__jval_is_integer(v) || v.kind == AP_J_FLOAT;
}

int64_t ap__jval_integer(struct ap_jval v)
{
    return v.kind == AP_J_BOOL ? v.b : v.i;
}

double ap__jval_number(struct ap_jval v)
{
    return v.kind == AP_J_FLOAT ? v.f : (double)ap__jval_integer(v);
}

bool ap__jval_is_tuple(struct ap_jval v)
{
    return v.kind == AP_J_LIST && (v.list->flavour == AP_J_TUPLE || v.list->flavour == AP_J_GROUP);
}

bool ap__jval_text_is(struct ap_jval v, const char *text)
{
    return v.kind == AP_J_STRING && v.text.n == strlen(text) && memcmp(v.text.s, text, v.text.n) == 0;
}

static int64_t range_len(const struct ap_jrange *r)
{
    /* Bounds and step are small: jinja_globals.c sees to it, and slices stay within. */
    int64_t span = r->step > 0 ? r->stop - r->start : r->start - r->stop;
    int64_t step = r->step > 0 ? r->step : -r->step;
    return span <= 0 ? 0 : (span - 1) / step + 1;
}

bool ap__jval_len(struct ap_jval v, int64_t *out)
{
    switch (v.kind) {
    case AP_J_UNDEFINED:
        *out = 0;
        return true;
    case AP_J_STRING:
        *out = (int64_t)ap__jtext_chars(v.text);
        return true;
    case AP_J_LIST:
        *out = (int64_t)v.list->n;
        return v.list->flavour != AP_J_GENERATOR;
    case AP_J_DICT:
        *out = (int64_t)v.dict->n;
        return true;
    case AP_J_RANGE:
        *out = range_len(v.range);
        return true;
    case AP_J_LOOP:
        *out = (int64_t)v.loop->n;
        return true;
    default:
        return false;
    }
}

bool ap__jval_truth(struct ap_jval v)
{
    int64_t n;
    switch (v.kind) {
    case AP_J_MISSING:
    case AP_J_UNDEFINED:
    case AP_J_NONE:
        return false;
    case AP_J_BOOL:
        return v.b;
    case AP_J_INT:
        return v.i != 0;
    case AP_J_FLOAT:
        return v.f != 0;
    case AP_J_STRING:
        return v.text.n > 0;
    default:
        return !ap__jval_len(v, &n) || n > 0;
    }
}

/* ------------------------------------------------------------------ making them */

ap_status ap__jval_text(struct ap_jrun *run, const char *s, size_t n, struct ap_jval *out)
{
    AP_TRY(ap__jrun_spend(run, n));
    char *copy = ap__arena_strndup(&run->arena, s, n);
    if (!copy)
        return ap__jrun_memory(run);
    *out = ap__jval_view(copy, n);
    return AP_OK;
}

ap_status ap__jval_list(struct ap_jrun *run, enum ap_jflavour flavour, size_t cap, struct ap_jval *out)
{
    struct ap_jlist *list = ap__jrun_alloc(run, 1, sizeof *list);
    if (!list)
        return ap__jrun_memory(run);
    list->flavour = flavour;
    list->v = ap__jrun_alloc(run, cap, sizeof *list->v);
    if (!list->v)
        return ap__jrun_memory(run);
    *out = (struct ap_jval){.kind = AP_J_LIST, .list = list};
    return AP_OK;
}

ap_status ap__jval_push(struct ap_jrun *run, struct ap_jlist *list, size_t *cap, struct ap_jval item)
{
    if (list->n == *cap) {
        size_t wider = *cap < 4 ? 8 : 2 * *cap;
        struct ap_jval *v = ap__jrun_alloc(run, wider, sizeof *v);
        if (!v)
            return ap__jrun_memory(run);
        if (list->n)
            memcpy(v, list->v, list->n * sizeof *v);
        list->v = v;
        *cap = wider;
    }
    list->v[list->n++] = item;
    return AP_OK;
}

ap_status ap__jval_pair(struct ap_jrun *run, struct ap_jval a, struct ap_jval b, struct ap_jval *out)
{
    AP_TRY(ap__jval_list(run, AP_J_TUPLE, 2, out));
    out->list->v[0] = a;
    out->list->v[1] = b;
    out->list->n = 2;
    return AP_OK;
}

ap_status ap__jval_dict(struct ap_jrun *run, size_t cap, struct ap_jval *out)
{
    struct ap_jdict *d = ap__jrun_alloc(run, 1, sizeof *d);
    if (!d)
        return ap__jrun_memory(run);
    d->cap = cap;
    d->v = ap__jrun_alloc(run, cap, sizeof *d->v);
    if (!d->v)
        return ap__jrun_memory(run);
    *out = (struct ap_jval){.kind = AP_J_DICT, .dict = d};
    return AP_OK;
}

static ap_status find_pair(struct ap_jrun *run, const struct ap_jdict *d, struct ap_jval key, struct ap_jpair **out)
{
    *out = NULL;
    AP_TRY(ap__jrun_spend(run, d->n));
    for (size_t i = 0; i < d->n; i++) {
        struct ap_jval k = d->v[i].key;
        bool same;
        if (key.kind == AP_J_STRING)
            same = k.kind == AP_J_STRING && k.text.n == key.text.n && memcmp(k.text.s, key.text.s, k.text.n) == 0;
        else
            AP_TRY(ap__jval_equal(run, k, key, &same));
        if (same) {
            *out = &d->v[i];
            break;
        }
    }
    return AP_OK;
}

ap_status ap__jdict_get(struct ap_jrun *run, const struct ap_jdict *d, struct ap_jval key, struct ap_jval *out)
{
    struct ap_jpair *pair;
    AP_TRY(find_pair(run, d, key, &pair));
    *out = pair ? pair->value : (struct ap_jval){.kind = AP_J_MISSING};
    return AP_OK;
}

ap_status ap__jdict_set(struct ap_jrun *run, struct ap_jdict *d, struct ap_jval key, struct ap_jval value)
{
    struct ap_jpair *pair;
    AP_TRY(ap__jval_hashable(run, key));
    AP_TRY(find_pair(run, d, key, &pair));
    if (pair) {
        pair->value = value;
        return AP_OK;
    }
    if (d->n == d->cap) {
        size_t wider = d->cap < 4 ? 8 : 2 * d->cap;
        struct ap_jpair *v = ap__jrun_alloc(run, wider, sizeof *v);
        if (!v)
            return ap__jrun_memory(run);
        if (d->n)
            memcpy(v, d->v, d->n * sizeof *v);
        d->v = v;
        d->cap = wider;
    }
    d->v[d->n++] = (struct ap_jpair){key, value};
    return AP_OK;
}

/* ------------------------------------------------------------------ from JSON */

static ap_status convert(struct ap_jrun *run, const json_t *value, int depth, struct ap_jval *out);

static ap_status convert_object(struct ap_jrun *run, const json_t *value, int depth, struct ap_jval *out)
{
    const char *key;
    size_t len;
    json_t *member;
    AP_TRY(ap__jval_dict(run, json_object_size(value), out));
    struct ap_jdict *d = out->dict;
    json_object_keylen_foreach((json_t *)(uintptr_t)value, key, len, member) {
        d->v[d->n].key = ap__jval_view(key, len); /* keys of an object differ: no search */
        AP_TRY(convert(run, member, depth + 1, &d->v[d->n].value));
        d->n++;
    }
    return AP_OK;
}

static ap_status convert_array(struct ap_jrun *run, const json_t *value, int depth, struct ap_jval *out)
{
    size_t n = json_array_size(value);
    AP_TRY(ap__jval_list(run, AP_J_PLAIN, n, out));
    for (size_t i = 0; i < n; i++, out->list->n++)
        AP_TRY(convert(run, json_array_get(value, i), depth + 1, &out->list->v[i]));
    return AP_OK;
}

static ap_status convert(struct ap_jrun *run, const json_t *value, int depth, struct ap_jval *out)
{
    if (depth > JSON_DEPTH_MAX)
        return ap__jrun_fail(run, "the variables are nested deeper than %d", JSON_DEPTH_MAX);
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        return convert_object(run, value, depth, out);
    case JSON_ARRAY:
        return convert_array(run, value, depth, out);
    case JSON_STRING:
        *out = ap__jval_view(json_string_value(value), json_string_length(value));
        return AP_OK;
    case JSON_INTEGER:
        *out = ap__jval_int(json_integer_value(value));
        return AP_OK;
    case JSON_REAL:
        *out = ap__jval_float(json_real_value(value));
        return AP_OK;
    case JSON_TRUE:
    case JSON_FALSE:
        *out = ap__jval_bool(json_is_true(value));
        return AP_OK;
    case JSON_NULL:
        break;
    }
    *out = ap__jval_none();
    return AP_OK;
}

ap_status ap__jval_from_json(struct ap_jrun *run, const json_t *value, struct ap_jval *out)
{
    return convert(run, value, 0, out);
}

/* ------------------------------------------------------------------ walking through */

bool ap__jval_iterable(struct ap_jval v)
{
    return v.kind == AP_J_UNDEFINED || v.kind == AP_J_STRING || v.kind == AP_J_LIST || v.kind == AP_J_DICT ||
           v.kind == AP_J_RANGE || v.kind == AP_J_LOOP;
}

static ap_status room(struct ap_jrun *run, size_t n, struct ap_jlist *out)
{
    AP_TRY(ap__jrun_spend(run, n));
    *out = (struct ap_jlist){.v = ap__jrun_alloc(run, n, sizeof *out->v)};
    return out->v ? AP_OK : ap__jrun_memory(run);
}

static ap_status characters(struct ap_jrun *run, struct ap_jval v, struct ap_jlist *out)
{
    AP_TRY(room(run, ap__jtext_chars(v.text), out));
    for (size_t at = 0; at < v.text.n;) {
        size_t len = ap__jtext_width(v.text, at);
        out->v[out->n] = ap__jval_view(v.text.s + at, len);
        out->v[out->n++].markup = v.markup;
        at += len;
    }
    return AP_OK;
}

static ap_status keys(struct ap_jrun *run, const struct ap_jdict *d, struct ap_jlist *out)
{
    AP_TRY(room(run, d->n, out));
    for (; out->n < d->n; out->n++)
        out->v[out->n] = d->v[out->n].key;
    return AP_OK;
}

static ap_status numbers(struct ap_jrun *run, const struct ap_jrange *r, struct ap_jlist *out)
{
    size_t n = (size_t)range_len(r);
    AP_TRY(room(run, n, out));
    for (; out->n < n; out->n++)
        out->v[out->n] = ap__jval_int(r->start + (int64_t)out->n * r->step);
    return AP_OK;
}

static ap_status row(struct ap_jrun *run, struct ap_jlist *list, struct ap_jlist *out)
{
    *out = (struct ap_jlist){.v = list->v + list->at, .n = list->n - list->at};
    if (list->flavour == AP_J_GENERATOR)
        list->at = list->n;
    return ap__jrun_spend(run, out->n);
}

ap_status ap__jval_iterate(struct ap_jrun *run, struct ap_jval v, struct ap_jlist *out)
{
    switch (v.kind) {
    case AP_J_UNDEFINED:
        *out = (struct ap_jlist){0};
        return AP_OK;
    case AP_J_STRING:
        return characters(run, v, out);
    case AP_J_LIST:
        return row(run, v.list, out);
    case AP_J_DICT:
        return keys(run, v.dict, out);
    case AP_J_RANGE:
        return numbers(run, v.range, out);
    default:
        return ap__jrun_fail(run, "'%s' object is not iterable", ap__jval_type(v));
    }
}
