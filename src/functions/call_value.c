/* call_value.c - the literals inside a call: cursor -> value.
 *
 *   12  -0.5  1e3  1/3      number, exact
 *   'text'  "text"          string with Python's and JSON's escapes
 *   True False None         also true, false, null
 *   [1, 'a', [2]]           list
 *   {"a": [1], 'b': True}   object, kept as the text of its JSON (call_object.c)
 *
 * A bare word is an error that reminds of quotes, since that is what models
 * forget. */
#include "functions/call_scan.h"
#include "base/text.h"
#include <stdio.h>
#include <string.h>

/* ---- cursor ---- */

/* Characters before byte `end`, plus one. */
static int column_of(const struct ap_scan *scan, size_t end)
{
    int column = 1;
    for (size_t i = 0; i < end; i++)
        column += ((unsigned char)scan->text[i] & 0xC0) != 0x80;
    return column;
}

ap_status ap__scan_fail(struct ap_scan *scan, const char *fmt, ...)
{
    char message[256];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(message, sizeof message, fmt, ap);
    va_end(ap);
    return ap__fail(scan->err, AP_E_PARSE, NULL, "%s at column %d", message, column_of(scan, scan->pos));
}

ap_status ap__scan_fail_expected(struct ap_scan *scan, const char *expected)
{
    if (scan->pos >= scan->len)
        return ap__scan_fail(scan, "expected %s, but the text ends", expected);
    const char *at = scan->text + scan->pos;
    int n = ap__utf8_len(at, scan->len - scan->pos);
    if (*at == '\n')
        return ap__scan_fail(scan, "expected %s, got a new line", expected);
    return ap__scan_fail(scan, "expected %s, got `%.*s`", expected, n > 0 ? n : 1, at);
}

ap_status ap__scan_begin(struct ap_scan *scan, const char *text, size_t len, struct ap_err *err)
{
    *scan = (struct ap_scan){.text = text, .len = len, .err = err};
    if (len > AP_CALL_MAX_TEXT)
        return ap__fail(err, AP_E_TOO_LARGE, NULL, "the call is longer than %d bytes", AP_CALL_MAX_TEXT);
    if (memchr(text, 0, len) != NULL || !ap__utf8_valid(text, len))
        return ap__fail(err, AP_E_PARSE, NULL, "the call is not valid UTF-8 text");
    ap__scan_blanks(scan);
    return AP_OK;
}

ap_status ap__scan_end(struct ap_scan *scan, const char *expected)
{
    ap__scan_blanks(scan);
    return scan->pos == scan->len ? AP_OK : ap__scan_fail_expected(scan, expected);
}

void ap__scan_blanks(struct ap_scan *scan)
{
    while (scan->pos < scan->len && strchr(" \t\r\n", scan->text[scan->pos]) != NULL)
        scan->pos++;
}

char ap__scan_peek(const struct ap_scan *scan)
{
    return scan->pos < scan->len ? scan->text[scan->pos] : '\0';
}

static bool letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

bool ap__scan_at_name(const struct ap_scan *scan)
{
    return letter(ap__scan_peek(scan));
}

static size_t name_span(const struct ap_scan *scan)
{
    size_t n = 0;
    while (scan->pos + n < scan->len) {
        char c = scan->text[scan->pos + n];
        if (!letter(c) && !(n > 0 && c >= '0' && c <= '9'))
            break;
        n++;
    }
    return n;
}

bool ap__scan_is_name(const char *text)
{
    size_t n = strlen(text);
    struct ap_scan scan = {.text = text, .len = n};
    return n > 0 && n <= AP_CALL_MAX_NAME && ap__scan_at_name(&scan) && name_span(&scan) == n;
}

ap_status ap__scan_name(struct ap_scan *scan, char **out)
{
    size_t n = name_span(scan);
    if (n > AP_CALL_MAX_NAME)
        return ap__fail(scan->err, AP_E_TOO_LARGE, NULL, "a name longer than %d bytes", AP_CALL_MAX_NAME);
    *out = ap__strndup(scan->text + scan->pos, n);
    if (*out == NULL)
        return ap__fail(scan->err, AP_E_MEMORY, NULL, "no memory for a name");
    scan->pos += n;
    return AP_OK;
}

/* ---- strings ---- */

/* n hex digits at the cursor, -1 when they are not there. */
static long hex(const struct ap_scan *scan, size_t offset, size_t n)
{
    long value = 0;
    for (size_t i = 0; i < n; i++) {
        size_t at = scan->pos + offset + i;
        char c = at < scan->len ? scan->text[at] : '\0';
        if (c >= '0' && c <= '9')
            value = value * 16 + (c - '0');
        else if (c >= 'a' && c <= 'f')
            value = value * 16 + (c - 'a' + 10);
        else if (c >= 'A' && c <= 'F')
            value = value * 16 + (c - 'A' + 10);
        else
            return -1;
    }
    return value;
}

static void put_utf8(struct ap_buf *out, long c)
{
    if (c < 0x80) {
        ap__buf_putc(out, (char)c);
    } else if (c < 0x800) {
        ap__buf_putc(out, (char)(0xC0 | c >> 6));
        ap__buf_putc(out, (char)(0x80 | (c & 0x3F)));
    } else if (c < 0x10000) {
        ap__buf_putc(out, (char)(0xE0 | c >> 12));
        ap__buf_putc(out, (char)(0x80 | (c >> 6 & 0x3F)));
        ap__buf_putc(out, (char)(0x80 | (c & 0x3F)));
    } else {
        ap__buf_putc(out, (char)(0xF0 | c >> 18));
        ap__buf_putc(out, (char)(0x80 | (c >> 12 & 0x3F)));
        ap__buf_putc(out, (char)(0x80 | (c >> 6 & 0x3F)));
        ap__buf_putc(out, (char)(0x80 | (c & 0x3F)));
    }
}

/* \uXXXX, or two of them when the first is a high surrogate; cursor at 'u'. */
static long scan_unicode(struct ap_scan *scan)
{
    long c = hex(scan, 1, 4);
    scan->pos += 5;
    if (c < 0xD800 || c > 0xDFFF)
        return c;
    bool pair = c < 0xDC00 && scan->pos + 1 < scan->len && scan->text[scan->pos] == '\\' &&
                scan->text[scan->pos + 1] == 'u';
    long low = pair ? hex(scan, 2, 4) : -1;
    if (low < 0xDC00 || low > 0xDFFF)
        return -1;
    scan->pos += 6;
    return 0x10000 + ((c - 0xD800) << 10) + (low - 0xDC00);
}

/* The cursor stands behind the backslash. */
static ap_status scan_escape(struct ap_scan *scan, struct ap_buf *out)
{
    static const char from[] = "ntrbf'\"\\/", to[] = "\n\t\r\b\f'\"\\/";
    char c = ap__scan_peek(scan);
    const char *known = c != '\0' ? strchr(from, c) : NULL;
    if (known != NULL) {
        ap__buf_putc(out, to[known - from]);
        scan->pos++;
        return AP_OK;
    }
    if (c != 'u' && c != 'x') { /* Python keeps the backslash */
        ap__buf_putc(out, '\\');
        return AP_OK;
    }
    size_t start = scan->pos;
    long value;
    if (c == 'u') {
        value = scan_unicode(scan);
    } else {
        value = hex(scan, 1, 2);
        scan->pos += 3;
    }
    if (value <= 0) {
        scan->pos = start;
        return ap__scan_fail(scan, "broken escape `\\%c`", c);
    }
    put_utf8(out, value);
    return AP_OK;
}

ap_status ap__scan_string(struct ap_scan *scan, char **out)
{
    struct ap_buf text;
    ap_status status = AP_OK;
    size_t start = scan->pos;
    char quote = scan->text[scan->pos++];
    ap__buf_init(&text, AP_CALL_MAX_TEXT);
    while (status == AP_OK && ap__scan_peek(scan) != quote) {
        char c = ap__scan_peek(scan);
        if (c == '\0' || c == '\n') {
            scan->pos = start;
            status = ap__scan_fail(scan, "the string that begins with %c is not closed", quote);
        } else if (c == '\\') {
            scan->pos++;
            status = scan_escape(scan, &text);
        } else {
            ap__buf_putc(&text, c);
            scan->pos++;
        }
    }
    if (status == AP_OK) {
        scan->pos++;
        *out = ap__buf_take(&text);
        if (*out == NULL)
            status = ap__fail(scan->err, AP_E_MEMORY, NULL, "no memory for a string");
    }
    ap__buf_deinit(&text);
    return status;
}

/* ---- other literals ---- */

static ap_status scan_number(struct ap_scan *scan, struct ap_value *out)
{
    char literal[AP_NUMBER_MAX_TEXT + 1];
    size_t n = ap__number_span(scan->text + scan->pos, scan->len - scan->pos);
    if (n == 0)
        return ap__scan_fail_expected(scan, "a number");
    if (n > AP_NUMBER_MAX_TEXT)
        return ap__scan_fail(scan, "a number of more than %d characters", AP_NUMBER_MAX_TEXT);
    memcpy(literal, scan->text + scan->pos, n);
    literal[n] = '\0';
    mpq_t number;
    mpq_init(number);
    bool ok = ap__number_parse(literal, number);
    if (ok)
        ap__value_set_number(out, number);
    mpq_clear(number);
    if (!ok)
        return ap__scan_fail(scan, "the number `%.40s` is too large or divides by zero", literal);
    scan->pos += n;
    return AP_OK;
}

static ap_status scan_word(struct ap_scan *scan, struct ap_value *out)
{
    static const struct {
        const char *word;
        enum ap_value_kind kind;
        bool value;
    } words[] = {{"True", AP_VALUE_BOOL, true},   {"true", AP_VALUE_BOOL, true},  {"False", AP_VALUE_BOOL, false},
                 {"false", AP_VALUE_BOOL, false}, {"None", AP_VALUE_NONE, false}, {"null", AP_VALUE_NONE, false}};
    size_t n = name_span(scan);
    const char *at = scan->text + scan->pos;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (strlen(words[i].word) == n && memcmp(words[i].word, at, n) == 0) {
            if (words[i].kind == AP_VALUE_BOOL)
                ap__value_set_bool(out, words[i].value);
            scan->pos += n;
            return AP_OK;
        }
    }
    return ap__scan_fail(scan, "expected a value, got the word `%.*s` (text needs quotes)", n < 40 ? (int)n : 40, at);
}

/* A list's items are gathered in `list`, which the caller releases. */
static ap_status scan_items(struct ap_scan *scan, struct ap_value *list, int32_t depth)
{
    size_t cap = 0;
    while (ap__scan_peek(scan) != ']') {
        AP_TRY(ap__grow((void **)&list->as.list.items, &cap, (size_t)list->as.list.n + 1,
                        sizeof *list->as.list.items, scan->err));
        struct ap_value *item = &list->as.list.items[list->as.list.n++];
        ap__value_init(item);
        AP_TRY(ap__scan_value(scan, item, depth + 1));
        ap__scan_blanks(scan);
        if (ap__scan_peek(scan) == ',')
            scan->pos++;
        else if (ap__scan_peek(scan) != ']')
            return ap__scan_fail_expected(scan, "`,` or `]`");
        ap__scan_blanks(scan);
    }
    scan->pos++;
    return AP_OK;
}

ap_status ap__scan_value(struct ap_scan *scan, struct ap_value *out, int32_t depth)
{
    char c = ap__scan_peek(scan);
    if (++scan->items > AP_CALL_MAX_ITEMS)
        return ap__fail(scan->err, AP_E_TOO_LARGE, NULL, "more than %d values in one call", AP_CALL_MAX_ITEMS);
    if (c == '\'' || c == '"') {
        char *text;
        AP_TRY(ap__scan_string(scan, &text));
        out->kind = AP_VALUE_STRING;
        out->as.string = text;
        return AP_OK;
    }
    if (c == '[') {
        if (depth >= AP_CALL_MAX_DEPTH)
            return ap__fail(scan->err, AP_E_TOO_LARGE, NULL, "lists nested deeper than %d", AP_CALL_MAX_DEPTH);
        scan->pos++;
        ap__scan_blanks(scan);
        out->kind = AP_VALUE_LIST;
        return scan_items(scan, out, depth);
    }
    if (c == '{')
        return ap__scan_object(scan, out);
    if (letter(c))
        return scan_word(scan, out);
    if (c != '\0' && strchr("+-.0123456789", c) != NULL)
        return scan_number(scan, out);
    return ap__scan_fail_expected(scan, "a number, a string in quotes, True, False, None or a list");
}
