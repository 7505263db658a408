/* radix.h - the branching structure of a set of sequences, before it is laid out.
 *
 * Nodes borrow their tokens from the sequences; a node is a run of tokens
 * without a branch.  Siblings differ in their first token or in whether that
 * token is trained. */
#ifndef AP_RADIX_H
#define AP_RADIX_H

#include "tree/token_tree.h"

/* token/trained (len,) are borrowed.  -1 stands for no node. */
struct ap_radix_node {
    const int32_t *token;
    const uint8_t *trained;
    int32_t len;
    int32_t parent, first_child, last_child, next;
};

/* Roots are the children of no node: a list from first_root along `next`. */
struct ap_radix {
    struct ap_radix_node *node; /* (count,), at most 2 S */
    int32_t count, first_root, last_root;
    int32_t *end; /* (S,) node at whose last token sequence s ends */
};

/* Insert S sequences in order.  Fails with AP_E_ARG on an empty sequence or
 * one whose first token is trained.  Everything lives in arena. */
ap_status ap__radix_build(struct ap_arena *arena, const struct ap_seq *seqs, int32_t S, struct ap_radix *out,
                          struct ap_err *err) AP_MUST_CHECK;

/* The node after n in depth-first order (children in order of insertion), -1 at the end. */
int32_t ap__radix_next(const struct ap_radix *radix, int32_t n);

#endif
