/* optimizer.h - gradients to weights: clip, schedule, AdamW or Muon.
 *
 *     gradients -> global norm, clip -> rate of this step -> update of each parameter
 *
 * AdamW: Loshchilov & Hutter 2019.  Muon (Jordan 2024) is for hidden matrices;
 * embeddings, norms and heads stay with AdamW, each with its own rate.
 * All moments live in one block. */
#ifndef AP_OPTIMIZER_H
#define AP_OPTIMIZER_H

#include "model/transformer.h"

enum ap_schedule { AP_SCHEDULE_CONSTANT, AP_SCHEDULE_LINEAR, AP_SCHEDULE_COSINE, AP_SCHEDULE_HOLD_LINEAR };

struct ap_optimizer_config {
    bool muon;               /* hidden matrices by Muon */
    double lr, muon_lr;      /* peak rates */
    double beta1, beta2, eps; /* AdamW */
    double weight_decay;     /* decoupled, matrices only */
    double muon_momentum;
    double clip; /* ceiling of the global gradient norm, 0 = none */
    enum ap_schedule schedule;
    double warmup; /* fraction of all steps, linear */
    bool warmup_from_zero; /* the first step's rate is 0 and warm-up takes whole steps, as transformers has it;
                              otherwise no step is wasted */
    double hold;   /* HOLD_LINEAR: fraction of all steps at the peak (warm-up included) */
    double floor;  /* last rate as a fraction of the peak */
};
/* AdamW, lr 1e-3, betas 0.9 and 0.999, eps 1e-8, no decay, clip 1, linear to 0 after 10 % warm-up. */
struct ap_optimizer_config ap__optimizer_default(void);
ap_status ap__optimizer_check(const struct ap_optimizer_config *c, struct ap_err *err) AP_MUST_CHECK;

/* Factor of the peak rate in `step` (0-based) of `steps`. */
double ap__schedule_factor(const struct ap_optimizer_config *c, int64_t step, int64_t steps);

struct ap_optimizer {
    struct ap_optimizer_config config;
    struct ap_model_param *param; /* (count,) borrowed views of the model's tensors */
    int32_t count;
    const struct ap_backend *be;
    float *moments;        /* one block: m then v of each parameter (Muon keeps only m) */
    float **m, **v;        /* (count,) into moments; v NULL under Muon */
    int64_t moment_count;
    int64_t updates;       /* made so far */
    struct ap_arena scratch; /* of Muon */
};

/* For everything that is trainable in the model; AP_E_STATE when nothing is. */
ap_status ap__optimizer_init(struct ap_optimizer *o, const struct ap_optimizer_config *config, struct ap_model *model,
                             struct ap_err *err) AP_MUST_CHECK;
void ap__optimizer_deinit(struct ap_optimizer *o);

/* One update from the model's gradients with rates scaled by `factor`.  *norm = global gradient norm before clipping.
 * A norm that is not finite is AP_E_STATE and changes nothing. */
ap_status ap__optimizer_update(struct ap_optimizer *o, double factor, double *norm, struct ap_err *err) AP_MUST_CHECK;

#endif
