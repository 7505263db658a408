/* jinja_compare.c - equal, less, in; sorting by them.
 *
 *     numbers compare with numbers, text with text (by code point), lists item by item;
 *     equality holds between all types (different types are unequal), < does not */
#include "jinja/jinja_run.h"
#include "jinja/jinja_text.h"

#include <math.h>
#include <string.h>

/* ------------------------------------------------------------------ equality */

static ap_status equal(struct ap_jrun *run, struct ap_jval a, struct ap_jval b, bool *out);

/* Exactly, as Python does: a double of the integer may be another number. */
static int compare_with_float(int64_t i, double f)
{
    if (isnan(f))
        return 2;
    if (fabs(f) >= 9.3e18)
        return f > 0 ? -1 : 1;
    __extension__ typedef __int128 wide; /* holds the whole part of f even where an int64_t does not */
    wide whole = (wide)f;
    if (i != whole)
        return i < whole ? -1 : 1;
    double rest = f - trunc(f);
    return rest > 0 ? -1 : rest < 0;
}

static int compare_numbers(struct ap_jval a, struct ap_jval b)
{
    if (ap__jval_is_integer(a) && ap__jval_is_integer(b)) {
        int64_t x = ap__jval_integer(a), y = ap__jval_integer(b);
        return (x > y) - (x < y);
    }
    if (ap__jval_is_integer(a))
        return compare_with_float(ap__jval_integer(a), b.f);
    if (ap__jval_is_integer(b)) {
        int order = compare_with_float(ap__jval_integer(b), a.f);
        return order == 2 ? 2 : -order;
    }
    double x = a.f, y = b.f;
    return x < y ? -1 : x > y ? 1 : x == y ? 0 : 2; /* 2: not a number */
}

static int compare_text(struct ap_jtext a, struct ap_jtext b)
{
    size_t n = a.n < b.n ? a.n : b.n;
    int order = n ? memcmp(a.s, b.s, n) : 0; /* UTF-8 sorts as its code points do */
    return order ? (order > 0) - (order < 0) : (a.n > b.n) - (a.n < b.n);
}

static ap_status equal_lists(struct ap_jrun *run, const struct ap_jlist *a, const struct ap_jlist *b, bool *out)
{
    *out = a->n == b->n;
    for (size_t i = 0; *out && i < a->n; i++)
        AP_TRY(equal(run, a->v[i], b->v[i], out));
    return AP_OK;
}

static ap_status equal_dicts(struct ap_jrun *run, const struct ap_jdict *a, const struct ap_jdict *b, bool *out)
{
    *out = a->n == b->n;
    for (size_t i = 0; *out && i < a->n; i++) {
        struct ap_jval other;
        AP_TRY(ap__jdict_get(run, b, a->v[i].key, &other));
        *out = other.kind != AP_J_MISSING;
        if (*out)
            AP_TRY(equal(run, a->v[i].value, other, out));
    }
    return AP_OK;
}

static bool same_kind_of_list(const struct ap_jlist *a, const struct ap_jlist *b)
{
    bool tuples = a->flavour == AP_J_TUPLE || a->flavour == AP_J_GROUP;
    return tuples ? b->flavour == AP_J_TUPLE || b->flavour == AP_J_GROUP
                  : a->flavour == b->flavour && a->flavour != AP_J_GENERATOR && a->flavour != AP_J_VALUES;
}

static ap_status equal_objects(struct ap_jrun *run, struct ap_jval a, struct ap_jval b, bool *out)
{
    struct ap_jlist x, y;
    switch (a.kind) {
    case AP_J_LIST:
        *out = a.list == b.list;
        return !*out && same_kind_of_list(a.list, b.list) ? equal_lists(run, a.list, b.list, out) : AP_OK;
    case AP_J_DICT:
        return equal_dicts(run, a.dict, b.dict, out);
    case AP_J_RANGE:
        AP_TRY(ap__jval_iterate(run, a, &x));
        AP_TRY(ap__jval_iterate(run, b, &y));
        return equal_lists(run, &x, &y, out);
    case AP_J_METHOD:
        *out = a.method->func == b.method->func;
        return *out ? equal(run, a.method->self, b.method->self, out) : AP_OK;
    default:
        *out = a.dict == b.dict; /* the same object */
        return AP_OK;
    }
}

static ap_status equal(struct ap_jrun *run, struct ap_jval a, struct ap_jval b, bool *out)
{
    *out = false;
    if (ap__jval_is_number(a) && ap__jval_is_number(b)) {
        *out = compare_numbers(a, b) == 0;
        return AP_OK;
    }
    if (a.kind != b.kind)
        return AP_OK;
    switch (a.kind) {
    case AP_J_MISSING:
    case AP_J_UNDEFINED:
    case AP_J_NONE:
        *out = true;
        return AP_OK;
    case AP_J_STRING:
        *out = a.text.n == b.text.n && compare_text(a.text, b.text) == 0;
        return AP_OK;
    default:
        break;
    }
    AP_TRY(ap__jrun_enter(run));
    AP_TRY(equal_objects(run, a, b, out));
    ap__jrun_leave(run);
    return AP_OK;
}

ap_status ap__jval_equal(struct ap_jrun *run, struct ap_jval a, struct ap_jval b, bool *out)
{
    AP_TRY(ap__jrun_spend(run, a.kind == AP_J_STRING ? a.text.n : 0));
    return equal(run, a, b, out);
}

ap_status ap__jval_hashable(struct ap_jrun *run, struct ap_jval v)
{
    bool no = v.kind == AP_J_DICT || (v.kind == AP_J_LIST && v.list->flavour == AP_J_PLAIN);
    if (no)
        return ap__jrun_fail(run, "unhashable type: '%s'", ap__jval_type(v));
    if (!ap__jval_is_tuple(v))
        return AP_OK;
    AP_TRY(ap__jrun_enter(run));
    for (size_t i = 0; i < v.list->n; i++)
        AP_TRY(ap__jval_hashable(run, v.list->v[i]));
    ap__jrun_leave(run);
    return AP_OK;
}

/* ------------------------------------------------------------------ order */

static ap_status no_order(struct ap_jrun *run, struct ap_jval a, struct ap_jval b)
{
    if (a.kind == AP_J_UNDEFINED)
        return ap__jrun_undefined(run, a);
    if (b.kind == AP_J_UNDEFINED)
        return ap__jrun_undefined(run, b);
    return ap__jrun_fail(run, "'%s' and '%s' cannot be ordered", ap__jval_type(a), ap__jval_type(b));
}

static ap_status order(struct ap_jrun *run, struct ap_jval a, struct ap_jval b, int *out);

static ap_status order_lists(struct ap_jrun *run, const struct ap_jlist *a, const struct ap_jlist *b, int *out)
{
    size_t i = 0;
    bool same = true;
    while (i < a->n && i < b->n) {
        AP_TRY(equal(run, a->v[i], b->v[i], &same));
        if (!same)
            return order(run, a->v[i], b->v[i], out);
        i++;
    }
    *out = (a->n > b->n) - (a->n < b->n);
    return AP_OK;
}

/* -1, 0, 1, or 2 when no order holds (not a number). */
static ap_status order(struct ap_jrun *run, struct ap_jval a, struct ap_jval b, int *out)
{
    AP_TRY(ap__jrun_enter(run));
    if (ap__jval_is_number(a) && ap__jval_is_number(b)) {
        *out = compare_numbers(a, b);
    } else if (a.kind == AP_J_STRING && b.kind == AP_J_STRING) {
        AP_TRY(ap__jrun_spend(run, a.text.n));
        *out = compare_text(a.text, b.text);
    } else if (a.kind == AP_J_LIST && b.kind == AP_J_LIST && a.list->flavour != AP_J_GENERATOR &&
               b.list->flavour != AP_J_GENERATOR && ap__jval_is_tuple(a) == ap__jval_is_tuple(b)) {
        AP_TRY(order_lists(run, a.list, b.list, out));
    } else {
        return no_order(run, a, b);
    }
    ap__jrun_leave(run);
    return AP_OK;
}

/* ------------------------------------------------------------------ in */

static ap_status contains(struct ap_jrun *run, struct ap_jval item, struct ap_jval in, bool *out)
{
    struct ap_jlist items;
    struct ap_jval found;
    *out = false;
    if (in.kind == AP_J_STRING) {
        if (item.kind != AP_J_STRING)
            return ap__jrun_fail(run, "'in <string>' requires string as left operand, not %s", ap__jval_type(item));
        AP_TRY(ap__jrun_spend(run, in.text.n));
        *out = ap__jtext_find(in.text, item.text, 0) != SIZE_MAX;
        return AP_OK;
    }
    if (in.kind == AP_J_DICT) {
        AP_TRY(ap__jval_hashable(run, item));
        AP_TRY(ap__jdict_get(run, in.dict, item, &found));
        *out = found.kind != AP_J_MISSING;
        return AP_OK;
    }
    if (!ap__jval_iterable(in))
        return ap__jrun_fail(run, "argument of type '%s' is not iterable", ap__jval_type(in));
    AP_TRY(ap__jval_iterate(run, in, &items));
    for (size_t i = 0; !*out && i < items.n; i++)
        AP_TRY(ap__jval_equal(run, items.v[i], item, out));
    return AP_OK;
}

ap_status ap__jop_compare(struct ap_jrun *run, enum ap_jop op, struct ap_jval a, struct ap_jval b, bool *out)
{
    int by = 0;
    switch (op) {
    case AP_JOP_EQ:
    case AP_JOP_NE:
        AP_TRY(ap__jval_equal(run, a, b, out));
        *out = *out == (op == AP_JOP_EQ);
        return AP_OK;
    case AP_JOP_IN:
    case AP_JOP_NOT_IN:
        AP_TRY(contains(run, a, b, out));
        *out = *out == (op == AP_JOP_IN);
        return AP_OK;
    default:
        break;
    }
    AP_TRY(order(run, a, b, &by));
    *out = by != 2 && (op == AP_JOP_LT ? by < 0 : op == AP_JOP_LE ? by <= 0 : op == AP_JOP_GT ? by > 0 : by >= 0);
    return AP_OK;
}

/* ------------------------------------------------------------------ sorting */

struct sorter {
    struct ap_jrun *run;
    const struct ap_jval *key;
    size_t *spare; /* (n,) */
    bool reverse;
};

/* Merge order[0..half) and order[half..n), both sorted; equal keys keep their order either way. */
static ap_status merge(struct sorter *s, size_t *at, size_t half, size_t n)
{
    size_t left = 0, right = half, to = 0;
    while (left < half && right < n) {
        int by = 0;
        AP_TRY(order(s->run, s->key[at[right]], s->key[at[left]], &by));
        bool right_first = s->reverse ? by == 1 : by == -1;
        s->spare[to++] = right_first ? at[right++] : at[left++];
    }
    while (left < half)
        s->spare[to++] = at[left++];
    memcpy(at, s->spare, to * sizeof *at);
    return AP_OK;
}

static ap_status sort(struct sorter *s, size_t *at, size_t n)
{
    if (n < 2)
        return AP_OK;
    AP_TRY(sort(s, at, n / 2));
    AP_TRY(sort(s, at + n / 2, n - n / 2));
    return merge(s, at, n / 2, n);
}

ap_status ap__jval_sort(struct ap_jrun *run, const struct ap_jval *key, size_t *at, size_t n, bool reverse)
{
    struct sorter s = {run, key, ap__jrun_alloc(run, n, sizeof *s.spare), reverse};
    if (!s.spare)
        return ap__jrun_memory(run);
    for (size_t i = 0; i < n; i++)
        at[i] = i;
    return sort(&s, at, n);
}
