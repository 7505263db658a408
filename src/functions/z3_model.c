/* z3_model.c - a countermodel as one short line.
 *
 *   Z3 model (finite universe) -> "Wumpus(max), Likes(max, e2); all else is false"
 *
 * Individuals are called after the first constant that denotes them, others e1,
 * e2, ...; constants that denote the same one are listed as equal.  The line is
 * cut after MAX_FACTS facts. */
#include "functions/z3_theory.h"
#include <stdio.h>
#include <string.h>

enum { MAX_INDIVIDUALS = 16, MAX_FACTS = 24, MAX_TRIES = 4096 };

struct individual {
    Z3_ast ast;
    char name[AP_FORMULA_MAX_NAME + 1];
};

struct situation {
    struct ap_z3_theory *theory;
    Z3_model model;
    struct individual individuals[MAX_INDIVIDUALS]; /* (n,) */
    int32_t n, facts, tries;
    struct ap_buf *out;
};

static void begin_fact(struct situation *s)
{
    ap__buf_puts(s->out, s->facts++ > 0 ? ", " : "");
}

static Z3_ast value_of(struct situation *s, Z3_ast term)
{
    Z3_ast value = NULL;
    struct ap_err ignored;
    if (!ap__libz3.model_eval(s->theory->z3->context, s->model, term, true, &value))
        return NULL;
    return ap__z3_keep(s->theory->z3, value, &ignored) == AP_OK ? value : NULL;
}

static struct individual *find(struct situation *s, Z3_ast value)
{
    for (int32_t i = 0; i < s->n; i++) {
        if (ap__libz3.is_eq_ast(s->theory->z3->context, s->individuals[i].ast, value))
            return &s->individuals[i];
    }
    return NULL;
}

static void add_individual(struct situation *s, Z3_ast value, const char *name)
{
    if (s->n >= MAX_INDIVIDUALS)
        return;
    struct individual *i = &s->individuals[s->n++];
    i->ast = value;
    snprintf(i->name, sizeof i->name, "%s", name);
}

/* Individuals from the constants, then from the universe. */
static void name_individuals(struct situation *s)
{
    const struct ap_signature *signature = s->theory->signature;
    Z3_context c = s->theory->z3->context;
    for (size_t i = 0; i < signature->n; i++) {
        const struct ap_symbol *symbol = &signature->symbols[i];
        if (symbol->predicate || symbol->arity > 0)
            continue;
        Z3_ast term = ap__libz3.mk_app(c, s->theory->decls[i], 0, NULL);
        ap__libz3.inc_ref(c, term);
        Z3_ast value = value_of(s, term);
        ap__libz3.dec_ref(c, term);
        struct individual *known = value != NULL ? find(s, value) : NULL;
        if (known != NULL) {
            begin_fact(s);
            ap__buf_printf(s->out, "%s = %s", symbol->name, known->name);
        } else if (value != NULL) {
            add_individual(s, value, symbol->name);
        }
    }
}

static void name_others(struct situation *s)
{
    Z3_context c = s->theory->z3->context;
    if (ap__libz3.model_get_num_sorts(c, s->model) == 0)
        return;
    Z3_ast_vector universe = ap__libz3.model_get_sort_universe(c, s->model, s->theory->z3->thing);
    if (universe == NULL)
        return;
    ap__libz3.ast_vector_inc_ref(c, universe);
    int32_t others = 0;
    for (unsigned i = 0; i < ap__libz3.ast_vector_size(c, universe); i++) {
        char name[16];
        struct ap_err ignored;
        Z3_ast value = ap__libz3.ast_vector_get(c, universe, i);
        if (find(s, value) != NULL || ap__z3_keep(s->theory->z3, value, &ignored) != AP_OK)
            continue;
        snprintf(name, sizeof name, "e%d", ++others);
        add_individual(s, value, name);
    }
    ap__libz3.ast_vector_dec_ref(c, universe);
}

/* Print symbol(individuals[at[0]], ...) when it is true. */
static void try_fact(struct situation *s, size_t symbol, const int32_t *at)
{
    Z3_context c = s->theory->z3->context;
    Z3_ast args[AP_FORMULA_MAX_ARGS];
    int32_t arity = s->theory->signature->symbols[symbol].arity;
    for (int32_t i = 0; i < arity; i++)
        args[i] = s->individuals[at[i]].ast;
    Z3_ast fact = ap__libz3.mk_app(c, s->theory->decls[symbol], (unsigned)arity, args);
    ap__libz3.inc_ref(c, fact);
    Z3_ast value = value_of(s, fact);
    ap__libz3.dec_ref(c, fact);
    if (value == NULL || ap__libz3.get_bool_value(c, value) != Z3_L_TRUE)
        return;
    begin_fact(s);
    ap__buf_puts(s->out, s->theory->signature->symbols[symbol].name);
    for (int32_t i = 0; i < arity; i++)
        ap__buf_printf(s->out, "%s%s", i == 0 ? "(" : ", ", s->individuals[at[i]].name);
    ap__buf_puts(s->out, arity > 0 ? ")" : "");
}

/* All tuples of individuals, like an odometer. */
static void print_predicate(struct situation *s, size_t symbol)
{
    int32_t at[AP_FORMULA_MAX_ARGS] = {0};
    int32_t arity = s->theory->signature->symbols[symbol].arity, digit = 0;
    if (arity > 0 && s->n == 0)
        return;
    while (digit < arity || arity == 0) {
        if (++s->tries > MAX_TRIES || s->facts >= MAX_FACTS)
            return;
        try_fact(s, symbol, at);
        if (arity == 0)
            return;
        for (digit = 0; digit < arity && ++at[arity - 1 - digit] >= s->n; digit++)
            at[arity - 1 - digit] = 0;
    }
}

void ap__z3_model_print(struct ap_z3_theory *theory, Z3_model model, struct ap_buf *out)
{
    struct situation s = {.theory = theory, .model = model, .out = out};
    name_individuals(&s);
    name_others(&s);
    for (size_t i = 0; i < theory->signature->n; i++) {
        if (theory->signature->symbols[i].predicate)
            print_predicate(&s, i);
    }
    if (s.tries > MAX_TRIES || s.facts >= MAX_FACTS)
        ap__buf_puts(out, ", ...");
    else
        ap__buf_puts(out, s.facts > 0 ? "; all else is false" : "nothing is true");
}
