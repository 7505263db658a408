/* mcp_server.c - one message in, one answer out.
 *
 *   initialize -> revision, capabilities     ping -> {}
 *   tools/list -> all functions              tools/call -> ap__env_call -> text, isError
 *   notifications/... -> nothing             anything else -> an error of JSON-RPC
 *
 * Numbers go to the functions as they were written (json_span.h), not through a
 * double: the calculator is exact. */
#include "outside/mcp_server.h"
#include "base/json.h"
#include "functions/call_scan.h"
#include "outside/json_span.h"
#include "outside/mcp_message.h"

#include <string.h>

enum { MAX_BATCH = 64 };

struct ap_mcp_server {
    const struct ap_registry *registry;
    struct ap_env *env;
    char version[16]; /* "" = not initialized */
};

/* A message that is being answered. */
struct exchange {
    struct ap_mcp_server *server;
    const char *text; /* (len,) */
    size_t len;
    const json_t *message, *id, *params;
    struct ap_buf *reply;
    struct ap_err *err;
};

ap_status ap__mcp_server_new(const struct ap_registry *registry, struct ap_mcp_server **out, struct ap_err *err)
{
    struct ap_mcp_server *server = ap__alloc(sizeof *server);
    *out = NULL;
    if (!server)
        return ap__fail(err, AP_E_MEMORY, NULL, "no memory for a server");
    server->registry = registry;
    ap_status status = ap__env_new(registry, &server->env, err);
    if (status != AP_OK)
        ap__free(server);
    else
        *out = server;
    return status;
}

void ap__mcp_server_free(struct ap_mcp_server *server)
{
    if (!server)
        return;
    ap__env_free(server->env);
    ap__free(server);
}

/* ---- answers ---- */

/* Takes result; NULL = out of memory. */
static ap_status answer(struct exchange *x, json_t *result)
{
    if (!result)
        return ap__fail(x->err, AP_E_MEMORY, NULL, "no memory for an answer");
    return ap__mcp_answer(x->id, result, 0, NULL, x->reply, x->err);
}

static ap_status refuse(struct exchange *x, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
static ap_status refuse(struct exchange *x, int code, const char *fmt, ...)
{
    struct ap_buf text;
    va_list ap;
    ap__buf_init(&text, 0);
    va_start(ap, fmt);
    (void)ap__buf_vprintf(&text, fmt, ap);
    va_end(ap);
    ap_status status = ap__mcp_answer(x->id, NULL, code, ap__buf_cstr(&text), x->reply, x->err);
    ap__buf_deinit(&text);
    return status;
}

/* ---- methods ---- */

static ap_status initialize(struct exchange *x)
{
    struct ap_mcp_server *s = x->server;
    const char *wanted = ap__json_str_or(x->params, "protocolVersion", NULL);
    struct ap_env *fresh;
    if (!wanted)
        return refuse(x, AP_RPC_PARAMS, "`protocolVersion` is missing");
    AP_TRY(ap__env_new(s->registry, &fresh, x->err));
    ap__env_free(s->env);
    s->env = fresh;
    const char *version = ap__mcp_revision_known(wanted) ? wanted : AP_MCP_LATEST;
    memcpy(s->version, version, strlen(version) + 1);
    return answer(x, json_pack("{s:s, s:{s:{s:b}}, s:{s:s, s:s, s:s}, s:s}", "protocolVersion", s->version, "capabilities",
                               "tools", "listChanged", 0, "serverInfo", "name", "apprentice", "title", "Apprentice",
                               "version", AP_VERSION, "instructions",
                               "Exact arithmetic, and first-order logic with a prover. AddPremise keeps premises for "
                               "this session; Prove decides whether a formula follows from them."));
}

static bool is_tool(const struct ap_function *function)
{
    int32_t n;
    const struct ap_function *core = ap__core_functions(&n);
    return function < core || function >= core + n;
}

static ap_status list_tools(struct exchange *x)
{
    const struct ap_registry *registry = x->server->registry;
    if (json_object_get(x->params, "cursor"))
        return refuse(x, AP_RPC_PARAMS, "there is only one page of tools");
    json_t *tools = json_array();
    for (int32_t i = 0; tools && i < ap__registry_count(registry); i++) {
        const struct ap_function *function = ap__registry_at(registry, i);
        struct ap_buf text;
        if (!is_tool(function))
            continue;
        ap__buf_init(&text, 0);
        (void)ap__buf_printf(&text, "%s %s Example: %s", function->name, function->description, function->example);
        json_t *tool = json_pack("{s:s, s:s, s:o}", "name", function->name, "description", ap__buf_cstr(&text),
                                 "inputSchema", ap__function_schema(function));
        ap__buf_deinit(&text);
        if (!tool || json_array_append_new(tools, tool) != 0) {
            json_decref(tools);
            tools = NULL;
        }
    }
    return answer(x, tools ? json_pack("{s:o}", "tools", tools) : NULL);
}

/* The call as text in JSON's form, with the arguments as they stand in the message. */
static ap_status call_text(struct exchange *x, const char *name, struct ap_buf *out)
{
    struct ap_span params, arguments = {"{}", 2};
    struct ap_span all = {x->text, x->len};
    if (ap__json_span(all, "params", &params))
        (void)ap__json_span(params, "arguments", &arguments);
    if (arguments.text[0] != '{') /* null */
        arguments = (struct ap_span){"{}", 2};
    (void)ap__buf_printf(out, "{\"name\": \"%s\", \"arguments\": ", name);
    (void)ap__buf_add(out, arguments.text, arguments.len);
    (void)ap__buf_putc(out, '}');
    return out->failed ? ap__fail(x->err, AP_E_MEMORY, NULL, "no memory for a call") : AP_OK;
}

static ap_status call_tool(struct exchange *x)
{
    const char *name = ap__json_str_or(x->params, "name", NULL);
    const json_t *arguments = json_object_get(x->params, "arguments");
    const struct ap_function *function = name ? ap__registry_find(x->server->registry, name) : NULL;
    struct ap_call_result result;
    struct ap_buf text;
    if (!name)
        return refuse(x, AP_RPC_PARAMS, "`name` is missing");
    if (!function || !is_tool(function))
        return refuse(x, AP_RPC_PARAMS, "Unknown tool: %.64s", name);
    if (arguments && !json_is_object(arguments) && !json_is_null(arguments))
        return refuse(x, AP_RPC_PARAMS, "`arguments` must be an object");
    ap__buf_init(&text, 0);
    ap_status status = call_text(x, name, &text);
    if (status == AP_OK)
        status = ap__env_call(x->server->env, ap__buf_cstr(&text), text.len, &result, x->err);
    ap__buf_deinit(&text);
    if (status != AP_OK)
        return status;
    status = answer(x, json_pack("{s:[{s:s, s:s}], s:b}", "content", "type", "text", "text", result.text, "isError",
                                 (int)result.error));
    ap__call_result_deinit(&result);
    return status;
}

static ap_status dispatch(struct exchange *x, const char *method)
{
    static const struct {
        const char *name;
        ap_status (*run)(struct exchange *x);
    } methods[] = {{"tools/list", list_tools}, {"tools/call", call_tool}};
    if (!strcmp(method, "ping"))
        return answer(x, json_object());
    if (!strcmp(method, "initialize"))
        return initialize(x);
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++) {
        if (strcmp(methods[i].name, method) != 0)
            continue;
        return x->server->version[0] ? methods[i].run(x) : refuse(x, AP_RPC_REQUEST, "`initialize` comes first");
    }
    return refuse(x, AP_RPC_METHOD, "Method not found: %.64s", method);
}

/* ---- messages ---- */

static ap_status handle_one(struct ap_mcp_server *server, const json_t *message, const char *text, size_t len,
                            struct ap_buf *reply, struct ap_err *err)
{
    struct exchange x = {server, text, len, message, json_object_get(message, "id"), json_object_get(message, "params"),
                         reply, err};
    const char *method = ap__json_str_or(message, "method", NULL);
    bool id_fine = !x.id || json_is_string(x.id) || json_is_integer(x.id);
    if (!id_fine)
        x.id = NULL;
    if (!json_is_object(message) || strcmp(ap__json_str_or(message, "jsonrpc", ""), "2.0") != 0 || !id_fine)
        return refuse(&x, AP_RPC_REQUEST, "this is no request of JSON-RPC 2.0");
    if (!method) /* an answer: we have asked nothing */
        return json_object_get(message, "result") || json_object_get(message, "error")
                   ? AP_OK
                   : refuse(&x, AP_RPC_REQUEST, "`method` is missing");
    if (!x.id)
        return AP_OK;
    if (x.params && !json_is_object(x.params))
        return refuse(&x, AP_RPC_PARAMS, "`params` must be an object");
    return dispatch(&x, method);
}

/* Revision 2025-03-26 alone has batches. */
static ap_status handle_batch(struct ap_mcp_server *server, const json_t *batch, struct ap_buf *reply,
                              struct ap_err *err)
{
    size_t i;
    const json_t *message;
    struct ap_buf one;
    struct exchange x = {.server = server, .reply = reply, .err = err};
    if (strcmp(server->version, "2025-03-26") != 0 || json_array_size(batch) == 0 || json_array_size(batch) > MAX_BATCH)
        return refuse(&x, AP_RPC_REQUEST, "a batch is not possible here");
    ap__buf_init(&one, 0);
    ap_status status = AP_OK;
    json_array_foreach(batch, i, message) {
        char *text = ap__json_dump(message);
        ap__buf_clear(&one);
        status = text ? handle_one(server, message, text, strlen(text), &one, err)
                      : ap__fail(err, AP_E_MEMORY, NULL, "no memory for a batch");
        ap__free(text);
        if (status != AP_OK)
            break;
        if (one.len > 0)
            (void)ap__buf_printf(reply, "%s%s", reply->len > 0 ? "," : "[", one.data);
    }
    if (status == AP_OK && reply->len > 0)
        (void)ap__buf_putc(reply, ']');
    ap__buf_deinit(&one);
    return status != AP_OK || !reply->failed ? status : ap__fail(err, AP_E_MEMORY, NULL, "no memory for a batch");
}

ap_status ap__mcp_server_handle(struct ap_mcp_server *server, const char *text, size_t len, struct ap_buf *reply,
                                struct ap_err *err)
{
    json_t *message;
    struct ap_err why = {0};
    struct exchange x = {.server = server, .reply = reply, .err = err};
    ap__buf_clear(reply);
    ap_status status = ap__mcp_parse(text, len, &message, &why);
    if (status == AP_E_MEMORY)
        return ap__fail(err, status, NULL, "%s", why.message);
    if (status != AP_OK)
        return refuse(&x, AP_RPC_PARSE, "%.300s", why.message);
    status = json_is_array(message) ? handle_batch(server, message, reply, err)
                                    : handle_one(server, message, text, len, reply, err);
    json_decref(message);
    return status;
}

ap_status ap__mcp_server_too_long(struct ap_buf *reply, struct ap_err *err)
{
    struct exchange x = {.reply = reply, .err = err};
    return refuse(&x, AP_RPC_REQUEST, "a message of more than %d bytes", AP_MCP_SERVER_MAX_MESSAGE);
}
