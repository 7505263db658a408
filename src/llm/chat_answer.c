/* chat_answer.c - what a chat completion says.
 *
 *     choices[0].message.tool_calls[0] --> {"name": N, "arguments": ARGUMENTS}     as the server wrote them
 *     choices[0].message.content       --> without thoughts, blanks and a fence around it
 *     finish_reason, usage             --> finish, tokens
 *
 * Nothing is taken on trust: every type is looked at, every size has a ceiling.
 * What the model got wrong (no call, broken arguments) is left in the text, for
 * the agent answers that with an observation; what the server got wrong is a
 * failure. */
#define _GNU_SOURCE /* memmem */
#include "llm/chat.h"

#include "base/text.h"

#include <stdlib.h>
#include <string.h>

#define PLACE "the server's answer"

void ap__chat_answer_deinit(struct ap_chat_answer *answer)
{
    ap__free(answer->text);
    *answer = (struct ap_chat_answer){0};
}

/* ---- the text ---- */

struct span {
    const char *at; /* (len,) */
    size_t len;
};

static bool blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static struct span trim(struct span s)
{
    while (s.len > 0 && blank(s.at[0]))
        s = (struct span){s.at + 1, s.len - 1};
    while (s.len > 0 && blank(s.at[s.len - 1]))
        s.len--;
    return s;
}

static bool has(struct span s, char c)
{
    return memchr(s.at, c, s.len) != NULL;
}

/* Behind the thoughts.  Some servers leave <think> out, for it stood in the prompt; then </think> ends them only where
 * it does not stand in an argument: between a call's parentheses, and with no other call behind. */
static struct span skip_thoughts(struct span s)
{
    static const char opening[] = "<think>", closing[] = "</think>";
    struct span body = trim(s);
    const char *end = memmem(body.at, body.len, closing, strlen(closing));
    if (!end)
        return body;
    struct span before = {body.at, (size_t)(end - body.at)}, after = {end + strlen(closing), 0};
    after.len = (size_t)(body.at + body.len - after.at);
    bool opened = body.len >= strlen(opening) && memcmp(body.at, opening, strlen(opening)) == 0;
    return opened || !has(before, '(') || has(after, '(') ? trim(after) : body;
}

/* ```python\nSum(a=1)\n```  -->  Sum(a=1) */
static struct span unwrap_fence(struct span s)
{
    if (s.len < 6 || memcmp(s.at, "```", 3) != 0 || memcmp(s.at + s.len - 3, "```", 3) != 0)
        return s;
    const char *line = memchr(s.at, '\n', s.len);
    size_t head = line ? (size_t)(line - s.at) + 1 : 3;
    return head + 3 <= s.len ? trim((struct span){s.at + head, s.len - head - 3}) : s;
}

/* Keep the first bytes of a text that is too long; it is then no call, but cut off. */
static ap_status keep_text(struct span s, struct ap_chat_answer *out, struct ap_err *err)
{
    if (s.len > AP_CHAT_MAX_TEXT) {
        s.len = AP_CHAT_MAX_TEXT;
        while (s.len > 0 && ((unsigned char)s.at[s.len] & 0xC0) == 0x80)
            s.len--;
        out->finish = AP_FINISH_LENGTH;
    }
    out->text = ap__strndup(s.at, s.len);
    return out->text ? AP_OK : ap__fail(err, AP_E_MEMORY, PLACE, "no memory for it");
}

/* ---- tool calls ---- */

/* The arguments are the model's words: they are put in as they are, and the agent says what is wrong with them. */
static ap_status read_call(const json_t *call, struct ap_chat_answer *out, struct ap_err *err)
{
    const json_t *function = json_object_get(call, "function");
    const json_t *arguments = json_object_get(function, "arguments");
    const char *name = json_string_value(json_object_get(function, "name"));
    if (!name || strlen(name) > 256)
        return ap__fail(err, AP_E_FORMAT, PLACE, "a tool call has no function's name");
    json_t *quoted = json_string(name);
    char *name_text = quoted ? ap__json_dump(quoted) : NULL;
    const size_t how = JSON_REAL_PRECISION(15) | JSON_ENCODE_ANY;
    char *dumped = arguments && !json_is_string(arguments) ? json_dumps(arguments, how) : NULL;
    const char *text = json_is_string(arguments) ? json_string_value(arguments) : dumped ? dumped : "";
    struct span bare = trim((struct span){text, strlen(text)});
    struct ap_buf buf;
    ap__buf_init(&buf, 0);
    if (bare.len == 0)
        bare = (struct span){"{}", 2};
    ap__buf_printf(&buf, "{\"name\": %s, \"arguments\": ", name_text ? name_text : "");
    ap__buf_add(&buf, bare.at, bare.len);
    ap__buf_putc(&buf, '}');
    ap_status status = name_text && !buf.failed ? keep_text((struct span){buf.data, buf.len}, out, err)
                                                : ap__fail(err, AP_E_MEMORY, PLACE, "no memory for it");
    ap__buf_deinit(&buf);
    free(dumped);
    ap__free(name_text);
    json_decref(quoted);
    return status;
}

static ap_status read_message(const json_t *message, struct ap_chat_answer *out, struct ap_err *err)
{
    const json_t *calls = json_object_get(message, "tool_calls"), *content = json_object_get(message, "content");
    if (!json_is_object(message))
        return ap__fail(err, AP_E_FORMAT, PLACE, "its choice has no message");
    if (json_is_array(calls) && json_array_size(calls) > 0) {
        out->calls = json_array_size(calls) < 1000 ? (int32_t)json_array_size(calls) : 1000;
        return read_call(json_array_get(calls, 0), out, err);
    }
    if (content && !json_is_string(content) && !json_is_null(content))
        return ap__fail(err, AP_E_FORMAT, PLACE, "its content is no text");
    const char *text = json_is_string(content) ? json_string_value(content) : "";
    return keep_text(unwrap_fence(skip_thoughts((struct span){text, strlen(text)})), out, err);
}

/* ---- usage ---- */

/* A count of tokens, or -1. */
static int64_t tokens_of(const json_t *usage, const char *key)
{
    const json_t *value = json_object_get(usage, key);
    json_int_t n = json_is_integer(value) ? json_integer_value(value) : -1;
    return n >= 0 && n <= AP_CHAT_MAX_TOKENS ? (int64_t)n : -1;
}

static void read_usage(const json_t *usage, struct ap_chat_answer *out)
{
    int64_t prompt = tokens_of(usage, "prompt_tokens"), completion = tokens_of(usage, "completion_tokens");
    int64_t cached = tokens_of(json_object_get(usage, "prompt_tokens_details"), "cached_tokens");
    if (cached < 0)
        cached = tokens_of(usage, "prompt_cache_hit_tokens"); /* DeepSeek */
    out->counted = prompt >= 0 && completion >= 0;
    if (!out->counted)
        return;
    out->prompt_tokens = prompt;
    out->completion_tokens = completion;
    out->cached_tokens = cached < 0 ? 0 : cached < prompt ? cached : prompt;
}

/* ---- the whole ---- */

static ap_status read_choice(const json_t *root, struct ap_chat_answer *out, struct ap_err *err)
{
    const json_t *choices = json_object_get(root, "choices"), *choice = json_array_get(choices, 0);
    if (!json_is_object(root))
        return ap__fail(err, AP_E_FORMAT, PLACE, "it is no JSON object");
    if (!json_is_array(choices))
        return ap__fail(err, AP_E_FORMAT, PLACE, "it has no `choices`");
    if (!json_is_object(choice))
        return ap__fail(err, AP_E_FORMAT, PLACE, "its `choices` hold nothing");
    out->finish = strcmp(ap__json_str_or(choice, "finish_reason", "stop"), "length") == 0 ? AP_FINISH_LENGTH
                                                                                          : AP_FINISH_STOP;
    return read_message(json_object_get(choice, "message"), out, err);
}

/* What an error object says, or NULL. */
static const char *error_text(const json_t *root)
{
    const json_t *error = json_object_get(root, "error");
    const json_t *detail = json_object_get(root, "detail");
    if (json_is_string(error))
        return json_string_value(error);
    if (json_is_object(error))
        return ap__json_str_or(error, "message", "an error without a message");
    if (json_is_string(detail)) /* FastAPI */
        return json_string_value(detail);
    return ap__json_str_or(root, "object", "")[0] == 'e' ? ap__json_str_or(root, "message", NULL) : NULL; /* old vLLM */
}

ap_status ap__chat_answer_read(const char *text, size_t len, struct ap_chat_answer *out, struct ap_err *err)
{
    json_t *root = NULL;
    *out = (struct ap_chat_answer){0};
    AP_TRY(ap__json_parse(text, len, PLACE, &root, err));
    const char *refusal = json_object_get(root, "choices") ? NULL : error_text(root);
    ap_status status = refusal ? ap__fail(err, AP_E_FORMAT, PLACE, "an error: %.120s", refusal)
                               : read_choice(root, out, err);
    if (status == AP_OK)
        read_usage(json_object_get(root, "usage"), out);
    else
        ap__chat_answer_deinit(out);
    json_decref(root);
    return status;
}

/* Control characters are blanks: servers' words end on terminals. */
static void copy_line(const char *from, size_t n, char *out, size_t cap)
{
    size_t k = 0;
    for (size_t i = 0; i < n && k + 1 < cap; i++) {
        unsigned char c = (unsigned char)from[i];
        bool gap = c <= ' ' || c == 127;
        if (!gap || (k > 0 && out[k - 1] != ' '))
            out[k++] = gap ? ' ' : from[i];
    }
    out[k] = '\0';
    while (k > 0 && (out[k - 1] == ' ' || !ap__utf8_valid(out, k)))
        out[--k] = '\0';
}

void ap__chat_error_read(const char *text, size_t len, char *out, size_t cap)
{
    json_t *root = NULL;
    struct ap_err ignored;
    out[0] = '\0';
    const char *words = NULL;
    if (len > 0 && ap__json_parse(text, len, PLACE, &root, &ignored) == AP_OK)
        words = error_text(root);
    if (words)
        copy_line(words, strlen(words), out, cap);
    else if (!root && len > 0 && text[0] != '<') /* pages of proxies say nothing in their first line */
        copy_line(text, len, out, cap);
    json_decref(root);
}
