/* value.h - what a call's arguments and results are made of.
 *
 *   None | True/False | number (exact rational) | string | list of these
 *
 * Numbers are GMP rationals; everything that makes one checks
 * ap__number_fits, so hostile literals and powers cannot eat the memory.
 * Strings are NUL-terminated UTF-8 without inner NULs. */
#ifndef AP_VALUE_H
#define AP_VALUE_H

#include "base/alloc.h"
#include <gmp.h>

enum {
    AP_NUMBER_MAX_BITS = 1024,   /* of numerator and of denominator: about 308 digits */
    AP_NUMBER_MAX_TEXT = 700,    /* characters of a literal */
    AP_NUMBER_MAX_EXPONENT = 300,
    AP_NUMBER_MAX_DECIMALS = 64, /* more: printed as p/q */
};

enum ap_value_kind { AP_VALUE_NONE, AP_VALUE_BOOL, AP_VALUE_NUMBER, AP_VALUE_STRING, AP_VALUE_LIST };

struct ap_value {
    enum ap_value_kind kind;
    union {
        bool boolean;
        mpq_t number; /* canonical */
        char *string; /* owned */
        struct {
            struct ap_value *items; /* (n,) owned */
            int32_t n;
        } list;
    } as;
};

void ap__value_init(struct ap_value *value); /* None */
void ap__value_deinit(struct ap_value *value);
/* The setters expect an initialised None. */
void ap__value_set_bool(struct ap_value *value, bool b);
void ap__value_set_number(struct ap_value *value, const mpq_t number);
ap_status ap__value_set_string(struct ap_value *value, const char *s, size_t n, struct ap_err *err) AP_MUST_CHECK;
/* Deep copy into *out, which is overwritten (it must hold nothing). */
ap_status ap__value_copy(const struct ap_value *value, struct ap_value *out, struct ap_err *err) AP_MUST_CHECK;

/* As a result: numbers as integer, decimal where it ends, else p/q; strings raw. */
void ap__value_print(const struct ap_value *value, struct ap_buf *out);
/* As inside a call: strings quoted with escapes. */
void ap__value_print_quoted(const struct ap_value *value, struct ap_buf *out);
/* "a number", "a string", ... for messages. */
const char *ap__value_kind_text(enum ap_value_kind kind);

/* ---- numbers (number.c) ---- */

bool ap__number_fits(const mpq_t number);
void ap__number_print(const mpq_t number, struct ap_buf *out);
/* The whole text must be one number: 12, -3, 2.50, .5, 1e-3, 1/3, -4/6.
 * *out is an initialised mpq; false leaves it undefined. */
bool ap__number_parse(const char *text, mpq_t out);
/* As people write results: blanks around, $ € £ before, % behind (dropped, not
 * divided by), thousands separators (1,234,567.5), a final full stop. */
bool ap__number_read_lenient(const char *text, mpq_t out);
/* Characters at text that form one number literal (0 = none); not past n. */
size_t ap__number_span(const char *text, size_t n);

#endif
