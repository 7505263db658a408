/* task_problems.c - the problems of a task's splits.
 *
 *   generator  index -> problem of the split; a repeated content is drawn again
 *   file       read once; of one file for both splits the content hash decides,
 *              which is what keeps train and held-out apart */
#include "tasks/task.h"

#include "tasks/task_storage.h"
#include <stdio.h>
#include <string.h>

enum { SAME_CONTENT_TRIES = 200 };

/* ---- a set of content hashes ---- */

struct hash_set {
    uint64_t *slot; /* (size,) 0 = empty */
    size_t size;    /* a power of two, more than twice the entries */
};

static ap_status set_init(struct hash_set *set, size_t entries, struct ap_err *err)
{
    set->size = 16;
    while (set->size < 2 * entries + 2)
        set->size *= 2;
    set->slot = ap__alloc_array(set->size, sizeof *set->slot);
    return set->slot ? AP_OK : ap__fail(err, AP_E_MEMORY, NULL, "no memory for %zu problems", entries);
}

/* False when it was there already. */
static bool set_add(struct hash_set *set, uint64_t hash)
{
    hash += hash == 0;
    size_t at = hash & (set->size - 1);
    while (set->slot[at] != 0) {
        if (set->slot[at] == hash)
            return false;
        at = (at + 1) & (set->size - 1);
    }
    set->slot[at] = hash;
    return true;
}

/* ---- generators ---- */

static ap_status make_distinct(const struct ap_task *task, const struct ap_problem_source *source, enum ap_split split,
                               uint64_t seed, uint64_t index, struct hash_set *seen, struct ap_problem *out,
                               struct ap_err *err)
{
    for (uint64_t attempt = 0; attempt < SAME_CONTENT_TRIES; attempt++) {
        AP_TRY(ap__generator_problem(source->generator, source->profile, split == AP_HELDOUT, seed, index, attempt,
                                     out, err));
        if (set_add(seen, ap__problem_hash(out)))
            return AP_OK;
        ap__problem_deinit(out);
    }
    return ap__fail(err, AP_E_LIMIT, task->name, "the generator has no new problem after %llu; ask for fewer",
                    (unsigned long long)index);
}

/* The task's name instead of the generator's, for tasks that users build on one. */
static ap_status rename_task(const struct ap_task *task, struct ap_problem *p, struct ap_err *err)
{
    if (strcmp(task->name, p->task) == 0)
        return AP_OK;
    char id[160];
    const char *rest = strchr(p->id, '/');
    snprintf(id, sizeof id, "%s%s", task->name, rest ? rest : "");
    AP_TRY(ap__problem_set(&p->task, task->name, err));
    return ap__problem_set(&p->id, id, err);
}

static ap_status generate(const struct ap_task *task, const struct ap_problem_source *source, enum ap_split split,
                          uint64_t seed, int64_t first, int64_t count, struct ap_problems *out, struct ap_err *err)
{
    struct hash_set seen;
    AP_TRY(set_init(&seen, (size_t)count, err));
    ap_status st = AP_OK;
    for (int64_t i = 0; i < count && st == AP_OK; i++) {
        struct ap_problem p;
        st = make_distinct(task, source, split, seed, (uint64_t)(first + i), &seen, &p, err);
        if (st != AP_OK)
            break;
        st = rename_task(task, &p, err);
        if (st == AP_OK)
            st = ap__problems_add(out, &p, err);
        if (st != AP_OK)
            ap__problem_deinit(&p);
    }
    ap__free(seen.slot);
    return st;
}

/* ---- files ---- */

static bool shared_file(const struct ap_task *task)
{
    return task->train.file && task->heldout.file && strcmp(task->train.file, task->heldout.file) == 0;
}

/* Drop repeated content and, of a shared file, the other split's problems. */
static ap_status keep_split(const struct ap_task *task, enum ap_split split, struct ap_problems *ps, struct ap_err *err)
{
    struct hash_set seen;
    size_t kept = 0;
    AP_TRY(set_init(&seen, ps->n, err));
    for (size_t i = 0; i < ps->n; i++) {
        bool wanted = !shared_file(task) || ap__problem_is_heldout(&ps->item[i]) == (split == AP_HELDOUT);
        if (wanted && set_add(&seen, ap__problem_hash(&ps->item[i])))
            ps->item[kept++] = ps->item[i];
        else
            ap__problem_deinit(&ps->item[i]);
    }
    ps->n = kept;
    ap__free(seen.slot);
    return AP_OK;
}

static ap_status load_file(const struct ap_task *task, const struct ap_problem_source *source, enum ap_split split,
                           struct ap_err *err)
{
    struct ap_task_storage *storage = task->storage;
    struct ap_problems *ps = &storage->file[split];
    if (storage->loaded[split])
        return AP_OK;
    ap_status st = ap__problems_import(source->file, source->format, task, 0, ps, err);
    if (st == AP_OK)
        st = keep_split(task, split, ps, err);
    if (st != AP_OK)
        ap__problems_deinit(ps);
    storage->loaded[split] = st == AP_OK;
    return st;
}

static ap_status from_file(const struct ap_task *task, const struct ap_problem_source *source, enum ap_split split,
                           int64_t first, int64_t count, struct ap_problems *out, struct ap_err *err)
{
    AP_TRY(load_file(task, source, split, err));
    const struct ap_problems *all = &((struct ap_task_storage *)task->storage)->file[split];
    if ((uint64_t)first + (uint64_t)count > all->n)
        return ap__fail(err, AP_E_LIMIT, source->file, "%lld %s problems are wanted, but the file has only %zu of them",
                        (long long)(first + count), split == AP_HELDOUT ? "held-out" : "training", all->n);
    for (int64_t i = first; i < first + count; i++) {
        struct ap_problem p;
        AP_TRY(ap__problem_copy(&all->item[i], &p, err));
        ap_status st = ap__problems_add(out, &p, err);
        if (st != AP_OK) {
            ap__problem_deinit(&p);
            return st;
        }
    }
    return AP_OK;
}

ap_status ap__task_problems(const struct ap_task *task, enum ap_split split, uint64_t seed, int64_t first,
                            int64_t count, struct ap_problems *out, struct ap_err *err)
{
    const struct ap_problem_source *source = split == AP_HELDOUT ? &task->heldout : &task->train;
    size_t before = out->n;
    if (first < 0 || count < 0 || first > INT64_MAX / 4 || count > INT32_MAX)
        return ap__fail(err, AP_E_ARG, task->name, "problems %lld to %lld cannot be made", (long long)first,
                        (long long)count);
    ap_status st = source->generator ? generate(task, source, split, seed, first, count, out, err)
                                     : from_file(task, source, split, first, count, out, err);
    while (st != AP_OK && out->n > before)
        ap__problem_deinit(&out->item[--out->n]);
    return st;
}
