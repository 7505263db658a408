/* optimizer.c - clipping, schedules, AdamW and Muon over a model's trainable tensors. */
#include "train/optimizer.h"

#include <math.h>

struct ap_optimizer_config ap__optimizer_default(void)
{
    return (struct ap_optimizer_config){.lr = 1e-3,
                                        .muon_lr = 0.02,
                                        .beta1 = 0.9,
                                        .beta2 = 0.999,
                                        .eps = 1e-8,
                                        .muon_momentum = 0.95,
                                        .clip = 1.0,
                                        .schedule = AP_SCHEDULE_LINEAR,
                                        .warmup = 0.1};
}

ap_status ap__optimizer_check(const struct ap_optimizer_config *c, struct ap_err *err)
{
    const struct {
        const char *name;
        double value, lo, hi;
    } ranges[] = {{"lr", c->lr, 0.0, 10.0},           {"muon_lr", c->muon_lr, 0.0, 10.0},
                  {"beta1", c->beta1, 0.0, 0.999999}, {"beta2", c->beta2, 0.0, 0.9999999},
                  {"eps", c->eps, 1e-30, 1.0},        {"weight_decay", c->weight_decay, 0.0, 10.0},
                  {"clip", c->clip, 0.0, 1e9},        {"muon_momentum", c->muon_momentum, 0.0, 0.99999},
                  {"warmup", c->warmup, 0.0, 1.0},    {"hold", c->hold, 0.0, 1.0},
                  {"floor", c->floor, 0.0, 1.0}};
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++)
        if (!(ranges[i].value >= ranges[i].lo && ranges[i].value <= ranges[i].hi))
            return ap__fail(err, AP_E_ARG, NULL, "optimizer: `%s` must be from %g to %g, got %g", ranges[i].name,
                            ranges[i].lo, ranges[i].hi, ranges[i].value);
    return AP_OK;
}

/* Progress x in [0, 1] from the end of warm-up (and hold) to the last step. */
static double decay(const struct ap_optimizer_config *c, double x)
{
    if (c->schedule == AP_SCHEDULE_CONSTANT)
        return 1.0;
    double left = c->schedule == AP_SCHEDULE_COSINE ? 0.5 * (1.0 + cos(acos(-1.0) * x)) : 1.0 - x;
    return c->floor + (1.0 - c->floor) * left;
}

double ap__schedule_factor(const struct ap_optimizer_config *c, int64_t step, int64_t steps)
{
    double n = (double)steps, at = (double)step;
    double warm = c->warmup_from_zero ? ceil(c->warmup * n) : c->warmup * n, from = warm;
    if (at < warm)
        return c->warmup_from_zero ? at / warm : (at + 1.0) / (warm + 1.0);
    if (c->schedule == AP_SCHEDULE_HOLD_LINEAR)
        from = fmax(warm, c->hold * n);
    if (at < from)
        return 1.0;
    return decay(c, (at - from) / fmax(n - from, 1.0));
}

static bool by_muon(const struct ap_optimizer *o, int32_t i) { return o->config.muon && o->param[i].hidden; }

static ap_status make_moments(struct ap_optimizer *o, struct ap_err *err)
{
    for (int32_t i = 0; i < o->count; i++)
        o->moment_count += o->param[i].n * (by_muon(o, i) ? 1 : 2);
    o->moments = ap__alloc_array((size_t)o->moment_count, sizeof *o->moments);
    o->m = ap__alloc_array((size_t)o->count, sizeof *o->m);
    o->v = ap__alloc_array((size_t)o->count, sizeof *o->v);
    if (o->moments == NULL || o->m == NULL || o->v == NULL)
        return ap__fail(err, AP_E_MEMORY, NULL, "out of memory for the optimizer's %lld moments",
                        (long long)o->moment_count);
    float *at = o->moments;
    for (int32_t i = 0; i < o->count; i++) {
        o->m[i] = at;
        at += o->param[i].n;
        if (by_muon(o, i))
            continue;
        o->v[i] = at;
        at += o->param[i].n;
    }
    return AP_OK;
}

ap_status ap__optimizer_init(struct ap_optimizer *o, const struct ap_optimizer_config *config, struct ap_model *model,
                             struct ap_err *err)
{
    *o = (struct ap_optimizer){.config = *config, .be = &ap__backend_cpu};
    ap__arena_init(&o->scratch, 0);
    AP_TRY(ap__optimizer_check(config, err));
    o->count = ap__model_params(model, NULL, 0);
    if (o->count == 0)
        return ap__fail(err, AP_E_STATE, NULL, "nothing is trainable: neither an adapter nor full training");
    o->param = ap__alloc_array((size_t)o->count, sizeof *o->param);
    if (o->param == NULL)
        return ap__fail(err, AP_E_MEMORY, NULL, "out of memory for the optimizer");
    (void)ap__model_params(model, o->param, o->count);
    return make_moments(o, err);
}

void ap__optimizer_deinit(struct ap_optimizer *o)
{
    ap__arena_deinit(&o->scratch);
    ap__free(o->v);
    ap__free(o->m);
    ap__free(o->moments);
    ap__free(o->param);
    *o = (struct ap_optimizer){0};
}

static ap_status update_one(struct ap_optimizer *o, int32_t i, double factor, float g_scale, struct ap_err *err)
{
    const struct ap_optimizer_config *c = &o->config;
    const struct ap_model_param *p = &o->param[i];
    if (by_muon(o, i)) {
        ap__arena_reset(&o->scratch);
        return o->be->muon(p->w, o->m[i], p->g, p->rows, p->cols, (float)(c->muon_lr * factor),
                           (float)c->muon_momentum, (float)c->weight_decay, g_scale, &o->scratch, err);
    }
    struct ap_adamw step = {.lr = (float)(c->lr * factor),
                            .beta1 = (float)c->beta1,
                            .beta2 = (float)c->beta2,
                            .eps = (float)c->eps,
                            .weight_decay = p->cols > 0 ? (float)c->weight_decay : 0.0f,
                            .step = o->updates};
    o->be->adamw(p->w, o->m[i], o->v[i], p->g, p->n, &step, g_scale);
    return AP_OK;
}

ap_status ap__optimizer_update(struct ap_optimizer *o, double factor, double *norm, struct ap_err *err)
{
    double sum = 0.0;
    for (int32_t i = 0; i < o->count; i++)
        sum += o->be->sumsq(o->param[i].g, o->param[i].n);
    *norm = sqrt(sum);
    if (!isfinite(*norm))
        return ap__fail(err, AP_E_STATE, NULL, "the gradient is not finite (norm %g); a lower learning rate may help",
                        *norm);
    double clip = o->config.clip;
    float g_scale = clip > 0.0 && *norm > clip ? (float)(clip / *norm) : 1.0f;
    o->updates++;
    for (int32_t i = 0; i < o->count; i++)
        AP_TRY(update_one(o, i, factor, g_scale, err));
    return AP_OK;
}
