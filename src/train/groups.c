/* groups.c - see groups.h. */
#include "train/groups.h"

#include "model/account.h"
#include "model/weights.h"
#include "train/partition.h"

#include <omp.h>

enum { PART_TOKENS = 1024 }; /* products are at full speed from here on, and more tokens take more memory */

struct groups {
    struct ap_group *group; /* (count,) */
    int32_t count, most;    /* rows of the largest */
};

static int32_t smaller(int32_t limit, int32_t other) { return limit > 0 && limit < other ? limit : other; }

int32_t ap__part_tokens(const struct ap_batch_config *config)
{
    return smaller(config->max_tokens, config->part_tokens > 0 ? config->part_tokens : PART_TOKENS);
}

/* ---- division ---- */

/* Count what a sequence adds behind its first P tokens and those shared with another one (NULL = none). */
static void add_rows(const struct ap_config *c, const struct ap_seq *seq, const struct ap_seq *other, int32_t P,
                     struct ap_work_size *size)
{
    int32_t shared = other != NULL ? ap__seq_common(other, seq) : 0;
    for (int32_t i = shared > P ? shared : P; i < seq->len; i++)
        ap__account_add(c, i, i + 1 < seq->len && seq->trained[i + 1], 1.0, size);
}

/* At most what an example adds behind the trunk and behind its left neighbour (NULL = none). */
static struct ap_work_size work_of(const struct ap_config *c, const struct ap_train_example *e,
                                   const struct ap_train_example *left, int32_t P)
{
    struct ap_work_size size = {0};
    add_rows(c, &e->chosen, left != NULL ? &left->chosen : NULL, P, &size);
    add_rows(c, &e->rejected, &e->chosen, P, &size);
    add_rows(c, &e->held, &e->chosen, P, &size);
    return size;
}

/* The first group: neighbours up to the budget, at least one. */
static struct ap_group first_group(const struct ap_model *m, const struct ap_train_example *const *e, int32_t n, int32_t P,
                                   int32_t budget)
{
    struct ap_group group = {.example = e};
    struct ap_work_size size = {0};
    for (; group.n < n; group.n++) {
        struct ap_work_size more = work_of(&m->config, e[group.n], group.n > 0 ? e[group.n - 1] : NULL, P);
        if (group.n > 0 && group.rows + (int32_t)more.T > budget)
            break;
        group.rows += (int32_t)more.T;
        size = (struct ap_work_size){size.T + more.T, size.Q + more.Q, size.P + more.P};
    }
    group.cost = ap__account_step(&m->config, &size, m->mode == AP_LORA ? m->lora.rank : 0);
    return group;
}

static struct groups divide(const struct ap_model *m, struct ap_group *group, const struct ap_train_example *const *e,
                            int32_t n, int32_t P, int32_t budget)
{
    struct groups all = {.group = group};
    for (int32_t i = 0; i < n; i += group[all.count++].n) {
        group[all.count] = first_group(m, e + i, n - i, P, budget);
        all.most = group[all.count].rows > all.most ? group[all.count].rows : all.most;
    }
    return all;
}

/* As many threads as there are, if they have enough to do and no more tokens at a time than max_tokens, else 1. */
static int32_t choose_threads(const struct ap_gradient *g, struct groups *all, const struct ap_train_example *const *e,
                              int32_t n, int32_t P)
{
    int32_t max = g->config->max_tokens, threads = omp_get_max_threads();
    int32_t budget = smaller(max > P ? max - P : 0, ap__part_tokens(g->config));
    int64_t numbers = ap__worker_numbers(g->m);
    if (threads > 1 && threads <= AP_CREW && numbers > 0 && numbers <= AP_WORKER_NUMBERS) {
        *all = divide(g->m, all->group, e, n, P, budget / threads);
        if (all->count >= 2 * threads && (max == 0 || (int64_t)threads * (P + all->most) <= max))
            return threads;
    }
    *all = divide(g->m, all->group, e, n, P, budget);
    return 1;
}

/* ---- training ---- */

static ap_status train_groups(const struct ap_gradient *g, struct ap_trunk *trunk, const struct ap_seq *trunk_seq,
                              const struct groups *all, int32_t threads, struct ap_err *err)
{
    if (threads > 1)
        return ap__crew_train(g, trunk, trunk_seq, all->group, all->count, threads, err);
    for (int32_t i = 0; i < all->count; i++)
        AP_TRY(ap__part_train(g, all->group[i].example, all->group[i].n, g->config->max_tokens, trunk, trunk_seq, err));
    return AP_OK;
}

static bool is_tree(const struct ap_range *range) { return range->rows > 0; }

/* Append the ranges that are one tree to the groups, where a crew takes these; false: it does not, or would have too many
 * tokens at a time. */
static bool join(const struct ap_gradient *g, const struct ap_range *range, int32_t count, int32_t threads, int32_t P,
                 struct groups *all)
{
    int32_t most = all->most, max = g->config->max_tokens;
    for (int32_t i = 0; i < count; i++)
        most = range[i].rows > most ? range[i].rows : most;
    if (threads == 1 || (max > 0 && (int64_t)threads * (P + most) > max))
        return false;
    for (int32_t i = 0; i < count; i++) {
        if (!is_tree(&range[i]))
            continue;
        struct ap_group *group = &all->group[all->count++];
        *group = first_group(g->m, range[i].example, range[i].n, 0, INT32_MAX);
        group->alone = true;
    }
    return true;
}

/* Range `at` on its trunk; *joined: together with those that are one tree, unless they have joined another. */
static ap_status train_on_trunk(const struct ap_gradient *g, const struct ap_range *range, int32_t count, int32_t at,
                                bool *joined, struct ap_err *err)
{
    struct ap_trunk *trunk = NULL;
    const struct ap_train_example *const *e = range[at].example;
    int32_t n = range[at].n, P = range[at].P;
    uint8_t *untrained = ap__arena_zalloc(g->step, (size_t)P);
    struct groups all = {.group = ap__arena_alloc(g->step, (size_t)(n + count) * sizeof *all.group)};
    if (untrained == NULL || all.group == NULL)
        return ap__fail(err, AP_E_MEMORY, NULL, "no memory for %d examples on a trunk of %d tokens", n, P);
    struct ap_seq seq = {e[0]->chosen.token, untrained, P};
    int32_t threads = choose_threads(g, &all, e, n, P);
    *joined = *joined || join(g, range, count, threads, P, &all);
    if (threads > 1)
        ap__groups_order(all.group, all.count, threads);
    AP_TRY(ap__model_trunk(g->m, seq.token, P, all.most, g->step, &trunk, err));
    AP_TRY(ap__part_work(g, ap__trunk_pack(trunk), 0, err));
    AP_TRY(train_groups(g, trunk, &seq, &all, threads, err));
    return ap__model_trunk_backward(g->m, trunk, g->step, err);
}

ap_status ap__ranges_train(const struct ap_gradient *g, const struct ap_range *range, int32_t count, struct ap_err *err)
{
    static const struct ap_seq none = {0};
    bool joined = false;
    for (int32_t i = 0; i < count; i++) {
        struct ap_arena_mark mark = ap__arena_mark(g->step);
        if (!is_tree(&range[i]))
            AP_TRY(train_on_trunk(g, range, count, i, &joined, err));
        ap__arena_release(g->step, mark);
    }
    for (int32_t i = 0; i < count && !joined; i++)
        if (is_tree(&range[i]))
            AP_TRY(ap__part_train(g, range[i].example, range[i].n, g->config->max_tokens, NULL, &none, err));
    return AP_OK;
}
