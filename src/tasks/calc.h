/* calc.h - a chain of arithmetic calls whose arguments may be earlier results.
 *
 *   Product(3, 2.50)   step 0
 *   Subtract(20, #0)   step 1, written "Subtract(20, 7.5)"
 *   Answer(#1)
 *
 * Exact rationals throughout.  Generators build one, the GSM8K reader converts
 * annotations to one, careless chains are one with a slip in it. */
#ifndef AP_CALC_H
#define AP_CALC_H

#include "functions/value.h"
#include "tasks/problem.h"

enum { AP_CALC_STEPS = 32, AP_CALC_ARGS = 12, AP_CALC_TEXT = 32 };

enum ap_calc_op {
    AP_CALC_SUM,
    AP_CALC_SUBTRACT,
    AP_CALC_PRODUCT,
    AP_CALC_DIVIDE,
    AP_CALC_PERCENT, /* first argument per cent of the second */
    AP_CALC_OPS,
};

struct ap_calc_arg {
    int32_t ref;             /* step whose result it is, or -1 */
    char text[AP_CALC_TEXT]; /* else the number as it stands in the question */
};

struct ap_calc {
    struct ap_calc_step {
        enum ap_calc_op op;
        int32_t n;
        struct ap_calc_arg arg[AP_CALC_ARGS];
    } step[AP_CALC_STEPS];
    int32_t n;
    struct ap_calc_arg answer;
};

const char *ap__calc_op_name(enum ap_calc_op op); /* "Sum" */
bool ap__calc_op_find(const char *name, enum ap_calc_op *out);

/* Results of all steps; result is (AP_CALC_STEPS,) of initialised numbers.
 * False on a division by zero, a number too large, or a text that is none. */
bool ap__calc_run(const struct ap_calc *calc, mpq_t *result);
void ap__calc_init_numbers(mpq_t *result);   /* (AP_CALC_STEPS,) */
void ap__calc_deinit_numbers(mpq_t *result); /* (AP_CALC_STEPS,) */

/* Append the calls, the last one Answer(..); when with_answer also set the gold
 * answer.  AP_E_FORMAT when the chain has no value. */
ap_status ap__calc_write(const struct ap_calc *calc, bool with_answer, struct ap_problem *out,
                         struct ap_err *err) AP_MUST_CHECK;
/* Read calls back: arguments equal to an earlier result refer to the latest such. False when
 * a call is none of these operations. */
bool ap__calc_read(char *const *calls, int32_t n, struct ap_calc *out);

#endif
