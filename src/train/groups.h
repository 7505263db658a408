/* groups.h - ranges of a batch: those that are one tree, and those on the beginning they share: a trunk, and groups of
 * neighbours behind it.
 *
 *     trunk forward --> groups, each forward and backward --> trunk backward
 *                       as many at a time as there are threads (crew.h), of half, a third ... of the tokens, so
 *                       that memory stays the same; ranges of one tree join them */
#ifndef AP_GROUPS_H
#define AP_GROUPS_H

#include "train/part.h"

/* Tokens that pass through the model at a time, where a batch can be divided. */
int32_t ap__part_tokens(const struct ap_batch_config *config);

struct ap_range {
    const struct ap_train_example *const *example;
    int32_t n;
    int32_t rows; /* of a range that is one tree, else 0 */
    int32_t P;    /* untrained tokens that all its examples begin with, where it is not */
};
/* The gradient of all ranges. */
ap_status ap__ranges_train(const struct ap_gradient *g, const struct ap_range *range, int32_t count,
                           struct ap_err *err) AP_MUST_CHECK;

#endif
