/* stumble.h - a call as somebody writes it who lost the thread.
 *
 *     Prove('not Clever(tom)')  -->  Prove('not Clever(tClever(tom)')    said twice
 *                               -->  Prove('not Clevtom)')               left out
 *                               -->  Prove('not Cle')                    cut short
 *     AddPremise('Likes(tom, ann)')  -->  AddPremise('Likes(tom)')       an argument forgotten
 *
 * Chains in which such a call gets its error and is then written rightly teach
 * a model to go on after its own mistakes. */
#ifndef AP_STUMBLE_H
#define AP_STUMBLE_H

#include "base/alloc.h"
#include "base/rng.h"

/* Overwrites *out with the spoiled call.  It need not be one that fails: run it to know. */
ap_status ap__stumble(const char *call, struct ap_rng *rng, struct ap_buf *out) AP_MUST_CHECK;

#endif
