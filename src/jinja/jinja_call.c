/* jinja_call.c - calls: arguments are matched with parameters.
 *
 *     built-in (filter, test, method, global)   params "a b c" --> slots, absent ones MISSING
 *     macro                                     params, defaults, varargs, kwargs, caller --> a scope, text back
 *     loop(items)                               the body of a recursive loop once more */
#include "jinja/jinja_run.h"

#include <string.h>

const struct ap_jfunc *ap__jfunc_find(const struct ap_jfunc *table, const char *name, size_t n)
{
    for (; table->name; table++)
        if (strncmp(table->name, name, n) == 0 && table->name[n] == '\0')
            return table;
    return NULL;
}

static int shown(struct ap_jtext t)
{
    return (int)(t.n < 80 ? t.n : 80);
}

static bool same_text(struct ap_jtext a, struct ap_jtext b)
{
    return a.n == b.n && memcmp(a.s, b.s, a.n) == 0;
}

ap_status ap__jarg_int(struct ap_jrun *run, struct ap_jval v, int64_t otherwise, int64_t *out)
{
    *out = otherwise;
    if (v.kind == AP_J_MISSING)
        return AP_OK;
    if (!ap__jval_is_integer(v))
        return ap__jrun_fail(run, "'%s' object cannot be interpreted as an integer", ap__jval_type(v));
    *out = ap__jval_integer(v);
    return AP_OK;
}

/* ------------------------------------------------------------------ built-in functions */

/* Names of parameters, taken apart. */
static size_t split_params(const char *params, struct ap_jtext name[AP_J_SLOTS])
{
    size_t n = 0;
    for (; n < AP_J_SLOTS && *params; n++) {
        size_t len = strcspn(params, " ");
        name[n] = (struct ap_jtext){params, len};
        params += len + (params[len] == ' ');
    }
    return n;
}

static ap_status bind_keyword(struct ap_jrun *run, const struct ap_jfunc *func, const struct ap_jtext *name, size_t n,
                              const struct ap_jkeyword *kw, struct ap_jval *slot)
{
    for (size_t i = 0; i < n; i++) {
        if (!same_text(name[i], kw->name))
            continue;
        if (slot[i].kind != AP_J_MISSING)
            return ap__jrun_fail(run, "`%s` got two values for `%.*s`", func->name, shown(kw->name), kw->name.s);
        slot[i] = kw->value;
        return AP_OK;
    }
    return ap__jrun_fail(run, "`%s` takes no argument `%.*s`", func->name, shown(kw->name), kw->name.s);
}

static ap_status bind(struct ap_jrun *run, const struct ap_jfunc *func, const struct ap_jargs *args,
                      struct ap_jval slot[AP_J_SLOTS])
{
    struct ap_jtext name[AP_J_SLOTS];
    size_t n = split_params(func->params, name);
    if (args->n > n)
        return ap__jrun_fail(run, "`%s` takes at most %zu arguments, got %zu", func->name, n, args->n);
    for (size_t i = 0; i < args->n; i++)
        slot[i] = args->v[i];
    for (size_t i = 0; i < args->n_kw; i++)
        AP_TRY(bind_keyword(run, func, name, n, &args->kw[i], slot));
    for (int i = 0; i < func->required; i++)
        if (slot[i].kind == AP_J_MISSING)
            return ap__jrun_fail(run, "`%s` needs the argument `%.*s`", func->name, shown(name[i]), name[i].s);
    return AP_OK;
}

ap_status ap__jcall_func(struct ap_jrun *run, const struct ap_jfunc *func, struct ap_jval self,
                         const struct ap_jargs *args, struct ap_jval *out)
{
    struct ap_jval slot[AP_J_SLOTS] = {{.kind = AP_J_MISSING}};
    if (func->params[0] != '*')
        AP_TRY(bind(run, func, args, slot));
    AP_TRY(ap__jrun_enter(run));
    AP_TRY(func->run(run, self, slot, args, out));
    ap__jrun_leave(run);
    return AP_OK;
}

/* ------------------------------------------------------------------ macros */

/* A macro being called: which arguments are used up. */
struct macro_call {
    struct ap_jrun *run;
    const struct ap_jmacro *macro;
    const struct ap_jargs *args;
    bool *taken; /* (args->n_kw,) */
};

static const struct ap_jval *take_keyword(struct macro_call *c, int32_t name)
{
    for (size_t i = 0; i < c->args->n_kw; i++)
        if (same_text(c->args->kw[i].name, c->run->t->name[name])) {
            c->taken[i] = true;
            return &c->args->kw[i].value;
        }
    return NULL;
}

static ap_status missing_parameter(struct ap_jrun *run, int32_t name, struct ap_jval *out)
{
    *out = ap__jval_undefined();
    out->hint = ap__jrun_alloc(run, 1, sizeof *out->hint);
    if (!out->hint)
        return ap__jrun_memory(run);
    out->hint->text = run->t->name[name];
    return AP_OK;
}

static ap_status bind_parameter(struct macro_call *c, size_t i)
{
    const struct ap_jparams *params = c->macro->node->params;
    int32_t name = params->name.v[i]->name;
    size_t first_default = params->name.n - params->otherwise.n;
    const struct ap_jval *given = i < c->args->n ? &c->args->v[i] : take_keyword(c, name);
    struct ap_jval value;
    if (given)
        value = *given;
    else if (i >= first_default)
        AP_TRY(ap__jeval(c->run, params->otherwise.v[i - first_default], &value));
    else
        AP_TRY(missing_parameter(c->run, name, &value));
    return ap__jscope_set(c->run, name, value);
}

static ap_status bind_varargs(struct macro_call *c)
{
    struct ap_jval rest;
    size_t n = c->macro->node->params->name.n;
    AP_TRY(ap__jval_list(c->run, AP_J_TUPLE, c->args->n > n ? c->args->n - n : 0, &rest));
    for (size_t i = n; i < c->args->n; i++)
        rest.list->v[rest.list->n++] = c->args->v[i];
    return ap__jscope_set(c->run, c->run->t->name_varargs, rest);
}

static ap_status bind_caller(struct macro_call *c)
{
    const struct ap_jval *given = take_keyword(c, c->run->t->name_caller);
    struct ap_jval caller;
    if (given)
        caller = *given;
    else
        AP_TRY(missing_parameter(c->run, c->run->t->name_caller, &caller));
    return ap__jscope_set(c->run, c->run->t->name_caller, caller);
}

static ap_status bind_kwargs(struct macro_call *c)
{
    struct ap_jval rest;
    AP_TRY(ap__jval_dict(c->run, c->args->n_kw, &rest));
    for (size_t i = 0; i < c->args->n_kw; i++)
        if (!c->taken[i])
            AP_TRY(ap__jdict_set(c->run, rest.dict, ap__jval_view(c->args->kw[i].name.s, c->args->kw[i].name.n),
                                 c->args->kw[i].value));
    return ap__jscope_set(c->run, c->run->t->name_kwargs, rest);
}

static ap_status refuse_others(struct macro_call *c)
{
    for (size_t i = 0; i < c->args->n_kw; i++)
        if (!c->taken[i])
            return ap__jrun_fail(c->run, "the macro takes no keyword argument `%.*s`", shown(c->args->kw[i].name),
                                 c->args->kw[i].name.s);
    return AP_OK;
}

static ap_status bind_macro(struct macro_call *c)
{
    const struct ap_jparams *params = c->macro->node->params;
    if (c->args->n > params->name.n && !params->uses_varargs)
        return ap__jrun_fail(c->run, "the macro takes at most %zu arguments, got %zu", params->name.n, c->args->n);
    for (size_t i = 0; i < params->name.n; i++)
        AP_TRY(bind_parameter(c, i));
    bool has_caller = false;
    for (size_t i = 0; i < params->name.n; i++)
        has_caller |= params->name.v[i]->name == c->run->t->name_caller;
    if (params->uses_caller && !has_caller)
        AP_TRY(bind_caller(c));
    if (params->uses_varargs)
        AP_TRY(bind_varargs(c));
    return params->uses_kwargs ? bind_kwargs(c) : refuse_others(c);
}

static ap_status call_macro(struct ap_jrun *run, const struct ap_jmacro *macro, const struct ap_jargs *args,
                            struct ap_jval *out)
{
    struct ap_jscope *outer = run->scope;
    struct macro_call c = {run, macro, args, ap__jrun_alloc(run, args->n_kw + 1, sizeof *c.taken)};
    if (!c.taken)
        return ap__jrun_memory(run);
    AP_TRY(ap__jrun_enter(run));
    AP_TRY(ap__jscope_push(run, macro->scope));
    AP_TRY(bind_macro(&c));
    size_t mark = ap__jrun_catch(run);
    AP_TRY(ap__jrun_body(run, &macro->node->body));
    AP_TRY(ap__jrun_caught(run, mark, out));
    run->scope = outer;
    ap__jrun_leave(run);
    return AP_OK;
}

/* ------------------------------------------------------------------ whatever can be called */

static ap_status call_loop(struct ap_jrun *run, const struct ap_jloop *loop, const struct ap_jargs *args,
                           struct ap_jval *out)
{
    struct ap_jscope *outer = run->scope;
    if (!loop->node)
        return ap__jrun_fail(run, "only a loop marked `recursive` can be called");
    if (args->n != 1 || args->n_kw)
        return ap__jrun_fail(run, "a loop is called with one argument");
    size_t mark = ap__jrun_catch(run);
    run->scope = loop->scope;
    AP_TRY(ap__jrun_loop(run, loop->node, args->v[0], loop->depth + 1));
    run->scope = outer;
    return ap__jrun_caught(run, mark, out);
}

ap_status ap__jcall(struct ap_jrun *run, struct ap_jval callee, const struct ap_jargs *args, struct ap_jval *out)
{
    static const struct ap_jval nobody = {.kind = AP_J_MISSING};
    switch (callee.kind) {
    case AP_J_UNDEFINED:
        return ap__jrun_undefined(run, callee);
    case AP_J_FUNCTION:
        return ap__jcall_func(run, callee.func, nobody, args, out);
    case AP_J_METHOD:
        return ap__jcall_func(run, callee.method->func, callee.method->self, args, out);
    case AP_J_MACRO:
        return call_macro(run, callee.macro, args, out);
    case AP_J_LOOP:
        return call_loop(run, callee.loop, args, out);
    default:
        return ap__jrun_fail(run, "'%s' object is not callable", ap__jval_type(callee));
    }
}
