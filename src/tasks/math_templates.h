/* math_templates.h - the word problems as a table; math_problems.c fills them in.
 *
 *   numbers  "a=2..20 p=5*1..18 c=$1..20"   one letter each: whole numbers from..to,
 *            multiples k*from..to, or prices with or without cents
 *   steps    "Product a b; Subtract c #0"   letters, constants, #i = result of step i
 *   text     phrasings; `|` parts the sentences, the last one is the question
 *
 * Placeholders: {a} a number; {N} {M} names, {he} {He} {his} {him} of N;
 * {o} {p} things in the plural, {s} one of the {o}; {C} containers, {c2} one of them;
 * {w} a place.  Results must be positive; whole where `whole` is set, else
 * with at most two decimals. */
#ifndef AP_MATH_TEMPLATES_H
#define AP_MATH_TEMPLATES_H

#include <stdbool.h>

struct ap_math_template {
    const char *name, *numbers, *steps;
    bool whole;
    const char *text[5]; /* NULL-terminated */
};
extern const struct ap_math_template ap__math_templates[];
extern const int ap__math_template_count;

/* Sentences with a number {z} that has nothing to do with the question. */
extern const char *const ap__math_asides[];
extern const int ap__math_aside_count;
extern const char *const ap__math_things[][2]; /* singular, plural */
extern const int ap__math_thing_count;
extern const char *const ap__math_containers[][2];
extern const int ap__math_container_count;
extern const char *const ap__math_places[];
extern const int ap__math_place_count;

#endif
