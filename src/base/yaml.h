/* yaml.h - YAML documents as a tree of nodes that remember their line.
 *
 * Readers ask for keys by name; ap__yaml_check_keys afterwards rejects every
 * key that nobody knows, with line and nearest known key. */
#ifndef AP_YAML_H
#define AP_YAML_H

#include "base/alloc.h"

enum ap_yaml_kind { AP_YAML_SCALAR, AP_YAML_LIST, AP_YAML_MAP };

struct ap_yaml {
    enum ap_yaml_kind kind;
    int32_t line;             /* 1-based */
    const char *key;          /* in a map: this entry's key, else NULL */
    const char *text;         /* scalar: its text (never NULL) */
    bool quoted;              /* scalar was quoted or a block: never null/number/bool */
    struct ap_yaml **child;   /* (count,) list items or map entries, in order */
    int32_t count;
};

/* The document owns all nodes and the path used in messages. */
struct ap_yaml_doc {
    struct ap_arena arena;
    struct ap_yaml *root;
    const char *path;
};
ap_status ap__yaml_load(const char *path, struct ap_yaml_doc *out, struct ap_err *err) AP_MUST_CHECK;
ap_status ap__yaml_parse(const char *text, size_t len, const char *place, struct ap_yaml_doc *out,
                         struct ap_err *err) AP_MUST_CHECK;
void ap__yaml_free(struct ap_yaml_doc *doc);

const struct ap_yaml *ap__yaml_get(const struct ap_yaml *map, const char *key); /* NULL when absent */
/* Typed readers: absent key -> *out is left untouched (preset your default) unless `required`. */
ap_status ap__yaml_str(const struct ap_yaml_doc *doc, const struct ap_yaml *map, const char *key, bool required,
                       const char **out, struct ap_err *err) AP_MUST_CHECK;
ap_status ap__yaml_i64(const struct ap_yaml_doc *doc, const struct ap_yaml *map, const char *key, bool required,
                       int64_t min, int64_t max, int64_t *out, struct ap_err *err) AP_MUST_CHECK;
ap_status ap__yaml_f64(const struct ap_yaml_doc *doc, const struct ap_yaml *map, const char *key, bool required,
                       double min, double max, double *out, struct ap_err *err) AP_MUST_CHECK;
ap_status ap__yaml_bool(const struct ap_yaml_doc *doc, const struct ap_yaml *map, const char *key, bool required,
                        bool *out, struct ap_err *err) AP_MUST_CHECK;
/* Fail with "path:line: unknown key `x`; did you mean `y`?" for keys outside known (n names). */
ap_status ap__yaml_check_keys(const struct ap_yaml_doc *doc, const struct ap_yaml *map, const char *const *known,
                              size_t n, struct ap_err *err) AP_MUST_CHECK;
/* Generic failure at a node's line. */
ap_status ap__yaml_fail(const struct ap_yaml_doc *doc, const struct ap_yaml *node, struct ap_err *err,
                        const char *fmt, ...) __attribute__((format(printf, 4, 5)));

#endif
