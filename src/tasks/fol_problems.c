/* fol_problems.c - fol-entailment: numbered premises and a conclusion; and
 * fol-translation: one sentence to a formula.
 *
 *   1. Each glombus is dusty.              AddPremise('forall x. (Glombus(x) -> Dusty(x))')
 *   2. Max is a glombus.                   AddPremise('Glombus(max)')
 *   Is it true? Max is not dusty.          Prove('not Dusty(max)')
 *                                          Answer('False')
 *
 * The shape is drawn first (fol_shape.c), the words are put in last. */
#include "tasks/fol_shape.h"

#include <string.h>

/* The question's lines and the gold premises and calls. */
static ap_status write_premises(const struct ap_theory *t, struct ap_buf *question, struct ap_problem *out,
                                struct ap_err *err)
{
    struct ap_buf formula;
    ap__buf_init(&formula, 0);
    ap_status st = AP_OK;
    for (int32_t i = 0; i < t->n_premises && st == AP_OK; i++) {
        ap__buf_clear(&formula);
        ap__sentence_formula(t, &t->premise[i], &formula);
        (void)ap__buf_printf(question, "%d. ", i + 1);
        ap__sentence_english(t, &t->premise[i], question);
        (void)ap__buf_putc(question, '\n');
        if (formula.failed)
            st = ap__fail(err, AP_E_MEMORY, NULL, "no memory for a formula");
        if (st == AP_OK)
            st = ap__problem_add_premise(out, ap__buf_cstr(&formula), err);
        if (st == AP_OK)
            st = ap__problem_add_call(out, err, "AddPremise('%s')", ap__buf_cstr(&formula));
    }
    ap__buf_deinit(&formula);
    return st;
}

static ap_status write_goal(const struct ap_shape *shape, struct ap_buf *question, struct ap_problem *out,
                            struct ap_err *err)
{
    struct ap_buf formula;
    ap__buf_init(&formula, 0);
    ap__sentence_formula(&shape->theory, &shape->theory.goal, &formula);
    (void)ap__buf_puts(question, "Is it true? ");
    ap__sentence_english(&shape->theory, &shape->theory.goal, question);
    ap_status st = formula.failed ? ap__fail(err, AP_E_MEMORY, NULL, "no memory for a formula")
                                  : ap__problem_add_call(out, err, "Prove('%s')", ap__buf_cstr(&formula));
    if (st == AP_OK)
        st = ap__problem_add_call(out, err, "Answer('%s')", ap__truth_text(shape->truth));
    ap__buf_deinit(&formula);
    return st;
}

static ap_status make_entailment(const struct ap_problem_key *key, struct ap_problem *out, struct ap_err *err)
{
    struct ap_shape shape;
    struct ap_buf question;
    ap__shape_draw(key->shape, key->profile, &shape);
    ap__words_draw(key->words, shape.likeness, shape.theory.word, shape.theory.n_words);
    ap__buf_init(&question, 0);
    ap_status st = write_premises(&shape.theory, &question, out, err);
    if (st == AP_OK)
        st = write_goal(&shape, &question, out, err);
    if (st == AP_OK)
        st = ap__problem_set_buf(&out->question, &question, err);
    if (st == AP_OK)
        st = ap__problem_set(&out->answer, ap__truth_text(shape.truth), err);
    if (st == AP_OK)
        st = ap__problem_set(&out->template_name, shape.style, err);
    ap__buf_deinit(&question);
    return st;
}

const struct ap_generator ap__fol_entailment = {.name = "fol-entailment", .make = make_entailment};

/* ---- fol-translation ---- */

static ap_status make_translation(const struct ap_problem_key *key, struct ap_problem *out, struct ap_err *err)
{
    static const char *const names[] = {"fact", "each", "plain", "if", "who", "no", "only", "some"};
    struct ap_theory theory;
    struct ap_buf question, formula;
    ap__shape_sentence(key->shape, &theory);
    ap__words_draw(key->words, AP_WORDS_FREE, theory.word, theory.n_words);
    ap__buf_init(&question, 0);
    ap__buf_init(&formula, 0);
    ap__sentence_english(&theory, &theory.premise[0], &question);
    ap__sentence_formula(&theory, &theory.premise[0], &formula);
    ap_status st = ap__problem_set_buf(&out->question, &question, err);
    if (st == AP_OK)
        st = ap__problem_set_buf(&out->answer, &formula, err);
    if (st == AP_OK)
        st = ap__problem_set(&out->template_name, names[theory.premise[0].form], err);
    if (st == AP_OK)
        st = ap__problem_add_call(out, err, "CheckFormula('%s')", ap__buf_cstr(&formula));
    if (st == AP_OK)
        st = ap__problem_add_call(out, err, "Answer('%s')", ap__buf_cstr(&formula));
    ap__buf_deinit(&question);
    ap__buf_deinit(&formula);
    return st;
}

const struct ap_generator ap__fol_translation = {.name = "fol-translation", .make = make_translation};
