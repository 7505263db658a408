/* jinja_tree.h - a parsed template.
 *
 *     body: text, {{ output }}, statements   ->   struct ap_jbody of nodes
 *
 * Which members a kind of node uses stands beside the kind.  Names of variables are numbers (indices into the
 * template's `name`), so that scopes compare numbers. */
#ifndef AP_JINJA_TREE_H
#define AP_JINJA_TREE_H

#include "jinja/jinja_value.h"

enum ap_jnode_kind {
    /* expressions */
    AP_JN_CONST,   /* value */
    AP_JN_NAME,    /* name */
    AP_JN_LIST,    /* body: items */
    AP_JN_TUPLE,   /* body: items */
    AP_JN_DICT,    /* body: key, value, key, value, ... */
    AP_JN_ATTR,    /* a.value */
    AP_JN_ITEM,    /* a[b] */
    AP_JN_SLICE,   /* a[b:c:d], each may be NULL */
    AP_JN_CALL,    /* a(call) */
    AP_JN_FILTER,  /* a|value(call), func or NULL when nobody knows it */
    AP_JN_TEST,    /* a is value(call), func or NULL */
    AP_JN_BODY,    /* the text of the block that a chain of filters is put on */
    AP_JN_UNARY,   /* op a */
    AP_JN_BINARY,  /* a op b */
    AP_JN_AND,     /* a and b */
    AP_JN_OR,      /* a or b */
    AP_JN_CONCAT,  /* body: items joined by ~ */
    AP_JN_COMPARE, /* a, then body: operands, each a node of kind OPERAND */
    AP_JN_OPERAND, /* op a */
    AP_JN_COND,    /* b if a else c (or NULL) */
    AP_JN_NSREF,   /* name.value as a target */
    /* statements */
    AP_JN_DATA,       /* value */
    AP_JN_OUTPUT,     /* a */
    AP_JN_IF,         /* a: body, otherwise: one IF, or the statements of else */
    AP_JN_FOR,        /* for a in b if c: body, otherwise; flag: recursive */
    AP_JN_SET,        /* a = b */
    AP_JN_SET_BLOCK,  /* a = body, through the filters b (or NULL) */
    AP_JN_MACRO,      /* name, params: body */
    AP_JN_CALL_BLOCK, /* a: the call; params: body */
    AP_JN_FILTER_BLOCK, /* body through the filters b */
    AP_JN_WITH,       /* params = their defaults: body */
    AP_JN_GENERATION, /* body */
    AP_JN_BREAK,
    AP_JN_CONTINUE
};

enum ap_jop {
    AP_JOP_NOT, AP_JOP_NEG, AP_JOP_POS,
    AP_JOP_ADD, AP_JOP_SUB, AP_JOP_MUL, AP_JOP_DIV, AP_JOP_FLOORDIV, AP_JOP_MOD, AP_JOP_POW,
    AP_JOP_EQ, AP_JOP_NE, AP_JOP_LT, AP_JOP_LE, AP_JOP_GT, AP_JOP_GE, AP_JOP_IN, AP_JOP_NOT_IN
};

struct ap_jnode;

struct ap_jbody {
    struct ap_jnode **v; /* (n,) */
    size_t n, cap;
};

/* Arguments as they are written. */
struct ap_jcall {
    struct ap_jbody args;
    struct ap_jbody kw;       /* values of keyword arguments */
    struct ap_jtext *kw_name; /* (kw.n,) */
    size_t kw_cap;
    struct ap_jnode *star, *star_star; /* or NULL */
};

/* Parameters of a macro, targets of `with`. */
struct ap_jparams {
    struct ap_jbody name;     /* NAME nodes; `with`: targets */
    struct ap_jbody otherwise; /* the defaults of the last ones */
    bool uses_caller, uses_varargs, uses_kwargs;
};

struct ap_jnode {
    enum ap_jnode_kind kind;
    enum ap_jop op;
    int32_t line;
    int32_t name;
    bool flag;
    struct ap_jnode *a, *b, *c, *d;
    struct ap_jval value;
    struct ap_jbody body, otherwise;
    struct ap_jcall *call;
    struct ap_jparams *params;
    const struct ap_jfunc *func;
};

struct ap_jinja {
    struct ap_arena arena;
    const char *source_name;
    struct ap_jbody body;
    struct ap_jtext *name; /* (n_names,) */
    size_t n_names;
    int32_t name_loop, name_caller, name_varargs, name_kwargs; /* always known */
};

#endif
