/* summary.c - the report's numbers for programs: summary.json.
 *
 *     {"tasks": {NAME: {"problems": n, "teacher": {...}, "before": {...}, "control": {...}, "after": {...},
 *                       "wilcoxon": {"p": p, "p_holm": p, ...}, "mcnemar": {...}, "templates": [...]}},
 *      "pairs": n, "tokens": {"tree": n, "flat": n}, "seconds": {STAGE: s}, "seed": n,
 *      "teacher_usage": {"requests": n, "retries": n, "prompt_tokens": n, "completion_tokens": n, "cost": x, ...}}
 * The last of a remote teacher only. */
#include "report/report_data.h"

#include <stdlib.h>

static json_t *rates_to_json(const struct ap_rates *r)
{
    json_t *json = json_pack("{s:I, s:I, s:[f, f]}", "problems", (json_int_t)r->problems, "greedy_correct",
                             (json_int_t)r->greedy_correct, "greedy_interval", r->greedy.low, r->greedy.high);
    if (json && r->samples > 0)
        json_object_set_new(json, "rate", json_real(r->rate));
    return json;
}

/* The comparison's fields that do not stand under before and after. */
static void add_gain(json_t *json, const struct ap_report_task *task)
{
    static const char *const keys[] = {"gained", "lost", "difference", "difference_of", "difference_interval",
                                       "wilcoxon", "mcnemar", "templates"};
    json_t *gain = ap__comparison_to_json(&task->gain);
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        json_object_set(json, keys[i], json_object_get(gain, keys[i]));
    json_object_set_new(json_object_get(json, "wilcoxon"), "p_holm", json_real(task->wilcoxon_holm));
    json_object_set_new(json_object_get(json, "mcnemar"), "p_holm", json_real(task->mcnemar_holm));
    json_decref(gain);
}

static json_t *task_to_json(const struct ap_report_task *task)
{
    json_t *json = json_pack("{s:I, s:I, s:I}", "problems", (json_int_t)task->heldout_problems, "train_problems",
                             (json_int_t)task->train_problems, "pairs", (json_int_t)task->pairs);
    if (!json)
        return NULL;
    for (int row = 0; row < AP_ROW_COUNT; row++)
        if (task->has[row])
            json_object_set_new(json, ap__row_actor[row], rates_to_json(&task->rates[row]));
    if (task->compared)
        add_gain(json, task);
    if (task->control_compared)
        json_object_set_new(json, "after_minus_control",
                            json_pack("{s:f, s:[f, f], s:{s:f}, s:{s:f}}", "difference",
                                      task->over_control.difference, "difference_interval",
                                      task->over_control.difference_interval.low,
                                      task->over_control.difference_interval.high, "wilcoxon", "p",
                                      task->over_control.wilcoxon.p, "mcnemar", "p",
                                      task->over_control.mcnemar_p));
    return json;
}

json_t *ap__report_summary(const struct ap_report *report)
{
    json_t *tasks = json_object(), *seconds = json_object();
    for (size_t i = 0; i < report->tasks; i++)
        json_object_set_new(tasks, report->task[i].name, task_to_json(&report->task[i]));
    for (size_t i = 0; i < report->stages; i++)
        json_object_set_new(seconds, report->stage[i].name, json_real(report->stage[i].seconds));
    return json_pack("{s:o, s:I, s:{s:I, s:I}, s:o, s:I, s:s, s:O*}", "tasks", tasks, "pairs", (json_int_t)report->pairs,
                     "tokens", "tree", (json_int_t)report->tokens_tree, "flat", (json_int_t)report->tokens_flat,
                     "seconds", seconds, "seed", (json_int_t)(report->seed ? strtoll(report->seed, NULL, 10) : 0),
                     "version", report->version ? report->version : "", "teacher_usage", report->usage);
}
