/* report_data.h - everything a report says, read from the store once.
 *
 *     store --ap__report_load--> struct ap_report --> html sections, summary
 *
 * Internal to src/report. What a run does not have (yet) is NULL, zero or has_* = false. */
#ifndef AP_REPORT_DATA_H
#define AP_REPORT_DATA_H

#include "evaluate/evaluate.h"

/* Whose held-out results stand side by side, in the order of the report. */
enum ap_subject_row { AP_ROW_BEFORE, AP_ROW_CONTROL, AP_ROW_AFTER, AP_ROW_TEACHER, AP_ROW_COUNT };
extern const char *const ap__row_actor[AP_ROW_COUNT]; /* "before" ...: actor in the store, class in the page */
extern const char *const ap__row_title[AP_ROW_COUNT]; /* "Before" ... for people */

/* Two chains of one problem to show beside each other. */
struct ap_example {
    char *title;  /* "before (wrong) and after (right)" */
    char *left_title, *right_title;
    struct ap_problem problem;
    struct ap_stored_chain left, right;
    int32_t divergence;
};
enum { AP_EXAMPLES_PER_TASK = 3 };

struct ap_report_task {
    char *name;
    int64_t train_problems, heldout_problems, pairs;
    bool has[AP_ROW_COUNT];
    struct ap_results results[AP_ROW_COUNT];
    struct ap_rates rates[AP_ROW_COUNT];
    bool compared;                    /* before and after are there */
    struct ap_comparison gain;        /* before -> after */
    double wilcoxon_holm, mcnemar_holm; /* of gain, over the run's tasks */
    bool control_compared;
    struct ap_comparison over_control; /* control -> after */
    struct ap_example example[AP_EXAMPLES_PER_TASK];
    int32_t examples;
};

/* Collected chains of one actor. */
struct ap_report_actor {
    char *name;
    int64_t chains, correct, sound, incorrect, invalid, new_tokens;
};

struct ap_report {
    char *dir;
    char *recipe, *recipe_path, *seed, *version, *teacher_model, *student_model, *declaration, *machine;
    struct ap_report_task *task; /* (tasks,) */
    size_t tasks;
    struct ap_report_actor *actor; /* (actors,) */
    size_t actors;
    int64_t pairs;
    struct ap_names provenance;   /* "teacher>student" ... */
    int64_t *provenance_count;    /* (provenance.n,) */
    json_t *dpo, *sft;            /* metrics by step, arrays */
    json_t *usage;                /* what asking a remote teacher has come to, or NULL */
    int64_t tokens_tree, tokens_flat; /* of the DPO training */
    struct ap_stage *stage;       /* (stages,) */
    size_t stages;
};
ap_status ap__report_load(struct ap_store *store, struct ap_report *out, struct ap_err *err) AP_MUST_CHECK;
void ap__report_free(struct ap_report *report);

/* pick.c: fill task->example from before and after, and from a pair. */
ap_status ap__report_pick_examples(struct ap_store *store, const struct ap_pairs *pairs, struct ap_report_task *task,
                                   struct ap_err *err) AP_MUST_CHECK;

/* summary.c: summary.json's object; NULL = out of memory. */
json_t *ap__report_summary(const struct ap_report *report);

/* Metric `key` of step object i; NaN when absent. */
double ap__report_metric(const json_t *metrics, size_t i, const char *key);
/* Mean over the last tenth of the steps (at least one); NaN when absent. */
double ap__report_final(const json_t *metrics, const char *key);

#endif
