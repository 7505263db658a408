/* bench_process.h - work in processes of its own, so that peak memory is its own and caches are cold.
 *
 *     ap__bench_fork    fork -> work -> result through a pipe -> memory from the system's account
 *     ap__bench_load    program start -> ... -> its first byte on stdout, cold and warm */
#ifndef AP_BENCH_PROCESS_H
#define AP_BENCH_PROCESS_H

#include "bench/bench.h"

/* Fills *out but for its memory. */
typedef ap_status (*ap_bench_work_fn)(void *user, struct ap_bench_result *out, struct ap_err *err);

/* Run work in a child.  Must be called before this process has started threads. */
ap_status ap__bench_fork(ap_bench_work_fn work, void *user, struct ap_bench_result *out, struct ap_err *err) AP_MUST_CHECK;

/* Seconds until `apprentice bench first-token` has written its token; cold: the model's files are first dropped from the
 * page cache. */
ap_status ap__bench_load(const struct ap_bench_options *options, bool cold, struct ap_bench_result *out,
                         struct ap_err *err) AP_MUST_CHECK;

#endif
