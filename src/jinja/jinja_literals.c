/* jinja_literals.c - numbers and strings as templates and Python's int() and float() write them.
 *
 *     12  1_000  0x1f  0b101  0o17      integers
 *     1.5  2e3  1_0.2_5e-1              floats: a point needs digits on both sides
 *     'text'  "text\n\u00e9"            strings, with Python's escapes */
#include "jinja/jinja_literals.h"
#include "jinja/jinja_text.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define NUMBER_MAX 400 /* digits that are looked at */

/* ------------------------------------------------------------------ integers */

static int digit_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'z' ? c - 'a' + 10 : c >= 'A' && c <= 'Z' ? c - 'A' + 10 : 99;
}

/* Digits of the base, single underscores between them; at least one.  Returns the bytes read. */
static size_t read_digits(const char *s, size_t n, int base, bool leading_underscore, uint64_t *value, bool *overflow)
{
    size_t i = 0, end = 0;
    *value = 0;
    *overflow = false;
    while (i < n) {
        if (s[i] == '_' && (end > 0 || leading_underscore) && (i == 0 || s[i - 1] != '_')) {
            i++;
            continue;
        }
        int d = digit_value(s[i]);
        if (d >= base)
            break;
        *overflow |= __builtin_mul_overflow(*value, (uint64_t)base, value);
        *overflow |= __builtin_add_overflow(*value, (uint64_t)d, value);
        end = ++i;
    }
    return end;
}

static int prefix_base(const char *s, size_t n)
{
    if (n < 2 || s[0] != '0')
        return 0;
    switch (s[1] | 0x20) {
    case 'x':
        return 16;
    case 'o':
        return 8;
    case 'b':
        return 2;
    default:
        return 0;
    }
}

size_t ap__jliteral_int(struct ap_jtext rest, int64_t *out, const char **wrong)
{
    uint64_t value;
    bool overflow;
    int base = prefix_base(rest.s, rest.n);
    size_t used = base ? read_digits(rest.s + 2, rest.n - 2, base, true, &value, &overflow) : 0;
    if (used)
        used += 2;
    else if (rest.s[0] == '0') /* zeros only: "012" is 0 and 12 */
        used = read_digits(rest.s, rest.n, 1, false, &value, &overflow);
    else
        used = read_digits(rest.s, rest.n, 10, false, &value, &overflow);
    if (overflow || value > INT64_MAX)
        *wrong = "the integer is too large";
    *out = (int64_t)value;
    return used;
}

bool ap__jtext_to_int(struct ap_jtext t, int base, int64_t *out)
{
    uint64_t value = 0;
    bool overflow = false;
    t = ap__jtext_strip(t, (struct ap_jtext){NULL, 0}, true, true);
    bool negative = t.n && t.s[0] == '-';
    if (t.n && (t.s[0] == '-' || t.s[0] == '+')) {
        t.s++;
        t.n--;
    }
    int prefix = prefix_base(t.s, t.n);
    bool has_prefix = prefix && (base == 0 || base == prefix);
    if (has_prefix) {
        t.s += 2;
        t.n -= 2;
    }
    if (base == 0)
        base = prefix ? prefix : 10;
    if (t.n == 0 || read_digits(t.s, t.n, base, has_prefix, &value, &overflow) != t.n || overflow || value > INT64_MAX)
        return false;
    *out = negative ? -(int64_t)value : (int64_t)value;
    return true;
}

/* ------------------------------------------------------------------ floats */

/* Copy digits and single underscores between them, without the underscores; returns the bytes read. */
static size_t take_digits(struct ap_jtext t, size_t at, char *copy, size_t *n)
{
    size_t end = at;
    for (size_t i = at; i < t.n && *n < NUMBER_MAX; i++) {
        if (t.s[i] == '_' && i > at && t.s[i - 1] != '_')
            continue;
        if (t.s[i] < '0' || t.s[i] > '9')
            break;
        copy[(*n)++] = t.s[i];
        end = i + 1;
    }
    return end - at;
}

static size_t take_exponent(struct ap_jtext t, size_t at, char *copy, size_t *n)
{
    size_t sign = at + 1 < t.n && (t.s[at + 1] == '+' || t.s[at + 1] == '-'), before = *n;
    if (at >= t.n || (t.s[at] | 0x20) != 'e')
        return 0;
    copy[(*n)++] = 'e';
    if (sign)
        copy[(*n)++] = t.s[at + 1];
    size_t digits = take_digits(t, at + 1 + sign, copy, n);
    if (digits == 0)
        *n = before;
    return digits ? 1 + sign + digits : 0;
}

size_t ap__jliteral_float(struct ap_jtext rest, bool after_dot, double *out)
{
    char copy[NUMBER_MAX + 8];
    size_t n = 0, at = take_digits(rest, 0, copy, &n), more = 0;
    if (after_dot)
        return 0;
    if (at < rest.n && rest.s[at] == '.') {
        copy[n++] = '.';
        more = take_digits(rest, at + 1, copy, &n);
        if (more == 0)
            return 0;
        at += 1 + more;
    }
    size_t exponent = take_exponent(rest, at, copy, &n);
    if (more == 0 && exponent == 0)
        return 0;
    copy[n] = '\0';
    *out = strtod(copy, NULL);
    return at + exponent;
}

bool ap__jtext_to_float(struct ap_jtext t, double *out)
{
    static const struct {
        const char *word;
        double value;
    } words[] = {{"inf", INFINITY}, {"infinity", INFINITY}, {"nan", NAN}};
    char copy[NUMBER_MAX + 8];
    size_t n = 0;
    t = ap__jtext_strip(t, (struct ap_jtext){NULL, 0}, true, true);
    double sign = t.n && t.s[0] == '-' ? -1 : 1;
    size_t at = t.n && (t.s[0] == '-' || t.s[0] == '+');
    for (size_t i = 0; i < 3; i++)
        if (t.n - at == strlen(words[i].word) && strncasecmp(t.s + at, words[i].word, t.n - at) == 0) {
            *out = sign * words[i].value;
            return true;
        }
    at += take_digits(t, at, copy, &n);
    if (at < t.n && t.s[at] == '.') {
        copy[n++] = '.';
        at += 1 + take_digits(t, at + 1, copy, &n);
    }
    if (n == 0 || (n == 1 && copy[0] == '.'))
        return false;
    at += take_exponent(t, at, copy, &n);
    copy[n] = '\0';
    *out = sign * strtod(copy, NULL);
    return at == t.n;
}

/* ------------------------------------------------------------------ strings */

/* The bytes of the literal with its quotes, 0 when it has no end. */
static size_t string_end(struct ap_jtext t)
{
    for (size_t i = 1; i < t.n; i++) {
        if (t.s[i] == '\\')
            i++;
        else if (t.s[i] == t.s[0])
            return i + 1;
    }
    return 0;
}

static size_t read_hex(const char *s, size_t n, size_t digits, int32_t *out)
{
    *out = 0;
    if (n < digits)
        return 0;
    for (size_t i = 0; i < digits; i++) {
        if (digit_value(s[i]) >= 16)
            return 0;
        *out = (int32_t)((uint32_t)*out << 4 | (uint32_t)digit_value(s[i]));
    }
    return digits;
}

static size_t read_octal(const char *s, size_t n, int32_t *out)
{
    size_t i = 0;
    *out = 0;
    for (; i < 3 && i < n && s[i] >= '0' && s[i] <= '7'; i++)
        *out = *out * 8 + (s[i] - '0');
    return i;
}

/* One escape behind its backslash: appends to *to, returns the bytes read, 0 when it is broken. */
static size_t unescape(const char *s, size_t n, char **to)
{
    static const char from[] = "\\'\"abfnrtv", into[] = "\\'\"\a\b\f\n\r\t\v";
    int32_t c;
    const char *plain = strchr(from, *s);
    if (*s == '\n')
        return 1;
    if (*s && plain) {
        *(*to)++ = into[plain - from];
        return 1;
    }
    size_t digits = *s == 'x' ? 2 : *s == 'u' ? 4 : *s == 'U' ? 8 : 0;
    size_t used = digits ? read_hex(s + 1, n - 1, digits, &c) : read_octal(s, n, &c);
    if (used == 0 && (digits || *s == 'N'))
        return 0;
    if (used == 0) { /* no escape at all: the backslash stays */
        *(*to)++ = '\\';
        return SIZE_MAX;
    }
    if (c < 0 || c > 0x10FFFF || (c >= 0xD800 && c < 0xE000))
        return 0;
    *to += ap__jtext_put(*to, c);
    return used + (digits ? 1 : 0);
}

size_t ap__jliteral_string(struct ap_arena *arena, struct ap_jtext rest, struct ap_jtext *out, const char **wrong)
{
    size_t end = string_end(rest);
    if (end == 0) {
        *wrong = "the string has no end";
        return 0;
    }
    char *copy = ap__arena_strndup(arena, rest.s + 1, end - 2), *to = copy; /* escapes only shrink */
    if (!copy) {
        *wrong = "out of memory for a string";
        return 0;
    }
    for (size_t i = 1; i < end - 1; i++) {
        if (rest.s[i] != '\\') {
            *to++ = rest.s[i];
            continue;
        }
        size_t used = unescape(rest.s + i + 1, end - 1 - (i + 1), &to);
        if (used == 0)
            *wrong = "the string holds a broken escape";
        i += used == SIZE_MAX ? 0 : used;
    }
    *out = (struct ap_jtext){copy, (size_t)(to - copy)};
    return end;
}
