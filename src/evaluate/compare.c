/* compare.c - match two evaluations problem by problem and test the difference.
 *
 *     before, after --sort by hash--> matched pairs --+--> greedy: gained, lost -> McNemar
 *                                                     +--> success rates -> Wilcoxon, bootstrap
 *                                                     '--> by template: gains and losses
 *
 * Differences of rates are made from integers with one division, so that equal differences are
 * equal doubles and tie as they should. */
#include "evaluate/evaluate.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct match {
    const struct ap_outcome *before, *after;
};

static int by_hash(const void *a, const void *b)
{
    const struct ap_outcome *x = *(const struct ap_outcome *const *)a, *y = *(const struct ap_outcome *const *)b;
    return x->hash != y->hash ? (x->hash > y->hash) - (x->hash < y->hash) : strcmp(x->id, y->id);
}

static const struct ap_outcome **sorted(const struct ap_results *results)
{
    const struct ap_outcome **list = ap__alloc_array(results->n + 1, sizeof *list);
    for (size_t i = 0; list && i < results->n; i++)
        list[i] = &results->item[i];
    if (list)
        qsort(list, results->n, sizeof *list, by_hash);
    return list;
}

/* Merge the two sorted lists into match (room for the shorter one). */
static size_t merge(const struct ap_outcome **a, size_t na, const struct ap_outcome **b, size_t nb,
                    struct match *match, struct ap_comparison *out)
{
    size_t i = 0, j = 0, n = 0;
    while (i < na && j < nb) {
        if (a[i]->hash == b[j]->hash)
            match[n++] = (struct match){a[i++], b[j++]};
        else if (a[i]->hash < b[j]->hash)
            i++;
        else
            j++;
    }
    out->matched = (int64_t)n;
    out->only_before = (int64_t)(na - n);
    out->only_after = (int64_t)(nb - n);
    return n;
}

/* Rates over the matched problems only: a borrowed, shallow list. */
static ap_status matched_rates(const struct match *match, size_t n, struct ap_comparison *out, struct ap_err *err)
{
    struct ap_outcome *item = ap__alloc_array(n + 1, sizeof *item);
    if (!item)
        return ap__fail(err, AP_E_MEMORY, NULL, "out of memory comparing results");
    struct ap_results list = {.item = item, .n = n};
    for (size_t i = 0; i < n; i++)
        item[i] = *match[i].before;
    ap__results_rates(&list, &out->before);
    for (size_t i = 0; i < n; i++)
        item[i] = *match[i].after;
    ap__results_rates(&list, &out->after);
    ap__free(item);
    return AP_OK;
}

/* ---- by template ---- */

static struct ap_template_row *find_row(struct ap_comparison *out, const char *name)
{
    for (size_t i = 0; i < out->rows; i++)
        if (strcmp(out->row[i].name, name) == 0)
            return &out->row[i];
    return NULL;
}

static ap_status count_greedy(const struct match *m, struct ap_comparison *out, size_t *cap, struct ap_err *err)
{
    if (!m->before->has_greedy || !m->after->has_greedy)
        return AP_OK;
    bool before = m->before->verdict == AP_CORRECT, after = m->after->verdict == AP_CORRECT;
    struct ap_template_row *row = find_row(out, m->after->template_name);
    if (!row) {
        AP_TRY(ap__grow((void **)&out->row, cap, out->rows + 1, sizeof *out->row, err));
        row = &out->row[out->rows];
        *row = (struct ap_template_row){.name = ap__strdup(m->after->template_name)};
        if (!row->name)
            return ap__fail(err, AP_E_MEMORY, NULL, "out of memory comparing results");
        out->rows++;
    }
    row->problems++;
    row->before += before;
    row->after += after;
    row->gained += !before && after;
    row->lost += before && !after;
    out->gained += !before && after;
    out->lost += before && !after;
    return AP_OK;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct ap_template_row *)a)->name, ((const struct ap_template_row *)b)->name);
}

static ap_status count_rows(const struct match *match, size_t n, struct ap_comparison *out, struct ap_err *err)
{
    size_t cap = 0;
    for (size_t i = 0; i < n; i++)
        AP_TRY(count_greedy(&match[i], out, &cap, err));
    if (out->rows > 0)
        qsort(out->row, out->rows, sizeof *out->row, by_name);
    out->mcnemar_p = ap__mcnemar(out->gained, out->lost);
    return AP_OK;
}

/* ---- rates ---- */

/* after - before as one division of integers. */
static double rate_difference(const struct match *m)
{
    int64_t nb = m->before->samples, na = m->after->samples;
    return (double)(m->after->successes * nb - m->before->successes * na) / (double)(na * nb);
}

static ap_status test_difference(const struct match *match, size_t n, uint64_t seed, struct ap_comparison *out,
                                 struct ap_err *err)
{
    double *difference = ap__alloc_array(n + 1, sizeof *difference);
    if (!difference)
        return ap__fail(err, AP_E_MEMORY, NULL, "out of memory comparing results");
    int32_t used = 0;
    for (size_t i = 0; i < n; i++)
        out->sampled |= match[i].before->samples > 0 && match[i].after->samples > 0;
    for (size_t i = 0; i < n; i++) {
        const struct match *m = &match[i];
        if (out->sampled && m->before->samples > 0 && m->after->samples > 0)
            difference[used++] = rate_difference(m);
        else if (!out->sampled && m->before->has_greedy && m->after->has_greedy)
            difference[used++] = (m->after->verdict == AP_CORRECT) - (m->before->verdict == AP_CORRECT);
    }
    for (int32_t i = 0; i < used; i++)
        out->difference += difference[i] / used;
    ap_status status =
        ap__wilcoxon(difference, used, AP_ZEROS_DROP, AP_WILCOXON_AUTO, true, &out->wilcoxon, err);
    if (status == AP_OK && used > 0)
        status = ap__bootstrap_mean(difference, used, 0.95, AP_BOOTSTRAP_RESAMPLES, seed, &out->difference_interval,
                                    err);
    ap__free(difference);
    return status;
}

ap_status ap__compare(const struct ap_results *before, const struct ap_results *after, uint64_t seed,
                      struct ap_comparison *out, struct ap_err *err)
{
    *out = (struct ap_comparison){0};
    ap_status status = AP_OK;
    const struct ap_outcome **a = sorted(before), **b = sorted(after);
    struct match *match = ap__alloc_array((before->n < after->n ? before->n : after->n) + 1, sizeof *match);
    if (!a || !b || !match) {
        status = ap__fail(err, AP_E_MEMORY, NULL, "out of memory comparing results");
        goto done;
    }
    size_t n = merge(a, before->n, b, after->n, match, out);
    if (n == 0) {
        status = ap__fail(err, AP_E_NOT_FOUND, NULL, "`%s` and `%s` have no problem in common",
                          before->name ? before->name : "", after->name ? after->name : "");
        goto done;
    }
    status = matched_rates(match, n, out, err);
    if (status == AP_OK)
        status = count_rows(match, n, out, err);
    if (status == AP_OK)
        status = test_difference(match, n, seed, out, err);
done:
    ap__free(a);
    ap__free(b);
    ap__free(match);
    if (status != AP_OK)
        ap__comparison_deinit(out);
    return status;
}

void ap__comparison_deinit(struct ap_comparison *comparison)
{
    for (size_t i = 0; i < comparison->rows; i++)
        ap__free(comparison->row[i].name);
    ap__free(comparison->row);
    *comparison = (struct ap_comparison){0};
}

/* ---- as JSON ---- */

static json_t *rates_to_json(const struct ap_rates *r)
{
    json_t *json = json_pack("{s:I, s:I, s:[f, f]}", "problems", (json_int_t)r->problems, "greedy_correct",
                             (json_int_t)r->greedy_correct, "greedy_interval", r->greedy.low, r->greedy.high);
    if (json && r->samples > 0) {
        json_object_set_new(json, "rate", json_real(r->rate));
        json_object_set_new(json, "samples", json_integer(r->samples));
        json_object_set_new(json, "successes", json_integer(r->successes));
    }
    return json;
}

static json_t *row_to_json(const struct ap_template_row *row)
{
    return json_pack("{s:s, s:I, s:I, s:I, s:I, s:I}", "template", row->name, "problems", (json_int_t)row->problems,
                     "before", (json_int_t)row->before, "after", (json_int_t)row->after, "gained",
                     (json_int_t)row->gained, "lost", (json_int_t)row->lost);
}

static json_t *wilcoxon_to_json(const struct ap_wilcoxon *w)
{
    char text[96];
    ap__wilcoxon_describe(w, text);
    return json_pack("{s:f, s:s, s:f, s:f, s:i, s:i}", "p", w->p, "method", text, "w_plus", w->w_plus, "w_minus",
                     w->w_minus, "n", w->n, "zeros", w->zeros);
}

json_t *ap__comparison_to_json(const struct ap_comparison *c)
{
    json_t *templates = json_array();
    for (size_t i = 0; i < c->rows; i++)
        json_array_append_new(templates, row_to_json(&c->row[i]));
    return json_pack("{s:I, s:I, s:I, s:o, s:o, s:I, s:I, s:s, s:f, s:[f, f], s:o, s:{s:f}, s:o}", "problems",
                     (json_int_t)c->matched, "only_before", (json_int_t)c->only_before, "only_after",
                     (json_int_t)c->only_after, "before", rates_to_json(&c->before), "after",
                     rates_to_json(&c->after), "gained", (json_int_t)c->gained, "lost", (json_int_t)c->lost,
                     "difference_of", c->sampled ? "success rates" : "greedy answers", "difference", c->difference,
                     "difference_interval", c->difference_interval.low, c->difference_interval.high, "wilcoxon",
                     wilcoxon_to_json(&c->wilcoxon), "mcnemar", "p", c->mcnemar_p, "templates", templates);
}
