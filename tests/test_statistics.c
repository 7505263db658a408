/* test_statistics.c - our statistics against scipy and statsmodels, and against enumeration. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "base/json.h"
#include "base/rng.h"
#include "evaluate/statistics.h"

#include <math.h>
#include <string.h>

static json_t *fixture;

static int load_fixture(void **state)
{
    (void)state;
    struct ap_err why = {0};
    return ap__json_load(AP_TEST_DATA "/statistics/cases.json", &fixture, &why) == AP_OK ? 0 : -1;
}

static int free_fixture(void **state)
{
    (void)state;
    json_decref(fixture);
    return 0;
}

static const json_t *cases(const char *kind)
{
    const json_t *array = json_object_get(fixture, kind);
    assert_true(json_array_size(array) > 0);
    return array;
}

/* Differences of a case into d (at most 1000); returns how many. */
static int32_t read_d(const json_t *c, double *d)
{
    const json_t *array = json_object_get(c, "d");
    int32_t n = (int32_t)json_array_size(array);
    assert_true(n > 0 && n <= 1000);
    for (int32_t i = 0; i < n; i++)
        d[i] = json_number_value(json_array_get(array, (size_t)i));
    return n;
}

static void assert_close(const char *what, double got, double want, double relative)
{
    if (!(fabs(got - want) <= relative * fabs(want) + 1e-300))
        fail_msg("%s: got %.17g, want %.17g", what, got, want);
}

static void check_wilcoxon(const char *name, const json_t *c, const double *d, int32_t n)
{
    struct ap_wilcoxon w;
    struct ap_err why = {0};
    bool exact = strcmp(ap__json_str_or(c, "method", ""), "exact") == 0;
    ap_status status = ap__wilcoxon(d, n, strcmp(ap__json_str_or(c, "zeros", ""), "pratt") ? AP_ZEROS_DROP : AP_ZEROS_PRATT,
                                    exact ? AP_WILCOXON_EXACT : AP_WILCOXON_NORMAL,
                                    ap__json_bool_or(c, "correction", false), &w, &why);
    assert_int_equal(status, AP_OK);
    assert_close(name, fmin(w.w_plus, w.w_minus), ap__json_f64_or(c, "statistic", -1), 1e-12);
    /* scipy takes the exact test's smaller tail as 1 - larger tail: rounding noise of 1e-16 absolute */
    double want = ap__json_f64_or(c, "p", -1);
    if (!exact || fabs(w.p - want) > 4e-16)
        assert_close(name, w.p, want, 1e-12);
}

static void wilcoxon_agrees_with_scipy(void **state)
{
    (void)state;
    double d[1000];
    size_t i, j, checked = 0;
    const json_t *group, *c;
    json_array_foreach(cases("wilcoxon"), i, group) {
        int32_t n = read_d(group, d);
        json_array_foreach(json_object_get(group, "cases"), j, c) {
            check_wilcoxon(ap__json_str_or(group, "name", "?"), c, d, n);
            checked++;
        }
    }
    assert_true(checked > 300);
}

/* The stupid twin: midranks by counting, all 2^m sign patterns one by one. */
static double enumerate(const double *d, int32_t n)
{
    double rank[16], w = 0;
    int32_t m = 0, below = 0, above = 0;
    for (int32_t i = 0; i < n; i++) {
        if (d[i] == 0)
            continue;
        double smaller = 0, same = 0;
        for (int32_t j = 0; j < n; j++) {
            smaller += d[j] != 0 && fabs(d[j]) < fabs(d[i]);
            same += d[j] != 0 && fabs(d[j]) == fabs(d[i]);
        }
        rank[m] = smaller + (same + 1) / 2;
        w += d[i] > 0 ? rank[m] : 0;
        m++;
    }
    for (int32_t pattern = 0; pattern < 1 << m; pattern++) {
        double sum = 0;
        for (int32_t i = 0; i < m; i++)
            sum += pattern >> i & 1 ? rank[i] : 0;
        below += sum <= w;
        above += sum >= w;
    }
    return fmin(1, 2.0 * (below < above ? below : above) / (1 << m));
}

static void exact_wilcoxon_is_what_enumerating_all_signs_gives_ties_and_zeros_included(void **state)
{
    (void)state;
    for (uint64_t round = 0; round < 300; round++) {
        struct ap_rng rng = ap__rng_make(7, "test", round, 0, 0);
        double d[12];
        int32_t n = 1 + (int32_t)ap__rng_below(&rng, 12);
        for (int32_t i = 0; i < n; i++)
            d[i] = (double)ap__rng_range(&rng, -4, 4) / 4;
        struct ap_wilcoxon w;
        assert_int_equal(ap__wilcoxon(d, n, AP_ZEROS_DROP, AP_WILCOXON_AUTO, true, &w, NULL), AP_OK);
        assert_int_equal(w.method, AP_WILCOXON_EXACT);
        assert_close("enumerated", w.p, enumerate(d, n), 1e-12);
    }
}

static void wilcoxon_says_which_way_it_went(void **state)
{
    (void)state;
    double d[120] = {0};
    struct ap_wilcoxon w;
    char text[96];
    assert_int_equal(ap__wilcoxon(d, 5, AP_ZEROS_DROP, AP_WILCOXON_AUTO, true, &w, NULL), AP_OK);
    assert_true(w.p == 1 && w.zeros == 5);
    assert_int_equal(ap__wilcoxon(d, 0, AP_ZEROS_DROP, AP_WILCOXON_AUTO, true, &w, NULL), AP_OK);
    assert_true(w.p == 1);
    for (int i = 0; i < 110; i++)
        d[i] = i < 100 ? 0.25 : -1;
    assert_int_equal(ap__wilcoxon(d, 120, AP_ZEROS_DROP, AP_WILCOXON_AUTO, true, &w, NULL), AP_OK);
    ap__wilcoxon_describe(&w, text);
    assert_string_equal(text, "normal approximation, continuity corrected, 10 zeros dropped, 110 in ties");
    assert_int_equal(ap__wilcoxon(d, 50, AP_ZEROS_DROP, AP_WILCOXON_AUTO, true, &w, NULL), AP_OK);
    ap__wilcoxon_describe(&w, text);
    assert_string_equal(text, "exact, 50 in ties");
    struct ap_err why = {0};
    d[3] = NAN;
    assert_int_equal(ap__wilcoxon(d, 50, AP_ZEROS_DROP, AP_WILCOXON_AUTO, true, &w, &why), AP_E_ARG);
    assert_non_null(strstr(why.message, "3"));
}

static void exact_and_normal_wilcoxon_agree_on_a_thousand_differences(void **state)
{
    (void)state;
    static double d[1001];
    struct ap_rng rng = ap__rng_make(3, "test", 0, 0, 0);
    for (int i = 0; i < 1001; i++)
        d[i] = ap__rng_normal(&rng) + 0.05;
    struct ap_wilcoxon exact, normal;
    assert_int_equal(ap__wilcoxon(d, 1000, AP_ZEROS_DROP, AP_WILCOXON_EXACT, true, &exact, NULL), AP_OK);
    assert_int_equal(ap__wilcoxon(d, 1000, AP_ZEROS_DROP, AP_WILCOXON_NORMAL, true, &normal, NULL), AP_OK);
    assert_true(exact.p > 0 && fabs(exact.p - normal.p) < 1e-3);
    assert_int_equal(ap__wilcoxon(d, 1001, AP_ZEROS_DROP, AP_WILCOXON_EXACT, true, &exact, NULL), AP_E_TOO_LARGE);
}

static void mcnemar_agrees_with_statsmodels(void **state)
{
    (void)state;
    size_t i;
    const json_t *c;
    json_array_foreach(cases("mcnemar"), i, c) {
        double p = ap__mcnemar(ap__json_i64_or(c, "gained", -1), ap__json_i64_or(c, "lost", -1));
        assert_close("mcnemar", p, ap__json_f64_or(c, "p", -1), 1e-12);
    }
    assert_true(ap__mcnemar(100000, 0) == 0); /* below the smallest double */
}

static void wilson_agrees_with_statsmodels(void **state)
{
    (void)state;
    size_t i;
    const json_t *c;
    json_array_foreach(cases("wilson"), i, c) {
        struct ap_interval w = ap__wilson(ap__json_i64_or(c, "k", -1), ap__json_i64_or(c, "n", -1),
                                          ap__json_f64_or(c, "confidence", -1));
        /* theirs leaves rounding noise where the bound is 0 */
        assert_true(fabs(w.low - ap__json_f64_or(c, "low", -1)) < 1e-12);
        assert_close("wilson high", w.high, ap__json_f64_or(c, "high", -1), 1e-12);
    }
    struct ap_interval nothing = ap__wilson(0, 0, 0.95);
    assert_true(nothing.low == 0 && nothing.high == 1);
}

static void holm_agrees_with_statsmodels(void **state)
{
    (void)state;
    size_t i;
    const json_t *c;
    json_array_foreach(cases("holm"), i, c) {
        const json_t *p = json_object_get(c, "p"), *want = json_object_get(c, "adjusted");
        double value[32];
        int32_t n = (int32_t)json_array_size(p);
        for (int32_t j = 0; j < n; j++)
            value[j] = json_number_value(json_array_get(p, (size_t)j));
        assert_int_equal(ap__holm(value, n, value, NULL), AP_OK);
        for (int32_t j = 0; j < n; j++)
            assert_close("holm", value[j], json_number_value(json_array_get(want, (size_t)j)), 1e-12);
    }
}

static void bootstrap_agrees_with_scipy_within_its_sampling_error(void **state)
{
    (void)state;
    size_t i;
    const json_t *c;
    double d[1000];
    json_array_foreach(cases("bootstrap"), i, c) {
        int32_t n = read_d(c, d);
        double mean = 0, square = 0;
        for (int32_t j = 0; j < n; j++)
            mean += d[j] / n;
        for (int32_t j = 0; j < n; j++)
            square += (d[j] - mean) * (d[j] - mean) / n;
        /* An end's standard error is about 2.7 % of the mean's with 10000 resamples. */
        double tolerance = 5 * 0.027 * sqrt(square / n);
        struct ap_interval first, again, other;
        assert_int_equal(ap__bootstrap_mean(d, n, 0.95, AP_BOOTSTRAP_RESAMPLES, 1, &first, NULL), AP_OK);
        assert_int_equal(ap__bootstrap_mean(d, n, 0.95, AP_BOOTSTRAP_RESAMPLES, 1, &again, NULL), AP_OK);
        assert_int_equal(ap__bootstrap_mean(d, n, 0.95, AP_BOOTSTRAP_RESAMPLES, 2, &other, NULL), AP_OK);
        assert_true(fabs(first.low - ap__json_f64_or(c, "low", -9)) < tolerance);
        assert_true(fabs(first.high - ap__json_f64_or(c, "high", -9)) < tolerance);
        assert_memory_equal(&first, &again, sizeof first);
        assert_true(fabs(other.low - first.low) < 2 * tolerance);
    }
    double same[3] = {0.5, 0.5, 0.5};
    struct ap_interval point;
    assert_int_equal(ap__bootstrap_mean(same, 3, 0.95, 100, 1, &point, NULL), AP_OK);
    assert_true(point.low == 0.5 && point.high == 0.5);
    assert_int_equal(ap__bootstrap_mean(same, 0, 0.95, 100, 1, &point, NULL), AP_E_ARG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wilcoxon_agrees_with_scipy),
        cmocka_unit_test(exact_wilcoxon_is_what_enumerating_all_signs_gives_ties_and_zeros_included),
        cmocka_unit_test(wilcoxon_says_which_way_it_went),
        cmocka_unit_test(exact_and_normal_wilcoxon_agree_on_a_thousand_differences),
        cmocka_unit_test(mcnemar_agrees_with_statsmodels),
        cmocka_unit_test(wilson_agrees_with_statsmodels),
        cmocka_unit_test(holm_agrees_with_statsmodels),
        cmocka_unit_test(bootstrap_agrees_with_scipy_within_its_sampling_error),
    };
    return cmocka_run_group_tests(tests, load_fixture, free_fixture);
}
