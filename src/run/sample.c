/* sample.c - from a plan to jobs, and from finished chains to rows of the store.
 *
 *     planned chains, in groups of a fixed size --> a group that lacks any chain is run whole
 *                                               --> what the store lacks of it is kept
 *
 * A model's logits differ in the last bit with what else is in its batch, so a chain is a function
 * of its group.  Running groups whole makes a continued run the same, bit for bit, as one that was
 * never killed.  Where an answer depends on its request alone (a server's), what is stored is left out
 * and groups are as large as they can be, for each one's end leaves the server idle. */
#include "run/sample.h"

#include "base/progress.h"
#include "base/rng.h"
#include "tensor/peak.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum {
    GROUP = 8,               /* jobs of a group, in chains in flight: few groups, short tails */
    GROUP_INDEPENDENT = 1 << 16,
};

/* One chain of the plan; job.tag is its index in the group. */
struct item {
    const struct ap_problem *problem;
    int32_t sample; /* AP_SAMPLE_GREEDY or 0, 1, ... */
    float temperature;
    bool stored; /* the store has it already */
};

struct sampling_run {
    struct ap_store *store;
    const struct ap_sample_plan *plan;
    struct item *item;        /* (group,) */
    struct ap_agent_job *job; /* (group,) */
    int32_t group;            /* chains per group */
    bool independent;         /* groups need not be whole */
    int64_t planned, done;    /* chains; done: in the store */
    int64_t made, correct;    /* by this call */
    int64_t lost;             /* in this pass */
    const struct ap_llm *local; /* the model of our own, whose work is shown; else NULL */
    struct ap_session_stats before; /* this call */
    double gflop_before;
    double peak;              /* GFLOP/s of sgemm on this machine, now */
    struct ap_progress progress;
};

static struct ap_chain_key key_of(const struct ap_sample_plan *plan, const struct item *item)
{
    return (struct ap_chain_key){
        .problem = item->problem->id, .actor = plan->actor, .purpose = plan->purpose, .sample = item->sample};
}

/* A stream of its own for each chain, by content. */
static uint64_t stream_of(const struct ap_sample_plan *plan, const struct item *item)
{
    uint64_t key = ap__hash64(plan->actor, strlen(plan->actor), ap__problem_hash(item->problem));
    int64_t which[2] = {item->sample, (int64_t)plan->purpose};
    return ap__hash64(which, sizeof which, key);
}

static int64_t chains_per_problem(const struct ap_sample_plan *plan)
{
    return plan->samples + (plan->greedy ? 1 : 0);
}

/* Chain `index` of the plan: problem by problem, the greedy one first. */
static struct item item_at(const struct ap_sample_plan *plan, int64_t index)
{
    int64_t each = chains_per_problem(plan);
    struct item item = {.problem = &plan->problems->item[index / each],
                        .sample = (int32_t)(index % each) - (plan->greedy ? 1 : 0)};
    if (item.sample != AP_SAMPLE_GREEDY)
        item.temperature = (float)plan->temperature[item.sample % plan->temperature_count];
    return item;
}

/* Fill a group from chain *next of the plan on; *missing = chains that the store lacks. */
static ap_status fill_group(struct sampling_run *s, int64_t *next, int32_t *n, int32_t *missing, struct ap_err *err)
{
    *missing = 0;
    for (*n = 0; *n < s->group && *next < s->planned; ++*next) {
        struct item *item = &s->item[*n];
        *item = item_at(s->plan, *next);
        struct ap_chain_key key = key_of(s->plan, item);
        AP_TRY(ap__store_chain_exists(s->store, &key, &item->stored, err));
        *missing += !item->stored;
        s->done += item->stored;
        if (item->stored && s->independent)
            continue;
        s->job[*n] = (struct ap_agent_job){
            .tag = (uint64_t)*n,
            .question = item->problem->question,
            .sampling = {.temperature = item->temperature, .top_p = 1.0f},
            .seed = s->plan->seed,
            .key = stream_of(s->plan, item),
        };
        ++*n;
    }
    return AP_OK;
}

static void show_progress(struct sampling_run *s)
{
    double right = 100.0 * (double)s->correct / (double)s->made, seconds = ap__now() - s->progress.started;
    if (s->local == NULL || s->peak <= 0.0 || seconds <= 0.0) {
        ap__progress_update(&s->progress, s->done, "%.0f%% correct", right);
        return;
    }
    struct ap_session_stats now = ap__llm_local_stats(s->local);
    double computed = (double)(now.tokens_computed - s->before.tokens_computed),
           shared = (double)(now.tokens_shared - s->before.tokens_shared),
           gflop = ap__llm_local_gflop(s->local) - s->gflop_before;
    ap__progress_update(&s->progress, s->done, "%.0f%% correct, %.0f tokens/s, sharing %.1fx, %.0f%% of peak", right,
                        computed / seconds, (computed + shared) / fmax(computed, 1.0), 100.0 * gflop / seconds / s->peak);
}

/* A finished chain: its verdict, whether it may be taught, into the store. */
static ap_status keep_chain(void *user, const struct ap_agent_job *job, struct ap_chain *chain, struct ap_err *err)
{
    struct sampling_run *s = user;
    const struct item *item = &s->item[job->tag];
    if (chain->end == AP_END_LOST)
        s->lost++;
    if (item->stored || chain->end == AP_END_LOST)
        return ap__check_interrupt(err);
    struct ap_stored_chain row = {
        .key = key_of(s->plan, item), .temperature = (double)item->temperature, .stream = job->key};
    AP_TRY(ap__task_judge(s->plan->task, item->problem, chain, err));
    if (s->plan->judge_soundness && chain->verdict == AP_CORRECT)
        AP_TRY(ap__task_sound(s->plan->task, item->problem, chain, &row.sound, err));
    s->correct += chain->verdict == AP_CORRECT;
    row.chain = *chain; /* lent for the call; the agent keeps it */
    AP_TRY(ap__store_add_chain(s->store, &row, err));
    s->made++;
    s->done++;
    show_progress(s);
    return ap__check_interrupt(err);
}

static ap_status run_groups(struct sampling_run *s, struct ap_llm *llm, struct ap_err *err)
{
    struct ap_agent_config config = s->plan->task->agent;
    config.in_flight = s->plan->in_flight;
    s->done = s->lost = 0;
    for (int64_t next = 0; next < s->planned;) {
        int32_t n, missing;
        AP_TRY(fill_group(s, &next, &n, &missing, err));
        ap__progress_resume(&s->progress, s->done - s->made);
        ap__progress_update(&s->progress, s->done, NULL);
        if (missing > 0)
            AP_TRY(ap__agent_run(llm, &config, s->job, n, keep_chain, NULL, s, err));
    }
    return AP_OK;
}

static void watch_work(struct sampling_run *s, const struct ap_llm *llm)
{
    if (!ap__llm_is_local(llm))
        return;
    s->local = llm;
    s->before = ap__llm_local_stats(llm);
    s->gflop_before = ap__llm_local_gflop(llm);
    s->peak = ap__peak_sgemm(AP_PEAK_GLANCE);
}

ap_status ap__sample_run(struct ap_store *store, struct ap_llm *llm, const struct ap_sample_plan *plan,
                         int64_t *planned, int64_t *lost, struct ap_err *err)
{
    struct sampling_run s = {.store = store, .plan = plan, .group = GROUP * plan->in_flight,
                             .independent = llm->independent};
    char label[64];
    s.planned = *planned = (int64_t)plan->problems->n * chains_per_problem(plan);
    *lost = 0;
    if (s.independent)
        s.group = s.planned < GROUP_INDEPENDENT ? (int32_t)s.planned : GROUP_INDEPENDENT;
    if (s.planned == 0)
        return AP_OK;
    s.item = ap__alloc_array((size_t)s.group, sizeof *s.item);
    s.job = ap__alloc_array((size_t)s.group, sizeof *s.job);
    ap_status status = AP_OK;
    if (s.item == NULL || s.job == NULL)
        status = ap__fail(err, AP_E_MEMORY, plan->task->name, "no memory for the jobs of a stage");
    if (status == AP_OK) {
        snprintf(label, sizeof label, "%s %s", plan->actor, plan->task->name);
        watch_work(&s, llm);
        ap__progress_begin(&s.progress, label, "chains", s.planned);
        status = run_groups(&s, llm, err);
        if (status == AP_OK && s.lost > 0) /* the trouble may be over */
            status = run_groups(&s, llm, err);
        *lost = s.lost;
        ap__progress_end(&s.progress);
    }
    ap__free(s.job);
    ap__free(s.item);
    return status;
}
