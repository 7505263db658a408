/* template.c - a model's chat template: opening it, showing conversations with it, and their tokens.
 *
 *     chat_template (Jinja)   messages as JSON -> text with marks -> text and where no token may be seen
 *     our markup              <|system|> text  <|user|> question  <|assistant|> call <|end|>  <|tool|> result ...
 *                             written directly; test_template.c compares it with what Jinja makes of it
 *     no template             markup where the vocabulary has it, else a line per message, by Jinja too
 *
 * Tokens are made run by run: a run ends where the model begins or ends to
 * speak, and at added tokens, so that the cuts do not show. */
#include "model/template.h"

#include "base/file.h"
#include "base/text.h"
#include "jinja/jinja_chat.h"
#include "model/template_parts.h"
#include "model/tokenizer_files.h"

#include <string.h>

/* 26 July 2024, what Llama 3.1's template says by itself.  Prompts must not depend on the day of a run. */
enum { TODAY = 1721952000 };

#define LINES_TEMPLATE                                                                                    \
    "{% for m in messages %}{% if loop.first %}{{ bos_token }}{% endif %}"                                 \
    "{% if m['role'] == 'system' %}{{ m['content'] + '\\n\\n' }}"                                          \
    "{% elif m['role'] == 'user' %}{{ 'Question: ' + m['content'] + '\\n' }}"                              \
    "{% else %}{{ m['content'] + '\\n' }}{% endif %}{% endfor %}"

static const char *const MARKUP[AP_ROLE_COUNT] = {
    [AP_SYSTEM] = "<|system|>", [AP_USER] = "<|user|>", [AP_ASSISTANT] = "<|assistant|>", [AP_TOOL] = "<|tool|>"};
#define MARKUP_END "<|end|>"

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

/* ------------------------------------------------------------------ what ends a turn */

ap_status ap__template_add_stop(struct ap_template *t, int32_t id, struct ap_err *err)
{
    if (id < 0 || ap__template_stops(t, id))
        return AP_OK;
    if (t->stops == AP_STOPS_MAX)
        return ap__fail(err, AP_E_TOO_LARGE, t->name, "more than %d tokens end a turn", AP_STOPS_MAX);
    t->stop[t->stops++] = id;
    return AP_OK;
}

bool ap__template_stops(const struct ap_template *t, int32_t id)
{
    for (int32_t i = 0; i < t->stops; i++)
        if (t->stop[i] == id)
            return true;
    return false;
}

/* eos_token_id of a file of the folder: a number or several; nothing when there is no such file. */
static ap_status add_eos_ids(struct ap_template *t, const char *dir, const char *file, struct ap_err *err)
{
    json_t *config = NULL, *item;
    size_t i;
    char *path = ap__path_join(dir, file);
    if (!path)
        return ap__fail(err, AP_E_MEMORY, dir, "out of memory");
    ap_status status = ap__file_exists(path) ? ap__json_load(path, &config, err) : AP_OK;
    json_t *eos = json_object_get(config, "eos_token_id");
    if (json_is_integer(eos) && status == AP_OK)
        status = ap__template_add_stop(t, (int32_t)json_integer_value(eos), err);
    json_array_foreach(eos, i, item)
        if (json_is_integer(item) && status == AP_OK)
            status = ap__template_add_stop(t, (int32_t)json_integer_value(item), err);
    json_decref(config);
    ap__free(path);
    return status;
}

/* ------------------------------------------------------------------ opening */

/* Our own templates begin with bos_token where the folder wants one before every text; others write it themselves. */
static ap_status add_variables(struct ap_template *t, const json_t *config, struct ap_err *err)
{
    t->variables = json_object();
    if (!t->variables)
        return ap__fail(err, AP_E_MEMORY, t->name, "out of memory");
    AP_TRY(ap__chat_special_tokens(config, t->variables, err));
    bool bos = !t->ours || ap__json_bool_or(config, "add_bos_token", false);
    return bos || json_object_set_new(t->variables, "bos_token", json_string("")) == 0
               ? AP_OK
               : ap__fail(err, AP_E_MEMORY, t->name, "out of memory");
}

static bool has_markup(const struct ap_tokenizer *tok)
{
    bool all = ap__tokenizer_id(tok, MARKUP_END) >= 0;
    for (int role = 0; role < AP_ROLE_COUNT; role++)
        all = all && ap__tokenizer_id(tok, MARKUP[role]) >= 0;
    return all;
}

static ap_status open_markup(struct ap_template *t, struct ap_err *err)
{
    struct ap_turn_style style = {.system = true, .tool_role = true};
    t->ours = t->examples = true;
    t->style[0] = t->style[1] = style;
    t->cue = ap__strdup(MARKUP[AP_ASSISTANT]);
    if (!t->cue)
        return ap__fail(err, AP_E_MEMORY, t->name, "out of memory");
    return ap__template_add_stop(t, ap__tokenizer_id(t->tok, MARKUP_END), err);
}

static ap_status open_source(struct ap_template *t, const json_t *config, struct ap_err *err)
{
    const char *source = ap__chat_template_text(config, true);
    t->ours = !source;
    AP_TRY(add_variables(t, config, err));
    const char *eos = json_string_value(json_object_get(t->variables, "eos_token"));
    if (has_markup(t->tok) && (!source || strcmp(source, AP_MARKUP_TEMPLATE) == 0)) {
        AP_TRY(open_markup(t, err));
    } else {
        source = source ? source : LINES_TEMPLATE;
        AP_TRY(ap__jinja_parse(source, strlen(source), t->name, &t->jinja, err));
    }
    return eos ? ap__template_add_stop(t, ap__tokenizer_id(t->tok, eos), err) : AP_OK;
}

static ap_status open_parts(struct ap_template *t, const char *path, struct ap_err *err)
{
    json_t *config = NULL;
    t->name = ap__strdup(path);
    if (!t->name)
        return ap__fail(err, AP_E_MEMORY, path, "out of memory");
    AP_TRY(ap__tokenizer_files_config(path, &config, err));
    ap_status status = open_source(t, config, err);
    json_decref(config);
    AP_TRY(status);
    if (ap__dir_exists(path)) {
        AP_TRY(add_eos_ids(t, path, "generation_config.json", err));
        AP_TRY(add_eos_ids(t, path, "config.json", err));
    }
    return t->jinja ? ap__template_probe(t, err) : AP_OK;
}

ap_status ap__template_open(const char *path, const struct ap_tokenizer *tok, struct ap_template **out,
                            struct ap_err *err)
{
    struct ap_template *t = ap__alloc(sizeof *t);
    if (!t)
        return ap__fail(err, AP_E_MEMORY, path, "out of memory");
    t->tok = tok;
    ap_status status = open_parts(t, path, err);
    if (status != AP_OK) {
        ap__template_free(t);
        return status;
    }
    *out = t;
    return AP_OK;
}

void ap__template_free(struct ap_template *t)
{
    if (!t)
        return;
    ap__jinja_free(t->jinja);
    json_decref(t->variables);
    ap__free(t->name);
    ap__free(t->cue);
    ap__free(t->close);
    ap__free(t);
}

const char *ap__template_name(const struct ap_template *t)
{
    return t->name;
}

const char *ap__template_cue(const struct ap_template *t)
{
    return t->cue;
}

enum ap_call_form ap__template_form(const struct ap_template *t)
{
    return t->form;
}

bool ap__template_ours(const struct ap_template *t)
{
    return t->ours;
}

bool ap__template_separate(const struct ap_template *t)
{
    return t->jinja == NULL;
}

/* ------------------------------------------------------------------ showing */

void ap__shown_init(struct ap_shown *s)
{
    *s = (struct ap_shown){0};
    ap__buf_init(&s->text, 0);
}

void ap__shown_deinit(struct ap_shown *s)
{
    ap__buf_deinit(&s->text);
    ap__free(s->apart);
    *s = (struct ap_shown){0};
}

static ap_status add_apart(struct ap_shown *s, size_t at, struct ap_err *err)
{
    AP_TRY(ap__grow((void **)&s->apart, &s->cap, s->apart_count + 1, sizeof *s->apart, err));
    s->apart[s->apart_count++] = at;
    return AP_OK;
}

static ap_status show_markup(const struct ap_template *t, const struct ap_dialogue *d, bool cue, struct ap_shown *out,
                             struct ap_err *err)
{
    struct ap_buf *text = &out->text;
    for (size_t i = 0; i < d->n; i++) {
        const struct ap_message *m = &d->message[i];
        struct ap_added_span span;
        ap__buf_puts(text, MARKUP[m->role]);
        size_t from = text->len;
        ap__buf_puts(text, m->text);
        while (ap__tokenizer_find_added(t->tok, ap__buf_cstr(text), text->len, from, &span)) {
            if (!ap__may_be_token(&span, text->data, m->role == AP_ASSISTANT))
                AP_TRY(add_apart(out, span.second, err));
            from = span.second;
        }
        if (m->role == AP_ASSISTANT)
            ap__buf_puts(text, MARKUP_END);
    }
    if (cue)
        ap__buf_puts(text, t->cue);
    return text->failed ? ap__fail(err, AP_E_MEMORY, t->name, "no memory for a conversation's text") : AP_OK;
}

/* Take the marks out of the text and remember where they stood. */
static ap_status take_marks(struct ap_shown *s, struct ap_err *err)
{
    const size_t n = strlen(AP_APART);
    char *text = s->text.data, *end = text + s->text.len, *to = text;
    for (char *from = text; from < end;) {
        char *mark = (size_t)(end - from) >= n ? memchr(from, AP_APART[0], (size_t)(end - from)) : NULL;
        char *stop = mark ? mark : end;
        memmove(to, from, (size_t)(stop - from));
        to += stop - from;
        from = stop;
        if (mark && (size_t)(end - mark) >= n && memcmp(mark, AP_APART, n) == 0) {
            AP_TRY(add_apart(s, (size_t)(to - text), err));
            from += n;
        } else if (mark) {
            *to++ = *from++;
        }
    }
    s->text.len = (size_t)(to - text);
    if (text)
        *to = '\0';
    return AP_OK;
}

static ap_status show_jinja(const struct ap_template *t, const struct ap_turn_style *style,
                            const struct ap_dialogue *d, bool cue, struct ap_shown *out, struct ap_err *err)
{
    json_t *messages = NULL;
    AP_TRY(ap__turns_build(style, t->tok, d, &messages, err));
    json_t *all = json_copy(t->variables);
    json_t *tools = d->tools && t->form != AP_FORM_TEXT ? json_incref((json_t *)d->tools) : json_null();
    bool ok = json_object_set_new(all, "messages", messages) == 0;
    ok = json_object_set_new(all, "tools", tools) == 0 && ok;
    ok = json_object_set_new(all, "documents", json_null()) == 0 && ok;
    ok = json_object_set_new(all, "add_generation_prompt", json_boolean(cue)) == 0 && ok;
    ap_status status = ok ? ap__jinja_render(t->jinja, all, TODAY, &out->text, NULL, err)
                          : ap__fail(err, AP_E_MEMORY, t->name, "no memory for a conversation as JSON");
    json_decref(all);
    return status == AP_OK ? take_marks(out, err) : status;
}

ap_status ap__template_show_as(const struct ap_template *t, const struct ap_turn_style *style,
                               const struct ap_dialogue *d, bool cue, struct ap_shown *out, struct ap_err *err)
{
    ap__buf_clear(&out->text);
    out->apart_count = 0;
    return t->jinja ? show_jinja(t, style, d, cue, out, err) : show_markup(t, d, cue, out, err);
}

ap_status ap__template_show(const struct ap_template *t, const struct ap_dialogue *d, bool cue, struct ap_shown *out,
                            struct ap_err *err)
{
    bool examples = false;
    for (size_t i = 0; i < d->n; i++)
        examples = examples || d->message[i].scaffold;
    if (examples && !t->examples)
        return ap__fail(err, AP_E_FORMAT, t->name, "the chat template has no place for example calls before the "
                                                   "question; leave out the task's bootstrap calls");
    return ap__template_show_as(t, &t->style[examples], d, cue, out, err);
}

/* Is the span seen as a token, or are its bytes kept apart? */
static bool is_seen(const struct ap_shown *s, const struct ap_added_span *span)
{
    for (size_t i = 0; i < s->apart_count; i++)
        if (s->apart[i] > span->start && s->apart[i] < span->end)
            return false;
    return true;
}

void ap__template_own(const struct ap_template *t, const struct ap_shown *s, size_t from, size_t known, size_t *body,
                      size_t *end)
{
    struct ap_added_span span;
    const char *text = ap__buf_cstr(&s->text);
    for (size_t at = from; ap__tokenizer_find_added(t->tok, text, s->text.len, at, &span); at = span.end) {
        if (!ap__template_stops(t, span.id) || !is_seen(s, &span))
            continue;
        *body = span.start;
        *end = span.end;
        return;
    }
    const char *close = t->close ? strstr(text + known, t->close) : NULL;
    *body = close ? (size_t)(close - text) : known;
    *end = close ? *body + strlen(t->close) : known;
}

/* ------------------------------------------------------------------ tokens */

static ap_status add_ids(const struct ap_ids *ids, enum ap_token_role role, struct ap_tokens *out, struct ap_err *err)
{
    size_t before = out->n;
    for (size_t i = 0; i < ids->n; i++) {
        ap_status status = ap__tokens_add(out, ids->id[i], role, err);
        if (status != AP_OK) {
            out->n = before;
            return status;
        }
    }
    return AP_OK;
}

/* The places of a text that lie in its part [from, to), counted from there; *out is NULL when there are none. */
static ap_status apart_in(const struct ap_shown *s, size_t from, size_t to, size_t **out, size_t *n, struct ap_err *err)
{
    *out = NULL;
    *n = 0;
    if (s->apart_count == 0)
        return AP_OK;
    if (!(*out = ap__alloc_array(s->apart_count, sizeof **out)))
        return ap__fail(err, AP_E_MEMORY, NULL, "no memory for %zu places of a text", s->apart_count);
    for (size_t i = 0; i < s->apart_count; i++)
        if (s->apart[i] > from && s->apart[i] < to)
            (*out)[(*n)++] = s->apart[i] - from;
    return AP_OK;
}

ap_status ap__template_encode(const struct ap_template *t, const struct ap_shown *s, size_t from, size_t to,
                              enum ap_token_role role, struct ap_tokens *out, struct ap_err *err)
{
    struct ap_ids ids = {0};
    struct ap_encode_place place = {.before = out->n > 0 ? out->id[out->n - 1] : -1};
    size_t *apart;
    if (from >= to)
        return AP_OK;
    AP_TRY(apart_in(s, from, to, &apart, &place.apart_count, err));
    place.apart = apart;
    ap_status status = ap__tokenizer_encode_at(t->tok, s->text.data + from, to - from, &place, &ids, err);
    if (status == AP_OK)
        status = add_ids(&ids, role, out, err);
    ap__ids_deinit(&ids);
    ap__free(apart);
    return status;
}

bool ap__template_cuts(const struct ap_template *t, const struct ap_shown *s, size_t from, size_t at)
{
    struct ap_added_span span;
    const char *text = ap__buf_cstr(&s->text);
    for (size_t i = from; i <= at && ap__tokenizer_find_added(t->tok, text, s->text.len, i, &span); i = span.end)
        if (span.cuts && is_seen(s, &span) && (span.start == at || span.next == at))
            return true;
    return at == from;
}

ap_status ap__template_encode_cued(const struct ap_template *t, const struct ap_shown *s, size_t from,
                                   enum ap_token_role role, struct ap_tokens *out, struct ap_err *err)
{
    size_t before = out->n, n = strlen(t->cue), end = s->text.len, cut = end;
    if (end - from >= n && memcmp(s->text.data + end - n, t->cue, n) == 0 && ap__template_cuts(t, s, from, end - n))
        cut = end - n;
    ap_status status = ap__template_encode(t, s, from, cut, role, out, err);
    if (status == AP_OK)
        status = ap__template_encode(t, s, cut, end, AP_TOKEN_PROMPT, out, err);
    if (status != AP_OK)
        out->n = before;
    return status;
}

ap_status ap__template_encode_own(const struct ap_template *t, const struct ap_shown *s, size_t from, size_t body,
                                  size_t end, struct ap_tokens *out, struct ap_err *err)
{
    size_t before = out->n;
    bool line = t->close && body < end && end - body == strlen(t->close) &&
                memcmp(s->text.data + body, t->close, end - body) == 0;
    ap_status status = ap__template_encode(t, s, from, body, AP_TOKEN_CALL, out, err);
    if (status == AP_OK)
        status = line ? ap__tokens_add(out, t->close_id, AP_TOKEN_CALL, err)
                      : ap__template_encode(t, s, body, end, AP_TOKEN_CALL, out, err);
    if (status != AP_OK)
        out->n = before;
    return status;
}
