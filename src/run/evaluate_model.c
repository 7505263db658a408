/* evaluate_model.c - jobs of one evaluation and the outcomes they add up to. */
#include "run/evaluate_model.h"

#include "base/progress.h"
#include "base/rng.h"

struct evaluation {
    const struct ap_task *task;
    const struct ap_problems *problems;
    struct ap_results *results;
    int64_t chains, done, greedy_done, greedy_correct, tokens;
    struct ap_progress progress;
};

/* One outcome per problem, nothing known yet. */
static ap_status add_outcomes(const struct ap_problems *problems, struct ap_results *out, struct ap_err *err)
{
    for (size_t i = 0; i < problems->n; i++) {
        const struct ap_problem *p = &problems->item[i];
        struct ap_outcome o = {.hash = ap__problem_hash(p), .verdict = AP_INVALID};
        o.id = ap__strdup(p->id);
        o.template_name = ap__strdup(p->template_name != NULL ? p->template_name : "");
        if (o.id == NULL || o.template_name == NULL) {
            ap__free(o.id);
            ap__free(o.template_name);
            return ap__fail(err, AP_E_MEMORY, p->id, "no memory for results");
        }
        AP_TRY(ap__results_add(out, &o, err));
    }
    return AP_OK;
}

/* A chain's tag: problem * (samples + 1) + (0 greedy, 1.. drawn). */
static ap_status count_chain(void *user, const struct ap_agent_job *job, struct ap_chain *chain, struct ap_err *err)
{
    struct evaluation *e = user;
    int64_t per_problem = e->chains / (int64_t)e->problems->n;
    size_t index = (size_t)((int64_t)job->tag / per_problem);
    struct ap_outcome *o = &e->results->item[index];
    if (chain->end == AP_END_LOST) /* says nothing about the model */
        return ap__check_interrupt(err);
    AP_TRY(ap__task_judge(e->task, &e->problems->item[index], chain, err));
    if ((int64_t)job->tag % per_problem == 0) {
        o->has_greedy = true;
        o->verdict = chain->verdict;
        o->end = chain->end;
        e->greedy_done++;
        e->greedy_correct += chain->verdict == AP_CORRECT;
    } else {
        o->samples++;
        o->successes += chain->verdict == AP_CORRECT;
    }
    e->tokens += chain->new_tokens;
    ap__progress_update(&e->progress, ++e->done, "greedy %lld of %lld", (long long)e->greedy_correct,
                        (long long)e->greedy_done);
    return ap__check_interrupt(err);
}

static void fill_jobs(struct ap_agent_job *job, const struct ap_problems *problems,
                      const struct ap_evaluate_options *options)
{
    int64_t n = 0;
    for (size_t p = 0; p < problems->n; p++)
        for (int64_t s = 0; s <= options->samples; s++, n++)
            job[n] = (struct ap_agent_job){
                .tag = (uint64_t)n,
                .question = problems->item[p].question,
                .sampling = {.temperature = s == 0 ? 0.0f : (float)options->temperature, .top_p = 1.0f},
                .seed = options->seed,
                .key = ap__hash64(&s, sizeof s, ap__problem_hash(&problems->item[p])),
            };
}

ap_status ap__evaluate_model(struct ap_llm *llm, const struct ap_task *task, const struct ap_problems *problems,
                             const struct ap_evaluate_options *options, struct ap_results *out, int64_t *tokens,
                             struct ap_err *err)
{
    struct evaluation e = {.task = task, .problems = problems, .results = out};
    e.chains = (int64_t)problems->n * (options->samples + 1);
    if (e.chains == 0 || e.chains > INT32_MAX)
        return ap__fail(err, AP_E_ARG, task->name, "%lld chains cannot be evaluated", (long long)e.chains);
    struct ap_agent_config config = task->agent;
    config.in_flight = options->in_flight;
    struct ap_agent_job *job = ap__alloc_array((size_t)e.chains, sizeof *job);
    if (job == NULL)
        return ap__fail(err, AP_E_MEMORY, task->name, "no memory for %lld chains", (long long)e.chains);
    out->name = ap__strdup(options->name);
    out->task = ap__strdup(task->name);
    out->model = ap__strdup(options->model);
    ap_status status = out->name != NULL && out->task != NULL && out->model != NULL
                           ? add_outcomes(problems, out, err)
                           : ap__fail(err, AP_E_MEMORY, task->name, "no memory for results");
    if (status == AP_OK) {
        fill_jobs(job, problems, options);
        ap__progress_begin(&e.progress, task->name, "chains", e.chains);
        status = ap__agent_run(llm, &config, job, (int32_t)e.chains, count_chain, NULL, &e, err);
        ap__progress_end(&e.progress);
    }
    if (tokens != NULL)
        *tokens = e.tokens;
    ap__free(job);
    return status;
}
