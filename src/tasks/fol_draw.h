/* fol_draw.h - drawing an entailment problem's shape: what fol_styles.c, fol_sentences.c,
 * fol_distractors.c and fol_shape.c share, and nobody else.
 *
 *   style (a table row) --> draw: the path (fol_shape.c), then distractors
 *                                  both out of literals and rules from fol_sentences.c */
#ifndef AP_FOL_DRAW_H
#define AP_FOL_DRAW_H

#include "tasks/fol_theory.h"

/* How a path goes on from what is known, and which form says so.  GROUND is an
 * if-sentence without someone; CONTRA uses a rule from behind. */
enum ap_move {
    AP_MOVE_EACH, AP_MOVE_PLAIN, AP_MOVE_IF, AP_MOVE_GROUND, AP_MOVE_WHO, AP_MOVE_NO, AP_MOVE_ONLY, AP_MOVE_CONTRA,
    AP_MOVE_COUNT
};
#define AP_BIT(i) (1u << (i))
#define AP_ANY_PRED (AP_BIT(AP_WORD_NOUN) | AP_BIT(AP_WORD_ADJ) | AP_BIT(AP_WORD_VERB))
#define AP_GROUP_PRED (AP_BIT(AP_WORD_NOUN) | AP_BIT(AP_WORD_ADJ))

/* Where a path starts: an entity's fact, "some ...", or nothing (all rules). */
enum ap_start { AP_FROM_FACT, AP_FROM_SOME, AP_FROM_ALL };

struct ap_style {
    const char *name;
    uint32_t moves, featured; /* allowed on the path; at least one of these must be on it */
    int32_t noun, adj, verb;  /* percent of new predicates */
    bool names, things;       /* who the sentences are about */
    int32_t conjunction;      /* percent of rules with a second condition */
    int32_t negative;         /* percent of negative literals where both are possible */
    enum ap_start true_from, false_from; /* AP_FROM_FACT: the goal is a fact */
    int32_t min_premises, max_premises, min_hops, max_hops;
    bool chain;               /* rules stay in the order of the path */
};
extern const struct ap_style ap__short_styles[], ap__long_styles[];
extern const int32_t ap__short_style_count, ap__long_style_count;

/* One draw in progress. */
struct ap_draw {
    struct ap_rng rng;
    const struct ap_style *style;
    struct ap_theory *t;
    int32_t rank[AP_THEORY_SENTENCES]; /* (t->n_premises,) their order in the end */
    struct ap_literal seen[AP_THEORY_SENTENCES];
    int32_t n_seen;                    /* literals the path went through */
    struct ap_literal current, first;
    enum ap_start from;
    int32_t last_rule, hops, target;
    uint32_t used;      /* moves on the path */
    bool things;        /* entities are things, not names */
    bool it;            /* something, it, things; else someone, they, people */
    bool mixed, failed; /* mixed: a rule now and then says it the other way */
};

/* ---- fol_sentences.c ---- */

bool ap__draw_chance(struct ap_draw *d, int32_t percent);
int32_t ap__draw_below(struct ap_draw *d, int32_t n);
bool ap__draw_is(const struct ap_draw *d, const struct ap_literal *lit, enum ap_word_kind kind);
bool ap__draw_same_atom(const struct ap_literal *a, const struct ap_literal *b);
int8_t ap__draw_word(struct ap_draw *d, enum ap_word_kind kind); /* a new one */
int8_t ap__draw_entity(struct ap_draw *d);
/* kinds: bits of the predicate's kind.  The second form is a literal that the path has not been at. */
struct ap_literal ap__draw_literal(struct ap_draw *d, uint32_t kinds, int32_t subj, int32_t new_percent);
struct ap_literal ap__draw_next(struct ap_draw *d, uint32_t kinds, int32_t subj);
struct ap_literal ap__draw_lift(struct ap_literal lit, int32_t entity); /* entity becomes x */
int32_t ap__draw_add(struct ap_draw *d, struct ap_sentence s, int32_t rank); /* its index */
void ap__draw_add_fact(struct ap_draw *d, struct ap_literal lit, int32_t rank);
enum ap_move ap__draw_move(struct ap_draw *d, uint32_t moves);
enum ap_form ap__draw_form(enum ap_move move);
void ap__draw_condition(struct ap_draw *d, enum ap_move move, int32_t entity, struct ap_sentence *s, bool supported);
int32_t ap__draw_head_subject(struct ap_draw *d, enum ap_move move, const struct ap_sentence *s, int32_t subj);
uint32_t ap__draw_head_kinds(enum ap_move move);

/* ---- fol_distractors.c ---- */

/* Up to d->target premises that neither repeat one nor give the goal away. */
void ap__draw_distractors(struct ap_draw *d);
struct ap_sentence ap__draw_sentence(struct ap_draw *d); /* one such sentence, not added */

#endif
