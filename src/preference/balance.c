/* balance.c - share pairs out evenly; see balance.h.
 *
 *     total --evenly--> tasks --evenly--> templates --first pairs first--> items kept */
#include "preference/balance.h"

#include <stdlib.h>

void ap__share_evenly(const int64_t *have, int64_t n, int64_t total, int64_t *quota)
{
    int64_t left = total, open = n;
    for (int64_t i = 0; i < n; i++)
        quota[i] = 0;
    /* Raise the level; every round fills a group up or hands out all that is left. */
    while (left > 0 && open > 0) {
        int64_t step = left / open > 0 ? left / open : 1;
        open = 0;
        for (int64_t i = 0; i < n && left > 0; i++) {
            int64_t room = have[i] - quota[i], give = room < step ? room : step;
            give = give < left ? give : left;
            quota[i] += give;
            left -= give;
            open += quota[i] < have[i];
        }
    }
}

static int by_rank(const void *a, const void *b)
{
    const struct ap_balance_item *x = *(struct ap_balance_item *const *)a, *y = *(struct ap_balance_item *const *)b;
    if (x->rank != y->rank)
        return (x->rank > y->rank) - (x->rank < y->rank);
    return (x->order > y->order) - (x->order < y->order);
}

/* Quota of every template, from its task's. */
static void template_quotas(const int64_t *have, const int32_t *template_task, int64_t tasks, int64_t templates,
                            int64_t total, int64_t *scratch, int64_t *quota)
{
    int64_t *task_have = scratch, *task_quota = scratch + tasks;
    int64_t *part_have = task_quota + tasks, *part_quota = part_have + templates;
    for (int64_t t = 0; t < tasks; t++)
        task_have[t] = 0;
    for (int64_t i = 0; i < templates; i++)
        task_have[template_task[i]] += have[i];
    ap__share_evenly(task_have, tasks, total, task_quota);
    for (int64_t t = 0; t < tasks; t++) {
        int64_t n = 0, at = 0;
        for (int64_t i = 0; i < templates; i++)
            if (template_task[i] == t)
                part_have[n++] = have[i];
        ap__share_evenly(part_have, n, task_quota[t], part_quota);
        for (int64_t i = 0; i < templates; i++)
            if (template_task[i] == t)
                quota[i] = part_quota[at++];
    }
}

ap_status ap__balance(struct ap_balance_item *item, size_t n, const int32_t *template_task, int64_t tasks,
                      int64_t templates, int64_t total, struct ap_err *err)
{
    ap_status status = AP_OK;
    struct ap_balance_item **order = ap__alloc_array(n + 1, sizeof *order);
    int64_t *have = ap__alloc_array((size_t)templates + 1, sizeof *have);
    int64_t *quota = ap__alloc_array((size_t)templates + 1, sizeof *quota);
    int64_t *scratch = ap__alloc_array((size_t)(2 * tasks + 2 * templates) + 1, sizeof *scratch);
    if (!order || !have || !quota || !scratch) {
        status = ap__fail(err, AP_E_MEMORY, NULL, "out of memory balancing pairs");
        goto done;
    }
    for (size_t i = 0; i < n; i++) {
        order[i] = &item[i];
        have[item[i].template_index]++;
    }
    template_quotas(have, template_task, tasks, templates, total, scratch, quota);
    qsort(order, n, sizeof *order, by_rank);
    for (size_t i = 0; i < n; i++) {
        int64_t *left = &quota[order[i]->template_index];
        order[i]->keep = *left > 0;
        *left -= order[i]->keep;
    }
done:
    ap__free(order);
    ap__free(have);
    ap__free(quota);
    ap__free(scratch);
    return status;
}
