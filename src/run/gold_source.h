/* gold_source.h - fresh gold chains for every training step, without end.
 *
 *     task, step -> problems [step*n, step*n + n) of the training class -> gold calls (careless ones
 *     when asked for) -> run and rendered like a live chain -> examples for ap__train_from
 *
 * A pure function of (seed, step): a resumed training sees the same.  Held-out problems cannot
 * occur: their content is of the other class. */
#ifndef AP_GOLD_SOURCE_H
#define AP_GOLD_SOURCE_H

#include "tasks/task.h"
#include "train/trainer.h"

struct ap_gold_source;

struct ap_gold_options {
    const struct ap_template *tmpl; /* borrowed, as are the tasks */
    uint64_t seed;
    double careless; /* share of the chains that are made carelessly */
    double slip;     /* there: probability of each slip that is possible */
};

ap_status ap__gold_source_new(const struct ap_gold_options *options, struct ap_gold_source **out,
                              struct ap_err *err) AP_MUST_CHECK;
void ap__gold_source_free(struct ap_gold_source *source);
/* per_step examples of this task in every step. */
ap_status ap__gold_source_add(struct ap_gold_source *source, const struct ap_task *task, int32_t per_step,
                              struct ap_err *err) AP_MUST_CHECK;
int32_t ap__gold_source_batch(const struct ap_gold_source *source); /* examples per step, over all tasks */
/* An ap_train_source_fn; user is the source. */
ap_status ap__gold_source_step(void *user, int64_t step, struct ap_train_example *out, int32_t cap, int32_t *n,
                               struct ap_err *err) AP_MUST_CHECK;

#endif
