/* jinja_filters_order.c - filters that compare items: sort, unique, min, max, dictsort, groupby.
 *
 *     items --attribute, case folded--> keys --sort--> order --> items
 *
 * Upper and lower case are the same unless case_sensitive is asked for. */
#include "jinja/jinja_run.h"
#include "jinja/jinja_text.h"

#include <string.h>

struct keys {
    struct ap_jlist items;
    struct ap_jval *key; /* (items.n,) */
    size_t *order;       /* (items.n,) */
};

static ap_status fold(struct ap_jrun *run, bool case_sensitive, struct ap_jval *key)
{
    return !case_sensitive && key->kind == AP_J_STRING ? ap__jtext_case(run, key->text, AP_J_LOWER, key) : AP_OK;
}

static ap_status make_key(struct ap_jrun *run, struct ap_jval item, struct ap_jval path, struct ap_jval otherwise,
                          bool case_sensitive, struct ap_jval *out)
{
    *out = item;
    if (path.kind != AP_J_MISSING && path.kind != AP_J_NONE)
        AP_TRY(ap__jval_path(run, item, path, otherwise, out));
    return fold(run, case_sensitive, out);
}

/* The list of keys by attributes parted by commas; a list, so that equal keys need no order among them. */
static ap_status make_key_list(struct ap_jrun *run, struct ap_jval item, struct ap_jval path, struct ap_jval otherwise,
                               bool case_sensitive, struct ap_jval *out)
{
    size_t cap = 0;
    struct ap_jval key;
    AP_TRY(ap__jval_list(run, AP_J_PLAIN, 0, out));
    if (path.kind != AP_J_STRING) {
        AP_TRY(make_key(run, item, path, otherwise, case_sensitive, &key));
        return ap__jval_push(run, out->list, &cap, key);
    }
    for (size_t start = 0, end; start <= path.text.n; start = end + 1) {
        const char *comma = memchr(path.text.s + start, ',', path.text.n - start);
        end = comma ? (size_t)(comma - path.text.s) : path.text.n;
        AP_TRY(make_key(run, item, ap__jval_view(path.text.s + start, end - start), otherwise, case_sensitive, &key));
        AP_TRY(ap__jval_push(run, out->list, &cap, key));
    }
    return AP_OK;
}

typedef ap_status key_maker(struct ap_jrun *run, struct ap_jval item, struct ap_jval path, struct ap_jval otherwise,
                            bool case_sensitive, struct ap_jval *out);

static ap_status make_keys(struct ap_jrun *run, key_maker *make, struct ap_jval v, struct ap_jval path,
                           struct ap_jval otherwise, bool case_sensitive, struct keys *k)
{
    AP_TRY(ap__jval_iterate(run, v, &k->items));
    k->key = ap__jrun_alloc(run, k->items.n, sizeof *k->key);
    k->order = ap__jrun_alloc(run, k->items.n, sizeof *k->order);
    if (!k->key || !k->order)
        return ap__jrun_memory(run);
    for (size_t i = 0; i < k->items.n; i++)
        AP_TRY(make(run, k->items.v[i], path, otherwise, case_sensitive, &k->key[i]));
    return AP_OK;
}

static ap_status sorted(struct ap_jrun *run, struct keys *k, bool reverse, struct ap_jval *out)
{
    AP_TRY(ap__jval_sort(run, k->key, k->order, k->items.n, reverse));
    AP_TRY(ap__jval_list(run, AP_J_PLAIN, k->items.n, out));
    for (size_t i = 0; i < k->items.n; i++)
        out->list->v[out->list->n++] = k->items.v[k->order[i]];
    return AP_OK;
}

static const struct ap_jval nothing = {.kind = AP_J_MISSING};

static ap_status filter_sort(struct ap_jrun *run, struct ap_jval self, const struct ap_jval *slot,
                             const struct ap_jargs *args, struct ap_jval *out)
{
    struct keys k;
    int64_t reverse;
    (void)args;
    AP_TRY(ap__jarg_int(run, slot[0], false, &reverse));
    AP_TRY(make_keys(run, make_key_list, self, slot[2], nothing, ap__jval_truth(slot[1]), &k));
    return sorted(run, &k, reverse != 0, out);
}

static ap_status filter_unique(struct ap_jrun *run, struct ap_jval self, const struct ap_jval *slot,
                               const struct ap_jargs *args, struct ap_jval *out)
{
    struct keys k;
    size_t seen = 0;
    (void)args;
    AP_TRY(make_keys(run, make_key, self, slot[1], nothing, ap__jval_truth(slot[0]), &k));
    AP_TRY(ap__jval_list(run, AP_J_GENERATOR, k.items.n, out));
    for (size_t i = 0; i < k.items.n; i++) {
        bool known = false;
        AP_TRY(ap__jval_hashable(run, k.key[i]));
        for (size_t s = 0; s < seen && !known; s++)
            AP_TRY(ap__jval_equal(run, k.key[s], k.key[i], &known));
        if (known)
            continue;
        k.key[seen++] = k.key[i];
        out->list->v[out->list->n++] = k.items.v[i];
    }
    return AP_OK;
}

static ap_status extreme(struct ap_jrun *run, struct ap_jval self, const struct ap_jval *slot, enum ap_jop better,
                         struct ap_jval *out)
{
    struct keys k;
    size_t best = 0;
    AP_TRY(make_keys(run, make_key, self, slot[1], nothing, ap__jval_truth(slot[0]), &k));
    for (size_t i = 1; i < k.items.n; i++) {
        bool wins;
        AP_TRY(ap__jop_compare(run, better, k.key[i], k.key[best], &wins));
        best = wins ? i : best;
    }
    *out = k.items.n ? k.items.v[best] : ap__jval_undefined();
    return AP_OK;
}

static ap_status filter_min(struct ap_jrun *run, struct ap_jval self, const struct ap_jval *slot,
                            const struct ap_jargs *args, struct ap_jval *out)
{
    (void)args;
    return extreme(run, self, slot, AP_JOP_LT, out);
}

static ap_status filter_max(struct ap_jrun *run, struct ap_jval self, const struct ap_jval *slot,
                            const struct ap_jargs *args, struct ap_jval *out)
{
    (void)args;
    return extreme(run, self, slot, AP_JOP_GT, out);
}

static ap_status filter_dictsort(struct ap_jrun *run, struct ap_jval self, const struct ap_jval *slot,
                                 const struct ap_jargs *args, struct ap_jval *out)
{
    struct keys k;
    struct ap_jval pairs;
    bool by_value = ap__jval_text_is(slot[1], "value");
    (void)args;
    if (slot[1].kind != AP_J_MISSING && !by_value && !ap__jval_text_is(slot[1], "key"))
        return ap__jrun_fail(run, "You can only sort by either \"key\" or \"value\"");
    if (self.kind == AP_J_UNDEFINED)
        return ap__jrun_undefined(run, self);
    if (self.kind != AP_J_DICT)
        return ap__jrun_fail(run, "'%s' object has no attribute 'items'", ap__jval_type(self));
    AP_TRY(ap__jval_list(run, AP_J_PLAIN, self.dict->n, &pairs));
    for (size_t i = 0; i < self.dict->n; i++, pairs.list->n++)
        AP_TRY(ap__jval_pair(run, self.dict->v[i].key, self.dict->v[i].value, &pairs.list->v[i]));
    AP_TRY(make_keys(run, make_key, pairs, ap__jval_int(by_value), nothing, ap__jval_truth(slot[0]), &k));
    return sorted(run, &k, ap__jval_truth(slot[2]), out);
}

static ap_status add_group(struct ap_jrun *run, struct ap_jval grouper, struct ap_jlist *groups, size_t *cap,
                           struct ap_jval *members)
{
    struct ap_jval group;
    AP_TRY(ap__jval_list(run, AP_J_PLAIN, 0, members));
    AP_TRY(ap__jval_pair(run, grouper, *members, &group));
    group.list->flavour = AP_J_GROUP;
    return ap__jval_push(run, groups, cap, group);
}

static ap_status filter_groupby(struct ap_jrun *run, struct ap_jval self, const struct ap_jval *slot,
                                const struct ap_jargs *args, struct ap_jval *out)
{
    struct keys k;
    struct ap_jval members = nothing, grouper;
    size_t groups_cap = 0, cap = 0;
    (void)args;
    AP_TRY(make_keys(run, make_key, self, slot[0], slot[1], ap__jval_truth(slot[2]), &k));
    AP_TRY(ap__jval_sort(run, k.key, k.order, k.items.n, false));
    AP_TRY(ap__jval_list(run, AP_J_PLAIN, 0, out));
    for (size_t i = 0; i < k.items.n; i++) {
        bool same = false;
        if (i)
            AP_TRY(ap__jval_equal(run, k.key[k.order[i - 1]], k.key[k.order[i]], &same));
        if (!same) {
            /* The group is called as its first item writes it, not as it was folded. */
            AP_TRY(make_key(run, k.items.v[k.order[i]], slot[0], slot[1], true, &grouper));
            AP_TRY(add_group(run, grouper, out->list, &groups_cap, &members));
            cap = 0;
        }
        AP_TRY(ap__jval_push(run, members.list, &cap, k.items.v[k.order[i]]));
    }
    return AP_OK;
}

const struct ap_jfunc ap__jinja_order_filters[] = {
    {"sort", "reverse case_sensitive attribute", 0, filter_sort},
    {"unique", "case_sensitive attribute", 0, filter_unique},
    {"min", "case_sensitive attribute", 0, filter_min},
    {"max", "case_sensitive attribute", 0, filter_max},
    {"dictsort", "case_sensitive by reverse", 0, filter_dictsort},
    {"groupby", "attribute default case_sensitive", 1, filter_groupby},
    {0},
};
