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

#include "tasks/fol_draw.h"
#include <string.h>

const char *ap__shape_style(int32_t index)
{
    if (index < ap__short_style_count)
        return ap__short_styles[index].name;
    index -= ap__short_style_count;
    return index < ap__long_style_count ? ap__long_styles[index].name : NULL;
}

/* ---- steps of the path ---- */

/* Which moves can go on from here. */
static uint32_t moves_from(const struct ap_draw *d, const struct ap_literal *cur)
{
    bool noun = ap__draw_is(d, cur, AP_WORD_NOUN), adj = ap__draw_is(d, cur, AP_WORD_ADJ);
    uint32_t moves = AP_BIT(AP_MOVE_WHO) | AP_BIT(AP_MOVE_IF) | (d->from == AP_FROM_FACT ? AP_BIT(AP_MOVE_GROUND) : 0);
    if (noun && !cur->neg)
        moves |= AP_BIT(AP_MOVE_EACH);
    if (adj && !cur->neg)
        moves |= AP_BIT(AP_MOVE_PLAIN);
    if ((noun || adj) && !cur->neg)
        moves |= AP_BIT(AP_MOVE_NO) | AP_BIT(AP_MOVE_ONLY);
    if (noun || adj)
        moves |= cur->neg ? AP_BIT(AP_MOVE_CONTRA) : 0;
    return moves & d->style->moves;
}

static void see(struct ap_draw *d, struct ap_literal lit)
{
    if (d->n_seen < AP_THEORY_SENTENCES)
        d->seen[d->n_seen++] = lit;
}

/* Contraposition: from "not Q" by "each P is Q" to "not P". */
static struct ap_literal step_contra(struct ap_draw *d, struct ap_sentence *s)
{
    struct ap_literal cur = d->current, body = ap__draw_next(d, AP_GROUP_PRED, cur.subj);
    body.neg = false;
    s->form = ap__draw_is(d, &body, AP_WORD_NOUN) ? AP_FORM_EACH : ap__draw_chance(d, 50) ? AP_FORM_PLAIN : AP_FORM_IF;
    s->lit[0] = ap__draw_lift(body, cur.subj);
    s->lit[1] = ap__draw_lift(cur, cur.subj);
    s->lit[1].neg = false;
    s->n = 2;
    body.neg = true;
    return body;
}

static struct ap_literal step_forward(struct ap_draw *d, enum ap_move move, struct ap_sentence *s)
{
    struct ap_literal cur = d->current;
    s->form = ap__draw_form(move);
    s->lit[s->n++] = move == AP_MOVE_GROUND ? cur : ap__draw_lift(cur, cur.subj);
    ap__draw_condition(d, move, cur.subj, s, true);
    struct ap_literal head = ap__draw_next(d, ap__draw_head_kinds(move), ap__draw_head_subject(d, move, s, cur.subj));
    if (move == AP_MOVE_NO || move == AP_MOVE_ONLY)
        head.neg = move == AP_MOVE_NO;
    s->lit[s->n++] = move == AP_MOVE_GROUND ? head : ap__draw_lift(head, cur.subj);
    return head;
}

static bool step(struct ap_draw *d)
{
    uint32_t moves = moves_from(d, &d->current);
    if (moves == 0)
        return false;
    if ((moves & d->style->featured) && !(d->used & d->style->featured))
        moves = ap__draw_chance(d, 60) ? moves & d->style->featured : moves;
    enum ap_move move = ap__draw_move(d, moves);
    struct ap_sentence s = {.things = d->it != (d->mixed && ap__draw_chance(d, 30))};
    d->current = move == AP_MOVE_CONTRA ? step_contra(d, &s) : step_forward(d, move, &s);
    d->last_rule = ap__draw_add(d, s, 10 * ++d->hops);
    d->used |= AP_BIT(move);
    see(d, d->current);
    return true;
}

/* ---- the path ---- */

static void begin_path(struct ap_draw *d)
{
    uint32_t kinds =
        d->style->noun > 0 && d->style->verb == 0 && ap__draw_chance(d, 70) ? AP_BIT(AP_WORD_NOUN) : AP_ANY_PRED;
    int32_t subj = d->from == AP_FROM_FACT ? ap__draw_entity(d) : AP_TERM_VAR;
    struct ap_literal lit = ap__draw_next(d, d->from == AP_FROM_FACT ? kinds : AP_BIT(AP_WORD_NOUN), subj);
    lit.neg =
        d->from == AP_FROM_FACT &&
        (d->style->featured & AP_BIT(AP_MOVE_CONTRA) ? ap__draw_chance(d, 70) : lit.neg && ap__draw_chance(d, 60));
    d->first = d->current = lit;
    see(d, lit);
    if (d->from == AP_FROM_FACT) {
        ap__draw_add_fact(d, lit, d->style->chain ? 900 : -900);
    } else if (d->from == AP_FROM_SOME) { /* Some first is current: the path goes on from there */
        struct ap_literal other = ap__draw_next(d, AP_GROUP_PRED, AP_TERM_VAR);
        struct ap_sentence s = {.form = AP_FORM_SOME, .n = 2, .lit = {lit, other}, .things = d->it};
        see(d, other);
        (void)ap__draw_add(d, s, ap__draw_below(d, 100));
        d->current = other;
    }
}

/* truth: what the goal shall be. */
static void set_goal(struct ap_draw *d, enum ap_truth truth)
{
    struct ap_sentence *goal = &d->t->goal;
    bool opposite = truth == AP_TRUTH_FALSE || (truth == AP_TRUTH_UNKNOWN && ap__draw_chance(d, 50));
    struct ap_literal lit = d->current;
    *goal = (struct ap_sentence){
        .form = AP_FORM_FACT, .n = 1, .phrasing = (uint8_t)ap__draw_below(d, 240), .things = d->it};
    lit.neg ^= opposite;
    goal->lit[0] = lit;
    if (d->from == AP_FROM_FACT)
        return;
    goal->n = 2;
    goal->lit[0] = d->first;
    goal->lit[1] = lit;
    bool some = (d->from == AP_FROM_SOME) != opposite;
    goal->form = some ? AP_FORM_SOME : AP_FORM_EACH;
}

/* ---- one draw ---- */

static void remove_premise(struct ap_draw *d, int32_t index)
{
    struct ap_theory *t = d->t;
    t->n_premises--;
    memmove(&t->premise[index], &t->premise[index + 1], (size_t)(t->n_premises - index) * sizeof t->premise[0]);
    memmove(&d->rank[index], &d->rank[index + 1], (size_t)(t->n_premises - index) * sizeof d->rank[0]);
}

/* Insertion sort by rank, the ranks drawn anew where the order is free. */
static void order_premises(struct ap_draw *d)
{
    int32_t manner = ap__draw_below(d, 4); /* 0: any order; else by rank (facts first, or last in chains) */
    for (int32_t i = 0; i < d->t->n_premises; i++)
        if (manner == 0)
            d->rank[i] = ap__draw_below(d, 100000);
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

static bool draw_path(struct ap_draw *d, enum ap_truth truth)
{
    int32_t hops = d->style->min_hops + ap__draw_below(d, d->style->max_hops - d->style->min_hops + 1);
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
static bool draw_once(uint64_t key, uint64_t attempt, const struct ap_style *style, enum ap_truth truth,
                      struct ap_theory *t)
{
    struct ap_draw d = {.rng = ap__rng_make(key, "theory", attempt, 0, 0), .style = style, .t = t};
    memset(t, 0, sizeof *t);
    d.target = (int32_t)ap__rng_range(&d.rng, style->min_premises, style->max_premises);
    d.things = style->things && (!style->names || ap__draw_chance(&d, 50));
    d.it = (style->things || style->noun > 0) && ap__draw_chance(&d, 50);
    d.mixed = ap__draw_chance(&d, 15);
    enum ap_truth path_truth = truth != AP_TRUTH_UNKNOWN ? truth
                               : ap__draw_chance(&d, 50) ? AP_TRUTH_TRUE
                                                         : AP_TRUTH_FALSE;
    d.from = path_truth == AP_TRUTH_TRUE ? style->true_from : style->false_from;
    if (!draw_path(&d, truth == AP_TRUTH_UNKNOWN ? path_truth : truth))
        return false;
    if (truth != AP_TRUTH_UNKNOWN) {
        if (ap__theory_decide(t, d.last_rule) != AP_TRUTH_UNKNOWN)
            return false;
    } else {
        remove_premise(&d, ap__draw_below(&d, t->n_premises));
    }
    int32_t last_rule = d.last_rule;
    ap__draw_distractors(&d);
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
    const struct ap_style *style = is_long ? &ap__long_styles[ap__rng_below(&rng, (uint32_t)ap__long_style_count)]
                                        : &ap__short_styles[ap__rng_below(&rng, (uint32_t)ap__short_style_count)];
    out->truth = (enum ap_truth)ap__rng_below(&rng, 3);
    out->style = style->name;
    out->likeness = style->noun >= 50 && ap__rng_below(&rng, 2) != 0 ? AP_WORDS_ALIKE : AP_WORDS_FREE;
    if (profile == AP_PROFILE_MIXED && ap__rng_below(&rng, 100) < 50)
        out->likeness = AP_WORDS_HARD;
    for (uint64_t attempt = 0; !draw_once(key, attempt, style, out->truth, &out->theory); attempt++)
        ;
}

void ap__shape_sentence(uint64_t key, struct ap_theory *out)
{
    struct ap_rng rng = ap__rng_make(key, "sentence", 0, 0, 0);
    int32_t which = (int32_t)ap__rng_below(&rng, (uint32_t)(ap__short_style_count + 1));
    const struct ap_style *style =
        which < ap__short_style_count ? &ap__short_styles[which] : &ap__long_styles[ap__long_style_count - 1];
    struct ap_draw d = {.rng = rng, .style = style, .t = out, .target = 2};
    do {
        memset(out, 0, sizeof *out);
        d.failed = false;
        d.n_seen = 0;
        d.things = style->things && (!style->names || ap__draw_chance(&d, 50));
        d.it = (style->things || style->noun > 0) && ap__draw_chance(&d, 50);
        struct ap_sentence s = ap__draw_sentence(&d);
        (void)ap__draw_add(&d, s, 0);
    } while (d.failed || out->n_premises == 0 || !all_words_used(out));
}
