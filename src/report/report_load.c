/* report_load.c - read a run's store into struct ap_report.
 *
 *     meta, stages, metrics, pairs, collect chains --> facts
 *     eval chains of before, control, after, teacher --> results --> comparisons --Holm--> p-values */
#include "report/report_data.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

const char *const ap__row_actor[AP_ROW_COUNT] = {"before", "control", "after", "teacher"};
const char *const ap__row_title[AP_ROW_COUNT] = {"Before", "Control (SFT)", "After (DPO)", "Teacher"};

/* ---- tasks ---- */

static ap_status load_results(struct ap_store *store, struct ap_report_task *task, struct ap_err *err)
{
    for (int row = 0; row < AP_ROW_COUNT; row++) {
        struct ap_err why = {0};
        ap_status status = ap__results_from_store(store, ap__row_actor[row], task->name, &task->results[row], &why);
        if (status == AP_E_NOT_FOUND)
            continue;
        if (status != AP_OK)
            return ap__fail(err, why.code, why.place, "%s", why.message);
        task->has[row] = true;
        ap__results_rates(&task->results[row], &task->rates[row]);
    }
    return AP_OK;
}

static ap_status compare_rows(struct ap_report_task *task, enum ap_subject_row from, enum ap_subject_row to,
                              uint64_t seed, bool *compared, struct ap_comparison *out, struct ap_err *err)
{
    if (!task->has[from] || !task->has[to])
        return AP_OK;
    struct ap_err why = {0};
    ap_status status = ap__compare(&task->results[from], &task->results[to], seed, out, &why);
    if (status == AP_E_NOT_FOUND) /* an evaluation that has only begun */
        return AP_OK;
    if (status != AP_OK)
        return ap__fail(err, why.code, why.place, "%s", why.message);
    *compared = true;
    return AP_OK;
}

static ap_status load_task(struct ap_store *store, const char *name, uint64_t seed, const struct ap_pairs *pairs,
                           struct ap_report_task *task, struct ap_err *err)
{
    task->name = ap__strdup(name);
    if (!task->name)
        return ap__fail(err, AP_E_MEMORY, NULL, "out of memory making the report");
    AP_TRY(ap__store_count_problems(store, name, AP_TRAIN, &task->train_problems, err));
    AP_TRY(ap__store_count_problems(store, name, AP_HELDOUT, &task->heldout_problems, err));
    AP_TRY(load_results(store, task, err));
    AP_TRY(compare_rows(task, AP_ROW_BEFORE, AP_ROW_AFTER, seed, &task->compared, &task->gain, err));
    AP_TRY(compare_rows(task, AP_ROW_CONTROL, AP_ROW_AFTER, seed, &task->control_compared, &task->over_control, err));
    return ap__report_pick_examples(store, pairs, task, err);
}

/* Holm over the tasks that were compared. */
static ap_status adjust(struct ap_report *report, struct ap_err *err)
{
    double *p = ap__alloc_array(2 * report->tasks + 1, sizeof *p), *q = p + report->tasks;
    int32_t n = 0;
    if (!p)
        return ap__fail(err, AP_E_MEMORY, NULL, "out of memory making the report");
    for (size_t i = 0; i < report->tasks; i++)
        if (report->task[i].compared) {
            p[n] = report->task[i].gain.wilcoxon.p;
            q[n++] = report->task[i].gain.mcnemar_p;
        }
    ap_status status = ap__holm(p, n, p, err);
    if (status == AP_OK)
        status = ap__holm(q, n, q, err);
    n = 0;
    for (size_t i = 0; status == AP_OK && i < report->tasks; i++)
        if (report->task[i].compared) {
            report->task[i].wilcoxon_holm = p[n];
            report->task[i].mcnemar_holm = q[n++];
        }
    ap__free(p);
    return status;
}

static ap_status load_tasks(struct ap_store *store, const struct ap_pairs *pairs, struct ap_report *out,
                            struct ap_err *err)
{
    struct ap_names names = {0};
    uint64_t seed = out->seed ? strtoull(out->seed, NULL, 10) : 0;
    ap_status status = ap__store_tasks(store, &names, err);
    if (status == AP_OK && !(out->task = ap__alloc_array(names.n + 1, sizeof *out->task)))
        status = ap__fail(err, AP_E_MEMORY, NULL, "out of memory making the report");
    for (size_t i = 0; status == AP_OK && i < names.n; i++)
        status = load_task(store, names.item[i], seed, pairs, &out->task[out->tasks++], err);
    ap__names_deinit(&names);
    return status == AP_OK ? adjust(out, err) : status;
}

/* ---- collected chains and pairs ---- */

static ap_status count_actor(void *user, struct ap_stored_chain *chain, struct ap_err *err)
{
    struct ap_report *report = user;
    struct ap_report_actor *actor = NULL;
    for (size_t i = 0; i < report->actors && !actor; i++)
        if (strcmp(report->actor[i].name, chain->key.actor) == 0)
            actor = &report->actor[i];
    if (!actor) {
        size_t cap = report->actors; /* few: grow one by one */
        AP_TRY(ap__grow((void **)&report->actor, &cap, report->actors + 1, sizeof *actor, err));
        actor = &report->actor[report->actors];
        *actor = (struct ap_report_actor){.name = ap__strdup(chain->key.actor)};
        if (!actor->name)
            return ap__fail(err, AP_E_MEMORY, NULL, "out of memory making the report");
        report->actors++;
    }
    actor->chains++;
    actor->correct += chain->chain.verdict == AP_CORRECT;
    actor->sound += chain->chain.verdict == AP_CORRECT && chain->sound;
    actor->incorrect += chain->chain.verdict == AP_INCORRECT;
    actor->invalid += chain->chain.verdict == AP_INVALID;
    actor->new_tokens += chain->chain.new_tokens;
    return AP_OK;
}

static ap_status count_provenance(struct ap_report *report, const char *provenance, struct ap_err *err)
{
    struct ap_names *names = &report->provenance;
    for (size_t i = 0; i < names->n; i++)
        if (strcmp(names->item[i], provenance) == 0) {
            report->provenance_count[i]++;
            return AP_OK;
        }
    size_t cap = names->n;
    AP_TRY(ap__grow((void **)&report->provenance_count, &cap, names->n + 1, sizeof *report->provenance_count, err));
    AP_TRY(ap__grow((void **)&names->item, &names->cap, names->n + 1, sizeof *names->item, err));
    names->item[names->n] = ap__strdup(provenance);
    if (!names->item[names->n])
        return ap__fail(err, AP_E_MEMORY, NULL, "out of memory making the report");
    report->provenance_count[names->n++] = 1;
    return AP_OK;
}

static ap_status count_pairs(struct ap_store *store, struct ap_report *report, const struct ap_pairs *pairs,
                             struct ap_err *err)
{
    report->pairs = (int64_t)pairs->n;
    for (size_t i = 0; i < pairs->n; i++) {
        struct ap_problem problem = {0};
        AP_TRY(count_provenance(report, pairs->item[i].provenance, err));
        AP_TRY(ap__store_problem(store, pairs->item[i].problem, &problem, err));
        for (size_t t = 0; t < report->tasks; t++)
            report->task[t].pairs += strcmp(report->task[t].name, problem.task) == 0;
        ap__problem_deinit(&problem);
    }
    return AP_OK;
}

/* ---- the rest ---- */

static ap_status load_meta(struct ap_store *store, struct ap_report *out, struct ap_err *err)
{
    const struct {
        const char *key;
        char **value;
    } keys[] = {
        {"recipe", &out->recipe},
        {"recipe_path", &out->recipe_path},
        {"seed", &out->seed},
        {"version", &out->version},
        {"teacher_model", &out->teacher_model},
        {"student_model", &out->student_model},
        {"student_declaration", &out->declaration},
        {"machine", &out->machine},
    };
    out->dir = ap__strdup(ap__store_dir(store));
    if (!out->dir)
        return ap__fail(err, AP_E_MEMORY, NULL, "out of memory making the report");
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        AP_TRY(ap__store_meta(store, keys[i].key, keys[i].value, err));
    return AP_OK;
}

double ap__report_metric(const json_t *metrics, size_t i, const char *key)
{
    const json_t *value = json_object_get(json_array_get(metrics, i), key);
    return json_is_number(value) ? json_number_value(value) : (double)NAN;
}

double ap__report_final(const json_t *metrics, const char *key)
{
    size_t n = json_array_size(metrics), last = n / 10 > 0 ? n / 10 : 1;
    double sum = 0;
    if (n == 0)
        return (double)NAN;
    for (size_t i = n - last; i < n; i++)
        sum += ap__report_metric(metrics, i, key);
    return sum / (double)last;
}

static ap_status load_training(struct ap_store *store, struct ap_report *out, struct ap_err *err)
{
    AP_TRY(ap__store_metrics(store, "dpo", &out->dpo, err));
    AP_TRY(ap__store_metrics(store, "sft", &out->sft, err));
    for (size_t i = 0; i < json_array_size(out->dpo); i++) {
        out->tokens_tree += ap__json_i64_or(json_array_get(out->dpo, i), "tokens_tree", 0);
        out->tokens_flat += ap__json_i64_or(json_array_get(out->dpo, i), "tokens_flat", 0);
    }
    return AP_OK;
}

static ap_status load_usage(struct ap_store *store, struct ap_report *out, struct ap_err *err)
{
    char *text = NULL;
    AP_TRY(ap__store_meta(store, "teacher_usage", &text, err));
    ap_status status = text ? ap__json_parse(text, strlen(text), "teacher_usage", &out->usage, err) : AP_OK;
    ap__free(text);
    return status;
}

ap_status ap__report_load(struct ap_store *store, struct ap_report *out, struct ap_err *err)
{
    struct ap_pairs pairs = {0};
    struct ap_chain_filter collected = {.purpose = AP_FOR_COLLECT};
    *out = (struct ap_report){0};
    ap_status status = load_meta(store, out, err);
    if (status == AP_OK)
        status = ap__store_pairs(store, &pairs, err);
    if (status == AP_OK)
        status = load_tasks(store, &pairs, out, err);
    if (status == AP_OK)
        status = count_pairs(store, out, &pairs, err);
    if (status == AP_OK)
        status = ap__store_each_chain(store, &collected, count_actor, out, err);
    if (status == AP_OK)
        status = load_training(store, out, err);
    if (status == AP_OK)
        status = load_usage(store, out, err);
    if (status == AP_OK)
        status = ap__store_stages(store, &out->stage, &out->stages, err);
    ap__pairs_deinit(&pairs);
    if (status != AP_OK)
        ap__report_free(out);
    return status;
}

static void free_task(struct ap_report_task *task)
{
    for (int row = 0; row < AP_ROW_COUNT; row++)
        ap__results_deinit(&task->results[row]);
    ap__comparison_deinit(&task->gain);
    ap__comparison_deinit(&task->over_control);
    for (int32_t i = 0; i < task->examples; i++) {
        struct ap_example *e = &task->example[i];
        ap__free(e->title);
        ap__free(e->left_title);
        ap__free(e->right_title);
        ap__problem_deinit(&e->problem);
        ap__stored_chain_deinit(&e->left);
        ap__stored_chain_deinit(&e->right);
    }
    ap__free(task->name);
}

void ap__report_free(struct ap_report *report)
{
    char *const text[] = {report->dir,     report->recipe,        report->recipe_path,   report->seed,
                          report->version, report->teacher_model, report->student_model, report->declaration,
                          report->machine};
    for (size_t i = 0; i < sizeof text / sizeof *text; i++)
        ap__free(text[i]);
    for (size_t i = 0; i < report->tasks; i++)
        free_task(&report->task[i]);
    for (size_t i = 0; i < report->actors; i++)
        ap__free(report->actor[i].name);
    ap__free(report->task);
    ap__free(report->actor);
    ap__names_deinit(&report->provenance);
    ap__free(report->provenance_count);
    json_decref(report->dpo);
    json_decref(report->sft);
    json_decref(report->usage);
    ap__free(report->stage);
    *report = (struct ap_report){0};
}
