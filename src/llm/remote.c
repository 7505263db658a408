/* remote.c - requests of many chains to one server: their order, limits, failures and money.
 *
 *     submit   body, key --in the journal?--> done, else waiting
 *     poll     waiting --due, within the limits and the budget--> flying
 *              flying --reply--> done | waiting again (backoff) | the whole run stops
 *              done --> messages of their conversations, completions
 *
 * Requests are sent in the order of submission.  A chain is a function of its
 * requests' answers, and those are in the journal: it does not matter in which
 * order they come.  When the budget does not allow the next request, those in
 * flight are waited for and kept, and only then poll says so. */
#include "llm/remote_parts.h"

#include "base/progress.h"

#include <stdio.h>
#include <string.h>

enum { LOST_IN_A_ROW = 16 };   /* then it is not the requests */
#define FAR_AWAY 1e18

struct ap_remote_options ap__remote_defaults(void)
{
    return (struct ap_remote_options){.form = {.max_tokens = 1024}, .explain = true, .in_flight = 64, .attempts = 6,
                                      .backoff = 1, .connect_timeout = 10, .idle_timeout = 300, .timeout = 600,
                                      .price = {.cached = -1}};
}

/* ---- asks ---- */

static void ask_free(struct ap_ask *ask)
{
    if (!ask)
        return;
    if (ask->state == AP_ASK_FLYING)
        ap__meter_free(&ask->remote->meter, ask->estimate);
    ap__ask_end(ask);
    ap__buf_deinit(&ask->reply.body);
    ap__chat_answer_deinit(&ask->answer);
    ap__free(ask->body);
    ap__free(ask);
}

/* Take the ask at *at out of the row. */
static struct ap_ask *unlink_ask(struct ap_remote *r, struct ap_ask **at)
{
    struct ap_ask *ask = *at;
    *at = ask->next;
    if (r->last == &ask->next)
        r->last = at;
    return ask;
}

/* The most tokens that the answer may have, whatever the server calls the field. */
static int64_t most_tokens(const struct ap_remote *r, const struct ap_request *request)
{
    static const char *const keys[] = {"max_completion_tokens", "max_tokens"};
    int64_t most = r->form.max_tokens > 0 ? r->form.max_tokens : request->max_tokens;
    for (size_t i = 0; r->form.extra && i < sizeof keys / sizeof *keys; i++)
        most = ap__json_i64_or(r->form.extra, keys[i], most);
    return most;
}

/* ---- submit ---- */

static ap_status look_up(struct ap_remote *r, struct ap_ask *ask, struct ap_err *err)
{
    bool found = false;
    if (r->journal)
        AP_TRY(ap__journal_find(r->journal, ask->key, &ask->answer, &found, err));
    if (found) {
        ask->state = AP_ASK_DONE;
        r->replayed++;
        r->answered++;
    } else if (r->offline) {
        const struct ap_conversation *c = ask->request.conversation;
        return ap__fail(err, AP_E_NOT_FOUND, "replay",
                        "no recorded answer to a request of %zu messages, last `%.120s`; the recording must be of the "
                        "same model, seed, tasks and settings", c->n, c->n ? c->message[c->n - 1].text : "");
    }
    return AP_OK;
}

static ap_status remote_submit(struct ap_llm *llm, const struct ap_request *request, struct ap_err *err)
{
    struct ap_remote *r = (struct ap_remote *)llm;
    struct ap_ask *ask = ap__alloc(sizeof *ask);
    if (!ask)
        return ap__fail(err, AP_E_MEMORY, r->url, "no memory for a request");
    *ask = (struct ap_ask){.remote = r, .request = *request};
    ask->rng = ap__rng_make(request->stream[0], "backoff", request->stream[1], request->stream[2], 0);
    ap_status status = ap__chat_request(&r->form, request, &ask->body, err);
    if (status == AP_OK) {
        ask->key = ap__journal_key(request, ask->body);
        status = look_up(r, ask, err);
    }
    if (status != AP_OK) {
        ask_free(ask);
        return status;
    }
    *r->last = ask;
    r->last = &ask->next;
    return AP_OK;
}

/* ---- sending ---- */

/* May a request be sent now?  Else when to look again is noted, unless a reply comes first. */
static bool may_send(struct ap_remote *r, struct ap_ask *ask, double now)
{
    ask->estimate = ap__meter_estimate(&r->meter, strlen(ask->body), most_tokens(r, &ask->request));
    if (r->in_flight >= r->max_in_flight)
        return false;
    if (r->not_before > now) {
        r->look_again = r->not_before;
        return false;
    }
    if (!ap__meter_fits(&r->meter, ask->estimate)) {
        r->out_of_budget = true;
        return false;
    }
    if (!ap__window_allows(&r->requests, now, 1)) {
        r->look_again = ap__window_next(&r->requests);
        return false;
    }
    if (!ap__window_allows(&r->tokens, now, ask->estimate.prompt + ask->estimate.completion)) {
        r->look_again = ap__window_next(&r->tokens);
        return false;
    }
    return true;
}

static ap_status send_waiting(struct ap_remote *r, struct ap_err *err)
{
    double now = ap__now();
    r->look_again = FAR_AWAY;
    r->out_of_budget = false;
    for (struct ap_ask *ask = r->first; ask; ask = ask->next) {
        if (ask->state != AP_ASK_WAITING)
            continue;
        if (ask->due > now) {
            r->look_again = ask->due < r->look_again ? ask->due : r->look_again;
            continue;
        }
        if (!may_send(r, ask, now))
            break;
        AP_TRY(ap__ask_send(ask, err));
        ask->attempts++;
        ap__meter_reserve(&r->meter, ask->estimate);
        ap__window_take(&r->requests, now, 1);
        ap__window_take(&r->tokens, now, ask->estimate.prompt + ask->estimate.completion);
    }
    return AP_OK;
}

/* ---- replies ---- */

static ap_status stop(struct ap_remote *r, ap_status code, const char *fmt, const char *why)
{
    ap_status status = ap__fail(&r->stopped, code, r->url, fmt, why);
    ap__key_hide(r->key, r->stopped.message);
    return status;
}

/* Give the request up; a server that never answered is no matter of one request. */
static ap_status give_up(struct ap_remote *r, struct ap_ask *ask, const char *why, struct ap_err *err)
{
    char attempts[AP_REPLY_WHY + 40];
    ask->state = AP_ASK_DONE;
    ask->lost = true;
    snprintf(ask->error, sizeof ask->error, "%s", why);
    snprintf(r->last_failure, sizeof r->last_failure, "%s", why);
    ap__meter_lost(&r->meter, ask->attempts);
    if (r->journal)
        AP_TRY(ap__journal_add_lost(r->journal, ask->key, why, ask->attempts, err));
    snprintf(attempts, sizeof attempts, "%s (%d attempts)", why, ask->attempts);
    if (r->answered == 0)
        return stop(r, AP_E_IO, "the server gives no answer: %s", attempts);
    if (++r->lost_in_a_row >= LOST_IN_A_ROW)
        return stop(r, AP_E_IO, "the last 16 requests got no answer, the last: %s; start again to go on, what was "
                                "answered is kept", attempts);
    return AP_OK;
}

static ap_status keep_answer(struct ap_remote *r, struct ap_ask *ask, struct ap_err *err)
{
    size_t bytes = strlen(ask->body);
    struct ap_chat_answer *a = &ask->answer;
    ap__key_hide(r->key, a->text);
    ap__meter_complete(a, bytes);
    ap__meter_answer(&r->meter, a, ask->attempts, bytes);
    ap__window_take(&r->tokens, ap__now(), a->prompt_tokens + a->completion_tokens - ask->estimate.prompt -
                                               ask->estimate.completion);
    r->answered++;
    r->lost_in_a_row = 0;
    ask->state = AP_ASK_DONE;
    return r->journal ? ap__journal_add(r->journal, ask->key, a, ask->attempts, err) : AP_OK;
}

static ap_status try_again(struct ap_remote *r, struct ap_ask *ask, const char *why, struct ap_err *err)
{
    double now = ap__now(), wait = ap__backoff(r->backoff, ask->attempts, &ask->rng);
    if (ask->attempts >= r->attempts)
        return give_up(r, ask, why, err);
    ask->state = AP_ASK_WAITING;
    ask->due = now + (ask->reply.retry_after > wait ? ask->reply.retry_after : wait);
    if (ask->reply.retry_after > 0 && (ask->reply.status == 429 || ask->reply.status == 503) &&
        now + ask->reply.retry_after > r->not_before)
        r->not_before = now + ask->reply.retry_after; /* it is said to us, not to this request */
    return AP_OK;
}

static ap_status settle(struct ap_remote *r, struct ap_ask *ask, struct ap_err *err)
{
    enum ap_fate fate;
    char why[AP_REPLY_WHY];
    ap__meter_free(&r->meter, ask->estimate);
    ask->state = AP_ASK_DONE;
    AP_TRY(ap__reply_read(&ask->reply, &ask->answer, &fate, why, err));
    ap__buf_deinit(&ask->reply.body);
    ap__key_hide(r->key, why);
    switch (fate) {
    case AP_FATE_ANSWER: return keep_answer(r, ask, err);
    case AP_FATE_AGAIN: return try_again(r, ask, why, err);
    case AP_FATE_LOST: return give_up(r, ask, why, err);
    case AP_FATE_CONTEXT:
        r->answered++;
        snprintf(ask->error, sizeof ask->error, "%s", why);
        return AP_OK;
    case AP_FATE_REFUSED:
        if (r->answered > 0)
            return give_up(r, ask, why, err);
        break;
    case AP_FATE_STOP: break;
    }
    return stop(r, AP_E_IO, "the server refuses the request: %s", why);
}

/* ---- completions ---- */

static ap_status complete(struct ap_ask *ask, struct ap_completion *out, struct ap_err *err)
{
    struct ap_conversation *c = ask->request.conversation;
    *out = (struct ap_completion){.id = ask->request.id, .finish = AP_FINISH_ERROR, .lost = ask->lost};
    if (!ask->answer.text) {
        snprintf(out->error, sizeof out->error, "%s", ask->error);
        return AP_OK;
    }
    char *text = ask->answer.text;
    ask->answer.text = NULL;
    AP_TRY(ap__conversation_take(c, AP_ASSISTANT, text, false, err));
    out->finish = ask->answer.finish;
    out->text = c->message[c->n - 1].text;
    out->prompt_tokens = (int32_t)ask->answer.prompt_tokens;
    out->new_tokens = (int32_t)ask->answer.completion_tokens;
    return AP_OK;
}

static ap_status deliver(struct ap_remote *r, struct ap_completion *out, int32_t cap, int32_t *n, struct ap_err *err)
{
    for (struct ap_ask **at = &r->first; *at && *n < cap;) {
        if ((*at)->state != AP_ASK_DONE) {
            at = &(*at)->next;
            continue;
        }
        struct ap_ask *ask = unlink_ask(r, at);
        ap_status status = complete(ask, &out[*n], err);
        ask_free(ask);
        AP_TRY(status);
        ++*n;
    }
    return AP_OK;
}

static ap_status check_stopped(const struct ap_remote *r, struct ap_err *err)
{
    if (r->stopped.code != AP_OK && err)
        *err = r->stopped;
    return r->stopped.code;
}

static ap_status remote_poll(struct ap_llm *llm, struct ap_completion *out, int32_t cap, int32_t *n,
                             struct ap_err *err)
{
    struct ap_remote *r = (struct ap_remote *)llm;
    char spent[128];
    *n = 0;
    AP_TRY(check_stopped(r, err));
    AP_TRY(send_waiting(r, err));
    if (!r->offline)
        ap__http_sockets_pump(&r->sockets);
    for (struct ap_ask *ask; !r->offline && (ask = ap__ask_next_over(r)) != NULL;) {
        ap_status status = settle(r, ask, err);
        AP_TRY(check_stopped(r, err));
        AP_TRY(status);
    }
    if (r->sockets.failed)
        return ap__fail(err, AP_E_MEMORY, r->url, "no memory to wait for the server");
    AP_TRY(deliver(r, out, cap, n, err));
    if (*n > 0 || r->in_flight > 0 || !r->out_of_budget)
        return AP_OK;
    ap__meter_text(&r->meter, spent, sizeof spent);
    (void)stop(r, AP_E_LIMIT, "the budget is used up: %s, and the next answer might not fit; raise it (budget:, --budget) "
                              "and start again, nothing is asked twice", spent);
    return check_stopped(r, err);
}

static void remote_wait(struct ap_llm *llm, struct ap_waiter *waiter)
{
    struct ap_remote *r = (struct ap_remote *)llm;
    ap__http_sockets_wait(&r->sockets, waiter);
    ap__waiter_until(waiter, r->look_again);
}

static void remote_release(struct ap_llm *llm, struct ap_conversation *conversation)
{
    struct ap_remote *r = (struct ap_remote *)llm;
    for (struct ap_ask **at = &r->first; *at;) {
        if ((*at)->request.conversation == conversation)
            ask_free(unlink_ask(r, at));
        else
            at = &(*at)->next;
    }
}

static void remote_free(struct ap_llm *llm)
{
    struct ap_remote *r = (struct ap_remote *)llm;
    if (!r)
        return;
    while (r->first)
        ask_free(unlink_ask(r, &r->first));
    ap__http_sockets_close(&r->sockets);
    for (struct curl_slist *h = r->headers; h; h = h->next)
        explicit_bzero(h->data, strlen(h->data));
    if (r->headers) /* or libcurl may not be loaded */
        ap__libcurl.slist_free_all(r->headers);
    if (r->key)
        explicit_bzero(r->key, strlen(r->key));
    ap__journal_free(r->journal);
    json_decref((json_t *)(uintptr_t)r->form.extra);
    ap__free(r->model);
    ap__free(r->key);
    ap__free(r->url);
    ap__free(r);
}

static const struct ap_llm_ops OPS = {
    .kind = "remote",
    .submit = remote_submit,
    .poll = remote_poll,
    .wait = remote_wait,
    .release = remote_release,
    .free = remote_free,
};

/* ---- opening ---- */

/* What an earlier process of this run has spent counts. */
static void count_recorded(void *user, const struct ap_chat_answer *answer, int32_t attempts, const char *lost)
{
    struct ap_remote *r = user;
    if (lost)
        ap__meter_lost(&r->meter, attempts);
    else
        ap__meter_answer(&r->meter, answer, attempts, 0);
}

static ap_status fill(struct ap_remote *r, const struct ap_remote_options *o, struct ap_err *err)
{
    r->base.ops = &OPS;
    r->base.form = o->form.style == AP_CHAT_TOOLS ? AP_FORM_NATIVE : AP_FORM_TEXT;
    r->base.explain = o->explain;
    r->base.independent = true;
    r->last = &r->first;
    r->form = o->form;
    r->form.extra = json_incref((json_t *)(uintptr_t)o->form.extra);
    r->form.model = r->model = ap__strdup(o->form.model);
    r->max_in_flight = o->in_flight;
    r->attempts = o->attempts;
    r->backoff = o->backoff;
    r->connect_timeout = o->connect_timeout;
    r->idle_timeout = o->idle_timeout;
    r->timeout = o->timeout;
    r->requests.limit = o->requests_per_minute;
    r->tokens.limit = o->tokens_per_minute;
    r->meter = (struct ap_meter){.price = o->price, .money = o->budget, .tokens = o->budget_tokens};
    r->offline = o->replay != NULL;
    r->sockets.timer = -1;
    if (o->form.model && !r->model)
        return ap__fail(err, AP_E_MEMORY, NULL, "no memory for a model's name");
    if (o->in_flight < 1 || o->in_flight > AP_REMOTE_MAX_IN_FLIGHT)
        return ap__fail(err, AP_E_ARG, NULL, "1 to %d requests can be in flight, got %d", AP_REMOTE_MAX_IN_FLIGHT,
                        o->in_flight);
    if (o->budget > 0 && o->price.prompt <= 0 && o->price.completion <= 0)
        return ap__fail(err, AP_E_ARG, NULL, "a budget of money needs a `price` per million tokens");
    return AP_OK;
}

ap_status ap__llm_remote_open(const struct ap_remote_options *options, struct ap_llm **out, struct ap_err *err)
{
    const char *file = options->replay ? options->replay : options->journal;
    *out = NULL;
    struct ap_remote *r = ap__alloc(sizeof *r);
    if (!r)
        return ap__fail(err, AP_E_MEMORY, options->url, "no memory for a server");
    ap_status status = fill(r, options, err);
    if (status == AP_OK && !r->offline)
        status = options->url ? ap__remote_address(r, options, err)
                              : ap__fail(err, AP_E_ARG, NULL, "a remote model needs its `url`");
    if (status == AP_OK && file)
        status = ap__journal_open(file, !r->offline, count_recorded, r, &r->journal, err);
    if (status == AP_OK)
        *out = &r->base;
    else
        remote_free(&r->base);
    return status;
}

bool ap__llm_remote_stats(const struct ap_llm *llm, struct ap_remote_stats *out)
{
    const struct ap_remote *r = (const struct ap_remote *)llm;
    *out = (struct ap_remote_stats){0};
    if (llm->ops != &OPS)
        return false;
    out->usage = r->meter.spent;
    out->cost = ap__usage_cost(&r->meter.spent, &r->meter.price);
    out->priced = r->meter.price.prompt > 0 || r->meter.price.completion > 0;
    out->replayed = r->replayed;
    snprintf(out->last_failure, sizeof out->last_failure, "%s", r->last_failure);
    return true;
}
