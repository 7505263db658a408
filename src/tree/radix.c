/* radix.c - insert sequences into a radix tree.
 *
 *     sequence --descend while tokens agree--> a node's end   go on in its children
 *                                              inside a node  split it there
 *                                              no child fits  the rest is a new leaf
 *
 * A split puts a new node *above* the old one: the old node keeps its children
 * and its end, so the ends of earlier sequences stay valid. */
#include "tree/radix.h"

static bool same_token(const struct ap_radix_node *node, int32_t i, const struct ap_seq *seq, int32_t pos)
{
    return node->token[i] == seq->token[pos] && !node->trained[i] == !seq->trained[pos];
}

/* The child of parent (-1: among the roots) that starts with seq's token at pos, or -1;
 * *before receives the sibling in front of it. */
static int32_t child_find(const struct ap_radix *radix, int32_t parent, const struct ap_seq *seq, int32_t pos,
                          int32_t *before)
{
    int32_t n = parent < 0 ? radix->first_root : radix->node[parent].first_child;
    *before = -1;
    while (n >= 0 && !same_token(&radix->node[n], 0, seq, pos)) {
        *before = n;
        n = radix->node[n].next;
    }
    return n;
}

static int32_t leaf_add(struct ap_radix *radix, int32_t parent, const struct ap_seq *seq, int32_t pos)
{
    int32_t n = radix->count++;
    radix->node[n] = (struct ap_radix_node){seq->token + pos, seq->trained + pos, seq->len - pos, parent, -1, -1, -1};
    int32_t *first = parent < 0 ? &radix->first_root : &radix->node[parent].first_child;
    int32_t *last = parent < 0 ? &radix->last_root : &radix->node[parent].last_child;
    if (*last < 0)
        *first = n;
    else
        radix->node[*last].next = n;
    *last = n;
    return n;
}

/* Cut node n after its first `keep` tokens; returns the new upper node, which
 * takes n's place among its siblings. */
static int32_t node_split(struct ap_radix *radix, int32_t n, int32_t keep, int32_t before)
{
    int32_t up = radix->count++;
    struct ap_radix_node *lower = &radix->node[n];
    int32_t parent = lower->parent;
    radix->node[up] =
        (struct ap_radix_node){lower->token, lower->trained, keep, parent, n, n, lower->next};
    int32_t *first = parent < 0 ? &radix->first_root : &radix->node[parent].first_child;
    int32_t *last = parent < 0 ? &radix->last_root : &radix->node[parent].last_child;
    if (before < 0)
        *first = up;
    else
        radix->node[before].next = up;
    if (*last == n)
        *last = up;
    lower->token += keep;
    lower->trained += keep;
    lower->len -= keep;
    lower->parent = up;
    lower->next = -1;
    return up;
}

/* Returns the node in which seq ends. */
static int32_t seq_insert(struct ap_radix *radix, const struct ap_seq *seq)
{
    int32_t at = -1, pos = 0;
    while (pos < seq->len) {
        int32_t before, n = child_find(radix, at, seq, pos, &before);
        if (n < 0)
            return leaf_add(radix, at, seq, pos);
        int32_t same = 1, len = radix->node[n].len;
        while (same < len && pos + same < seq->len && same_token(&radix->node[n], same, seq, pos + same))
            same++;
        at = same < len ? node_split(radix, n, same, before) : n;
        pos += same;
    }
    return at;
}

ap_status ap__radix_build(struct ap_arena *arena, const struct ap_seq *seqs, int32_t S, struct ap_radix *out,
                          struct ap_err *err)
{
    size_t sequences = S > 0 ? (size_t)S : 0;
    struct ap_radix radix = {NULL, 0, -1, -1, NULL};
    if (S > INT32_MAX / 2)
        return ap__fail(err, AP_E_TOO_LARGE, "token tree", "%d sequences are too many", S);
    radix.node = ap__arena_alloc(arena, 2 * sequences * sizeof *radix.node);
    radix.end = ap__arena_alloc(arena, sequences * sizeof *radix.end);
    if (radix.node == NULL || radix.end == NULL)
        return ap__fail(err, AP_E_MEMORY, "token tree", "no memory for the nodes of %d sequences", S);
    for (int32_t s = 0; s < S; s++) {
        if (seqs[s].len < 1)
            return ap__fail(err, AP_E_ARG, "token tree", "sequence %d is empty", s);
        if (seqs[s].trained[0])
            return ap__fail(err, AP_E_ARG, "token tree", "sequence %d trains its first token, which nothing predicts",
                            s);
        radix.end[s] = seq_insert(&radix, &seqs[s]);
    }
    *out = radix;
    return AP_OK;
}

int32_t ap__radix_next(const struct ap_radix *radix, int32_t n)
{
    if (radix->node[n].first_child >= 0)
        return radix->node[n].first_child;
    while (n >= 0 && radix->node[n].next < 0)
        n = radix->node[n].parent;
    return n < 0 ? -1 : radix->node[n].next;
}
