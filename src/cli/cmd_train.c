/* cmd_train.c - `apprentice train`: a run's DPO and control, or SFT of a model on gold chains. */
#include "base/data.h"
#include "base/progress.h"
#include "base/text.h"
#include "cli/stage.h"
#include "model/folder.h"
#include "model/memory.h"
#include "run/gold_source.h"
#include "tensor/peak.h"

#include <stdio.h>
#include <string.h>

static const char *method = "sft", *model, *adapter, *base_dtype, *out_dir, *optimizer = "adamw", *schedule = "linear", *checkpoint, *log_path;
static struct ap_option_list tasks;
static int64_t steps = 1000, seed = 1, rank = 0, max_tokens = 16384, checkpoint_every = 200;
static double lr = 1e-3, muon_lr = 0.02, warmup = 0.02, hold = 0.4, final_lr = 0.1, clip = 1.0, weight_decay = 0.0;
static double careless = 0.0, slip = 0.6;

static const char recipe_help[] =
    "Preferences, in a run folder: keys of the recipe's section `train`\n"
    "  loss               sigmoid (DPO, the default), hinge, ipo or robust, as in TRL's DPOTrainer\n"
    "  beta               how closely the policy is held to the reference (default: 0.5)\n"
    "  label_smoothing    probability that a pair's labels are swapped, for sigmoid and robust (default: 0)\n"
    "  nll_weight         of the chosen chain's NLL per token, a mean over pairs (default: 2; TRL has 0)\n"
    "  sft_weight         of the NLL per chosen token of the batch; with nll_weight 0 this is TRL's\n"
    "                     loss_type [sigmoid, sft] with loss_weights [1, X] (default: 0)\n"
    "  blame              chain: the preference is about whole chains (default, as TRL); step: about the step where\n"
    "                     the two part, so that what a wrong chain did right afterwards is not unlearned. The whole\n"
    "                     chosen chain is held up by nll_weight and sft_weight in both cases.\n"
    "  reference          base or adapter (default: base). A student with an adapter (`student: {model: M,\n"
    "                     adapter: A}`) goes on with A, not with a new one. Its reference is the base model M, so\n"
    "                     that beta holds it to M and what A has learned counts as reward; `adapter` takes A itself\n"
    "                     as it was at the start, as TRL does with a PeftModel: right after SFT, for a next round.\n"
    "  lora               rank, alpha, targets of a new adapter (default: 16, 32, all)\n"
    "  lr, steps, batch, warmup, schedule, clip, weight_decay, max_tokens    of the optimizer and its steps\n"
    "  warmup_from_zero   true: the first step's rate is 0, as in transformers (default: false)";

static const struct ap_option options[] = {
    AP_OPTION_GROUP("Training a model on gold chains (without a run folder)"),
    AP_OPTION_STR("method", "NAME", &method, "sft (preferences are trained in a run folder)"),
    AP_OPTION_LIST("task", "TASK=N", &tasks, "N fresh problems of this task in every step; may be repeated"),
    AP_OPTION_STR("model", "DIR", &model, "the model to start from"),
    AP_OPTION_STR("out", "DIR", &out_dir, "where the trained model (or adapter) is written"),
    AP_OPTION_INT("steps", 1, 100000000, &steps, "optimizer steps (default: 1000)"),
    AP_OPTION_INT("lora-rank", 0, 1024, &rank, "train an adapter of this rank; 0 = all weights (default: 0)"),
    AP_OPTION_STR("adapter", "DIR", &adapter, "go on with this PEFT adapter of the model, which keeps its ranks and scale"),
    AP_OPTION_STR("base-dtype", "NAME", &base_dtype,
                  "under an adapter, hold the linears as f32, bf16, int8, nf4 or nf4-single (default: as stored)"),
    AP_OPTION_INT("seed", 0, INT64_MAX, &seed, "of problems and order (default: 1)"),
    AP_OPTION_INT("max-tokens", 64, 100000000, &max_tokens, "of one packed tree (default: 16384)"),
    AP_OPTION_GROUP("Optimizer"),
    AP_OPTION_STR("optimizer", "NAME", &optimizer, "adamw, or muon for hidden matrices (default: adamw)"),
    AP_OPTION_FLOAT("lr", 0.0, 10.0, &lr, "AdamW's peak rate (default: 0.001)"),
    AP_OPTION_FLOAT("muon-lr", 0.0, 10.0, &muon_lr, "Muon's peak rate (default: 0.02)"),
    AP_OPTION_STR("schedule", "NAME", &schedule, "constant, linear, cosine, hold-linear (default: linear)"),
    AP_OPTION_FLOAT("warmup", 0.0, 1.0, &warmup, "fraction of the steps (default: 0.02)"),
    AP_OPTION_FLOAT("hold", 0.0, 1.0, &hold, "hold-linear: fraction at the peak (default: 0.4)"),
    AP_OPTION_FLOAT("final-lr", 0.0, 1.0, &final_lr, "last rate as a fraction of the peak (default: 0.1)"),
    AP_OPTION_FLOAT("clip", 0.0, 1e6, &clip, "ceiling of the gradient norm, 0 = none (default: 1)"),
    AP_OPTION_FLOAT("weight-decay", 0.0, 1.0, &weight_decay, "decoupled (default: 0)"),
    AP_OPTION_GROUP("Weak models on purpose"),
    AP_OPTION_FLOAT("careless", 0.0, 1.0, &careless, "share of the chains that are made carelessly (default: 0)"),
    AP_OPTION_FLOAT("slip", 0.0, 1.0, &slip, "there: probability of each possible slip (default: 0.6)"),
    AP_OPTION_GROUP("Long runs"),
    AP_OPTION_STR("checkpoint", "DIR", &checkpoint, "save there as it goes, continue what is found there"),
    AP_OPTION_INT("checkpoint-every", 1, 1000000, &checkpoint_every, "steps (default: 200)"),
    AP_OPTION_STR("log", "FILE", &log_path, "one CSV line per step"),
    AP_OPTION_GROUP(recipe_help),
    AP_OPTION_END,
};

/* What one training holds; released in one place. */
struct gold_training {
    struct ap_tokenizer *tokenizer;
    struct ap_template *tmpl;
    struct ap_task *task[AP_OPTION_LIST_MAX];
    struct ap_gold_source *source;
    struct ap_model *model;
    char *dir;
    FILE *log;
    struct ap_progress progress;
    double peak; /* GFLOP/s of sgemm on this machine, now */
    bool going;  /* a step of this process has been shown */
};

/* "math-word=22": name and problems per step. */
static ap_status add_task(struct gold_training *g, int index, struct ap_err *err)
{
    const char *text = tasks.v[index], *sign = strrchr(text, '=');
    int64_t per_step = 0;
    if (sign == NULL || !ap__parse_i64(sign + 1, &per_step) || per_step < 1 || per_step > 100000)
        return ap__fail(err, AP_E_ARG, "--task", "takes NAME=N with N problems per step, got `%s`", text);
    char *name = ap__strndup(text, (size_t)(sign - text));
    if (name == NULL)
        return ap__fail(err, AP_E_MEMORY, "--task", "no memory for a task");
    ap_status status = ap__task_open(name, &g->task[index], err);
    ap__free(name);
    AP_TRY(status);
    return ap__gold_source_add(g->source, g->task[index], (int32_t)per_step, err);
}

static ap_status open_source(struct gold_training *g, struct ap_err *err)
{
    AP_TRY(ap__data_find(model, &g->dir, err));
    AP_TRY(ap__tokenizer_open(g->dir, &g->tokenizer, err));
    AP_TRY(ap__template_open(g->dir, g->tokenizer, &g->tmpl, err));
    struct ap_gold_options how = {.tmpl = g->tmpl, .seed = (uint64_t)seed,
                                  .careless = careless, .slip = slip};
    AP_TRY(ap__gold_source_new(&how, &g->source, err));
    for (int i = 0; i < tasks.n; i++)
        AP_TRY(add_task(g, i, err));
    return AP_OK;
}

static bool trains_adapter(void) { return rank > 0 || adapter != NULL; }

static ap_status open_model(struct gold_training *g, struct ap_err *err)
{
    struct ap_lora_config lora = {.rank = (int32_t)rank, .alpha = 2.0f * (float)rank, .targets = AP_LORA_ALL};
    struct ap_memory_plan plan = {.mode = trains_adapter() ? AP_LORA : AP_FULL, .lora = lora,
                                  .max_tokens = (int32_t)max_tokens, .dtype_knob = "--base-dtype",
                                  .tokens_knob = "--max-tokens"};
    AP_TRY(ap__base_dtype_read(base_dtype, plan.dtype_knob, &plan.options, err));
    AP_TRY(ap__memory_plan_adapter(&plan, adapter, err));
    AP_TRY(ap__model_open(g->dir, NULL, &g->model, err));
    AP_TRY(ap__memory_admit(g->dir, &plan, &g->model, err));
    if (adapter != NULL)
        return ap__lora_load(g->model, adapter, err);
    return rank > 0 ? ap__model_add_lora(g->model, &lora, (uint64_t)seed, err) : ap__model_train_full(g->model, err);
}

static ap_status config_read(const struct gold_training *g, struct ap_train_config *c, struct ap_err *err)
{
    *c = ap__train_default();
    c->batch_config.method = AP_METHOD_SFT;
    c->batch_config.max_tokens = (int32_t)max_tokens;
    c->batch = ap__gold_source_batch(g->source);
    c->steps = steps;
    c->seed = (uint64_t)seed;
    c->checkpoint_dir = checkpoint;
    c->checkpoint_every = checkpoint_every;
    c->optimizer.muon = strcmp(optimizer, "muon") == 0;
    c->optimizer.lr = lr;
    c->optimizer.muon_lr = muon_lr;
    c->optimizer.clip = clip;
    c->optimizer.weight_decay = weight_decay;
    c->optimizer.warmup = warmup;
    c->optimizer.hold = hold;
    c->optimizer.floor = final_lr;
    if (!c->optimizer.muon && strcmp(optimizer, "adamw") != 0)
        return ap__fail(err, AP_E_ARG, "--optimizer", "is adamw or muon, got `%s`", optimizer);
    if (!ap__schedule_read(schedule, &c->optimizer.schedule))
        return ap__fail(err, AP_E_ARG, "--schedule", "is constant, linear, cosine or hold-linear, got `%s`", schedule);
    return AP_OK;
}

static ap_status show_step(void *user, const struct ap_train_metrics *m, struct ap_err *err)
{
    struct gold_training *g = user;
    if (!g->going)
        ap__progress_resume(&g->progress, m->step - 1); /* what a checkpoint had done already */
    g->going = true;
    ap__progress_update(&g->progress, m->step, "loss %.4f, %.0f tokens/s, sharing %.1fx, %.0f%% of peak", m->loss,
                        (double)m->flat_tokens / m->seconds, (double)m->flat_tokens / (double)m->tree_tokens,
                        ap__train_of_peak(m, g->peak));
    if (g->log != NULL && fprintf(g->log, "%lld,%.6f,%.4f,%.6g,%lld,%lld,%lld,%.3f\n", (long long)m->step, m->loss,
                                  m->grad_norm, m->lr, (long long)m->tree_tokens, (long long)m->flat_tokens,
                                  (long long)m->trained_tokens, m->seconds) < 0)
        return ap__fail_errno(err, log_path, "cannot write the log");
    return AP_OK;
}

static ap_status open_log(struct gold_training *g, struct ap_err *err)
{
    if (log_path == NULL)
        return AP_OK;
    g->log = fopen(log_path, "a");
    if (g->log == NULL)
        return ap__fail_errno(err, log_path, "cannot open the log");
    setvbuf(g->log, NULL, _IOLBF, 0);
    return AP_OK;
}

/* The model with its tokenizer, so that the folder is complete. */
static ap_status save(struct gold_training *g, struct ap_err *err)
{
    if (trains_adapter())
        return ap__lora_save(g->model, out_dir, model, err);
    AP_TRY(ap__model_save(g->model, out_dir, AP_F32, err));
    return ap__folder_copy_tokenizer(g->dir, out_dir, err);
}

static ap_status train_gold(struct gold_training *g, struct ap_err *err)
{
    struct ap_train_config config;
    AP_TRY(open_source(g, err));
    AP_TRY(open_model(g, err));
    AP_TRY(config_read(g, &config, err));
    AP_TRY(open_log(g, err));
    g->peak = ap__peak_sgemm(AP_PEAK_GLANCE);
    ap__progress_begin(&g->progress, "train sft", "steps", config.steps);
    ap_status status = ap__train_from(g->model, &config, ap__gold_source_step, g->source, show_step, g, err);
    ap__progress_end(&g->progress);
    AP_TRY(status);
    return save(g, err);
}

static void release(struct gold_training *g)
{
    if (g->log != NULL)
        fclose(g->log);
    ap__model_free(g->model);
    ap__gold_source_free(g->source);
    for (int i = 0; i < tasks.n; i++)
        ap__task_free(g->task[i]);
    ap__template_free(g->tmpl);
    ap__tokenizer_free(g->tokenizer);
    ap__free(g->dir);
}

static ap_status train_run(struct ap_run *run, struct ap_err *err)
{
    AP_TRY(ap__run_train(run, AP_METHOD_DPO, err));
    return run->recipe.control ? ap__run_train(run, AP_METHOD_SFT, err) : AP_OK;
}

static int run(int argc, char **argv)
{
    struct ap_args args;
    struct ap_err err;
    int code = ap__options_parse(&ap__cmd_train, argc, argv, 0, 1, &args);
    if (code >= 0)
        return code;
    if (args.n == 1)
        return ap__stage_command(&ap__cmd_train, argc, argv, train_run);
    if (strcmp(method, "sft") != 0)
        return ap__usage_fail(&ap__cmd_train, "--method %s needs a run folder; on gold chains only sft is possible",
                              method);
    if (tasks.n == 0 || model == NULL || out_dir == NULL)
        return ap__usage_fail(&ap__cmd_train, "name a run folder, or --task, --model and --out");
    if (rank > 0 && adapter != NULL)
        return ap__usage_fail(&ap__cmd_train, "--lora-rank is of a new adapter; the one of --adapter has its own");
    if (base_dtype != NULL && !trains_adapter())
        return ap__usage_fail(&ap__cmd_train, "--base-dtype needs --lora-rank or --adapter: all weights train in f32");
    ap__interrupt_install();
    struct gold_training g = {0};
    ap_status status = train_gold(&g, &err);
    release(&g);
    return status == AP_OK ? AP_EXIT_OK : ap__cli_fail(&err);
}

const struct ap_command ap__cmd_train = {
    .name = "train",
    .summary = "train a run's student (DPO, and SFT as control), or any model on gold chains",
    .usage = "RUN_FOLDER | --method sft --task TASK=N --model DIR --out DIR [--steps N]",
    .options = options,
    .example = "apprentice train runs/demo-1\n"
               "apprentice train --method sft --task math-word=32 --model models/student --steps 200 --out better",
    .run = run,
};
