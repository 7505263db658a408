/* jinja_tests.c - tests: `x is defined`, `x is divisibleby 3`, select("odd").
 *
 * Most ask for the kind of a value; those with an argument compare. */
#include "jinja/jinja_run.h"
#include "jinja/jinja_text.h"

#include <string.h>

#define TEST(name) \
    static ap_status test_##name(struct ap_jrun *run, struct ap_jval self, const struct ap_jval *slot, \
                                 const struct ap_jargs *args, struct ap_jval *out)

/* A test that only looks at the value. */
#define SIMPLE_TEST(name, condition) \
    TEST(name) \
    { \
        (void)run, (void)slot, (void)args; \
        *out = ap__jval_bool(condition); \
        return AP_OK; \
    }

SIMPLE_TEST(defined, self.kind != AP_J_UNDEFINED)
SIMPLE_TEST(undefined, self.kind == AP_J_UNDEFINED)
SIMPLE_TEST(none, self.kind == AP_J_NONE)
SIMPLE_TEST(boolean, self.kind == AP_J_BOOL)
SIMPLE_TEST(is_true, self.kind == AP_J_BOOL && self.b)
SIMPLE_TEST(is_false, self.kind == AP_J_BOOL && !self.b)
SIMPLE_TEST(integer, self.kind == AP_J_INT)
SIMPLE_TEST(float, self.kind == AP_J_FLOAT)
SIMPLE_TEST(number, ap__jval_is_number(self))
SIMPLE_TEST(string, self.kind == AP_J_STRING)
SIMPLE_TEST(mapping, self.kind == AP_J_DICT)
SIMPLE_TEST(iterable, ap__jval_iterable(self))
SIMPLE_TEST(escaped, self.kind == AP_J_STRING && self.markup)
SIMPLE_TEST(callable, self.kind == AP_J_FUNCTION || self.kind == AP_J_METHOD || self.kind == AP_J_MACRO ||
                          self.kind == AP_J_LOOP || self.kind == AP_J_UNDEFINED)
SIMPLE_TEST(sequence, self.kind == AP_J_UNDEFINED || self.kind == AP_J_STRING || self.kind == AP_J_DICT ||
                          self.kind == AP_J_RANGE ||
                          (self.kind == AP_J_LIST && (self.list->flavour == AP_J_PLAIN || ap__jval_is_tuple(self))))
SIMPLE_TEST(filter, self.kind == AP_J_STRING && ap__jinja_filter_find(self.text.s, self.text.n))
SIMPLE_TEST(test, self.kind == AP_J_STRING && ap__jfunc_find(ap__jinja_tests, self.text.s, self.text.n))

/* Is there a letter with case, and has every such letter the one asked for? */
static ap_status has_case(struct ap_jrun *run, struct ap_jval v, bool upper, struct ap_jval *out)
{
    struct ap_jval text;
    bool found = false, holds = true;
    AP_TRY(ap__jval_str(run, v, &text));
    AP_TRY(ap__jrun_spend(run, text.text.n));
    for (size_t at = 0; holds && at < text.text.n; at += ap__jtext_width(text.text, at)) {
        int32_t c = ap__jtext_char(text.text, at);
        found |= upper ? ap__jchar_is_upper(c) : ap__jchar_is_lower(c);
        holds = !ap__jchar_is_title(c) && !(upper ? ap__jchar_is_lower(c) : ap__jchar_is_upper(c));
    }
    *out = ap__jval_bool(found && holds);
    return AP_OK;
}

TEST(lower)
{
    (void)slot, (void)args;
    return has_case(run, self, false, out);
}

TEST(upper)
{
    (void)slot, (void)args;
    return has_case(run, self, true, out);
}

static ap_status remainder_is(struct ap_jrun *run, struct ap_jval a, struct ap_jval b, int64_t rest,
                              struct ap_jval *out)
{
    struct ap_jval left;
    bool same;
    AP_TRY(ap__jop_binary(run, AP_JOP_MOD, a, b, &left));
    AP_TRY(ap__jval_equal(run, left, ap__jval_int(rest), &same));
    *out = ap__jval_bool(same);
    return AP_OK;
}

TEST(odd)
{
    (void)slot, (void)args;
    return remainder_is(run, self, ap__jval_int(2), 1, out);
}

TEST(even)
{
    (void)slot, (void)args;
    return remainder_is(run, self, ap__jval_int(2), 0, out);
}

TEST(divisibleby)
{
    (void)args;
    return remainder_is(run, self, slot[0], 0, out);
}

/* The same object: constants, or one list and itself. */
TEST(sameas)
{
    struct ap_jval a = self, b = slot[0];
    bool same = a.kind == b.kind;
    (void)run, (void)args;
    if (same && a.kind == AP_J_BOOL)
        same = a.b == b.b;
    else if (same && a.kind == AP_J_INT)
        same = a.i == b.i;
    else if (same && a.kind == AP_J_STRING)
        same = a.text.s == b.text.s && a.text.n == b.text.n;
    else if (same && a.kind == AP_J_FLOAT)
        same = false;
    else if (same && a.kind > AP_J_STRING)
        same = a.list == b.list;
    *out = ap__jval_bool(same);
    return AP_OK;
}

static ap_status compares(struct ap_jrun *run, enum ap_jop op, struct ap_jval a, struct ap_jval b, struct ap_jval *out)
{
    bool holds;
    AP_TRY(ap__jop_compare(run, op, a, b, &holds));
    *out = ap__jval_bool(holds);
    return AP_OK;
}

#define COMPARING_TEST(name, op) \
    TEST(name) \
    { \
        (void)args; \
        return compares(run, op, self, slot[0], out); \
    }

COMPARING_TEST(eq, AP_JOP_EQ)
COMPARING_TEST(ne, AP_JOP_NE)
COMPARING_TEST(lt, AP_JOP_LT)
COMPARING_TEST(le, AP_JOP_LE)
COMPARING_TEST(gt, AP_JOP_GT)
COMPARING_TEST(ge, AP_JOP_GE)
COMPARING_TEST(in, AP_JOP_IN)

const struct ap_jfunc ap__jinja_tests[] = {
    {"defined", "", 0, test_defined},
    {"undefined", "", 0, test_undefined},
    {"none", "", 0, test_none},
    {"boolean", "", 0, test_boolean},
    {"true", "", 0, test_is_true},
    {"false", "", 0, test_is_false},
    {"integer", "", 0, test_integer},
    {"float", "", 0, test_float},
    {"number", "", 0, test_number},
    {"string", "", 0, test_string},
    {"mapping", "", 0, test_mapping},
    {"iterable", "", 0, test_iterable},
    {"sequence", "", 0, test_sequence},
    {"callable", "", 0, test_callable},
    {"escaped", "", 0, test_escaped},
    {"filter", "", 0, test_filter},
    {"test", "", 0, test_test},
    {"lower", "", 0, test_lower},
    {"upper", "", 0, test_upper},
    {"odd", "", 0, test_odd},
    {"even", "", 0, test_even},
    {"divisibleby", "num", 1, test_divisibleby},
    {"sameas", "other", 1, test_sameas},
    {"eq", "other", 1, test_eq},
    {"equalto", "other", 1, test_eq},
    {"==", "other", 1, test_eq},
    {"ne", "other", 1, test_ne},
    {"!=", "other", 1, test_ne},
    {"lt", "other", 1, test_lt},
    {"lessthan", "other", 1, test_lt},
    {"<", "other", 1, test_lt},
    {"le", "other", 1, test_le},
    {"<=", "other", 1, test_le},
    {"gt", "other", 1, test_gt},
    {"greaterthan", "other", 1, test_gt},
    {">", "other", 1, test_gt},
    {"ge", "other", 1, test_ge},
    {">=", "other", 1, test_ge},
    {"in", "seq", 1, test_in},
    {0},
};
