/* export.h - a run's chains and pairs as JSON lines for other tools.
 *
 * Pairs are in TRL's conversational preference format with tools:
 *
 *     {"prompt": [{"role": "system", ...}, ..., {"role": "user", ...}],
 *      "chosen": [{"role": "assistant", "tool_calls": [{"type": "function", "function":
 *                  {"name": "Sum", "arguments": {"a": 2, "b": 3}}}]},
 *                 {"role": "tool", "name": "Sum", "content": "5"}, ...],
 *      "rejected": [...], "tools": [...], "task": name, "problem": id,
 *      "provenance": "teacher>student"}
 *
 * Chains are {"problem", "task", "actor", "purpose", "sample", "temperature", "verdict", "end",
 * "answer", "sound", "prompt", "completion", "tools"}.  A call that does not parse stands as the
 * assistant's plain content. */
#ifndef AP_EXPORT_H
#define AP_EXPORT_H

#include "store/store.h"

/* Replace the file at path; *n = lines written (may be NULL).  task (tasks,): the run's tasks. */
ap_status ap__export_pairs(struct ap_store *store, const struct ap_task *const *task, int32_t tasks,
                           const char *path, int64_t *n, struct ap_err *err) AP_MUST_CHECK;
ap_status ap__export_chains(struct ap_store *store, const struct ap_task *const *task, int32_t tasks,
                            const char *path, int64_t *n, struct ap_err *err) AP_MUST_CHECK;

#endif
