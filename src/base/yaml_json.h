/* yaml_json.h - a YAML node as JSON: null, booleans and numbers where they are not quoted, else strings. */
#ifndef AP_YAML_JSON_H
#define AP_YAML_JSON_H

#include "base/yaml.h"
#include <jansson.h>

/* A new reference; NULL = out of memory (or a text that is not UTF-8). */
json_t *ap__yaml_to_json(const struct ap_yaml *node);

#endif
