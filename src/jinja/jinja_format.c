/* jinja_format.c - "%s of %5.2f" % values and "{} of {n:>8}".format(...).
 *
 *     template --> text as it is
 *              --> a field: which value, how it is written (struct spec) --> put_spec
 *
 * Both notations come down to one description of a field. */
#include "jinja/jinja_run.h"
#include "jinja/jinja_strings.h"
#include "jinja/jinja_text.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define WIDTH_MAX 100000
#define PRECISION_MAX 300

struct spec {
    struct ap_jtext fill; /* one character */
    char align;           /* '<' '>' '^' '=' or 0 */
    char sign;            /* '+' ' ' or 0 */
    char group;           /* ',' '_' or 0 */
    bool alternate, zero;
    int64_t width, precision; /* precision -1: not given */
    char type;                /* 0: not given */
};

/* ------------------------------------------------------------------ numbers as text */

/* Thousands of the digits before `.`, `e` or the end parted by `mark`. */
static void group_digits(const char *digits, char mark, int every, char *out)
{
    size_t whole = strspn(digits, "0123456789abcdefABCDEF");
    if (every == 3)
        whole = strspn(digits, "0123456789");
    size_t n = 0;
    for (size_t i = 0; i < whole; i++) {
        if (i && (whole - i) % (size_t)every == 0)
            out[n++] = mark;
        out[n++] = digits[i];
    }
    strcpy(out + n, digits + whole);
}

static void write_binary(uint64_t value, char *out)
{
    char reversed[65];
    int n = 0;
    do
        reversed[n++] = (char)('0' + (value & 1));
    while (value >>= 1);
    while (n > 0)
        *out++ = reversed[--n];
    *out = '\0';
}

static void write_integer(const struct spec *spec, uint64_t value, char *out)
{
    switch (spec->type) {
    case 'b':
        write_binary(value, out);
        return;
    case 'o':
        sprintf(out, "%" PRIo64, value);
        return;
    case 'x':
        sprintf(out, "%" PRIx64, value);
        return;
    case 'X':
        sprintf(out, "%" PRIX64, value);
        return;
    default:
        sprintf(out, "%" PRIu64, value);
    }
}

static void write_float(const struct spec *spec, double value, char *out, size_t cap)
{
    int precision = spec->precision < 0 ? 6 : (int)spec->precision;
    switch (spec->type) {
    case 'f':
    case 'F':
        snprintf(out, cap, spec->alternate ? "%#.*f" : "%.*f", precision, value);
        return;
    case '%':
        snprintf(out, cap, "%.*f%%", precision, value * 100);
        return;
    case 'e':
        snprintf(out, cap, spec->alternate ? "%#.*e" : "%.*e", precision, value);
        return;
    case 'E':
        snprintf(out, cap, spec->alternate ? "%#.*E" : "%.*E", precision, value);
        return;
    case 'G':
        snprintf(out, cap, spec->alternate ? "%#.*G" : "%.*G", precision, value);
        return;
    case 'g':
        snprintf(out, cap, spec->alternate ? "%#.*g" : "%.*g", precision, value);
        return;
    default:
        break;
    }
    if (spec->precision < 0) {
        ap__jfloat_repr(value, out);
        return;
    }
    snprintf(out, cap, "%.*g", precision, value);
    if (!strpbrk(out, ".en")) /* without a type a float still looks like one */
        strcat(out, ".0");
}

/* ------------------------------------------------------------------ one field */

/* sign and prefix stand before the filling of '=' and of leading zeros. */
static ap_status put_padded(struct ap_jrun *run, const struct spec *spec, const char *prefix, struct ap_jtext body,
                            char align)
{
    int64_t room = spec->width - (int64_t)strlen(prefix) - (int64_t)ap__jtext_chars(body);
    room = room > 0 ? room : 0;
    int64_t left = align == '<' || align == '=' ? 0 : align == '^' ? room / 2 : room;
    int64_t inner = align == '=' ? room : 0;
    for (int64_t i = 0; i < left; i++)
        AP_TRY(ap__jrun_emit(run, spec->fill.s, spec->fill.n));
    AP_TRY(ap__jrun_puts(run, prefix));
    for (int64_t i = 0; i < inner; i++)
        AP_TRY(ap__jrun_emit(run, spec->fill.s, spec->fill.n));
    AP_TRY(ap__jrun_emit(run, body.s, body.n));
    for (int64_t i = left + inner; i < room; i++)
        AP_TRY(ap__jrun_emit(run, spec->fill.s, spec->fill.n));
    return AP_OK;
}

static ap_status put_number(struct ap_jrun *run, const struct spec *spec, struct ap_jval v)
{
    char digits[PRECISION_MAX + 400], grouped[2 * sizeof digits], prefix[4] = "";
    bool is_float = v.kind == AP_J_FLOAT || (spec->type && strchr("eEfFgG%", spec->type));
    bool negative = is_float ? signbit(ap__jval_number(v)) : ap__jval_integer(v) < 0;
    if (is_float)
        write_float(spec, fabs(ap__jval_number(v)), digits, sizeof digits);
    else
        write_integer(spec, negative ? 0 - (uint64_t)ap__jval_integer(v) : (uint64_t)ap__jval_integer(v), digits);
    if (negative || spec->sign)
        prefix[0] = negative ? '-' : spec->sign;
    if (spec->alternate && !is_float && spec->type && strchr("boxX", spec->type))
        sprintf(prefix + strlen(prefix), "0%c", spec->type);
    const char *text = digits;
    if (spec->group) {
        group_digits(digits, spec->group, spec->type && strchr("boxX", spec->type) && !is_float ? 4 : 3, grouped);
        text = grouped;
    }
    return put_padded(run, spec, prefix, (struct ap_jtext){text, strlen(text)}, spec->align ? spec->align : '>');
}

static ap_status put_text(struct ap_jrun *run, const struct spec *spec, struct ap_jtext text)
{
    if (spec->precision >= 0)
        text.n = ap__jtext_offset(text, (size_t)spec->precision);
    return put_padded(run, spec, "", text, spec->align && spec->align != '=' ? spec->align : '<');
}

static ap_status put_character(struct ap_jrun *run, const struct spec *spec, struct ap_jval v)
{
    char bytes[4];
    int64_t c = ap__jval_is_integer(v) ? ap__jval_integer(v) : -1;
    if (v.kind == AP_J_STRING && ap__jtext_chars(v.text) == 1)
        return put_text(run, spec, v.text);
    if (c < 0 || c > 0x10FFFF || (c >= 0xD800 && c < 0xE000))
        return ap__jrun_fail(run, "%%c requires a character");
    return put_text(run, spec, (struct ap_jtext){bytes, ap__jtext_put(bytes, (int32_t)c)});
}

static ap_status put_converted(struct ap_jrun *run, const struct spec *spec, struct ap_jval v, bool repr)
{
    struct ap_jval text;
    size_t mark = ap__jrun_catch(run);
    AP_TRY(repr ? ap__jval_repr(run, v) : ap__jval_print(run, v));
    AP_TRY(ap__jrun_caught(run, mark, &text));
    return put_text(run, spec, text.text);
}

/* ------------------------------------------------------------------ % */

struct percent {
    struct ap_jrun *run;
    struct ap_jtext t;
    size_t at, used; /* bytes of t, positional values */
    struct ap_jval values;
};

static ap_status next_value(struct percent *p, struct ap_jval *out)
{
    bool tuple = ap__jval_is_tuple(p->values);
    if (p->used >= (tuple ? p->values.list->n : 1))
        return ap__jrun_fail(p->run, "not enough arguments for format string");
    *out = tuple ? p->values.list->v[p->used] : p->values;
    p->used++;
    return AP_OK;
}

/* (name) behind the %: *out stays MISSING when there is none. */
static ap_status named_value(struct percent *p, struct ap_jval *out)
{
    *out = (struct ap_jval){.kind = AP_J_MISSING};
    if (p->at >= p->t.n || p->t.s[p->at] != '(')
        return AP_OK;
    const char *start = p->t.s + p->at + 1, *end = memchr(start, ')', p->t.n - p->at - 1);
    if (!end)
        return ap__jrun_fail(p->run, "incomplete format key");
    if (p->values.kind != AP_J_DICT)
        return ap__jrun_fail(p->run, "format requires a mapping");
    AP_TRY(ap__jdict_get(p->run, p->values.dict, ap__jval_view(start, (size_t)(end - start)), out));
    p->at = (size_t)(end - p->t.s) + 1;
    return out->kind == AP_J_MISSING ? ap__jrun_fail(p->run, "a key of the format string is missing") : AP_OK;
}

/* A number or * in a format; -1 when there is none. */
static ap_status read_size(struct percent *p, int64_t limit, int64_t *out)
{
    struct ap_jval v;
    *out = -1;
    if (p->at < p->t.n && p->t.s[p->at] == '*') {
        p->at++;
        AP_TRY(next_value(p, &v));
        if (!ap__jval_is_integer(v))
            return ap__jrun_fail(p->run, "* wants int");
        *out = ap__jval_integer(v);
    }
    for (; p->at < p->t.n && p->t.s[p->at] >= '0' && p->t.s[p->at] <= '9' && *out <= limit; p->at++)
        *out = (*out < 0 ? 0 : *out * 10) + (p->t.s[p->at] - '0');
    return *out <= limit ? AP_OK : ap__jrun_fail(p->run, "a width or precision is too large");
}

static ap_status read_percent_spec(struct percent *p, struct spec *spec)
{
    bool left = false;
    *spec = (struct spec){.fill = AP_JTEXT(" "), .precision = -1};
    for (; p->at < p->t.n; p->at++) {
        char c = p->t.s[p->at];
        if (c == '-')
            left = true;
        else if (c == '+' || (c == ' ' && !spec->sign))
            spec->sign = c;
        else if (c == '#')
            spec->alternate = true;
        else if (c == '0')
            spec->zero = true;
        else if (c != ' ')
            break;
    }
    AP_TRY(read_size(p, WIDTH_MAX, &spec->width));
    if (spec->width < -1) {
        left = true;
        spec->width = spec->width < -WIDTH_MAX ? WIDTH_MAX : -spec->width;
    }
    if (p->at < p->t.n && p->t.s[p->at] == '.') {
        p->at++;
        AP_TRY(read_size(p, PRECISION_MAX, &spec->precision));
        spec->precision = spec->precision < 0 ? 0 : spec->precision;
    }
    if (p->at < p->t.n && strchr("hlL", p->t.s[p->at]) && p->t.s[p->at])
        p->at++;
    spec->align = left ? '<' : '>';
    return AP_OK;
}

/* At least `precision` digits, all within the width. */
static ap_status put_with_digits(struct ap_jrun *run, const struct spec *spec, struct ap_jval v)
{
    struct spec inner = *spec;
    struct ap_jval text;
    inner.width = spec->precision + (ap__jval_integer(v) < 0 || spec->sign) + (spec->alternate ? 2 : 0);
    inner.fill = AP_JTEXT("0");
    inner.align = '=';
    size_t mark = ap__jrun_catch(run);
    AP_TRY(put_number(run, &inner, v));
    AP_TRY(ap__jrun_caught(run, mark, &text));
    return put_padded(run, spec, "", text.text, spec->align);
}

static ap_status put_percent_number(struct percent *p, struct spec *spec, struct ap_jval v)
{
    bool as_float = strchr("eEfFgG", spec->type) != NULL;
    if (!ap__jval_is_number(v) || (!as_float && v.kind == AP_J_FLOAT && strchr("oxX", spec->type)))
        return ap__jrun_fail(p->run, "%%%c format: a number is required, not %s", spec->type, ap__jval_type(v));
    if (!as_float && v.kind == AP_J_FLOAT) {
        if (!isfinite(v.f) || fabs(v.f) >= 9.2e18)
            return ap__jrun_fail(p->run, "an integer does not fit into 64 bits");
        v = ap__jval_int((int64_t)v.f);
    }
    if (!as_float && spec->precision >= 0)
        return put_with_digits(p->run, spec, v);
    if (spec->zero && spec->align == '>') {
        spec->fill = AP_JTEXT("0");
        spec->align = '=';
    }
    return put_number(p->run, spec, v);
}

static ap_status put_percent(struct percent *p)
{
    struct spec spec;
    struct ap_jval v;
    AP_TRY(named_value(p, &v));
    AP_TRY(read_percent_spec(p, &spec));
    if (p->at >= p->t.n)
        return ap__jrun_fail(p->run, "incomplete format");
    spec.type = p->t.s[p->at++];
    if (spec.type == '%')
        return ap__jrun_puts(p->run, "%");
    if (v.kind == AP_J_MISSING)
        AP_TRY(next_value(p, &v));
    switch (spec.type) {
    case 's':
    case 'r':
    case 'a':
        return put_converted(p->run, &spec, v, spec.type != 's');
    case 'c':
        return put_character(p->run, &spec, v);
    case 'i':
    case 'u':
        spec.type = 'd';
        break;
    default:
        break;
    }
    if (!spec.type || !strchr("doxXeEfFgG", spec.type))
        return ap__jrun_fail(p->run, "unsupported format character");
    return put_percent_number(p, &spec, v);
}

ap_status ap__jformat_percent(struct ap_jrun *run, struct ap_jval format, struct ap_jval value, struct ap_jval *out)
{
    struct percent p = {.run = run, .t = format.text, .values = value};
    size_t mark = ap__jrun_catch(run);
    while (p.at < p.t.n) {
        const char *start = p.t.s + p.at, *sign = memchr(start, '%', p.t.n - p.at);
        size_t plain = sign ? (size_t)(sign - start) : p.t.n - p.at;
        AP_TRY(ap__jrun_emit(run, start, plain));
        p.at += plain + (sign != NULL);
        if (sign)
            AP_TRY(put_percent(&p));
    }
    bool left_over = ap__jval_is_tuple(value) ? p.used < value.list->n
                                              : p.used == 0 && value.kind != AP_J_DICT && value.kind != AP_J_LIST &&
                                                    value.kind != AP_J_UNDEFINED;
    if (left_over)
        return ap__jrun_fail(run, "not all arguments converted during string formatting");
    AP_TRY(ap__jrun_caught(run, mark, out));
    out->markup = format.markup;
    return AP_OK;
}

/* ------------------------------------------------------------------ {} */

struct braces {
    struct ap_jrun *run;
    const struct ap_jargs *args;
    size_t automatic; /* fields without a number so far */
    bool by_number;   /* there was one with a number: the two do not mix */
};

static ap_status argument(struct braces *b, struct ap_jtext name, struct ap_jval *out)
{
    int64_t index;
    bool numbered = ap__jtext_to_int(name, 10, &index) && name.s[0] != '-' && name.s[0] != '+';
    b->by_number |= numbered;
    if (name.n == 0)
        index = (int64_t)b->automatic++;
    if (b->by_number && b->automatic)
        return ap__jrun_fail(b->run, "fields with and without numbers cannot be mixed in a format");
    if (name.n == 0 || numbered) {
        if (index < 0 || (size_t)index >= b->args->n)
            return ap__jrun_fail(b->run, "Replacement index %d out of range for positional args tuple", (int)index);
        *out = b->args->v[index];
        return AP_OK;
    }
    for (size_t i = 0; i < b->args->n_kw; i++)
        if (b->args->kw[i].name.n == name.n && memcmp(b->args->kw[i].name.s, name.s, name.n) == 0) {
            *out = b->args->kw[i].value;
            return AP_OK;
        }
    return ap__jrun_fail(b->run, "a key of the format string is missing");
}

/* name.attribute[item] */
static ap_status field_value(struct braces *b, struct ap_jtext field, struct ap_jval *out)
{
    size_t at = 0;
    while (at < field.n && field.s[at] != '.' && field.s[at] != '[')
        at++;
    AP_TRY(argument(b, (struct ap_jtext){field.s, at}, out));
    while (at < field.n) {
        bool item = field.s[at] == '[';
        size_t start = ++at;
        while (at < field.n && (item ? field.s[at] != ']' : field.s[at] != '.' && field.s[at] != '['))
            at++;
        struct ap_jtext key = {field.s + start, at - start};
        int64_t index;
        if (item && at == field.n)
            return ap__jrun_fail(b->run, "Missing ']' in format string");
        at += item;
        if (!item)
            AP_TRY(ap__jval_attribute(b->run, *out, key, out));
        else if (ap__jtext_to_int(key, 10, &index))
            AP_TRY(ap__jval_item(b->run, *out, ap__jval_int(index), out));
        else
            AP_TRY(ap__jval_item(b->run, *out, ap__jval_view(key.s, key.n), out));
    }
    return AP_OK;
}

static bool is_align(const char *s, size_t at, size_t n)
{
    return at < n && s[at] && strchr("<>^=", s[at]);
}

static size_t read_number(struct ap_jtext t, size_t at, int64_t limit, int64_t *out)
{
    for (; at < t.n && t.s[at] >= '0' && t.s[at] <= '9'; at++)
        if ((*out = (*out < 0 ? 0 : *out * 10) + (t.s[at] - '0')) > limit)
            *out = limit + 1;
    return at;
}

/* [[fill]align][sign][#][0][width][,][.precision][type] */
static ap_status read_spec(struct ap_jrun *run, struct ap_jtext t, struct spec *spec)
{
    size_t at = 0, first = t.n ? ap__jtext_width(t, 0) : 0;
    *spec = (struct spec){.fill = AP_JTEXT(" "), .precision = -1, .width = -1};
    if (is_align(t.s, first, t.n) && first) {
        spec->fill.s = t.s;
        spec->fill.n = first;
        at = first;
    }
    if (is_align(t.s, at, t.n))
        spec->align = t.s[at++];
    if (at < t.n && (t.s[at] == '+' || t.s[at] == ' ' || t.s[at] == '-')) {
        spec->sign = t.s[at] == '-' ? '\0' : t.s[at];
        at++;
    }
    if (at < t.n && t.s[at] == '#') {
        spec->alternate = true;
        at++;
    }
    if (at < t.n && t.s[at] == '0') {
        spec->zero = true;
        at++;
        if (!spec->align) {
            spec->align = '=';
            spec->fill = AP_JTEXT("0");
        }
    }
    at = read_number(t, at, WIDTH_MAX, &spec->width);
    if (at < t.n && (t.s[at] == ',' || t.s[at] == '_'))
        spec->group = t.s[at++];
    if (at < t.n && t.s[at] == '.')
        at = read_number(t, at + 1, PRECISION_MAX, &spec->precision);
    if (at < t.n)
        spec->type = t.s[at++];
    if (at < t.n || spec->width > WIDTH_MAX || spec->precision > PRECISION_MAX)
        return ap__jrun_fail(run, "Invalid format specifier");
    return AP_OK;
}

static ap_status put_field(struct ap_jrun *run, struct ap_jval v, struct ap_jtext how)
{
    struct spec spec;
    AP_TRY(read_spec(run, how, &spec));
    if (how.n == 0)
        return ap__jval_print(run, v);
    if (v.kind == AP_J_STRING && (!spec.type || spec.type == 's') && spec.align != '=' && !spec.sign)
        return put_text(run, &spec, v.text);
    if (v.kind == AP_J_STRING && spec.zero && (!spec.type || spec.type == 's')) {
        spec.align = '<';
        return put_text(run, &spec, v.text);
    }
    if (!ap__jval_is_number(v))
        return ap__jrun_fail(run, "unsupported format string passed to %s", ap__jval_type(v));
    if (spec.type == 'c')
        return put_character(run, &spec, v);
    bool known = !spec.type || strchr("eEfFgGn%", spec.type) || (v.kind != AP_J_FLOAT && strchr("bdoxX", spec.type));
    if (!known)
        return ap__jrun_fail(run, "Unknown format code '%c' for object of type '%s'", spec.type, ap__jval_type(v));
    return put_number(run, &spec, v);
}

static ap_status put_format(struct braces *b, struct ap_jtext t, int depth);

/* The end of a field that begins behind its "{": the "}" that matches. */
static size_t field_end(struct ap_jtext t, size_t at)
{
    int depth = 1;
    for (; at < t.n; at++) {
        depth += t.s[at] == '{' ? 1 : t.s[at] == '}' ? -1 : 0;
        if (depth == 0)
            return at;
    }
    return SIZE_MAX;
}

/* field!conversion:spec, where the spec may hold fields of its own */
static ap_status put_brace(struct braces *b, struct ap_jtext t, int depth)
{
    size_t name = 0;
    struct ap_jval v, how = ap__jval_view("", 0);
    while (name < t.n && t.s[name] != '!' && t.s[name] != ':')
        name++;
    AP_TRY(field_value(b, (struct ap_jtext){t.s, name}, &v));
    if (name + 1 < t.n && t.s[name] == '!') {
        bool repr = t.s[name + 1] != 's';
        size_t mark = ap__jrun_catch(b->run);
        if (!strchr("sra", t.s[name + 1]))
            return ap__jrun_fail(b->run, "Unknown conversion specifier");
        AP_TRY(repr ? ap__jval_repr(b->run, v) : ap__jval_print(b->run, v));
        AP_TRY(ap__jrun_caught(b->run, mark, &v));
        name += 2;
    }
    if (name < t.n && t.s[name] != ':')
        return ap__jrun_fail(b->run, "expected ':' after conversion specifier");
    if (name < t.n) {
        size_t mark = ap__jrun_catch(b->run);
        AP_TRY(put_format(b, (struct ap_jtext){t.s + name + 1, t.n - name - 1}, depth + 1));
        AP_TRY(ap__jrun_caught(b->run, mark, &how));
    }
    return put_field(b->run, v, how.text);
}

static ap_status put_format(struct braces *b, struct ap_jtext t, int depth)
{
    if (depth > 2)
        return ap__jrun_fail(b->run, "Max string recursion exceeded");
    for (size_t at = 0; at < t.n;) {
        char c = t.s[at];
        bool doubled = (c == '{' || c == '}') && at + 1 < t.n && t.s[at + 1] == c;
        if (doubled || (c != '{' && c != '}')) {
            AP_TRY(ap__jrun_emit(b->run, &c, 1));
            at += 1 + (size_t)doubled;
            continue;
        }
        size_t end = c == '{' ? field_end(t, at + 1) : SIZE_MAX;
        if (end == SIZE_MAX)
            return ap__jrun_fail(b->run, "Single '%c' encountered in format string", c);
        AP_TRY(put_brace(b, (struct ap_jtext){t.s + at + 1, end - at - 1}, depth));
        at = end + 1;
    }
    return AP_OK;
}

ap_status ap__jformat_braces(struct ap_jrun *run, struct ap_jval format, const struct ap_jargs *args,
                             struct ap_jval *out)
{
    struct braces b = {.run = run, .args = args};
    size_t mark = ap__jrun_catch(run);
    AP_TRY(put_format(&b, format.text, 1));
    AP_TRY(ap__jrun_caught(run, mark, out));
    out->markup = format.markup;
    return AP_OK;
}
