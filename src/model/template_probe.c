/* template_probe.c - what a chat template takes is found out by trying it, not by its name.
 *
 *     a call, a result, a tool  --shown?-->  native: tool_calls and results are seen, and so is the tool
 *                                            hermes: the tool is, and <tool_call> is asked for
 *                                            text:   neither
 *     each arrangement of       --in order?-> the first in which nothing is lost, with and without examples
 *     system, example, question,
 *     call, result, call
 *     question with and without --what is added?--> the cue
 *     answer                    --what follows?---> what ends a turn
 *
 * Whatever a probe holds is a word that no template has. */
#include "model/template_parts.h"

#include <string.h>

#define SYSTEM "Qsystemq"
#define QUESTION "Qquestionq"
#define NAME "Qnameq"
#define ARGUMENT "Qvalueq"
#define ANSWER "Qanswerq"
#define RESULT "Qresultq"
#define TOOL "Qtoolq"
#define EXAMPLE "Qexampleq"

struct probe {
    struct ap_template *t;
    json_t *tools, *call, *example;
    struct ap_shown shown, other;
    struct ap_err why; /* the last refusal of the template */
};

static struct ap_message said(enum ap_role role, const char *text)
{
    return (struct ap_message){.role = role, .text = (char *)text};
}

static struct ap_message called(const struct probe *p)
{
    return (struct ap_message){.role = AP_ASSISTANT, .text = (char *)(NAME "(" ARGUMENT ")"), .call = p->call};
}

/* Show messages; *ok is false when the template refuses.  Whatever else goes wrong is an error. */
static ap_status try_show(struct probe *p, const struct ap_turn_style *style, const struct ap_message *m, size_t n,
                          const json_t *tools, bool cue, bool *ok, struct ap_err *err)
{
    struct ap_dialogue d = {.message = m, .n = n, .tools = tools};
    ap_status status = ap__template_show_as(p->t, style, &d, cue, &p->shown, &p->why);
    *ok = status == AP_OK;
    return status == AP_OK || status == AP_E_FORMAT ? AP_OK : ap__fail(err, status, p->why.place, "%s", p->why.message);
}

/* Do the words stand in the shown text in this order? */
static bool in_order(const struct probe *p, const char *const *word, size_t n)
{
    const char *at = ap__buf_cstr(&p->shown.text);
    for (size_t i = 0; i < n; i++) {
        at = strstr(at, word[i]);
        if (!at)
            return false;
        at += strlen(word[i]);
    }
    return true;
}

/* ------------------------------------------------------------------ calls */

/* Are tools, calls and results shown?  first: 0 with a system message, 1 without. */
static ap_status try_native(struct probe *p, size_t first, bool *ok, struct ap_err *err)
{
    static const char *const seen[] = {QUESTION, NAME, ARGUMENT, RESULT};
    const struct ap_message m[] = {said(AP_SYSTEM, SYSTEM), said(AP_USER, QUESTION), called(p), said(AP_TOOL, RESULT)};
    struct ap_turn_style style = {.system = true, .native = true, .tool_role = true};
    AP_TRY(try_show(p, &style, m + first, 4 - first, p->tools, false, ok, err));
    *ok = *ok && in_order(p, seen, 4) && strstr(p->shown.text.data, TOOL);
    return AP_OK;
}

/* Are tools shown, and is <tool_call> asked for? */
static ap_status try_asking(struct probe *p, size_t first, bool *ok, struct ap_err *err)
{
    const struct ap_message m[] = {said(AP_SYSTEM, SYSTEM), said(AP_USER, QUESTION)};
    AP_TRY(try_show(p, &(struct ap_turn_style){.system = true}, m + first, 2 - first, p->tools, true, ok, err));
    *ok = *ok && strstr(ap__buf_cstr(&p->shown.text), TOOL) && strstr(p->shown.text.data, "<tool_call>");
    return AP_OK;
}

static ap_status find_form(struct probe *p, struct ap_err *err)
{
    static ap_status (*const try[])(struct probe *p, size_t first, bool *ok, struct ap_err *err) = {try_native, try_asking};
    static const enum ap_call_form form[] = {AP_FORM_NATIVE, AP_FORM_HERMES};
    for (size_t i = 0; i < 4; i++) {
        bool ok;
        p->t->form = form[i / 2];
        AP_TRY(try[i / 2](p, i % 2, &ok, err));
        if (ok)
            return AP_OK;
    }
    p->t->form = AP_FORM_TEXT;
    return AP_OK;
}

/* Does text hold a special token that other does not? */
static bool has_own_token(const struct ap_template *t, const struct ap_shown *text, const struct ap_shown *other)
{
    struct ap_added_span span, twin;
    for (size_t at = 0; ap__tokenizer_find_added(t->tok, ap__buf_cstr(&text->text), text->text.len, at, &span); at = span.end) {
        bool found = !span.special;
        for (size_t in = 0; !found && ap__tokenizer_find_added(t->tok, ap__buf_cstr(&other->text), other->text.len, in, &twin);
             in = twin.end)
            found = twin.id == span.id;
        if (!found)
            return true;
    }
    return false;
}

/* Where calls are text: is there a place for results all the same?  A template that prints any role's name does not
 * count, unless a token of the vocabulary stands for it. */
static ap_status find_result_role(struct probe *p, bool *has_role, struct ap_err *err)
{
    static const char *const seen[] = {QUESTION, ANSWER, RESULT};
    const struct ap_message m[] = {said(AP_USER, QUESTION), said(AP_ASSISTANT, ANSWER), said(AP_TOOL, RESULT)};
    bool ok;
    *has_role = p->t->form == AP_FORM_NATIVE || p->t->ours;
    if (*has_role)
        return AP_OK;
    AP_TRY(try_show(p, &(struct ap_turn_style){0}, m, 3, NULL, false, &ok, err));
    struct ap_shown as_user = p->shown;
    p->shown = p->other;
    p->other = as_user;
    if (!ok)
        return AP_OK;
    AP_TRY(try_show(p, &(struct ap_turn_style){.tool_role = true}, m, 3, NULL, false, &ok, err));
    *has_role = ok && in_order(p, seen, 3) && (p->t->form == AP_FORM_HERMES || has_own_token(p->t, &p->shown, &p->other));
    return AP_OK;
}

/* ------------------------------------------------------------------ arrangements */

/* Is a chain shown whole, in order and with its tools? */
static ap_status try_style(struct probe *p, const struct ap_turn_style *style, bool examples, bool *ok, struct ap_err *err)
{
    static const char *const order[] = {SYSTEM, EXAMPLE, "Qgivenq", QUESTION, NAME, RESULT, NAME};
    static const char *const bare[] = {SYSTEM, QUESTION, NAME, RESULT, NAME};
    const struct ap_message example = {.role = AP_ASSISTANT, .text = (char *)EXAMPLE, .call = p->example, .scaffold = true};
    const struct ap_message given = {.role = AP_TOOL, .text = (char *)"Qgivenq", .scaffold = true};
    const struct ap_message with[] = {said(AP_SYSTEM, SYSTEM), example, given, said(AP_USER, QUESTION),
                                      called(p), said(AP_TOOL, RESULT), called(p)};
    const struct ap_message without[] = {said(AP_SYSTEM, SYSTEM), said(AP_USER, QUESTION), called(p),
                                         said(AP_TOOL, RESULT), called(p)};
    const json_t *tools = p->t->form == AP_FORM_TEXT ? NULL : p->tools;
    AP_TRY(try_show(p, style, examples ? with : without, examples ? 7 : 5, tools, false, ok, err));
    *ok = *ok && (examples ? in_order(p, order, 7) : in_order(p, bare, 5)) &&
          (!tools || strstr(p->shown.text.data, TOOL));
    if (!*ok || !examples)
        return AP_OK;
    /* ... and may a model speak after its result? */
    return try_show(p, style, with, 6, tools, true, ok, err);
}

static ap_status find_style(struct probe *p, bool tool_role, bool examples, bool *found, struct ap_err *err)
{
    *found = false;
    for (int i = 0; i < (examples ? 4 : 2) && !*found; i++) {
        struct ap_turn_style style = {.system = !(i & 1), .closing = i >= 2, .tool_role = tool_role,
                                      .native = p->t->form == AP_FORM_NATIVE};
        AP_TRY(try_style(p, &style, examples, found, err));
        if (*found)
            p->t->style[examples] = style;
    }
    return AP_OK;
}

static ap_status find_styles(struct probe *p, struct ap_err *err)
{
    bool tool_role, found;
    AP_TRY(find_result_role(p, &tool_role, err));
    AP_TRY(find_style(p, tool_role, false, &found, err));
    if (!found)
        return ap__fail(err, AP_E_FORMAT, p->t->name, "the chat template cannot show a chain of calls: %.300s",
                        p->why.message[0] ? p->why.message : "parts of it are missing in its text");
    return find_style(p, tool_role, true, &p->t->examples, err);
}

/* ------------------------------------------------------------------ cue and end of a turn */

/* What a question's text has more when the model is asked to speak. */
static ap_status find_cue(struct probe *p, struct ap_err *err)
{
    const struct ap_message m[] = {said(AP_USER, QUESTION)};
    const struct ap_turn_style *style = &p->t->style[0];
    struct ap_shown quiet;
    size_t same = 0;
    bool ok;
    AP_TRY(try_show(p, style, m, 1, NULL, false, &ok, err));
    quiet = p->shown;
    p->shown = p->other;
    p->other = quiet;
    AP_TRY(try_show(p, style, m, 1, NULL, true, &ok, err));
    const char *text = ap__buf_cstr(&p->shown.text), *other = ap__buf_cstr(&p->other.text);
    while (same < p->shown.text.len && same < p->other.text.len && text[same] == other[same])
        same++;
    size_t at = same; /* what ends a quiet text may begin like the cue: <|endoftext|>, <|assistant|> */
    while (same < p->other.text.len && at > 0 && !ap__template_cuts(p->t, &p->shown, 0, at))
        at--;
    p->t->cue = ap__strdup(text + (at > 0 ? at : same));
    return p->t->cue ? AP_OK : ap__fail(err, AP_E_MEMORY, p->t->name, "out of memory");
}

/* The first special token behind the word, -1: none; *tail = what stands behind the word. */
static int32_t token_after(const struct probe *p, const char *word, const char **tail)
{
    struct ap_added_span span;
    const char *text = ap__buf_cstr(&p->shown.text), *at = strstr(text, word), *next;
    *tail = "";
    if (!at)
        return -1;
    while ((next = strstr(at + 1, word)) != NULL)
        at = next;
    *tail = at + strlen(word);
    for (size_t from = (size_t)(*tail - text); ap__tokenizer_find_added(p->t->tok, text, p->shown.text.len, from, &span);
         from = span.end)
        if (span.special)
            return span.id;
    return -1;
}

/* No special token ends a turn: what stands behind it does. */
static ap_status use_text_end(struct ap_template *t, const char *tail, struct ap_err *err)
{
    struct ap_ids words = {0}, ids = {0};
    struct ap_encode_place place = {.before = -1};
    ap_status status = ap__tokenizer_encode(t->tok, ANSWER, strlen(ANSWER), false, &words, err);
    if (status == AP_OK && words.n > 0)
        place.before = words.id[words.n - 1];
    if (status == AP_OK)
        status = ap__tokenizer_encode_at(t->tok, tail, strlen(tail), &place, &ids, err);
    if (status == AP_OK && ids.n == 0)
        status = ap__fail(err, AP_E_FORMAT, t->name, "the vocabulary has no token for a line feed");
    if (status == AP_OK) {
        t->close_id = ids.id[0];
        t->close = ap__strdup(tail);
        status = t->close ? ap__template_add_stop(t, t->close_id, err) : ap__fail(err, AP_E_MEMORY, t->name, "out of memory");
    }
    ap__ids_deinit(&ids);
    ap__ids_deinit(&words);
    return status;
}

static ap_status find_end(struct probe *p, struct ap_err *err)
{
    const struct ap_message answer[] = {said(AP_USER, QUESTION), said(AP_ASSISTANT, ANSWER)};
    const struct ap_message call[] = {said(AP_USER, QUESTION), called(p)};
    struct ap_turn_style style = p->t->style[0];
    const char *tail;
    bool ok;
    style.native = false;
    AP_TRY(try_show(p, &style, answer, 2, NULL, false, &ok, err));
    int32_t end = ok ? token_after(p, ANSWER, &tail) : -1;
    AP_TRY(ap__template_add_stop(p->t, end, err));
    if (end < 0 && ok && tail[0] != '\0')
        AP_TRY(use_text_end(p->t, tail, err));
    if (p->t->form == AP_FORM_NATIVE) {
        size_t body, stop;
        AP_TRY(try_show(p, &p->t->style[0], call, 2, p->tools, false, &ok, err));
        end = ok ? token_after(p, ARGUMENT, &tail) : -1;
        size_t behind = p->shown.text.len - (ok ? strlen(tail) : 0);
        ap__template_own(p->t, &p->shown, behind, behind, &body, &stop);
        if (body == stop) /* a call is ended by a token of its own */
            AP_TRY(ap__template_add_stop(p->t, end, err));
    }
    if (p->t->stops == 0)
        return ap__fail(err, AP_E_FORMAT, p->t->name, "neither the chat template nor the model's files say which token "
                                                      "ends a turn");
    return AP_OK;
}

/* ------------------------------------------------------------------ all of it */

static ap_status probe_all(struct probe *p, struct ap_err *err)
{
    p->tools = json_pack("[{s:s, s:{s:s, s:s, s:{s:s, s:{s:{s:s, s:s}}, s:[s]}}}]", "type", "function", "function", "name",
                         TOOL, "description", TOOL, "parameters", "type", "object", "properties", "x", "type", "string",
                         "description", "x", "required", "x");
    p->call = json_pack("{s:s, s:{s:s}}", "name", NAME, "arguments", "x", ARGUMENT);
    p->example = json_pack("{s:s, s:{s:s}}", "name", EXAMPLE, "arguments", "x", "y");
    if (!p->tools || !p->call || !p->example)
        return ap__fail(err, AP_E_MEMORY, p->t->name, "out of memory");
    AP_TRY(find_form(p, err));
    AP_TRY(find_styles(p, err));
    AP_TRY(find_cue(p, err));
    return find_end(p, err);
}

ap_status ap__template_probe(struct ap_template *t, struct ap_err *err)
{
    struct probe p = {.t = t};
    ap__shown_init(&p.shown);
    ap__shown_init(&p.other);
    ap_status status = probe_all(&p, err);
    ap__shown_deinit(&p.other);
    ap__shown_deinit(&p.shown);
    json_decref(p.example);
    json_decref(p.call);
    json_decref(p.tools);
    return status;
}
