/* jinja_unicode.c - characters and their classes, stripping, searching, cases.
 *
 *     UTF-8 (valid: the template and the variables are checked) --> characters --> utf8proc's tables
 *
 * Cases map character by character, with the one exception that matters in European text: sharp s has no
 * capital of its own. */
#define _GNU_SOURCE /* memmem */
#include "jinja/jinja_run.h"
#include "jinja/jinja_text.h"

#include <string.h>
#include <utf8proc.h>

size_t ap__jtext_chars(struct ap_jtext t)
{
    size_t n = 0;
    for (size_t i = 0; i < t.n; i++)
        n += ((unsigned char)t.s[i] & 0xC0) != 0x80;
    return n;
}

size_t ap__jtext_width(struct ap_jtext t, size_t at)
{
    size_t end = at + 1;
    while (end < t.n && ((unsigned char)t.s[end] & 0xC0) == 0x80)
        end++;
    return end - at;
}

size_t ap__jtext_before(struct ap_jtext t, size_t at)
{
    size_t start = at - 1;
    while (start > 0 && ((unsigned char)t.s[start] & 0xC0) == 0x80)
        start--;
    return at - start;
}

size_t ap__jtext_offset(struct ap_jtext t, size_t chars)
{
    size_t at = 0;
    while (chars-- > 0 && at < t.n)
        at += ap__jtext_width(t, at);
    return at;
}

int32_t ap__jtext_char(struct ap_jtext t, size_t at)
{
    utf8proc_int32_t c = 0;
    utf8proc_iterate((const utf8proc_uint8_t *)t.s + at, (utf8proc_ssize_t)(t.n - at), &c);
    return c < 0 ? 0xFFFD : c;
}

size_t ap__jtext_put(char out[4], int32_t c)
{
    utf8proc_uint8_t bytes[4];
    size_t n = (size_t)utf8proc_encode_char(c, bytes);
    memcpy(out, bytes, n);
    return n;
}

/* ------------------------------------------------------------------ classes */

/* Python's str.isspace: separators and what bidirectional text treats as such. */
bool ap__jchar_is_space(int32_t c)
{
    if (c < 0x80)
        return (c >= 9 && c <= 13) || (c >= 0x1C && c <= 0x20);
    return c == 0x85 || c == 0x2028 || c == 0x2029 || utf8proc_category(c) == UTF8PROC_CATEGORY_ZS;
}

bool ap__jchar_is_alpha(int32_t c)
{
    utf8proc_category_t k = utf8proc_category(c);
    return k >= UTF8PROC_CATEGORY_LU && k <= UTF8PROC_CATEGORY_LO;
}

bool ap__jchar_is_digit(int32_t c)
{
    return utf8proc_category(c) == UTF8PROC_CATEGORY_ND;
}

bool ap__jchar_is_alnum(int32_t c)
{
    utf8proc_category_t k = utf8proc_category(c);
    return ap__jchar_is_alpha(c) || (k >= UTF8PROC_CATEGORY_ND && k <= UTF8PROC_CATEGORY_NO);
}

bool ap__jchar_is_word(int32_t c)
{
    return c == '_' || ap__jchar_is_alnum(c);
}

bool ap__jchar_is_upper(int32_t c)
{
    return utf8proc_category(c) == UTF8PROC_CATEGORY_LU;
}

bool ap__jchar_is_lower(int32_t c)
{
    return utf8proc_category(c) == UTF8PROC_CATEGORY_LL;
}

bool ap__jchar_is_title(int32_t c)
{
    return utf8proc_category(c) == UTF8PROC_CATEGORY_LT;
}

bool ap__jchar_is_printable(int32_t c)
{
    if (c < 0x7F)
        return c >= 0x20;
    switch (utf8proc_category(c)) {
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_CS:
    case UTF8PROC_CATEGORY_CO:
    case UTF8PROC_CATEGORY_CN:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP:
    case UTF8PROC_CATEGORY_ZS:
        return false;
    default:
        return true;
    }
}

/* ------------------------------------------------------------------ stripping and searching */

static bool is_stripped(struct ap_jtext t, size_t at, size_t width, struct ap_jtext chars)
{
    if (!chars.s)
        return ap__jchar_is_space(ap__jtext_char(t, at));
    for (size_t i = 0; i < chars.n; i += ap__jtext_width(chars, i))
        if (ap__jtext_width(chars, i) == width && memcmp(chars.s + i, t.s + at, width) == 0)
            return true;
    return false;
}

struct ap_jtext ap__jtext_strip(struct ap_jtext t, struct ap_jtext chars, bool left, bool right)
{
    while (left && t.n > 0) {
        size_t width = ap__jtext_width(t, 0);
        if (!is_stripped(t, 0, width, chars))
            break;
        t.s += width;
        t.n -= width;
    }
    while (right && t.n > 0) {
        size_t width = ap__jtext_before(t, t.n);
        if (!is_stripped(t, t.n - width, width, chars))
            break;
        t.n -= width;
    }
    return t;
}

size_t ap__jtext_find(struct ap_jtext t, struct ap_jtext what, size_t from)
{
    if (what.n > t.n || from > t.n - what.n)
        return SIZE_MAX;
    if (what.n == 0)
        return from;
    const char *at = memmem(t.s + from, t.n - from, what.s, what.n);
    return at ? (size_t)(at - t.s) : SIZE_MAX;
}

size_t ap__jtext_find_last(struct ap_jtext t, struct ap_jtext what)
{
    for (size_t end = t.n; end >= what.n; end--) {
        if (memcmp(t.s + end - what.n, what.s, what.n) == 0)
            return end - what.n;
        if (end == 0)
            break;
    }
    return SIZE_MAX;
}

/* ------------------------------------------------------------------ cases */

static ap_status put_char(struct ap_jrun *run, int32_t c)
{
    char bytes[4];
    return ap__jrun_emit(run, bytes, ap__jtext_put(bytes, c));
}

static ap_status put_case(struct ap_jrun *run, int32_t c, enum ap_jcase how)
{
    if (c == 0xDF && how != AP_J_LOWER) /* sharp s */
        return ap__jrun_puts(run, how == AP_J_UPPER ? "SS" : how == AP_J_TITLE ? "Ss" : "ss");
    switch (how) {
    case AP_J_UPPER:
        return put_char(run, utf8proc_toupper(c));
    case AP_J_TITLE:
        return put_char(run, utf8proc_totitle(c));
    default:
        return put_char(run, utf8proc_tolower(c));
    }
}

static bool is_cased(int32_t c)
{
    return ap__jchar_is_upper(c) || ap__jchar_is_lower(c) || ap__jchar_is_title(c);
}

ap_status ap__jtext_case(struct ap_jrun *run, struct ap_jtext t, enum ap_jcase how, struct ap_jval *out)
{
    size_t mark = ap__jrun_catch(run);
    bool inside = false; /* the character before is a cased one */
    for (size_t at = 0; at < t.n; at += ap__jtext_width(t, at)) {
        int32_t c = ap__jtext_char(t, at);
        enum ap_jcase now = how;
        if (how == AP_J_TITLE)
            now = inside ? AP_J_LOWER : AP_J_TITLE;
        else if (how == AP_J_CAPITALIZE)
            now = at ? AP_J_LOWER : AP_J_TITLE;
        else if (how == AP_J_SWAPCASE)
            now = ap__jchar_is_lower(c) ? AP_J_UPPER : AP_J_LOWER;
        AP_TRY(put_case(run, c, now));
        inside = is_cased(c);
    }
    return ap__jrun_caught(run, mark, out);
}
