/* fol_shape.h - draws the shape of an entailment problem: which sentences, no letters yet.
 *
 *   style --> a path of 1 to 5 rules from a fact to the goal
 *         --> for Unknown: one link taken out
 *         --> distractors up to the number of premises
 *         --> kept only if the truth is as planned and needs the path */
#ifndef AP_FOL_SHAPE_H
#define AP_FOL_SHAPE_H

#include "tasks/fol_theory.h"
#include "tasks/generator.h"

struct ap_shape {
    struct ap_theory theory; /* words have kinds, but no texts */
    enum ap_truth truth;
    const char *style; /* name for results by template */
    enum ap_likeness likeness; /* of the words to come */
};
/* Pure function of (key, profile). */
void ap__shape_draw(uint64_t key, enum ap_profile profile, struct ap_shape *out);
/* Names of all styles. */
const char *ap__shape_style(int32_t index); /* NULL past the end */
/* One random sentence in a theory of its own, for fol-translation. */
void ap__shape_sentence(uint64_t key, struct ap_theory *out);

#endif
