/* stage_train.c - preference pairs to an adapter, and the control on the same chosen chains.
 *
 *     pairs -> chains with their recorded tokens -> examples -> reference (once, stored)
 *           -> LoRA training, a metric per step into the store -> RUN/dpo or RUN/control
 *
 * Tokens are those recorded when the chain was made.  A chain of a model with another
 * tokenizer is made into the student's tokens once, message by message. */
#include "base/file.h"
#include "base/progress.h"
#include "model/memory.h"
#include "run/given.h"
#include "tensor/peak.h"
#include "train/trainer.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* A chain as the trainer sees it: ids, and 1 where the model itself wrote. */
struct sequence {
    int64_t chain;
    int32_t *id;      /* (n,) */
    uint8_t *trained; /* (n,) */
    int32_t n;
    int32_t parted;   /* tokens up to the end of the step where its pair parts; 0: it has no such step */
};

struct training {
    struct ap_run *run;
    enum ap_method method;
    struct ap_pairs pairs;
    struct sequence *sequence; /* (2 * pairs.n,): chosen, rejected of pair 0, 1, ... */
    struct ap_train_example *example; /* (pairs.n,) */
    struct ap_given given;            /* what had to be made anew */
    uint64_t student_tokens, teacher_tokens; /* what tokens their chains have: tokenizer and template */
    double drift;                            /* of the chosen chains, at the last step */
    double peak;                             /* GFLOP/s of sgemm on this machine, now */
    struct ap_progress progress;
    bool going;                              /* a step of this process has been shown */
};

/* ---- examples ---- */

/* The calls of a chain again, in the student's tokens. */
static ap_status retokenize(struct training *t, struct ap_stored_chain *row, struct ap_err *err)
{
    struct ap_problem problem = {0};
    struct ap_chain made = {0};
    bool ok;
    const char **calls = ap__alloc_array((size_t)row->chain.n + 1, sizeof *calls);
    if (calls == NULL)
        return ap__fail(err, AP_E_MEMORY, row->key.problem, "no memory for a chain");
    for (int32_t i = 0; i < row->chain.n; i++)
        calls[i] = row->chain.step[i].call;
    ap_status status = ap__store_problem(t->run->store, row->key.problem, &problem, err);
    if (status == AP_OK)
        status = ap__given_render(&t->given, &problem, calls, row->chain.n, &made, &ok, err);
    if (status == AP_OK) {
        ap__chain_deinit(&row->chain);
        row->chain = made;
    }
    ap__problem_deinit(&problem);
    ap__free(calls);
    return status;
}

static bool needs_tokens(const struct training *t, const struct ap_stored_chain *row)
{
    return row->chain.tokens.n == 0 ||
           (strcmp(row->key.actor, "teacher") == 0 && t->teacher_tokens != t->student_tokens);
}

static int32_t step_end(const struct ap_chain *chain, int32_t step)
{
    if (step >= chain->n || chain->step[step].token_count == 0)
        return 0;
    return chain->step[step].token_first + chain->step[step].token_count;
}

/* One of a pair's chains; the pair parts at step `parting`. */
static ap_status load_sequence(struct training *t, int64_t chain, int32_t parting, struct sequence *out,
                               struct ap_err *err)
{
    struct ap_stored_chain row;
    AP_TRY(ap__store_chain(t->run->store, chain, true, &row, err));
    ap_status status = needs_tokens(t, &row) ? retokenize(t, &row, err) : AP_OK;
    if (status == AP_OK) {
        struct ap_tokens *tokens = &row.chain.tokens;
        *out = (struct sequence){.chain = chain, .id = tokens->id, .trained = tokens->role, .n = (int32_t)tokens->n,
                                 .parted = step_end(&row.chain, parting)};
        for (size_t i = 0; i < tokens->n; i++)
            tokens->role[i] = tokens->role[i] == AP_TOKEN_CALL;
        *tokens = (struct ap_tokens){0};
    }
    ap__stored_chain_deinit(&row);
    return status;
}

static struct ap_seq view(const struct sequence *s)
{
    return (struct ap_seq){.token = s->id, .trained = s->trained, .len = s->n};
}

/* With blame for the step, what is compared ends where the chains have parted. */
static void set_example(const struct training *t, const struct sequence *chosen, const struct sequence *rejected,
                        struct ap_train_example *out)
{
    *out = (struct ap_train_example){.chosen = view(chosen), .rejected = view(rejected)};
    if (t->run->recipe.train.blame != AP_BLAME_STEP || chosen->parted == 0 || rejected->parted == 0)
        return;
    out->held = out->chosen;
    out->chosen.len = chosen->parted;
    out->rejected.len = rejected->parted;
}

static ap_status load_pair(struct training *t, size_t i, struct ap_err *err)
{
    const struct ap_pair *pair = &t->pairs.item[i];
    struct sequence *chosen = &t->sequence[2 * i], *rejected = chosen + 1;
    AP_TRY(load_sequence(t, pair->chosen, pair->divergence, chosen, err));
    if (t->method == AP_METHOD_SFT) {
        t->example[i].chosen = view(chosen);
        return AP_OK;
    }
    AP_TRY(load_sequence(t, pair->rejected, pair->divergence, rejected, err));
    set_example(t, chosen, rejected, &t->example[i]);
    return AP_OK;
}

static ap_status load_examples(struct training *t, struct ap_err *err)
{
    AP_TRY(ap__given_language(t->run->student, &t->student_tokens, err));
    if (t->run->teacher != NULL && !t->run->recipe.teacher.is_remote) /* whose chains are texts */
        AP_TRY(ap__given_language(t->run->teacher, &t->teacher_tokens, err));
    AP_TRY(ap__store_pairs(t->run->store, &t->pairs, err));
    if (t->pairs.n == 0)
        return ap__fail(err, AP_E_STATE, ap__store_dir(t->run->store), "the run has no pairs");
    t->sequence = ap__alloc_array(2 * t->pairs.n, sizeof *t->sequence);
    t->example = ap__alloc_array(t->pairs.n, sizeof *t->example);
    if (t->sequence == NULL || t->example == NULL)
        return ap__fail(err, AP_E_MEMORY, NULL, "no memory for %zu pairs", t->pairs.n);
    for (size_t i = 0; i < t->pairs.n; i++)
        AP_TRY(load_pair(t, i, err));
    return AP_OK;
}

/* ---- training ---- */

static struct ap_train_config config_of(const struct ap_run *run, enum ap_method method, const char *checkpoint)
{
    const struct ap_recipe_train *r = &run->recipe.train;
    struct ap_train_config c = ap__train_default();
    c.batch_config = (struct ap_batch_config){
        .method = method, .dpo = r->dpo, .max_tokens = (int32_t)r->max_tokens};
    c.optimizer.lr = r->lr;
    c.optimizer.clip = r->clip;
    c.optimizer.weight_decay = r->weight_decay;
    c.optimizer.schedule = r->schedule;
    c.optimizer.warmup = r->warmup;
    c.optimizer.warmup_from_zero = r->warmup_from_zero;
    c.batch = (int32_t)r->batch;
    c.steps = r->steps;
    c.seed = (uint64_t)run->recipe.seed;
    c.checkpoint_dir = checkpoint;
    c.checkpoint_every = 20;
    return c;
}

/* Reference log-probs: computed once, from what the training starts with, then read from the store. */
static ap_status add_reference(struct training *t, struct ap_model *model, struct ap_err *err)
{
    const struct ap_recipe_train *train = &t->run->recipe.train;
    bool stored = true;
    for (size_t i = 0; i < t->pairs.n; i++)
        stored = stored && t->pairs.item[i].has_reference;
    if (!stored) {
        AP_TRY(ap__train_reference(model, train->reference, t->example, (int32_t)t->pairs.n,
                                   (int32_t)train->max_tokens, err));
        for (size_t i = 0; i < t->pairs.n; i++)
            AP_TRY(ap__store_set_reference(t->run->store, t->pairs.item[i].id, t->example[i].ref_chosen,
                                           t->example[i].ref_rejected, err));
        return AP_OK;
    }
    for (size_t i = 0; i < t->pairs.n; i++) {
        t->example[i].ref_chosen = t->pairs.item[i].ref_chosen;
        t->example[i].ref_rejected = t->pairs.item[i].ref_rejected;
    }
    return AP_OK;
}

static json_t *metrics_json(const struct ap_train_metrics *m, enum ap_method method)
{
    json_t *o = json_pack("{s:f, s:f, s:f, s:f, s:I, s:I, s:I, s:f}", "loss", m->loss, "grad_norm", m->grad_norm, "lr",
                          m->lr, "logp_chosen", m->logp_chosen, "tokens_tree", (json_int_t)m->tree_tokens,
                          "tokens_flat", (json_int_t)m->flat_tokens, "tokens_trained", (json_int_t)m->trained_tokens,
                          "seconds", m->seconds);
    if (o == NULL || method == AP_METHOD_SFT)
        return o;
    json_t *dpo = json_pack("{s:f, s:f, s:f, s:f, s:f, s:f, s:f}", "margin", m->margin, "accuracy", m->accuracy,
                            "reward_chosen", m->reward_chosen, "reward_rejected", m->reward_rejected, "logp_rejected",
                            m->logp_rejected, "drift_chosen", m->drift_chosen, "drift_rejected", m->drift_rejected);
    if (dpo == NULL || json_object_update(o, dpo) != 0) {
        json_decref(o);
        o = NULL;
    }
    json_decref(dpo);
    return o;
}

static ap_status keep_metrics(void *user, const struct ap_train_metrics *m, struct ap_err *err)
{
    struct training *t = user;
    json_t *values = metrics_json(m, t->method);
    if (values == NULL)
        return ap__fail(err, AP_E_MEMORY, NULL, "no memory for a step's metrics");
    ap_status status = ap__store_add_metric(t->run->store, t->method == AP_METHOD_DPO ? "dpo" : "sft", m->step,
                                            values, err);
    json_decref(values);
    t->drift = m->drift_chosen;
    if (!t->going)
        ap__progress_resume(&t->progress, m->step - 1); /* what a checkpoint had done already */
    t->going = true;
    ap__progress_update(&t->progress, m->step, "loss %.3f, %.0f tokens/s, sharing %.1fx, %.0f%% of peak",
                        m->loss, m->tokens_per_second, (double)m->flat_tokens / (double)m->tree_tokens,
                        ap__train_of_peak(m, t->peak));
    return status;
}

/* The student's own adapter goes on, without one a fresh adapter starts. */
static ap_status start_adapter(const struct ap_run *run, struct ap_model *model, struct ap_err *err)
{
    const struct ap_recipe *r = &run->recipe;
    if (r->student.adapter != NULL)
        return ap__lora_load(model, r->student.adapter, err);
    return ap__model_add_lora(model, &r->train.lora, (uint64_t)r->seed, err);
}

static ap_status train_model(struct training *t, struct ap_model *model, const char *out, const char *checkpoint,
                             struct ap_err *err)
{
    struct ap_train_config config = config_of(t->run, t->method, checkpoint);
    AP_TRY(start_adapter(t->run, model, err));
    if (t->method == AP_METHOD_DPO)
        AP_TRY(add_reference(t, model, err));
    t->peak = ap__peak_sgemm(AP_PEAK_GLANCE);
    ap__progress_begin(&t->progress, t->method == AP_METHOD_DPO ? "train dpo" : "train sft (control)", "steps",
                       config.steps);
    ap_status status = ap__train(model, &config, t->example, (int32_t)t->pairs.n, keep_metrics, t, err);
    ap__progress_end(&t->progress);
    AP_TRY(status);
    /* RECIPE: a collapsing DPO shows first in the log-probs of what it should teach. */
    if (t->method == AP_METHOD_DPO && t->drift < -5.0)
        ap__run_say(t->run, "warning: the log-probability of the chosen chains fell by %.1f nats; raise nll_weight or "
                            "beta, or lower lr", -t->drift);
    return ap__lora_save(model, out, t->run->recipe.student.model, err);
}

static void remove_checkpoint(const char *dir)
{
    char *file = ap__path_join(dir, "checkpoint.safetensors");
    if (file != NULL && unlink(file) == 0)
        rmdir(dir);
    ap__free(file);
}

/* The student as the recipe holds it, when there is memory to train it. */
static ap_status open_student(const struct ap_run *run, struct ap_model **out, struct ap_err *err)
{
    const struct ap_recipe_train *train = &run->recipe.train;
    struct ap_memory_plan plan = {.mode = AP_LORA, .lora = train->lora, .max_tokens = (int32_t)train->max_tokens,
                                  .dtype_knob = "base_dtype:", .tokens_knob = "max_tokens:"};
    AP_TRY(ap__base_dtype_read(run->recipe.student.base_dtype, plan.dtype_knob, &plan.options, err));
    AP_TRY(ap__memory_plan_adapter(&plan, run->recipe.student.adapter, err));
    AP_TRY(ap__model_open(run->student, NULL, out, err));
    return ap__memory_admit(run->student, &plan, out, err);
}

static ap_status train_into(struct training *t, const char *name, struct ap_err *err)
{
    struct ap_model *model = NULL;
    char folder[64];
    snprintf(folder, sizeof folder, "checkpoint-%s", name);
    char *out = ap__path_join(ap__store_dir(t->run->store), name);
    char *checkpoint = ap__path_join(ap__store_dir(t->run->store), folder);
    ap_status status = out != NULL && checkpoint != NULL ? AP_OK
                                                         : ap__fail(err, AP_E_MEMORY, NULL, "no memory for a path");
    if (status == AP_OK)
        status = open_student(t->run, &model, err);
    if (status == AP_OK)
        status = load_examples(t, err);
    if (status == AP_OK)
        status = train_model(t, model, out, checkpoint, err);
    if (status == AP_OK)
        remove_checkpoint(checkpoint);
    ap__model_free(model);
    ap__free(checkpoint);
    ap__free(out);
    return status;
}

static void release(struct training *t)
{
    for (size_t i = 0; t->sequence != NULL && i < 2 * t->pairs.n; i++) {
        ap__free(t->sequence[i].id);
        ap__free(t->sequence[i].trained);
    }
    ap__free(t->sequence);
    ap__free(t->example);
    ap__pairs_deinit(&t->pairs);
    ap__given_deinit(&t->given);
}

ap_status ap__run_train(struct ap_run *run, enum ap_method method, struct ap_err *err)
{
    bool done;
    const char *stage = method == AP_METHOD_DPO ? "train" : "control";
    AP_TRY(ap__stage_require(run, "pairs", "pairs", err));
    AP_TRY(ap__stage_begin(run, stage, &done, err));
    if (done)
        return AP_OK;
    struct training t = {.run = run, .method = method};
    ap__given_init(&t.given, run);
    ap_status status = train_into(&t, method == AP_METHOD_DPO ? "dpo" : "control", err);
    release(&t);
    return ap__stage_finish(run, status, err);
}
