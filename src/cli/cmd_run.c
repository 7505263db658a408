/* cmd_run.c - `apprentice run`: a recipe from problems to report. */
#include "base/data.h"
#include "base/file.h"
#include "base/progress.h"
#include "base/text.h"
#include "cli/command.h"
#include "cli/stage.h"

#include <stdio.h>
#include <string.h>

static const char *out_dir;
static int64_t seed = -1;

static const struct ap_option options[] = {
    AP_OPTION_STR("out", "DIR", &out_dir, "the run's folder; one that exists is continued (default: runs/NAME-SEED)"),
    AP_OPTION_INT("seed", 0, INT64_MAX, &seed, "instead of the recipe's seed"),
    AP_TEACHER_OPTIONS,
    AP_OPTION_END,
};

/* "runs/demo-1" for recipes/demo.yaml and seed 1. */
static ap_status default_dir(const char *recipe, char *out, size_t cap, struct ap_err *err)
{
    struct ap_recipe parsed;
    AP_TRY(ap__recipe_load(recipe, &parsed, err));
    snprintf(out, cap, "runs/%s-%lld", parsed.name, (long long)(seed >= 0 ? seed : parsed.seed));
    ap__recipe_free(&parsed);
    return AP_OK;
}

static ap_status run_recipe(const char *name, const char **dir, char *buffer, size_t cap, struct ap_err *err)
{
    char *path = NULL;
    struct ap_run run;
    AP_TRY(ap__data_find(name, &path, err));
    ap_status status = AP_OK;
    *dir = out_dir;
    if (out_dir == NULL) {
        status = default_dir(path, buffer, cap, err);
        *dir = buffer;
    }
    if (status == AP_OK)
        status = ap__run_create(*dir, path, seed, &run, err);
    if (status == AP_OK) {
        run.say = ap__stage_say;
        run.overrides = ap__stage_overrides;
        status = ap__stage_close(&run, ap__run_all(&run, err), err);
    }
    ap__free(path);
    return status;
}

static int run(int argc, char **argv)
{
    struct ap_args args;
    struct ap_err err;
    char buffer[256];
    const char *dir = NULL;
    int code = ap__options_parse(&ap__cmd_run, argc, argv, 1, 1, &args);
    if (code >= 0)
        return code;
    ap__interrupt_install();
    if (run_recipe(args.v[0], &dir, buffer, sizeof buffer, &err) != AP_OK)
        return ap__cli_fail(&err);
    printf("%s/report.html\n", dir);
    return AP_EXIT_OK;
}

const struct ap_command ap__cmd_run = {
    .name = "run",
    .summary = "do a whole recipe: collect, pairs, train, evaluate, report",
    .usage = "RECIPE.yaml [--out DIR] [--seed N]",
    .options = options,
    .example = "apprentice run recipes/demo.yaml\n"
               "apprentice run recipes/demo.yaml --seed 2 --out runs/second   # again to continue a killed run",
    .run = run,
};
