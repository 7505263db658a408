/* waiter.h - one wait for many things: descriptors and points in time.
 *
 *   init -> every party adds what it waits for -> _wait -> every party looks what has come
 *
 * A wait is never long, so a party that cannot name what it waits for (a lock, a
 * child's end) is merely a little late. */
#ifndef AP_WAITER_H
#define AP_WAITER_H

#include "base/alloc.h"
#include <poll.h>

#define AP_WAITER_MAX 512    /* descriptors; those beyond are looked at when the wait ends */
#define AP_WAITER_LONGEST 0.1 /* seconds */

struct ap_waiter {
    struct pollfd fd[AP_WAITER_MAX]; /* (n,) */
    int32_t n;
    double until; /* ap__now's time */
};

void ap__waiter_init(struct ap_waiter *waiter);
void ap__waiter_add(struct ap_waiter *waiter, int fd, short events);
/* Not longer than until `when`. */
void ap__waiter_until(struct ap_waiter *waiter, double when);
/* Returns when a descriptor is ready, the time has come, or a signal came. */
void ap__waiter_wait(struct ap_waiter *waiter);

#endif
