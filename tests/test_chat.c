/* test_chat.c - conversations as requests, and what answers say. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "agent/agent.h"
#include "llm/chat.h"
#include "testing.h"

#include <string.h>

static struct ap_registry *functions;

static int set_up(void **state)
{
    static const char *const sets[] = {"math"};
    (void)state;
    return ap__registry_select(sets, 1, &functions, NULL) == AP_OK ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    ap__registry_free(functions);
    return 0;
}

/* A conversation in mid-chain, as the agent makes it for an llm of that form. */
static struct ap_conversation begun(enum ap_call_form form, bool explain)
{
    static const char *const bootstrap[] = {"Sum(1, 2)"};
    struct ap_llm llm = {.form = form, .explain = explain};
    struct ap_agent_config config = {.prompt = "P", .functions = functions, .bootstrap = bootstrap, .bootstrap_count = 1};
    struct ap_conversation c;
    OK(ap__prompt_prefix_for(&config, &llm, &c, err));
    OK(ap__conversation_add(&c, AP_USER, "Q", false, err));
    return c;
}

static json_t *request_json(const struct ap_chat_form *form, struct ap_conversation *c, float temperature)
{
    static const char *const stop[] = {"\n", ";"};
    struct ap_request request = {.conversation = c, .sampling = {.temperature = temperature, .top_p = 0.9f},
                                 .stream = {1, 2, 3}, .max_tokens = 70, .stop = stop, .stop_count = 2};
    char *body = NULL;
    json_t *json = NULL;
    OK(ap__chat_request(form, &request, &body, err));
    OK(ap__json_parse(body, strlen(body), "body", &json, err));
    ap__free(body);
    return json;
}

static void is_json(const json_t *value, const char *text)
{
    char *got = ap__json_dump(value);
    assert_string_equal(got, text);
    ap__free(got);
}

static void text_is_told_as_text(void **state)
{
    (void)state;
    struct ap_conversation c = begun(AP_FORM_TEXT, true);
    struct ap_chat_form form = {.model = "m"};
    OK(ap__conversation_add(&c, AP_ASSISTANT, "Sum(2, 3)", false, err));
    OK(ap__conversation_add(&c, AP_TOOL, "5", false, err));
    json_t *json = request_json(&form, &c, 0.7f), *messages = json_object_get(json, "messages");
    assert_int_equal(json_array_size(messages), 5);
    const char *system = json_string_value(json_object_get(json_array_get(messages, 0), "content"));
    assert_non_null(strstr(system, "exactly one function call"));
    assert_non_null(strstr(system, "Sum(a: number"));
    is_json(json_array_get(messages, 1), "{\"content\":\"Sum(1, 2)\",\"role\":\"assistant\"}");
    is_json(json_array_get(messages, 2), "{\"content\":\"3\\nQ\",\"role\":\"user\"}"); /* never two of the user in a row */
    is_json(json_array_get(messages, 4), "{\"content\":\"5\",\"role\":\"user\"}");
    assert_null(json_object_get(json, "tools"));
    is_json(json_object_get(json, "max_tokens"), "70");
    is_json(json_object_get(json, "temperature"), "0.69999999999999996");
    is_json(json_object_get(json, "stop"), "[\"\\n\",\";\"]");
    assert_true(json_is_integer(json_object_get(json, "seed")));
    json_decref(json);
    form.tool_role = true;
    form.max_tokens = 500;
    json = request_json(&form, &c, 0);
    messages = json_object_get(json, "messages");
    assert_int_equal(json_array_size(messages), 6);
    is_json(json_array_get(messages, 2), "{\"content\":\"3\",\"role\":\"tool\",\"tool_call_id\":\"call00001\"}");
    is_json(json_object_get(json, "max_tokens"), "500");
    assert_null(json_object_get(json, "seed")); /* nothing is drawn */
    json_decref(json);
    ap__conversation_deinit(&c);
}

static void nothing_is_explained_to_models_that_know(void **state)
{
    (void)state;
    struct ap_conversation c = begun(AP_FORM_TEXT, false);
    assert_null(strstr(c.message[0].text, "exactly one function call"));
    ap__conversation_deinit(&c);
}

static void tools_are_told_as_tools(void **state)
{
    (void)state;
    struct ap_conversation c = begun(AP_FORM_NATIVE, true);
    struct ap_chat_form form = {.style = AP_CHAT_TOOLS, .model = "m"};
    OK(ap__conversation_add(&c, AP_ASSISTANT, "{\"name\": \"Sum\", \"arguments\": {\"a\": 2, \"b\": 0.1}}", false, err));
    OK(ap__conversation_add(&c, AP_TOOL, "2.1", false, err));
    OK(ap__conversation_add(&c, AP_ASSISTANT, "I am done.", false, err));
    OK(ap__conversation_add(&c, AP_TOOL, "Error: no call", false, err));
    json_t *json = request_json(&form, &c, 1), *messages = json_object_get(json, "messages");
    assert_null(strstr(json_string_value(json_object_get(json_array_get(messages, 0), "content")), "Sum(a: number"));
    assert_true(json_array_size(json_object_get(json, "tools")) > 3);
    is_json(json_array_get(messages, 1),
            "{\"content\":null,\"role\":\"assistant\",\"tool_calls\":[{\"function\":{\"arguments\":\"{\\\"a\\\": 1, \\\"b\\\": 2}\","
            "\"name\":\"Sum\"},\"id\":\"call00001\",\"type\":\"function\"}]}");
    is_json(json_array_get(messages, 2), "{\"content\":\"3\",\"role\":\"tool\",\"tool_call_id\":\"call00001\"}");
    is_json(json_object_get(json_array_get(json_object_get(json_array_get(messages, 4), "tool_calls"), 0), "function"),
            "{\"arguments\":\"{\\\"a\\\": 2, \\\"b\\\": 0.1}\",\"name\":\"Sum\"}");
    is_json(json_array_get(messages, 6), "{\"content\":\"I am done.\",\"role\":\"assistant\"}");
    is_json(json_array_get(messages, 7), "{\"content\":\"Error: no call\",\"role\":\"user\"}");
    assert_null(json_object_get(json, "stop"));
    json_decref(json);
    ap__conversation_deinit(&c);
}

static void extra_members_go_over_the_body_and_null_takes_away(void **state)
{
    (void)state;
    struct ap_conversation c = {0};
    OK(ap__conversation_add(&c, AP_USER, "Q", false, err));
    json_t *extra = json_pack("{s:n, s:n, s:i, s:{s:b}}", "max_tokens", "temperature", "max_completion_tokens", 9,
                              "chat_template_kwargs", "enable_thinking", 0);
    struct ap_chat_form form = {.extra = extra};
    json_t *json = request_json(&form, &c, 0);
    json_object_del(json, "stop");
    is_json(json, "{\"chat_template_kwargs\":{\"enable_thinking\":false},\"max_completion_tokens\":9,"
                  "\"messages\":[{\"content\":\"Q\",\"role\":\"user\"}]}");
    json_decref(json);
    json_decref(extra);
    ap__conversation_deinit(&c);
}

static void the_seed_is_of_the_stream(void **state)
{
    (void)state;
    struct ap_request a = {.stream = {1, 2, 3}}, b = {.stream = {1, 2, 4}};
    assert_int_equal(ap__chat_seed(&a), ap__chat_seed(&a));
    assert_int_not_equal(ap__chat_seed(&a), ap__chat_seed(&b));
    assert_true(ap__chat_seed(&a) >= 0 && ap__chat_seed(&a) <= INT32_MAX);
}

static struct ap_chat_answer answer_of(const char *text)
{
    struct ap_chat_answer a;
    OK(ap__chat_answer_read(text, strlen(text), &a, err));
    return a;
}

#define MESSAGE(m) "{\"choices\": [{\"finish_reason\": \"stop\", \"message\": " m "}], \"usage\": {\"prompt_tokens\": 7, \"completion_tokens\": 3}}"

static void the_call_is_taken_out_of_what_is_around_it(void **state)
{
    (void)state;
    static const char *const texts[][2] = {
        {MESSAGE("{\"content\": \"  Sum(1, 2)\\n\"}"), "Sum(1, 2)"},
        {MESSAGE("{\"content\": \"<think>\\nSum(3)?\\n</think>\\n\\nSum(1, 2)\"}"), "Sum(1, 2)"},
        {MESSAGE("{\"content\": \"so (I guess) it is</think>Sum(1, 2)\"}"), "Sum(1, 2)"},
        {MESSAGE("{\"content\": \"Answer('a</think>b')\"}"), "Answer('a</think>b')"},
        {MESSAGE("{\"content\": \"Sum(1, 2)\", \"reasoning_content\": \"hm\", \"reasoning\": \"hm\"}"), "Sum(1, 2)"},
        {MESSAGE("{\"content\": \"```python\\nSum(1, 2)\\n```\"}"), "Sum(1, 2)"},
        {MESSAGE("{\"content\": \"```\\nSum(1, 2)```\"}"), "Sum(1, 2)"},
        {MESSAGE("{\"content\": \"```\"}"), "```"},
        {MESSAGE("{\"content\": null}"), ""},
        {MESSAGE("{\"content\": \"Sum.\", \"tool_calls\": [{\"id\": \"1\", \"type\": \"function\", \"function\": "
                 "{\"name\": \"Sum\", \"arguments\": \"{\\\"a\\\": 0.1}\"}}]}"),
         "{\"name\": \"Sum\", \"arguments\": {\"a\": 0.1}}"},
        {MESSAGE("{\"tool_calls\": [{\"function\": {\"name\": \"Sum\", \"arguments\": {\"a\": 0.1}}}]}"),
         "{\"name\": \"Sum\", \"arguments\": {\"a\": 0.1}}"},
        {MESSAGE("{\"tool_calls\": [{\"function\": {\"name\": \"Now\", \"arguments\": \"\"}}]}"),
         "{\"name\": \"Now\", \"arguments\": {}}"},
        {MESSAGE("{\"tool_calls\": [{\"function\": {\"name\": \"Sum\", \"arguments\": \"{\\\"a\\\": \"}}]}"),
         "{\"name\": \"Sum\", \"arguments\": {\"a\":}"},
        {MESSAGE("{\"content\": \"x\", \"tool_calls\": []}"), "x"},
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct ap_chat_answer a = answer_of(texts[i][0]);
        assert_string_equal(a.text, texts[i][1]);
        assert_int_equal(a.finish, AP_FINISH_STOP);
        assert_true(a.counted);
        ap__chat_answer_deinit(&a);
    }
}

static void of_several_tool_calls_the_first_is_taken_and_the_others_counted(void **state)
{
    (void)state;
    struct ap_chat_answer a = answer_of(MESSAGE("{\"tool_calls\": [{\"function\": {\"name\": \"A\", \"arguments\": \"{}\"}}, "
                                                "{\"function\": {\"name\": \"B\", \"arguments\": \"{}\"}}]}"));
    assert_string_equal(a.text, "{\"name\": \"A\", \"arguments\": {}}");
    assert_int_equal(a.calls, 2);
    ap__chat_answer_deinit(&a);
}

static void tokens_are_read_wherever_servers_write_them(void **state)
{
    (void)state;
    struct ap_chat_answer a = answer_of("{\"choices\": [{\"finish_reason\": \"length\", \"message\": {\"content\": \"Su\"}}], \"usage\": "
                                        "{\"prompt_tokens\": 100, \"completion_tokens\": 3, \"prompt_tokens_details\": {\"cached_tokens\": 64}}}");
    assert_int_equal(a.finish, AP_FINISH_LENGTH);
    assert_int_equal(a.prompt_tokens, 100);
    assert_int_equal(a.cached_tokens, 64);
    assert_int_equal(a.completion_tokens, 3);
    ap__chat_answer_deinit(&a);
    a = answer_of("{\"choices\": [{\"message\": {\"content\": \"x\"}}], \"usage\": {\"prompt_tokens\": 10, \"completion_tokens\": 3, "
                  "\"prompt_cache_hit_tokens\": 4}}");
    assert_int_equal(a.cached_tokens, 4);
    ap__chat_answer_deinit(&a);
    a = answer_of("{\"choices\": [{\"message\": {\"content\": \"x\"}}], \"usage\": null}");
    assert_false(a.counted);
    ap__chat_answer_deinit(&a);
}

static void a_refusal_is_told_in_one_line(void **state)
{
    (void)state;
    char words[40];
    static const char *const texts[][2] = {
        {"{\"error\": {\"message\": \"no\\n such\\tmodel\"}}", "no such model"},
        {"{\"error\": \"no\"}", "no"},
        {"{\"detail\": \"not found\"}", "not found"},
        {"{\"object\": \"error\", \"message\": \"old\"}", "old"},
        {"<html>", ""},
        {"", ""},
        {"plain words that are longer than there is room for", "plain words that are longer than there"},
        {"{\"x\": 1}", ""},
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        ap__chat_error_read(texts[i][0], strlen(texts[i][0]), words, sizeof words);
        assert_string_equal(words, texts[i][1]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_is_told_as_text),
        cmocka_unit_test(nothing_is_explained_to_models_that_know),
        cmocka_unit_test(tools_are_told_as_tools),
        cmocka_unit_test(extra_members_go_over_the_body_and_null_takes_away),
        cmocka_unit_test(the_seed_is_of_the_stream),
        cmocka_unit_test(the_call_is_taken_out_of_what_is_around_it),
        cmocka_unit_test(of_several_tool_calls_the_first_is_taken_and_the_others_counted),
        cmocka_unit_test(tokens_are_read_wherever_servers_write_them),
        cmocka_unit_test(a_refusal_is_told_in_one_line),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
