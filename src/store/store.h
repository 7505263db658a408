/* store.h - a run's memory: everything that happened, in one SQLite file, as it happens.
 *
 *     RUN/run.db   problems --< chains --< steps        pairs (two chains of one problem)
 *                  metrics (per training step)          evaluations (notes about one evaluation)
 *                  stages (state, seconds)              meta (recipe text, seed, versions)
 *
 * One writer per run folder (RUN/run.lock), any number of readers beside it.  Writes are gathered
 * into transactions of up to 64 chains or half a second; a chain and its steps are always in the
 * same one, so a process killed at any instant loses at most the open transaction, and what it lost
 * is made again, the same, because chains are keyed by what they are for and not by when they came.
 *
 *     ap__store_open("runs/demo", AP_STORE_WRITE, &store, &err);
 *     if (!ap__store_chain_exists(store, &key, &there, &err) ...) ap__store_add_chain(store, &chain, &err);
 *     ap__store_flush(store, &err); ap__store_free(store);
 *
 * A store belongs to one thread at a time.  Failures are AP_E_DATABASE with the file as place. */
#ifndef AP_STORE_H
#define AP_STORE_H

#include "agent/chain.h"
#include "tasks/task.h" /* enum ap_split, struct ap_problem */

enum {
    AP_STORE_BATCH = 64,     /* writes per transaction */
    AP_SAMPLE_GREEDY = -1,   /* "sample" of a greedy chain; drawn ones are 0, 1, ... */
};

enum ap_store_mode {
    AP_STORE_WRITE, /* create the folder and the file when they are not there */
    AP_STORE_READ,  /* must exist; never written */
};

struct ap_store;
/* AP_E_NOT_FOUND: no run there (READ); AP_E_STATE: another process writes to it;
 * AP_E_FORMAT: not a run store, or one of another schema version. */
ap_status ap__store_open(const char *run_dir, enum ap_store_mode mode, struct ap_store **out,
                         struct ap_err *err) AP_MUST_CHECK;
/* Commit what is open.  Call it before _free: only here a failure can be told. */
ap_status ap__store_flush(struct ap_store *store, struct ap_err *err) AP_MUST_CHECK;
void ap__store_free(struct ap_store *store);           /* commits what it can; NULL is fine */
const char *ap__store_dir(const struct ap_store *store); /* borrowed */

/* ---- meta: "recipe" (its text), "recipe_path", "seed", "version", "teacher_model", "student_model",
 *      "student_declaration" (how the bundled student was made weak), "machine" ---- */
ap_status ap__store_set_meta(struct ap_store *store, const char *key, const char *value,
                             struct ap_err *err) AP_MUST_CHECK;
/* *value: ap__free it; NULL when the key is not there. */
ap_status ap__store_meta(struct ap_store *store, const char *key, char **value, struct ap_err *err) AP_MUST_CHECK;

/* ---- problems ---- */

/* Adding the same problem again is fine.  AP_E_EXISTS: its id names other content, its content is
 * already in the other split (of any task), or in this split of its task under another id. */
ap_status ap__store_add_problem(struct ap_store *store, enum ap_split split, const struct ap_problem *problem,
                                struct ap_err *err) AP_MUST_CHECK;
/* Append the problems of a task (NULL = all) and split, in the order they were added. */
ap_status ap__store_problems(struct ap_store *store, const char *task, enum ap_split split,
                             struct ap_problems *out, struct ap_err *err) AP_MUST_CHECK;
ap_status ap__store_problem(struct ap_store *store, const char *id, struct ap_problem *out,
                            struct ap_err *err) AP_MUST_CHECK; /* AP_E_NOT_FOUND */
ap_status ap__store_count_problems(struct ap_store *store, const char *task, enum ap_split split, int64_t *out,
                                   struct ap_err *err) AP_MUST_CHECK;
/* Names of the tasks with problems, in the order they came; release with ap__names_deinit. */
struct ap_names {
    char **item; /* (n,) */
    size_t n, cap;
};
void ap__names_deinit(struct ap_names *names);
ap_status ap__store_tasks(struct ap_store *store, struct ap_names *out, struct ap_err *err) AP_MUST_CHECK;

/* ---- chains ---- */

enum ap_purpose { AP_FOR_COLLECT, AP_FOR_EVAL };

/* What a chain is for; unique in a store. */
struct ap_chain_key {
    const char *problem; /* its id */
    const char *actor;   /* who wrote it: "teacher", "student", "gold"; for evaluations the
                            evaluation's name: "before", "control", "after", "teacher" */
    enum ap_purpose purpose;
    int32_t sample;      /* 0, 1, ... or AP_SAMPLE_GREEDY */
};

struct ap_stored_chain {
    int64_t id;              /* set by _add and when read */
    struct ap_chain_key key; /* when read: borrowed from `owned` */
    double temperature;
    uint64_t stream;         /* key of its random stream */
    bool sound;              /* may be taught (ap__task_sound); false when not judged */
    struct ap_chain chain;
    char *owned[2];          /* when read: storage of key.problem and key.actor */
};
void ap__stored_chain_deinit(struct ap_stored_chain *chain);

/* Chain, steps and tokens at once; sets chain->id.  AP_E_EXISTS when the key is taken,
 * AP_E_NOT_FOUND when the problem is not there. */
ap_status ap__store_add_chain(struct ap_store *store, struct ap_stored_chain *chain,
                              struct ap_err *err) AP_MUST_CHECK;
ap_status ap__store_chain_exists(struct ap_store *store, const struct ap_chain_key *key, bool *exists,
                                 struct ap_err *err) AP_MUST_CHECK;
/* tokens: also load ids and roles. AP_E_NOT_FOUND. */
ap_status ap__store_chain(struct ap_store *store, int64_t id, bool tokens, struct ap_stored_chain *out,
                          struct ap_err *err) AP_MUST_CHECK;

/* Which chains; NULL = any. */
struct ap_chain_filter {
    const char *task, *problem, *actor;
    enum ap_purpose purpose;
    bool steps, tokens; /* what to load beside the chain's own row */
};
/* May take the chain's contents by zeroing *chain.  A failure ends the walk and is returned. */
typedef ap_status (*ap_chain_visit)(void *user, struct ap_stored_chain *chain, struct ap_err *err);
/* In the order of problems, then actor, then sample: the same whatever order they were made in.
 * The visitor may write to the store. */
ap_status ap__store_each_chain(struct ap_store *store, const struct ap_chain_filter *filter, ap_chain_visit visit,
                               void *user, struct ap_err *err) AP_MUST_CHECK;
ap_status ap__store_count_chains(struct ap_store *store, const struct ap_chain_filter *filter, int64_t *out,
                                 struct ap_err *err) AP_MUST_CHECK;
/* Forget an actor's chains (a stage that starts over); its pairs go with them. */
ap_status ap__store_clear_chains(struct ap_store *store, const char *actor, enum ap_purpose purpose,
                                 struct ap_err *err) AP_MUST_CHECK;

/* ---- pairs ---- */

struct ap_pair {
    int64_t id;              /* set when read: 1, 2, ... in training order */
    char *problem;           /* id */
    int64_t chosen, rejected; /* chains */
    int32_t divergence;      /* first step in which they differ */
    char *provenance;        /* "teacher>student": who wrote the chosen and the rejected one */
    bool has_reference;
    double ref_chosen, ref_rejected; /* log-probs under the reference, summed over call tokens */
};
struct ap_pairs {
    struct ap_pair *item; /* (n,) */
    size_t n, cap;
};
void ap__pairs_deinit(struct ap_pairs *pairs);
/* Replace all pairs, in one transaction. */
ap_status ap__store_set_pairs(struct ap_store *store, const struct ap_pairs *pairs, struct ap_err *err) AP_MUST_CHECK;
ap_status ap__store_pairs(struct ap_store *store, struct ap_pairs *out, struct ap_err *err) AP_MUST_CHECK;
ap_status ap__store_set_reference(struct ap_store *store, int64_t pair, double ref_chosen, double ref_rejected,
                                  struct ap_err *err) AP_MUST_CHECK;

/* ---- metrics of a training ("dpo", "sft") ----
 * values: a flat object of numbers.  The report reads, each a mean over the step's pairs unless
 * said otherwise: "loss", "margin" (implicit reward margin), "accuracy" (share of pairs with a
 * positive margin), "reward_chosen", "reward_rejected", "logp_chosen", "logp_rejected",
 * "drift_chosen", "drift_rejected" (policy minus reference log-prob, nats per chain), "nll",
 * "grad_norm", "lr", "tokens_tree", "tokens_flat" (counts of the step), "seconds" (of the step). */
ap_status ap__store_add_metric(struct ap_store *store, const char *run, int64_t step, const json_t *values,
                               struct ap_err *err) AP_MUST_CHECK; /* replaces what stood at that step */
/* Array of objects with "step", ascending; the caller owns it. */
ap_status ap__store_metrics(struct ap_store *store, const char *run, json_t **out, struct ap_err *err) AP_MUST_CHECK;
/* Forget steps >= first (a training that resumes from a checkpoint; 0 = all). */
ap_status ap__store_clear_metrics(struct ap_store *store, const char *run, int64_t first,
                                  struct ap_err *err) AP_MUST_CHECK;

/* ---- evaluations: the chains are the result; this notes how it was made ----
 * note: an object such as {"model": dir, "adapter": dir, "samples": k, "temperature": t}. */
ap_status ap__store_set_evaluation(struct ap_store *store, const char *name, const char *task, const json_t *note,
                                   struct ap_err *err) AP_MUST_CHECK;
/* Array of {"name", "task", "note"} in the order they were first set; the caller owns it. */
ap_status ap__store_evaluations(struct ap_store *store, json_t **out, struct ap_err *err) AP_MUST_CHECK;

/* ---- stages ---- */

enum ap_stage_state { AP_STAGE_NEW, AP_STAGE_STARTED, AP_STAGE_DONE };
struct ap_stage {
    char name[32];
    enum ap_stage_state state;
    double seconds;       /* worked so far, over all processes */
    uint64_t fingerprint; /* of the inputs it was begun with */
};
/* AP_STAGE_NEW with zeros when it was never begun. */
ap_status ap__store_stage(struct ap_store *store, const char *name, struct ap_stage *out,
                          struct ap_err *err) AP_MUST_CHECK;
/* All stages in the order they were first begun; *out: ap__free it. */
ap_status ap__store_stages(struct ap_store *store, struct ap_stage **out, size_t *n, struct ap_err *err) AP_MUST_CHECK;
/* Begin or continue a stage: from here its time is counted and kept with every commit.  A
 * fingerprint other than the recorded one replaces it and sets the seconds to 0 (compare first
 * with ap__store_stage when the old contents must be cleared).  Flushes. */
ap_status ap__store_begin_stage(struct ap_store *store, const char *name, uint64_t fingerprint,
                                struct ap_err *err) AP_MUST_CHECK;
/* End the current stage: done, or only suspended (started, to be continued).  Flushes. */
ap_status ap__store_end_stage(struct ap_store *store, bool done, struct ap_err *err) AP_MUST_CHECK;

#endif
