/* json.h - jansson with places in the errors.
 *
 * Getters name the key and what was expected ("tasks/x.jsonl:12: `label` must
 * be a string, got an integer").  json_t ownership follows jansson's rules:
 * what _parse returns is the caller's (json_decref), what getters return is
 * borrowed. */
#ifndef AP_JSON_H
#define AP_JSON_H

#include "base/alloc.h"
#include <jansson.h>

/* Parse text of len bytes; place names it in errors.  Depth is limited by jansson (2048). */
ap_status ap__json_parse(const char *text, size_t len, const char *place, json_t **out,
                         struct ap_err *err) AP_MUST_CHECK;
ap_status ap__json_load(const char *path, json_t **out, struct ap_err *err) AP_MUST_CHECK;
/* Required members; the _or forms return the default when the key is absent. */
ap_status ap__json_str(const json_t *obj, const char *key, const char *place, const char **out,
                       struct ap_err *err) AP_MUST_CHECK;
ap_status ap__json_i64(const json_t *obj, const char *key, const char *place, int64_t *out,
                       struct ap_err *err) AP_MUST_CHECK;
ap_status ap__json_f64(const json_t *obj, const char *key, const char *place, double *out,
                       struct ap_err *err) AP_MUST_CHECK;
ap_status ap__json_array(const json_t *obj, const char *key, const char *place, json_t **out,
                         struct ap_err *err) AP_MUST_CHECK;
const char *ap__json_str_or(const json_t *obj, const char *key, const char *otherwise);
int64_t ap__json_i64_or(const json_t *obj, const char *key, int64_t otherwise);
double ap__json_f64_or(const json_t *obj, const char *key, double otherwise);
bool ap__json_bool_or(const json_t *obj, const char *key, bool otherwise);
/* The first max bytes (0 = all) of a JSONL file, value by value; empty lines are left out.  A failure of the visitor ends the walk and is returned. */
struct ap_json_line {
    const json_t *json;
    const char *place;     /* "FILE:LINE" */
    size_t offset, length; /* of the line in the file, in bytes */
};
typedef ap_status (*ap_json_visit)(void *user, const struct ap_json_line *line, struct ap_err *err);
ap_status ap__json_lines(const char *path, size_t max, ap_json_visit visit, void *user, struct ap_err *err) AP_MUST_CHECK;
/* Serialise compactly, keys sorted, UTF-8 kept; ap__free-able or NULL. */
char *ap__json_dump(const json_t *value);
/* ... keys in the order in which they were set. */
char *ap__json_dump_in_order(const json_t *value);

#endif
