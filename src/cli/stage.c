/* stage.c - commands on run folders: open, do one stage, close. */
#include "cli/stage.h"

#include "base/progress.h"

#include <stdio.h>

struct ap_run_overrides ap__stage_overrides;

void ap__stage_say(const char *line)
{
    fprintf(stderr, "%s\n", line);
}

ap_status ap__stage_close(struct ap_run *run, ap_status status, struct ap_err *err)
{
    struct ap_err second;
    ap_status closed = ap__run_close(run, status == AP_OK ? err : &second);
    return status != AP_OK ? status : closed;
}

int ap__stage_command(const struct ap_command *command, int argc, char **argv,
                      ap_status (*stage)(struct ap_run *run, struct ap_err *err))
{
    struct ap_args args;
    struct ap_run run;
    struct ap_err err;
    int code = ap__options_parse(command, argc, argv, 1, 1, &args);
    if (code >= 0)
        return code;
    ap__interrupt_install();
    if (ap__run_open(args.v[0], &run, &err) != AP_OK)
        return ap__cli_fail(&err);
    run.say = ap__stage_say;
    run.overrides = ap__stage_overrides;
    if (ap__stage_close(&run, stage(&run, &err), &err) != AP_OK)
        return ap__cli_fail(&err);
    return AP_EXIT_OK;
}
