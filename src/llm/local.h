/* local.h - what local.c (the interface) and schedule.c (the steps) share.
 *
 *     submit --> talk: tokens of the new messages, cue      local.c
 *     poll   --> one step over the active talks              schedule.c
 *            --> the finished ones become messages           local.c */
#ifndef AP_LOCAL_H
#define AP_LOCAL_H

#include "llm/llm.h"

/* A conversation with this model; conversation->backend points here. */
struct ap_talk {
    struct ap_conversation *conversation; /* borrowed; its tokens are the truth, the branch follows them */
    struct ap_branch *branch;             /* NULL: not opened yet, or closed to make room */
    struct ap_request request;
    struct ap_conversation_mark submitted; /* where a failed request goes back to */
    struct ap_rng rng;
    size_t answer; /* first generated token */
    bool active;   /* a request is being worked on */
    bool finished; /* ... and has its outcome */
    bool parked;   /* no room for it now */
    enum ap_finish finish;
    char error[160];
};

struct ap_local {
    struct ap_llm base;
    struct ap_tokenizer *tokenizer;
    struct ap_template *tmpl;
    struct ap_model *model;
    struct ap_session *session;
    int32_t V, max_position, max_tokens, max_prefill;
    struct ap_talk **talk; /* (n,) oldest first: the order of precedence */
    size_t n, cap;
    bool room; /* rows were given back since talks were parked */
    /* one step */
    struct ap_extend *item;  /* (items,) */
    struct ap_talk **member; /* (items,) whose item it is */
    float *logits;           /* (items, V) */
    int32_t items;
    size_t item_cap, member_cap, logits_cap;
    struct ap_buf text; /* scratch: an answer */
};

/* Run one forward pass over the active talks and sample from it; some may be finished then. */
ap_status ap__local_step(struct ap_local *l, struct ap_err *err) AP_MUST_CHECK;
/* Close the talk's branch; the rows may be used by others. */
void ap__talk_close(struct ap_local *l, struct ap_talk *t);
/* End the request without an answer. */
void ap__talk_fail(struct ap_talk *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The answer so far, without what ended it, as valid UTF-8 into l->text. */
ap_status ap__talk_text(struct ap_local *l, const struct ap_talk *t, struct ap_err *err) AP_MUST_CHECK;

#endif
