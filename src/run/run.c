/* run.c - run folders: made or continued, stages begun and finished, and all of them in order. */
#include "run/run.h"

#include "base/data.h"
#include "base/file.h"
#include "base/machine.h"
#include "report/report.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void ap__run_say(const struct ap_run *run, const char *fmt, ...)
{
    if (run->say == NULL)
        return;
    char line[512];
    va_list args;
    va_start(args, fmt);
    vsnprintf(line, sizeof line, fmt, args);
    va_end(args);
    run->say(line);
}

/* Keep key = value, or fail when the folder was made with another value. */
static ap_status keep_meta(struct ap_run *run, const char *key, const char *value, const char *what,
                           struct ap_err *err)
{
    char *stored = NULL;
    AP_TRY(ap__store_meta(run->store, key, &stored, err));
    if (stored == NULL)
        return ap__store_set_meta(run->store, key, value, err);
    bool same = strcmp(stored, value) == 0;
    ap__free(stored);
    if (same)
        return AP_OK;
    return ap__fail(err, AP_E_STATE, ap__store_dir(run->store),
                    "this folder holds a run with another %s; name another folder, or remove it to start over", what);
}

/* What the bundled student's card says about how it was made weak, for the report. */
static ap_status keep_declaration(struct ap_run *run, struct ap_err *err)
{
    char *path = ap__path_join(run->student, "card.json");
    if (path == NULL)
        return ap__fail(err, AP_E_MEMORY, run->student, "no memory for a path");
    ap_status status = AP_OK;
    if (ap__file_exists(path)) {
        json_t *card = NULL;
        status = ap__json_load(path, &card, err);
        const char *text = status == AP_OK ? ap__json_str_or(card, "declaration", NULL) : NULL;
        if (text != NULL)
            status = ap__store_set_meta(run->store, "student_declaration", text, err);
        json_decref(card);
    }
    ap__free(path);
    return status;
}

static ap_status keep_all_meta(struct ap_run *run, struct ap_err *err)
{
    char seed[32], machine[256];
    ap__machine_describe(machine, sizeof machine);
    snprintf(seed, sizeof seed, "%lld", (long long)run->recipe.seed);
    AP_TRY(keep_meta(run, "recipe", run->recipe.text, "recipe", err));
    AP_TRY(keep_meta(run, "seed", seed, "seed", err));
    AP_TRY(ap__store_set_meta(run->store, "recipe_path", run->recipe.path, err));
    AP_TRY(ap__store_set_meta(run->store, "machine", machine, err));
    AP_TRY(ap__store_set_meta(run->store, "version", ap_version(), err));
    AP_TRY(ap__store_set_meta(run->store, "student_model", run->recipe.student.model, err));
    if (run->recipe.teacher.model != NULL)
        AP_TRY(ap__store_set_meta(run->store, "teacher_model", run->recipe.teacher.model, err));
    AP_TRY(keep_declaration(run, err));
    return ap__store_flush(run->store, err);
}

/* Tasks and model folders; checked before the first stage, so that a wrong name costs nothing. */
static ap_status open_parts(struct ap_run *run, struct ap_err *err)
{
    for (int32_t i = 0; i < run->recipe.task_count; i++)
        AP_TRY(ap__task_open(run->recipe.task[i], &run->task[i], err));
    AP_TRY(ap__data_find(run->recipe.student.model, &run->student, err));
    if (run->recipe.teacher.is_remote) {
        run->teacher = ap__strdup(run->recipe.teacher.model);
        return run->teacher != NULL ? AP_OK : ap__fail(err, AP_E_MEMORY, NULL, "no memory for a name");
    }
    if (run->recipe.teacher.model != NULL)
        AP_TRY(ap__data_find(run->recipe.teacher.model, &run->teacher, err));
    return AP_OK;
}

static void release(struct ap_run *run)
{
    for (int32_t i = 0; i < run->recipe.task_count; i++)
        ap__task_free(run->task[i]);
    ap__free(run->student);
    ap__free(run->teacher);
    ap__store_free(run->store);
    ap__recipe_free(&run->recipe);
    memset(run, 0, sizeof *run);
}

ap_status ap__run_create(const char *dir, const char *recipe_path, int64_t seed, struct ap_run *out,
                         struct ap_err *err)
{
    memset(out, 0, sizeof *out);
    AP_TRY(ap__recipe_load(recipe_path, &out->recipe, err));
    if (seed >= 0)
        out->recipe.seed = seed;
    ap_status status = open_parts(out, err);
    if (status == AP_OK)
        status = ap__store_open(dir, AP_STORE_WRITE, &out->store, err);
    if (status == AP_OK)
        status = keep_all_meta(out, err);
    if (status != AP_OK)
        release(out);
    return status;
}

static ap_status read_own_recipe(struct ap_run *run, struct ap_err *err)
{
    char *text = NULL, *seed = NULL;
    const char *dir = ap__store_dir(run->store);
    ap_status status = ap__store_meta(run->store, "recipe", &text, err);
    if (status == AP_OK)
        status = ap__store_meta(run->store, "seed", &seed, err);
    if (status == AP_OK && (text == NULL || seed == NULL))
        status = ap__fail(err, AP_E_FORMAT, dir, "the store names no recipe; make the run with `apprentice run`");
    if (status == AP_OK)
        status = ap__recipe_parse(text, dir, &run->recipe, err);
    if (status == AP_OK)
        run->recipe.seed = strtoll(seed, NULL, 10);
    ap__free(text);
    ap__free(seed);
    return status;
}

ap_status ap__run_open(const char *dir, struct ap_run *out, struct ap_err *err)
{
    memset(out, 0, sizeof *out);
    char *db = ap__path_join(dir, "run.db");
    if (db == NULL)
        return ap__fail(err, AP_E_MEMORY, dir, "no memory for a path");
    bool there = ap__file_exists(db);
    ap__free(db);
    if (!there)
        return ap__fail(err, AP_E_NOT_FOUND, dir, "no run in this folder; `apprentice run RECIPE --out %s` makes one", dir);
    ap_status status = ap__store_open(dir, AP_STORE_WRITE, &out->store, err);
    if (status == AP_OK)
        status = read_own_recipe(out, err);
    if (status == AP_OK)
        status = open_parts(out, err);
    if (status != AP_OK)
        release(out);
    return status;
}

ap_status ap__run_close(struct ap_run *run, struct ap_err *err)
{
    ap_status status = run->store != NULL ? ap__store_flush(run->store, err) : AP_OK;
    release(run);
    return status;
}

/* ---- stages ---- */

/* The recipe is fixed for a folder, so every stage has the same fingerprint. */
static uint64_t fingerprint(const struct ap_run *run)
{
    return ap__hash64(run->recipe.text, strlen(run->recipe.text), (uint64_t)run->recipe.seed);
}

ap_status ap__stage_begin(struct ap_run *run, const char *name, bool *done, struct ap_err *err)
{
    struct ap_stage stage;
    AP_TRY(ap__store_stage(run->store, name, &stage, err));
    *done = stage.state == AP_STAGE_DONE;
    return *done ? AP_OK : ap__store_begin_stage(run->store, name, fingerprint(run), err);
}

ap_status ap__stage_finish(struct ap_run *run, ap_status status, struct ap_err *err)
{
    if (status == AP_OK)
        return ap__store_end_stage(run->store, true, err);
    struct ap_err second; /* the first failure is the one to tell */
    ap_status ignored = ap__store_end_stage(run->store, false, &second);
    (void)ignored;
    return status;
}

ap_status ap__stage_require(struct ap_run *run, const char *name, const char *command, struct ap_err *err)
{
    struct ap_stage stage;
    AP_TRY(ap__store_stage(run->store, name, &stage, err));
    if (stage.state == AP_STAGE_DONE)
        return AP_OK;
    return ap__fail(err, AP_E_STATE, ap__store_dir(run->store), "the stage `%s` is not finished; run `apprentice %s %s` first",
                    name, command, ap__store_dir(run->store));
}

ap_status ap__run_report(struct ap_run *run, struct ap_err *err)
{
    AP_TRY(ap__store_flush(run->store, err));
    return ap__report_write(run->store, err);
}

ap_status ap__run_all(struct ap_run *run, struct ap_err *err)
{
    AP_TRY(ap__run_problems(run, err));
    AP_TRY(ap__run_collect(run, err));
    AP_TRY(ap__run_pairs(run, err));
    AP_TRY(ap__run_train(run, AP_METHOD_DPO, err));
    if (run->recipe.control)
        AP_TRY(ap__run_train(run, AP_METHOD_SFT, err));
    AP_TRY(ap__run_evaluate(run, AP_BEFORE, err));
    if (run->recipe.control)
        AP_TRY(ap__run_evaluate(run, AP_CONTROL, err));
    AP_TRY(ap__run_evaluate(run, AP_AFTER, err));
    if (run->recipe.evaluate.teacher)
        AP_TRY(ap__run_evaluate(run, AP_TEACHER, err));
    return ap__run_report(run, err);
}
