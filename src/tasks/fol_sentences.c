/* fol_sentences.c - words, literals and parts of rules for a draw; see fol_draw.h. */
#include "tasks/fol_draw.h"

#include "base/rng.h"

bool ap__draw_chance(struct ap_draw *d, int32_t percent)
{
    return (int32_t)ap__rng_below(&d->rng, 100) < percent;
}

int32_t ap__draw_below(struct ap_draw *d, int32_t n)
{
    return (int32_t)ap__rng_below(&d->rng, (uint32_t)n);
}

bool ap__draw_is(const struct ap_draw *d, const struct ap_literal *lit, enum ap_word_kind kind)
{
    return d->t->word[lit->pred].kind == kind;
}

bool ap__draw_same_atom(const struct ap_literal *a, const struct ap_literal *b)
{
    return a->pred == b->pred && a->subj == b->subj && a->obj == b->obj;
}

/* ---- words ---- */

int8_t ap__draw_word(struct ap_draw *d, enum ap_word_kind kind)
{
    if (d->t->n_words == AP_THEORY_WORDS) {
        d->failed = true;
        return 0;
    }
    d->t->word[d->t->n_words].kind = kind;
    return (int8_t)d->t->n_words++;
}

static int32_t count_kind(const struct ap_draw *d, enum ap_word_kind kind)
{
    int32_t n = 0;
    for (int32_t i = 0; i < d->t->n_words; i++)
        n += d->t->word[i].kind == kind;
    return n;
}

/* A word of the kind that is already there; a new one when there is none. */
static int8_t old_word(struct ap_draw *d, enum ap_word_kind kind)
{
    int32_t n = count_kind(d, kind);
    if (n == 0)
        return ap__draw_word(d, kind);
    int32_t which = ap__draw_below(d, n);
    for (int32_t i = 0; i < d->t->n_words; i++)
        if (d->t->word[i].kind == kind && which-- == 0)
            return (int8_t)i;
    return 0;
}

static int8_t pick_word(struct ap_draw *d, enum ap_word_kind kind, int32_t new_percent)
{
    return ap__draw_chance(d, new_percent) ? ap__draw_word(d, kind) : old_word(d, kind);
}

static enum ap_word_kind entity_kind(struct ap_draw *d)
{
    return d->things ? AP_WORD_THING : AP_WORD_NAME;
}

int8_t ap__draw_entity(struct ap_draw *d)
{
    int32_t have = count_kind(d, entity_kind(d)), most = d->target > 8 ? 4 : 3;
    return pick_word(d, entity_kind(d), have == 0 ? 100 : have < most ? 30 : 0);
}

/* ---- literals ---- */

static enum ap_word_kind pick_pred_kind(struct ap_draw *d, uint32_t allowed)
{
    const struct ap_style *s = d->style;
    for (int32_t tries = 0; tries < 20; tries++) {
        int32_t r = ap__draw_below(d, 100);
        enum ap_word_kind kind = r < s->noun ? AP_WORD_NOUN : r < s->noun + s->adj ? AP_WORD_ADJ : AP_WORD_VERB;
        if (allowed & AP_BIT(kind))
            return kind;
    }
    return allowed & AP_BIT(AP_WORD_ADJ) ? AP_WORD_ADJ : AP_WORD_NOUN;
}

struct ap_literal ap__draw_literal(struct ap_draw *d, uint32_t kinds, int32_t subj, int32_t new_percent)
{
    enum ap_word_kind kind = pick_pred_kind(d, kinds);
    struct ap_literal lit = {.subj = (int8_t)subj, .obj = AP_TERM_NONE};
    if (kind == AP_WORD_VERB) {
        int32_t have = count_kind(d, kind);
        lit.pred = pick_word(d, kind, have == 0 ? 100 : have < 4 ? new_percent / 2 : 0);
        for (int32_t tries = 0; tries < 4; tries++)
            if ((lit.obj = ap__draw_entity(d)) != lit.subj)
                break;
    } else {
        lit.pred = pick_word(d, kind, new_percent);
    }
    lit.neg = ap__draw_chance(d, d->style->negative);
    return lit;
}

/* A literal the path has not been at, so that it moves on. */
struct ap_literal ap__draw_next(struct ap_draw *d, uint32_t kinds, int32_t subj)
{
    struct ap_literal lit = {0};
    for (int32_t tries = 0; tries < 10; tries++) {
        lit = ap__draw_literal(d, kinds, subj, tries < 5 ? 60 : 100);
        bool seen = false;
        for (int32_t i = 0; i < d->n_seen; i++)
            seen |= d->seen[i].pred == lit.pred && (lit.obj == AP_TERM_NONE || ap__draw_same_atom(&d->seen[i], &lit));
        if (!seen)
            return lit;
    }
    d->failed = true;
    return lit;
}

/* ---- premises and rules ---- */

int32_t ap__draw_add(struct ap_draw *d, struct ap_sentence s, int32_t rank)
{
    if (d->t->n_premises == AP_THEORY_SENTENCES) {
        d->failed = true;
        return 0;
    }
    s.phrasing = (uint8_t)ap__draw_below(d, 240);
    d->rank[d->t->n_premises] = rank;
    d->t->premise[d->t->n_premises] = s;
    return d->t->n_premises++;
}

void ap__draw_add_fact(struct ap_draw *d, struct ap_literal lit, int32_t rank)
{
    struct ap_sentence s = {.form = AP_FORM_FACT, .n = 1, .lit = {lit}};
    for (int32_t i = 0; i < d->t->n_premises; i++)
        if (d->t->premise[i].form == AP_FORM_FACT && ap__draw_same_atom(&d->t->premise[i].lit[0], &lit))
            return;
    (void)ap__draw_add(d, s, rank);
}

struct ap_literal ap__draw_lift(struct ap_literal lit, int32_t entity)
{
    if (lit.subj == entity)
        lit.subj = AP_TERM_VAR;
    return lit;
}

enum ap_move ap__draw_move(struct ap_draw *d, uint32_t moves)
{
    enum ap_move move;
    do
        move = (enum ap_move)ap__draw_below(d, AP_MOVE_COUNT);
    while (!(moves & AP_BIT(move)));
    return move;
}

enum ap_form ap__draw_form(enum ap_move move)
{
    static const enum ap_form forms[] = {
        [AP_MOVE_EACH] = AP_FORM_EACH, [AP_MOVE_PLAIN] = AP_FORM_PLAIN, [AP_MOVE_IF] = AP_FORM_IF,
        [AP_MOVE_GROUND] = AP_FORM_IF, [AP_MOVE_WHO] = AP_FORM_WHO,     [AP_MOVE_NO] = AP_FORM_NO,
        [AP_MOVE_ONLY] = AP_FORM_ONLY};
    return forms[move];
}

/* A second condition, given as a fact too unless the rule is a distractor. */
void ap__draw_condition(struct ap_draw *d, enum ap_move move, int32_t entity, struct ap_sentence *s, bool supported)
{
    bool group = move == AP_MOVE_PLAIN || move == AP_MOVE_EACH;
    if (s->n > 2 || move == AP_MOVE_EACH || move == AP_MOVE_NO || move == AP_MOVE_ONLY || d->from != AP_FROM_FACT ||
        !ap__draw_chance(d, d->style->conjunction))
        return;
    int32_t subj = entity;
    if ((move == AP_MOVE_IF || move == AP_MOVE_GROUND) && d->style->verb > 0 && ap__draw_chance(d, 40))
        subj = ap__draw_entity(d); /* "and the otter is dusty" */
    struct ap_literal extra = ap__draw_next(d, group ? AP_BIT(AP_WORD_ADJ) : AP_ANY_PRED & ~AP_BIT(AP_WORD_NOUN), subj);
    if (group)
        extra.neg = false;
    if (supported)
        ap__draw_add_fact(d, extra, -1000 + ap__draw_below(d, 100));
    s->lit[s->n++] = move == AP_MOVE_GROUND ? extra : ap__draw_lift(extra, entity);
}

/* Where a rule's head may point: it stays with the rule's subject, or goes to an
 * entity that a condition mentions. */
int32_t ap__draw_head_subject(struct ap_draw *d, enum ap_move move, const struct ap_sentence *s, int32_t subj)
{
    if ((move != AP_MOVE_IF && move != AP_MOVE_GROUND) || d->style->verb == 0 || !ap__draw_chance(d, 45))
        return subj;
    const struct ap_literal *lit = &s->lit[ap__draw_below(d, s->n)];
    if (lit->obj >= 0)
        return lit->obj;
    if (lit->subj >= 0)
        return lit->subj;
    return move == AP_MOVE_GROUND ? ap__draw_entity(d) : subj;
}

/* The kinds of predicates a form can say in its head. */
uint32_t ap__draw_head_kinds(enum ap_move move)
{
    if (move == AP_MOVE_NO || move == AP_MOVE_ONLY)
        return AP_GROUP_PRED;
    return move == AP_MOVE_EACH || move == AP_MOVE_WHO ? AP_ANY_PRED : AP_ANY_PRED & ~AP_BIT(AP_WORD_NOUN);
}
