/* jinja_chat.c - a chat template's text and variables, from tokenizer_config.json and a conversation.
 *
 *     special tokens < members of the conversation      (what is named twice is the latter)
 *     messages: reasoning by each of its names */
#include "jinja/jinja_chat.h"

#include <string.h>

const char *ap__chat_template_text(const json_t *config, bool tools)
{
    const json_t *given = json_object_get(config, "chat_template"), *item;
    const char *found = json_string_value(given);
    size_t i;
    json_array_foreach(given, i, item) {
        const char *name = ap__json_str_or(item, "name", "");
        if ((tools && strcmp(name, "tool_use") == 0) || (!found && strcmp(name, "default") == 0))
            found = json_string_value(json_object_get(item, "template"));
    }
    return found;
}

static ap_status no_memory(struct ap_err *err)
{
    return ap__fail(err, AP_E_MEMORY, NULL, "out of memory for the variables of a template");
}

ap_status ap__chat_special_tokens(const json_t *config, json_t *variables, struct ap_err *err)
{
    static const char *const names[] = {"bos_token", "eos_token", "unk_token", "sep_token",
                                        "pad_token", "cls_token", "mask_token"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        json_t *token = json_object_get(config, names[i]);
        if (json_is_object(token)) /* the token with its properties */
            token = json_object_get(token, "content");
        if (json_is_string(token) && json_object_set(variables, names[i], token) != 0)
            return no_memory(err);
    }
    return AP_OK;
}

/* A copy of the message, its reasoning by the names that templates read; the message itself when it has none. */
static json_t *with_reasoning(json_t *message)
{
    static const char *const names[] = {"reasoning_content", "thinking", "reasoning"};
    json_t *reasoning = NULL;
    for (size_t i = 0; i < 3 && (!reasoning || json_is_null(reasoning)); i++)
        reasoning = json_object_get(message, names[i]);
    if (!reasoning || json_is_null(reasoning))
        return json_incref(message);
    json_t *copy = json_object();
    bool ok = json_object_set(copy, "thinking", reasoning) == 0 && json_object_update(copy, message) == 0 &&
              json_object_set(copy, "reasoning_content", reasoning) == 0;
    if (ok)
        return copy;
    json_decref(copy);
    return NULL;
}

static ap_status add_messages(const json_t *messages, const char *place, json_t *variables, struct ap_err *err)
{
    json_t *all = json_array(), *message;
    ap_status status = all ? AP_OK : no_memory(err);
    size_t i;
    json_array_foreach(messages, i, message) {
        if (status == AP_OK && !json_is_object(message))
            status = ap__fail(err, AP_E_FORMAT, place, "message %zu is no object", i + 1);
        if (status == AP_OK && json_array_append_new(all, with_reasoning(message)) != 0)
            status = no_memory(err);
    }
    if (status == AP_OK && json_object_set(variables, "messages", all) != 0)
        status = no_memory(err);
    json_decref(all);
    return status;
}

static ap_status fill(const json_t *config, const json_t *conversation, const char *place, bool cue, json_t *variables,
                      struct ap_err *err)
{
    json_t *messages;
    AP_TRY(ap__json_array(conversation, "messages", place, &messages, err));
    AP_TRY(ap__chat_special_tokens(config, variables, err));
    if (json_object_set_new(variables, "tools", json_null()) != 0 ||
        json_object_set_new(variables, "documents", json_null()) != 0 ||
        json_object_set_new(variables, "add_generation_prompt", json_boolean(cue)) != 0 ||
        json_object_update(variables, (json_t *)(uintptr_t)conversation) != 0)
        return no_memory(err);
    return add_messages(messages, place, variables, err);
}

ap_status ap__chat_variables(const json_t *config, const json_t *conversation, const char *place, bool cue,
                             json_t **out, struct ap_err *err)
{
    json_t *variables = json_object();
    if (!variables)
        return no_memory(err);
    ap_status status = fill(config, conversation, place, cue, variables, err);
    if (status == AP_OK)
        *out = json_incref(variables);
    json_decref(variables);
    return status;
}
