/* command.h - what a command of the program is, and the list of them.
 *
 *     apprentice NAME --option VALUE argument...
 *        main.c finds NAME in AP_COMMANDS and calls its run with what follows
 *
 * A command lives in cmd_NAME.c, which defines `const struct ap_command ap__cmd_NAME`,
 * is declared here and listed in main.c.  run returns an exit code below.
 * Results go to stdout, everything else to stderr. */
#ifndef AP_COMMAND_H
#define AP_COMMAND_H

#include "cli/options.h"

enum ap_exit {
    AP_EXIT_OK = 0,
    AP_EXIT_FAILED = 1,        /* the operation failed, or its answer is "no" */
    AP_EXIT_USAGE = 2,         /* the command line is wrong */
    AP_EXIT_INTERRUPTED = 130, /* Ctrl-C */
};

struct ap_command {
    const char *name;                /* "collect" */
    const char *summary;             /* one line for `apprentice help` */
    const char *usage;               /* "RUN_FOLDER [--option ...]", without program and name */
    const struct ap_option *options; /* ends with AP_OPTION_END; NULL for none */
    const char *example;             /* one or more full command lines */
    int (*run)(int argc, char **argv); /* argv[0] is the command's name */
};

extern const struct ap_command ap__cmd_call, ap__cmd_prove, ap__cmd_solve, ap__cmd_problems;
extern const struct ap_command ap__cmd_run, ap__cmd_collect, ap__cmd_pairs, ap__cmd_train, ap__cmd_eval;
extern const struct ap_command ap__cmd_report, ap__cmd_export, ap__cmd_compare, ap__cmd_mcp, ap__cmd_tokenize, ap__cmd_model;
extern const struct ap_command ap__cmd_bench, ap__cmd_template;

/* Print "apprentice: PLACE: message" to stderr; the exit code that fits err. */
int ap__cli_fail(const struct ap_err *err);

#endif
