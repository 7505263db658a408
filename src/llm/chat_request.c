/* chat_request.c - a conversation and how to sample as the body of a chat-completions request.
 *
 *     text    system, user, assistant: as they are; results are the user's, joined to what the user says next
 *     tools   assistant: tool_calls [{id, function: {name, arguments}}]; its result: tool with that id
 *             what is no call stays text, and so does the observation that says so
 *     both    + model, max_tokens, temperature, top_p, seed, stop; extra members are put over all
 *
 * Ids are made from the message's number: servers need them to agree, no more
 * (nine letters and digits, for those that are strict). */
#include "llm/chat.h"

#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_STOPS = 4 }; /* as many as servers take */

/* ---- messages ---- */

static json_t *text_message(const char *role, const char *text)
{
    return json_pack("{s:s, s:s}", "role", role, "content", text);
}

static void make_id(size_t message, char id[16])
{
    snprintf(id, 16, "call%05zu", message % 100000);
}

static json_t *call_message(const json_t *call, size_t number)
{
    char id[16];
    make_id(number, id);
    char *arguments = json_dumps(json_object_get(call, "arguments"), JSON_REAL_PRECISION(15));
    json_t *message = arguments
                          ? json_pack("{s:s, s:s?, s:[{s:s, s:s, s:{s:O, s:s}}]}", "role", "assistant", "content",
                                      json_string_value(json_object_get(call, "content")), "tool_calls", "id", id,
                                      "type", "function", "function", "name", json_object_get(call, "name"),
                                      "arguments", arguments)
                          : NULL;
    free(arguments);
    return message;
}

static json_t *result_message(const char *text, size_t call)
{
    char id[16];
    make_id(call, id);
    return json_pack("{s:s, s:s, s:s}", "role", "tool", "tool_call_id", id, "content", text);
}

static json_t *message_of(const struct ap_chat_form *form, const struct ap_conversation *c, size_t i)
{
    static const char *const role[AP_ROLE_COUNT] = {
        [AP_SYSTEM] = "system", [AP_USER] = "user", [AP_ASSISTANT] = "assistant", [AP_TOOL] = "user"};
    const struct ap_message *m = &c->message[i];
    if (form->style == AP_CHAT_TOOLS && m->role == AP_ASSISTANT && m->call)
        return call_message(m->call, i);
    bool tool = form->style == AP_CHAT_TOOLS ? i > 0 && c->message[i - 1].call : form->tool_role;
    if (m->role == AP_TOOL && tool) /* servers check that there is an id */
        return result_message(m->text, i - 1);
    return text_message(role[m->role], m->text);
}

static const char *role_of(const json_t *message)
{
    return json_string_value(json_object_get(message, "role"));
}

/* Many templates take no two messages of the user in a row. */
static bool join(json_t *last, const json_t *message)
{
    struct ap_buf text;
    ap__buf_init(&text, 0);
    ap__buf_printf(&text, "%s\n%s", json_string_value(json_object_get(last, "content")),
                   json_string_value(json_object_get(message, "content")));
    bool fine = !text.failed && json_object_set_new(last, "content", json_string(text.data)) == 0;
    ap__buf_deinit(&text);
    return fine;
}

/* NULL = out of memory, or a text that is not UTF-8. */
static json_t *messages_of(const struct ap_chat_form *form, const struct ap_conversation *c)
{
    json_t *all = json_array();
    bool fine = all != NULL;
    for (size_t i = 0; i < c->n && fine; i++) {
        json_t *message = message_of(form, c, i), *last = json_array_get(all, json_array_size(all) - 1);
        bool again = message && last && strcmp(role_of(message), "user") == 0 && strcmp(role_of(last), "user") == 0;
        fine = message && (again ? join(last, message) : json_array_append(all, message) == 0);
        json_decref(message);
    }
    if (fine)
        return all;
    json_decref(all);
    return NULL;
}

/* ---- how to sample ---- */

/* 0.7f is written as 0.7. */
static json_t *decimal(float number)
{
    char text[32];
    snprintf(text, sizeof text, "%.6g", (double)number);
    return json_real(strtod(text, NULL));
}

int64_t ap__chat_seed(const struct ap_request *request)
{
    struct ap_rng rng = ap__rng_make(request->stream[0], "remote", request->stream[1], request->stream[2], 0);
    return (int64_t)(ap__rng_u64(&rng) >> 33); /* 31 bits: every server has room for them */
}

static int add_sampling(json_t *body, const struct ap_chat_form *form, const struct ap_request *request)
{
    const struct ap_sampling *how = &request->sampling;
    int32_t most = form->max_tokens > 0 ? form->max_tokens : request->max_tokens;
    int failed = json_object_set_new(body, "max_tokens", json_integer(most));
    failed |= json_object_set_new(body, "temperature", decimal(how->temperature));
    if (how->temperature > 0 && how->top_p > 0 && how->top_p < 1)
        failed |= json_object_set_new(body, "top_p", decimal(how->top_p));
    if (how->temperature > 0)
        failed |= json_object_set_new(body, "seed", json_integer(ap__chat_seed(request)));
    if (form->style == AP_CHAT_TEXT && request->stop_count > 0) {
        json_t *stop = json_array();
        for (int32_t i = 0; i < request->stop_count && i < MOST_STOPS; i++)
            failed |= json_array_append_new(stop, json_string(request->stop[i]));
        failed |= json_object_set_new(body, "stop", stop);
    }
    return failed;
}

/* ---- the body ---- */

static int add_extra(json_t *body, const json_t *extra)
{
    const char *key;
    json_t *value;
    int failed = 0;
    json_object_foreach((json_t *)(uintptr_t)extra, key, value)
    {
        if (json_is_null(value))
            (void)json_object_del(body, key);
        else
            failed |= json_object_set(body, key, value);
    }
    return failed;
}

/* There is no body: JSON holds no text that is not UTF-8, and all else is memory. */
static ap_status explain_failure(const struct ap_conversation *c, struct ap_err *err)
{
    for (size_t i = 0; i < c->n; i++)
        if (!ap__utf8_valid(c->message[i].text, strlen(c->message[i].text)))
            return ap__fail(err, AP_E_FORMAT, NULL, "message %zu of a conversation is not UTF-8", i + 1);
    return ap__fail(err, AP_E_MEMORY, NULL, "no memory for a request of %zu messages", c->n);
}

ap_status ap__chat_request(const struct ap_chat_form *form, const struct ap_request *request, char **body,
                           struct ap_err *err)
{
    const struct ap_conversation *c = request->conversation;
    json_t *json = json_object(), *messages = messages_of(form, c);
    int failed = !json || !messages;
    *body = NULL;
    if (!failed) {
        failed = json_object_set(json, "messages", messages);
        if (form->model)
            failed |= json_object_set_new(json, "model", json_string(form->model));
        if (form->style == AP_CHAT_TOOLS && c->tools)
            failed |= json_object_set(json, "tools", c->tools);
        failed |= add_sampling(json, form, request);
        if (form->extra)
            failed |= add_extra(json, form->extra);
    }
    if (!failed)
        *body = ap__json_dump(json);
    json_decref(messages);
    json_decref(json);
    return *body ? AP_OK : explain_failure(c, err);
}
