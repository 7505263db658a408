/* cmd_compare.c - `apprentice compare A B`: is the difference between two evaluations real?
 *
 *     RUN:NAME (an evaluation of a run folder) -.
 *     FILE.json (from `apprentice eval --out`) --+--> results per task --pair by task--> compare
 *                                                                   Holm over the tasks --> text, JSON */
#include "base/file.h"
#include "cli/command.h"
#include "evaluate/evaluate.h"

#include <stdio.h>
#include <string.h>

enum { MAX_TASKS = 64 };

static int64_t seed = 1;
static bool as_json;

static const struct ap_option options[] = {
    AP_OPTION_INT("seed", 0, INT64_MAX, &seed, "of the bootstrap interval (default: 1)"),
    AP_OPTION_FLAG("json", &as_json, "the last line is an object with everything"),
    AP_OPTION_END,
};

/* One side: an evaluation's results by task. */
struct side {
    struct ap_results results[MAX_TASKS]; /* (n,) */
    int32_t n;
};

struct compared {
    const char *task; /* borrowed from side B */
    struct ap_comparison comparison;
    double wilcoxon_holm, mcnemar_holm;
};

static void free_side(struct side *side)
{
    for (int32_t i = 0; i < side->n; i++)
        ap__results_deinit(&side->results[i]);
}

/* ---- reading ---- */

static ap_status load_tasks(struct ap_store *store, const char *name, struct side *side, struct ap_err *err)
{
    struct ap_names tasks = {0};
    ap_status status = ap__store_tasks(store, &tasks, err);
    for (size_t i = 0; status == AP_OK && i < tasks.n && side->n < MAX_TASKS; i++) {
        status = ap__results_from_store(store, name, tasks.item[i], &side->results[side->n], err);
        if (status == AP_OK)
            side->n++;
        else if (status == AP_E_NOT_FOUND)
            status = AP_OK; /* this task was not evaluated so */
    }
    ap__names_deinit(&tasks);
    if (status == AP_OK && side->n == 0)
        status = ap__fail(err, AP_E_NOT_FOUND, ap__store_dir(store),
                          "the run has no evaluation `%s` (usual names: before, control, after, teacher)", name);
    return status;
}

static ap_status load_run(const char *what, const char *colon, struct side *side, struct ap_err *err)
{
    struct ap_store *store = NULL;
    char *dir = ap__strndup(what, (size_t)(colon - what));
    if (!dir)
        return ap__fail(err, AP_E_MEMORY, what, "out of memory");
    ap_status status = ap__store_open(dir, AP_STORE_READ, &store, err);
    if (status == AP_OK)
        status = load_tasks(store, colon + 1, side, err);
    ap__store_free(store);
    ap__free(dir);
    return status;
}

static ap_status load_side(const char *what, struct side *side, struct ap_err *err)
{
    const char *colon = strrchr(what, ':');
    if (ap__dir_exists(what))
        return ap__fail(err, AP_E_ARG, what, "say which evaluation of the run, for example `%s:after`", what);
    if (!ap__file_exists(what) && colon)
        return load_run(what, colon, side, err);
    AP_TRY(ap__results_load(what, &side->results[0], err));
    side->n = 1;
    return AP_OK;
}

/* ---- comparing ---- */

/* Two sides of one task each are compared whatever their tasks are called. */
static const struct ap_results *partner(const struct side *a, const struct side *b, int32_t i)
{
    if (a->n == 1 && b->n == 1)
        return &a->results[0];
    for (int32_t j = 0; j < a->n; j++)
        if (strcmp(a->results[j].task, b->results[i].task) == 0)
            return &a->results[j];
    return NULL;
}

static ap_status adjust(struct compared *compared, int32_t n, struct ap_err *err)
{
    double wilcoxon[MAX_TASKS], mcnemar[MAX_TASKS];
    for (int32_t i = 0; i < n; i++) {
        wilcoxon[i] = compared[i].comparison.wilcoxon.p;
        mcnemar[i] = compared[i].comparison.mcnemar_p;
    }
    AP_TRY(ap__holm(wilcoxon, n, wilcoxon, err));
    AP_TRY(ap__holm(mcnemar, n, mcnemar, err));
    for (int32_t i = 0; i < n; i++) {
        compared[i].wilcoxon_holm = wilcoxon[i];
        compared[i].mcnemar_holm = mcnemar[i];
    }
    return AP_OK;
}

static ap_status compare_tasks(const struct side *a, const struct side *b, struct compared *compared, int32_t *n,
                               struct ap_err *err)
{
    for (int32_t i = 0; i < b->n; i++) {
        const struct ap_results *before = partner(a, b, i);
        if (!before)
            continue;
        compared[*n].task = b->results[i].task;
        AP_TRY(ap__compare(before, &b->results[i], (uint64_t)seed, &compared[*n].comparison, err));
        ++*n;
    }
    if (*n == 0)
        return ap__fail(err, AP_E_NOT_FOUND, NULL, "the two evaluations have no task in common");
    return adjust(compared, *n, err);
}

/* ---- printing ---- */

static void print_rates(const char *name, const struct ap_rates *r)
{
    printf("  %-8s greedy %lld of %lld, %.1f %% [%.1f, %.1f]", name, (long long)r->greedy_correct,
           (long long)r->problems, r->problems ? 100.0 * (double)r->greedy_correct / (double)r->problems : 0.0,
           100 * r->greedy.low, 100 * r->greedy.high);
    if (r->samples > 0)
        printf("; drawn %lld of %lld, mean rate %.1f %%", (long long)r->successes, (long long)r->samples,
               100 * r->rate);
    putchar('\n');
}

static void print_templates(const struct ap_comparison *c)
{
    int width = 8;
    for (size_t i = 0; i < c->rows; i++)
        width = (int)strlen(c->row[i].name) > width ? (int)strlen(c->row[i].name) : width;
    printf("  %-*s  problems     A     B  gained  lost\n", width, "template");
    for (size_t i = 0; i < c->rows; i++)
        printf("  %-*s  %8lld %5lld %5lld %7lld %5lld\n", width, c->row[i].name, (long long)c->row[i].problems,
               (long long)c->row[i].before, (long long)c->row[i].after, (long long)c->row[i].gained,
               (long long)c->row[i].lost);
}

static void print_text(const struct compared *x, int32_t tasks)
{
    const struct ap_comparison *c = &x->comparison;
    char method[96];
    ap__wilcoxon_describe(&c->wilcoxon, method);
    printf("%s: %lld problems in both", x->task, (long long)c->matched);
    if (c->only_before || c->only_after)
        printf(" (%lld only in A, %lld only in B, not counted)", (long long)c->only_before, (long long)c->only_after);
    putchar('\n');
    print_rates("A", &c->before);
    print_rates("B", &c->after);
    printf("  greedy: %lld gained, %lld lost; McNemar (exact) p = %.3g\n", (long long)c->gained, (long long)c->lost,
           c->mcnemar_p);
    printf("  %s: B - A = %+.1f points [%+.1f, %+.1f] (bootstrap 95 %%)\n",
           c->sampled ? "success rates" : "greedy answers", 100 * c->difference, 100 * c->difference_interval.low,
           100 * c->difference_interval.high);
    printf("  Wilcoxon signed-rank p = %.3g (%s)\n", c->wilcoxon.p, method);
    if (tasks > 1)
        printf("  adjusted for %d tasks (Holm): Wilcoxon p = %.3g, McNemar p = %.3g\n", tasks, x->wilcoxon_holm,
               x->mcnemar_holm);
    print_templates(c);
}

static ap_status print_json(const struct compared *compared, int32_t n, struct ap_err *err)
{
    json_t *tasks = json_object(), *all = json_pack("{s:o}", "tasks", tasks);
    for (int32_t i = 0; all && i < n; i++) {
        json_t *one = ap__comparison_to_json(&compared[i].comparison);
        json_object_set_new(json_object_get(one, "wilcoxon"), "p_holm", json_real(compared[i].wilcoxon_holm));
        json_object_set_new(json_object_get(one, "mcnemar"), "p_holm", json_real(compared[i].mcnemar_holm));
        json_object_set_new(tasks, compared[i].task, one);
    }
    char *text = all ? ap__json_dump(all) : NULL;
    json_decref(all);
    if (!text)
        return ap__fail(err, AP_E_MEMORY, NULL, "out of memory printing the comparison");
    puts(text);
    ap__free(text);
    return AP_OK;
}

static ap_status compare_sides(const struct side *a, const struct side *b, struct ap_err *err)
{
    static struct compared compared[MAX_TASKS];
    int32_t n = 0;
    ap_status status = compare_tasks(a, b, compared, &n, err);
    if (status == AP_OK && as_json)
        status = print_json(compared, n, err);
    for (int32_t i = 0; status == AP_OK && !as_json && i < n; i++)
        print_text(&compared[i], n);
    for (int32_t i = 0; i < n; i++)
        ap__comparison_deinit(&compared[i].comparison);
    return status;
}

static int run(int argc, char **argv)
{
    static struct side a, b;
    struct ap_args args;
    struct ap_err err = {0};
    int rc = ap__options_parse(&ap__cmd_compare, argc, argv, 2, 2, &args);
    if (rc >= 0)
        return rc;
    ap_status status = load_side(args.v[0], &a, &err);
    if (status == AP_OK)
        status = load_side(args.v[1], &b, &err);
    if (status == AP_OK)
        status = compare_sides(&a, &b, &err);
    free_side(&a);
    free_side(&b);
    return status == AP_OK ? AP_EXIT_OK : ap__cli_fail(&err);
}

const struct ap_command ap__cmd_compare = {
    .name = "compare",
    .summary = "compare two evaluations with paired statistics",
    .usage = "A B        (each RUN_FOLDER:NAME or a file of `eval --out`)",
    .options = options,
    .example = "apprentice compare runs/demo-1:before runs/demo-1:after\n"
               "apprentice compare first.json second.json --json",
    .run = run,
};
