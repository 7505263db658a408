/* worker.h - a model and a trunk once more, for one of several threads that train parts of a batch side by side.
 *
 *     weights, adapter, the trunk's keys and values --> shared, or copied where a part writes beside them
 *     gradients                                     --> a worker's own, added up in the end, one after the other
 *
 * Operations of a worker run on its thread alone: nobody waits for others at every operation, and what a thread
 * wrote it finds in its own caches. */
#ifndef AP_WORKER_H
#define AP_WORKER_H

#include "model/transformer.h"

struct ap_worker {
    struct ap_model *m;     /* as the original, its gradients apart and zero */
    struct ap_trunk *trunk; /* likewise */
};

/* Workers at most, for their parts would be too small; numbers of a worker's gradients at most, for their memory. */
enum { AP_WORKERS = 4, AP_WORKER_NUMBERS = 1 << 24 };
/* Numbers that a worker's gradients of the weights take. */
int64_t ap__worker_numbers(const struct ap_model *m);
/* In the arena; valid until weights are attached, detached or moved. */
ap_status ap__worker_make(const struct ap_model *m, const struct ap_trunk *trunk, struct ap_arena *arena, struct ap_worker *out,
                        struct ap_err *err) AP_MUST_CHECK;
/* Add what the worker collected to the originals' gradients. */
void ap__worker_collect(const struct ap_worker *worker, struct ap_model *m, struct ap_trunk *trunk);

#endif
