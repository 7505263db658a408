/* partition.c - groups for threads by differencing.
 *
 *     every group a set of its own, one thread's
 *     --> the two sets in which threads differ most become one: who has most in one has least in the other
 *     --> ... --> a single set
 *
 * A set is kept in one of its groups, its threads from the one with most to the one with least. */
#include "train/partition.h"

#include <stdlib.h>

static int longest_first(const void *x, const void *y)
{
    const struct ap_group *a = x, *b = y;
    int order = (a->cost < b->cost) - (a->cost > b->cost);
    return order != 0 ? order : (a->example > b->example) - (a->example < b->example);
}

static int in_order_of_beginning(const void *x, const void *y)
{
    const struct ap_group *a = x, *b = y;
    int order = (a->begin > b->begin) - (a->begin < b->begin);
    return order != 0 ? order : (a->thread > b->thread) - (a->thread < b->thread);
}

/* Of all sets but `other` (-1: of all) the one in which threads differ most. */
static int32_t widest(const struct ap_group *group, int32_t count, int32_t threads, int32_t other)
{
    int32_t set = -1;
    double most = -1.0;
    for (int32_t i = 0; i < count; i++) {
        double wide = group[i].load[0] - group[i].load[threads - 1];
        if (group[i].set == i && i != other && wide > most) {
            set = i;
            most = wide;
        }
    }
    return set;
}

static void threads_swap(struct ap_group *group, int32_t count, int32_t set, int32_t t, int32_t u)
{
    double load = group[set].load[t];
    group[set].load[t] = group[set].load[u];
    group[set].load[u] = load;
    for (int32_t i = 0; i < count; i++)
        if (group[i].set == set && (group[i].thread == t || group[i].thread == u))
            group[i].thread = t + u - group[i].thread;
}

static void sets_join(struct ap_group *group, int32_t count, int32_t threads, int32_t set, int32_t other)
{
    for (int32_t i = 0; i < count; i++)
        if (group[i].set == other) {
            group[i].set = set;
            group[i].thread = threads - 1 - group[i].thread;
        }
    for (int32_t t = 0; t < threads; t++)
        group[set].load[t] += group[other].load[threads - 1 - t];
    for (int32_t t = 1; t < threads; t++)
        for (int32_t u = t; u > 0 && group[set].load[u] > group[set].load[u - 1]; u--)
            threads_swap(group, count, set, u, u - 1);
}

void ap__groups_order(struct ap_group *group, int32_t count, int32_t threads)
{
    double at[AP_CREW] = {0};
    qsort(group, (size_t)count, sizeof *group, longest_first);
    for (int32_t i = 0; i < count; i++) {
        group[i].set = i;
        group[i].thread = 0;
        for (int32_t t = 0; t < threads; t++)
            group[i].load[t] = t == 0 ? group[i].cost : 0.0;
    }
    for (int32_t left = count; left > 1; left--) {
        int32_t first = widest(group, count, threads, -1);
        sets_join(group, count, threads, first, widest(group, count, threads, first));
    }
    for (int32_t i = 0; i < count; i++) {
        group[i].begin = at[group[i].thread];
        at[group[i].thread] += group[i].cost;
    }
    qsort(group, (size_t)count, sizeof *group, in_order_of_beginning);
}
