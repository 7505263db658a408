/* z3_theory.c - tree -> Z3 terms.
 *
 *   signature  -> one Z3 function declaration per symbol, thing^arity -> bool | thing
 *   variables  -> Z3 constants, bound by forall_const / exists_const
 *   connectives one to one
 *
 * Z3 reports failures (out of memory, interrupted) by NULL results; the error
 * handler does nothing, so that Z3 neither prints nor exits. */
#include "functions/z3_theory.h"
#include <string.h>

static void ignore_error(Z3_context context, Z3_error_code code)
{
    (void)context;
    (void)code; /* the NULL result that follows is what counts */
}

void ap__z3_set_limit(struct ap_z3 *z3, uint32_t units)
{
    Z3_context c = z3->context;
    ap__libz3.params_set_uint(c, z3->params, ap__libz3.mk_string_symbol(c, "rlimit"), units);
}

ap_status ap__z3_open(struct ap_z3 *z3, struct ap_err *err)
{
    memset(z3, 0, sizeof *z3);
    AP_TRY(ap__libz3_load(err));
    Z3_config config = ap__libz3.mk_config();
    z3->context = ap__libz3.mk_context_rc(config);
    ap__libz3.del_config(config);
    if (z3->context == NULL)
        return ap__fail(err, AP_E_MEMORY, "Z3", "the prover could not be started");
    Z3_context c = z3->context;
    ap__libz3.set_error_handler(c, ignore_error);
    z3->thing = ap__libz3.mk_uninterpreted_sort(c, ap__libz3.mk_int_symbol(c, 0));
    ap__libz3.inc_ref(c, ap__libz3.sort_to_ast(c, z3->thing));
    z3->boolean = ap__libz3.mk_bool_sort(c);
    ap__libz3.inc_ref(c, ap__libz3.sort_to_ast(c, z3->boolean));
    z3->params = ap__libz3.mk_params(c);
    ap__libz3.params_inc_ref(c, z3->params);
    /* Ctrl-C belongs to the program, not to Z3. */
    ap__libz3.params_set_bool(c, z3->params, ap__libz3.mk_string_symbol(c, "ctrl_c"), false);
    return AP_OK;
}

void ap__z3_close(struct ap_z3 *z3)
{
    Z3_context c = z3->context;
    if (c == NULL)
        return;
    ap__z3_release_kept(z3);
    ap__free(z3->kept);
    ap__libz3.params_dec_ref(c, z3->params);
    ap__libz3.dec_ref(c, ap__libz3.sort_to_ast(c, z3->boolean));
    ap__libz3.dec_ref(c, ap__libz3.sort_to_ast(c, z3->thing));
    ap__libz3.del_context(c);
    memset(z3, 0, sizeof *z3);
}

ap_status ap__z3_keep(struct ap_z3 *z3, Z3_ast ast, struct ap_err *err)
{
    if (ast == NULL)
        return ap__fail(err, AP_E_LIMIT, "Z3", "%s",
                        ap__libz3.get_error_msg(z3->context, ap__libz3.get_error_code(z3->context)));
    ap__libz3.inc_ref(z3->context, ast);
    ap_status status = ap__grow((void **)&z3->kept, &z3->cap_kept, z3->n_kept + 1, sizeof *z3->kept, err);
    if (status == AP_OK)
        z3->kept[z3->n_kept++] = ast;
    else
        ap__libz3.dec_ref(z3->context, ast);
    return status;
}

void ap__z3_release_kept(struct ap_z3 *z3)
{
    while (z3->n_kept > 0)
        ap__libz3.dec_ref(z3->context, z3->kept[--z3->n_kept]);
}

/* ---- symbols ---- */

ap_status ap__z3_declare(struct ap_z3 *z3, const struct ap_signature *signature, struct ap_z3_theory *out,
                         struct ap_err *err)
{
    Z3_sort domain[AP_FORMULA_MAX_ARGS];
    out->z3 = z3;
    out->signature = signature;
    for (int i = 0; i < AP_FORMULA_MAX_ARGS; i++)
        domain[i] = z3->thing;
    for (size_t i = 0; i < signature->n; i++) {
        const struct ap_symbol *symbol = &signature->symbols[i];
        Z3_func_decl decl = ap__libz3.mk_func_decl(z3->context, ap__libz3.mk_int_symbol(z3->context, (int)i + 1),
                                                   (unsigned)symbol->arity, domain,
                                                   symbol->predicate ? z3->boolean : z3->thing);
        AP_TRY(ap__z3_keep(z3, ap__libz3.func_decl_to_ast(z3->context, decl), err));
        out->decls[i] = decl;
    }
    return AP_OK;
}

/* ---- terms and formulas ---- */

/* Bound variables on the way to the current node, innermost last. */
struct scope {
    const char *name;
    Z3_ast constant;
    const struct scope *outer;
};

static ap_status make(struct ap_z3_theory *t, const struct ap_formula *f, const struct scope *scope, Z3_ast *out,
                      struct ap_err *err);

static ap_status make_terms(struct ap_z3_theory *t, const struct ap_term *terms, int32_t n, const struct scope *scope,
                            Z3_ast out[AP_FORMULA_MAX_ARGS], struct ap_err *err)
{
    Z3_ast args[AP_FORMULA_MAX_ARGS];
    for (int32_t i = 0; i < n; i++) {
        if (terms[i].variable) {
            const struct scope *s = scope;
            while (strcmp(s->name, terms[i].name) != 0)
                s = s->outer; /* the parser has bound it */
            out[i] = s->constant;
            continue;
        }
        AP_TRY(make_terms(t, terms[i].args, terms[i].n_args, scope, args, err));
        Z3_func_decl decl = t->decls[ap__signature_find(t->signature, terms[i].name, false)];
        out[i] = ap__libz3.mk_app(t->z3->context, decl, (unsigned)terms[i].n_args, args);
        AP_TRY(ap__z3_keep(t->z3, out[i], err));
    }
    return AP_OK;
}

static ap_status make_atom(struct ap_z3_theory *t, const struct ap_formula *f, const struct scope *scope, Z3_ast *out,
                           struct ap_err *err)
{
    Z3_ast args[AP_FORMULA_MAX_ARGS];
    AP_TRY(make_terms(t, f->args, f->n_args, scope, args, err));
    if (f->kind == AP_FORMULA_EQUAL)
        *out = ap__libz3.mk_eq(t->z3->context, args[0], args[1]);
    else
        *out = ap__libz3.mk_app(t->z3->context, t->decls[ap__signature_find(t->signature, f->name, true)],
                                (unsigned)f->n_args, args);
    return ap__z3_keep(t->z3, *out, err);
}

static ap_status make_quantified(struct ap_z3_theory *t, const struct ap_formula *f, const struct scope *scope,
                                 Z3_ast *out, struct ap_err *err)
{
    Z3_context c = t->z3->context;
    int number = (int)t->signature->n + 1; /* past the symbols' */
    for (const struct scope *s = scope; s != NULL; s = s->outer)
        number++;
    struct scope inner = {f->name, ap__libz3.mk_const(c, ap__libz3.mk_int_symbol(c, number), t->z3->thing), scope};
    Z3_ast body;
    AP_TRY(ap__z3_keep(t->z3, inner.constant, err));
    AP_TRY(make(t, f->left, &inner, &body, err));
    Z3_app bound = ap__libz3.to_app(c, inner.constant);
    *out = f->kind == AP_FORMULA_FORALL ? ap__libz3.mk_forall_const(c, 0, 1, &bound, 0, NULL, body)
                                        : ap__libz3.mk_exists_const(c, 0, 1, &bound, 0, NULL, body);
    return ap__z3_keep(t->z3, *out, err);
}

static Z3_ast connect(Z3_context c, enum ap_formula_kind kind, Z3_ast left, Z3_ast right)
{
    Z3_ast both[2] = {left, right};
    switch (kind) {
    case AP_FORMULA_AND:
        return ap__libz3.mk_and(c, 2, both);
    case AP_FORMULA_OR:
        return ap__libz3.mk_or(c, 2, both);
    case AP_FORMULA_XOR:
        return ap__libz3.mk_xor(c, left, right);
    case AP_FORMULA_IMPLIES:
        return ap__libz3.mk_implies(c, left, right);
    default:
        return ap__libz3.mk_iff(c, left, right);
    }
}

static ap_status make(struct ap_z3_theory *t, const struct ap_formula *f, const struct scope *scope, Z3_ast *out,
                      struct ap_err *err)
{
    Z3_ast left, right;
    switch (f->kind) {
    case AP_FORMULA_ATOM:
    case AP_FORMULA_EQUAL:
        return make_atom(t, f, scope, out, err);
    case AP_FORMULA_FORALL:
    case AP_FORMULA_EXISTS:
        return make_quantified(t, f, scope, out, err);
    case AP_FORMULA_NOT:
        AP_TRY(make(t, f->left, scope, &left, err));
        *out = ap__libz3.mk_not(t->z3->context, left);
        break;
    default:
        AP_TRY(make(t, f->left, scope, &left, err));
        AP_TRY(make(t, f->right, scope, &right, err));
        *out = connect(t->z3->context, f->kind, left, right);
    }
    return ap__z3_keep(t->z3, *out, err);
}

ap_status ap__z3_formula(struct ap_z3_theory *theory, const struct ap_formula *formula, Z3_ast *out,
                         struct ap_err *err)
{
    return make(theory, formula, NULL, out, err);
}
