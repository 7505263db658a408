/* test_base_rng.c - random streams: fixed values, uniform, unbiased, independent of one another. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "base/rng.h"

#include <math.h>
#include <string.h>

/* From an independent implementation in Python's integers; they must never
 * change, recorded runs depend on them. */
static void the_first_values_are_fixed_for_all_time(void **state)
{
    (void)state;
    struct ap_rng rng = ap__rng_make(1, "sample", 2, 3, 4);
    assert_true(ap__hash64("", 0, 0) == UINT64_C(0xe220a8397b1dcdaf));
    assert_true(ap__hash64("apprentice", 10, 7) == UINT64_C(0x526f95651655b563));
    assert_true(rng.key == UINT64_C(0x31127b94e3bbe432));
    assert_true(ap__rng_u64(&rng) == UINT64_C(0x737656ddd2878cd5));
    assert_true(ap__rng_u64(&rng) == UINT64_C(0xb8c09ec0c88feaf0));
    assert_true(ap__rng_u64(&rng) == UINT64_C(0xf0c3d7a143afb302));
}

static void a_stream_depends_on_each_of_its_keys(void **state)
{
    (void)state;
    const struct ap_rng streams[] = {
        ap__rng_make(1, "a", 2, 3, 4), ap__rng_make(0, "a", 2, 3, 4), ap__rng_make(1, "b", 2, 3, 4),
        ap__rng_make(1, "a", 0, 3, 4), ap__rng_make(1, "a", 2, 0, 4), ap__rng_make(1, "a", 2, 3, 0),
        ap__rng_make(1, "a", 3, 2, 4), ap__rng_make(1, "a", 2, 4, 3),
    };
    for (size_t i = 0; i < sizeof streams / sizeof *streams; i++)
        for (size_t j = 0; j < i; j++)
            assert_true(streams[i].key != streams[j].key);
}

/* Sum of (observed - expected)^2 / expected. */
static double chi_square(const uint32_t *count, int bins, double expected)
{
    double sum = 0;
    for (int i = 0; i < bins; i++)
        sum += (count[i] - expected) * (count[i] - expected) / expected;
    return sum;
}

/* The 1e-6 quantile of chi-square with 255 degrees of freedom is 371, from below 163. */
static void expect_uniform(const uint32_t count[256], double expected)
{
    double x = chi_square(count, 256, expected);
    if (x > 371 || x < 163)
        fail_msg("chi-square is %g, expected about 255", x);
}

static void values_of_one_stream_are_uniform_in_their_high_and_low_bytes(void **state)
{
    (void)state;
    uint32_t high[256] = {0}, low[256] = {0};
    struct ap_rng rng = ap__rng_make(9, "uniform", 0, 0, 0);
    for (int i = 0; i < 256 * 400; i++) {
        uint64_t x = ap__rng_u64(&rng);
        high[x >> 56]++;
        low[x & 255]++;
    }
    expect_uniform(high, 400);
    expect_uniform(low, 400);
}

static void first_values_of_neighbouring_streams_are_uniform_and_unrelated(void **state)
{
    (void)state;
    uint32_t first[256] = {0}, differ[256] = {0};
    uint64_t last = 0;
    double flips = 0;
    const int n = 256 * 400;
    for (int i = 0; i < n; i++) {
        struct ap_rng rng = ap__rng_make(9, "problem", (uint64_t)i, 0, 0);
        uint64_t x = ap__rng_u64(&rng);
        first[x & 255]++;
        differ[(x ^ last) >> 56]++;
        flips += __builtin_popcountll(x ^ last);
        last = x;
    }
    expect_uniform(first, 400);
    expect_uniform(differ, 400);
    assert_true(fabs(flips / n - 32) < 0.1); /* standard deviation 4 / sqrt(n) = 0.0125 */
}

static void streams_do_not_correlate_along_their_counters(void **state)
{
    (void)state;
    enum { N = 50000 };
    for (uint64_t k = 1; k <= 8; k++) {
        struct ap_rng a = ap__rng_make(5, "x", 0, 0, 0), b = ap__rng_make(5, "x", 0, k, 0);
        double sum = 0;
        for (int i = 0; i < N; i++)
            sum += (ap__rng_uniform(&a) - 0.5) * (ap__rng_uniform(&b) - 0.5);
        assert_true(fabs(sum * 12 / N) < 6 / sqrt(N)); /* 6 standard deviations */
    }
}

static void below_is_unbiased_and_in_bounds(void **state)
{
    (void)state;
    uint32_t count[7] = {0};
    struct ap_rng rng = ap__rng_make(2, "below", 0, 0, 0);
    for (int i = 0; i < 70000; i++) {
        uint32_t x = ap__rng_below(&rng, 7);
        assert_in_range(x, 0, 6);
        count[x]++;
    }
    assert_true(chi_square(count, 7, 10000) < 38); /* 1e-6 quantile, 6 degrees */
    assert_int_equal(ap__rng_below(&rng, 1), 0);
}

static void range_reaches_both_ends_of_any_interval(void **state)
{
    (void)state;
    struct ap_rng rng = ap__rng_make(2, "range", 0, 0, 0);
    int seen_lo = 0, seen_hi = 0, negative = 0;
    for (int i = 0; i < 1000; i++) {
        int64_t x = ap__rng_range(&rng, -2, 2);
        assert_true(x >= -2 && x <= 2);
        seen_lo += x == -2;
        seen_hi += x == 2;
        negative += ap__rng_range(&rng, INT64_MIN, INT64_MAX) < 0;
    }
    assert_in_range(seen_lo, 120, 280);
    assert_in_range(seen_hi, 120, 280);
    assert_in_range(negative, 400, 600);
    assert_true(ap__rng_range(&rng, INT64_MAX, INT64_MAX) == INT64_MAX);
}

static void uniform_and_normal_have_their_moments(void **state)
{
    (void)state;
    enum { N = 200000 };
    struct ap_rng rng = ap__rng_make(4, "moments", 0, 0, 0);
    double u = 0, z = 0, z2 = 0, z4 = 0;
    for (int i = 0; i < N; i++) {
        double x = ap__rng_uniform(&rng), y = ap__rng_normal(&rng);
        assert_true(x >= 0 && x < 1 && isfinite(y));
        u += x;
        z += y;
        z2 += y * y;
        z4 += y * y * y * y;
    }
    assert_true(fabs(u / N - 0.5) < 6 * sqrt(1.0 / 12 / N));
    assert_true(fabs(z / N) < 6 * sqrt(1.0 / N));
    assert_true(fabs(z2 / N - 1) < 6 * sqrt(2.0 / N));
    assert_true(fabs(z4 / N - 3) < 6 * sqrt(96.0 / N));
}

static void a_shuffle_keeps_the_elements_and_reaches_every_order(void **state)
{
    (void)state;
    uint32_t seen[6] = {0};
    struct ap_rng rng = ap__rng_make(6, "shuffle", 0, 0, 0);
    for (int i = 0; i < 6000; i++) {
        int32_t v[3] = {0, 1, 2};
        ap__rng_shuffle(&rng, v, 3, sizeof *v);
        assert_int_equal((1 << v[0]) | (1 << v[1]) | (1 << v[2]), 7);
        seen[v[0] * 2 + (v[1] > v[2])]++;
    }
    assert_true(chi_square(seen, 6, 1000) < 36); /* 1e-6 quantile, 5 degrees */
    ap__rng_shuffle(&rng, NULL, 0, 4);
}

static void the_content_hash_sees_every_byte_the_length_and_the_seed(void **state)
{
    (void)state;
    char text[40] = {0};
    uint64_t plain = ap__hash64(text, sizeof text, 0);
    for (size_t i = 0; i < sizeof text; i++) {
        text[i] = 1;
        assert_true(ap__hash64(text, sizeof text, 0) != plain);
        text[i] = 0;
        assert_true(ap__hash64(text, i, 0) != plain);
    }
    assert_true(ap__hash64(text, sizeof text, 1) != plain);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_values_are_fixed_for_all_time),
        cmocka_unit_test(a_stream_depends_on_each_of_its_keys),
        cmocka_unit_test(values_of_one_stream_are_uniform_in_their_high_and_low_bytes),
        cmocka_unit_test(first_values_of_neighbouring_streams_are_uniform_and_unrelated),
        cmocka_unit_test(streams_do_not_correlate_along_their_counters),
        cmocka_unit_test(below_is_unbiased_and_in_bounds),
        cmocka_unit_test(range_reaches_both_ends_of_any_interval),
        cmocka_unit_test(uniform_and_normal_have_their_moments),
        cmocka_unit_test(a_shuffle_keeps_the_elements_and_reaches_every_order),
        cmocka_unit_test(the_content_hash_sees_every_byte_the_length_and_the_seed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
