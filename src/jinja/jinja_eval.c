/* jinja_eval.c - the value of an expression.
 *
 *     node --> its operands' values --> operator, attribute, call, filter or test --> value
 *
 * `and`, `or` and `if` evaluate only what they need, as in Python. */
#include "jinja/jinja_run.h"
#include "jinja/jinja_text.h"

#include <string.h>

static ap_status eval_name(struct ap_jrun *run, const struct ap_jnode *node, struct ap_jval *out)
{
    const struct ap_jval *found = ap__jscope_find(run, node->name);
    struct ap_jtext name = run->t->name[node->name];
    if (found && found->kind != AP_J_MISSING) {
        *out = *found;
        return AP_OK;
    }
    const struct ap_jfunc *global = ap__jfunc_find(ap__jinja_globals, name.s, name.n);
    if (global) {
        *out = (struct ap_jval){.kind = AP_J_FUNCTION, .func = global};
        return AP_OK;
    }
    *out = ap__jval_undefined();
    out->hint = ap__jrun_alloc(run, 1, sizeof *out->hint);
    if (!out->hint)
        return ap__jrun_memory(run);
    out->hint->text = name;
    return AP_OK;
}

static ap_status eval_list(struct ap_jrun *run, const struct ap_jnode *node, struct ap_jval *out)
{
    struct ap_jval list;
    AP_TRY(ap__jval_list(run, node->kind == AP_JN_TUPLE ? AP_J_TUPLE : AP_J_PLAIN, node->body.n, &list));
    for (size_t i = 0; i < node->body.n; i++, list.list->n++)
        AP_TRY(ap__jeval(run, node->body.v[i], &list.list->v[i]));
    *out = list;
    return AP_OK;
}

static ap_status eval_dict(struct ap_jrun *run, const struct ap_jnode *node, struct ap_jval *out)
{
    struct ap_jval dict, key, value;
    AP_TRY(ap__jval_dict(run, node->body.n / 2, &dict));
    for (size_t i = 0; i + 1 < node->body.n; i += 2) {
        AP_TRY(ap__jeval(run, node->body.v[i], &key));
        AP_TRY(ap__jeval(run, node->body.v[i + 1], &value));
        AP_TRY(ap__jdict_set(run, dict.dict, key, value));
    }
    *out = dict;
    return AP_OK;
}

static ap_status eval_item(struct ap_jrun *run, const struct ap_jnode *node, struct ap_jval *out)
{
    struct ap_jval object, index;
    AP_TRY(ap__jeval(run, node->a, &object));
    AP_TRY(ap__jeval(run, node->b, &index));
    return ap__jval_item(run, object, index, out);
}

static ap_status eval_slice(struct ap_jrun *run, const struct ap_jnode *node, struct ap_jval *out)
{
    struct ap_jval object, bound[3] = {{.kind = AP_J_MISSING}};
    const struct ap_jnode *const nodes[3] = {node->b, node->c, node->d};
    AP_TRY(ap__jeval(run, node->a, &object));
    for (int i = 0; i < 3; i++)
        if (nodes[i])
            AP_TRY(ap__jeval(run, nodes[i], &bound[i]));
    return ap__jval_slice(run, object, bound, out);
}

/* ------------------------------------------------------------------ calls */

static ap_status spread_list(struct ap_jrun *run, const struct ap_jnode *node, struct ap_jargs *args)
{
    struct ap_jval value;
    struct ap_jlist items;
    AP_TRY(ap__jeval(run, node, &value));
    AP_TRY(ap__jval_iterate(run, value, &items));
    struct ap_jval *v = ap__jrun_alloc(run, args->n + items.n, sizeof *v);
    if (!v)
        return ap__jrun_memory(run);
    if (args->n)
        memcpy(v, args->v, args->n * sizeof *v);
    if (items.n)
        memcpy(v + args->n, items.v, items.n * sizeof *v);
    args->v = v;
    args->n += items.n;
    return AP_OK;
}

static ap_status spread_dict(struct ap_jrun *run, const struct ap_jnode *node, struct ap_jargs *args)
{
    struct ap_jval value;
    AP_TRY(ap__jeval(run, node, &value));
    if (value.kind != AP_J_DICT)
        return ap__jrun_fail(run, "the argument behind ** must be a mapping, not %s", ap__jval_type(value));
    struct ap_jkeyword *kw = ap__jrun_alloc(run, args->n_kw + value.dict->n, sizeof *kw);
    if (!kw)
        return ap__jrun_memory(run);
    if (args->n_kw)
        memcpy(kw, args->kw, args->n_kw * sizeof *kw);
    for (size_t i = 0; i < value.dict->n; i++) {
        if (value.dict->v[i].key.kind != AP_J_STRING)
            return ap__jrun_fail(run, "keywords must be strings");
        kw[args->n_kw++] = (struct ap_jkeyword){value.dict->v[i].key.text, value.dict->v[i].value};
    }
    args->kw = kw;
    return AP_OK;
}

ap_status ap__jeval_args(struct ap_jrun *run, const struct ap_jcall *call, struct ap_jargs *out)
{
    *out = (struct ap_jargs){.n = call->args.n};
    if (call->args.n && !(out->v = ap__jrun_alloc(run, call->args.n, sizeof *out->v)))
        return ap__jrun_memory(run);
    for (size_t i = 0; i < call->args.n; i++)
        AP_TRY(ap__jeval(run, call->args.v[i], &out->v[i]));
    if (call->star)
        AP_TRY(spread_list(run, call->star, out));
    if (call->kw.n && !(out->kw = ap__jrun_alloc(run, call->kw.n, sizeof *out->kw)))
        return ap__jrun_memory(run);
    for (size_t i = 0; i < call->kw.n; i++, out->n_kw++) {
        out->kw[i].name = call->kw_name[i];
        AP_TRY(ap__jeval(run, call->kw.v[i], &out->kw[i].value));
    }
    return call->star_star ? spread_dict(run, call->star_star, out) : AP_OK;
}

static ap_status eval_call(struct ap_jrun *run, const struct ap_jnode *node, struct ap_jval *out)
{
    struct ap_jval callee;
    struct ap_jargs args;
    AP_TRY(ap__jeval(run, node->a, &callee));
    AP_TRY(ap__jeval_args(run, node->call, &args));
    run->line = node->line;
    return ap__jcall(run, callee, &args, out);
}

static ap_status eval_filter(struct ap_jrun *run, const struct ap_jnode *node, struct ap_jval *out)
{
    struct ap_jval value;
    struct ap_jargs args;
    if (!node->func)
        return ap__jrun_fail(run, "no %s named `%.*s`", node->kind == AP_JN_TEST ? "test" : "filter",
                             (int)(node->value.text.n & 0xFF), node->value.text.s);
    AP_TRY(ap__jeval(run, node->a, &value));
    AP_TRY(ap__jeval_args(run, node->call, &args));
    run->line = node->line;
    return ap__jcall_func(run, node->func, value, &args, out);
}

/* ------------------------------------------------------------------ operators */

static ap_status eval_unary(struct ap_jrun *run, const struct ap_jnode *node, struct ap_jval *out)
{
    struct ap_jval a;
    AP_TRY(ap__jeval(run, node->a, &a));
    return ap__jop_unary(run, node->op, a, out);
}

static ap_status eval_binary(struct ap_jrun *run, const struct ap_jnode *node, struct ap_jval *out)
{
    struct ap_jval a, b;
    AP_TRY(ap__jeval(run, node->a, &a));
    AP_TRY(ap__jeval(run, node->b, &b));
    return ap__jop_binary(run, node->op, a, b, out);
}

static ap_status eval_concat(struct ap_jrun *run, const struct ap_jnode *node, struct ap_jval *out)
{
    struct ap_jval v;
    size_t mark = ap__jrun_catch(run);
    for (size_t i = 0; i < node->body.n; i++) {
        AP_TRY(ap__jeval(run, node->body.v[i], &v));
        AP_TRY(ap__jval_print(run, v));
    }
    return ap__jrun_caught(run, mark, out);
}

/* a < b < c is a < b and b < c, with b evaluated once. */
static ap_status eval_compare(struct ap_jrun *run, const struct ap_jnode *node, struct ap_jval *out)
{
    struct ap_jval a, b;
    bool holds = true;
    AP_TRY(ap__jeval(run, node->a, &a));
    for (size_t i = 0; holds && i < node->body.n; i++) {
        AP_TRY(ap__jeval(run, node->body.v[i]->a, &b));
        AP_TRY(ap__jop_compare(run, node->body.v[i]->op, a, b, &holds));
        a = b;
    }
    *out = ap__jval_bool(holds);
    return AP_OK;
}

static ap_status eval_cond(struct ap_jrun *run, const struct ap_jnode *node, struct ap_jval *out)
{
    struct ap_jval test;
    AP_TRY(ap__jeval(run, node->a, &test));
    if (ap__jval_truth(test))
        return ap__jeval(run, node->b, out);
    if (node->c)
        return ap__jeval(run, node->c, out);
    *out = ap__jval_undefined();
    out->hint = ap__jrun_alloc(run, 1, sizeof *out->hint);
    if (!out->hint)
        return ap__jrun_memory(run);
    out->hint->sentence = true;
    out->hint->text = AP_JTEXT("the inline if-expression evaluated to false and no else section was defined");
    return AP_OK;
}

static ap_status eval_logic(struct ap_jrun *run, const struct ap_jnode *node, struct ap_jval *out)
{
    AP_TRY(ap__jeval(run, node->a, out));
    return ap__jval_truth(*out) == (node->kind == AP_JN_AND) ? ap__jeval(run, node->b, out) : AP_OK;
}

static ap_status eval_attribute(struct ap_jrun *run, const struct ap_jnode *node, struct ap_jval *out)
{
    struct ap_jval object;
    AP_TRY(ap__jeval(run, node->a, &object));
    run->line = node->line;
    return ap__jval_attribute(run, object, node->value.text, out);
}

static ap_status eval(struct ap_jrun *run, const struct ap_jnode *node, struct ap_jval *out)
{
    switch (node->kind) {
    case AP_JN_CONST:
        *out = node->value;
        return AP_OK;
    case AP_JN_BODY:
        *out = run->body;
        return AP_OK;
    case AP_JN_NAME:
        return eval_name(run, node, out);
    case AP_JN_LIST:
    case AP_JN_TUPLE:
        return eval_list(run, node, out);
    case AP_JN_DICT:
        return eval_dict(run, node, out);
    case AP_JN_ATTR:
        return eval_attribute(run, node, out);
    case AP_JN_ITEM:
        return eval_item(run, node, out);
    case AP_JN_SLICE:
        return eval_slice(run, node, out);
    case AP_JN_CALL:
        return eval_call(run, node, out);
    case AP_JN_FILTER:
    case AP_JN_TEST:
        return eval_filter(run, node, out);
    case AP_JN_UNARY:
        return eval_unary(run, node, out);
    case AP_JN_BINARY:
        return eval_binary(run, node, out);
    case AP_JN_AND:
    case AP_JN_OR:
        return eval_logic(run, node, out);
    case AP_JN_CONCAT:
        return eval_concat(run, node, out);
    case AP_JN_COMPARE:
        return eval_compare(run, node, out);
    default:
        return eval_cond(run, node, out); /* the parser puts no other kind into an expression */
    }
}

ap_status ap__jeval(struct ap_jrun *run, const struct ap_jnode *node, struct ap_jval *out)
{
    run->line = node->line;
    AP_TRY(ap__jrun_enter(run));
    AP_TRY(eval(run, node, out));
    ap__jrun_leave(run);
    return AP_OK;
}
