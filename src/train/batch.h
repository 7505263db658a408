/* batch.h - loss and gradient of one batch of examples, as one token tree.
 *
 *     examples -> sequences -> pack -> forward -> logp (N,) -> seq_logp (S,)
 *                                                                  | loss
 *     gradients <- backward <- dlogp (N,) <- scatter <- dloss/dseq_logp (S,)
 *
 * The tree is not computed as a whole but in parts: what all examples begin with passes forward once and
 * backward once, and behind it a few examples at a time pass forward and backward.  Memory is that of the
 * largest part, the gradient that of the whole.  A part exceeds max_tokens only if a single example does. */
#ifndef AP_BATCH_H
#define AP_BATCH_H

#include "model/transformer.h"
#include "train/loss.h"

enum ap_method { AP_METHOD_DPO, AP_METHOD_SFT };

/* A preference pair, or one sequence to imitate (rejected.len 0). Borrowed. */
struct ap_train_example {
    struct ap_seq chosen, rejected;
    struct ap_seq held;              /* whose log-prob nll_weight and sft_weight hold up; len 0: chosen's */
    double ref_chosen, ref_rejected; /* summed log-probs under the reference (DPO) */
};

struct ap_batch_config {
    enum ap_method method;
    struct ap_dpo dpo;
    int32_t max_tokens;  /* of one tree, 0 = no limit */
    int32_t part_tokens; /* that a batch is divided into, where it can be without computing anything twice; 0 = what
                            keeps the machine busy */
};

/* Sums over the examples of a batch; rewards and margins are DPO's. */
struct ap_batch_sums {
    double loss; /* already the batch's mean */
    double reward_chosen, reward_rejected;
    double logp_chosen, logp_rejected;   /* under the policy */
    double drift_chosen, drift_rejected; /* policy minus reference */
    int64_t correct;                     /* pairs whose chosen reward is the higher one */
    int64_t trained_tokens;              /* over all sequences, shared ones repeated */
    int64_t tree_tokens, flat_tokens;
    double gflop; /* necessary operations (model/account.h) */
    int32_t packs;
};

/* Accumulate the gradient of the batch's mean loss; *out overwritten (tree_tokens: computed ones).  step is reset.  AP_E_TOO_LARGE when a
 * single example exceeds the budget. */
ap_status ap__batch_gradient(struct ap_model *m, const struct ap_batch_config *config,
                             const struct ap_train_example *example, int32_t n, struct ap_arena *step,
                             struct ap_batch_sums *out, struct ap_err *err) AP_MUST_CHECK;

/* What the policy is held to: the base model, or what the adapter made of it before this training. */
enum ap_reference { AP_REFERENCE_BASE, AP_REFERENCE_ADAPTER };

/* Fill ref_chosen and ref_rejected of every example, packed.  The adapter is in use afterwards. step is reset. */
ap_status ap__batch_reference(struct ap_model *m, enum ap_reference reference, struct ap_train_example *example,
                              int32_t n, int32_t max_tokens, struct ap_arena *step,
                              struct ap_err *err) AP_MUST_CHECK;

#endif
