/* chat.h - conversations as chat-completions requests, and what their answers say.
 *
 *     conversation, sampling --ap__chat_request--> {"model": ..., "messages": [...], ...}
 *     {"choices": [{"message": ...}], "usage": ...} --ap__chat_answer_read--> call text, tokens
 *
 * Knows nothing of HTTP.  Requests are canonical (keys sorted), so that equal
 * ones are equal as bytes: the journal looks them up by a hash. */
#ifndef AP_CHAT_H
#define AP_CHAT_H

#include "llm/llm.h"

enum {
    AP_CHAT_MAX_TEXT = 64 << 10,     /* bytes of an answer that are kept; longer ones are cut off */
    AP_CHAT_MAX_TOKENS = 1000000000, /* more is no count of tokens */
};

/* How calls are said to a server and by it. */
enum ap_chat_style {
    AP_CHAT_TEXT,  /* the message's text is the call */
    AP_CHAT_TOOLS, /* `tools` and `tool_calls` */
};

struct ap_chat_form {
    enum ap_chat_style style;
    const char *model;    /* NULL: the field is left out */
    bool tool_role;       /* text: results have the role `tool`, else they are the user's */
    int32_t max_tokens;   /* of an answer; 0 = as the request says */
    const json_t *extra;  /* members put over the body's, null takes one away; or NULL */
};

/* *body: ap__free it. */
ap_status ap__chat_request(const struct ap_chat_form *form, const struct ap_request *request, char **body,
                           struct ap_err *err) AP_MUST_CHECK;
/* A number for servers that draw by a seed, from the request's random stream. */
int64_t ap__chat_seed(const struct ap_request *request);

struct ap_chat_answer {
    char *text; /* a call in a form that call_formats.h reads, without thoughts */
    enum ap_finish finish;
    int32_t calls;  /* tool calls in the answer; the first one is the text */
    bool counted;   /* the server tells the tokens */
    int64_t prompt_tokens, cached_tokens, completion_tokens; /* cached: those of the prompt that cost less */
};
void ap__chat_answer_deinit(struct ap_chat_answer *answer);

/* AP_E_FORMAT: it is no answer, and the message says why; AP_E_MEMORY. */
ap_status ap__chat_answer_read(const char *text, size_t len, struct ap_chat_answer *out,
                               struct ap_err *err) AP_MUST_CHECK;
/* The server's own words about a refusal into out (cap bytes, one line), "" when there are none. */
void ap__chat_error_read(const char *text, size_t len, char *out, size_t cap);

#endif
