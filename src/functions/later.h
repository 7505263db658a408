/* later.h - calls whose result comes from outside, and takes its time.
 *
 *   run(call) --ap__result_later--> the operation --advance, advance, ...--> ap_result_text(call, ...)
 *
 * An operation never waits by itself: _advance goes on as far as it can, _wait
 * says what for.  So one thread keeps the calls of many chains going:
 *
 *     ap__env_start(env, text, len, &running, err);             one per chain
 *     while (not all done) {
 *         ap__waiter_init(&waiter);
 *         for each: ap__running_advance(running, &done, err);
 *                   done ? ap__running_finish(running, &result, err) : ap__running_wait(running, &waiter);
 *         ap__waiter_wait(&waiter);
 *     }
 *
 * ap__env_call is all of that for one call.  Functions that answer at once are
 * done when they are started. */
#ifndef AP_LATER_H
#define AP_LATER_H

#include "base/waiter.h"
#include "functions/registry.h"

/* The head of an operation's own struct. */
struct ap_later {
    const struct ap_later_ops *ops;
};

struct ap_later_ops {
    /* *done = true after the result of `call` has been set. */
    ap_status (*advance)(struct ap_later *later, struct ap_invocation *call, bool *done);
    void (*wait)(struct ap_later *later, struct ap_waiter *waiter);
    /* Also before it is done: then the call is given up. */
    void (*free)(struct ap_later *later);
};

/* Inside a function's run: the result comes from `later`, which is taken. */
ap_status ap__result_later(struct ap_invocation *call, struct ap_later *later) AP_MUST_CHECK;

struct ap_running; /* one call that has been started */

/* Parse and check one call and start it; what the text is wrong about is a result like any other.
 * env must outlive *out. */
ap_status ap__env_start(struct ap_env *env, const char *text, size_t len, struct ap_running **out,
                        struct ap_err *err) AP_MUST_CHECK;
ap_status ap__running_advance(struct ap_running *running, bool *done, struct ap_err *err) AP_MUST_CHECK;
void ap__running_wait(struct ap_running *running, struct ap_waiter *waiter);
/* Only when done; releases `running` whatever happens. */
ap_status ap__running_finish(struct ap_running *running, struct ap_call_result *out, struct ap_err *err) AP_MUST_CHECK;
void ap__running_free(struct ap_running *running); /* gives the call up */

#endif
