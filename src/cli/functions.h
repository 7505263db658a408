/* functions.h - the functions that a command line names: sets, single ones, or those of a task.
 *
 *   "math,fol"  "Sum,Prove"  "my-task.yaml"  "math-word"     and --plugin LIB.so before all of them */
#ifndef AP_CLI_FUNCTIONS_H
#define AP_CLI_FUNCTIONS_H

#include "cli/options.h"
#include "tasks/task.h"

#define AP_OPTION_PLUGIN(target_) \
    AP_OPTION_LIST("plugin", "LIB.so", target_, "load a plug-in: its functions can be named like built-in ones")

struct ap_functions {
    struct ap_registry *registry; /* borrowed from task when there is one */
    struct ap_task *task;
};

/* Load what --plugin names. */
ap_status ap__plugins_load(const struct ap_option_list *plugins, struct ap_err *err) AP_MUST_CHECK;
ap_status ap__functions_open(const char *names, const struct ap_option_list *plugins, struct ap_functions *out,
                             struct ap_err *err) AP_MUST_CHECK;
void ap__functions_close(struct ap_functions *functions);

#endif
