/* generator.c - the built-in generators by name, and problems by key.
 *
 *   detail = {"generator": .., "profile": .., "shape": .., "words": .., "numbers": ..} */
#include "tasks/generator.h"

#include "base/text.h"
#include <stdio.h>
#include <string.h>

static const struct ap_generator *const generators[] = {&ap__fol_entailment, &ap__fol_translation, &ap__math_word,
                                                        &ap__math_expression};
static const char *const profiles[] = {"short", "long", "mixed"};
enum { GENERATORS = sizeof generators / sizeof generators[0], PROFILES = sizeof profiles / sizeof profiles[0] };
enum { SPLIT_TRIES = 1000 }; /* one in five keys is held out: 1000 misses do not happen */

ap_status ap__generator_find(const char *name, const struct ap_generator **out, struct ap_err *err)
{
    const char *names[GENERATORS];
    for (size_t i = 0; i < GENERATORS; i++) {
        names[i] = generators[i]->name;
        if (strcmp(name, names[i]) == 0) {
            *out = generators[i];
            return AP_OK;
        }
    }
    const char *nearest = ap__nearest(name, names, GENERATORS);
    return ap__fail(err, AP_E_NOT_FOUND, NULL, "no generator is called `%s`%s%s%s", name,
                    nearest ? "; did you mean `" : "", nearest ? nearest : "", nearest ? "`?" : "");
}

ap_status ap__profile_parse(const char *text, enum ap_profile *out, struct ap_err *err)
{
    for (size_t i = 0; i < PROFILES; i++)
        if (strcmp(text, profiles[i]) == 0) {
            *out = (enum ap_profile)i;
            return AP_OK;
        }
    return ap__fail(err, AP_E_ARG, NULL, "profile must be short, long or mixed, not `%s`", text);
}

ap_status ap__generator_make(const struct ap_generator *g, const struct ap_problem_key *key, struct ap_problem *out,
                             struct ap_err *err)
{
    memset(out, 0, sizeof *out);
    ap_status st = g->make(key, out, err);
    if (st == AP_OK)
        st = ap__problem_set(&out->task, g->name, err);
    if (st == AP_OK) {
        out->detail = json_pack("{ss ss sI sI sI}", "generator", g->name, "profile", profiles[key->profile], "shape",
                                (json_int_t)key->shape, "words", (json_int_t)key->words, "numbers",
                                (json_int_t)key->numbers);
        if (!out->detail)
            st = ap__fail(err, AP_E_MEMORY, NULL, "no memory for a problem's detail");
    }
    if (st != AP_OK)
        ap__problem_deinit(out);
    return st;
}

ap_status ap__generator_problem(const struct ap_generator *g, enum ap_profile profile, bool heldout, uint64_t seed,
                                uint64_t index, uint64_t attempt, struct ap_problem *out, struct ap_err *err)
{
    struct ap_rng rng = ap__rng_make(seed, "problem", heldout, index, attempt);
    for (int32_t tries = 0; tries < SPLIT_TRIES; tries++) {
        struct ap_problem_key key = {.profile = profile};
        key.shape = ap__rng_u64(&rng);
        key.words = ap__rng_u64(&rng);
        key.numbers = ap__rng_u64(&rng);
        AP_TRY(ap__generator_make(g, &key, out, err));
        if (ap__problem_is_heldout(out) == heldout) {
            char id[96];
            snprintf(id, sizeof id, "%s/%s/%06llu", g->name, heldout ? "heldout" : "train", (unsigned long long)index);
            ap_status st = ap__problem_set(&out->id, id, err);
            if (st != AP_OK)
                ap__problem_deinit(out);
            return st;
        }
        ap__problem_deinit(out);
    }
    return ap__fail(err, AP_E_LIMIT, g->name, "no %s problem found in %d tries", heldout ? "held-out" : "training",
                    SPLIT_TRIES);
}

bool ap__generator_key(const struct ap_problem *p, const struct ap_generator **g, struct ap_problem_key *key)
{
    const char *name = p->detail ? ap__json_str_or(p->detail, "generator", NULL) : NULL;
    const char *profile = p->detail ? ap__json_str_or(p->detail, "profile", NULL) : NULL;
    if (!name || !profile || ap__generator_find(name, g, NULL) != AP_OK ||
        ap__profile_parse(profile, &key->profile, NULL) != AP_OK)
        return false;
    key->shape = (uint64_t)ap__json_i64_or(p->detail, "shape", 0);
    key->words = (uint64_t)ap__json_i64_or(p->detail, "words", 0);
    key->numbers = (uint64_t)ap__json_i64_or(p->detail, "numbers", 0);
    return true;
}
