/* fol_decide.c - does the goal follow?  Grounding, then DPLL.
 *
 *   rule      one clause for each constant put in place of x
 *   some      one fresh constant of which its literals hold
 *   goal      True:  premises + not goal has no model
 *             False: premises + goal has no model
 *
 * An atom's number is (predicate, subject, object); clauses have at most four
 * literals and there are at most a few hundred of them, so clauses are simply
 * scanned again until nothing changes. */
#include "tasks/fol_theory.h"

#include <string.h>

enum { MAX_CONSTANTS = 24, MAX_CLAUSES = 1024, MAX_ATOMS = 4096, MAX_DEPTH = 200 };

struct clause {
    int16_t lit[AP_SENTENCE_LITERALS]; /* atom + 1, negative when negated */
    int8_t n;
};

struct ground {
    const struct ap_theory *theory;
    int8_t constant_of[AP_THEORY_WORDS]; /* word -> constant, -1 when it is none */
    int16_t base_of[AP_THEORY_WORDS];    /* predicate word -> its first atom */
    int32_t n_constants, n_words_constants, n_atoms;
    struct clause clause[MAX_CLAUSES];
    int32_t n_clauses;
    int8_t value[MAX_ATOMS]; /* 0 open, 1 true, -1 false */
    int16_t trail[MAX_ATOMS];
    int32_t n_trail;
};

static int32_t count_some(const struct ap_theory *t)
{
    int32_t n = 0;
    for (int32_t i = 0; i < t->n_premises; i++)
        n += t->premise[i].form == AP_FORM_SOME;
    return n;
}

/* Number the constants: entity words, one per "some", one for the goal, which
 * also keeps the domain from being empty. */
static bool number_symbols(struct ground *g)
{
    const struct ap_theory *t = g->theory;
    for (int32_t i = 0; i < t->n_words; i++) {
        bool entity = t->word[i].kind == AP_WORD_NAME || t->word[i].kind == AP_WORD_THING;
        g->constant_of[i] = entity ? (int8_t)g->n_words_constants++ : -1;
    }
    g->n_constants = g->n_words_constants + count_some(t) + 1;
    if (g->n_constants > MAX_CONSTANTS)
        return false;
    for (int32_t i = 0; i < t->n_words; i++) {
        if (g->constant_of[i] >= 0)
            continue;
        int32_t width = t->word[i].kind == AP_WORD_VERB ? g->n_constants * g->n_words_constants : g->n_constants;
        g->base_of[i] = (int16_t)g->n_atoms;
        g->n_atoms += width;
        if (g->n_atoms > MAX_ATOMS)
            return false;
    }
    return true;
}

/* The literal with constant c for x. */
static int16_t ground_literal(const struct ground *g, const struct ap_literal *lit, int32_t c)
{
    int32_t subj = lit->subj == AP_TERM_VAR ? c : g->constant_of[lit->subj];
    int32_t atom = g->base_of[lit->pred] + subj;
    if (lit->obj != AP_TERM_NONE)
        atom += g->n_constants * g->constant_of[lit->obj];
    return (int16_t)(lit->neg ? -(atom + 1) : atom + 1);
}

static void add_clause(struct ground *g, const struct clause *c)
{
    if (g->n_clauses < MAX_CLAUSES)
        g->clause[g->n_clauses++] = *c;
}

/* Body literals negated, or the head: body -> head as a clause. */
static void add_rule(struct ground *g, const struct ap_sentence *s, int32_t c)
{
    struct clause clause = {.n = s->n};
    for (int32_t i = 0; i < s->n; i++) {
        int16_t lit = ground_literal(g, &s->lit[i], c);
        clause.lit[i] = (int16_t)(i < s->n - 1 ? -lit : lit);
    }
    add_clause(g, &clause);
}

static void add_unit(struct ground *g, int16_t lit)
{
    add_clause(g, &(struct clause){.lit = {lit}, .n = 1});
}

/* Assert a sentence; witness is the constant a "some" may use. */
static void assert_sentence(struct ground *g, const struct ap_sentence *s, int32_t witness)
{
    if (s->form == AP_FORM_FACT || s->form == AP_FORM_SOME) {
        for (int32_t i = 0; i < s->n; i++)
            add_unit(g, ground_literal(g, &s->lit[i], witness));
        return;
    }
    for (int32_t c = 0; c < g->n_constants; c++)
        add_rule(g, s, c);
}

/* Assert that the sentence does not hold. */
static void deny_sentence(struct ground *g, const struct ap_sentence *s, int32_t witness)
{
    if (s->form == AP_FORM_FACT) {
        add_unit(g, (int16_t)-ground_literal(g, &s->lit[0], witness));
        return;
    }
    if (s->form != AP_FORM_SOME) { /* a rule: someone has the body and not the head */
        for (int32_t i = 0; i < s->n; i++) {
            int16_t lit = ground_literal(g, &s->lit[i], witness);
            add_unit(g, (int16_t)(i < s->n - 1 ? lit : -lit));
        }
        return;
    }
    for (int32_t c = 0; c < g->n_constants; c++) {
        struct clause clause = {.n = s->n};
        for (int32_t i = 0; i < s->n; i++)
            clause.lit[i] = (int16_t)-ground_literal(g, &s->lit[i], c);
        add_clause(g, &clause);
    }
}

/* ---- DPLL ---- */

static int8_t value_of(const struct ground *g, int16_t lit)
{
    return lit > 0 ? g->value[lit - 1] : (int8_t)-g->value[-lit - 1];
}

static void set_true(struct ground *g, int16_t lit)
{
    int32_t atom = (lit > 0 ? lit : -lit) - 1;
    g->value[atom] = lit > 0 ? 1 : -1;
    g->trail[g->n_trail++] = (int16_t)atom;
}

static void undo(struct ground *g, int32_t mark)
{
    while (g->n_trail > mark)
        g->value[g->trail[--g->n_trail]] = 0;
}

/* Open literals of a clause: 0 and not satisfied = conflict. */
static int32_t open_literals(const struct ground *g, const struct clause *c, int16_t *one, bool *satisfied)
{
    int32_t open = 0;
    *satisfied = false;
    for (int32_t i = 0; i < c->n; i++) {
        int8_t v = value_of(g, c->lit[i]);
        if (v > 0) {
            *satisfied = true;
            return 0;
        }
        if (v == 0) {
            *one = c->lit[i];
            open++;
        }
    }
    return open;
}

/* Unit propagation to the end; false on conflict.  *branch: an open literal of
 * an unsatisfied clause, or 0 when all clauses hold. */
static bool propagate(struct ground *g, int16_t *branch)
{
    for (bool changed = true; changed;) {
        changed = false;
        *branch = 0;
        for (int32_t i = 0; i < g->n_clauses; i++) {
            int16_t lit = 0;
            bool satisfied;
            int32_t open = open_literals(g, &g->clause[i], &lit, &satisfied);
            if (satisfied)
                continue;
            if (open == 0)
                return false;
            if (open == 1) {
                set_true(g, lit);
                changed = true;
            } else if (*branch == 0) {
                *branch = lit;
            }
        }
    }
    return true;
}

static bool has_model(struct ground *g, int32_t depth)
{
    int16_t branch;
    int32_t mark = g->n_trail;
    bool model = propagate(g, &branch);
    if (model && branch != 0 && depth < MAX_DEPTH) {
        int32_t before = g->n_trail;
        set_true(g, branch);
        model = has_model(g, depth + 1);
        if (!model) {
            undo(g, before);
            set_true(g, (int16_t)-branch);
            model = has_model(g, depth + 1);
        }
    }
    undo(g, mark);
    return model;
}

const char *ap__truth_text(enum ap_truth truth)
{
    return truth == AP_TRUTH_TRUE ? "True" : truth == AP_TRUTH_FALSE ? "False" : "Unknown";
}

enum ap_truth ap__theory_decide(const struct ap_theory *t, int32_t skip)
{
    struct ground g;
    g.theory = t;
    g.n_words_constants = g.n_atoms = g.n_clauses = g.n_trail = 0;
    if (!number_symbols(&g))
        return AP_TRUTH_CLASH;
    memset(g.value, 0, (size_t)g.n_atoms);
    int32_t witness = g.n_words_constants;
    for (int32_t i = 0; i < t->n_premises; i++)
        if (i != skip) {
            assert_sentence(&g, &t->premise[i], witness);
            witness += t->premise[i].form == AP_FORM_SOME;
        }
    int32_t premises = g.n_clauses, own = g.n_constants - 1;
    if (g.n_clauses >= MAX_CLAUSES || !has_model(&g, 0))
        return AP_TRUTH_CLASH;
    deny_sentence(&g, &t->goal, own);
    if (!has_model(&g, 0))
        return AP_TRUTH_TRUE;
    g.n_clauses = premises;
    assert_sentence(&g, &t->goal, own);
    if (g.n_clauses >= MAX_CLAUSES)
        return AP_TRUTH_CLASH;
    return has_model(&g, 0) ? AP_TRUTH_UNKNOWN : AP_TRUTH_FALSE;
}
