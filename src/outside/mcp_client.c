/* mcp_client.c - the state of one server and of the calls to it.
 *
 *   advance: start when down and wanted --> pump the link --> messages --> calls
 *            late?  call: cancelled, then ping;  start, list, ping: the server is lost
 *            ready: send what waits
 *
 * Everything is under one lock, so that chains on several threads may share a
 * server.  Reading of messages is in mcp_receive.c. */
#include "outside/mcp_state.h"
#include "base/progress.h"
#include "base/text.h"

#include <stdio.h>
#include <string.h>

#define PATIENCE 4          /* times the time-out that progress may buy */
#define FIRST_REST 0.2      /* seconds before a third start in a row, then twice that, ... */
#define LONGEST_REST 10.0
#define RELIST_REST 1.0 /* seconds between two readings of a list that keeps changing */

/* ---- calls ---- */

void ap__mcp_call_finish(struct ap_mcp_call *call, bool error, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    ap__buf_clear(&call->text);
    (void)ap__buf_vprintf(&call->text, fmt, ap);
    va_end(ap);
    call->error = error;
    call->done = true;
}

struct ap_mcp_call *ap__mcp_find(struct ap_mcp *mcp, int64_t id)
{
    for (struct ap_mcp_call *call = mcp->calls; call; call = call->next)
        if (call->id == id && id != 0 && !call->done)
            return call;
    return NULL;
}

/* ---- the server's life ---- */

/* It cannot be used any more: whoever waits for it gets to know. */
static void lose(struct ap_mcp *mcp, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void lose(struct ap_mcp *mcp, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(mcp->why, sizeof mcp->why, fmt, ap);
    va_end(ap);
    for (struct ap_mcp_call *call = mcp->calls; call; call = call->next)
        if (!call->done && (call->id != 0 || mcp->state != MCP_READY))
            ap__mcp_call_finish(call, true, "the server %s %s", mcp->name, mcp->why);
    if (mcp->state != MCP_DOWN) {
        ap__mcp_link_break(mcp->link, "is lost"); /* no goodbye to what does not listen */
        mcp->link->ops->close(mcp->link);
    }
    mcp->state = MCP_DOWN;
    mcp->ping_id = 0;
    mcp->failures++;
    double rest = mcp->failures < 2 ? 0 : FIRST_REST;
    for (int32_t i = 2; i < mcp->failures && rest < LONGEST_REST; i++)
        rest *= 2;
    mcp->rest_until = ap__now() + (rest < LONGEST_REST ? rest : LONGEST_REST);
}

ap_status ap__mcp_send(struct ap_mcp *mcp, int64_t id, const char *method, json_t *params, struct ap_err *err)
{
    struct ap_buf text;
    ap__buf_init(&text, 0);
    ap_status status = ap__mcp_request(id, method, params, &text, err);
    if (status == AP_OK)
        status = mcp->link->ops->send(mcp->link, ap__buf_cstr(&text), text.len, id, err);
    ap__buf_deinit(&text);
    return status;
}

static ap_status start(struct ap_mcp *mcp, struct ap_err *err)
{
    struct ap_err why = {0};
    ap_status status = mcp->link->ops->open(mcp->link, &why);
    if (status == AP_E_MEMORY)
        return ap__fail(err, status, mcp->name, "%s", why.message);
    mcp->state = MCP_STARTING;
    mcp->state_until = ap__now() + mcp->start_timeout;
    mcp->junk = 0;
    mcp->relist = false;
    if (status != AP_OK) {
        lose(mcp, "could not be started: %s", why.message);
        return AP_OK;
    }
    mcp->state_id = mcp->next_id++;
    json_t *params = json_pack("{s:s, s:{}, s:{s:s, s:s, s:s}}", "protocolVersion", AP_MCP_LATEST, "capabilities",
                               "clientInfo", "name", "apprentice", "title", "Apprentice", "version", AP_VERSION);
    return ap__mcp_send(mcp, mcp->state_id, "initialize", params, err);
}

ap_status ap__mcp_ask_for_tools(struct ap_mcp *mcp, const char *cursor, struct ap_err *err)
{
    if (!cursor) {
        json_decref(mcp->listing);
        mcp->listing = json_array();
        mcp->pages = 0;
        mcp->relist = false;
        mcp->state_until = ap__now() + mcp->start_timeout;
    }
    mcp->state = MCP_LISTING;
    mcp->state_id = mcp->next_id++;
    return ap__mcp_send(mcp, mcp->state_id, "tools/list", cursor ? json_pack("{s:s}", "cursor", cursor) : NULL, err);
}

/* ---- time ---- */

static ap_status cancel(struct ap_mcp *mcp, struct ap_mcp_call *call, const char *reason, struct ap_err *err)
{
    int64_t id = call->id;
    call->id = 0;
    if (mcp->state == MCP_DOWN || id == 0)
        return AP_OK;
    if (mcp->link->ops->forget)
        mcp->link->ops->forget(mcp->link, id);
    return ap__mcp_send(mcp, 0, "notifications/cancelled", json_pack("{s:I, s:s}", "requestId", (json_int_t)id, "reason",
                                                                      reason), err);
}

/* A server that let a call down: is it only slow? */
static ap_status ask_whether_it_lives(struct ap_mcp *mcp, double now, struct ap_err *err)
{
    if (mcp->ping_id != 0 || mcp->state == MCP_DOWN)
        return AP_OK;
    mcp->ping_id = mcp->next_id++;
    mcp->ping_until = now + mcp->timeout;
    return ap__mcp_send(mcp, mcp->ping_id, "ping", NULL, err);
}

static ap_status give_up_late_calls(struct ap_mcp *mcp, double now, struct ap_err *err)
{
    for (struct ap_mcp_call *call = mcp->calls; call; call = call->next) {
        if (call->done || (now < call->until && now < call->at_most))
            continue;
        if (call->id == 0)
            ap__mcp_call_finish(call, true, "the server %s was not ready in time", mcp->name);
        else if (now >= call->at_most)
            ap__mcp_call_finish(call, true, "%s makes progress, but had no result after %g seconds", call->tool,
                                mcp->timeout * PATIENCE);
        else
            ap__mcp_call_finish(call, true, "%s did not answer within %g seconds", call->tool, mcp->timeout);
        AP_TRY(cancel(mcp, call, "it took too long", err));
        AP_TRY(ask_whether_it_lives(mcp, now, err));
    }
    return AP_OK;
}

static ap_status look_at_the_clock(struct ap_mcp *mcp, struct ap_err *err)
{
    double now = ap__now();
    if (mcp->state == MCP_STARTING && now >= mcp->state_until)
        lose(mcp, "did not answer `initialize` within %g seconds", mcp->start_timeout);
    else if (mcp->state == MCP_LISTING && now >= mcp->state_until)
        lose(mcp, "did not list its tools within %g seconds", mcp->start_timeout);
    else if (mcp->ping_id != 0 && now >= mcp->ping_until)
        lose(mcp, "hangs: it did not answer a ping within %g seconds", mcp->timeout);
    return mcp->state == MCP_DOWN ? AP_OK : give_up_late_calls(mcp, now, err);
}

/* ---- going on ---- */

static bool has_tool(const struct ap_mcp *mcp, const char *name)
{
    size_t i;
    const json_t *tool;
    json_array_foreach(mcp->tools, i, tool)
        if (!strcmp(json_string_value(json_object_get(tool, "name")), name))
            return true;
    return false;
}

static ap_status send_waiting(struct ap_mcp *mcp, struct ap_err *err)
{
    for (struct ap_mcp_call *call = mcp->calls; call && !mcp->link->broken[0]; call = call->next) {
        if (call->done || call->id != 0)
            continue;
        if (!has_tool(mcp, call->tool)) {
            ap__mcp_call_finish(call, true, "the server %s does not offer %s any more", mcp->name, call->tool);
            continue;
        }
        call->id = mcp->next_id++;
        call->sent = ap__now();
        call->until = call->sent + mcp->timeout;
        call->at_most = call->sent + mcp->timeout * PATIENCE;
        json_t *params = json_pack("{s:s, s:O, s:{s:I}}", "name", call->tool, "arguments", call->arguments, "_meta",
                                   "progressToken", (json_int_t)call->id);
        AP_TRY(ap__mcp_send(mcp, call->id, "tools/call", params, err));
    }
    return AP_OK;
}

static bool wanted(const struct ap_mcp *mcp)
{
    if (mcp->listing_wanted)
        return true;
    for (const struct ap_mcp_call *call = mcp->calls; call; call = call->next)
        if (!call->done)
            return true;
    return false;
}

/* While it rests nobody waits for it. */
static void refuse_while_resting(struct ap_mcp *mcp)
{
    for (struct ap_mcp_call *call = mcp->calls; call; call = call->next)
        if (!call->done)
            ap__mcp_call_finish(call, true, "the server %s is down (%s)", mcp->name, mcp->why);
}

static ap_status pump(struct ap_mcp *mcp, struct ap_err *err)
{
    const struct ap_mcp_events events = {mcp, ap__mcp_on_message, ap__mcp_on_failed, ap__mcp_on_pending};
    AP_TRY(mcp->link->ops->pump(mcp->link, &events, err));
    if (mcp->link->broken[0] && mcp->state != MCP_DOWN)
        lose(mcp, "%s", mcp->link->broken);
    return AP_OK;
}

static ap_status go_on(struct ap_mcp *mcp, struct ap_err *err)
{
    if (mcp->state != MCP_DOWN) {
        AP_TRY(pump(mcp, err));
        if (mcp->state != MCP_DOWN)
            AP_TRY(look_at_the_clock(mcp, err));
    }
    if (mcp->state == MCP_DOWN && wanted(mcp)) {
        if (ap__now() < mcp->rest_until) {
            refuse_while_resting(mcp);
            return AP_OK;
        }
        AP_TRY(start(mcp, err));
    }
    if (mcp->state == MCP_READY && mcp->relist && ap__now() > mcp->listed + RELIST_REST)
        AP_TRY(ap__mcp_ask_for_tools(mcp, NULL, err));
    if (mcp->state == MCP_READY)
        AP_TRY(send_waiting(mcp, err));
    return AP_OK;
}

static void wait_for(struct ap_mcp *mcp, struct ap_waiter *waiter)
{
    if (mcp->state == MCP_DOWN) {
        ap__waiter_until(waiter, 0);
        return;
    }
    mcp->link->ops->wait(mcp->link, waiter);
    if (mcp->state != MCP_READY)
        ap__waiter_until(waiter, mcp->state_until);
    if (mcp->ping_id != 0)
        ap__waiter_until(waiter, mcp->ping_until);
}

/* ---- interface ---- */

ap_status ap__mcp_new(const struct ap_mcp_config *config, struct ap_mcp_link *link, struct ap_mcp **out,
                      struct ap_err *err)
{
    struct ap_mcp *mcp = ap__alloc(sizeof *mcp);
    *out = NULL;
    char *name = ap__strdup(config->name);
    if (!mcp || !name) {
        link->ops->free(link);
        ap__free(mcp);
        ap__free(name);
        return ap__fail(err, AP_E_MEMORY, config->name, "no memory for an MCP server");
    }
    *mcp = (struct ap_mcp){.name = name, .link = link, .timeout = config->timeout,
                           .start_timeout = config->start_timeout, .next_id = 1};
    pthread_mutex_init(&mcp->lock, NULL);
    *out = mcp;
    return AP_OK;
}

void ap__mcp_free(struct ap_mcp *mcp)
{
    if (!mcp)
        return;
    if (mcp->state != MCP_DOWN)
        mcp->link->ops->close(mcp->link);
    mcp->link->ops->free(mcp->link);
    json_decref(mcp->listing);
    json_decref(mcp->tools);
    pthread_mutex_destroy(&mcp->lock);
    ap__free(mcp->name);
    ap__free(mcp);
}

bool ap__mcp_leave(struct ap_mcp *mcp)
{
    return mcp->state != MCP_DOWN && mcp->link->ops->leave && mcp->link->ops->leave(mcp->link);
}

bool ap__mcp_left(struct ap_mcp *mcp)
{
    return mcp->link->ops->left(mcp->link);
}

void ap__mcp_left_wait(struct ap_mcp *mcp, struct ap_waiter *waiter)
{
    mcp->link->ops->wait(mcp->link, waiter);
}

void ap__mcp_stop(struct ap_mcp *mcp)
{
    pthread_mutex_lock(&mcp->lock);
    if (mcp->state != MCP_DOWN)
        mcp->link->ops->close(mcp->link);
    mcp->state = MCP_DOWN;
    mcp->ping_id = 0;
    pthread_mutex_unlock(&mcp->lock);
}

ap_status ap__mcp_list(struct ap_mcp *mcp, json_t **tools, struct ap_err *err)
{
    struct ap_waiter waiter;
    int32_t failures = mcp->failures;
    *tools = NULL;
    mcp->listing_wanted = true;
    ap_status status = AP_OK;
    for (bool more = true; status == AP_OK && more;) {
        pthread_mutex_lock(&mcp->lock);
        status = go_on(mcp, err);
        more = mcp->state != MCP_READY && mcp->failures == failures;
        ap__waiter_init(&waiter);
        if (more)
            wait_for(mcp, &waiter);
        pthread_mutex_unlock(&mcp->lock);
        if (more && status == AP_OK)
            ap__waiter_wait(&waiter);
        if (status == AP_OK)
            status = ap__check_interrupt(err);
    }
    mcp->listing_wanted = false;
    if (status != AP_OK)
        return status;
    if (mcp->state != MCP_READY)
        return ap__fail(err, AP_E_IO, NULL, "the MCP server %.100s %s", mcp->name, mcp->why);
    *tools = json_deep_copy(mcp->tools);
    return *tools ? AP_OK : ap__fail(err, AP_E_MEMORY, mcp->name, "no memory for the tools of a server");
}

ap_status ap__mcp_call_new(struct ap_mcp *mcp, const char *tool, json_t *arguments, struct ap_mcp_call **out,
                           struct ap_err *err)
{
    struct ap_mcp_call *call = ap__alloc(sizeof *call);
    char *name = ap__strdup(tool);
    *out = NULL;
    if (!call || !name || !arguments) {
        ap__free(call);
        ap__free(name);
        json_decref(arguments);
        return ap__fail(err, AP_E_MEMORY, mcp->name, "no memory for a call");
    }
    *call = (struct ap_mcp_call){.mcp = mcp, .tool = name, .arguments = arguments};
    ap__buf_init(&call->text, 0);
    call->until = call->at_most = ap__now() + mcp->start_timeout + mcp->timeout; /* until it is sent */
    pthread_mutex_lock(&mcp->lock);
    struct ap_mcp_call **end = &mcp->calls;
    while (*end)
        end = &(*end)->next;
    *end = call;
    pthread_mutex_unlock(&mcp->lock);
    *out = call;
    return AP_OK;
}

ap_status ap__mcp_call_advance(struct ap_mcp_call *call, bool *done, struct ap_err *err)
{
    struct ap_mcp *mcp = call->mcp;
    pthread_mutex_lock(&mcp->lock);
    ap_status status = call->done ? AP_OK : go_on(mcp, err);
    *done = call->done;
    pthread_mutex_unlock(&mcp->lock);
    return status;
}

void ap__mcp_call_wait(struct ap_mcp_call *call, struct ap_waiter *waiter)
{
    pthread_mutex_lock(&call->mcp->lock);
    if (call->done)
        ap__waiter_until(waiter, 0);
    else
        wait_for(call->mcp, waiter);
    if (!call->done)
        ap__waiter_until(waiter, call->until < call->at_most ? call->until : call->at_most);
    pthread_mutex_unlock(&call->mcp->lock);
}

const char *ap__mcp_call_text(const struct ap_mcp_call *call)
{
    return ap__buf_cstr(&call->text);
}

bool ap__mcp_call_error(const struct ap_mcp_call *call)
{
    return call->error;
}

void ap__mcp_call_free(struct ap_mcp_call *call)
{
    if (!call)
        return;
    struct ap_mcp *mcp = call->mcp;
    pthread_mutex_lock(&mcp->lock);
    struct ap_mcp_call **at = &mcp->calls;
    while (*at != call)
        at = &(*at)->next;
    *at = call->next;
    if (!call->done && cancel(mcp, call, "nobody waits for it", NULL) != AP_OK)
        ap__mcp_link_break(mcp->link, "could not be told to cancel"); /* no memory: seen by the next call */
    pthread_mutex_unlock(&mcp->lock);
    ap__buf_deinit(&call->text);
    json_decref(call->arguments);
    ap__free(call->tool);
    ap__free(call);
}
