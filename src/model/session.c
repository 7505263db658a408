/* session.c - prefill and decode over a pool of cached keys and values.
 *
 *     items (branch, tokens) --plan--> rows to compute (M,), in order of items
 *        cached tokens are skipped, equal new ones stand once
 *     rows --chunks of up to 512--> embedding -> blocks (k, v copied to the pool)
 *          --last block: only the last token of each item--> logits
 *
 * A chunk's attention runs see the pool: a row's ancestors are found by walking
 * up the tree of pages (kv_tree.h).  Everything a step needs is kept between
 * steps, so a steady decode loop does not allocate. */
#include "model/session.h"

#include "model/block.h"
#include "model/kv_tree.h"
#include <string.h>

enum { CHUNK = 512 };

struct ap_branch {
    struct ap_kv_cursor at;
    int64_t step; /* last step that it took part in */
};

/* One token to be computed. */
struct planned {
    int32_t token, position;
    int32_t row;  /* of the pool */
    int32_t item; /* whose logits it makes, -1 = nobody's */
    bool cached;  /* its key and value are there already; only its output is wanted */
};

struct ap_session {
    struct ap_model *m;
    struct ap_kv_tree tree;
    float *k, *v;          /* (L, Hkv, rows, Dh) */
    int32_t rows, open;
    int64_t step;
    struct planned *plan;  /* (M,) of the current step */
    size_t plan_count, plan_cap;
    int32_t *planned_at;   /* (rows,) index into plan of a pool row, -1 = not in this step */
    struct ap_kv_cursor *before; /* (count,) where each branch was */
    int32_t *query;        /* (count,) index into plan of each item's last token */
    size_t before_cap, query_cap;
    /* One chunk. */
    struct ap_attn_run run[2 * CHUNK]; /* of all rows, then of the wanted ones */
    struct ap_span *span;
    size_t span_count, span_cap;
    int32_t token[CHUNK], position[CHUNK], kv_row[CHUNK];
    int32_t item[CHUNK], query_row[CHUNK], query_position[CHUNK]; /* of wanted rows: those that make logits */
    struct ap_block_acts acts;
    int32_t adapter_rank;  /* that acts.u has room for */
    struct ap_arena arena; /* holds acts */
    struct ap_session_stats stats;
};

/* ---- life ---- */

static bool make_chunk(struct ap_session *s)
{
    const struct ap_config *c = &s->m->config;
    size_t T = CHUNK, D = (size_t)c->D, Q = (size_t)c->H * (size_t)c->Dh, KV = (size_t)c->Hkv * (size_t)c->Dh;
    struct ap_block_acts *a = &s->acts;
    float **const buffer[] = {&a->x, &a->h, &a->rstd1, &a->q, &a->q_rstd, &a->k, &a->v, &a->att, &a->gate, &a->up};
    const size_t width[] = {D, D, 1, Q, (size_t)c->H, KV, KV, Q, (size_t)c->F, (size_t)c->F};
    for (size_t i = 0; i < sizeof width / sizeof *width; i++) {
        *buffer[i] = ap__arena_alloc(&s->arena, T * width[i] * sizeof(float));
        if (*buffer[i] == NULL)
            return false;
    }
    a->mid = a->out = a->x;
    a->hq = a->h;
    a->q_in = a->q;
    a->k_in = a->k;
    a->k_rstd = a->q_rstd;
    a->rstd2 = a->rstd1;
    a->act = a->gate;
    return true;
}

/* The adapter may have come, or grown, after the session: its scratch is made when first needed. */
static ap_status make_adapter_scratch(struct ap_session *s, struct ap_err *err)
{
    if (s->m->pair == NULL || s->adapter_rank >= s->m->lora.rank)
        return AP_OK;
    float *u = ap__arena_alloc(&s->arena, (size_t)CHUNK * (size_t)s->m->lora.rank * sizeof *u);
    for (int j = 0; j < AP_LINEAR_COUNT; j++)
        s->acts.u[j] = u;
    s->adapter_rank = u != NULL ? s->m->lora.rank : 0;
    return u != NULL ? AP_OK : ap__fail(err, AP_E_MEMORY, NULL, "out of memory for a session");
}

ap_status ap__session_new(struct ap_model *m, int32_t max_tokens, struct ap_session **out, struct ap_err *err)
{
    const struct ap_config *c = &m->config;
    if (max_tokens < 1 || max_tokens > INT32_MAX / 2)
        return ap__fail(err, AP_E_ARG, NULL, "a session's pool must hold from 1 to %d tokens, got %d", INT32_MAX / 2,
                        max_tokens);
    struct ap_session *s = ap__alloc(sizeof *s);
    if (s == NULL)
        return ap__fail(err, AP_E_MEMORY, NULL, "out of memory for a session");
    s->m = m;
    ap__arena_init(&s->arena, 0);
    int32_t pages = (max_tokens + AP_KV_PAGE - 1) / AP_KV_PAGE;
    s->rows = pages * AP_KV_PAGE;
    size_t floats = (size_t)c->L * (size_t)s->rows * (size_t)c->Hkv * (size_t)c->Dh;
    ap_status status = ap__kv_init(&s->tree, pages, err);
    if (status == AP_OK) /* enough for contexts of 16 pages in a full chunk; more makes it grow */
        status = ap__grow((void **)&s->span, &s->span_cap, 16 * CHUNK, sizeof *s->span, err);
    s->k = ap__alloc_array(floats, sizeof *s->k);
    s->v = ap__alloc_array(floats, sizeof *s->v);
    s->planned_at = ap__alloc_array((size_t)s->rows, sizeof *s->planned_at);
    if (status == AP_OK && (s->k == NULL || s->v == NULL || s->planned_at == NULL || !make_chunk(s)))
        status = ap__fail(err, AP_E_MEMORY, NULL, "out of memory for a session of %d tokens", max_tokens);
    if (status != AP_OK) {
        ap__session_free(s);
        return status;
    }
    for (int32_t i = 0; i < s->rows; i++)
        s->planned_at[i] = -1;
    *out = s;
    return AP_OK;
}

void ap__session_free(struct ap_session *s)
{
    if (s == NULL)
        return;
    ap__arena_deinit(&s->arena);
    ap__free(s->span);
    ap__free(s->query);
    ap__free(s->before);
    ap__free(s->plan);
    ap__free(s->planned_at);
    ap__free(s->v);
    ap__free(s->k);
    ap__kv_deinit(&s->tree);
    ap__free(s);
}

void ap__session_clear(struct ap_session *s)
{
    if (s->open == 0)
        ap__kv_clear(&s->tree);
}

ap_status ap__session_open(struct ap_session *s, struct ap_branch **out, struct ap_err *err)
{
    struct ap_branch *b = ap__alloc(sizeof *b);
    if (b == NULL)
        return ap__fail(err, AP_E_MEMORY, NULL, "out of memory for a branch");
    b->at.node = -1;
    s->open++;
    *out = b;
    return AP_OK;
}

void ap__session_close(struct ap_session *s, struct ap_branch *b)
{
    if (b == NULL)
        return;
    ap__kv_unref(&s->tree, &b->at);
    s->open--;
    ap__free(b);
}

int32_t ap__branch_len(const struct ap_branch *b) { return b->at.len; }

struct ap_session_stats ap__session_stats(const struct ap_session *s)
{
    struct ap_session_stats stats = s->stats;
    stats.rows_max = s->rows;
    stats.rows_used = (s->tree.pages - s->tree.free_pages) * AP_KV_PAGE;
    return stats;
}

/* ---- plan ---- */

static ap_status check_items(struct ap_session *s, const struct ap_extend *item, int32_t count, struct ap_err *err)
{
    const struct ap_config *c = &s->m->config;
    s->step++;
    for (int32_t i = 0; i < count; i++) {
        struct ap_branch *b = item[i].branch;
        if (item[i].n < 1 || b->step == s->step)
            return ap__fail(err, AP_E_ARG, NULL, "item %d of a session step is empty or repeats a branch", i);
        if (item[i].n > c->max_position - b->at.len)
            return ap__fail(err, AP_E_TOO_LARGE, NULL, "a context of %lld tokens exceeds the model's %d positions",
                            (long long)b->at.len + item[i].n, c->max_position);
        for (int32_t t = 0; t < item[i].n; t++)
            if (item[i].token[t] < 0 || item[i].token[t] >= c->V)
                return ap__fail(err, AP_E_ARG, NULL, "token id %d is not in the vocabulary of %d", item[i].token[t],
                                c->V);
        b->step = s->step;
    }
    return AP_OK;
}

static ap_status add_planned(struct ap_session *s, struct planned p, struct ap_err *err)
{
    AP_TRY(ap__grow((void **)&s->plan, &s->plan_cap, s->plan_count + 1, sizeof *s->plan, err));
    s->planned_at[p.row] = (int32_t)s->plan_count;
    s->plan[s->plan_count++] = p;
    return AP_OK;
}

/* Move a branch over its new tokens; plan what is not cached, and the last one always. */
static ap_status plan_item(struct ap_session *s, const struct ap_extend *item, int32_t i, struct ap_err *err)
{
    struct ap_kv_cursor *at = &item->branch->at;
    int32_t row = 0;
    bool added = false;
    for (int32_t t = 0; t < item->n; t++) {
        AP_TRY(ap__kv_advance(&s->tree, at, item->token[t], &row, &added, err));
        bool last = t == item->n - 1;
        if (added || (last && s->planned_at[row] < 0))
            AP_TRY(add_planned(s, (struct planned){item->token[t], at->len - 1, row, -1, !added}, err));
    }
    s->query[i] = s->planned_at[row];
    struct planned *p = &s->plan[s->query[i]];
    p->item = p->item < 0 ? i : p->item;
    return AP_OK;
}

static void clear_plan(struct ap_session *s)
{
    for (size_t j = 0; j < s->plan_count; j++)
        s->planned_at[s->plan[j].row] = -1;
    s->plan_count = 0;
}

/* As if the step had never begun: items 0..n-1 have been moved. */
static void undo_plan(struct ap_session *s, const struct ap_extend *item, int32_t n)
{
    for (int32_t i = 0; i < n; i++) {
        ap__kv_ref(&s->tree, &s->before[i]);
        ap__kv_unref(&s->tree, &item[i].branch->at);
        item[i].branch->at = s->before[i];
    }
    ap__kv_undo(&s->tree);
    clear_plan(s);
}

static ap_status make_plan(struct ap_session *s, const struct ap_extend *item, int32_t count, struct ap_err *err)
{
    AP_TRY(check_items(s, item, count, err));
    AP_TRY(make_adapter_scratch(s, err));
    AP_TRY(ap__grow((void **)&s->before, &s->before_cap, (size_t)count, sizeof *s->before, err));
    AP_TRY(ap__grow((void **)&s->query, &s->query_cap, (size_t)count, sizeof *s->query, err));
    ap__kv_begin(&s->tree);
    ap_status status = AP_OK;
    int32_t i = 0;
    for (; i < count && status == AP_OK; i++) {
        s->before[i] = item[i].branch->at;
        status = plan_item(s, &item[i], i, err);
    }
    if (status != AP_OK)
        undo_plan(s, item, i);
    return status;
}

/* ---- compute ---- */

/* Append [start, start+len) before (in the context) what was appended last, joined with it if it touches. */
static int32_t put_span(struct ap_span *out, int32_t n, int32_t start, int32_t len, bool join)
{
    if (n > 0 && join && start + len == out[n - 1].start) {
        out[n - 1].start = start;
        out[n - 1].len += len;
        return n;
    }
    out[n] = (struct ap_span){start, len};
    return n + 1;
}

static void reverse_spans(struct ap_span *span, int32_t n)
{
    for (int32_t i = 0; i < n / 2; i++) {
        struct ap_span swap = span[i];
        span[i] = span[n - 1 - i];
        span[n - 1 - i] = swap;
    }
}

/* Append the spans of everything above pool row `row`, root first.  Touching ones are joined except where
 * contexts part: attention recognises a shared prefix by equal spans. */
static ap_status add_spans(struct ap_session *s, int32_t row, struct ap_err *err)
{
    size_t most = 0;
    for (int32_t up = row / AP_KV_PAGE; up >= 0; up = s->tree.node[up].parent)
        most += 1 + (size_t)__builtin_popcount(s->tree.node[up].splits);
    AP_TRY(ap__grow((void **)&s->span, &s->span_cap, s->span_count + most, sizeof *s->span, err));
    struct ap_span *out = s->span + s->span_count;
    int32_t n = 0, node = row / AP_KV_PAGE, at = row % AP_KV_PAGE;
    for (; node >= 0; at = s->tree.node[node].at, node = s->tree.node[node].parent) {
        uint32_t splits = s->tree.node[node].splits;
        for (int32_t end = at, from; end > 0; end = from) {
            uint32_t below = splits & ((1u << end) - 1u);
            from = below != 0 ? 31 - __builtin_clz(below) : 0;
            n = put_span(out, n, node * AP_KV_PAGE + from, end - from, !(splits & 1u << end));
        }
    }
    reverse_spans(out, n);
    s->span_count += (size_t)n;
    return AP_OK;
}

/* The number of planned rows from j on (below end) that follow each other in the pool and in the tree. */
static int32_t run_length(const struct ap_session *s, size_t j, size_t end)
{
    size_t n = 1;
    for (; j + n < end; n++) {
        const struct planned *a = &s->plan[j + n - 1], *b = &s->plan[j + n];
        bool follows = b->row == a->row + 1 && b->position == a->position + 1 && !a->cached && !b->cached;
        if (!follows)
            break;
        const struct ap_kv_node *node = &s->tree.node[b->row / AP_KV_PAGE];
        if (b->row % AP_KV_PAGE == 0 && (node->parent != a->row / AP_KV_PAGE || node->at != AP_KV_PAGE))
            break;
    }
    return (int32_t)n;
}

static struct ap_attn attn_of(const struct ap_session *s, const struct ap_attn_run *run, int32_t runs)
{
    const struct ap_config *c = &s->m->config;
    return (struct ap_attn){run, s->span, runs, c->H, c->Hkv, c->Dh, ap__attention_scale(c), 0, s->rows};
}

/* Runs of all rows of a chunk for all blocks but the last, and of its wanted rows, one each, for the last. */
static ap_status make_runs(struct ap_session *s, size_t first, int32_t T, int32_t wanted, struct ap_attn *all,
                           struct ap_attn *last, struct ap_err *err)
{
    int32_t runs = 0;
    s->span_count = 0;
    for (int32_t t = 0; t < T;) {
        const struct planned *p = &s->plan[first + (size_t)t];
        int32_t n = run_length(s, first + (size_t)t, first + (size_t)T), before = (int32_t)s->span_count;
        AP_TRY(add_spans(s, p->row, err));
        s->run[runs++] = (struct ap_attn_run){t, n, p->row, before, (int32_t)s->span_count - before};
        t += n;
    }
    for (int32_t i = 0; i < wanted && wanted < T; i++) {
        const struct planned *p = &s->plan[first + (size_t)s->query_row[i]];
        int32_t before = (int32_t)s->span_count;
        AP_TRY(add_spans(s, p->row, err));
        s->run[CHUNK + i] = (struct ap_attn_run){i, 1, p->row, before, (int32_t)s->span_count - before};
    }
    *all = attn_of(s, s->run, runs);
    *last = attn_of(s, s->run + CHUNK, wanted);
    return AP_OK;
}

/* The chunk's inputs; returns how many of its rows make logits. */
static int32_t fill_chunk(struct ap_session *s, size_t first, int32_t T)
{
    int32_t wanted = 0;
    for (int32_t t = 0; t < T; t++) {
        const struct planned *p = &s->plan[first + (size_t)t];
        s->token[t] = p->token;
        s->position[t] = p->position;
        s->kv_row[t] = p->cached ? -1 : p->row;
        if (p->item < 0)
            continue;
        s->query_row[wanted] = t;
        s->query_position[wanted] = p->position;
        s->item[wanted++] = p->item;
    }
    return wanted;
}

/* Final norm and head of the n wanted rows in acts.x; neighbours in the output go together. */
static void chunk_logits(struct ap_session *s, int32_t n, float *logits)
{
    const struct ap_config *c = &s->m->config;
    size_t D = (size_t)c->D, V = (size_t)c->V;
    s->m->be->rmsnorm(s->acts.h, s->acts.rstd1, s->acts.x, &ap__final_norm(s->m)->W, n, c->eps);
    for (int32_t i = 0, group; i < n; i += group) {
        for (group = 1; i + group < n && s->item[i + group] == s->item[i] + group;)
            group++;
        s->m->be->linear(logits + (size_t)s->item[i] * V, s->acts.h + (size_t)i * D, &ap__head_weight(s->m)->W, group,
                         false, 1.0f);
    }
}

static ap_status compute_chunk(struct ap_session *s, size_t first, int32_t T, float *logits, struct ap_err *err)
{
    const struct ap_config *c = &s->m->config;
    struct ap_attn all, some;
    int32_t wanted = fill_chunk(s, first, T);
    AP_TRY(make_runs(s, first, T, wanted, &all, &some, err));
    struct ap_block_rows rows = {.T = T, .position = s->position, .Q = T, .attn = &all, .kv_row = s->kv_row};
    size_t layer = (size_t)s->rows * (size_t)c->Hkv * (size_t)c->Dh;
    s->m->be->embedding(s->acts.x, s->token, &ap__embedding_weight(s->m)->W, T);
    for (int32_t l = 0; l < c->L; l++) {
        rows.cache_k = s->k + (size_t)l * layer;
        rows.cache_v = s->v + (size_t)l * layer;
        if (l == c->L - 1 && wanted < T) {
            rows.Q = wanted;
            rows.query = s->query_row;
            rows.query_position = s->query_position;
            rows.attn = &some;
        }
        ap__block_forward(s->m, l, &rows, &s->acts);
    }
    if (wanted > 0)
        chunk_logits(s, wanted, logits);
    return AP_OK;
}

/* Items that end in the same token share its logits. */
static void copy_logits(const struct ap_session *s, int32_t count, float *logits)
{
    size_t V = (size_t)s->m->config.V;
    for (int32_t i = 0; i < count; i++) {
        int32_t owner = s->plan[s->query[i]].item;
        if (owner != i)
            memcpy(logits + (size_t)i * V, logits + (size_t)owner * V, V * sizeof *logits);
    }
}

ap_status ap__session_step(struct ap_session *s, const struct ap_extend *item, int32_t count, float *logits,
                           struct ap_err *err)
{
    AP_TRY(make_plan(s, item, count, err));
    ap_status status = AP_OK;
    for (size_t j = 0; j < s->plan_count && status == AP_OK; j += CHUNK) {
        size_t left = s->plan_count - j;
        status = compute_chunk(s, j, left < CHUNK ? (int32_t)left : CHUNK, logits, err);
    }
    if (status != AP_OK) {
        undo_plan(s, item, count);
        return status;
    }
    copy_logits(s, count, logits);
    s->stats.tokens_computed += (int64_t)s->plan_count;
    for (size_t j = 0; j < s->plan_count; j++)
        ap__account_add(&s->m->config, s->plan[j].position, s->plan[j].item >= 0, 1.0, &s->stats.work);
    for (int32_t i = 0; i < count; i++)
        s->stats.tokens_shared += item[i].n;
    s->stats.tokens_shared -= (int64_t)s->plan_count;
    clear_plan(s);
    return AP_OK;
}
