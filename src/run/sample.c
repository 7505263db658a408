/* sample.c - from a plan to jobs, and from finished chains to rows of the store. */
#include "run/sample.h"

#include "base/progress.h"
#include "base/rng.h"

#include <stdio.h>
#include <string.h>

/* One chain to make; job.tag is its index. */
struct item {
    const struct ap_problem *problem;
    int32_t sample; /* AP_SAMPLE_GREEDY or 0, 1, ... */
    float temperature;
};

struct sampling_run {
    struct ap_store *store;
    const struct ap_sample_plan *plan;
    struct item *item;        /* (n,) what is missing */
    struct ap_agent_job *job; /* (n,) */
    int32_t n;
    int64_t planned, made, correct;
    struct ap_progress progress;
};

static struct ap_chain_key key_of(const struct ap_sample_plan *plan, const struct item *item)
{
    return (struct ap_chain_key){
        .problem = item->problem->id, .actor = plan->actor, .purpose = plan->purpose, .sample = item->sample};
}

/* A stream of its own for each chain: by content, so that neither order nor resuming matters. */
static uint64_t stream_of(const struct ap_sample_plan *plan, const struct item *item)
{
    uint64_t key = ap__hash64(plan->actor, strlen(plan->actor), ap__problem_hash(item->problem));
    int64_t which[2] = {item->sample, (int64_t)plan->purpose};
    return ap__hash64(which, sizeof which, key);
}

static void add_job(struct sampling_run *s, const struct item *item)
{
    s->item[s->n] = *item;
    s->job[s->n] = (struct ap_agent_job){
        .tag = (uint64_t)s->n,
        .question = item->problem->question,
        .sampling = {.temperature = item->temperature, .top_p = 1.0f},
        .seed = s->plan->seed,
        .key = stream_of(s->plan, item),
    };
    s->n++;
}

static ap_status add_missing(struct sampling_run *s, struct ap_err *err)
{
    const struct ap_sample_plan *plan = s->plan;
    int32_t first = plan->greedy ? AP_SAMPLE_GREEDY : 0;
    for (size_t p = 0; p < plan->problems->n; p++)
        for (int32_t i = first; i < plan->samples; i++) {
            struct item item = {.problem = &plan->problems->item[p], .sample = i};
            if (i != AP_SAMPLE_GREEDY)
                item.temperature = (float)plan->temperature[i % plan->temperature_count];
            struct ap_chain_key key = key_of(plan, &item);
            bool exists = false;
            AP_TRY(ap__store_chain_exists(s->store, &key, &exists, err));
            if (!exists)
                add_job(s, &item);
        }
    return AP_OK;
}

/* A finished chain: its verdict, whether it may be taught, into the store. */
static ap_status keep_chain(void *user, const struct ap_agent_job *job, struct ap_chain *chain, struct ap_err *err)
{
    struct sampling_run *s = user;
    const struct item *item = &s->item[job->tag];
    struct ap_stored_chain row = {
        .key = key_of(s->plan, item), .temperature = (double)item->temperature, .stream = job->key};
    AP_TRY(ap__task_judge(s->plan->task, item->problem, chain, err));
    if (s->plan->judge_soundness && chain->verdict == AP_CORRECT)
        AP_TRY(ap__task_sound(s->plan->task, item->problem, chain, &row.sound, err));
    s->correct += chain->verdict == AP_CORRECT;
    row.chain = *chain; /* lent for the call; the agent keeps it */
    AP_TRY(ap__store_add_chain(s->store, &row, err));
    s->made++;
    ap__progress_update(&s->progress, s->planned - s->n + s->made, "%.0f%% correct",
                        100.0 * (double)s->correct / (double)s->made);
    return ap__check_interrupt(err);
}

static ap_status run_jobs(struct sampling_run *s, struct ap_llm *llm, struct ap_err *err)
{
    char label[64];
    snprintf(label, sizeof label, "%s %s", s->plan->actor, s->plan->task->name);
    struct ap_agent_config config = s->plan->task->agent;
    config.in_flight = s->plan->in_flight;
    ap__progress_begin(&s->progress, label, "chains", s->planned);
    ap__progress_resume(&s->progress, s->planned - s->n);
    ap_status status = ap__agent_run(llm, &config, s->job, s->n, keep_chain, NULL, s, err);
    ap__progress_end(&s->progress);
    return status;
}

ap_status ap__sample_run(struct ap_store *store, struct ap_llm *llm, const struct ap_sample_plan *plan, int64_t *made,
                         struct ap_err *err)
{
    struct sampling_run s = {.store = store, .plan = plan};
    s.planned = (int64_t)plan->problems->n * (plan->samples + (plan->greedy ? 1 : 0));
    if (made != NULL)
        *made = 0;
    if (s.planned == 0)
        return AP_OK;
    if (s.planned > INT32_MAX)
        return ap__fail(err, AP_E_TOO_LARGE, plan->task->name, "%lld chains in one stage are too many",
                        (long long)s.planned);
    s.item = ap__alloc_array((size_t)s.planned, sizeof *s.item);
    s.job = ap__alloc_array((size_t)s.planned, sizeof *s.job);
    ap_status status = s.item != NULL && s.job != NULL
                           ? add_missing(&s, err)
                           : ap__fail(err, AP_E_MEMORY, plan->task->name, "no memory for the jobs of a stage");
    if (status == AP_OK && s.n > 0)
        status = run_jobs(&s, llm, err);
    if (made != NULL)
        *made = s.made;
    ap__free(s.job);
    ap__free(s.item);
    return status;
}
