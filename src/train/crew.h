/* crew.h - groups of a batch on several threads, with the same result every time.
 *
 *     groups 0 1 2 3 ...   each thread takes the next one when it is free, so a slow processor gets fewer
 *       | | |
 *     workers              as many as threads and one: who is ahead need not wait for who is behind
 *       | | |
 *     the gradient         gets what they collected in the order of groups, whoever was first
 *
 * A group's gradient depends on nothing but the group, and sums are taken in one order. */
#ifndef AP_CREW_H
#define AP_CREW_H

#include "model/worker.h"
#include "train/part.h"

enum { AP_CREW = AP_WORKERS - 1 }; /* threads at most */

/* Neighbours that are one tree, behind the trunk or alone. */
struct ap_group {
    const struct ap_train_example *const *example;
    int32_t n, rows; /* rows: at most so many */
    bool alone;
    double cost; /* operations, about */
    /* partition.h's: who is to take it, and when; while that is found the set it is in, and what that gives to each thread. */
    int32_t thread, set;
    double begin, load[AP_CREW];
};

/* The gradient of all groups, most of them behind a trunk (of trunk_seq), up to what reaches the trunk. */
ap_status ap__crew_train(const struct ap_gradient *g, struct ap_trunk *trunk, const struct ap_seq *trunk_seq,
                         const struct ap_group *group, int32_t count, int32_t threads, struct ap_err *err) AP_MUST_CHECK;

#endif
