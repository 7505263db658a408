/* jinja_containers.c - methods of dicts, lists and loops.
 *
 *     d.items(), d.get("k", 0), l.index(x), loop.cycle("a", "b")
 *
 * Methods that would change a dict or a list stand in the tables without a function: they are undefined, as in
 * the immutable sandbox of transformers. */
#include "jinja/jinja_run.h"
#include "jinja/jinja_text.h"

#include <string.h>

#define METHOD(name) \
    static ap_status name(struct ap_jrun *run, struct ap_jval self, const struct ap_jval *slot, \
                          const struct ap_jargs *args, struct ap_jval *out)

/* ------------------------------------------------------------------ dict */

METHOD(dict_keys)
{
    struct ap_jlist keys;
    (void)slot, (void)args;
    AP_TRY(ap__jval_iterate(run, self, &keys));
    AP_TRY(ap__jval_list(run, AP_J_KEYS, 0, out));
    out->list->v = keys.v;
    out->list->n = keys.n;
    return AP_OK;
}

METHOD(dict_values)
{
    (void)slot, (void)args;
    AP_TRY(ap__jrun_spend(run, self.dict->n));
    AP_TRY(ap__jval_list(run, AP_J_VALUES, self.dict->n, out));
    for (size_t i = 0; i < self.dict->n; i++)
        out->list->v[out->list->n++] = self.dict->v[i].value;
    return AP_OK;
}

METHOD(dict_items)
{
    struct ap_jval pair;
    (void)slot, (void)args;
    AP_TRY(ap__jrun_spend(run, self.dict->n));
    AP_TRY(ap__jval_list(run, AP_J_ITEMS, self.dict->n, out));
    for (size_t i = 0; i < self.dict->n; i++) {
        AP_TRY(ap__jval_pair(run, self.dict->v[i].key, self.dict->v[i].value, &pair));
        out->list->v[out->list->n++] = pair;
    }
    return AP_OK;
}

METHOD(dict_get)
{
    (void)args;
    AP_TRY(ap__jval_hashable(run, slot[0]));
    AP_TRY(ap__jdict_get(run, self.dict, slot[0], out));
    if (out->kind == AP_J_MISSING)
        *out = slot[1].kind == AP_J_MISSING ? ap__jval_none() : slot[1];
    return AP_OK;
}

METHOD(same_value) /* a copy of what never changes */
{
    (void)run, (void)slot, (void)args;
    *out = self;
    return AP_OK;
}

const struct ap_jfunc ap__jinja_dict_methods[] = {
    {"keys", "", 0, dict_keys},
    {"values", "", 0, dict_values},
    {"items", "", 0, dict_items},
    {"get", "key default", 1, dict_get},
    {"copy", "", 0, same_value},
    {"clear", "", 0, NULL},
    {"pop", "", 0, NULL},
    {"popitem", "", 0, NULL},
    {"setdefault", "", 0, NULL},
    {"update", "", 0, NULL},
    {"fromkeys", "", 0, NULL},
    {0},
};

/* ------------------------------------------------------------------ list and tuple */

METHOD(list_count)
{
    int64_t n = 0;
    (void)args;
    for (size_t i = 0; i < self.list->n; i++) {
        bool same;
        AP_TRY(ap__jval_equal(run, self.list->v[i], slot[0], &same));
        n += same;
    }
    *out = ap__jval_int(n);
    return AP_OK;
}

METHOD(list_index)
{
    int64_t n = (int64_t)self.list->n;
    int64_t start = ap__jval_is_integer(slot[1]) ? ap__jval_integer(slot[1]) : 0;
    int64_t stop = ap__jval_is_integer(slot[2]) ? ap__jval_integer(slot[2]) : n;
    (void)args;
    start = start < -n ? 0 : start < 0 ? start + n : start;
    stop = stop < 0 ? stop + n : stop > n ? n : stop;
    for (int64_t i = start; i < stop; i++) {
        bool same;
        AP_TRY(ap__jval_equal(run, self.list->v[i], slot[0], &same));
        if (same) {
            *out = ap__jval_int(i);
            return AP_OK;
        }
    }
    return ap__jrun_fail(run, "the item is not in the list");
}

const struct ap_jfunc ap__jinja_tuple_methods[] = {
    {"count", "value", 1, list_count},
    {"index", "value start stop", 1, list_index},
    {0},
};

const struct ap_jfunc ap__jinja_list_methods[] = {
    {"count", "value", 1, list_count},
    {"index", "value start stop", 1, list_index},
    {"copy", "", 0, same_value},
    {"append", "", 0, NULL},
    {"clear", "", 0, NULL},
    {"extend", "", 0, NULL},
    {"insert", "", 0, NULL},
    {"pop", "", 0, NULL},
    {"remove", "", 0, NULL},
    {"reverse", "", 0, NULL},
    {"sort", "", 0, NULL},
    {0},
};

/* ------------------------------------------------------------------ loop */

METHOD(loop_cycle)
{
    (void)slot;
    if (args->n == 0)
        return ap__jrun_fail(run, "no items for cycling given");
    *out = args->v[self.loop->at % args->n];
    return AP_OK;
}

/* True when the values differ from those of the last call. */
METHOD(loop_changed)
{
    struct ap_jval now;
    bool same = false;
    (void)slot;
    AP_TRY(ap__jval_list(run, AP_J_TUPLE, args->n, &now));
    if (args->n)
        memcpy(now.list->v, args->v, args->n * sizeof *args->v);
    now.list->n = args->n;
    if (self.loop->changed.kind != AP_J_MISSING)
        AP_TRY(ap__jval_equal(run, self.loop->changed, now, &same));
    self.loop->changed = now;
    *out = ap__jval_bool(!same);
    return AP_OK;
}

const struct ap_jfunc ap__jinja_loop_methods[] = {
    {"cycle", "*", 0, loop_cycle},
    {"changed", "*", 0, loop_changed},
    {0},
};
