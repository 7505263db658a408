/* pace.c - limits per minute as bins of a second, waits that double.
 *
 *     bin[second mod 61]: what was taken in that second; sum: in all of them
 *
 * The limit is exact and never exceeded: what was taken leaves when its second
 * is a whole minute away. */
#include "llm/pace.h"

#include "base/text.h"
#include "outside/libcurl.h"

#include <math.h>
#include <string.h>

/* ---- per minute ---- */

static void advance(struct ap_window *w, double now)
{
    int64_t second = (int64_t)floor(now);
    if (second - w->second >= AP_WINDOW_BINS || w->second == 0) {
        memset(w->bin, 0, sizeof w->bin);
        w->sum = 0;
        w->second = second;
    }
    while (w->second < second) {
        int64_t *oldest = &w->bin[++w->second % AP_WINDOW_BINS];
        w->sum -= *oldest;
        *oldest = 0;
    }
}

bool ap__window_allows(struct ap_window *w, double now, int64_t amount)
{
    if (w->limit == 0)
        return true;
    advance(w, now);
    return w->sum <= 0 || w->sum + amount <= w->limit;
}

void ap__window_take(struct ap_window *w, double now, int64_t amount)
{
    if (w->limit == 0)
        return;
    advance(w, now);
    w->bin[w->second % AP_WINDOW_BINS] += amount;
    w->sum += amount;
}

double ap__window_next(const struct ap_window *w)
{
    return (double)(w->second + 1);
}

/* ---- after a failure ---- */

double ap__backoff(double first, int32_t attempt, struct ap_rng *rng)
{
    double wait = ldexp(first, attempt < 20 ? attempt - 1 : 19);
    return (wait < AP_BACKOFF_LONGEST ? wait : AP_BACKOFF_LONGEST) * (0.5 + 0.5 * ap__rng_uniform(rng));
}

double ap__retry_after(const char *value, time_t now)
{
    double seconds;
    if (!ap__parse_f64(value, &seconds)) {
        time_t when = ap__libcurl_load(NULL) == AP_OK ? ap__libcurl.getdate(value, NULL) : (time_t)-1;
        if (when == (time_t)-1)
            return -1;
        seconds = difftime(when, now);
    }
    return seconds < 0 ? 0 : seconds < AP_RETRY_LONGEST ? seconds : AP_RETRY_LONGEST;
}
