/* prover.c - questions, their memo, and the two checks behind a verdict.
 *
 *   premises P, goal g --canonical ASCII text--> memo (FIFO, MEMO_MAX entries)
 *                                                  | new
 *        P, not g  unsat: g follows                v
 *        P, g      unsat: not g follows        True / False / Unknown, inconsistent
 *
 * A chain's Prove is asked again and again by its siblings with the same
 * premises, so most answers come from the memo.  Keys are whole texts, not
 * hashes: a wrong verdict by collision cannot happen.  Z3 gets a new solver
 * for each check: cheap for one-sort formulas, and a verdict cannot depend on
 * what was asked before. */
#include "functions/prover.h"
#include "functions/z3_theory.h"
#include <pthread.h>
#include <string.h>
#include <uthash.h>

enum {
    MEMO_MAX = 16384,       /* entries */
    MEMO_KEY_MAX = 16384,   /* bytes; longer questions are not remembered */
    DEFAULT_LIMIT = 500000, /* Z3 resource units per check, some tenths of a second */
    CONTEXT_QUESTIONS = 256, /* then a new Z3 context: an old one gets slower and larger */
};

struct memo {
    struct ap_proof proof;
    UT_hash_handle hh;
    size_t len;
    char key[]; /* (len,) */
};

struct ap_prover {
    pthread_mutex_t lock;
    struct ap_z3 z3; /* context NULL until the first question */
    int32_t asked;   /* questions to this context */
    struct memo *memo;
    uint32_t limit;
    struct ap_prover_stats stats;
};

const char *ap__verdict3_text(enum ap_verdict3 verdict)
{
    static const char *const texts[] = {"Unknown", "True", "False"};
    return texts[verdict];
}

ap_status ap__prover_new(struct ap_prover **out, struct ap_err *err)
{
    *out = ap__alloc(sizeof **out);
    if (*out == NULL)
        return ap__fail(err, AP_E_MEMORY, NULL, "no memory for a prover");
    pthread_mutex_init(&(*out)->lock, NULL);
    (*out)->limit = DEFAULT_LIMIT;
    return AP_OK;
}

void ap__prover_free(struct ap_prover *prover)
{
    struct memo *entry, *next;
    if (prover == NULL)
        return;
    HASH_ITER(hh, prover->memo, entry, next) {
        HASH_DEL(prover->memo, entry);
        ap__free(entry);
    }
    ap__z3_close(&prover->z3);
    pthread_mutex_destroy(&prover->lock);
    ap__free(prover);
}

static void forget_oldest(struct ap_prover *prover)
{
    struct memo *oldest = prover->memo; /* uthash keeps the order of insertion */
    HASH_DEL(prover->memo, oldest);
    ap__free(oldest);
}

void ap__prover_set_limit(struct ap_prover *prover, uint32_t units)
{
    pthread_mutex_lock(&prover->lock);
    prover->limit = units > 0 ? units : DEFAULT_LIMIT;
    if (prover->z3.context != NULL)
        ap__z3_set_limit(&prover->z3, prover->limit);
    while (prover->memo != NULL) /* verdicts under another limit may differ */
        forget_oldest(prover);
    pthread_mutex_unlock(&prover->lock);
}

struct ap_prover_stats ap__prover_stats(const struct ap_prover *prover)
{
    return prover->stats;
}

/* ---- memo ---- */

/* Canonical text of a question: premises and goal, one per line. */
static void print_key(const struct ap_formula *const *premises, int32_t n, const struct ap_formula *goal,
                      struct ap_buf *key)
{
    for (int32_t i = 0; i < n; i++) {
        ap__formula_print(premises[i], AP_NOTATION_ASCII, key);
        ap__buf_putc(key, '\n');
    }
    ap__buf_putc(key, '?');
    ap__formula_print(goal, AP_NOTATION_ASCII, key);
}

static bool recall(struct ap_prover *prover, const struct ap_buf *key, struct ap_proof *out)
{
    struct memo *entry = NULL;
    if (!key->failed)
        HASH_FIND(hh, prover->memo, key->data, key->len, entry);
    if (entry == NULL)
        return false;
    *out = entry->proof;
    prover->stats.memo_hits++;
    return true;
}

static void remember(struct ap_prover *prover, const struct ap_buf *key, const struct ap_proof *proof)
{
    if (key->failed)
        return;
    struct memo *entry = ap__alloc(sizeof *entry + key->len);
    if (entry == NULL)
        return; /* only slower */
    memcpy(entry->key, key->data, key->len);
    entry->len = key->len;
    entry->proof = *proof;
    HASH_ADD_KEYPTR(hh, prover->memo, entry->key, entry->len, entry);
    if (HASH_COUNT(prover->memo) > MEMO_MAX)
        forget_oldest(prover);
}

/* ---- one question to Z3 ---- */

/* A theory in Z3's hands; asserted = premises. */
struct question {
    struct ap_prover *prover;
    struct ap_signature signature;
    struct ap_z3_theory theory;
    Z3_ast *premises; /* (n,) */
    int32_t n;
    Z3_ast goal, not_goal;
    bool gave_up; /* some step of Z3 failed or reached its limit */
};

/* After a failure the context may be in any state: the next question gets a
 * new one. */
static void question_close(struct question *q)
{
    ap__z3_release_kept(&q->prover->z3);
    if (q->gave_up || ++q->prover->asked >= CONTEXT_QUESTIONS)
        ap__z3_close(&q->prover->z3);
    ap__free(q->premises);
    ap__signature_deinit(&q->signature);
}

static ap_status open_z3(struct ap_prover *prover, struct ap_err *err)
{
    if (prover->z3.context != NULL)
        return AP_OK;
    AP_TRY(ap__z3_open(&prover->z3, err));
    ap__z3_set_limit(&prover->z3, prover->limit);
    prover->asked = 0;
    return AP_OK;
}

static ap_status translate(struct question *q, const struct ap_formula *const *premises,
                           const struct ap_formula *goal, struct ap_err *err)
{
    AP_TRY(ap__z3_declare(&q->prover->z3, &q->signature, &q->theory, err));
    for (int32_t i = 0; i < q->n; i++)
        AP_TRY(ap__z3_formula(&q->theory, premises[i], &q->premises[i], err));
    AP_TRY(ap__z3_formula(&q->theory, goal, &q->goal, err));
    q->not_goal = ap__libz3.mk_not(q->prover->z3.context, q->goal);
    return ap__z3_keep(&q->prover->z3, q->not_goal, err);
}

/* On failure everything is released. */
static ap_status question_open(struct question *q, struct ap_prover *prover,
                               const struct ap_formula *const *premises, int32_t n, const struct ap_formula *goal,
                               struct ap_err *err)
{
    q->prover = prover;
    q->n = n;
    q->premises = NULL;
    q->gave_up = false;
    ap__signature_init(&q->signature);
    AP_TRY(open_z3(prover, err));
    ap_status status = AP_OK;
    for (int32_t i = 0; i < n && status == AP_OK; i++)
        status = ap__signature_add(&q->signature, premises[i], err);
    if (status == AP_OK)
        status = ap__signature_add(&q->signature, goal, err);
    if (status == AP_OK) {
        q->premises = ap__alloc_array((size_t)n + 1, sizeof *q->premises);
        status = q->premises != NULL ? translate(q, premises, goal, err)
                                     : ap__fail(err, AP_E_MEMORY, NULL, "no memory for %d premises", n);
    }
    if (status != AP_OK) {
        q->gave_up = status == AP_E_LIMIT;
        question_close(q);
    }
    return status;
}

/* Can the premises and `last` be true together?  With `model` set, the model's
 * text goes there when they can. */
static Z3_lbool check(struct question *q, Z3_ast last, struct ap_buf *model)
{
    struct ap_z3 *z3 = &q->prover->z3;
    Z3_solver solver = ap__libz3.mk_simple_solver(z3->context);
    if (solver == NULL) {
        q->gave_up = true;
        return Z3_L_UNDEF;
    }
    ap__libz3.solver_inc_ref(z3->context, solver);
    ap__libz3.solver_set_params(z3->context, solver, z3->params);
    for (int32_t i = 0; i < q->n; i++)
        ap__libz3.solver_assert(z3->context, solver, q->premises[i]);
    ap__libz3.solver_assert(z3->context, solver, last);
    Z3_lbool result = ap__libz3.solver_check(z3->context, solver);
    q->prover->stats.solver_checks++;
    q->gave_up |= result == Z3_L_UNDEF;
    if (result == Z3_L_TRUE && model != NULL) {
        Z3_model found = ap__libz3.solver_get_model(z3->context, solver);
        ap__libz3.model_inc_ref(z3->context, found);
        ap__z3_model_print(&q->theory, found, model);
        ap__libz3.model_dec_ref(z3->context, found);
    }
    ap__libz3.solver_dec_ref(z3->context, solver);
    return result;
}

static struct ap_proof decide(struct question *q)
{
    Z3_lbool without = check(q, q->not_goal, NULL), with = check(q, q->goal, NULL);
    struct ap_proof proof = {.verdict = AP_VERDICT3_UNKNOWN};
    if (without == Z3_L_FALSE)
        proof.verdict = AP_VERDICT3_TRUE;
    else if (with == Z3_L_FALSE)
        proof.verdict = AP_VERDICT3_FALSE;
    else
        proof.gave_up = without == Z3_L_UNDEF || with == Z3_L_UNDEF;
    proof.inconsistent = without == Z3_L_FALSE && with == Z3_L_FALSE;
    return proof;
}

static ap_status ask(struct ap_prover *prover, const struct ap_formula *const *premises, int32_t n,
                     const struct ap_formula *goal, struct ap_proof *out, struct ap_err *err)
{
    struct question q;
    AP_TRY(question_open(&q, prover, premises, n, goal, err));
    *out = decide(&q);
    question_close(&q);
    return AP_OK;
}

ap_status ap__prover_check(struct ap_prover *prover, const struct ap_formula *const *premises, int32_t n,
                           const struct ap_formula *goal, struct ap_proof *out, struct ap_err *err)
{
    struct ap_buf key;
    ap_status status = AP_OK;
    ap__buf_init(&key, MEMO_KEY_MAX);
    print_key(premises, n, goal, &key);
    pthread_mutex_lock(&prover->lock);
    prover->stats.questions++;
    if (!recall(prover, &key, out)) {
        status = ask(prover, premises, n, goal, out, err);
        if (status == AP_OK)
            remember(prover, &key, out);
    }
    pthread_mutex_unlock(&prover->lock);
    ap__buf_deinit(&key);
    return status;
}

ap_status ap__prover_countermodel(struct ap_prover *prover, const struct ap_formula *const *premises, int32_t n,
                                  const struct ap_formula *goal, struct ap_buf *out, bool *found, bool *gave_up,
                                  struct ap_err *err)
{
    struct question q;
    *found = *gave_up = false;
    pthread_mutex_lock(&prover->lock);
    ap_status status = question_open(&q, prover, premises, n, goal, err);
    if (status == AP_OK) {
        Z3_lbool result = check(&q, q.not_goal, out);
        *found = result == Z3_L_TRUE;
        *gave_up = result == Z3_L_UNDEF;
        question_close(&q);
    }
    pthread_mutex_unlock(&prover->lock);
    return status;
}

/* ---- equivalence ---- */

ap_status ap__formula_equivalent(struct ap_prover *prover, const struct ap_formula *a, const struct ap_formula *b,
                                 bool *out, struct ap_err *err)
{
    struct ap_proof proof;
    struct ap_formula iff = {.kind = AP_FORMULA_IFF, .left = a, .right = b};
    *out = ap__formula_same(a, b);
    if (*out)
        return AP_OK;
    AP_TRY(ap__prover_check(prover, NULL, 0, &iff, &proof, err));
    *out = proof.verdict == AP_VERDICT3_TRUE;
    return AP_OK;
}

ap_status ap__prover_equivalent(struct ap_prover *prover, const char *a, const char *b, bool *out,
                                struct ap_err *err)
{
    const struct ap_formula *left, *right;
    struct ap_arena arena;
    ap__arena_init(&arena, 0);
    *out = false;
    ap_status status = ap__formula_parse(a, strlen(a), &arena, &left, err);
    if (status == AP_OK)
        status = ap__formula_parse(b, strlen(b), &arena, &right, err);
    if (status == AP_OK)
        status = ap__formula_equivalent(prover, left, right, out, err);
    ap__arena_deinit(&arena);
    return status;
}

ap_status ap__prover_entails(struct ap_prover *prover, const char *const *premises, int32_t n, const char *goal,
                             enum ap_verdict3 *out, struct ap_err *err)
{
    struct ap_arena arena;
    struct ap_proof proof = {0};
    const struct ap_formula *aim, **formulas;
    ap_status status = AP_OK;
    ap__arena_init(&arena, 0);
    formulas = ap__arena_alloc(&arena, ((size_t)n + 1) * sizeof *formulas);
    if (formulas == NULL)
        status = ap__fail(err, AP_E_MEMORY, NULL, "no memory for %d premises", n);
    for (int32_t i = 0; i < n && status == AP_OK; i++)
        status = ap__formula_parse(premises[i], strlen(premises[i]), &arena, &formulas[i], err);
    if (status == AP_OK)
        status = ap__formula_parse(goal, strlen(goal), &arena, &aim, err);
    if (status == AP_OK)
        status = ap__prover_check(prover, formulas, n, aim, &proof, err);
    *out = proof.verdict;
    ap__arena_deinit(&arena);
    return status;
}
