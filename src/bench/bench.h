/* bench.h - one workload, measured: what is timed, what is counted, what it is compared with.
 *
 *     model folder + workload -> warm-up, repeats -> struct ap_bench_result
 *
 * Everything that is not the work itself (opening the model, drawing tokens, reference log-probs) happens
 * outside the timed window.  Peak memory is that of a process, so whoever wants it runs one workload in one
 * process. */
#ifndef AP_BENCH_H
#define AP_BENCH_H

#include "bench/timed.h"
#include "bench/workload.h"

#include <stdio.h>

enum { AP_BENCH_CHECKS = 8, AP_BENCH_MAX_REPEATS = 1000 };

struct ap_bench_options {
    const char *model; /* folder */
    int32_t warm, repeats;
    bool profile; /* time every operation; costs a little */
};

struct ap_bench_result {
    char name[32], unit[16]; /* "train-chains", "pairs" */
    int32_t threads, repeats;
    double units;                     /* pairs, chains ... of one repeat */
    double seconds, least, most;      /* of one repeat: median, least, most */
    double total;                     /* of all repeats */
    double cpu;                       /* processor seconds of one repeat, the mean: on a busy machine they say more */
    double tokens_flat, tokens_tree;  /* of one repeat: one row per chain, and what the tree has */
    double gflop;                     /* necessary for one repeat (account.h); 0 where it is no measure */
    double sgemm, peak;               /* GFLOP/s of sgemm between the repeats, all and the fastest (repeats.h) */
    double of_sgemm, of_peak;         /* what part of these the repeats reached */
    double check[AP_BENCH_CHECKS];    /* what another program must find too */
    int32_t checks;
    double memory; /* peak in bytes; filled in by who started the process */
    struct ap_timed_row row[AP_TIMED_MAX]; /* with profile; of all repeats */
    int32_t rows;
};

/* LoRA of rank 16 on all linears, AdamW; DPO (sigmoid), or SFT for examples without a rejected chain.  A repeat is an
 * optimizer step over all examples.  check: mean reference log-probs, chosen and rejected. */
ap_status ap__bench_train(const struct ap_bench_options *options, struct ap_work_examples *work,
                          struct ap_bench_result *out, struct ap_err *err) AP_MUST_CHECK;
/* All chains at once from an empty cache.  check: the log-probability of each problem's likeliest first
 * token. */
ap_status ap__bench_rollout(const struct ap_bench_options *options, const struct ap_work_rollout *shape,
                            struct ap_bench_result *out, struct ap_err *err) AP_MUST_CHECK;
/* Open the model, answer `question` with one token and write it to out as a line: the work of the workload `load`.  A
 * failed write is left to ferror(out). */
ap_status ap__bench_first_token(const char *model, const char *question, FILE *out,
                                struct ap_err *err) AP_MUST_CHECK;

#endif
