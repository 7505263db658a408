/* template.h - conversations as the model's own chat template shows them, and their tokens.
 *
 *     messages --arranged as the template takes them--> JSON --Jinja--> text --> tokens with roles
 *
 *     <|im_start|>system ... <|im_start|>assistant\n   <tool_call>...</tool_call><|im_end|>   \n<|im_start|>user ...
 *     \__________________ prompt ________________/ cue \__ the model's own part, its end too _/ \_ result, cue _/
 *
 * A conversation is shown message by message: the text for messages [0, k) must
 * be the beginning of the text for more of them.  Then the part of each message
 * is known, tokens are decided once, and only what the model itself writes is
 * trained.  Models without a template get one of ours: markup where their
 * vocabulary has it (the bundled models), else one line per message.
 *
 * What messages hold never becomes a special token, whatever it spells. */
#ifndef AP_TEMPLATE_H
#define AP_TEMPLATE_H

#include "base/json.h"
#include "model/tokenizer.h"

enum ap_role { AP_SYSTEM, AP_USER, AP_ASSISTANT, AP_TOOL, AP_ROLE_COUNT };

/* What each recorded token is (DESIGN rule 1). */
enum ap_token_role { AP_TOKEN_PROMPT = 0, AP_TOKEN_CALL = 1, AP_TOKEN_RESULT = 2 };

/* A recorded conversation: ids and what each is. */
struct ap_tokens {
    int32_t *id;   /* (n,) */
    uint8_t *role; /* (n,) enum ap_token_role */
    size_t n, cap;
};
void ap__tokens_deinit(struct ap_tokens *t);
ap_status ap__tokens_add(struct ap_tokens *t, int32_t id, enum ap_token_role role, struct ap_err *err) AP_MUST_CHECK;

struct ap_message {
    enum ap_role role;
    char *text;    /* as it was said; of a call: as it was written */
    json_t *call;  /* of an assistant: {"name", "arguments", and perhaps "id", "content" (words before it)}, or NULL */
    bool scaffold; /* an example, shown before the question: its tokens are all prompt, never trained */
    size_t end;    /* where its part of the conversation's text ends */
};

/* A conversation, borrowed. */
struct ap_dialogue {
    const struct ap_message *message; /* (n,) */
    size_t n;
    const json_t *tools; /* OpenAI's tools array for templates that show it; or NULL */
};

/* What a template makes of calls. */
enum ap_call_form {
    AP_FORM_TEXT,   /* nothing: they are the text of messages, Python-like, and so is the help about functions */
    AP_FORM_HERMES, /* it shows the tools and asks for <tool_call>; calls are the text of messages in that form */
    AP_FORM_NATIVE, /* it shows tools, tool_calls and results */
};

/* The chat template that the bundled models carry. */
#define AP_MARKUP_TEMPLATE                                                                \
    "{% for m in messages %}{{ '<|' + m['role'] + '|>' + m['content'] }}"                  \
    "{% if m['role'] == 'assistant' %}{{ '<|end|>' }}{% endif %}{% endfor %}"              \
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"

struct ap_template; /* immutable, may be shared by threads; the tokenizer is borrowed */

/* path: a model folder, or whatever a tokenizer is opened from. */
ap_status ap__template_open(const char *path, const struct ap_tokenizer *tok, struct ap_template **out,
                            struct ap_err *err) AP_MUST_CHECK;
void ap__template_free(struct ap_template *t);

const char *ap__template_name(const struct ap_template *t); /* for messages */
enum ap_call_form ap__template_form(const struct ap_template *t);
/* One of ours: its models were taught what they need to know. */
bool ap__template_ours(const struct ap_template *t);
/* Each message's text depends on nothing but itself. */
bool ap__template_separate(const struct ap_template *t);
/* What asks the model to speak. */
const char *ap__template_cue(const struct ap_template *t);
/* Does the token end the model's turn? */
bool ap__template_stops(const struct ap_template *t, int32_t id);

/* Text as the template shows it. */
struct ap_shown {
    struct ap_buf text;
    size_t *apart; /* (apart_count,) ascending: no added token is seen across these bytes */
    size_t apart_count, cap;
};
void ap__shown_init(struct ap_shown *s);
void ap__shown_deinit(struct ap_shown *s);

/* The whole text of a conversation; cue: with what asks the model to speak.  Overwrites *out. */
ap_status ap__template_show(const struct ap_template *t, const struct ap_dialogue *d, bool cue, struct ap_shown *out,
                            struct ap_err *err) AP_MUST_CHECK;
/* The model's part of a text in which a message of its own stands from `from` on, surely up to `known`: up to and with
 * what ends its turn (*end), and up to that (*body). */
void ap__template_own(const struct ap_template *t, const struct ap_shown *s, size_t from, size_t known, size_t *body,
                      size_t *end);

/* Append the tokens of bytes [from, to) of a text whose beginning has its tokens in *out already.  On failure *out is as before. */
ap_status ap__template_encode(const struct ap_template *t, const struct ap_shown *s, size_t from, size_t to,
                              enum ap_token_role role, struct ap_tokens *out, struct ap_err *err) AP_MUST_CHECK;
/* The same up to the end of a text that ends in a cue, which is AP_TOKEN_PROMPT. */
ap_status ap__template_encode_cued(const struct ap_template *t, const struct ap_shown *s, size_t from,
                                   enum ap_token_role role, struct ap_tokens *out, struct ap_err *err) AP_MUST_CHECK;
/* The same of the model's own part, AP_TOKEN_CALL. */
ap_status ap__template_encode_own(const struct ap_template *t, const struct ap_shown *s, size_t from, size_t body,
                                  size_t end, struct ap_tokens *out, struct ap_err *err) AP_MUST_CHECK;

#endif
