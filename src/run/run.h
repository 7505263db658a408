/* run.h - a run: its folder, its recipe, and the stages that fill its store.
 *
 *     problems -> collect -> pairs -> train, control -> evaluate (before, control, after, teacher) -> report
 *
 * Each stage does what is missing and nothing twice, so a stage that was killed
 * is continued by calling it again.  The recipe is fixed when the folder is
 * made; its text, the seed and the versions are kept in the store.
 *
 *     RUN/run.db  RUN/dpo/ (adapter)  RUN/control/ (adapter)  RUN/report.html  RUN/summary.json
 *     RUN/teacher.jsonl (a remote teacher's answers) */
#ifndef AP_RUN_H
#define AP_RUN_H

#include "run/recipe.h"
#include "store/store.h"
#include "train/batch.h" /* enum ap_method */

/* What may differ from the recipe when a run goes on: where a remote teacher is and what it may cost. */
struct ap_run_overrides {
    const char *url, *replay; /* NULL = as the recipe says; borrowed */
    double budget;            /* 0 = as the recipe says */
    int64_t budget_tokens;
};

struct ap_run {
    struct ap_recipe recipe;
    struct ap_store *store;
    struct ap_task *task[AP_RECIPE_MAX_TASKS]; /* (recipe.task_count,) */
    char *teacher, *student;                   /* model folders as found; a remote teacher's name; teacher NULL without one */
    struct ap_run_overrides overrides;
    /* One line about what a stage did, for people; may be NULL. */
    void (*say)(const char *line);
};

/* Create the folder dir with this recipe, or continue it.  seed < 0: the recipe's own.
 * AP_E_STATE when dir holds a run of another recipe or seed. */
ap_status ap__run_create(const char *dir, const char *recipe_path, int64_t seed, struct ap_run *out,
                         struct ap_err *err) AP_MUST_CHECK;
/* Open an existing run folder with the recipe it was made with. */
ap_status ap__run_open(const char *dir, struct ap_run *out, struct ap_err *err) AP_MUST_CHECK;
/* Commits the store; what fails there is told in err, everything is released in any case. */
ap_status ap__run_close(struct ap_run *run, struct ap_err *err) AP_MUST_CHECK;
void ap__run_say(const struct ap_run *run, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* The stages.  Those that need another stage's result say which is missing (AP_E_STATE). */
ap_status ap__run_problems(struct ap_run *run, struct ap_err *err) AP_MUST_CHECK;
ap_status ap__run_collect(struct ap_run *run, struct ap_err *err) AP_MUST_CHECK;
ap_status ap__run_pairs(struct ap_run *run, struct ap_err *err) AP_MUST_CHECK;

/* DPO writes RUN/dpo, SFT (the control) RUN/control. */
ap_status ap__run_train(struct ap_run *run, enum ap_method method, struct ap_err *err) AP_MUST_CHECK;

enum ap_subject { AP_BEFORE, AP_CONTROL, AP_AFTER, AP_TEACHER, AP_SUBJECT_COUNT };
const char *ap__subject_text(enum ap_subject s); /* "before" ... */
ap_status ap__run_evaluate(struct ap_run *run, enum ap_subject subject, struct ap_err *err) AP_MUST_CHECK;

ap_status ap__run_report(struct ap_run *run, struct ap_err *err) AP_MUST_CHECK;
/* All of it, in order. */
ap_status ap__run_all(struct ap_run *run, struct ap_err *err) AP_MUST_CHECK;

/* Begin a stage: *done when it is finished already, else its clock runs until _finish.  ap__stage_finish
 * passes `status` on, ending the stage as done or as suspended. */
ap_status ap__stage_begin(struct ap_run *run, const char *name, bool *done, struct ap_err *err) AP_MUST_CHECK;
ap_status ap__stage_finish(struct ap_run *run, ap_status status, struct ap_err *err) AP_MUST_CHECK;
/* AP_E_STATE naming the command that is to be run first, unless the stage is done. */
ap_status ap__stage_require(struct ap_run *run, const char *name, const char *command,
                            struct ap_err *err) AP_MUST_CHECK;

#endif
