/* statistics.c - McNemar, Wilson, bootstrap and Holm; the Wilcoxon test is in wilcoxon.c.
 *
 * Q. McNemar, "Note on the sampling error of the difference between correlated proportions",
 *   Psychometrika 12 (1947), here with the exact binomial distribution.
 * E. B. Wilson, "Probable inference, the law of succession, and statistical inference", JASA 22 (1927).
 * B. Efron, R. Tibshirani, "An Introduction to the Bootstrap" (1993), section 13.3: percentile interval.
 * S. Holm, "A simple sequentially rejective multiple test procedure", Scand. J. Statist. 6 (1979). */
#include "evaluate/statistics.h"
#include "base/rng.h"

#include <math.h>
#include <stdlib.h>

/* C(n, k) / 2^n for k <= n/2 as mantissa * 2^exponent: a product of k ratios, so its relative error
 * is k roundings and it never under- or overflows. */
static double binomial_half(int64_t n, int64_t k, int64_t *exponent)
{
    double mantissa = 1;
    int shift;
    *exponent = -n;
    for (int64_t i = 1; i <= k; i++) {
        mantissa = frexp(mantissa * ((double)(n - k + i) / (double)i), &shift);
        *exponent += shift;
    }
    return mantissa;
}

double ap__mcnemar(int64_t gained, int64_t lost)
{
    int64_t n = gained + lost, k = gained < lost ? gained : lost, exponent;
    if (gained == lost)
        return 1;
    /* Terms k, k-1, ... relative to term k. */
    double sum = 0, term = 1;
    for (int64_t i = k; i >= 0 && term > 1e-18 * sum; i--) {
        sum += term;
        term *= (double)i / (double)(n - i + 1);
    }
    double mantissa = binomial_half(n, k, &exponent);
    if (exponent < -2000)
        return 0;
    return fmin(1.0, ldexp(2 * sum * mantissa, (int)exponent));
}

/* z with P(|N(0,1)| <= z) = confidence: Newton's method on the tail from above, where it converges
 * monotonically. */
static double normal_quantile(double confidence)
{
    double tail = (1 - confidence) / 2, z = 0;
    for (int i = 0; i < 60; i++) {
        double step = (erfc(z / sqrt(2)) / 2 - tail) / (exp(-z * z / 2) / sqrt(2 * acos(-1.0)));
        z += step;
        if (fabs(step) < 1e-15 * fmax(1, z))
            break;
    }
    return z;
}

struct ap_interval ap__wilson(int64_t k, int64_t n, double confidence)
{
    if (n <= 0)
        return (struct ap_interval){0, 1};
    double z = normal_quantile(confidence), N = (double)n, p = (double)k / N, z2 = z * z;
    double centre = (p + z2 / (2 * N)) / (1 + z2 / N);
    double half = z / (1 + z2 / N) * sqrt(p * (1 - p) / N + z2 / (4 * N * N));
    return (struct ap_interval){k == 0 ? 0 : centre - half, k == n ? 1 : centre + half};
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Quantile q of sorted (n,), linear between order statistics (numpy's default). */
static double quantile(const double *sorted, int32_t n, double q)
{
    double at = q * (n - 1);
    int32_t below = (int32_t)floor(at), above = below + 1 < n ? below + 1 : below;
    return sorted[below] + (at - below) * (sorted[above] - sorted[below]);
}

ap_status ap__bootstrap_mean(const double *difference, int32_t n, double confidence, int32_t resamples,
                             uint64_t seed, struct ap_interval *out, struct ap_err *err)
{
    if (n < 1 || resamples < 1)
        return ap__fail(err, AP_E_ARG, NULL, "a bootstrap interval needs at least one difference");
    double *mean = ap__alloc_array((size_t)resamples, sizeof *mean);
    if (!mean)
        return ap__fail(err, AP_E_MEMORY, NULL, "out of memory for the bootstrap");
    for (int32_t b = 0; b < resamples; b++) {
        struct ap_rng rng = ap__rng_make(seed, "bootstrap", (uint64_t)b, 0, 0);
        double sum = 0;
        for (int32_t i = 0; i < n; i++)
            sum += difference[ap__rng_below(&rng, (uint32_t)n)];
        mean[b] = sum / n;
    }
    qsort(mean, (size_t)resamples, sizeof *mean, by_value);
    out->low = quantile(mean, resamples, (1 - confidence) / 2);
    out->high = quantile(mean, resamples, (1 + confidence) / 2);
    ap__free(mean);
    return AP_OK;
}

struct indexed {
    double p;
    int32_t index;
};

static int by_p(const void *a, const void *b)
{
    const struct indexed *x = a, *y = b;
    return x->p != y->p ? (x->p > y->p) - (x->p < y->p) : (x->index > y->index) - (x->index < y->index);
}

ap_status ap__holm(const double *p, int32_t n, double *adjusted, struct ap_err *err)
{
    struct indexed *order = ap__alloc_array((size_t)n + 1, sizeof *order);
    if (!order)
        return ap__fail(err, AP_E_MEMORY, NULL, "out of memory for Holm's adjustment");
    for (int32_t i = 0; i < n; i++)
        order[i] = (struct indexed){p[i], i};
    qsort(order, (size_t)n, sizeof *order, by_p);
    double largest = 0;
    for (int32_t i = 0; i < n; i++) {
        largest = fmax(largest, fmin(1.0, order[i].p * (n - i)));
        adjusted[order[i].index] = largest;
    }
    ap__free(order);
    return AP_OK;
}
