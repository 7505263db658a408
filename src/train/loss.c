/* loss.c - DPO and SFT on sequence log-probs. */
#include "train/loss.h"

#include <math.h>

/* log(1 / (1 + exp(-x))) without overflow on either side. */
static double log_sigmoid(double x) { return x >= 0.0 ? -log1p(exp(-x)) : x - log1p(exp(x)); }

static double sigmoid(double x) { return x >= 0.0 ? 1.0 / (1.0 + exp(-x)) : exp(x) / (1.0 + exp(x)); }

struct ap_pair_loss ap__loss_dpo(const struct ap_dpo *how, const struct ap_pair_logp *pair)
{
    struct ap_pair_loss out;
    double e = how->label_smoothing;
    out.reward_chosen = how->beta * (pair->chosen - pair->ref_chosen);
    out.reward_rejected = how->beta * (pair->rejected - pair->ref_rejected);
    double h = out.reward_chosen - out.reward_rejected;
    double dh = -(1.0 - e) * sigmoid(-h) + e * sigmoid(h);
    out.loss = -(1.0 - e) * log_sigmoid(h) - e * log_sigmoid(-h);
    out.dchosen = how->beta * dh;
    out.drejected = -how->beta * dh;
    if (how->nll_weight > 0.0) {
        double w = how->nll_weight / pair->chosen_tokens;
        out.loss -= w * pair->chosen;
        out.dchosen -= w;
    }
    return out;
}

double ap__loss_sft(double logp, int64_t tokens, double *dlogp)
{
    *dlogp = -1.0 / (double)tokens;
    return -logp / (double)tokens;
}
