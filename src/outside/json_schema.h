/* json_schema.h - does a JSON value fit a JSON Schema?
 *
 * The keywords that tools use: type, enum, const, anyOf, oneOf, allOf, not, $ref
 * within the document, numbers' bounds and multipleOf, strings' lengths and
 * pattern, items, prefixItems, lengths and uniqueItems of arrays, properties,
 * required, additionalProperties, numbers of properties.  Others say nothing.
 *
 * Schemas come from strangers: depth and work are bounded, and a schema that
 * makes no sense refuses nothing, since the one who wrote it checks again. */
#ifndef AP_JSON_SCHEMA_H
#define AP_JSON_SCHEMA_H

#include "base/alloc.h"
#include <jansson.h>

/* NULL-safe; follows $ref in `root`; may return NULL. */
const json_t *ap__schema_resolve(const json_t *root, const json_t *schema);
/* The single type it asks for, "null" set aside: "string", ..., NULL when it takes several. */
const char *ap__schema_type(const json_t *root, const json_t *schema);
/* false: *why gets one sentence without a period, such as "`days` must be at most 14".
 * path: what messages call the value. */
bool ap__schema_fits(const json_t *root, const json_t *schema, const json_t *value, const char *path,
                     struct ap_buf *why);
/* A value that fits where one is easily found (a new reference; NULL = out of memory).
 * name: the parameter's, for texts. */
json_t *ap__schema_example(const json_t *root, const json_t *schema, const char *name);

#endif
