/* html.c - text and numbers for the report; see html.h. */
#include "report/html.h"
#include "base/text.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define REPLACEMENT "\xEF\xBF\xBD"  /* U+FFFD */
#define NARROW_SPACE "\xE2\x80\xAF" /* U+202F, does not break */
#define MINUS "\xE2\x88\x92"

/* Append the n bytes of one character, escaped. */
static void put_character(struct ap_buf *out, const char *s, int n)
{
    char one[5] = {0};
    memcpy(one, s, (size_t)n);
    unsigned char c = (unsigned char)one[0];
    if (c == 0x7F || (c < 0x20 && c != '\n' && c != '\t'))
        ap__buf_puts(out, REPLACEMENT);
    else
        ap__buf_html(out, one);
}

void ap__html_text(struct ap_buf *out, const char *text)
{
    size_t n = text ? strlen(text) : 0;
    for (size_t i = 0; i < n;) {
        int len = ap__utf8_len(text + i, n - i);
        if (len > 0)
            put_character(out, text + i, len);
        else
            ap__buf_puts(out, REPLACEMENT);
        i += len > 0 ? (size_t)len : 1;
    }
}

void ap__html_tag(struct ap_buf *out, const char *tag, const char *class_name, const char *text)
{
    if (class_name)
        ap__buf_printf(out, "<%s class=\"%s\">", tag, class_name);
    else
        ap__buf_printf(out, "<%s>", tag);
    ap__html_text(out, text);
    ap__buf_printf(out, "</%s>", tag);
}

void ap__html_count(struct ap_buf *out, int64_t n)
{
    char digits[24];
    int len = snprintf(digits, sizeof digits, "%" PRId64, n < 0 ? -n : n);
    if (n < 0)
        ap__buf_puts(out, MINUS);
    for (int i = 0; i < len; i++) {
        if (i > 0 && (len - i) % 3 == 0 && len > 4)
            ap__buf_puts(out, NARROW_SPACE);
        ap__buf_putc(out, digits[i]);
    }
}

void ap__html_percent(struct ap_buf *out, double share)
{
    ap__buf_printf(out, "%.1f" NARROW_SPACE "%%", 100 * share);
}

void ap__html_percent_of(struct ap_buf *out, int64_t k, int64_t n)
{
    if (n > 0)
        ap__html_percent(out, (double)k / (double)n);
    else
        ap__buf_puts(out, "\xE2\x80\x93");
}

void ap__html_interval(struct ap_buf *out, struct ap_interval i)
{
    ap__buf_putc(out, '[');
    ap__html_number(out, 100 * i.low, 1);
    ap__buf_puts(out, ", ");
    ap__html_number(out, 100 * i.high, 1);
    ap__buf_putc(out, ']');
}

void ap__html_number(struct ap_buf *out, double value, int decimals)
{
    char digits[64];
    snprintf(digits, sizeof digits, "%.*f", decimals, fabs(value));
    bool zero = strspn(digits, "0.") == strlen(digits);
    ap__buf_printf(out, "%s%s", value < 0 && !zero ? MINUS : "", digits);
}

void ap__html_points(struct ap_buf *out, double difference)
{
    if (difference >= 0.0005)
        ap__buf_putc(out, '+');
    ap__html_number(out, 100 * difference, 1);
}

void ap__html_p(struct ap_buf *out, double p)
{
    if (p >= 0.001) {
        ap__buf_printf(out, p > 0.9995 ? "1" : p < 0.1 ? "%.4f" : "%.3f", p);
        return;
    }
    if (p < 1e-300) {
        ap__buf_puts(out, "&lt;" NARROW_SPACE "10<sup>" MINUS "300</sup>");
        return;
    }
    int exponent = (int)floor(log10(p));
    double mantissa = p / pow(10, exponent);
    if (mantissa >= 9.95) {
        mantissa = 1;
        exponent++;
    }
    ap__buf_printf(out, "%.1f" NARROW_SPACE "\xC3\x97" NARROW_SPACE "10<sup>" MINUS "%d</sup>", mantissa, -exponent);
}

void ap__html_seconds(struct ap_buf *out, double seconds)
{
    int64_t whole = (int64_t)(seconds + 0.5);
    if (seconds < 10)
        ap__buf_printf(out, "%.1f" NARROW_SPACE "s", seconds);
    else if (whole < 60)
        ap__buf_printf(out, "%lld" NARROW_SPACE "s", (long long)whole);
    else if (whole < 3600)
        ap__buf_printf(out, "%lld" NARROW_SPACE "min %02lld" NARROW_SPACE "s", (long long)(whole / 60),
                       (long long)(whole % 60));
    else
        ap__buf_printf(out, "%lld" NARROW_SPACE "h %02lld" NARROW_SPACE "min", (long long)(whole / 3600),
                       (long long)(whole / 60 % 60));
}
