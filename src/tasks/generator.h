/* generator.h - where built-in problems come from.
 *
 *   (seed, split, index, attempt) --> key --> make --> problem
 *                     ^------- until its content hash is of the split
 *
 * A key says everything about a problem, so augmentation makes relatives of it
 * by changing a part: new words, or new numbers. */
#ifndef AP_GENERATOR_H
#define AP_GENERATOR_H

#include "base/rng.h"
#include "tasks/problem.h"

enum ap_profile { AP_PROFILE_SHORT, AP_PROFILE_LONG, AP_PROFILE_MIXED };

struct ap_problem_key {
    enum ap_profile profile;
    uint64_t shape, words, numbers;
};

struct ap_generator {
    const char *name;
    /* Fills template_name, question, answer, premise, call; a pure function of key. */
    ap_status (*make)(const struct ap_problem_key *key, struct ap_problem *out, struct ap_err *err);
    bool renumbers; /* the numbers part of the key matters */
};
extern const struct ap_generator ap__fol_entailment, ap__fol_translation, ap__math_word, ap__math_expression;

/* By name ("fol-entailment"), or AP_E_NOT_FOUND with the nearest one. */
ap_status ap__generator_find(const char *name, const struct ap_generator **out, struct ap_err *err) AP_MUST_CHECK;
ap_status ap__profile_parse(const char *text, enum ap_profile *out, struct ap_err *err) AP_MUST_CHECK;

/* Run make and record the key in detail. */
ap_status ap__generator_make(const struct ap_generator *g, const struct ap_problem_key *key, struct ap_problem *out,
                             struct ap_err *err) AP_MUST_CHECK;
/* The problem at an index of a split; attempt 0, 1, ... gives others for the
 * same place (when content repeats). */
ap_status ap__generator_problem(const struct ap_generator *g, enum ap_profile profile, bool heldout, uint64_t seed,
                                uint64_t index, uint64_t attempt, struct ap_problem *out,
                                struct ap_err *err) AP_MUST_CHECK;
/* The key in detail; false when the problem was not generated. */
bool ap__generator_key(const struct ap_problem *p, const struct ap_generator **g, struct ap_problem_key *key);

/* ---- for generators: fill a problem; all copy ---- */
ap_status ap__problem_set(char **field, const char *text, struct ap_err *err) AP_MUST_CHECK;
/* The buffer's text; AP_E_MEMORY when an append to it failed. */
ap_status ap__problem_set_buf(char **field, const struct ap_buf *text, struct ap_err *err) AP_MUST_CHECK;
ap_status ap__problem_add_call(struct ap_problem *p, struct ap_err *err, const char *fmt, ...)
    __attribute__((format(printf, 3, 4))) AP_MUST_CHECK;
ap_status ap__problem_add_premise(struct ap_problem *p, const char *formula, struct ap_err *err) AP_MUST_CHECK;

#endif
