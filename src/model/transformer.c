/* transformer.c - the decoder over a packed token tree, forward and backward.
 *
 *     tokens -> x0 (T,D) -> block 0 .. L-2 -> x (T,D)
 *            -> block L-1 -> x (Q,D) -> rmsnorm h (Q,D) -> logp (N,)
 *
 * One attention run per segment: its queries see the rows of all segments above
 * it (one span each) and its own rows up to themselves.  After the last block's
 * keys and values nothing but what predicts a target matters: it goes on with Q
 * rows, those of each segment from its first predicting row to its last one. */
#include "model/block.h"

#include <string.h>

struct ap_activations {
    struct ap_block_acts *layer; /* (L,) with keep, else one set that all layers share */
    bool recompute;      /* the L sets are one but for x and out, and hold the last block's */
    struct ap_block_rows rows, last; /* of all blocks but the last, of the last */
    struct ap_attn attn, last_attn;
    int32_t *target;     /* (N,) row of h that predicts each target */
    float *x, *h, *rstd; /* (Q, D) after the last block, (Q, D) normed, (Q,) */
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

static struct ap_attn attn_of(const struct ap_config *c, const struct ap_attn_run *run, int32_t runs,
                              const struct ap_span *span)
{
    return (struct ap_attn){run, span, runs, c->H, c->Hkv, c->Dh, ap__attention_scale(c), 0};
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
    *out = attn_of(c, run, pack->G, span);
    return AP_OK;
}

/* ---- the rows that predict a target ---- */

/* Marks in wanted (T,) -> compact (T,): the row's place among the Q rows, -1 for the others.  Returns Q. */
static int32_t number_rows(const struct ap_pack *pack, const uint8_t *wanted, int32_t *compact)
{
    int32_t Q = 0;
    for (int32_t g = 0; g < pack->G; g++) {
        int32_t lo = pack->segment[g].start, hi = lo + pack->segment[g].len - 1;
        for (int32_t t = lo; t <= hi; t++)
            compact[t] = -1;
        while (lo <= hi && !wanted[lo])
            lo++;
        while (hi > lo && !wanted[hi])
            hi--;
        for (int32_t t = lo; t <= hi; t++)
            compact[t] = Q++;
    }
    return Q;
}

/* Runs of the Q rows: those of `all`, without their unwanted ends; what is cut off in front becomes a span. */
static void cut_runs(const struct ap_attn *all, const int32_t *compact, struct ap_attn_run *run, int32_t *runs,
                     struct ap_span *span)
{
    int32_t at = 0;
    *runs = 0;
    for (int32_t g = 0; g < all->run_count; g++) {
        const struct ap_attn_run *whole = &all->run[g];
        int32_t lo = whole->own_start, end = lo + whole->q_len, n = whole->span_count;
        while (lo < end && compact[lo] < 0)
            lo++;
        while (end > lo && compact[end - 1] < 0)
            end--;
        if (lo == end)
            continue;
        memcpy(span + at, all->span + whole->span_first, (size_t)n * sizeof *span);
        if (lo > whole->own_start)
            span[at + n++] = (struct ap_span){whole->own_start, lo - whole->own_start};
        run[(*runs)++] = (struct ap_attn_run){compact[lo], end - lo, lo, at, n};
        at += n;
    }
}

/* Fill a->last, last_attn and target.  The pack has targets. */
static ap_status choose_rows(const struct ap_config *c, const struct ap_pack *pack, struct ap_arena *arena,
                             struct ap_activations *a, struct ap_err *err)
{
    struct taker t = {arena, false};
    int64_t T = pack->T, spans = 0;
    for (int32_t g = 0; g < pack->G; g++)
        spans += a->attn.run[g].span_count + 1;
    uint8_t *wanted = take_bytes(&t, T, sizeof *wanted);
    int32_t *compact = take_bytes(&t, T, sizeof *compact), *query = take_bytes(&t, 2 * T, sizeof *query);
    struct ap_attn_run *run = take_bytes(&t, pack->G, sizeof *run);
    struct ap_span *span = take_bytes(&t, spans, sizeof *span);
    a->target = take_bytes(&t, pack->N, sizeof *a->target);
    AP_TRY(taken(&t, pack->T, err));
    memset(wanted, 0, (size_t)T);
    for (int32_t i = 0; i < pack->N; i++)
        wanted[pack->target_row[i]] = 1;
    a->last.Q = number_rows(pack, wanted, compact);
    a->last.query = query;
    a->last.query_position = query + T;
    for (int32_t r = 0; r < pack->T; r++)
        if (compact[r] >= 0) {
            query[compact[r]] = r;
            query[T + compact[r]] = pack->position[r];
        }
    for (int32_t i = 0; i < pack->N; i++)
        a->target[i] = compact[pack->target_row[i]];
    int32_t runs = 0;
    cut_runs(&a->attn, compact, run, &runs, span);
    a->last_attn = attn_of(c, run, runs, span);
    a->last.attn = &a->last_attn;
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

/* Queries and keys before their norms; in place without keep, and where the family has none. */
static void take_head_norm_acts(const struct ap_config *c, struct taker *t, const struct ap_block_rows *rows, bool keep,
                                struct ap_block_acts *a)
{
    bool norms = ap__config_qk_norm(c);
    int64_t T = rows->T, Q = rows->Q;
    a->q_in = keep && norms ? take(t, Q * c->H * c->Dh) : a->q;
    a->k_in = keep && norms ? take(t, T * c->Hkv * c->Dh) : a->k;
    a->q_rstd = norms ? take(t, Q * c->H) : NULL;
    a->k_rstd = norms ? take(t, T * c->Hkv) : NULL;
}

/* The buffers of a block.  Without keep, x, mid and out are one buffer, and so are h1, hq and h2, gate and act. */
static void take_block_acts(const struct ap_model *m, struct taker *t, int32_t l, const struct ap_block_rows *rows,
                            bool keep, float *x, struct ap_block_acts *a)
{
    const struct ap_config *c = &m->config;
    int64_t T = rows->T, Q = rows->Q, D = c->D, kv = (int64_t)c->Hkv * c->Dh, q = (int64_t)c->H * c->Dh;
    a->x = x;
    a->h1 = take(t, T * D);
    a->rstd1 = take(t, T);
    a->hq = keep && rows->query != NULL ? take(t, Q * D) : a->h1;
    a->q = take(t, Q * q);
    a->k = take(t, T * kv);
    take_head_norm_acts(c, t, rows, keep, a);
    a->v = take(t, T * kv);
    a->att = take(t, Q * q);
    a->lse = keep ? take(t, Q * c->H) : NULL;
    a->mid = keep ? take(t, Q * D) : x;
    a->h2 = keep ? take(t, Q * D) : a->h1;
    a->rstd2 = keep ? take(t, Q) : a->rstd1;
    a->gate = take(t, Q * c->F);
    a->up = take(t, Q * c->F);
    a->act = keep ? take(t, Q * c->F) : a->gate;
    a->out = keep ? take(t, Q * D) : x;
    take_adapter_acts(m, t, l, T, keep, a);
}

/* One set of buffers for all blocks, but what enters and leaves each of them.  Returns what leaves the last. */
static float *take_shared_acts(const struct ap_model *m, struct taker *t, struct ap_activations *a, float *x)
{
    const struct ap_config *c = &m->config;
    struct ap_block_acts *shared = &a->layer[0];
    take_block_acts(m, t, 0, &a->rows, true, x, shared);
    for (int j = 0; j < AP_LINEAR_COUNT && m->pair != NULL; j++)
        if (shared->u[j] == NULL)
            shared->u[j] = take(t, (int64_t)a->rows.T * m->lora.rank);
    for (int32_t l = 1; l < c->L; l++) {
        a->layer[l] = *shared;
        a->layer[l].x = a->layer[l - 1].out;
        a->layer[l].out = take(t, (int64_t)(l < c->L - 1 ? a->rows.Q : a->last.Q) * c->D);
    }
    if (a->last.query != NULL)
        a->layer[c->L - 1].hq = take(t, (int64_t)a->last.Q * c->D);
    return a->layer[c->L - 1].out;
}

/* all: every row goes through the last block (full logits) instead of those that predict a target. */
static ap_status make_activations(const struct ap_model *m, const struct ap_pack *pack, struct ap_arena *step,
                                  bool keep, bool all, struct ap_activations **out, struct ap_err *err)
{
    struct taker t = {step, false};
    const struct ap_config *c = &m->config;
    int32_t sets = keep ? c->L : 1;
    struct ap_activations *a = take_bytes(&t, 1, sizeof *a);
    struct ap_block_acts *layer = take_bytes(&t, sets, sizeof *layer);
    float *x = take(&t, (int64_t)pack->T * c->D);
    AP_TRY(taken(&t, pack->T, err));
    *a = (struct ap_activations){.layer = layer};
    AP_TRY(make_attn(c, pack, step, &a->attn, err));
    a->rows = (struct ap_block_rows){.T = pack->T, .position = pack->position, .Q = pack->T, .attn = &a->attn};
    a->last = a->rows;
    a->target = pack->target_row;
    if (!all && pack->N > 0)
        AP_TRY(choose_rows(c, pack, step, a, err));
    a->recompute = keep && m->recompute;
    if (a->recompute)
        x = take_shared_acts(m, &t, a, x);
    for (int32_t l = 0; l < sets && !a->recompute && !t.failed; l++) {
        take_block_acts(m, &t, l, keep && l == c->L - 1 ? &a->last : &a->rows, keep, x, &layer[l]);
        x = layer[l].out;
    }
    a->x = x;
    a->h = take(&t, (int64_t)a->last.Q * c->D);
    a->rstd = take(&t, a->last.Q);
    *out = a;
    return taken(&t, pack->T, err);
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
static ap_status hidden_states(struct ap_model *m, const struct ap_pack *pack, struct ap_arena *step, bool keep,
                               bool all, struct ap_activations **out, struct ap_err *err)
{
    const struct ap_config *c = &m->config;
    struct ap_activations *a = NULL;
    AP_TRY(check_pack(c, pack, err));
    AP_TRY(make_activations(m, pack, step, keep, all, &a, err));
    m->be->embedding(a->layer[0].x, pack->token, &ap__embedding_weight(m)->W, pack->T);
    for (int32_t l = 0; l < c->L; l++)
        ap__block_forward(m, l, l < c->L - 1 ? &a->rows : &a->last, &a->layer[keep ? l : 0]);
    m->be->rmsnorm(a->h, a->rstd, a->x, ap__final_norm(m)->W.data, a->last.Q, c->D, c->eps);
    *out = a;
    return AP_OK;
}

ap_status ap__model_forward(struct ap_model *m, const struct ap_pack *pack, struct ap_arena *step, bool keep,
                            float *logp, struct ap_activations **acts, struct ap_err *err)
{
    struct ap_arena_mark mark = ap__arena_mark(step);
    struct ap_activations *a = NULL;
    ap_status status = hidden_states(m, pack, step, keep, false, &a, err);
    if (status == AP_OK)
        status = m->be->logprobs(logp, a->h, &ap__head_weight(m)->W, a->target, pack->target_token, pack->N, step, err);
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
    AP_TRY(m->be->logprobs_d(g->dh, head->g, dlogp, a->h, &head->W, a->target, pack->target_token, pack->N, step, err));
    memset(g->dx, 0, bytes);
    m->be->rmsnorm_d(g->dx, norm->g, g->dh, a->x, norm->W.data, a->rstd, a->last.Q, m->config.D);
    return AP_OK;
}

ap_status ap__model_backward(struct ap_model *m, const struct ap_pack *pack, struct ap_activations *acts,
                             const float *dlogp, struct ap_arena *step, struct ap_err *err)
{
    struct ap_arena_mark mark = ap__arena_mark(step);
    struct ap_block_grads g;
    int32_t L = m->config.L;
    if (m->mode == AP_FROZEN || (m->mode == AP_LORA && !m->use_adapter))
        return ap__fail(err, AP_E_STATE, NULL, "nothing is trainable: neither an adapter in use nor full training");
    ap_status status = take_grads(m, step, pack->T, &g, err);
    if (status == AP_OK)
        status = head_backward(m, pack, acts, dlogp, &g, step, err);
    for (int32_t l = L - 1; l >= 0 && status == AP_OK; l--) {
        const struct ap_block_rows *rows = l < L - 1 ? &acts->rows : &acts->last;
        if (acts->recompute && l < L - 1)
            ap__block_forward(m, l, rows, &acts->layer[l]);
        ap__block_backward(m, l, rows, &acts->layer[l], &g, l > 0 || m->mode == AP_FULL);
    }
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
    ap_status status = hidden_states(m, pack, step, false, true, &a, err);
    if (status == AP_OK)
        m->be->linear(logits, a->h, &ap__head_weight(m)->W, pack->T, false, 1.0f);
    ap__arena_release(step, mark);
    return status;
}
