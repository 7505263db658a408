/* functions.h - the functions that a command line names: sets, single ones, or those of a task.
 *
 *   "math,fol"  "Sum,Prove"  "my-task.yaml" */
#ifndef AP_CLI_FUNCTIONS_H
#define AP_CLI_FUNCTIONS_H

#include "tasks/task.h"

struct ap_functions {
    struct ap_registry *registry; /* borrowed from task when there is one */
    struct ap_task *task;
};

ap_status ap__functions_open(const char *names, struct ap_functions *out, struct ap_err *err) AP_MUST_CHECK;
void ap__functions_close(struct ap_functions *functions);

/* `--plugin LIB.so`, which any command may have, before or behind its name: loaded and taken out of argv.
 * AP_E_ARG when the library's name is missing. */
ap_status ap__plugins_take(int *argc, char **argv, struct ap_err *err) AP_MUST_CHECK;

#endif
