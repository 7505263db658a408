/* sampler.c - logits to one token id without memory of its own.
 *
 *     logits -> p = exp((x - max) / T) -> cut -> draw by inverse CDF over ids
 *
 * Top-k and top-p need the k-th largest value, or the one where the mass above
 * reaches p.  Non-negative floats order like their bit patterns, so that value
 * is found bit by bit, with a quick pass for each, instead of a sort. */
#include "model/sampler.h"
#include "tensor/draw.h"

#include <math.h>
#include <string.h>

static uint32_t bits_of(float x)
{
    uint32_t u;
    memcpy(&u, &x, sizeof u);
    return u;
}

static float float_of(uint32_t u)
{
    float x;
    memcpy(&x, &u, sizeof x);
    return x;
}

/* Keep the largest values until they number `want` (by mass: until they weigh `want`), zero the rest.  Of
 * equal values at the edge the ones with lower ids stay.  0 <= p (n,) <= 1. */
static void keep_largest(float *p, int32_t n, double want, bool by_mass)
{
    uint32_t edge = 0;
    for (uint32_t bit = 1u << 29; bit > 0; bit >>= 1) /* 1.0 is 0x3f800000 */
        if (ap__sum_from(p, n, float_of(edge | bit), by_mass) >= want)
            edge |= bit;
    double above = ap__sum_from(p, n, float_of(edge + 1), by_mass);
    for (int32_t i = 0; i < n; i++) {
        uint32_t u = bits_of(p[i]);
        if (u == edge && above < want)
            above += by_mass ? (double)p[i] : 1.0;
        else
            p[i] = u > edge ? p[i] : 0.0f;
    }
}

#define COLDEST 1e-30f /* the inverse of less may be infinite, and 0 times that no number */

int32_t ap__sample(float *logits, int32_t V, const struct ap_sampling *how, struct ap_rng *rng)
{
    int32_t best = ap__largest(logits, V);
    if (!(how->temperature > COLDEST))
        return best;
    ap__exp_weights(logits, V, logits[best], 1.0f / how->temperature);
    if (how->top_k > 0 && how->top_k < V)
        keep_largest(logits, V, how->top_k, false);
    if (how->top_p < 1.0f)
        keep_largest(logits, V, fmax((double)how->top_p * ap__sum(logits, V), 1e-30), true);
    if (how->min_p > 0.0f)
        for (int32_t i = 0; i < V; i++)
            if (logits[i] < how->min_p) /* the largest is 1 */
                logits[i] = 0.0f;
    return ap__draw(logits, V, ap__rng_uniform(rng));
}
