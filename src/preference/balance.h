/* balance.h - share a limited number of pairs out evenly over tasks and templates.
 *
 * Not proportionally: a template on which the student is already good has few pairs, and those few
 * are what keeps it from being silenced. */
#ifndef AP_BALANCE_H
#define AP_BALANCE_H

#include "base/alloc.h"

/* Split total over n groups, none getting more than it has: the smallest level L such that
 * sum(min(have, L)) reaches total, the remainder one by one from the first. have (n,) -> quota (n,). */
void ap__share_evenly(const int64_t *have, int64_t n, int64_t total, int64_t *quota);

/* A candidate's place: its task, its template within the run, its rank within its problem. */
struct ap_balance_item {
    int32_t task, template_index; /* template_index in [0, templates) belongs to one task */
    int32_t rank;                 /* 0 = the problem's first pair */
    uint64_t order;               /* random; decides among equals */
    bool keep;                    /* result */
};
/* Mark `total` of the items, evenly over tasks, then over each task's templates; within a template the
 * first pairs of all problems come before second ones. template_task (templates,). */
ap_status ap__balance(struct ap_balance_item *item, size_t n, const int32_t *template_task, int64_t tasks,
                      int64_t templates, int64_t total, struct ap_err *err) AP_MUST_CHECK;

#endif
