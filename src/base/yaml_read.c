/* yaml_read.c - typed values from a YAML tree, with the line in every error.
 *
 *     ap__yaml_i64(doc, map, "steps", ...)
 *       absent or null   default kept, or "`steps` is missing" when required
 *       wrong            "demo.yaml:12: `steps` must be an integer of at least 1, got `ten`" */
#include "base/text.h"
#include "base/yaml.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

const struct ap_yaml *ap__yaml_get(const struct ap_yaml *map, const char *key)
{
    if (!map || map->kind != AP_YAML_MAP)
        return NULL;
    for (int32_t i = 0; i < map->count; i++)
        if (strcmp(map->child[i]->key, key) == 0)
            return map->child[i];
    return NULL;
}

ap_status ap__yaml_fail(const struct ap_yaml_doc *doc, const struct ap_yaml *node, struct ap_err *err, const char *fmt,
                        ...)
{
    char place[sizeof err->place], message[sizeof err->message];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(message, sizeof message, fmt, ap);
    va_end(ap);
    snprintf(place, sizeof place, "%s:%d", doc->path ? doc->path : "YAML", node ? (int)node->line : 1);
    return ap__fail(err, AP_E_FORMAT, place, "%s", message);
}

static bool is_null(const struct ap_yaml *node)
{
    return node->kind == AP_YAML_SCALAR && !node->quoted &&
           (!*node->text || !strcmp(node->text, "~") || !strcasecmp(node->text, "null"));
}

/* What a message shows of a node: its text in backquotes, or its kind. */
static const char *shown(const struct ap_yaml *node, char out[64])
{
    if (node->kind == AP_YAML_SCALAR)
        snprintf(out, 64, "`%.40s%s`", node->text, strlen(node->text) > 40 ? "..." : "");
    else
        snprintf(out, 64, "%s", node->kind == AP_YAML_LIST ? "a list" : "a map");
    return out;
}

/* *out = the scalar under key, or NULL when it is absent and need not be there. */
static ap_status scalar(const struct ap_yaml_doc *doc, const struct ap_yaml *map, const char *key, bool required,
                        const char *expected, const struct ap_yaml **out, struct ap_err *err)
{
    char got[64];
    *out = NULL;
    if (!map || map->kind != AP_YAML_MAP)
        return ap__yaml_fail(doc, map, err, "a map with `%s` was expected", key);
    const struct ap_yaml *node = ap__yaml_get(map, key);
    if (!node || is_null(node)) {
        if (required)
            return ap__yaml_fail(doc, node ? node : map, err, "`%s` is missing; it must be %s", key, expected);
        return AP_OK;
    }
    if (node->kind != AP_YAML_SCALAR)
        return ap__yaml_fail(doc, node, err, "`%s` must be %s, got %s", key, expected, shown(node, got));
    *out = node;
    return AP_OK;
}

ap_status ap__yaml_str(const struct ap_yaml_doc *doc, const struct ap_yaml *map, const char *key, bool required,
                       const char **out, struct ap_err *err)
{
    const struct ap_yaml *node;
    AP_TRY(scalar(doc, map, key, required, "text", &node, err));
    if (node)
        *out = node->text;
    return AP_OK;
}

ap_status ap__yaml_i64(const struct ap_yaml_doc *doc, const struct ap_yaml *map, const char *key, bool required,
                       int64_t min, int64_t max, int64_t *out, struct ap_err *err)
{
    char range[AP_RANGE_TEXT_MAX], expected[AP_RANGE_TEXT_MAX + 16], got[64];
    ap__range_i64_text(range, min, max);
    snprintf(expected, sizeof expected, "an integer%s%s", *range ? " " : "", range);
    const struct ap_yaml *node;
    AP_TRY(scalar(doc, map, key, required, expected, &node, err));
    int64_t value;
    if (!node)
        return AP_OK;
    if (node->quoted || !ap__parse_i64(node->text, &value) || value < min || value > max)
        return ap__yaml_fail(doc, node, err, "`%s` must be %s, got %s", key, expected, shown(node, got));
    *out = value;
    return AP_OK;
}

ap_status ap__yaml_f64(const struct ap_yaml_doc *doc, const struct ap_yaml *map, const char *key, bool required,
                       double min, double max, double *out, struct ap_err *err)
{
    char range[AP_RANGE_TEXT_MAX], expected[AP_RANGE_TEXT_MAX + 16], got[64];
    ap__range_f64_text(range, min, max);
    snprintf(expected, sizeof expected, "a number%s%s", *range ? " " : "", range);
    const struct ap_yaml *node;
    AP_TRY(scalar(doc, map, key, required, expected, &node, err));
    double value;
    if (!node)
        return AP_OK;
    if (node->quoted || !ap__parse_f64(node->text, &value) || value < min || value > max)
        return ap__yaml_fail(doc, node, err, "`%s` must be %s, got %s", key, expected, shown(node, got));
    *out = value;
    return AP_OK;
}

static bool one_of(const char *text, const char *const names[3])
{
    return !strcasecmp(text, names[0]) || !strcasecmp(text, names[1]) || !strcasecmp(text, names[2]);
}

ap_status ap__yaml_bool(const struct ap_yaml_doc *doc, const struct ap_yaml *map, const char *key, bool required,
                        bool *out, struct ap_err *err)
{
    static const char *const yes[] = {"true", "yes", "on"}, *const no[] = {"false", "no", "off"};
    char got[64];
    const struct ap_yaml *node;
    AP_TRY(scalar(doc, map, key, required, "true or false", &node, err));
    if (!node)
        return AP_OK;
    bool is_yes = one_of(node->text, yes);
    if (node->quoted || (!is_yes && !one_of(node->text, no)))
        return ap__yaml_fail(doc, node, err, "`%s` must be true or false, got %s", key, shown(node, got));
    *out = is_yes;
    return AP_OK;
}

static bool is_known(const char *key, const char *const *known, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(key, known[i]) == 0)
            return true;
    return false;
}

ap_status ap__yaml_check_keys(const struct ap_yaml_doc *doc, const struct ap_yaml *map, const char *const *known,
                              size_t n, struct ap_err *err)
{
    if (!map || map->kind != AP_YAML_MAP)
        return ap__yaml_fail(doc, map, err, "a map was expected");
    for (int32_t i = 0; i < map->count; i++) {
        const struct ap_yaml *entry = map->child[i];
        if (is_known(entry->key, known, n))
            continue;
        const char *near = ap__nearest(entry->key, known, n);
        return near ? ap__yaml_fail(doc, entry, err, "unknown key `%s`; did you mean `%s`?", entry->key, near)
                    : ap__yaml_fail(doc, entry, err, "unknown key `%s`", entry->key);
    }
    return AP_OK;
}
