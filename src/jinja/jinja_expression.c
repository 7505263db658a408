/* jinja_expression.c - expressions, by precedence.
 *
 *     x if c else y -> or -> and -> not -> == != < in -> + - -> ~ -> * / // % -> ** -> - + -> literal, name, (...)
 *                                                      then, tightest: .name [index] (call) | filter, is test
 *
 * As in Jinja2, a filter binds tighter than an operator before it, but looser than a sign: -1|abs is (-1)|abs. */
#include "jinja/jinja_parser.h"
#include "jinja/jinja_run.h"

#include <string.h>

static ap_status parse_or(struct ap_jparser *p, struct ap_jnode **out);
static ap_status parse_unary(struct ap_jparser *p, bool with_filters, struct ap_jnode **out);

static ap_status two(struct ap_jparser *p, enum ap_jnode_kind kind, enum ap_jop op, struct ap_jnode *a,
                     struct ap_jnode *b, struct ap_jnode **out)
{
    AP_TRY(ap__jnode_new(p, kind, out));
    (*out)->op = op;
    (*out)->a = a;
    (*out)->b = b;
    return AP_OK;
}

/* ------------------------------------------------------------------ literals, names, brackets */

static ap_status parse_string(struct ap_jparser *p, struct ap_jnode **out)
{
    AP_TRY(ap__jnode_new(p, AP_JN_CONST, out));
    size_t n = 0;
    const struct ap_jtoken *first = p->token;
    for (const struct ap_jtoken *t = first; t->kind == AP_JT_STRING; t++)
        n += t->text.n;
    char *joined = ap__arena_alloc(&p->t->arena, n + 1);
    if (!joined)
        return ap__fail(p->err, AP_E_MEMORY, p->t->source_name, "out of memory for the template");
    (*out)->value = ap__jval_view(joined, n);
    for (; p->token->kind == AP_JT_STRING; p->token++) {
        memcpy(joined, p->token->text.s, p->token->text.n);
        joined += p->token->text.n;
    }
    *joined = '\0';
    return AP_OK;
}

static ap_status parse_constant_name(struct ap_jparser *p, struct ap_jnode **out)
{
    static const struct {
        const char *name;
        enum ap_jkind kind;
        bool b;
    } constants[] = {{"true", AP_J_BOOL, true},   {"True", AP_J_BOOL, true},  {"false", AP_J_BOOL, false},
                     {"False", AP_J_BOOL, false}, {"none", AP_J_NONE, false}, {"None", AP_J_NONE, false}};
    for (size_t i = 0; i < sizeof constants / sizeof *constants; i++)
        if (ap__jparse_is_name(p, constants[i].name)) {
            AP_TRY(ap__jnode_new(p, AP_JN_CONST, out));
            (*out)->value = (struct ap_jval){.kind = constants[i].kind, .b = constants[i].b};
            p->token++;
            return AP_OK;
        }
    *out = NULL;
    return AP_OK;
}

/* Which special variables a macro's body uses decides what it can be called with. */
static void note_special(struct ap_jparser *p, int32_t name)
{
    if (!p->macro)
        return;
    p->macro->uses_caller |= name == p->t->name_caller;
    p->macro->uses_varargs |= name == p->t->name_varargs;
    p->macro->uses_kwargs |= name == p->t->name_kwargs;
}

static ap_status parse_variable(struct ap_jparser *p, struct ap_jnode **out)
{
    AP_TRY(parse_constant_name(p, out));
    if (*out)
        return AP_OK;
    AP_TRY(ap__jnode_new(p, AP_JN_NAME, out));
    AP_TRY(ap__jparse_intern(p, p->token->text, &(*out)->name));
    note_special(p, (*out)->name);
    p->token++;
    return AP_OK;
}

static ap_status parse_list(struct ap_jparser *p, struct ap_jnode **out)
{
    AP_TRY(ap__jnode_new(p, AP_JN_LIST, out));
    p->token++;
    while (!ap__jparse_skip(p, "]")) {
        struct ap_jnode *item;
        AP_TRY(ap__jparse_expr(p, &item));
        AP_TRY(ap__jbody_add(p, &(*out)->body, item));
        if (!ap__jparse_is(p, "]"))
            AP_TRY(ap__jparse_expect(p, ","));
    }
    return AP_OK;
}

static ap_status parse_dict(struct ap_jparser *p, struct ap_jnode **out)
{
    AP_TRY(ap__jnode_new(p, AP_JN_DICT, out));
    p->token++;
    while (!ap__jparse_skip(p, "}")) {
        struct ap_jnode *key, *value;
        AP_TRY(ap__jparse_expr(p, &key));
        AP_TRY(ap__jparse_expect(p, ":"));
        AP_TRY(ap__jparse_expr(p, &value));
        AP_TRY(ap__jbody_add(p, &(*out)->body, key));
        AP_TRY(ap__jbody_add(p, &(*out)->body, value));
        if (!ap__jparse_is(p, "}"))
            AP_TRY(ap__jparse_expect(p, ","));
    }
    return AP_OK;
}

/* Behind "(": one expression, or a tuple, perhaps empty. */
static ap_status parse_parentheses(struct ap_jparser *p, struct ap_jnode **out)
{
    p->token++;
    if (ap__jparse_is(p, ")"))
        AP_TRY(ap__jnode_new(p, AP_JN_TUPLE, out));
    else
        AP_TRY(ap__jparse_tuple(p, false, NULL, out));
    return ap__jparse_expect(p, ")");
}

static ap_status parse_number(struct ap_jparser *p, struct ap_jnode **out)
{
    AP_TRY(ap__jnode_new(p, AP_JN_CONST, out));
    (*out)->value = p->token->kind == AP_JT_INT ? ap__jval_int(p->token->i) : ap__jval_float(p->token->f);
    p->token++;
    return AP_OK;
}

static ap_status parse_primary(struct ap_jparser *p, struct ap_jnode **out)
{
    switch (p->token->kind) {
    case AP_JT_NAME:
        return parse_variable(p, out);
    case AP_JT_STRING:
        return parse_string(p, out);
    case AP_JT_INT:
    case AP_JT_FLOAT:
        return parse_number(p, out);
    default:
        break;
    }
    if (ap__jparse_is(p, "("))
        return parse_parentheses(p, out);
    if (ap__jparse_is(p, "["))
        return parse_list(p, out);
    if (ap__jparse_is(p, "{"))
        return parse_dict(p, out);
    return ap__jparse_fail(p, "an expression is expected");
}

/* ------------------------------------------------------------------ behind an expression: . [] () | is */

static ap_status parse_dot(struct ap_jparser *p, struct ap_jnode **node)
{
    struct ap_jnode *out;
    p->token++;
    if (p->token->kind != AP_JT_NAME && p->token->kind != AP_JT_INT)
        return ap__jparse_fail(p, "a name is expected behind `.`");
    if (p->token->kind == AP_JT_INT) {
        struct ap_jnode *index;
        AP_TRY(parse_number(p, &index));
        return two(p, AP_JN_ITEM, AP_JOP_NOT, *node, index, node);
    }
    AP_TRY(ap__jnode_new(p, AP_JN_ATTR, &out));
    out->a = *node;
    out->value = ap__jval_view(p->token->text.s, p->token->text.n);
    p->token++;
    *node = out;
    return AP_OK;
}

static ap_status parse_bound(struct ap_jparser *p, struct ap_jnode **out)
{
    *out = NULL;
    return ap__jparse_is(p, ":") || ap__jparse_is(p, "]") ? AP_OK : ap__jparse_expr(p, out);
}

/* a[x, y] and a[]: the index is a tuple. */
static ap_status parse_tuple_index(struct ap_jparser *p, struct ap_jnode *first, struct ap_jnode **out)
{
    struct ap_jnode *item;
    AP_TRY(ap__jnode_new(p, AP_JN_TUPLE, out));
    if (first)
        AP_TRY(ap__jbody_add(p, &(*out)->body, first));
    while (ap__jparse_skip(p, ",")) {
        AP_TRY(ap__jparse_expr(p, &item));
        AP_TRY(ap__jbody_add(p, &(*out)->body, item));
    }
    return AP_OK;
}

static ap_status parse_subscript(struct ap_jparser *p, struct ap_jnode **node)
{
    struct ap_jnode *first, *out;
    p->token++;
    AP_TRY(parse_bound(p, &first));
    if (!ap__jparse_is(p, ":")) {
        if (!first || ap__jparse_is(p, ","))
            AP_TRY(parse_tuple_index(p, first, &first));
        AP_TRY(two(p, AP_JN_ITEM, AP_JOP_NOT, *node, first, &out));
    } else {
        p->token++;
        AP_TRY(two(p, AP_JN_SLICE, AP_JOP_NOT, *node, first, &out));
        AP_TRY(parse_bound(p, &out->c));
        if (ap__jparse_skip(p, ":"))
            AP_TRY(parse_bound(p, &out->d));
    }
    *node = out;
    return ap__jparse_expect(p, "]");
}

static ap_status add_keyword(struct ap_jparser *p, struct ap_jcall *call)
{
    struct ap_jnode *value;
    struct ap_jtext name = p->token->text;
    p->token += 2;
    AP_TRY(ap__jparse_expr(p, &value));
    if (call->kw.n == call->kw_cap) {
        size_t cap = call->kw_cap ? 2 * call->kw_cap : 8;
        struct ap_jtext *wider = ap__arena_zalloc(&p->t->arena, cap * sizeof *wider);
        if (!wider)
            return ap__fail(p->err, AP_E_MEMORY, p->t->source_name, "out of memory for the template");
        if (call->kw.n)
            memcpy(wider, call->kw_name, call->kw.n * sizeof *wider);
        call->kw_name = wider;
        call->kw_cap = cap;
    }
    call->kw_name[call->kw.n] = name;
    return ap__jbody_add(p, &call->kw, value);
}

static ap_status parse_argument(struct ap_jparser *p, struct ap_jcall *call)
{
    struct ap_jnode *value;
    if (ap__jparse_is(p, "*") && !call->star && !call->star_star) {
        p->token++;
        return ap__jparse_expr(p, &call->star);
    }
    if (ap__jparse_is(p, "**") && !call->star_star) {
        p->token++;
        return ap__jparse_expr(p, &call->star_star);
    }
    bool is_keyword = p->token->kind == AP_JT_NAME && p->token[1].kind == AP_JT_OP && p->token[1].text.n == 1 &&
                      p->token[1].text.s[0] == '=';
    if (is_keyword && !call->star_star)
        return add_keyword(p, call);
    if (is_keyword || call->star || call->star_star || call->kw.n)
        return ap__jparse_fail(p, "a positional argument follows a keyword argument");
    AP_TRY(ap__jparse_expr(p, &value));
    return ap__jbody_add(p, &call->args, value);
}

static ap_status parse_arguments(struct ap_jparser *p, struct ap_jcall **out)
{
    struct ap_jcall *call = *out = ap__arena_zalloc(&p->t->arena, sizeof **out);
    if (!call)
        return ap__fail(p->err, AP_E_MEMORY, p->t->source_name, "out of memory for the template");
    if (!ap__jparse_skip(p, "("))
        return AP_OK;
    while (!ap__jparse_skip(p, ")")) {
        AP_TRY(parse_argument(p, call));
        if (!ap__jparse_is(p, ")"))
            AP_TRY(ap__jparse_expect(p, ","));
    }
    return AP_OK;
}

static ap_status parse_call(struct ap_jparser *p, struct ap_jnode **node)
{
    struct ap_jnode *out;
    AP_TRY(ap__jnode_new(p, AP_JN_CALL, &out));
    out->a = *node;
    AP_TRY(parse_arguments(p, &out->call));
    *node = out;
    return AP_OK;
}

static ap_status parse_postfix(struct ap_jparser *p, struct ap_jnode **node)
{
    for (;;) {
        if (ap__jparse_is(p, "."))
            AP_TRY(parse_dot(p, node));
        else if (ap__jparse_is(p, "["))
            AP_TRY(parse_subscript(p, node));
        else if (ap__jparse_is(p, "("))
            AP_TRY(parse_call(p, node));
        else
            return AP_OK;
    }
}

static ap_status parse_filter(struct ap_jparser *p, struct ap_jnode **node)
{
    struct ap_jnode *out;
    if (p->token->kind != AP_JT_NAME)
        return ap__jparse_fail(p, "the name of a filter is expected");
    AP_TRY(ap__jnode_new(p, AP_JN_FILTER, &out));
    out->a = *node;
    out->value = ap__jval_view(p->token->text.s, p->token->text.n);
    out->func = ap__jinja_filter_find(p->token->text.s, p->token->text.n);
    p->token++;
    AP_TRY(parse_arguments(p, &out->call));
    *node = out;
    return AP_OK;
}

ap_status ap__jparse_filters(struct ap_jparser *p, bool first_without_pipe, struct ap_jnode **node)
{
    if (first_without_pipe)
        AP_TRY(parse_filter(p, node));
    while (ap__jparse_skip(p, "|"))
        AP_TRY(parse_filter(p, node));
    return AP_OK;
}

/* A test may take one argument without brackets: `is divisibleby 3`. */
static bool bare_argument_follows(const struct ap_jparser *p)
{
    if (p->token->kind == AP_JT_NAME)
        return !ap__jparse_is_name(p, "else") && !ap__jparse_is_name(p, "or") && !ap__jparse_is_name(p, "and");
    return p->token->kind == AP_JT_STRING || p->token->kind == AP_JT_INT || p->token->kind == AP_JT_FLOAT ||
           ap__jparse_is(p, "[") || ap__jparse_is(p, "{");
}

static ap_status parse_bare_argument(struct ap_jparser *p, struct ap_jcall *call)
{
    struct ap_jnode *argument;
    if (ap__jparse_is_name(p, "is"))
        return ap__jparse_fail(p, "tests with `is` cannot be chained");
    AP_TRY(parse_primary(p, &argument));
    AP_TRY(parse_postfix(p, &argument));
    return ap__jbody_add(p, &call->args, argument);
}

static ap_status parse_test(struct ap_jparser *p, struct ap_jnode **node)
{
    struct ap_jnode *out;
    bool negated = ap__jparse_skip_name(p, "not");
    if (p->token->kind != AP_JT_NAME)
        return ap__jparse_fail(p, "the name of a test is expected");
    AP_TRY(ap__jnode_new(p, AP_JN_TEST, &out));
    out->a = *node;
    out->value = ap__jval_view(p->token->text.s, p->token->text.n);
    out->func = ap__jfunc_find(ap__jinja_tests, p->token->text.s, p->token->text.n);
    p->token++;
    AP_TRY(parse_arguments(p, &out->call));
    if (p->token[-1].kind == AP_JT_NAME && bare_argument_follows(p))
        AP_TRY(parse_bare_argument(p, out->call));
    *node = out;
    return negated ? two(p, AP_JN_UNARY, AP_JOP_NOT, out, NULL, node) : AP_OK;
}

static ap_status parse_filters_and_tests(struct ap_jparser *p, struct ap_jnode **node)
{
    for (;;) {
        if (ap__jparse_is(p, "|"))
            AP_TRY(ap__jparse_filters(p, false, node));
        else if (ap__jparse_skip_name(p, "is"))
            AP_TRY(parse_test(p, node));
        else if (ap__jparse_is(p, "("))
            AP_TRY(parse_call(p, node));
        else
            return AP_OK;
    }
}

/* ------------------------------------------------------------------ operators */

static ap_status parse_signed(struct ap_jparser *p, struct ap_jnode **out)
{
    enum ap_jop op = ap__jparse_is(p, "-") ? AP_JOP_NEG : AP_JOP_POS;
    struct ap_jnode *operand;
    p->token++;
    AP_TRY(parse_unary(p, false, &operand));
    return two(p, AP_JN_UNARY, op, operand, NULL, out);
}

static ap_status parse_unary(struct ap_jparser *p, bool with_filters, struct ap_jnode **out)
{
    AP_TRY(ap__jparse_enter(p));
    if (ap__jparse_is(p, "-") || ap__jparse_is(p, "+"))
        AP_TRY(parse_signed(p, out));
    else
        AP_TRY(parse_primary(p, out));
    AP_TRY(parse_postfix(p, out));
    if (with_filters)
        AP_TRY(parse_filters_and_tests(p, out));
    ap__jparse_leave(p);
    return AP_OK;
}

static ap_status parse_pow(struct ap_jparser *p, struct ap_jnode **out)
{
    AP_TRY(parse_unary(p, true, out));
    while (ap__jparse_skip(p, "**")) {
        struct ap_jnode *right;
        AP_TRY(parse_unary(p, true, &right));
        AP_TRY(two(p, AP_JN_BINARY, AP_JOP_POW, *out, right, out));
    }
    return AP_OK;
}

struct operator {
    const char *text;
    enum ap_jop op;
};

static const struct operator *next_operator(const struct ap_jparser *p, const struct operator *table)
{
    for (; table->text; table++)
        if (ap__jparse_is(p, table->text))
            return table;
    return NULL;
}

static ap_status parse_product(struct ap_jparser *p, struct ap_jnode **out)
{
    static const struct operator table[] = {
        {"*", AP_JOP_MUL}, {"/", AP_JOP_DIV}, {"//", AP_JOP_FLOORDIV}, {"%", AP_JOP_MOD}, {NULL, AP_JOP_NOT}};
    const struct operator *found;
    AP_TRY(parse_pow(p, out));
    while ((found = next_operator(p, table)) != NULL) {
        struct ap_jnode *right;
        p->token++;
        AP_TRY(parse_pow(p, &right));
        AP_TRY(two(p, AP_JN_BINARY, found->op, *out, right, out));
    }
    return AP_OK;
}

static ap_status parse_concat(struct ap_jparser *p, struct ap_jnode **out)
{
    struct ap_jnode *first, *more;
    AP_TRY(parse_product(p, &first));
    *out = first;
    if (!ap__jparse_is(p, "~"))
        return AP_OK;
    AP_TRY(ap__jnode_new(p, AP_JN_CONCAT, out));
    AP_TRY(ap__jbody_add(p, &(*out)->body, first));
    while (ap__jparse_skip(p, "~")) {
        AP_TRY(parse_product(p, &more));
        AP_TRY(ap__jbody_add(p, &(*out)->body, more));
    }
    return AP_OK;
}

static ap_status parse_sum(struct ap_jparser *p, struct ap_jnode **out)
{
    static const struct operator table[] = {{"+", AP_JOP_ADD}, {"-", AP_JOP_SUB}, {NULL, AP_JOP_NOT}};
    const struct operator *found;
    AP_TRY(parse_concat(p, out));
    while ((found = next_operator(p, table)) != NULL) {
        struct ap_jnode *right;
        p->token++;
        AP_TRY(parse_concat(p, &right));
        AP_TRY(two(p, AP_JN_BINARY, found->op, *out, right, out));
    }
    return AP_OK;
}

/* The comparison that comes next, skipped; false when there is none. */
static bool skip_comparison(struct ap_jparser *p, enum ap_jop *op)
{
    static const struct operator table[] = {{"==", AP_JOP_EQ}, {"!=", AP_JOP_NE}, {"<", AP_JOP_LT}, {"<=", AP_JOP_LE},
                                            {">", AP_JOP_GT},  {">=", AP_JOP_GE}, {NULL, AP_JOP_NOT}};
    const struct operator *found = next_operator(p, table);
    if (found) {
        *op = found->op;
        p->token++;
        return true;
    }
    *op = AP_JOP_IN;
    if (ap__jparse_skip_name(p, "in"))
        return true;
    *op = AP_JOP_NOT_IN;
    if (!ap__jparse_skip_name(p, "not"))
        return false;
    if (ap__jparse_skip_name(p, "in"))
        return true;
    p->token--;
    return false;
}

static ap_status parse_compare(struct ap_jparser *p, struct ap_jnode **out)
{
    enum ap_jop op;
    struct ap_jnode *left, *right, *operand;
    AP_TRY(parse_sum(p, out));
    left = *out;
    while (skip_comparison(p, &op)) {
        if (*out == left) {
            AP_TRY(ap__jnode_new(p, AP_JN_COMPARE, out));
            (*out)->a = left;
        }
        AP_TRY(parse_sum(p, &right));
        AP_TRY(two(p, AP_JN_OPERAND, op, right, NULL, &operand));
        AP_TRY(ap__jbody_add(p, &(*out)->body, operand));
    }
    return AP_OK;
}

static ap_status parse_not(struct ap_jparser *p, struct ap_jnode **out)
{
    if (!ap__jparse_skip_name(p, "not"))
        return parse_compare(p, out);
    AP_TRY(ap__jparse_enter(p));
    AP_TRY(parse_not(p, out));
    ap__jparse_leave(p);
    return two(p, AP_JN_UNARY, AP_JOP_NOT, *out, NULL, out);
}

static ap_status parse_and(struct ap_jparser *p, struct ap_jnode **out)
{
    struct ap_jnode *right;
    AP_TRY(parse_not(p, out));
    while (ap__jparse_skip_name(p, "and")) {
        AP_TRY(parse_not(p, &right));
        AP_TRY(two(p, AP_JN_AND, AP_JOP_NOT, *out, right, out));
    }
    return AP_OK;
}

static ap_status parse_or(struct ap_jparser *p, struct ap_jnode **out)
{
    struct ap_jnode *right;
    AP_TRY(parse_and(p, out));
    while (ap__jparse_skip_name(p, "or")) {
        AP_TRY(parse_and(p, &right));
        AP_TRY(two(p, AP_JN_OR, AP_JOP_NOT, *out, right, out));
    }
    return AP_OK;
}

ap_status ap__jparse_expr(struct ap_jparser *p, struct ap_jnode **out)
{
    struct ap_jnode *test, *node;
    AP_TRY(ap__jparse_enter(p));
    AP_TRY(parse_or(p, out));
    while (ap__jparse_skip_name(p, "if")) {
        AP_TRY(parse_or(p, &test));
        AP_TRY(two(p, AP_JN_COND, AP_JOP_NOT, test, *out, &node));
        if (ap__jparse_skip_name(p, "else"))
            AP_TRY(ap__jparse_expr(p, &node->c));
        *out = node;
    }
    ap__jparse_leave(p);
    return AP_OK;
}

/* ------------------------------------------------------------------ tuples and targets */

static bool is_tuple_end(const struct ap_jparser *p, const char *end)
{
    return p->token->kind == AP_JT_VAR_END || p->token->kind == AP_JT_BLOCK_END || ap__jparse_is(p, ")") ||
           (end && ap__jparse_is_name(p, end));
}

ap_status ap__jparse_tuple(struct ap_jparser *p, bool no_cond, const char *end, struct ap_jnode **out)
{
    struct ap_jnode *item;
    AP_TRY((no_cond ? parse_or : ap__jparse_expr)(p, &item));
    *out = item;
    if (!ap__jparse_is(p, ","))
        return AP_OK;
    AP_TRY(ap__jnode_new(p, AP_JN_TUPLE, out));
    AP_TRY(ap__jbody_add(p, &(*out)->body, item));
    while (ap__jparse_skip(p, ",") && !is_tuple_end(p, end)) {
        AP_TRY((no_cond ? parse_or : ap__jparse_expr)(p, &item));
        AP_TRY(ap__jbody_add(p, &(*out)->body, item));
    }
    return AP_OK;
}

ap_status ap__jparse_name(struct ap_jparser *p, struct ap_jnode **out)
{
    if (p->token->kind != AP_JT_NAME)
        return ap__jparse_fail(p, "a name is expected");
    AP_TRY(parse_constant_name(p, out));
    if (*out)
        return ap__jparse_fail(p, "a constant cannot be assigned to");
    AP_TRY(ap__jnode_new(p, AP_JN_NAME, out));
    AP_TRY(ap__jparse_intern(p, p->token->text, &(*out)->name));
    p->token++;
    return AP_OK;
}

static ap_status parse_one_target(struct ap_jparser *p, bool with_namespace, struct ap_jnode **out)
{
    if (ap__jparse_skip(p, "(")) {
        AP_TRY(ap__jparse_enter(p));
        AP_TRY(ap__jparse_target(p, false, NULL, out));
        ap__jparse_leave(p);
        return ap__jparse_expect(p, ")");
    }
    AP_TRY(ap__jparse_name(p, out));
    if (!with_namespace || !ap__jparse_skip(p, "."))
        return AP_OK;
    if (p->token->kind != AP_JT_NAME)
        return ap__jparse_fail(p, "a name is expected behind `.`");
    (*out)->kind = AP_JN_NSREF;
    (*out)->value = ap__jval_view(p->token->text.s, p->token->text.n);
    p->token++;
    return AP_OK;
}

ap_status ap__jparse_target(struct ap_jparser *p, bool with_namespace, const char *end, struct ap_jnode **out)
{
    struct ap_jnode *item;
    AP_TRY(parse_one_target(p, with_namespace, &item));
    *out = item;
    if (!ap__jparse_is(p, ","))
        return AP_OK;
    AP_TRY(ap__jnode_new(p, AP_JN_TUPLE, out));
    AP_TRY(ap__jbody_add(p, &(*out)->body, item));
    while (ap__jparse_skip(p, ",") && !is_tuple_end(p, end) && !ap__jparse_is(p, "=")) {
        AP_TRY(parse_one_target(p, with_namespace, &item));
        AP_TRY(ap__jbody_add(p, &(*out)->body, item));
    }
    return AP_OK;
}
