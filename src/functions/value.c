/* value.c - tagged values: make, copy, print.
 *
 *   kind: NONE | BOOL | NUMBER (mpq) | STRING (heap) | LIST (heap, recursive)
 *
 * Depth is bounded by the call parser (AP_CALL_MAX_DEPTH), so recursion here
 * is shallow. */
#include "functions/value.h"
#include <string.h>

void ap__value_init(struct ap_value *value)
{
    memset(value, 0, sizeof *value);
    value->kind = AP_VALUE_NONE;
}

void ap__value_deinit(struct ap_value *value)
{
    if (value->kind == AP_VALUE_NUMBER) {
        mpq_clear(value->as.number);
    } else if (value->kind == AP_VALUE_STRING) {
        ap__free(value->as.string);
    } else if (value->kind == AP_VALUE_LIST) {
        for (int32_t i = 0; i < value->as.list.n; i++)
            ap__value_deinit(&value->as.list.items[i]);
        ap__free(value->as.list.items);
    }
    ap__value_init(value);
}

void ap__value_set_bool(struct ap_value *value, bool b)
{
    value->kind = AP_VALUE_BOOL;
    value->as.boolean = b;
}

void ap__value_set_number(struct ap_value *value, const mpq_t number)
{
    value->kind = AP_VALUE_NUMBER;
    mpq_init(value->as.number);
    mpq_set(value->as.number, number);
}

ap_status ap__value_set_string(struct ap_value *value, const char *s, size_t n, struct ap_err *err)
{
    char *copy = ap__strndup(s, n);
    if (copy == NULL)
        return ap__fail(err, AP_E_MEMORY, NULL, "no memory for a string of %zu bytes", n);
    value->kind = AP_VALUE_STRING;
    value->as.string = copy;
    return AP_OK;
}

static ap_status copy_list(const struct ap_value *value, struct ap_value *out, struct ap_err *err)
{
    int32_t n = value->as.list.n;
    struct ap_value *items = ap__alloc_array((size_t)(n > 0 ? n : 1), sizeof *items);
    if (items == NULL)
        return ap__fail(err, AP_E_MEMORY, NULL, "no memory for a list of %d values", n);
    out->kind = AP_VALUE_LIST;
    out->as.list.items = items;
    for (int32_t i = 0; i < n; i++) {
        ap_status status = ap__value_copy(&value->as.list.items[i], &items[i], err);
        if (status != AP_OK) {
            ap__value_deinit(out);
            return status;
        }
        out->as.list.n = i + 1;
    }
    return AP_OK;
}

ap_status ap__value_copy(const struct ap_value *value, struct ap_value *out, struct ap_err *err)
{
    ap__value_init(out);
    switch (value->kind) {
    case AP_VALUE_NONE:
        break;
    case AP_VALUE_BOOL:
        ap__value_set_bool(out, value->as.boolean);
        break;
    case AP_VALUE_NUMBER:
        ap__value_set_number(out, value->as.number);
        break;
    case AP_VALUE_STRING:
        return ap__value_set_string(out, value->as.string, strlen(value->as.string), err);
    case AP_VALUE_LIST:
        return copy_list(value, out, err);
    }
    return AP_OK;
}

/* ---- text ---- */

/* Python's choice: single quotes unless the text has those and no double ones. */
static void print_string(const char *s, struct ap_buf *out)
{
    char quote = strchr(s, '\'') != NULL && strchr(s, '"') == NULL ? '"' : '\'';
    ap__buf_putc(out, quote);
    for (; *s != '\0'; s++) {
        unsigned char c = (unsigned char)*s;
        if (*s == quote || *s == '\\')
            ap__buf_printf(out, "\\%c", *s);
        else if (*s == '\n')
            ap__buf_puts(out, "\\n");
        else if (*s == '\t')
            ap__buf_puts(out, "\\t");
        else if (*s == '\r')
            ap__buf_puts(out, "\\r");
        else if (c < 32 || c == 127)
            ap__buf_printf(out, "\\x%02x", c);
        else
            ap__buf_putc(out, *s);
    }
    ap__buf_putc(out, quote);
}

void ap__value_print_quoted(const struct ap_value *value, struct ap_buf *out)
{
    switch (value->kind) {
    case AP_VALUE_NONE:
        ap__buf_puts(out, "None");
        break;
    case AP_VALUE_BOOL:
        ap__buf_puts(out, value->as.boolean ? "True" : "False");
        break;
    case AP_VALUE_NUMBER:
        ap__number_print(value->as.number, out);
        break;
    case AP_VALUE_STRING:
        print_string(value->as.string, out);
        break;
    case AP_VALUE_LIST:
        ap__buf_putc(out, '[');
        for (int32_t i = 0; i < value->as.list.n; i++) {
            if (i > 0)
                ap__buf_puts(out, ", ");
            ap__value_print_quoted(&value->as.list.items[i], out);
        }
        ap__buf_putc(out, ']');
        break;
    }
}

void ap__value_print(const struct ap_value *value, struct ap_buf *out)
{
    if (value->kind == AP_VALUE_STRING)
        ap__buf_puts(out, value->as.string);
    else
        ap__value_print_quoted(value, out);
}

const char *ap__value_kind_text(enum ap_value_kind kind)
{
    switch (kind) {
    case AP_VALUE_BOOL:
        return "True or False";
    case AP_VALUE_NUMBER:
        return "a number";
    case AP_VALUE_STRING:
        return "a string";
    case AP_VALUE_LIST:
        return "a list";
    case AP_VALUE_NONE:
        break;
    }
    return "None";
}
