/* jinja_filters_list.c - filters that take lists, or anything that can be walked through, apart.
 *
 *     list, items, first, last, reverse, batch, slice, sum */
#include "jinja/jinja_run.h"
#include "jinja/jinja_text.h"

#include <string.h>

/* The items of v as a value of the given flavour. */
static ap_status gather(struct ap_jrun *run, struct ap_jval v, enum ap_jflavour flavour, struct ap_jval *out)
{
    struct ap_jlist items;
    AP_TRY(ap__jval_iterate(run, v, &items));
    AP_TRY(ap__jval_list(run, flavour, items.n, out));
    if (items.n)
        memcpy(out->list->v, items.v, items.n * sizeof *items.v);
    out->list->n = items.n;
    return AP_OK;
}

static ap_status sentence(struct ap_jrun *run, struct ap_jtext text, struct ap_jval *out)
{
    struct ap_jhint *hint = ap__jrun_alloc(run, 1, sizeof *hint);
    if (!hint)
        return ap__jrun_memory(run);
    *hint = (struct ap_jhint){.text = text, .sentence = true};
    *out = ap__jval_undefined();
    out->hint = hint;
    return AP_OK;
}

static ap_status filter_list(struct ap_jrun *run, struct ap_jval self, const struct ap_jval *slot,
                             const struct ap_jargs *args, struct ap_jval *out)
{
    (void)slot, (void)args;
    return gather(run, self, AP_J_PLAIN, out);
}

static ap_status filter_items(struct ap_jrun *run, struct ap_jval self, const struct ap_jval *slot,
                              const struct ap_jargs *args, struct ap_jval *out)
{
    struct ap_jval pair;
    (void)slot, (void)args;
    if (self.kind != AP_J_DICT && self.kind != AP_J_UNDEFINED)
        return ap__jrun_fail(run, "Can only get item pairs from a mapping");
    size_t n = self.kind == AP_J_DICT ? self.dict->n : 0;
    AP_TRY(ap__jrun_spend(run, n));
    AP_TRY(ap__jval_list(run, AP_J_GENERATOR, n, out));
    for (size_t i = 0; i < n; i++) {
        AP_TRY(ap__jval_pair(run, self.dict->v[i].key, self.dict->v[i].value, &pair));
        out->list->v[out->list->n++] = pair;
    }
    return AP_OK;
}

static ap_status filter_first(struct ap_jrun *run, struct ap_jval self, const struct ap_jval *slot,
                              const struct ap_jargs *args, struct ap_jval *out)
{
    struct ap_jlist items;
    (void)slot, (void)args;
    if (self.kind == AP_J_LIST && self.list->flavour == AP_J_GENERATOR && self.list->at < self.list->n) {
        *out = self.list->v[self.list->at++]; /* the others can still be taken */
        return AP_OK;
    }
    AP_TRY(ap__jval_iterate(run, self, &items));
    if (items.n == 0)
        return sentence(run, AP_JTEXT("No first item, sequence was empty."), out);
    *out = items.v[0];
    return AP_OK;
}

static bool has_reverse(struct ap_jval v)
{
    return v.kind == AP_J_UNDEFINED || v.kind == AP_J_STRING || v.kind == AP_J_DICT || v.kind == AP_J_RANGE ||
           (v.kind == AP_J_LIST && v.list->flavour != AP_J_GENERATOR);
}

static ap_status filter_last(struct ap_jrun *run, struct ap_jval self, const struct ap_jval *slot,
                             const struct ap_jargs *args, struct ap_jval *out)
{
    struct ap_jlist items;
    (void)slot, (void)args;
    if (!has_reverse(self))
        return ap__jrun_fail(run, "'%s' object is not reversible", ap__jval_type(self));
    AP_TRY(ap__jval_iterate(run, self, &items));
    if (items.n == 0)
        return sentence(run, AP_JTEXT("No last item, sequence was empty."), out);
    *out = items.v[items.n - 1];
    return AP_OK;
}

static ap_status filter_reverse(struct ap_jrun *run, struct ap_jval self, const struct ap_jval *slot,
                                const struct ap_jargs *args, struct ap_jval *out)
{
    static const struct ap_jval back[3] = {{.kind = AP_J_MISSING}, {.kind = AP_J_MISSING}, {.kind = AP_J_INT, .i = -1}};
    (void)slot, (void)args;
    if (self.kind == AP_J_STRING)
        return ap__jval_slice(run, self, back, out);
    AP_TRY(gather(run, self, has_reverse(self) ? AP_J_GENERATOR : AP_J_PLAIN, out));
    struct ap_jlist *l = out->list;
    for (size_t i = 0, k = l->n; i + 1 < k; i++) {
        struct ap_jval v = l->v[i];
        l->v[i] = l->v[--k];
        l->v[k] = v;
    }
    return AP_OK;
}

static ap_status need_count(struct ap_jrun *run, struct ap_jval v, int64_t *out)
{
    if (!ap__jval_is_integer(v) || ap__jval_integer(v) < 1 || ap__jval_integer(v) > INT32_MAX)
        return ap__jrun_fail(run, "a positive number is needed");
    *out = ap__jval_integer(v);
    return AP_OK;
}

/* Rows of `count` items; the last one is filled with slot[1] if given. */
static ap_status filter_batch(struct ap_jrun *run, struct ap_jval self, const struct ap_jval *slot,
                              const struct ap_jargs *args, struct ap_jval *out)
{
    int64_t count = 0;
    size_t rows_cap = 0, cap = 0;
    struct ap_jlist items;
    struct ap_jval row = {.kind = AP_J_MISSING};
    (void)args;
    AP_TRY(need_count(run, slot[0], &count));
    AP_TRY(ap__jval_iterate(run, self, &items));
    AP_TRY(ap__jval_list(run, AP_J_GENERATOR, 0, out));
    for (size_t i = 0; i < items.n; i++) {
        if (i % (size_t)count == 0) {
            cap = 0;
            AP_TRY(ap__jval_list(run, AP_J_PLAIN, 0, &row));
            AP_TRY(ap__jval_push(run, out->list, &rows_cap, row));
        }
        AP_TRY(ap__jval_push(run, row.list, &cap, items.v[i]));
    }
    bool fill = slot[1].kind != AP_J_MISSING && slot[1].kind != AP_J_NONE && items.n;
    while (fill && row.list->n < (size_t)count) {
        AP_TRY(ap__jrun_spend(run, 0));
        AP_TRY(ap__jval_push(run, row.list, &cap, slot[1]));
    }
    return AP_OK;
}

/* `count` columns, the first ones longer; the short ones are filled with slot[1] if given. */
static ap_status filter_slice(struct ap_jrun *run, struct ap_jval self, const struct ap_jval *slot,
                              const struct ap_jargs *args, struct ap_jval *out)
{
    int64_t count = 0;
    size_t columns_cap = 0, at = 0;
    struct ap_jlist items;
    struct ap_jval column;
    (void)args;
    AP_TRY(need_count(run, slot[0], &count));
    AP_TRY(ap__jval_iterate(run, self, &items));
    AP_TRY(ap__jval_list(run, AP_J_GENERATOR, 0, out));
    for (size_t i = 0; i < (size_t)count; i++) {
        bool longer = i < items.n % (size_t)count;
        size_t n = items.n / (size_t)count + longer, cap = n + 1;
        AP_TRY(ap__jrun_spend(run, n));
        AP_TRY(ap__jval_list(run, AP_J_PLAIN, cap, &column));
        for (size_t k = 0; k < n; k++)
            AP_TRY(ap__jval_push(run, column.list, &cap, items.v[at++]));
        if (!longer && slot[1].kind != AP_J_MISSING && slot[1].kind != AP_J_NONE)
            AP_TRY(ap__jval_push(run, column.list, &cap, slot[1]));
        AP_TRY(ap__jval_push(run, out->list, &columns_cap, column));
    }
    return AP_OK;
}

static ap_status filter_sum(struct ap_jrun *run, struct ap_jval self, const struct ap_jval *slot,
                            const struct ap_jargs *args, struct ap_jval *out)
{
    struct ap_jlist items;
    struct ap_jval total = slot[1].kind == AP_J_MISSING ? ap__jval_int(0) : slot[1], item;
    struct ap_jval nothing = {.kind = AP_J_MISSING};
    (void)args;
    if (total.kind == AP_J_STRING)
        return ap__jrun_fail(run, "sum() can't sum strings");
    AP_TRY(ap__jval_iterate(run, self, &items));
    for (size_t i = 0; i < items.n; i++) {
        item = items.v[i];
        if (slot[0].kind != AP_J_MISSING && slot[0].kind != AP_J_NONE)
            AP_TRY(ap__jval_path(run, item, slot[0], nothing, &item));
        AP_TRY(ap__jop_binary(run, AP_JOP_ADD, total, item, &total));
    }
    *out = total;
    return AP_OK;
}

const struct ap_jfunc ap__jinja_list_filters[] = {
    {"list", "", 0, filter_list},
    {"items", "", 0, filter_items},
    {"first", "", 0, filter_first},
    {"last", "", 0, filter_last},
    {"reverse", "", 0, filter_reverse},
    {"batch", "linecount fill_with", 1, filter_batch},
    {"slice", "slices fill_with", 1, filter_slice},
    {"sum", "attribute start", 0, filter_sum},
    {0},
};
