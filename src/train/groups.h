/* groups.h - examples on the beginning they share: a trunk, and groups of neighbours behind it.
 *
 *     trunk forward --> groups, each forward and backward --> trunk backward
 *                       as many at a time as there are threads (crew.h), of half, a third ... of the tokens, so
 *                       that memory stays the same */
#ifndef AP_GROUPS_H
#define AP_GROUPS_H

#include "train/part.h"

/* Tokens that pass through the model at a time, where a batch can be divided. */
int32_t ap__part_tokens(const struct ap_batch_config *config);

/* The gradient of n examples, which all begin with the same P untrained tokens.  The arena is not given back. */
ap_status ap__groups_train(const struct ap_gradient *g, const struct ap_train_example *const *example, int32_t n,
                           int32_t P, struct ap_err *err) AP_MUST_CHECK;

#endif
