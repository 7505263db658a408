/* evaluate.h - what a model did on held-out problems, and how two such results differ.
 *
 *     eval chains of a run --.
 *     `apprentice eval --out` +--> results --match by content--> comparison --> report, compare
 *     file.json -------------'
 *
 * The file:
 *   {"task": "math-word", "model": "student", "problems": [{"id": "...", "hash": "16 hex digits",
 *    "template": "shopping", "greedy": true, "verdict": "correct", "end": "answer",
 *    "successes": 3, "samples": 4}, ...]} */
#ifndef AP_EVALUATE_H
#define AP_EVALUATE_H

#include "evaluate/statistics.h"
#include "store/store.h"

/* One problem's outcome. */
struct ap_outcome {
    char *id, *template_name;
    uint64_t hash;            /* of its content */
    bool has_greedy;
    enum ap_verdict verdict;  /* of the greedy chain */
    enum ap_end end;
    int32_t successes, samples; /* of the drawn chains */
    int64_t greedy_chain;     /* in the store; 0 when from a file */
};
struct ap_results {
    char *name, *task, *model;
    struct ap_outcome *item; /* (n,) */
    size_t n, cap;
};
void ap__results_deinit(struct ap_results *results);
/* Move o into the list (o is zeroed). */
ap_status ap__results_add(struct ap_results *results, struct ap_outcome *o, struct ap_err *err) AP_MUST_CHECK;

/* The eval chains of one actor on one task; AP_E_NOT_FOUND when there are none. */
ap_status ap__results_from_store(struct ap_store *store, const char *actor, const char *task,
                                 struct ap_results *out, struct ap_err *err) AP_MUST_CHECK;
ap_status ap__results_load(const char *path, struct ap_results *out, struct ap_err *err) AP_MUST_CHECK;
ap_status ap__results_save(const struct ap_results *results, const char *path, struct ap_err *err) AP_MUST_CHECK;

struct ap_rates {
    int64_t problems, greedy_correct; /* problems with a greedy chain; of them correct */
    int64_t samples, successes;       /* drawn chains; of them correct */
    double rate;                      /* mean over problems of successes/samples; NaN without samples */
    struct ap_interval greedy;        /* Wilson 95 % of greedy_correct / problems */
    int64_t ends[AP_END_LOST + 1]; /* greedy chains that were not correct, by how they ended
                                         (AP_END_ANSWER = a wrong answer) */
};
void ap__results_rates(const struct ap_results *results, struct ap_rates *out);

/* One template's row. */
struct ap_template_row {
    char *name;
    int64_t problems, before, after; /* greedy correct */
    int64_t gained, lost;
};
struct ap_comparison {
    struct ap_rates before, after; /* over the matched problems */
    int64_t matched, only_before, only_after;
    int64_t gained, lost;          /* greedy: wrong -> right, right -> wrong */
    double mcnemar_p;
    bool sampled;                  /* both have drawn chains: the three below are of success rates,
                                      else of greedy 0/1 */
    struct ap_wilcoxon wilcoxon;
    double difference;             /* mean over problems, after - before */
    struct ap_interval difference_interval; /* bootstrap 95 % */
    struct ap_template_row *row;   /* (rows,) by name */
    size_t rows;
};
/* AP_E_NOT_FOUND when no problem is in both. */
ap_status ap__compare(const struct ap_results *before, const struct ap_results *after, uint64_t seed,
                      struct ap_comparison *out, struct ap_err *err) AP_MUST_CHECK;
void ap__comparison_deinit(struct ap_comparison *comparison);
/* Everything above as an object; the caller owns it, NULL = out of memory. */
json_t *ap__comparison_to_json(const struct ap_comparison *comparison);

#endif
