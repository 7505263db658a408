/* problem.h - a question, its gold answer, and what is known about how to solve it. */
#ifndef AP_PROBLEM_H
#define AP_PROBLEM_H

#include "base/json.h"

struct ap_problem {
    char *id;            /* unique within a run, e.g. "math-word/train/000012" or the file's own id */
    char *task;          /* task name */
    char *template_name; /* the generator's template or the file's format, for results by template */
    char *question;      /* what the model sees */
    char *answer;        /* gold */
    char **premise;      /* (premise_count,) gold formulas in order, FOL tasks; else NULL */
    int32_t premise_count;
    char **call;         /* (call_count,) gold chain of calls ending in Answer; NULL when none is known */
    int32_t call_count;
    char *origin;        /* id of the problem this one was derived from by augmentation, or NULL */
    json_t *detail;      /* generator's own data (entities, numbers) that augmentation uses; may be NULL */
};
struct ap_problems {
    struct ap_problem *item; /* (n,) */
    size_t n, cap;
};
void ap__problem_deinit(struct ap_problem *p);
void ap__problems_deinit(struct ap_problems *ps);
/* Content hash of the question: lower-cased, white space collapsed. Ids play no part. */
uint64_t ap__problem_hash(const struct ap_problem *p);
/* Held-out problems are those whose content hash falls into this class: train and held-out can
 * therefore never share content, whatever the seeds. */
bool ap__problem_is_heldout(const struct ap_problem *p);
ap_status ap__problem_to_json(const struct ap_problem *p, json_t **out, struct ap_err *err) AP_MUST_CHECK;
ap_status ap__problem_from_json(const json_t *json, const char *place, struct ap_problem *out,
                                struct ap_err *err) AP_MUST_CHECK;
ap_status ap__problem_copy(const struct ap_problem *p, struct ap_problem *out, struct ap_err *err) AP_MUST_CHECK;
/* Move p into the list (p is zeroed). */
ap_status ap__problems_add(struct ap_problems *ps, struct ap_problem *p, struct ap_err *err) AP_MUST_CHECK;

#endif
