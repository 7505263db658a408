/* pick.c - which chains a report shows: one that was gained, one that was lost, one that was taught.
 *
 *     before x after --first problem that turned right--> example
 *                    --first problem that turned wrong--> example (there may be none: good)
 *     pairs          --first of the task-----------------> example
 *
 * Nothing is hand-picked: always the first in the order of problems that is short enough to read. */
#include "preference/pairs.h"
#include "report/report_data.h"

#include <string.h>

enum { SHOWN_STEPS = 14, SHOWN_QUESTION = 900 };

static bool readable(const struct ap_example *e)
{
    return e->left.chain.n <= SHOWN_STEPS && e->right.chain.n <= SHOWN_STEPS && e->right.chain.n > 0 &&
           strlen(e->problem.question) <= SHOWN_QUESTION;
}

static void free_example(struct ap_example *e)
{
    ap__free(e->title);
    ap__free(e->left_title);
    ap__free(e->right_title);
    ap__problem_deinit(&e->problem);
    ap__stored_chain_deinit(&e->left);
    ap__stored_chain_deinit(&e->right);
    *e = (struct ap_example){0};
}

/* Load one; *taken says whether it went into the task. */
static ap_status try_example(struct ap_store *store, struct ap_report_task *task, const char *problem, int64_t left,
                             int64_t right, const char *const titles[3], bool *taken, struct ap_err *err)
{
    struct ap_example e = {.title = ap__strdup(titles[0]), .left_title = ap__strdup(titles[1]),
                           .right_title = ap__strdup(titles[2])};
    ap_status status = e.title && e.left_title && e.right_title
                           ? ap__store_problem(store, problem, &e.problem, err)
                           : ap__fail(err, AP_E_MEMORY, NULL, "out of memory making the report");
    if (status == AP_OK)
        status = ap__store_chain(store, left, false, &e.left, err);
    if (status == AP_OK)
        status = ap__store_chain(store, right, false, &e.right, err);
    *taken = status == AP_OK && readable(&e);
    if (*taken) {
        e.divergence = ap__pairs_divergence(&e.left.chain, &e.right.chain);
        task->example[task->examples++] = e;
    } else {
        free_example(&e);
    }
    return status;
}

static const struct ap_outcome *find_outcome(const struct ap_results *results, uint64_t hash)
{
    for (size_t i = 0; i < results->n; i++)
        if (results->item[i].hash == hash)
            return &results->item[i];
    return NULL;
}

/* First problem whose greedy verdict went from wrong to right (gained) or the other way. */
static ap_status pick_changed(struct ap_store *store, struct ap_report_task *task, bool gained, struct ap_err *err)
{
    static const char *const titles[2][3] = {
        {"A problem that was lost", "before: right", "after: wrong"},
        {"A problem that was gained", "before: wrong", "after: right"},
    };
    const struct ap_results *before = &task->results[AP_ROW_BEFORE], *after = &task->results[AP_ROW_AFTER];
    bool taken = false;
    for (size_t i = 0; i < before->n && !taken; i++) {
        const struct ap_outcome *b = &before->item[i];
        if (!b->has_greedy || (b->verdict == AP_CORRECT) == gained)
            continue;
        const struct ap_outcome *a = find_outcome(after, b->hash);
        if (a && a->has_greedy && (a->verdict == AP_CORRECT) == gained)
            AP_TRY(try_example(store, task, b->id, b->greedy_chain, a->greedy_chain, titles[gained], &taken, err));
    }
    return AP_OK;
}

static ap_status pick_pair(struct ap_store *store, const struct ap_pairs *pairs, struct ap_report_task *task,
                           struct ap_err *err)
{
    static const char *const titles[3] = {"A preference pair it was trained on", "rejected", "chosen"};
    bool taken = false;
    for (size_t i = 0; i < pairs->n && !taken; i++) {
        struct ap_problem problem = {0};
        AP_TRY(ap__store_problem(store, pairs->item[i].problem, &problem, err));
        bool ours = strcmp(problem.task, task->name) == 0;
        ap__problem_deinit(&problem);
        if (ours)
            AP_TRY(try_example(store, task, pairs->item[i].problem, pairs->item[i].rejected, pairs->item[i].chosen,
                               titles, &taken, err));
    }
    return AP_OK;
}

ap_status ap__report_pick_examples(struct ap_store *store, const struct ap_pairs *pairs, struct ap_report_task *task,
                                   struct ap_err *err)
{
    if (task->compared) {
        AP_TRY(pick_changed(store, task, true, err));
        AP_TRY(pick_changed(store, task, false, err));
    }
    return pick_pair(store, pairs, task, err);
}
