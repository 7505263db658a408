/* template_fixture.h - conversations of the template tests, and what is expected of their tokens.
 *
 * What is expected is written out by hand as a row of parts, each with the role
 * of its tokens, and laid against the tokens byte by byte: every token of these
 * vocabularies is a byte or an added token, so text says where tokens are.  A
 * second twin encodes the whole text at once: the cuts must not show. */
#ifndef AP_TESTS_TEMPLATE_FIXTURE_H
#define AP_TESTS_TEMPLATE_FIXTURE_H

#include "chat_fixture.h"

static struct ap_registry *functions;
static json_t *tools;

static ap_status add_up(struct ap_invocation *call)
{
    return ap_result_number(call, ap_arg_number(call, 0) + ap_arg_number(call, 1));
}

static const struct ap_param two[] = {{"a", AP_TYPE_NUMBER, "first", NULL}, {"b", AP_TYPE_NUMBER, "second", NULL}};
static const struct ap_function add = {.name = "Add", .description = "adds.", .example = "Add(a=1, b=2)", .params = two,
                                       .n_params = 2, .run = add_up};

static inline int set_up(void **state)
{
    (void)state;
    if (ap__registry_new(&functions, NULL) != AP_OK || ap__registry_add(functions, &add, NULL) != AP_OK)
        return -1;
    tools = ap__registry_schema(functions);
    return tools ? 0 : -1;
}

static inline int tear_down(void **state)
{
    (void)state;
    json_decref(tools);
    ap__registry_free(functions);
    return 0;
}

/* ---- fixtures ---- */

struct fixture {
    char dir[32];
    struct ap_tokenizer *tok;
    struct ap_template *tmpl;
    struct ap_conversation c;
};

static inline struct fixture open_dir(const char *dir)
{
    struct fixture f = {0};
    MUST(ap__tokenizer_open(dir, &f.tok, err));
    MUST(ap__template_open(dir, f.tok, &f.tmpl, err));
    f.c.form = ap__template_form(f.tmpl);
    if (f.c.form != AP_FORM_TEXT) {
        f.c.functions = functions;
        f.c.tools = json_incref(tools);
    }
    return f;
}

/* config: further members of tokenizer_config.json. */
static inline struct fixture start(const char *added, const char *tmpl, json_t *config)
{
    char dir[] = "/tmp/ap-template-XXXXXX";
    assert_non_null(mkdtemp(dir));
    chat_tokenizer(dir, added);
    chat_config(dir, tmpl, config);
    struct fixture f = open_dir(dir);
    memcpy(f.dir, dir, sizeof dir);
    return f;
}

static inline void finish(struct fixture *f)
{
    ap__conversation_deinit(&f->c);
    ap__template_free(f->tmpl);
    ap__tokenizer_free(f->tok);
    if (f->dir[0])
        chat_remove(f->dir);
}

static inline struct fixture start_hermes(void)
{
    return start(CHAT_HERMES_TOKENS, CHAT_HERMES, json_pack("{s:s}", "eos_token", "<|endoftext|>"));
}

static inline struct fixture start_mistral(void)
{
    return start(CHAT_MISTRAL_TOKENS, CHAT_MISTRAL, json_pack("{s:s, s:s}", "bos_token", "<s>", "eos_token", "</s>"));
}

static inline struct fixture start_llama(void)
{
    return start(CHAT_LLAMA_TOKENS, CHAT_LLAMA, json_pack("{s:s}", "bos_token", "<|begin_of_text|>"));
}

static inline struct fixture start_gemma(void)
{
    return start(CHAT_GEMMA_TOKENS, CHAT_GEMMA, json_pack("{s:s}", "bos_token", "<bos>"));
}

/* ---- conversations ---- */

static inline void say(struct fixture *f, enum ap_role role, const char *text)
{
    MUST(ap__conversation_add(&f->c, role, text, false, err));
}

static inline void call(struct fixture *f, const char *text)
{
    MUST(ap__conversation_add_call(&f->c, text, false, err));
}

static inline void example(struct fixture *f, const char *text, const char *result)
{
    MUST(ap__conversation_add_call(&f->c, text, true, err));
    MUST(ap__conversation_add(&f->c, AP_TOOL, result, true, err));
}

/* As a model that generates text: its tokens are its own, then comes the message. */
static inline void generate(struct fixture *f, const char *text)
{
    struct ap_ids ids = {0};
    MUST(ap__conversation_cue(&f->c, f->tmpl, err));
    MUST(ap__tokenizer_encode(f->tok, text, strlen(text), true, &ids, err));
    for (size_t i = 0; i < ids.n; i++)
        MUST(ap__tokens_add(&f->c.tokens, ids.id[i], AP_TOKEN_CALL, err));
    size_t n = ids.n - (ids.n > 0 && ap__template_stops(f->tmpl, ids.id[ids.n - 1]));
    struct ap_buf words;
    ap__buf_init(&words, 0);
    MUST(ap__tokenizer_decode(f->tok, ids.id, n, true, &words, err));
    MUST(ap__conversation_add(&f->c, AP_ASSISTANT, ap__buf_cstr(&words), false, err));
    f->c.encoded = f->c.n;
    ap__buf_deinit(&words);
    ap__ids_deinit(&ids);
}

/* ---- what is expected ---- */

/* Role and text in turn, NULL at the end; the tools stand for themselves as "$TOOLS". */
struct part {
    char role; /* p, c, r */
    const char *text;
};

static inline void tokens_are(const struct fixture *f, const struct part *part)
{
    const struct ap_tokens *t = &f->c.tokens;
    size_t at = 0;
    for (size_t p = 0; part[p].text; p++) {
        struct ap_ids ids = {0};
        MUST(ap__tokenizer_encode(f->tok, part[p].text, strlen(part[p].text), true, &ids, err));
        for (size_t i = 0; i < ids.n; i++, at++) {
            if (at >= t->n || t->id[at] != ids.id[i] || "pcr"[t->role[at]] != part[p].role)
                fail_msg("part %zu `%s`, token %zu: %d %c instead of %d %c", p, part[p].text, i, at < t->n ? t->id[at] : -1,
                         at < t->n ? "pcr"[t->role[at]] : '-', ids.id[i], part[p].role);
        }
        ap__ids_deinit(&ids);
    }
    assert_int_equal(at, t->n);
}

/* The text of all tokens; in a static buffer. */
static inline const char *text_of(const struct fixture *f)
{
    static char text[1 << 16];
    struct ap_buf buf;
    ap__buf_init(&buf, 0);
    MUST(ap__tokenizer_decode(f->tok, f->c.tokens.id, f->c.tokens.n, true, &buf, err));
    snprintf(text, sizeof text, "%s", ap__buf_cstr(&buf));
    ap__buf_deinit(&buf);
    return text;
}

/* Encoding the text at once gives the same tokens. */
static inline void cuts_do_not_show(const struct fixture *f)
{
    struct ap_ids ids = {0};
    const char *text = text_of(f);
    MUST(ap__tokenizer_encode(f->tok, text, strlen(text), true, &ids, err));
    assert_int_equal(ids.n, f->c.tokens.n);
    assert_memory_equal(ids.id, f->c.tokens.id, ids.n * sizeof *ids.id);
    ap__ids_deinit(&ids);
}

static inline char *tools_text(const char *between)
{
    struct ap_buf buf;
    size_t i;
    json_t *tool;
    ap__buf_init(&buf, 0);
    json_array_foreach(tools, i, tool)
    {
        char *text = json_dumps(tool, 0);
        ap__buf_printf(&buf, "%s%s", i > 0 ? between : "", text);
        free(text);
    }
    return ap__buf_take(&buf);
}

#endif
