/* call.c - scans one call at a cursor, Python-like or JSON.
 *
 *   call  = NAME ['.call'] '(' [arg {',' arg} [',']] ')'
 *   arg   = [NAME '='] value
 *   value = number | string | word | '[' values ']'
 *   json  = '{' "name" ':' string ',' ("arguments" | "parameters") ':' object, "id", "type" '}'
 *
 * No back-tracking, recursion only for lists (AP_CALL_MAX_DEPTH).  The scanner
 * for values is in call_value.c, what may stand around a call in call_formats.c. */
#include "functions/call_scan.h"
#include "base/text.h"
#include <string.h>

void ap__call_deinit(struct ap_call *call)
{
    ap__free(call->name);
    ap__free(call->id);
    for (int32_t i = 0; i < call->n; i++) {
        ap__free(call->args[i].name);
        ap__value_deinit(&call->args[i].value);
    }
    ap__free(call->args);
    memset(call, 0, sizeof *call);
}

/* ---- arguments ---- */

/* A keyword that stands at byte `start`. */
static ap_status check_keyword(struct ap_scan *scan, const struct ap_call *call, const char *name, size_t start)
{
    size_t here = scan->pos;
    scan->pos = start;
    if (!ap__scan_is_name(name))
        return ap__scan_fail(scan, "`%.40s` is not a name", name);
    for (int32_t i = 0; i < call->n; i++) {
        if (call->args[i].name != NULL && strcmp(call->args[i].name, name) == 0)
            return ap__scan_fail(scan, "argument `%s` is given twice", name);
    }
    scan->pos = here;
    return AP_OK;
}

/* Append an argument that began at byte `start`; takes `name` (may be NULL)
 * even on failure. */
static ap_status add_arg(struct ap_scan *scan, struct ap_call *call, size_t *cap, char *name, size_t start)
{
    ap_status status = AP_OK;
    if (name != NULL)
        status = check_keyword(scan, call, name, start);
    else if (call->n > 0 && call->args[call->n - 1].name != NULL)
        status = ap__scan_fail(scan, "a positional argument may not follow a keyword argument");
    if (status == AP_OK && call->n >= AP_CALL_MAX_ARGS)
        status = ap__fail(scan->err, AP_E_TOO_LARGE, NULL, "more than %d arguments", AP_CALL_MAX_ARGS);
    if (status == AP_OK)
        status = ap__grow((void **)&call->args, cap, (size_t)call->n + 1, sizeof *call->args, scan->err);
    if (status != AP_OK) {
        ap__free(name);
        return status;
    }
    struct ap_arg *arg = &call->args[call->n++];
    arg->name = name;
    ap__value_init(&arg->value);
    return ap__scan_value(scan, &arg->value, 0);
}

/* A keyword and its `=` when they stand here; else nothing is consumed. */
static ap_status scan_keyword(struct ap_scan *scan, char **out)
{
    size_t start = scan->pos;
    *out = NULL;
    if (!ap__scan_at_name(scan))
        return AP_OK;
    AP_TRY(ap__scan_name(scan, out));
    ap__scan_blanks(scan);
    if (ap__scan_peek(scan) == '=') {
        scan->pos++;
        ap__scan_blanks(scan);
        return AP_OK;
    }
    ap__free(*out);
    *out = NULL;
    scan->pos = start;
    return AP_OK;
}

static ap_status scan_python_args(struct ap_scan *scan, struct ap_call *call)
{
    size_t cap = 0;
    ap__scan_blanks(scan);
    while (ap__scan_peek(scan) != ')') {
        char *keyword;
        size_t start = scan->pos;
        AP_TRY(scan_keyword(scan, &keyword));
        AP_TRY(add_arg(scan, call, &cap, keyword, start));
        ap__scan_blanks(scan);
        if (ap__scan_peek(scan) == ',') {
            scan->pos++;
            ap__scan_blanks(scan);
        } else if (ap__scan_peek(scan) != ')') {
            return ap__scan_fail_expected(scan, "`,` or `)`");
        }
    }
    scan->pos++;
    return AP_OK;
}

/* Llama 3 calls what it knows as NAME.call(...). */
static void skip_method(struct ap_scan *scan)
{
    static const char method[] = ".call";
    const size_t n = sizeof method - 1;
    if (scan->len - scan->pos > n && memcmp(scan->text + scan->pos, method, n) == 0 && scan->text[scan->pos + n] == '(')
        scan->pos += n;
}

ap_status ap__scan_python_call(struct ap_scan *scan, struct ap_call *call)
{
    if (!ap__scan_at_name(scan))
        return ap__scan_fail_expected(scan, "a function name");
    AP_TRY(ap__scan_name(scan, &call->name));
    skip_method(scan);
    ap__scan_blanks(scan);
    if (ap__scan_peek(scan) != '(')
        return ap__scan_fail_expected(scan, "`(` after the function name");
    scan->pos++;
    return scan_python_args(scan, call);
}

/* ---- JSON ---- */

/* "key" ':' with blanks; the cursor stands at the quote. */
static ap_status scan_json_key(struct ap_scan *scan, char **out)
{
    *out = NULL;
    if (ap__scan_peek(scan) != '"')
        return ap__scan_fail_expected(scan, "a key in double quotes");
    AP_TRY(ap__scan_string(scan, out));
    ap__scan_blanks(scan);
    if (ap__scan_peek(scan) != ':') {
        ap__free(*out);
        *out = NULL;
        return ap__scan_fail_expected(scan, "`:`");
    }
    scan->pos++;
    ap__scan_blanks(scan);
    return AP_OK;
}

/* After a member: true when another follows; false at '}', which is consumed. */
static ap_status scan_json_next(struct ap_scan *scan, bool *more)
{
    ap__scan_blanks(scan);
    char c = ap__scan_peek(scan);
    if (c != ',' && c != '}')
        return ap__scan_fail_expected(scan, "`,` or `}`");
    scan->pos++;
    ap__scan_blanks(scan);
    *more = c == ',';
    return AP_OK;
}

static ap_status scan_json_args(struct ap_scan *scan, struct ap_call *call)
{
    size_t cap = 0;
    bool more = true;
    if (ap__scan_peek(scan) != '{')
        return ap__scan_fail_expected(scan, "`{` after \"arguments\":");
    scan->pos++;
    ap__scan_blanks(scan);
    if (ap__scan_peek(scan) == '}') {
        scan->pos++;
        return AP_OK;
    }
    while (more) {
        char *key;
        size_t start = scan->pos;
        AP_TRY(scan_json_key(scan, &key));
        AP_TRY(add_arg(scan, call, &cap, key, start));
        AP_TRY(scan_json_next(scan, &more));
    }
    return AP_OK;
}

/* OpenAI's form: the object as text in a string. */
static ap_status scan_quoted_args(struct ap_scan *scan, struct ap_call *call)
{
    struct ap_scan inner;
    char *text;
    AP_TRY(ap__scan_string(scan, &text));
    ap_status status = ap__scan_begin(&inner, text, strlen(text), scan->err);
    if (status == AP_OK)
        status = scan_json_args(&inner, call);
    if (status == AP_OK)
        status = ap__scan_end(&inner, "one object and nothing after it");
    ap__free(text);
    return status;
}

static ap_status scan_text_member(struct ap_scan *scan, char **out, const char *expected)
{
    return ap__scan_peek(scan) == '"' ? ap__scan_string(scan, out) : ap__scan_fail_expected(scan, expected);
}

/* One member of the outer object. */
static ap_status scan_json_member(struct ap_scan *scan, struct ap_call *call, bool *have_args)
{
    char *key, *type = NULL;
    ap_status status = scan_json_key(scan, &key);
    if (status != AP_OK)
        return status;
    if (strcmp(key, "name") == 0 && call->name == NULL) {
        status = scan_text_member(scan, &call->name, "the function's name in double quotes");
    } else if ((strcmp(key, "arguments") == 0 || strcmp(key, "parameters") == 0) && !*have_args) {
        *have_args = true;
        status = ap__scan_peek(scan) == '"' ? scan_quoted_args(scan, call) : scan_json_args(scan, call);
    } else if (strcmp(key, "id") == 0 && call->id == NULL) {
        status = scan_text_member(scan, &call->id, "the call's id in double quotes");
    } else if (strcmp(key, "type") == 0) {
        status = scan_text_member(scan, &type, "the type in double quotes");
    } else {
        status = ap__scan_fail(scan, "expected \"name\" and \"arguments\" once each, got \"%.40s\"", key);
    }
    ap__free(type);
    ap__free(key);
    return status;
}

ap_status ap__scan_json_call(struct ap_scan *scan, struct ap_call *call)
{
    bool more = true, have_args = false;
    call->json = true;
    scan->pos++;
    ap__scan_blanks(scan);
    while (more) {
        AP_TRY(scan_json_member(scan, call, &have_args));
        AP_TRY(scan_json_next(scan, &more));
    }
    if (call->name == NULL)
        return ap__scan_fail(scan, "the call has no \"name\"");
    return ap__scan_is_name(call->name) ? AP_OK : ap__scan_fail(scan, "`%.40s` is not a name", call->name);
}

/* ---- one value, and printing ---- */

ap_status ap__call_parse_value(const char *text, size_t len, struct ap_value *out, struct ap_err *err)
{
    struct ap_scan scan;
    ap__value_init(out);
    AP_TRY(ap__scan_begin(&scan, text, len, err));
    ap_status status = ap__scan_value(&scan, out, 0);
    if (status == AP_OK)
        status = ap__scan_end(&scan, "one value and nothing after it");
    if (status != AP_OK)
        ap__value_deinit(out);
    return status;
}

void ap__call_print(const struct ap_call *call, struct ap_buf *out)
{
    ap__buf_puts(out, call->name);
    ap__buf_putc(out, '(');
    for (int32_t i = 0; i < call->n; i++) {
        if (i > 0)
            ap__buf_puts(out, ", ");
        if (call->args[i].name != NULL)
            ap__buf_printf(out, "%s=", call->args[i].name);
        ap__value_print_quoted(&call->args[i].value, out);
    }
    ap__buf_putc(out, ')');
}
