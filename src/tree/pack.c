/* pack.c - lay a radix tree out as one training batch, and sum over it.
 *
 *     seqs --radix--> nodes --depth first--> segments, rows (T,), targets (N,)
 *
 *     logp (N,)    --ap__pack_sum-->      seq_logp (S,)   a path's sum
 *     dseq (S,)    --ap__pack_scatter-->  dlogp (N,)      a subtree's sum
 *
 * Segments stand in depth-first order, so an ancestor's index is smaller than
 * those of its descendants; both sums rely on it. */
#include "tree/radix.h"

/* Tokens and targets of the whole tree; false when there are more tokens than max. */
static bool tree_measure(const struct ap_radix *radix, int64_t max, int64_t *tokens, int64_t *targets)
{
    *tokens = *targets = 0;
    for (int32_t n = 0; n < radix->count; n++) {
        const struct ap_radix_node *node = &radix->node[n];
        *tokens += node->len;
        for (int32_t i = 0; i < node->len; i++)
            *targets += node->trained[i] != 0;
    }
    return *tokens <= max;
}

static bool pack_alloc(struct ap_arena *arena, struct ap_pack *pack)
{
    size_t T = (size_t)pack->T, G = (size_t)pack->G, S = (size_t)pack->S, N = (size_t)pack->N;
    pack->token = ap__arena_alloc(arena, T * sizeof *pack->token);
    pack->position = ap__arena_alloc(arena, T * sizeof *pack->position);
    pack->parent = ap__arena_alloc(arena, T * sizeof *pack->parent);
    pack->segment = ap__arena_alloc(arena, G * sizeof *pack->segment);
    pack->leaf = ap__arena_alloc(arena, S * sizeof *pack->leaf);
    pack->target_row = ap__arena_alloc(arena, N * sizeof *pack->target_row);
    pack->target_token = ap__arena_alloc(arena, N * sizeof *pack->target_token);
    pack->weight = ap__arena_alloc(arena, G * sizeof *pack->weight);
    return pack->token && pack->position && pack->parent && pack->segment && pack->leaf && pack->target_row &&
           pack->target_token && pack->weight;
}

/* Write segment g = node with its rows from `row` and targets from `target`; returns its target count. */
static int32_t segment_place(struct ap_pack *pack, int32_t g, int32_t parent, const struct ap_radix_node *node,
                             int32_t row, int32_t target)
{
    const struct ap_segment *above = parent < 0 ? NULL : &pack->segment[parent];
    int32_t depth = above ? above->depth + above->len : 0;
    int32_t previous = above ? above->start + above->len - 1 : -1;
    int32_t placed = 0;
    for (int32_t i = 0; i < node->len; i++) {
        pack->token[row + i] = node->token[i];
        pack->position[row + i] = depth + i;
        pack->parent[row + i] = previous;
        if (node->trained[i]) {
            pack->target_row[target + placed] = previous;
            pack->target_token[target + placed] = node->token[i];
            placed++;
        }
        previous = row + i;
    }
    pack->segment[g] = (struct ap_segment){row, node->len, parent, depth, target, placed};
    return placed;
}

/* placed (node count,) receives each node's segment. */
static void tree_place(const struct ap_radix *radix, struct ap_pack *pack, int32_t *placed)
{
    int32_t g = 0, row = 0, target = 0;
    for (int32_t n = radix->first_root; n >= 0; n = ap__radix_next(radix, n)) {
        const struct ap_radix_node *node = &radix->node[n];
        placed[n] = g;
        target += segment_place(pack, g, node->parent < 0 ? -1 : placed[node->parent], node, row, target);
        row += node->len;
        g++;
    }
    for (int32_t s = 0; s < pack->S; s++)
        pack->leaf[s] = placed[radix->end[s]];
}

static ap_status pack_build(struct ap_arena *arena, const struct ap_seq *seqs, int32_t S, int32_t max_tokens,
                            struct ap_pack *out, struct ap_err *err)
{
    struct ap_radix radix;
    AP_TRY(ap__radix_build(arena, seqs, S, &radix, err));
    int64_t tokens, targets, limit = max_tokens > 0 ? max_tokens : INT32_MAX;
    if (!tree_measure(&radix, limit, &tokens, &targets))
        return ap__fail(err, AP_E_TOO_LARGE, "token tree", "%lld tokens exceed the limit of %lld", (long long)tokens,
                        (long long)limit);
    struct ap_pack pack = {.T = (int32_t)tokens, .G = radix.count, .S = S, .N = (int32_t)targets};
    for (int32_t s = 0; s < S; s++)
        pack.flat_tokens += seqs[s].len;
    int32_t *placed = ap__arena_alloc(arena, (size_t)radix.count * sizeof *placed);
    if (placed == NULL || !pack_alloc(arena, &pack))
        return ap__fail(err, AP_E_MEMORY, "token tree", "no memory for %d tokens", pack.T);
    tree_place(&radix, &pack, placed);
    *out = pack;
    return AP_OK;
}

ap_status ap__pack_build(struct ap_arena *arena, const struct ap_seq *seqs, int32_t S, int32_t max_tokens,
                         struct ap_pack *out, struct ap_err *err)
{
    struct ap_arena_mark mark = ap__arena_mark(arena);
    ap_status status = pack_build(arena, seqs, S, max_tokens, out, err);
    if (status != AP_OK)
        ap__arena_release(arena, mark);
    return status;
}

void ap__pack_sum(const struct ap_pack *pack, const float *logp, double *seq_logp, int32_t *count)
{
    for (int32_t s = 0; s < pack->S; s++) {
        double sum = 0;
        int32_t trained = 0;
        for (int32_t g = pack->leaf[s]; g >= 0; g = pack->segment[g].parent) {
            const struct ap_segment *segment = &pack->segment[g];
            for (int32_t i = 0; i < segment->target_count; i++)
                sum += (double)logp[segment->first_target + i];
            trained += segment->target_count;
        }
        seq_logp[s] = sum;
        if (count)
            count[s] = trained;
    }
}

void ap__pack_scatter(const struct ap_pack *pack, const double *dseq, float *dlogp)
{
    for (int32_t g = 0; g < pack->G; g++)
        pack->weight[g] = 0;
    for (int32_t s = 0; s < pack->S; s++)
        pack->weight[pack->leaf[s]] += dseq[s];
    for (int32_t g = pack->G - 1; g >= 0; g--) { /* descendants come after their ancestors */
        const struct ap_segment *segment = &pack->segment[g];
        for (int32_t i = 0; i < segment->target_count; i++)
            dlogp[segment->first_target + i] = (float)pack->weight[g];
        if (segment->parent >= 0)
            pack->weight[segment->parent] += pack->weight[g];
    }
}
