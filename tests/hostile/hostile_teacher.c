/* hostile_teacher.c - a scripted chat-completions server on 127.0.0.1 that answers, counts, fails and misbehaves.
 *
 *     hostile_teacher [GOLD.jsonl ...]      prints "port N"; ends when its standard input does
 *
 *   POST /SETTING,SETTING/v1/chat/completions
 *     latency=MS      before every reply            fail=PERCENT   of the requests, in every way there is
 *     mode=NAME       how requests that speak of `hostile` are answered, see modes below
 *     wrong=PERCENT   of the questions get a wrong answer      lose=PERCENT   of them get no answer at all
 *     nousage         tokens are not told
 *   GET /count   what it has seen, as JSON       GET /reset
 *
 * What it answers: the gold call that comes next, when a question of a GOLD file
 * stands in the conversation; to "steps=N", N times Sum and then Answer(N); as
 * text, or as tool_calls when the request has tools.  Built without sanitizers. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { MAX_CONNECTIONS = 1024, MAX_GOLD = 20000, SEEN = 1 << 20 };

static struct {
    long requests, good, failed, twice, prompt, cached, completion, connections, keys, peak;
} count;

static struct {
    char *question;
    json_t *calls;
} gold[MAX_GOLD];
static int golds;
static int lie_percent, lose_percent; /* of the request at hand */
static uint64_t seen[SEEN]; /* bodies that were answered */

enum flow { PLAIN, ENDLESS, DRIP, HANG };

struct connection {
    int fd;
    char *in, *out;
    size_t in_len, out_len, out_at;
    double ready;    /* when `out` may be sent */
    bool busy;       /* a request is being answered */
    bool close, reset;
    enum flow flow;
    const char *more; /* ENDLESS */
    /* of a good reply: booked when it is sent */
    bool good;
    uint64_t body;
    long prompt, cached, completion;
};
static struct connection conn[MAX_CONNECTIONS];
static int conns;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static uint64_t hash(const char *s, size_t n)
{
    uint64_t h = 1469598103934665603u;
    while (n-- > 0)
        h = (h ^ (unsigned char)*s++) * 1099511628211u;
    return h ? h : 1;
}

static uint64_t draw(void)
{
    static uint64_t x = 88172645463325252u;
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    return x >> 11;
}

/* ---- replies ---- */

static void put(struct connection *c, const char *data, size_t n)
{
    c->out = realloc(c->out, c->out_len + n + 1);
    memcpy(c->out + c->out_len, data, n);
    c->out_len += n;
}

static void say(struct connection *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void say(struct connection *c, const char *fmt, ...)
{
    char *text;
    va_list ap;
    va_start(ap, fmt);
    int n = vasprintf(&text, fmt, ap);
    va_end(ap);
    put(c, text, (size_t)n);
    free(text);
}

static void reply(struct connection *c, const char *status, const char *headers, const char *body)
{
    say(c, "HTTP/1.1 %s\r\nContent-Type: application/json\r\n%sContent-Length: %zu\r\n\r\n%s", status, headers, strlen(body),
        body);
}

static void ok(struct connection *c, const char *body)
{
    reply(c, "200 OK", "", body);
}

static void completion(struct connection *c, const char *message, const char *usage)
{
    char *text;
    if (asprintf(&text, "{\"id\":\"x\",\"object\":\"chat.completion\",\"choices\":[{\"index\":0,\"finish_reason\":\"stop\","
                        "\"message\":%s}]%s%s}", message, *usage ? ",\"usage\":" : "", usage) > 0)
        ok(c, text);
    free(text);
}

/* ---- what is asked ---- */

static const char *text_of(const json_t *message)
{
    const char *text = json_string_value(json_object_get(message, "content"));
    return text ? text : "";
}

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), k = strlen(end);
    return k <= n && strcmp(text + n - k, end) == 0;
}

/* The same questions, whatever the order they come in. */
static bool chosen(int g, int percent)
{
    return (int)(hash(gold[g].question, strlen(gold[g].question)) % 100) < percent;
}

/* The call that comes next, as text; buf is room for one.  NULL: there shall be none. */
static const char *next_call(const json_t *messages, char *buf, size_t cap)
{
    size_t n = json_array_size(messages), asked = n;
    int g = -1, steps = -1;
    for (size_t i = 0; i < n && asked == n; i++) {
        const json_t *m = json_array_get(messages, i);
        const char *text = text_of(m), *number = strstr(text, "steps=");
        if (strcmp(json_string_value(json_object_get(m, "role")), "user") != 0)
            continue;
        for (g = golds - 1; g >= 0 && !ends_with(text, gold[g].question); g--)
            ;
        if (number)
            steps = atoi(number + 6);
        if (g >= 0 || number)
            asked = i;
    }
    int made = 0;
    for (size_t i = asked; i < n; i++)
        made += strcmp(json_string_value(json_object_get(json_array_get(messages, i), "role")), "assistant") == 0;
    if (g >= 0) {
        const char *call = json_string_value(json_array_get(gold[g].calls, (size_t)made));
        if (chosen(g, lose_percent))
            return NULL;
        if (chosen(g, lie_percent) && call && strncmp(call, "Answer(", 7) == 0)
            return "Answer(-77)";
        return call ? call : "Answer(0)";
    }
    if (steps >= 0 && made < steps)
        snprintf(buf, cap, "Sum(%d, 1)", made);
    else
        snprintf(buf, cap, "Answer(%d)", steps);
    return buf;
}

/* Name(1, 'x') as a tool call; names of arguments by the schema's order. */
static json_t *tool_call(const json_t *tools, const char *call)
{
    char name[64] = "", raw[4096];
    size_t n = strcspn(call, "("), i;
    json_t *tool, *arguments = json_object(), *names = NULL;
    snprintf(name, sizeof name, "%.*s", (int)(n < 63 ? n : 63), call);
    json_array_foreach(tools, i, tool)
    {
        const json_t *f = json_object_get(tool, "function");
        if (strcmp(json_string_value(json_object_get(f, "name")), name) == 0)
            names = json_object_get(json_object_get(f, "parameters"), "required");
    }
    const char *at = call + n + 1;
    for (i = 0; *at && *at != ')'; i++) {
        size_t k = 0;
        char quote = *at == '\'' || *at == '"' ? *at : 0;
        at += quote != 0;
        while (*at && (quote ? *at != quote : *at != ',' && *at != ')') && k + 1 < sizeof raw)
            raw[k++] = *at++;
        raw[k] = '\0';
        at += quote != 0;
        at += strspn(at, ", ");
        json_t *value = quote ? NULL : json_loads(raw, JSON_DECODE_ANY, NULL);
        const char *key = json_string_value(json_array_get(names, i));
        json_object_set_new(arguments, key ? key : "value", value ? value : json_string(raw));
    }
    char *text = json_dumps(arguments, 0);
    json_t *all = json_pack("{s:s, s:n, s:[{s:s, s:s, s:{s:s, s:s}}]}", "role", "assistant", "content", "tool_calls", "id",
                            "srv_1", "type", "function", "function", "name", name, "arguments", text);
    free(text);
    json_decref(arguments);
    return all;
}

static long volume(const json_t *messages)
{
    char *text = json_dumps(messages, JSON_COMPACT);
    long n = (long)strlen(text);
    free(text);
    return n;
}

static void answer(struct connection *c, const json_t *root, bool usage, const char *body, size_t len)
{
    char buf[64], tokens[200] = "";
    const json_t *messages = json_object_get(root, "messages"), *tools = json_object_get(root, "tools");
    const char *call = next_call(messages, buf, sizeof buf);
    if (!call) {
        reply(c, "500 Oops", "", "{\"error\":\"lost\"}");
        return;
    }
    json_t *message = tools ? tool_call(tools, call) : json_pack("{s:s, s:s}", "role", "assistant", "content", call);
    char *text = json_dumps(message, JSON_COMPACT);
    c->prompt = volume(messages) / 4;
    c->cached = c->prompt / 2;
    c->completion = (long)strlen(call) / 3 + 1;
    c->good = true;
    c->body = hash(body, len);
    if (usage)
        snprintf(tokens, sizeof tokens, "{\"prompt_tokens\":%ld,\"completion_tokens\":%ld,\"prompt_tokens_details\":"
                                        "{\"cached_tokens\":%ld}}", c->prompt, c->completion, c->cached);
    completion(c, text, tokens);
    free(text);
    json_decref(message);
}

/* ---- failures that may pass ---- */

static void fail_somehow(struct connection *c)
{
    count.failed++;
    switch (draw() % 13) {
    case 0: reply(c, "429 Too Many Requests", "Retry-After: 0\r\n", "{\"error\":{\"message\":\"slow down\"}}"); break;
    case 1: reply(c, "429 Too Many Requests", "Retry-After: Thu, 01 Jan 1970 00:00:00 GMT\r\n", "{}"); break;
    case 2: reply(c, "500 Oops", "", "<html>"); break;
    case 3: reply(c, "503 Busy", "", ""); break;
    case 4: reply(c, "408 Timeout", "", ""); break;
    case 5: reply(c, "409 Conflict", "", "{\"error\":\"again\"}"); break;
    case 6: c->close = true; break;
    case 7: say(c, "HTTP/1.1 200 OK\r\nContent-Ty"); c->close = true; break;
    case 8: say(c, "HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{\"choices\":["); c->close = true; break;
    case 9: say(c, "\x01\x02\x03 what?\r\n\r\n"); c->close = true; break;
    case 10: ok(c, "{\"error\":{\"message\":\"overloaded\",\"code\":502}}"); break;
    case 11: ok(c, "{\"choices\":[]}"); break;
    default: ok(c, "{\"choices\": tru"); break;
    }
}

/* ---- modes ---- */

static const struct {
    const char *mode, *status, *headers, *body;
} plain_modes[] = {
    {"http_400", "400 Bad Request", "", "{\"error\":{\"message\":\"what is this\\u001b[31m\\n\"}}"},
    {"http_400_context", "400 Bad Request", "", "{\"error\":{\"message\":\"This model's maximum context length is 8192 tokens\"}}"},
    {"http_401", "401 Unauthorized", "", "{\"error\":{\"message\":\"no\"}}"},
    {"http_402", "402 Payment Required", "", ""},
    {"http_403", "403 Forbidden", "", "<html>"},
    {"http_404", "404 Not Found", "", "{\"error\":{\"message\":\"The model `m` does not exist\"}}"},
    {"http_418", "418 I'm a teapot", "", "short and stout"},
    {"http_422", "422 Unprocessable", "", "{\"detail\":\"temperature\"}"},
    {"http_429", "429 Too Many Requests", "", "{}"},
    {"retry_after", "429 Too Many Requests", "Retry-After: 1\r\n", "{}"},
    {"http_429_quota", "429 Too Many Requests", "", "{\"error\":{\"code\":\"insufficient_quota\",\"message\":\"no money\"}}"},
    {"http_500", "500 Oops", "", "{\"error\":\"oops\"}"},
    {"http_503", "503 Busy", "", "<html><body>busy</body></html>"},
    {"http_999", "999 Strange", "", "{}"},
    {"http_204", "204 No Content", "", ""},
    {"redirect_301", "301 Moved", "Location: http://192.0.2.1/steal\r\n", ""},
    {"redirect_307", "307 Temporary Redirect", "Location: http://192.0.2.1/steal\r\n", ""},
    {"redirect_file", "302 Found", "Location: file:///etc/passwd\r\n", ""},
    {"length_negative", "200 OK", "Content-Length: -5\r\n", "{}"},
    {"length_two", "200 OK", "Content-Length: 7\r\n", "{\"a\":1}"},
    {"gzip", "200 OK", "Content-Encoding: gzip\r\n", "{\"choices\":[]}"},
    {"empty", "200 OK", "", ""},
    {"not_json", "200 OK", "", "hello"},
    {"json_number", "200 OK", "", "42"},
    {"json_array", "200 OK", "", "[]"},
    {"json_null", "200 OK", "", "null"},
    {"json_twice", "200 OK", "", "{\"choices\":[]}{\"choices\":[]}"},
    {"error_200", "200 OK", "", "{\"error\":{\"message\":\"inside\",\"code\":500}}"},
    {"error_text_200", "200 OK", "", "{\"error\":\"inside\"}"},
    {"error_number_200", "200 OK", "", "{\"error\":7}"},
    {"no_choices", "200 OK", "", "{\"id\":\"x\"}"},
    {"choices_empty", "200 OK", "", "{\"choices\":[]}"},
    {"choices_object", "200 OK", "", "{\"choices\":{\"0\":1}}"},
    {"choice_null", "200 OK", "", "{\"choices\":[null]}"},
    {"no_message", "200 OK", "", "{\"choices\":[{\"text\":\"Sum(1, 2)\"}]}"},
    {"message_text", "200 OK", "", "{\"choices\":[{\"message\":\"Sum(1, 2)\"}]}"},
    {"event_stream", "200 OK", "", "data: {\"choices\":[{\"delta\":{\"content\":\"x\"}}]}\n\ndata: [DONE]\n\n"},
};

static const char *const message_modes[][2] = {
    {"content_number", "{\"content\":5}"},
    {"content_list", "{\"content\":[{\"type\":\"text\",\"text\":\"Sum(1, 2)\"}]}"},
    {"content_null", "{\"content\":null}"},
    {"content_missing", "{}"},
    {"content_nul", "{\"content\":\"a\\u0000b\"}"},
    {"surrogate", "{\"content\":\"a\\ud800\"}"},
    {"bad_utf8", "{\"content\":\"a\xff\xfe\"}"},
    {"escape", "{\"content\":\"\\u001b[31mSum(1, 2)\"}"},
    {"call_nameless", "{\"tool_calls\":[{\"id\":\"1\",\"function\":{\"arguments\":\"{}\"}}]}"},
    {"call_number", "{\"tool_calls\":[7]}"},
    {"calls_text", "{\"content\":\"Sum(1, 2)\",\"tool_calls\":\"Sum\"}"},
    {"call_broken", "{\"tool_calls\":[{\"id\":\"1\",\"function\":{\"name\":\"Sum\",\"arguments\":\"{\\\"a\\\": 1, \"}}]}"},
    {"call_list", "{\"tool_calls\":[{\"id\":\"1\",\"function\":{\"name\":\"Sum\",\"arguments\":[1, 2]}}]}"},
    {"call_unknown", "{\"tool_calls\":[{\"id\":\"1\",\"function\":{\"name\":\"rm\",\"arguments\":\"{}\"}}]}"},
    {"call_sneaky", "{\"tool_calls\":[{\"id\":\"1\",\"function\":{\"name\":\"Sum\",\"arguments\":\"{}}, {\\\"name\\\": \\\"x\\\"\"}}]}"},
};

static const char *const usage_modes[][2] = {
    {"usage_negative", "{\"prompt_tokens\":-5,\"completion_tokens\":-1}"},
    {"usage_huge", "{\"prompt_tokens\":1e300,\"completion_tokens\":99999999999999999999999999}"},
    {"usage_text", "{\"prompt_tokens\":\"many\",\"completion_tokens\":[]}"},
    {"usage_list", "[1, 2]"},
    {"usage_cached", "{\"prompt_tokens\":5,\"completion_tokens\":1,\"prompt_tokens_details\":{\"cached_tokens\":900}}"},
    {"usage_twice", "{\"prompt_tokens\":5,\"prompt_tokens\":6,\"completion_tokens\":1}"},
};

static void many(struct connection *c, const char *before, const char *text, int n, const char *after)
{
    char *all = malloc(strlen(before) + strlen(text) * (size_t)n + strlen(after) + 1), *at = stpcpy(all, before);
    for (int i = 0; i < n; i++)
        at = stpcpy(at, text);
    strcpy(at, after);
    ok(c, all);
    free(all);
}

static const char *key_in(const char *head)
{
    static char key[256];
    const char *at = strcasestr(head, "authorization: bearer ");
    snprintf(key, sizeof key, "%.*s", at ? (int)strcspn(at + 22, "\r\n") : 4, at ? at + 22 : "none");
    return key;
}

static void misbehave(struct connection *c, const char *mode, const char *head)
{
    static char body[512];
#define IS(name) (strcmp(mode, name) == 0)
    for (size_t i = 0; i < sizeof plain_modes / sizeof *plain_modes; i++)
        if (IS(plain_modes[i].mode)) {
            reply(c, plain_modes[i].status, plain_modes[i].headers, plain_modes[i].body);
            return;
        }
    for (size_t i = 0; i < sizeof message_modes / sizeof *message_modes; i++)
        if (IS(message_modes[i][0])) {
            completion(c, message_modes[i][1], "{\"prompt_tokens\":5,\"completion_tokens\":1}");
            return;
        }
    for (size_t i = 0; i < sizeof usage_modes / sizeof *usage_modes; i++)
        if (IS(usage_modes[i][0])) {
            completion(c, "{\"content\":\"Answer(1)\"}", usage_modes[i][1]);
            return;
        }
    if (IS("hang")) {
        c->flow = HANG;
    } else if (IS("hangs_up")) {
        c->close = true;
    } else if (IS("reset")) {
        c->close = c->reset = true;
    } else if (IS("cut_head")) {
        say(c, "HTTP/1.1 200 O");
        c->close = true;
    } else if (IS("cut_body")) {
        say(c, "HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n{\"choices\":");
        c->close = true;
    } else if (IS("cut_chunk")) {
        say(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n100\r\n{\"choices\":");
        c->close = true;
    } else if (IS("garbage")) {
        put(c, "\0\1\2\3\xff\xfe nothing\n\n", 16);
        c->close = true;
    } else if (IS("http_09")) {
        say(c, "{\"choices\":[{\"message\":{\"content\":\"Sum(1, 2)\"}}]}");
        c->close = true;
    } else if (IS("continues")) {
        c->flow = ENDLESS;
        c->more = "HTTP/1.1 100 Continue\r\n\r\n";
    } else if (IS("endless_body")) {
        say(c, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n");
        c->flow = ENDLESS;
        c->more = "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx";
    } else if (IS("endless_chunks")) {
        say(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        c->flow = ENDLESS;
        c->more = "20\r\nxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\r\n";
    } else if (IS("endless_headers")) {
        say(c, "HTTP/1.1 200 OK\r\n");
        c->flow = ENDLESS;
        c->more = "X-More: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\r\n";
    } else if (IS("huge_header")) {
        say(c, "HTTP/1.1 200 OK\r\nX-More: ");
        c->flow = ENDLESS;
        c->more = "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx";
    } else if (IS("drip_body")) {
        say(c, "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n");
        c->flow = DRIP;
    } else if (IS("drip_head")) {
        say(c, "HTTP/1.1 200 OK\r\nX-Slow: ");
        c->flow = DRIP;
    } else if (IS("length_short")) {
        say(c, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{\"choices\":[{\"message\":{\"content\":\"Sum(1, 2)\"}}]}");
        c->close = true;
    } else if (IS("length_huge")) {
        say(c, "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999999\r\n\r\n{}");
        c->close = true;
    } else if (IS("chunk_garbage")) {
        say(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n");
        c->close = true;
    } else if (IS("chunk_huge")) {
        say(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFFFFF\r\n{}");
        c->close = true;
    } else if (IS("nested")) {
        many(c, "{\"choices\":", "[", 100000, "");
    } else if (IS("huge_text")) {
        many(c, "{\"choices\":[{\"message\":{\"content\":\"", "0123456789abcdef", 300000, "\"}}]}");
    } else if (IS("many_calls")) {
        many(c, "{\"choices\":[{\"message\":{\"tool_calls\":[", "{\"function\":{\"name\":\"Sum\",\"arguments\":\"{}\"}},", 20000,
             "{}]}}]}");
    } else if (IS("long_name")) {
        many(c, "{\"choices\":[{\"message\":{\"tool_calls\":[{\"function\":{\"name\":\"", "x", 100000, "\"}}]}}]}");
    } else if (IS("echo_key")) {
        snprintf(body, sizeof body, "{\"content\":\"%.256s\"}", key_in(head));
        completion(c, body, "");
    } else if (IS("echo_key_401")) {
        snprintf(body, sizeof body, "{\"error\":{\"message\":\"wrong key %.256s\"}}", key_in(head));
        reply(c, "401 Unauthorized", "", body);
    } else if (IS("echo_key_400")) {
        snprintf(body, sizeof body, "your key %.256s", key_in(head));
        reply(c, "400 Bad", "", body);
    } else {
        reply(c, "501 No such mode", "", "{}");
    }
}

/* ---- requests ---- */

static int number_in(const char *path, const char *name)
{
    const char *at = strstr(path, name);
    return at ? atoi(at + strlen(name)) : 0;
}

static void on_count(struct connection *c)
{
    char text[512];
    snprintf(text, sizeof text, "{\"requests\":%ld,\"good\":%ld,\"failed\":%ld,\"twice\":%ld,\"prompt\":%ld,\"cached\":%ld,"
             "\"completion\":%ld,\"connections\":%ld,\"keys\":%ld,\"peak\":%ld}\n", count.requests, count.good, count.failed,
             count.twice, count.prompt, count.cached, count.completion, count.connections, count.keys, count.peak);
    ok(c, text);
}

static void on_completion(struct connection *c, const char *path, const char *head, const char *body, size_t len)
{
    char mode[64] = "";
    const char *at = strstr(path, "mode=");
    json_t *root = json_loadb(body, len, 0, NULL);
    if (at)
        snprintf(mode, sizeof mode, "%.*s", (int)strcspn(at + 5, ",/ "), at + 5);
    count.requests++;
    count.keys += strcasestr(head, "\nauthorization: bearer ") != NULL;
    c->ready = now() + number_in(path, "latency=") / 1000.0;
    lie_percent = number_in(path, "wrong=");
    lose_percent = number_in(path, "lose=");
    if (!root || !json_is_array(json_object_get(root, "messages")))
        reply(c, "400 Bad Request", "", "{\"error\":{\"message\":\"no chat request\"}}");
    else if (mode[0] && strstr(body, "hostile"))
        misbehave(c, mode, head);
    else if ((int)(draw() % 100) < number_in(path, "fail="))
        fail_somehow(c);
    else
        answer(c, root, !strstr(path, "nousage"), body, len);
    json_decref(root);
}

/* A whole request at the beginning of what came in? */
static void take_request(struct connection *c)
{
    c->in[c->in_len] = '\0';
    char *end = strstr(c->in, "\r\n\r\n"), path[512];
    if (!end || c->busy)
        return;
    const char *length = strcasestr(c->in, "content-length:");
    size_t len = length && length < end ? (size_t)atol(length + 15) : 0, all = (size_t)(end + 4 - c->in) + len;
    if (c->in_len < all)
        return;
    *end = '\0';
    snprintf(path, sizeof path, "%.*s", (int)strcspn(c->in, "\r\n"), c->in);
    c->busy = true;
    c->ready = 0;
    if (strncmp(path, "GET /count", 10) == 0) {
        on_count(c);
    } else if (strncmp(path, "GET /reset", 10) == 0) {
        memset(&count, 0, sizeof count);
        memset(seen, 0, sizeof seen);
        ok(c, "{}\n");
    } else if (strstr(path, "/chat/completions")) {
        on_completion(c, path, c->in, end + 4, len);
    } else {
        reply(c, "404 Not Found", "", "{\"error\":{\"message\":\"no such path\"}}");
    }
    memmove(c->in, c->in + all, c->in_len - all);
    c->in_len -= all;
}

static void book(struct connection *c)
{
    size_t at = (size_t)(c->body % SEEN);
    while (seen[at] && seen[at] != c->body)
        at = (at + 1) % SEEN;
    count.twice += seen[at] != 0;
    seen[at] = c->body;
    count.good++;
    count.prompt += c->prompt;
    count.cached += c->cached;
    count.completion += c->completion;
    c->good = false;
}

static void drop(struct connection *c)
{
    if (c->reset)
        setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &(struct linger){1, 0}, sizeof(struct linger));
    close(c->fd);
    free(c->in);
    free(c->out);
    *c = conn[--conns];
}

/* false: the connection is over. */
static bool take_in(struct connection *c)
{
    c->in = realloc(c->in, c->in_len + 65536 + 1);
    ssize_t n = recv(c->fd, c->in + c->in_len, 65536, 0);
    if (n <= 0)
        return n < 0 && (errno == EAGAIN || errno == EINTR);
    c->in_len += (size_t)n;
    take_request(c);
    return true;
}

static void refill(struct connection *c)
{
    if (c->flow == ENDLESS)
        for (int i = 0; i < 500; i++)
            say(c, "%s", c->more);
    if (c->flow == DRIP) {
        say(c, "x");
        c->ready = now() + 0.1;
    }
}

static bool put_out(struct connection *c)
{
    ssize_t n = c->out_at < c->out_len ? send(c->fd, c->out + c->out_at, c->out_len - c->out_at, MSG_NOSIGNAL) : 0;
    if (n < 0)
        return errno == EAGAIN || errno == EINTR;
    c->out_at += (size_t)n;
    if (c->out_at < c->out_len)
        return true;
    if (c->good)
        book(c);
    c->out_at = c->out_len = 0;
    if (c->flow != PLAIN) {
        refill(c);
        return true;
    }
    if (c->close)
        return false;
    c->busy = false;
    take_request(c);
    return true;
}

static void welcome(int listening)
{
    int fd, yes = 1;
    while (conns < MAX_CONNECTIONS && (fd = accept4(listening, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
        conn[conns++] = (struct connection){.fd = fd, .in = calloc(1, 1)};
        count.connections++;
    }
}

static void serve(int listening)
{
    static struct pollfd p[MAX_CONNECTIONS + 2];
    for (;;) {
        double t = now(), next = t + 1;
        long busy = 0;
        p[0] = (struct pollfd){.fd = listening, .events = POLLIN};
        p[1] = (struct pollfd){.fd = 0, .events = POLLIN};
        for (int i = 0; i < conns; i++) {
            struct connection *c = &conn[i];
            bool wants = c->busy && c->flow != HANG, due = wants && c->ready <= t;
            busy += c->busy;
            if (wants && !due && c->ready < next)
                next = c->ready;
            p[i + 2] = (struct pollfd){.fd = c->fd, .events = (short)(POLLIN | (due ? POLLOUT : 0))};
        }
        count.peak = busy > count.peak ? busy : count.peak;
        int had = conns;
        poll(p, (nfds_t)had + 2, (int)((next - t) * 1000) + (next < t + 1));
        if (p[1].revents) {
            char rest[64];
            if (read(0, rest, sizeof rest) <= 0)
                return;
        }
        for (int i = had - 1; i >= 0; i--) { /* backwards: the last one takes a dropped one's place */
            bool alive = true;
            if (p[i + 2].revents & (POLLIN | POLLERR | POLLHUP))
                alive = take_in(&conn[i]);
            if (alive && p[i + 2].revents & POLLOUT)
                alive = put_out(&conn[i]);
            if (!alive)
                drop(&conn[i]);
        }
        if (p[0].revents)
            welcome(listening);
    }
}

static void load_gold(const char *path)
{
    FILE *f = fopen(path, "r");
    char *line = NULL;
    size_t cap = 0;
    while (f && getline(&line, &cap, f) > 0 && golds < MAX_GOLD) {
        json_t *json = json_loads(line, 0, NULL);
        const char *question = json_string_value(json_object_get(json, "question"));
        if (question) {
            gold[golds].question = strdup(question);
            gold[golds++].calls = json_incref(json_object_get(json, "calls"));
        }
        json_decref(json);
    }
    free(line);
    if (f)
        fclose(f);
}

int main(int argc, char **argv)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof at;
    signal(SIGPIPE, SIG_IGN);
    for (int i = 1; i < argc; i++)
        load_gold(argv[i]);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (bind(fd, (struct sockaddr *)&at, sizeof at) != 0 || listen(fd, 1024) != 0 ||
        getsockname(fd, (struct sockaddr *)&at, &size) != 0)
        return 1;
    printf("port %d\n", ntohs(at.sin_port));
    fflush(stdout);
    serve(fd);
    return 0;
}
