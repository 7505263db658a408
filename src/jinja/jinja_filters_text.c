/* jinja_filters_text.c - filters that make text.
 *
 *     any value --str()--> text --> trim, upper, replace, indent, ... --> text */
#include "jinja/jinja_run.h"
#include "jinja/jinja_strings.h"
#include "jinja/jinja_text.h"

#include <string.h>

/* str() of anything but text, which keeps being `safe`. */
static ap_status soft(struct ap_jrun *run, struct ap_jval v, struct ap_jval *out)
{
    *out = v;
    return v.kind == AP_J_STRING ? AP_OK : ap__jval_str(run, v, out);
}

static ap_status filter_string(struct ap_jrun *run, struct ap_jval self, const struct ap_jval *slot,
                               const struct ap_jargs *args, struct ap_jval *out)
{
    (void)slot, (void)args;
    return soft(run, self, out);
}

static ap_status filter_safe(struct ap_jrun *run, struct ap_jval self, const struct ap_jval *slot,
                             const struct ap_jargs *args, struct ap_jval *out)
{
    (void)slot, (void)args;
    AP_TRY(soft(run, self, out));
    out->markup = true;
    return AP_OK;
}

static ap_status filter_escape(struct ap_jrun *run, struct ap_jval self, const struct ap_jval *slot,
                               const struct ap_jargs *args, struct ap_jval *out)
{
    struct ap_jval text;
    (void)slot, (void)args;
    AP_TRY(soft(run, self, &text));
    *out = text;
    return text.markup ? AP_OK : ap__jtext_escape(run, text.text, out);
}

static ap_status filter_forceescape(struct ap_jrun *run, struct ap_jval self, const struct ap_jval *slot,
                                    const struct ap_jargs *args, struct ap_jval *out)
{
    struct ap_jval text;
    (void)slot, (void)args;
    AP_TRY(soft(run, self, &text));
    return ap__jtext_escape(run, text.text, out);
}

static ap_status filter_trim(struct ap_jrun *run, struct ap_jval self, const struct ap_jval *slot,
                             const struct ap_jargs *args, struct ap_jval *out)
{
    struct ap_jtext chars = {NULL, 0};
    (void)args;
    AP_TRY(soft(run, self, out));
    if (slot[0].kind == AP_J_STRING)
        chars = slot[0].text;
    else if (slot[0].kind != AP_J_MISSING && slot[0].kind != AP_J_NONE)
        return ap__jrun_fail(run, "strip arg must be None or str");
    AP_TRY(ap__jrun_spend(run, out->text.n));
    out->text = ap__jtext_strip(out->text, chars, true, true);
    return AP_OK;
}

static ap_status to_case(struct ap_jrun *run, struct ap_jval self, enum ap_jcase how, struct ap_jval *out)
{
    struct ap_jval text;
    AP_TRY(soft(run, self, &text));
    AP_TRY(ap__jtext_case(run, text.text, how, out));
    out->markup = text.markup;
    return AP_OK;
}

static ap_status filter_upper(struct ap_jrun *run, struct ap_jval self, const struct ap_jval *slot,
                              const struct ap_jargs *args, struct ap_jval *out)
{
    (void)slot, (void)args;
    return to_case(run, self, AP_J_UPPER, out);
}

static ap_status filter_lower(struct ap_jrun *run, struct ap_jval self, const struct ap_jval *slot,
                              const struct ap_jargs *args, struct ap_jval *out)
{
    (void)slot, (void)args;
    return to_case(run, self, AP_J_LOWER, out);
}

static ap_status filter_capitalize(struct ap_jrun *run, struct ap_jval self, const struct ap_jval *slot,
                                   const struct ap_jargs *args, struct ap_jval *out)
{
    (void)slot, (void)args;
    return to_case(run, self, AP_J_CAPITALIZE, out);
}

/* Words begin behind white space and the characters -({[< only: "it's" stays "It's". */
static ap_status filter_title(struct ap_jrun *run, struct ap_jval self, const struct ap_jval *slot,
                              const struct ap_jargs *args, struct ap_jval *out)
{
    struct ap_jval text, part;
    bool starts = true;
    (void)slot, (void)args;
    AP_TRY(soft(run, self, &text));
    size_t mark = ap__jrun_catch(run);
    for (size_t at = 0, width; at < text.text.n; at += width) {
        width = ap__jtext_width(text.text, at);
        int32_t c = ap__jtext_char(text.text, at);
        struct ap_jtext one = {text.text.s + at, width};
        AP_TRY(ap__jtext_case(run, one, starts ? AP_J_UPPER : AP_J_LOWER, &part));
        AP_TRY(ap__jval_print(run, part));
        starts = ap__jchar_is_space(c) || (c && c < 0x80 && strchr("-({[<", c));
    }
    return ap__jrun_caught(run, mark, out);
}

static ap_status filter_replace(struct ap_jrun *run, struct ap_jval self, const struct ap_jval *slot,
                                const struct ap_jargs *args, struct ap_jval *out)
{
    struct ap_jval text, old, new;
    int64_t count = -1;
    (void)args;
    if (slot[2].kind != AP_J_NONE)
        AP_TRY(ap__jarg_int(run, slot[2], -1, &count));
    AP_TRY(ap__jval_str(run, self, &text));
    AP_TRY(ap__jval_str(run, slot[0], &old));
    AP_TRY(ap__jval_str(run, slot[1], &new));
    return ap__jtext_replace(run, text.text, old.text, new.text, count, out);
}

/* Every line but the first (`first`), blank ones only with `blank`. */
static ap_status filter_indent(struct ap_jrun *run, struct ap_jval self, const struct ap_jval *slot,
                               const struct ap_jargs *args, struct ap_jval *out)
{
    struct ap_jval with, text;
    bool first = ap__jval_truth(slot[1]), blank = ap__jval_truth(slot[2]);
    (void)args;
    if (slot[0].kind == AP_J_STRING)
        with = slot[0];
    else
        AP_TRY(ap__jop_binary(run, AP_JOP_MUL, ap__jval_view(" ", 1),
                              slot[0].kind == AP_J_MISSING ? ap__jval_int(4) : slot[0], &with));
    AP_TRY(ap__jop_binary(run, AP_JOP_ADD, self, ap__jval_view("\n", 1), &text));
    if (text.kind != AP_J_STRING)
        return ap__jrun_fail(run, "only text can be indented, not '%s'", ap__jval_type(self));
    size_t mark = ap__jrun_catch(run);
    for (size_t at = 0, end, next; at < text.text.n; at = next) {
        end = ap__jtext_line(text.text, at, &next);
        if (at)
            AP_TRY(ap__jrun_puts(run, "\n"));
        if (at ? blank || end > at : first)
            AP_TRY(ap__jrun_emit(run, with.text.s, with.text.n));
        AP_TRY(ap__jrun_emit(run, text.text.s + at, end - at));
    }
    return ap__jrun_caught(run, mark, out);
}

static ap_status filter_join(struct ap_jrun *run, struct ap_jval self, const struct ap_jval *slot,
                             const struct ap_jargs *args, struct ap_jval *out)
{
    struct ap_jlist items;
    struct ap_jval item, nothing = {.kind = AP_J_MISSING};
    bool by_attribute = slot[1].kind != AP_J_MISSING && slot[1].kind != AP_J_NONE;
    (void)args;
    AP_TRY(ap__jval_iterate(run, self, &items));
    size_t mark = ap__jrun_catch(run);
    for (size_t i = 0; i < items.n; i++) {
        if (i && slot[0].kind != AP_J_MISSING)
            AP_TRY(ap__jval_print(run, slot[0]));
        item = items.v[i];
        if (by_attribute)
            AP_TRY(ap__jval_path(run, item, slot[1], nothing, &item));
        AP_TRY(ap__jval_print(run, item));
    }
    return ap__jrun_caught(run, mark, out);
}

static ap_status filter_format(struct ap_jrun *run, struct ap_jval self, const struct ap_jval *slot,
                               const struct ap_jargs *args, struct ap_jval *out)
{
    struct ap_jval text, values;
    (void)slot;
    AP_TRY(soft(run, self, &text));
    if (args->n && args->n_kw)
        return ap__jrun_fail(run, "can't handle positional and keyword arguments at the same time");
    if (args->n_kw) {
        AP_TRY(ap__jval_dict(run, args->n_kw, &values));
        for (size_t i = 0; i < args->n_kw; i++)
            AP_TRY(ap__jdict_set(run, values.dict, ap__jval_view(args->kw[i].name.s, args->kw[i].name.n),
                                 args->kw[i].value));
    } else {
        AP_TRY(ap__jval_list(run, AP_J_TUPLE, args->n, &values));
        for (size_t i = 0; i < args->n; i++)
            values.list->v[values.list->n++] = args->v[i];
    }
    return ap__jformat_percent(run, text, values, out);
}

static ap_status filter_center(struct ap_jrun *run, struct ap_jval self, const struct ap_jval *slot,
                               const struct ap_jargs *args, struct ap_jval *out)
{
    struct ap_jval text;
    (void)args;
    AP_TRY(soft(run, self, &text));
    int64_t width;
    AP_TRY(ap__jarg_int(run, slot[0], 80, &width));
    return ap__jtext_pad(run, text.text, width, AP_JTEXT(" "), AP_J_PAD_CENTER, out);
}

static ap_status filter_wordcount(struct ap_jrun *run, struct ap_jval self, const struct ap_jval *slot,
                                  const struct ap_jargs *args, struct ap_jval *out)
{
    struct ap_jval text;
    int64_t words = 0;
    bool inside = false;
    (void)slot, (void)args;
    AP_TRY(soft(run, self, &text));
    AP_TRY(ap__jrun_spend(run, text.text.n));
    for (size_t at = 0; at < text.text.n; at += ap__jtext_width(text.text, at)) {
        bool word = ap__jchar_is_word(ap__jtext_char(text.text, at));
        words += word && !inside;
        inside = word;
    }
    *out = ap__jval_int(words);
    return AP_OK;
}

/* To `length` characters with the end mark, at a blank unless killwords; a few more (leeway) may stay. */
static ap_status filter_truncate(struct ap_jrun *run, struct ap_jval self, const struct ap_jval *slot,
                                 const struct ap_jargs *args, struct ap_jval *out)
{
    struct ap_jval text;
    struct ap_jtext end = slot[2].kind == AP_J_STRING ? slot[2].text : AP_JTEXT("...");
    int64_t length, leeway, chars, mark_chars = (int64_t)ap__jtext_chars(end);
    (void)args;
    AP_TRY(ap__jarg_int(run, slot[0], 255, &length));
    AP_TRY(ap__jarg_int(run, slot[3], 5, &leeway));
    if (length < mark_chars || leeway < 0 || !ap__jval_len(self, &chars))
        return ap__jrun_fail(run, "a '%s' cannot be truncated to %d", ap__jval_type(self), (int)length);
    *out = text = self;
    if (chars - leeway <= length)
        return AP_OK;
    if (self.kind != AP_J_STRING)
        return ap__jrun_fail(run, "only text can be truncated, not '%s'", ap__jval_type(self));
    text.text.n = ap__jtext_offset(text.text, (size_t)(length - mark_chars));
    size_t blank = ap__jval_truth(slot[1]) ? SIZE_MAX : ap__jtext_find_last(text.text, AP_JTEXT(" "));
    if (blank != SIZE_MAX)
        text.text.n = blank;
    return ap__jop_binary(run, AP_JOP_ADD, ap__jval_view(text.text.s, text.text.n), ap__jval_view(end.s, end.n), out);
}

const struct ap_jfunc ap__jinja_text_filters[] = {
    {"string", "", 0, filter_string},
    {"safe", "", 0, filter_safe},
    {"escape", "", 0, filter_escape},
    {"e", "", 0, filter_escape},
    {"forceescape", "", 0, filter_forceescape},
    {"trim", "chars", 0, filter_trim},
    {"upper", "", 0, filter_upper},
    {"lower", "", 0, filter_lower},
    {"capitalize", "", 0, filter_capitalize},
    {"title", "", 0, filter_title},
    {"replace", "old new count", 2, filter_replace},
    {"indent", "width first blank", 0, filter_indent},
    {"join", "d attribute", 0, filter_join},
    {"format", "*", 0, filter_format},
    {"center", "width", 0, filter_center},
    {"wordcount", "", 0, filter_wordcount},
    {"truncate", "length killwords end leeway", 0, filter_truncate},
    {0},
};
