/* prover.h - does a goal follow from premises?  Classical first-order logic by Z3.
 *
 *   premises, goal --canonical text--> memo? --no--> Z3: premises + not goal  unsat -> True
 *                                                        premises + goal      unsat -> False
 *                                                        otherwise                  -> Unknown
 *
 * The domain is one uninterpreted, non-empty sort.  Effort is bounded by Z3's
 * deterministic resource counter, never by the clock.  One Z3 context per
 * prover, made at the first question; a lock makes the prover thread-safe. */
#ifndef AP_PROVER_H
#define AP_PROVER_H

#include "functions/formula.h"

enum ap_verdict3 { AP_VERDICT3_UNKNOWN, AP_VERDICT3_TRUE, AP_VERDICT3_FALSE };
const char *ap__verdict3_text(enum ap_verdict3 verdict); /* "True", "False", "Unknown" */

struct ap_proof {
    enum ap_verdict3 verdict;
    bool inconsistent; /* the premises contradict each other; verdict is then True */
    bool gave_up;      /* Unknown because the resource limit was reached */
};

struct ap_prover;
ap_status ap__prover_new(struct ap_prover **out, struct ap_err *err) AP_MUST_CHECK;
void ap__prover_free(struct ap_prover *prover);
/* Resource units per satisfiability check (0 = the default: 500,000, fifty times what FOLIO needs). */
void ap__prover_set_limit(struct ap_prover *prover, uint32_t units);

/* Texts.  AP_E_PARSE / AP_E_FORMAT for formulas that cannot be read. */
ap_status ap__prover_entails(struct ap_prover *prover, const char *const *premises, int32_t n, const char *goal,
                             enum ap_verdict3 *out, struct ap_err *err) AP_MUST_CHECK;
ap_status ap__prover_equivalent(struct ap_prover *prover, const char *a, const char *b, bool *out,
                                struct ap_err *err) AP_MUST_CHECK;

/* Trees.  AP_E_FORMAT when arities clash. */
ap_status ap__prover_check(struct ap_prover *prover, const struct ap_formula *const *premises, int32_t n,
                           const struct ap_formula *goal, struct ap_proof *out, struct ap_err *err) AP_MUST_CHECK;
/* True only when proven equivalent; equal trees need no proof. */
ap_status ap__formula_equivalent(struct ap_prover *prover, const struct ap_formula *a, const struct ap_formula *b,
                                 bool *out, struct ap_err *err) AP_MUST_CHECK;
/* A situation in which the premises hold and the goal does not, as a short
 * text ("Wumpus(max), Red(e1); all else is false"); *found false when there is
 * none or none was found (*gave_up). */
ap_status ap__prover_countermodel(struct ap_prover *prover, const struct ap_formula *const *premises, int32_t n,
                                  const struct ap_formula *goal, struct ap_buf *out, bool *found, bool *gave_up,
                                  struct ap_err *err) AP_MUST_CHECK;

/* Questions asked and how many the memo answered. */
struct ap_prover_stats {
    uint64_t questions, memo_hits, solver_checks;
};
struct ap_prover_stats ap__prover_stats(const struct ap_prover *prover);

#endif
