/* sample.h - let one model attempt a list of problems; only what the store lacks.
 *
 *     problems x samples --minus what is stored--> jobs -> agent -> verdict, soundness -> store */
#ifndef AP_SAMPLE_H
#define AP_SAMPLE_H

#include "run/run.h"

struct ap_sample_plan {
    const struct ap_task *task;
    const struct ap_problems *problems;
    const char *actor; /* as in struct ap_chain_key */
    enum ap_purpose purpose;
    bool greedy;       /* one greedy chain a problem ... */
    int64_t samples;   /* ... and so many drawn ones, sample i at temperature[i % n] */
    const double *temperature;
    int32_t temperature_count;
    bool judge_soundness; /* correct chains: may they be taught? */
    uint64_t seed;
    int32_t in_flight;
};

/* Run what is missing of the plan.  Lost chains are tried once more at the end and then left out of the store;
 * *planned and *lost count chains. */
ap_status ap__sample_run(struct ap_store *store, struct ap_llm *llm, const struct ap_sample_plan *plan,
                         int64_t *planned, int64_t *lost, struct ap_err *err) AP_MUST_CHECK;

#endif
