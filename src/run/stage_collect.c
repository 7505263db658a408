/* stage_collect.c - from tasks to problems, from problems to chains, from chains to pairs. */
#include "base/progress.h"
#include "base/rng.h"
#include "preference/pairs.h"
#include "run/actor.h"
#include "run/given.h"
#include "run/sample.h"
#include "tasks/augment.h"

#include <stdio.h>
#include <string.h>

/* ---- problems ---- */

/* A problem that the store has under other content or in the other split is not wanted twice. */
static ap_status add_if_new(struct ap_run *run, enum ap_split split, const struct ap_problem *problem, bool *added,
                            struct ap_err *err)
{
    ap_status status = ap__store_add_problem(run->store, split, problem, err);
    *added = status == AP_OK;
    return status == AP_E_EXISTS ? AP_OK : status;
}

static ap_status add_split(struct ap_run *run, const struct ap_task *task, enum ap_split split, int64_t count,
                           struct ap_problems *out, struct ap_err *err)
{
    AP_TRY(ap__task_problems(task, split, (uint64_t)run->recipe.seed, 0, count, out, err));
    int64_t missing = 0;
    for (size_t i = 0; i < out->n; i++) {
        bool added;
        AP_TRY(add_if_new(run, split, &out->item[i], &added, err));
        missing += !added;
    }
    if (missing > 0)
        ap__run_say(run, "%s: %lld problems left out, their content is in the run already", task->name,
                    (long long)missing);
    return AP_OK;
}

/* count further problems, each derived from one of base; an origin that yields nothing new is passed over. */
static ap_status add_augmented(struct ap_run *run, const struct ap_problems *base, int64_t count, struct ap_err *err)
{
    int64_t made = 0;
    for (uint64_t attempt = 0; made < count && attempt < 4 * (uint64_t)count; attempt++) {
        const struct ap_problem *origin = &base->item[attempt % base->n];
        struct ap_rng rng = ap__rng_make((uint64_t)run->recipe.seed, "augment", ap__problem_hash(origin), attempt, 0);
        struct ap_problem derived = {0};
        bool possible = false, added = false;
        AP_TRY(ap__problem_augment(origin, &rng, (enum ap_augment)(attempt % AP_AUGMENT_COUNT), &derived, &possible,
                                   err));
        ap_status status = possible ? add_if_new(run, AP_TRAIN, &derived, &added, err) : AP_OK;
        ap__problem_deinit(&derived);
        AP_TRY(status);
        made += added;
    }
    return AP_OK;
}

static ap_status add_task(struct ap_run *run, const struct ap_task *task, struct ap_err *err)
{
    struct ap_problems train = {0}, heldout = {0};
    int64_t augmented = (int64_t)(run->recipe.collect.augment * (double)run->recipe.collect.problems);
    ap_status status = add_split(run, task, AP_HELDOUT, run->recipe.evaluate.problems, &heldout, err);
    if (status == AP_OK)
        status = add_split(run, task, AP_TRAIN, run->recipe.collect.problems - augmented, &train, err);
    if (status == AP_OK && train.n > 0)
        status = add_augmented(run, &train, augmented, err);
    ap__problems_deinit(&train);
    ap__problems_deinit(&heldout);
    return status;
}

ap_status ap__run_problems(struct ap_run *run, struct ap_err *err)
{
    bool done;
    AP_TRY(ap__stage_begin(run, "problems", &done, err));
    if (done)
        return AP_OK;
    ap_status status = AP_OK;
    for (int32_t t = 0; t < run->recipe.task_count && status == AP_OK; t++)
        status = add_task(run, run->task[t], err);
    return ap__stage_finish(run, status, err);
}

/* ---- collect ---- */

static ap_status collect_task(struct ap_run *run, struct ap_llm *llm, const char *actor,
                              const struct ap_recipe_actor *who, const struct ap_task *task, struct ap_err *err)
{
    struct ap_problems problems = {0};
    int64_t planned, lost;
    ap_status status = ap__store_problems(run->store, task->name, AP_TRAIN, &problems, err);
    struct ap_sample_plan plan = {
        .task = task, .problems = &problems, .actor = actor, .purpose = AP_FOR_COLLECT,
        .samples = who->samples, .temperature = who->temperature, .temperature_count = who->temperature_count,
        .judge_soundness = true,
        .seed = (uint64_t)run->recipe.seed, .in_flight = (int32_t)run->recipe.collect.in_flight,
    };
    if (status == AP_OK)
        status = ap__sample_run(run->store, llm, &plan, &planned, &lost, err);
    if (status == AP_OK)
        status = ap__actor_lost(run, llm, task->name, lost, planned, err);
    ap__problems_deinit(&problems);
    return status;
}

static ap_status collect_actor(struct ap_run *run, const char *actor, const struct ap_recipe_actor *who,
                               const char *dir, struct ap_err *err)
{
    char stage[32];
    bool done;
    if (dir == NULL || who->samples == 0)
        return AP_OK;
    snprintf(stage, sizeof stage, "collect-%s", actor);
    AP_TRY(ap__stage_begin(run, stage, &done, err));
    if (done)
        return AP_OK;
    struct ap_llm *llm = NULL;
    ap_status status = ap__actor_open(run, who, dir, who->adapter, &llm, err);
    for (int32_t t = 0; t < run->recipe.task_count && status == AP_OK; t++)
        status = collect_task(run, llm, actor, who, run->task[t], err);
    return ap__stage_finish(run, ap__actor_close(run, llm, status, err), err);
}

/* A gold chain is one like any other: it is run, judged and stored with its tokens. */
static ap_status add_gold(struct ap_run *run, const struct ap_task *task, struct ap_given *given,
                          const struct ap_problem *problem, struct ap_err *err)
{
    struct ap_stored_chain row = {
        .key = {.problem = problem->id, .actor = "gold", .purpose = AP_FOR_COLLECT, .sample = 0}, .sound = true};
    bool exists, ok = false;
    AP_TRY(ap__store_chain_exists(run->store, &row.key, &exists, err));
    if (exists || problem->call_count == 0)
        return AP_OK;
    AP_TRY(ap__given_render(given, problem, (const char *const *)problem->call, problem->call_count, &row.chain, &ok,
                            err));
    ap_status status = ap__task_judge(task, problem, &row.chain, err);
    if (status == AP_OK && ok && row.chain.verdict == AP_CORRECT)
        status = ap__store_add_chain(run->store, &row, err);
    ap__chain_deinit(&row.chain);
    return status;
}

static ap_status collect_gold(struct ap_run *run, struct ap_err *err)
{
    bool done;
    AP_TRY(ap__stage_begin(run, "collect-gold", &done, err));
    if (done)
        return AP_OK;
    struct ap_given given;
    ap_status status = AP_OK;
    ap__given_init(&given, run);
    for (int32_t t = 0; t < run->recipe.task_count && status == AP_OK; t++) {
        struct ap_problems problems = {0};
        status = ap__store_problems(run->store, run->task[t]->name, AP_TRAIN, &problems, err);
        for (size_t i = 0; i < problems.n && status == AP_OK; i++)
            status = add_gold(run, run->task[t], &given, &problems.item[i], err);
        ap__problems_deinit(&problems);
    }
    ap__given_deinit(&given);
    return ap__stage_finish(run, status, err);
}

ap_status ap__run_collect(struct ap_run *run, struct ap_err *err)
{
    AP_TRY(ap__run_problems(run, err));
    if (strcmp(run->recipe.collect.gold, "") != 0)
        AP_TRY(collect_gold(run, err));
    AP_TRY(collect_actor(run, "teacher", &run->recipe.teacher, run->teacher, err));
    return collect_actor(run, "student", &run->recipe.student, run->student, err);
}

/* ---- pairs ---- */

ap_status ap__run_pairs(struct ap_run *run, struct ap_err *err)
{
    bool done;
    AP_TRY(ap__stage_require(run, "collect-student", "collect", err));
    AP_TRY(ap__stage_begin(run, "pairs", &done, err));
    if (done)
        return AP_OK;
    struct ap_pair_options options = {
        .per_problem = run->recipe.pairs.per_problem, .total = run->recipe.pairs.total,
        .gold = strcmp(run->recipe.collect.gold, "chosen") == 0, .seed = (uint64_t)run->recipe.seed};
    struct ap_pair_counts counts;
    ap_status status = ap__pairs_build(run->store, &options, &counts, err);
    if (status == AP_OK && counts.pairs == 0)
        status = ap__fail(err, AP_E_STATE, ap__store_dir(run->store),
                          "no problem has both a sound correct chain and a wrong one (%lld problems, %lld correct, "
                          "%lld sound, %lld wrong chains); sample more, hotter, or use gold chains",
                          (long long)counts.problems, (long long)counts.correct, (long long)counts.sound,
                          (long long)counts.wrong);
    if (status == AP_OK)
        ap__run_say(run, "pairs: %lld from %lld of %lld problems (%lld sound and %lld wrong chains, %lld duplicates)",
                    (long long)counts.pairs, (long long)counts.pairable, (long long)counts.problems,
                    (long long)counts.sound, (long long)counts.wrong, (long long)counts.duplicates);
    if (status == AP_OK && counts.silent > 0)
        ap__run_say(run, "warning: %lld of %lld problem templates have no pair; nothing is taught about them",
                    (long long)counts.silent, (long long)counts.templates);
    return ap__stage_finish(run, status, err);
}
