/* test_partition.c - the order of groups against every way to share them out. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "base/rng.h"
#include "train/partition.h"

enum { MOST = 9 };

static const struct ap_train_example *example[MOST];

/* When the last thread ends that takes the next group whenever it is free. */
static double end_of(const struct ap_group *group, int32_t n, int32_t threads)
{
    double free_at[AP_CREW] = {0}, end = 0;
    for (int32_t i = 0; i < n; i++) {
        int32_t next = 0;
        for (int32_t t = 1; t < threads; t++)
            next = free_at[t] < free_at[next] ? t : next;
        free_at[next] += group[i].cost;
        end = free_at[next] > end ? free_at[next] : end;
    }
    return end;
}

/* The earliest end of all ways. */
static double best_end(const struct ap_group *group, int32_t n, int32_t threads, double *load)
{
    double best = 0;
    if (n == 0) {
        for (int32_t t = 0; t < threads; t++)
            best = load[t] > best ? load[t] : best;
        return best;
    }
    for (int32_t t = 0; t < threads; t++) {
        load[t] += group[0].cost;
        double end = best_end(group + 1, n - 1, threads, load);
        load[t] -= group[0].cost;
        best = t == 0 || end < best ? end : best;
    }
    return best;
}

static void fill(struct ap_group *group, int32_t n, struct ap_rng *rng)
{
    for (int32_t i = 0; i < n; i++)
        group[i] = (struct ap_group){.example = &example[i], .cost = (double)(1 + ap__rng_below(rng, 20))};
}

static void every_group_has_its_turn(const struct ap_group *before, const struct ap_group *after, int32_t n)
{
    for (int32_t i = 0; i < n; i++) {
        int32_t found = 0;
        for (int32_t j = 0; j < n; j++)
            found += after[j].example == before[i].example && after[j].cost >= before[i].cost && after[j].cost <= before[i].cost;
        assert_int_equal(found, 1);
    }
}

static void threads_end_nearly_together(void **state)
{
    (void)state;
    struct ap_rng rng = ap__rng_make(1, "partition", 0, 0, 0);
    for (int32_t threads = 1; threads <= AP_CREW; threads++) {
        double sum = 0, best_sum = 0;
        for (int32_t round = 0; round < 60; round++) {
            int32_t n = threads == AP_CREW ? MOST - 1 : 1 + (int32_t)ap__rng_below(&rng, MOST);
            struct ap_group before[MOST], group[MOST];
            double load[AP_CREW] = {0};
            fill(before, n, &rng);
            for (int32_t i = 0; i < n; i++)
                group[i] = before[i];
            ap__groups_order(group, n, threads);
            every_group_has_its_turn(before, group, n);
            double end = end_of(group, n, threads), best = best_end(before, n, threads, load);
            assert_true(end >= best && end <= best * 4 / 3);
            sum += end;
            best_sum += best;
        }
        assert_true(sum <= 1.03 * best_sum);
        if (threads == 1)
            assert_true(sum <= best_sum);
    }
}

static void groups_are_taken_as_they_were_meant_to_be(void **state)
{
    (void)state;
    static const double cost[] = {6.8, 5.6, 5.4, 3.6, 3.3, 2.2, 2.1, 2.0, 1.9}; /* longest first would end at 17.3 of 16.5 */
    struct ap_group group[MOST];
    for (int32_t i = 0; i < MOST; i++)
        group[i] = (struct ap_group){.example = &example[i], .cost = cost[i]};
    ap__groups_order(group, MOST, 2);
    double end[2] = {0};
    for (int32_t i = 0; i < MOST; i++) {
        int32_t t = group[i].thread;
        assert_true(end[t] <= end[1 - t] && group[i].begin >= end[t] - 1e-9 && group[i].begin <= end[t] + 1e-9);
        end[t] += group[i].cost;
    }
    assert_true(end[0] < 16.6 && end[1] < 16.6);
}

static void the_order_they_came_in_does_not_matter(void **state)
{
    (void)state;
    struct ap_rng rng = ap__rng_make(2, "partition", 0, 0, 0);
    struct ap_group a[MOST], b[MOST];
    fill(a, MOST, &rng);
    for (int32_t i = 0; i < MOST; i++)
        b[i] = a[(i * 4 + 1) % MOST];
    ap__groups_order(a, MOST, 3);
    ap__groups_order(b, MOST, 3);
    for (int32_t i = 0; i < MOST; i++)
        assert_ptr_equal(a[i].example, b[i].example);
    ap__groups_order(a, 0, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threads_end_nearly_together),
        cmocka_unit_test(groups_are_taken_as_they_were_meant_to_be),
        cmocka_unit_test(the_order_they_came_in_does_not_matter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
