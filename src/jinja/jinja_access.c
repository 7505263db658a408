/* jinja_access.c - a.b, a[b], a[b:c:d].
 *
 *     a.b    the attribute (a method) if the type has one, else the item a["b"], else undefined
 *     a[b]   the item, else the attribute, else undefined
 *     a[::]  text and lists; bounds beyond the ends are cut to them
 *
 * Everything asked of an undefined value fails. */
#include "jinja/jinja_run.h"
#include "jinja/jinja_text.h"

#include <string.h>

static ap_status nothing(struct ap_jrun *run, struct ap_jval owner, struct ap_jtext name, struct ap_jval *out)
{
    struct ap_jhint *hint = ap__jrun_alloc(run, 1, sizeof *hint);
    if (!hint)
        return ap__jrun_memory(run);
    hint->owner = ap__jval_type(owner);
    hint->text = name;
    *out = ap__jval_undefined();
    out->hint = hint;
    return AP_OK;
}

/* ------------------------------------------------------------------ attributes */

static const struct ap_jfunc *methods_of(struct ap_jval v)
{
    switch (v.kind) {
    case AP_J_STRING:
        return ap__jinja_string_methods;
    case AP_J_DICT:
        return ap__jinja_dict_methods;
    case AP_J_LIST:
        if (ap__jval_is_tuple(v))
            return ap__jinja_tuple_methods;
        return v.list->flavour == AP_J_PLAIN ? ap__jinja_list_methods : NULL;
    case AP_J_LOOP:
        return ap__jinja_loop_methods;
    default:
        return NULL;
    }
}

static ap_status bind_method(struct ap_jrun *run, const struct ap_jfunc *func, struct ap_jval self,
                             struct ap_jval *out)
{
    struct ap_jmethod *method = ap__jrun_alloc(run, 1, sizeof *method);
    if (!method)
        return ap__jrun_memory(run);
    *method = (struct ap_jmethod){func, self};
    *out = (struct ap_jval){.kind = AP_J_METHOD, .method = method};
    return AP_OK;
}

static bool names(struct ap_jtext text, const char *name)
{
    return text.n == strlen(name) && memcmp(text.s, name, text.n) == 0;
}

/* Attributes of `loop` that are numbers, truths or items; false when it has no such. */
static bool loop_attribute(const struct ap_jloop *l, struct ap_jtext name, struct ap_jval *out)
{
    int64_t at = (int64_t)l->at, n = (int64_t)l->n;
    const struct {
        const char *name;
        struct ap_jval value;
    } members[] = {
        {"index", ap__jval_int(at + 1)},     {"index0", ap__jval_int(at)},
        {"first", ap__jval_bool(at == 0)},   {"last", ap__jval_bool(at + 1 == n)},
        {"length", ap__jval_int(n)},         {"revindex", ap__jval_int(n - at)},
        {"revindex0", ap__jval_int(n - at - 1)}, {"depth", ap__jval_int(l->depth + 1)},
        {"depth0", ap__jval_int(l->depth)},
        {"previtem", at > 0 ? l->item[at - 1] : ap__jval_undefined()},
        {"nextitem", at + 1 < n ? l->item[at + 1] : ap__jval_undefined()},
    };
    for (size_t i = 0; i < sizeof members / sizeof *members; i++)
        if (names(name, members[i].name)) {
            *out = members[i].value;
            return true;
        }
    return false;
}

static bool macro_attribute(struct ap_jrun *run, const struct ap_jmacro *m, struct ap_jtext name,
                            struct ap_jval *out)
{
    if (!names(name, "name") || m->node->kind != AP_JN_MACRO)
        return false;
    struct ap_jtext own = run->t->name[m->node->name];
    *out = ap__jval_view(own.s, own.n);
    return true;
}

/* What the type itself offers under this name; *out is MISSING when it offers nothing. */
static ap_status own_attribute(struct ap_jrun *run, struct ap_jval v, struct ap_jtext name, struct ap_jval *out)
{
    const struct ap_jfunc *methods = methods_of(v), *found = methods ? ap__jfunc_find(methods, name.s, name.n) : NULL;
    *out = (struct ap_jval){.kind = AP_J_MISSING};
    if (found && !found->run) /* it would change the value, or is not for templates: undefined, as in a sandbox */
        return nothing(run, v, name, out);
    if (found)
        return bind_method(run, found, v, out);
    if (v.kind == AP_J_LOOP)
        loop_attribute(v.loop, name, out);
    else if (v.kind == AP_J_MACRO)
        macro_attribute(run, v.macro, name, out);
    else if (v.kind == AP_J_NAMESPACE)
        return ap__jdict_get(run, v.dict, ap__jval_view(name.s, name.n), out);
    else if (v.kind == AP_J_LIST && v.list->flavour == AP_J_GROUP && (names(name, "grouper") || names(name, "list")))
        *out = v.list->v[name.s[0] == 'l'];
    return AP_OK;
}

ap_status ap__jval_attribute(struct ap_jrun *run, struct ap_jval v, struct ap_jtext name, struct ap_jval *out)
{
    if (v.kind == AP_J_UNDEFINED)
        return ap__jrun_undefined(run, v);
    AP_TRY(own_attribute(run, v, name, out));
    if (out->kind == AP_J_MISSING && v.kind == AP_J_DICT)
        AP_TRY(ap__jdict_get(run, v.dict, ap__jval_view(name.s, name.n), out));
    return out->kind == AP_J_MISSING ? nothing(run, v, name, out) : AP_OK;
}

/* ------------------------------------------------------------------ items */

/* An index from the front or, negative, from the back; false when it is beyond the ends. */
static bool place(int64_t index, int64_t n, int64_t *at)
{
    *at = index < 0 ? index + n : index;
    return *at >= 0 && *at < n;
}

static bool item_at(struct ap_jval v, int64_t index, struct ap_jval *out)
{
    int64_t n, at;
    bool indexable = v.kind == AP_J_STRING || v.kind == AP_J_RANGE ||
                     (v.kind == AP_J_LIST && (v.list->flavour == AP_J_PLAIN || ap__jval_is_tuple(v)));
    if (!indexable || !ap__jval_len(v, &n) || !place(index, n, &at))
        return false;
    if (v.kind == AP_J_LIST) {
        *out = v.list->v[at];
    } else if (v.kind == AP_J_RANGE) {
        *out = ap__jval_int(v.range->start + at * v.range->step);
    } else {
        size_t start = ap__jtext_offset(v.text, (size_t)at);
        *out = ap__jval_view(v.text.s + start, ap__jtext_width(v.text, start));
        out->markup = v.markup;
    }
    return true;
}

ap_status ap__jval_item(struct ap_jrun *run, struct ap_jval v, struct ap_jval index, struct ap_jval *out)
{
    *out = (struct ap_jval){.kind = AP_J_MISSING};
    if (v.kind == AP_J_UNDEFINED)
        return ap__jrun_undefined(run, v);
    if (v.kind == AP_J_DICT) {
        bool unhashable = index.kind == AP_J_DICT || (index.kind == AP_J_LIST && !ap__jval_is_tuple(index));
        if (!unhashable)
            AP_TRY(ap__jdict_get(run, v.dict, index, out));
    } else if (ap__jval_is_integer(index)) {
        AP_TRY(ap__jrun_spend(run, v.kind == AP_J_STRING ? v.text.n : 0));
        item_at(v, ap__jval_integer(index), out);
    }
    if (out->kind == AP_J_MISSING && index.kind == AP_J_STRING)
        AP_TRY(own_attribute(run, v, index.text, out));
    if (out->kind != AP_J_MISSING)
        return AP_OK;
    struct ap_jval name = ap__jval_view(ap__jval_type(index), strlen(ap__jval_type(index)));
    if (index.kind == AP_J_STRING || ap__jval_is_number(index))
        AP_TRY(ap__jval_str(run, index, &name));
    return nothing(run, v, name.text, out);
}

/* ------------------------------------------------------------------ slices */

static bool read_bound(struct ap_jval bound, int64_t otherwise, int64_t *out)
{
    *out = otherwise;
    if (bound.kind == AP_J_MISSING || bound.kind == AP_J_NONE)
        return true;
    if (!ap__jval_is_integer(bound))
        return false;
    *out = ap__jval_integer(bound);
    return true;
}

/* Items start, start + step, ... (count of them) of n, as Python cuts bounds to the ends. */
static void cut(int64_t n, bool has_start, bool has_stop, int64_t *start, int64_t stop, int64_t step, int64_t *count)
{
    int64_t low = step > 0 ? 0 : -1, high = step > 0 ? n : n - 1;
    if (!has_start)
        *start = step > 0 ? low : high;
    else if (*start < 0)
        *start = *start + n < low ? low : *start + n;
    else if (*start > high)
        *start = high;
    if (!has_stop)
        stop = step > 0 ? high : low;
    else if (stop < 0)
        stop = stop + n < low ? low : stop + n;
    else if (stop > high)
        stop = high;
    int64_t span = step > 0 ? stop - *start : *start - stop, pace = step > 0 ? step : -step;
    *count = span <= 0 ? 0 : (span - 1) / pace + 1;
}

static ap_status slice_text(struct ap_jrun *run, struct ap_jval v, int64_t start, int64_t step, int64_t count,
                            struct ap_jval *out)
{
    if (step == 1) {
        size_t from = ap__jtext_offset(v.text, (size_t)start);
        struct ap_jtext rest = {v.text.s + from, v.text.n - from};
        *out = ap__jval_view(rest.s, ap__jtext_offset(rest, (size_t)count));
        out->markup = v.markup;
        return AP_OK;
    }
    struct ap_jlist chars;
    AP_TRY(ap__jval_iterate(run, v, &chars));
    size_t mark = ap__jrun_catch(run);
    for (int64_t i = 0; i < count; i++) {
        struct ap_jtext c = chars.v[start + i * step].text;
        AP_TRY(ap__jrun_emit(run, c.s, c.n));
    }
    AP_TRY(ap__jrun_caught(run, mark, out));
    out->markup = v.markup;
    return AP_OK;
}

static ap_status slice_list(struct ap_jrun *run, const struct ap_jlist *list, int64_t start, int64_t step,
                            int64_t count, struct ap_jval *out)
{
    AP_TRY(ap__jrun_spend(run, (size_t)count));
    AP_TRY(ap__jval_list(run, list->flavour == AP_J_PLAIN ? AP_J_PLAIN : AP_J_TUPLE, (size_t)count, out));
    for (int64_t i = 0; i < count; i++)
        out->list->v[i] = list->v[start + i * step];
    out->list->n = (size_t)count;
    return AP_OK;
}

static ap_status slice_range(struct ap_jrun *run, const struct ap_jrange *r, int64_t start, int64_t step,
                             int64_t count, struct ap_jval *out)
{
    struct ap_jrange *part = ap__jrun_alloc(run, 1, sizeof *part);
    if (!part)
        return ap__jrun_memory(run);
    int64_t first = r->start + start * r->step, pace = r->step * step;
    *part = (struct ap_jrange){first, first + count * pace, pace};
    *out = (struct ap_jval){.kind = AP_J_RANGE, .range = part};
    return AP_OK;
}

ap_status ap__jval_slice(struct ap_jrun *run, struct ap_jval v, const struct ap_jval bound[3], struct ap_jval *out)
{
    int64_t start, stop, step, n, count;
    bool sliceable = v.kind == AP_J_STRING || v.kind == AP_J_RANGE ||
                     (v.kind == AP_J_LIST && (v.list->flavour == AP_J_PLAIN || ap__jval_is_tuple(v)));
    if (v.kind == AP_J_UNDEFINED)
        return ap__jrun_undefined(run, v);
    if (!sliceable || !read_bound(bound[0], 0, &start) || !read_bound(bound[1], 0, &stop) ||
        !read_bound(bound[2], 1, &step) || !ap__jval_len(v, &n))
        return ap__jrun_fail(run, "'%s' object cannot be sliced so", ap__jval_type(v));
    if (step == 0)
        return ap__jrun_fail(run, "slice step cannot be zero");
    step = step < -n - 1 ? -n - 1 : step > n + 1 ? n + 1 : step; /* longer steps reach no further */
    bool has_start = bound[0].kind > AP_J_NONE, has_stop = bound[1].kind > AP_J_NONE;
    cut(n, has_start, has_stop, &start, stop, step, &count);
    AP_TRY(ap__jrun_spend(run, v.kind == AP_J_STRING ? v.text.n : 0));
    if (v.kind == AP_J_STRING)
        return slice_text(run, v, start, step, count, out);
    if (v.kind == AP_J_LIST)
        return slice_list(run, v.list, start, step, count, out);
    return slice_range(run, v.range, start, step, count, out);
}

/* ------------------------------------------------------------------ paths of filters */

static ap_status path_step(struct ap_jrun *run, struct ap_jval v, struct ap_jtext part, struct ap_jval *out)
{
    int64_t index = 0;
    bool digits = part.n > 0 && part.n < 18;
    for (size_t i = 0; digits && i < part.n; i++) {
        digits = part.s[i] >= '0' && part.s[i] <= '9';
        index = index * 10 + (part.s[i] - '0');
    }
    return ap__jval_item(run, v, digits ? ap__jval_int(index) : ap__jval_view(part.s, part.n), out);
}

ap_status ap__jval_path(struct ap_jrun *run, struct ap_jval v, struct ap_jval path, struct ap_jval otherwise,
                        struct ap_jval *out)
{
    bool has_default = otherwise.kind != AP_J_MISSING && otherwise.kind != AP_J_NONE;
    if (path.kind == AP_J_NONE) {
        *out = v;
        return AP_OK;
    }
    if (path.kind != AP_J_STRING) {
        AP_TRY(ap__jval_item(run, v, path, out));
        if (has_default && out->kind == AP_J_UNDEFINED)
            *out = otherwise;
        return AP_OK;
    }
    for (size_t start = 0, end; start <= path.text.n; start = end + 1) {
        const char *dot = memchr(path.text.s + start, '.', path.text.n - start);
        end = dot ? (size_t)(dot - path.text.s) : path.text.n;
        AP_TRY(path_step(run, v, (struct ap_jtext){path.text.s + start, end - start}, &v));
        if (has_default && v.kind == AP_J_UNDEFINED)
            v = otherwise;
    }
    *out = v;
    return AP_OK;
}
