/* agent.c - many chains in flight, one call per step.
 *
 *     jobs --start, in order--> slot[0 .. in_flight)
 *                                 |  ^                            |  ^
 *                WAIT_LLM: submit |  | completion       RUN_CALL: |  | observation
 *                                 v  |                            v  |
 *                                 llm  --------- call --------> function
 *                                              Answer or a limit --> done(chain), slot is free
 *
 * One thread does it all: it looks at every running function, lets the llm go on,
 * and waits only when neither has moved.  A function that answers at once is
 * done when it is started, and its chain goes on before the next is looked at. */
#include "agent/agent.h"
#include "base/progress.h"
#include "functions/later.h"

#include <string.h>

enum { POLL_MAX = 64 };

/* One chain in flight. */
struct slot {
    const struct ap_agent_job *job; /* NULL = free */
    struct ap_env *env;
    struct ap_conversation conversation;
    struct ap_conversation_mark before_call; /* what a dropped call goes back to */
    struct ap_chain chain;
    struct ap_running *running; /* the call's function; NULL = the llm is at work */
    struct ap_completion call;  /* ... whose text this is, borrowed from the conversation */
    int32_t calls, bad_calls;
    double started;
};

struct agent {
    struct ap_llm *llm;
    const struct ap_agent_config *config;
    struct ap_conversation prefix;
    struct slot *slot; /* (slots,) */
    int32_t slots, busy, running; /* busy: chains; running: those of them whose function runs */
    ap_agent_done done;
    ap_agent_step on_step;
    void *user;
};

static void slot_deinit(struct agent *a, struct slot *s)
{
    ap__running_free(s->running); /* before the conversation, whose text it has, and the env, whose state it uses */
    a->llm->ops->release(a->llm, &s->conversation);
    ap__conversation_deinit(&s->conversation);
    ap__chain_deinit(&s->chain);
    ap__env_free(s->env);
    *s = (struct slot){0};
}

static ap_status ask(struct agent *a, struct slot *s, struct ap_err *err)
{
    const struct ap_agent_job *job = s->job;
    s->before_call = ap__conversation_mark(&s->conversation);
    return a->llm->ops->submit(a->llm,
                               &(struct ap_request){.id = (uint64_t)(s - a->slot),
                                                    .conversation = &s->conversation,
                                                    .sampling = job->sampling,
                                                    .stream = {job->seed, job->key, (uint64_t)s->calls},
                                                    .max_tokens = a->config->max_call_tokens,
                                                    .stop = a->config->stop,
                                                    .stop_count = a->config->stop_count},
                               err);
}

static ap_status start(struct agent *a, struct slot *s, const struct ap_agent_job *job, struct ap_err *err)
{
    s->job = job;
    s->started = ap__now();
    ap__chain_init(&s->chain);
    a->busy++;
    AP_TRY(ap__env_new(a->config->functions, &s->env, err));
    AP_TRY(ap__conversation_copy(&a->prefix, &s->conversation, err));
    AP_TRY(ap__conversation_add(&s->conversation, AP_USER, job->question, false, err));
    return ask(a, s, err);
}

/* The chain is over: hand it to the caller and free its slot. */
static ap_status finish(struct agent *a, struct slot *s, enum ap_end end, struct ap_err *err)
{
    s->chain.end = end;
    s->chain.seconds = ap__now() - s->started;
    s->chain.tokens = s->conversation.tokens;
    s->conversation.tokens = (struct ap_tokens){0};
    ap_status status = a->done(a->user, s->job, &s->chain, err);
    slot_deinit(a, s);
    a->busy--;
    return status;
}

static ap_status add_step(struct agent *a, struct slot *s, const struct ap_completion *c,
                          struct ap_call_result *result, struct ap_err *err)
{
    int32_t first = (int32_t)s->conversation.tokens.n - c->new_tokens;
    bool has_tokens = s->conversation.tokens.n > 0;
    AP_TRY(ap__chain_add_step(&s->chain, c->text, result, has_tokens ? first : 0, has_tokens ? c->new_tokens : 0, err));
    if (a->on_step)
        a->on_step(a->user, s->job, &s->chain.step[s->chain.n - 1]);
    return AP_OK;
}

/* Take a failed call back as if it had not been made. */
static void drop_call(struct agent *a, struct slot *s)
{
    ap__step_deinit(&s->chain.step[--s->chain.n]);
    a->llm->ops->release(a->llm, &s->conversation);
    ap__conversation_rewind(&s->conversation, s->before_call);
}

/* After a step: how the chain ends, or the next call is asked for. */
static ap_status go_on(struct agent *a, struct slot *s, bool error, struct ap_err *err)
{
    bool drop = error && a->config->strict;
    if (drop)
        drop_call(a, s);
    if (s->chain.answer)
        return finish(a, s, AP_END_ANSWER, err);
    if (s->bad_calls > 0 && s->bad_calls >= a->config->max_bad_calls)
        return finish(a, s, AP_END_BAD_CALLS, err);
    if (s->calls >= a->config->max_steps)
        return finish(a, s, AP_END_STEPS, err);
    if (!drop)
        AP_TRY(ap__conversation_add(&s->conversation, AP_TOOL, s->chain.step[s->chain.n - 1].result, false, err));
    return ask(a, s, err);
}

/* The call's function has come to its end. */
static ap_status take_result(struct agent *a, struct slot *s, struct ap_err *err)
{
    struct ap_call_result result = {0};
    struct ap_running *running = s->running;
    s->running = NULL;
    a->running--;
    AP_TRY(ap__running_finish(running, &result, err));
    bool error = result.error;
    s->bad_calls += error;
    ap_status status = add_step(a, s, &s->call, &result, err);
    ap__call_result_deinit(&result);
    return status == AP_OK ? go_on(a, s, error, err) : status;
}

static ap_status start_call(struct agent *a, struct slot *s, const struct ap_completion *c, struct ap_err *err)
{
    AP_TRY(ap__env_start(s->env, c->text, strlen(c->text), &s->running, err));
    s->call = *c;
    a->running++;
    return AP_OK;
}

/* Look whether the slot's function is done; if so, the chain goes on. */
static ap_status look(struct agent *a, struct slot *s, bool *done, struct ap_err *err)
{
    AP_TRY(ap__running_advance(s->running, done, err));
    return *done ? take_result(a, s, err) : AP_OK;
}

/* The model did not come to an end: what it wrote is the last step, never run. */
static ap_status cut_off(struct agent *a, struct slot *s, const struct ap_completion *c, struct ap_err *err)
{
    struct ap_call_result result = {.error = true,
                                    .text = ap__strdup("the call was cut off: it is too long"),
                                    .function = ap__strdup("")};
    ap_status status = result.text && result.function
                           ? add_step(a, s, c, &result, err)
                           : ap__fail(err, AP_E_MEMORY, NULL, "no memory for a step");
    ap__call_result_deinit(&result);
    return status == AP_OK ? finish(a, s, AP_END_LENGTH, err) : status;
}

/* What the model has written comes in: a call is started. */
static ap_status begin(struct agent *a, const struct ap_completion *c, struct ap_err *err)
{
    struct slot *s = &a->slot[c->id];
    s->calls++;
    s->chain.new_tokens += c->new_tokens;
    return c->finish == AP_FINISH_STOP ? start_call(a, s, c, err) : AP_OK;
}

/* ... and the chain goes on, when it can at once. */
static ap_status settle(struct agent *a, const struct ap_completion *c, struct ap_err *err)
{
    struct slot *s = &a->slot[c->id];
    bool done;
    switch (c->finish) {
    case AP_FINISH_STOP: return look(a, s, &done, err);
    case AP_FINISH_LENGTH: return cut_off(a, s, c, err);
    case AP_FINISH_ERROR: break;
    }
    return finish(a, s, c->lost ? AP_END_LOST : AP_END_CONTEXT, err);
}

/* ---- waiting ---- */

static void wait_for(struct agent *a, bool llm)
{
    struct ap_waiter waiter;
    ap__waiter_init(&waiter);
    for (int32_t i = 0; i < a->slots; i++)
        if (a->slot[i].running)
            ap__running_wait(a->slot[i].running, &waiter);
    if (llm)
        a->llm->ops->wait(a->llm, &waiter);
    ap__waiter_wait(&waiter);
}

/* Lockstep: until every function that runs is done; their results are taken afterwards, in order. */
static ap_status wait_for_all(struct agent *a, struct ap_err *err)
{
    for (;;) {
        int32_t left = 0;
        AP_TRY(ap__check_interrupt(err));
        for (int32_t i = 0; i < a->slots; i++) {
            bool done = true;
            if (a->slot[i].running)
                AP_TRY(ap__running_advance(a->slot[i].running, &done, err));
            left += !done;
        }
        if (left == 0)
            return AP_OK;
        wait_for(a, false);
    }
}

/* ---- the loop ---- */

static ap_status advance_llm(struct agent *a, int32_t *moved, struct ap_err *err)
{
    struct ap_completion completion[POLL_MAX];
    int32_t count = 0;
    AP_TRY(a->llm->ops->poll(a->llm, completion, POLL_MAX, &count, err));
    *moved += count;
    for (int32_t i = 0; i < count; i++) {
        AP_TRY(begin(a, &completion[i], err));
        if (!a->config->lockstep)
            AP_TRY(settle(a, &completion[i], err));
    }
    if (!a->config->lockstep)
        return AP_OK;
    AP_TRY(wait_for_all(a, err));
    for (int32_t i = 0; i < count; i++)
        AP_TRY(settle(a, &completion[i], err));
    return AP_OK;
}

static ap_status advance_functions(struct agent *a, int32_t *moved, struct ap_err *err)
{
    for (int32_t i = 0; i < a->slots && a->running > 0; i++) {
        bool done = false;
        if (a->slot[i].running)
            AP_TRY(look(a, &a->slot[i], &done, err));
        *moved += done;
    }
    return AP_OK;
}

static ap_status fill(struct agent *a, const struct ap_agent_job *jobs, int32_t n, int32_t *next, struct ap_err *err)
{
    for (int32_t i = 0; i < a->slots && *next < n; i++)
        if (!a->slot[i].job)
            AP_TRY(start(a, &a->slot[i], &jobs[(*next)++], err));
    return AP_OK;
}

static ap_status run_all(struct agent *a, const struct ap_agent_job *jobs, int32_t n, struct ap_err *err)
{
    int32_t next = 0;
    while (next < n || a->busy > 0) {
        int32_t moved = 0;
        AP_TRY(ap__check_interrupt(err));
        AP_TRY(fill(a, jobs, n, &next, err));
        if (a->running > 0)
            AP_TRY(advance_functions(a, &moved, err));
        bool asked = a->busy > a->running; /* without a request the llm has nothing to do, and does not wait either */
        if (asked)
            AP_TRY(advance_llm(a, &moved, err));
        if (moved == 0 && (!asked || a->llm->ops->wait))
            wait_for(a, asked);
    }
    return AP_OK;
}

ap_status ap__agent_run(struct ap_llm *llm, const struct ap_agent_config *config, const struct ap_agent_job *jobs,
                        int32_t n, ap_agent_done done, ap_agent_step on_step, void *user, struct ap_err *err)
{
    struct agent a = {.llm = llm, .config = config, .done = done, .on_step = on_step, .user = user};
    a.slots = config->in_flight < n ? config->in_flight : n;
    if (a.slots < 1)
        a.slots = 1;
    AP_TRY(ap__prompt_prefix_for(config, llm, &a.prefix, err));
    a.slot = ap__alloc_array((size_t)a.slots, sizeof *a.slot);
    ap_status status = a.slot ? run_all(&a, jobs, n, err)
                              : ap__fail(err, AP_E_MEMORY, NULL, "no memory for %d chains in flight", a.slots);
    for (int32_t i = 0; a.slot && i < a.slots; i++)
        slot_deinit(&a, &a.slot[i]);
    ap__free(a.slot);
    ap__conversation_deinit(&a.prefix);
    return status;
}
