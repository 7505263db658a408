/* jinja_statements.c - statements do their work: text goes out, names are bound.
 *
 *     for, with, macro, block set, filter, call and generation open a scope; if does not
 *     set binds in the innermost scope; only a namespace's attribute reaches further out */
#include "jinja/jinja_run.h"
#include "jinja/jinja_text.h"

#include <string.h>

#define SCOPE_FIRST 4

static ap_status exec(struct ap_jrun *run, const struct ap_jnode *node);

/* ------------------------------------------------------------------ scopes */

ap_status ap__jscope_push(struct ap_jrun *run, struct ap_jscope *parent)
{
    struct ap_jscope *scope = ap__jrun_alloc(run, 1, sizeof *scope);
    if (!scope)
        return ap__jrun_memory(run);
    scope->parent = parent;
    run->scope = scope;
    return AP_OK;
}

ap_status ap__jscope_set(struct ap_jrun *run, int32_t name, struct ap_jval value)
{
    struct ap_jscope *s = run->scope;
    for (size_t i = 0; i < s->n; i++)
        if (s->v[i].name == name) {
            s->v[i].value = value;
            return AP_OK;
        }
    if (s->n == s->cap) {
        size_t cap = s->cap ? 2 * s->cap : SCOPE_FIRST;
        struct ap_jbinding *v = ap__jrun_alloc(run, cap, sizeof *v);
        if (!v)
            return ap__jrun_memory(run);
        if (s->n)
            memcpy(v, s->v, s->n * sizeof *v);
        s->v = v;
        s->cap = cap;
    }
    s->v[s->n++] = (struct ap_jbinding){name, value};
    return AP_OK;
}

const struct ap_jval *ap__jscope_find(const struct ap_jrun *run, int32_t name)
{
    for (const struct ap_jscope *s = run->scope; s; s = s->parent)
        for (size_t i = 0; i < s->n; i++)
            if (s->v[i].name == name)
                return &s->v[i].value;
    return NULL;
}

/* A body in a scope of its own, whose text becomes *out. */
static ap_status catch_body(struct ap_jrun *run, const struct ap_jbody *body, struct ap_jval *out)
{
    struct ap_jscope *outer = run->scope;
    size_t mark = ap__jrun_catch(run);
    AP_TRY(ap__jscope_push(run, outer));
    AP_TRY(ap__jrun_body(run, body));
    run->scope = outer;
    return ap__jrun_caught(run, mark, out);
}

/* ------------------------------------------------------------------ set */

static ap_status assign(struct ap_jrun *run, const struct ap_jnode *target, struct ap_jval value);

static ap_status unpack(struct ap_jrun *run, const struct ap_jnode *target, struct ap_jval value)
{
    struct ap_jlist items;
    AP_TRY(ap__jval_iterate(run, value, &items));
    if (items.n < target->body.n)
        return ap__jrun_fail(run, "not enough values to unpack (expected %zu, got %zu)", target->body.n, items.n);
    if (items.n > target->body.n)
        return ap__jrun_fail(run, "too many values to unpack (expected %zu)", target->body.n);
    for (size_t i = 0; i < items.n; i++)
        AP_TRY(assign(run, target->body.v[i], items.v[i]));
    return AP_OK;
}

static ap_status assign_attribute(struct ap_jrun *run, const struct ap_jnode *target, struct ap_jval value)
{
    const struct ap_jval *ns = ap__jscope_find(run, target->name);
    if (!ns || ns->kind != AP_J_NAMESPACE)
        return ap__jrun_fail(run, "cannot assign attribute on non-namespace object");
    if (target->value.text.n && target->value.text.s[0] == '_')
        return ap__jrun_fail(run, "a namespace holds no attribute that begins with an underscore");
    return ap__jdict_set(run, ns->dict, target->value, value);
}

static ap_status assign(struct ap_jrun *run, const struct ap_jnode *target, struct ap_jval value)
{
    switch (target->kind) {
    case AP_JN_TUPLE:
        return unpack(run, target, value);
    case AP_JN_NSREF:
        return assign_attribute(run, target, value);
    default:
        return ap__jscope_set(run, target->name, value);
    }
}

static ap_status exec_set(struct ap_jrun *run, const struct ap_jnode *node)
{
    struct ap_jval value;
    AP_TRY(ap__jeval(run, node->b, &value));
    return assign(run, node->a, value);
}

/* *value through the filters of a block, `chain` (NULL: none). */
static ap_status filter_text(struct ap_jrun *run, const struct ap_jnode *chain, struct ap_jval *value)
{
    struct ap_jval outer = run->body;
    if (!chain)
        return AP_OK;
    run->body = *value;
    AP_TRY(ap__jeval(run, chain, value));
    run->body = outer;
    return AP_OK;
}

static ap_status exec_set_block(struct ap_jrun *run, const struct ap_jnode *node)
{
    struct ap_jval value;
    AP_TRY(catch_body(run, &node->body, &value));
    if (run->flow != AP_J_GO_ON)
        return AP_OK;
    AP_TRY(filter_text(run, node->b, &value));
    return assign(run, node->a, value);
}

static ap_status exec_filter_block(struct ap_jrun *run, const struct ap_jnode *node)
{
    struct ap_jval value;
    AP_TRY(catch_body(run, &node->body, &value));
    if (run->flow != AP_J_GO_ON)
        return AP_OK;
    AP_TRY(filter_text(run, node->b, &value));
    if (value.kind != AP_J_STRING)
        return ap__jrun_fail(run, "the filters of a block must give text, not '%s'", ap__jval_type(value));
    return ap__jval_print(run, value);
}

/* ------------------------------------------------------------------ for */

static ap_status keep_item(struct ap_jrun *run, const struct ap_jnode *node, struct ap_jval item, bool *keep)
{
    struct ap_jscope *outer = run->scope;
    struct ap_jval test;
    AP_TRY(ap__jscope_push(run, outer));
    AP_TRY(assign(run, node->a, item));
    AP_TRY(ap__jeval(run, node->c, &test));
    *keep = ap__jval_truth(test);
    run->scope = outer;
    return AP_OK;
}

/* The items that pass the loop's `if`. */
static ap_status filter_items(struct ap_jrun *run, const struct ap_jnode *node, struct ap_jlist *items)
{
    struct ap_jlist kept = {0};
    size_t cap = 0;
    for (size_t i = 0; i < items->n; i++) {
        bool keep;
        AP_TRY(keep_item(run, node, items->v[i], &keep));
        if (keep)
            AP_TRY(ap__jval_push(run, &kept, &cap, items->v[i]));
    }
    *items = kept;
    return AP_OK;
}

static ap_status turns(struct ap_jrun *run, const struct ap_jnode *node, struct ap_jval loop)
{
    struct ap_jloop *l = loop.loop;
    AP_TRY(ap__jscope_push(run, run->scope));
    for (l->at = 0; l->at < l->n; l->at++) {
        uint64_t closures = run->closures;
        AP_TRY(ap__jrun_spend(run, 1));
        AP_TRY(ap__jscope_set(run, run->t->name_loop, loop));
        AP_TRY(assign(run, node->a, l->item[l->at]));
        AP_TRY(ap__jrun_body(run, &node->body));
        bool leave = run->flow == AP_J_BREAK;
        l->completed |= run->flow == AP_J_GO_ON;
        run->flow = AP_J_GO_ON;
        if (leave)
            break;
        if (run->closures != closures) /* a macro keeps this turn's scope */
            AP_TRY(ap__jscope_push(run, run->scope->parent));
        run->scope->n = 0;
    }
    return AP_OK;
}

ap_status ap__jrun_loop(struct ap_jrun *run, const struct ap_jnode *node, struct ap_jval over, int32_t depth)
{
    struct ap_jscope *outer = run->scope;
    struct ap_jlist items;
    struct ap_jloop *loop = ap__jrun_alloc(run, 1, sizeof *loop);
    if (!loop)
        return ap__jrun_memory(run);
    AP_TRY(ap__jval_iterate(run, over, &items));
    if (node->c)
        AP_TRY(filter_items(run, node, &items));
    *loop = (struct ap_jloop){.item = items.v, .n = items.n, .depth = depth, .scope = outer};
    loop->node = node->flag ? node : NULL;
    AP_TRY(turns(run, node, (struct ap_jval){.kind = AP_J_LOOP, .loop = loop}));
    run->scope = outer;
    if (loop->completed || node->otherwise.n == 0)
        return AP_OK;
    AP_TRY(ap__jscope_push(run, outer));
    AP_TRY(ap__jrun_body(run, &node->otherwise));
    run->scope = outer;
    return AP_OK;
}

static ap_status exec_for(struct ap_jrun *run, const struct ap_jnode *node)
{
    struct ap_jval over;
    AP_TRY(ap__jeval(run, node->b, &over));
    return ap__jrun_loop(run, node, over, 0);
}

/* ------------------------------------------------------------------ macros and scopes of blocks */

static ap_status new_macro(struct ap_jrun *run, const struct ap_jnode *node, struct ap_jval *out)
{
    struct ap_jmacro *macro = ap__jrun_alloc(run, 1, sizeof *macro);
    if (!macro)
        return ap__jrun_memory(run);
    *macro = (struct ap_jmacro){node, run->scope};
    run->closures++;
    *out = (struct ap_jval){.kind = AP_J_MACRO, .macro = macro};
    return AP_OK;
}

static ap_status exec_macro(struct ap_jrun *run, const struct ap_jnode *node)
{
    struct ap_jval macro;
    AP_TRY(new_macro(run, node, &macro));
    return ap__jscope_set(run, node->name, macro);
}

/* The call gets the block as its keyword argument `caller`. */
static ap_status exec_call_block(struct ap_jrun *run, const struct ap_jnode *node)
{
    struct ap_jval callee, caller, result;
    struct ap_jargs args;
    AP_TRY(new_macro(run, node, &caller));
    AP_TRY(ap__jeval(run, node->a->a, &callee));
    AP_TRY(ap__jeval_args(run, node->a->call, &args));
    struct ap_jkeyword *kw = ap__jrun_alloc(run, args.n_kw + 1, sizeof *kw);
    if (!kw)
        return ap__jrun_memory(run);
    if (args.n_kw)
        memcpy(kw, args.kw, args.n_kw * sizeof *kw);
    kw[args.n_kw++] = (struct ap_jkeyword){AP_JTEXT("caller"), caller};
    args.kw = kw;
    AP_TRY(ap__jcall(run, callee, &args, &result));
    return ap__jval_print(run, result);
}

static ap_status exec_with(struct ap_jrun *run, const struct ap_jnode *node)
{
    struct ap_jscope *outer = run->scope, *inner;
    struct ap_jval value;
    AP_TRY(ap__jscope_push(run, outer));
    inner = run->scope;
    for (size_t i = 0; i < node->params->name.n; i++) {
        run->scope = outer; /* no value sees the other targets */
        AP_TRY(ap__jeval(run, node->params->otherwise.v[i], &value));
        run->scope = inner;
        AP_TRY(assign(run, node->params->name.v[i], value));
    }
    AP_TRY(ap__jrun_body(run, &node->body));
    run->scope = outer;
    return AP_OK;
}

static ap_status add_span(struct ap_jrun *run, size_t begin, size_t end)
{
    struct ap_jinja_spans *s = run->spans;
    AP_TRY(ap__grow((void **)&s->span, &s->cap, s->n + 1, sizeof *s->span, run->err));
    s->span[s->n++] = (struct ap_jinja_span){begin, end};
    return AP_OK;
}

static ap_status exec_generation(struct ap_jrun *run, const struct ap_jnode *node)
{
    struct ap_jscope *outer = run->scope;
    size_t begin = run->out->len;
    AP_TRY(ap__jscope_push(run, outer));
    AP_TRY(ap__jrun_body(run, &node->body));
    run->scope = outer;
    /* Within a macro the text may yet be changed or dropped; transformers counts from where the macro's text will
     * begin. */
    size_t shift = run->captures ? begin - run->root : 0;
    return run->spans ? add_span(run, begin - shift, run->out->len - shift) : AP_OK;
}

/* ------------------------------------------------------------------ if, output, the whole */

static ap_status exec_if(struct ap_jrun *run, const struct ap_jnode *node)
{
    struct ap_jval test;
    for (;;) {
        AP_TRY(ap__jeval(run, node->a, &test));
        if (ap__jval_truth(test))
            return ap__jrun_body(run, &node->body);
        if (node->otherwise.n != 1 || node->otherwise.v[0]->kind != AP_JN_IF)
            return ap__jrun_body(run, &node->otherwise);
        node = node->otherwise.v[0]; /* elif */
    }
}

static ap_status exec_output(struct ap_jrun *run, const struct ap_jnode *node)
{
    struct ap_jval value;
    AP_TRY(ap__jeval(run, node->a, &value));
    return ap__jval_print(run, value);
}

static ap_status exec(struct ap_jrun *run, const struct ap_jnode *node)
{
    switch (node->kind) {
    case AP_JN_DATA:
        return ap__jrun_emit(run, node->value.text.s, node->value.text.n);
    case AP_JN_OUTPUT:
        return exec_output(run, node);
    case AP_JN_IF:
        return exec_if(run, node);
    case AP_JN_FOR:
        return exec_for(run, node);
    case AP_JN_SET:
        return exec_set(run, node);
    case AP_JN_SET_BLOCK:
        return exec_set_block(run, node);
    case AP_JN_MACRO:
        return exec_macro(run, node);
    case AP_JN_CALL_BLOCK:
        return exec_call_block(run, node);
    case AP_JN_FILTER_BLOCK:
        return exec_filter_block(run, node);
    case AP_JN_WITH:
        return exec_with(run, node);
    case AP_JN_GENERATION:
        return exec_generation(run, node);
    default:
        run->flow = node->kind == AP_JN_BREAK ? AP_J_BREAK : AP_J_CONTINUE;
        return AP_OK;
    }
}

ap_status ap__jrun_body(struct ap_jrun *run, const struct ap_jbody *body)
{
    AP_TRY(ap__jrun_enter(run));
    for (size_t i = 0; i < body->n && run->flow == AP_J_GO_ON; i++) {
        run->line = body->v[i]->line;
        AP_TRY(exec(run, body->v[i]));
    }
    ap__jrun_leave(run);
    return AP_OK;
}
