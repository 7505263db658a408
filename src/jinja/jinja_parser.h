/* jinja_parser.h - what the two halves of the parser share: statements (jinja_parser.c) and expressions
 * (jinja_expression.c).
 *
 *     tokens --> statements --> expressions --> nodes in the template's arena
 *
 * Every function that parses leaves the next token behind what it read. */
#ifndef AP_JINJA_PARSER_H
#define AP_JINJA_PARSER_H

#include "jinja/jinja_lexer.h"
#include "jinja/jinja_tree.h"

struct ap_jparser {
    struct ap_jinja *t;
    const struct ap_jtoken *token; /* the next one */
    int32_t depth;                 /* nested constructs */
    int32_t loops;                 /* loops around, within the innermost macro */
    struct ap_jparams *macro;      /* the innermost macro's, or NULL */
    int32_t *slot;                 /* (slots,) hash table over t->name: index + 1, 0 = free */
    size_t slots, names_cap;
    struct ap_err *err;
};

/* ---- tokens ---- */

ap_status ap__jparse_fail(struct ap_jparser *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
bool ap__jparse_is(const struct ap_jparser *p, const char *op);        /* is the next token this operator? */
bool ap__jparse_is_name(const struct ap_jparser *p, const char *name); /* ... this name? */
bool ap__jparse_skip(struct ap_jparser *p, const char *op);
bool ap__jparse_skip_name(struct ap_jparser *p, const char *name);
ap_status ap__jparse_expect(struct ap_jparser *p, const char *op) AP_MUST_CHECK;
ap_status ap__jparse_enter(struct ap_jparser *p) AP_MUST_CHECK;
void ap__jparse_leave(struct ap_jparser *p);

/* ---- nodes ---- */

ap_status ap__jnode_new(struct ap_jparser *p, enum ap_jnode_kind kind, struct ap_jnode **out) AP_MUST_CHECK;
ap_status ap__jbody_add(struct ap_jparser *p, struct ap_jbody *body, struct ap_jnode *node) AP_MUST_CHECK;
ap_status ap__jparse_intern(struct ap_jparser *p, struct ap_jtext name, int32_t *out) AP_MUST_CHECK;

/* ---- expressions ---- */

ap_status ap__jparse_expr(struct ap_jparser *p, struct ap_jnode **out) AP_MUST_CHECK;
/* a, b, c: a tuple when there is a comma.  Ends before the name `end` (may be NULL).  no_cond: `if` belongs to
 * the statement around. */
ap_status ap__jparse_tuple(struct ap_jparser *p, bool no_cond, const char *end, struct ap_jnode **out) AP_MUST_CHECK;
/* What may be assigned to: a name, namespace.attribute (when with_namespace), or a tuple of them. */
ap_status ap__jparse_target(struct ap_jparser *p, bool with_namespace, const char *end,
                            struct ap_jnode **out) AP_MUST_CHECK;
ap_status ap__jparse_name(struct ap_jparser *p, struct ap_jnode **out) AP_MUST_CHECK; /* one NAME to assign to */
/* | filter | filter(...) on `node`. */
ap_status ap__jparse_filters(struct ap_jparser *p, bool first_without_pipe, struct ap_jnode **node) AP_MUST_CHECK;

/* tokens->v ends with END. */
ap_status ap__jinja_build(struct ap_jinja *t, const struct ap_jtokens *tokens, struct ap_err *err) AP_MUST_CHECK;

#endif
