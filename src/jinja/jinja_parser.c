/* jinja_parser.c - statements; the tree's memory and names.
 *
 *     body( text | {{ output }} | {% statement %} ... {% endstatement %} )
 *
 * A body ends before a tag that its statement waits for ("elif", "else", "endif"). */
#include "jinja/jinja_parser.h"

#include "base/rng.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define DEPTH_MAX 200      /* nested statements and brackets */
#define STOPS_MAX 4        /* tags that may end a body, and NULL */

static ap_status parse_body(struct ap_jparser *p, const char *const *stop, struct ap_jbody *body);

/* ------------------------------------------------------------------ tokens */

ap_status ap__jparse_fail(struct ap_jparser *p, const char *fmt, ...)
{
    char place[200], message[400];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(message, sizeof message, fmt, ap);
    va_end(ap);
    snprintf(place, sizeof place, "%s:%d", p->t->source_name, (int)p->token->line);
    struct ap_jtext t = p->token->text;
    int shown = (int)(t.n < 40 ? t.n : 40);
    if (t.n == 0 || p->token->kind == AP_JT_DATA)
        return ap__fail(p->err, AP_E_PARSE, place, "%s%s", message,
                        p->token->kind == AP_JT_END ? ", but the template ends" : "");
    return ap__fail(p->err, AP_E_PARSE, place, "%s, got `%.*s`", message, shown, t.s);
}

static bool reads(const struct ap_jtoken *token, enum ap_jtoken_kind kind, const char *text)
{
    return token->kind == kind && token->text.n == strlen(text) && memcmp(token->text.s, text, token->text.n) == 0;
}

bool ap__jparse_is(const struct ap_jparser *p, const char *op)
{
    return reads(p->token, AP_JT_OP, op);
}

bool ap__jparse_is_name(const struct ap_jparser *p, const char *name)
{
    return reads(p->token, AP_JT_NAME, name);
}

bool ap__jparse_skip(struct ap_jparser *p, const char *op)
{
    bool found = ap__jparse_is(p, op);
    p->token += found;
    return found;
}

bool ap__jparse_skip_name(struct ap_jparser *p, const char *name)
{
    bool found = ap__jparse_is_name(p, name);
    p->token += found;
    return found;
}

ap_status ap__jparse_expect(struct ap_jparser *p, const char *op)
{
    return ap__jparse_skip(p, op) ? AP_OK : ap__jparse_fail(p, "`%s` is expected", op);
}

static ap_status expect_end(struct ap_jparser *p, enum ap_jtoken_kind kind)
{
    if (p->token->kind != kind)
        return ap__jparse_fail(p, "the end of the tag (`%s`) is expected", kind == AP_JT_VAR_END ? "}}" : "%}");
    p->token++;
    return AP_OK;
}

ap_status ap__jparse_enter(struct ap_jparser *p)
{
    return ++p->depth > DEPTH_MAX ? ap__jparse_fail(p, "the template is nested deeper than %d", DEPTH_MAX) : AP_OK;
}

void ap__jparse_leave(struct ap_jparser *p)
{
    p->depth--;
}

/* ------------------------------------------------------------------ nodes and names */

static ap_status no_memory(struct ap_jparser *p)
{
    return ap__fail(p->err, AP_E_MEMORY, p->t->source_name, "out of memory for the template");
}

ap_status ap__jnode_new(struct ap_jparser *p, enum ap_jnode_kind kind, struct ap_jnode **out)
{
    struct ap_jnode *node = ap__arena_zalloc(&p->t->arena, sizeof *node);
    if (!node)
        return no_memory(p);
    node->kind = kind;
    node->line = p->token->line;
    *out = node;
    return AP_OK;
}

ap_status ap__jbody_add(struct ap_jparser *p, struct ap_jbody *body, struct ap_jnode *node)
{
    if (body->n == body->cap) {
        size_t cap = body->cap ? 2 * body->cap : 8;
        struct ap_jnode **v = ap__arena_alloc(&p->t->arena, cap * sizeof *v);
        if (!v)
            return no_memory(p);
        if (body->n)
            memcpy(v, body->v, body->n * sizeof *v);
        body->v = v;
        body->cap = cap;
    }
    body->v[body->n++] = node;
    return AP_OK;
}

static int32_t *slot_of(struct ap_jparser *p, struct ap_jtext name)
{
    size_t at = (size_t)ap__hash64(name.s, name.n, 0) & (p->slots - 1);
    for (; p->slot[at]; at = (at + 1) & (p->slots - 1)) {
        struct ap_jtext other = p->t->name[p->slot[at] - 1];
        if (other.n == name.n && memcmp(other.s, name.s, name.n) == 0)
            break;
    }
    return &p->slot[at];
}

static ap_status grow_names(struct ap_jparser *p)
{
    size_t cap = p->names_cap ? 2 * p->names_cap : 64;
    struct ap_jtext *name = ap__arena_alloc(&p->t->arena, cap * sizeof *name);
    int32_t *slot = ap__arena_zalloc(&p->t->arena, 2 * cap * sizeof *slot);
    if (!name || !slot)
        return no_memory(p);
    if (p->t->n_names)
        memcpy(name, p->t->name, p->t->n_names * sizeof *name);
    p->t->name = name;
    p->names_cap = cap;
    p->slot = slot;
    p->slots = 2 * cap;
    for (size_t i = 0; i < p->t->n_names; i++)
        *slot_of(p, name[i]) = (int32_t)i + 1;
    return AP_OK;
}

ap_status ap__jparse_intern(struct ap_jparser *p, struct ap_jtext name, int32_t *out)
{
    if (p->t->n_names == p->names_cap)
        AP_TRY(grow_names(p));
    int32_t *slot = slot_of(p, name);
    if (*slot == 0) {
        p->t->name[p->t->n_names] = name;
        *slot = (int32_t)++p->t->n_names;
    }
    *out = *slot - 1;
    return AP_OK;
}

/* ------------------------------------------------------------------ bodies */

static bool at_stop(const struct ap_jparser *p, const char *const *stop)
{
    for (; stop && *stop; stop++)
        if (ap__jparse_is_name(p, *stop))
            return true;
    return false;
}

/* From behind the words of a tag: its end, the statements, up to the name of one of the `stop` tags. */
static ap_status parse_block(struct ap_jparser *p, const char *const *stop, struct ap_jbody *body)
{
    const struct ap_jtoken *opened = p->token;
    ap__jparse_skip(p, ":");
    AP_TRY(expect_end(p, AP_JT_BLOCK_END));
    AP_TRY(parse_body(p, stop, body));
    if (p->token->kind != AP_JT_END)
        return AP_OK;
    return ap__jparse_fail(p, "`{%% %s %%}` is missing for the tag on line %d", stop[0], (int)opened->line);
}

/* A block with one end: its name is skipped as well. */
static ap_status parse_whole_block(struct ap_jparser *p, const char *end, struct ap_jbody *body)
{
    const char *const stop[STOPS_MAX] = {end, NULL};
    AP_TRY(parse_block(p, stop, body));
    p->token++;
    return AP_OK;
}

/* ------------------------------------------------------------------ statements */

static ap_status parse_if(struct ap_jparser *p, struct ap_jnode **out)
{
    static const char *const stop[STOPS_MAX] = {"endif", "elif", "else"};
    struct ap_jnode *node;
    AP_TRY(ap__jnode_new(p, AP_JN_IF, out));
    node = *out;
    for (;;) {
        AP_TRY(ap__jparse_tuple(p, true, NULL, &node->a));
        AP_TRY(parse_block(p, stop, &node->body));
        if (!ap__jparse_skip_name(p, "elif"))
            break;
        struct ap_jnode *next = NULL;
        AP_TRY(ap__jnode_new(p, AP_JN_IF, &next));
        AP_TRY(ap__jbody_add(p, &node->otherwise, next));
        node = next;
    }
    if (ap__jparse_skip_name(p, "else"))
        return parse_whole_block(p, "endif", &node->otherwise);
    p->token++;
    return AP_OK;
}

static ap_status check_loop_target(struct ap_jparser *p, const struct ap_jnode *target)
{
    if (target->kind == AP_JN_NAME && target->name == p->t->name_loop)
        return ap__jparse_fail(p, "`loop` cannot be a loop's variable");
    for (size_t i = 0; i < target->body.n; i++)
        AP_TRY(check_loop_target(p, target->body.v[i]));
    return AP_OK;
}

static ap_status parse_for(struct ap_jparser *p, struct ap_jnode **out)
{
    static const char *const stop[STOPS_MAX] = {"endfor", "else"};
    AP_TRY(ap__jnode_new(p, AP_JN_FOR, out));
    struct ap_jnode *node = *out;
    AP_TRY(ap__jparse_target(p, false, "in", &node->a));
    AP_TRY(check_loop_target(p, node->a));
    if (!ap__jparse_skip_name(p, "in"))
        return ap__jparse_fail(p, "`in` is expected");
    AP_TRY(ap__jparse_tuple(p, true, "recursive", &node->b));
    if (ap__jparse_skip_name(p, "if"))
        AP_TRY(ap__jparse_expr(p, &node->c));
    node->flag = ap__jparse_skip_name(p, "recursive");
    p->loops++;
    AP_TRY(parse_block(p, stop, &node->body));
    p->loops--;
    if (ap__jparse_skip_name(p, "else"))
        return parse_whole_block(p, "endfor", &node->otherwise);
    p->token++;
    return AP_OK;
}

static ap_status parse_set(struct ap_jparser *p, struct ap_jnode **out)
{
    AP_TRY(ap__jnode_new(p, AP_JN_SET, out));
    struct ap_jnode *node = *out;
    AP_TRY(ap__jparse_target(p, true, NULL, &node->a));
    if (ap__jparse_skip(p, "="))
        return ap__jparse_tuple(p, false, NULL, &node->b);
    node->kind = AP_JN_SET_BLOCK;
    if (ap__jparse_is(p, "|")) {
        AP_TRY(ap__jnode_new(p, AP_JN_BODY, &node->b));
        AP_TRY(ap__jparse_filters(p, false, &node->b));
    }
    return parse_whole_block(p, "endset", &node->body);
}

static ap_status parse_parameters(struct ap_jparser *p, struct ap_jparams *params)
{
    AP_TRY(ap__jparse_expect(p, "("));
    while (!ap__jparse_skip(p, ")")) {
        struct ap_jnode *name, *otherwise;
        AP_TRY(ap__jparse_name(p, &name));
        AP_TRY(ap__jbody_add(p, &params->name, name));
        if (ap__jparse_skip(p, "=")) {
            AP_TRY(ap__jparse_expr(p, &otherwise));
            AP_TRY(ap__jbody_add(p, &params->otherwise, otherwise));
        } else if (params->otherwise.n) {
            return ap__jparse_fail(p, "a parameter without default follows one with a default");
        }
        if (!ap__jparse_is(p, ")"))
            AP_TRY(ap__jparse_expect(p, ","));
    }
    return AP_OK;
}

/* The body of what is called: loops outside do not reach in, special variables are noted. */
static ap_status parse_callable(struct ap_jparser *p, const char *end, struct ap_jnode *node)
{
    struct ap_jparams *outer = p->macro;
    int32_t loops = p->loops;
    p->macro = node->params;
    p->loops = 0;
    AP_TRY(parse_whole_block(p, end, &node->body));
    p->loops = loops;
    p->macro = outer;
    if (outer) {
        outer->uses_caller |= node->params->uses_caller;
        outer->uses_varargs |= node->params->uses_varargs;
        outer->uses_kwargs |= node->params->uses_kwargs;
    }
    return AP_OK;
}

static ap_status new_with_params(struct ap_jparser *p, enum ap_jnode_kind kind, struct ap_jnode **out)
{
    AP_TRY(ap__jnode_new(p, kind, out));
    (*out)->params = ap__arena_zalloc(&p->t->arena, sizeof *(*out)->params);
    return (*out)->params ? AP_OK : no_memory(p);
}

static ap_status parse_macro(struct ap_jparser *p, struct ap_jnode **out)
{
    struct ap_jnode *name;
    AP_TRY(new_with_params(p, AP_JN_MACRO, out));
    AP_TRY(ap__jparse_name(p, &name));
    (*out)->name = name->name;
    AP_TRY(parse_parameters(p, (*out)->params));
    return parse_callable(p, "endmacro", *out);
}

static ap_status parse_call_block(struct ap_jparser *p, struct ap_jnode **out)
{
    AP_TRY(new_with_params(p, AP_JN_CALL_BLOCK, out));
    if (ap__jparse_is(p, "("))
        AP_TRY(parse_parameters(p, (*out)->params));
    AP_TRY(ap__jparse_expr(p, &(*out)->a));
    if ((*out)->a->kind != AP_JN_CALL)
        return ap__jparse_fail(p, "a call is expected");
    return parse_callable(p, "endcall", *out);
}

static ap_status parse_generation(struct ap_jparser *p, struct ap_jnode **out)
{
    AP_TRY(new_with_params(p, AP_JN_GENERATION, out));
    return parse_callable(p, "endgeneration", *out);
}

static ap_status parse_filter_block(struct ap_jparser *p, struct ap_jnode **out)
{
    AP_TRY(ap__jnode_new(p, AP_JN_FILTER_BLOCK, out));
    AP_TRY(ap__jnode_new(p, AP_JN_BODY, &(*out)->b));
    AP_TRY(ap__jparse_filters(p, true, &(*out)->b));
    return parse_whole_block(p, "endfilter", &(*out)->body);
}

static ap_status parse_with(struct ap_jparser *p, struct ap_jnode **out)
{
    AP_TRY(new_with_params(p, AP_JN_WITH, out));
    struct ap_jparams *params = (*out)->params;
    while (p->token->kind != AP_JT_BLOCK_END) {
        struct ap_jnode *target, *value;
        if (params->name.n)
            AP_TRY(ap__jparse_expect(p, ","));
        AP_TRY(ap__jparse_target(p, false, NULL, &target));
        AP_TRY(ap__jparse_expect(p, "="));
        AP_TRY(ap__jparse_expr(p, &value));
        AP_TRY(ap__jbody_add(p, &params->name, target));
        AP_TRY(ap__jbody_add(p, &params->otherwise, value));
    }
    return parse_whole_block(p, "endwith", &(*out)->body);
}

static ap_status parse_leave_loop(struct ap_jparser *p, struct ap_jnode **out)
{
    if (p->loops == 0)
        return ap__jparse_fail(p, "`break` and `continue` stand within a loop");
    bool is_break = p->token[-1].text.s[0] == 'b';
    return ap__jnode_new(p, is_break ? AP_JN_BREAK : AP_JN_CONTINUE, out);
}

static ap_status parse_print(struct ap_jparser *p, struct ap_jnode **out)
{
    AP_TRY(ap__jnode_new(p, AP_JN_OUTPUT, out));
    return ap__jparse_expr(p, &(*out)->a);
}

static ap_status parse_statement(struct ap_jparser *p, struct ap_jnode **out)
{
    static const struct {
        const char *name;
        ap_status (*parse)(struct ap_jparser *p, struct ap_jnode **out);
    } statements[] = {
        {"if", parse_if},       {"for", parse_for},           {"set", parse_set},
        {"macro", parse_macro}, {"generation", parse_generation}, {"call", parse_call_block},
        {"with", parse_with},   {"filter", parse_filter_block},   {"break", parse_leave_loop},
        {"continue", parse_leave_loop}, {"print", parse_print},
    };
    if (p->token->kind != AP_JT_NAME)
        return ap__jparse_fail(p, "the name of a tag is expected");
    for (size_t i = 0; i < sizeof statements / sizeof *statements; i++)
        if (ap__jparse_skip_name(p, statements[i].name))
            return statements[i].parse(p, out);
    return ap__jparse_fail(p, "a chat template has no such tag, or it does not belong here");
}

/* ------------------------------------------------------------------ the whole */

static ap_status parse_output(struct ap_jparser *p, struct ap_jnode **out)
{
    p->token++;
    AP_TRY(ap__jnode_new(p, AP_JN_OUTPUT, out));
    AP_TRY(ap__jparse_tuple(p, false, NULL, &(*out)->a));
    return expect_end(p, AP_JT_VAR_END);
}

static ap_status parse_text(struct ap_jparser *p, struct ap_jnode **out)
{
    AP_TRY(ap__jnode_new(p, AP_JN_DATA, out));
    (*out)->value = ap__jval_view(p->token->text.s, p->token->text.n);
    p->token++;
    return AP_OK;
}

static ap_status parse_body(struct ap_jparser *p, const char *const *stop, struct ap_jbody *body)
{
    struct ap_jnode *node;
    AP_TRY(ap__jparse_enter(p));
    while (p->token->kind != AP_JT_END) {
        if (p->token->kind == AP_JT_DATA) {
            AP_TRY(parse_text(p, &node));
        } else if (p->token->kind == AP_JT_VAR_BEGIN) {
            AP_TRY(parse_output(p, &node));
        } else { /* the lexer gives nothing else between tags */
            p->token++;
            if (at_stop(p, stop))
                break;
            AP_TRY(parse_statement(p, &node));
            AP_TRY(expect_end(p, AP_JT_BLOCK_END));
        }
        AP_TRY(ap__jbody_add(p, body, node));
    }
    ap__jparse_leave(p);
    return AP_OK;
}

ap_status ap__jinja_build(struct ap_jinja *t, const struct ap_jtokens *tokens, struct ap_err *err)
{
    struct ap_jparser p = {.t = t, .token = tokens->v, .err = err};
    AP_TRY(ap__jparse_intern(&p, AP_JTEXT("loop"), &t->name_loop));
    AP_TRY(ap__jparse_intern(&p, AP_JTEXT("caller"), &t->name_caller));
    AP_TRY(ap__jparse_intern(&p, AP_JTEXT("varargs"), &t->name_varargs));
    AP_TRY(ap__jparse_intern(&p, AP_JTEXT("kwargs"), &t->name_kwargs));
    return parse_body(&p, NULL, &t->body);
}
