/* template_turns.c - messages of ours to messages as a template takes them.
 *
 *     system     prompt, help                     {"role": "system"}, or the beginning of the first user message
 *     assistant  call                             {"tool_calls": [...]}, or its text
 *     tool       result                           {"role": "tool"}, or a user message
 *     user       question                         user messages in a row become one
 *
 * What an assistant wrote that is no call is shown to templates that know calls
 * as a call of no function: the model's tokens are kept as they were sampled
 * anyway, and its result then stands where results stand. */
#include "model/template_parts.h"

#include "base/text.h"

#include <stdio.h>
#include <string.h>

#define NO_FUNCTION "none"
#define CLOSING "Understood."

/* What is being built. */
struct turns {
    const struct ap_turn_style *style;
    const struct ap_tokenizer *tok;
    json_t *list;
    struct ap_buf user;   /* user messages that wait for the next other one */
    bool has_user, failed; /* failed: memory ran out */
    const json_t *call;   /* the last one, borrowed; its result comes next */
    char id[16];          /* the last call's, when the model gave it none */
};

/* ---- texts ---- */

bool ap__may_be_token(const struct ap_added_span *span, const char *text, bool own)
{
    return !span->special && (own || strchr("<[", text[span->start]) == NULL);
}

/* Valid UTF-8 in which nothing spells a token that it may not be. */
static void add_apart(const struct ap_tokenizer *tok, const char *text, bool own, struct ap_buf *out)
{
    struct ap_added_span span;
    size_t len = strlen(text), at = 0, from = 0;
    while (ap__tokenizer_find_added(tok, text, len, from, &span)) {
        from = span.second;
        if (ap__may_be_token(&span, text, own))
            continue;
        ap__buf_add_valid(out, text + at, span.second - at);
        ap__buf_puts(out, AP_APART);
        at = span.second;
    }
    ap__buf_add_valid(out, text + at, len - at);
}

static json_t *apart_string(struct turns *t, const char *text, bool own)
{
    struct ap_buf buf;
    ap__buf_init(&buf, 0);
    add_apart(t->tok, text, own, &buf);
    json_t *json = buf.failed ? NULL : json_string(ap__buf_cstr(&buf));
    t->failed = t->failed || !json;
    ap__buf_deinit(&buf);
    return json;
}

/* A copy of a call's arguments. */
static json_t *apart_value(struct turns *t, json_t *value)
{
    const char *key;
    size_t i;
    json_t *item, *copy;
    switch (json_typeof(value)) {
    case JSON_STRING: return apart_string(t, json_string_value(value), false);
    case JSON_ARRAY:
        copy = json_array();
        json_array_foreach(value, i, item) t->failed |= json_array_append_new(copy, apart_value(t, item)) != 0;
        return copy;
    case JSON_OBJECT:
        copy = json_object();
        json_object_foreach(value, key, item) t->failed |= json_object_set_new(copy, key, apart_value(t, item)) != 0;
        return copy;
    default: return json_incref(value);
    }
}

/* ---- messages ---- */

static void add_message(struct turns *t, json_t *message)
{
    t->failed |= json_array_append_new(t->list, message) != 0;
}

static void add_plain(struct turns *t, const char *role, const char *text, bool own)
{
    add_message(t, json_pack("{s:s, s:o}", "role", role, "content", apart_string(t, text, own)));
}

static void flush_user(struct turns *t)
{
    if (t->has_user)
        add_message(t, json_pack("{s:s, s:s}", "role", "user", "content", ap__buf_cstr(&t->user)));
    t->has_user = false;
    t->failed = t->failed || t->user.failed;
    ap__buf_clear(&t->user);
}

static void add_user(struct turns *t, const char *text)
{
    if (t->has_user)
        ap__buf_puts(&t->user, "\n\n");
    add_apart(t->tok, text, false, &t->user);
    t->has_user = true;
}

static const char *call_id(const struct turns *t)
{
    const char *id = json_string_value(json_object_get(t->call, "id"));
    return id ? id : t->id;
}

static void add_call(struct turns *t, const json_t *call)
{
    json_t *arguments = json_object_get(call, "arguments");
    const char *name = json_string_value(json_object_get(call, "name"));
    const char *words = json_string_value(json_object_get(call, "content"));
    t->call = call;
    json_t *function = json_pack("{s:o, s:o}", "name", apart_string(t, name ? name : NO_FUNCTION, false), "arguments",
                                 arguments ? apart_value(t, arguments) : json_object());
    add_message(t, json_pack("{s:s, s:o, s:[{s:o, s:s, s:o}]}", "role", "assistant", "content",
                             apart_string(t, words ? words : "", true), "tool_calls", "id",
                             apart_string(t, call_id(t), false), "type", "function", "function", function));
}

static void add_result(struct turns *t, const char *text)
{
    json_t *message = json_pack("{s:s, s:o}", "role", "tool", "content", apart_string(t, text, false));
    if (t->style->native) {
        const char *name = json_string_value(json_object_get(t->call, "name"));
        t->failed |= json_object_set_new(message, "name", apart_string(t, name ? name : NO_FUNCTION, false)) != 0;
        t->failed |= json_object_set_new(message, "tool_call_id", apart_string(t, call_id(t), false)) != 0;
    }
    add_message(t, message);
}

static void add_turn(struct turns *t, const struct ap_message *m, size_t index)
{
    const struct ap_turn_style *style = t->style;
    bool user = m->role == AP_USER || (m->role == AP_SYSTEM && !style->system) || (m->role == AP_TOOL && !style->tool_role);
    if (user) {
        add_user(t, m->text);
        return;
    }
    flush_user(t);
    if (m->role == AP_SYSTEM)
        add_plain(t, "system", m->text, false);
    else if (m->role == AP_TOOL)
        add_result(t, m->text);
    else if (style->native) {
        snprintf(t->id, sizeof t->id, "%09zu", index % 1000000000);
        add_call(t, m->call);
    } else
        add_plain(t, "assistant", m->text, true);
}

ap_status ap__turns_build(const struct ap_turn_style *style, const struct ap_tokenizer *tok,
                          const struct ap_dialogue *d, json_t **out, struct ap_err *err)
{
    struct turns t = {.style = style, .tok = tok, .list = json_array()};
    ap__buf_init(&t.user, 0);
    for (size_t i = 0; i < d->n; i++) {
        const struct ap_message *m = &d->message[i];
        add_turn(&t, m, i);
        if (style->closing && m->scaffold && m->role == AP_TOOL && (i + 1 == d->n || !m[1].scaffold)) {
            flush_user(&t);
            add_plain(&t, "assistant", CLOSING, true);
        }
    }
    flush_user(&t);
    ap__buf_deinit(&t.user);
    if (t.failed) {
        json_decref(t.list);
        return ap__fail(err, AP_E_MEMORY, NULL, "no memory for a conversation as JSON");
    }
    *out = t.list;
    return AP_OK;
}
