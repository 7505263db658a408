/* remote_http.c - requests as transfers of one libcurl multi handle.
 *
 *     options --> URL, headers with the key         once
 *     ask --easy handle--> POST ... --> status, headers (Retry-After), body up to a ceiling
 *
 * Connections stay open and are used again; with HTTP/2 many requests share one.
 * Redirects are not followed, only http and https are spoken, every size and
 * time has a ceiling. */
#include "llm/remote_parts.h"

#include "base/file.h"
#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define COMPLETIONS "/chat/completions"
enum { MAX_KEY = 8 << 10, MAX_URL = 2048 };

/* ---- where, and with what key ---- */

/* Keys do not belong into a URL: it stands in recipes, stores and messages. */
static ap_status check_url(const char *url, struct ap_err *err)
{
    bool spoken = ap__starts_with(url, "http://") || ap__starts_with(url, "https://");
    const char *host = spoken ? strstr(url, "//") + 2 : url;
    if (!spoken || !*host || *host == '/')
        return ap__fail(err, AP_E_ARG, NULL, "`url` must be http://HOST... or https://HOST..., such as "
                                             "http://localhost:8000/v1");
    if (strlen(url) > MAX_URL)
        return ap__fail(err, AP_E_ARG, NULL, "`url` is longer than %d bytes", MAX_URL);
    if (strpbrk(url, "?#@ \t\r\n"))
        return ap__fail(err, AP_E_ARG, NULL, "`url` must be without user, query and blanks (a key goes into key_env: or "
                                             "key_file:)");
    return AP_OK;
}

static char *endpoint_of(const char *url)
{
    struct ap_buf buf;
    size_t n = strlen(url);
    while (n > 0 && url[n - 1] == '/')
        n--;
    ap__buf_init(&buf, 0);
    ap__buf_add(&buf, url, n);
    if (!buf.failed && !ap__ends_with(ap__buf_cstr(&buf), COMPLETIONS))
        ap__buf_puts(&buf, COMPLETIONS);
    char *out = ap__buf_take(&buf);
    ap__buf_deinit(&buf);
    return out;
}

/* The messages name where the key should be, never what was there. */
static ap_status read_key(const struct ap_remote_options *o, char **out, struct ap_err *err)
{
    struct ap_buf text;
    const char *place = o->key_env ? o->key_env : o->key_file;
    if (!place)
        return AP_OK;
    if (o->key_env && o->key_file)
        return ap__fail(err, AP_E_ARG, NULL, "give one of key_env and key_file");
    ap__buf_init(&text, MAX_KEY);
    ap_status status = AP_OK;
    if (o->key_file)
        status = ap__file_read(o->key_file, MAX_KEY, &text, err);
    else
        ap__buf_puts(&text, getenv(o->key_env) ? getenv(o->key_env) : "");
    const char *from = ap__buf_cstr(&text);
    from += strspn(from, " \t\r\n");
    size_t n = strcspn(from, " \t\r\n");
    if (status == AP_OK && n == 0)
        status = ap__fail(err, AP_E_ARG, NULL,
                          o->key_env ? "the environment has no key in %.64s" : "there is no key in %.200s", place);
    for (size_t i = 0; i < n && status == AP_OK; i++)
        if (from[i] < 0x21 || from[i] > 0x7e)
            status = ap__fail(err, AP_E_ARG, NULL, "the key in %.200s holds what no key holds", place);
    if (status == AP_OK && from[n + strspn(from + n, " \t\r\n")] != '\0')
        status = ap__fail(err, AP_E_ARG, NULL, "%.200s holds more than a key", place);
    if (status == AP_OK && !(*out = ap__strndup(from, n)))
        status = ap__fail(err, AP_E_MEMORY, NULL, "no memory for a key");
    if (text.data)
        explicit_bzero(text.data, text.len);
    ap__buf_deinit(&text);
    return status;
}

static bool add_header(struct ap_remote *r, const char *name, const char *between, const char *value)
{
    struct ap_buf line;
    ap__buf_init(&line, 0);
    ap__buf_printf(&line, "%s%s%s", name, between, value);
    struct curl_slist *longer = line.failed ? NULL : ap__libcurl.slist_append(r->headers, ap__buf_cstr(&line));
    if (line.data)
        explicit_bzero(line.data, line.len);
    ap__buf_deinit(&line);
    if (longer)
        r->headers = longer;
    return longer != NULL;
}

static ap_status add_headers(struct ap_remote *r, const struct ap_remote_options *o, struct ap_err *err)
{
    bool fine = add_header(r, "Content-Type: application/json", "", "") && add_header(r, "Expect:", "", "");
    if (r->key && o->key_header)
        fine = fine && add_header(r, o->key_header, ": ", r->key);
    else if (r->key)
        fine = fine && add_header(r, "Authorization: Bearer ", "", r->key);
    for (int32_t i = 0; i < o->header_count && fine; i++) {
        if (strpbrk(o->headers[i], "\r\n") || !strchr(o->headers[i], ':'))
            return ap__fail(err, AP_E_ARG, NULL, "a header must be one line, Name: value");
        fine = add_header(r, o->headers[i], "", "");
    }
    return fine ? AP_OK : ap__fail(err, AP_E_MEMORY, NULL, "no memory for headers");
}

ap_status ap__remote_address(struct ap_remote *r, const struct ap_remote_options *o, struct ap_err *err)
{
    AP_TRY(check_url(o->url, err));
    if (o->key_header && strpbrk(o->key_header, ": \t\r\n"))
        return ap__fail(err, AP_E_ARG, NULL, "`key_header` is a header's name, such as api-key");
    AP_TRY(read_key(o, &r->key, err));
    AP_TRY(ap__http_sockets_open(&r->sockets, err));
    AP_TRY(add_headers(r, o, err));
    r->url = endpoint_of(o->url);
    AP_TRY(r->url ? AP_OK : ap__fail(err, AP_E_MEMORY, NULL, "no memory for a URL"));
    ap__libcurl.multi_setopt(r->sockets.multi, CURLMOPT_MAX_HOST_CONNECTIONS, (long)r->max_in_flight);
    ap__libcurl.multi_setopt(r->sockets.multi, CURLMOPT_MAXCONNECTS, (long)r->max_in_flight);
    return AP_OK;
}

/* ---- one transfer ---- */

static size_t on_body(char *data, size_t one, size_t len, void *user)
{
    struct ap_ask *ask = user;
    (void)one;
    ap_status status = ap__buf_add(&ask->reply.body, data, len);
    ask->reply.no_memory = status == AP_E_MEMORY;
    ask->reply.too_large = status != AP_OK && status != AP_E_MEMORY;
    return status == AP_OK ? len : 0;
}

static size_t on_header(char *line, size_t one, size_t len, void *user)
{
    static const char name[] = "retry-after:";
    struct ap_ask *ask = user;
    char value[64];
    (void)one;
    ask->reply.header_bytes += len;
    if (ask->reply.header_bytes > AP_REPLY_MAX_HEADERS) {
        ask->reply.too_large = true;
        return 0;
    }
    if (len > sizeof name && len < sizeof name + sizeof value && strncasecmp(line, name, sizeof name - 1) == 0) {
        size_t n = 0;
        for (const char *c = line + sizeof name - 1; c < line + len && n + 1 < sizeof value; c++)
            if (n > 0 || (*c != ' ' && *c != '\t'))
                value[n++] = *c;
        while (n > 0 && strchr(" \t\r\n", value[n - 1]))
            n--;
        value[n] = '\0';
        ask->reply.retry_after = ap__retry_after(value, time(NULL));
    }
    return len;
}

static bool set_up(struct ap_ask *ask)
{
    const struct ap_remote *r = ask->remote;
    CURL *e = ask->easy;
    return ap__libcurl.easy_setopt(e, CURLOPT_URL, r->url) == CURLE_OK &&
           ap__libcurl.easy_setopt(e, CURLOPT_HTTPHEADER, r->headers) == CURLE_OK &&
           ap__libcurl.easy_setopt(e, CURLOPT_PRIVATE, ask) == CURLE_OK &&
           ap__libcurl.easy_setopt(e, CURLOPT_WRITEFUNCTION, on_body) == CURLE_OK &&
           ap__libcurl.easy_setopt(e, CURLOPT_WRITEDATA, ask) == CURLE_OK &&
           ap__libcurl.easy_setopt(e, CURLOPT_HEADERFUNCTION, on_header) == CURLE_OK &&
           ap__libcurl.easy_setopt(e, CURLOPT_HEADERDATA, ask) == CURLE_OK &&
           ap__libcurl.easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK &&
           ap__libcurl.easy_setopt(e, CURLOPT_FOLLOWLOCATION, 0L) == CURLE_OK &&
           ap__libcurl.easy_setopt(e, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
           ap__libcurl.easy_setopt(e, CURLOPT_PIPEWAIT, (long)ap__starts_with(r->url, "https")) == CURLE_OK &&
           ap__libcurl.easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, (long)(r->connect_timeout * 1000)) == CURLE_OK &&
           ap__libcurl.easy_setopt(e, CURLOPT_TIMEOUT_MS, (long)(r->timeout * 1000)) == CURLE_OK &&
           ap__libcurl.easy_setopt(e, CURLOPT_LOW_SPEED_LIMIT, 1L) == CURLE_OK &&
           ap__libcurl.easy_setopt(e, CURLOPT_LOW_SPEED_TIME, (long)(r->idle_timeout + 0.999)) == CURLE_OK &&
           ap__libcurl.easy_setopt(e, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)strlen(ask->body)) == CURLE_OK &&
           ap__libcurl.easy_setopt(e, CURLOPT_POSTFIELDS, ask->body) == CURLE_OK;
}

ap_status ap__ask_send(struct ap_ask *ask, struct ap_err *err)
{
    ap__buf_deinit(&ask->reply.body);
    ask->reply = (struct ap_reply){.retry_after = -1};
    ap__buf_init(&ask->reply.body, AP_REPLY_MAX_BODY);
    ask->easy = ap__libcurl.easy_init();
    if (ask->easy && set_up(ask) && ap__libcurl.multi_add_handle(ask->remote->sockets.multi, ask->easy) == CURLM_OK) {
        ask->state = AP_ASK_FLYING;
        ask->remote->in_flight++;
        return AP_OK;
    }
    if (ask->easy)
        ap__libcurl.easy_cleanup(ask->easy);
    ask->easy = NULL;
    return ap__fail(err, AP_E_MEMORY, ask->remote->url, "no memory for a request");
}

void ap__ask_end(struct ap_ask *ask)
{
    if (!ask->easy)
        return;
    (void)ap__libcurl.multi_remove_handle(ask->remote->sockets.multi, ask->easy);
    ap__libcurl.easy_cleanup(ask->easy);
    ask->easy = NULL;
    ask->remote->in_flight--;
}

struct ap_ask *ap__ask_next_over(struct ap_remote *r)
{
    CURLMsg *message;
    int left;
    while ((message = ap__libcurl.multi_info_read(r->sockets.multi, &left)) != NULL) {
        char *private = NULL;
        CURLcode result = message->data.result;
        if (message->msg != CURLMSG_DONE)
            continue;
        ap__libcurl.easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &private);
        struct ap_ask *ask = (struct ap_ask *)(void *)private;
        ask->reply.result = result;
        ap__libcurl.easy_getinfo(ask->easy, CURLINFO_RESPONSE_CODE, &ask->reply.status);
        ap__ask_end(ask);
        return ask;
    }
    return NULL;
}
