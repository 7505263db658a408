/* careless.h - gold chains with the slips of somebody careless.
 *
 * The bundled student is deliberately weakened by training on such chains: it
 * has the skill, but bad habits.  Habits depend on what the problem looks like:
 *
 *   entailment   drops "not" in a premise or in the goal, reads "only" the wrong way round,
 *                loses the last of many premises, takes Unknown for False
 *   arithmetic   skips the last step of a long chain or a final sum, adds instead of subtracting,
 *                takes a percentage as it stands
 *
 * Results after a slip are worked out as the functions would, so the chain is
 * one that a careless solver would really have produced. */
#ifndef AP_CARELESS_H
#define AP_CARELESS_H

#include "base/rng.h"
#include "tasks/problem.h"

/* Each habit strikes with probability p where it can.  *calls is (*n,) of
 * allocated texts (ap__free each and the array); *slips is how many there were.
 * AP_E_ARG for a problem whose chain is neither arithmetic nor of the
 * entailment generator. */
ap_status ap__careless_calls(const struct ap_problem *p, struct ap_rng *rng, double probability, char ***calls,
                             int32_t *n, int32_t *slips, struct ap_err *err) AP_MUST_CHECK;

#endif
