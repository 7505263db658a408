/* work_train.c - time of optimizer steps, through the same loop that trains. */
#include "bench/repeats.h"
#include "model/account.h"
#include "model/weights.h"
#include "train/trainer.h"

#include <omp.h>
#include <stdio.h>

enum { SEED = 1, RANK = 16, ALPHA = 32 };
static const double BETA = 0.1, RATE = 1e-4;

/* Steps as they are reported; the first `warm` do not count. */
struct steps {
    struct ap_repeats repeats;
    int32_t warm;
    double gflop;
};

static void begin_repeats(struct steps *s)
{
    ap__timed_clear(); /* of the reference and the warm-up */
    ap__repeats_begin(&s->repeats);
}

static ap_status on_step(void *user, const struct ap_train_metrics *m, struct ap_err *err)
{
    struct steps *s = user;
    (void)err;
    if (m->step > s->warm)
        ap__repeats_add(&s->repeats, m->seconds, s->gflop);
    else if (m->step == s->warm)
        begin_repeats(s);
    return AP_OK;
}

static int32_t list_sequences(const struct ap_work_examples *w, struct ap_seq *seq)
{
    int32_t S = 0;
    for (int32_t i = 0; i < w->n; i++) {
        seq[S++] = w->example[i].chosen;
        if (w->example[i].rejected.len > 0)
            seq[S++] = w->example[i].rejected;
    }
    return S;
}

/* Tokens and necessary operations of one step, as one tree whatever the token budget makes of it. */
static ap_status count(const struct ap_config *c, struct ap_work_examples *w, struct ap_bench_result *out,
                       struct ap_err *err)
{
    struct ap_arena_mark mark = ap__arena_mark(&w->arena);
    struct ap_pack pack;
    struct ap_work_size size;
    struct ap_seq *seq = ap__arena_alloc(&w->arena, 2 * (size_t)w->n * sizeof *seq);
    if (seq == NULL)
        return ap__fail(err, AP_E_MEMORY, NULL, "no memory for %d examples", w->n);
    ap_status status = ap__pack_build(&w->arena, seq, list_sequences(w, seq), 0, &pack, err);
    if (status == AP_OK)
        status = ap__account_pack(c, &pack, 0, &w->arena, &size, err);
    if (status == AP_OK) {
        out->tokens_flat = (double)pack.flat_tokens;
        out->tokens_tree = pack.T;
        out->gflop = 1e-9 * ap__account_step(c, &size, RANK);
    }
    ap__arena_release(&w->arena, mark);
    return status;
}

static void sum_references(const struct ap_work_examples *w, struct ap_bench_result *out)
{
    out->checks = 2;
    for (int32_t i = 0; i < w->n; i++) {
        out->check[0] += w->example[i].ref_chosen / w->n;
        out->check[1] += w->example[i].ref_rejected / w->n;
    }
}

static struct ap_train_config config_of(const struct ap_bench_options *o, const struct ap_work_examples *w)
{
    struct ap_train_config c = ap__train_default();
    c.batch_config.method = w->example[0].rejected.len > 0 ? AP_METHOD_DPO : AP_METHOD_SFT;
    c.batch_config.dpo = (struct ap_dpo){.beta = BETA};
    c.optimizer.lr = RATE;
    c.optimizer.schedule = AP_SCHEDULE_CONSTANT;
    c.optimizer.warmup = 0.0;
    c.batch = w->n;
    c.steps = o->warm + o->repeats;
    return c;
}

static ap_status train(const struct ap_bench_options *o, struct ap_model *m, struct ap_work_examples *w,
                       struct ap_bench_result *out, struct ap_err *err)
{
    static struct steps steps;
    struct ap_train_config config = config_of(o, w);
    struct ap_lora_config lora = {.rank = RANK, .alpha = ALPHA, .targets = AP_LORA_ALL};
    steps.warm = o->warm;
    steps.gflop = out->gflop;
    if (o->profile)
        m->be = ap__timed_backend(m->be);
    AP_TRY(ap__model_add_lora(m, &lora, SEED, err));
    if (config.batch_config.method == AP_METHOD_DPO)
        AP_TRY(ap__train_reference(m, AP_REFERENCE_BASE, w->example, w->n, config.batch_config.max_tokens, err));
    sum_references(w, out);
    if (o->warm == 0)
        begin_repeats(&steps);
    AP_TRY(ap__train(m, &config, w->example, w->n, on_step, &steps, err));
    ap__repeats_end(&steps.repeats, out);
    out->rows = o->profile ? ap__timed_rows(out->row) : 0;
    return AP_OK;
}

ap_status ap__bench_train(const struct ap_bench_options *options, struct ap_work_examples *work,
                          struct ap_bench_result *out, struct ap_err *err)
{
    struct ap_model *m = NULL;
    *out = (struct ap_bench_result){.threads = omp_get_max_threads(), .units = work->n};
    snprintf(out->unit, sizeof out->unit, "%s", work->example[0].rejected.len > 0 ? "pairs" : "chains");
    AP_TRY(ap__model_open(options->model, NULL, &m, err));
    ap_status status = count(ap__model_config(m), work, out, err);
    if (status == AP_OK)
        status = train(options, m, work, out, err);
    ap__model_free(m);
    return status;
}
