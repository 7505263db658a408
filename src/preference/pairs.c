/* pairs.c - read a run's chains problem by problem, pair good with bad, limit, store.
 *
 *     each chain (ordered by problem) --> group --end of problem--> good[], bad[]
 *        good: teacher, then the student's own; bad: student, then teacher; equal calls once
 *        pair k = good[k mod G], bad[(k + k div lcm) mod B]: every combination once, varied first
 *     all pairs --balance--> kept --shuffle--> store
 *
 * The order inside a list is random by (seed, problem), the order of training by seed alone. */
#include "preference/pairs.h"
#include "base/rng.h"
#include "preference/balance.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct group { /* the chains of one problem */
    struct ap_stored_chain *chain; /* (n,) */
    size_t n, cap;
};

struct candidate {
    struct ap_pair pair;
    struct ap_balance_item place;
};

struct builder {
    const struct ap_pair_options *options;
    struct ap_pair_counts *counts;
    struct ap_problems problems; /* train, in the order of the walk */
    size_t at;                   /* the problem the group belongs to */
    struct group group;
    struct candidate *candidate; /* (n,) */
    size_t n, cap;
    struct ap_names tasks, templates;
    int32_t *template_task; /* (templates.n,) */
    bool *template_paired;  /* (templates.n,) */
    size_t template_cap, paired_cap;
};

/* ---- tasks and templates as numbers ---- */

static ap_status add_name(struct ap_names *names, const char *name, struct ap_err *err)
{
    AP_TRY(ap__grow((void **)&names->item, &names->cap, names->n + 1, sizeof *names->item, err));
    names->item[names->n] = ap__strdup(name);
    return names->item[names->n++] ? AP_OK : ap__fail(err, AP_E_MEMORY, NULL, "out of memory building pairs");
}

static ap_status task_index(struct builder *b, const char *task, int32_t *index, struct ap_err *err)
{
    for (*index = 0; (size_t)*index < b->tasks.n; ++*index)
        if (strcmp(b->tasks.item[*index], task) == 0)
            return AP_OK;
    return add_name(&b->tasks, task, err);
}

/* A template's number; the same name in two tasks is two templates. */
static ap_status template_index(struct builder *b, int32_t task, const char *name, int32_t *index,
                                struct ap_err *err)
{
    for (*index = 0; (size_t)*index < b->templates.n; ++*index)
        if (b->template_task[*index] == task && strcmp(b->templates.item[*index], name) == 0)
            return AP_OK;
    AP_TRY(ap__grow((void **)&b->template_task, &b->template_cap, b->templates.n + 1, sizeof *b->template_task, err));
    AP_TRY(ap__grow((void **)&b->template_paired, &b->paired_cap, b->templates.n + 1, sizeof *b->template_paired,
                    err));
    b->template_task[b->templates.n] = task;
    b->template_paired[b->templates.n] = false;
    return add_name(&b->templates, name, err);
}

/* ---- one problem ---- */

int32_t ap__pairs_divergence(const struct ap_chain *a, const struct ap_chain *b)
{
    int32_t shorter = a->n < b->n ? a->n : b->n, i = 0;
    while (i < shorter && strcmp(a->step[i].call, b->step[i].call) == 0)
        i++;
    return i;
}

static bool same_calls(const struct ap_chain *a, const struct ap_chain *b)
{
    return a->n == b->n && ap__pairs_divergence(a, b) == a->n;
}

/* Lower is preferred. */
static int actor_rank(const struct ap_stored_chain *chain, bool good)
{
    bool student = strcmp(chain->key.actor, "student") == 0;
    return good == student;
}

static bool is_gold(const struct ap_stored_chain *chain)
{
    return strcmp(chain->key.actor, "gold") == 0;
}

static bool is_good(const struct builder *b, const struct ap_stored_chain *chain)
{
    return chain->chain.verdict == AP_CORRECT && chain->sound && is_gold(chain) == b->options->gold;
}

static bool is_bad(const struct ap_stored_chain *chain)
{
    return chain->chain.verdict != AP_CORRECT && !is_gold(chain) && chain->chain.n > 0;
}

/* Put the group's good (or bad) chains into list, preferred actors first, shuffled among equals,
 * equal calls once. Returns how many; list has room for the whole group. */
static size_t make_list(struct builder *b, bool good, uint64_t hash, const struct ap_stored_chain **list)
{
    size_t n = 0;
    for (int rank = 0; rank < 2; rank++) {
        size_t first = n;
        for (size_t i = 0; i < b->group.n; i++) {
            const struct ap_stored_chain *c = &b->group.chain[i];
            bool wanted = actor_rank(c, good) == rank && (good ? is_good(b, c) : is_bad(c)), fresh = true;
            for (size_t j = 0; wanted && fresh && j < n; j++)
                fresh = !same_calls(&c->chain, &list[j]->chain);
            if (wanted && fresh)
                list[n++] = c;
            else if (wanted)
                b->counts->duplicates++;
        }
        struct ap_rng rng = ap__rng_make(b->options->seed, good ? "chosen" : "rejected", hash, (uint64_t)rank, 0);
        ap__rng_shuffle(&rng, list + first, (uint32_t)(n - first), sizeof *list);
    }
    return n;
}

static ap_status add_candidate(struct builder *b, const struct ap_stored_chain *chosen,
                               const struct ap_stored_chain *rejected, struct ap_balance_item place,
                               struct ap_err *err)
{
    char provenance[160];
    snprintf(provenance, sizeof provenance, "%.70s>%.70s", chosen->key.actor, rejected->key.actor);
    AP_TRY(ap__grow((void **)&b->candidate, &b->cap, b->n + 1, sizeof *b->candidate, err));
    struct candidate *c = &b->candidate[b->n++];
    *c = (struct candidate){
        .pair = {.problem = ap__strdup(chosen->key.problem), .chosen = chosen->id, .rejected = rejected->id,
                 .divergence = ap__pairs_divergence(&chosen->chain, &rejected->chain),
                 .provenance = ap__strdup(provenance)},
        .place = place};
    if (!c->pair.problem || !c->pair.provenance)
        return ap__fail(err, AP_E_MEMORY, NULL, "out of memory building pairs");
    return AP_OK;
}

static size_t gcd(size_t a, size_t b)
{
    return b == 0 ? a : gcd(b, a % b);
}

static ap_status pair_up(struct builder *b, const struct ap_stored_chain **good, size_t G,
                         const struct ap_stored_chain **bad, size_t B, struct ap_balance_item place, uint64_t hash,
                         struct ap_err *err)
{
    struct ap_rng rng = ap__rng_make(b->options->seed, "pair order", hash, 0, 0);
    size_t limit = G * B < (size_t)b->options->per_problem ? G * B : (size_t)b->options->per_problem;
    size_t lcm = G * B / gcd(G, B);
    for (size_t k = 0; k < limit; k++) {
        place.rank = (int32_t)k;
        place.order = ap__rng_u64(&rng);
        AP_TRY(add_candidate(b, good[k % G], bad[(k + k / lcm) % B], place, err));
    }
    b->counts->pairable++;
    return AP_OK;
}

static void count_group(struct builder *b)
{
    b->counts->problems++;
    for (size_t i = 0; i < b->group.n; i++) {
        const struct ap_stored_chain *c = &b->group.chain[i];
        b->counts->correct += c->chain.verdict == AP_CORRECT;
        b->counts->sound += c->chain.verdict == AP_CORRECT && c->sound;
        b->counts->wrong += c->chain.verdict != AP_CORRECT;
    }
}

static void clear_group(struct group *group)
{
    for (size_t i = 0; i < group->n; i++)
        ap__stored_chain_deinit(&group->chain[i]);
    group->n = 0;
}

static ap_status end_group(struct builder *b, struct ap_err *err)
{
    if (b->group.n == 0)
        return AP_OK;
    const struct ap_problem *problem = &b->problems.item[b->at];
    uint64_t hash = ap__problem_hash(problem);
    struct ap_balance_item place = {0};
    ap_status status = AP_OK;
    const struct ap_stored_chain **good = ap__alloc_array(2 * b->group.n, sizeof *good);
    const struct ap_stored_chain **bad = good + b->group.n;
    if (!good)
        return ap__fail(err, AP_E_MEMORY, NULL, "out of memory building pairs");
    count_group(b);
    status = task_index(b, problem->task, &place.task, err);
    if (status == AP_OK)
        status = template_index(b, place.task, problem->template_name ? problem->template_name : "",
                                &place.template_index, err);
    size_t G = make_list(b, true, hash, good), B = make_list(b, false, hash, bad);
    if (status == AP_OK && G > 0 && B > 0)
        status = pair_up(b, good, G, bad, B, place, hash, err);
    ap__free(good);
    clear_group(&b->group);
    return status;
}

/* ---- the walk ---- */

/* Chains come in the order of problems; one on a problem outside the train split must not be taught. */
static ap_status find_problem(struct builder *b, const char *id, struct ap_err *err)
{
    for (; b->at < b->problems.n; b->at++)
        if (strcmp(b->problems.item[b->at].id, id) == 0)
            return AP_OK;
    return ap__fail(err, AP_E_STATE, NULL, "there are collected chains on `%s`, which is not a training problem", id);
}

static ap_status take_chain(void *user, struct ap_stored_chain *chain, struct ap_err *err)
{
    struct builder *b = user;
    if (b->group.n == 0 || strcmp(b->group.chain[0].key.problem, chain->key.problem) != 0) {
        AP_TRY(end_group(b, err));
        AP_TRY(find_problem(b, chain->key.problem, err));
    }
    AP_TRY(ap__grow((void **)&b->group.chain, &b->group.cap, b->group.n + 1, sizeof *b->group.chain, err));
    b->group.chain[b->group.n++] = *chain;
    *chain = (struct ap_stored_chain){0};
    return AP_OK;
}

/* ---- from candidates to the store ---- */

static ap_status choose(struct builder *b, struct ap_err *err)
{
    int64_t total = b->options->total > 0 ? b->options->total : (int64_t)b->n;
    struct ap_balance_item *item = ap__alloc_array(b->n + 1, sizeof *item);
    if (!item)
        return ap__fail(err, AP_E_MEMORY, NULL, "out of memory building pairs");
    for (size_t i = 0; i < b->n; i++)
        item[i] = b->candidate[i].place;
    ap_status status =
        ap__balance(item, b->n, b->template_task, (int64_t)b->tasks.n, (int64_t)b->templates.n, total, err);
    for (size_t i = 0; i < b->n; i++)
        b->candidate[i].place = item[i];
    ap__free(item);
    return status;
}

/* Move what was kept into one shuffled list. */
static ap_status gather(struct builder *b, struct ap_pairs *out, struct ap_err *err)
{
    for (size_t i = 0; i < b->n; i++) {
        if (!b->candidate[i].place.keep)
            continue;
        AP_TRY(ap__grow((void **)&out->item, &out->cap, out->n + 1, sizeof *out->item, err));
        out->item[out->n++] = b->candidate[i].pair;
        b->template_paired[b->candidate[i].place.template_index] = true;
        b->candidate[i].pair = (struct ap_pair){0};
    }
    struct ap_rng rng = ap__rng_make(b->options->seed, "training order", 0, 0, 0);
    ap__rng_shuffle(&rng, out->item, (uint32_t)out->n, sizeof *out->item);
    return AP_OK;
}

static ap_status finish(struct builder *b, struct ap_store *store, struct ap_err *err)
{
    struct ap_pairs pairs = {0};
    AP_TRY(end_group(b, err));
    AP_TRY(choose(b, err));
    ap_status status = gather(b, &pairs, err);
    if (status == AP_OK)
        status = ap__store_set_pairs(store, &pairs, err);
    b->counts->candidates = (int64_t)b->n;
    b->counts->pairs = (int64_t)pairs.n;
    b->counts->templates = (int64_t)b->templates.n;
    for (size_t i = 0; i < b->templates.n; i++)
        b->counts->silent += !b->template_paired[i];
    ap__pairs_deinit(&pairs);
    return status;
}

static void free_builder(struct builder *b)
{
    clear_group(&b->group);
    ap__free(b->group.chain);
    for (size_t i = 0; i < b->n; i++) {
        ap__free(b->candidate[i].pair.problem);
        ap__free(b->candidate[i].pair.provenance);
    }
    ap__free(b->candidate);
    ap__problems_deinit(&b->problems);
    ap__names_deinit(&b->tasks);
    ap__names_deinit(&b->templates);
    ap__free(b->template_task);
    ap__free(b->template_paired);
}

ap_status ap__pairs_build(struct ap_store *store, const struct ap_pair_options *options,
                          struct ap_pair_counts *counts, struct ap_err *err)
{
    if (options->per_problem < 1 || options->total < 0)
        return ap__fail(err, AP_E_ARG, NULL, "pairs per problem must be at least 1, the total at least 0");
    *counts = (struct ap_pair_counts){0};
    struct builder b = {.options = options, .counts = counts};
    struct ap_chain_filter filter = {.purpose = AP_FOR_COLLECT, .steps = true};
    ap_status status = ap__store_problems(store, NULL, AP_TRAIN, &b.problems, err);
    if (status == AP_OK)
        status = ap__store_each_chain(store, &filter, take_chain, &b, err);
    if (status == AP_OK)
        status = finish(&b, store, err);
    free_builder(&b);
    return status;
}
