/* task.h - a task as its YAML file says: prompt, functions, limits, problems, checker.
 *
 * Built-in tasks are files in tasks/ of the same format that users write; they
 * are found by name in the installed data folder, the source tree, or by path. */
#ifndef AP_TASK_H
#define AP_TASK_H

#include "agent/agent.h"
#include "tasks/checker.h"
#include "tasks/generator.h"

struct ap_task {
    char *name, *title, *description;
    struct ap_registry *functions;
    struct ap_agent_config agent; /* prompt, functions, bootstrap, limits: what the agent needs */
    struct ap_checker checker;
    struct ap_problem_source {
        const struct ap_generator *generator; /* a built-in generator, or NULL */
        enum ap_profile profile;              /* its variety of sizes */
        char *file;      /* else a file of problems, relative to the task's own folder or found as base/data.h says */
        char *format;    /* "jsonl", "gsm8k", "folio", "proofwriter", "prontoqa", or NULL = detect */
    } train, heldout;
    void *storage; /* owns everything above */
};
/* name_or_path: "math-word" or "my/task.yaml". */
ap_status ap__task_open(const char *name_or_path, struct ap_task **out, struct ap_err *err) AP_MUST_CHECK;
void ap__task_free(struct ap_task *task);

enum ap_split { AP_TRAIN, AP_HELDOUT };
/* count problems [first, first+count) of a split, distinct by content within the call. Generators are pure
 * functions of (seed, split, index); files are read in order (held-out class by content when both
 * splits name the same file). AP_E_LIMIT names what is available when a file has too few. */
ap_status ap__task_problems(const struct ap_task *task, enum ap_split split, uint64_t seed, int64_t first,
                            int64_t count, struct ap_problems *out, struct ap_err *err) AP_MUST_CHECK;
/* Read real data (src/tasks/import.c); format NULL = detect from the content. limit 0 = all. */
ap_status ap__problems_import(const char *path, const char *format, const struct ap_task *task, int64_t limit,
                              struct ap_problems *out, struct ap_err *err) AP_MUST_CHECK;
/* Verdict of a finished chain: checker on its answer, AP_INVALID without one. */
ap_status ap__task_judge(const struct ap_task *task, const struct ap_problem *problem, struct ap_chain *chain,
                         struct ap_err *err) AP_MUST_CHECK;
/* Is a correct chain also sound, so that it may be taught?  No error observation; FOL: its premises are
 * those of the gold chain, pairwise equivalent by the prover. */
ap_status ap__task_sound(const struct ap_task *task, const struct ap_problem *problem, const struct ap_chain *chain,
                         bool *sound, struct ap_err *err) AP_MUST_CHECK;

#endif
