/* test_outside_http.c - MCP over streamable HTTP, against a server in a thread that behaves as the path says. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "base/progress.h"
#include "outside.h"
#include "outside/sse.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- the server: one request per connection ---- */

static struct {
    int fd, port;
    pthread_t thread;
    int calls, initialized, resumed, keys, teams, versions, sessions, deleted;
} web;

static void say(int fd, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void say(int fd, const char *fmt, ...)
{
    char text[4096];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    (void)!send(fd, text, (size_t)n, MSG_NOSIGNAL);
}

static void reply(int fd, const char *status, const char *type, const char *body)
{
    say(fd, "HTTP/1.1 %s\r\nContent-Type: %s\r\nMcp-Session-Id: s-1\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n%s",
        status, type, strlen(body), body);
}

static void stream(int fd, const char *events)
{
    say(fd, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n%s", events);
}

#define DONE "{\"jsonrpc\":\"2.0\",\"id\":%ld,\"result\":{\"content\":[{\"type\":\"text\",\"text\":\"well done\"}]}}"

static void on_call(int fd, const char *path, long id)
{
    char text[1024], done[512];
    snprintf(done, sizeof done, DONE, id);
    web.calls++;
    if (!strcmp(path, "/stream")) {
        snprintf(text, sizeof text, ": hello\r\n\r\nevent: message\r\nid: 1\r\ndata: {\"jsonrpc\":\"2.0\",\"method\":\"x\"}\r\n\r\n"
                 "data: %s\n\n", done);
        stream(fd, text);
    } else if (!strcmp(path, "/cut_stream")) {
        stream(fd, "retry: 10\nid: e-5\ndata: \n\n");
    } else if (!strcmp(path, "/lost_stream")) {
        stream(fd, "data: {\"jsonrpc\":\"2.0\",\"method\":\"x\"}\n\n");
    } else if (!strcmp(path, "/redirect")) {
        say(fd, "HTTP/1.1 302 Found\r\nLocation: http://192.0.2.1/steal\r\nContent-Length: 0\r\n\r\n");
    } else if (!strcmp(path, "/forbidden")) {
        reply(fd, "401 Unauthorized", "text/plain", "no");
    } else if (!strcmp(path, "/error")) {
        reply(fd, "500 Oops", "text/html", "<h1>500</h1>");
    } else if (!strcmp(path, "/error_json")) {
        snprintf(text, sizeof text, "{\"jsonrpc\":\"2.0\",\"id\":%ld,\"error\":{\"code\":-32602,\"message\":\"no city\"}}", id);
        reply(fd, "400 Bad", "application/json", text);
    } else if (!strcmp(path, "/gone") && web.calls == 1) {
        reply(fd, "404 Not Found", "text/plain", "");
    } else if (!strcmp(path, "/garbage")) {
        (void)!send(fd, "\x00\x01\x02 this is not HTTP at all\n\n", 27, MSG_NOSIGNAL);
    } else if (!strcmp(path, "/text")) {
        reply(fd, "200 OK", "text/plain", "hello");
    } else if (!strcmp(path, "/broken_json")) {
        reply(fd, "200 OK", "application/json", "{\"jsonrpc\":");
    } else if (!strcmp(path, "/cut")) {
        say(fd, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 5000\r\n\r\n{\"jsonrpc\"");
    } else if (!strcmp(path, "/endless")) {
        say(fd, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n");
        while (send(fd, "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", 32, MSG_NOSIGNAL) > 0)
            continue;
    } else if (!strcmp(path, "/endless_event")) {
        say(fd, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: ");
        while (send(fd, "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", 32, MSG_NOSIGNAL) > 0)
            continue;
    } else if (!strcmp(path, "/headers")) {
        say(fd, "HTTP/1.1 200 OK\r\n");
        for (int i = 0; i < 100000 && send(fd, "X-Long: xxxxxxxxxxxxxxxxxxxxx\r\n", 31, MSG_NOSIGNAL) > 0; i++)
            continue;
    } else if (!strcmp(path, "/slow")) {
        say(fd, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n");
        for (int i = 0; i < 20 && send(fd, " ", 1, MSG_NOSIGNAL) > 0; i++)
            usleep(100000);
    } else if (!strcmp(path, "/hangs_up")) {
        return;
    } else {
        reply(fd, "200 OK", "application/json", done);
    }
}

static void on_post(int fd, const char *path, const char *head, const char *body)
{
    const char *id = strstr(body, "\"id\":");
    long number = id ? atol(id + 5) : 0;
    char text[1024];
    web.keys += strstr(head, "Authorization: Bearer sesame") != NULL;
    web.teams += strstr(head, "X-Team: blue") != NULL;
    web.versions += strstr(head, "MCP-Protocol-Version: 2025-06-18") != NULL;
    web.sessions += strstr(head, "Mcp-Session-Id: s-1") != NULL;
    if (strstr(body, "\"initialize\"")) {
        web.initialized++;
        snprintf(text, sizeof text, "{\"jsonrpc\":\"2.0\",\"id\":%ld,\"result\":{\"protocolVersion\":\"2025-06-18\","
                 "\"capabilities\":{\"tools\":{}},\"serverInfo\":{\"name\":\"w\",\"version\":\"1\"}}}", number);
        if (!strcmp(path, "/stream")) /* what follows is sent from within the stream's callback */
            say(fd, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nMcp-Session-Id: s-1\r\n\r\ndata: %s\n\n", text);
        else
            reply(fd, "200 OK", "application/json", text);
    } else if (strstr(body, "tools/list")) {
        snprintf(text, sizeof text, "{\"jsonrpc\":\"2.0\",\"id\":%ld,\"result\":{\"tools\":[{\"name\":\"go\",\"inputSchema\":"
                 "{\"type\":\"object\"}}]}}", number);
        reply(fd, "200 OK", "application/json", text);
    } else if (strstr(body, "tools/call")) {
        on_call(fd, path, number);
    } else if (id && strstr(body, "\"ping\"")) {
        snprintf(text, sizeof text, "{\"jsonrpc\":\"2.0\",\"id\":%ld,\"result\":{}}", number);
        reply(fd, "200 OK", "application/json", text);
    } else {
        say(fd, "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    }
}

/* The whole request: its body has the length that its head says. */
static void read_request(int fd, char *text, size_t cap)
{
    size_t n = 0;
    for (;;) {
        ssize_t got = recv(fd, text + n, cap - 1 - n, 0);
        if (got <= 0)
            break;
        text[n += (size_t)got] = '\0';
        const char *end = strstr(text, "\r\n\r\n"), *length = strstr(text, "Content-Length: ");
        if (end && n >= (size_t)(end + 4 - text) + (length ? (size_t)atol(length + 16) : 0))
            break;
    }
    text[n] = '\0';
}

static void *serve(void *unused)
{
    static char text[65536];
    (void)unused;
    for (;;) {
        char method[16] = "", path[64] = "";
        long id = 0;
        int fd = accept(web.fd, NULL, NULL);
        if (fd < 0)
            return NULL;
        read_request(fd, text, sizeof text);
        sscanf(text, "%15s %63s", method, path);
        char *body = strstr(text, "\r\n\r\n");
        if (!strcmp(method, "POST") && body) {
            *body = '\0';
            on_post(fd, path, text, body + 4);
        } else if (!strcmp(method, "GET") && strstr(text, "Last-Event-ID: e-5")) {
            char event[512];
            int n = snprintf(event, sizeof event, "data: ");
            snprintf(event + n, sizeof event - (size_t)n, DONE "\n\n", id = 3);
            web.resumed++;
            stream(fd, event);
        } else if (!strcmp(method, "DELETE")) {
            web.deleted++;
            usleep(strcmp(path, "/slow_goodbye") ? 0 : 300000);
            reply(fd, "200 OK", "text/plain", "");
        }
        close(fd);
    }
}

static int start_web(void **state)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof at;
    (void)state;
    memset(&web, 0, sizeof web);
    web.fd = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(web.fd, (struct sockaddr *)&at, sizeof at) != 0 || listen(web.fd, 64) != 0 ||
        getsockname(web.fd, (struct sockaddr *)&at, &size) != 0)
        return -1;
    web.port = ntohs(at.sin_port);
    return pthread_create(&web.thread, NULL, serve, NULL);
}

static int stop_web(void **state)
{
    (void)state;
    shutdown(web.fd, SHUT_RDWR);
    pthread_join(web.thread, NULL);
    close(web.fd);
    return 0;
}

static struct ap_registry *connect_to(const char *path, const char *more)
{
    char yaml[256];
    struct ap_registry *registry;
    snprintf(yaml, sizeof yaml, "- {mcp: 'http://127.0.0.1:%d%s', name: web, timeout: 0.7, start_timeout: 20%s}\n",
             web.port, path, more);
    OK(add_functions(yaml, &registry, err));
    return registry;
}

/* ---- scenes ---- */

struct scene {
    const char *name, *path, *first, *second; /* what two calls see, "E " before errors */
};

static const struct scene scenes[] = {
    {"json_is_an_answer", "/json", "well done", "well done"},
    {"a_stream_of_events_has_the_answer", "/stream", "well done", "well done"},
    {"a_stream_without_the_answer_is_an_observation", "/lost_stream", "E the stream ended before the answer", NULL},
    {"redirects_are_not_followed", "/redirect", "E answers with a redirect (HTTP 302), which is not followed", NULL},
    {"a_key_may_be_wanted", "/forbidden", "E wants a key (HTTP 401)", NULL},
    {"a_broken_server_is_an_observation", "/error", "E HTTP 500", "E HTTP 500"},
    {"an_error_in_json_is_read", "/error_json", "E go was refused: no city (code -32602)", NULL},
    {"a_forgotten_session_is_begun_again", "/gone", "E the server web has ended the session", "well done"},
    {"what_is_no_http_is_an_observation", "/garbage", "E the connection failed", NULL},
    {"text_is_no_answer", "/text", "E neither JSON nor a stream of events", NULL},
    {"broken_json_is_no_answer", "/broken_json", "E go ", NULL},
    {"a_cut_body_is_no_answer", "/cut", "E the connection failed", NULL},
    {"bodies_have_a_limit", "/endless", "E the server's answer is too large", NULL},
    {"events_have_a_limit", "/endless_event", "E the server's answer is too large", NULL},
    {"headers_have_a_limit", "/headers", "E ", NULL},
    {"dripping_is_too_slow", "/slow", "E go did not answer within 0.7 seconds", NULL},
    {"hanging_up_is_an_observation", "/hangs_up", "E the connection failed", "E the connection failed"},
};

static void a_scene_plays_as_written(void **state)
{
    const struct scene *scene = *state;
    assert_int_equal(start_web(NULL), 0);
    struct ap_registry *registry = connect_to(scene->path, ", output: 64");
    struct ap_env *env;
    OK(ap__env_new(registry, &env, err));
    for (int i = 0; i < 2; i++) {
        const char *wanted = i == 0 ? scene->first : scene->second;
        bool error, expected = wanted && strncmp(wanted, "E ", 2) == 0;
        if (!wanted)
            continue;
        const char *text = observe(env, "go()", &error);
        if (error != expected || !strstr(text, wanted + (expected ? 2 : 0)))
            fail_msg("call %d: %s", i + 1, text);
    }
    ap__env_free(env);
    ap__registry_free(registry);
    assert_int_equal(stop_web(NULL), 0);
}

static void a_cut_stream_goes_on_after_its_last_event(void **state)
{
    (void)state;
    struct ap_env *env;
    bool error;
    struct ap_registry *registry = connect_to("/cut_stream", "");
    OK(ap__env_new(registry, &env, err));
    assert_string_equal(observe(env, "go()", &error), "well done");
    assert_int_equal(web.resumed, 1);
    ap__env_free(env);
    ap__registry_free(registry);
}

static void key_session_and_revision_are_sent_and_the_session_is_ended(void **state)
{
    (void)state;
    struct ap_env *env;
    bool error;
    setenv("AP_TEST_KEY", "sesame", 1);
    struct ap_registry *registry = connect_to("/json", ", key_env: AP_TEST_KEY, headers: {X-Team: blue}");
    OK(ap__env_new(registry, &env, err));
    assert_string_equal(observe(env, "go()", &error), "well done");
    ap__env_free(env);
    ap__registry_free(registry);
    assert_int_equal(web.initialized, 1);
    assert_int_equal(web.keys, 4);     /* initialize, initialized, list, call */
    assert_int_equal(web.teams, 4);
    assert_int_equal(web.versions, 3); /* known after the first */
    assert_int_equal(web.sessions, 3);
    assert_int_equal(web.deleted, 1);
}

static void a_chain_does_not_wait_for_the_end_of_its_session(void **state)
{
    (void)state;
    bool error;
    struct ap_registry *registry = connect_to("/slow_goodbye", ", session: chain");
    int before = web.deleted; /* of the session in which the tools were listed */
    for (int i = 0; i < 2; i++) {
        struct ap_env *env;
        OK(ap__env_new(registry, &env, err));
        assert_string_equal(observe(env, "go()", &error), "well done");
        double start = ap__now();
        ap__env_free(env);
        if (ap__now() - start > 0.2)
            fail_msg("the end of a chain took %.2f seconds", ap__now() - start);
    }
    ap__registry_free(registry);
    assert_int_equal(before, 1);
    assert_int_equal(web.deleted, 3);
}

static void nobody_at_the_address_is_named(void **state)
{
    (void)state;
    struct ap_registry *registry;
    struct ap_err err = {0};
    assert_int_equal(add_functions("- {mcp: 'http://127.0.0.1:9/mcp', name: web}\n", &registry, &err), AP_E_IO);
    assert_non_null(strstr(err.message, "the MCP server web refused `initialize`: the connection failed"));
}

/* ---- events ---- */

static char events[512];

static void on_event(void *user, const char *data, size_t len)
{
    (void)user;
    snprintf(events + strlen(events), sizeof events - strlen(events), "[%.*s]", (int)len, data);
}

static void events_may_come_in_any_pieces(void **state)
{
    (void)state;
    static const char text[] = "id: 1\r\ndata: a\r\ndata:b\r\n\r\n:comment\n\nevent: other\ndata: no\n\n"
                               "retry: 5\rid: 2\rdata\rdata: c\r\rdata: never ended";
    for (size_t piece = 1; piece < sizeof text; piece++) {
        struct ap_sse sse;
        ap__sse_init(&sse, 100);
        events[0] = '\0';
        for (size_t at = 0; at < sizeof text - 1; at += piece) {
            size_t n = sizeof text - 1 - at;
            assert_true(ap__sse_feed(&sse, text + at, n < piece ? n : piece, on_event, NULL));
        }
        assert_string_equal(events, "[a\nb][\nc]");
        assert_string_equal(sse.last_id, "2");
        assert_int_equal(sse.retry, 5);
        ap__sse_deinit(&sse);
    }
}

int main(void)
{
    enum { N = sizeof scenes / sizeof scenes[0] };
    struct CMUnitTest tests[N + 5];
    size_t n = 0;
    for (size_t i = 0; i < N; i++)
        tests[n++] = (struct CMUnitTest){scenes[i].name, a_scene_plays_as_written, NULL, NULL,
                                         (void *)(uintptr_t)&scenes[i]};
    tests[n++] = (struct CMUnitTest)cmocka_unit_test_setup_teardown(a_cut_stream_goes_on_after_its_last_event, start_web,
                                                                    stop_web);
    tests[n++] = (struct CMUnitTest)cmocka_unit_test_setup_teardown(
        key_session_and_revision_are_sent_and_the_session_is_ended, start_web, stop_web);
    tests[n++] = (struct CMUnitTest)cmocka_unit_test_setup_teardown(a_chain_does_not_wait_for_the_end_of_its_session,
                                                                    start_web, stop_web);
    tests[n++] = (struct CMUnitTest)cmocka_unit_test(nobody_at_the_address_is_named);
    tests[n++] = (struct CMUnitTest)cmocka_unit_test(events_may_come_in_any_pieces);
    return _cmocka_run_group_tests("outside http", tests, n, NULL, NULL);
}
