/* jinja_globals.c - functions that every template can call.
 *
 *     range(3), dict(a=1), namespace(found=false), raise_exception("..."), strftime_now("%d %B %Y")
 *
 * raise_exception and strftime_now are what transformers adds to Jinja2. */
#include "jinja/jinja_run.h"
#include "jinja/jinja_text.h"

#include <string.h>
#include <time.h>

#define RANGE_MAX 100000 /* items, as in Jinja2's sandbox */
#define DATE_MAX 4096

static ap_status call_range(struct ap_jrun *run, struct ap_jval self, const struct ap_jval *slot,
                            const struct ap_jargs *args, struct ap_jval *out)
{
    int64_t bound[3] = {0, 0, 1}, n;
    (void)self, (void)args;
    for (int i = 0; i < 3 && slot[i].kind != AP_J_MISSING; i++) {
        if (!ap__jval_is_integer(slot[i]))
            return ap__jrun_fail(run, "'%s' object cannot be interpreted as an integer", ap__jval_type(slot[i]));
        bound[i] = ap__jval_integer(slot[i]);
        if (bound[i] > INT32_MAX || bound[i] < -INT32_MAX)
            return ap__jrun_fail(run, "the numbers of a range are at most %d", INT32_MAX);
    }
    if (slot[1].kind == AP_J_MISSING) {
        bound[1] = bound[0];
        bound[0] = 0;
    }
    if (bound[2] == 0)
        return ap__jrun_fail(run, "range() arg 3 must not be zero");
    struct ap_jrange *range = ap__jrun_alloc(run, 1, sizeof *range);
    if (!range)
        return ap__jrun_memory(run);
    *range = (struct ap_jrange){bound[0], bound[1], bound[2]};
    *out = (struct ap_jval){.kind = AP_J_RANGE, .range = range};
    ap__jval_len(*out, &n);
    return n <= RANGE_MAX ? AP_OK : ap__jrun_fail(run, "Range too big. The maximum size is %d", RANGE_MAX);
}

static ap_status add_pairs(struct ap_jrun *run, struct ap_jval from, struct ap_jdict *to)
{
    struct ap_jlist items, pair;
    if (from.kind == AP_J_DICT) {
        for (size_t i = 0; i < from.dict->n; i++)
            AP_TRY(ap__jdict_set(run, to, from.dict->v[i].key, from.dict->v[i].value));
        return AP_OK;
    }
    AP_TRY(ap__jval_iterate(run, from, &items));
    for (size_t i = 0; i < items.n; i++) {
        AP_TRY(ap__jval_iterate(run, items.v[i], &pair));
        if (pair.n != 2)
            return ap__jrun_fail(run, "dictionary update sequence element has length %zu; 2 is required", pair.n);
        AP_TRY(ap__jdict_set(run, to, pair.v[0], pair.v[1]));
    }
    return AP_OK;
}

static ap_status call_dict(struct ap_jrun *run, struct ap_jval self, const struct ap_jval *slot,
                           const struct ap_jargs *args, struct ap_jval *out)
{
    struct ap_jval dict;
    (void)self, (void)slot;
    if (args->n > 1)
        return ap__jrun_fail(run, "dict expected at most 1 argument, got %zu", args->n);
    AP_TRY(ap__jval_dict(run, args->n_kw, &dict));
    if (args->n)
        AP_TRY(add_pairs(run, args->v[0], dict.dict));
    for (size_t i = 0; i < args->n_kw; i++)
        AP_TRY(ap__jdict_set(run, dict.dict, ap__jval_view(args->kw[i].name.s, args->kw[i].name.n),
                             args->kw[i].value));
    *out = dict;
    return AP_OK;
}

static ap_status call_namespace(struct ap_jrun *run, struct ap_jval self, const struct ap_jval *slot,
                                const struct ap_jargs *args, struct ap_jval *out)
{
    AP_TRY(call_dict(run, self, slot, args, out));
    for (size_t i = 0; i < out->dict->n; i++) {
        struct ap_jval key = out->dict->v[i].key;
        if (key.kind == AP_J_STRING && key.text.n && key.text.s[0] == '_')
            return ap__jrun_fail(run, "a namespace holds no attribute that begins with an underscore");
    }
    out->kind = AP_J_NAMESPACE;
    return AP_OK;
}

static ap_status call_raise(struct ap_jrun *run, struct ap_jval self, const struct ap_jval *slot,
                            const struct ap_jargs *args, struct ap_jval *out)
{
    struct ap_jval text;
    (void)self, (void)args, (void)out;
    AP_TRY(ap__jval_str(run, slot[0], &text));
    return ap__jrun_fail(run, "%.*s", (int)(text.text.n < 500 ? text.text.n : 500), text.text.s);
}

static ap_status call_strftime(struct ap_jrun *run, struct ap_jval self, const struct ap_jval *slot,
                               const struct ap_jargs *args, struct ap_jval *out)
{
    char format[DATE_MAX], text[DATE_MAX];
    time_t now = (time_t)run->now;
    struct tm tm;
    (void)self, (void)args;
    if (slot[0].kind != AP_J_STRING)
        return ap__jrun_fail(run, "strftime_now takes a format, not %s", ap__jval_type(slot[0]));
    /* A mark behind the format tells an empty date from one that is too long. */
    if (slot[0].text.n + 2 > sizeof format || memchr(slot[0].text.s, '\0', slot[0].text.n))
        return ap__jrun_fail(run, "the format of strftime_now is too long");
    memcpy(format, slot[0].text.s, slot[0].text.n);
    memcpy(format + slot[0].text.n, "|", 2);
    if (!localtime_r(&now, &tm))
        return ap__jrun_fail(run, "the time is out of range");
    size_t n = strftime(text, sizeof text, format, &tm);
    return n ? ap__jval_text(run, text, n - 1, out) : ap__jrun_fail(run, "the date of strftime_now is too long");
}

const struct ap_jfunc ap__jinja_globals[] = {
    {"range", "start stop step", 1, call_range},
    {"dict", "*", 0, call_dict},
    {"namespace", "*", 0, call_namespace},
    {"raise_exception", "message", 1, call_raise},
    {"strftime_now", "format", 1, call_strftime},
    {0},
};
