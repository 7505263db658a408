/* statistics.h - is the difference real?
 *
 * All tests are two-sided and paired: difference[i] belongs to problem i.  Each result says by
 * which method it was computed, so that the report can say it too. */
#ifndef AP_STATISTICS_H
#define AP_STATISTICS_H

#include "base/alloc.h"

/* ---- Wilcoxon signed-rank test ---- */

enum ap_zeros {
    AP_ZEROS_DROP,  /* Wilcoxon 1945: zero differences are left out */
    AP_ZEROS_PRATT, /* Pratt 1959: ranked with the others, then left out of the sums */
};
enum ap_wilcoxon_method {
    AP_WILCOXON_AUTO,   /* exact up to AP_WILCOXON_EXACT_MAX differences, normal above */
    AP_WILCOXON_EXACT,  /* the permutation distribution of these very (mid)ranks, so ties are exact too */
    AP_WILCOXON_NORMAL, /* normal approximation, variance corrected for ties */
};
enum { AP_WILCOXON_EXACT_MAX = 50, AP_WILCOXON_EXACT_CEILING = 1000 };

struct ap_wilcoxon {
    int32_t n;       /* differences */
    int32_t zeros;   /* of them zero */
    int32_t tied;    /* non-zero differences that share their |value| with another */
    double w_plus, w_minus; /* rank sums; the test statistic is the smaller one */
    double z;        /* NORMAL: signed, corrected; EXACT: 0 */
    double p;        /* 1 when all differences are zero */
    enum ap_wilcoxon_method method; /* the one used */
    enum ap_zeros zero_method;
    bool correction; /* NORMAL: continuity correction used */
};
/* difference (n,).  AP_E_ARG for NaN; AP_E_TOO_LARGE for EXACT above the ceiling. */
ap_status ap__wilcoxon(const double *difference, int32_t n, enum ap_zeros zeros, enum ap_wilcoxon_method method,
                       bool correction, struct ap_wilcoxon *out, struct ap_err *err) AP_MUST_CHECK;
/* "exact, 12 zeros dropped, ties by midranks" */
void ap__wilcoxon_describe(const struct ap_wilcoxon *w, char out[96]);

/* ---- McNemar's exact test ----
 * gained: wrong before, right after; lost: the other way round.  Two-sided binomial(gained + lost, 1/2). */
double ap__mcnemar(int64_t gained, int64_t lost);

/* ---- Wilson score interval of k successes in n trials; [0, 1] when n = 0 ---- */
struct ap_interval {
    double low, high;
};
struct ap_interval ap__wilson(int64_t k, int64_t n, double confidence);

/* ---- paired bootstrap: percentile interval of the mean of difference (n,) ----
 * Problems are resampled with replacement; the same seed gives the same interval. */
enum { AP_BOOTSTRAP_RESAMPLES = 10000 };
ap_status ap__bootstrap_mean(const double *difference, int32_t n, double confidence, int32_t resamples,
                             uint64_t seed, struct ap_interval *out, struct ap_err *err) AP_MUST_CHECK;

/* ---- Holm's step-down adjustment of n p-values; p (n,) -> adjusted (n,), overwrites; may alias ---- */
ap_status ap__holm(const double *p, int32_t n, double *adjusted, struct ap_err *err) AP_MUST_CHECK;

#endif
