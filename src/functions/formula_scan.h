/* formula_scan.h - tokens of formulas, ASCII and Unicode alike. */
#ifndef AP_FORMULA_SCAN_H
#define AP_FORMULA_SCAN_H

#include "functions/formula.h"

enum ap_token_kind {
    AP_TOKEN_END,
    AP_TOKEN_NAME, /* also 2023 and keywords that stand where a term must be */
    AP_TOKEN_OPEN, /* ( [ */
    AP_TOKEN_CLOSE,
    AP_TOKEN_COMMA,
    AP_TOKEN_DOT, /* . : after a quantifier's variables */
    AP_TOKEN_EQUAL,
    AP_TOKEN_UNEQUAL,
    AP_TOKEN_NOT,
    AP_TOKEN_AND,
    AP_TOKEN_OR,
    AP_TOKEN_XOR,
    AP_TOKEN_IMPLIES,
    AP_TOKEN_IFF,
    AP_TOKEN_FORALL,
    AP_TOKEN_EXISTS,
    AP_TOKEN_BAD, /* a character that no formula has */
};

struct ap_token {
    enum ap_token_kind kind;
    const char *text; /* (len,) in the input */
    size_t len;
};

/* The token at or after byte pos; blanks are skipped. */
struct ap_token ap__token_at(const char *text, size_t len, size_t pos);
/* 1-based column, in characters, of a byte of text. */
int32_t ap__column_at(const char *text, size_t pos);

/* Faults in the use of variables, which formula_repair.c can mend. */
enum ap_formula_fault_kind { AP_FORMULA_FAULT_NONE, AP_FORMULA_FAULT_FREE, AP_FORMULA_FAULT_REBOUND };
struct ap_formula_fault {
    enum ap_formula_fault_kind kind;
    char name[AP_FORMULA_MAX_NAME + 1]; /* the variable */
    size_t pos;                         /* byte: behind the free, before the rebound variable */
};
/* ap__formula_parse that also says which fault of variables stopped it. */
ap_status ap__formula_parse_fault(const char *text, size_t len, struct ap_arena *arena,
                                  const struct ap_formula **out, struct ap_formula_fault *fault,
                                  struct ap_err *err) AP_MUST_CHECK;

#endif
