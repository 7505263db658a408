/* jinja_value.h - what a template computes with: Python's values, as far as chat templates see them.
 *
 *     JSON variables --> ap__jval_from_json --> struct ap_jval --> text (jinja_text.h)
 *
 * A value is small and passed by value.  What stands behind it (text, items) lives in the arena of one rendering,
 * or in the template or the variables, and never changes: chat templates run in an immutable sandbox.  Only
 * namespaces and half-used generators change. */
#ifndef AP_JINJA_VALUE_H
#define AP_JINJA_VALUE_H

#include "base/json.h"

struct ap_jrun; /* one rendering: jinja_run.h */
struct ap_jfunc;
struct ap_jmacro;
struct ap_jloop;
struct ap_jmethod;

enum ap_jkind {
    AP_J_MISSING, /* nothing was given: an argument or a slice's bound that is left out */
    AP_J_UNDEFINED,
    AP_J_NONE,
    AP_J_BOOL,
    AP_J_INT,
    AP_J_FLOAT,
    AP_J_STRING,
    AP_J_LIST, /* and whatever else holds items in a row, see ap_jflavour */
    AP_J_DICT,
    AP_J_RANGE,
    AP_J_NAMESPACE, /* a dict whose members may be set */
    AP_J_LOOP,
    AP_J_MACRO,
    AP_J_FUNCTION,
    AP_J_METHOD
};

struct ap_jtext {
    const char *s; /* (n,) UTF-8, may hold NUL */
    size_t n;
};

struct ap_jval {
    enum ap_jkind kind;
    bool markup; /* STRING: marked `safe`; joined with + it escapes the other side */
    union {
        bool b;
        int64_t i;
        double f;
        struct ap_jtext text;
        struct ap_jlist *list;
        struct ap_jdict *dict; /* DICT and NAMESPACE */
        struct ap_jrange *range;
        struct ap_jloop *loop;
        struct ap_jmacro *macro;
        const struct ap_jfunc *func;
        struct ap_jmethod *method;
        struct ap_jhint *hint; /* UNDEFINED: what was not there; may be NULL */
    };
};

enum ap_jflavour {
    AP_J_PLAIN,
    AP_J_TUPLE,
    AP_J_GENERATOR, /* of map, select, ...: its items can be taken once */
    AP_J_KEYS,
    AP_J_VALUES,
    AP_J_ITEMS,
    AP_J_GROUP /* a tuple (grouper, list) of groupby */
};

struct ap_jlist {
    enum ap_jflavour flavour;
    struct ap_jval *v; /* (n,) */
    size_t n, at;      /* at: items a generator has given away */
};

struct ap_jpair {
    struct ap_jval key, value;
};

struct ap_jdict {
    struct ap_jpair *v; /* (n,), in order of insertion */
    size_t n, cap;
};

struct ap_jrange {
    int64_t start, stop, step;
};

struct ap_jhint {
    const char *owner;    /* type of the object that lacks it, NULL for a variable */
    struct ap_jtext text; /* the name; or the whole sentence when `sentence` */
    bool sentence;
};

#define AP_JTEXT(literal) ((struct ap_jtext){(literal), sizeof(literal) - 1})

struct ap_jval ap__jval_none(void);
struct ap_jval ap__jval_bool(bool b);
struct ap_jval ap__jval_int(int64_t i);
struct ap_jval ap__jval_float(double f);
struct ap_jval ap__jval_view(const char *s, size_t n); /* a string, borrowed */
struct ap_jval ap__jval_undefined(void);

/* Python's name of a value's type, for messages: "str", "dict", ... */
const char *ap__jval_type(struct ap_jval v);
bool ap__jval_is_number(struct ap_jval v);   /* bool, int, float */
bool ap__jval_is_integer(struct ap_jval v);  /* bool, int */
int64_t ap__jval_integer(struct ap_jval v);  /* of those two */
double ap__jval_number(struct ap_jval v);    /* of those three */
bool ap__jval_is_tuple(struct ap_jval v);
bool ap__jval_truth(struct ap_jval v);
bool ap__jval_text_is(struct ap_jval v, const char *text); /* a string that reads so */

/* Members as they were given; the object of `value` must outlive the run. */
ap_status ap__jval_from_json(struct ap_jrun *run, const json_t *value, struct ap_jval *out) AP_MUST_CHECK;
ap_status ap__jval_text(struct ap_jrun *run, const char *s, size_t n, struct ap_jval *out) AP_MUST_CHECK;
/* A list of room for cap items, n = 0. */
ap_status ap__jval_list(struct ap_jrun *run, enum ap_jflavour flavour, size_t cap, struct ap_jval *out) AP_MUST_CHECK;
ap_status ap__jval_push(struct ap_jrun *run, struct ap_jlist *list, size_t *cap, struct ap_jval item) AP_MUST_CHECK;
ap_status ap__jval_dict(struct ap_jrun *run, size_t cap, struct ap_jval *out) AP_MUST_CHECK;
/* Replaces the value of an equal key.  TypeError for a key that Python could not hash. */
ap_status ap__jdict_set(struct ap_jrun *run, struct ap_jdict *d, struct ap_jval key, struct ap_jval value)
    AP_MUST_CHECK;
/* *out is MISSING when there is no such key. */
ap_status ap__jdict_get(struct ap_jrun *run, const struct ap_jdict *d, struct ap_jval key, struct ap_jval *out)
    AP_MUST_CHECK;
ap_status ap__jval_pair(struct ap_jrun *run, struct ap_jval a, struct ap_jval b, struct ap_jval *out) AP_MUST_CHECK;

/* len(); false when the value has none. */
bool ap__jval_len(struct ap_jval v, int64_t *out);
/* What a loop over v sees, in *out (n items from v); takes the items of a generator.  TypeError when v cannot be
 * iterated. */
ap_status ap__jval_iterate(struct ap_jrun *run, struct ap_jval v, struct ap_jlist *out) AP_MUST_CHECK;
bool ap__jval_iterable(struct ap_jval v);

#endif
