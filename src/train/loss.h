/* loss.h - losses over sequence log-probs, and their derivatives by hand.
 *
 *     seq_logp (S,) --DPO or SFT--> loss (double), dloss/dseq_logp (S,)
 *
 * The token tree makes seq_logp from token log-probs and takes the derivatives
 * back to tokens; nothing here knows of tokens or models.
 *
 * DPO: Rafailov et al. 2023, "Direct Preference Optimization", eq. 7.
 * Label smoothing: Mitchell 2023, "A note on DPO with noisy preferences" (cDPO). */
#ifndef AP_LOSS_H
#define AP_LOSS_H

#include <stdint.h>

struct ap_dpo {
    double beta;            /* > 0 */
    double label_smoothing; /* probability that a pair's labels are swapped, [0, 0.5) */
    double nll_weight;      /* weight of the chosen sequence's mean NLL per token, >= 0 */
};

/* One pair: summed log-probs of its trained tokens under policy and reference. */
struct ap_pair_logp {
    double chosen, rejected;
    double ref_chosen, ref_rejected;
    int32_t chosen_tokens; /* trained tokens of chosen, > 0 when nll_weight > 0 */
};
struct ap_pair_loss {
    double loss;
    double dchosen, drejected;              /* dloss/dchosen, dloss/drejected */
    double reward_chosen, reward_rejected; /* implicit rewards: beta (logp - ref) */
};

/* h = beta ((chosen - ref_chosen) - (rejected - ref_rejected)),
 * loss = -(1-e) log s(h) - e log s(-h) + nll_weight * -chosen / chosen_tokens. */
struct ap_pair_loss ap__loss_dpo(const struct ap_dpo *how, const struct ap_pair_logp *pair);

/* SFT: the mean NLL per trained token of a batch; `tokens` counts the whole batch, so that the parts of a
 * split batch add up.  Returns the loss share of a sequence; *dlogp is the same for all. */
double ap__loss_sft(double logp, int64_t tokens, double *dlogp);

#endif
