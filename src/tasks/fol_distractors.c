/* fol_distractors.c - premises beside the path: facts, rules, "some", more links of a chain.
 *
 * They use the path's own predicates and entities most of the time.  What they
 * do to the truth is decided afterwards, for the theory as a whole. */
#include "tasks/fol_draw.h"

static bool same_sentence(const struct ap_sentence *a, const struct ap_sentence *b)
{
    if (a->n != b->n || (a->form == AP_FORM_FACT) != (b->form == AP_FORM_FACT))
        return false;
    for (int32_t i = 0; i < a->n; i++)
        if (!ap__draw_same_atom(&a->lit[i], &b->lit[i]))
            return false;
    return true;
}

/* Distractors neither repeat a premise nor give the goal away. */
static bool is_new(const struct ap_draw *d, const struct ap_sentence *s)
{
    for (int32_t i = 0; i < d->t->n_premises; i++)
        if (same_sentence(s, &d->t->premise[i]))
            return false;
    for (int32_t i = 0; i < s->n; i++)
        for (int32_t j = 0; j < i; j++)
            if (ap__draw_same_atom(&s->lit[i], &s->lit[j]))
                return false;
    return !same_sentence(s, &d->t->goal);
}

static struct ap_sentence random_fact(struct ap_draw *d)
{
    struct ap_sentence s = {.form = AP_FORM_FACT, .n = 1};
    s.lit[0] = ap__draw_literal(d, AP_ANY_PRED, ap__draw_entity(d), 20);
    return s;
}

static struct ap_sentence random_some(struct ap_draw *d)
{
    struct ap_sentence s = {.form = AP_FORM_SOME, .n = 2, .things = d->it};
    s.lit[0] = ap__draw_literal(d, d->style->noun ? AP_BIT(AP_WORD_NOUN) : AP_BIT(AP_WORD_ADJ), AP_TERM_VAR, 25);
    s.lit[0].neg = false;
    s.lit[1] = ap__draw_literal(d, AP_ANY_PRED, AP_TERM_VAR, 30);
    if (!ap__draw_is(d, &s.lit[0], AP_WORD_NOUN) && ap__draw_chance(d, 50)) /* "Someone is dusty." */
        s.n = 1;
    return s;
}

static struct ap_sentence random_rule(struct ap_draw *d)
{
    enum ap_move move = ap__draw_move(d, d->style->moves & ~AP_BIT(AP_MOVE_CONTRA));
    struct ap_sentence s = {.form = ap__draw_form(move), .things = d->it != (d->mixed && ap__draw_chance(d, 30))};
    uint32_t body_kinds = move == AP_MOVE_EACH                         ? AP_BIT(AP_WORD_NOUN)
                          : move == AP_MOVE_PLAIN                      ? AP_BIT(AP_WORD_ADJ)
                          : move == AP_MOVE_NO || move == AP_MOVE_ONLY ? AP_GROUP_PRED
                                                                       : AP_ANY_PRED & ~AP_BIT(AP_WORD_NOUN);
    int32_t subj = move == AP_MOVE_GROUND ? ap__draw_entity(d) : AP_TERM_VAR;
    struct ap_literal body = ap__draw_literal(d, body_kinds, subj, 15);
    body.neg &= (move == AP_MOVE_IF || move == AP_MOVE_GROUND || move == AP_MOVE_WHO) && ap__draw_chance(d, 50);
    s.lit[s.n++] = body;
    ap__draw_condition(d, move, subj, &s, false);
    struct ap_literal head =
        ap__draw_literal(d, ap__draw_head_kinds(move), ap__draw_head_subject(d, move, &s, body.subj), 25);
    if (move == AP_MOVE_NO || move == AP_MOVE_ONLY)
        head.neg = move == AP_MOVE_NO;
    s.lit[s.n++] = head;
    return s;
}

/* In a chain of categories: one more link before or behind, or a property. */
static struct ap_sentence random_link(struct ap_draw *d, int32_t *rank)
{
    struct ap_sentence s = {.form = AP_FORM_EACH, .n = 2};
    int32_t n = d->t->n_premises, kind = ap__draw_below(d, 10);
    const struct ap_sentence *near = NULL;
    for (int32_t tries = 0; tries < 8 && (!near || near->form != AP_FORM_EACH); tries++)
        near = &d->t->premise[ap__draw_below(d, n)];
    *rank = near->form == AP_FORM_EACH ? d->rank[near - d->t->premise] : ap__draw_below(d, 60);
    s.lit[0] = near->form == AP_FORM_EACH ? near->lit[0] : ap__draw_literal(d, AP_BIT(AP_WORD_NOUN), AP_TERM_VAR, 50);
    s.lit[0].neg = false; /* the form has no place for it */
    s.lit[1] =
        ap__draw_literal(d, kind < 4 ? AP_BIT(AP_WORD_NOUN) : AP_BIT(AP_WORD_ADJ), AP_TERM_VAR, kind < 4 ? 70 : 55);
    if (kind == 0) { /* a stranger with a property of the chain */
        s.lit[0].pred = ap__draw_word(d, AP_WORD_NOUN);
        s.lit[1] = ap__draw_literal(d, AP_BIT(AP_WORD_ADJ), AP_TERM_VAR, 0);
    } else if (kind < 3 && near->form == AP_FORM_EACH) { /* go on behind it */
        if (ap__draw_is(d, &near->lit[1], AP_WORD_NOUN) && !near->lit[1].neg)
            s.lit[0] = near->lit[1], *rank += 10;
    } else if (kind == 3) { /* come in before it */
        s.lit[1] = s.lit[0];
        s.lit[0].pred = ap__draw_word(d, AP_WORD_NOUN);
        *rank -= 10;
    }
    *rank += ap__draw_below(d, 9) - 4;
    return s;
}

void ap__draw_distractors(struct ap_draw *d)
{
    for (int32_t tries = 0; tries < 200 && d->t->n_premises < d->target && !d->failed; tries++) {
        int32_t words = d->t->n_words, rank = ap__draw_below(d, 60);
        struct ap_sentence s;
        if (d->style->chain && d->t->n_premises > 0 && !ap__draw_chance(d, 12))
            s = random_link(d, &rank);
        else if (ap__draw_chance(d, d->style->noun > 0 ? 6 : 2))
            s = random_some(d);
        else if (ap__draw_chance(d, d->style->chain ? 100 : 45))
            s = random_fact(d), rank = -1000 + ap__draw_below(d, 200);
        else
            s = random_rule(d);
        if (d->style->chain && s.form == AP_FORM_FACT)
            rank += 1900;
        if (is_new(d, &s))
            (void)ap__draw_add(d, s, rank);
        else
            d->t->n_words = words;
    }
}

struct ap_sentence ap__draw_sentence(struct ap_draw *d)
{
    for (;;) {
        struct ap_sentence s = ap__draw_chance(d, 12)   ? random_some(d)
                               : ap__draw_chance(d, 15) ? random_fact(d)
                                                        : random_rule(d);
        if (is_new(d, &s))
            return s;
    }
}
