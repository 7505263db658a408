/* agent.h - the agent: many chains in flight, one call per step.
 *
 *     prompt + help + examples + question -> call -> run it -> observation -> call -> ... -> Answer
 *
 * A state machine per chain: WAIT_LLM -> RUN_CALL -> WAIT_LLM ... -> DONE.  Knows nothing of tasks'
 * checkers or stores: chains leave through a callback as they end.
 *
 * Functions whose results take time (functions/later.h) run beside each other and beside the llm: a chain
 * waits for its own call alone, and one that fails or hangs is an observation of its own chain.
 *
 * What may be relied on.  A chain is made by its job: its functions' state, its conversation and its
 * random stream, keyed (seed, key, number of the call), are its own.  Beyond that
 *   - with functions that answer at once the order of everything is fixed: the same jobs, llm, in_flight,
 *     threads and machine make the same chains, bit for bit;
 *   - with functions that take time the conversations that a local model steps together are those whose
 *     functions happen to be back.  That changes the last bits of logits, and so, rarely, a token that is
 *     drawn.  It favours no chain: every job is run to its end, however long its functions take;
 *   - `lockstep` gives the first promise with such functions too, when they say the same each time: calls
 *     that were written in the same step run at the same time, and the llm waits until all of them are
 *     done.  The price: one that hangs is waited for by everybody. */
#ifndef AP_AGENT_H
#define AP_AGENT_H

#include "agent/chain.h"
#include "functions/registry.h"

struct ap_agent_config {
    const char *prompt;             /* task's instruction text */
    const struct ap_registry *functions;
    const char *const *bootstrap;   /* (bootstrap_count,) example calls, run once and shown before the question */
    int32_t bootstrap_count;
    int32_t max_steps;              /* calls per chain */
    int32_t max_bad_calls;          /* error observations before the chain ends as invalid */
    int32_t max_call_tokens;        /* of one call */
    const char *const *stop;        /* (stop_count,) texts that end a call, beside the model's own end */
    int32_t stop_count;
    int32_t in_flight;              /* chains at once, e.g. 128 */
    bool strict;                    /* drop failed calls from the conversation as microchain does */
    bool lockstep;                  /* the llm waits for all functions that run: see above */
};

/* One chain to make. */
struct ap_agent_job {
    uint64_t tag;          /* the caller's */
    const char *question;  /* borrowed until done */
    struct ap_sampling sampling;
    uint64_t seed, key;    /* random stream: run seed; a key unique to (problem, sample, temperature) */
};
/* Called once per job, in order of completion; may take the chain's contents by zeroing *chain. A failure
 * ends the run. */
typedef ap_status (*ap_agent_done)(void *user, const struct ap_agent_job *job, struct ap_chain *chain,
                                   struct ap_err *err);
/* Called after each step when not NULL (`solve` prints chains as they happen). */
typedef void (*ap_agent_step)(void *user, const struct ap_agent_job *job, const struct ap_step *step);

/* Run all jobs; jobs of one problem should be adjacent so that they share its prefix. */
ap_status ap__agent_run(struct ap_llm *llm, const struct ap_agent_config *config, const struct ap_agent_job *jobs,
                        int32_t n, ap_agent_done done, ap_agent_step on_step, void *user,
                        struct ap_err *err) AP_MUST_CHECK;

/* ---- prompt.c ---- */

/* What all questions of a task share: the system message (prompt, and help unless the template shows the functions
 * itself) and the bootstrap calls with their results as scaffold messages.  The question is the next message.  tmpl
 * may be NULL: plain text.  Runs the bootstrap calls; AP_E_ARG when one of them is an error. */
ap_status ap__prompt_prefix(const struct ap_agent_config *config, const struct ap_template *tmpl,
                            struct ap_conversation *out, struct ap_err *err) AP_MUST_CHECK;
/* The same for an llm, which may have no template. */
ap_status ap__prompt_prefix_for(const struct ap_agent_config *config, const struct ap_llm *llm,
                                struct ap_conversation *out, struct ap_err *err) AP_MUST_CHECK;
/* Tokens of a whole given chain of calls, as they would stand in a live chain: each call is run in a fresh
 * environment, its observation appended before the next call; the last call ends the tokens.  *ok is false when a
 * call is an error observation or one follows Answer.  Used for gold chains and those of other models, whose calls
 * may have another form.  prefix: of ap__prompt_prefix with tmpl, best already encoded (ap__conversation_encode), so
 * that its tokens are copied rather than made again. */
ap_status ap__prompt_render_after(const struct ap_conversation *prefix, const struct ap_registry *functions,
                                  const struct ap_template *tmpl, const char *question, const char *const *calls,
                                  int32_t n, struct ap_chain *out, bool *ok, struct ap_err *err) AP_MUST_CHECK;

#endif
