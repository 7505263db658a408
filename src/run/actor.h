/* actor.h - whoever writes a run's chains, opened: a local model, or one behind a URL.
 *
 *     recipe's actor --open--> llm --sample--> chains       close: what asking has cost --> store
 *
 * A remote teacher's answers are kept in RUN/teacher.jsonl, so that a run that
 * goes on asks nothing twice. */
#ifndef AP_ACTOR_H
#define AP_ACTOR_H

#include "run/run.h"

/* dir, adapter: of a local actor. */
ap_status ap__actor_open(const struct ap_run *run, const struct ap_recipe_actor *who, const char *dir,
                         const char *adapter, struct ap_llm **out, struct ap_err *err) AP_MUST_CHECK;
/* Frees llm (NULL is fine) and passes `status` on, or what fails here. */
ap_status ap__actor_close(const struct ap_run *run, struct ap_llm *llm, ap_status status,
                          struct ap_err *err) AP_MUST_CHECK;

/* Of `planned` chains of a task, `lost` got no answer: a warning, or AP_E_LIMIT when there are too many to go on. */
ap_status ap__actor_lost(const struct ap_run *run, const struct ap_llm *llm, const char *task, int64_t lost,
                         int64_t planned, struct ap_err *err) AP_MUST_CHECK;

#endif
