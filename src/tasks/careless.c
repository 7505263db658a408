/* careless.c - see careless.h.
 *
 *   entailment   key -> theory again -> slips in its sentences -> decided again -> calls
 *   arithmetic   calls -> steps -> slips in the steps -> run again -> calls */
#include "tasks/careless.h"

#include "tasks/calc.h"
#include "tasks/fol_shape.h"
#include <string.h>

enum { LONG_LIST = 6, LONG_CHAIN = 3, CLASH_TRIES = 8 };

struct habit {
    struct ap_rng *rng;
    double p;
    int32_t slips;
};

static bool strikes(struct habit *h)
{
    bool yes = ap__rng_uniform(h->rng) < h->p;
    h->slips += yes;
    return yes;
}

/* ---- entailment ---- */

/* "not" in front of a fact's or a head's predicate gets lost. */
static void drop_not(struct habit *h, struct ap_sentence *s)
{
    struct ap_literal *last = &s->lit[s->n - 1];
    if (s->form != AP_FORM_NO && last->neg && strikes(h))
        last->neg = false;
}

static void reverse_only(struct habit *h, struct ap_sentence *s)
{
    if (s->form != AP_FORM_ONLY || !strikes(h))
        return;
    struct ap_literal body = s->lit[0];
    s->lit[0] = s->lit[1];
    s->lit[1] = body;
}

static void slip_in_premises(struct habit *h, struct ap_theory *t)
{
    for (int32_t i = 0; i < t->n_premises; i++) {
        drop_not(h, &t->premise[i]);
        reverse_only(h, &t->premise[i]);
    }
    if (t->n_premises >= LONG_LIST && strikes(h))
        t->n_premises--;
    drop_not(h, &t->goal);
}

/* Slips that make the premises contradict each other would be noticed. */
static enum ap_truth slip_in_theory(struct habit *h, struct ap_theory *t)
{
    const struct ap_theory gold = *t;
    enum ap_truth truth = AP_TRUTH_CLASH;
    for (int32_t i = 0; i < CLASH_TRIES && truth == AP_TRUTH_CLASH; i++) {
        *t = gold;
        h->slips = 0;
        slip_in_premises(h, t);
        truth = ap__theory_decide(t, -1);
    }
    if (truth == AP_TRUTH_CLASH) {
        *t = gold;
        h->slips = 0;
        truth = ap__theory_decide(t, -1);
    }
    if (truth == AP_TRUTH_UNKNOWN && strikes(h))
        return AP_TRUTH_FALSE;
    return truth;
}

static ap_status write_theory(const struct ap_theory *t, enum ap_truth truth, struct ap_problem *out,
                              struct ap_err *err)
{
    struct ap_buf formula;
    ap__buf_init(&formula, 0);
    ap_status st = AP_OK;
    for (int32_t i = 0; i <= t->n_premises && st == AP_OK; i++) {
        bool goal = i == t->n_premises;
        ap__buf_clear(&formula);
        ap__sentence_formula(t, goal ? &t->goal : &t->premise[i], &formula);
        st = formula.failed ? ap__fail(err, AP_E_MEMORY, NULL, "no memory for a careless chain")
                            : ap__problem_add_call(out, err, "%s('%s')", goal ? "Prove" : "AddPremise",
                                                   ap__buf_cstr(&formula));
    }
    ap__buf_deinit(&formula);
    if (st == AP_OK)
        st = ap__problem_add_call(out, err, "Answer('%s')", ap__truth_text(truth));
    return st;
}

static ap_status careless_theory(const struct ap_problem_key *key, struct habit *h, struct ap_problem *out,
                                 struct ap_err *err)
{
    struct ap_shape shape;
    ap__shape_draw(key->shape, key->profile, &shape);
    ap__words_draw(key->words, shape.likeness, shape.theory.word, shape.theory.n_words);
    enum ap_truth truth = slip_in_theory(h, &shape.theory);
    return write_theory(&shape.theory, truth, out, err);
}

/* ---- arithmetic ---- */

/* The step's result is no longer worked out: those who use it take `instead`. */
static void forget_step(struct ap_calc *calc, int32_t step, struct ap_calc_arg instead)
{
    for (int32_t i = step; i < calc->n; i++) {
        if (i > step)
            calc->step[i - 1] = calc->step[i];
        struct ap_calc_step *s = &calc->step[i > step ? i - 1 : i];
        for (int32_t k = 0; i > step && k < s->n; k++) {
            if (s->arg[k].ref == step)
                s->arg[k] = instead;
            else if (s->arg[k].ref > step)
                s->arg[k].ref--;
        }
    }
    if (calc->answer.ref == step)
        calc->answer = instead;
    else if (calc->answer.ref > step)
        calc->answer.ref--;
    calc->n--;
}

static void slip_in_steps(struct habit *h, struct ap_calc *calc)
{
    bool tempting = calc->n >= LONG_CHAIN || (calc->n > 1 && calc->step[calc->n - 1].op == AP_CALC_SUM);
    if (tempting && calc->answer.ref == calc->n - 1 && strikes(h)) {
        calc->n--;
        calc->answer.ref = calc->n - 1;
    }
    for (int32_t i = calc->n - 1; i >= 0; i--) {
        struct ap_calc_step *s = &calc->step[i];
        if (s->op == AP_CALC_SUBTRACT && i > 0 && strikes(h))
            s->op = AP_CALC_SUM;
        else if (s->op == AP_CALC_PERCENT && s->arg[0].ref < 0 && strikes(h))
            forget_step(calc, i, s->arg[0]);
    }
}

/* A slip may lead to a chain without a value (a division by zero); then there is none. */
static ap_status careless_steps(const struct ap_problem *p, struct habit *h, struct ap_problem *out, struct ap_err *err)
{
    struct ap_calc gold, calc;
    if (!ap__calc_read(p->call, p->call_count, &gold))
        return ap__fail(err, AP_E_ARG, p->id, "no habits are known for the calls of this problem's chain");
    calc = gold;
    slip_in_steps(h, &calc);
    ap_status st = ap__calc_write(&calc, false, out, err);
    if (st != AP_E_FORMAT)
        return st;
    ap__problem_deinit(out);
    h->slips = 0;
    return ap__calc_write(&gold, false, out, err);
}

ap_status ap__careless_calls(const struct ap_problem *p, struct ap_rng *rng, double probability, char ***calls,
                             int32_t *n, int32_t *slips, struct ap_err *err)
{
    const struct ap_generator *g;
    struct ap_problem_key key;
    struct habit h = {.rng = rng, .p = probability};
    struct ap_problem out = {0};
    bool theory = ap__generator_key(p, &g, &key) && g == &ap__fol_entailment;
    ap_status st = theory ? careless_theory(&key, &h, &out, err) : careless_steps(p, &h, &out, err);
    if (st == AP_OK) {
        *calls = out.call;
        *n = out.call_count;
        *slips = h.slips;
        out.call = NULL;
        out.call_count = 0;
    }
    ap__problem_deinit(&out);
    return st;
}
