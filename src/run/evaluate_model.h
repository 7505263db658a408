/* evaluate_model.h - one model on one list of problems, without a run folder.
 *
 *     problems -> agent (greedy, k samples) -> verdicts -> results (as `compare` reads them) */
#ifndef AP_EVALUATE_MODEL_H
#define AP_EVALUATE_MODEL_H

#include "evaluate/evaluate.h"

struct ap_evaluate_options {
    const char *name;  /* of the results */
    const char *model; /* what the results call the model */
    int64_t samples;   /* drawn chains per problem beside the greedy one */
    double temperature;
    uint64_t seed;
    int32_t in_flight;
};

/* *out gets one outcome per problem, in order; *tokens (may be NULL) the tokens the model generated. */
ap_status ap__evaluate_model(struct ap_llm *llm, const struct ap_task *task, const struct ap_problems *problems,
                             const struct ap_evaluate_options *options, struct ap_results *out, int64_t *tokens,
                             struct ap_err *err) AP_MUST_CHECK;

#endif
