/* sampler.c - logits to one token id without memory of its own.
 *
 *     logits -> p = exp((x - max) / T) -> cut -> draw by inverse CDF over ids
 *
 * Top-k and top-p need the k-th largest value, or the one where the mass above
 * reaches p.  Non-negative floats order like their bit patterns, so that value
 * is found by four passes of 256 buckets over its bytes instead of a sort. */
#include "model/sampler.h"

#include <math.h>
#include <string.h>

static int32_t argmax(const float *x, int32_t n)
{
    int32_t best = 0;
    for (int32_t i = 1; i < n; i++)
        if (x[i] > x[best])
            best = i;
    return best;
}

static uint32_t bits_of(float x)
{
    uint32_t u;
    memcpy(&u, &x, sizeof u);
    return u;
}

/* Keep the largest values until they number `want` (by mass: until they weigh `want`), zero the rest.  Of
 * equal values at the edge the ones with lower ids stay.  p (n,) >= 0. */
static void keep_largest(float *p, int32_t n, double want, bool by_mass)
{
    uint32_t prefix = 0, mask = 0;
    double above = 0.0; /* taken by larger values so far */
    for (int shift = 24; shift >= 0; shift -= 8) {
        double bucket[256] = {0};
        for (int32_t i = 0; i < n; i++)
            if ((bits_of(p[i]) & mask) == prefix)
                bucket[bits_of(p[i]) >> shift & 255u] += by_mass ? (double)p[i] : 1.0;
        uint32_t b = 255;
        while (b > 0 && above + bucket[b] < want)
            above += bucket[b--];
        prefix |= b << shift;
        mask |= 255u << shift;
    }
    for (int32_t i = 0; i < n; i++) {
        uint32_t u = bits_of(p[i]);
        if (u == prefix && above < want)
            above += by_mass ? (double)p[i] : 1.0;
        else if (u <= prefix)
            p[i] = 0.0f;
    }
}

static double sum_of(const float *p, int32_t n)
{
    double sum = 0.0;
    for (int32_t i = 0; i < n; i++)
        sum += (double)p[i];
    return sum;
}

/* The first id whose cumulated weight passes u * total; the last one with any weight guards the rounding. */
static int32_t draw(const float *p, int32_t n, double u)
{
    double left = u * sum_of(p, n);
    int32_t last = 0;
    for (int32_t i = 0; i < n; i++) {
        if (p[i] <= 0.0f)
            continue;
        last = i;
        left -= (double)p[i];
        if (left < 0.0)
            break;
    }
    return last;
}

int32_t ap__sample(float *logits, int32_t V, const struct ap_sampling *how, struct ap_rng *rng)
{
    int32_t best = argmax(logits, V);
    if (!(how->temperature > 0.0f))
        return best;
    float top = logits[best], scale = 1.0f / how->temperature;
    for (int32_t i = 0; i < V; i++)
        logits[i] = expf((logits[i] - top) * scale);
    if (how->top_k > 0 && how->top_k < V)
        keep_largest(logits, V, how->top_k, false);
    if (how->top_p < 1.0f)
        keep_largest(logits, V, fmax((double)how->top_p * sum_of(logits, V), 1e-30), true);
    if (how->min_p > 0.0f)
        for (int32_t i = 0; i < V; i++)
            if (logits[i] < how->min_p) /* the largest is 1 */
                logits[i] = 0.0f;
    return draw(logits, V, ap__rng_uniform(rng));
}
