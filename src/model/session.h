/* session.h - keys and values for a tree of sequences, shared prefixes once.
 *
 * A branch is a path in a radix tree of cached tokens.  Opening one with a
 * prompt that starts like anything cached shares those rows; branches that part
 * keep only their own.  Any mix of prefill and decode runs in one step.
 *
 * Single-threaded; all live branches advance in one call. */
#ifndef AP_SESSION_H
#define AP_SESSION_H

#include "model/account.h"
#include "model/transformer.h"

struct ap_session;
struct ap_branch; /* owned by the session, valid until closed */

/* max_tokens: rows of the key/value pool.  The model's adapter is used as set at each step; it must not
 * change while anything is cached (ap__session_clear). */
ap_status ap__session_new(struct ap_model *m, int32_t max_tokens, struct ap_session **out,
                          struct ap_err *err) AP_MUST_CHECK;
void ap__session_free(struct ap_session *s);
/* Forget every cached row; does nothing while a branch is open. */
void ap__session_clear(struct ap_session *s);

/* Start a branch whose context is empty. */
ap_status ap__session_open(struct ap_session *s, struct ap_branch **out, struct ap_err *err) AP_MUST_CHECK;
/* Its cached rows stay for others while the pool has room (least recently used go first). */
void ap__session_close(struct ap_session *s, struct ap_branch *b);

/* Append n[i] >= 1 tokens to branch i of count, all in one forward pass; logits (count, V) receives the
 * output after each branch's last token.  Tokens that are cached under the same context are not
 * computed again (the last one always is).  Branches must be distinct.  AP_E_TOO_LARGE when a context would exceed
 * the model's positions, AP_E_LIMIT when the pool cannot hold it:
 * nothing has changed then. */
struct ap_extend {
    struct ap_branch *branch;
    const int32_t *token; /* (n,) */
    int32_t n;
};
ap_status ap__session_step(struct ap_session *s, const struct ap_extend *item, int32_t count, float *logits,
                           struct ap_err *err) AP_MUST_CHECK;
int32_t ap__branch_len(const struct ap_branch *b);

struct ap_session_stats {
    int64_t tokens_computed, tokens_shared; /* rows run through the model / found cached */
    int32_t rows_used, rows_max;
    struct ap_work_size work; /* of what was computed */
};
struct ap_session_stats ap__session_stats(const struct ap_session *s);

#endif
