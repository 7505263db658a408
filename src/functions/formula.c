/* formula.c - parser: tokens -> tree in an arena.
 *
 *   level 1  <->        left           formula(level) = operand { op formula(level of op) }
 *         2  ->         to the right   operand        = not operand
 *         3  xor        left                          | quantifier vars [.] body
 *         4  |          left                          | ( formula )
 *         5  &          left                          | name [( terms )] | term = term
 *
 * The parser keeps the names bound around the cursor on a stack, which decides
 * variable or constant at once.  Ceilings: text, depth, nodes, arguments. */
#include "functions/formula_scan.h"
#include "base/text.h"
#include <string.h>

struct parser {
    const char *text; /* (len,) valid UTF-8 without NUL */
    size_t len, pos;
    struct ap_arena *arena;
    const char *bound[AP_FORMULA_MAX_DEPTH]; /* (n_bound,) variables in scope */
    int32_t n_bound, depth, nodes;
    struct ap_formula_fault *fault;
    struct ap_err *err;
};

/* Levels of recursion: brackets around an operand of a connective take three. */
enum { MAX_RECURSION = 3 * AP_FORMULA_MAX_DEPTH };

static ap_status parse_formula(struct parser *p, int level, const struct ap_formula **out) AP_MUST_CHECK;
static ap_status parse_operand(struct parser *p, const struct ap_formula **out) AP_MUST_CHECK;
static ap_status parse_term(struct parser *p, struct ap_term *out) AP_MUST_CHECK;

/* ---- cursor and messages ---- */

static struct ap_token peek(const struct parser *p)
{
    return ap__token_at(p->text, p->len, p->pos);
}

static void take(struct parser *p, struct ap_token token)
{
    p->pos = (size_t)(token.text - p->text) + token.len;
}

static int32_t column(const struct parser *p, struct ap_token token)
{
    return ap__column_at(p->text, (size_t)(token.text - p->text));
}

static ap_status fail_expected(const struct parser *p, const char *expected)
{
    struct ap_token token = peek(p);
    if (token.kind == AP_TOKEN_END)
        return ap__fail(p->err, AP_E_PARSE, NULL, "expected %s, but the formula ends at column %d", expected,
                        column(p, token));
    return ap__fail(p->err, AP_E_PARSE, NULL, "expected %s at column %d, got `%.*s`", expected, column(p, token),
                    (int)(token.len <= AP_FORMULA_MAX_NAME ? token.len : AP_FORMULA_MAX_NAME), token.text);
}

static ap_status fail_memory(const struct parser *p)
{
    return ap__fail(p->err, AP_E_MEMORY, NULL, "no memory for a formula");
}

static ap_status count_node(struct parser *p)
{
    if (++p->nodes > AP_FORMULA_MAX_NODES)
        return ap__fail(p->err, AP_E_TOO_LARGE, NULL, "the formula has more than %d parts", AP_FORMULA_MAX_NODES);
    return AP_OK;
}

static ap_status fail_depth(const struct parser *p)
{
    return ap__fail(p->err, AP_E_TOO_LARGE, NULL, "the formula is nested deeper than %d", AP_FORMULA_MAX_DEPTH);
}

static void set_fault(struct parser *p, enum ap_formula_fault_kind kind, const char *name)
{
    p->fault->kind = kind;
    memcpy(p->fault->name, name, strlen(name) + 1);
    p->fault->pos = p->pos;
}

/* ---- building ---- */

/* A new node; the caller fills in name and arguments. */
static ap_status new_node(struct parser *p, enum ap_formula_kind kind, int32_t at, const struct ap_formula *left,
                          const struct ap_formula *right, struct ap_formula **out)
{
    AP_TRY(count_node(p));
    int32_t below = left != NULL ? left->depth : 0;
    if (right != NULL && right->depth > below)
        below = right->depth;
    if (below >= AP_FORMULA_MAX_DEPTH)
        return fail_depth(p);
    struct ap_formula *node = ap__arena_zalloc(p->arena, sizeof *node);
    if (node == NULL)
        return fail_memory(p);
    *node = (struct ap_formula){.kind = kind, .column = at, .depth = below + 1, .left = left, .right = right};
    *out = node;
    return AP_OK;
}

static ap_status copy_name(struct parser *p, struct ap_token token, const char **out)
{
    if (token.len > AP_FORMULA_MAX_NAME)
        return ap__fail(p->err, AP_E_TOO_LARGE, NULL, "a name longer than %d bytes at column %d",
                        AP_FORMULA_MAX_NAME, column(p, token));
    *out = ap__arena_strndup(p->arena, token.text, token.len);
    return *out != NULL ? AP_OK : fail_memory(p);
}

static bool is_bound(const struct parser *p, const char *name)
{
    for (int32_t i = 0; i < p->n_bound; i++) {
        if (strcmp(p->bound[i], name) == 0)
            return true;
    }
    return false;
}

/* u..z, perhaps with one digit: nobody names a thing so (but y1995 is a year). */
static bool looks_variable(const char *name)
{
    size_t digits = strspn(name + 1, "0123456789");
    return name[0] >= 'u' && name[0] <= 'z' && digits <= 1 && name[1 + digits] == '\0';
}

/* ---- terms and atoms ---- */

/* "( term, term )"; the cursor stands at the bracket. */
static ap_status parse_args(struct parser *p, const struct ap_term **out, int32_t *n)
{
    struct ap_term args[AP_FORMULA_MAX_ARGS];
    *n = 0;
    take(p, peek(p));
    while (true) {
        if (*n >= AP_FORMULA_MAX_ARGS)
            return ap__fail(p->err, AP_E_TOO_LARGE, NULL, "more than %d arguments at column %d", AP_FORMULA_MAX_ARGS,
                            column(p, peek(p)));
        AP_TRY(parse_term(p, &args[(*n)++]));
        if (peek(p).kind == AP_TOKEN_CLOSE)
            break;
        if (peek(p).kind != AP_TOKEN_COMMA)
            return fail_expected(p, "`,` or `)`");
        take(p, peek(p));
    }
    take(p, peek(p));
    struct ap_term *copy = ap__arena_alloc(p->arena, (size_t)*n * sizeof *copy);
    if (copy == NULL)
        return fail_memory(p);
    memcpy(copy, args, (size_t)*n * sizeof *copy);
    *out = copy;
    return AP_OK;
}

/* Decide what a name in term position is. */
static ap_status classify_term(struct parser *p, struct ap_term *term)
{
    term->variable = term->n_args == 0 && is_bound(p, term->name);
    if (term->variable || term->n_args > 0 || !looks_variable(term->name))
        return AP_OK;
    set_fault(p, AP_FORMULA_FAULT_FREE, term->name);
    return ap__fail(p->err, AP_E_PARSE, NULL, "the variable `%s` at column %d is free: bind it by a quantifier",
                    term->name, term->column);
}

static ap_status parse_term(struct parser *p, struct ap_term *out)
{
    struct ap_token token = peek(p);
    bool word = token.kind == AP_TOKEN_NAME || (token.len > 1 && token.text[0] >= 'a' && token.text[0] <= 'z');
    if (!word)
        return fail_expected(p, "a name or variable");
    *out = (struct ap_term){.column = column(p, token)};
    AP_TRY(count_node(p));
    AP_TRY(copy_name(p, token, &out->name));
    take(p, token);
    if (peek(p).kind == AP_TOKEN_OPEN) {
        if (++p->depth > MAX_RECURSION)
            return fail_depth(p);
        AP_TRY(parse_args(p, &out->args, &out->n_args));
        p->depth--;
    }
    return classify_term(p, out);
}

/* left = right, left != right; the cursor stands at the sign. */
static ap_status parse_equality(struct parser *p, const struct ap_term *left, const struct ap_formula **out)
{
    struct ap_token sign = peek(p);
    struct ap_formula *node;
    take(p, sign);
    struct ap_term *sides = ap__arena_alloc(p->arena, 2 * sizeof *sides);
    if (sides == NULL)
        return fail_memory(p);
    sides[0] = *left;
    AP_TRY(parse_term(p, &sides[1]));
    AP_TRY(classify_term(p, &sides[0]));
    AP_TRY(new_node(p, AP_FORMULA_EQUAL, column(p, sign), NULL, NULL, &node));
    node->args = sides;
    node->n_args = 2;
    if (sign.kind == AP_TOKEN_UNEQUAL)
        AP_TRY(new_node(p, AP_FORMULA_NOT, column(p, sign), node, NULL, &node));
    *out = node;
    return AP_OK;
}

/* name, name(args), or the left side of an equality. */
static ap_status parse_atom(struct parser *p, const struct ap_formula **out)
{
    struct ap_token token = peek(p);
    struct ap_term head = {.column = column(p, token)};
    struct ap_formula *node;
    AP_TRY(copy_name(p, token, &head.name));
    take(p, token);
    if (peek(p).kind == AP_TOKEN_OPEN)
        AP_TRY(parse_args(p, &head.args, &head.n_args));
    enum ap_token_kind next = peek(p).kind;
    if (next == AP_TOKEN_EQUAL || next == AP_TOKEN_UNEQUAL)
        return parse_equality(p, &head, out);
    if (head.n_args == 0 && is_bound(p, head.name))
        return ap__fail(p->err, AP_E_PARSE, NULL, "the variable `%s` at column %d is not a statement", head.name,
                        head.column);
    AP_TRY(new_node(p, AP_FORMULA_ATOM, head.column, NULL, NULL, &node));
    node->name = head.name;
    node->args = head.args;
    node->n_args = head.n_args;
    *out = node;
    return AP_OK;
}

/* ---- quantifiers ---- */

/* Do names (with commas between) up to a dot follow?  Then all are variables. */
static bool dot_follows(const struct parser *p)
{
    struct ap_token token = peek(p);
    while (token.kind == AP_TOKEN_NAME || token.kind == AP_TOKEN_COMMA)
        token = ap__token_at(p->text, p->len, (size_t)(token.text - p->text) + token.len);
    return token.kind == AP_TOKEN_DOT;
}

static ap_status bind_variable(struct parser *p)
{
    struct ap_token token = peek(p);
    const char *name;
    if (token.kind != AP_TOKEN_NAME)
        return fail_expected(p, "a variable after the quantifier");
    AP_TRY(copy_name(p, token, &name));
    if (is_bound(p, name)) {
        set_fault(p, AP_FORMULA_FAULT_REBOUND, name);
        return ap__fail(p->err, AP_E_PARSE, NULL, "the variable `%s` at column %d is bound already", name,
                        column(p, token));
    }
    if (p->n_bound >= AP_FORMULA_MAX_DEPTH)
        return fail_depth(p);
    p->bound[p->n_bound++] = name;
    take(p, token);
    return AP_OK;
}

/* Variables of one quantifier; *dot says whether one ended them. */
static ap_status bind_variables(struct parser *p, bool *dot)
{
    *dot = dot_follows(p);
    AP_TRY(bind_variable(p));
    while (*dot && peek(p).kind != AP_TOKEN_DOT) {
        if (peek(p).kind == AP_TOKEN_COMMA)
            take(p, peek(p));
        AP_TRY(bind_variable(p));
    }
    if (*dot)
        take(p, peek(p));
    return AP_OK;
}

static ap_status parse_quantified(struct parser *p, const struct ap_formula **out)
{
    struct ap_token token = peek(p);
    int32_t outer = p->n_bound;
    bool dot;
    take(p, token);
    AP_TRY(bind_variables(p, &dot));
    enum ap_token_kind next = peek(p).kind;
    bool short_body = !dot && (next == AP_TOKEN_OPEN || next == AP_TOKEN_FORALL || next == AP_TOKEN_EXISTS);
    const struct ap_formula *body;
    AP_TRY(short_body ? parse_operand(p, &body) : parse_formula(p, 1, &body));
    enum ap_formula_kind kind = token.kind == AP_TOKEN_FORALL ? AP_FORMULA_FORALL : AP_FORMULA_EXISTS;
    while (p->n_bound > outer) {
        struct ap_formula *node;
        AP_TRY(new_node(p, kind, column(p, token), body, NULL, &node));
        node->name = p->bound[--p->n_bound];
        body = node;
    }
    *out = body;
    return AP_OK;
}

/* ---- connectives ---- */

static ap_status parse_negation(struct parser *p, const struct ap_formula **out)
{
    struct ap_token token = peek(p);
    const struct ap_formula *inner;
    struct ap_formula *node;
    take(p, token);
    AP_TRY(parse_operand(p, &inner));
    AP_TRY(new_node(p, AP_FORMULA_NOT, column(p, token), inner, NULL, &node));
    *out = node;
    return AP_OK;
}

static ap_status parse_brackets(struct parser *p, const struct ap_formula **out)
{
    take(p, peek(p));
    AP_TRY(parse_formula(p, 1, out));
    if (peek(p).kind != AP_TOKEN_CLOSE)
        return fail_expected(p, "`)` or a connective");
    take(p, peek(p));
    return AP_OK;
}

static ap_status parse_operand(struct parser *p, const struct ap_formula **out)
{
    ap_status status;
    if (++p->depth > MAX_RECURSION)
        return fail_depth(p);
    switch (peek(p).kind) {
    case AP_TOKEN_NOT:
        status = parse_negation(p, out);
        break;
    case AP_TOKEN_FORALL:
    case AP_TOKEN_EXISTS:
        status = parse_quantified(p, out);
        break;
    case AP_TOKEN_OPEN:
        status = parse_brackets(p, out);
        break;
    case AP_TOKEN_NAME:
        status = parse_atom(p, out);
        break;
    default:
        status = fail_expected(p, "a formula");
    }
    p->depth--;
    return status;
}

/* Level of a connective, 0 when the token is none. */
static int connective(enum ap_token_kind token, enum ap_formula_kind *kind)
{
    static const struct {
        enum ap_token_kind token;
        enum ap_formula_kind kind;
        int level;
    } table[] = {{AP_TOKEN_IFF, AP_FORMULA_IFF, 1},
                 {AP_TOKEN_IMPLIES, AP_FORMULA_IMPLIES, 2},
                 {AP_TOKEN_XOR, AP_FORMULA_XOR, 3},
                 {AP_TOKEN_OR, AP_FORMULA_OR, 4},
                 {AP_TOKEN_AND, AP_FORMULA_AND, 5}};
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        if (table[i].token == token) {
            *kind = table[i].kind;
            return table[i].level;
        }
    }
    return 0;
}

static ap_status parse_formula(struct parser *p, int level, const struct ap_formula **out)
{
    const struct ap_formula *left, *right;
    struct ap_formula *node;
    if (++p->depth > MAX_RECURSION)
        return fail_depth(p);
    AP_TRY(parse_operand(p, &left));
    while (true) {
        struct ap_token token = peek(p);
        enum ap_formula_kind kind;
        int found = connective(token.kind, &kind);
        if (found == 0 || found < level)
            break;
        take(p, token);
        AP_TRY(parse_formula(p, kind == AP_FORMULA_IMPLIES ? found : found + 1, &right));
        AP_TRY(new_node(p, kind, column(p, token), left, right, &node));
        left = node;
    }
    p->depth--;
    *out = left;
    return AP_OK;
}

ap_status ap__formula_parse_fault(const char *text, size_t len, struct ap_arena *arena,
                                  const struct ap_formula **out, struct ap_formula_fault *fault, struct ap_err *err)
{
    struct parser p = {.text = text, .len = len, .arena = arena, .fault = fault, .err = err};
    struct ap_arena_mark mark = ap__arena_mark(arena);
    *out = NULL;
    *fault = (struct ap_formula_fault){.kind = AP_FORMULA_FAULT_NONE};
    if (len > AP_FORMULA_MAX_TEXT)
        return ap__fail(err, AP_E_TOO_LARGE, NULL, "the formula is longer than %d bytes", AP_FORMULA_MAX_TEXT);
    if (memchr(text, 0, len) != NULL || !ap__utf8_valid(text, len))
        return ap__fail(err, AP_E_PARSE, NULL, "the formula is not valid UTF-8 text");
    ap_status status = parse_formula(&p, 1, out);
    if (status == AP_OK && peek(&p).kind != AP_TOKEN_END)
        status = fail_expected(&p, "a connective or the end");
    if (status != AP_OK) {
        *out = NULL;
        ap__arena_release(arena, mark);
    }
    return status;
}

ap_status ap__formula_parse(const char *text, size_t len, struct ap_arena *arena, const struct ap_formula **out,
                            struct ap_err *err)
{
    struct ap_formula_fault fault;
    return ap__formula_parse_fault(text, len, arena, out, &fault, err);
}
