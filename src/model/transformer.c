/* transformer.c - the decoder over a packed token tree, forward and backward.
 *
 *     tokens -> x0 (T,D) -> block 0 .. L-1 -> x (T,D) -> rmsnorm h (T,D) -> logp (N,)
 *
 * One attention run per segment: its queries see the rows of all segments above
 * it (one span each) and its own rows up to themselves. */
#include "model/block.h"

#include <math.h>
#include <string.h>

struct ap_activations {
    struct ap_block_acts *layer; /* (L,) with keep, else one set that all layers share */
    struct ap_attn attn;
    float *x, *h, *rstd; /* (T, D) after the last block, (T, D) normed, (T,) */
    bool keep;
};

/* Arena allocation that remembers failure, so that a row of them is checked once. */
struct taker {
    struct ap_arena *arena;
    bool failed;
};

static void *take_bytes(struct taker *t, int64_t n, size_t size)
{
    void *p = t->failed ? NULL : ap__arena_alloc(t->arena, (size_t)(n > 0 ? n : 1) * size);
    t->failed = p == NULL;
    return p;
}

static float *take(struct taker *t, int64_t n) { return take_bytes(t, n, sizeof(float)); }

static ap_status taken(const struct taker *t, int32_t T, struct ap_err *err)
{
    return t->failed ? ap__fail(err, AP_E_MEMORY, NULL, "no memory for the activations of %d tokens", T) : AP_OK;
}

/* ---- attention runs of a pack ---- */

static int32_t segment_depth(const struct ap_pack *pack, int32_t g)
{
    int32_t n = 0;
    for (g = pack->segment[g].parent; g >= 0; g = pack->segment[g].parent)
        n++;
    return n;
}

/* The spans of segment g's ancestors, root first; returns their number.  Touching ones are not joined: attention
 * recognises a shared prefix by equal spans, and takes the keys of neighbouring spans together anyway. */
static int32_t put_spans(const struct ap_pack *pack, int32_t g, struct ap_span *span)
{
    int32_t n = segment_depth(pack, g);
    for (int32_t a = pack->segment[g].parent, i = n - 1; a >= 0; a = pack->segment[a].parent, i--)
        span[i] = (struct ap_span){pack->segment[a].start, pack->segment[a].len};
    return n;
}

static ap_status make_attn(const struct ap_config *c, const struct ap_pack *pack, struct ap_arena *arena,
                           struct ap_attn *out, struct ap_err *err)
{
    struct taker t = {arena, false};
    int64_t most = 0;
    for (int32_t g = 0; g < pack->G; g++)
        most += segment_depth(pack, g);
    struct ap_attn_run *run = take_bytes(&t, pack->G, sizeof *run);
    struct ap_span *span = take_bytes(&t, most, sizeof *span);
    AP_TRY(taken(&t, pack->T, err));
    int32_t at = 0;
    for (int32_t g = 0; g < pack->G; g++) {
        const struct ap_segment *s = &pack->segment[g];
        int32_t n = put_spans(pack, g, span + at);
        run[g] = (struct ap_attn_run){s->start, s->len, s->start, at, n};
        at += n;
    }
    *out = (struct ap_attn){run, span, pack->G, c->H, c->Hkv, c->Dh, 1.0f / sqrtf((float)c->Dh)};
    return AP_OK;
}

/* ---- memory of one step ---- */

static void take_adapter_acts(const struct ap_model *m, struct taker *t, int32_t l, int64_t T, bool keep,
                              struct ap_block_acts *a)
{
    float *shared = keep || m->pair == NULL ? NULL : take(t, T * m->lora.rank);
    for (int j = 0; j < AP_LINEAR_COUNT; j++)
        a->u[j] = keep && ap__lora_pair(m, l, j) != NULL ? take(t, T * m->lora.rank) : shared;
}

/* The buffers of one block.  Without keep, x, mid and out are one buffer, and so are gate and act. */
static void take_block_acts(const struct ap_model *m, struct taker *t, int32_t l, int64_t T, bool keep, float *x,
                            struct ap_block_acts *a)
{
    const struct ap_config *c = &m->config;
    int64_t TD = T * c->D, TQ = T * c->H * c->Dh, TKV = T * c->Hkv * c->Dh, TF = T * c->F;
    a->x = x;
    a->h1 = take(t, TD);
    a->rstd1 = take(t, T);
    a->q = take(t, TQ);
    a->k = take(t, TKV);
    a->v = take(t, TKV);
    a->att = take(t, TQ);
    a->lse = keep ? take(t, T * c->H) : NULL;
    a->mid = keep ? take(t, TD) : x;
    a->h2 = keep ? take(t, TD) : a->h1;
    a->rstd2 = keep ? take(t, T) : a->rstd1;
    a->gate = take(t, TF);
    a->up = take(t, TF);
    a->act = keep ? take(t, TF) : a->gate;
    a->out = keep ? take(t, TD) : x;
    take_adapter_acts(m, t, l, T, keep, a);
}

static ap_status make_activations(const struct ap_model *m, const struct ap_pack *pack, struct ap_arena *step,
                                  bool keep, struct ap_activations **out, struct ap_err *err)
{
    struct taker t = {step, false};
    int64_t T = pack->T;
    int32_t sets = keep ? m->config.L : 1;
    struct ap_activations *acts = take_bytes(&t, 1, sizeof *acts);
    struct ap_block_acts *layer = take_bytes(&t, sets, sizeof *layer);
    float *x = take(&t, T * m->config.D);
    AP_TRY(taken(&t, pack->T, err));
    *acts = (struct ap_activations){.layer = layer, .keep = keep};
    for (int32_t l = 0; l < sets && !t.failed; l++) {
        take_block_acts(m, &t, l, T, keep, x, &layer[l]);
        x = layer[l].out;
    }
    acts->x = x;
    acts->h = take(&t, T * m->config.D);
    acts->rstd = take(&t, T);
    AP_TRY(taken(&t, pack->T, err));
    *out = acts;
    return make_attn(&m->config, pack, step, &acts->attn, err);
}

static ap_status take_grads(const struct ap_model *m, struct ap_arena *step, int32_t tokens, struct ap_block_grads *g,
                            struct ap_err *err)
{
    struct taker t = {step, false};
    const struct ap_config *c = &m->config;
    int64_t T = tokens, TQ = T * c->H * c->Dh, TKV = T * c->Hkv * c->Dh, TF = T * c->F;
    g->dx = take(&t, T * c->D);
    g->dh = take(&t, T * c->D);
    g->dq = take(&t, TQ);
    g->dk = take(&t, TKV);
    g->dv = take(&t, TKV);
    g->datt = take(&t, TQ);
    g->dgate = take(&t, TF);
    g->dup = take(&t, TF);
    g->dact = take(&t, TF);
    g->du = take(&t, T * (m->pair != NULL ? m->lora.rank : 0));
    return taken(&t, tokens, err);
}

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
static ap_status hidden_states(struct ap_model *m, const struct ap_pack *pack, struct ap_arena *step, bool keep,
                               struct ap_activations **out, struct ap_err *err)
{
    const struct ap_config *c = &m->config;
    struct ap_activations *a = NULL;
    AP_TRY(check_pack(c, pack, err));
    AP_TRY(make_activations(m, pack, step, keep, &a, err));
    struct ap_block_rows rows = {.T = pack->T, .position = pack->position, .attn = &a->attn};
    m->be->embedding(a->layer[0].x, pack->token, &ap__embedding_weight(m)->W, pack->T);
    for (int32_t l = 0; l < c->L; l++)
        ap__block_forward(m, l, &rows, &a->layer[keep ? l : 0]);
    m->be->rmsnorm(a->h, a->rstd, a->x, ap__final_norm(m)->W.data, pack->T, c->D, c->eps);
    *out = a;
    return AP_OK;
}

ap_status ap__model_forward(struct ap_model *m, const struct ap_pack *pack, struct ap_arena *step, bool keep,
                            float *logp, struct ap_activations **acts, struct ap_err *err)
{
    struct ap_arena_mark mark = ap__arena_mark(step);
    struct ap_activations *a = NULL;
    ap_status status = hidden_states(m, pack, step, keep, &a, err);
    if (status == AP_OK)
        status = m->be->logprobs(logp, a->h, &ap__head_weight(m)->W, pack->target_row, pack->target_token, pack->N,
                                 step, err);
    if (status == AP_OK && keep)
        *acts = a;
    else
        ap__arena_release(step, mark);
    return status;
}

/* Through the head and the final norm: g->dx overwritten with dLoss/dx of the last block's output. */
static ap_status head_backward(struct ap_model *m, const struct ap_pack *pack, const struct ap_activations *a,
                               const float *dlogp, struct ap_block_grads *g, struct ap_arena *step,
                               struct ap_err *err)
{
    const struct ap_weight *head = ap__head_weight(m), *norm = ap__final_norm(m);
    size_t bytes = (size_t)pack->T * (size_t)m->config.D * sizeof(float);
    memset(g->dh, 0, bytes);
    AP_TRY(m->be->logprobs_d(g->dh, head->g, dlogp, a->h, &head->W, pack->target_row, pack->target_token, pack->N,
                             step, err));
    memset(g->dx, 0, bytes);
    m->be->rmsnorm_d(g->dx, norm->g, g->dh, a->x, norm->W.data, a->rstd, pack->T, m->config.D);
    return AP_OK;
}

ap_status ap__model_backward(struct ap_model *m, const struct ap_pack *pack, struct ap_activations *acts,
                             const float *dlogp, struct ap_arena *step, struct ap_err *err)
{
    struct ap_arena_mark mark = ap__arena_mark(step);
    struct ap_block_grads g;
    struct ap_block_rows rows = {.T = pack->T, .position = pack->position, .attn = &acts->attn};
    if (m->mode == AP_FROZEN || (m->mode == AP_LORA && !m->use_adapter))
        return ap__fail(err, AP_E_STATE, NULL, "nothing is trainable: neither an adapter in use nor full training");
    ap_status status = take_grads(m, step, pack->T, &g, err);
    if (status == AP_OK)
        status = head_backward(m, pack, acts, dlogp, &g, step, err);
    for (int32_t l = m->config.L - 1; l >= 0 && status == AP_OK; l--)
        ap__block_backward(m, l, &rows, &acts->layer[l], &g, l > 0 || m->mode == AP_FULL);
    if (status == AP_OK && m->mode == AP_FULL)
        m->be->embedding_d(ap__embedding_weight(m)->g, g.dx, pack->token, pack->T, m->config.D);
    ap__arena_release(step, mark);
    return status;
}

ap_status ap__model_logits(struct ap_model *m, const struct ap_pack *pack, struct ap_arena *step, float *logits,
                           struct ap_err *err)
{
    struct ap_arena_mark mark = ap__arena_mark(step);
    struct ap_activations *a = NULL;
    ap_status status = hidden_states(m, pack, step, false, &a, err);
    if (status == AP_OK)
        m->be->linear(logits, a->h, &ap__head_weight(m)->W, pack->T, false, 1.0f);
    ap__arena_release(step, mark);
    return status;
}
