/* fol_theory.c - sentences of a theory as English and as formulas.
 *
 *   literal:  Max is (not) a glombus | Max is (not) dusty | Max greets / does not greet the otter
 *   formula:  (not) Glombus(max)     | (not) Dusty(max)   | (not) Greets(max, otter)
 *
 * There is one formula for one sentence form: `not` before the atom, `&` from
 * left to right, brackets only around a quantifier's body. */
#include "tasks/fol_theory.h"

#include <string.h>
#include <ctype.h>

static const char *text_of(const struct ap_theory *t, int32_t word)
{
    return t->word[word].text;
}

static enum ap_word_kind kind_of(const struct ap_theory *t, int32_t word)
{
    return t->word[word].kind;
}

/* ---- formulas ---- */

static void formula_term(const struct ap_theory *t, int32_t term, struct ap_buf *out)
{
    if (term == AP_TERM_VAR)
        (void)ap__buf_puts(out, "x");
    else
        ap__word_symbol(out, &t->word[term]);
}

static void formula_literal(const struct ap_theory *t, const struct ap_literal *lit, struct ap_buf *out)
{
    if (lit->neg)
        (void)ap__buf_puts(out, "not ");
    ap__word_symbol(out, &t->word[lit->pred]);
    (void)ap__buf_putc(out, '(');
    formula_term(t, lit->subj, out);
    if (lit->obj != AP_TERM_NONE) {
        (void)ap__buf_puts(out, ", ");
        formula_term(t, lit->obj, out);
    }
    (void)ap__buf_putc(out, ')');
}

static void formula_and(const struct ap_theory *t, const struct ap_literal *lit, int32_t n, struct ap_buf *out)
{
    for (int32_t i = 0; i < n; i++) {
        if (i > 0)
            (void)ap__buf_puts(out, " & ");
        formula_literal(t, &lit[i], out);
    }
}

static bool has_variable(const struct ap_sentence *s)
{
    for (int32_t i = 0; i < s->n; i++)
        if (s->lit[i].subj == AP_TERM_VAR || s->lit[i].obj == AP_TERM_VAR)
            return true;
    return false;
}

void ap__sentence_formula(const struct ap_theory *t, const struct ap_sentence *s, struct ap_buf *out)
{
    if (s->form == AP_FORM_FACT) {
        formula_literal(t, &s->lit[0], out);
        return;
    }
    bool bound = has_variable(s), brackets = bound && !(s->form == AP_FORM_SOME && s->n == 1);
    if (bound)
        (void)ap__buf_puts(out, s->form == AP_FORM_SOME ? "exists x. " : "forall x. ");
    if (brackets)
        (void)ap__buf_putc(out, '(');
    if (s->form == AP_FORM_SOME) {
        formula_and(t, s->lit, s->n, out);
    } else {
        formula_and(t, s->lit, s->n - 1, out);
        (void)ap__buf_puts(out, " -> ");
        formula_literal(t, &s->lit[s->n - 1], out);
    }
    if (brackets)
        (void)ap__buf_putc(out, ')');
}

/* ---- English: parts ---- */

static void add_plural(const struct ap_theory *t, int32_t word, struct ap_buf *out)
{
    ap__word_plural(out, text_of(t, word));
}

static void add_entity(const struct ap_theory *t, int32_t word, struct ap_buf *out)
{
    if (kind_of(t, word) == AP_WORD_THING)
        (void)ap__buf_puts(out, "the ");
    (void)ap__buf_puts(out, text_of(t, word));
}

/* "is not a glombus", "greets the otter"; many: "are not glombuses", "greet the otter". */
static void add_predicate(const struct ap_theory *t, const struct ap_literal *lit, bool many, struct ap_buf *out)
{
    if (kind_of(t, lit->pred) == AP_WORD_VERB) {
        if (lit->neg)
            (void)ap__buf_printf(out, "%s not %s", many ? "do" : "does", text_of(t, lit->pred));
        else if (many)
            (void)ap__buf_puts(out, text_of(t, lit->pred));
        else
            ap__word_third(out, text_of(t, lit->pred));
        (void)ap__buf_putc(out, ' ');
        add_entity(t, lit->obj, out);
        return;
    }
    (void)ap__buf_printf(out, "%s%s ", many ? "are" : "is", lit->neg ? " not" : "");
    if (kind_of(t, lit->pred) == AP_WORD_ADJ)
        (void)ap__buf_puts(out, text_of(t, lit->pred));
    else if (many)
        add_plural(t, lit->pred, out);
    else
        ap__word_article(out, text_of(t, lit->pred));
}

/* A noun as it is, an adjective as "dusty things"; several adjectives with commas. */
static void add_group(const struct ap_theory *t, const struct ap_sentence *s, int32_t first, int32_t n, bool many,
                      struct ap_buf *out)
{
    for (int32_t i = first; i < first + n; i++) {
        int32_t word = s->lit[i].pred;
        bool last = i == first + n - 1, noun = kind_of(t, word) == AP_WORD_NOUN;
        if (noun && many)
            add_plural(t, word, out);
        else
            (void)ap__buf_puts(out, text_of(t, word));
        if (!noun && last)
            (void)ap__buf_puts(out, many ? (s->things ? " things" : " people") : (s->things ? " thing" : " person"));
        if (!last)
            (void)ap__buf_puts(out, ", ");
    }
}

/* ---- English: forms ---- */

static void say_fact(const struct ap_theory *t, const struct ap_sentence *s, struct ap_buf *out)
{
    add_entity(t, s->lit[0].subj, out);
    (void)ap__buf_putc(out, ' ');
    add_predicate(t, &s->lit[0], false, out);
}

/* Each/every glombus ...; (all) glombuses ... */
static void say_each(const struct ap_theory *t, const struct ap_sentence *s, struct ap_buf *out)
{
    static const char *const starts[] = {"each ", "every ", "", "", "all "};
    uint32_t which = s->phrasing % 5;
    bool many = which >= 2;
    (void)ap__buf_puts(out, starts[which]);
    add_group(t, s, 0, s->n - 1, many, out);
    (void)ap__buf_putc(out, ' ');
    add_predicate(t, &s->lit[s->n - 1], many, out);
}

static void say_plain(const struct ap_theory *t, const struct ap_sentence *s, struct ap_buf *out)
{
    (void)ap__buf_puts(out, s->phrasing % 2 ? "all " : "");
    add_group(t, s, 0, s->n - 1, true, out);
    (void)ap__buf_putc(out, ' ');
    add_predicate(t, &s->lit[s->n - 1], true, out);
}

/* One part of an if-sentence.  before: the part in front of it in the same
 * condition, so that "is dusty and old" needs no second subject. */
static void add_clause(const struct ap_theory *t, const struct ap_sentence *s, const struct ap_literal *lit,
                       bool introduced, const struct ap_literal *before, struct ap_buf *out)
{
    if (lit->subj != AP_TERM_VAR) {
        add_entity(t, lit->subj, out);
        (void)ap__buf_putc(out, ' ');
        add_predicate(t, lit, false, out);
        return;
    }
    bool adj = kind_of(t, lit->pred) == AP_WORD_ADJ;
    if (before && adj && before->subj == AP_TERM_VAR && kind_of(t, before->pred) == AP_WORD_ADJ) {
        (void)ap__buf_printf(out, "%s%s", lit->neg ? "not " : "", text_of(t, lit->pred));
        return;
    }
    bool many = introduced && !s->things; /* "they" takes the plural */
    if (introduced)
        (void)ap__buf_puts(out, s->things ? "it " : "they ");
    else
        (void)ap__buf_puts(out, s->things ? "something " : "someone ");
    if (many && kind_of(t, lit->pred) == AP_WORD_NOUN) {
        (void)ap__buf_printf(out, "are%s ", lit->neg ? " not" : "");
        ap__word_article(out, text_of(t, lit->pred));
        return;
    }
    add_predicate(t, lit, many, out);
}

static void say_if(const struct ap_theory *t, const struct ap_sentence *s, struct ap_buf *out)
{
    bool introduced = false;
    (void)ap__buf_puts(out, "if ");
    for (int32_t i = 0; i < s->n; i++) {
        bool head = i == s->n - 1;
        if (i > 0)
            (void)ap__buf_puts(out, head ? " then " : " and ");
        add_clause(t, s, &s->lit[i], introduced, i > 0 && !head ? &s->lit[i - 1] : NULL, out);
        introduced |= s->lit[i].subj == AP_TERM_VAR;
    }
}

static void say_who(const struct ap_theory *t, const struct ap_sentence *s, struct ap_buf *out)
{
    static const char *const things[] = {"everything that ", "anything that "};
    static const char *const people[] = {"everyone who ", "anyone who "};
    (void)ap__buf_puts(out, (s->things ? things : people)[s->phrasing % 2]);
    for (int32_t i = 0; i < s->n - 1; i++) {
        if (i > 0)
            (void)ap__buf_puts(out, " and ");
        if (i > 0 && kind_of(t, s->lit[i].pred) == AP_WORD_ADJ && kind_of(t, s->lit[i - 1].pred) == AP_WORD_ADJ)
            (void)ap__buf_printf(out, "%s%s", s->lit[i].neg ? "not " : "", text_of(t, s->lit[i].pred));
        else
            add_predicate(t, &s->lit[i], false, out);
    }
    (void)ap__buf_putc(out, ' ');
    add_predicate(t, &s->lit[s->n - 1], false, out);
}

/* The head is stored negative; "no" says so. */
static void say_no(const struct ap_theory *t, const struct ap_sentence *s, struct ap_buf *out)
{
    struct ap_literal head = s->lit[s->n - 1];
    bool many = s->phrasing % 2;
    head.neg = false;
    (void)ap__buf_puts(out, "no ");
    add_group(t, s, 0, s->n - 1, many, out);
    (void)ap__buf_putc(out, ' ');
    add_predicate(t, &head, many, out);
}

/* "Only heads are bodies": whatever is in the body's group is in the head's. */
static void say_only(const struct ap_theory *t, const struct ap_sentence *s, struct ap_buf *out)
{
    (void)ap__buf_puts(out, "only ");
    add_group(t, s, s->n - 1, 1, true, out);
    (void)ap__buf_putc(out, ' ');
    add_predicate(t, &s->lit[0], true, out);
}

/* Some glombus is dusty / There is a glombus that is dusty / Someone is dusty (and old). */
static void say_some(const struct ap_theory *t, const struct ap_sentence *s, struct ap_buf *out)
{
    if (kind_of(t, s->lit[0].pred) == AP_WORD_NOUN && s->n > 1) {
        static const char *const starts[] = {"some ", "at least one ", "there is "};
        uint32_t which = s->phrasing % 3;
        (void)ap__buf_puts(out, starts[which]);
        if (which == 2)
            ap__word_article(out, text_of(t, s->lit[0].pred));
        else
            (void)ap__buf_puts(out, text_of(t, s->lit[0].pred));
        (void)ap__buf_puts(out, which == 2 ? " that " : " ");
        add_predicate(t, &s->lit[1], false, out);
        return;
    }
    (void)ap__buf_puts(out, s->things ? "something " : "someone ");
    add_predicate(t, &s->lit[0], false, out);
    if (s->n < 2)
        return;
    (void)ap__buf_puts(out, " and ");
    if (kind_of(t, s->lit[0].pred) == AP_WORD_ADJ && kind_of(t, s->lit[1].pred) == AP_WORD_ADJ)
        (void)ap__buf_printf(out, "%s%s", s->lit[1].neg ? "not " : "", text_of(t, s->lit[1].pred));
    else
        add_predicate(t, &s->lit[1], false, out);
}

void ap__sentence_english(const struct ap_theory *t, const struct ap_sentence *s, struct ap_buf *out)
{
    static void (*const say[])(const struct ap_theory *, const struct ap_sentence *, struct ap_buf *) = {
        [AP_FORM_FACT] = say_fact, [AP_FORM_EACH] = say_each, [AP_FORM_PLAIN] = say_plain, [AP_FORM_IF] = say_if,
        [AP_FORM_WHO] = say_who,   [AP_FORM_NO] = say_no,     [AP_FORM_ONLY] = say_only,   [AP_FORM_SOME] = say_some};
    size_t start = out->len;
    say[s->form](t, s, out);
    (void)ap__buf_putc(out, '.');
    if (!out->failed)
        out->data[start] = (char)toupper((unsigned char)out->data[start]);
}
