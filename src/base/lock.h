/* lock.h - one writer at a time: a lock that goes with its process, however that ends. */
#ifndef AP_LOCK_H
#define AP_LOCK_H

#include "base/status.h"

#define AP_LOCK_PATIENCE 2.0 /* seconds */

/* flock(2) of the open file, held until fd is closed.  A process that was killed a moment ago holds its own until
 * the kernel has taken its memory back, so a lock that is taken is waited for.  AP_E_STATE after AP_LOCK_PATIENCE, with
 * the place `where` and the sentence `taken`; AP_E_INTERRUPTED. */
ap_status ap__lock_take(int fd, const char *where, const char *taken, struct ap_err *err) AP_MUST_CHECK;

#endif
