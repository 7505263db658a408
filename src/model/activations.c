/* activations.c - the memory of one training step, and which rows see and go where; see activations.h. */
#include "model/activations.h"

#include <string.h>

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
    return (struct ap_attn){run, span, runs, c->H, c->Hkv, c->Dh, ap__attention_scale(c), 0, 0};
}

/* One run per segment from row `first` on; queries are numbered from there, keys are rows of the whole pack. */
static ap_status make_attn(const struct ap_config *c, const struct ap_pack *pack, int32_t first, struct ap_arena *arena,
                           struct ap_attn *out, struct ap_err *err)
{
    struct taker t = {arena, false};
    int64_t most = 0;
    for (int32_t g = 0; g < pack->G; g++)
        most += segment_depth(pack, g);
    struct ap_attn_run *run = take_bytes(&t, pack->G, sizeof *run);
    struct ap_span *span = take_bytes(&t, most, sizeof *span);
    AP_TRY(taken(&t, pack->T, err));
    int32_t at = 0, runs = 0;
    for (int32_t g = 0; g < pack->G; g++) {
        const struct ap_segment *s = &pack->segment[g];
        if (s->start < first)
            continue;
        int32_t n = put_spans(pack, g, span + at);
        run[runs++] = (struct ap_attn_run){s->start - first, s->len, s->start, at, n};
        at += n;
    }
    *out = attn_of(c, run, runs, span);
    return AP_OK;
}

/* ---- the rows that predict a target ---- */

/* Marks in wanted (T,) -> compact (T,): the row's place among the Q rows, -1 for the others.  Returns Q. */
static int32_t number_rows(const struct ap_attn *all, const uint8_t *wanted, int32_t *compact)
{
    int32_t Q = 0;
    for (int32_t g = 0; g < all->run_count; g++) {
        int32_t lo = all->run[g].q_start, hi = lo + all->run[g].q_len - 1;
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
        int32_t lo = whole->q_start, end = lo + whole->q_len, n = whole->span_count;
        while (lo < end && compact[lo] < 0)
            lo++;
        while (end > lo && compact[end - 1] < 0)
            end--;
        if (lo == end)
            continue;
        memcpy(span + at, all->span + whole->span_first, (size_t)n * sizeof *span);
        int32_t cut = lo - whole->q_start;
        if (cut > 0)
            span[at + n++] = (struct ap_span){whole->own_start, cut};
        run[(*runs)++] = (struct ap_attn_run){compact[lo], end - lo, whole->own_start + cut, at, n};
        at += n;
    }
}

/* Fill a->last, last_attn and target: only rows that predict a target go on, in a trunk none. */
static ap_status choose_rows(const struct ap_config *c, const struct ap_pack *pack, struct ap_arena *arena,
                             struct ap_activations *a, struct ap_err *err)
{
    struct taker t = {arena, false};
    int64_t T = a->rows.T, spans = 0;
    int32_t first = a->first;
    for (int32_t g = 0; g < a->attn.run_count; g++)
        spans += a->attn.run[g].span_count + 1;
    uint8_t *wanted = take_bytes(&t, T, sizeof *wanted);
    int32_t *compact = take_bytes(&t, T, sizeof *compact), *query = take_bytes(&t, 2 * T, sizeof *query);
    struct ap_attn_run *run = take_bytes(&t, pack->G, sizeof *run);
    struct ap_span *span = take_bytes(&t, spans, sizeof *span);
    a->target = take_bytes(&t, pack->N, sizeof *a->target);
    AP_TRY(taken(&t, pack->T, err));
    memset(wanted, 0, (size_t)T);
    for (int32_t i = 0; i < pack->N; i++)
        wanted[pack->target_row[i] - first] = 1;
    a->last.Q = number_rows(&a->attn, wanted, compact);
    a->last.query = query;
    a->last.query_position = query + T;
    for (int32_t r = 0; r < a->rows.T; r++)
        if (compact[r] >= 0) {
            query[compact[r]] = r;
            query[T + compact[r]] = a->rows.position[r];
        }
    for (int32_t i = 0; i < pack->N; i++)
        a->target[i] = compact[pack->target_row[i] - first];
    int32_t runs = 0;
    cut_runs(&a->attn, compact, run, &runs, span);
    a->last_attn = attn_of(c, run, runs, span);
    a->last.attn = &a->last_attn;
    return AP_OK;
}

/* ---- memory of one step ---- */

struct ap_block_rows ap__activations_rows(const struct ap_activations *a, const struct ap_config *c, int32_t l)
{
    struct ap_block_rows rows = l < c->L - 1 ? a->rows : a->last;
    const struct ap_trunk *trunk = a->trunk;
    if (trunk == NULL)
        return rows;
    int64_t layer = (int64_t)l * (trunk->P + trunk->most) * c->Hkv * c->Dh;
    rows.cache_k = trunk->k + layer;
    rows.cache_v = trunk->v + layer;
    rows.cache_dk = trunk->dk + layer;
    rows.cache_dv = trunk->dv + layer;
    rows.key_first = a->first;
    rows.keys_begun = a->is_trunk;
    return rows;
}

/* Where block l's own keys and values go. */
static void set_keys(struct ap_block_acts *layer, int32_t l, const struct ap_config *c, const struct ap_block_rows *rows)
{
    int64_t own = (int64_t)rows->key_first * c->Hkv * c->Dh;
    bool in_place = layer[l].k_in == layer[l].k;
    layer[l].k = rows->cache_k + own;
    layer[l].v = rows->cache_v + own;
    layer[l].k_in = in_place ? layer[l].k : layer[l].k_in;
}

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

/* The buffers of a block; first: those of block 0 when that is another.  Without keep, x, mid and out are one buffer, and
 * so are gate and act. */
static void take_block_acts(const struct ap_model *m, struct taker *t, int32_t l, const struct ap_block_rows *rows,
                            bool keep, float *x, const struct ap_block_acts *first, struct ap_block_acts *a)
{
    bool on_trunk = rows->cache_k != NULL; /* then keys and values are in its buffers */
    const struct ap_config *c = &m->config;
    int64_t T = rows->T, Q = rows->Q, D = c->D, kv = (int64_t)c->Hkv * c->Dh, q = (int64_t)c->H * c->Dh;
    a->x = x;
    a->h = first != NULL ? first->h : take(t, T * D);
    a->rstd1 = take(t, T);
    a->hq = keep && rows->query != NULL ? take(t, Q * D) : a->h;
    a->q = take(t, Q * q);
    a->k = on_trunk ? rows->cache_k + rows->key_first * kv : take(t, T * kv);
    take_head_norm_acts(c, t, rows, keep, a);
    a->v = on_trunk ? rows->cache_v + rows->key_first * kv : take(t, T * kv);
    a->att = take(t, Q * q);
    a->lse = keep ? take(t, Q * c->H) : NULL;
    a->mid = keep ? take(t, Q * D) : x;
    a->rstd2 = keep ? take(t, Q) : a->rstd1;
    a->gate = take(t, Q * c->F);
    a->up = take(t, Q * c->F);
    a->act = !keep ? a->gate : first != NULL ? first->act : take(t, Q * c->F);
    a->out = keep ? take(t, Q * D) : x;
    take_adapter_acts(m, t, l, T, keep, a);
}

/* One set of buffers for all blocks, but what enters and leaves each of them, and keys and values that others see.
 * Returns what leaves the last. */
static float *take_shared_acts(const struct ap_model *m, struct taker *t, struct ap_activations *a, float *x)
{
    const struct ap_config *c = &m->config;
    struct ap_block_acts *shared = &a->layer[0];
    struct ap_block_rows first = ap__activations_rows(a, c, 0);
    take_block_acts(m, t, 0, &first, true, x, NULL, shared);
    for (int j = 0; j < AP_LINEAR_COUNT && m->pair != NULL; j++)
        if (shared->u[j] == NULL)
            shared->u[j] = take(t, (int64_t)a->rows.T * m->lora.rank);
    for (int32_t l = 1; l < c->L; l++) {
        struct ap_block_rows rows = ap__activations_rows(a, c, l);
        a->layer[l] = *shared;
        a->layer[l].x = a->layer[l - 1].out;
        if (rows.cache_k != NULL)
            set_keys(a->layer, l, c, &rows);
        a->layer[l].out = take(t, (int64_t)(l < c->L - 1 ? a->rows.Q : a->last.Q) * c->D);
    }
    if (a->last.query != NULL)
        a->layer[c->L - 1].hq = take(t, (int64_t)a->last.Q * c->D);
    return a->layer[c->L - 1].out;
}

ap_status ap__activations_make(const struct ap_model *m, const struct ap_pack *pack, const struct ap_activations_how *how,
                               struct ap_arena *step, struct ap_activations **out, struct ap_err *err)
{
    struct taker t = {step, false};
    const struct ap_config *c = &m->config;
    bool keep = how->keep;
    int32_t sets = keep ? c->L : 1, first = how->trunk != NULL && !how->is_trunk ? how->trunk->P : 0, T = pack->T - first;
    struct ap_activations *a = take_bytes(&t, 1, sizeof *a);
    struct ap_block_acts *layer = take_bytes(&t, sets, sizeof *layer);
    float *x = take(&t, (int64_t)T * c->D);
    AP_TRY(taken(&t, T, err));
    *a = (struct ap_activations){.layer = layer, .first = first, .trunk = how->trunk, .is_trunk = how->is_trunk};
    AP_TRY(make_attn(c, pack, first, step, &a->attn, err));
    a->rows = (struct ap_block_rows){.T = T, .position = pack->position + first, .Q = T, .attn = &a->attn};
    a->last = a->rows;
    a->target = pack->target_row;
    if (!how->all && (pack->N > 0 || how->is_trunk))
        AP_TRY(choose_rows(c, pack, step, a, err));
    a->recompute = keep && m->recompute;
    if (a->recompute)
        x = take_shared_acts(m, &t, a, x);
    for (int32_t l = 0; l < sets && !a->recompute && !t.failed; l++) {
        struct ap_block_rows rows = ap__activations_rows(a, c, keep ? l : 0);
        take_block_acts(m, &t, l, &rows, keep, x, l > 0 ? &layer[0] : NULL, &layer[l]);
        x = layer[l].out;
    }
    a->x = x;
    a->h = take(&t, (int64_t)a->last.Q * c->D);
    a->rstd = take(&t, a->last.Q);
    a->lse = keep ? take(&t, pack->N) : NULL;
    a->logits = keep && (int64_t)pack->N * c->V <= AP_KEPT_LOGITS ? take(&t, (int64_t)pack->N * c->V) : NULL;
    *out = a;
    return taken(&t, T, err);
}

ap_status ap__activations_grads(const struct ap_model *m, struct ap_arena *step, int32_t tokens,
                                struct ap_block_grads *g, struct ap_err *err)
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
    g->dact = take(&t, TF);
    g->du = take(&t, T * (m->pair != NULL ? m->lora.rank : 0));
    return taken(&t, tokens, err);
}

ap_status ap__trunk_make(const struct ap_config *c, int32_t P, int32_t most, struct ap_arena *step,
                         struct ap_trunk **out, struct ap_err *err)
{
    struct taker t = {step, false};
    int64_t n = (int64_t)c->L * (P + most) * c->Hkv * c->Dh;
    struct ap_trunk *trunk = take_bytes(&t, 1, sizeof *trunk);
    float *k = take(&t, n), *v = take(&t, n), *dk = take(&t, n), *dv = take(&t, n);
    AP_TRY(taken(&t, P, err));
    *trunk = (struct ap_trunk){.P = P, .most = most, .k = k, .v = v, .dk = dk, .dv = dv};
    memset(dk, 0, (size_t)n * sizeof *dk);
    memset(dv, 0, (size_t)n * sizeof *dv);
    *out = trunk;
    return AP_OK;
}
