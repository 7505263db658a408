/* yaml_json.c - a YAML node as JSON.
 *
 *     {a: 1, b: [true, "1"]} --> {"a": 1, "b": [true, "1"]}      plain words are strings */
#include "base/yaml_json.h"

#include "base/text.h"

#include <string.h>

static json_t *scalar_to_json(const struct ap_yaml *node)
{
    int64_t whole;
    double number;
    if (node->quoted)
        return json_string(node->text);
    if (!strcmp(node->text, "null") || !strcmp(node->text, "~") || !node->text[0])
        return json_null();
    if (!strcmp(node->text, "true") || !strcmp(node->text, "false"))
        return json_boolean(node->text[0] == 't');
    if (ap__parse_i64(node->text, &whole))
        return json_integer(whole);
    return ap__parse_f64(node->text, &number) ? json_real(number) : json_string(node->text);
}

json_t *ap__yaml_to_json(const struct ap_yaml *node)
{
    if (node->kind == AP_YAML_SCALAR)
        return scalar_to_json(node);
    json_t *out = node->kind == AP_YAML_LIST ? json_array() : json_object();
    for (int32_t i = 0; out && i < node->count; i++) {
        json_t *child = ap__yaml_to_json(node->child[i]);
        int failed = node->kind == AP_YAML_LIST ? json_array_append_new(out, child)
                                                : json_object_set_new(out, node->child[i]->key, child);
        if (failed) {
            json_decref(out);
            return NULL;
        }
    }
    return out;
}
