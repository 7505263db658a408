/* text.c - prefixes, strict numbers, UTF-8, nearest names, HTML.
 *
 * Everything here is a pure function of its arguments. */
#include "base/text.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAME_MAX_LEN 63 /* longer names get no suggestion */

bool ap__starts_with(const char *s, const char *prefix)
{
    return strncmp(s, prefix, strlen(prefix)) == 0;
}

bool ap__ends_with(const char *s, const char *suffix)
{
    size_t n = strlen(s), k = strlen(suffix);
    return k <= n && memcmp(s + n - k, suffix, k) == 0;
}

bool ap__parse_i64(const char *s, int64_t *out)
{
    const char *digits = s + (*s == '-' || *s == '+');
    if (!isdigit((unsigned char)*digits))
        return false;
    char *end;
    errno = 0;
    long long value = strtoll(s, &end, 10);
    if (errno || *end)
        return false;
    *out = value;
    return true;
}

bool ap__parse_f64(const char *s, double *out)
{
    /* Only decimal spellings: strtod would also take hex, inf, nan and blanks. */
    if (!*s || s[strspn(s, "0123456789+-.eE")])
        return false;
    char *end;
    double value = strtod(s, &end);
    if (end == s || *end || !isfinite(value))
        return false;
    *out = value;
    return true;
}

void ap__range_i64_text(char out[AP_RANGE_TEXT_MAX], int64_t min, int64_t max)
{
    out[0] = '\0';
    if (min != INT64_MIN && max != INT64_MAX)
        snprintf(out, AP_RANGE_TEXT_MAX, "from %" PRId64 " to %" PRId64, min, max);
    else if (min != INT64_MIN)
        snprintf(out, AP_RANGE_TEXT_MAX, "of at least %" PRId64, min);
    else if (max != INT64_MAX)
        snprintf(out, AP_RANGE_TEXT_MAX, "of at most %" PRId64, max);
}

void ap__range_f64_text(char out[AP_RANGE_TEXT_MAX], double min, double max)
{
    out[0] = '\0';
    if (isfinite(min) && isfinite(max))
        snprintf(out, AP_RANGE_TEXT_MAX, "from %g to %g", min, max);
    else if (isfinite(min))
        snprintf(out, AP_RANGE_TEXT_MAX, "of at least %g", min);
    else if (isfinite(max))
        snprintf(out, AP_RANGE_TEXT_MAX, "of at most %g", max);
}

int ap__utf8_len(const char *s, size_t n)
{
    const unsigned char *u = (const unsigned char *)s;
    if (n == 0)
        return 0;
    if (u[0] < 0x80)
        return 1;
    int len = u[0] >= 0xC2 && u[0] < 0xE0 ? 2 : (u[0] & 0xF0) == 0xE0 ? 3 : u[0] >= 0xF0 && u[0] < 0xF5 ? 4 : 0;
    if (len == 0 || (size_t)len > n)
        return 0;
    for (int i = 1; i < len; i++)
        if ((u[i] & 0xC0) != 0x80)
            return 0;
    /* No overlong forms, no surrogates, nothing above U+10FFFF. */
    if ((u[0] == 0xE0 && u[1] < 0xA0) || (u[0] == 0xED && u[1] > 0x9F) || (u[0] == 0xF0 && u[1] < 0x90) ||
        (u[0] == 0xF4 && u[1] > 0x8F))
        return 0;
    return len;
}

bool ap__utf8_valid(const char *s, size_t n)
{
    for (size_t i = 0; i < n;) {
        int len = ap__utf8_len(s + i, n - i);
        if (len == 0)
            return false;
        i += (size_t)len;
    }
    return true;
}

ap_status ap__buf_add_valid(struct ap_buf *buf, const char *s, size_t n)
{
    size_t from = 0, i = 0;
    while (i < n) {
        int len = s[i] ? ap__utf8_len(s + i, n - i) : 0;
        if (len == 0) {
            ap__buf_add(buf, s + from, i - from);
            ap__buf_puts(buf, "\xEF\xBF\xBD");
            from = i + 1;
        }
        i += len > 0 ? (size_t)len : 1;
    }
    ap__buf_add(buf, s + from, n - from);
    return buf->failed ? AP_E_MEMORY : AP_OK;
}

static size_t min3(size_t a, size_t b, size_t c)
{
    size_t m = a < b ? a : b;
    return m < c ? m : c;
}

/* Levenshtein distance, letters compared without case; both at most NAME_MAX_LEN long. */
static size_t edit_distance(const char *a, const char *b)
{
    size_t row[NAME_MAX_LEN + 1], nb = strlen(b);
    for (size_t j = 0; j <= nb; j++)
        row[j] = j;
    for (size_t i = 1; a[i - 1]; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= nb; j++) {
            bool same = tolower((unsigned char)a[i - 1]) == tolower((unsigned char)b[j - 1]);
            size_t best = min3(diagonal + !same, row[j] + 1, row[j - 1] + 1);
            diagonal = row[j];
            row[j] = best;
        }
    }
    return row[nb];
}

const char *ap__nearest(const char *word, const char *const *names, size_t n)
{
    size_t len = strlen(word);
    if (len > NAME_MAX_LEN)
        return NULL;
    size_t limit = len / 3 > 2 ? len / 3 : 2;
    if (limit >= len) /* a two-letter word is two edits from any other */
        limit = len ? len - 1 : 0;
    const char *best = NULL;
    for (size_t i = 0; i < n; i++) {
        if (strlen(names[i]) > NAME_MAX_LEN)
            continue;
        size_t d = edit_distance(word, names[i]);
        if (d <= limit && (!best || d < edit_distance(word, best)))
            best = names[i];
    }
    return best;
}

ap_status ap__buf_html(struct ap_buf *buf, const char *s)
{
    for (; *s; s++) {
        const char *entity = *s == '&' ? "&amp;" : *s == '<' ? "&lt;" : *s == '>' ? "&gt;"
                           : *s == '"' ? "&quot;" : *s == '\'' ? "&#39;" : NULL;
        AP_TRY(entity ? ap__buf_puts(buf, entity) : ap__buf_putc(buf, *s));
    }
    return AP_OK;
}
