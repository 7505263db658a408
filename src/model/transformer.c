/* transformer.c - the decoder over a packed token tree, forward and backward.
 *
 *     tokens -> x0 (T,D) -> block 0 .. L-2 -> x (T,D)
 *            -> block L-1 -> x (Q,D) -> rmsnorm h (Q,D) -> logp (N,)
 *
 * After the last block's keys and values nothing but what predicts a target
 * matters: it goes on with Q rows (activations.h).
 *
 * A trunk is the beginning that many packs share.  It passes forward once, each
 * pack on it forward and backward by itself, and the trunk backward last, from
 * what all of them gave to its keys and values: the gradient of one large tree
 * in the memory of its largest part. */
#include "model/activations.h"

#include <string.h>

void ap__model_recompute(struct ap_model *m, bool recompute) { m->recompute = recompute; }

/* ---- passes ---- */

static ap_status check_pack(const struct ap_config *c, const struct ap_pack *pack, struct ap_err *err)
{
    for (int32_t t = 0; t < pack->T; t++) {
        if (pack->token[t] < 0 || pack->token[t] >= c->V)
            return ap__fail(err, AP_E_ARG, NULL, "token id %d is not in the vocabulary of %d", pack->token[t], c->V);
        if (pack->position[t] >= c->max_position)
            return ap__fail(err, AP_E_TOO_LARGE, NULL, "a sequence is longer than the model's %d positions",
                            c->max_position);
    }
    return AP_OK;
}

/* Embedding, blocks and final norm; *out holds h. */
static ap_status hidden_states(struct ap_model *m, const struct ap_pack *pack, const struct ap_activations_how *how,
                               struct ap_arena *step, struct ap_activations **out, struct ap_err *err)
{
    const struct ap_config *c = &m->config;
    struct ap_activations *a = NULL;
    AP_TRY(check_pack(c, pack, err));
    AP_TRY(ap__activations_make(m, pack, how, step, &a, err));
    m->be->embedding(a->layer[0].x, pack->token + a->first, &ap__embedding_weight(m)->W, a->rows.T);
    for (int32_t l = 0; l < c->L; l++) {
        struct ap_block_rows rows = ap__activations_rows(a, c, l);
        ap__block_forward(m, l, &rows, &a->layer[how->keep ? l : 0]);
    }
    if (a->last.Q > 0)
        m->be->rmsnorm(a->h, a->rstd, a->x, &ap__final_norm(m)->W, a->last.Q, c->eps);
    *out = a;
    return AP_OK;
}

ap_status ap__model_forward(struct ap_model *m, const struct ap_pack *pack, struct ap_arena *step, bool keep,
                            float *logp, struct ap_activations **acts, struct ap_err *err)
{
    return ap__model_forward_on(m, NULL, pack, step, keep, logp, acts, err);
}

ap_status ap__model_forward_on(struct ap_model *m, const struct ap_trunk *trunk, const struct ap_pack *pack,
                               struct ap_arena *step, bool keep, float *logp, struct ap_activations **acts,
                               struct ap_err *err)
{
    struct ap_arena_mark mark = ap__arena_mark(step);
    struct ap_activations *a = NULL;
    struct ap_activations_how how = {.keep = keep, .trunk = trunk};
    ap_status status = hidden_states(m, pack, &how, step, &a, err);
    if (status == AP_OK)
        status = m->be->logprobs(logp, a->lse, a->logits, a->h, &ap__head_weight(m)->W, a->target, pack->target_token, pack->N, step,
                                 err);
    if (status == AP_OK && keep)
        *acts = a;
    else
        ap__arena_release(step, mark);
    return status;
}

/* Through the head and the final norm: g->dx (Q, D) overwritten with dLoss/dx of the last block's output. */
static ap_status head_backward(struct ap_model *m, const struct ap_pack *pack, const struct ap_activations *a,
                               const float *dlogp, struct ap_block_grads *g, struct ap_arena *step,
                               struct ap_err *err)
{
    const struct ap_weight *head = ap__head_weight(m), *norm = ap__final_norm(m);
    size_t bytes = (size_t)a->last.Q * (size_t)m->config.D * sizeof(float);
    memset(g->dh, 0, bytes);
    AP_TRY(m->be->logprobs_d(g->dh, head->g, dlogp, a->lse, a->logits, a->h, &head->W, a->target, pack->target_token, pack->N, step,
                             err));
    memset(g->dx, 0, bytes);
    m->be->rmsnorm_d(g->dx, norm->g, g->dh, a->x, &norm->W, a->rstd, a->last.Q);
    return AP_OK;
}

/* From the last block's output, whose gradient is in g->dx, down to the embedding. */
static void blocks_backward(struct ap_model *m, const struct ap_pack *pack, const struct ap_activations *acts,
                            struct ap_block_grads *g)
{
    const struct ap_config *c = &m->config;
    for (int32_t l = c->L - 1; l >= 0; l--) {
        struct ap_block_rows rows = ap__activations_rows(acts, c, l);
        if (acts->recompute && l < c->L - 1)
            ap__block_forward(m, l, &rows, &acts->layer[l]);
        ap__block_backward(m, l, &rows, &acts->layer[l], g, l > 0 || m->mode == AP_FULL);
    }
    if (m->mode == AP_FULL)
        m->be->embedding_d(ap__embedding_weight(m)->g, g->dx, pack->token + acts->first, acts->rows.T, c->D);
}

static ap_status check_trainable(const struct ap_model *m, struct ap_err *err)
{
    if (m->mode == AP_FROZEN || (m->mode == AP_LORA && !m->use_adapter))
        return ap__fail(err, AP_E_STATE, NULL, "nothing is trainable: neither an adapter in use nor full training");
    return AP_OK;
}

ap_status ap__model_backward(struct ap_model *m, const struct ap_pack *pack, struct ap_activations *acts,
                             const float *dlogp, struct ap_arena *step, struct ap_err *err)
{
    struct ap_arena_mark mark = ap__arena_mark(step);
    struct ap_block_grads g;
    AP_TRY(check_trainable(m, err));
    ap_status status = ap__activations_grads(m, step, acts->rows.T, &g, err);
    if (status == AP_OK)
        status = head_backward(m, pack, acts, dlogp, &g, step, err);
    if (status == AP_OK)
        blocks_backward(m, pack, acts, &g);
    ap__arena_release(step, mark);
    return status;
}

ap_status ap__model_trunk(struct ap_model *m, const int32_t *token, int32_t P, int32_t most, struct ap_arena *step,
                          struct ap_trunk **out, struct ap_err *err)
{
    struct ap_trunk *trunk = NULL;
    uint8_t *untrained = ap__arena_zalloc(step, (size_t)P);
    if (untrained == NULL)
        return ap__fail(err, AP_E_MEMORY, NULL, "no memory for a trunk of %d tokens", P);
    AP_TRY(ap__trunk_make(&m->config, P, most, step, &trunk, err));
    AP_TRY(ap__pack_build(step, &(struct ap_seq){token, untrained, P}, 1, 0, &trunk->pack, err));
    struct ap_activations_how how = {.keep = true, .trunk = trunk, .is_trunk = true};
    AP_TRY(hidden_states(m, &trunk->pack, &how, step, &trunk->acts, err));
    *out = trunk;
    return AP_OK;
}

const struct ap_pack *ap__trunk_pack(const struct ap_trunk *trunk) { return &trunk->pack; }

ap_status ap__model_trunk_backward(struct ap_model *m, struct ap_trunk *trunk, struct ap_arena *step, struct ap_err *err)
{
    struct ap_arena_mark mark = ap__arena_mark(step);
    struct ap_block_grads g;
    AP_TRY(check_trainable(m, err));
    AP_TRY(ap__activations_grads(m, step, trunk->P, &g, err));
    blocks_backward(m, &trunk->pack, trunk->acts, &g);
    ap__arena_release(step, mark);
    return AP_OK;
}

ap_status ap__model_logits(struct ap_model *m, const struct ap_pack *pack, struct ap_arena *step, float *logits,
                           struct ap_err *err)
{
    struct ap_arena_mark mark = ap__arena_mark(step);
    struct ap_activations *a = NULL;
    struct ap_activations_how how = {.all = true};
    ap_status status = hidden_states(m, pack, &how, step, &a, err);
    if (status == AP_OK)
        m->be->linear(logits, a->h, &ap__head_weight(m)->W, pack->T, false, 1.0f);
    ap__arena_release(step, mark);
    return status;
}
