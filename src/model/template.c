/* template.c - messages to recorded tokens, one message at a time.
 *
 *     markup   <|system|> text   <|user|> question   <|assistant|> call <|end|>   <|tool|> result   ...
 *     plain    text \n\n         Question: q \n      call \n                      result \n         ...
 *
 * The markup form is for vocabularies that have all five of its tokens.  The
 * next message's opener ends a message; only what the model writes has an end
 * of its own, for it must say when it is done. */
#include "model/template.h"

#include "base/file.h"
#include "base/json.h"

#include <string.h>

struct ap_template {
    const struct ap_tokenizer *tok; /* borrowed */
    bool markup;
    int32_t open[AP_ROLE_COUNT]; /* markup only */
    int32_t stop;
    int32_t bos; /* plain only: stands before the first message; -1: none */
};

/* ------------------------------------------------------------------ recorded tokens */

void ap__tokens_deinit(struct ap_tokens *t)
{
    ap__free(t->id);
    ap__free(t->role);
    *t = (struct ap_tokens){0};
}

ap_status ap__tokens_add(struct ap_tokens *t, int32_t id, enum ap_token_role role, struct ap_err *err)
{
    if (t->n == t->cap) {
        size_t cap = t->cap;
        AP_TRY(ap__grow((void **)&t->id, &cap, t->n + 1, sizeof *t->id, err));
        uint8_t *roles = ap__realloc(t->role, cap);
        if (!roles)
            return ap__fail(err, AP_E_MEMORY, NULL, "out of memory for %zu tokens", cap);
        t->role = roles;
        t->cap = cap;
    }
    t->id[t->n] = id;
    t->role[t->n++] = (uint8_t)role;
    return AP_OK;
}

/* ------------------------------------------------------------------ which form */

static bool find_markup(struct ap_template *t)
{
    static const char *const opener[AP_ROLE_COUNT] = {
        [AP_SYSTEM] = "<|system|>", [AP_USER] = "<|user|>", [AP_ASSISTANT] = "<|assistant|>", [AP_TOOL] = "<|tool|>"};
    bool all = (t->stop = ap__tokenizer_id(t->tok, "<|end|>")) >= 0;
    for (int role = 0; role < AP_ROLE_COUNT; role++)
        all = all && (t->open[role] = ap__tokenizer_id(t->tok, opener[role])) >= 0;
    return all;
}

/* The token of a line feed: as it is, in the byte alphabet, or as a byte of the fallback. */
static int32_t find_newline(const struct ap_tokenizer *tok)
{
    static const char *const spelling[] = {"\xC4\x8A", "\n", "<0x0A>"};
    for (int i = 0; i < 3; i++) {
        int32_t id = ap__tokenizer_id(tok, spelling[i]);
        if (id >= 0)
            return id;
    }
    return -1;
}

/* What tokenizer_config.json wants before a text; a folder without that file wants nothing. */
static ap_status find_bos(struct ap_template *t, const char *dir, struct ap_err *err)
{
    json_t *config = NULL;
    char *path = ap__path_join(dir, "tokenizer_config.json");
    if (!path)
        return ap__fail(err, AP_E_MEMORY, dir, "out of memory");
    ap_status status = ap__file_exists(path) ? ap__json_load(path, &config, err) : AP_OK;
    if (status == AP_OK && ap__json_bool_or(config, "add_bos_token", false)) {
        const json_t *bos = json_object_get(config, "bos_token"); /* a string, or an object that holds it */
        const char *name = json_string_value(json_is_object(bos) ? json_object_get(bos, "content") : bos);
        t->bos = name ? ap__tokenizer_id(t->tok, name) : -1;
    }
    json_decref(config);
    ap__free(path);
    return status;
}

ap_status ap__template_open(const char *dir, const struct ap_tokenizer *tok, struct ap_template **out,
                            struct ap_err *err)
{
    struct ap_template *t = ap__alloc(sizeof *t);
    if (!t)
        return ap__fail(err, AP_E_MEMORY, dir, "out of memory");
    *t = (struct ap_template){.tok = tok, .bos = -1};
    ap_status status = AP_OK;
    t->markup = find_markup(t);
    if (!t->markup) {
        t->stop = find_newline(tok);
        status = t->stop >= 0 ? find_bos(t, dir, err)
                              : ap__fail(err, AP_E_FORMAT, dir, "the vocabulary has no token for a line feed");
    }
    if (status != AP_OK) {
        ap__template_free(t);
        return status;
    }
    *out = t;
    return AP_OK;
}

void ap__template_free(struct ap_template *t)
{
    ap__free(t);
}

/* ------------------------------------------------------------------ messages */

static ap_status add_text(const struct ap_template *t, const char *text, size_t len, enum ap_token_role role,
                          struct ap_tokens *out, struct ap_err *err)
{
    struct ap_ids ids = {0};
    ap_status status = ap__tokenizer_encode(t->tok, text, len, false, &ids, err);
    for (size_t i = 0; status == AP_OK && i < ids.n; i++)
        status = ap__tokens_add(out, ids.id[i], role, err);
    ap__ids_deinit(&ids);
    return status;
}

/* Before, text and after are encoded as one, so that words are cut as they would be in running text. */
static ap_status add_line(const struct ap_template *t, const char *before, const char *text, size_t len,
                          const char *after, enum ap_token_role role, struct ap_tokens *out, struct ap_err *err)
{
    struct ap_buf line;
    ap__buf_init(&line, 0);
    ap__buf_puts(&line, before);
    ap__buf_add(&line, text, len);
    ap__buf_puts(&line, after);
    ap_status status = line.failed ? ap__fail(err, AP_E_MEMORY, NULL, "no room for a message of %zu bytes", len)
                                   : add_text(t, line.data, line.len, role, out, err);
    ap__buf_deinit(&line);
    return status;
}

static ap_status add_markup(const struct ap_template *t, enum ap_role role, const char *text, size_t len,
                            enum ap_token_role as, struct ap_tokens *out, struct ap_err *err)
{
    AP_TRY(ap__tokens_add(out, t->open[role], as == AP_TOKEN_RESULT ? AP_TOKEN_RESULT : AP_TOKEN_PROMPT, err));
    AP_TRY(add_text(t, text, len, as, out, err));
    return role == AP_ASSISTANT ? ap__tokens_add(out, t->stop, AP_TOKEN_CALL, err) : AP_OK;
}

static ap_status add_plain(const struct ap_template *t, enum ap_role role, const char *text, size_t len,
                           enum ap_token_role as, struct ap_tokens *out, struct ap_err *err)
{
    if (out->n == 0 && t->bos >= 0)
        AP_TRY(ap__tokens_add(out, t->bos, AP_TOKEN_PROMPT, err));
    switch (role) {
    case AP_SYSTEM: return add_line(t, "", text, len, "\n\n", as, out, err);
    case AP_USER: return add_line(t, "Question: ", text, len, "\n", as, out, err);
    case AP_ASSISTANT:
        AP_TRY(add_text(t, text, len, as, out, err));
        return ap__tokens_add(out, t->stop, as, err);
    case AP_TOOL:
    default: return add_line(t, "", text, len, "\n", as, out, err);
    }
}

ap_status ap__template_message(const struct ap_template *t, enum ap_role role, const char *text, size_t len,
                               struct ap_tokens *out, struct ap_err *err)
{
    enum ap_token_role as = role == AP_ASSISTANT ? AP_TOKEN_CALL : role == AP_TOOL ? AP_TOKEN_RESULT : AP_TOKEN_PROMPT;
    size_t before = out->n;
    ap_status status = (t->markup ? add_markup : add_plain)(t, role, text, len, as, out, err);
    if (status != AP_OK)
        out->n = before;
    return status;
}

ap_status ap__template_cue(const struct ap_template *t, struct ap_tokens *out, struct ap_err *err)
{
    return t->markup ? ap__tokens_add(out, t->open[AP_ASSISTANT], AP_TOKEN_PROMPT, err) : AP_OK;
}

int32_t ap__template_stop(const struct ap_template *t)
{
    return t->stop;
}
