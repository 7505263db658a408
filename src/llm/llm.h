/* llm.h - one interface to whatever writes the next call: submit, poll, completions.
 *
 *     agent --submit(request)--> llm --poll()--> completions   (hundreds in flight)
 *
 * local   batches all live conversations in one decode step over the session's token tree
 * remote  asks an HTTP endpoint, hundreds of requests at once (remote.h)
 * replay  answers from a file of conversations
 *
 * A conversation grows by messages.  A local model also records the token ids
 * and roles as they are decided, and those are what training uses later. */
#ifndef AP_LLM_H
#define AP_LLM_H

#include "base/waiter.h"
#include "functions/registry.h"
#include "model/sampler.h"
#include "model/session.h"
#include "model/template.h"

enum { AP_CONVERSATION_MAX_MESSAGES = 16384 };

/* A conversation and the tokens decided for it so far. Owned by the agent. */
struct ap_conversation {
    struct ap_message *message; /* (n,) */
    size_t n, cap;
    enum ap_call_form form;     /* how calls are said, by the template */
    const struct ap_registry *functions; /* borrowed; AP_FORM_TEXT needs none */
    json_t *tools;              /* their schemas, shown by the template; NULL with AP_FORM_TEXT */
    size_t encoded;             /* messages [0, encoded) have their tokens in `tokens` */
    size_t shown;               /* messages [0, shown) stand in `said`: encoded ones, but for the last answer */
    struct ap_buf said;         /* as the template shows them, with the cue; not used where messages are separate */
    struct ap_tokens tokens;    /* empty for models without tokens (remote) */
    void *backend;              /* the llm's own handle (a branch); see llm->release */
};
ap_status ap__conversation_add(struct ap_conversation *c, enum ap_role role, const char *text, bool scaffold,
                               struct ap_err *err) AP_MUST_CHECK;
/* The same with a text that becomes the conversation's (also when this fails); NULL means that memory ran out. */
ap_status ap__conversation_take(struct ap_conversation *c, enum ap_role role, char *text, bool scaffold,
                                struct ap_err *err) AP_MUST_CHECK;
/* A call that somebody else wrote, in whatever form, as the conversation's model would write it. */
ap_status ap__conversation_add_call(struct ap_conversation *c, const char *text, bool scaffold,
                                    struct ap_err *err) AP_MUST_CHECK;
void ap__conversation_deinit(struct ap_conversation *c); /* after llm->release when it was ever submitted */
/* Messages and tokens into *to, which is overwritten; the backend's handle is not copied. */
ap_status ap__conversation_copy(const struct ap_conversation *from, struct ap_conversation *to,
                                struct ap_err *err) AP_MUST_CHECK;
/* Decide the tokens of the messages that have none yet; what was encoded stays as it is.  Templates that must see a
 * whole conversation leave messages behind the last answer to the next cue.  AP_E_FORMAT when the template shows an
 * earlier message otherwise than before. */
ap_status ap__conversation_encode(struct ap_conversation *c, const struct ap_template *tmpl,
                                  struct ap_err *err) AP_MUST_CHECK;
/* ... and of all messages and what asks the model to speak.  The caller then appends what it says as AP_TOKEN_CALL, up to
 * a token that ends its turn (ap__template_stops), and the message. */
ap_status ap__conversation_cue(struct ap_conversation *c, const struct ap_template *tmpl,
                               struct ap_err *err) AP_MUST_CHECK;
/* Room for so many tokens more, so that adding them does not allocate. */
ap_status ap__conversation_reserve(struct ap_conversation *c, size_t more, struct ap_err *err) AP_MUST_CHECK;
/* Forget what was said after the mark, tokens included.  The llm must have released the conversation. */
struct ap_conversation_mark {
    size_t n, encoded, shown, said, tokens;
};
struct ap_conversation_mark ap__conversation_mark(const struct ap_conversation *c);
void ap__conversation_rewind(struct ap_conversation *c, struct ap_conversation_mark mark);

struct ap_request {
    uint64_t id;                        /* the caller's, comes back with the completion */
    struct ap_conversation *conversation; /* borrowed until the completion; the generated assistant message
                                             is appended to it by the llm */
    struct ap_sampling sampling;
    uint64_t stream[3];                 /* random stream: seed, problem/sample key, step */
    int32_t max_tokens;                 /* of this answer, at least 1 */
    const char *const *stop;            /* (stop_count,) texts that end the answer, left out of its text; borrowed */
    int32_t stop_count;
};
enum ap_finish { AP_FINISH_STOP, AP_FINISH_LENGTH, AP_FINISH_ERROR };
const char *ap__finish_text(enum ap_finish finish); /* "stop", "length", "error": words of files, they never change */
bool ap__finish_read(const char *text, enum ap_finish *out);
struct ap_completion {
    uint64_t id;
    enum ap_finish finish;
    const char *text; /* borrowed: the appended message's text; NULL when AP_FINISH_ERROR, which leaves the
                         conversation as it was submitted */
    int32_t prompt_tokens, new_tokens;
    char error[160];  /* when AP_FINISH_ERROR (for example: context longer than the model's) */
    bool lost;        /* ... and the model never saw the request: says nothing about it */
};

struct ap_llm {
    const struct ap_llm_ops *ops;
    const struct ap_template *tmpl; /* of a model with tokens of its own; else NULL */
    enum ap_call_form form;         /* without a template: how calls are said */
    bool explain;                   /* ... and whether the prompt tells how a chain goes */
    bool independent;               /* an answer depends on its request alone, not on what is asked beside it */
};
struct ap_llm_ops {
    const char *kind; /* "local", "remote", "replay" */
    ap_status (*submit)(struct ap_llm *llm, const struct ap_request *request, struct ap_err *err);
    /* Advance the work and return up to cap completions; *n may be 0 while busy.  Never waits. */
    ap_status (*poll)(struct ap_llm *llm, struct ap_completion *out, int32_t cap, int32_t *n, struct ap_err *err);
    /* What poll is waiting for, when it has nothing to do by itself; NULL: poll always makes progress. */
    void (*wait)(struct ap_llm *llm, struct ap_waiter *waiter);
    /* The conversation will not be continued as it is: drop its branch, cached rows and a request that has not
     * completed.  Idempotent; submitting the conversation again starts afresh. */
    void (*release)(struct ap_llm *llm, struct ap_conversation *conversation);
    void (*free)(struct ap_llm *llm);
};

/* ---- local.c ---- */

struct ap_local_options {
    const char *dir, *adapter; /* model folder; PEFT folder or NULL */
    const char *base_dtype;    /* as --base-dtype takes it; NULL = as stored */
    int32_t max_tokens;        /* key/value rows; 0 = a default by the model's size */
    int32_t max_prefill;       /* prompt tokens in one step beside those that are being generated; 0 = a default */
    const char *dtype_knob, *cache_knob; /* how the user sets base_dtype and max_tokens, for advice; NULL = cannot */
};
ap_status ap__llm_local_open(const struct ap_local_options *options, struct ap_llm **out, struct ap_err *err) AP_MUST_CHECK;
bool ap__llm_is_local(const struct ap_llm *llm);
struct ap_session_stats ap__llm_local_stats(const struct ap_llm *llm); /* of a local one */
double ap__llm_local_gflop(const struct ap_llm *llm); /* necessary operations of its work so far (model/account.h) */

/* src/llm/replay.c; JSONL of {"messages": [...], "answer": "..."}. */
ap_status ap__llm_replay_open(const char *path, struct ap_llm **out, struct ap_err *err) AP_MUST_CHECK;

#endif
