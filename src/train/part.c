/* part.c - see part.h. */
#include "train/part.h"

#include "model/account.h"
#include "model/weights.h"

enum { MOST_SEQUENCES = 3 }; /* of an example */

int32_t ap__part_sequences(const struct ap_train_example *example)
{
    return 1 + (example->rejected.len > 0) + (example->held.len > 0);
}

int32_t ap__seq_common(const struct ap_seq *a, const struct ap_seq *b)
{
    int32_t n = 0, most = a->len < b->len ? a->len : b->len;
    while (n < most && a->token[n] == b->token[n] && a->trained[n] == b->trained[n])
        n++;
    return n;
}

static int32_t list_sequences(const struct ap_train_example *const *e, int32_t n, struct ap_seq *seq)
{
    int32_t S = 0;
    for (int32_t i = 0; i < n; i++) {
        seq[S++] = e[i]->chosen;
        if (e[i]->rejected.len > 0)
            seq[S++] = e[i]->rejected;
        if (e[i]->held.len > 0)
            seq[S++] = e[i]->held;
    }
    return S;
}

static ap_status no_memory(int32_t n, struct ap_err *err)
{
    return ap__fail(err, AP_E_MEMORY, NULL, "no memory for a batch of %d examples", n);
}

ap_status ap__part_make(const struct ap_train_example *const *example, int32_t n, const struct ap_seq *trunk,
                        int32_t max_tokens, struct ap_arena *step, struct ap_part *out, struct ap_err *err)
{
    struct ap_seq *seq = ap__arena_alloc(step, (MOST_SEQUENCES * (size_t)n + 1) * sizeof *seq);
    if (seq == NULL)
        return no_memory(n, err);
    int32_t S = list_sequences(example, n, seq);
    if (trunk->len > 0)
        seq[S++] = *trunk;
    *out = (struct ap_part){.example = example, .n = n};
    AP_TRY(ap__pack_build(step, seq, S, max_tokens, &out->pack, err));
    size_t N = (size_t)out->pack.N;
    out->logp = ap__arena_alloc(step, (N + 1) * sizeof *out->logp);
    out->dlogp = ap__arena_alloc(step, (N + 1) * sizeof *out->dlogp);
    out->seq = ap__arena_alloc(step, (size_t)S * sizeof *out->seq);
    out->dseq = ap__arena_zalloc(step, (size_t)S * sizeof *out->dseq);
    out->count = ap__arena_alloc(step, (size_t)S * sizeof *out->count);
    bool made = out->logp && out->dlogp && out->seq && out->dseq && out->count;
    return made ? AP_OK : no_memory(n, err);
}

/* The terms that hold up sequence s, added to its derivative. */
static double hold_up(const struct ap_dpo *dpo, const struct ap_part_scale *over, struct ap_part *p, int32_t s)
{
    double dnll, nll = ap__loss_sft(p->seq[s], p->count[s], &dnll);
    double dsft, sft = ap__loss_sft(p->seq[s], over->held_tokens, &dsft), mean = 1.0 / over->examples;
    p->dseq[s] += mean * dpo->nll_weight * dnll + dpo->sft_weight * dsft;
    return mean * dpo->nll_weight * nll + dpo->sft_weight * sft;
}

/* A pair whose sequences begin at s. */
static void pair_loss(struct ap_part *p, const struct ap_train_example *e, int32_t s, const struct ap_dpo *dpo,
                      const struct ap_part_scale *over, struct ap_batch_sums *sums)
{
    const double *logp = &p->seq[s], mean = 1.0 / over->examples;
    struct ap_pair_logp pair = {logp[0], logp[1], e->ref_chosen, e->ref_rejected, p->count[s], p->count[s + 1]};
    struct ap_pair_loss l = ap__loss_dpo(dpo, &pair);
    p->dseq[s] = mean * l.dchosen;
    p->dseq[s + 1] = mean * l.drejected;
    sums->loss += mean * l.loss + hold_up(dpo, over, p, e->held.len > 0 ? s + 2 : s);
    sums->reward_chosen += l.reward_chosen;
    sums->reward_rejected += l.reward_rejected;
    sums->correct += l.reward_chosen > l.reward_rejected;
    sums->logp_chosen += logp[0];
    sums->logp_rejected += logp[1];
    sums->drift_chosen += logp[0] - e->ref_chosen;
    sums->drift_rejected += logp[1] - e->ref_rejected;
}

static void sft_loss(struct ap_part *p, const struct ap_train_example *e, int32_t s, const struct ap_part_scale *over,
                     struct ap_batch_sums *sums)
{
    sums->loss += ap__loss_sft(p->seq[s], over->held_tokens, &p->dseq[s]);
    sums->logp_chosen += p->seq[s];
    sums->drift_chosen += p->seq[s] - e->ref_chosen;
}

void ap__part_loss(struct ap_part *part, const struct ap_batch_config *config, const struct ap_part_scale *over,
                   struct ap_batch_sums *sums)
{
    ap__pack_sum(&part->pack, part->logp, part->seq, part->count);
    for (int32_t i = 0, s = 0; i < part->n; i++) {
        const struct ap_train_example *e = part->example[i];
        if (config->method == AP_METHOD_DPO)
            pair_loss(part, e, s, &config->dpo, over, sums);
        else
            sft_loss(part, e, s, over, sums);
        s += ap__part_sequences(e);
    }
    ap__pack_scatter(&part->pack, part->dseq, part->dlogp);
}

ap_status ap__part_work(const struct ap_gradient *g, const struct ap_pack *pack, int32_t first, struct ap_err *err)
{
    struct ap_work_size size;
    const struct ap_model *m = g->m;
    AP_TRY(ap__account_pack(&m->config, pack, first, g->step, &size, err));
    g->sums->gflop += 1e-9 * ap__account_step(&m->config, &size, m->mode == AP_LORA ? m->lora.rank : 0);
    g->sums->tree_tokens += pack->T - first;
    return AP_OK;
}

ap_status ap__part_train(const struct ap_gradient *g, const struct ap_train_example *const *e, int32_t n,
                         int32_t max_tokens, const struct ap_trunk *trunk, const struct ap_seq *trunk_seq,
                         struct ap_err *err)
{
    struct ap_arena_mark mark = ap__arena_mark(g->step);
    struct ap_part part;
    struct ap_activations *acts = NULL;
    ap_status status = ap__part_make(e, n, trunk_seq, max_tokens, g->step, &part, err);
    if (status == AP_OK)
        status = ap__model_forward_on(g->m, trunk, &part.pack, g->step, true, part.logp, &acts, err);
    if (status == AP_OK) {
        ap__part_loss(&part, g->config, &g->over, g->sums);
        g->sums->flat_tokens += part.pack.flat_tokens - trunk_seq->len;
        g->sums->packs++;
        status = ap__part_work(g, &part.pack, trunk_seq->len, err);
    }
    if (status == AP_OK)
        status = ap__model_backward(g->m, &part.pack, acts, part.dlogp, g->step, err);
    ap__arena_release(g->step, mark);
    return status;
}
