/* template.h - chat markup, message by message, so that tokens are decided once.
 *
 * A conversation is rendered as the concatenation of its messages' tokens:
 *
 *     <|system|> text <|user|> question <|assistant|> call <|end|> <|tool|> result <|assistant|> call <|end|> ...
 *
 * "open" tokens stand before a message, then its text (encoded without special
 * tokens), then "close" tokens.  Only what the model itself writes is trained:
 * the text of assistant messages and their close tokens.  Models without this
 * markup in their vocabulary get the plain form ("Question: ...\n", one line
 * per call and result). */
#ifndef AP_TEMPLATE_H
#define AP_TEMPLATE_H

#include "model/tokenizer.h"

enum ap_role { AP_SYSTEM, AP_USER, AP_ASSISTANT, AP_TOOL, AP_ROLE_COUNT };

/* What each recorded token is (DESIGN rule 1). */
enum ap_token_role { AP_TOKEN_PROMPT = 0, AP_TOKEN_CALL = 1, AP_TOKEN_RESULT = 2 };

struct ap_template;
ap_status ap__template_open(const char *dir, const struct ap_tokenizer *tok, struct ap_template **out,
                            struct ap_err *err) AP_MUST_CHECK;
void ap__template_free(struct ap_template *t);

/* A recorded conversation: ids and what each is. */
struct ap_tokens {
    int32_t *id;   /* (n,) */
    uint8_t *role; /* (n,) enum ap_token_role */
    size_t n, cap;
};
void ap__tokens_deinit(struct ap_tokens *t);
ap_status ap__tokens_add(struct ap_tokens *t, int32_t id, enum ap_token_role role, struct ap_err *err) AP_MUST_CHECK;

/* Append a whole message. An assistant message's text and close become AP_TOKEN_CALL, its open
 * AP_TOKEN_PROMPT; a tool message AP_TOKEN_RESULT; others AP_TOKEN_PROMPT. */
ap_status ap__template_message(const struct ap_template *t, enum ap_role role, const char *text, size_t len,
                               struct ap_tokens *out, struct ap_err *err) AP_MUST_CHECK;
/* Append what cues the model to speak (the open tokens of an assistant message). After generating, the
 * caller appends the generated ids as AP_TOKEN_CALL itself; generation stops after a close token. */
ap_status ap__template_cue(const struct ap_template *t, struct ap_tokens *out, struct ap_err *err) AP_MUST_CHECK;
/* The token that ends an assistant message; it is generated and trained. */
int32_t ap__template_stop(const struct ap_template *t);

#endif
