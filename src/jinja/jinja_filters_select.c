/* jinja_filters_select.c - map, select, reject, selectattr, rejectattr: other filters and tests, item by item.
 *
 *     messages | selectattr("role", "equalto", "user") | map(attribute="content") | list
 *
 * Jinja2 does the work when the items are asked for, here it is done at once; the result can still be walked
 * through only one time. */
#include "jinja/jinja_run.h"
#include "jinja/jinja_text.h"

static const struct ap_jval nothing = {.kind = AP_J_MISSING};

static const struct ap_jval *keyword(const struct ap_jargs *args, const char *name)
{
    for (size_t i = 0; i < args->n_kw; i++)
        if (ap__jval_text_is(ap__jval_view(args->kw[i].name.s, args->kw[i].name.n), name))
            return &args->kw[i].value;
    return NULL;
}

/* The items, and an empty result; whatever is not true has no items, even when it could not be walked through. */
static ap_status begin(struct ap_jrun *run, struct ap_jval self, struct ap_jlist *items, struct ap_jval *out)
{
    *items = (struct ap_jlist){0};
    if (ap__jval_truth(self))
        AP_TRY(ap__jval_iterate(run, self, items));
    return ap__jval_list(run, AP_J_GENERATOR, items->n, out);
}

static ap_status map_attribute(struct ap_jrun *run, const struct ap_jlist *items, const struct ap_jargs *args,
                               struct ap_jlist *to)
{
    const struct ap_jval *path = keyword(args, "attribute"), *otherwise = keyword(args, "default");
    if (args->n_kw > (otherwise ? 2 : 1))
        return ap__jrun_fail(run, "`map` takes no other arguments than attribute and default");
    for (size_t i = 0; i < items->n; i++, to->n++)
        AP_TRY(ap__jval_path(run, items->v[i], *path, otherwise ? *otherwise : nothing, &to->v[i]));
    return AP_OK;
}

static ap_status filter_map(struct ap_jrun *run, struct ap_jval self, const struct ap_jval *slot,
                            const struct ap_jargs *args, struct ap_jval *out)
{
    struct ap_jlist items;
    (void)slot;
    AP_TRY(begin(run, self, &items, out));
    if (items.n == 0)
        return AP_OK;
    if (args->n == 0 && keyword(args, "attribute"))
        return map_attribute(run, &items, args, out->list);
    if (args->n == 0 || args->v[0].kind != AP_J_STRING)
        return ap__jrun_fail(run, "map requires a filter argument");
    const struct ap_jfunc *filter = ap__jinja_filter_find(args->v[0].text.s, args->v[0].text.n);
    struct ap_jargs rest = {args->v + 1, args->n - 1, args->kw, args->n_kw};
    if (!filter)
        return ap__jrun_fail(run, "no filter named `%.*s`", (int)(args->v[0].text.n & 0xFF), args->v[0].text.s);
    for (size_t i = 0; i < items.n; i++, out->list->n++)
        AP_TRY(ap__jcall_func(run, filter, items.v[i], &rest, &out->list->v[i]));
    return AP_OK;
}

/* Keep the items (or those with an attribute) for which the test, or their truth, is as wanted. */
static ap_status choose(struct ap_jrun *run, struct ap_jval self, struct ap_jargs args, bool by_attribute, bool wanted,
                        struct ap_jval *out)
{
    struct ap_jlist items;
    struct ap_jval path = nothing, value;
    const struct ap_jfunc *test = NULL;
    AP_TRY(begin(run, self, &items, out));
    if (items.n == 0)
        return AP_OK;
    if (by_attribute) {
        if (args.n == 0)
            return ap__jrun_fail(run, "Missing parameter for attribute name");
        path = args.v[0];
        args = (struct ap_jargs){args.v + 1, args.n - 1, args.kw, args.n_kw};
    }
    if (args.n) {
        struct ap_jval name = args.v[0];
        test = name.kind == AP_J_STRING ? ap__jfunc_find(ap__jinja_tests, name.text.s, name.text.n) : NULL;
        if (!test)
            return ap__jrun_fail(run, "no such test in `select` or `reject`");
        args = (struct ap_jargs){args.v + 1, args.n - 1, args.kw, args.n_kw};
    }
    for (size_t i = 0; i < items.n; i++) {
        value = items.v[i];
        if (by_attribute)
            AP_TRY(ap__jval_path(run, value, path, nothing, &value));
        if (test)
            AP_TRY(ap__jcall_func(run, test, value, &args, &value));
        if (ap__jval_truth(value) == wanted)
            out->list->v[out->list->n++] = items.v[i];
    }
    return AP_OK;
}

static ap_status filter_select(struct ap_jrun *run, struct ap_jval self, const struct ap_jval *slot,
                               const struct ap_jargs *args, struct ap_jval *out)
{
    (void)slot;
    return choose(run, self, *args, false, true, out);
}

static ap_status filter_reject(struct ap_jrun *run, struct ap_jval self, const struct ap_jval *slot,
                               const struct ap_jargs *args, struct ap_jval *out)
{
    (void)slot;
    return choose(run, self, *args, false, false, out);
}

static ap_status filter_selectattr(struct ap_jrun *run, struct ap_jval self, const struct ap_jval *slot,
                                   const struct ap_jargs *args, struct ap_jval *out)
{
    (void)slot;
    return choose(run, self, *args, true, true, out);
}

static ap_status filter_rejectattr(struct ap_jrun *run, struct ap_jval self, const struct ap_jval *slot,
                                   const struct ap_jargs *args, struct ap_jval *out)
{
    (void)slot;
    return choose(run, self, *args, true, false, out);
}

const struct ap_jfunc ap__jinja_select_filters[] = {
    {"map", "*", 0, filter_map},
    {"select", "*", 0, filter_select},
    {"reject", "*", 0, filter_reject},
    {"selectattr", "*", 0, filter_selectattr},
    {"rejectattr", "*", 0, filter_rejectattr},
    {0},
};
