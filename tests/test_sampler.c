/* test_sampler.c - sampling against sorted probabilities, and its edges. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "model/sampler.h"
#include "tensor/draw.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { V = 40, DRAWS = 6000 };

static void make_logits(float *x, uint64_t seed, bool ties)
{
    struct ap_rng rng = ap__rng_make(seed, "logits", 0, 0, 0);
    for (int i = 0; i < V; i++)
        x[i] = ties ? (float)ap__rng_below(&rng, 5) : 2.0f * (float)ap__rng_normal(&rng);
}

static float *sort_by;
static int by_size(const void *a, const void *b)
{
    int i = *(const int *)a, j = *(const int *)b;
    return sort_by[i] != sort_by[j] ? (sort_by[i] < sort_by[j] ? 1 : -1) : i - j;
}

/* The stupid twin: sort, cut, renormalise. */
static void expected_probabilities(const float *logits, const struct ap_sampling *how, double *p)
{
    float w[V];
    int order[V];
    double total = 0.0, kept = 0.0, mass = 0.0;
    float top = logits[0];
    for (int i = 1; i < V; i++)
        top = logits[i] > top ? logits[i] : top;
    for (int i = 0; i < V; i++) {
        w[i] = expf((logits[i] - top) * (1.0f / how->temperature));
        order[i] = i;
        p[i] = 0.0;
    }
    sort_by = w;
    qsort(order, V, sizeof *order, by_size);
    int n = how->top_k > 0 && how->top_k < V ? how->top_k : V;
    for (int i = 0; i < n; i++)
        total += (double)w[order[i]];
    for (int i = 0; i < n; i++) {
        double x = (double)w[order[i]];
        bool inside = how->top_p >= 1.0f || mass < (double)how->top_p * total;
        mass += x;
        if (inside && w[order[i]] >= how->min_p)
            kept += p[order[i]] = x;
    }
    for (int i = 0; i < V; i++)
        p[i] /= kept;
}

static void check_distribution(struct ap_sampling how, uint64_t seed, bool ties)
{
    float logits[V], scratch[V];
    double p[V];
    int count[V] = {0};
    struct ap_rng rng = ap__rng_make(seed, "draw", 0, 0, 0);
    make_logits(logits, seed, ties);
    expected_probabilities(logits, &how, p);
    for (int i = 0; i < DRAWS; i++) {
        memcpy(scratch, logits, sizeof logits);
        int32_t id = ap__sample(scratch, V, &how, &rng);
        assert_in_range(id, 0, V - 1);
        count[id]++;
    }
    for (int i = 0; i < V; i++) {
        double sigma = sqrt(p[i] * (1.0 - p[i]) / DRAWS), seen = (double)count[i] / DRAWS;
        if (p[i] == 0.0 ? count[i] != 0 : fabs(seen - p[i]) > 5.0 * sigma + 1e-4)
            fail_msg("id %d: seen %g, expected %g (seed %llu)", i, seen, p[i], (unsigned long long)seed);
    }
}

static void draws_follow_the_cut_distribution(void **state)
{
    (void)state;
    const struct ap_sampling how[] = {
        {1.0f, 0, 1.0f, 0.0f}, {0.7f, 0, 1.0f, 0.0f},  {1.3f, 7, 1.0f, 0.0f},   {1.0f, 0, 0.8f, 0.0f},
        {1.0f, 0, 1.0f, 0.1f}, {1.5f, 20, 0.9f, 0.05f}, {1.0f, 1, 0.5f, 0.0f}, {1.0f, 0, 0.0f, 0.0f},
    };
    for (size_t i = 0; i < sizeof how / sizeof *how; i++) {
        check_distribution(how[i], 3 + i, false);
        check_distribution(how[i], 30 + i, true);
    }
}

static void greedy_takes_the_largest_and_of_equal_ones_the_lowest_id(void **state)
{
    (void)state;
    float x[] = {0.5f, 2.0f, -1.0f, 2.0f};
    assert_int_equal(ap__sample(x, 4, &AP_GREEDY, NULL), 1);
}

static void next_to_no_temperature_is_none(void **state)
{
    (void)state;
    struct ap_rng rng = ap__rng_make(1, "cold", 0, 0, 0);
    for (float t = 1e-3f; t > 0.0f; t *= 1e-3f) { /* down to subnormal numbers */
        float x[V] = {0};
        x[V - 3] = 2.0f;
        assert_int_equal(ap__sample(x, V, &(struct ap_sampling){.temperature = t, .top_p = 1.0f}, &rng), V - 3);
    }
}

static void one_possible_token_is_always_taken(void **state)
{
    (void)state;
    struct ap_rng rng = ap__rng_make(1, "one", 0, 0, 0);
    const struct ap_sampling how = {1.0f, 1, 0.1f, 0.9f};
    for (int i = 0; i < 100; i++) {
        float x[] = {-INFINITY, 4.0f, -INFINITY, 4.0f};
        assert_int_equal(ap__sample(x, 4, &how, &rng), 1);
    }
}

static void the_same_stream_gives_the_same_tokens(void **state)
{
    (void)state;
    const struct ap_sampling how = {1.0f, 0, 0.95f, 0.0f};
    struct ap_rng a = ap__rng_make(1, "s", 2, 3, 0), b = ap__rng_make(1, "s", 2, 3, 0);
    for (int i = 0; i < 50; i++) {
        float x[V], y[V];
        make_logits(x, (uint64_t)i, false);
        make_logits(y, (uint64_t)i, false);
        assert_int_equal(ap__sample(x, V, &how, &a), ap__sample(y, V, &how, &b));
    }
}

/* ---- what a draw is made of, against loops ---- */

enum { LONG = 5000 };

static void the_largest_is_found_wherever_it_stands(void **state)
{
    (void)state;
    float x[70];
    struct ap_rng rng = ap__rng_make(1, "largest", 0, 0, 0);
    for (int32_t n = 1; n <= 70; n++)
        for (int round = 0; round < 50; round++) {
            int32_t best = -1;
            for (int32_t i = 0; i < n; i++) {
                x[i] = ap__rng_below(&rng, 8) == 0 ? NAN : (float)ap__rng_below(&rng, 40) - 20.0f;
                best = !isnan(x[i]) && (best < 0 || x[i] > x[best]) ? i : best;
            }
            assert_int_equal(ap__largest(x, n), best < 0 ? 0 : best);
        }
    float *many = test_calloc(LONG, sizeof *many);
    for (int32_t at = 0; at < LONG; at += 97) {
        many[at] = many[LONG - 1] = 1.0f;
        assert_int_equal(ap__largest(many, LONG), at);
        many[at] = 0.0f;
    }
    test_free(many);
    const float none[] = {-INFINITY, NAN, -INFINITY};
    assert_int_equal(ap__largest(none, 3), 0);
}

static void weights_are_exponentials_down_to_nothing(void **state)
{
    (void)state;
    float x[V], w[V];
    for (int32_t n = 1; n <= V; n++) {
        make_logits(x, (uint64_t)n, false);
        x[n / 2] = -INFINITY;
        float top = x[ap__largest(x, n)];
        memcpy(w, x, sizeof w);
        ap__exp_weights(w, n, top, 0.7f);
        for (int32_t i = 0; i < n; i++)
            if (n > 1 || i != n / 2)
                assert_true(fabsf(w[i] - expf((x[i] - top) * 0.7f)) <= 1e-6f);
        assert_true(n == 1 || w[n / 2] == 0.0f);
        assert_true(n == 1 || w[ap__largest(x, n)] == 1.0f);
    }
}

static void sums_are_of_what_is_large_enough(void **state)
{
    (void)state;
    float *p = test_malloc(LONG * sizeof *p);
    struct ap_rng rng = ap__rng_make(1, "from", 0, 0, 0);
    for (int32_t i = 0; i < LONG; i++)
        p[i] = (float)ap__rng_below(&rng, 8) / 8.0f;
    for (int32_t n = 1; n <= LONG; n = n * 2 + 3)
        for (float least = 0.0f; least < 1.2f; least += 0.125f) {
            double mass = 0.0, count = 0.0;
            for (int32_t i = 0; i < n; i++) {
                mass += p[i] >= least ? (double)p[i] : 0.0;
                count += p[i] >= least;
            }
            assert_true(ap__sum_from(p, n, least, true) == mass);
            assert_true(ap__sum_from(p, n, least, false) == count);
        }
    test_free(p);
}

/* Shares of every id's own middle, so that rounding cannot move a draw to a neighbour. */
static void a_draw_takes_the_id_at_its_share(void **state)
{
    (void)state;
    float *p = test_malloc(LONG * sizeof *p);
    struct ap_rng rng = ap__rng_make(1, "share", 0, 0, 0);
    for (int32_t n = 1; n <= LONG; n = n * 3 + 1) {
        double total = 0.0, before = 0.0;
        for (int32_t i = 0; i < n; i++) /* a block without any weight is among them */
            p[i] = i % 7 == 3 || (i >= 1024 && i < 2048) ? 0.0f : 0.1f + (float)ap__rng_uniform(&rng);
        for (int32_t i = 0; i < n; i++)
            total += (double)p[i];
        assert_true(fabs(ap__sum(p, n) - total) <= 1e-5 * total);
        for (int32_t i = 0; i < n; i++) {
            if (p[i] > 0.0f)
                assert_int_equal(ap__draw(p, n, (before + 0.5 * (double)p[i]) / total), i);
            before += (double)p[i];
        }
    }
    test_free(p);
}

static void a_draw_never_passes_the_last_weight(void **state)
{
    (void)state;
    float *p = test_calloc(LONG, sizeof *p);
    p[2000] = 1e-30f;
    assert_int_equal(ap__draw(p, LONG, 0.0), 2000);
    assert_int_equal(ap__draw(p, LONG, 0x1.fffffffffffffp-1), 2000);
    p[100] = p[1030] = 0.1f;
    assert_int_equal(ap__draw(p, LONG, 0.0), 100);
    assert_int_equal(ap__draw(p, LONG, 0x1.fffffffffffffp-1), 1030);
    p[1030] = 0.0f;
    p[2000] = 0.0f;
    assert_int_equal(ap__draw(p, LONG, 0x1.fffffffffffffp-1), 100);
    test_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_largest_is_found_wherever_it_stands),
        cmocka_unit_test(weights_are_exponentials_down_to_nothing),
        cmocka_unit_test(sums_are_of_what_is_large_enough),
        cmocka_unit_test(a_draw_takes_the_id_at_its_share),
        cmocka_unit_test(a_draw_never_passes_the_last_weight),
        cmocka_unit_test(draws_follow_the_cut_distribution),
        cmocka_unit_test(greedy_takes_the_largest_and_of_equal_ones_the_lowest_id),
        cmocka_unit_test(next_to_no_temperature_is_none),
        cmocka_unit_test(one_possible_token_is_always_taken),
        cmocka_unit_test(the_same_stream_gives_the_same_tokens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
