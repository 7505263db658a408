/* waiter.c - poll(2) over what several parties wait for.
 *
 *   fd + events, fd + events, ...  + the earliest time  -->  poll */
#include "base/waiter.h"
#include "base/progress.h"

void ap__waiter_init(struct ap_waiter *waiter)
{
    waiter->n = 0;
    waiter->until = ap__now() + AP_WAITER_LONGEST;
}

void ap__waiter_add(struct ap_waiter *waiter, int fd, short events)
{
    if (fd < 0)
        return;
    for (int32_t i = 0; i < waiter->n; i++) { /* many chains wait for the same server */
        if (waiter->fd[i].fd == fd) {
            waiter->fd[i].events = (short)(waiter->fd[i].events | events);
            return;
        }
    }
    if (waiter->n < AP_WAITER_MAX)
        waiter->fd[waiter->n++] = (struct pollfd){.fd = fd, .events = events};
}

void ap__waiter_until(struct ap_waiter *waiter, double when)
{
    if (when < waiter->until)
        waiter->until = when;
}

void ap__waiter_wait(struct ap_waiter *waiter)
{
    double left = waiter->until - ap__now();
    (void)poll(waiter->fd, (nfds_t)waiter->n, left > 0 ? (int)(left * 1000) + 1 : 0);
}
