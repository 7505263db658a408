/* wilcoxon.c - the Wilcoxon signed-rank test, exact or by normal approximation.
 *
 *     differences --|d|--> midranks --signs--> W+, W-      (zeros dropped, or Pratt's way)
 *          exact:  distribution of W+ over all 2^m sign patterns of these very ranks (ties included)
 *          normal: mean and tie-corrected variance of W+, continuity correction of 1/2
 *
 * F. Wilcoxon, "Individual comparisons by ranking methods", Biometrics Bulletin 1 (1945) 80-83.
 * J. W. Pratt, "Remarks on zeros and ties in the Wilcoxon signed rank procedures", JASA 54 (1959).
 * Exact counting as in J. Klotz / Streitberg & Roehmel's shift algorithm: midranks doubled are integers. */
#include "evaluate/statistics.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One difference: twice its midrank, so that it is an integer. */
struct ranked {
    double magnitude;
    int32_t doubled_rank;
    bool positive;
};

static int by_magnitude(const void *a, const void *b)
{
    double x = ((const struct ranked *)a)->magnitude, y = ((const struct ranked *)b)->magnitude;
    return (x > y) - (x < y);
}

/* Copy the differences that are ranked; count zeros. *m = how many. */
static ap_status collect(const double *difference, int32_t n, enum ap_zeros zeros, struct ranked *r, int32_t *m,
                         struct ap_wilcoxon *out, struct ap_err *err)
{
    *m = 0;
    for (int32_t i = 0; i < n; i++) {
        if (!isfinite(difference[i]))
            return ap__fail(err, AP_E_ARG, NULL, "difference %d is not a finite number", i);
        bool zero = difference[i] == 0.0;
        out->zeros += zero;
        if (!zero || zeros == AP_ZEROS_PRATT)
            r[(*m)++] = (struct ranked){fabs(difference[i]), 0, difference[i] > 0};
    }
    return AP_OK;
}

/* Midranks; returns sum of t^3 - t over groups of t tied non-zero differences. */
static double assign_ranks(struct ranked *r, int32_t m, struct ap_wilcoxon *out)
{
    double ties = 0;
    qsort(r, (size_t)m, sizeof *r, by_magnitude);
    for (int32_t first = 0, end; first < m; first = end) {
        for (end = first + 1; end < m && r[end].magnitude == r[first].magnitude; end++)
            ;
        for (int32_t i = first; i < end; i++)
            r[i].doubled_rank = first + 1 + end; /* twice the mean of ranks first+1 .. end */
        double t = end - first;
        if (r[first].magnitude > 0 && end - first > 1) {
            ties += t * t * t - t;
            out->tied += end - first;
        }
    }
    return ties;
}

static void sum_ranks(const struct ranked *r, int32_t m, struct ap_wilcoxon *out)
{
    for (int32_t i = 0; i < m; i++)
        if (r[i].magnitude > 0)
            *(r[i].positive ? &out->w_plus : &out->w_minus) += r[i].doubled_rank / 2.0;
}

/* probability[s] of doubled rank sum s, by adding one difference at a time with either sign.
 * Probabilities rather than counts: 2^1000 patterns still fit a double. */
static ap_status exact_p(const struct ranked *r, int32_t m, double w_plus, double *p, struct ap_err *err)
{
    int64_t total = 0, top = 0, observed = llround(2 * w_plus);
    for (int32_t i = 0; i < m; i++)
        total += r[i].magnitude > 0 ? r[i].doubled_rank : 0;
    double *probability = ap__alloc_array((size_t)total + 1, sizeof *probability);
    if (!probability)
        return ap__fail(err, AP_E_MEMORY, NULL, "out of memory for the exact Wilcoxon test");
    probability[0] = 1;
    for (int32_t i = 0; i < m; i++) {
        if (r[i].magnitude == 0)
            continue;
        int64_t rank = r[i].doubled_rank;
        top += rank;
        for (int64_t s = top; s >= rank; s--)
            probability[s] = 0.5 * (probability[s] + probability[s - rank]);
        for (int64_t s = rank - 1; s >= 0; s--)
            probability[s] *= 0.5;
    }
    double below = 0, above = 0; /* both with the observed sum; small terms first */
    for (int64_t s = 0; s <= observed; s++)
        below += probability[s];
    for (int64_t s = total; s >= observed; s--)
        above += probability[s];
    ap__free(probability);
    *p = fmin(1.0, 2 * fmin(below, above));
    return AP_OK;
}

/* m ranked, of them `zeros` zero (Pratt); moments of W+ under the null hypothesis. */
static void normal_p(int32_t m, int32_t zeros, double ties, struct ap_wilcoxon *out)
{
    double n = m, z0 = zeros;
    double mean = (n * (n + 1) - z0 * (z0 + 1)) / 4;
    double variance = (n * (n + 1) * (2 * n + 1) - z0 * (z0 + 1) * (2 * z0 + 1) - ties / 2) / 24;
    double distance = out->w_plus - mean;
    if (out->correction)
        distance -= distance > 0 ? 0.5 : distance < 0 ? -0.5 : 0;
    out->z = distance / sqrt(variance);
    out->p = fmin(1.0, erfc(fabs(out->z) / sqrt(2)));
}

static ap_status test_ranked(struct ranked *r, int32_t m, enum ap_wilcoxon_method method, struct ap_wilcoxon *out,
                             struct ap_err *err)
{
    double ties = assign_ranks(r, m, out);
    sum_ranks(r, m, out);
    int32_t used = out->n - out->zeros;
    if (method == AP_WILCOXON_AUTO)
        method = used <= AP_WILCOXON_EXACT_MAX ? AP_WILCOXON_EXACT : AP_WILCOXON_NORMAL;
    out->method = method;
    out->p = 1;
    if (used == 0)
        return AP_OK;
    if (method == AP_WILCOXON_NORMAL) {
        normal_p(m, m - used, ties, out);
        return AP_OK;
    }
    if (m > AP_WILCOXON_EXACT_CEILING)
        return ap__fail(err, AP_E_TOO_LARGE, NULL, "the exact Wilcoxon test takes up to %d differences, got %d",
                        AP_WILCOXON_EXACT_CEILING, m);
    out->correction = false;
    return exact_p(r, m, out->w_plus, &out->p, err);
}

ap_status ap__wilcoxon(const double *difference, int32_t n, enum ap_zeros zeros, enum ap_wilcoxon_method method,
                       bool correction, struct ap_wilcoxon *out, struct ap_err *err)
{
    *out = (struct ap_wilcoxon){.n = n, .zero_method = zeros, .correction = correction, .p = 1};
    struct ranked *r = ap__alloc_array((size_t)n + 1, sizeof *r);
    if (!r)
        return ap__fail(err, AP_E_MEMORY, NULL, "out of memory for the Wilcoxon test");
    int32_t m = 0;
    ap_status status = collect(difference, n, zeros, r, &m, out, err);
    if (status == AP_OK)
        status = test_ranked(r, m, method, out, err);
    ap__free(r);
    return status;
}

void ap__wilcoxon_describe(const struct ap_wilcoxon *w, char out[96])
{
    int at = snprintf(out, 96, "%s", w->method == AP_WILCOXON_EXACT ? "exact" : "normal approximation");
    if (w->correction && w->method == AP_WILCOXON_NORMAL)
        at += snprintf(out + at, 96 - (size_t)at, ", continuity corrected");
    if (w->zeros)
        at += snprintf(out + at, 96 - (size_t)at, ", %d zeros %s", w->zeros,
                       w->zero_method == AP_ZEROS_DROP ? "dropped" : "ranked (Pratt)");
    if (w->tied)
        snprintf(out + at, 96 - (size_t)at, ", %d in ties", w->tied);
}
