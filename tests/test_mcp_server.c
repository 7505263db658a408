/* test_mcp_server.c - our own server: each message has its answer, wrong ones too. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "outside/mcp_server.h"
#include "testing.h"
#include <string.h>

#define CALL(name, arguments) \
    "{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"tools/call\",\"params\":{\"name\":\"" name "\",\"arguments\":" arguments "}}"
#define HELLO(version) \
    "{\"jsonrpc\":\"2.0\",\"id\":0,\"method\":\"initialize\",\"params\":{\"protocolVersion\":\"" version "\"," \
    "\"capabilities\":{},\"clientInfo\":{\"name\":\"t\",\"version\":\"1\"}}}"

static struct ap_registry *registry;
static struct ap_mcp_server *server;

static int set_up(void **state)
{
    static const char *const names[] = {"math", "fol"};
    (void)state;
    return ap__registry_select(names, 2, &registry, NULL) != AP_OK || ap__mcp_server_new(registry, &server, NULL) != AP_OK;
}

static int tear_down(void **state)
{
    (void)state;
    ap__mcp_server_free(server);
    ap__registry_free(registry);
    return 0;
}

/* The answer; overwritten by the next. */
static const char *ask(const char *text)
{
    static struct ap_buf reply;
    static char kept[65536];
    ap__buf_init(&reply, 0);
    OK(ap__mcp_server_handle(server, text, strlen(text), &reply, err));
    snprintf(kept, sizeof kept, "%s", ap__buf_cstr(&reply));
    ap__buf_deinit(&reply);
    return kept;
}

static void expect(const char *text, const char *expected)
{
    const char *answer = ask(text);
    if (!strstr(answer, expected))
        fail_msg("%s\n  answered %s\n  expected %s", text, answer, expected);
}

static void revisions_are_negotiated(void **state)
{
    (void)state;
    expect(HELLO("2025-11-25"), "\"protocolVersion\":\"2025-11-25\"");
    expect(HELLO("2025-06-18"), "\"protocolVersion\":\"2025-06-18\"");
    expect(HELLO("2025-03-26"), "\"protocolVersion\":\"2025-03-26\"");
    expect(HELLO("2024-11-05"), "\"protocolVersion\":\"2024-11-05\"");
    expect(HELLO("2031-01-01"), "\"protocolVersion\":\"2025-11-25\"");
    assert_string_equal(ask("{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}"), "");
}

static void tools_have_schemas(void **state)
{
    (void)state;
    ask(HELLO("2025-11-25"));
    const char *list = ask("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/list\"}");
    assert_non_null(strstr(list, "\"name\":\"Prove\""));
    assert_non_null(strstr(list, "\"inputSchema\":{\"type\":\"object\",\"properties\":{\"goal\":{"));
    const char *percent = strstr(list, "\"name\":\"Percent\""); /* parameters in the order of the function */
    assert_non_null(percent);
    assert_true(strstr(percent, "\"percent\":{") < strstr(percent, "\"of\":{"));
    assert_null(strstr(list, "\"Reasoning\""));
    assert_null(strstr(list, "\"Answer\""));
}

static void calls_are_exact(void **state)
{
    (void)state;
    ask(HELLO("2025-11-25"));
    assert_string_equal(ask(CALL("Sum", "{\"a\": 0.1, \"b\": 0.2}")),
                        "{\"jsonrpc\":\"2.0\",\"id\":7,\"result\":{\"content\":[{\"type\":\"text\",\"text\":\"0.3\"}],"
                        "\"isError\":false}}");
    expect(CALL("Sum", "{\"a\": 123456789012345678901234567890, \"b\": 1}"), "\"123456789012345678901234567891\"");
    expect(CALL("Sum", "{\"a\": 0.12345678901234567890123, \"b\": 1}"), "\"1.12345678901234567890123\"");
    expect(CALL("Divide", "{\"a\": 1, \"b\": 0}"), "\"isError\":true");
    expect(CALL("Divide", "{\"a\": 1}"), "argument `b` is missing");
    expect(CALL("Divide", "{\"a\": 1, \"b\": {\"c\": 1}}"), "\"isError\":true");
}

static void premises_live_as_long_as_the_session(void **state)
{
    (void)state;
    ask(HELLO("2025-06-18"));
    expect(CALL("AddPremise", "{\"formula\": \"Cat(tom)\"}"), "premise 1");
    expect(CALL("Prove", "{\"goal\": \"Cat(tom)\"}"), "\"text\":\"True\"");
    ask(HELLO("2025-06-18"));
    expect(CALL("Prove", "{\"goal\": \"Cat(tom)\"}"), "\"text\":\"Unknown\"");
}

static void wrong_messages_have_an_answer_each(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"{", "\"code\":-32700"},
        {"", "\"code\":-32700"},
        {"5", "\"code\":-32700"},
        {"\"text\"", "\"code\":-32700"},
        {"{}", "\"code\":-32600"},
        {"[]", "a batch is not possible here"},
        {"[1,2]", "\"code\":-32600"},
        {"{\"jsonrpc\":\"1.0\",\"id\":1,\"method\":\"ping\"}", "\"code\":-32600"},
        {"{\"jsonrpc\":\"2.0\",\"id\":1}", "`method` is missing"},
        {"{\"jsonrpc\":\"2.0\",\"id\":{},\"method\":\"ping\"}", "\"id\":null"},
        {"{\"jsonrpc\":\"2.0\",\"id\":1.5,\"method\":\"ping\"}", "\"id\":null"},
        {"{\"jsonrpc\":\"2.0\",\"id\":\"x\",\"method\":\"ping\"}", "{\"jsonrpc\":\"2.0\",\"id\":\"x\",\"result\":{}}"},
        {"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":5}", "\"code\":-32600"},
        {"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"server/discover\"}", "\"code\":-32601"},
        {"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"resources/list\"}", "Method not found: resources/list"},
        {"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"initialize\"}", "`protocolVersion` is missing"},
        {"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"initialize\",\"params\":[1]}", "`params` must be an object"},
        {"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/list\",\"params\":{\"cursor\":\"2\"}}", "one page"},
        {"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{}}", "`name` is missing"},
        {"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{\"name\":\"Fly\"}}", "Unknown tool: Fly"},
        {CALL("Answer", "{\"value\": 1}"), "Unknown tool: Answer"},
        {CALL("Sum", "[1, 2]"), "`arguments` must be an object"},
        {CALL("Sum", "null"), "argument `a` is missing"},
        {CALL("Sum", "{\"a\": \"x\", \"b\": 1}"), "`a` must be a number"},
        {CALL("Sum", "{\"a\": 1, \"a\": 2, \"b\": 1}"), "given twice"},
        {CALL("Prove", "{\"goal\": \"((((\"}"), "\"isError\":true"}};
    ask(HELLO("2025-11-25"));
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        expect(cases[i][0], cases[i][1]);
    assert_string_equal(ask("{\"jsonrpc\":\"2.0\",\"id\":9,\"result\":{}}"), "");
    assert_string_equal(ask("{\"jsonrpc\":\"2.0\",\"method\":\"notifications/cancelled\",\"params\":{\"requestId\":1}}"), "");
}

static void nothing_is_done_before_initialize(void **state)
{
    (void)state;
    expect(CALL("Sum", "{\"a\": 1, \"b\": 2}"), "`initialize` comes first");
    expect("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}", "\"result\":{}");
}

static void batches_belong_to_one_revision(void **state)
{
    (void)state;
    ask(HELLO("2025-03-26"));
    assert_string_equal(ask("[{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"},{\"jsonrpc\":\"2.0\",\"method\":\"x\"},"
                            "{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"ping\"}]"),
                        "[{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}},{\"jsonrpc\":\"2.0\",\"id\":2,\"result\":{}}]");
}

int main(void)
{
#define SESSION(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        SESSION(revisions_are_negotiated),
        SESSION(tools_have_schemas),
        SESSION(calls_are_exact),
        SESSION(premises_live_as_long_as_the_session),
        SESSION(wrong_messages_have_an_answer_each),
        SESSION(nothing_is_done_before_initialize),
        SESSION(batches_belong_to_one_revision),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
