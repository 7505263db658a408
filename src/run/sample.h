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

/* How the recipe's actor is opened; adapter may be another than its own. */
struct ap_local_options ap__actor_options(const struct ap_recipe_actor *who, const char *dir, const char *adapter);
/* Run what is missing of the plan. */
ap_status ap__sample_run(struct ap_store *store, struct ap_llm *llm, const struct ap_sample_plan *plan,
                         struct ap_err *err) AP_MUST_CHECK;

#endif
