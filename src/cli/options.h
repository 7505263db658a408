/* options.h - the command line as a table.
 *
 *     static struct { const char *model; int64_t k; bool json; } opt = {.k = 1};
 *     static const struct ap_option options[] = {
 *         AP_OPTION_GROUP("Input"),
 *         AP_OPTION_STR("model", "DIR", &opt.model, "folder of the model"),
 *         AP_OPTION_INT("k", 1, 64, &opt.k, "samples per problem"),
 *         AP_OPTION_GROUP("Output"),
 *         AP_OPTION_FLAG("json", &opt.json, "print a summary as JSON"),
 *         AP_OPTION_END};
 *     struct ap_args args;
 *     int rc = ap__options_parse(&ap__cmd_eval, argc, argv, 1, 1, &args);
 *     if (rc >= 0)
 *         return rc;      (help was printed, or the command line was wrong)
 *     use(args.v[0]);
 *
 * The targets' values before parsing are the defaults that the help shows. */
#ifndef AP_OPTIONS_H
#define AP_OPTIONS_H

#include "base/alloc.h"

enum ap_option_type {
    AP_OPT_END, AP_OPT_GROUP, AP_OPT_STR, AP_OPT_INT, AP_OPT_FLOAT, AP_OPT_FLAG, AP_OPT_LIST
};

#define AP_OPTION_LIST_MAX 64 /* values of one repeated option */
#define AP_ARGS_MAX 64        /* positional arguments */

/* Values of an option that may be given several times, borrowed from argv. */
struct ap_option_list {
    const char *v[AP_OPTION_LIST_MAX]; /* (n,) */
    int n;
};

struct ap_option {
    enum ap_option_type type;
    const char *name;  /* without the dashes; a group: its title */
    const char *value; /* what help calls the value: "DIR", "FILE", "N" */
    void *target;      /* const char **, int64_t *, double *, bool *, struct ap_option_list * */
    double min, max;   /* FLOAT */
    int64_t imin, imax; /* INT */
    const char *help;
};

#define AP_OPTION_GROUP(title) {.type = AP_OPT_GROUP, .name = (title)}
#define AP_OPTION_STR(name_, value_, target_, help_) \
    {.type = AP_OPT_STR, .name = (name_), .value = (value_), .target = (target_), .help = (help_)}
#define AP_OPTION_INT(name_, min_, max_, target_, help_) \
    {.type = AP_OPT_INT, .name = (name_), .value = "N", .target = (target_), .imin = (min_), .imax = (max_), \
     .help = (help_)}
#define AP_OPTION_FLOAT(name_, min_, max_, target_, help_) \
    {.type = AP_OPT_FLOAT, .name = (name_), .value = "X", .target = (target_), .min = (min_), .max = (max_), \
     .help = (help_)}
#define AP_OPTION_FLAG(name_, target_, help_) \
    {.type = AP_OPT_FLAG, .name = (name_), .target = (target_), .help = (help_)}
#define AP_OPTION_LIST(name_, value_, target_, help_) \
    {.type = AP_OPT_LIST, .name = (name_), .value = (value_), .target = (target_), .help = (help_)}
#define AP_OPTION_END {.type = AP_OPT_END}

struct ap_args {
    const char *v[AP_ARGS_MAX + 1]; /* (n,), then NULL; borrowed from argv */
    int n;
};

struct ap_command;

/* Read argv[1..] into the targets of command->options and *args.  -h and
 * --help print the help to stdout; `--` ends the options.  Returns -1 to go on,
 * else the exit code to leave with.  A wrong command line is explained on stderr. */
int ap__options_parse(const struct ap_command *command, int argc, char **argv, int min_args, int max_args,
                      struct ap_args *args) AP_MUST_CHECK;

/* The pure part, without help and output: fails with AP_E_ARG and a sentence. */
ap_status ap__options_read(const struct ap_option *options, int argc, char **argv, struct ap_args *args,
                           struct ap_err *err) AP_MUST_CHECK;

/* Help text of a command, from its table. */
ap_status ap__options_help(const struct ap_command *command, struct ap_buf *out);

/* The same to stdout; returns the exit code. */
int ap__options_print_help(const struct ap_command *command);

/* For a command's own checks ("--adapter needs --model"): explains on stderr, returns AP_EXIT_USAGE. */
int ap__usage_fail(const struct ap_command *command, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
