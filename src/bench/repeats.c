/* repeats.c - see repeats.h. */
#include "bench/repeats.h"

#include "bench/measure.h"

#include <math.h>

static const double YARDSTICK_SECONDS = 1.0;

void ap__repeats_summarise(struct ap_bench_result *out, double *seconds, int32_t n)
{
    out->seconds = ap__median(seconds, n);
    out->least = seconds[0];
    out->most = seconds[n - 1];
    out->repeats = n;
    out->total = 0.0;
    for (int32_t i = 0; i < n; i++)
        out->total += seconds[i];
}

void ap__repeats_begin(struct ap_repeats *r)
{
    r->n = 0;
    r->cpu = 0.0;
    r->before = ap__sgemm_measure(YARDSTICK_SECONDS);
    r->since = ap__cpu_now();
}

static double part(double gflop, double seconds, double rate)
{
    return seconds > 0.0 && rate > 0.0 ? gflop / seconds / rate : 0.0;
}

void ap__repeats_add(struct ap_repeats *r, double seconds, double gflop)
{
    r->cpu += ap__cpu_now() - r->since;
    struct ap_sgemm after = ap__sgemm_measure(YARDSTICK_SECONDS);
    r->seconds[r->n] = seconds;
    r->sgemm[r->n] = 0.5 * (r->before.mean + after.mean);
    r->peak[r->n] = fmax(r->before.best, after.best);
    r->of_sgemm[r->n] = part(gflop, seconds, r->sgemm[r->n]);
    r->of_peak[r->n] = part(gflop, seconds, r->peak[r->n]);
    r->n++;
    r->before = after;
    r->since = ap__cpu_now();
}

void ap__repeats_end(struct ap_repeats *r, struct ap_bench_result *out)
{
    out->cpu = r->cpu / r->n;
    out->sgemm = ap__median(r->sgemm, r->n);
    out->peak = ap__median(r->peak, r->n);
    out->of_sgemm = ap__median(r->of_sgemm, r->n);
    out->of_peak = ap__median(r->of_peak, r->n);
    ap__repeats_summarise(out, r->seconds, r->n);
}
