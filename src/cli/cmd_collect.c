/* cmd_collect.c - `apprentice collect`: the chains of a run, from teacher and student. */
#include "cli/stage.h"

static const struct ap_option options[] = {
    AP_TEACHER_OPTIONS,
    AP_OPTION_END,
};

static int run(int argc, char **argv)
{
    return ap__stage_command(&ap__cmd_collect, argc, argv, ap__run_collect);
}

const struct ap_command ap__cmd_collect = {
    .name = "collect",
    .summary = "sample the chains of a run that are still missing",
    .usage = "RUN_FOLDER [--budget X] [--teacher-url URL] [--replay FILE]",
    .options = options,
    .example = "apprentice collect runs/demo-1\n"
               "apprentice collect runs/remote-1 --budget 20     # go on with more money",
    .run = run,
};
