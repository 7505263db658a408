/* bench_output.h - results of workloads as a table, JSON lines and CSV. */
#ifndef AP_BENCH_OUTPUT_H
#define AP_BENCH_OUTPUT_H

#include "bench/bench.h"

#include <stdio.h>

void ap__bench_print_head(void);
void ap__bench_print_row(const struct ap_bench_result *r);
/* Where the time went, from r->row; nothing without a profile. */
void ap__bench_print_profile(const struct ap_bench_result *r);
ap_status ap__bench_print_json(const struct ap_bench_result *r, struct ap_err *err) AP_MUST_CHECK;
void ap__bench_write_csv_head(FILE *to);
void ap__bench_write_csv(FILE *to, const struct ap_bench_result *r);

#endif
