/* trainer.h - the training loop: batches in, a trained model out.
 *
 *     examples (array, or a source that makes fresh ones per step)
 *        -> batch gradient (packed tree) -> optimizer -> metrics -> checkpoint
 *
 * What is trained is what the model says is trainable (ap__model_add_lora or
 * ap__model_train_full).  The same examples, config and seed give the same
 * weights bit for bit, also across a kill and a resume. */
#ifndef AP_TRAINER_H
#define AP_TRAINER_H

#include "train/batch.h"
#include "train/optimizer.h"

struct ap_train_config {
    struct ap_batch_config batch_config; /* method, DPO numbers, token budget of one tree */
    struct ap_optimizer_config optimizer;
    int32_t batch;     /* examples per step (the most that a source may return) */
    int64_t steps;     /* optimizer steps; 0 = from epochs */
    double epochs;     /* passes over the examples when steps is 0 */
    uint64_t seed;     /* order of the examples */
    const char *checkpoint_dir; /* NULL = none; a checkpoint found there is continued */
    int64_t checkpoint_every;   /* steps; 0 = only at the end and when interrupted */
};
/* DPO with beta 0.5 and 2 x NLL, batch 16, 100 steps, 16384 tokens, ap__optimizer_default. */
struct ap_train_config ap__train_default(void);

/* One step; means are over the batch's examples. */
struct ap_train_metrics {
    int64_t step, steps; /* 1-based step just done, of steps */
    double loss;         /* of the batch before the update */
    double reward_chosen, reward_rejected, margin, accuracy; /* implicit rewards; accuracy: chosen reward higher */
    double logp_chosen, logp_rejected;
    double drift_chosen, drift_rejected; /* log-prob minus the reference's: a falling chosen one is a warning */
    double grad_norm, lr;                /* norm before clipping; AdamW's rate */
    int64_t tree_tokens, flat_tokens, trained_tokens;
    int32_t packs;
    double gflop; /* necessary operations (model/account.h) */
    double seconds, tokens_per_second; /* of flat tokens: what the same step would be called elsewhere */
};
/* Percent of the machine's sgemm (ap__peak_sgemm) that the step's necessary operations ran at; 0 when peak is. */
double ap__train_of_peak(const struct ap_train_metrics *metrics, double peak);
/* Called after each step; a status other than AP_OK ends the training with it.  Steps since the last
 * checkpoint are done, and reported, again when a killed training goes on. */
typedef ap_status (*ap_train_step_fn)(void *user, const struct ap_train_metrics *metrics, struct ap_err *err);

/* Write the examples of `step` (0-based) to out (cap,), their number to *n (1..cap).  A pure function of the
 * step, so that a resumed training sees the same.  What out points to lives until the next call. */
typedef ap_status (*ap_train_source_fn)(void *user, int64_t step, struct ap_train_example *out, int32_t cap,
                                        int32_t *n, struct ap_err *err);

/* Train on n examples in seeded random order.  on_step may be NULL. */
ap_status ap__train(struct ap_model *m, const struct ap_train_config *config, const struct ap_train_example *example,
                    int32_t n, ap_train_step_fn on_step, void *user, struct ap_err *err) AP_MUST_CHECK;
/* Train on what a source makes; config->steps must be set. */
ap_status ap__train_from(struct ap_model *m, const struct ap_train_config *config, ap_train_source_fn source,
                         void *source_user, ap_train_step_fn on_step, void *user, struct ap_err *err) AP_MUST_CHECK;

/* Compute ref_chosen and ref_rejected of every example once, before training; the caller may store them.
 * An adapter is in use afterwards. */
ap_status ap__train_reference(struct ap_model *m, enum ap_reference reference, struct ap_train_example *example,
                              int32_t n, int32_t max_tokens, struct ap_err *err) AP_MUST_CHECK;

#endif
