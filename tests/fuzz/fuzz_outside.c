/* fuzz_outside.c - what strangers send to outside functions: the first byte says which reader gets the rest.
 *
 *   S schema of a tool -> parameters, example, help     R result of a tool -> text
 *   E text/event-stream -> events                       M a message -> our server's answer */
#include "functions/registry.h"
#include "outside/json_schema.h"
#include "outside/mcp_message.h"
#include "outside/mcp_server.h"
#include "outside/sse.h"
#include "outside/typed.h"

#include <stdlib.h>

static void fuzz_schema(const json_t *schema)
{
    struct ap_typed typed;
    if (ap__typed_build(&typed, "Tool", "does it", NULL, schema, NULL) == AP_OK)
        ap__typed_deinit(&typed);
    json_t *value = ap__schema_example(schema, schema, "value");
    if (value)
        (void)ap__schema_fits(schema, schema, value, "value", NULL);
    json_decref(value);
}

static void fuzz_result(const json_t *result)
{
    struct ap_buf text;
    bool error;
    ap__buf_init(&text, 0);
    if (ap__mcp_result_text(result, &text, &error, NULL) == AP_OK && text.len > 100000)
        abort(); /* bounded */
    ap__buf_deinit(&text);
}

static void on_event(void *user, const char *data, size_t len)
{
    *(size_t *)user += len + (size_t)(data[0] != 0);
}

static void fuzz_events(const char *bytes, size_t len)
{
    struct ap_sse sse;
    size_t sum = 0;
    ap__sse_init(&sse, 1000);
    (void)ap__sse_feed(&sse, bytes, len, on_event, &sum);
    ap__sse_deinit(&sse);
}

static void fuzz_message(const char *text, size_t len)
{
    static struct ap_registry *registry;
    static const char *const names[] = {"math"};
    struct ap_mcp_server *server;
    struct ap_buf reply;
    if ((!registry && ap__registry_select(names, 1, &registry, NULL) != AP_OK) ||
        ap__mcp_server_new(registry, &server, NULL) != AP_OK)
        return;
    ap__buf_init(&reply, 0);
    static const char hello[] = "{\"jsonrpc\":\"2.0\",\"id\":0,\"method\":\"initialize\",\"params\":{\"protocolVersion\":"
                                "\"2025-03-26\"}}";
    if (ap__mcp_server_handle(server, hello, sizeof hello - 1, &reply, NULL) == AP_OK)
        (void)!ap__mcp_server_handle(server, text, len, &reply, NULL);
    ap__buf_deinit(&reply);
    ap__mcp_server_free(server);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data + 1;
    json_t *json = NULL;
    if (size < 2)
        return 0;
    if (data[0] == 'E')
        fuzz_events(text, size - 1);
    else if (data[0] == 'M')
        fuzz_message(text, size - 1);
    else if (ap__mcp_parse(text, size - 1, &json, NULL) == AP_OK)
        data[0] == 'S' ? fuzz_schema(json) : fuzz_result(json);
    json_decref(json);
    return 0;
}
