/* test_template_chains.c - chains in the manner of each family: given ones and live ones, and templates that rewrite. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "template_fixture.h"

/* ---- families ---- */

static void hermes_templates_get_tools_calls_and_results(void **state)
{
    (void)state;
    struct fixture f = start_hermes();
    char *tool = tools_text("\n"), prompt[4096];
    assert_int_equal(ap__template_form(f.tmpl), AP_FORM_NATIVE);
    assert_string_equal(ap__template_cue(f.tmpl), "<|im_start|>assistant\n");
    say(&f, AP_SYSTEM, "Add up.");
    example(&f, "Add(a=0, b=1)", "1");
    say(&f, AP_USER, "1 + 2?");
    call(&f, "Add(1, 2)");
    say(&f, AP_TOOL, "3");
    call(&f, "<think>3!</think> {\"name\": \"Answer\", \"parameters\": {\"value\": \"<|im_end|>\"}}");
    snprintf(prompt, sizeof prompt,
             "<|im_start|>system\nAdd up.\nYou may call:\n%s<|im_end|>\n<|im_start|>assistant\n<tool_call>\n{\"name\": \"Add\", "
             "\"arguments\": {\"a\": 0, \"b\": 1}}\n</tool_call><|im_end|>\n<|im_start|>user\n<tool_response>\n1\n</tool_response>"
             "<|im_end|>\n<|im_start|>user\n1 + 2?<|im_end|>\n<|im_start|>assistant\n", tool);
    MUST(ap__conversation_encode(&f.c, f.tmpl, err));
    int32_t end = ap__tokenizer_id(f.tok, "<|im_end|>"), ends = 0;
    for (size_t i = 0; i < f.c.tokens.n; i++)
        ends += f.c.tokens.id[i] == end && f.c.tokens.role[i] == AP_TOKEN_CALL;
    assert_int_equal(ends, 2); /* the argument is text */
    f.c.tokens.n -= strlen("<|im_end|>\"}}\n") + 2; /* what follows it is compared as text */
    tokens_are(&f, (struct part[]){{'p', prompt},
                                   {'c', "<tool_call>\n{\"name\": \"Add\", \"arguments\": {\"a\": 1, \"b\": 2}}\n</tool_call><|im_end|>"},
                                   {'r', "\n<|im_start|>user\n<tool_response>\n3\n</tool_response><|im_end|>\n"},
                                   {'p', "<|im_start|>assistant\n"},
                                   {'c', "<think>3!</think>\n<tool_call>\n{\"name\": \"Answer\", \"arguments\": {\"value\": \""}, {0}});
    f.c.tokens.n += strlen("<|im_end|>\"}}\n") + 2;
    const char *text = text_of(&f);
    assert_string_equal(text + strlen(text) - strlen("<|im_end|>\"}}\n</tool_call><|im_end|>"),
                        "<|im_end|>\"}}\n</tool_call><|im_end|>");
    ap__free(tool);
    finish(&f);
}

static void mistral_templates_get_a_closed_example_and_ids(void **state)
{
    (void)state;
    struct fixture f = start_mistral();
    char *tool = tools_text(", "), prompt[4096];
    assert_int_equal(ap__template_form(f.tmpl), AP_FORM_NATIVE);
    assert_string_equal(ap__template_cue(f.tmpl), "");
    say(&f, AP_SYSTEM, "Add up.");
    example(&f, "Add(a=0, b=1)", "1");
    say(&f, AP_USER, "1 + 2?");
    call(&f, "Add(a=1, b=2)");
    say(&f, AP_TOOL, "3");
    generate(&f, "[TOOL_CALLS] [{\"name\": \"Answer\", \"arguments\": {\"value\": 3}, \"id\": \"aB3dE6gH9\"}]</s>");
    say(&f, AP_TOOL, "ok");
    MUST(ap__conversation_cue(&f.c, f.tmpl, err));
    snprintf(prompt, sizeof prompt,
             "<s>[INST] Add up.[/INST][TOOL_CALLS] [{\"name\": \"Add\", \"arguments\": {\"a\": 0, \"b\": 1}, \"id\": \"000000001\"}]</s>"
             "[TOOL_RESULTS] {\"content\": 1, \"call_id\": \"000000001\"}[/TOOL_RESULTS] Understood.</s>"
             "[AVAILABLE_TOOLS] [%s][/AVAILABLE_TOOLS][INST] 1 + 2?[/INST]", tool);
    tokens_are(&f, (struct part[]){{'p', prompt},
                                   {'c', "[TOOL_CALLS] [{\"name\": \"Add\", \"arguments\": {\"a\": 1, \"b\": 2}, \"id\": \"000000004\"}]</s>"},
                                   {'r', "[TOOL_RESULTS] {\"content\": 3, \"call_id\": \"000000004\"}[/TOOL_RESULTS]"},
                                   {'c', "[TOOL_CALLS] [{\"name\": \"Answer\", \"arguments\": {\"value\": 3}, \"id\": \"aB3dE6gH9\"}]</s>"},
                                   {'r', "[TOOL_RESULTS] {\"content\": ok, \"call_id\": \"aB3dE6gH9\"}[/TOOL_RESULTS]"}, {0}});
    cuts_do_not_show(&f);
    ap__free(tool);
    finish(&f);
}

static void llama_templates_get_json_and_a_day_that_never_changes(void **state)
{
    (void)state;
    struct fixture f = start_llama();
    assert_int_equal(ap__template_form(f.tmpl), AP_FORM_NATIVE);
    say(&f, AP_SYSTEM, "Add up.");
    say(&f, AP_USER, "1 + 2?");
    call(&f, "Add(a=1, b=2)");
    say(&f, AP_TOOL, "3");
    MUST(ap__conversation_cue(&f.c, f.tmpl, err));
    const char *text = text_of(&f);
    assert_non_null(strstr(text, "Today Date: 26 Jul 2024\n\nAdd up.<|eot_id|>"));
    assert_non_null(strstr(text, "    \"type\": \"function\",\n"));
    const char *question = strstr(text, "1 + 2?");
    assert_non_null(question);
    assert_string_equal(question, "1 + 2?<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n{\"name\": \"Add\", \"parameters\": "
                                  "{\"a\": 1, \"b\": 2}}<|eot_id|><|start_header_id|>ipython<|end_header_id|>\n\n\"3\"<|eot_id|>"
                                  "<|start_header_id|>assistant<|end_header_id|>\n\n");
    cuts_do_not_show(&f);
    finish(&f);
}

static void templates_without_system_or_tools_get_text_in_the_users_turns(void **state)
{
    (void)state;
    struct fixture f = start_gemma();
    assert_int_equal(ap__template_form(f.tmpl), AP_FORM_TEXT);
    say(&f, AP_SYSTEM, "Add up.");
    example(&f, "Add(a=0, b=1)", "1");
    say(&f, AP_USER, "1 + 2?");
    call(&f, "<tool_call>{\"name\": \"Add\", \"arguments\": {\"a\": 1, \"b\": 2}}</tool_call>");
    say(&f, AP_TOOL, "<bos>3");
    generate(&f, "no call at all<end_of_turn>");
    say(&f, AP_TOOL, "write a call");
    MUST(ap__conversation_cue(&f.c, f.tmpl, err));
    int32_t bos = ap__tokenizer_id(f.tok, "<bos>"), seen = 0;
    for (size_t i = 0; i < f.c.tokens.n; i++)
        seen += f.c.tokens.id[i] == bos;
    assert_int_equal(seen, 1);
    assert_string_equal(text_of(&f),
                        "<bos><start_of_turn>user\nAdd up.<end_of_turn>\n<start_of_turn>model\nAdd(a=0, b=1)<end_of_turn>\n"
                        "<start_of_turn>user\n1\n\n1 + 2?<end_of_turn>\n<start_of_turn>model\nAdd(a=1, b=2)<end_of_turn>\n"
                        "<start_of_turn>user\n<bos>3<end_of_turn>\n<start_of_turn>model\nno call at all<end_of_turn>\n"
                        "<start_of_turn>user\nwrite a call<end_of_turn>\n<start_of_turn>model\n");
    finish(&f);
}

static void templates_that_only_ask_for_calls_get_them_as_text_in_that_form(void **state)
{
    (void)state;
    struct fixture f = start(CHAT_HERMES_TOKENS, CHAT_ASKING, NULL);
    assert_int_equal(ap__template_form(f.tmpl), AP_FORM_HERMES);
    say(&f, AP_SYSTEM, "Add up.");
    say(&f, AP_USER, "1 + 2?");
    call(&f, "Add(1, 2)");
    say(&f, AP_TOOL, "3");
    MUST(ap__conversation_cue(&f.c, f.tmpl, err));
    const char *text = text_of(&f), *question = strstr(text, "1 + 2?");
    assert_non_null(strstr(text, "\"name\": \"Add\""));
    assert_string_equal(question, "1 + 2?<|im_end|>\n<|im_start|>assistant\n<tool_call>\n{\"name\": \"Add\", \"arguments\": {\"a\": 1, "
                                  "\"b\": 2}}\n</tool_call><|im_end|>\n<|im_start|>user\n3<|im_end|>\n<|im_start|>assistant\n");
    cuts_do_not_show(&f);
    finish(&f);
}

/* ---- live and given ---- */

/* What was generated stays as it was sampled; what follows is the template's. */
static void sampled_tokens_are_kept_and_what_follows_is_the_templates(void **state)
{
    (void)state;
    struct fixture f = start_hermes();
    say(&f, AP_USER, "1 + 2?");
    generate(&f, "<tool_call>{\"arguments\":{\"b\":2,\"a\":1},\"name\":\"Add\"}</tool_call>\n<|im_end|>");
    say(&f, AP_TOOL, "3");
    generate(&f, "I give up<|endoftext|>"); /* no call, and an end that the template does not write */
    say(&f, AP_TOOL, "write a call");
    generate(&f, "cut"); /* no end at all: the template's, as prompt */
    say(&f, AP_TOOL, "too long");
    MUST(ap__conversation_cue(&f.c, f.tmpl, err));
    const char *text = text_of(&f);
    assert_string_equal(strstr(text, "1 + 2?"),
                        "1 + 2?<|im_end|>\n<|im_start|>assistant\n<tool_call>{\"arguments\":{\"b\":2,\"a\":1},\"name\":\"Add\"}</tool_call>\n<|im_end|>"
                        "\n<|im_start|>user\n<tool_response>\n3\n</tool_response><|im_end|>\n<|im_start|>assistant\nI give up<|endoftext|>"
                        "\n<|im_start|>user\n<tool_response>\nwrite a call\n</tool_response><|im_end|>\n<|im_start|>assistant\ncut<|im_end|>"
                        "\n<|im_start|>user\n<tool_response>\ntoo long\n</tool_response><|im_end|>\n<|im_start|>assistant\n");
    size_t own = 0;
    for (size_t i = 0; i < f.c.tokens.n; i++)
        own += f.c.tokens.role[i] == AP_TOKEN_CALL;
    assert_int_equal(own, strlen("{\"arguments\":{\"b\":2,\"a\":1},\"name\":\"Add\"}\n") + 3 + strlen("I give up") + 1 + 3);
    finish(&f);
}

static void live_and_given_conversations_have_the_same_tokens(void **state)
{
    (void)state;
    static const struct {
        struct fixture (*start)(void);
        const char *first, *second;
    } family[] = {{start_hermes, "<tool_call>\n{\"name\": \"Add\", \"arguments\": {\"a\": 1, \"b\": 2}}\n</tool_call><|im_end|>",
                   "<think>\nhm\n</think>\n<tool_call>\n{\"name\": \"Answer\", \"arguments\": {\"value\": \"x\"}}\n</tool_call><|im_end|>"},
                  {start_mistral, "[TOOL_CALLS] [{\"name\": \"Add\", \"arguments\": {\"a\": 1, \"b\": 2}, \"id\": \"123456789\"}]</s>",
                   "[TOOL_CALLS] [{\"name\": \"Answer\", \"arguments\": {\"value\": \"x\"}, \"id\": \"abcdefghi\"}]</s>"},
                  {start_llama, "{\"name\": \"Add\", \"parameters\": {\"a\": 1, \"b\": 2}}<|eot_id|>",
                   "{\"name\": \"Answer\", \"parameters\": {\"value\": \"x\"}}<|eot_id|>"},
                  {start_gemma, "Add(a=1, b=2)<end_of_turn>", "Answer(value='x')<end_of_turn>"}};
    for (size_t i = 0; i < sizeof family / sizeof *family; i++) {
        struct fixture live = family[i].start(), given = family[i].start();
        for (int which = 0; which < 2; which++) {
            struct fixture *f = which ? &given : &live;
            say(f, AP_SYSTEM, "Add up.");
            say(f, AP_USER, "1 + 2?");
        }
        generate(&live, family[i].first);
        say(&live, AP_TOOL, "3");
        generate(&live, family[i].second);
        call(&given, live.c.message[2].text);
        say(&given, AP_TOOL, "3");
        call(&given, live.c.message[4].text);
        MUST(ap__conversation_encode(&given.c, given.tmpl, err));
        assert_string_equal(text_of(&given), text_of(&live));
        assert_int_equal(given.c.tokens.n, live.c.tokens.n);
        assert_memory_equal(given.c.tokens.id, live.c.tokens.id, live.c.tokens.n * sizeof *live.c.tokens.id);
        assert_memory_equal(given.c.tokens.role, live.c.tokens.role, live.c.tokens.n);
        finish(&given);
        finish(&live);
    }
}

static void what_came_after_a_mark_can_be_taken_back(void **state)
{
    (void)state;
    struct fixture f = start_hermes(), twin = start_hermes();
    for (int which = 0; which < 2; which++) {
        struct fixture *x = which ? &twin : &f;
        say(x, AP_USER, "1 + 2?");
        generate(x, "<tool_call>{\"name\": \"Add\", \"arguments\": {\"a\": 1, \"b\": 2}}</tool_call><|im_end|>");
        say(x, AP_TOOL, "3");
        if (which == 0) {
            struct ap_conversation_mark mark = ap__conversation_mark(&f.c);
            generate(&f, "nonsense<|im_end|>");
            say(&f, AP_TOOL, "no");
            MUST(ap__conversation_cue(&f.c, f.tmpl, err));
            ap__conversation_rewind(&f.c, mark);
        }
        generate(x, "<tool_call>{\"name\": \"Answer\", \"arguments\": {\"value\": 3}}</tool_call><|im_end|>");
    }
    assert_string_equal(text_of(&f), text_of(&twin));
    assert_int_equal(f.c.tokens.n, twin.c.tokens.n);
    assert_memory_equal(f.c.tokens.role, twin.c.tokens.role, twin.c.tokens.n);
    finish(&twin);
    finish(&f);
}

/* ---- what cannot be ---- */

static void a_template_that_rewrites_an_earlier_turn_is_an_error_that_names_it(void **state)
{
    (void)state;
    for (int live = 0; live < 2; live++) {
        struct fixture f = start(CHAT_HERMES_TOKENS, CHAT_REWRITING, NULL);
        struct ap_err why = {0};
        say(&f, AP_USER, "1 + 2?");
        for (int turn = 0; turn < 2; turn++) {
            const char *words = "<think>\n1, 2\n</think>\nAdd(a=1, b=2)";
            if (live)
                generate(&f, "<think>\n1, 2\n</think>\nAdd(a=1, b=2)<|im_end|>");
            else
                MUST(ap__conversation_add(&f.c, AP_ASSISTANT, words, false, err));
            say(&f, AP_TOOL, "3");
        }
        size_t tokens = f.c.tokens.n, encoded = f.c.encoded;
        assert_int_equal(ap__conversation_cue(&f.c, f.tmpl, &why), AP_E_FORMAT);
        assert_non_null(strstr(why.message, "rewrites turn 2 (assistant) when it shows 5 turns"));
        assert_non_null(strstr(why.message, "assistant\\n<think>\\n1, 2\\n</"));
        assert_non_null(strstr(why.message, "assistant\\n\\nAdd(a=1, b=2)"));
        assert_non_null(strstr(why.place, f.dir));
        assert_int_equal(f.c.tokens.n, tokens);
        assert_int_equal(f.c.encoded, encoded);
        finish(&f);
    }
}

static void a_template_that_drops_what_was_thought_is_an_error_that_names_the_turn(void **state)
{
    (void)state;
    struct fixture f = start(CHAT_HERMES_TOKENS, CHAT_THOUGHTLESS, NULL);
    struct ap_err err = {0};
    say(&f, AP_USER, "1 + 2?");
    generate(&f, "Add(a=1, b=2)<|im_end|>");
    say(&f, AP_TOOL, "3");
    generate(&f, "<think>\n3\n</think>\nAnswer(3)<|im_end|>");
    say(&f, AP_TOOL, "ok");
    assert_int_equal(ap__conversation_cue(&f.c, f.tmpl, &err), AP_E_FORMAT);
    assert_non_null(strstr(err.message, "drops the thoughts of turn 4 (assistant)"));
    finish(&f);
}

/* What stands in the last turn only is never read by a model that answers, so it is not trained either. */
static void what_only_the_last_turn_shows_is_left_out(void **state)
{
    (void)state;
    struct fixture f = start(CHAT_HERMES_TOKENS, CHAT_THOUGHTLESS, NULL);
    say(&f, AP_USER, "1 + 2?");
    call(&f, "Add(a=1, b=2)");
    say(&f, AP_TOOL, "3");
    call(&f, "Answer(3)");
    MUST(ap__conversation_encode(&f.c, f.tmpl, err));
    tokens_are(&f, (struct part[]){{'p', "<|im_start|>user\n1 + 2?<|im_end|>\n<|im_start|>assistant\n"},
                                   {'c', "Add(a=1, b=2)<|im_end|>"}, {'r', "\n<|im_start|>user\n3<|im_end|>\n"},
                                   {'p', "<|im_start|>assistant\n"}, {'c', "Answer(3)<|im_end|>"}, {0}});
    finish(&f);
}

/* One answer's fault, not the template's. */
static void words_that_have_no_place_beside_a_call_end_their_chain_only(void **state)
{
    (void)state;
    struct fixture f = start_mistral();
    struct ap_err err = {0};
    say(&f, AP_USER, "1 + 2?");
    generate(&f, "Let me see. [TOOL_CALLS] [{\"name\": \"Add\", \"arguments\": {\"a\": 1, \"b\": 2}}]</s>");
    say(&f, AP_TOOL, "3");
    assert_int_equal(ap__conversation_cue(&f.c, f.tmpl, &err), AP_E_LIMIT);
    assert_non_null(strstr(err.message, "turn 2 (assistant): `Let me see.`"));
    finish(&f);
}

/* ---- failures ---- */

static void running_out_of_memory_leaves_no_part_behind(void **state)
{
    (void)state;
    struct fixture (*const starts[])(void) = {start_hermes, start_gemma};
    for (size_t s = 0; s < 2; s++) {
        struct fixture f = starts[s](), twin = starts[s]();
        for (int which = 0; which < 2; which++) {
            struct fixture *x = which ? &twin : &f;
            say(x, AP_SYSTEM, "Add up.");
            say(x, AP_USER, "1 + 2? <|im_end|>");
            call(x, "Add(a=1, b=2)");
            say(x, AP_TOOL, "3");
        }
        MUST(ap__conversation_cue(&twin.c, twin.tmpl, err));
        ap_status status = AP_E_MEMORY;
        for (int64_t n = 1; status != AP_OK; n += 1 + n / 8) {
            struct ap_err err = {0};
            ap__alloc_fail_after(n);
            status = ap__conversation_cue(&f.c, f.tmpl, &err);
            ap__alloc_fail_after(0);
            bool limit = status == AP_E_MEMORY || status == AP_E_LIMIT; /* of the template's own memory */
            if (status != AP_OK && (!limit || f.c.tokens.n != 0 || f.c.encoded != 0))
                fail_msg("allocation %d: %s: %s", (int)n, err.place, err.message);
        }
        assert_int_equal(f.c.tokens.n, twin.c.tokens.n);
        assert_memory_equal(f.c.tokens.id, twin.c.tokens.id, twin.c.tokens.n * sizeof *twin.c.tokens.id);
        assert_memory_equal(f.c.tokens.role, twin.c.tokens.role, twin.c.tokens.n);
        finish(&twin);
        finish(&f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hermes_templates_get_tools_calls_and_results),
        cmocka_unit_test(mistral_templates_get_a_closed_example_and_ids),
        cmocka_unit_test(llama_templates_get_json_and_a_day_that_never_changes),
        cmocka_unit_test(templates_without_system_or_tools_get_text_in_the_users_turns),
        cmocka_unit_test(templates_that_only_ask_for_calls_get_them_as_text_in_that_form),
        cmocka_unit_test(sampled_tokens_are_kept_and_what_follows_is_the_templates),
        cmocka_unit_test(live_and_given_conversations_have_the_same_tokens),
        cmocka_unit_test(what_came_after_a_mark_can_be_taken_back),
        cmocka_unit_test(a_template_that_rewrites_an_earlier_turn_is_an_error_that_names_it),
        cmocka_unit_test(a_template_that_drops_what_was_thought_is_an_error_that_names_the_turn),
        cmocka_unit_test(what_only_the_last_turn_shows_is_left_out),
        cmocka_unit_test(words_that_have_no_place_beside_a_call_end_their_chain_only),
        cmocka_unit_test(running_out_of_memory_leaves_no_part_behind),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
