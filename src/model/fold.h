/* fold.h - the adapter of a small model folded into its weights while one gradient is computed.
 *
 *     y = x (W + s B A)^T      instead of      x W^T + s (x A^T) B^T
 *
 * Two thin products per linear less, which is much where W itself is small; a large model would need as much memory
 * again.  Gradients are those of A and B as ever. */
#ifndef AP_FOLD_H
#define AP_FOLD_H

#include "model/transformer.h"

/* Numbers of all folded matrices at most: about what the caches hold. */
enum { AP_FOLDED_NUMBERS = 1 << 22 };

/* Fold for the time being, in the arena; nothing happens to a model that is large, not f32, or without an adapter. */
ap_status ap__fold_adapter(struct ap_model *m, struct ap_arena *arena, struct ap_err *err) AP_MUST_CHECK;
/* Before A, B or the arena change. */
void ap__unfold_adapter(struct ap_model *m);

#endif
