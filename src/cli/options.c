/* options.c - read a command line by its table, and print the table as help.
 *
 *     argv --read--> targets, args                    "--k must be an integer from 1 to 64, got `many`"
 *     table --help--> usage, groups, defaults, example */
#include "cli/options.h"

#include "base/text.h"
#include "cli/command.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define NAMES_MAX 128 /* options of one table */
#define HELP_COLUMN 28

static const struct ap_option no_options[] = {AP_OPTION_END};

static const struct ap_option *find(const struct ap_option *options, const char *name, size_t len)
{
    for (const struct ap_option *o = options; o->type != AP_OPT_END; o++)
        if (o->type != AP_OPT_GROUP && strlen(o->name) == len && memcmp(o->name, name, len) == 0)
            return o;
    return NULL;
}

static ap_status unknown(const struct ap_option *options, const char *arg, struct ap_err *err)
{
    const char *names[NAMES_MAX];
    char word[64];
    size_t n = 0;
    names[n++] = "help";
    for (const struct ap_option *o = options; o->type != AP_OPT_END && n < NAMES_MAX; o++)
        if (o->type != AP_OPT_GROUP)
            names[n++] = o->name;
    const char *bare = arg + strspn(arg, "-");
    snprintf(word, sizeof word, "%.*s", (int)strcspn(bare, "="), bare);
    const char *near = ap__nearest(word, names, n);
    return near ? ap__fail(err, AP_E_ARG, NULL, "unknown option `%s`; did you mean `--%s`?", arg, near)
                : ap__fail(err, AP_E_ARG, NULL, "unknown option `%s`", arg);
}

static ap_status set_int(const struct ap_option *o, const char *text, struct ap_err *err)
{
    char range[AP_RANGE_TEXT_MAX];
    int64_t value;
    ap__range_i64_text(range, o->imin, o->imax);
    if (!ap__parse_i64(text, &value) || value < o->imin || value > o->imax)
        return ap__fail(err, AP_E_ARG, NULL, "--%s must be an integer%s%s, got `%s`", o->name, *range ? " " : "", range,
                        text);
    *(int64_t *)o->target = value;
    return AP_OK;
}

static ap_status set_float(const struct ap_option *o, const char *text, struct ap_err *err)
{
    char range[AP_RANGE_TEXT_MAX];
    double value;
    ap__range_f64_text(range, o->min, o->max);
    if (!ap__parse_f64(text, &value) || value < o->min || value > o->max)
        return ap__fail(err, AP_E_ARG, NULL, "--%s must be a number%s%s, got `%s`", o->name, *range ? " " : "", range,
                        text);
    *(double *)o->target = value;
    return AP_OK;
}

static ap_status set(const struct ap_option *o, const char *text, struct ap_err *err)
{
    switch (o->type) {
    case AP_OPT_STR:
        *(const char **)o->target = text;
        return AP_OK;
    case AP_OPT_INT:
        return set_int(o, text, err);
    case AP_OPT_FLOAT:
        return set_float(o, text, err);
    case AP_OPT_LIST: {
        struct ap_option_list *list = o->target;
        if (list->n == AP_OPTION_LIST_MAX)
            return ap__fail(err, AP_E_ARG, NULL, "--%s may be given at most %d times", o->name, AP_OPTION_LIST_MAX);
        list->v[list->n++] = text;
        return AP_OK;
    }
    default:
        return AP_OK;
    }
}

/* One option at argv[*i], which is moved past its value. */
static ap_status read_option(const struct ap_option *options, int argc, char **argv, int *i, struct ap_err *err)
{
    const char *name = argv[*i] + 2, *equals = strchr(name, '=');
    const struct ap_option *o = find(options, name, equals ? (size_t)(equals - name) : strlen(name));
    if (!o || argv[*i][1] != '-')
        return unknown(options, argv[*i], err);
    if (o->type == AP_OPT_FLAG) {
        if (equals)
            return ap__fail(err, AP_E_ARG, NULL, "--%s takes no value, got `%s`", o->name, equals + 1);
        *(bool *)o->target = true;
        return AP_OK;
    }
    if (equals)
        return set(o, equals + 1, err);
    if (*i + 1 >= argc)
        return ap__fail(err, AP_E_ARG, NULL, "--%s needs a value (%s)", o->name, o->value);
    return set(o, argv[++*i], err);
}

static bool is_option(const char *arg)
{
    double number;
    return arg[0] == '-' && arg[1] && !ap__parse_f64(arg, &number); /* "-" and "-3" are arguments */
}

ap_status ap__options_read(const struct ap_option *options, int argc, char **argv, struct ap_args *args,
                           struct ap_err *err)
{
    bool only_args = false;
    *args = (struct ap_args){0};
    if (!options)
        options = no_options;
    for (int i = 1; i < argc; i++) {
        const char *arg = argv[i];
        if (!only_args && is_option(arg)) {
            if (!strcmp(arg, "--"))
                only_args = true;
            else
                AP_TRY(read_option(options, argc, argv, &i, err));
            continue;
        }
        if (args->n == AP_ARGS_MAX)
            return ap__fail(err, AP_E_ARG, NULL, "more than %d arguments", AP_ARGS_MAX);
        args->v[args->n++] = arg;
    }
    return AP_OK;
}

/* ---- help ---- */

/* Lines after the first begin below it. */
static void add_lines(const char *text, int indent, struct ap_buf *out)
{
    for (const char *end; (end = strchr(text, '\n')) != NULL; text = end + 1)
        (void)ap__buf_printf(out, "%.*s\n%*s", (int)(end - text), text, indent, "");
    (void)ap__buf_puts(out, text);
}

/* A help that says what the default is, in words or because it depends, needs no second one; and a number that could not
 * be given is none. */
static void add_default(const struct ap_option *o, struct ap_buf *out)
{
    if (o->type != AP_OPT_LIST && strstr(o->help, "(default"))
        return;
    const char *text = o->type == AP_OPT_STR ? *(const char **)o->target : NULL;
    if (text && *text)
        (void)ap__buf_printf(out, " [%s]", text);
    int64_t whole = o->type == AP_OPT_INT ? *(int64_t *)o->target : 0;
    if (o->type == AP_OPT_INT && whole >= o->imin && whole <= o->imax)
        (void)ap__buf_printf(out, " [%" PRId64 "]", whole);
    double real = o->type == AP_OPT_FLOAT ? *(double *)o->target : 0.0;
    if (o->type == AP_OPT_FLOAT && real >= o->min && real <= o->max)
        (void)ap__buf_printf(out, " [%g]", real);
    if (o->type == AP_OPT_LIST)
        (void)ap__buf_puts(out, " (may be repeated)");
}

static void add_option(const struct ap_option *o, struct ap_buf *out)
{
    size_t start = out->len;
    (void)ap__buf_printf(out, "  --%s%s%s", o->name, o->value ? " " : "", o->value ? o->value : "");
    size_t width = out->len - start;
    if (width >= HELP_COLUMN) { /* the text begins on a line of its own */
        (void)ap__buf_putc(out, '\n');
        width = 0;
    }
    (void)ap__buf_printf(out, "%*s", (int)(HELP_COLUMN - width), "");
    add_lines(o->help, HELP_COLUMN, out);
    add_default(o, out);
    (void)ap__buf_putc(out, '\n');
}

ap_status ap__options_help(const struct ap_command *command, struct ap_buf *out)
{
    const struct ap_option *o = command->options ? command->options : no_options;
    (void)ap__buf_printf(out, "apprentice %s - %s\n\nUsage: apprentice %s %s\n", command->name, command->summary,
                         command->name, command->usage);
    if (o->type != AP_OPT_GROUP && o->type != AP_OPT_END)
        (void)ap__buf_puts(out, "\nOptions\n");
    for (; o->type != AP_OPT_END; o++) {
        if (o->type == AP_OPT_GROUP)
            (void)ap__buf_printf(out, "\n%s\n", o->name);
        else
            add_option(o, out);
    }
    if (command->example) {
        (void)ap__buf_puts(out, "\nExample\n  ");
        add_lines(command->example, 2, out);
        (void)ap__buf_putc(out, '\n');
    }
    return out->failed ? AP_E_MEMORY : AP_OK;
}

/* ---- for commands ---- */

int ap__usage_fail(const struct ap_command *command, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    fprintf(stderr, "apprentice %s: ", command->name);
    vfprintf(stderr, fmt, ap);
    fprintf(stderr, "\nSee `apprentice %s --help`.\n", command->name);
    va_end(ap);
    return AP_EXIT_USAGE;
}

int ap__options_print_help(const struct ap_command *command)
{
    struct ap_buf text;
    ap__buf_init(&text, 0);
    if (ap__options_help(command, &text) == AP_OK)
        fputs(text.data, stdout);
    ap__buf_deinit(&text);
    return AP_EXIT_OK;
}

int ap__options_parse(const struct ap_command *command, int argc, char **argv, int min_args, int max_args,
                      struct ap_args *args)
{
    struct ap_err err;
    /* Before the targets change: the help shows the defaults. */
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (!strcmp(argv[i], "-h") || !strcmp(argv[i], "--help"))
            return ap__options_print_help(command);
    if (ap__options_read(command->options, argc, argv, args, &err) != AP_OK)
        return ap__usage_fail(command, "%s", err.message);
    if (args->n < min_args)
        return ap__usage_fail(command, "expected %s", command->usage);
    if (args->n > max_args)
        return ap__usage_fail(command, "unexpected argument `%s`", args->v[max_args]);
    return -1;
}

int ap__cli_fail(const struct ap_err *err)
{
    const char *message = err->message[0] ? err->message : ap_status_text(err->code);
    if (err->place[0])
        fprintf(stderr, "apprentice: %s: %s\n", err->place, message);
    else
        fprintf(stderr, "apprentice: %s\n", message);
    return err->code == AP_E_INTERRUPTED ? AP_EXIT_INTERRUPTED : AP_EXIT_FAILED;
}
