/* checker.h - decides whether an answer is the gold answer. */
#ifndef AP_CHECKER_H
#define AP_CHECKER_H

#include "base/alloc.h"

struct ap_prover;

enum ap_checker_kind {
    AP_CHECK_EXACT,   /* same text after trimming */
    AP_CHECK_NUMBER,  /* |a - b| <= tolerance, exact rationals; "$1,000", "3/4" and "12 apples" are read */
    AP_CHECK_CHOICE,  /* one of `choices`, case-insensitive; another word is never correct */
    AP_CHECK_FORMULA, /* logically equivalent by the prover */
};
struct ap_checker {
    enum ap_checker_kind kind;
    char *tolerance; /* exact rational text, "0" */
    char **choices;  /* (choice_count,) */
    int32_t choice_count;
    struct ap_prover *prover; /* for AP_CHECK_FORMULA; borrowed */
};
ap_status ap__checker_judge(const struct ap_checker *checker, const char *answer, const char *gold, bool *correct,
                            struct ap_err *err) AP_MUST_CHECK;

#endif
