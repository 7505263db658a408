/* memory.h - what a model will need for a purpose, before any of it is allocated.
 *
 *     folder (names, dtypes, shapes) + plan (base dtype, adapter, tokens) -> bytes by use
 *     bytes  > what the machine has free                                  -> a refusal with advice
 *
 * Weights count in full even where they are mapped: a pass reads all of them.  The sum is meant to be within a
 * tenth of what a process is seen to use (tests/test_memory.c measures a training step). */
#ifndef AP_MEMORY_H
#define AP_MEMORY_H

#include "model/transformer.h"

/* What the model is opened for.  Zero: just held. */
struct ap_memory_plan {
    struct ap_model_options options;
    enum ap_train_mode mode;    /* AP_FROZEN: no gradients, no optimizer */
    struct ap_lora_config lora; /* of a new adapter; rank 0 = none */
    int64_t adapter_numbers;    /* of a given one; see ap__memory_plan_adapter */
    int32_t max_tokens;         /* of one packed tree, forward (and backward when training); 0 = none */
    bool recompute;             /* as ap__model_recompute */
    int32_t cache_tokens;       /* rows of a session's keys and values; 0 = no session */
    int32_t in_flight;          /* sequences that a session samples from at once */
    /* How the user says it, for advice: "--base-dtype", "--max-tokens", "--cache-tokens"; NULL = cannot. */
    const char *dtype_knob, *tokens_knob, *cache_knob;
};

/* Bytes. */
struct ap_memory {
    int64_t weights, adapter, gradients, optimizer, activations, cache, other, total;
};

/* The plan is for a model with the adapter at `dir`, which takes the place of plan->lora; NULL = without one. */
ap_status ap__memory_plan_adapter(struct ap_memory_plan *plan, const char *dir, struct ap_err *err) AP_MUST_CHECK;
/* Of a model that is open as it is stored; pure. */
void ap__memory_estimate(const struct ap_model *stored, const struct ap_memory_plan *plan, struct ap_memory *out);
/* AP_E_MEMORY "needs about 9.1 GiB, 5.2 GiB are free; try ..." when it needs more than `available` bytes (< 0: not
 * known, everything fits), recomputing where that helps. */
ap_status ap__memory_check(const struct ap_model *stored, const struct ap_memory_plan *plan, int64_t available,
                           const char *place, struct ap_err *err) AP_MUST_CHECK;
/* *m is open as it is stored.  Unless this machine's free memory does not suffice, it is afterwards as the plan says:
 * opened again with its options when they convert, recomputing when activations would not fit otherwise.  What stays
 * mapped is being read from the disk meanwhile: admit a model before what else takes time.  A failure leaves *m NULL. */
ap_status ap__memory_admit(const char *path, const struct ap_memory_plan *plan, struct ap_model **m,
                           struct ap_err *err) AP_MUST_CHECK;

#endif
