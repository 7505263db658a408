/* fol_shape.c - see fol_shape.h.
 *
 *   Max is a glombus.          base fact           current: Glombus(max)
 *   Each glombus is a trondle. move EACH           current: Trondle(max)
 *   No trondle is dusty.       move NO             current: not Dusty(max)
 *   Is it true? Max is dusty.  goal: current or its opposite
 *
 * A draw that turns out inconsistent, of the wrong truth or without need for
 * the path is thrown away and drawn again. */
#include "tasks/fol_shape.h"

#include <string.h>

enum move { EACH, PLAIN, IF, GROUND, WHO, NO, ONLY, CONTRA, MOVE_COUNT };
#define M(move) (1u << (move))

enum start { FROM_FACT, FROM_SOME, FROM_ALL };

/* Percentages of the kinds of new predicates. */
struct style {
    const char *name;
    uint32_t moves, featured; /* allowed on the path; at least one of these must be on it */
    int32_t noun, adj, verb;  /* percent */
    bool names, things;       /* who the sentences are about */
    int32_t conjunction;      /* percent of rules with a second condition */
    int32_t negative;         /* percent of negative literals where both are possible */
    enum start true_from, false_from; /* FROM_FACT: the goal is a fact */
    int32_t min_premises, max_premises, min_hops, max_hops;
    bool chain;               /* rules stay in the order of the path */
};

static const struct style short_styles[] = {
    {"categories", M(EACH), 0, 60, 40, 0, true, false, 0, 25, FROM_FACT, FROM_FACT, 3, 8, 1, 5, true},
    {"no", M(EACH) | M(NO) | M(PLAIN), M(NO), 60, 40, 0, true, false, 0, 15, FROM_FACT, FROM_FACT, 3, 8, 1, 4, false},
    {"only", M(EACH) | M(ONLY) | M(PLAIN), M(ONLY), 60, 40, 0, true, false, 0, 20, FROM_FACT, FROM_FACT, 3, 8, 1, 4,
     false},
    {"people", M(PLAIN) | M(IF), 0, 0, 100, 0, true, false, 10, 20, FROM_FACT, FROM_FACT, 3, 8, 1, 4, false},
    {"conditions", M(PLAIN) | M(IF), M(IF), 0, 100, 0, true, true, 20, 45, FROM_FACT, FROM_FACT, 3, 8, 1, 4, false},
    {"conjunction", M(PLAIN) | M(IF) | M(WHO), 0, 0, 90, 10, true, true, 100, 20, FROM_FACT, FROM_FACT, 4, 8, 1, 3,
     false},
    {"relations", M(IF) | M(PLAIN), M(IF), 0, 35, 65, false, true, 35, 20, FROM_FACT, FROM_FACT, 3, 8, 1, 4, false},
    {"ground", M(GROUND) | M(IF), M(GROUND), 0, 60, 40, true, true, 40, 20, FROM_FACT, FROM_FACT, 3, 8, 1, 3, false},
    {"contraposition", M(EACH) | M(PLAIN) | M(IF) | M(NO) | M(CONTRA), M(CONTRA), 50, 50, 0, true, false, 0, 20,
     FROM_FACT, FROM_FACT, 3, 8, 1, 4, false},
    {"who", M(WHO) | M(EACH), M(WHO), 30, 40, 30, true, true, 25, 25, FROM_FACT, FROM_FACT, 3, 8, 1, 4, false},
    {"some", M(EACH) | M(NO) | M(PLAIN) | M(ONLY), 0, 60, 40, 0, true, false, 0, 20, FROM_SOME, FROM_ALL, 3, 8, 1, 4,
     false},
    {"every", M(EACH) | M(NO) | M(PLAIN) | M(WHO), 0, 60, 40, 0, true, false, 0, 20, FROM_ALL, FROM_SOME, 3, 8, 1, 4,
     false},
};
static const struct style long_styles[] = {
    {"long-categories", M(EACH), 0, 60, 40, 0, true, false, 0, 30, FROM_FACT, FROM_FACT, 9, 19, 1, 5, true},
    {"long-attributes", M(PLAIN) | M(IF) | M(GROUND), 0, 0, 100, 0, true, true, 35, 15, FROM_FACT, FROM_FACT, 9, 25, 1,
     5, false},
    {"long-relations", M(IF) | M(PLAIN) | M(GROUND), 0, 0, 40, 60, false, true, 50, 20, FROM_FACT, FROM_FACT, 9, 25, 1,
     5, false},
    {"long-mixed", M(EACH) | M(PLAIN) | M(IF) | M(WHO) | M(NO) | M(ONLY) | M(CONTRA), 0, 35, 40, 25, true, true, 25,
     20, FROM_FACT, FROM_FACT, 9, 16, 1, 4, false},
};
#define SHORT_COUNT ((int32_t)(sizeof short_styles / sizeof short_styles[0]))
#define LONG_COUNT ((int32_t)(sizeof long_styles / sizeof long_styles[0]))

const char *ap__shape_style(int32_t index)
{
    if (index < SHORT_COUNT)
        return short_styles[index].name;
    index -= SHORT_COUNT;
    return index < LONG_COUNT ? long_styles[index].name : NULL;
}

/* One draw in progress. */
struct draw {
    struct ap_rng rng;
    const struct style *style;
    struct ap_theory *t;
    int32_t rank[AP_THEORY_SENTENCES]; /* the premises' order in the end */
    struct ap_literal seen[AP_THEORY_SENTENCES];
    int32_t n_seen;                    /* literals the path went through */
    struct ap_literal current, first;
    enum start from;
    int32_t last_rule, hops, target;
    uint32_t used; /* moves on the path */
    bool things;       /* entities are things, not names */
    bool it;           /* something, it, things; else someone, they, people */
    bool mixed, failed; /* mixed: a rule now and then says it the other way */
};

static bool chance(struct draw *d, int32_t percent)
{
    return (int32_t)ap__rng_below(&d->rng, 100) < percent;
}

static int32_t below(struct draw *d, int32_t n)
{
    return (int32_t)ap__rng_below(&d->rng, (uint32_t)n);
}

static bool is_pred(const struct draw *d, const struct ap_literal *lit, enum ap_word_kind kind)
{
    return d->t->word[lit->pred].kind == kind;
}

static bool same_atom(const struct ap_literal *a, const struct ap_literal *b)
{
    return a->pred == b->pred && a->subj == b->subj && a->obj == b->obj;
}

/* ---- words ---- */

static int8_t new_word(struct draw *d, enum ap_word_kind kind)
{
    if (d->t->n_words == AP_THEORY_WORDS) {
        d->failed = true;
        return 0;
    }
    d->t->word[d->t->n_words].kind = kind;
    return (int8_t)d->t->n_words++;
}

static int32_t count_kind(const struct draw *d, enum ap_word_kind kind)
{
    int32_t n = 0;
    for (int32_t i = 0; i < d->t->n_words; i++)
        n += d->t->word[i].kind == kind;
    return n;
}

/* A word of the kind that is already there; a new one when there is none. */
static int8_t old_word(struct draw *d, enum ap_word_kind kind)
{
    int32_t n = count_kind(d, kind);
    if (n == 0)
        return new_word(d, kind);
    int32_t which = below(d, n);
    for (int32_t i = 0; i < d->t->n_words; i++)
        if (d->t->word[i].kind == kind && which-- == 0)
            return (int8_t)i;
    return 0;
}

static int8_t pick_word(struct draw *d, enum ap_word_kind kind, int32_t new_percent)
{
    return chance(d, new_percent) ? new_word(d, kind) : old_word(d, kind);
}

static enum ap_word_kind entity_kind(struct draw *d)
{
    return d->things ? AP_WORD_THING : AP_WORD_NAME;
}

static int8_t pick_entity(struct draw *d)
{
    int32_t have = count_kind(d, entity_kind(d)), most = d->target > 8 ? 4 : 3;
    return pick_word(d, entity_kind(d), have == 0 ? 100 : have < most ? 30 : 0);
}

/* ---- literals ---- */

static enum ap_word_kind pick_pred_kind(struct draw *d, uint32_t allowed)
{
    const struct style *s = d->style;
    for (int32_t tries = 0; tries < 20; tries++) {
        int32_t r = below(d, 100);
        enum ap_word_kind kind = r < s->noun ? AP_WORD_NOUN : r < s->noun + s->adj ? AP_WORD_ADJ : AP_WORD_VERB;
        if (allowed & M(kind))
            return kind;
    }
    return allowed & M(AP_WORD_ADJ) ? AP_WORD_ADJ : AP_WORD_NOUN;
}

#define ANY_PRED (M(AP_WORD_NOUN) | M(AP_WORD_ADJ) | M(AP_WORD_VERB))
#define GROUP_PRED (M(AP_WORD_NOUN) | M(AP_WORD_ADJ))

static struct ap_literal make_literal(struct draw *d, uint32_t kinds, int32_t subj, int32_t new_percent)
{
    enum ap_word_kind kind = pick_pred_kind(d, kinds);
    struct ap_literal lit = {.subj = (int8_t)subj, .obj = AP_TERM_NONE};
    if (kind == AP_WORD_VERB) {
        int32_t have = count_kind(d, kind);
        lit.pred = pick_word(d, kind, have == 0 ? 100 : have < 4 ? new_percent / 2 : 0);
        for (int32_t tries = 0; tries < 4; tries++)
            if ((lit.obj = pick_entity(d)) != lit.subj)
                break;
    } else {
        lit.pred = pick_word(d, kind, new_percent);
    }
    lit.neg = chance(d, d->style->negative);
    return lit;
}

/* A literal the path has not been at, so that it moves on. */
static struct ap_literal next_literal(struct draw *d, uint32_t kinds, int32_t subj)
{
    struct ap_literal lit = {0};
    for (int32_t tries = 0; tries < 10; tries++) {
        lit = make_literal(d, kinds, subj, tries < 5 ? 60 : 100);
        bool seen = false;
        for (int32_t i = 0; i < d->n_seen; i++)
            seen |= d->seen[i].pred == lit.pred && (lit.obj == AP_TERM_NONE || same_atom(&d->seen[i], &lit));
        if (!seen)
            return lit;
    }
    d->failed = true;
    return lit;
}

/* ---- premises ---- */

static int32_t add_premise(struct draw *d, struct ap_sentence s, int32_t rank)
{
    if (d->t->n_premises == AP_THEORY_SENTENCES) {
        d->failed = true;
        return 0;
    }
    s.phrasing = (uint8_t)below(d, 240);
    d->rank[d->t->n_premises] = rank;
    d->t->premise[d->t->n_premises] = s;
    return d->t->n_premises++;
}

static void add_fact(struct draw *d, struct ap_literal lit, int32_t rank)
{
    struct ap_sentence s = {.form = AP_FORM_FACT, .n = 1, .lit = {lit}};
    for (int32_t i = 0; i < d->t->n_premises; i++)
        if (d->t->premise[i].form == AP_FORM_FACT && same_atom(&d->t->premise[i].lit[0], &lit))
            return;
    (void)add_premise(d, s, rank);
}

static struct ap_literal lifted(struct ap_literal lit, int32_t entity)
{
    if (lit.subj == entity)
        lit.subj = AP_TERM_VAR;
    return lit;
}

/* Which moves can go on from here. */
static uint32_t moves_from(const struct draw *d, const struct ap_literal *cur)
{
    bool noun = is_pred(d, cur, AP_WORD_NOUN), adj = is_pred(d, cur, AP_WORD_ADJ);
    uint32_t moves = M(WHO) | M(IF) | (d->from == FROM_FACT ? M(GROUND) : 0);
    if (noun && !cur->neg)
        moves |= M(EACH);
    if (adj && !cur->neg)
        moves |= M(PLAIN);
    if ((noun || adj) && !cur->neg)
        moves |= M(NO) | M(ONLY);
    if (noun || adj)
        moves |= cur->neg ? M(CONTRA) : 0;
    return moves & d->style->moves;
}

static enum move pick_move(struct draw *d, uint32_t moves)
{
    enum move move;
    do
        move = (enum move)below(d, MOVE_COUNT);
    while (!(moves & M(move)));
    return move;
}

static enum ap_form form_of(enum move move)
{
    static const enum ap_form forms[] = {[EACH] = AP_FORM_EACH, [PLAIN] = AP_FORM_PLAIN, [IF] = AP_FORM_IF,
                                         [GROUND] = AP_FORM_IF, [WHO] = AP_FORM_WHO,     [NO] = AP_FORM_NO,
                                         [ONLY] = AP_FORM_ONLY};
    return forms[move];
}

/* A second condition, given as a fact too unless the rule is a distractor. */
static void add_condition(struct draw *d, enum move move, int32_t entity, struct ap_sentence *s, bool supported)
{
    bool group = move == PLAIN || move == EACH;
    if (s->n > 2 || move == EACH || move == NO || move == ONLY || d->from != FROM_FACT || !chance(d, d->style->conjunction))
        return;
    int32_t subj = entity;
    if ((move == IF || move == GROUND) && d->style->verb > 0 && chance(d, 40))
        subj = pick_entity(d); /* "and the otter is dusty" */
    struct ap_literal extra = next_literal(d, group ? M(AP_WORD_ADJ) : ANY_PRED & ~M(AP_WORD_NOUN), subj);
    if (group)
        extra.neg = false;
    if (supported)
        add_fact(d, extra, -1000 + below(d, 100));
    s->lit[s->n++] = move == GROUND ? extra : lifted(extra, entity);
}

/* Where a rule's head may point: it stays with the rule's subject, or goes to an
 * entity that a condition mentions. */
static int32_t head_subject(struct draw *d, enum move move, const struct ap_sentence *s, int32_t subj)
{
    if ((move != IF && move != GROUND) || d->style->verb == 0 || !chance(d, 45))
        return subj;
    const struct ap_literal *lit = &s->lit[below(d, s->n)];
    if (lit->obj >= 0)
        return lit->obj;
    if (lit->subj >= 0)
        return lit->subj;
    return move == GROUND ? pick_entity(d) : subj;
}

/* The kinds of predicates a form can say in its head. */
static uint32_t head_kinds(enum move move)
{
    if (move == NO || move == ONLY)
        return GROUP_PRED;
    return move == EACH || move == WHO ? ANY_PRED : ANY_PRED & ~M(AP_WORD_NOUN);
}

static void see(struct draw *d, struct ap_literal lit)
{
    if (d->n_seen < AP_THEORY_SENTENCES)
        d->seen[d->n_seen++] = lit;
}

/* Contraposition: from "not Q" by "each P is Q" to "not P". */
static struct ap_literal step_contra(struct draw *d, struct ap_sentence *s)
{
    struct ap_literal cur = d->current, body = next_literal(d, GROUP_PRED, cur.subj);
    body.neg = false;
    s->form = is_pred(d, &body, AP_WORD_NOUN) ? AP_FORM_EACH : chance(d, 50) ? AP_FORM_PLAIN : AP_FORM_IF;
    s->lit[0] = lifted(body, cur.subj);
    s->lit[1] = lifted(cur, cur.subj);
    s->lit[1].neg = false;
    s->n = 2;
    body.neg = true;
    return body;
}

static struct ap_literal step_forward(struct draw *d, enum move move, struct ap_sentence *s)
{
    struct ap_literal cur = d->current;
    s->form = form_of(move);
    s->lit[s->n++] = move == GROUND ? cur : lifted(cur, cur.subj);
    add_condition(d, move, cur.subj, s, true);
    struct ap_literal head = next_literal(d, head_kinds(move), head_subject(d, move, s, cur.subj));
    if (move == NO || move == ONLY)
        head.neg = move == NO;
    s->lit[s->n++] = move == GROUND ? head : lifted(head, cur.subj);
    return head;
}

static bool step(struct draw *d)
{
    uint32_t moves = moves_from(d, &d->current);
    if (moves == 0)
        return false;
    if ((moves & d->style->featured) && !(d->used & d->style->featured))
        moves = chance(d, 60) ? moves & d->style->featured : moves;
    enum move move = pick_move(d, moves);
    struct ap_sentence s = {.things = d->it != (d->mixed && chance(d, 30))};
    d->current = move == CONTRA ? step_contra(d, &s) : step_forward(d, move, &s);
    d->last_rule = add_premise(d, s, 10 * ++d->hops);
    d->used |= M(move);
    see(d, d->current);
    return true;
}

/* ---- the path ---- */

static void begin_path(struct draw *d)
{
    uint32_t kinds = d->style->noun > 0 && d->style->verb == 0 && chance(d, 70) ? M(AP_WORD_NOUN) : ANY_PRED;
    int32_t subj = d->from == FROM_FACT ? pick_entity(d) : AP_TERM_VAR;
    struct ap_literal lit = next_literal(d, d->from == FROM_FACT ? kinds : M(AP_WORD_NOUN), subj);
    lit.neg = d->from == FROM_FACT && (d->style->featured & M(CONTRA) ? chance(d, 70) : lit.neg && chance(d, 60));
    d->first = d->current = lit;
    see(d, lit);
    if (d->from == FROM_FACT) {
        add_fact(d, lit, d->style->chain ? 900 : -900);
    } else if (d->from == FROM_SOME) { /* Some first is current: the path goes on from there */
        struct ap_literal other = next_literal(d, GROUP_PRED, AP_TERM_VAR);
        struct ap_sentence s = {.form = AP_FORM_SOME, .n = 2, .lit = {lit, other}, .things = d->it};
        see(d, other);
        (void)add_premise(d, s, below(d, 100));
        d->current = other;
    }
}

/* truth: what the goal shall be. */
static void set_goal(struct draw *d, enum ap_truth truth)
{
    struct ap_sentence *goal = &d->t->goal;
    bool opposite = truth == AP_TRUTH_FALSE || (truth == AP_TRUTH_UNKNOWN && chance(d, 50));
    struct ap_literal lit = d->current;
    *goal = (struct ap_sentence){.form = AP_FORM_FACT, .n = 1, .phrasing = (uint8_t)below(d, 240), .things = d->it};
    lit.neg ^= opposite;
    goal->lit[0] = lit;
    if (d->from == FROM_FACT)
        return;
    goal->n = 2;
    goal->lit[0] = d->first;
    goal->lit[1] = lit;
    bool some = (d->from == FROM_SOME) != opposite;
    goal->form = some ? AP_FORM_SOME : AP_FORM_EACH;
}

/* ---- distractors ---- */

static bool same_sentence(const struct ap_sentence *a, const struct ap_sentence *b)
{
    if (a->n != b->n || (a->form == AP_FORM_FACT) != (b->form == AP_FORM_FACT))
        return false;
    for (int32_t i = 0; i < a->n; i++)
        if (!same_atom(&a->lit[i], &b->lit[i]))
            return false;
    return true;
}

/* Distractors neither repeat a premise nor give the goal away. */
static bool is_new(const struct draw *d, const struct ap_sentence *s)
{
    for (int32_t i = 0; i < d->t->n_premises; i++)
        if (same_sentence(s, &d->t->premise[i]))
            return false;
    for (int32_t i = 0; i < s->n; i++)
        for (int32_t j = 0; j < i; j++)
            if (same_atom(&s->lit[i], &s->lit[j]))
                return false;
    return !same_sentence(s, &d->t->goal);
}

static struct ap_sentence random_fact(struct draw *d)
{
    struct ap_sentence s = {.form = AP_FORM_FACT, .n = 1};
    s.lit[0] = make_literal(d, ANY_PRED, pick_entity(d), 20);
    return s;
}

static struct ap_sentence random_some(struct draw *d)
{
    struct ap_sentence s = {.form = AP_FORM_SOME, .n = 2, .things = d->it};
    s.lit[0] = make_literal(d, d->style->noun ? M(AP_WORD_NOUN) : M(AP_WORD_ADJ), AP_TERM_VAR, 25);
    s.lit[0].neg = false;
    s.lit[1] = make_literal(d, ANY_PRED, AP_TERM_VAR, 30);
    if (!is_pred(d, &s.lit[0], AP_WORD_NOUN) && chance(d, 50)) /* "Someone is dusty." */
        s.n = 1;
    return s;
}

static struct ap_sentence random_rule(struct draw *d)
{
    enum move move = pick_move(d, d->style->moves & ~M(CONTRA));
    struct ap_sentence s = {.form = form_of(move), .things = d->it != (d->mixed && chance(d, 30))};
    uint32_t body_kinds = move == EACH ? M(AP_WORD_NOUN) : move == PLAIN ? M(AP_WORD_ADJ)
                          : move == NO || move == ONLY ? GROUP_PRED : ANY_PRED & ~M(AP_WORD_NOUN);
    int32_t subj = move == GROUND ? pick_entity(d) : AP_TERM_VAR;
    struct ap_literal body = make_literal(d, body_kinds, subj, 15);
    body.neg &= (move == IF || move == GROUND || move == WHO) && chance(d, 50);
    s.lit[s.n++] = body;
    add_condition(d, move, subj, &s, false);
    struct ap_literal head = make_literal(d, head_kinds(move), head_subject(d, move, &s, body.subj), 25);
    if (move == NO || move == ONLY)
        head.neg = move == NO;
    s.lit[s.n++] = head;
    return s;
}

/* In a chain of categories: one more link before or behind, or a property. */
static struct ap_sentence random_link(struct draw *d, int32_t *rank)
{
    struct ap_sentence s = {.form = AP_FORM_EACH, .n = 2};
    int32_t n = d->t->n_premises, kind = below(d, 10);
    const struct ap_sentence *near = NULL;
    for (int32_t tries = 0; tries < 8 && (!near || near->form != AP_FORM_EACH); tries++)
        near = &d->t->premise[below(d, n)];
    *rank = near->form == AP_FORM_EACH ? d->rank[near - d->t->premise] : below(d, 60);
    s.lit[0] = near->form == AP_FORM_EACH ? near->lit[0] : make_literal(d, M(AP_WORD_NOUN), AP_TERM_VAR, 50);
    s.lit[1] = make_literal(d, kind < 4 ? M(AP_WORD_NOUN) : M(AP_WORD_ADJ), AP_TERM_VAR, kind < 4 ? 70 : 55);
    if (kind == 0) { /* a stranger with a property of the chain */
        s.lit[0].pred = new_word(d, AP_WORD_NOUN);
        s.lit[1] = make_literal(d, M(AP_WORD_ADJ), AP_TERM_VAR, 0);
    } else if (kind < 3 && near->form == AP_FORM_EACH) { /* go on behind it */
        if (is_pred(d, &near->lit[1], AP_WORD_NOUN) && !near->lit[1].neg)
            s.lit[0] = near->lit[1], *rank += 10;
    } else if (kind == 3) { /* come in before it */
        s.lit[1] = s.lit[0];
        s.lit[0].pred = new_word(d, AP_WORD_NOUN);
        *rank -= 10;
    }
    *rank += below(d, 9) - 4;
    return s;
}

static void add_distractors(struct draw *d)
{
    for (int32_t tries = 0; tries < 200 && d->t->n_premises < d->target && !d->failed; tries++) {
        int32_t words = d->t->n_words, rank = below(d, 60);
        struct ap_sentence s;
        if (d->style->chain && d->t->n_premises > 0 && !chance(d, 12))
            s = random_link(d, &rank);
        else if (chance(d, d->style->noun > 0 ? 6 : 2))
            s = random_some(d);
        else if (chance(d, d->style->chain ? 100 : 45))
            s = random_fact(d), rank = -1000 + below(d, 200);
        else
            s = random_rule(d);
        if (d->style->chain && s.form == AP_FORM_FACT)
            rank += 1900;
        if (is_new(d, &s))
            (void)add_premise(d, s, rank);
        else
            d->t->n_words = words;
    }
}

/* ---- one draw ---- */

static void remove_premise(struct draw *d, int32_t index)
{
    struct ap_theory *t = d->t;
    t->n_premises--;
    memmove(&t->premise[index], &t->premise[index + 1], (size_t)(t->n_premises - index) * sizeof t->premise[0]);
    memmove(&d->rank[index], &d->rank[index + 1], (size_t)(t->n_premises - index) * sizeof d->rank[0]);
}

/* Insertion sort by rank, the ranks drawn anew where the order is free. */
static void order_premises(struct draw *d)
{
    int32_t manner = below(d, 4); /* 0: any order; else by rank (facts first, or last in chains) */
    for (int32_t i = 0; i < d->t->n_premises; i++)
        if (manner == 0)
            d->rank[i] = below(d, 100000);
    for (int32_t i = 1; i < d->t->n_premises; i++) {
        struct ap_sentence s = d->t->premise[i];
        int32_t rank = d->rank[i], j = i;
        for (; j > 0 && d->rank[j - 1] > rank; j--) {
            d->t->premise[j] = d->t->premise[j - 1];
            d->rank[j] = d->rank[j - 1];
        }
        d->t->premise[j] = s;
        d->rank[j] = rank;
    }
}

/* Words that no sentence mentions would only cost letters. */
static bool all_words_used(const struct ap_theory *t)
{
    bool used[AP_THEORY_WORDS] = {false};
    for (int32_t i = 0; i <= t->n_premises; i++) {
        const struct ap_sentence *s = i < t->n_premises ? &t->premise[i] : &t->goal;
        for (int32_t j = 0; j < s->n; j++) {
            used[s->lit[j].pred] = true;
            if (s->lit[j].subj >= 0)
                used[s->lit[j].subj] = true;
            if (s->lit[j].obj >= 0)
                used[s->lit[j].obj] = true;
        }
    }
    bool all = true;
    for (int32_t i = 0; i < t->n_words; i++)
        all &= used[i];
    return all;
}

static bool draw_path(struct draw *d, enum ap_truth truth)
{
    int32_t hops = d->style->min_hops + below(d, d->style->max_hops - d->style->min_hops + 1);
    begin_path(d);
    while (d->hops < hops && !d->failed && d->t->n_premises < d->target)
        if (!step(d))
            break;
    if (d->failed || d->hops == 0 || d->t->n_premises > d->target ||
        (d->style->featured && !(d->used & d->style->featured)))
        return false;
    set_goal(d, truth);
    return true;
}

/* The truth is as planned, and (if it is known) needs the path's last rule. */
static bool draw_once(uint64_t key, uint64_t attempt, const struct style *style, enum ap_truth truth,
                      struct ap_theory *t)
{
    struct draw d = {.rng = ap__rng_make(key, "theory", attempt, 0, 0), .style = style, .t = t};
    memset(t, 0, sizeof *t);
    d.target = (int32_t)ap__rng_range(&d.rng, style->min_premises, style->max_premises);
    d.things = style->things && (!style->names || chance(&d, 50));
    d.it = (style->things || style->noun > 0) && chance(&d, 50);
    d.mixed = chance(&d, 15);
    enum ap_truth path_truth = truth != AP_TRUTH_UNKNOWN ? truth : chance(&d, 50) ? AP_TRUTH_TRUE : AP_TRUTH_FALSE;
    d.from = path_truth == AP_TRUTH_TRUE ? style->true_from : style->false_from;
    if (!draw_path(&d, truth == AP_TRUTH_UNKNOWN ? path_truth : truth))
        return false;
    if (truth != AP_TRUTH_UNKNOWN) {
        if (ap__theory_decide(t, d.last_rule) != AP_TRUTH_UNKNOWN)
            return false;
    } else {
        remove_premise(&d, below(&d, t->n_premises));
    }
    int32_t last_rule = d.last_rule;
    add_distractors(&d);
    if (d.failed || t->n_premises < style->min_premises || !all_words_used(t) ||
        ap__theory_decide(t, -1) != truth)
        return false;
    if (truth != AP_TRUTH_UNKNOWN && ap__theory_decide(t, last_rule) != AP_TRUTH_UNKNOWN)
        return false;
    order_premises(&d);
    return true;
}

void ap__shape_draw(uint64_t key, enum ap_profile profile, struct ap_shape *out)
{
    struct ap_rng rng = ap__rng_make(key, "shape", 0, 0, 0);
    bool is_long = profile == AP_PROFILE_LONG || (profile == AP_PROFILE_MIXED && ap__rng_below(&rng, 100) < 40);
    const struct style *style = is_long ? &long_styles[ap__rng_below(&rng, (uint32_t)LONG_COUNT)]
                                        : &short_styles[ap__rng_below(&rng, (uint32_t)SHORT_COUNT)];
    out->truth = (enum ap_truth)ap__rng_below(&rng, 3);
    out->style = style->name;
    out->alike = style->noun >= 50 && ap__rng_below(&rng, 2) != 0;
    for (uint64_t attempt = 0; !draw_once(key, attempt, style, out->truth, &out->theory); attempt++)
        ;
}

void ap__shape_sentence(uint64_t key, struct ap_theory *out)
{
    struct ap_rng rng = ap__rng_make(key, "sentence", 0, 0, 0);
    int32_t which = (int32_t)ap__rng_below(&rng, (uint32_t)(SHORT_COUNT + 1));
    const struct style *style = which < SHORT_COUNT ? &short_styles[which] : &long_styles[LONG_COUNT - 1];
    struct draw d = {.rng = rng, .style = style, .t = out, .target = 2};
    do {
        memset(out, 0, sizeof *out);
        d.failed = false;
        d.n_seen = 0;
        d.things = style->things && (!style->names || chance(&d, 50));
        d.it = (style->things || style->noun > 0) && chance(&d, 50);
        struct ap_sentence s = chance(&d, 12) ? random_some(&d) : chance(&d, 15) ? random_fact(&d) : random_rule(&d);
        out->goal.n = 0; /* nothing to give away */
        if (is_new(&d, &s))
            (void)add_premise(&d, s, 0);
    } while (d.failed || out->n_premises == 0 || !all_words_used(out));
}
