/* template_parts.h - what template.c, template_turns.c and template_probe.c share.
 *
 *     template.c        opening, showing, tokens
 *     template_turns.c  messages of ours -> messages as the template takes them
 *     template_probe.c  tries the template out: what it takes, how turns begin and end */
#ifndef AP_TEMPLATE_PARTS_H
#define AP_TEMPLATE_PARTS_H

#include "jinja/jinja.h"
#include "model/template.h"

/* How messages are arranged for a template. */
struct ap_turn_style {
    bool system;    /* there is a system message; else its text begins the first user message */
    bool native;    /* calls are tool_calls, a turn that is no call a stand-in for one */
    bool tool_role; /* results are tool messages; else user messages */
    bool closing;   /* the examples end in a word of the assistant's, so that users and assistants alternate */
};

enum { AP_STOPS_MAX = 16 };

struct ap_template {
    const struct ap_tokenizer *tok; /* borrowed */
    char *name;                     /* for messages */
    struct ap_jinja *jinja;         /* NULL: our markup, written directly */
    json_t *variables;              /* bos_token and the like */
    enum ap_call_form form;
    bool ours, examples;            /* examples: it can show example calls before the question */
    struct ap_turn_style style[2];  /* of conversations without and with examples */
    char *cue;                      /* what asks the model to speak */
    char *close;                    /* ends a turn where no special token does: a line feed */
    int32_t close_id;               /* its token */
    int32_t stop[AP_STOPS_MAX];     /* (stops,) */
    int32_t stops;
};

/* Conversation text that spells an added token gets this behind that token's first character, and the text that the
 * template makes of it loses it again: U+FDD0, which is no character. */
#define AP_APART "\xEF\xB7\x90"

/* May the spelling stand for a token?  own: in what an assistant said. */
bool ap__may_be_token(const struct ap_added_span *span, const char *text, bool own);
/* The messages as JSON, spellings of added tokens marked; new reference. */
ap_status ap__turns_build(const struct ap_turn_style *style, const struct ap_tokenizer *tok,
                          const struct ap_dialogue *d, json_t **out, struct ap_err *err) AP_MUST_CHECK;
ap_status ap__template_show_as(const struct ap_template *t, const struct ap_turn_style *style,
                               const struct ap_dialogue *d, bool cue, struct ap_shown *out,
                               struct ap_err *err) AP_MUST_CHECK;
/* Does a token boundary surely lie at byte `at`?  From `from` on, where one is. */
bool ap__template_cuts(const struct ap_template *t, const struct ap_shown *s, size_t from, size_t at);
ap_status ap__template_add_stop(struct ap_template *t, int32_t id, struct ap_err *err) AP_MUST_CHECK;

/* Find out form, styles, cue and what ends a turn.  AP_E_FORMAT when the template cannot show a chain of calls. */
ap_status ap__template_probe(struct ap_template *t, struct ap_err *err) AP_MUST_CHECK;

#endif
