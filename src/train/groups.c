/* groups.c - see groups.h. */
#include "train/groups.h"

#include "model/worker.h"

#include <omp.h>
#include <stdlib.h>

enum { PART_TOKENS = 1024 }; /* products are at full speed from here on, and more tokens take more memory */

/* Neighbours that are one tree behind the trunk. */
struct group {
    const struct ap_train_example *const *example;
    int32_t n, rows; /* rows: at most so many */
    int32_t share; /* whose it is */
};

struct groups {
    struct group *group; /* (count,) */
    int32_t count, most; /* rows of the largest */
};

static int32_t smaller(int32_t limit, int32_t other) { return limit > 0 && limit < other ? limit : other; }

int32_t ap__part_tokens(const struct ap_batch_config *config)
{
    return smaller(config->max_tokens, config->part_tokens > 0 ? config->part_tokens : PART_TOKENS);
}

/* ---- division ---- */

/* At most so many rows an example adds behind the trunk and behind its left neighbour (NULL = none). */
static int32_t rows_of(const struct ap_train_example *e, const struct ap_train_example *left, int32_t P)
{
    int32_t shared = left != NULL ? ap__seq_common(&left->chosen, &e->chosen) : 0;
    int32_t rows = e->chosen.len - (shared > P ? shared : P);
    shared = ap__seq_common(&e->chosen, &e->rejected);
    rows += e->rejected.len > 0 ? e->rejected.len - (shared > P ? shared : P) : 0;
    shared = ap__seq_common(&e->chosen, &e->held);
    return rows + (e->held.len > 0 ? e->held.len - (shared > P ? shared : P) : 0);
}

/* The first group: neighbours up to the budget, at least one. */
static struct group first_group(const struct ap_train_example *const *e, int32_t n, int32_t P, int32_t budget)
{
    struct group group = {e, 1, rows_of(e[0], NULL, P), 0};
    for (; group.n < n; group.n++) {
        int32_t more = rows_of(e[group.n], e[group.n - 1], P);
        if (group.rows + more > budget)
            break;
        group.rows += more;
    }
    return group;
}

static struct groups divide(struct group *group, const struct ap_train_example *const *e, int32_t n, int32_t P,
                            int32_t budget)
{
    struct groups all = {.group = group};
    for (int32_t i = 0; i < n; i += group[all.count++].n) {
        group[all.count] = first_group(e + i, n - i, P, budget);
        all.most = group[all.count].rows > all.most ? group[all.count].rows : all.most;
    }
    return all;
}

/* As many workers as there are threads, if they have enough to do and no more tokens at a time than max_tokens. */
static int32_t choose_workers(const struct ap_gradient *g, struct groups *all, const struct ap_train_example *const *e,
                            int32_t n, int32_t P)
{
    int32_t max = g->config->max_tokens, workers = omp_get_max_threads();
    int32_t budget = smaller(max > P ? max - P : 0, ap__part_tokens(g->config));
    if (workers > 1 && workers <= AP_WORKERS && ap__worker_numbers(g->m) <= AP_WORKER_NUMBERS) {
        *all = divide(all->group, e, n, P, budget / workers);
        if (all->count >= 2 * workers && (max == 0 || (int64_t)workers * (P + all->most) <= max))
            return workers;
    }
    *all = divide(all->group, e, n, P, budget);
    return 1;
}

static int most_rows_first(const void *x, const void *y)
{
    const struct group *a = x, *b = y;
    return a->rows != b->rows ? (a->rows < b->rows) - (a->rows > b->rows) : (a->example > b->example) - (a->example < b->example);
}

/* Each group, the largest first, to the worker that has least to do. */
static void share_out(const struct groups *all, int32_t workers)
{
    int64_t rows[AP_WORKERS] = {0};
    qsort(all->group, (size_t)all->count, sizeof *all->group, most_rows_first);
    for (int32_t i = 0; i < all->count; i++) {
        int32_t least = 0;
        for (int32_t w = 1; w < workers; w++)
            least = rows[w] < rows[least] ? w : least;
        all->group[i].share = least;
        rows[least] += all->group[i].rows;
    }
}

/* ---- training ---- */

/* What one worker does. */
struct share {
    struct ap_gradient g;
    struct ap_worker worker;
    struct ap_batch_sums sums;
    struct ap_err err;
    ap_status status;
};

/* The first one works on the original, the others have gradients, memory and sums of their own. */
static ap_status make_shares(const struct ap_gradient *g, struct ap_trunk *trunk, int32_t workers, struct share *share,
                             struct ap_err *err)
{
    struct ap_arena *arena = workers > 1 ? ap__arena_workers(g->step, workers - 1) : NULL;
    if (workers > 1 && arena == NULL)
        return ap__fail(err, AP_E_MEMORY, NULL, "no memory for %d workers", workers);
    share[0] = (struct share){.g = *g, .worker = {g->m, trunk}};
    for (int32_t w = 1; w < workers; w++) {
        share[w] = (struct share){.g = *g};
        share[w].g.step = &arena[w - 1];
        share[w].g.sums = &share[w].sums;
        AP_TRY(ap__worker_make(g->m, trunk, share[w].g.step, &share[w].worker, err));
        share[w].g.m = share[w].worker.m;
    }
    return AP_OK;
}

static void train_share(struct share *s, const struct groups *all, int32_t w, const struct ap_seq *trunk_seq)
{
    for (int32_t i = 0; i < all->count && s->status == AP_OK; i++) {
        const struct group *group = &all->group[i];
        if (group->share == w)
            s->status = ap__part_train(&s->g, group->example, group->n, s->g.config->max_tokens, s->worker.trunk, trunk_seq,
                                       &s->err);
    }
}

static void add_sums(struct ap_batch_sums *to, const struct ap_batch_sums *sums)
{
    to->loss += sums->loss;
    to->reward_chosen += sums->reward_chosen;
    to->reward_rejected += sums->reward_rejected;
    to->logp_chosen += sums->logp_chosen;
    to->logp_rejected += sums->logp_rejected;
    to->drift_chosen += sums->drift_chosen;
    to->drift_rejected += sums->drift_rejected;
    to->correct += sums->correct;
    to->tree_tokens += sums->tree_tokens;
    to->flat_tokens += sums->flat_tokens;
    to->gflop += sums->gflop;
    to->packs += sums->packs;
}

static ap_status train_shares(const struct ap_gradient *g, struct ap_trunk *trunk, const struct groups *all, int32_t workers,
                             const struct ap_seq *trunk_seq, struct ap_err *err)
{
    struct share share[AP_WORKERS];
    AP_TRY(make_shares(g, trunk, workers, share, err));
#pragma omp parallel for schedule(static, 1) num_threads(workers) if (workers > 1)
    for (int32_t w = 0; w < workers; w++)
        train_share(&share[w], all, w, trunk_seq);
    for (int32_t w = 0; w < workers; w++)
        if (share[w].status != AP_OK) {
            if (err != NULL)
                *err = share[w].err;
            return share[w].status;
        }
    for (int32_t w = 1; w < workers; w++) {
        ap__worker_collect(&share[w].worker, g->m, trunk);
        add_sums(g->sums, &share[w].sums);
    }
    return AP_OK;
}

ap_status ap__groups_train(const struct ap_gradient *g, const struct ap_train_example *const *e, int32_t n, int32_t P,
                           struct ap_err *err)
{
    struct ap_trunk *trunk = NULL;
    uint8_t *untrained = ap__arena_zalloc(g->step, (size_t)P);
    struct groups all = {.group = ap__arena_alloc(g->step, (size_t)n * sizeof *all.group)};
    if (untrained == NULL || all.group == NULL)
        return ap__fail(err, AP_E_MEMORY, NULL, "no memory for %d examples on a trunk of %d tokens", n, P);
    struct ap_seq seq = {e[0]->chosen.token, untrained, P};
    int32_t workers = choose_workers(g, &all, e, n, P);
    share_out(&all, workers);
    AP_TRY(ap__model_trunk(g->m, seq.token, P, all.most, g->step, &trunk, err));
    AP_TRY(ap__part_work(g, ap__trunk_pack(trunk), 0, err));
    AP_TRY(train_shares(g, trunk, &all, workers, &seq, err));
    return ap__model_trunk_backward(g->m, trunk, g->step, err);
}
