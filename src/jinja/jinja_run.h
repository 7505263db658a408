/* jinja_run.h - one rendering of a template: its memory, output, scopes and limits.
 *
 *     scope of a loop's body --> scope of the loop's place --> ... --> the variables
 *
 * All text goes to the end of one buffer.  What a macro or a block `set` catches is written there too and then
 * taken away from the end (ap__jrun_catch), so nested captures need no buffers of their own.
 * Everything a run allocates lies in its arena; functions just return on failure. */
#ifndef AP_JINJA_RUN_H
#define AP_JINJA_RUN_H

#include "jinja/jinja.h"
#include "jinja/jinja_tree.h"
#include "jinja/jinja_value.h"

struct ap_jbinding {
    int32_t name; /* index into the template's names */
    struct ap_jval value;
};

struct ap_jscope {
    struct ap_jscope *parent;
    struct ap_jbinding *v; /* (n,) */
    size_t n, cap;
};

enum ap_jflow { AP_J_GO_ON, AP_J_BREAK, AP_J_CONTINUE };

struct ap_jrun {
    const struct ap_jinja *t;
    struct ap_arena arena;
    struct ap_buf *out;
    size_t base;         /* bytes of `out` that were there before */
    size_t root;         /* bytes of `out` when the outermost capture began */
    int captures;        /* nested captures */
    struct ap_jscope *scope;
    struct ap_jinja_spans *spans; /* or NULL */
    struct ap_err *err;
    int64_t now;
    int64_t steps;       /* left */
    int32_t depth;       /* nested evaluations */
    int32_t line;        /* of what runs now, for messages */
    uint64_t closures;   /* macros made so far: they keep their scope */
    enum ap_jflow flow;
    struct ap_jval body; /* what a block's filter chain starts from */
};

/* Arguments of a call. */
struct ap_jargs {
    struct ap_jval *v; /* (n,) positional */
    size_t n;
    struct ap_jkeyword {
        struct ap_jtext name;
        struct ap_jval value;
    } *kw; /* (n_kw,) */
    size_t n_kw;
};

#define AP_J_SLOTS 6 /* parameters of a built-in function */

/* A filter, test, method or global function.  `params` names its parameters, parted by blanks; "*" takes all
 * arguments as they come (in args).  slot[i] is the i-th parameter, MISSING when not given. */
struct ap_jfunc {
    const char *name;
    const char *params;
    int required;
    ap_status (*run)(struct ap_jrun *run, struct ap_jval self, const struct ap_jval *slot,
                     const struct ap_jargs *args, struct ap_jval *out);
};

struct ap_jmethod {
    const struct ap_jfunc *func;
    struct ap_jval self;
};

struct ap_jmacro {
    const struct ap_jnode *node; /* AP_JN_MACRO, AP_JN_CALL_BLOCK or AP_JN_GENERATION */
    struct ap_jscope *scope;     /* where it was defined */
};

struct ap_jloop {
    struct ap_jval *item; /* (n,) */
    size_t n, at;
    bool completed; /* a turn reached its end: `else` is not due, as Jinja2 counts it */
    struct ap_jval changed; /* what loop.changed saw last */
    const struct ap_jnode *node; /* of a `recursive` loop, else NULL */
    struct ap_jscope *scope;
    int32_t depth;
};

/* ---- failing, limits, memory (jinja.c) ---- */

/* AP_E_FORMAT with the template's name and the line. */
ap_status ap__jrun_fail(struct ap_jrun *run, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The failure that an undefined value brings when it is used. */
ap_status ap__jrun_undefined(struct ap_jrun *run, struct ap_jval v);
/* Count work; AP_E_LIMIT when the run has had its share. */
ap_status ap__jrun_spend(struct ap_jrun *run, size_t work) AP_MUST_CHECK;
ap_status ap__jrun_enter(struct ap_jrun *run) AP_MUST_CHECK; /* one level deeper; ap__jrun_leave afterwards */
void ap__jrun_leave(struct ap_jrun *run);
/* Zeroed; NULL after recording the failure, whose code is returned by ap__jrun_memory. */
void *ap__jrun_alloc(struct ap_jrun *run, size_t count, size_t size);
ap_status ap__jrun_memory(struct ap_jrun *run);

ap_status ap__jrun_emit(struct ap_jrun *run, const char *s, size_t n) AP_MUST_CHECK;
ap_status ap__jrun_puts(struct ap_jrun *run, const char *s) AP_MUST_CHECK;
/* Text emitted between the two becomes a string; after a failure in between nothing needs doing. */
size_t ap__jrun_catch(struct ap_jrun *run);
ap_status ap__jrun_caught(struct ap_jrun *run, size_t mark, struct ap_jval *out) AP_MUST_CHECK;

/* ---- scopes (jinja_statements.c) ---- */

ap_status ap__jscope_push(struct ap_jrun *run, struct ap_jscope *parent) AP_MUST_CHECK; /* becomes run->scope */
ap_status ap__jscope_set(struct ap_jrun *run, int32_t name, struct ap_jval value) AP_MUST_CHECK;
const struct ap_jval *ap__jscope_find(const struct ap_jrun *run, int32_t name); /* or NULL */
ap_status ap__jrun_body(struct ap_jrun *run, const struct ap_jbody *body) AP_MUST_CHECK;
/* The body of a `recursive` loop over other items. */
ap_status ap__jrun_loop(struct ap_jrun *run, const struct ap_jnode *node, struct ap_jval items, int32_t depth)
    AP_MUST_CHECK;

/* ---- expressions ---- */

ap_status ap__jeval(struct ap_jrun *run, const struct ap_jnode *node, struct ap_jval *out) AP_MUST_CHECK;
ap_status ap__jeval_args(struct ap_jrun *run, const struct ap_jcall *call, struct ap_jargs *out) AP_MUST_CHECK;

/* jinja_operators.c */
ap_status ap__jop_unary(struct ap_jrun *run, enum ap_jop op, struct ap_jval a, struct ap_jval *out) AP_MUST_CHECK;
ap_status ap__jop_binary(struct ap_jrun *run, enum ap_jop op, struct ap_jval a, struct ap_jval b,
                         struct ap_jval *out) AP_MUST_CHECK;
/* jinja_compare.c */
ap_status ap__jval_equal(struct ap_jrun *run, struct ap_jval a, struct ap_jval b, bool *out) AP_MUST_CHECK;
ap_status ap__jop_compare(struct ap_jrun *run, enum ap_jop op, struct ap_jval a, struct ap_jval b,
                          bool *out) AP_MUST_CHECK;
/* By < on keys (n,), stable; order (n,) becomes the permutation. */
ap_status ap__jval_sort(struct ap_jrun *run, const struct ap_jval *key, size_t *order, size_t n,
                        bool reverse) AP_MUST_CHECK;
ap_status ap__jval_hashable(struct ap_jrun *run, struct ap_jval v) AP_MUST_CHECK;

/* jinja_access.c */
ap_status ap__jval_attribute(struct ap_jrun *run, struct ap_jval v, struct ap_jtext name,
                             struct ap_jval *out) AP_MUST_CHECK;
ap_status ap__jval_item(struct ap_jrun *run, struct ap_jval v, struct ap_jval index,
                        struct ap_jval *out) AP_MUST_CHECK;
/* bound: start, stop, step; MISSING or None when left out. */
ap_status ap__jval_slice(struct ap_jrun *run, struct ap_jval v, const struct ap_jval bound[3],
                         struct ap_jval *out) AP_MUST_CHECK;
/* `path`: "a.0.b" or an int, as filters take attributes; otherwise (or MISSING) stands for what is undefined. */
ap_status ap__jval_path(struct ap_jrun *run, struct ap_jval v, struct ap_jval path, struct ap_jval otherwise,
                        struct ap_jval *out) AP_MUST_CHECK;

/* jinja_call.c */
ap_status ap__jcall(struct ap_jrun *run, struct ap_jval callee, const struct ap_jargs *args,
                    struct ap_jval *out) AP_MUST_CHECK;
ap_status ap__jcall_func(struct ap_jrun *run, const struct ap_jfunc *func, struct ap_jval self,
                         const struct ap_jargs *args, struct ap_jval *out) AP_MUST_CHECK;
/* An argument that must be an integer (or a truth value); `otherwise` when it is left out. */
ap_status ap__jarg_int(struct ap_jrun *run, struct ap_jval v, int64_t otherwise, int64_t *out) AP_MUST_CHECK;
const struct ap_jfunc *ap__jfunc_find(const struct ap_jfunc *table, const char *name, size_t n);

/* The tables, each ended by a NULL name. */
extern const struct ap_jfunc ap__jinja_globals[];      /* jinja_globals.c */
extern const struct ap_jfunc ap__jinja_tests[];        /* jinja_tests.c */
extern const struct ap_jfunc ap__jinja_string_methods[]; /* jinja_methods.c */
extern const struct ap_jfunc ap__jinja_list_methods[], ap__jinja_tuple_methods[], ap__jinja_dict_methods[],
    ap__jinja_loop_methods[]; /* jinja_containers.c */
/* Filters are in several tables, searched in turn (jinja_filters.c). */
const struct ap_jfunc *ap__jinja_filter_find(const char *name, size_t n);
extern const struct ap_jfunc ap__jinja_text_filters[], ap__jinja_number_filters[], ap__jinja_list_filters[],
    ap__jinja_order_filters[], ap__jinja_select_filters[];

#endif
