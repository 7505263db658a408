/* formula.h - first-order formulas: text <-> tree.
 *
 *   forall x. (Wumpus(x) -> Dumpus(x))     ASCII
 *   ∀x (Wumpus(x) → Dumpus(x))             Unicode; both may be mixed
 *
 * Binding, tightest first: not and quantifiers, & (and), | (or), xor, ->
 * (to the right), <->.  A quantifier's body in brackets ends with them; any
 * other body, and every body after `x.`, runs to the end of its level.
 * A name that a quantifier around it binds is a variable; any other name is a
 * constant.  A free u, v, w, x, y or z (one digit may follow) is an error, since a
 * quantifier was forgotten; so is binding a name twice.  Predicates may have no
 * arguments; terms may be functions. */
#ifndef AP_FORMULA_H
#define AP_FORMULA_H

#include "base/alloc.h"

enum {
    AP_FORMULA_MAX_TEXT = 4096, /* bytes */
    AP_FORMULA_MAX_DEPTH = 128, /* of brackets and of the tree */
    AP_FORMULA_MAX_NODES = 1024,
    AP_FORMULA_MAX_ARGS = 8,
    AP_FORMULA_MAX_NAME = 64, /* bytes */
    AP_SIGNATURE_MAX = 512,   /* symbols */
};

enum ap_formula_kind {
    AP_FORMULA_ATOM,  /* name(args) */
    AP_FORMULA_EQUAL, /* args[0] = args[1] */
    AP_FORMULA_NOT,   /* left */
    AP_FORMULA_AND,
    AP_FORMULA_OR,
    AP_FORMULA_XOR,
    AP_FORMULA_IMPLIES,
    AP_FORMULA_IFF,
    AP_FORMULA_FORALL, /* name = variable, left = body */
    AP_FORMULA_EXISTS,
};

struct ap_term {
    const char *name;
    bool variable;
    const struct ap_term *args; /* (n_args,) of a function term, else NULL */
    int32_t n_args;
    int32_t column; /* 1-based, in characters */
};

/* Nodes and names live in the arena they were parsed into. */
struct ap_formula {
    enum ap_formula_kind kind;
    const char *name;           /* predicate or bound variable, else NULL */
    const struct ap_term *args; /* (n_args,) of ATOM and EQUAL */
    int32_t n_args;
    int32_t column, depth;
    const struct ap_formula *left, *right;
};

enum ap_notation { AP_NOTATION_ASCII, AP_NOTATION_UNICODE };

/* AP_E_PARSE with "... at column N", AP_E_TOO_LARGE over a ceiling.  On failure
 * the arena is released to where it was. */
ap_status ap__formula_parse(const char *text, size_t len, struct ap_arena *arena, const struct ap_formula **out,
                            struct ap_err *err) AP_MUST_CHECK;
/* Canonical text; reads back to the same tree.  Brackets stand where binding
 * needs them, around quantifiers that are operands and around bodies with a
 * connective: "forall x. (A(x) -> B(x))", "P(a) & (exists x. Q(x))". */
void ap__formula_print(const struct ap_formula *formula, enum ap_notation notation, struct ap_buf *out);
/* Same tree up to the names of bound variables. */
bool ap__formula_same(const struct ap_formula *a, const struct ap_formula *b);

/* Symbols of a theory with kind and number of arguments. */
struct ap_symbol {
    const char *name; /* borrowed from the formulas' arena */
    bool predicate;   /* else constant or function */
    int32_t arity;
};
struct ap_signature {
    struct ap_symbol *symbols; /* (n,) in order of appearance */
    size_t n, cap;
};
void ap__signature_init(struct ap_signature *signature);
void ap__signature_deinit(struct ap_signature *signature);
/* Add the formula's symbols; AP_E_FORMAT when a predicate or function has other
 * numbers of arguments than before (the signature then stays as it was). */
ap_status ap__signature_add(struct ap_signature *signature, const struct ap_formula *formula,
                            struct ap_err *err) AP_MUST_CHECK;
int32_t ap__signature_find(const struct ap_signature *signature, const char *name, bool predicate); /* or -1 */

/* ---- formula_repair.c: annotations as people wrote them ---- */

/* Parse text after the small repairs that FOLIO's annotations need (surplus or
 * missing brackets, `-` `.` `’` `+` in names, a comma for "and", `∃x ∃x`, free
 * variables).  *notes gets what was done, "; "-separated, and stays empty for
 * text that parses as it is. */
ap_status ap__formula_parse_repair(const char *text, size_t len, struct ap_arena *arena,
                                   const struct ap_formula **out, struct ap_buf *notes,
                                   struct ap_err *err) AP_MUST_CHECK;

#endif
