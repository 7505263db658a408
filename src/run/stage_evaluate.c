/* stage_evaluate.c - held-out problems, greedy and k samples each, by the student before and after. */
#include "base/file.h"
#include "run/actor.h"
#include "run/sample.h"

#include <stdio.h>

const char *ap__subject_text(enum ap_subject s)
{
    static const char *const text[AP_SUBJECT_COUNT] = {"before", "control", "after", "teacher"};
    return text[s];
}

/* Model and adapter of a subject; *adapter: ap__free it, NULL without one. */
static ap_status locate(struct ap_run *run, enum ap_subject subject, const char **model, char **adapter,
                        struct ap_err *err)
{
    const char *folder = subject == AP_AFTER ? "dpo" : subject == AP_CONTROL ? "control" : NULL;
    const char *given = subject == AP_TEACHER ? run->recipe.teacher.adapter : run->recipe.student.adapter;
    *model = subject == AP_TEACHER ? run->teacher : run->student;
    *adapter = folder != NULL  ? ap__path_join(ap__store_dir(run->store), folder)
               : given != NULL ? ap__strdup(given)
                               : NULL;
    if ((folder != NULL || given != NULL) && *adapter == NULL)
        return ap__fail(err, AP_E_MEMORY, NULL, "no memory for a path");
    if (*model == NULL)
        return ap__fail(err, AP_E_STATE, run->recipe.path, "the recipe names no teacher to evaluate");
    return AP_OK;
}

static ap_status note_evaluation(struct ap_run *run, const char *name, const char *task, const char *model,
                                 const char *adapter, int64_t samples, struct ap_err *err)
{
    json_t *note = json_pack("{s:s, s:s*, s:I, s:f}", "model", model, "adapter", adapter, "samples",
                             (json_int_t)samples, "temperature", run->recipe.evaluate.temperature);
    if (note == NULL)
        return ap__fail(err, AP_E_MEMORY, name, "no memory for an evaluation's note");
    ap_status status = ap__store_set_evaluation(run->store, name, task, note, err);
    json_decref(note);
    return status;
}

static ap_status evaluate_task(struct ap_run *run, struct ap_llm *llm, enum ap_subject subject,
                               const struct ap_task *task, int64_t samples, struct ap_err *err)
{
    struct ap_problems problems = {0};
    int64_t planned, lost;
    ap_status status = ap__store_problems(run->store, task->name, AP_HELDOUT, &problems, err);
    struct ap_sample_plan plan = {
        .task = task, .problems = &problems, .actor = ap__subject_text(subject), .purpose = AP_FOR_EVAL,
        .greedy = true, .samples = samples,
        .temperature = &run->recipe.evaluate.temperature, .temperature_count = 1,
        .seed = (uint64_t)run->recipe.seed, .in_flight = (int32_t)run->recipe.collect.in_flight,
    };
    if (status == AP_OK)
        status = ap__sample_run(run->store, llm, &plan, &planned, &lost, err);
    if (status == AP_OK)
        status = ap__actor_lost(run, llm, task->name, lost, planned, err);
    ap__problems_deinit(&problems);
    return status;
}

static ap_status evaluate_all(struct ap_run *run, enum ap_subject subject, struct ap_err *err)
{
    const char *model;
    char *adapter = NULL;
    struct ap_llm *llm = NULL;
    /* The teacher is a yardstick only: greedy. */
    int64_t samples = subject == AP_TEACHER ? 0 : run->recipe.evaluate.samples;
    const struct ap_recipe_actor *who = subject == AP_TEACHER ? &run->recipe.teacher : &run->recipe.student;
    ap_status status = locate(run, subject, &model, &adapter, err);
    if (status == AP_OK)
        status = ap__actor_open(run, who, model, adapter, &llm, err);
    for (int32_t t = 0; t < run->recipe.task_count && status == AP_OK; t++) {
        status = note_evaluation(run, ap__subject_text(subject), run->task[t]->name, model, adapter, samples, err);
        if (status == AP_OK)
            status = evaluate_task(run, llm, subject, run->task[t], samples, err);
    }
    status = ap__actor_close(run, llm, status, err);
    ap__free(adapter);
    return status;
}

ap_status ap__run_evaluate(struct ap_run *run, enum ap_subject subject, struct ap_err *err)
{
    char stage[32];
    bool done;
    if (subject == AP_AFTER)
        AP_TRY(ap__stage_require(run, "train", "train", err));
    if (subject == AP_CONTROL)
        AP_TRY(ap__stage_require(run, "control", "train", err));
    AP_TRY(ap__run_problems(run, err));
    snprintf(stage, sizeof stage, "evaluate-%s", ap__subject_text(subject));
    AP_TRY(ap__stage_begin(run, stage, &done, err));
    if (done)
        return AP_OK;
    return ap__stage_finish(run, evaluate_all(run, subject, err), err);
}
