/* z3_theory.h - formulas as Z3 sees them; used by prover.c alone.
 *
 * Symbols get numbers, not names, in Z3: its table of names never shrinks.
 * Every Z3 object made for a question is remembered and released with it, so
 * memory does not grow with the number of questions. */
#ifndef AP_Z3_THEORY_H
#define AP_Z3_THEORY_H

#include "functions/formula.h"
#include "functions/libz3.h"

struct ap_z3 {
    Z3_context context;
    Z3_sort thing, boolean; /* the one sort of individuals */
    Z3_params params;
    Z3_ast *kept; /* (n_kept,) to be released at the end of a question */
    size_t n_kept, cap_kept;
};

/* Create the context; limit in Z3's resource units per check. */
ap_status ap__z3_open(struct ap_z3 *z3, struct ap_err *err) AP_MUST_CHECK;
void ap__z3_close(struct ap_z3 *z3);
void ap__z3_set_limit(struct ap_z3 *z3, uint32_t units);
/* Remember ast for release.  AP_E_LIMIT when it is NULL, i.e. Z3 gave up. */
ap_status ap__z3_keep(struct ap_z3 *z3, Z3_ast ast, struct ap_err *err) AP_MUST_CHECK;
void ap__z3_release_kept(struct ap_z3 *z3);

/* A question's symbols: decls[i] belongs to signature->symbols[i]. */
struct ap_z3_theory {
    struct ap_z3 *z3;
    const struct ap_signature *signature;
    Z3_func_decl decls[AP_SIGNATURE_MAX];
};
ap_status ap__z3_declare(struct ap_z3 *z3, const struct ap_signature *signature, struct ap_z3_theory *out,
                         struct ap_err *err) AP_MUST_CHECK;
ap_status ap__z3_formula(struct ap_z3_theory *theory, const struct ap_formula *formula, Z3_ast *out,
                         struct ap_err *err) AP_MUST_CHECK;
/* A model as text: true facts, "; all else is false". */
void ap__z3_model_print(struct ap_z3_theory *theory, Z3_model model, struct ap_buf *out);

#endif
