/* lock.c - flock(2), with patience for a process that is on its way out. */
#include "base/lock.h"

#include "base/progress.h"

#include <errno.h>
#include <poll.h>
#include <sys/file.h>

ap_status ap__lock_take(int fd, const char *where, const char *taken, struct ap_err *err)
{
    double give_up = ap__now() + AP_LOCK_PATIENCE;
    while (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        if (errno != EWOULDBLOCK)
            return ap__fail_errno(err, where, "cannot lock the file");
        AP_TRY(ap__check_interrupt(err));
        if (ap__now() >= give_up)
            return ap__fail(err, AP_E_STATE, where, "%s", taken);
        (void)poll(NULL, 0, 10); /* milliseconds; a signal ends it */
    }
    return AP_OK;
}
