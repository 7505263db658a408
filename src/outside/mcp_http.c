/* mcp_http.c - MCP over streamable HTTP.
 *
 *   message --POST--> server --application/json--> message
 *                            --text/event-stream--> message, message, ... (sse.h)
 *                              cut before the answer: GET from the last event on
 *
 * One libcurl multi handle; each POST is a transfer that belongs to one request,
 * so what fails is that request.  Redirects are not followed, only http and
 * https are spoken, every size has a ceiling, and our headers (keys) go to no
 * other place than the given URL and into no message. */
#include "outside/http_sockets.h"
#include "outside/mcp_link.h"
#include "outside/sse.h"
#include "base/progress.h"
#include "base/text.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { MAX_TRANSFERS = 512, MAX_HEADERS = 64 << 10, MAX_SESSION = 256, MAX_STREAM = 64 << 20, MAX_RESUMES = 8,
       MAX_WHY = 200 };

#define GOODBYE_MS 500L
#define GRACE 1.0 /* seconds that an answered stream may take to end */

struct http_link;

struct transfer {
    struct transfer *next;
    struct http_link *link;
    CURL *easy;
    struct curl_slist *headers;
    int64_t id;     /* of the request that it carries, 0 = none */
    bool stream, json, dead, goodbye;
    double answered; /* when; 0 = not yet */
    char *sent;     /* the body of the POST */
    struct ap_buf body;
    struct ap_sse sse;
    size_t header_bytes, stream_bytes;
    int32_t resumes;
    double not_before; /* easy NULL: it waits to be set up, a GET as long as the server asked */
};

struct http_link {
    struct ap_mcp_link link;
    struct ap_http_sockets sockets; /* .multi NULL = closed */
    char *url;
    char **headers; /* ends with NULL */
    size_t max_message;
    char session[MAX_SESSION + 1], version[16];
    bool leaving; /* the goodbye is under way */
    struct transfer *transfers;
    int32_t n;
    const struct ap_mcp_events *events; /* while it is pumped */
    struct ap_err *err;
    ap_status status; /* of a message that was handed on */
};

/* ---- transfers ---- */

static void transfer_free(struct transfer *t)
{
    if (t->easy) {
        (void)ap__libcurl.multi_remove_handle(t->link->sockets.multi, t->easy);
        ap__libcurl.easy_cleanup(t->easy);
    }
    ap__libcurl.slist_free_all(t->headers);
    ap__buf_deinit(&t->body);
    ap__sse_deinit(&t->sse);
    ap__free(t->sent);
    ap__free(t);
}

static void remove_dead(struct http_link *l)
{
    for (struct transfer **at = &l->transfers; *at;) {
        struct transfer *t = *at;
        if (!t->dead) {
            at = &t->next;
            continue;
        }
        *at = t->next;
        transfer_free(t);
        l->n--;
    }
}

static bool hand_on(struct transfer *t, const char *text, size_t len)
{
    struct http_link *l = t->link;
    if (l->status == AP_OK && !l->link.broken[0])
        l->status = l->events->message(l->events->user, text, len, l->err);
    return l->status == AP_OK;
}

static void on_event(void *user, const char *data, size_t len)
{
    (void)hand_on(user, data, len);
}

static size_t on_body(char *data, size_t one, size_t len, void *user)
{
    struct transfer *t = user;
    long status = 0;
    (void)one;
    ap__libcurl.easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
    t->stream_bytes += len;
    if (t->stream_bytes > MAX_STREAM)
        return 0;
    if (t->stream && status == 200)
        return ap__sse_feed(&t->sse, data, len, on_event, t) ? len : 0;
    return ap__buf_add(&t->body, data, len) == AP_OK ? len : 0;
}

/* The value when `line` is header `name`; trimmed, at most cap - 1 bytes. */
static bool header_value(const char *line, size_t len, const char *name, char *out, size_t cap)
{
    size_t n = strlen(name);
    if (len <= n || strncasecmp(line, name, n) != 0 || line[n] != ':')
        return false;
    const char *from = line + n + 1, *end = line + len;
    while (from < end && strchr(" \t", *from))
        from++;
    while (end > from && strchr(" \t\r\n", end[-1]))
        end--;
    size_t size = (size_t)(end - from) < cap - 1 ? (size_t)(end - from) : cap - 1;
    memcpy(out, from, size);
    out[size] = '\0';
    return true;
}

static size_t on_header(char *line, size_t one, size_t len, void *user)
{
    struct transfer *t = user;
    char value[MAX_SESSION + 1];
    (void)one;
    t->header_bytes += len;
    if (t->header_bytes > MAX_HEADERS)
        return 0;
    if (header_value(line, len, "content-type", value, sizeof value)) {
        t->stream = strncasecmp(value, "text/event-stream", 17) == 0;
        t->json = strncasecmp(value, "application/json", 16) == 0;
    } else if (!t->goodbye && header_value(line, len, "mcp-session-id", value, sizeof value)) {
        for (const char *c = value; *c; c++)
            if (*c < 0x21 || *c > 0x7e)
                return len;
        snprintf(t->link->session, sizeof t->link->session, "%s", value);
    }
    return len;
}

static bool add_header(struct transfer *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static bool add_header(struct transfer *t, const char *fmt, ...)
{
    struct ap_buf line;
    va_list ap;
    ap__buf_init(&line, 0);
    va_start(ap, fmt);
    (void)ap__buf_vprintf(&line, fmt, ap);
    va_end(ap);
    struct curl_slist *longer = line.failed ? NULL : ap__libcurl.slist_append(t->headers, ap__buf_cstr(&line));
    ap__buf_deinit(&line);
    if (longer)
        t->headers = longer;
    return longer != NULL;
}

static bool add_headers(struct transfer *t)
{
    struct http_link *l = t->link;
    bool fine = add_header(t, "Content-Type: application/json") &&
                add_header(t, "Accept: application/json, text/event-stream") && add_header(t, "Expect:");
    if (l->session[0])
        fine = fine && add_header(t, "Mcp-Session-Id: %s", l->session);
    if (l->version[0])
        fine = fine && add_header(t, "MCP-Protocol-Version: %s", l->version);
    for (char **header = l->headers; fine && *header; header++)
        fine = add_header(t, "%s", *header);
    if (t->sse.last_id[0])
        fine = fine && add_header(t, "Last-Event-ID: %s", t->sse.last_id);
    return fine;
}

/* Ready to go: a POST of t->sent, a GET when there is none, or a DELETE. */
static bool set_up(struct transfer *t)
{
    struct http_link *l = t->link;
    t->easy = ap__libcurl.easy_init();
    if (!t->easy || !add_headers(t))
        return false;
    bool fine = ap__libcurl.easy_setopt(t->easy, CURLOPT_URL, l->url) == CURLE_OK &&
                ap__libcurl.easy_setopt(t->easy, CURLOPT_HTTPHEADER, t->headers) == CURLE_OK &&
                ap__libcurl.easy_setopt(t->easy, CURLOPT_PRIVATE, t) == CURLE_OK &&
                ap__libcurl.easy_setopt(t->easy, CURLOPT_WRITEFUNCTION, on_body) == CURLE_OK &&
                ap__libcurl.easy_setopt(t->easy, CURLOPT_WRITEDATA, t) == CURLE_OK &&
                ap__libcurl.easy_setopt(t->easy, CURLOPT_HEADERFUNCTION, on_header) == CURLE_OK &&
                ap__libcurl.easy_setopt(t->easy, CURLOPT_HEADERDATA, t) == CURLE_OK &&
                ap__libcurl.easy_setopt(t->easy, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK &&
                ap__libcurl.easy_setopt(t->easy, CURLOPT_FOLLOWLOCATION, 0L) == CURLE_OK &&
                ap__libcurl.easy_setopt(t->easy, CURLOPT_CONNECTTIMEOUT, 10L) == CURLE_OK &&
                ap__libcurl.easy_setopt(t->easy, CURLOPT_NOSIGNAL, 1L) == CURLE_OK;
    if (t->sent)
        fine = fine &&
               ap__libcurl.easy_setopt(t->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)strlen(t->sent)) == CURLE_OK &&
               ap__libcurl.easy_setopt(t->easy, CURLOPT_POSTFIELDS, t->sent) == CURLE_OK;
    if (t->goodbye)
        fine = fine && ap__libcurl.easy_setopt(t->easy, CURLOPT_CUSTOMREQUEST, "DELETE") == CURLE_OK &&
               ap__libcurl.easy_setopt(t->easy, CURLOPT_TIMEOUT_MS, GOODBYE_MS) == CURLE_OK;
    return fine && ap__libcurl.multi_add_handle(l->sockets.multi, t->easy) == CURLM_OK;
}

static struct transfer *transfer_new(struct http_link *l, int64_t id, char *sent)
{
    struct transfer *t = ap__alloc(sizeof *t);
    if (!t) {
        ap__free(sent);
        return NULL;
    }
    t->link = l;
    t->id = id;
    t->sent = sent;
    ap__buf_init(&t->body, l->max_message);
    ap__sse_init(&t->sse, l->max_message);
    t->next = l->transfers;
    l->transfers = t;
    l->n++;
    return t;
}

/* ---- the end of a transfer ---- */

static void fail_request(struct transfer *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void fail_request(struct transfer *t, const char *fmt, ...)
{
    char why[MAX_WHY];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(why, sizeof why, fmt, ap);
    va_end(ap);
    t->dead = true;
    if (t->id != 0)
        t->link->events->failed(t->link->events->user, t->id, why);
}

/* The stream ended before the answer: ask for what came after its last event. */
static void resume(struct transfer *t)
{
    struct http_link *l = t->link;
    double wait = t->sse.retry >= 0 ? (double)t->sse.retry / 1000 : 1;
    if (!t->sse.last_id[0] || t->resumes >= MAX_RESUMES) {
        fail_request(t, "the stream ended before the answer");
        return;
    }
    (void)ap__libcurl.multi_remove_handle(l->sockets.multi, t->easy);
    ap__libcurl.easy_cleanup(t->easy);
    ap__libcurl.slist_free_all(t->headers);
    t->easy = NULL;
    t->headers = NULL;
    ap__free(t->sent);
    t->sent = NULL;
    t->resumes++;
    t->header_bytes = 0;
    t->stream = t->json = false;
    t->not_before = ap__now() + (wait < 30 ? wait : 30);
    ap__sse_restart(&t->sse);
}

static void on_refused(struct transfer *t, long status)
{
    struct http_link *l = t->link;
    if (status == 404 && l->session[0]) {
        l->session[0] = '\0';
        ap__mcp_link_break(&l->link, "has ended the session");
        t->dead = true;
    } else if (status >= 300 && status < 400) {
        fail_request(t, "the server answers with a redirect (HTTP %ld), which is not followed", status);
    } else {
        fail_request(t, status == 401 || status == 403 ? "the server wants a key (HTTP %ld)"
                                                       : "the server answers with HTTP %ld", status);
    }
}

static void on_end(struct transfer *t, CURLcode result)
{
    struct http_link *l = t->link;
    long status = 0;
    ap__libcurl.easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
    bool pending = t->id != 0 && l->events->pending(l->events->user, t->id);
    bool cut = result != CURLE_OK && status == 200 && t->stream && t->sse.last_id[0] && result != CURLE_WRITE_ERROR;
    if (result == CURLE_WRITE_ERROR) {
        fail_request(t, "the server's answer is too large");
    } else if (result != CURLE_OK && !cut) {
        fail_request(t, "the connection failed: %s", ap__libcurl.easy_strerror(result));
    } else if (t->stream && status == 200) {
        if (pending)
            resume(t);
        else
            t->dead = true;
    } else {
        if (t->json && t->body.len > 0) /* also the errors of a refusal */
            (void)hand_on(t, t->body.data, t->body.len);
        if (status != 200 && status != 202 && status != 204)
            on_refused(t, status);
        else if (pending && l->events->pending(l->events->user, t->id))
            fail_request(t, t->json ? "the server's answer is not one to this request"
                                    : "the server's answer is neither JSON nor a stream of events");
        t->dead = true;
    }
}

/* A stream that stays open after the answer is of no use to us. */
static void drop_answered(struct http_link *l)
{
    double now = ap__now();
    for (struct transfer *t = l->transfers; t; t = t->next) {
        bool waited_for = t->id == 0 || l->events->pending(l->events->user, t->id);
        if (!waited_for && t->answered == 0)
            t->answered = now;
        if (!waited_for && now - t->answered > GRACE)
            t->dead = true;
    }
}

/* ---- the link ---- */

static ap_status http_open(struct ap_mcp_link *link, struct ap_err *err)
{
    struct http_link *l = (struct http_link *)link;
    link->broken[0] = l->session[0] = l->version[0] = '\0';
    return ap__http_sockets_open(&l->sockets, err);
}

static ap_status http_send(struct ap_mcp_link *link, const char *text, size_t len, int64_t id, struct ap_err *err)
{
    struct http_link *l = (struct http_link *)link;
    if (l->n >= MAX_TRANSFERS) {
        ap__mcp_link_break(link, "leaves more than %d requests unanswered", MAX_TRANSFERS);
        return AP_OK;
    }
    char *copy = ap__strndup(text, len);
    struct transfer *t = copy ? transfer_new(l, id, copy) : NULL;
    if (t && (l->events || set_up(t))) /* within a callback of curl it waits for the next pumping */
        return AP_OK;
    if (t)
        t->dead = true;
    return ap__fail(err, AP_E_MEMORY, NULL, "no memory for a request");
}

static ap_status http_pump(struct ap_mcp_link *link, const struct ap_mcp_events *events, struct ap_err *err)
{
    struct http_link *l = (struct http_link *)link;
    CURLMsg *message;
    int left;
    l->events = events;
    l->err = err;
    l->status = AP_OK;
    for (struct transfer *t = l->transfers; t; t = t->next)
        if (!t->easy && !t->dead && ap__now() >= t->not_before && !set_up(t))
            l->status = ap__fail(err, AP_E_MEMORY, NULL, "no memory for a request");
    ap__http_sockets_pump(&l->sockets);
    while (l->status == AP_OK && (message = ap__libcurl.multi_info_read(l->sockets.multi, &left)) != NULL) {
        char *private = NULL;
        CURLcode result = message->data.result;
        bool done = message->msg == CURLMSG_DONE;
        ap__libcurl.easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &private);
        if (done && private && !((struct transfer *)(void *)private)->dead)
            on_end((struct transfer *)(void *)private, result);
    }
    drop_answered(l);
    remove_dead(l);
    l->events = NULL;
    return l->status;
}

static void http_wait(struct ap_mcp_link *link, struct ap_waiter *waiter)
{
    struct http_link *l = (struct http_link *)link;
    ap__http_sockets_wait(&l->sockets, waiter);
    for (struct transfer *t = l->transfers; t; t = t->next)
        if (!t->easy)
            ap__waiter_until(waiter, t->not_before);
}

static void http_agreed(struct ap_mcp_link *link, const char *version)
{
    struct http_link *l = (struct http_link *)link;
    snprintf(l->version, sizeof l->version, "%s", strcmp(version, "2025-06-18") >= 0 ? version : "");
}

static void http_forget(struct ap_mcp_link *link, int64_t id)
{
    struct http_link *l = (struct http_link *)link;
    for (struct transfer *t = l->transfers; t; t = t->next)
        if (t->id == id)
            t->dead = true;
    if (!l->events) /* else at the end of the pumping */
        remove_dead(l);
}

/* ---- the end of a session ---- */

static ap_status ignore_message(void *user, const char *text, size_t len, struct ap_err *err)
{
    (void)user, (void)text, (void)len, (void)err;
    return AP_OK;
}

static void ignore_failure(void *user, int64_t id, const char *why)
{
    (void)user, (void)id, (void)why;
}

static bool nothing_pending(void *user, int64_t id)
{
    (void)user, (void)id;
    return false;
}

/* The session is not needed any more: said once, not insisted on. */
static bool http_leave(struct ap_mcp_link *link)
{
    struct http_link *l = (struct http_link *)link;
    if (!l->sockets.multi || !l->session[0] || link->broken[0])
        return false;
    for (struct transfer *t = l->transfers; t; t = t->next)
        t->dead = true;
    struct transfer *t = transfer_new(l, 0, NULL);
    if (t) {
        t->goodbye = true;
        t->dead = !set_up(t);
    }
    l->session[0] = '\0'; /* once */
    l->leaving = t && !t->dead;
    return l->leaving;
}

static bool http_left(struct ap_mcp_link *link)
{
    static const struct ap_mcp_events events = {NULL, ignore_message, ignore_failure, nothing_pending};
    struct http_link *l = (struct http_link *)link;
    return http_pump(link, &events, NULL) != AP_OK || l->n == 0;
}

static void http_close(struct ap_mcp_link *link)
{
    struct http_link *l = (struct http_link *)link;
    bool leaving = http_leave(link) || l->leaving;
    while (leaving && !http_left(link)) {
        struct ap_waiter waiter;
        ap__waiter_init(&waiter);
        http_wait(link, &waiter);
        ap__waiter_wait(&waiter);
    }
    for (struct transfer *t = l->transfers; t; t = t->next)
        t->dead = true;
    remove_dead(l);
    ap__http_sockets_close(&l->sockets);
    l->leaving = false;
}

static void http_free(struct ap_mcp_link *link)
{
    struct http_link *l = (struct http_link *)link;
    http_close(link);
    for (char **header = l->headers; header && *header; header++)
        ap__free(*header);
    ap__free(l->headers);
    ap__free(l->url);
    ap__free(l);
}

static const struct ap_mcp_link_ops http_ops = {http_open, http_send, http_pump, http_wait, http_agreed,
                                                http_forget, http_leave, http_left, http_close, http_free};

ap_status ap__mcp_http_new(const struct ap_mcp_http_spec *spec, struct ap_mcp_link **out, struct ap_err *err)
{
    size_t n = 0;
    struct http_link *l = ap__alloc(sizeof *l);
    *out = NULL;
    if (!l)
        return ap__fail(err, AP_E_MEMORY, NULL, "no memory for an MCP server");
    while (spec->headers && spec->headers[n])
        n++;
    l->link.ops = &http_ops;
    l->max_message = spec->max_message;
    l->url = ap__strdup(spec->url);
    l->headers = ap__alloc_array(n + 1, sizeof *l->headers);
    bool fine = l->url && l->headers;
    for (size_t i = 0; fine && i < n; i++)
        fine = (l->headers[i] = ap__strdup(spec->headers[i])) != NULL;
    if (!fine) {
        http_free(&l->link);
        return ap__fail(err, AP_E_MEMORY, NULL, "no memory for an MCP server");
    }
    *out = &l->link;
    return AP_OK;
}
