/* call_object.c - an object inside a call becomes the text of its JSON.
 *
 *   {'days': 3, "tags": ['a', None]}  -->  string value  {"days":3,"tags":["a",null]}
 *
 * Values have no objects of their own: what takes one (outside/typed.c) reads the
 * text.  Python's and JSON's words and quotes are both understood. */
#include "functions/call_scan.h"
#include <string.h>

static ap_status transcribe(struct ap_scan *scan, struct ap_buf *out, int32_t depth);

static void put_string(const char *text, struct ap_buf *out)
{
    (void)ap__buf_putc(out, '"');
    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '"' || c == '\\')
            (void)ap__buf_printf(out, "\\%c", *text);
        else if (c < 32)
            (void)ap__buf_printf(out, "\\u%04x", c);
        else
            (void)ap__buf_putc(out, *text);
    }
    (void)ap__buf_putc(out, '"');
}

static ap_status transcribe_key(struct ap_scan *scan, struct ap_buf *out)
{
    char c = ap__scan_peek(scan), *key;
    if (c != '"' && c != '\'')
        return ap__scan_fail_expected(scan, "a key in quotes");
    AP_TRY(ap__scan_string(scan, &key));
    put_string(key, out);
    ap__free(key);
    ap__scan_blanks(scan);
    if (ap__scan_peek(scan) != ':')
        return ap__scan_fail_expected(scan, "`:` after the key");
    scan->pos++;
    ap__scan_blanks(scan);
    return ap__buf_putc(out, ':');
}

/* The cursor stands at { or [. */
static ap_status transcribe_members(struct ap_scan *scan, struct ap_buf *out, int32_t depth)
{
    bool object = ap__scan_peek(scan) == '{';
    char close = object ? '}' : ']';
    if (depth >= AP_CALL_MAX_DEPTH)
        return ap__fail(scan->err, AP_E_TOO_LARGE, NULL, "objects nested deeper than %d", AP_CALL_MAX_DEPTH);
    (void)ap__buf_putc(out, object ? '{' : '[');
    scan->pos++;
    ap__scan_blanks(scan);
    for (int32_t n = 0; ap__scan_peek(scan) != close; n++) {
        if (n > 0)
            (void)ap__buf_putc(out, ',');
        if (object)
            AP_TRY(transcribe_key(scan, out));
        AP_TRY(transcribe(scan, out, depth + 1));
        ap__scan_blanks(scan);
        if (ap__scan_peek(scan) == ',')
            scan->pos++;
        else if (ap__scan_peek(scan) != close)
            return ap__scan_fail_expected(scan, object ? "`,` or `}`" : "`,` or `]`");
        ap__scan_blanks(scan);
    }
    scan->pos++;
    return ap__buf_putc(out, close);
}

/* JSON's numbers have an end and no division. */
static ap_status put_number(struct ap_scan *scan, const struct ap_value *value, struct ap_buf *out)
{
    size_t start = out->len;
    ap__number_print(value->as.number, out);
    if (out->len > start && memchr(out->data + start, '/', out->len - start) != NULL)
        return ap__scan_fail(scan, "a fraction cannot stand in an object");
    return AP_OK;
}

static ap_status transcribe(struct ap_scan *scan, struct ap_buf *out, int32_t depth)
{
    struct ap_value value;
    char c = ap__scan_peek(scan);
    if (c == '{' || c == '[') {
        if (++scan->items > AP_CALL_MAX_ITEMS)
            return ap__fail(scan->err, AP_E_TOO_LARGE, NULL, "more than %d values in one call", AP_CALL_MAX_ITEMS);
        return transcribe_members(scan, out, depth);
    }
    ap__value_init(&value);
    ap_status status = ap__scan_value(scan, &value, depth);
    if (status == AP_OK && value.kind == AP_VALUE_STRING)
        put_string(value.as.string, out);
    else if (status == AP_OK && value.kind == AP_VALUE_NUMBER)
        status = put_number(scan, &value, out);
    else if (status == AP_OK)
        (void)ap__buf_puts(out, value.kind == AP_VALUE_NONE ? "null" : value.as.boolean ? "true" : "false");
    ap__value_deinit(&value);
    return status;
}

ap_status ap__scan_object(struct ap_scan *scan, struct ap_value *out)
{
    struct ap_buf text;
    ap__buf_init(&text, 0);
    ap_status status = transcribe_members(scan, &text, 0);
    if (status == AP_OK && !text.failed)
        status = ap__value_set_string(out, ap__buf_cstr(&text), text.len, scan->err);
    else if (text.failed)
        status = ap__fail(scan->err, AP_E_MEMORY, NULL, "no memory for an object");
    ap__buf_deinit(&text);
    return status;
}
