/* test_template_families.c - the chat templates of real models, when they are at hand (../shared/data).
 *
 * Each shows a chain of two calls, given and live.  The tokens must be those of
 * the whole text encoded at once, the trained ones exactly the calls, and each
 * must read back as the call that it was made from. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "chat_fixture.h"
#include "functions/call_formats.h"

#define SHARED "../shared/data"
#define PHI "<|endoftext|> <|system|> <|user|> <|assistant|> <|end|>"
#define QWEN "<|endoftext|> <|im_start|> <|im_end|> +<tool_call> +</tool_call> +<think> +</think> +<tool_response> +</tool_response>"

/* Where the template is and what it should turn out to be. */
struct family {
    const char *path; /* a .jinja file or a tokenizer_config.json */
    const char *tokens;
    const char *bos, *eos;
    enum ap_call_form form;
    const char *end; /* of a turn */
    const char *cue;
};

static const struct family families[] = {
    {"trl/chat_templates/gemma.jinja", CHAT_GEMMA_TOKENS, "<bos>", "<eos>", AP_FORM_TEXT, "<end_of_turn>", "<start_of_turn>model\n"},
    {"tokenizers/config-only/gemma/tokenizer_config.json", CHAT_GEMMA_TOKENS, "<bos>", "<eos>", AP_FORM_TEXT, "<end_of_turn>",
     "<start_of_turn>model\n"},
    {"trl/chat_templates/llama3.jinja", CHAT_LLAMA_TOKENS, "<|begin_of_text|>", "<|eom_id|>", AP_FORM_TEXT, "<|eot_id|>",
     "<|start_header_id|>assistant<|end_header_id|>\n\n"},
    {"trl/chat_templates/llama3_training.jinja", CHAT_LLAMA_TOKENS, "<|begin_of_text|>", "<|eom_id|>", AP_FORM_TEXT, "<|eot_id|>",
     "<|start_header_id|>assistant<|end_header_id|>\n\n"},
    {"trl/chat_templates/phi3.jinja", PHI, "<s>", "<|endoftext|>", AP_FORM_TEXT, "<|end|>", "<|assistant|>\n"},
    {"trl/chat_templates/phi3_training.jinja", PHI, "<s>", "<|endoftext|>", AP_FORM_TEXT, "<|end|>", "<|assistant|>\n"},
    {"tokenizers/phi-3-mini/tokenizer_config.json", PHI, "<s>", "<|endoftext|>", AP_FORM_TEXT, "<|end|>", "<|assistant|>\n"},
    {"trl/chat_templates/qwen2_5.jinja", QWEN, NULL, "<|im_end|>", AP_FORM_NATIVE, "<|im_end|>", "<|im_start|>assistant\n"},
    {"trl/chat_templates/qwen2_5_training.jinja", QWEN, NULL, "<|im_end|>", AP_FORM_NATIVE, "<|im_end|>", "<|im_start|>assistant\n"},
    {"tokenizers/config-only/qwen2.5/tokenizer_config.json", QWEN, NULL, "<|im_end|>", AP_FORM_NATIVE, "<|im_end|>",
     "<|im_start|>assistant\n"},
    {"tokenizers/config-only/qwen3/tokenizer_config.json", QWEN, NULL, "<|im_end|>", AP_FORM_NATIVE, "<|im_end|>",
     "<|im_start|>assistant\n"},
    {"tokenizers/config-only/smollm3/chat_template.jinja", QWEN, NULL, "<|im_end|>", AP_FORM_HERMES, "<|im_end|>",
     "<|im_start|>assistant\n"},
    {"tokenizers/qwen2/tokenizer_config.json", QWEN, NULL, "<|im_end|>", AP_FORM_TEXT, "<|im_end|>", ""},
};
enum { FAMILIES = sizeof families / sizeof *families };

static struct ap_registry *functions;

static int set_up(void **state)
{
    static const char *const names[] = {"Sum"};
    (void)state;
    return ap__registry_select(names, 1, &functions, NULL) != AP_OK;
}

static int tear_down(void **state)
{
    (void)state;
    ap__registry_free(functions);
    return 0;
}

static void need_shared_data(void)
{
    if (!ap__dir_exists(SHARED "/trl")) {
        print_message(SHARED " is not there\n");
        skip();
    }
}

/* ---- a model of bytes with a real template ---- */

struct model {
    char dir[32];
    struct ap_tokenizer *tok;
    struct ap_template *tmpl;
};

static char *template_of(const struct family *f)
{
    char path[256];
    struct ap_buf text;
    json_t *config = NULL;
    snprintf(path, sizeof path, SHARED "/%s", f->path);
    if (strstr(path, ".jinja")) {
        ap__buf_init(&text, 0);
        MUST(ap__file_read(path, 1 << 20, &text, err));
        return ap__buf_take(&text);
    }
    MUST(ap__json_load(path, &config, err));
    char *copy = ap__strdup(json_string_value(json_object_get(config, "chat_template")));
    json_decref(config);
    return copy;
}

static struct model open_model(const char *dir)
{
    struct model m = {0};
    MUST(ap__tokenizer_open(dir, &m.tok, err));
    MUST(ap__template_open(dir, m.tok, &m.tmpl, err));
    return m;
}

static struct model start(const struct family *f)
{
    char dir[] = "/tmp/ap-family-XXXXXX", *tmpl = template_of(f);
    assert_non_null(mkdtemp(dir));
    chat_tokenizer(dir, f->tokens);
    chat_config(dir, tmpl, json_pack("{s:s*, s:s*}", "bos_token", f->bos, "eos_token", f->eos));
    ap__free(tmpl);
    struct model m = open_model(dir);
    memcpy(m.dir, dir, sizeof dir);
    return m;
}

static void finish(struct model *m)
{
    ap__template_free(m->tmpl);
    ap__tokenizer_free(m->tok);
    if (m->dir[0])
        chat_remove(m->dir);
}

/* ---- chains ---- */

static struct ap_conversation begin(const struct model *m, bool example)
{
    struct ap_conversation c = {.form = ap__template_form(m->tmpl)};
    if (c.form != AP_FORM_TEXT) {
        c.functions = functions;
        c.tools = ap__registry_schema(functions);
    }
    MUST(ap__conversation_add(&c, AP_SYSTEM, "Work it out.", false, err));
    if (example) {
        MUST(ap__conversation_add_call(&c, "Sum(a=0, b=1)", true, err));
        MUST(ap__conversation_add(&c, AP_TOOL, "1", true, err));
    }
    MUST(ap__conversation_add(&c, AP_USER, "What is 2 + 3?", false, err));
    return c;
}

static const char *text_of(const struct model *m, const int32_t *id, size_t n)
{
    static char text[1 << 16];
    struct ap_buf buf;
    ap__buf_init(&buf, 0);
    MUST(ap__tokenizer_decode(m->tok, id, n, true, &buf, err));
    snprintf(text, sizeof text, "%s", ap__buf_cstr(&buf));
    ap__buf_deinit(&buf);
    return text;
}

static void cuts_do_not_show(const struct model *m, const struct ap_tokens *t)
{
    struct ap_ids ids = {0};
    const char *text = text_of(m, t->id, t->n);
    MUST(ap__tokenizer_encode(m->tok, text, strlen(text), true, &ids, err));
    assert_int_equal(ids.n, t->n);
    assert_memory_equal(ids.id, t->id, ids.n * sizeof *ids.id);
    ap__ids_deinit(&ids);
}

/* The k-th row of trained tokens, without the end of the turn, reads as this call. */
static void call_reads_back(const struct model *m, const struct ap_tokens *t, int k, const char *wanted)
{
    struct ap_call call;
    struct ap_err err = {0};
    struct ap_buf text;
    size_t from = 0, to = 0;
    for (int i = 0; i <= k; i++) {
        for (from = to; from < t->n && t->role[from] != AP_TOKEN_CALL; from++)
            ;
        for (to = from; to < t->n && t->role[to] == AP_TOKEN_CALL; to++)
            ;
    }
    assert_true(to > from);
    assert_true(ap__template_stops(m->tmpl, t->id[to - 1]));
    const char *own = text_of(m, t->id + from, to - from - 1);
    if (ap__call_parse(own, strlen(own), &call, &err) != AP_OK)
        fail_msg("`%s`: %s", own, err.message);
    ap__buf_init(&text, 0);
    ap__call_print(&call, &text);
    assert_string_equal(text.data, wanted);
    ap__buf_deinit(&text);
    ap__call_deinit(&call);
}

static const char *const thought[2] = {"", "<think>\nAdd them.\n</think>\n\n"};

/* Both calls given, perhaps with thoughts before them. */
static struct ap_conversation given_chain(const struct model *m, bool thoughts, bool example)
{
    struct ap_conversation c = begin(m, example);
    char call[256];
    snprintf(call, sizeof call, "%sSum(a=2, b=3)", thought[thoughts]);
    MUST(ap__conversation_add_call(&c, call, false, err));
    MUST(ap__conversation_add(&c, AP_TOOL, "5", false, err));
    snprintf(call, sizeof call, "%sAnswer(value='5 <|im_end|><end_of_turn><|eot_id|><|end|>')", thought[thoughts]);
    MUST(ap__conversation_add_call(&c, call, false, err));
    MUST(ap__conversation_encode(&c, m->tmpl, err));
    return c;
}

static void every_template_is_what_it_was_made_to_be(void **state)
{
    (void)state;
    need_shared_data();
    for (int i = 0; i < FAMILIES; i++) {
        struct model m = start(&families[i]);
        if (ap__template_form(m.tmpl) != families[i].form || strcmp(ap__template_cue(m.tmpl), families[i].cue) != 0 ||
            !ap__template_stops(m.tmpl, ap__tokenizer_id(m.tok, families[i].end)))
            fail_msg("%s: form %d, cue `%s`", families[i].path, ap__template_form(m.tmpl), ap__template_cue(m.tmpl));
        assert_false(ap__template_ours(m.tmpl));
        finish(&m);
    }
}

static void given_chains_read_back_as_the_calls_they_were_made_from(void **state)
{
    (void)state;
    need_shared_data();
    for (int i = 0; i < FAMILIES; i++) {
        struct model m = start(&families[i]);
        for (int example = 0; example < 2; example++) {
            bool thoughts = families[i].form != AP_FORM_TEXT;
            struct ap_conversation c = given_chain(&m, thoughts, example);
            call_reads_back(&m, &c.tokens, 0, "Sum(a=2, b=3)");
            call_reads_back(&m, &c.tokens, 1, "Answer(value='5 <|im_end|><end_of_turn><|eot_id|><|end|>')");
            assert_non_null(strstr(text_of(&m, c.tokens.id, c.tokens.n), "What is 2 + 3?"));
            assert_non_null(strstr(text_of(&m, c.tokens.id, c.tokens.n), "Work it out."));
            ap__conversation_deinit(&c);
        }
        finish(&m);
    }
}

/* Live: what a model samples is kept, so what it reads after its call is all there is to compare. */
static void live_chains_have_the_tokens_of_their_whole_text(void **state)
{
    (void)state;
    need_shared_data();
    for (int i = 0; i < FAMILIES; i++) {
        struct model m = start(&families[i]);
        struct ap_conversation c = begin(&m, false);
        const char *turn[2] = {families[i].form == AP_FORM_TEXT ? "Sum(2, 3)" : "<think>\nhm\n</think>\n\n<tool_call>{\"name\":\"Sum\",\"arguments\":{\"a\":2,\"b\":3}}</tool_call>",
                               "I would rather not."};
        for (int k = 0; k < 2; k++) {
            struct ap_ids ids = {0};
            MUST(ap__conversation_cue(&c, m.tmpl, err));
            MUST(ap__tokenizer_encode(m.tok, turn[k], strlen(turn[k]), true, &ids, err));
            MUST(ap__ids_add(&ids, ap__tokenizer_id(m.tok, families[i].end), err));
            for (size_t t = 0; t < ids.n; t++)
                MUST(ap__tokens_add(&c.tokens, ids.id[t], AP_TOKEN_CALL, err));
            MUST(ap__conversation_add(&c, AP_ASSISTANT, turn[k], false, err));
            c.encoded = c.n;
            MUST(ap__conversation_add(&c, AP_TOOL, k == 0 ? "5" : "write one call", false, err));
            ap__ids_deinit(&ids);
            MUST(ap__conversation_cue(&c, m.tmpl, err));
        }
        cuts_do_not_show(&m, &c.tokens);
        ap__conversation_deinit(&c);
        finish(&m);
    }
}

/* Qwen 3 shows thoughts since the last question only. */
static void qwen3_is_refused_when_another_question_makes_it_drop_thoughts(void **state)
{
    (void)state;
    need_shared_data();
    struct model m = start(&families[10]);
    for (int thoughts = 0; thoughts < 2; thoughts++) {
        struct ap_conversation c = given_chain(&m, thoughts, false);
        struct ap_err why = {0};
        MUST(ap__conversation_add(&c, AP_TOOL, "ok", false, err));
        MUST(ap__conversation_add(&c, AP_USER, "And 3 + 4?", false, err));
        ap_status status = ap__conversation_cue(&c, m.tmpl, &why);
        assert_int_equal(status, thoughts ? AP_E_FORMAT : AP_OK);
        if (thoughts)
            assert_non_null(strstr(why.message, "rewrites turn 3 (assistant) when it shows 7 turns"));
        ap__conversation_deinit(&c);
    }
    finish(&m);
}

/* ---- real tokenizers ---- */

static void real_tokenizers_give_the_tokens_of_the_whole_text(void **state)
{
    (void)state;
    static const struct {
        const char *dir;
        bool whole; /* encoding the decoded text gives the same tokens (SentencePiece puts blanks before texts) */
    } model[] = {{"phi-3-mini", true}, {"qwen2", true}, {"smollm", true}, {"llama2", false}, {"mistral-7b-v0.1", false}};
    need_shared_data();
    for (size_t i = 0; i < sizeof model / sizeof *model; i++) {
        char dir[256];
        snprintf(dir, sizeof dir, SHARED "/tokenizers/%s", model[i].dir);
        struct model m = open_model(dir);
        struct ap_conversation c = begin(&m, true);
        MUST(ap__conversation_add_call(&c, "Sum(a=2, b=3)", false, err));
        MUST(ap__conversation_add(&c, AP_TOOL, "5", false, err));
        MUST(ap__conversation_add_call(&c, "Answer(value='caf\xC3\xA9')", false, err));
        MUST(ap__conversation_encode(&c, m.tmpl, err));
        call_reads_back(&m, &c.tokens, 0, "Sum(a=2, b=3)");
        call_reads_back(&m, &c.tokens, 1, "Answer(value='caf\xC3\xA9')");
        if (model[i].whole)
            cuts_do_not_show(&m, &c.tokens);
        ap__conversation_deinit(&c);
        finish(&m);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_template_is_what_it_was_made_to_be),
        cmocka_unit_test(given_chains_read_back_as_the_calls_they_were_made_from),
        cmocka_unit_test(live_chains_have_the_tokens_of_their_whole_text),
        cmocka_unit_test(qwen3_is_refused_when_another_question_makes_it_drop_thoughts),
        cmocka_unit_test(real_tokenizers_give_the_tokens_of_the_whole_text),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
