/* words.h - the words that generated problems are written in.
 *
 *   key --> distinct words of the kinds asked for, most of them invented
 *
 * A student that has only ever seen invented words must copy them letter by
 * letter; a few ordinary English words are mixed in.  The words of ProntoQA
 * and ProofWriter never occur, so a score on those files is one on new words. */
#ifndef AP_WORDS_H
#define AP_WORDS_H

#include "base/alloc.h"
#include "base/rng.h"

enum ap_word_kind {
    AP_WORD_NAME,  /* Marla, Drovik        constant marla   */
    AP_WORD_THING, /* otter, tall crane    constant tall_crane, "the tall crane" */
    AP_WORD_ADJ,   /* dusty                predicate Dusty  */
    AP_WORD_NOUN,  /* glombus              predicate Glombus */
    AP_WORD_VERB,  /* greet                predicate Greets */
};

enum { AP_WORD_TEXT = 32 };

struct ap_word {
    enum ap_word_kind kind;
    char text[AP_WORD_TEXT]; /* base form; names capitalised */
};

enum ap_likeness {
    AP_WORDS_FREE,
    AP_WORDS_ALIKE, /* nouns are one letter apart, as categories in ProntoQA are */
    AP_WORDS_HARD,  /* where copying slips: many begin as another does, plurals hide their ends, things have two words */
};

/* Replace the texts of n words (their kinds are given) by distinct new ones. */
void ap__words_draw(uint64_t key, enum ap_likeness likeness, struct ap_word *words, int32_t n);

/* Forms; each appends to out. */
void ap__word_plural(struct ap_buf *out, const char *noun);
void ap__word_third(struct ap_buf *out, const char *verb); /* greets, pushes */
void ap__word_article(struct ap_buf *out, const char *noun); /* "a glombus", "an ibbus" */
/* Predicate or constant of a word in formulas. */
void ap__word_symbol(struct ap_buf *out, const struct ap_word *word);

/* First names for stories (not those of the benchmarks). */
struct ap_first_name {
    const char *text;
    bool she;
};
const struct ap_first_name *ap__first_names(int32_t *n);
/* Is this one of the content words that the benchmarks own? */
bool ap__word_reserved(const char *text);

#endif
