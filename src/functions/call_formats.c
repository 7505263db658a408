/* call_formats.c - one turn of a model: where its words end, where its calls begin.
 *
 *   text --skip <think>...</think>--> the first mark --> calls
 *             <tool_call> JSON </tool_call> ...     Hermes
 *             [TOOL_CALLS] [JSON, ...]              Mistral
 *             <|python_tag|> JSON; ... or Python    Llama 3
 *             [{ ...  or { ...                      JSON alone
 *             anything else                         Python-like, and no words beside it
 *
 * Single calls are scanned in call.c; what goes wrong is reported by column,
 * counted from behind the words. */
#include "functions/call_formats.h"

#include "functions/call_scan.h"
#include <string.h>

void ap__calls_deinit(struct ap_calls *calls)
{
    for (int32_t i = 0; i < calls->n; i++)
        ap__call_deinit(&calls->call[i]);
    ap__free(calls->call);
    ap__free(calls->thought);
    *calls = (struct ap_calls){0};
}

/* ---- where things are ---- */

struct part {
    const char *text; /* (len,) */
    size_t len;
};

static bool begins(struct part p, const char *with)
{
    size_t n = strlen(with);
    return p.len >= n && memcmp(p.text, with, n) == 0;
}

/* Byte of the first `what`, p.len when there is none. */
static size_t find(struct part p, const char *what)
{
    for (size_t i = 0; i < p.len; i++)
        if (p.text[i] == what[0] && begins((struct part){p.text + i, p.len - i}, what))
            return i;
    return p.len;
}

static struct part after(struct part p, size_t n)
{
    return (struct part){p.text + n, p.len - n};
}

static bool blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static struct part trim(struct part p)
{
    while (p.len > 0 && blank(p.text[0]))
        p = after(p, 1);
    while (p.len > 0 && blank(p.text[p.len - 1]))
        p.len--;
    return p;
}

/* A name and a parenthesis: a Python-like call, whatever its strings hold. */
static bool looks_like_python(struct part p)
{
    size_t n = 0;
    while (n < p.len && (p.text[n] == '_' || (p.text[n] >= '0' && p.text[n] <= '9') ||
                         (p.text[n] >= 'A' && p.text[n] <= 'Z') || (p.text[n] >= 'a' && p.text[n] <= 'z')))
        n++;
    size_t name = n;
    while (n < p.len && blank(p.text[n]))
        n++;
    return name > 0 && n < p.len && p.text[n] == '(';
}

/* ---- calls at the cursor ---- */

/* Room for one more call, which the caller scans into *out. */
static ap_status add_call(struct ap_scan *scan, struct ap_calls *calls, struct ap_call **out)
{
    size_t cap = (size_t)calls->n;
    if (calls->n >= AP_CALLS_MAX)
        return ap__fail(scan->err, AP_E_TOO_LARGE, NULL, "more than %d calls at once", AP_CALLS_MAX);
    AP_TRY(ap__grow((void **)&calls->call, &cap, cap + 1, sizeof *calls->call, scan->err));
    *out = &calls->call[calls->n++];
    memset(*out, 0, sizeof **out);
    return AP_OK;
}

static ap_status scan_json_call(struct ap_scan *scan, struct ap_calls *calls)
{
    struct ap_call *call = NULL;
    if (ap__scan_peek(scan) != '{')
        return ap__scan_fail_expected(scan, "a call as a JSON object");
    AP_TRY(add_call(scan, calls, &call));
    return ap__scan_json_call(scan, call);
}

static ap_status scan_python_call(struct ap_scan *scan, struct ap_calls *calls)
{
    struct ap_call *call = NULL;
    AP_TRY(add_call(scan, calls, &call));
    return ap__scan_python_call(scan, call);
}

/* Consume `what` when it stands here. */
static bool scan_mark(struct ap_scan *scan, const char *what)
{
    bool here = begins((struct part){scan->text + scan->pos, scan->len - scan->pos}, what);
    if (here)
        scan->pos += strlen(what);
    return here;
}

/* <tool_call> {...} </tool_call>, again and again. */
static ap_status scan_hermes(struct ap_scan *scan, struct ap_calls *calls)
{
    while (scan_mark(scan, "<tool_call>")) {
        ap__scan_blanks(scan);
        AP_TRY(scan_json_call(scan, calls));
        ap__scan_blanks(scan);
        if (!scan_mark(scan, "</tool_call>"))
            return ap__scan_fail_expected(scan, "`</tool_call>`");
        ap__scan_blanks(scan);
    }
    return AP_OK;
}

/* [{...}, {...}] */
static ap_status scan_array(struct ap_scan *scan, struct ap_calls *calls)
{
    if (!scan_mark(scan, "["))
        return ap__scan_fail_expected(scan, "`[`");
    do {
        ap__scan_blanks(scan);
        AP_TRY(scan_json_call(scan, calls));
        ap__scan_blanks(scan);
    } while (scan_mark(scan, ","));
    return scan_mark(scan, "]") ? AP_OK : ap__scan_fail_expected(scan, "`,` or `]`");
}

/* {...}; {...} */
static ap_status scan_objects(struct ap_scan *scan, struct ap_calls *calls)
{
    do {
        ap__scan_blanks(scan);
        AP_TRY(scan_json_call(scan, calls));
        ap__scan_blanks(scan);
    } while (scan_mark(scan, ";"));
    return AP_OK;
}

static ap_status scan_calls(struct ap_scan *scan, struct ap_calls *calls)
{
    struct part rest = {scan->text + scan->pos, scan->len - scan->pos};
    if (begins(rest, "<tool_call>"))
        return scan_hermes(scan, calls);
    if (scan_mark(scan, "[TOOL_CALLS]")) {
        ap__scan_blanks(scan);
        return scan_array(scan, calls);
    }
    if (scan_mark(scan, "<|python_tag|>"))
        ap__scan_blanks(scan);
    rest = (struct part){scan->text + scan->pos, scan->len - scan->pos};
    if (begins(rest, "{"))
        return scan_objects(scan, calls);
    if (begins(rest, "[") && begins(trim(after(rest, 1)), "{"))
        return scan_array(scan, calls);
    return scan_python_call(scan, calls);
}

/* ---- the turn ---- */

/* Bytes of the words before the calls. */
static size_t thought_end(struct part p)
{
    static const char *const mark[] = {"<tool_call>", "[TOOL_CALLS]", "<|python_tag|>"};
    struct part body = trim(p);
    size_t start = (size_t)(body.text - p.text), end;
    if (begins(body, "<think>")) {
        end = find(body, "</think>");
        if (end == body.len)
            return start; /* never closed: an error further on, at `<` */
        start += end + strlen("</think>");
        body = trim(after(p, start));
    }
    if (looks_like_python(body) || begins(body, "{"))
        return start;
    for (size_t i = 0; i < sizeof mark / sizeof *mark; i++) {
        end = find(after(p, start), mark[i]);
        if (start + end < p.len)
            return start + end;
    }
    return start;
}

static ap_status parse_from(struct part p, size_t start, struct ap_calls *out, struct ap_err *err)
{
    struct ap_scan scan;
    struct part thought = trim((struct part){p.text, start});
    *out = (struct ap_calls){0};
    ap_status status = ap__scan_begin(&scan, p.text + start, p.len - start, err);
    if (status == AP_OK)
        status = scan_calls(&scan, out);
    if (status == AP_OK)
        status = ap__scan_end(&scan, "one call and nothing after it");
    if (status == AP_OK && thought.len > 0 && !(out->thought = ap__strndup(thought.text, thought.len)))
        status = ap__fail(err, AP_E_MEMORY, NULL, "no memory for the words before a call");
    if (status != AP_OK)
        ap__calls_deinit(out);
    return status;
}

ap_status ap__calls_parse(const char *text, size_t len, struct ap_calls *out, struct ap_err *err)
{
    static const char closing[] = "</think>";
    struct part p = {text, len};
    ap_status status = parse_from(p, thought_end(p), out, err);
    if (status != AP_E_PARSE || begins(trim(p), "<think>"))
        return status;
    /* A prompt may end in <think>, and the model's own words only close it. */
    size_t start = find(p, closing);
    if (start == len)
        return status;
    start += strlen(closing);
    return parse_from(p, start + thought_end(after(p, start)), out, err);
}

ap_status ap__call_parse(const char *text, size_t len, struct ap_call *out, struct ap_err *err)
{
    struct ap_calls calls;
    memset(out, 0, sizeof *out);
    AP_TRY(ap__calls_parse(text, len, &calls, err));
    ap_status status = AP_OK;
    if (calls.n == 1) {
        *out = calls.call[0];
        calls.n = 0;
    } else {
        status = ap__fail(err, AP_E_PARSE, NULL, "write one call at a time, these are %d", calls.n);
    }
    ap__calls_deinit(&calls);
    return status;
}

/* ---- calls as JSON ---- */

/* Exact: an integer or a decimal as a number, anything else (1/3, huge ones) as its text. */
static json_t *number_to_json(const mpq_t number)
{
    struct ap_buf text;
    json_t *json = NULL;
    ap__buf_init(&text, 0);
    ap__number_print(number, &text);
    if (!text.failed && !strchr(text.data, '/') && text.len <= 15)
        json = json_loads(text.data, JSON_DECODE_ANY, NULL);
    if (!json && !text.failed)
        json = json_string(text.data);
    ap__buf_deinit(&text);
    return json;
}

static json_t *value_to_json(const struct ap_value *value)
{
    switch (value->kind) {
    case AP_VALUE_BOOL: return json_boolean(value->as.boolean);
    case AP_VALUE_NUMBER: return number_to_json(value->as.number);
    case AP_VALUE_STRING: return json_string(value->as.string);
    case AP_VALUE_LIST: {
        json_t *list = json_array();
        for (int32_t i = 0; list && i < value->as.list.n; i++)
            json_array_append_new(list, value_to_json(&value->as.list.items[i]));
        return list;
    }
    default: return json_null();
    }
}

json_t *ap__call_arguments(const struct ap_call *call, const struct ap_function *function)
{
    json_t *arguments = json_object();
    for (int32_t i = 0; arguments && i < call->n; i++) {
        struct ap_buf name;
        char buffer[24];
        ap__buf_init(&name, 0);
        if (call->args[i].name)
            ap__buf_puts(&name, call->args[i].name);
        else if (function && function->n_params > 0)
            ap__buf_puts(&name, ap__function_arg_name(function, i, buffer));
        else
            ap__buf_printf(&name, "argument%d", i + 1);
        if (name.failed || json_object_set_new(arguments, name.data, value_to_json(&call->args[i].value)) != 0) {
            json_decref(arguments);
            arguments = NULL;
        }
        ap__buf_deinit(&name);
    }
    return arguments;
}

ap_status ap__call_print_hermes(const struct ap_call *call, const struct ap_function *function, struct ap_buf *out,
                                struct ap_err *err)
{
    json_t *json = json_pack("{s:s, s:o}", "name", call->name, "arguments", ap__call_arguments(call, function));
    char *text = json ? json_dumps(json, JSON_REAL_PRECISION(15)) : NULL;
    json_decref(json);
    if (text)
        ap__buf_printf(out, "<tool_call>\n%s\n</tool_call>", text);
    bool ok = text && !out->failed;
    free(text);
    return ok ? AP_OK : ap__fail(err, AP_E_MEMORY, NULL, "no memory for a call as JSON");
}
