/* cmd_problems.c - `apprentice problems`: the problems of a task, as JSON lines or to read. */
#include "cli/command.h"
#include "tasks/task.h"

#include <stdio.h>
#include <string.h>

static const char *split_name = "train", *file, *format;
static int64_t seed = 1, count = 10, first;
static bool as_text;

static const struct ap_option options[] = {
    AP_OPTION_GROUP("Which problems"),
    AP_OPTION_STR("split", "NAME", &split_name, "train or heldout"),
    AP_OPTION_INT("seed", 0, INT64_MAX, &seed, "seed of the generator"),
    AP_OPTION_INT("first", 0, INT32_MAX, &first, "index of the first problem"),
    AP_OPTION_INT("count", 0, INT32_MAX, &count, "how many problems; with --problems, 0 means all"),
    AP_OPTION_STR("problems", "FILE", &file, "read this file instead of the task's own source"),
    AP_OPTION_STR("format", "NAME", &format, "jsonl, gsm8k, folio, proofwriter or prontoqa; found out when left away"),
    AP_OPTION_GROUP("Output"),
    AP_OPTION_FLAG("text", &as_text, "print question, gold chain and answer to read, instead of JSON lines"),
    AP_OPTION_END,
};

static void print_text(const struct ap_problem *p)
{
    printf("# %s (%s)\n%s\n", p->id, p->template_name, p->question);
    for (int32_t i = 0; i < p->call_count; i++)
        printf("    %s\n", p->call[i]);
    printf("= %s\n\n", p->answer);
}

static ap_status print_json(const struct ap_problem *p, struct ap_err *err)
{
    json_t *json;
    AP_TRY(ap__problem_to_json(p, &json, err));
    char *line = ap__json_dump(json);
    json_decref(json);
    if (!line)
        return ap__fail(err, AP_E_MEMORY, p->id, "no memory for a line of JSON");
    puts(line);
    ap__free(line);
    return AP_OK;
}

static ap_status print_problems(const char *task_name, enum ap_split split, struct ap_err *err)
{
    struct ap_task *task;
    struct ap_problems ps = {0};
    AP_TRY(ap__task_open(task_name, &task, err));
    ap_status status = file ? ap__problems_import(file, format, task, count, &ps, err)
                            : ap__task_problems(task, split, (uint64_t)seed, first, count, &ps, err);
    for (size_t i = 0; i < ps.n && status == AP_OK; i++) {
        if (as_text)
            print_text(&ps.item[i]);
        else
            status = print_json(&ps.item[i], err);
    }
    ap__problems_deinit(&ps);
    ap__task_free(task);
    return status;
}

static int run(int argc, char **argv)
{
    struct ap_args args;
    struct ap_err err = {0};
    int rc = ap__options_parse(&ap__cmd_problems, argc, argv, 1, 1, &args);
    if (rc >= 0)
        return rc;
    bool heldout = strcmp(split_name, "heldout") == 0;
    if (!heldout && strcmp(split_name, "train") != 0)
        return ap__usage_fail(&ap__cmd_problems, "--split takes train or heldout, not `%s`", split_name);
    if (format && !file)
        return ap__usage_fail(&ap__cmd_problems, "--format belongs to --problems");
    if (print_problems(args.v[0], heldout ? AP_HELDOUT : AP_TRAIN, &err) != AP_OK)
        return ap__cli_fail(&err);
    return AP_EXIT_OK;
}

const struct ap_command ap__cmd_problems = {
    .name = "problems",
    .summary = "print a task's problems with their gold chains",
    .usage = "TASK [--split train|heldout] [--count N] [--text]",
    .options = options,
    .example = "apprentice problems math-word --count 3 --text\n"
               "apprentice problems gsm8k --problems test.jsonl --count 5",
    .run = run,
};
