/* batch.c - examples to one packed tree, losses to gradients. */
#include "train/batch.h"

#include "model/account.h"
#include "model/weights.h"

#include <string.h>

enum { MOST_SEQUENCES = 3 }; /* of an example */

/* Sequences of examples: chosen of each, then its rejected and its held one if it has them. */
static int32_t list_sequences(const struct ap_train_example *e, int32_t n, struct ap_seq *seq)
{
    int32_t S = 0;
    for (int32_t i = 0; i < n; i++) {
        seq[S++] = e[i].chosen;
        if (e[i].rejected.len > 0)
            seq[S++] = e[i].rejected;
        if (e[i].held.len > 0)
            seq[S++] = e[i].held;
    }
    return S;
}

static int64_t count_trained(const struct ap_seq *seq)
{
    int64_t n = 0;
    for (int32_t t = 0; t < seq->len; t++)
        n += seq->trained[t] != 0;
    return n;
}

/* What the loss of a batch is a mean over. */
struct scale {
    int32_t examples;
    int64_t held_tokens; /* trained ones of chosen, or held, sequences */
};

static ap_status check_examples(const struct ap_batch_config *c, const struct ap_train_example *e, int32_t n,
                                struct scale *over, int64_t *trained, struct ap_err *err)
{
    *trained = 0;
    *over = (struct scale){.examples = n};
    for (int32_t i = 0; i < n; i++) {
        int64_t chosen = count_trained(&e[i].chosen), rejected = count_trained(&e[i].rejected);
        if (chosen == 0 || (c->method == AP_METHOD_DPO && rejected == 0))
            return ap__fail(err, AP_E_ARG, NULL, "example %d of the batch has a sequence without trained tokens", i);
        if (c->method == AP_METHOD_SFT && (e[i].rejected.len > 0 || e[i].held.len > 0))
            return ap__fail(err, AP_E_ARG, NULL, "example %d of an SFT batch has more than one sequence", i);
        int64_t held = e[i].held.len > 0 ? count_trained(&e[i].held) : 0;
        over->held_tokens += held > 0 ? held : chosen;
        *trained += chosen + rejected + held;
    }
    return n > 0 ? AP_OK : ap__fail(err, AP_E_ARG, NULL, "a batch without examples");
}

/* Numbers of one packed part of a batch, in the step arena. */
struct part {
    struct ap_pack pack;
    float *logp, *dlogp;   /* (N,) */
    double *seq, *dseq;    /* (S,) */
    int32_t *count;        /* (S,) trained tokens */
};

static ap_status make_part(const struct ap_train_example *e, int32_t n, int32_t max_tokens, struct ap_arena *step,
                           struct part *p, struct ap_err *err)
{
    ap__arena_reset(step);
    struct ap_seq *seq = ap__arena_alloc(step, MOST_SEQUENCES * (size_t)n * sizeof *seq);
    if (seq == NULL)
        return ap__fail(err, AP_E_MEMORY, NULL, "no memory for a batch of %d examples", n);
    int32_t S = list_sequences(e, n, seq);
    AP_TRY(ap__pack_build(step, seq, S, max_tokens, &p->pack, err));
    size_t N = (size_t)p->pack.N;
    p->logp = ap__arena_alloc(step, (N + 1) * sizeof *p->logp);
    p->dlogp = ap__arena_alloc(step, (N + 1) * sizeof *p->dlogp);
    p->seq = ap__arena_alloc(step, (size_t)S * sizeof *p->seq);
    p->dseq = ap__arena_alloc(step, (size_t)S * sizeof *p->dseq);
    p->count = ap__arena_alloc(step, (size_t)S * sizeof *p->count);
    if (p->logp == NULL || p->dlogp == NULL || p->seq == NULL || p->dseq == NULL || p->count == NULL)
        return ap__fail(err, AP_E_MEMORY, NULL, "no memory for a batch of %d examples", n);
    return AP_OK;
}

/* The terms that hold up sequence s, added to its derivative. */
static double hold_up(const struct ap_dpo *dpo, const struct scale *over, struct part *p, int32_t s)
{
    double dnll, nll = ap__loss_sft(p->seq[s], p->count[s], &dnll);
    double dsft, sft = ap__loss_sft(p->seq[s], over->held_tokens, &dsft), mean = 1.0 / over->examples;
    p->dseq[s] += mean * dpo->nll_weight * dnll + dpo->sft_weight * dsft;
    return mean * dpo->nll_weight * nll + dpo->sft_weight * sft;
}

static void dpo_part(const struct ap_dpo *dpo, const struct ap_train_example *e, int32_t n, const struct scale *over,
                     struct part *p, struct ap_batch_sums *out)
{
    double mean = 1.0 / over->examples;
    for (int32_t i = 0, s = 0; i < n; i++) {
        const double *logp = &p->seq[s];
        struct ap_pair_logp pair = {logp[0], logp[1], e[i].ref_chosen, e[i].ref_rejected, p->count[s],
                                    p->count[s + 1]};
        struct ap_pair_loss l = ap__loss_dpo(dpo, &pair);
        bool apart = e[i].held.len > 0;
        p->dseq[s] = mean * l.dchosen;
        p->dseq[s + 1] = mean * l.drejected;
        if (apart)
            p->dseq[s + 2] = 0.0;
        out->loss += mean * l.loss + hold_up(dpo, over, p, apart ? s + 2 : s);
        s += apart ? 3 : 2;
        out->reward_chosen += l.reward_chosen;
        out->reward_rejected += l.reward_rejected;
        out->correct += l.reward_chosen > l.reward_rejected;
        out->logp_chosen += logp[0];
        out->logp_rejected += logp[1];
        out->drift_chosen += logp[0] - e[i].ref_chosen;
        out->drift_rejected += logp[1] - e[i].ref_rejected;
    }
}

static void sft_part(const struct ap_train_example *e, int32_t n, const struct scale *over, struct part *p,
                     struct ap_batch_sums *out)
{
    for (int32_t i = 0; i < n; i++) {
        out->loss += ap__loss_sft(p->seq[i], over->held_tokens, &p->dseq[i]);
        out->logp_chosen += p->seq[i];
        out->drift_chosen += p->seq[i] - e[i].ref_chosen;
    }
}

static ap_status add_work(const struct ap_model *m, const struct ap_pack *pack, struct ap_arena *step,
                          struct ap_batch_sums *out, struct ap_err *err)
{
    struct ap_work_size size;
    AP_TRY(ap__account_pack(&m->config, pack, step, &size, err));
    out->gflop += 1e-9 * ap__account_step(&m->config, &size, m->mode == AP_LORA ? m->lora.rank : 0);
    return AP_OK;
}

/* Forward, loss and backward of examples that fit into one tree. */
static ap_status train_part(struct ap_model *m, const struct ap_batch_config *c, const struct ap_train_example *e,
                            int32_t n, const struct scale *over, struct ap_arena *step, struct ap_batch_sums *out,
                            struct ap_err *err)
{
    struct part p;
    struct ap_activations *acts = NULL;
    AP_TRY(make_part(e, n, c->max_tokens, step, &p, err));
    AP_TRY(ap__model_forward(m, &p.pack, step, true, p.logp, &acts, err));
    ap__pack_sum(&p.pack, p.logp, p.seq, p.count);
    if (c->method == AP_METHOD_DPO)
        dpo_part(&c->dpo, e, n, over, &p, out);
    else
        sft_part(e, n, over, &p, out);
    ap__pack_scatter(&p.pack, p.dseq, p.dlogp);
    out->tree_tokens += p.pack.T;
    out->flat_tokens += p.pack.flat_tokens;
    out->packs++;
    AP_TRY(add_work(m, &p.pack, step, out, err));
    return ap__model_backward(m, &p.pack, acts, p.dlogp, step, err);
}

/* As one tree if the budget allows, else as two halves. */
static ap_status train_parts(struct ap_model *m, const struct ap_batch_config *c, const struct ap_train_example *e,
                             int32_t n, const struct scale *over, struct ap_arena *step, struct ap_batch_sums *out,
                             struct ap_err *err)
{
    ap_status status = train_part(m, c, e, n, over, step, out, err);
    if (status != AP_E_TOO_LARGE || n < 2)
        return status;
    AP_TRY(train_parts(m, c, e, n / 2, over, step, out, err));
    return train_parts(m, c, e + n / 2, n - n / 2, over, step, out, err);
}

ap_status ap__batch_gradient(struct ap_model *m, const struct ap_batch_config *config,
                             const struct ap_train_example *example, int32_t n, struct ap_arena *step,
                             struct ap_batch_sums *out, struct ap_err *err)
{
    struct scale over;
    int64_t trained;
    AP_TRY(check_examples(config, example, n, &over, &trained, err));
    *out = (struct ap_batch_sums){.trained_tokens = trained};
    return train_parts(m, config, example, n, &over, step, out, err);
}

/* ---- reference ---- */

static ap_status reference_parts(struct ap_model *m, struct ap_train_example *e, int32_t n, int32_t max_tokens,
                                 struct ap_arena *step, struct ap_err *err)
{
    struct part p;
    ap_status status = make_part(e, n, max_tokens, step, &p, err);
    if (status == AP_E_TOO_LARGE && n > 1) {
        AP_TRY(reference_parts(m, e, n / 2, max_tokens, step, err));
        return reference_parts(m, e + n / 2, n - n / 2, max_tokens, step, err);
    }
    if (status == AP_OK)
        status = ap__model_forward(m, &p.pack, step, false, p.logp, NULL, err);
    if (status != AP_OK)
        return status;
    ap__pack_sum(&p.pack, p.logp, p.seq, NULL);
    for (int32_t i = 0, s = 0; i < n; i++) {
        e[i].ref_chosen = p.seq[s++];
        e[i].ref_rejected = e[i].rejected.len > 0 ? p.seq[s++] : 0.0;
        s += e[i].held.len > 0;
    }
    return AP_OK;
}

ap_status ap__batch_reference(struct ap_model *m, enum ap_reference reference, struct ap_train_example *example,
                              int32_t n, int32_t max_tokens, struct ap_arena *step, struct ap_err *err)
{
    enum { AT_ONCE = 64 }; /* examples tried as one tree */
    ap_status status = AP_OK;
    ap__model_use_adapter(m, reference == AP_REFERENCE_ADAPTER);
    for (int32_t i = 0; i < n && status == AP_OK; i += AT_ONCE)
        status = reference_parts(m, example + i, n - i < AT_ONCE ? n - i : AT_ONCE, max_tokens, step, err);
    ap__model_use_adapter(m, true);
    return status;
}
