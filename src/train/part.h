/* part.h - some examples of a batch as one token tree: their sequences, their losses.
 *
 *     examples -> sequences (S,) -> pack -> [forward: logp (N,)] -> seq (S,)
 *                                                                    | loss, scaled to the whole batch
 *                        [backward] <- dlogp (N,) <- scatter <- dseq (S,)
 *
 * Everything lives in the step's arena behind what is there. */
#ifndef AP_PART_H
#define AP_PART_H

#include "train/batch.h"

/* What the loss of a batch is a mean over. */
struct ap_part_scale {
    int32_t examples;
    int64_t held_tokens; /* trained ones of chosen, or held, sequences */
};

struct ap_part {
    const struct ap_train_example *const *example; /* (n,) borrowed */
    int32_t n;
    struct ap_pack pack;   /* S: the examples' sequences, then the trunk if there is one */
    float *logp, *dlogp;   /* (N,) */
    double *seq, *dseq;    /* (S,) */
    int32_t *count;        /* (S,) trained tokens */
};

/* trunk: a beginning of every sequence, untrained, that shall be a segment of its own; len 0 = none.  AP_E_TOO_LARGE
 * when the tree has more than max_tokens (0 = no limit). */
ap_status ap__part_make(const struct ap_train_example *const *example, int32_t n, const struct ap_seq *trunk,
                        int32_t max_tokens, struct ap_arena *step, struct ap_part *out, struct ap_err *err) AP_MUST_CHECK;
/* From logp: what the examples add to the batch's sums, and dlogp. */
void ap__part_loss(struct ap_part *part, const struct ap_batch_config *config, const struct ap_part_scale *over,
                   struct ap_batch_sums *sums);
/* Tokens that both begin with; shared are those of equal id and equally trained. */
int32_t ap__seq_common(const struct ap_seq *a, const struct ap_seq *b);
/* Log-probs of an example's sequences are at seq[first], in this order: chosen, rejected, held, as far as it has them;
 * returns how many. */
int32_t ap__part_sequences(const struct ap_train_example *example);

/* Whose gradient is taken, over what, and where its memory and its sums are. */
struct ap_gradient {
    struct ap_model *m;
    const struct ap_batch_config *config;
    struct ap_part_scale over;
    struct ap_arena *step;
    struct ap_batch_sums *sums; /* added to */
};
/* Forward, loss and backward of examples as one tree, or as one behind a trunk (of trunk_seq, else its len is 0).
 * What it took of the arena is given back. */
ap_status ap__part_train(const struct ap_gradient *g, const struct ap_train_example *const *example, int32_t n,
                         int32_t max_tokens, const struct ap_trunk *trunk, const struct ap_seq *trunk_seq,
                         struct ap_err *err) AP_MUST_CHECK;
/* Count the rows [first, T) of a pack and the operations they need. */
ap_status ap__part_work(const struct ap_gradient *g, const struct ap_pack *pack, int32_t first,
                        struct ap_err *err) AP_MUST_CHECK;

#endif
