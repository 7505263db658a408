/* stage.h - what the commands on run folders share. */
#ifndef AP_STAGE_H
#define AP_STAGE_H

#include "cli/command.h"
#include "run/run.h"

/* Options of commands that may ask a remote teacher; every command of a run folder hands the values to its run. */
extern struct ap_run_overrides ap__stage_overrides;
#define AP_TEACHER_OPTIONS                                                                                            \
    AP_OPTION_GROUP("A remote teacher, where it differs from the recipe (docs/TEACHERS.md)"),                          \
    AP_OPTION_STR("teacher-url", "URL", &ap__stage_overrides.url, "ask the teacher there"),                           \
    AP_OPTION_FLOAT("budget", 1e-6, 1e9, &ap__stage_overrides.budget, "what the run's teacher may cost in all"),      \
    AP_OPTION_INT("budget-tokens", 1, INT64_MAX / 4, &ap__stage_overrides.budget_tokens, "... in tokens"),            \
    AP_OPTION_STR("replay", "FILE", &ap__stage_overrides.replay, "a recorded teacher (a run's teacher.jsonl), offline")

/* A line about a stage, to stderr. */
void ap__stage_say(const char *line);
/* Close the run whatever happened; the first failure stays in err. */
ap_status ap__stage_close(struct ap_run *run, ap_status status, struct ap_err *err);
/* Parse the command line (one run folder), open the run, do `stage`, close; returns the exit code. */
int ap__stage_command(const struct ap_command *command, int argc, char **argv,
                      ap_status (*stage)(struct ap_run *run, struct ap_err *err));

#endif
