/* jinja_strings.c - replacing, padding, lines and splitting.
 *
 *     "a  b c" split at white space: a|b|c    at " ": a||b|c    with a limit of 1: a|b c */
#include "jinja/jinja_strings.h"
#include "jinja/jinja_run.h"
#include "jinja/jinja_text.h"

#include <string.h>

/* Between all characters, at both ends. */
static ap_status insert(struct ap_jrun *run, struct ap_jtext t, struct ap_jtext new, int64_t count)
{
    for (size_t at = 0, width; at <= t.n; at += width) {
        if (count != 0)
            AP_TRY(ap__jrun_emit(run, new.s, new.n));
        count -= count > 0;
        width = at < t.n ? ap__jtext_width(t, at) : 1;
        if (at < t.n)
            AP_TRY(ap__jrun_emit(run, t.s + at, width));
    }
    return AP_OK;
}

ap_status ap__jtext_replace(struct ap_jrun *run, struct ap_jtext t, struct ap_jtext old, struct ap_jtext new,
                            int64_t count, struct ap_jval *out)
{
    size_t mark = ap__jrun_catch(run), at = 0, found;
    if (old.n == 0) {
        AP_TRY(insert(run, t, new, count));
        return ap__jrun_caught(run, mark, out);
    }
    while (count != 0 && (found = ap__jtext_find(t, old, at)) != SIZE_MAX) {
        AP_TRY(ap__jrun_emit(run, t.s + at, found - at));
        AP_TRY(ap__jrun_emit(run, new.s, new.n));
        at = found + old.n;
        count -= count > 0;
    }
    AP_TRY(ap__jrun_emit(run, t.s + at, t.n - at));
    return ap__jrun_caught(run, mark, out);
}

static ap_status fill_up(struct ap_jrun *run, struct ap_jtext fill, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        AP_TRY(ap__jrun_emit(run, fill.s, fill.n));
    return AP_OK;
}

ap_status ap__jtext_pad(struct ap_jrun *run, struct ap_jtext t, int64_t width, struct ap_jtext fill, enum ap_jpad how,
                        struct ap_jval *out)
{
    size_t mark = ap__jrun_catch(run);
    int64_t room = width - (int64_t)ap__jtext_chars(t);
    room = room > 0 ? room : 0;
    /* An odd blank goes to the left when the width is odd too, as in Python. */
    int64_t left = how == AP_J_PAD_LEFT ? 0 : how == AP_J_PAD_RIGHT ? room : room / 2 + (room & width & 1);
    AP_TRY(fill_up(run, fill, left));
    AP_TRY(ap__jrun_emit(run, t.s, t.n));
    AP_TRY(fill_up(run, fill, room - left));
    return ap__jrun_caught(run, mark, out);
}

static bool is_break(int32_t c)
{
    return (c >= '\n' && c <= '\r') || (c >= 0x1C && c <= 0x1E) || c == 0x85 || c == 0x2028 || c == 0x2029;
}

size_t ap__jtext_line(struct ap_jtext t, size_t at, size_t *next)
{
    size_t end = at;
    while (end < t.n && !is_break(ap__jtext_char(t, end)))
        end += ap__jtext_width(t, end);
    *next = end;
    if (end < t.n)
        *next += t.s[end] == '\r' && end + 1 < t.n && t.s[end + 1] == '\n' ? 2 : ap__jtext_width(t, end);
    return end;
}

/* ------------------------------------------------------------------ splitting */

/* The parts, found from one end; those from the right are turned round at the end. */
struct splitter {
    struct ap_jrun *run;
    struct ap_jlist *list;
    size_t cap;
};

static ap_status add(struct splitter *s, const char *from, size_t n)
{
    AP_TRY(ap__jrun_spend(s->run, 0));
    return ap__jval_push(s->run, s->list, &s->cap, ap__jval_view(from, n));
}

static ap_status split_left(struct splitter *s, struct ap_jtext t, struct ap_jtext sep, int64_t max)
{
    size_t at = 0, found;
    for (; max != 0 && (found = ap__jtext_find(t, sep, at)) != SIZE_MAX; max -= max > 0) {
        AP_TRY(add(s, t.s + at, found - at));
        at = found + sep.n;
    }
    return add(s, t.s + at, t.n - at);
}

static ap_status split_right(struct splitter *s, struct ap_jtext t, struct ap_jtext sep, int64_t max)
{
    size_t found;
    for (; max != 0 && (found = ap__jtext_find_last(t, sep)) != SIZE_MAX; max -= max > 0) {
        AP_TRY(add(s, t.s + found + sep.n, t.n - found - sep.n));
        t.n = found;
    }
    return add(s, t.s, t.n);
}

static size_t word_end(struct ap_jtext t, size_t at, bool space)
{
    while (at < t.n && ap__jchar_is_space(ap__jtext_char(t, at)) == space)
        at += ap__jtext_width(t, at);
    return at;
}

static size_t word_start(struct ap_jtext t, bool space)
{
    size_t at = t.n, width;
    while (at > 0 && ap__jchar_is_space(ap__jtext_char(t, at - (width = ap__jtext_before(t, at)))) == space)
        at -= width;
    return at;
}

static ap_status words_left(struct splitter *s, struct ap_jtext t, int64_t max)
{
    size_t at = word_end(t, 0, true), end;
    for (; at < t.n && max != 0; max -= max > 0) {
        end = word_end(t, at, false);
        AP_TRY(add(s, t.s + at, end - at));
        at = word_end(t, end, true);
    }
    return at < t.n ? add(s, t.s + at, t.n - at) : AP_OK;
}

static ap_status words_right(struct splitter *s, struct ap_jtext t, int64_t max)
{
    t.n = word_start(t, true);
    for (; t.n > 0 && max != 0; max -= max > 0) {
        size_t start = word_start(t, false);
        AP_TRY(add(s, t.s + start, t.n - start));
        t.n = start;
        t.n = word_start(t, true);
    }
    return t.n ? add(s, t.s, t.n) : AP_OK;
}

static void turn_round(struct ap_jlist *list)
{
    for (size_t i = 0, k = list->n; i + 1 < k; i++) {
        struct ap_jval v = list->v[i];
        list->v[i] = list->v[--k];
        list->v[k] = v;
    }
}

ap_status ap__jtext_split(struct ap_jrun *run, struct ap_jtext t, struct ap_jtext sep, int64_t max, bool from_right,
                          struct ap_jval *out)
{
    AP_TRY(ap__jval_list(run, AP_J_PLAIN, 0, out));
    struct splitter s = {run, out->list, 0};
    AP_TRY(ap__jrun_spend(run, t.n));
    if (!from_right)
        return sep.s ? split_left(&s, t, sep, max) : words_left(&s, t, max);
    AP_TRY(sep.s ? split_right(&s, t, sep, max) : words_right(&s, t, max));
    turn_round(out->list);
    return AP_OK;
}
