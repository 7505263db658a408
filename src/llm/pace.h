/* pace.h - how fast a server may be asked, and when again after a failure.
 *
 *     window    at most so many (requests, tokens) in any 60 seconds
 *     backoff   first, 2 first, 4 first, ... to a minute, each times a random 0.5 to 1
 *     Retry-After: 7 | Wed, 21 Oct 2026 07:28:00 GMT --> seconds
 *
 * Pure functions of the time that is handed in. */
#ifndef AP_PACE_H
#define AP_PACE_H

#include "base/rng.h"
#include "base/status.h"
#include <stdbool.h>
#include <time.h>

enum { AP_WINDOW_BINS = 61 }; /* seconds; one more than a minute, for the one that has only begun */

#define AP_BACKOFF_LONGEST 60.0
#define AP_RETRY_LONGEST 600.0

struct ap_window {
    int64_t limit; /* per minute; 0 = none */
    int64_t bin[AP_WINDOW_BINS], sum;
    int64_t second; /* of the newest bin */
};
/* More than the limit at once is allowed when nothing else was taken. */
bool ap__window_allows(struct ap_window *w, double now, int64_t amount);
void ap__window_take(struct ap_window *w, double now, int64_t amount); /* < 0 gives back */
/* When it may allow more than it does now. */
double ap__window_next(const struct ap_window *w);

/* attempt: 1 after the first failure. */
double ap__backoff(double first, int32_t attempt, struct ap_rng *rng);
/* The header's value in seconds from `now`, 0 to AP_RETRY_LONGEST; -1 = it says nothing. */
double ap__retry_after(const char *value, time_t now);

#endif
