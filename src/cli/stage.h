/* stage.h - what the commands on run folders share. */
#ifndef AP_STAGE_H
#define AP_STAGE_H

#include "cli/command.h"
#include "run/run.h"

/* A line about a stage, to stderr. */
void ap__stage_say(const char *line);
/* Close the run whatever happened; the first failure stays in err. */
ap_status ap__stage_close(struct ap_run *run, ap_status status, struct ap_err *err);
/* Parse the command line (one run folder), open the run, do `stage`, close; returns the exit code. */
int ap__stage_command(const struct ap_command *command, int argc, char **argv,
                      ap_status (*stage)(struct ap_run *run, struct ap_err *err));

#endif
