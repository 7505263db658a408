/* worker.h - a model and a trunk once more, for parts of a batch that several threads train side by side.
 *
 *     weights, adapter                  shared
 *     the trunk's keys and values       a thread's own, as a part writes its own behind them
 *     gradients, also those of the      a worker's own, until they are added to the originals'
 *     trunk's keys and values
 *
 * Operations of a part then run on one thread alone: nobody waits for others at every operation, and what a thread
 * wrote it finds in its own caches. */
#ifndef AP_WORKER_H
#define AP_WORKER_H

#include "model/transformer.h"

/* Workers at most, as parts would be too small for more; and numbers of their gradients that are worth having so often. */
enum { AP_WORKERS = 5, AP_WORKER_NUMBERS = 1 << 24 };
/* Numbers that a worker's gradients of the weights take; 0: nothing is trainable. */
int64_t ap__worker_numbers(const struct ap_model *m);

/* Keys and values of the trunk, and room for those of a part. */
struct ap_worker_keys {
    float *k, *v;
};
struct ap_worker_keys ap__worker_keys_of(const struct ap_trunk *trunk); /* its own */
ap_status ap__worker_keys_make(const struct ap_model *m, const struct ap_trunk *trunk, struct ap_arena *arena,
                               struct ap_worker_keys *out, struct ap_err *err) AP_MUST_CHECK;

struct ap_worker {
    struct ap_model *m;     /* as the original, its gradients apart and zero */
    struct ap_trunk *trunk; /* likewise */
};
/* In the arena; valid until weights are attached, detached or moved. */
ap_status ap__worker_make(const struct ap_model *m, const struct ap_trunk *trunk, struct ap_arena *arena, struct ap_worker *out,
                          struct ap_err *err) AP_MUST_CHECK;
/* Before every part: whose keys and values it uses. */
void ap__worker_use(struct ap_worker *worker, const struct ap_worker_keys *keys);
/* Add the worker's gradients to the originals'; they are zero then. */
void ap__worker_collect(struct ap_worker *worker, struct ap_model *m, struct ap_trunk *trunk);

#endif
