/* results.c - one evaluation's outcomes: from a run's chains, from a file, to a file. */
#include "base/file.h"
#include "evaluate/evaluate.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void free_outcome(struct ap_outcome *o)
{
    ap__free(o->id);
    ap__free(o->template_name);
    *o = (struct ap_outcome){0};
}

void ap__results_deinit(struct ap_results *results)
{
    for (size_t i = 0; i < results->n; i++)
        free_outcome(&results->item[i]);
    ap__free(results->item);
    ap__free(results->name);
    ap__free(results->task);
    ap__free(results->model);
    *results = (struct ap_results){0};
}

ap_status ap__results_add(struct ap_results *results, struct ap_outcome *o, struct ap_err *err)
{
    AP_TRY(ap__grow((void **)&results->item, &results->cap, results->n + 1, sizeof *results->item, err));
    results->item[results->n++] = *o;
    *o = (struct ap_outcome){0};
    return AP_OK;
}

void ap__results_rates(const struct ap_results *results, struct ap_rates *out)
{
    double sum = 0;
    int64_t sampled = 0;
    *out = (struct ap_rates){0};
    for (size_t i = 0; i < results->n; i++) {
        const struct ap_outcome *o = &results->item[i];
        out->problems += o->has_greedy;
        out->greedy_correct += o->has_greedy && o->verdict == AP_CORRECT;
        if (o->has_greedy && o->verdict != AP_CORRECT)
            out->ends[o->end]++;
        out->samples += o->samples;
        out->successes += o->successes;
        sampled += o->samples > 0;
        sum += o->samples > 0 ? (double)o->successes / o->samples : 0;
    }
    out->rate = sampled > 0 ? sum / (double)sampled : (double)NAN;
    out->greedy = ap__wilson(out->greedy_correct, out->problems, 0.95);
}

/* ---- from a store ---- */

struct walk {
    struct ap_results *results;
    const struct ap_problems *problems; /* held-out, in the order of the walk */
    size_t at;
    struct ap_outcome open;
};

static ap_status close_outcome(struct walk *w, struct ap_err *err)
{
    return w->open.id ? ap__results_add(w->results, &w->open, err) : AP_OK;
}

static ap_status open_outcome(struct walk *w, const char *problem, struct ap_err *err)
{
    while (w->at < w->problems->n && strcmp(w->problems->item[w->at].id, problem) != 0)
        w->at++;
    if (w->at == w->problems->n)
        return ap__fail(err, AP_E_STATE, problem, "this problem was evaluated but is not held out");
    const struct ap_problem *p = &w->problems->item[w->at];
    w->open = (struct ap_outcome){
        .id = ap__strdup(p->id),
        .template_name = ap__strdup(p->template_name ? p->template_name : ""),
        .hash = ap__problem_hash(p),
        .verdict = AP_INVALID,
    };
    return w->open.id && w->open.template_name ? AP_OK
                                               : ap__fail(err, AP_E_MEMORY, NULL, "out of memory reading results");
}

static ap_status count_chain(void *user, struct ap_stored_chain *chain, struct ap_err *err)
{
    struct walk *w = user;
    if (!w->open.id || strcmp(w->open.id, chain->key.problem) != 0) {
        AP_TRY(close_outcome(w, err));
        AP_TRY(open_outcome(w, chain->key.problem, err));
    }
    if (chain->key.sample == AP_SAMPLE_GREEDY) {
        w->open.has_greedy = true;
        w->open.verdict = chain->chain.verdict;
        w->open.end = chain->chain.end;
        w->open.greedy_chain = chain->id;
    } else {
        w->open.samples++;
        w->open.successes += chain->chain.verdict == AP_CORRECT;
    }
    return AP_OK;
}

ap_status ap__results_from_store(struct ap_store *store, const char *actor, const char *task,
                                 struct ap_results *out, struct ap_err *err)
{
    struct ap_problems problems = {0};
    struct walk walk = {.results = out, .problems = &problems};
    struct ap_chain_filter filter = {.task = task, .actor = actor, .purpose = AP_FOR_EVAL};
    *out = (struct ap_results){.name = ap__strdup(actor), .task = ap__strdup(task), .model = ap__strdup(actor)};
    ap_status status = out->name && out->task && out->model
                           ? ap__store_problems(store, task, AP_HELDOUT, &problems, err)
                           : ap__fail(err, AP_E_MEMORY, NULL, "out of memory reading results");
    if (status == AP_OK)
        status = ap__store_each_chain(store, &filter, count_chain, &walk, err);
    if (status == AP_OK)
        status = close_outcome(&walk, err);
    if (status == AP_OK && out->n == 0)
        status = ap__fail(err, AP_E_NOT_FOUND, ap__store_dir(store), "there is no evaluation `%s` of task `%s`", actor,
                          task);
    free_outcome(&walk.open);
    ap__problems_deinit(&problems);
    if (status != AP_OK)
        ap__results_deinit(out);
    return status;
}

/* ---- files ---- */

/* Words of the file; they never change. */
static const char *const end_words[] = {
    [AP_END_ANSWER] = "answer", [AP_END_STEPS] = "steps",     [AP_END_BAD_CALLS] = "bad-calls",
    [AP_END_LENGTH] = "length", [AP_END_CONTEXT] = "context", [AP_END_LOST] = "lost",
};

static json_t *outcome_to_json(const struct ap_outcome *o)
{
    char hash[20];
    snprintf(hash, sizeof hash, "%016" PRIx64, o->hash);
    json_t *json = json_pack("{s:s, s:s, s:s, s:i, s:i}", "id", o->id, "hash", hash, "template", o->template_name,
                             "successes", o->successes, "samples", o->samples);
    if (json && o->has_greedy) {
        json_object_set_new(json, "greedy", json_boolean(o->verdict == AP_CORRECT));
        json_object_set_new(json, "verdict", json_string(ap__verdict_text(o->verdict)));
        json_object_set_new(json, "end", json_string(end_words[o->end]));
    }
    return json;
}

ap_status ap__results_save(const struct ap_results *results, const char *path, struct ap_err *err)
{
    json_t *problems = json_array();
    for (size_t i = 0; i < results->n; i++)
        if (json_array_append_new(problems, outcome_to_json(&results->item[i])) != 0) {
            json_decref(problems);
            return ap__fail(err, AP_E_FORMAT, path, "problem %zu cannot be written (not UTF-8, or no memory)", i);
        }
    json_t *json = json_pack("{s:s, s:s, s:s, s:o}", "name", results->name ? results->name : "", "task",
                             results->task ? results->task : "", "model", results->model ? results->model : "",
                             "problems", problems);
    char *text = json ? ap__json_dump(json) : NULL;
    json_decref(json);
    if (!text)
        return ap__fail(err, AP_E_MEMORY, path, "out of memory writing results");
    ap_status status = ap__file_write(path, text, strlen(text), err);
    ap__free(text);
    return status;
}

static ap_status read_hash(const char *text, const char *place, uint64_t *out, struct ap_err *err)
{
    char *end;
    *out = strtoull(text, &end, 16);
    if (strlen(text) == 16 && *end == '\0')
        return AP_OK;
    return ap__fail(err, AP_E_FORMAT, place, "`hash` must be 16 hex digits, got `%.40s`", text);
}

/* greedy is a boolean; "verdict" and "end" tell more when they are there. */
static ap_status read_greedy(const json_t *json, const char *place, struct ap_outcome *o, struct ap_err *err)
{
    const json_t *greedy = json_object_get(json, "greedy");
    o->verdict = AP_INVALID;
    if (!greedy)
        return AP_OK;
    if (!json_is_boolean(greedy))
        return ap__fail(err, AP_E_FORMAT, place, "`greedy` must be true or false");
    o->has_greedy = true;
    const char *verdict = ap__json_str_or(json, "verdict", "incorrect"), *end = ap__json_str_or(json, "end", "answer");
    o->verdict = json_is_true(greedy) ? AP_CORRECT : strcmp(verdict, "invalid") == 0 ? AP_INVALID : AP_INCORRECT;
    for (int e = AP_END_ANSWER; e <= AP_END_LOST; e++)
        if (strcmp(end, end_words[e]) == 0)
            o->end = (enum ap_end)e;
    return AP_OK;
}

static ap_status read_outcome(const json_t *json, const char *place, struct ap_outcome *o, struct ap_err *err)
{
    const char *id, *hash;
    AP_TRY(ap__json_str(json, "id", place, &id, err));
    AP_TRY(ap__json_str(json, "hash", place, &hash, err));
    AP_TRY(read_hash(hash, place, &o->hash, err));
    AP_TRY(read_greedy(json, place, o, err));
    int64_t samples = ap__json_i64_or(json, "samples", 0), successes = ap__json_i64_or(json, "successes", 0);
    if (samples < 0 || successes < 0 || successes > samples || samples > 1000000)
        return ap__fail(err, AP_E_FORMAT, place, "%lld successes in %lld samples cannot be", (long long)successes,
                        (long long)samples);
    o->samples = (int32_t)samples;
    o->successes = (int32_t)successes;
    o->id = ap__strdup(id);
    o->template_name = ap__strdup(ap__json_str_or(json, "template", ""));
    return o->id && o->template_name ? AP_OK : ap__fail(err, AP_E_MEMORY, place, "out of memory reading results");
}

static ap_status read_results(const json_t *json, const char *path, struct ap_results *out, struct ap_err *err)
{
    const char *task;
    json_t *problems, *problem;
    size_t i;
    AP_TRY(ap__json_str(json, "task", path, &task, err));
    AP_TRY(ap__json_array(json, "problems", path, &problems, err));
    out->task = ap__strdup(task);
    out->model = ap__strdup(ap__json_str_or(json, "model", ""));
    out->name = ap__strdup(ap__json_str_or(json, "name", ap__path_base(path)));
    if (!out->task || !out->model || !out->name)
        return ap__fail(err, AP_E_MEMORY, path, "out of memory reading results");
    json_array_foreach(problems, i, problem) {
        struct ap_outcome o = {0};
        char place[320];
        snprintf(place, sizeof place, "%s: problem %zu", path, i + 1);
        ap_status status = read_outcome(problem, place, &o, err);
        if (status == AP_OK)
            status = ap__results_add(out, &o, err);
        free_outcome(&o);
        AP_TRY(status);
    }
    return AP_OK;
}

ap_status ap__results_load(const char *path, struct ap_results *out, struct ap_err *err)
{
    json_t *json = NULL;
    *out = (struct ap_results){0};
    AP_TRY(ap__json_load(path, &json, err));
    ap_status status = read_results(json, path, out, err);
    json_decref(json);
    if (status != AP_OK)
        ap__results_deinit(out);
    return status;
}
