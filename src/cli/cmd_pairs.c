/* cmd_pairs.c - `apprentice pairs`: preference pairs from a run's chains, and their export. */
#include "cli/stage.h"
#include "store/export.h"

#include <stdio.h>

static const char *export_path, *chains_path;

static const struct ap_option options[] = {
    AP_OPTION_STR("export", "FILE", &export_path, "also write the pairs as JSON lines (TRL's preference format)"),
    AP_OPTION_STR("export-chains", "FILE", &chains_path, "also write all chains as JSON lines"),
    AP_OPTION_END,
};

static ap_status make_pairs(struct ap_run *run, struct ap_err *err)
{
    const struct ap_task *const *tasks = (const struct ap_task *const *)run->task;
    int64_t n = 0;
    AP_TRY(ap__run_pairs(run, err));
    AP_TRY(ap__store_flush(run->store, err));
    if (export_path != NULL) {
        AP_TRY(ap__export_pairs(run->store, tasks, run->recipe.task_count, export_path, &n, err));
        ap__run_say(run, "%s: %lld pairs", export_path, (long long)n);
    }
    if (chains_path != NULL) {
        AP_TRY(ap__export_chains(run->store, tasks, run->recipe.task_count, chains_path, &n, err));
        ap__run_say(run, "%s: %lld chains", chains_path, (long long)n);
    }
    return AP_OK;
}

static int run(int argc, char **argv)
{
    return ap__stage_command(&ap__cmd_pairs, argc, argv, make_pairs);
}

const struct ap_command ap__cmd_pairs = {
    .name = "pairs",
    .summary = "make preference pairs of a run's chains",
    .usage = "RUN_FOLDER [--export FILE] [--export-chains FILE]",
    .options = options,
    .example = "apprentice pairs runs/demo-1 --export pairs.jsonl",
    .run = run,
};
