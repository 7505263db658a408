/* gold_source.c - problems to examples, one training step at a time. */
#include "run/gold_source.h"

#include "base/rng.h"
#include "tasks/careless.h"

#include <string.h>

enum { MAX_TASKS = 16 };

struct source_task {
    const struct ap_task *task;
    int32_t per_step;
    struct ap_conversation prefix; /* prompt, help, bootstrap: encoded once */
};

struct ap_gold_source {
    struct ap_gold_options options;
    struct source_task task[MAX_TASKS];
    int32_t tasks, batch;
    struct ap_chain *chain; /* (batch,) of the current step */
};

ap_status ap__gold_source_new(const struct ap_gold_options *options, struct ap_gold_source **out, struct ap_err *err)
{
    *out = ap__alloc(sizeof **out);
    if (*out == NULL)
        return ap__fail(err, AP_E_MEMORY, NULL, "no memory for the gold chains");
    (*out)->options = *options;
    return AP_OK;
}

static void drop_chains(struct ap_gold_source *s)
{
    for (int32_t i = 0; s->chain != NULL && i < s->batch; i++)
        ap__chain_deinit(&s->chain[i]);
}

void ap__gold_source_free(struct ap_gold_source *source)
{
    if (source == NULL)
        return;
    drop_chains(source);
    ap__free(source->chain);
    for (int32_t i = 0; i < source->tasks; i++)
        ap__conversation_deinit(&source->task[i].prefix);
    ap__free(source);
}

ap_status ap__gold_source_add(struct ap_gold_source *source, const struct ap_task *task, int32_t per_step,
                              struct ap_err *err)
{
    if (source->tasks == MAX_TASKS)
        return ap__fail(err, AP_E_TOO_LARGE, task->name, "at most %d tasks", MAX_TASKS);
    struct ap_chain *chain = ap__alloc_array((size_t)(source->batch + per_step), sizeof *chain);
    if (chain == NULL)
        return ap__fail(err, AP_E_MEMORY, task->name, "no memory for a batch");
    ap__free(source->chain);
    source->chain = chain;
    struct source_task *t = &source->task[source->tasks];
    *t = (struct source_task){.task = task, .per_step = per_step};
    AP_TRY(ap__prompt_prefix(&task->agent, source->options.tmpl, &t->prefix, err));
    source->tasks++;
    source->batch += per_step;
    return ap__conversation_encode(&t->prefix, source->options.tmpl, err);
}

int32_t ap__gold_source_batch(const struct ap_gold_source *source)
{
    return source->batch;
}

static ap_status render(struct ap_gold_source *s, const struct source_task *t, const struct ap_problem *problem,
                        char *const *calls, int32_t n, struct ap_chain *out, struct ap_err *err)
{
    bool ok;
    return ap__prompt_render_after(&t->prefix, t->task->functions, s->options.tmpl, problem->question,
                                   (const char *const *)calls, n, out, &ok, err);
}

/* One problem to one chain, careless with the given probability. */
static ap_status make_chain(struct ap_gold_source *s, const struct source_task *t, const struct ap_problem *problem,
                            struct ap_chain *out, struct ap_err *err)
{
    struct ap_rng rng = ap__rng_make(s->options.seed, "careless", ap__problem_hash(problem), 0, 0);
    if (problem->call_count == 0)
        return ap__fail(err, AP_E_ARG, problem->id, "the problem has no gold chain to train on");
    if (ap__rng_uniform(&rng) >= s->options.careless)
        return render(s, t, problem, problem->call, problem->call_count, out, err);
    char **calls = NULL;
    int32_t n = 0, slips = 0;
    AP_TRY(ap__careless_calls(problem, &rng, s->options.slip, &calls, &n, &slips, err));
    ap_status status = render(s, t, problem, calls, n, out, err);
    for (int32_t i = 0; i < n; i++)
        ap__free(calls[i]);
    ap__free(calls);
    return status;
}

static void view(const struct ap_chain *chain, struct ap_train_example *out)
{
    for (size_t i = 0; i < chain->tokens.n; i++) /* roles become "trained" in place: the chain is ours */
        chain->tokens.role[i] = chain->tokens.role[i] == AP_TOKEN_CALL;
    *out = (struct ap_train_example){
        .chosen = {.token = chain->tokens.id, .trained = chain->tokens.role, .len = (int32_t)chain->tokens.n}};
}

ap_status ap__gold_source_step(void *user, int64_t step, struct ap_train_example *out, int32_t cap, int32_t *n,
                               struct ap_err *err)
{
    struct ap_gold_source *s = user;
    if (cap < s->batch)
        return ap__fail(err, AP_E_ARG, NULL, "a step of %d examples does not fit into a batch of %d", s->batch, cap);
    drop_chains(s);
    *n = 0;
    for (int32_t t = 0; t < s->tasks; t++) {
        struct ap_problems problems = {0};
        ap_status status = ap__task_problems(s->task[t].task, AP_TRAIN, s->options.seed, step * s->task[t].per_step,
                                             s->task[t].per_step, &problems, err);
        for (size_t i = 0; i < problems.n && status == AP_OK; i++) {
            status = make_chain(s, &s->task[t], &problems.item[i], &s->chain[*n], err);
            if (status == AP_OK) {
                view(&s->chain[*n], &out[*n]);
                ++*n;
            }
        }
        ap__problems_deinit(&problems);
        AP_TRY(status);
    }
    return AP_OK;
}
