/* conversation.c - messages and the tokens decided for them.
 *
 *     add(role, text)      message[n], text only; calls are read for templates that show them as calls
 *     encode(template)     tokens up to the last thing that a model said; never again
 *     cue(template)        tokens up to where the model speaks
 *     rewind(mark)         as if what came after the mark had not been said
 *
 *     template's text   system ... question, cue | call, end | \n ... result, cue | call, end
 *                       `said` --------------->|           |
 *                       what the model reads     its own     read from the text that has its result, too: what
 *                                                            stands in the last turn only, no model ever reads
 *
 * What the model itself wrote has its tokens before it is a message (the llm
 * appends both); only where it ends in the template's text is looked up.  The
 * text for more messages must begin with `said`, and must show the words that
 * were written: else a model would be trained on what it does not read when it
 * answers. */
#include "llm/llm.h"

#include "base/text.h"
#include "functions/call_formats.h"

#include <string.h>

/* ---- messages ---- */

static ap_status take_message(struct ap_conversation *c, const struct ap_message *m, struct ap_err *err)
{
    if (!m->text)
        return ap__fail(err, AP_E_MEMORY, NULL, "no memory for a message of a conversation");
    if (c->n >= AP_CONVERSATION_MAX_MESSAGES)
        return ap__fail(err, AP_E_LIMIT, NULL, "a conversation has more than %d messages", AP_CONVERSATION_MAX_MESSAGES);
    AP_TRY(ap__grow((void **)&c->message, &c->cap, c->n + 1, sizeof *c->message, err));
    c->message[c->n++] = *m;
    return AP_OK;
}

/* {"name", "arguments", ...} of a text that holds one call, else NULL. */
static ap_status read_call(const struct ap_conversation *c, const char *text, json_t **out, struct ap_err *err)
{
    struct ap_calls calls;
    struct ap_err unread;
    *out = NULL;
    ap_status status = ap__calls_parse(text, strlen(text), &calls, &unread);
    if (status != AP_OK)
        return status == AP_E_MEMORY ? ap__fail(err, status, NULL, "no memory for a call") : AP_OK;
    if (calls.n == 1) {
        const struct ap_call *call = calls.call;
        *out = json_pack("{s:s, s:o, s:s*, s:s*}", "name", call->name, "arguments",
                         ap__call_arguments(call, ap__registry_find(c->functions, call->name)), "id", call->id, "content",
                         calls.thought);
        if (!*out)
            status = ap__fail(err, AP_E_MEMORY, NULL, "no memory for a call");
    }
    ap__calls_deinit(&calls);
    return status;
}

ap_status ap__conversation_take(struct ap_conversation *c, enum ap_role role, char *text, bool scaffold,
                                struct ap_err *err)
{
    struct ap_message m = {.role = role, .text = text, .scaffold = scaffold};
    ap_status status = AP_OK;
    if (text && role == AP_ASSISTANT && c->form == AP_FORM_NATIVE)
        status = read_call(c, text, &m.call, err);
    if (status == AP_OK)
        status = take_message(c, &m, err);
    if (status != AP_OK) {
        json_decref(m.call);
        ap__free(text);
    }
    return status;
}

ap_status ap__conversation_add(struct ap_conversation *c, enum ap_role role, const char *text, bool scaffold,
                               struct ap_err *err)
{
    return ap__conversation_take(c, role, ap__strdup(text), scaffold, err);
}

/* One call in another model's form, as the template's models write it; what is no call, and what is plain already,
 * stays as it is. */
static ap_status translate(const struct ap_conversation *c, const char *text, struct ap_buf *out, struct ap_err *err)
{
    struct ap_calls calls;
    struct ap_err unread;
    ap_status status = ap__calls_parse(text, strlen(text), &calls, &unread);
    if (status == AP_E_MEMORY)
        return ap__fail(err, status, NULL, "no memory for a call");
    if (status != AP_OK)
        return ap__buf_puts(out, text);
    const struct ap_call *call = calls.call;
    status = AP_OK;
    if (calls.n != 1 || (c->form == AP_FORM_TEXT && !call->json && !calls.thought)) {
        ap__buf_puts(out, text);
    } else if (c->form == AP_FORM_TEXT) {
        ap__call_print(call, out);
    } else {
        if (calls.thought)
            ap__buf_printf(out, "%s\n", calls.thought);
        status = ap__call_print_hermes(call, ap__registry_find(c->functions, call->name), out, err);
    }
    ap__calls_deinit(&calls);
    return status;
}

ap_status ap__conversation_add_call(struct ap_conversation *c, const char *text, bool scaffold, struct ap_err *err)
{
    struct ap_buf buf;
    if (c->form == AP_FORM_NATIVE)
        return ap__conversation_add(c, AP_ASSISTANT, text, scaffold, err);
    ap__buf_init(&buf, 0);
    ap_status status = translate(c, text, &buf, err);
    if (status == AP_OK || buf.failed)
        status = ap__conversation_take(c, AP_ASSISTANT, ap__buf_take(&buf), scaffold, err);
    ap__buf_deinit(&buf);
    return status;
}

static void drop_message(struct ap_message *m)
{
    ap__free(m->text);
    json_decref(m->call);
}

void ap__conversation_deinit(struct ap_conversation *c)
{
    for (size_t i = 0; i < c->n; i++)
        drop_message(&c->message[i]);
    ap__free(c->message);
    json_decref(c->tools);
    ap__buf_deinit(&c->said);
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

static ap_status copy_message(const struct ap_message *m, struct ap_conversation *to, struct ap_err *err)
{
    struct ap_message copy = *m;
    copy.text = ap__strdup(m->text);
    json_incref(copy.call);
    ap_status status = take_message(to, &copy, err);
    if (status != AP_OK)
        drop_message(&copy);
    return status;
}

ap_status ap__conversation_copy(const struct ap_conversation *from, struct ap_conversation *to, struct ap_err *err)
{
    *to = (struct ap_conversation){.encoded = from->encoded, .shown = from->shown, .form = from->form,
                                   .functions = from->functions, .tools = json_incref(from->tools)};
    ap_status status = copy_tokens(&from->tokens, &to->tokens, err);
    for (size_t i = 0; i < from->n && status == AP_OK; i++)
        status = copy_message(&from->message[i], to, err);
    if (status == AP_OK && ap__buf_add(&to->said, ap__buf_cstr(&from->said), from->said.len) != AP_OK)
        status = ap__fail(err, AP_E_MEMORY, NULL, "no memory for the text of a conversation");
    if (status != AP_OK)
        ap__conversation_deinit(to);
    return status;
}

/* ---- tokens of templates whose messages stand for themselves ---- */

static enum ap_token_role role_of(const struct ap_message *m)
{
    return m->scaffold || m->role != AP_TOOL ? AP_TOKEN_PROMPT : AP_TOKEN_RESULT;
}

/* Where the answer m, which begins at `from` of the text, and what ends its turn stand. */
static void find_own(const struct ap_template *tmpl, const struct ap_shown *s, const struct ap_message *m, size_t from,
                     size_t *body, size_t *end)
{
    size_t words = strlen(m->text);
    bool verbatim = s->text.len - from >= words && memcmp(s->text.data + from, m->text, words) == 0;
    ap__template_own(tmpl, s, from, verbatim ? from + words : from, body, end);
}

/* Did the model end its turn itself? */
static bool has_ended(const struct ap_conversation *c, const struct ap_template *tmpl)
{
    return c->tokens.n > 0 && ap__template_stops(tmpl, c->tokens.id[c->tokens.n - 1]);
}

static ap_status encode_message(const struct ap_template *tmpl, const struct ap_message *m, struct ap_shown *s,
                                struct ap_tokens *tokens, struct ap_err *err)
{
    size_t body, end, from;
    struct ap_dialogue alone = {.message = m, .n = 1};
    AP_TRY(ap__template_show(tmpl, &alone, false, s, err));
    if (m->role != AP_ASSISTANT || m->scaffold)
        return ap__template_encode(tmpl, s, 0, s->text.len, role_of(m), tokens, err);
    from = strlen(ap__template_cue(tmpl));
    find_own(tmpl, s, m, from, &body, &end);
    AP_TRY(ap__template_encode(tmpl, s, 0, from, AP_TOKEN_PROMPT, tokens, err));
    return ap__template_encode_own(tmpl, s, from, body, end, tokens, err);
}

/* An answer that was cut off ends all the same, not by the model's word. */
static ap_status end_answer(struct ap_conversation *c, const struct ap_template *tmpl, struct ap_shown *s,
                            struct ap_err *err)
{
    size_t body, end;
    const struct ap_message *last = c->encoded > 0 ? &c->message[c->encoded - 1] : NULL;
    struct ap_dialogue alone = {.message = last, .n = 1};
    if (!last || last->role != AP_ASSISTANT || last->scaffold || has_ended(c, tmpl))
        return AP_OK;
    AP_TRY(ap__template_show(tmpl, &alone, false, s, err));
    find_own(tmpl, s, last, strlen(ap__template_cue(tmpl)), &body, &end);
    return ap__template_encode(tmpl, s, body, end, AP_TOKEN_PROMPT, &c->tokens, err);
}

static ap_status encode_separate(struct ap_conversation *c, const struct ap_template *tmpl, struct ap_shown *s,
                                 struct ap_err *err)
{
    if (c->encoded < c->n)
        AP_TRY(end_answer(c, tmpl, s, err));
    while (c->encoded < c->n) {
        size_t before = c->tokens.n;
        ap_status status = encode_message(tmpl, &c->message[c->encoded], s, &c->tokens, err);
        if (status != AP_OK) {
            c->tokens.n = before;
            return status;
        }
        c->encoded++;
    }
    return AP_OK;
}

static ap_status cue_separate(struct ap_conversation *c, const struct ap_template *tmpl, struct ap_shown *s,
                              struct ap_err *err)
{
    AP_TRY(encode_separate(c, tmpl, s, err));
    AP_TRY(ap__template_show(tmpl, &(struct ap_dialogue){0}, true, s, err));
    return ap__template_encode_cued(tmpl, s, 0, AP_TOKEN_PROMPT, &c->tokens, err);
}

/* ---- tokens of templates that must see the whole conversation ---- */

/* Some text around byte `at` on one line, for a message. */
static void add_excerpt(struct ap_buf *out, const struct ap_buf *text, size_t at)
{
    size_t from = at > 24 ? at - 24 : 0, to = at + 24 < text->len ? at + 24 : text->len;
    while (from > 0 && ((unsigned char)text->data[from] & 0xC0) == 0x80)
        from--;
    while (to < text->len && ((unsigned char)text->data[to] & 0xC0) == 0x80)
        to++;
    for (size_t i = from; i < to; i++) {
        if (text->data[i] == '\n')
            ap__buf_puts(out, "\\n");
        else
            ap__buf_putc(out, text->data[i]);
    }
}

/* Does the text go on where the conversation stands?  n: messages that it shows. */
static ap_status check_continues(const struct ap_conversation *c, const struct ap_template *tmpl,
                                 const struct ap_shown *s, size_t n, struct ap_err *err)
{
    static const char *const name[] = {"system", "user", "assistant", "tool"};
    size_t at = 0, turn = 0;
    while (at < c->said.len && at < s->text.len && c->said.data[at] == s->text.data[at])
        at++;
    if (at == c->said.len)
        return AP_OK;
    while (turn + 1 < c->shown && c->message[turn].end <= at)
        turn++;
    struct ap_buf was, is;
    ap__buf_init(&was, 0);
    ap__buf_init(&is, 0);
    add_excerpt(&was, &c->said, at);
    add_excerpt(&is, &s->text, at);
    const char *whose = turn < c->n ? name[c->message[turn].role] : "cue";
    ap_status status = ap__fail(err, AP_E_FORMAT, ap__template_name(tmpl),
                                "the chat template rewrites turn %zu (%s) when it shows %zu turns: `%s` becomes `%s`; the "
                                "model would be trained on what it does not read when it answers, so give it a "
                                "chat_template.jinja that keeps earlier turns",
                                turn + 1, whose, n, ap__buf_cstr(&was), ap__buf_cstr(&is));
    ap__buf_deinit(&is);
    ap__buf_deinit(&was);
    return status;
}

/* The text of the first n messages and the cue, which must begin with what was said. */
static ap_status show(struct ap_conversation *c, const struct ap_template *tmpl, size_t n, struct ap_shown *s,
                      struct ap_err *err)
{
    struct ap_dialogue d = {.message = c->message, .n = n, .tools = c->tools};
    AP_TRY(ap__template_show(tmpl, &d, true, s, err));
    return check_continues(c, tmpl, s, n, err);
}

/* What was said goes on to byte `to` of the text, which shows the first n messages. */
static ap_status say(struct ap_conversation *c, const struct ap_shown *s, size_t to, size_t n, struct ap_err *err)
{
    if (ap__buf_add(&c->said, s->text.data + c->said.len, to - c->said.len) != AP_OK)
        return ap__fail(err, AP_E_MEMORY, NULL, "no memory for the text of a conversation");
    while (c->shown < n)
        c->message[c->shown++].end = to;
    return AP_OK;
}

/* Is `part` in bytes [from, to) of the text, blanks aside? */
static bool holds(const struct ap_shown *s, size_t from, size_t to, const char *part)
{
    struct ap_buf text, words;
    ap__buf_init(&text, 0);
    ap__buf_init(&words, 0);
    for (size_t i = from; i < to; i++)
        if (!strchr(" \t\r\n", s->text.data[i]))
            ap__buf_putc(&text, s->text.data[i]);
    for (; *part; part++)
        if (!strchr(" \t\r\n", *part))
            ap__buf_putc(&words, *part);
    bool held = strstr(ap__buf_cstr(&text), ap__buf_cstr(&words)) != NULL;
    ap__buf_deinit(&words);
    ap__buf_deinit(&text);
    return held;
}

/* Does the template show what message k said?  Of calls, the words before them; what is no call is not shown to
 * templates that know calls. */
static ap_status check_shown(const struct ap_conversation *c, const struct ap_template *tmpl, const struct ap_shown *s,
                             size_t k, size_t from, size_t to, struct ap_err *err)
{
    const struct ap_message *m = &c->message[k];
    const char *words = c->form == AP_FORM_NATIVE ? json_string_value(json_object_get(m->call, "content")) : m->text;
    if (!words || holds(s, from, to, words))
        return AP_OK;
    if (strstr(words, "</think>"))
        return ap__fail(err, AP_E_FORMAT, ap__template_name(tmpl),
                        "the chat template drops the thoughts of turn %zu (assistant): `%.60s` becomes `%.*s`; the model would "
                        "be trained on what it does not read when it answers, so give it a chat_template.jinja that keeps "
                        "thoughts",
                        k + 1, words, to - from < 60 ? (int)(to - from) : 60, s->text.data + from);
    return ap__fail(err, AP_E_LIMIT, ap__template_name(tmpl),
                    "the chat template has no place for the words of turn %zu (assistant): `%.60s`", k + 1, words);
}

/* The model has answered since the last cue: the text tells where its answer ends, and goes on from there. */
static ap_status say_answer(struct ap_conversation *c, const struct ap_template *tmpl, struct ap_shown *s,
                            struct ap_err *err)
{
    size_t body, end, k = c->shown;
    if (k == c->encoded)
        return AP_OK;
    find_own(tmpl, s, &c->message[k], c->said.len, &body, &end);
    AP_TRY(check_shown(c, tmpl, s, k, c->said.len, body, err));
    if (!has_ended(c, tmpl))
        AP_TRY(ap__template_encode(tmpl, s, body, end, AP_TOKEN_PROMPT, &c->tokens, err));
    return say(c, s, end, k + 1, err);
}

/* Messages [encoded, n), none of which is the model's own, and the cue. */
static ap_status cue_whole(struct ap_conversation *c, const struct ap_template *tmpl, size_t n, struct ap_shown *s,
                           struct ap_err *err)
{
    enum ap_token_role role = AP_TOKEN_PROMPT;
    AP_TRY(show(c, tmpl, n, s, err));
    AP_TRY(say_answer(c, tmpl, s, err));
    for (size_t i = c->shown; i < n; i++)
        role = role_of(&c->message[i]) == AP_TOKEN_RESULT ? AP_TOKEN_RESULT : role;
    AP_TRY(ap__template_encode_cued(tmpl, s, c->said.len, role, &c->tokens, err));
    c->encoded = n;
    return say(c, s, s->text.len, n, err);
}

/* A given answer, message k; those before it have their tokens.  Its result is there already, or "0" stands for it. */
static ap_status encode_answer(struct ap_conversation *c, const struct ap_template *tmpl, size_t k, struct ap_shown *s,
                               struct ap_err *err)
{
    size_t body, end, n = c->n;
    if (k + 1 == n)
        AP_TRY(ap__conversation_add(c, AP_TOOL, "0", false, err));
    ap_status status = show(c, tmpl, k + 2, s, err);
    if (n < c->n)
        drop_message(&c->message[--c->n]);
    AP_TRY(status);
    find_own(tmpl, s, &c->message[k], c->said.len, &body, &end);
    AP_TRY(ap__template_encode_own(tmpl, s, c->said.len, body, end, &c->tokens, err));
    c->encoded = k + 1;
    return say(c, s, end, k + 1, err);
}

static ap_status encode_whole(struct ap_conversation *c, const struct ap_template *tmpl, struct ap_shown *s,
                              struct ap_err *err)
{
    for (size_t k = c->encoded; k < c->n; k++) {
        if (c->message[k].role != AP_ASSISTANT || c->message[k].scaffold)
            continue;
        AP_TRY(cue_whole(c, tmpl, k, s, err));
        AP_TRY(encode_answer(c, tmpl, k, s, err));
    }
    return AP_OK;
}

/* ---- tokens ---- */

ap_status ap__conversation_encode(struct ap_conversation *c, const struct ap_template *tmpl, struct ap_err *err)
{
    struct ap_shown s;
    struct ap_conversation_mark before = ap__conversation_mark(c);
    ap__shown_init(&s);
    ap_status status = (ap__template_separate(tmpl) ? encode_separate : encode_whole)(c, tmpl, &s, err);
    ap__shown_deinit(&s);
    if (status != AP_OK)
        ap__conversation_rewind(c, before);
    return status;
}

ap_status ap__conversation_cue(struct ap_conversation *c, const struct ap_template *tmpl, struct ap_err *err)
{
    struct ap_shown s;
    struct ap_conversation_mark before = ap__conversation_mark(c);
    ap__shown_init(&s);
    ap_status status = ap__template_separate(tmpl) ? cue_separate(c, tmpl, &s, err)
                                                   : encode_whole(c, tmpl, &s, err);
    if (status == AP_OK && !ap__template_separate(tmpl))
        status = cue_whole(c, tmpl, c->n, &s, err);
    ap__shown_deinit(&s);
    if (status != AP_OK)
        ap__conversation_rewind(c, before);
    return status;
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
    return (struct ap_conversation_mark){.n = c->n, .encoded = c->encoded, .shown = c->shown, .said = c->said.len,
                                         .tokens = c->tokens.n};
}

void ap__conversation_rewind(struct ap_conversation *c, struct ap_conversation_mark mark)
{
    while (c->n > mark.n)
        drop_message(&c->message[--c->n]);
    c->encoded = mark.encoded;
    c->shown = mark.shown;
    c->said.len = mark.said;
    c->said.failed = false;
    if (c->said.data)
        c->said.data[mark.said] = '\0';
    c->tokens.n = mark.tokens;
}
