/* progress.h - one progress line on stderr: a bar with rate and time left on
 * a terminal, a plain line now and then otherwise, nothing when quiet.
 *
 * Also the interrupt flag: Ctrl-C sets it, long loops poll it and return
 * AP_E_INTERRUPTED; a second Ctrl-C ends the program at once. */
#ifndef AP_PROGRESS_H
#define AP_PROGRESS_H

#include "base/alloc.h"

struct ap_progress {
    char label[64], unit[24], note[96];
    int64_t done, total; /* total 0 = unknown */
    int64_t resumed;     /* done before this process: not counted in the rate */
    double started, last_shown;
    bool terminal, quiet;
};
void ap__progress_quiet(bool quiet); /* process-wide */
void ap__progress_begin(struct ap_progress *p, const char *label, const char *unit, int64_t total);
void ap__progress_resume(struct ap_progress *p, int64_t done); /* already done: not counted in the rate */
void ap__progress_update(struct ap_progress *p, int64_t done, const char *note_fmt, ...)
    __attribute__((format(printf, 3, 4))); /* note_fmt may be NULL */
void ap__progress_end(struct ap_progress *p);

double ap__now(void); /* monotonic seconds */

void ap__interrupt_install(void);  /* SIGINT, SIGTERM */
bool ap__interrupted(void);
ap_status ap__check_interrupt(struct ap_err *err) AP_MUST_CHECK;

#endif
