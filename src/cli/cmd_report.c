/* cmd_report.c - `apprentice report`: write a run's report.html and summary.json again. */
#include "base/file.h"
#include "cli/command.h"
#include "report/report.h"

#include <stdio.h>

static bool print_path;

static const struct ap_option options[] = {
    AP_OPTION_FLAG("open-path", &print_path, "print only the report's path, for a browser's command line"),
    AP_OPTION_END,
};

static ap_status print_paths(const char *dir, struct ap_err *err)
{
    char *report = ap__path_join(dir, "report.html"), *summary = ap__path_join(dir, "summary.json");
    bool ok = report && summary;
    if (ok)
        puts(report);
    if (ok && !print_path)
        puts(summary);
    ap__free(report);
    ap__free(summary);
    return ok ? AP_OK : ap__fail(err, AP_E_MEMORY, dir, "out of memory");
}

static int run(int argc, char **argv)
{
    struct ap_args args;
    struct ap_err err = {0};
    struct ap_store *store = NULL;
    int rc = ap__options_parse(&ap__cmd_report, argc, argv, 1, 1, &args);
    if (rc >= 0)
        return rc;
    ap_status status = ap__store_open(args.v[0], AP_STORE_READ, &store, &err);
    if (status == AP_OK)
        status = ap__report_write(store, &err);
    ap__store_free(store);
    if (status == AP_OK)
        status = print_paths(args.v[0], &err);
    return status == AP_OK ? AP_EXIT_OK : ap__cli_fail(&err);
}

const struct ap_command ap__cmd_report = {
    .name = "report",
    .summary = "write a run's report.html and summary.json again",
    .usage = "RUN_FOLDER",
    .options = options,
    .example = "apprentice report runs/demo-1\n"
               "xdg-open \"$(apprentice report runs/demo-1 --open-path)\"",
    .run = run,
};
