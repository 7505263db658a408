/* loss.h - losses over sequence log-probs, and their derivatives by hand.
 *
 *     seq_logp (S,) --preference loss or SFT--> loss (double), dloss/dseq_logp (S,)
 *
 * The token tree makes seq_logp from token log-probs and takes the derivatives
 * back to tokens; nothing here knows of tokens or models.
 *
 * With c, r the log-probs of chosen and rejected minus the reference's, and
 * h = beta (c - r), e the label smoothing:
 *
 *     sigmoid  -(1-e) log s(h) - e log s(-h)    Rafailov et al. 2023, "Direct Preference Optimization", eq. 7;
 *                                               e: Mitchell 2023, "A note on DPO with noisy preferences" (cDPO)
 *     hinge    max(0, 1 - h)                    Zhao et al. 2023, "SLiC-HF"; Liu et al. 2023, "RSO"
 *     ipo      (c/|c| - r/|r| - 1/(2 beta))^2   Azar et al. 2023, "A General Theoretical Paradigm ...", eq. 17, with
 *                                               log-probs per trained token (|.| tokens), as its authors computed
 *     robust   (-(1-e) log s(h) + e log s(-h)) / (1-2e)     Chowdhury et al. 2024, "Provably Robust DPO"
 *
 * Two terms hold the chosen log-probs up: nll_weight, the mean over pairs of the chosen sequence's NLL per
 * token (Pang et al. 2024, "Iterative Reasoning Preference Optimization"), and sft_weight, the NLL per
 * token over all chosen tokens of the batch (what TRL mixes in as `sft`).  All formulas are those of TRL's
 * DPOTrainer; tests/data/trl compares whole trainings. */
#ifndef AP_LOSS_H
#define AP_LOSS_H

#include <stdbool.h>
#include <stdint.h>

enum ap_loss { AP_LOSS_SIGMOID, AP_LOSS_HINGE, AP_LOSS_IPO, AP_LOSS_ROBUST, AP_LOSS_COUNT };
const char *ap__loss_name(enum ap_loss loss); /* "sigmoid" ... */
bool ap__loss_read(const char *name, enum ap_loss *out);
/* Whether label smoothing has a meaning for it. */
bool ap__loss_smooths(enum ap_loss loss);

struct ap_dpo {
    double beta;            /* > 0 */
    double label_smoothing; /* probability that a pair's labels are swapped, [0, 0.5); sigmoid and robust only */
    double nll_weight;      /* of the chosen sequence's mean NLL per token, >= 0; added by the batch */
    enum ap_loss loss;
    double sft_weight;      /* of the batch's NLL per chosen token, >= 0; added by the batch */
};

/* One pair: summed log-probs of its trained tokens under policy and reference. */
struct ap_pair_logp {
    double chosen, rejected;
    double ref_chosen, ref_rejected;
    int32_t chosen_tokens, rejected_tokens; /* trained tokens; > 0 for ipo */
};
struct ap_pair_loss {
    double loss;
    double dchosen, drejected;              /* dloss/dchosen, dloss/drejected */
    double reward_chosen, reward_rejected; /* implicit rewards: beta (logp - ref) */
};

/* The pair's preference loss alone, without the terms that hold chosen log-probs up. */
struct ap_pair_loss ap__loss_dpo(const struct ap_dpo *how, const struct ap_pair_logp *pair);

/* SFT: the mean NLL per trained token of a batch; `tokens` counts the whole batch, so that the parts of a
 * split batch add up (or one sequence's tokens, for nll_weight).  Returns the loss share of a sequence; *dlogp is the same for all. */
double ap__loss_sft(double logp, int64_t tokens, double *dlogp);

#endif
