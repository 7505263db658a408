/* turns.h - who of many callers may go now: so many at once, in order; the same work only once.
 *
 *     join(a) join(b) join(c)   limit 2      a, b run; c waits for a place
 *     join(d, same as a)                     d waits for a, whose result will be d's as well
 *
 * Without a limit the calls of hundreds of chains would start hundreds of programs
 * at once, or lie before one server until their time is over.  Results of pure
 * functions are kept here, too (result_cache.h).  Locked: chains of several
 * threads may share it. */
#ifndef AP_TURNS_H
#define AP_TURNS_H

#include "base/waiter.h"
#include "functions/registry.h"
#include "outside/result_cache.h"
#include <pthread.h>

/* In the caller's own struct. */
struct ap_turn {
    struct ap_turn *next;  /* who came after it */
    struct ap_turn *after; /* does the same and came before; NULL = nobody does */
    const char *work;      /* what it does; NULL = like nobody else */
    bool runs, followed;
};

struct ap_turns {
    struct ap_result_cache *cache; /* taken; NULL = nothing is kept */
    pthread_mutex_t lock;
    struct ap_turn *first;
    int32_t running, limit;
};

void ap__turns_init(struct ap_turns *turns, int32_t limit);
void ap__turns_deinit(struct ap_turns *turns); /* after all have left */

/* work: borrowed until _leave. */
void ap__turns_join(struct ap_turns *turns, struct ap_turn *turn, const char *work);
/* Is the same work being done by somebody who came before? */
bool ap__turn_follows(struct ap_turns *turns, const struct ap_turn *turn);
/* May it go now?  True once and for all: it has its place until it leaves. */
bool ap__turn_comes(struct ap_turns *turns, struct ap_turn *turn);
/* Who followed it is free to look for a result, or to go. */
void ap__turns_leave(struct ap_turns *turns, struct ap_turn *turn);

/* *known: the work has been done before, and its result is now that of the call.  work NULL: never. */
ap_status ap__turns_known(struct ap_turns *turns, struct ap_invocation *call, const char *function, const char *work,
                          bool *known) AP_MUST_CHECK;
/* Both of it for a call that has not begun: *known as above, once whoever it followed has left; or *go: begin now. */
ap_status ap__turn_ask(struct ap_turns *turns, struct ap_turn *turn, struct ap_invocation *call, const char *function,
                       bool *known, bool *go) AP_MUST_CHECK;

/* What such a call waits for: nothing when it should ask now; else those before it, who wait for what they do. */
void ap__turn_wait(struct ap_turns *turns, struct ap_turn *turn, struct ap_waiter *waiter);

#endif
