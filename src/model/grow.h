/* grow.h - a deeper model that computes the same (block expansion, Wu et al. 2024, "LLaMA Pro").
 *
 *     blocks 0 1 2 3  -->  0 0' 0' 1 1' 1' 2 2' 2' 3 3'
 *
 * A primed block is a copy whose output projections (o_proj, down_proj) are zero: it adds nothing to the
 * residual stream until training changes it. */
#ifndef AP_GROW_H
#define AP_GROW_H

#include "base/status.h"

/* Model folder dir with `layers` blocks (more than it has) into folder out, with its tokenizer. */
ap_status ap__model_grow(const char *dir, int32_t layers, const char *out, struct ap_err *err) AP_MUST_CHECK;

#endif
