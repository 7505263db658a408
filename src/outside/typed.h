/* typed.h - the parameters of an outside function, from the JSON Schema of its arguments.
 *
 *   schema --_build--> params, example, help, published schema
 *   values of a call --_arguments--> the JSON object that is sent, checked against the schema
 *
 * Lists are lists; objects are objects of JSON, in a Python-like call the same
 * written as text.  An optional parameter without a default is None and is then
 * not sent. */
#ifndef AP_TYPED_H
#define AP_TYPED_H

#include "functions/registry.h"

struct ap_typed {
    struct ap_arena arena; /* texts */
    json_t *schema;        /* as it was given */
    struct ap_param *params;       /* (n,) required ones first */
    const char **keys;             /* (n,) the names in the schema; params have names a model can write */
    const json_t **schemas;        /* (n,) of each parameter, within `schema` */
    int32_t n;
    const char *name, *description, *example;
    const char *published; /* JSON Schema as text, with the parameters' names */
};

/* name: what the model calls it.  example: the author's, or NULL to make one.
 * Texts and schema are copied; a schema or example that cannot be used is AP_E_FORMAT. */
ap_status ap__typed_build(struct ap_typed *typed, const char *name, const char *description, const char *example,
                          const json_t *schema, struct ap_err *err) AP_MUST_CHECK;
void ap__typed_deinit(struct ap_typed *typed);
/* The function that a registry knows; its texts live as long as `typed`. */
struct ap_function ap__typed_function(const struct ap_typed *typed, ap_status (*run)(struct ap_invocation *call),
                                      void *user_data);

/* *out: a new reference, or NULL with the reason in *why when the arguments break the schema. */
ap_status ap__typed_arguments(const struct ap_typed *typed, const struct ap_invocation *call, json_t **out,
                              struct ap_buf *why, struct ap_err *err) AP_MUST_CHECK;

/* Text that a model may be shown: one line of valid UTF-8, at most max bytes, with a full stop.  Appends. */
void ap__describe(struct ap_buf *out, const char *text, size_t max);
/* A name that a model can write: letters, digits and _, at most max bytes. */
void ap__name_from(const char *text, size_t max, struct ap_buf *out);

#endif
