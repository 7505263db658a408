/* trainer.c - the loop over steps, the order of examples, metrics and checkpoints. */
#include "train/trainer.h"

#include "base/progress.h"
#include "base/rng.h"
#include "train/checkpoint.h"
#include <math.h>

struct ap_train_config ap__train_default(void)
{
    return (struct ap_train_config){
        .batch_config = {.method = AP_METHOD_DPO, .dpo = {.beta = 0.5, .nll_weight = 2.0}, .max_tokens = 16384},
        .optimizer = ap__optimizer_default(),
        .batch = 16,
        .steps = 100};
}

static ap_status check_dpo(const struct ap_dpo *dpo, struct ap_err *err)
{
    if (!(dpo->beta > 0.0) || !(dpo->label_smoothing >= 0.0 && dpo->label_smoothing < 0.5) ||
        !(dpo->nll_weight >= 0.0) || !(dpo->sft_weight >= 0.0))
        return ap__fail(err, AP_E_ARG, NULL,
                        "DPO needs beta > 0, label smoothing from 0 to below 0.5, and NLL and SFT weights >= 0");
    if (dpo->label_smoothing > 0.0 && !ap__loss_smooths(dpo->loss))
        return ap__fail(err, AP_E_ARG, NULL, "the %s loss has no label smoothing; use sigmoid or robust",
                        ap__loss_name(dpo->loss));
    return AP_OK;
}

static ap_status check_config(const struct ap_train_config *c, struct ap_err *err)
{
    if (c->batch < 1 || c->steps < 1 || c->checkpoint_every < 0 || c->batch_config.max_tokens < 0)
        return ap__fail(err, AP_E_ARG, NULL, "training needs a batch and a number of steps of at least 1");
    return c->batch_config.method == AP_METHOD_DPO ? check_dpo(&c->batch_config.dpo, err) : AP_OK;
}

/* ---- what a training is: a checkpoint of another one must not be continued ---- */

static uint64_t config_fingerprint(const struct ap_train_config *c, const struct ap_optimizer *o)
{
    const struct ap_optimizer_config *p = &c->optimizer;
    const struct ap_batch_config *b = &c->batch_config;
    const double numbers[] = {b->method,     b->dpo.beta,   b->dpo.label_smoothing, b->dpo.nll_weight,
                              b->max_tokens, b->part_tokens, p->muon,       p->lr,                  p->muon_lr,
                              p->beta1,      p->beta2,      p->eps,                 p->weight_decay,
                              p->muon_momentum, p->clip,    p->schedule,            p->warmup,
                              p->hold,       p->floor,      c->batch,               (double)c->steps,
                              b->dpo.loss,   b->dpo.sft_weight, p->warmup_from_zero};
    uint64_t h = ap__hash64(numbers, sizeof numbers, c->seed);
    for (int32_t i = 0; i < o->count; i++)
        h = ap__hash64(&o->param[i].n, sizeof o->param[i].n, h);
    return h;
}

static uint64_t seq_fingerprint(const struct ap_seq *s, uint64_t h)
{
    h = ap__hash64(s->token, (uint64_t)s->len * sizeof *s->token, h);
    return ap__hash64(s->trained, (uint64_t)s->len, h);
}

/* ---- order of the examples of an array ---- */

/* Step i takes places [i*batch, (i+1)*batch) of the endless sequence perm(epoch 0), perm(epoch 1), ... */
struct order {
    const struct ap_train_example *example; /* (n,) */
    int32_t *perm;                          /* (n,) of `epoch` */
    int64_t epoch;
    int32_t n, batch;
    uint64_t seed;
};

static void shuffle(struct order *o, int64_t epoch)
{
    struct ap_rng rng = ap__rng_make(o->seed, "epoch", (uint64_t)epoch, 0, 0);
    for (int32_t i = 0; i < o->n; i++)
        o->perm[i] = i;
    ap__rng_shuffle(&rng, o->perm, (uint32_t)o->n, sizeof *o->perm);
    o->epoch = epoch;
}

static ap_status next_in_order(void *user, int64_t step, struct ap_train_example *out, int32_t cap, int32_t *n,
                               struct ap_err *err)
{
    struct order *o = user;
    (void)err;
    *n = o->batch < cap ? o->batch : cap;
    for (int32_t i = 0; i < *n; i++) {
        int64_t place = step * o->batch + i;
        if (place / o->n != o->epoch)
            shuffle(o, place / o->n);
        out[i] = o->example[o->perm[place % o->n]];
    }
    return AP_OK;
}

/* ---- the loop ---- */

struct loop {
    struct ap_model *m;
    const struct ap_train_config *config;
    struct ap_optimizer optimizer;
    struct ap_arena step; /* everything one step needs */
    struct ap_train_example *example; /* (batch,) */
    ap_train_source_fn source;
    void *source_user;
    uint64_t fingerprint;
};

static void fill_metrics(const struct loop *t, const struct ap_batch_sums *s, int32_t n, struct ap_train_metrics *out)
{
    double mean = 1.0 / n;
    out->steps = t->config->steps;
    out->loss = s->loss;
    out->reward_chosen = mean * s->reward_chosen;
    out->reward_rejected = mean * s->reward_rejected;
    out->margin = out->reward_chosen - out->reward_rejected;
    out->accuracy = mean * (double)s->correct;
    out->logp_chosen = mean * s->logp_chosen;
    out->logp_rejected = mean * s->logp_rejected;
    out->drift_chosen = mean * s->drift_chosen;
    out->drift_rejected = mean * s->drift_rejected;
    out->tree_tokens = s->tree_tokens;
    out->flat_tokens = s->flat_tokens;
    out->trained_tokens = s->trained_tokens;
    out->gflop = s->gflop;
    out->packs = s->packs;
}

double ap__train_of_peak(const struct ap_train_metrics *metrics, double peak)
{
    return peak > 0.0 && metrics->seconds > 0.0 ? 100.0 * metrics->gflop / metrics->seconds / peak : 0.0;
}

static ap_status one_step(struct loop *t, int64_t step, struct ap_train_metrics *out, struct ap_err *err)
{
    const struct ap_train_config *c = t->config;
    struct ap_batch_sums sums;
    int32_t n = 0;
    double factor = ap__schedule_factor(&c->optimizer, step, c->steps), started = ap__now();
    *out = (struct ap_train_metrics){.step = step + 1, .lr = c->optimizer.lr * factor};
    AP_TRY(t->source(t->source_user, step, t->example, c->batch, &n, err));
    if (n < 1 || n > c->batch)
        return ap__fail(err, AP_E_ARG, NULL, "the source of examples returned %d for step %lld, wanted 1 to %d", n,
                        (long long)step, c->batch);
    ap__model_zero_grad(t->m);
    AP_TRY(ap__batch_gradient(t->m, &c->batch_config, t->example, n, &t->step, &sums, err));
    if (!isfinite(sums.loss))
        return ap__fail(err, AP_E_STATE, NULL, "the loss is not finite in step %lld", (long long)step + 1);
    AP_TRY(ap__optimizer_update(&t->optimizer, factor, &out->grad_norm, err));
    fill_metrics(t, &sums, n, out);
    out->seconds = ap__now() - started;
    out->tokens_per_second = (double)sums.flat_tokens / fmax(out->seconds, 1e-9);
    return AP_OK;
}

static ap_status save(const struct loop *t, int64_t done, struct ap_err *err)
{
    const char *dir = t->config->checkpoint_dir;
    return dir == NULL ? AP_OK : ap__checkpoint_save(dir, &t->optimizer, done, t->fingerprint, err);
}

/* Steps from `from` on; *done counts finished ones, also when a step fails. */
static ap_status run_steps(struct loop *t, int64_t from, ap_train_step_fn on_step, void *user, int64_t *done,
                           struct ap_err *err)
{
    struct ap_train_metrics metrics;
    const struct ap_train_config *c = t->config;
    for (*done = from; *done < c->steps;) {
        AP_TRY(ap__check_interrupt(err));
        AP_TRY(one_step(t, *done, &metrics, err));
        ++*done;
        if (on_step != NULL)
            AP_TRY(on_step(user, &metrics, err));
        if (c->checkpoint_every > 0 && *done % c->checkpoint_every == 0 && *done < c->steps)
            AP_TRY(save(t, *done, err));
    }
    return AP_OK;
}

static ap_status start_and_run(struct loop *t, ap_train_step_fn on_step, void *user, struct ap_err *err)
{
    const struct ap_train_config *c = t->config;
    int64_t from = 0, done = 0;
    AP_TRY(ap__optimizer_init(&t->optimizer, &c->optimizer, t->m, err));
    t->example = ap__alloc_array((size_t)c->batch, sizeof *t->example);
    if (t->example == NULL)
        return ap__fail(err, AP_E_MEMORY, NULL, "out of memory for a batch of %d examples", c->batch);
    t->fingerprint ^= config_fingerprint(c, &t->optimizer);
    if (c->checkpoint_dir != NULL)
        AP_TRY(ap__checkpoint_load(c->checkpoint_dir, &t->optimizer, t->fingerprint, &from, err));
    ap_status status = run_steps(t, from, on_step, user, &done, err);
    /* After a failed update the weights are not those of `done` steps; only clean stops are saved. */
    if (done > from && (status == AP_OK || status == AP_E_INTERRUPTED)) {
        ap_status saved = save(t, done, status == AP_OK ? err : NULL);
        status = status == AP_OK ? saved : status;
    }
    return status;
}

static ap_status run_loop(struct loop *t, ap_train_step_fn on_step, void *user, struct ap_err *err)
{
    AP_TRY(check_config(t->config, err));
    ap__arena_init(&t->step, 0);
    ap_status status = start_and_run(t, on_step, user, err);
    ap__free(t->example);
    ap__arena_deinit(&t->step);
    ap__optimizer_deinit(&t->optimizer);
    return status;
}

ap_status ap__train_from(struct ap_model *m, const struct ap_train_config *config, ap_train_source_fn source,
                         void *source_user, ap_train_step_fn on_step, void *user, struct ap_err *err)
{
    struct loop t = {.m = m, .config = config, .source = source, .source_user = source_user};
    return run_loop(&t, on_step, user, err);
}

ap_status ap__train(struct ap_model *m, const struct ap_train_config *config, const struct ap_train_example *example,
                    int32_t n, ap_train_step_fn on_step, void *user, struct ap_err *err)
{
    struct ap_train_config c = *config;
    struct order order = {.example = example, .epoch = -1, .n = n, .batch = c.batch, .seed = c.seed};
    struct loop t = {.m = m, .config = &c, .source = next_in_order, .source_user = &order};
    if (n < 1)
        return ap__fail(err, AP_E_ARG, NULL, "nothing to train on: no examples");
    if (c.steps == 0 && c.batch > 0)
        c.steps = (int64_t)ceil(c.epochs * n / c.batch);
    for (int32_t i = 0; i < n; i++) {
        t.fingerprint = seq_fingerprint(&example[i].rejected, seq_fingerprint(&example[i].chosen, t.fingerprint));
        t.fingerprint = seq_fingerprint(&example[i].held, t.fingerprint);
    }
    order.perm = ap__alloc_array((size_t)n, sizeof *order.perm);
    if (order.perm == NULL)
        return ap__fail(err, AP_E_MEMORY, NULL, "out of memory for the order of %d examples", n);
    ap_status status = run_loop(&t, on_step, user, err);
    ap__free(order.perm);
    return status;
}

ap_status ap__train_reference(struct ap_model *m, enum ap_reference reference, struct ap_train_example *example,
                              int32_t n, int32_t max_tokens, struct ap_err *err)
{
    struct ap_arena step;
    ap__arena_init(&step, 0);
    ap_status status = ap__batch_reference(m, reference, example, n, max_tokens, &step, err);
    ap__arena_deinit(&step);
    return status;
}
