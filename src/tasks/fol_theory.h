/* fol_theory.h - a small theory as sentences over numbered words.
 *
 *   shape:  EACH  noun0(x) -> adj1(x)          (no letters yet)
 *   words:  "Each glombus is dusty."           ap__sentence_english
 *           forall x. (Glombus(x) -> Dusty(x)) ap__sentence_formula
 *   truth:  ap__theory_decide                  (grounding and DPLL, complete here)
 *
 * Every rule has one variable, constants and no functions, so the theory holds
 * in some model exactly if it holds over its constants plus one witness for
 * each "some" (Bernays-Schoenfinkel): deciding it needs no prover. */
#ifndef AP_FOL_THEORY_H
#define AP_FOL_THEORY_H

#include "tasks/words.h"

enum {
    AP_THEORY_WORDS = 64,
    AP_THEORY_SENTENCES = 32,
    AP_SENTENCE_LITERALS = 4,
    AP_TERM_VAR = -1,  /* the rule's variable, someone/something */
    AP_TERM_NONE = -2, /* no object: adjectives and nouns */
};

struct ap_literal {
    int8_t pred; /* word: adjective, noun or verb */
    int8_t subj; /* word: name or thing, or AP_TERM_VAR */
    int8_t obj;  /* word of a verb's object, or AP_TERM_NONE */
    bool neg;
};

/* The last literal is a rule's head. */
enum ap_form {
    AP_FORM_FACT,  /* Max is a glombus.  The otter does not greet the crane. */
    AP_FORM_EACH,  /* Each glombus is dusty.  Glombuses are not dusty. */
    AP_FORM_PLAIN, /* Dusty, old people are kind.  All dusty things are old. */
    AP_FORM_IF,    /* If someone is dusty and they greet the otter then ... */
    AP_FORM_WHO,   /* Everyone who is dusty greets the otter. */
    AP_FORM_NO,    /* No glombus is dusty.             head is negative */
    AP_FORM_ONLY,  /* Only dusty things are glombuses. */
    AP_FORM_SOME,  /* Some glombus is not dusty.       no head: all hold of one x */
};

struct ap_sentence {
    enum ap_form form;
    int8_t n;         /* literals */
    uint8_t phrasing; /* any number; picks one of the form's wordings */
    bool things;      /* something/it/things, else someone/they/people */
    struct ap_literal lit[AP_SENTENCE_LITERALS];
};

struct ap_theory {
    struct ap_word word[AP_THEORY_WORDS];
    int32_t n_words;
    struct ap_sentence premise[AP_THEORY_SENTENCES];
    int32_t n_premises;
    struct ap_sentence goal; /* FACT, SOME, or EACH / PLAIN */
};

/* Append; a buffer that runs out of memory stays marked as failed. */
void ap__sentence_english(const struct ap_theory *theory, const struct ap_sentence *s, struct ap_buf *out);
void ap__sentence_formula(const struct ap_theory *theory, const struct ap_sentence *s, struct ap_buf *out);

enum ap_truth { AP_TRUTH_UNKNOWN, AP_TRUTH_TRUE, AP_TRUTH_FALSE, AP_TRUTH_CLASH /* contradictory premises */ };
const char *ap__truth_text(enum ap_truth truth); /* "True", "False", "Unknown" */
/* Does the goal follow?  Pure computation on the shape, no heap.  skip: leave
 * out this premise, or -1. */
enum ap_truth ap__theory_decide(const struct ap_theory *theory, int32_t skip);

#endif
