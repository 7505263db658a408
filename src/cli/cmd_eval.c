/* cmd_eval.c - `apprentice eval`: a run's evaluations, or one model on one task or file. */
#include "base/progress.h"
#include "cli/model_options.h"
#include "cli/stage.h"
#include "run/evaluate_model.h"

#include <stdio.h>
#include <string.h>

static const char *task_name, *problems_path, *format, *out_path;
static int64_t seed = 1, count = 0, samples = 0, in_flight = 128;
static double temperature = 0.7;
static bool as_json;

static const struct ap_option options[] = {
    AP_OPTION_GROUP("One model on one task (without a run folder)"),
    AP_OPTION_STR("task", "TASK", &task_name, "a task's name or YAML file"),
    AP_LOCAL_OPTIONS,
    AP_OPTION_STR("problems", "FILE", &problems_path, "problems of this file instead of the task's held-out ones"),
    AP_OPTION_STR("format", "NAME", &format, "gsm8k, folio, proofwriter, prontoqa or jsonl (default: by content)"),
    AP_OPTION_INT("count", 0, 100000000, &count, "problems (default: 500, or the whole file)"),
    AP_OPTION_INT("samples", 0, 1024, &samples, "drawn chains per problem beside the greedy one (default: 0)"),
    AP_OPTION_FLOAT("temperature", 0.0, 10.0, &temperature, "of the drawn chains (default: 0.7)"),
    AP_OPTION_INT("seed", 0, INT64_MAX, &seed, "of problems and draws (default: 1)"),
    AP_OPTION_INT("in-flight", 1, 4096, &in_flight, "chains at once (default: 128)"),
    AP_OPTION_STR("out", "FILE", &out_path, "write the outcome of every problem, for `apprentice compare`"),
    AP_OPTION_FLAG("json", &as_json, "the last line is an object of counts"),
    AP_REMOTE_OPTIONS,
    AP_OPTION_END,
};

/* All evaluations of a run folder that are missing. */
static ap_status evaluate_run(struct ap_run *run, struct ap_err *err)
{
    AP_TRY(ap__run_evaluate(run, AP_BEFORE, err));
    if (run->recipe.control)
        AP_TRY(ap__run_evaluate(run, AP_CONTROL, err));
    AP_TRY(ap__run_evaluate(run, AP_AFTER, err));
    return run->recipe.evaluate.teacher ? ap__run_evaluate(run, AP_TEACHER, err) : AP_OK;
}

static ap_status read_problems(const struct ap_task *task, struct ap_problems *out, struct ap_err *err)
{
    if (problems_path != NULL)
        return ap__problems_import(problems_path, format, task, count, out, err);
    return ap__task_problems(task, AP_HELDOUT, (uint64_t)seed, 0, count > 0 ? count : 500, out, err);
}

static void print_json(const struct ap_results *results, const struct ap_rates *rates, double seconds)
{
    printf("{\"problems\": %lld, \"greedy_correct\": %lld, \"greedy_low\": %.4f, \"greedy_high\": %.4f, ",
           (long long)rates->problems, (long long)rates->greedy_correct, rates->greedy.low, rates->greedy.high);
    if (rates->samples > 0)
        printf("\"samples\": %lld, \"successes\": %lld, \"rate\": %.6f, ", (long long)rates->samples,
               (long long)rates->successes, rates->rate);
    printf("\"task\": \"%s\", \"seed\": %lld, \"seconds\": %.1f}\n", results->task, (long long)seed, seconds);
}

static void print_text(const struct ap_results *results, const struct ap_rates *rates, int64_t tokens, double seconds)
{
    printf("%s, %s: %lld of %lld problems (%.1f %%, 95 %% interval %.1f to %.1f), greedy\n", results->task,
           results->model, (long long)rates->greedy_correct, (long long)rates->problems,
           100.0 * (double)rates->greedy_correct / (double)rates->problems, 100.0 * rates->greedy.low,
           100.0 * rates->greedy.high);
    if (rates->samples > 0)
        printf("drawn at temperature %g: %lld of %lld chains (mean rate %.1f %%)\n", temperature,
               (long long)rates->successes, (long long)rates->samples, 100.0 * rates->rate);
    for (int e = 0; e <= AP_END_LOST; e++)
        if (rates->ends[e] > 0)
            printf("  wrong, ended by %s: %lld\n", ap__end_text((enum ap_end)e), (long long)rates->ends[e]);
    if ((int64_t)results->n > rates->problems)
        printf("  left out, without an answer from the server: %lld\n", (long long)results->n - (long long)rates->problems);
    printf("%lld tokens generated in %.1f s (%.0f tokens/s)\n", (long long)tokens, seconds, (double)tokens / seconds);
}

static ap_status evaluate_problems(struct ap_llm *llm, const struct ap_task *task, struct ap_err *err)
{
    struct ap_problems problems = {0};
    struct ap_results results = {0};
    struct ap_rates rates;
    int64_t tokens = 0;
    double started = ap__now();
    struct ap_evaluate_options how = {.name = "eval", .model = ap__model_options_name(), .samples = samples,
                                      .temperature = temperature, .seed = (uint64_t)seed, .in_flight = (int32_t)in_flight};
    ap_status status = read_problems(task, &problems, err);
    if (status == AP_OK)
        status = ap__evaluate_model(llm, task, &problems, &how, &results, &tokens, err);
    if (status == AP_OK && out_path != NULL)
        status = ap__results_save(&results, out_path, err);
    if (status == AP_OK) {
        ap__results_rates(&results, &rates);
        if (as_json)
            print_json(&results, &rates, ap__now() - started);
        else
            print_text(&results, &rates, tokens, ap__now() - started);
    }
    ap__results_deinit(&results);
    ap__problems_deinit(&problems);
    return status;
}

static ap_status evaluate_one(struct ap_err *err)
{
    struct ap_task *task = NULL;
    struct ap_llm *llm = NULL;
    ap_status status = ap__task_open(task_name, &task, err);
    if (status == AP_OK)
        status = ap__model_options_open(&llm, err);
    if (status == AP_OK)
        status = evaluate_problems(llm, task, err);
    ap__model_options_close(llm);
    ap__task_free(task);
    return status;
}

static int run(int argc, char **argv)
{
    struct ap_args args;
    struct ap_err err;
    struct ap_run opened;
    int code = ap__options_parse(&ap__cmd_eval, argc, argv, 0, 1, &args);
    if (code >= 0)
        return code;
    if ((args.n == 1) == (task_name != NULL))
        return ap__usage_fail(&ap__cmd_eval, "name either a run folder or --task");
    ap__interrupt_install();
    if (args.n == 0)
        return evaluate_one(&err) == AP_OK ? AP_EXIT_OK : ap__cli_fail(&err);
    if (ap__run_open(args.v[0], &opened, &err) != AP_OK)
        return ap__cli_fail(&err);
    opened.say = ap__stage_say;
    opened.overrides = (struct ap_run_overrides){.url = ap__remote_values.url, .replay = ap__remote_values.replay};
    return ap__stage_close(&opened, evaluate_run(&opened, &err), &err) == AP_OK ? AP_EXIT_OK : ap__cli_fail(&err);
}

const struct ap_command ap__cmd_eval = {
    .name = "eval",
    .summary = "evaluate a run's student before and after, or any model on any problems",
    .usage = "RUN_FOLDER | --task TASK [--model DIR] [--adapter DIR] [--problems FILE] [--json]",
    .options = options,
    .example = "apprentice eval runs/demo-1\n"
               "apprentice eval --task fol-entailment --model models/student --adapter runs/demo-1/dpo \\\n"
               "    --problems ProntoQA-dev.json --json\n"
               "apprentice eval --task math-word --url http://localhost:8000/v1 --remote-model Qwen/Qwen3-8B --style tools",
    .run = run,
};
