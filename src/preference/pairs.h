/* pairs.h - from a problem's chains to (chosen, rejected).
 *
 *     chains of one problem --sort--> good: correct and sound      --pair--> limits --> store
 *                                     bad: incorrect or invalid
 *
 * Good chains come from the teacher first, then from the student (or from gold chains alone); bad
 * ones from the student first.  A right answer from an unsound chain is in neither list.  Two
 * chains with the same calls count once.  Deterministic given the seed, whatever order the chains
 * were made in. */
#ifndef AP_PAIRS_H
#define AP_PAIRS_H

#include "store/store.h"

struct ap_pair_options {
    int64_t per_problem; /* at most so many pairs of one problem */
    int64_t total;       /* over all; shared out evenly over tasks, then templates; 0 = no limit */
    bool gold;           /* only chains of actor "gold" are chosen */
    uint64_t seed;
};

struct ap_pair_counts {
    int64_t problems;       /* with collect chains */
    int64_t pairable;       /* with at least one good and one bad chain */
    int64_t correct, sound, wrong; /* chains; wrong = incorrect or invalid */
    int64_t duplicates;     /* chains dropped because another of the problem has the same calls */
    int64_t candidates;     /* pairs within the limit per problem */
    int64_t pairs;          /* kept */
    int64_t templates, silent; /* templates with collect chains; those left without a pair */
};

/* Read all collect chains, replace the store's pairs. */
ap_status ap__pairs_build(struct ap_store *store, const struct ap_pair_options *options,
                          struct ap_pair_counts *counts, struct ap_err *err) AP_MUST_CHECK;
/* First step in which two chains differ (in its call); = the shorter one's length when one is a
 * prefix of the other. */
int32_t ap__pairs_divergence(const struct ap_chain *a, const struct ap_chain *b);

#endif
