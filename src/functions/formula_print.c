/* formula_print.c - tree -> canonical text, trees compared, symbols gathered.
 *
 *   AND(P, OR(Q, R))  ->  "P & (Q | R)"  or  "P ∧ (Q ∨ R)"
 *
 * A node is bracketed when it binds no tighter than its place allows. */
#include "functions/formula.h"
#include <string.h>

/* ---- text ---- */

static const char *const connectives[][2] = {
    [AP_FORMULA_AND] = {" & ", " ∧ "},      [AP_FORMULA_OR] = {" | ", " ∨ "},    [AP_FORMULA_XOR] = {" xor ", " ⊕ "},
    [AP_FORMULA_IMPLIES] = {" -> ", " → "}, [AP_FORMULA_IFF] = {" <-> ", " ↔ "},
};

/* 0 quantifiers, 1..5 connectives, 6 what stands alone. */
static int level(const struct ap_formula *f)
{
    switch (f->kind) {
    case AP_FORMULA_FORALL:
    case AP_FORMULA_EXISTS:
        return 0;
    case AP_FORMULA_IFF:
        return 1;
    case AP_FORMULA_IMPLIES:
        return 2;
    case AP_FORMULA_XOR:
        return 3;
    case AP_FORMULA_OR:
        return 4;
    case AP_FORMULA_AND:
        return 5;
    case AP_FORMULA_ATOM:
    case AP_FORMULA_EQUAL:
    case AP_FORMULA_NOT:
        break;
    }
    return 6;
}

static void print_term(const struct ap_term *term, struct ap_buf *out);

static void print_args(const struct ap_term *args, int32_t n, struct ap_buf *out)
{
    for (int32_t i = 0; i < n; i++) {
        ap__buf_puts(out, i == 0 ? "(" : ", ");
        print_term(&args[i], out);
    }
    if (n > 0)
        ap__buf_putc(out, ')');
}

static void print_term(const struct ap_term *term, struct ap_buf *out)
{
    ap__buf_puts(out, term->name);
    print_args(term->args, term->n_args, out);
}

/* Print f, in brackets unless it binds at least as tightly as `least`. */
static void print_at(const struct ap_formula *f, int least, enum ap_notation notation, struct ap_buf *out)
{
    if (level(f) < least)
        ap__buf_putc(out, '(');
    ap__formula_print(f, notation, out);
    if (level(f) < least)
        ap__buf_putc(out, ')');
}

static void print_quantified(const struct ap_formula *f, enum ap_notation notation, struct ap_buf *out)
{
    bool forall = f->kind == AP_FORMULA_FORALL;
    if (notation == AP_NOTATION_ASCII)
        ap__buf_printf(out, "%s %s. ", forall ? "forall" : "exists", f->name);
    else
        ap__buf_printf(out, "%s%s ", forall ? "∀" : "∃", f->name);
    print_at(f->left, level(f->left) == 0 ? 0 : 6, notation, out);
}

void ap__formula_print(const struct ap_formula *f, enum ap_notation notation, struct ap_buf *out)
{
    int own = level(f);
    switch (f->kind) {
    case AP_FORMULA_ATOM:
        ap__buf_puts(out, f->name);
        print_args(f->args, f->n_args, out);
        break;
    case AP_FORMULA_EQUAL:
        print_term(&f->args[0], out);
        ap__buf_puts(out, " = ");
        print_term(&f->args[1], out);
        break;
    case AP_FORMULA_NOT:
        ap__buf_puts(out, notation == AP_NOTATION_ASCII ? "not " : "¬");
        print_at(f->left, 6, notation, out);
        break;
    case AP_FORMULA_FORALL:
    case AP_FORMULA_EXISTS:
        print_quantified(f, notation, out);
        break;
    default: /* a connective: the side it does not lean to needs more */
        print_at(f->left, f->kind == AP_FORMULA_IMPLIES ? own + 1 : own, notation, out);
        ap__buf_puts(out, connectives[f->kind][notation]);
        print_at(f->right, f->kind == AP_FORMULA_IMPLIES ? own : own + 1, notation, out);
    }
}

/* ---- sameness ---- */

/* Names bound on the way down in both trees, innermost last. */
struct scopes {
    const char *a[AP_FORMULA_MAX_DEPTH], *b[AP_FORMULA_MAX_DEPTH];
    int32_t n;
};

static int32_t binder(const char *const *names, int32_t n, const char *name)
{
    while (n > 0 && strcmp(names[n - 1], name) != 0)
        n--;
    return n;
}

static bool terms_same(const struct ap_term *a, const struct ap_term *b, int32_t n, const struct scopes *s)
{
    for (int32_t i = 0; i < n; i++) {
        if (a[i].variable != b[i].variable || a[i].n_args != b[i].n_args)
            return false;
        if (a[i].variable ? binder(s->a, s->n, a[i].name) != binder(s->b, s->n, b[i].name)
                          : strcmp(a[i].name, b[i].name) != 0)
            return false;
        if (!terms_same(a[i].args, b[i].args, a[i].n_args, s))
            return false;
    }
    return true;
}

static bool trees_same(const struct ap_formula *a, const struct ap_formula *b, struct scopes *s)
{
    if (a->kind != b->kind || a->n_args != b->n_args)
        return false;
    if (a->kind == AP_FORMULA_ATOM && strcmp(a->name, b->name) != 0)
        return false;
    if (!terms_same(a->args, b->args, a->n_args, s))
        return false;
    bool quantified = a->kind == AP_FORMULA_FORALL || a->kind == AP_FORMULA_EXISTS;
    if (quantified) {
        s->a[s->n] = a->name;
        s->b[s->n++] = b->name;
    }
    bool same = (a->left == NULL || trees_same(a->left, b->left, s)) &&
                (a->right == NULL || trees_same(a->right, b->right, s));
    s->n -= quantified;
    return same;
}

bool ap__formula_same(const struct ap_formula *a, const struct ap_formula *b)
{
    struct scopes scopes = {.n = 0};
    return trees_same(a, b, &scopes);
}

/* ---- symbols ---- */

void ap__signature_init(struct ap_signature *signature)
{
    memset(signature, 0, sizeof *signature);
}

void ap__signature_deinit(struct ap_signature *signature)
{
    ap__free(signature->symbols);
    ap__signature_init(signature);
}

int32_t ap__signature_find(const struct ap_signature *signature, const char *name, bool predicate)
{
    for (size_t i = 0; i < signature->n; i++) {
        if (signature->symbols[i].predicate == predicate && strcmp(signature->symbols[i].name, name) == 0)
            return (int32_t)i;
    }
    return -1;
}

static ap_status add_symbol(struct ap_signature *s, const char *name, bool predicate, int32_t arity, int32_t column,
                            struct ap_err *err)
{
    int32_t found = ap__signature_find(s, name, predicate);
    if (found >= 0 && s->symbols[found].arity == arity)
        return AP_OK;
    if (found >= 0)
        return ap__fail(err, AP_E_FORMAT, NULL, "`%s` at column %d has %d argument%s, but had %d before", name, column,
                        arity, arity == 1 ? "" : "s", s->symbols[found].arity);
    if (s->n >= AP_SIGNATURE_MAX)
        return ap__fail(err, AP_E_TOO_LARGE, NULL, "more than %d different names", AP_SIGNATURE_MAX);
    AP_TRY(ap__grow((void **)&s->symbols, &s->cap, s->n + 1, sizeof *s->symbols, err));
    s->symbols[s->n++] = (struct ap_symbol){name, predicate, arity};
    return AP_OK;
}

static ap_status add_terms(struct ap_signature *s, const struct ap_term *terms, int32_t n, struct ap_err *err)
{
    for (int32_t i = 0; i < n; i++) {
        if (!terms[i].variable)
            AP_TRY(add_symbol(s, terms[i].name, false, terms[i].n_args, terms[i].column, err));
        AP_TRY(add_terms(s, terms[i].args, terms[i].n_args, err));
    }
    return AP_OK;
}

static ap_status add_formula(struct ap_signature *s, const struct ap_formula *f, struct ap_err *err)
{
    if (f->kind == AP_FORMULA_ATOM)
        AP_TRY(add_symbol(s, f->name, true, f->n_args, f->column, err));
    AP_TRY(add_terms(s, f->args, f->n_args, err));
    if (f->left != NULL)
        AP_TRY(add_formula(s, f->left, err));
    return f->right != NULL ? add_formula(s, f->right, err) : AP_OK;
}

ap_status ap__signature_add(struct ap_signature *signature, const struct ap_formula *formula, struct ap_err *err)
{
    size_t before = signature->n;
    ap_status status = add_formula(signature, formula, err);
    if (status != AP_OK)
        signature->n = before;
    return status;
}
