/* probe.c - takes sequences from the first source that has any. */
#include "run/probe.h"

#include "base/rng.h"
#include "model/source.h"
#include "run/gold_source.h"

#include <string.h>

static const char *const TASKS[] = {"math-word", "fol-entailment"};
enum { TASK_COUNT = 2, DRAWN_TOKENS = 64 };

/* The end of ids (n,), unless the model has no such tokens. */
static ap_status add(struct ap_probe *p, int32_t V, const int32_t *id, int32_t n, struct ap_err *err)
{
    int32_t len = n < AP_PROBE_TOKENS ? n : AP_PROBE_TOKENS;
    for (int32_t i = n - len; i < n; i++)
        if (id[i] < 0 || id[i] >= V)
            return AP_OK;
    if (p->n == AP_PROBE_SEQUENCES || len < 2)
        return AP_OK;
    int32_t *token = ap__arena_alloc(&p->arena, (size_t)len * sizeof *token);
    uint8_t *trained = ap__arena_zalloc(&p->arena, (size_t)len);
    if (token == NULL || trained == NULL)
        return ap__fail(err, AP_E_MEMORY, NULL, "no memory for sample sequences");
    memcpy(token, id + (n - len), (size_t)len * sizeof *token);
    p->seq[p->n++] = (struct ap_seq){token, trained, len};
    return AP_OK;
}

/* Chosen chains, spread over the pairs. */
static ap_status add_chains(struct ap_probe *p, int32_t V, struct ap_run *run, struct ap_err *err)
{
    struct ap_pairs pairs = {0};
    p->from = "chains of the run";
    ap_status status = ap__store_pairs(run->store, &pairs, err);
    for (size_t k = 0; k < AP_PROBE_SEQUENCES && k < pairs.n && status == AP_OK; k++) {
        struct ap_stored_chain row;
        status = ap__store_chain(run->store, pairs.item[k * pairs.n / AP_PROBE_SEQUENCES].chosen, true, &row, err);
        if (status != AP_OK)
            break;
        status = add(p, V, row.chain.tokens.id, (int32_t)row.chain.tokens.n, err);
        ap__stored_chain_deinit(&row);
    }
    ap__pairs_deinit(&pairs);
    return status;
}

/* ---- generated chains ---- */

struct generator {
    struct ap_tokenizer *tokenizer;
    struct ap_template *tmpl;
    struct ap_task *task[TASK_COUNT];
    struct ap_gold_source *source;
    struct ap_train_example example[AP_PROBE_SEQUENCES];
};

static ap_status open_generator(struct generator *g, const char *model, struct ap_err *err)
{
    AP_TRY(ap__tokenizer_open(model, &g->tokenizer, err));
    AP_TRY(ap__template_open(model, g->tokenizer, &g->tmpl, err));
    AP_TRY(ap__gold_source_new(&(struct ap_gold_options){.tmpl = g->tmpl, .seed = 1}, &g->source, err));
    for (int i = 0; i < TASK_COUNT; i++) {
        AP_TRY(ap__task_open(TASKS[i], &g->task[i], err));
        AP_TRY(ap__gold_source_add(g->source, g->task[i], AP_PROBE_SEQUENCES / TASK_COUNT, err));
    }
    return AP_OK;
}

static void close_generator(struct generator *g)
{
    ap__gold_source_free(g->source);
    for (int i = 0; i < TASK_COUNT; i++)
        ap__task_free(g->task[i]);
    ap__template_free(g->tmpl);
    ap__tokenizer_free(g->tokenizer);
}

/* A model without tokenizer or with a template that cannot say calls is no failure here: other sequences serve. */
static ap_status add_generated(struct ap_probe *p, int32_t V, const char *model, struct ap_err *err)
{
    struct generator g = {0};
    int32_t n = 0;
    p->from = "generated chains";
    ap_status status = open_generator(&g, model, err);
    if (status == AP_OK)
        status = ap__gold_source_step(g.source, 0, g.example, AP_PROBE_SEQUENCES, &n, err);
    bool none = status != AP_OK && status != AP_E_MEMORY;
    for (int32_t i = 0; i < n && status == AP_OK; i++)
        status = add(p, V, g.example[i].chosen.token, g.example[i].chosen.len, err);
    close_generator(&g);
    return none ? AP_OK : status;
}

static ap_status add_drawn(struct ap_probe *p, int32_t V, struct ap_err *err)
{
    int32_t id[DRAWN_TOKENS];
    p->from = "drawn sequences";
    for (int32_t i = 0; i < AP_PROBE_SEQUENCES; i++) {
        struct ap_rng rng = ap__rng_make(1, "probe", (uint64_t)i, 0, 0);
        for (int t = 0; t < DRAWN_TOKENS; t++)
            id[t] = (int32_t)ap__rng_below(&rng, (uint32_t)V);
        AP_TRY(add(p, V, id, DRAWN_TOKENS, err));
    }
    return AP_OK;
}

static ap_status vocabulary(const char *model, int32_t *V, struct ap_err *err)
{
    struct ap_source *source = NULL;
    AP_TRY(ap__source_open(model, &source, err));
    *V = ap__source_config(source)->V;
    ap__source_free(source);
    return AP_OK;
}

ap_status ap__probe_make(struct ap_run *run, const char *model, struct ap_probe *out, struct ap_err *err)
{
    int32_t V = 0;
    *out = (struct ap_probe){0};
    ap__arena_init(&out->arena, 0);
    ap_status status = vocabulary(model, &V, err);
    if (status == AP_OK && run != NULL)
        status = add_chains(out, V, run, err);
    if (status == AP_OK && out->n == 0)
        status = add_generated(out, V, model, err);
    if (status == AP_OK && out->n == 0)
        status = add_drawn(out, V, err);
    if (status != AP_OK)
        ap__probe_deinit(out);
    return status;
}

void ap__probe_deinit(struct ap_probe *probe)
{
    ap__arena_deinit(&probe->arena);
    *probe = (struct ap_probe){0};
}
