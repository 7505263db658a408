/* mcp_functions.c - one set of functions per server, one server per task or per chain.
 *
 *   set: what is needed to start the server, its tools, a cache
 *    |-- shared server          (per_chain: stopped after its tools are known)
 *    '-- state of a chain       (per_chain: a session of its own, made at the first call; a chain that
 *                                ends does not wait for its goodbye: the set sees to it)
 *   call: values -> JSON -> known? --> ap__result_later; its turn -> ap__mcp_call under way */
#include "outside/mcp_functions.h"
#include "base/json.h"
#include "functions/invocation.h"
#include "functions/later.h"
#include "outside/mcp_client.h"
#include "outside/turns.h"
#include "outside/typed.h"

#include <pthread.h>
#include <string.h>

enum { CACHE_BYTES = 16 << 20, MAX_NAME = 64 };

struct tool {
    struct mcp_set *set;
    const char *name; /* the server's */
    struct ap_typed typed;
    struct ap_function function;
    bool pure;
};

/* A chain's server. */
struct session {
    struct mcp_set *set;
    struct ap_mcp *server;
    struct session *next; /* of those that are leaving */
};

struct mcp_set {
    struct ap_state_kind state; /* of this set alone: chains find their server by its address */
    struct ap_arena arena;
    struct ap_mcp_spec spec;
    struct ap_mcp *server;
    struct ap_turns turns; /* without a cache: nothing is pure */
    pthread_mutex_t lock;
    struct session *leaving; /* under the lock */
    struct tool *tools; /* (n,) */
    size_t n;
};

/* ---- sessions that are leaving ---- */

static void session_free(struct session *session)
{
    ap__mcp_free(session->server);
    ap__free(session);
}

/* Let go of the sessions that have said goodbye. */
static void sweep(struct mcp_set *set)
{
    pthread_mutex_lock(&set->lock);
    for (struct session **at = &set->leaving; *at;) {
        struct session *session = *at;
        if (!ap__mcp_left(session->server)) {
            at = &session->next;
            continue;
        }
        *at = session->next;
        session_free(session);
    }
    pthread_mutex_unlock(&set->lock);
}

static void wait_for_leaving(struct mcp_set *set, struct ap_waiter *waiter)
{
    pthread_mutex_lock(&set->lock);
    for (struct session *session = set->leaving; session; session = session->next)
        ap__mcp_left_wait(session->server, waiter);
    pthread_mutex_unlock(&set->lock);
}

/* ---- one call ---- */

struct attempt {
    struct ap_later later;
    struct tool *tool;
    struct ap_mcp *server;
    struct ap_turn turn;
    struct ap_mcp_call *call; /* NULL = its turn has not come */
    json_t *arguments;
    char *work; /* of a pure tool: its name and arguments */
};

static void attempt_free(struct ap_later *later)
{
    struct attempt *a = (struct attempt *)later;
    ap__mcp_call_free(a->call);
    ap__turns_leave(&a->tool->set->turns, &a->turn);
    json_decref(a->arguments);
    ap__free(a->work);
    ap__free(a);
}

static void attempt_wait(struct ap_later *later, struct ap_waiter *waiter)
{
    struct attempt *a = (struct attempt *)later;
    if (a->call)
        ap__mcp_call_wait(a->call, waiter);
    else
        ap__turn_wait(&a->tool->set->turns, &a->turn, waiter);
    wait_for_leaving(a->tool->set, waiter);
}

/* Before the call is under way. */
static ap_status wait_for_turn(struct attempt *a, struct ap_invocation *call, bool *done)
{
    bool go;
    AP_TRY(ap__turn_ask(&a->tool->set->turns, &a->turn, call, a->tool->name, done, &go));
    return go ? ap__mcp_call_new(a->server, a->tool->name, json_incref(a->arguments), &a->call, call->err) : AP_OK;
}

static ap_status attempt_advance(struct ap_later *later, struct ap_invocation *call, bool *done)
{
    struct attempt *a = (struct attempt *)later;
    sweep(a->tool->set);
    if (!a->call) {
        AP_TRY(wait_for_turn(a, call, done));
        if (*done || !a->call)
            return AP_OK;
    }
    AP_TRY(ap__mcp_call_advance(a->call, done, call->err));
    if (!*done)
        return AP_OK;
    const char *text = ap__mcp_call_text(a->call);
    if (ap__mcp_call_error(a->call))
        return ap__result_refusal(call, "%s", text);
    if (a->work)
        AP_TRY(ap__result_cache_add(a->tool->set->turns.cache, a->tool->name, a->work, text, call->err));
    return ap_result_text(call, "%s", text);
}

static const struct ap_later_ops attempt_ops = {attempt_advance, attempt_wait, attempt_free};

/* Takes arguments, and work: their text with the tool's name, when it is pure. */
static ap_status start(struct tool *tool, struct ap_invocation *call, json_t *arguments, char *work)
{
    struct session *own = tool->set->spec.per_chain ? call->state : NULL;
    struct attempt *a = ap__alloc(sizeof *a);
    if (!a) {
        json_decref(arguments);
        ap__free(work);
        return ap__fail(call->err, AP_E_MEMORY, tool->name, "no memory for a call");
    }
    *a = (struct attempt){.later.ops = &attempt_ops, .tool = tool, .arguments = arguments, .work = work,
                          .server = own ? own->server : tool->set->server};
    ap__turns_join(&tool->set->turns, &a->turn, work);
    bool done;
    ap_status status = wait_for_turn(a, call, &done);
    if (status == AP_OK && !done)
        return ap__result_later(call, &a->later);
    attempt_free(&a->later);
    return status;
}

/* What tells a call of a pure tool from others; NULL = out of memory. */
static char *describe_work(const struct tool *tool, const json_t *arguments)
{
    struct ap_buf text;
    char *json = ap__json_dump(arguments);
    ap__buf_init(&text, 0);
    (void)ap__buf_printf(&text, "%s %s", tool->name, json ? json : "");
    char *work = json && !text.failed ? ap__buf_take(&text) : NULL;
    ap__buf_deinit(&text);
    ap__free(json);
    return work;
}

static ap_status run_checked(struct tool *tool, struct ap_invocation *call, json_t *arguments)
{
    char *work = tool->pure ? describe_work(tool, arguments) : NULL;
    bool known = false;
    ap_status status = tool->pure && !work ? ap__fail(call->err, AP_E_MEMORY, tool->name, "no memory for a call")
                                           : ap__turns_known(&tool->set->turns, call, tool->name, work, &known);
    if (status == AP_OK && !known)
        return start(tool, call, arguments, work);
    json_decref(arguments);
    ap__free(work);
    return status;
}

static ap_status run(struct ap_invocation *call)
{
    struct tool *tool = ap_invocation_user_data(call);
    struct ap_buf why;
    json_t *arguments;
    ap__buf_init(&why, 0);
    ap_status status = ap__typed_arguments(&tool->typed, call, &arguments, &why, call->err);
    if (status == AP_OK && !arguments)
        status = ap_result_error(call, "%s", ap__buf_cstr(&why));
    ap__buf_deinit(&why);
    return arguments ? run_checked(tool, call, arguments) : status;
}

/* ---- servers ---- */

static ap_status new_server(struct mcp_set *set, struct ap_mcp **out, struct ap_err *err)
{
    const struct ap_mcp_spec *spec = &set->spec;
    const struct ap_mcp_config config = {spec->name, spec->timeout, spec->start_timeout};
    const struct ap_mcp_http_spec http = {spec->url, spec->headers, spec->max_message};
    struct ap_mcp_link *link;
    AP_TRY(spec->url ? ap__mcp_http_new(&http, &link, err) : ap__mcp_stdio_new(&spec->box, spec->max_message, &link, err));
    return ap__mcp_new(&config, link, out, err);
}

/* user_data of a function is its tool. */
static ap_status create_state(void *user_data, void **out)
{
    struct mcp_set *set = ((struct tool *)user_data)->set;
    struct session *session = ap__alloc(sizeof *session);
    *out = session;
    if (!session)
        return AP_E_MEMORY;
    session->set = set;
    ap_status status = new_server(set, &session->server, NULL);
    if (status != AP_OK)
        ap__free(session);
    return status;
}

static void destroy_state(void *state)
{
    struct session *session = state;
    struct mcp_set *set = session->set;
    if (!ap__mcp_leave(session->server)) {
        session_free(session);
        return;
    }
    pthread_mutex_lock(&set->lock);
    session->next = set->leaving;
    set->leaving = session;
    pthread_mutex_unlock(&set->lock);
}

/* ---- adding ---- */

static bool listed(const char *const *names, const char *name)
{
    for (; names && *names; names++)
        if (!strcmp(*names, name) || !strcmp(*names, "*"))
            return true;
    return false;
}

static ap_status add_tool(struct mcp_set *set, const json_t *described, struct ap_err *err)
{
    struct tool *tool = &set->tools[set->n];
    const char *name = ap__json_str_or(described, "name", ""), *prefix = set->spec.prefix ? set->spec.prefix : "";
    const char *description = ap__json_str_or(described, "description", NULL);
    struct ap_buf ours;
    ap__buf_init(&ours, 0);
    (void)ap__buf_puts(&ours, prefix);
    ap__name_from(name, strlen(prefix) < MAX_NAME ? MAX_NAME - strlen(prefix) : 1, &ours);
    tool->set = set;
    tool->name = ap__arena_strdup(&set->arena, name);
    tool->pure = listed(set->spec.pure, name);
    ap_status status = !ours.failed && tool->name ? AP_OK : ap__fail(err, AP_E_MEMORY, name, "no memory for a tool");
    if (status == AP_OK)
        status = ap__typed_build(&tool->typed, ap__buf_cstr(&ours),
                                 description ? description : ap__json_str_or(described, "title", ""), NULL,
                                 json_object_get(described, "inputSchema"), err);
    ap__buf_deinit(&ours);
    if (status != AP_OK)
        return status;
    tool->function = ap__typed_function(&tool->typed, run, tool);
    tool->function.state = set->spec.per_chain ? &set->state : NULL;
    set->n++;
    return AP_OK;
}

static ap_status add_tools(struct mcp_set *set, const json_t *list, struct ap_err *err)
{
    size_t i;
    const json_t *described;
    set->tools = ap__alloc_array(json_array_size(list) + 1, sizeof *set->tools);
    if (!set->tools)
        return ap__fail(err, AP_E_MEMORY, set->spec.name, "no memory for the tools of a server");
    json_array_foreach(list, i, described)
        if (!set->spec.tools || listed(set->spec.tools, ap__json_str_or(described, "name", "")))
            AP_TRY(add_tool(set, described, err));
    for (const char *const *name = set->spec.tools; name && *name; name++) {
        bool found = !strcmp(*name, "*");
        for (i = 0; i < set->n; i++)
            found = found || !strcmp(set->tools[i].name, *name);
        if (!found)
            return ap__fail(err, AP_E_NOT_FOUND, NULL, "the MCP server %.100s has no tool `%.100s`", set->spec.name, *name);
    }
    return AP_OK;
}

static void set_free(void *object)
{
    struct mcp_set *set = object;
    for (size_t i = 0; i < set->n; i++)
        ap__typed_deinit(&set->tools[i].typed);
    ap__free(set->tools);
    while (set->leaving) { /* all at the same time, so no longer than for one */
        struct session *session = set->leaving;
        set->leaving = session->next;
        session_free(session);
    }
    pthread_mutex_destroy(&set->lock);
    ap__mcp_free(set->server);
    ap__turns_deinit(&set->turns);
    ap__arena_deinit(&set->arena);
    ap__free(set);
}

static ap_status copy_spec(struct mcp_set *set, const struct ap_mcp_spec *spec, struct ap_err *err)
{
    struct ap_mcp_spec *copy = &set->spec;
    *copy = *spec;
    if (!spec->url)
        AP_TRY(ap__sandbox_copy(&set->arena, &spec->box, &copy->box, err));
    AP_TRY(ap__texts_copy(&set->arena, spec->headers, &copy->headers, err));
    AP_TRY(ap__texts_copy(&set->arena, spec->pure, &copy->pure, err));
    if (spec->tools)
        AP_TRY(ap__texts_copy(&set->arena, spec->tools, &copy->tools, err));
    copy->name = ap__arena_strdup(&set->arena, spec->name);
    copy->url = spec->url ? ap__arena_strdup(&set->arena, spec->url) : NULL;
    copy->prefix = spec->prefix ? ap__arena_strdup(&set->arena, spec->prefix) : NULL;
    if (!copy->name || (spec->url && !copy->url) || (spec->prefix && !copy->prefix))
        return ap__fail(err, AP_E_MEMORY, NULL, "no memory for an MCP server");
    return AP_OK;
}

static ap_status fill(struct mcp_set *set, const struct ap_mcp_spec *spec, struct ap_err *err)
{
    json_t *list = NULL;
    AP_TRY(copy_spec(set, spec, err));
    if (spec->pure && spec->pure[0])
        AP_TRY(ap__result_cache_new(CACHE_BYTES, &set->turns.cache, err));
    AP_TRY(new_server(set, &set->server, err));
    AP_TRY(ap__mcp_list(set->server, &list, err));
    ap_status status = add_tools(set, list, err);
    json_decref(list);
    if (spec->per_chain)
        ap__mcp_stop(set->server);
    return status;
}

ap_status ap__mcp_add(struct ap_registry *registry, const struct ap_mcp_spec *spec, struct ap_err *err)
{
    struct mcp_set *set = ap__alloc(sizeof *set);
    if (!set)
        return ap__fail(err, AP_E_MEMORY, spec->name, "no memory for an MCP server");
    ap__arena_init(&set->arena, 0);
    ap__turns_init(&set->turns, spec->parallel);
    pthread_mutex_init(&set->lock, NULL);
    set->state = (struct ap_state_kind){create_state, destroy_state};
    ap_status status = fill(set, spec, err);
    if (status != AP_OK) {
        set_free(set);
        return status;
    }
    AP_TRY(ap__registry_keep(registry, set, set_free, err));
    for (size_t i = 0; i < set->n; i++)
        AP_TRY(ap__registry_add(registry, &set->tools[i].function, err));
    return AP_OK;
}
