/* checkpoint.h - a training that was killed goes on as if it had not been.
 *
 *     dir/checkpoint.safetensors: every trainable tensor, its moments, and as
 *     metadata the next step and the fingerprint of what is being trained.
 *
 * Replaced atomically, so there is always a whole one.  Random streams are
 * functions of seed and step, so the step is all of their state. */
#ifndef AP_CHECKPOINT_H
#define AP_CHECKPOINT_H

#include "train/optimizer.h"

ap_status ap__checkpoint_save(const char *dir, const struct ap_optimizer *o, int64_t step, uint64_t fingerprint,
                              struct ap_err *err) AP_MUST_CHECK;
/* *step: the next one to do; 0 and nothing changed when dir has no checkpoint.  AP_E_STATE when it
 * belongs to another training (fingerprint) and so must not be continued. */
ap_status ap__checkpoint_load(const char *dir, struct ap_optimizer *o, uint64_t fingerprint, int64_t *step,
                              struct ap_err *err) AP_MUST_CHECK;

#endif
