/* turns.h - who of many callers may go now: so many at once, in order; the same work only once.
 *
 *     join(a) join(b) join(c)   limit 2      a, b run; c waits for a place
 *     join(d, same as a)                     d waits for a, whose result will be d's as well
 *
 * Without a limit the calls of hundreds of chains would start hundreds of programs
 * at once, or lie before one server until their time is over.  Locked: chains of
 * several threads may share it. */
#ifndef AP_TURNS_H
#define AP_TURNS_H

#include "base/alloc.h"
#include <pthread.h>

/* In the caller's own struct. */
struct ap_turn {
    struct ap_turn *next;  /* who came after it */
    struct ap_turn *after; /* does the same and came before; NULL = nobody does */
    const char *work;      /* what it does; NULL = like nobody else */
    bool runs;
};

struct ap_turns {
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

#endif
