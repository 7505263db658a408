/* crew.c - see crew.h. */
#include "train/crew.h"

#include <pthread.h>

/* What computes a group and then holds its gradient until its turn. */
struct place {
    struct ap_worker worker;
    struct ap_batch_sums sums;
    int32_t group; /* -1: free */
    bool done;
};

struct crew {
    const struct ap_gradient *g;
    struct ap_trunk *trunk;
    const struct ap_seq *trunk_seq;
    const struct ap_group *group;
    int32_t count, threads;
    struct ap_worker_keys keys[AP_CREW]; /* each thread's */
    struct ap_arena *arena[AP_CREW];
    struct ap_arena_mark mark[AP_CREW];
    pthread_mutex_t lock; /* what follows; the original gradient */
    pthread_cond_t changed;
    struct place place[AP_WORKERS];
    int32_t next, collected;
    int32_t failed; /* the first group that did, count = none */
    struct ap_err err;
    ap_status status;
};

/* The first thread works with the original's arena, keys and values. */
static ap_status make_crew(struct crew *c, struct ap_err *err)
{
    struct ap_arena *arena = ap__arena_workers(c->g->step, c->threads - 1);
    if (arena == NULL)
        return ap__fail(err, AP_E_MEMORY, NULL, "no memory for %d threads", c->threads);
    c->arena[0] = c->g->step;
    c->keys[0] = ap__worker_keys_of(c->trunk);
    for (int32_t t = 1; t < c->threads; t++) {
        c->arena[t] = &arena[t - 1];
        c->mark[t] = ap__arena_mark(c->arena[t]);
        AP_TRY(ap__worker_keys_make(c->g->m, c->trunk, c->arena[t], &c->keys[t], err));
    }
    for (int32_t p = 0; p <= c->threads; p++) {
        AP_TRY(ap__worker_make(c->g->m, c->trunk, c->g->step, &c->place[p].worker, err));
        c->place[p].group = -1;
    }
    return AP_OK;
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

/* ---- under the lock ---- */

static struct place *find_place(struct crew *c, int32_t group)
{
    for (int32_t p = 0; p <= c->threads; p++)
        if (c->place[p].group == group)
            return &c->place[p];
    return NULL;
}

/* The next group and a place for it; NULL when there is nothing to do any more. */
static struct place *take_group(struct crew *c)
{
    struct place *place = find_place(c, -1);
    while (c->next < c->count && c->failed == c->count && place == NULL) {
        (void)pthread_cond_wait(&c->changed, &c->lock);
        place = find_place(c, -1);
    }
    if (c->next == c->count || c->failed < c->count)
        return NULL;
    place->group = c->next++;
    place->done = false;
    place->sums = (struct ap_batch_sums){0};
    return place;
}

/* Whatever is done and has its turn. */
static void collect(struct crew *c)
{
    struct place *place = find_place(c, c->collected);
    for (; place != NULL && place->done; place = find_place(c, c->collected)) {
        ap__worker_collect(&place->worker, c->g->m, c->trunk);
        add_sums(c->g->sums, &place->sums);
        place->group = -1;
        c->collected++;
    }
}

static void note_failure(struct crew *c, int32_t group, ap_status status, const struct ap_err *err)
{
    if (group >= c->failed)
        return;
    c->failed = group;
    c->status = status;
    c->err = *err;
}

/* ---- threads ---- */

static void work(struct crew *c, int32_t thread)
{
    static const struct ap_seq none = {0};
    (void)pthread_mutex_lock(&c->lock);
    for (struct place *place = take_group(c); place != NULL; place = take_group(c)) {
        (void)pthread_mutex_unlock(&c->lock);
        const struct ap_group *group = &c->group[place->group];
        struct ap_err err = {0};
        struct ap_gradient own = *c->g;
        own.m = place->worker.m;
        own.step = c->arena[thread];
        own.sums = &place->sums;
        ap__worker_use(&place->worker, &c->keys[thread]);
        ap_status status = ap__part_train(&own, group->example, group->n, own.config->max_tokens,
                                          group->alone ? NULL : place->worker.trunk, group->alone ? &none : c->trunk_seq, &err);
        (void)pthread_mutex_lock(&c->lock);
        place->done = status == AP_OK;
        if (status == AP_OK)
            collect(c);
        else
            note_failure(c, place->group, status, &err);
        (void)pthread_cond_broadcast(&c->changed);
    }
    (void)pthread_mutex_unlock(&c->lock);
}

ap_status ap__crew_train(const struct ap_gradient *g, struct ap_trunk *trunk, const struct ap_seq *trunk_seq,
                         const struct ap_group *group, int32_t count, int32_t threads, struct ap_err *err)
{
    struct crew c = {.g = g, .trunk = trunk, .trunk_seq = trunk_seq, .group = group, .count = count, .threads = threads,
                     .failed = count, .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
    AP_TRY(make_crew(&c, err));
#pragma omp parallel for schedule(static, 1) num_threads(threads)
    for (int32_t t = 0; t < threads; t++)
        work(&c, t);
    for (int32_t t = 1; t < threads; t++)
        ap__arena_release(c.arena[t], c.mark[t]);
    (void)pthread_cond_destroy(&c.changed);
    (void)pthread_mutex_destroy(&c.lock);
    if (c.status != AP_OK && err != NULL)
        *err = c.err;
    return c.status;
}
