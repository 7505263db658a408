/* hostile_server.c - an MCP server on standard streams that behaves as argv[1] says.
 *
 *   good            two tools: echo(text), add(a, b)
 *   anything else   good but for one thing, which its name says
 *
 * argv[2]: a file that remembers between two lives.  Built without sanitizers. */
#define _GNU_SOURCE
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static char line[1 << 20];
static const char *mode, *memory;
static int calls, lists;
static long cancelled; /* which request was, last */

static int is(const char *name)
{
    return strcmp(mode, name) == 0;
}

static void say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static void say(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vprintf(fmt, ap);
    va_end(ap);
    putchar('\n');
    fflush(stdout);
}

static void repeat(const char *text, size_t n)
{
    while (n-- > 0)
        fputs(text, stdout);
}

static void nap(double seconds)
{
    struct timespec t = {(time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9)};
    nanosleep(&t, NULL);
}

static void forever(void)
{
    for (;;)
        pause();
}

static void result(long id, const char *text)
{
    say("{\"jsonrpc\":\"2.0\",\"id\":%ld,\"result\":%s}", id, text);
}

/* ---- initialize ---- */

static void on_initialize(long id)
{
    const char *version = "2025-11-25";
    if (is("mute"))
        forever();
    if (is("dies_at_once"))
        exit(7);
    if (is("refuses"))
        say("{\"jsonrpc\":\"2.0\",\"id\":%ld,\"error\":{\"code\":-32000,\"message\":\"not today\"}}", id);
    if (is("garbage"))
        for (;;)
            say("hello, this is a log line");
    if (is("endless_line"))
        for (;;)
            repeat("x", 1000);
    if (is("chatty")) {
        say("Listening on stdio ...");
        say("{\"not\": \"a message\"}");
        say(" ");
    }
    if (is("old"))
        version = "2024-11-05";
    if (is("march"))
        version = "2025-03-26";
    if (is("june"))
        version = "2025-06-18";
    if (is("future"))
        version = "2031-01-01";
    if (is("no_version")) {
        result(id, "{\"capabilities\":{}}");
        return;
    }
    if (is("wrong_types")) {
        result(id, "{\"protocolVersion\":17,\"capabilities\":[]}");
        return;
    }
    say("{\"jsonrpc\":\"2.0\",\"id\":%ld,\"result\":{\"protocolVersion\":\"%s\",\"capabilities\":{\"tools\":{}},"
        "\"serverInfo\":{\"name\":\"h\",\"version\":\"1\"}}}", id, version);
}

/* ---- tools/list ---- */

#define ECHO_TOOL "{\"name\":\"echo\",\"description\":\"says it again\",\"inputSchema\":{\"type\":\"object\"," \
    "\"properties\":{\"text\":{\"type\":\"string\",\"maxLength\":40}},\"required\":[\"text\"]}}"
#define ADD_TOOL "{\"name\":\"add\",\"inputSchema\":{\"type\":\"object\",\"properties\":{" \
    "\"a\":{\"type\":\"integer\"},\"b\":{\"type\":\"integer\",\"default\":1}},\"required\":[\"a\"]}}"

static void list_many(long id)
{
    printf("{\"jsonrpc\":\"2.0\",\"id\":%ld,\"result\":{\"tools\":[", id);
    for (int i = 0; i < 1000; i++)
        printf("%s{\"name\":\"t%d\",\"inputSchema\":{\"type\":\"object\"}}", i ? "," : "", i);
    say("]}}");
}

static void on_list(long id)
{
    lists++;
    if (is("list_refused"))
        say("{\"jsonrpc\":\"2.0\",\"id\":%ld,\"error\":{\"code\":-32601,\"message\":\"no tools here\"}}", id);
    else if (is("list_hangs"))
        forever();
    else if (is("list_wrong"))
        result(id, "{\"tools\":\"none\"}");
    else if (is("list_nameless"))
        result(id, "{\"tools\":[{\"title\":\"x\"}]}");
    else if (is("list_long_name"))
        result(id, "{\"tools\":[{\"name\":\"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
                   "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\"}]}");
    else if (is("list_endless"))
        result(id, "{\"tools\":[" ECHO_TOOL "],\"nextCursor\":\"again\"}");
    else if (is("list_many"))
        list_many(id);
    else if (is("list_twice"))
        result(id, "{\"tools\":[" ECHO_TOOL "," ECHO_TOOL "]}");
    else if (is("bad_schema"))
        result(id, "{\"tools\":[{\"name\":\"echo\",\"inputSchema\":{\"type\":\"array\"}}]}");
    else if (is("circle"))
        result(id, "{\"tools\":[{\"name\":\"echo\",\"inputSchema\":{\"type\":\"object\",\"properties\":{\"text\":"
                   "{\"$ref\":\"#/$defs/a\"}},\"required\":[\"text\"],\"$defs\":{\"a\":{\"$ref\":\"#/$defs/b\"},"
                   "\"b\":{\"$ref\":\"#/$defs/a\"}}}}]}");
    else if (is("pages") && !strstr(line, "cursor"))
        result(id, "{\"tools\":[" ECHO_TOOL "],\"nextCursor\":\"p2\"}");
    else if (is("pages"))
        result(id, "{\"tools\":[" ADD_TOOL "]}");
    else if (is("list_changes") && lists > 1)
        result(id, "{\"tools\":[" ADD_TOOL "]}");
    else
        result(id, "{\"tools\":[" ECHO_TOOL "," ADD_TOOL "]}");
    if (is("always_changing"))
        say("{\"jsonrpc\":\"2.0\",\"method\":\"notifications/tools/list_changed\"}");
}

/* ---- tools/call ---- */

/* Was there a life before this one? */
static int lived_before(void)
{
    FILE *f = memory ? fopen(memory, "r") : NULL;
    if (f) {
        fclose(f);
        return 1;
    }
    f = memory ? fopen(memory, "w") : NULL;
    if (f)
        fclose(f);
    return 0;
}

static void nest(long id)
{
    printf("{\"jsonrpc\":\"2.0\",\"id\":%ld,\"result\":", id);
    repeat("[", 100000);
    repeat("]", 100000);
    say("}");
}

/* The words of an answer that is wrong in itself. */
static const char *odd_result(void)
{
    static const char *const odd[][2] = {
        {"no_content", "{}"},
        {"content_text", "{\"content\":\"hello\"}"},
        {"typeless", "{\"content\":[{\"text\":\"x\"}]}"},
        {"result_text", "\"hello\""},
        {"result_null", "null"},
        {"image", "{\"content\":[{\"type\":\"image\",\"data\":\"AAAA\",\"mimeType\":\"image/png\"}]}"},
        {"mixed", "{\"content\":[{\"type\":\"text\",\"text\":\"see\"},{\"type\":\"audio\",\"data\":\"AA\"},"
                  "{\"type\":\"resource\",\"resource\":{\"uri\":\"file:///a\",\"text\":\"inside\"}},"
                  "{\"type\":\"resource\",\"resource\":{\"uri\":\"file:///b\",\"blob\":\"AA\"}},"
                  "{\"type\":\"resource_link\",\"uri\":\"file:///c\"},{\"type\":\"smell\"}]}"},
        {"structured", "{\"content\":[],\"structuredContent\":{\"sum\":3}}"},
        {"tool_error", "{\"content\":[{\"type\":\"text\",\"text\":\"the disk is full\"}],\"isError\":true}"},
        {"big_integer", "{\"content\":[{\"type\":\"text\",\"text\":\"big\"}],\"x\":123456789012345678901234567890}"},
        {"escape", "{\"content\":[{\"type\":\"text\",\"text\":\"a\\u001b[31mb\"}]}"}};
    for (size_t i = 0; i < sizeof odd / sizeof odd[0]; i++)
        if (is(odd[i][0]))
            return odd[i][1];
    return NULL;
}

static void before_answer(long id)
{
    if (is("crash") || (is("crash_once") && !lived_before()))
        raise(SIGABRT);
    if (is("exits"))
        exit(0);
    if (is("last_words")) {
        fprintf(stderr, "Traceback\nValueError: too bad\n");
        exit(1);
    }
    if (is("hang"))
        forever();
    if (is("flood"))
        for (;;)
            say("{\"jsonrpc\":\"2.0\",\"method\":\"notifications/message\",\"params\":{\"data\":\"x\"}}");
    if (is("asks"))
        for (int i = 0; i < 500; i++)
            say("{\"jsonrpc\":\"2.0\",\"id\":\"s%d\",\"method\":\"sampling/createMessage\",\"params\":{}}", i);
    if (is("never_reads"))
        for (long i = 0;; i++)
            say("{\"jsonrpc\":\"2.0\",\"id\":%ld,\"method\":\"ping\"}", i);
    for (int i = 0; is("progress") && i < 5; i++) {
        nap(0.3);
        say("{\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\",\"params\":{\"progressToken\":%ld,"
            "\"progress\":%d}}", id, i);
    }
    while (is("progress_forever")) {
        nap(0.2);
        say("{\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\",\"params\":{\"progressToken\":%ld}}", id);
    }
    if (is("closes_output")) {
        close(1);
        forever();
    }
    if (is("eats_memory"))
        for (;;)
            memset(malloc(1 << 20), 1, 1 << 20);
    if (is("words_flood"))
        for (int i = 0; i < 20000; i++)
            fprintf(stderr, "warning %d\n", i);
    if (is("leaves_child") && fork() == 0) {
        setsid();
        execlp("sleep", "sleep", "87656", (char *)NULL);
        _exit(1);
    }
    if (is("leaves_child"))
        exit(0);
}

/* Each call is answered a tenth of a second after it came, however many there are. */
static void answer_later(long id)
{
    if (fork() != 0)
        return;
    nap(0.1);
    result(id, "{\"content\":[{\"type\":\"text\",\"text\":\"well done\"}]}");
    _exit(0);
}

static void on_call(long id)
{
    calls++;
    if (is("takes_time")) {
        answer_later(id);
        return;
    }
    before_answer(id);
    if ((is("slow") || is("tells_cancelled")) && calls == 1)
        return; /* the answer never comes, but it goes on listening */
    if (is("late") && calls == 1)
        nap(1.2);
    if (is("other_id"))
        id += 1000;
    if (is("text_id"))
        say("{\"jsonrpc\":\"2.0\",\"id\":\"%ld\",\"result\":{\"content\":[]}}", id);
    else if (is("huge_id"))
        say("{\"jsonrpc\":\"2.0\",\"id\":1e300,\"result\":{\"content\":[]}}");
    else if (is("rpc_error"))
        say("{\"jsonrpc\":\"2.0\",\"id\":%ld,\"error\":{\"code\":-32602,\"message\":\"bad arguments\"}}", id);
    else if (is("odd_error"))
        say("{\"jsonrpc\":\"2.0\",\"id\":%ld,\"error\":5}", id);
    else if (is("half")) {
        printf("{\"jsonrpc\":\"2.0\",\"id\":%ld,\"resu", id);
        fflush(stdout);
        exit(0);
    } else if (is("nested"))
        nest(id);
    else if (is("huge")) {
        printf("{\"jsonrpc\":\"2.0\",\"id\":%ld,\"result\":{\"content\":[{\"type\":\"text\",\"text\":\"", id);
        repeat("xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", 40000);
        say("\"}]}}");
    } else if (is("bad_utf8"))
        say("{\"jsonrpc\":\"2.0\",\"id\":%ld,\"result\":{\"content\":[{\"type\":\"text\",\"text\":\"a\xff\"}]}}", id);
    else if (is("batch"))
        say("[{\"jsonrpc\":\"2.0\",\"method\":\"notifications/message\"},{\"jsonrpc\":\"2.0\",\"id\":%ld,\"result\":"
            "{\"content\":[{\"type\":\"text\",\"text\":\"in a batch\"}]}}]", id);
    else if (is("tells_cancelled"))
        say("{\"jsonrpc\":\"2.0\",\"id\":%ld,\"result\":{\"content\":[{\"type\":\"text\",\"text\":"
            "\"request %ld was cancelled\"}]}}", id, cancelled);
    else if (odd_result())
        result(id, odd_result());
    else
        result(id, "{\"content\":[{\"type\":\"text\",\"text\":\"well done\"}]}");
    if (is("twice"))
        result(id, "{\"content\":[{\"type\":\"text\",\"text\":\"and again\"}]}");
    if (is("list_changes") && calls == 1)
        say("{\"jsonrpc\":\"2.0\",\"method\":\"notifications/tools/list_changed\"}");
    if (is("dies_after"))
        exit(0);
}

int main(int argc, char **argv)
{
    mode = argc > 1 ? argv[1] : "good";
    memory = argc > 2 ? argv[2] : NULL;
    while (fgets(line, sizeof line, stdin)) {
        const char *id = strstr(line, "\"id\":");
        long number = id ? atol(id + 5) : 0;
        if (strstr(line, "\"method\":\"initialize\""))
            on_initialize(number);
        else if (strstr(line, "\"method\":\"tools/list\""))
            on_list(number);
        else if (strstr(line, "\"method\":\"tools/call\""))
            on_call(number);
        else if (strstr(line, "\"method\":\"ping\""))
            result(number, "{}");
        else if (strstr(line, "\"method\":\"notifications/cancelled\"") && strstr(line, "\"requestId\":"))
            cancelled = atol(strstr(line, "\"requestId\":") + 12);
    }
    return 0;
}
