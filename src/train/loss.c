/* loss.c - preference losses and SFT on sequence log-probs. */
#include "train/loss.h"

#include <math.h>
#include <string.h>

static const char *const names[AP_LOSS_COUNT] = {
    [AP_LOSS_SIGMOID] = "sigmoid", [AP_LOSS_HINGE] = "hinge", [AP_LOSS_IPO] = "ipo", [AP_LOSS_ROBUST] = "robust"};

const char *ap__loss_name(enum ap_loss loss) { return names[loss]; }

bool ap__loss_read(const char *name, enum ap_loss *out)
{
    for (int i = 0; i < AP_LOSS_COUNT; i++)
        if (strcmp(name, names[i]) == 0) {
            *out = (enum ap_loss)i;
            return true;
        }
    return false;
}

bool ap__loss_smooths(enum ap_loss loss) { return loss == AP_LOSS_SIGMOID || loss == AP_LOSS_ROBUST; }

/* log(1 / (1 + exp(-x))) without overflow on either side. */
static double log_sigmoid(double x) { return x >= 0.0 ? -log1p(exp(-x)) : x - log1p(exp(x)); }

static double sigmoid(double x) { return x >= 0.0 ? 1.0 / (1.0 + exp(-x)) : exp(x) / (1.0 + exp(x)); }

/* -a log s(h) - b log s(-h) and its derivative: sigmoid and robust differ in a and b only. */
static double two_sided(double h, double a, double b, double *dh)
{
    *dh = -a * sigmoid(-h) + b * sigmoid(h);
    return -a * log_sigmoid(h) - b * log_sigmoid(-h);
}

/* Loss of h = beta (c - r); *dh overwritten. */
static double of_margin(const struct ap_dpo *how, double h, double *dh)
{
    double e = how->label_smoothing;
    switch (how->loss) {
    case AP_LOSS_HINGE:
        *dh = h < 1.0 ? -1.0 : 0.0;
        return fmax(0.0, 1.0 - h);
    case AP_LOSS_ROBUST:
        return two_sided(h, (1.0 - e) / (1.0 - 2.0 * e), -e / (1.0 - 2.0 * e), dh);
    default:
        return two_sided(h, 1.0 - e, e, dh);
    }
}

/* Squared distance of the margin per token from 1/(2 beta). */
static void add_ipo(const struct ap_dpo *how, const struct ap_pair_logp *pair, struct ap_pair_loss *out)
{
    double per_chosen = 1.0 / pair->chosen_tokens, per_rejected = 1.0 / pair->rejected_tokens;
    double far = per_chosen * (pair->chosen - pair->ref_chosen) - per_rejected * (pair->rejected - pair->ref_rejected) -
                 0.5 / how->beta;
    out->loss = far * far;
    out->dchosen = 2.0 * far * per_chosen;
    out->drejected = -2.0 * far * per_rejected;
}

struct ap_pair_loss ap__loss_dpo(const struct ap_dpo *how, const struct ap_pair_logp *pair)
{
    struct ap_pair_loss out;
    double dh;
    out.reward_chosen = how->beta * (pair->chosen - pair->ref_chosen);
    out.reward_rejected = how->beta * (pair->rejected - pair->ref_rejected);
    if (how->loss == AP_LOSS_IPO) {
        add_ipo(how, pair, &out);
    } else {
        out.loss = of_margin(how, out.reward_chosen - out.reward_rejected, &dh);
        out.dchosen = how->beta * dh;
        out.drejected = -how->beta * dh;
    }
    return out;
}

double ap__loss_sft(double logp, int64_t tokens, double *dlogp)
{
    *dlogp = -1.0 / (double)tokens;
    return -logp / (double)tokens;
}
