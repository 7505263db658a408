/* task_pairs.c - pairs like the demo's: gold chains against careless ones, in a model's own tokens.
 *
 *     demo task -> problems of the training class -> gold calls      -> run, rendered -> chosen
 *                                                 -> careless calls  -> run, rendered -> rejected
 *
 * A problem at which nobody slips is passed over. */
#include "bench/workload.h"

#include "base/rng.h"
#include "tasks/careless.h"
#include "tasks/task.h"

#include <string.h>

enum { SEED = 1, TASKS = 2, MOST_PROBLEMS = 4096 };
static const char *const task_names[TASKS] = {"fol-entailment", "math-word"};
static const double SLIP = 0.6;

struct maker {
    struct ap_tokenizer *tokenizer;
    struct ap_template *tmpl;
    struct ap_task *task;          /* at work now */
    struct ap_conversation prefix; /* its prompt, encoded */
    struct ap_work_examples *out;
};

/* The chain's tokens, kept in the arena; its own are trained. */
static ap_status keep(struct ap_work_examples *out, const struct ap_chain *chain, struct ap_seq *seq,
                      struct ap_err *err)
{
    size_t n = chain->tokens.n;
    int32_t *token = ap__arena_alloc(&out->arena, (n + 1) * sizeof *token);
    uint8_t *trained = ap__arena_alloc(&out->arena, n + 1);
    if (token == NULL || trained == NULL)
        return ap__fail(err, AP_E_MEMORY, NULL, "no memory for a chain of %zu tokens", n);
    memcpy(token, chain->tokens.id, n * sizeof *token);
    for (size_t i = 0; i < n; i++)
        trained[i] = chain->tokens.role[i] == AP_TOKEN_CALL;
    *seq = (struct ap_seq){token, trained, (int32_t)n};
    return AP_OK;
}

static ap_status render(struct maker *m, const struct ap_problem *problem, char *const *calls, int32_t n,
                        struct ap_seq *seq, struct ap_err *err)
{
    bool ok;
    struct ap_chain chain = {0};
    ap_status status = ap__prompt_render_after(&m->prefix, m->task->functions, m->tmpl, problem->question,
                                               (const char *const *)calls, n, &chain, &ok, err);
    if (status == AP_OK)
        status = keep(m->out, &chain, seq, err);
    ap__chain_deinit(&chain);
    return status;
}

static int32_t prompt_of(const struct ap_seq *seq)
{
    int32_t n = 0;
    while (n < seq->len && !seq->trained[n])
        n++;
    return n;
}

/* The problem's pair as the next example; *made is false when nobody slips. */
static ap_status make_pair(struct maker *m, const struct ap_problem *problem, bool *made, struct ap_err *err)
{
    struct ap_rng rng = ap__rng_make(SEED, "careless", ap__problem_hash(problem), 0, 0);
    struct ap_train_example *e = &m->out->example[m->out->n];
    char **calls = NULL;
    int32_t n = 0, slips = 0;
    AP_TRY(ap__careless_calls(problem, &rng, SLIP, &calls, &n, &slips, err));
    *made = slips > 0;
    ap_status status = AP_OK;
    if (*made)
        status = render(m, problem, problem->call, problem->call_count, &e->chosen, err);
    if (*made && status == AP_OK)
        status = render(m, problem, calls, n, &e->rejected, err);
    if (*made && status == AP_OK)
        m->out->prompt[m->out->n++] = prompt_of(&e->chosen);
    for (int32_t i = 0; i < n; i++)
        ap__free(calls[i]);
    ap__free(calls);
    return status;
}

static ap_status make_task(struct maker *m, int32_t wanted, struct ap_err *err)
{
    int32_t had = m->out->n;
    for (int64_t first = 0; m->out->n - had < wanted && first < MOST_PROBLEMS; first += wanted) {
        struct ap_problems problems = {0};
        ap_status status = ap__task_problems(m->task, AP_TRAIN, SEED, first, wanted, &problems, err);
        for (size_t i = 0; i < problems.n && m->out->n - had < wanted && status == AP_OK; i++) {
            bool made;
            status = make_pair(m, &problems.item[i], &made, err);
        }
        ap__problems_deinit(&problems);
        AP_TRY(status);
    }
    return m->out->n - had == wanted ? AP_OK : ap__fail(err, AP_E_LIMIT, m->task->name, "too few careless chains");
}

static ap_status open_and_make(struct maker *m, const char *name, int32_t wanted, struct ap_err *err)
{
    AP_TRY(ap__task_open(name, &m->task, err));
    ap_status status = ap__prompt_prefix(&m->task->agent, m->tmpl, &m->prefix, err);
    if (status == AP_OK) {
        status = ap__conversation_encode(&m->prefix, m->tmpl, err);
        if (status == AP_OK)
            status = make_task(m, wanted, err);
        ap__conversation_deinit(&m->prefix);
    }
    ap__task_free(m->task);
    return status;
}

static ap_status make_all(struct maker *m, const char *dir, int32_t per_task, struct ap_err *err)
{
    size_t n = (size_t)per_task * TASKS;
    m->out->example = ap__arena_zalloc(&m->out->arena, n * sizeof *m->out->example);
    m->out->prompt = ap__arena_alloc(&m->out->arena, n * sizeof *m->out->prompt);
    if (m->out->example == NULL || m->out->prompt == NULL)
        return ap__fail(err, AP_E_MEMORY, NULL, "no memory for %zu pairs", n);
    AP_TRY(ap__tokenizer_open(dir, &m->tokenizer, err));
    AP_TRY(ap__template_open(dir, m->tokenizer, &m->tmpl, err));
    for (int t = 0; t < TASKS; t++)
        AP_TRY(open_and_make(m, task_names[t], per_task, err));
    return AP_OK;
}

ap_status ap__work_examples_tasks(const char *dir, int32_t per_task, struct ap_work_examples *out, struct ap_err *err)
{
    struct maker m = {.out = out};
    *out = (struct ap_work_examples){0};
    ap__arena_init(&out->arena, 0);
    ap_status status = make_all(&m, dir, per_task, err);
    ap__template_free(m.tmpl);
    ap__tokenizer_free(m.tokenizer);
    if (status != AP_OK)
        ap__work_examples_deinit(out);
    return status;
}
