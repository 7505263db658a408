/* conversation.c - messages and the tokens decided for them.
 *
 *     add(role, text) --> message[n]       text only
 *     encode(template) --> tokens          messages [encoded, n) once each, never again
 *     rewind(mark)                         as if what came after the mark had not been said
 *
 * What the model itself wrote is in `tokens` before it is a message (the llm
 * appends both), so encode never touches it. */
#include "llm/llm.h"

#include <string.h>

ap_status ap__conversation_take(struct ap_conversation *c, enum ap_role role, char *text, bool scaffold,
                                struct ap_err *err)
{
    if (!text)
        return ap__fail(err, AP_E_MEMORY, NULL, "no memory for a message of a conversation");
    ap_status status = c->n < AP_CONVERSATION_MAX_MESSAGES
                           ? ap__grow((void **)&c->message, &c->cap, c->n + 1, sizeof *c->message, err)
                           : ap__fail(err, AP_E_LIMIT, NULL, "a conversation has more than %d messages",
                                      AP_CONVERSATION_MAX_MESSAGES);
    if (status != AP_OK) {
        ap__free(text);
        return status;
    }
    c->message[c->n++] = (struct ap_message){.role = role, .text = text, .scaffold = scaffold};
    return AP_OK;
}

ap_status ap__conversation_add(struct ap_conversation *c, enum ap_role role, const char *text, bool scaffold,
                               struct ap_err *err)
{
    return ap__conversation_take(c, role, ap__strdup(text), scaffold, err);
}

void ap__conversation_deinit(struct ap_conversation *c)
{
    for (size_t i = 0; i < c->n; i++)
        ap__free(c->message[i].text);
    ap__free(c->message);
    ap__tokens_deinit(&c->tokens);
    *c = (struct ap_conversation){0};
}

static ap_status copy_tokens(const struct ap_tokens *from, struct ap_tokens *to, struct ap_err *err)
{
    if (from->n == 0)
        return AP_OK;
    to->id = ap__alloc_array(from->n, sizeof *to->id);
    to->role = ap__alloc_array(from->n, sizeof *to->role);
    if (!to->id || !to->role)
        return ap__fail(err, AP_E_MEMORY, NULL, "no memory for %zu tokens of a conversation", from->n);
    memcpy(to->id, from->id, from->n * sizeof *to->id);
    memcpy(to->role, from->role, from->n * sizeof *to->role);
    to->n = to->cap = from->n;
    return AP_OK;
}

ap_status ap__conversation_copy(const struct ap_conversation *from, struct ap_conversation *to, struct ap_err *err)
{
    *to = (struct ap_conversation){0};
    ap_status status = copy_tokens(&from->tokens, &to->tokens, err);
    for (size_t i = 0; i < from->n && status == AP_OK; i++) {
        const struct ap_message *m = &from->message[i];
        status = ap__conversation_add(to, m->role, m->text, m->scaffold, err);
    }
    to->encoded = from->encoded;
    if (status != AP_OK)
        ap__conversation_deinit(to);
    return status;
}

static ap_status encode_message(const struct ap_template *tmpl, const struct ap_message *m, struct ap_tokens *tokens,
                                struct ap_err *err)
{
    size_t first = tokens->n;
    AP_TRY(ap__template_message(tmpl, m->role, m->text, strlen(m->text), tokens, err));
    if (m->scaffold)
        memset(tokens->role + first, AP_TOKEN_PROMPT, tokens->n - first);
    return AP_OK;
}

ap_status ap__conversation_encode(struct ap_conversation *c, const struct ap_template *tmpl, struct ap_err *err)
{
    while (c->encoded < c->n) {
        size_t before = c->tokens.n;
        ap_status status = encode_message(tmpl, &c->message[c->encoded], &c->tokens, err);
        if (status != AP_OK) {
            c->tokens.n = before;
            return status;
        }
        c->encoded++;
    }
    return AP_OK;
}

ap_status ap__conversation_reserve(struct ap_conversation *c, size_t more, struct ap_err *err)
{
    struct ap_tokens *t = &c->tokens;
    size_t need = t->n + more, cap = t->cap;
    if (need <= t->cap)
        return AP_OK;
    AP_TRY(ap__grow((void **)&t->id, &cap, need, sizeof *t->id, err));
    uint8_t *roles = ap__realloc(t->role, cap);
    if (!roles)
        return ap__fail(err, AP_E_MEMORY, NULL, "no memory for %zu tokens of a conversation", need);
    t->role = roles;
    t->cap = cap;
    return AP_OK;
}

struct ap_conversation_mark ap__conversation_mark(const struct ap_conversation *c)
{
    return (struct ap_conversation_mark){.n = c->n, .encoded = c->encoded, .tokens = c->tokens.n};
}

void ap__conversation_rewind(struct ap_conversation *c, struct ap_conversation_mark mark)
{
    while (c->n > mark.n)
        ap__free(c->message[--c->n].text);
    c->encoded = mark.encoded;
    c->tokens.n = mark.tokens;
}
