/* jinja_chat.h - what a model's chat template is and what it is given, as transformers does it.
 *
 *     tokenizer_config.json --> ap__chat_template_text --> ap__jinja_parse
 *                           \
 *     conversation ----------+--> ap__chat_variables --> ap__jinja_render
 *
 *     {"messages": [{"role": "user", "content": "Hi"}], "tools": [...], "enable_thinking": false} */
#ifndef AP_JINJA_CHAT_H
#define AP_JINJA_CHAT_H

#include "base/json.h"

/* The template in the config's chat_template: its text, or of several by name the one for tools ("tool_use") when
 * there are tools, else "default".  Borrowed; NULL: none. */
const char *ap__chat_template_text(const json_t *config, bool tools);

/* bos_token, eos_token and the like, where the config has them, into `variables`. */
ap_status ap__chat_special_tokens(const json_t *config, json_t *variables, struct ap_err *err) AP_MUST_CHECK;

/* Everything a template may ask for, a new object: special tokens of the config (may be NULL), then the members of
 * the conversation; tools and documents are null when it has none.  A message's reasoning is there by the names
 * reasoning_content and thinking, whichever of them (or reasoning) it was given by.
 * cue: add_generation_prompt, unless the conversation says it. */
ap_status ap__chat_variables(const json_t *config, const json_t *conversation, const char *place, bool cue,
                             json_t **out, struct ap_err *err) AP_MUST_CHECK;

#endif
