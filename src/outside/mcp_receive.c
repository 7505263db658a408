/* mcp_receive.c - what a server says, and what follows from it.
 *
 *   answer to   initialize -> revision known? -> tools/list      tools/list -> next page or READY
 *               tools/call -> the call's text                    ping       -> it lives
 *   request     ping -> {}; anything else -> "not offered"
 *   notice      progress -> the call has more time; tools/list_changed -> listed again; others: nothing
 *   no message  counted; a server that goes on like that is lost
 *
 * Losing a server is left to mcp_client.c, which sees the broken link after pumping it.
 * The server is a stranger: every member is checked before it is used. */
#include "outside/mcp_state.h"
#include "base/json.h"
#include "base/progress.h"

#include <string.h>

enum { MAX_JUNK = 100, MAX_PAGES = 64, MAX_BATCH = 256, MAX_NAME = 128 };

/* ---- answers ---- */

static ap_status on_initialized(struct ap_mcp *mcp, const json_t *result, struct ap_err *err)
{
    const char *version = ap__json_str_or(result, "protocolVersion", NULL);
    if (!version || !ap__mcp_revision_known(version)) {
        ap__mcp_link_break(mcp->link, "speaks the protocol %.40s, which is not known here", version ? version : "without a name");
        return AP_OK;
    }
    if (mcp->link->ops->agreed)
        mcp->link->ops->agreed(mcp->link, version);
    AP_TRY(ap__mcp_send(mcp, 0, "notifications/initialized", NULL, err));
    return ap__mcp_ask_for_tools(mcp, NULL, err);
}

static bool usable_tool(const json_t *tool)
{
    const char *name = ap__json_str_or(tool, "name", NULL);
    return name && name[0] && strlen(name) <= MAX_NAME && strlen(name) == json_string_length(json_object_get(tool, "name"));
}

static ap_status on_tools(struct ap_mcp *mcp, const json_t *result, struct ap_err *err)
{
    const json_t *page = json_object_get(result, "tools");
    const char *cursor = ap__json_str_or(result, "nextCursor", "");
    size_t i;
    json_t *tool;
    if (!json_is_array(page)) {
        ap__mcp_link_break(mcp->link, "answered `tools/list` without a list");
        return AP_OK;
    }
    json_array_foreach(page, i, tool) {
        if (!usable_tool(tool)) {
            ap__mcp_link_break(mcp->link, "lists a tool without a usable name");
            return AP_OK;
        }
        if (json_array_append(mcp->listing, tool) != 0)
            return ap__fail(err, AP_E_MEMORY, mcp->name, "no memory for the tools of a server");
    }
    if (json_array_size(mcp->listing) > AP_MCP_MAX_TOOLS || ++mcp->pages > MAX_PAGES) {
        ap__mcp_link_break(mcp->link, "lists more than %d tools or %d pages", AP_MCP_MAX_TOOLS, MAX_PAGES);
        return AP_OK;
    }
    if (cursor[0])
        return ap__mcp_ask_for_tools(mcp, cursor, err);
    json_decref(mcp->tools);
    mcp->tools = mcp->listing;
    mcp->listing = NULL;
    mcp->listed = ap__now();
    mcp->state = MCP_READY;
    return AP_OK;
}

static ap_status on_result(struct ap_mcp *mcp, struct ap_mcp_call *call, const json_t *result, struct ap_err *err)
{
    struct ap_err why = {0};
    bool error;
    ap__buf_clear(&call->text);
    ap_status status = ap__mcp_result_text(result, &call->text, &error, &why);
    if (status == AP_E_MEMORY)
        return ap__fail(err, status, mcp->name, "%s", why.message);
    if (status != AP_OK) {
        ap__mcp_call_finish(call, true, "%s was answered wrongly: %s", call->tool, why.message);
        return AP_OK;
    }
    call->error = error;
    call->done = true;
    mcp->failures = 0;
    return AP_OK;
}

/* "no such file (code -32602)" */
static void error_text(const json_t *error, char *out, size_t cap)
{
    struct ap_buf text;
    ap__buf_init(&text, 0);
    (void)ap__buf_printf(&text, "%.200s (code %lld)", ap__json_str_or(error, "message", "no reason is given"),
                         (long long)ap__json_i64_or(error, "code", 0));
    size_t n = text.len < cap - 1 ? text.len : cap - 1;
    memcpy(out, ap__buf_cstr(&text), n);
    out[n] = '\0';
    ap__buf_deinit(&text);
}

/* What failed is known by its id. */
static void on_error(struct ap_mcp *mcp, int64_t id, const char *why)
{
    struct ap_mcp_call *call = ap__mcp_find(mcp, id);
    if (call)
        ap__mcp_call_finish(call, true, "%s was refused: %s", call->tool, why);
    else if (id == mcp->state_id && (mcp->state == MCP_STARTING || mcp->state == MCP_LISTING))
        ap__mcp_link_break(mcp->link, "refused `%s`: %s", mcp->state == MCP_STARTING ? "initialize" : "tools/list", why);
    else if (id == mcp->ping_id)
        mcp->ping_id = 0; /* an error is an answer */
}

static ap_status on_answer(struct ap_mcp *mcp, int64_t id, const json_t *message, struct ap_err *err)
{
    const json_t *result = json_object_get(message, "result"), *error = json_object_get(message, "error");
    struct ap_mcp_call *call = ap__mcp_find(mcp, id);
    char why[256];
    if (error && !json_is_null(error)) {
        error_text(error, why, sizeof why);
        on_error(mcp, id, why);
        return AP_OK;
    }
    if (call)
        return on_result(mcp, call, result, err);
    if (id == mcp->ping_id && id != 0)
        mcp->ping_id = 0;
    else if (id == mcp->state_id && mcp->state == MCP_STARTING)
        return on_initialized(mcp, result, err);
    else if (id == mcp->state_id && mcp->state == MCP_LISTING)
        return on_tools(mcp, result, err);
    return AP_OK; /* an answer that came too late, or to nothing */
}

/* ---- requests and notices of the server ---- */

static ap_status on_request(struct ap_mcp *mcp, const json_t *id, const char *method, struct ap_err *err)
{
    struct ap_buf answer;
    ap__buf_init(&answer, 0);
    bool ping = strcmp(method, "ping") == 0;
    ap_status status = ap__mcp_answer(id, ping ? json_object() : NULL, AP_RPC_METHOD, "this client does not offer that",
                                      &answer, err);
    if (status == AP_OK)
        status = mcp->link->ops->send(mcp->link, ap__buf_cstr(&answer), answer.len, 0, err);
    ap__buf_deinit(&answer);
    return status;
}

static void on_notice(struct ap_mcp *mcp, const char *method, const json_t *params)
{
    if (!strcmp(method, "notifications/tools/list_changed"))
        mcp->relist = true;
    if (strcmp(method, "notifications/progress") != 0)
        return;
    struct ap_mcp_call *call = ap__mcp_find(mcp, ap__json_i64_or(params, "progressToken", 0));
    if (call)
        call->until = ap__now() + mcp->timeout;
}

static void on_junk(struct ap_mcp *mcp)
{
    if (++mcp->junk > MAX_JUNK)
        ap__mcp_link_break(mcp->link, "prints what is no message of the protocol");
}

static ap_status on_one(struct ap_mcp *mcp, const json_t *message, struct ap_err *err)
{
    const char *method = ap__json_str_or(message, "method", NULL);
    const json_t *id = json_object_get(message, "id");
    if (mcp->link->broken[0]) /* by an earlier message */
        return AP_OK;
    if (method && id)
        return on_request(mcp, id, method, err);
    if (method)
        on_notice(mcp, method, json_object_get(message, "params"));
    else if (json_is_integer(id))
        return on_answer(mcp, json_integer_value(id), message, err);
    else
        on_junk(mcp);
    return AP_OK;
}

/* ---- events ---- */

ap_status ap__mcp_on_message(void *user, const char *text, size_t len, struct ap_err *err)
{
    struct ap_mcp *mcp = user;
    json_t *message;
    struct ap_err why;
    ap_status status = ap__mcp_parse(text, len, &message, &why);
    if (status == AP_E_MEMORY)
        return ap__fail(err, status, mcp->name, "%s", why.message);
    if (status != AP_OK) {
        on_junk(mcp);
        return AP_OK;
    }
    if (json_is_array(message)) /* a batch, as in 2025-03-26 */
        for (size_t i = 0; i < json_array_size(message) && i < MAX_BATCH && status == AP_OK; i++)
            status = on_one(mcp, json_array_get(message, i), err);
    else
        status = on_one(mcp, message, err);
    json_decref(message);
    return status;
}

void ap__mcp_on_failed(void *user, int64_t id, const char *why)
{
    on_error(user, id, why);
}

bool ap__mcp_on_pending(void *user, int64_t id)
{
    struct ap_mcp *mcp = user;
    bool own = id == mcp->ping_id || (id == mcp->state_id && (mcp->state == MCP_STARTING || mcp->state == MCP_LISTING));
    return id != 0 && (own || ap__mcp_find(mcp, id) != NULL);
}
