/* jinja_methods.c - methods of strings.
 *
 *     content.split("</think>")[-1].lstrip("\n")
 *
 * Positions in arguments and results are characters.  A method of text that is marked safe gives such text. */
#include "jinja/jinja_run.h"
#include "jinja/jinja_strings.h"
#include "jinja/jinja_text.h"

#include <string.h>

#define METHOD(name) \
    static ap_status name(struct ap_jrun *run, struct ap_jval self, const struct ap_jval *slot, \
                          const struct ap_jargs *args, struct ap_jval *out)

static ap_status need_text(struct ap_jrun *run, struct ap_jval v, struct ap_jtext *out)
{
    if (v.kind == AP_J_UNDEFINED)
        return ap__jrun_fail(run, "must be str, not Undefined");
    if (v.kind != AP_J_STRING)
        return ap__jrun_fail(run, "must be str, not %s", ap__jval_type(v));
    *out = v.text;
    return AP_OK;
}

static struct ap_jval view(struct ap_jval self, struct ap_jtext text)
{
    struct ap_jval v = ap__jval_view(text.s, text.n);
    v.markup = self.markup;
    return v;
}

/* ------------------------------------------------------------------ stripping */

static ap_status strip(struct ap_jrun *run, struct ap_jval self, struct ap_jval chars, bool left, bool right,
                       struct ap_jval *out)
{
    struct ap_jtext which = {NULL, 0};
    if (chars.kind != AP_J_MISSING && chars.kind != AP_J_NONE)
        AP_TRY(need_text(run, chars, &which));
    AP_TRY(ap__jrun_spend(run, self.text.n));
    *out = view(self, ap__jtext_strip(self.text, which, left, right));
    return AP_OK;
}

METHOD(str_strip)
{
    (void)args;
    return strip(run, self, slot[0], true, true, out);
}

METHOD(str_lstrip)
{
    (void)args;
    return strip(run, self, slot[0], true, false, out);
}

METHOD(str_rstrip)
{
    (void)args;
    return strip(run, self, slot[0], false, true, out);
}

METHOD(str_removeprefix)
{
    struct ap_jtext prefix = {0}, t = self.text;
    (void)args;
    AP_TRY(need_text(run, slot[0], &prefix));
    size_t cut = prefix.n <= t.n && memcmp(t.s, prefix.s, prefix.n) == 0 ? prefix.n : 0;
    *out = view(self, (struct ap_jtext){t.s + cut, t.n - cut});
    return AP_OK;
}

METHOD(str_removesuffix)
{
    struct ap_jtext suffix = {0}, t = self.text;
    (void)args;
    AP_TRY(need_text(run, slot[0], &suffix));
    bool ends = suffix.n <= t.n && memcmp(t.s + t.n - suffix.n, suffix.s, suffix.n) == 0;
    *out = view(self, (struct ap_jtext){t.s, ends ? t.n - suffix.n : t.n});
    return AP_OK;
}

/* ------------------------------------------------------------------ cases */

static ap_status to_case(struct ap_jrun *run, struct ap_jval self, enum ap_jcase how, struct ap_jval *out)
{
    AP_TRY(ap__jtext_case(run, self.text, how, out));
    out->markup = self.markup;
    return AP_OK;
}

#define CASE_METHOD(name, how) \
    METHOD(name) \
    { \
        (void)slot, (void)args; \
        return to_case(run, self, how, out); \
    }

CASE_METHOD(str_upper, AP_J_UPPER)
CASE_METHOD(str_lower, AP_J_LOWER)
CASE_METHOD(str_title, AP_J_TITLE)
CASE_METHOD(str_capitalize, AP_J_CAPITALIZE)
CASE_METHOD(str_swapcase, AP_J_SWAPCASE)
CASE_METHOD(str_casefold, AP_J_FOLD)

/* ------------------------------------------------------------------ searching */

/* The part that start and end (slots from `first`) leave; its first byte in *offset.  False when there is none. */
static ap_status part(struct ap_jrun *run, struct ap_jval self, const struct ap_jval *bound, struct ap_jtext *out,
                      size_t *offset, bool *within)
{
    int64_t n = (int64_t)ap__jtext_chars(self.text), start, end;
    start = 0;
    end = n;
    if (bound[0].kind != AP_J_NONE)
        AP_TRY(ap__jarg_int(run, bound[0], 0, &start));
    if (bound[1].kind != AP_J_NONE)
        AP_TRY(ap__jarg_int(run, bound[1], n, &end));
    end = end > n ? n : end < -n ? 0 : end < 0 ? end + n : end;
    start = start < -n ? 0 : start < 0 ? start + n : start;
    *within = start <= end;
    start = *within ? start : 0;
    *offset = ap__jtext_offset(self.text, (size_t)start);
    struct ap_jtext rest = {self.text.s + *offset, self.text.n - *offset};
    *out = (struct ap_jtext){rest.s, ap__jtext_offset(rest, (size_t)(*within ? end - start : 0))};
    return AP_OK;
}

/* Comparing from the right may look at every byte of the needle at every place. */
static ap_status spend_search(struct ap_jrun *run, struct ap_jtext t, struct ap_jtext what)
{
    return ap__jrun_spend(run, t.n + (t.n >> 4) * (what.n >> 4));
}

static ap_status search(struct ap_jrun *run, struct ap_jval self, const struct ap_jval *slot, bool last, int64_t *out)
{
    struct ap_jtext what, in;
    size_t offset;
    bool within;
    AP_TRY(need_text(run, slot[0], &what));
    AP_TRY(part(run, self, slot + 1, &in, &offset, &within));
    AP_TRY(spend_search(run, in, what));
    size_t at = !within ? SIZE_MAX : last ? ap__jtext_find_last(in, what) : ap__jtext_find(in, what, 0);
    *out = at == SIZE_MAX ? -1 : (int64_t)ap__jtext_chars((struct ap_jtext){self.text.s, offset + at});
    return AP_OK;
}

static ap_status found(struct ap_jrun *run, struct ap_jval self, const struct ap_jval *slot, bool last, bool must,
                       struct ap_jval *out)
{
    int64_t at;
    AP_TRY(search(run, self, slot, last, &at));
    if (must && at < 0)
        return ap__jrun_fail(run, "substring not found");
    *out = ap__jval_int(at);
    return AP_OK;
}

METHOD(str_find)
{
    (void)args;
    return found(run, self, slot, false, false, out);
}

METHOD(str_rfind)
{
    (void)args;
    return found(run, self, slot, true, false, out);
}

METHOD(str_index)
{
    (void)args;
    return found(run, self, slot, false, true, out);
}

METHOD(str_rindex)
{
    (void)args;
    return found(run, self, slot, true, true, out);
}

METHOD(str_count)
{
    struct ap_jtext what, in;
    size_t offset, at = 0;
    bool within;
    int64_t n = 0;
    (void)args;
    AP_TRY(need_text(run, slot[0], &what));
    AP_TRY(part(run, self, slot + 1, &in, &offset, &within));
    AP_TRY(ap__jrun_spend(run, in.n));
    if (what.n == 0)
        n = within ? (int64_t)ap__jtext_chars(in) + 1 : 0;
    for (; what.n && (at = ap__jtext_find(in, what, at)) != SIZE_MAX; at += what.n)
        n++;
    *out = ap__jval_int(n);
    return AP_OK;
}

static bool has_end(struct ap_jtext t, struct ap_jtext what, bool at_end)
{
    return what.n <= t.n && memcmp(at_end ? t.s + t.n - what.n : t.s, what.s, what.n) == 0;
}

/* The argument is a string or a tuple of them. */
static ap_status has_ends(struct ap_jrun *run, struct ap_jval self, const struct ap_jval *slot, bool at_end,
                          struct ap_jval *out)
{
    struct ap_jtext in, what = {0};
    size_t offset;
    bool within, holds = false;
    AP_TRY(part(run, self, slot + 1, &in, &offset, &within));
    if (ap__jval_is_tuple(slot[0])) {
        for (size_t i = 0; i < slot[0].list->n; i++) {
            AP_TRY(need_text(run, slot[0].list->v[i], &what));
            holds |= within && has_end(in, what, at_end);
        }
    } else {
        AP_TRY(need_text(run, slot[0], &what));
        holds = within && has_end(in, what, at_end);
    }
    *out = ap__jval_bool(holds);
    return AP_OK;
}

METHOD(str_startswith)
{
    (void)args;
    return has_ends(run, self, slot, false, out);
}

METHOD(str_endswith)
{
    (void)args;
    return has_ends(run, self, slot, true, out);
}

METHOD(str_replace)
{
    struct ap_jtext old, new;
    struct ap_jval escaped;
    int64_t count;
    (void)args;
    AP_TRY(need_text(run, slot[0], &old));
    AP_TRY(need_text(run, slot[1], &new));
    AP_TRY(ap__jarg_int(run, slot[2], -1, &count));
    if (self.markup && !slot[1].markup) {
        AP_TRY(ap__jtext_escape(run, new, &escaped));
        new = escaped.text;
    }
    AP_TRY(ap__jtext_replace(run, self.text, old, new, count, out));
    out->markup = self.markup;
    return AP_OK;
}

/* ------------------------------------------------------------------ parts */

static ap_status split(struct ap_jrun *run, struct ap_jval self, const struct ap_jval *slot, bool from_right,
                       struct ap_jval *out)
{
    struct ap_jtext sep = {NULL, 0};
    int64_t max;
    if (slot[0].kind != AP_J_MISSING && slot[0].kind != AP_J_NONE) {
        AP_TRY(need_text(run, slot[0], &sep));
        if (sep.n == 0)
            return ap__jrun_fail(run, "empty separator");
    }
    AP_TRY(ap__jarg_int(run, slot[1], -1, &max));
    AP_TRY(spend_search(run, self.text, sep));
    AP_TRY(ap__jtext_split(run, self.text, sep, max, from_right, out));
    for (size_t i = 0; self.markup && i < out->list->n; i++)
        out->list->v[i].markup = true;
    return AP_OK;
}

METHOD(str_split)
{
    (void)args;
    return split(run, self, slot, false, out);
}

METHOD(str_rsplit)
{
    (void)args;
    return split(run, self, slot, true, out);
}

METHOD(str_splitlines)
{
    size_t cap = 0;
    bool keep = ap__jval_truth(slot[0]);
    (void)args;
    AP_TRY(ap__jval_list(run, AP_J_PLAIN, 0, out));
    for (size_t at = 0, end, next; at < self.text.n; at = next) {
        end = ap__jtext_line(self.text, at, &next);
        AP_TRY(ap__jrun_spend(run, next - at));
        AP_TRY(ap__jval_push(run, out->list, &cap,
                             view(self, (struct ap_jtext){self.text.s + at, (keep ? next : end) - at})));
    }
    return AP_OK;
}

static ap_status partition(struct ap_jrun *run, struct ap_jval self, struct ap_jval by, bool last, struct ap_jval *out)
{
    struct ap_jtext sep, t = self.text;
    AP_TRY(need_text(run, by, &sep));
    if (sep.n == 0)
        return ap__jrun_fail(run, "empty separator");
    AP_TRY(spend_search(run, t, sep));
    AP_TRY(ap__jval_list(run, AP_J_TUPLE, 3, out));
    size_t at = last ? ap__jtext_find_last(t, sep) : ap__jtext_find(t, sep, 0);
    size_t before = at != SIZE_MAX ? at : last ? 0 : t.n, middle = at != SIZE_MAX ? sep.n : 0;
    out->list->v[0] = view(self, (struct ap_jtext){t.s, before});
    out->list->v[1] = view(self, (struct ap_jtext){t.s + before, middle});
    out->list->v[2] = view(self, (struct ap_jtext){t.s + before + middle, t.n - before - middle});
    out->list->n = 3;
    return AP_OK;
}

METHOD(str_partition)
{
    (void)args;
    return partition(run, self, slot[0], false, out);
}

METHOD(str_rpartition)
{
    (void)args;
    return partition(run, self, slot[0], true, out);
}

METHOD(str_join)
{
    struct ap_jlist items;
    struct ap_jtext text = {0};
    (void)args;
    AP_TRY(ap__jval_iterate(run, slot[0], &items));
    size_t mark = ap__jrun_catch(run);
    for (size_t i = 0; i < items.n; i++) {
        if (i)
            AP_TRY(ap__jrun_emit(run, self.text.s, self.text.n));
        AP_TRY(need_text(run, items.v[i], &text));
        AP_TRY(ap__jrun_emit(run, text.s, text.n));
    }
    AP_TRY(ap__jrun_caught(run, mark, out));
    out->markup = self.markup;
    return AP_OK;
}

METHOD(str_format)
{
    (void)slot;
    return ap__jformat_braces(run, self, args, out);
}

/* ------------------------------------------------------------------ padding */

static ap_status pad(struct ap_jrun *run, struct ap_jval self, const struct ap_jval *slot, enum ap_jpad how,
                     struct ap_jval *out)
{
    struct ap_jtext fill = AP_JTEXT(" ");
    int64_t width;
    AP_TRY(ap__jarg_int(run, slot[0], 0, &width));
    if (slot[1].kind != AP_J_MISSING)
        AP_TRY(need_text(run, slot[1], &fill));
    if (ap__jtext_chars(fill) != 1)
        return ap__jrun_fail(run, "The fill character must be exactly one character long");
    return ap__jtext_pad(run, self.text, width, fill, how, out);
}

METHOD(str_ljust)
{
    (void)args;
    return pad(run, self, slot, AP_J_PAD_LEFT, out);
}

METHOD(str_rjust)
{
    (void)args;
    return pad(run, self, slot, AP_J_PAD_RIGHT, out);
}

METHOD(str_center)
{
    (void)args;
    return pad(run, self, slot, AP_J_PAD_CENTER, out);
}

METHOD(str_zfill)
{
    int64_t width;
    struct ap_jtext t = self.text;
    struct ap_jval filled;
    (void)args;
    AP_TRY(ap__jarg_int(run, slot[0], 0, &width));
    size_t sign = t.n && (t.s[0] == '-' || t.s[0] == '+');
    AP_TRY(ap__jtext_pad(run, (struct ap_jtext){t.s + sign, t.n - sign}, width - (int64_t)sign, AP_JTEXT("0"),
                         AP_J_PAD_RIGHT, &filled));
    return ap__jop_binary(run, AP_JOP_ADD, ap__jval_view(t.s, sign), filled, out);
}

/* ------------------------------------------------------------------ classes */

/* Is every character of its kind, and is there one? */
static ap_status all(struct ap_jrun *run, struct ap_jval self, bool (*is)(int32_t c), struct ap_jval *out)
{
    bool holds = self.text.n > 0;
    AP_TRY(ap__jrun_spend(run, self.text.n));
    for (size_t at = 0; holds && at < self.text.n; at += ap__jtext_width(self.text, at))
        holds = is(ap__jtext_char(self.text, at));
    *out = ap__jval_bool(holds);
    return AP_OK;
}

#define CLASS_METHOD(name, is) \
    METHOD(name) \
    { \
        (void)slot, (void)args; \
        return all(run, self, is, out); \
    }

CLASS_METHOD(str_isspace, ap__jchar_is_space)
CLASS_METHOD(str_isalpha, ap__jchar_is_alpha)
CLASS_METHOD(str_isalnum, ap__jchar_is_alnum)
CLASS_METHOD(str_isdigit, ap__jchar_is_digit)

METHOD(str_isupper)
{
    static const struct ap_jargs none = {0};
    (void)slot, (void)args;
    return ap__jcall_func(run, ap__jfunc_find(ap__jinja_tests, "upper", 5), self, &none, out);
}

METHOD(str_islower)
{
    static const struct ap_jargs none = {0};
    (void)slot, (void)args;
    return ap__jcall_func(run, ap__jfunc_find(ap__jinja_tests, "lower", 5), self, &none, out);
}

METHOD(str_isascii)
{
    bool holds = true;
    (void)slot, (void)args;
    AP_TRY(ap__jrun_spend(run, self.text.n));
    for (size_t i = 0; holds && i < self.text.n; i++)
        holds = (unsigned char)self.text.s[i] < 0x80;
    *out = ap__jval_bool(holds);
    return AP_OK;
}

METHOD(not_supported)
{
    (void)self, (void)slot, (void)args, (void)out;
    return ap__jrun_fail(run, "this method of str is not supported");
}

const struct ap_jfunc ap__jinja_string_methods[] = {
    {"strip", "chars", 0, str_strip},
    {"lstrip", "chars", 0, str_lstrip},
    {"rstrip", "chars", 0, str_rstrip},
    {"removeprefix", "prefix", 1, str_removeprefix},
    {"removesuffix", "suffix", 1, str_removesuffix},
    {"upper", "", 0, str_upper},
    {"lower", "", 0, str_lower},
    {"title", "", 0, str_title},
    {"capitalize", "", 0, str_capitalize},
    {"swapcase", "", 0, str_swapcase},
    {"casefold", "", 0, str_casefold},
    {"find", "sub start end", 1, str_find},
    {"rfind", "sub start end", 1, str_rfind},
    {"index", "sub start end", 1, str_index},
    {"rindex", "sub start end", 1, str_rindex},
    {"count", "sub start end", 1, str_count},
    {"startswith", "prefix start end", 1, str_startswith},
    {"endswith", "suffix start end", 1, str_endswith},
    {"replace", "old new count", 2, str_replace},
    {"split", "sep maxsplit", 0, str_split},
    {"rsplit", "sep maxsplit", 0, str_rsplit},
    {"splitlines", "keepends", 0, str_splitlines},
    {"partition", "sep", 1, str_partition},
    {"rpartition", "sep", 1, str_rpartition},
    {"join", "iterable", 1, str_join},
    {"format", "*", 0, str_format},
    {"ljust", "width fillchar", 1, str_ljust},
    {"rjust", "width fillchar", 1, str_rjust},
    {"center", "width fillchar", 1, str_center},
    {"zfill", "width", 1, str_zfill},
    {"isspace", "", 0, str_isspace},
    {"isalpha", "", 0, str_isalpha},
    {"isalnum", "", 0, str_isalnum},
    {"isdigit", "", 0, str_isdigit},
    {"isdecimal", "", 0, str_isdigit},
    {"isupper", "", 0, str_isupper},
    {"islower", "", 0, str_islower},
    {"isascii", "", 0, str_isascii},
    {"encode", "*", 0, not_supported},
    {"expandtabs", "*", 0, not_supported},
    {"format_map", "*", 0, not_supported},
    {"isidentifier", "*", 0, not_supported},
    {"isnumeric", "*", 0, not_supported},
    {"isprintable", "*", 0, not_supported},
    {"istitle", "*", 0, not_supported},
    {"maketrans", "*", 0, not_supported},
    {"translate", "*", 0, not_supported},
    {0},
};
