/* augment.h - a new problem from an old one: other names, another order, other numbers.
 *
 *   rename     new words, same shape and numbers       generated problems
 *   shuffle    the numbered premises in another order   any problem laid out in numbered lines
 *   renumber   new numbers, same text around them       generated math problems
 *
 * The answer is worked out anew; the derived problem is in the same split as
 * its origin (its content hash is) and names it. */
#ifndef AP_AUGMENT_H
#define AP_AUGMENT_H

#include "base/rng.h"
#include "tasks/problem.h"

enum ap_augment { AP_AUGMENT_RENAME, AP_AUGMENT_SHUFFLE, AP_AUGMENT_RENUMBER, AP_AUGMENT_COUNT };
const char *ap__augment_text(enum ap_augment kind); /* "rename" ... */

/* *possible is false (and *out empty) when this kind does not apply to p. */
ap_status ap__problem_augment(const struct ap_problem *p, struct ap_rng *rng, enum ap_augment kind,
                              struct ap_problem *out, bool *possible, struct ap_err *err) AP_MUST_CHECK;

#endif
