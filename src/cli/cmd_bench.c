/* cmd_bench.c - `apprentice bench`: fixed work, measured on this machine, with any model.
 *
 *     workloads named --> each in its own process --> table, or JSON lines, and CSV
 *     --write FOLDER  --> the model and the work as files, for other programs to do the same */
#include "base/data.h"
#include "base/file.h"
#include "base/machine.h"
#include "base/progress.h"
#include "base/text.h"
#include "bench/measure.h"
#include "cli/bench_output.h"
#include "cli/bench_process.h"
#include "cli/command.h"

#include <dirent.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *model, *csv_path, *write_dir;
static int64_t threads, repeats = 5, warm = 1;
static bool as_json, profile;

static const struct ap_option options[] = {
    AP_OPTION_STR("model", "DIR", &model, "measure this model (default: random weights in SmolLM2-135M's shape;\n"
                                          "train-tiny: models/student)"),
    AP_OPTION_INT("threads", 0, 1024, &threads, "0 = as many as the machine has (default: 0)"),
    AP_OPTION_INT("repeats", 1, AP_BENCH_MAX_REPEATS, &repeats, "timed ones; the median is reported (default: 5)"),
    AP_OPTION_INT("warm-up", 0, 100, &warm, "repeats before those (default: 1)"),
    AP_OPTION_FLAG("profile", &profile, "time every operation, too"),
    AP_OPTION_GROUP("Output"),
    AP_OPTION_FLAG("json", &as_json, "one JSON object per workload"),
    AP_OPTION_STR("csv", "FILE", &csv_path, "the figures as CSV as well"),
    AP_OPTION_STR("write", "FOLDER", &write_dir, "measure nothing; write the model and the work for other programs"),
    AP_OPTION_END,
};

enum { PAIRS_PER_TASK = 8, SCALING_CHAIN = 185, SCALING_CHAINS = 8, MAX_JOBS = 64 };
static const char QUESTION[] = "What is 17 * 12 + 5?";

/* One thing to measure. */
struct job {
    char name[32];
    enum { JOB_TREE, JOB_TASKS, JOB_ROLLOUT, JOB_LOAD_COLD, JOB_LOAD_WARM } kind;
    struct ap_work_tree tree;
    struct ap_bench_options options;
    char *model;
};

struct jobs {
    struct job job[MAX_JOBS];
    int n;
    char temporary[64]; /* folder of the random model, "" = none was made */
};

/* ---- which jobs ---- */

static void add_job(struct jobs *jobs, const char *name, int kind, const struct ap_work_tree *tree)
{
    struct job *job = &jobs->job[jobs->n++];
    snprintf(job->name, sizeof job->name, "%s", name);
    job->kind = kind;
    if (tree != NULL)
        job->tree = *tree;
}

/* Time and memory against chains of one problem, and against the length of the prompt. */
static void add_scaling(struct jobs *jobs)
{
    char name[32];
    for (int32_t chains = 1; chains <= 64; chains *= 2) {
        struct ap_work_tree t = {.tool = 600, .problems = 1, .question = 30, .chains = chains, .least = SCALING_CHAIN,
                                 .most = SCALING_CHAIN};
        snprintf(name, sizeof name, "chains-%d", chains);
        add_job(jobs, name, JOB_TREE, &t);
    }
    for (int32_t prompt = 128; prompt <= 4096; prompt *= 2) {
        struct ap_work_tree t = {.tool = prompt, .problems = 1, .question = 0, .chains = SCALING_CHAINS,
                                 .least = SCALING_CHAIN, .most = SCALING_CHAIN};
        snprintf(name, sizeof name, "prompt-%d", prompt);
        add_job(jobs, name, JOB_TREE, &t);
    }
}

static const char *const names[] = {"train-chains", "train-pairs", "train-tiny", "rollout", "load", "scaling"};
enum { NAMES = sizeof names / sizeof *names, STANDARD = NAMES - 1 };

static int number_of(const char *name)
{
    for (int i = 0; i < NAMES; i++)
        if (strcmp(name, names[i]) == 0)
            return i;
    return -1;
}

static void add_named(struct jobs *jobs, int number)
{
    struct ap_work_tree chains = ap__work_chains(), pairs = ap__work_pairs();
    switch (number) {
    case 0: add_job(jobs, names[0], JOB_TREE, &chains); break;
    case 1: add_job(jobs, names[1], JOB_TREE, &pairs); break;
    case 2: add_job(jobs, names[2], JOB_TASKS, NULL); break;
    case 3: add_job(jobs, names[3], JOB_ROLLOUT, NULL); break;
    case 4:
        add_job(jobs, "load-cold", JOB_LOAD_COLD, NULL);
        add_job(jobs, "load-warm", JOB_LOAD_WARM, NULL);
        break;
    default: add_scaling(jobs);
    }
}

/* ---- the model ---- */

static ap_status write_model(void *dir, struct ap_bench_result *out, struct ap_err *err)
{
    struct ap_config shape = ap__work_shape();
    (void)out;
    return ap__work_write_model(&shape, dir, err);
}

/* In a process of its own: the memory that it takes is not that of a workload. */
static ap_status make_model(char *dir, struct ap_err *err)
{
    struct ap_bench_result nothing;
    fprintf(stderr, "bench: writing random weights to %s\n", dir);
    return ap__bench_fork(write_model, dir, &nothing, err);
}

static ap_status temporary_model(struct jobs *jobs, struct ap_err *err)
{
    const char *tmp = getenv("TMPDIR");
    if (jobs->temporary[0])
        return AP_OK;
    int n = snprintf(jobs->temporary, sizeof jobs->temporary, "%s/apprentice-bench-XXXXXX", tmp ? tmp : "/tmp");
    if (n >= (int)sizeof jobs->temporary || mkdtemp(jobs->temporary) == NULL) {
        ap_status status = ap__fail_errno(err, jobs->temporary, "cannot make a folder for random weights");
        jobs->temporary[0] = '\0';
        return status;
    }
    return make_model(jobs->temporary, err);
}

static void remove_folder(const char *dir)
{
    DIR *folder = opendir(dir);
    for (struct dirent *e = folder ? readdir(folder) : NULL; e != NULL; e = readdir(folder)) {
        char *path = ap__path_join(dir, e->d_name);
        if (path != NULL && e->d_name[0] != '.')
            unlink(path);
        ap__free(path);
    }
    if (folder != NULL)
        closedir(folder);
    rmdir(dir);
}

static ap_status choose_model(struct jobs *jobs, struct job *job, struct ap_err *err)
{
    if (model != NULL)
        return ap__data_find(model, &job->model, err);
    if (job->kind == JOB_TASKS)
        return ap__data_find("models/student", &job->model, err);
    AP_TRY(temporary_model(jobs, err));
    job->model = ap__strdup(jobs->temporary);
    return job->model != NULL ? AP_OK : ap__fail(err, AP_E_MEMORY, NULL, "no memory for a path");
}

/* ---- measuring ---- */

static ap_status make_examples(const struct job *job, struct ap_work_examples *out, struct ap_err *err)
{
    struct ap_model *m = NULL;
    if (job->kind == JOB_TASKS)
        return ap__work_examples_tasks(job->options.model, PAIRS_PER_TASK, out, err);
    AP_TRY(ap__model_open(job->options.model, NULL, &m, err));
    int32_t V = ap__model_config(m)->V;
    ap__model_free(m);
    return ap__work_examples_make(&job->tree, V, out, err);
}

/* Inside the workload's process. */
static ap_status measure_in_child(void *user, struct ap_bench_result *out, struct ap_err *err)
{
    const struct job *job = user;
    struct ap_work_rollout shape = ap__work_rollout();
    struct ap_work_examples work;
    if (job->kind == JOB_ROLLOUT)
        return ap__bench_rollout(&job->options, &shape, out, err);
    AP_TRY(make_examples(job, &work, err));
    ap_status status = ap__bench_train(&job->options, &work, out, err);
    ap__work_examples_deinit(&work);
    return status;
}

static ap_status measure(struct job *job, struct ap_bench_result *out, struct ap_err *err)
{
    job->options = (struct ap_bench_options){.model = job->model, .warm = (int32_t)warm, .repeats = (int32_t)repeats,
                                             .profile = profile};
    if (job->kind == JOB_LOAD_COLD || job->kind == JOB_LOAD_WARM)
        AP_TRY(ap__bench_load(&job->options, job->kind == JOB_LOAD_COLD, out, err));
    else
        AP_TRY(ap__bench_fork(measure_in_child, job, out, err));
    snprintf(out->name, sizeof out->name, "%s", job->name);
    return AP_OK;
}

static ap_status show(const struct ap_bench_result *r, FILE *csv, struct ap_err *err)
{
    if (csv != NULL)
        ap__bench_write_csv(csv, r);
    if (as_json)
        return ap__bench_print_json(r, err);
    ap__bench_print_row(r);
    ap__bench_print_profile(r);
    return AP_OK;
}

static void print_machine(void)
{
    char machine[256];
    ap__machine_describe(machine, sizeof machine);
    printf("%s; %d threads; apprentice %s; medians of %d\n\n", machine, omp_get_max_threads(), ap_version(), (int)repeats);
    ap__bench_print_head();
    fflush(stdout);
}

static ap_status run_jobs(struct jobs *jobs, struct ap_err *err)
{
    static struct ap_bench_result result;
    FILE *csv = csv_path != NULL ? fopen(csv_path, "w") : NULL;
    if (csv_path != NULL && csv == NULL)
        return ap__fail_errno(err, csv_path, "cannot open");
    if (csv != NULL)
        ap__bench_write_csv_head(csv);
    ap_status status = AP_OK;
    for (int i = 0; i < jobs->n && status == AP_OK; i++) {
        status = choose_model(jobs, &jobs->job[i], err);
        if (status == AP_OK && i == 0 && !as_json)
            print_machine();
        if (status == AP_OK)
            status = measure(&jobs->job[i], &result, err);
        if (status == AP_OK)
            status = show(&result, csv, err);
    }
    if (csv != NULL && (ferror(csv) | fclose(csv)) != 0 && status == AP_OK)
        status = ap__fail_errno(err, csv_path, "cannot write");
    return status;
}

/* ---- files for other programs ---- */

static ap_status write_examples(struct ap_work_examples *work, const char *name, struct ap_err *err)
{
    char *path = ap__path_join(write_dir, name);
    ap_status status = path != NULL ? ap__work_write_pairs(work, path, err)
                                    : ap__fail(err, AP_E_MEMORY, NULL, "no memory for a path");
    ap__free(path);
    ap__work_examples_deinit(work);
    return status;
}

static ap_status write_script(int32_t V, struct ap_err *err)
{
    struct ap_work_rollout shape = ap__work_rollout();
    struct ap_work_script script;
    struct ap_arena arena;
    char *path = ap__path_join(write_dir, "rollout.json");
    ap__arena_init(&arena, 0);
    ap_status status = path != NULL ? ap__work_script_make(&shape, V, &arena, &script, err)
                                    : ap__fail(err, AP_E_MEMORY, NULL, "no memory for a path");
    if (status == AP_OK)
        status = ap__work_write_script(&script, path, err);
    ap__arena_deinit(&arena);
    ap__free(path);
    return status;
}

static ap_status write_tiny(struct ap_err *err)
{
    struct ap_work_examples work;
    char *student = NULL;
    AP_TRY(ap__data_find("models/student", &student, err));
    ap_status status = ap__work_examples_tasks(student, PAIRS_PER_TASK, &work, err);
    ap__free(student);
    return status == AP_OK ? write_examples(&work, "train-tiny.jsonl", err) : status;
}

static ap_status write_work(struct ap_err *err)
{
    struct ap_work_tree chains = ap__work_chains(), pairs = ap__work_pairs();
    struct ap_work_examples work;
    int32_t V = ap__work_shape().V;
    char *dir = ap__path_join(write_dir, "model");
    ap_status status = dir != NULL ? ap__mkdirs(dir, err) : ap__fail(err, AP_E_MEMORY, NULL, "no memory for a path");
    if (status == AP_OK)
        status = make_model(dir, err);
    ap__free(dir);
    AP_TRY(status);
    AP_TRY(ap__work_examples_make(&chains, V, &work, err));
    AP_TRY(write_examples(&work, "train-chains.jsonl", err));
    AP_TRY(ap__work_examples_make(&pairs, V, &work, err));
    AP_TRY(write_examples(&work, "train-pairs.jsonl", err));
    AP_TRY(write_script(V, err));
    return write_tiny(err);
}

/* ---- the command ---- */

/* What `load` starts: the model's first token on stdout. */
static ap_status first_token(struct ap_err *err)
{
    char *dir = NULL;
    AP_TRY(ap__data_find(model, &dir, err));
    ap_status status = ap__bench_first_token(dir, QUESTION, stdout, err);
    ap__free(dir);
    return status;
}

static int unknown(const char *name)
{
    const char *near = ap__nearest(name, names, NAMES);
    return ap__usage_fail(&ap__cmd_bench, "unknown workload `%s`%s%s%s", name, near ? "; did you mean `" : "",
                          near ? near : "", near ? "`?" : "");
}

static int run(int argc, char **argv)
{
    static struct jobs jobs;
    struct ap_args args;
    struct ap_err err = {0};
    int code = ap__options_parse(&ap__cmd_bench, argc, argv, 0, NAMES, &args);
    if (code >= 0)
        return code;
    if (args.n == 1 && strcmp(args.v[0], "first-token") == 0 && model != NULL)
        return first_token(&err) == AP_OK ? AP_EXIT_OK : ap__cli_fail(&err);
    for (int i = 0; i < args.n; i++)
        if (number_of(args.v[i]) < 0)
            return unknown(args.v[i]);
    for (int i = 0; i < (args.n > 0 ? args.n : STANDARD); i++)
        add_named(&jobs, args.n > 0 ? number_of(args.v[i]) : i);
    if (threads > 0) {
        char text[16];
        snprintf(text, sizeof text, "%d", (int)threads);
        setenv("OMP_NUM_THREADS", text, 1); /* of what `load` starts */
        omp_set_num_threads((int)threads);
    }
    ap_status status = write_dir != NULL ? write_work(&err) : run_jobs(&jobs, &err);
    for (int i = 0; i < jobs.n; i++)
        ap__free(jobs.job[i].model);
    if (jobs.temporary[0])
        remove_folder(jobs.temporary);
    return status == AP_OK ? AP_EXIT_OK : ap__cli_fail(&err);
}

const struct ap_command ap__cmd_bench = {
    .name = "bench",
    .summary = "measure training, rollouts and loading on this machine, with any model",
    .usage = "[train-chains] [train-pairs] [train-tiny] [rollout] [load] [scaling] [--option ...]",
    .options = options,
    .example = "apprentice bench\n"
               "apprentice bench train-chains rollout --model models/student --profile",
    .run = run,
};
