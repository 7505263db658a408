/* main.c - find the command, run it, tell the truth in the exit code.
 *
 *     apprentice NAME ...  -->  commands  -->  ap__cmd_NAME.run  -->  flush stdout  -->  exit code
 *
 * A result that could not be written (full disk, closed pipe) is a failure,
 * whatever the command said. */
#include "base/progress.h"
#include "base/text.h"
#include "cli/command.h"
#include "cli/environment.h"
#include "cli/functions.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Every command, in the order of the help.  To add one: cmd_NAME.c, a name in command.h, a line here. */
static const struct ap_command *const commands[] = {
    &ap__cmd_run,
    &ap__cmd_solve,
    &ap__cmd_problems,
    &ap__cmd_collect,
    &ap__cmd_pairs,
    &ap__cmd_train,
    &ap__cmd_eval,
    &ap__cmd_report,
    &ap__cmd_export,
    &ap__cmd_compare,
    &ap__cmd_call,
    &ap__cmd_prove,
    &ap__cmd_mcp,
    &ap__cmd_tokenize,
    &ap__cmd_template,
    &ap__cmd_model,
    &ap__cmd_bench,
    NULL,
};
#define COMMAND_COUNT (sizeof commands / sizeof *commands - 1)

static void print_overview(FILE *to)
{
    fputs("apprentice - teach a small language model to solve problems by calling functions\n\n"
          "Usage: apprentice COMMAND [--option VALUE ...] [argument ...]\n\nCommands\n", to);
    for (const struct ap_command *const *c = commands; *c; c++)
        fprintf(to, "  %-12s %s\n", (*c)->name, (*c)->summary);
    fputs("  help         explain a command: apprentice help COMMAND\n"
          "\nOptions\n  --version    print the version\n  --help       print this, or after a command its help\n"
          "  --plugin LIB.so   before or after any command: load functions (docs/FUNCTIONS.md)\n", to);
}

static const struct ap_command *find(const char *name)
{
    for (const struct ap_command *const *c = commands; *c; c++)
        if (strcmp((*c)->name, name) == 0)
            return *c;
    return NULL;
}

static int unknown_command(const char *name)
{
    const char *names[COMMAND_COUNT + 3] = {"help", "--help", "--version"};
    size_t n = 3;
    for (const struct ap_command *const *c = commands; *c; c++)
        names[n++] = (*c)->name;
    const char *near = ap__nearest(name, names, n);
    fprintf(stderr, "apprentice: unknown %s `%s`", name[0] == '-' ? "option" : "command", name);
    if (near)
        fprintf(stderr, "; did you mean `%s`?", near);
    fputs("\nSee `apprentice help`.\n", stderr);
    return AP_EXIT_USAGE;
}

static int help(const char *name)
{
    if (!name) {
        print_overview(stdout);
        return AP_EXIT_OK;
    }
    const struct ap_command *command = find(name);
    return command ? ap__options_print_help(command) : unknown_command(name);
}

static int dispatch(int argc, char **argv)
{
    if (argc < 2) {
        print_overview(stderr);
        return AP_EXIT_USAGE;
    }
    const char *name = argv[1];
    if (!strcmp(name, "--version")) {
        printf("apprentice %s\n", ap_version());
        return AP_EXIT_OK;
    }
    if (!strcmp(name, "help") || !strcmp(name, "--help") || !strcmp(name, "-h"))
        return help(argc > 2 ? argv[2] : NULL);
    const struct ap_command *command = find(name);
    return command ? command->run(argc - 1, argv + 1) : unknown_command(name);
}

/* Plug-ins are there before any command looks for functions. */
static int with_plugins(int argc, char **argv)
{
    struct ap_err err = {0};
    ap_status status = ap__plugins_take(&argc, argv, &err);
    if (status == AP_OK)
        return dispatch(argc, argv);
    (void)ap__cli_fail(&err);
    return status == AP_E_ARG ? AP_EXIT_USAGE : AP_EXIT_FAILED;
}

/* A file opened while stdout is closed would become stdout and receive our
 * results.  Fill such gaps with what cannot be written. */
static void fill_standard_streams(void)
{
    int fd;
    do
        fd = open("/dev/null", O_RDONLY);
    while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd >= 0)
        close(fd);
}

int main(int argc, char **argv)
{
    fill_standard_streams();
    ap__environment_settle(argv);
    signal(SIGPIPE, SIG_IGN); /* a closed pipe is a write error, reported below */
    ap__interrupt_install();
    int rc = with_plugins(argc, argv);
    errno = 0;
    if (fflush(stdout) != 0 || ferror(stdout)) {
        const char *reason = errno ? strerror(errno) : "an earlier write failed";
        fprintf(stderr, "apprentice: cannot write the output: %s\n", reason);
        return rc == AP_EXIT_OK ? AP_EXIT_FAILED : rc;
    }
    return rc;
}
