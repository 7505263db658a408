/* account.h - the floating-point operations that a piece of work cannot do without.
 *
 * A product of a row with a (O, I) matrix is 2 O I operations.  With T tokens in the tree, Q rows whose output is
 * read (a row that predicts several trained tokens counts once), and P visible query-key pairs, of all rows in every
 * block but the last and of the Q rows there, one pass forward needs
 *
 *     linear      2 [(L-1) T (q+k+v+o+gate+up+down) + T (k+v) + Q (q+o+gate+up+down)]     weights of one block
 *     attention   4 H Dh P                                                                scores, then values
 *     head        2 Q V D
 *
 * since only Q rows go on after the last block's keys and values.  Training an adapter of rank R needs further
 *
 *     linear      the same again for the inputs' gradients, less q+k+v of the first block: nothing is below it
 *     adapter     3 x forward, which is 2 R (I+O) per row and linear: forward, inputs, A and B; less A's input
 *                 gradients of the first block's q, k, v
 *     attention   2 x forward: dQ, dK, dV and the weights' gradient
 *     head        the same again for the rows' gradient
 *
 * and training all weights, R = 0,
 *
 *     linear      2 x forward: the inputs' gradients and the weights'
 *     attention   2 x forward
 *     head        2 x forward
 *
 * Not counted: what a program recomputes to save memory, norms, rotations, activations, softmax, the optimizer. */
#ifndef AP_ACCOUNT_H
#define AP_ACCOUNT_H

#include "model/config.h"
#include "tree/token_tree.h"

struct ap_work_size {
    double T, Q, P; /* whole numbers */
};
/* Count `rows` more tokens at this position (0-based), whose output is read or not. */
void ap__account_add(const struct ap_config *c, int32_t position, bool read, double rows, struct ap_work_size *size);
/* Of rows [first, T) of a packed batch; its targets are the trained tokens.  A byte per token is taken from the arena. */
ap_status ap__account_pack(const struct ap_config *c, const struct ap_pack *pack, int32_t first, struct ap_arena *arena,
                           struct ap_work_size *out, struct ap_err *err) AP_MUST_CHECK;

double ap__account_forward(const struct ap_config *c, const struct ap_work_size *s);
/* Forward and backward, with an adapter of rank R on all linears or, with R = 0, of all weights. */
double ap__account_step(const struct ap_config *c, const struct ap_work_size *s, int32_t R);

#endif
