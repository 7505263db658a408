/* kv_tree.h - which tokens are cached where: a radix tree over pages of a pool.
 *
 *     pool rows  | page 0 | page 1 | page 2 | ...      16 rows each
 *
 *     node = one page and the tokens in it; a child hangs at an offset of its
 *     parent: "the first `at` tokens of my parent come before me"
 *
 *       [p r o m p t . .] --8-- [q u e s t i o n] --8-- [a n s w .]
 *                                        |--5-- [h i n . .]
 *
 * Knows nothing of models; rows are numbers.  A cursor is a place in the tree,
 * it holds a reference on its node.  Nodes that nobody refers to and that have
 * no children are given up, least recently used first, when pages run out. */
#ifndef AP_KV_TREE_H
#define AP_KV_TREE_H

#include "base/alloc.h"

enum { AP_KV_PAGE = 16 };

struct ap_kv_node {
    int32_t token[AP_KV_PAGE];
    int32_t len;                          /* tokens in the page */
    int32_t parent, at;                   /* node, -1 = a root; its first `at` tokens precede */
    int32_t child, next, prev;            /* first child; siblings */
    int32_t children, refs;
    uint32_t ends, splits;                /* bit i: a child hangs at i; contexts part after i tokens */
    int64_t last_use;
    bool used;
};

/* A place: after the first `at` tokens of `node`; node -1 is the empty context. */
struct ap_kv_cursor {
    int32_t node, at, len; /* len: tokens from the root to here */
};

_Static_assert(AP_KV_PAGE < 32, "offsets are bits of a word");

/* Node index = page index; row of token i of node n is n * AP_KV_PAGE + i. */
struct ap_kv_tree {
    struct ap_kv_node *node; /* (pages,) */
    int32_t pages, free_pages, first_root;
    int64_t clock;
    /* What this step changed, newest last, for ap__kv_undo. */
    struct ap_kv_change {
        int32_t node, old_len; /* old_len -1: the node is new */
    } *change;
    size_t change_count, change_cap;
};

ap_status ap__kv_init(struct ap_kv_tree *t, int32_t pages, struct ap_err *err) AP_MUST_CHECK;
void ap__kv_deinit(struct ap_kv_tree *t);

void ap__kv_ref(struct ap_kv_tree *t, const struct ap_kv_cursor *c);
void ap__kv_unref(struct ap_kv_tree *t, const struct ap_kv_cursor *c);

/* Begin a step: earlier changes become final. */
void ap__kv_begin(struct ap_kv_tree *t);
/* Move the cursor over `token`, adding it when it is not there: *added says which.  *row is its row.
 * AP_E_LIMIT when no page can be had. */
ap_status ap__kv_advance(struct ap_kv_tree *t, struct ap_kv_cursor *c, int32_t token, int32_t *row, bool *added,
                         struct ap_err *err) AP_MUST_CHECK;
/* Take back every change of this step.  The cursors must have been moved back (and their references) first. */
void ap__kv_undo(struct ap_kv_tree *t);
/* Forget everything; no cursor may hold a reference. */
void ap__kv_clear(struct ap_kv_tree *t);

#endif
