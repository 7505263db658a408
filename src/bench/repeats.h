/* repeats.h - a workload's repeats by turns with the machine's yardstick.
 *
 *     sgemm | repeat | sgemm | repeat | sgemm
 *
 * Others compute on the same host, and sgemm may be twice as fast in one minute as in the next. So a repeat is held
 * against the second of products before it and the one after it: against all of them (a repeat is a mean over its time,
 * too), and against the fastest single one, which took some milliseconds. Of each, the median is reported. */
#ifndef AP_REPEATS_H
#define AP_REPEATS_H

#include "bench/bench.h"
#include "tensor/peak.h"

struct ap_repeats {
    double seconds[AP_BENCH_MAX_REPEATS];
    double sgemm[AP_BENCH_MAX_REPEATS], peak[AP_BENCH_MAX_REPEATS];       /* beside each */
    double of_sgemm[AP_BENCH_MAX_REPEATS], of_peak[AP_BENCH_MAX_REPEATS]; /* what part of these it reached */
    int32_t n;
    struct ap_sgemm before; /* since the last repeat */
    double cpu, since;      /* of all repeats; at the beginning of the one that goes on */
};

/* The first repeat begins when this returns. */
void ap__repeats_begin(struct ap_repeats *r);
/* One that took so long has ended; the next begins when this returns. gflop: necessary ones, as in the result. */
void ap__repeats_add(struct ap_repeats *r, double seconds, double gflop);
/* What they come to: seconds, processor time, yardstick and parts of it. */
void ap__repeats_end(struct ap_repeats *r, struct ap_bench_result *out);

/* Median, least and most of seconds (n,), which are sorted. */
void ap__repeats_summarise(struct ap_bench_result *out, double *seconds, int32_t n);

#endif
