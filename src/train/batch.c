/* batch.c - a batch's examples to the parts they are computed in.
 *
 *     examples --sorted by their tokens--> neighbours share most
 *       a range that fits --> one tree
 *       a larger one      --> a trunk (what all of it begins with) and groups of neighbours on it
 *       ... or, where its halves have far more in common than the whole, these apart */
#include "train/groups.h"

#include "model/fold.h"

#include <stdlib.h>
#include <string.h>

enum { LEAST_TRUNK = 16 }; /* tokens: less is not worth being apart */

static int64_t count_trained(const struct ap_seq *seq)
{
    int64_t n = 0;
    for (int32_t t = 0; t < seq->len; t++)
        n += seq->trained[t] != 0;
    return n;
}

static ap_status check_examples(const struct ap_batch_config *c, const struct ap_train_example *e, int32_t n,
                                struct ap_part_scale *over, int64_t *trained, struct ap_err *err)
{
    *trained = 0;
    *over = (struct ap_part_scale){.examples = n};
    for (int32_t i = 0; i < n; i++) {
        int64_t chosen = count_trained(&e[i].chosen), rejected = count_trained(&e[i].rejected);
        int64_t held = e[i].held.len > 0 ? count_trained(&e[i].held) : 0;
        if (chosen == 0 || (c->method == AP_METHOD_DPO && rejected == 0) || (e[i].held.len > 0 && held == 0))
            return ap__fail(err, AP_E_ARG, NULL, "example %d of the batch has a sequence without trained tokens", i);
        if (c->method == AP_METHOD_SFT && (e[i].rejected.len > 0 || e[i].held.len > 0))
            return ap__fail(err, AP_E_ARG, NULL, "example %d of an SFT batch has more than one sequence", i);
        over->held_tokens += held > 0 ? held : chosen;
        *trained += chosen + rejected + held;
    }
    return n > 0 ? AP_OK : ap__fail(err, AP_E_ARG, NULL, "a batch without examples");
}

/* ---- order ---- */

static int by_tokens(const void *x, const void *y)
{
    const struct ap_train_example *a = *(const struct ap_train_example *const *)x,
                                  *b = *(const struct ap_train_example *const *)y;
    int32_t n = ap__seq_common(&a->chosen, &b->chosen);
    bool a_ends = n == a->chosen.len, b_ends = n == b->chosen.len;
    if (a_ends || b_ends)
        return a_ends && b_ends ? (a > b) - (a < b) : b_ends - a_ends;
    int32_t s = a->chosen.token[n], t = b->chosen.token[n];
    return s != t ? (s > t) - (s < t) : a->chosen.trained[n] - b->chosen.trained[n];
}

static ap_status sort_examples(const struct ap_train_example *e, int32_t n, struct ap_arena *step,
                               const struct ap_train_example ***out, struct ap_err *err)
{
    const struct ap_train_example **order = ap__arena_alloc(step, (size_t)n * sizeof *order);
    if (order == NULL)
        return ap__fail(err, AP_E_MEMORY, NULL, "no memory for a batch of %d examples", n);
    for (int32_t i = 0; i < n; i++)
        order[i] = &e[i];
    qsort(order, (size_t)n, sizeof *order, by_tokens);
    *out = order;
    return AP_OK;
}

/* ---- division ---- */

/* Rows of a trunk must not predict what is trained: a sequence's first trained token and the one before it stay out. */
static int32_t trunk_limit(const struct ap_seq *seq, int32_t most)
{
    const uint8_t *trained = memchr(seq->trained, 1, (size_t)seq->len);
    int32_t before = trained != NULL ? (int32_t)(trained - seq->trained) - 1 : seq->len - 1;
    return before < most ? before : most;
}

static int32_t trunk_length(const struct ap_train_example *const *e, int32_t n)
{
    int32_t P = e[0]->chosen.len;
    for (int32_t i = 0; i < n; i++) {
        const struct ap_seq *seq[] = {&e[i]->chosen, &e[i]->rejected, &e[i]->held};
        for (int k = 0; k < 3; k++) {
            if (seq[k]->len == 0)
                continue;
            int32_t shared = ap__seq_common(&e[0]->chosen, seq[k]);
            P = trunk_limit(seq[k], shared < P ? shared : P);
        }
    }
    return P > 0 ? P : 0;
}

/* Where neighbours share least; of equal places the one nearest to the middle. */
static int32_t weakest_place(const struct ap_train_example *const *e, int32_t n)
{
    int32_t place = 1, least = INT32_MAX;
    for (int32_t i = 1; i < n; i++) {
        int32_t shared = ap__seq_common(&e[i - 1]->chosen, &e[i]->chosen);
        if (shared < least || (shared == least && abs(2 * i - n) < abs(2 * place - n))) {
            least = shared;
            place = i;
        }
    }
    return place;
}

/* Rows of the examples as one tree; 0 when it would be too large. */
static ap_status tree_rows(const struct ap_gradient *g, const struct ap_train_example *const *e, int32_t n, int32_t *rows,
                           struct ap_err *err)
{
    static const struct ap_seq none = {0};
    struct ap_part part;
    struct ap_arena_mark mark = ap__arena_mark(g->step);
    int32_t max = n > 1 ? ap__part_tokens(g->config) : g->config->max_tokens;
    ap_status status = ap__part_make(e, n, &none, max, g->step, &part, err);
    *rows = status == AP_OK ? part.pack.T : 0;
    ap__arena_release(g->step, mark);
    return status == AP_E_TOO_LARGE && n > 1 ? AP_OK : status;
}

/* Append the ranges that n examples fall into. */
static ap_status divide(const struct ap_gradient *g, const struct ap_train_example *const *e, int32_t n,
                        struct ap_range *range, int32_t *count, struct ap_err *err)
{
    int32_t rows;
    AP_TRY(tree_rows(g, e, n, &rows, err));
    if (rows > 0) {
        range[(*count)++] = (struct ap_range){e, n, rows, 0};
        return AP_OK;
    }
    int32_t P = trunk_length(e, n), cut = weakest_place(e, n);
    int32_t left = trunk_length(e, cut), right = trunk_length(e + cut, n - cut);
    bool far_more = (cut > 1 && left > 2 * P + LEAST_TRUNK) || (n - cut > 1 && right > 2 * P + LEAST_TRUNK);
    if (P >= LEAST_TRUNK && !far_more) {
        range[(*count)++] = (struct ap_range){e, n, 0, P};
        return AP_OK;
    }
    AP_TRY(divide(g, e, cut, range, count, err));
    return divide(g, e + cut, n - cut, range, count, err);
}

static ap_status train(const struct ap_gradient *g, const struct ap_train_example *const *e, int32_t n, struct ap_err *err)
{
    int32_t count = 0;
    struct ap_range *range = ap__arena_alloc(g->step, (size_t)n * sizeof *range);
    if (range == NULL)
        return ap__fail(err, AP_E_MEMORY, NULL, "no memory for a batch of %d examples", n);
    AP_TRY(divide(g, e, n, range, &count, err));
    return ap__ranges_train(g, range, count, err);
}

ap_status ap__batch_gradient(struct ap_model *m, const struct ap_batch_config *config,
                             const struct ap_train_example *example, int32_t n, struct ap_arena *step,
                             struct ap_batch_sums *out, struct ap_err *err)
{
    struct ap_gradient g = {.m = m, .config = config, .step = step, .sums = out};
    const struct ap_train_example **order = NULL;
    int64_t trained;
    AP_TRY(check_examples(config, example, n, &g.over, &trained, err));
    *out = (struct ap_batch_sums){.trained_tokens = trained};
    ap__arena_reset(step);
    AP_TRY(sort_examples(example, n, step, &order, err));
    AP_TRY(ap__fold_adapter(m, step, err));
    ap_status status = train(&g, order, n, err);
    ap__unfold_adapter(m);
    return status;
}

/* ---- reference ---- */

/* Without backward a tree of any size takes little memory: as large as the budget allows, else in halves. */
static ap_status reference_parts(struct ap_model *m, struct ap_train_example *e, const struct ap_train_example *const *at,
                                 int32_t n, int32_t max_tokens, struct ap_arena *step, struct ap_err *err)
{
    static const struct ap_seq none = {0};
    struct ap_part part;
    struct ap_arena_mark mark = ap__arena_mark(step);
    ap_status status = ap__part_make(at, n, &none, max_tokens, step, &part, err);
    if (status == AP_E_TOO_LARGE && n > 1) {
        ap__arena_release(step, mark);
        AP_TRY(reference_parts(m, e, at, n / 2, max_tokens, step, err));
        return reference_parts(m, e + n / 2, at + n / 2, n - n / 2, max_tokens, step, err);
    }
    if (status == AP_OK)
        status = ap__model_forward(m, &part.pack, step, false, part.logp, NULL, err);
    if (status == AP_OK) {
        ap__pack_sum(&part.pack, part.logp, part.seq, NULL);
        for (int32_t i = 0, s = 0; i < n; s += ap__part_sequences(&e[i++])) {
            e[i].ref_chosen = part.seq[s];
            e[i].ref_rejected = e[i].rejected.len > 0 ? part.seq[s + 1] : 0.0;
        }
    }
    ap__arena_release(step, mark);
    return status;
}

ap_status ap__batch_reference(struct ap_model *m, enum ap_reference reference, struct ap_train_example *example,
                              int32_t n, int32_t max_tokens, struct ap_arena *step, struct ap_err *err)
{
    enum { AT_ONCE = 64 }; /* examples tried as one tree */
    ap_status status = AP_OK;
    ap__model_use_adapter(m, reference == AP_REFERENCE_ADAPTER);
    for (int32_t i = 0; i < n && status == AP_OK; i += AT_ONCE) {
        const struct ap_train_example *at[AT_ONCE];
        int32_t some = n - i < AT_ONCE ? n - i : AT_ONCE;
        for (int32_t k = 0; k < some; k++)
            at[k] = &example[i + k];
        ap__arena_reset(step);
        status = reference_parts(m, example + i, at, some, max_tokens, step, err);
    }
    ap__model_use_adapter(m, true);
    return status;
}
