/* schema_example.c - a value that a schema takes, for the example in the prompt.
 *
 *   examples, default, const, enum       what the author says
 *   else by type: bounds, lengths, format; members that are required
 *
 * For a pattern or a `not` nothing is searched: then the user gives the example. */
#include "outside/json_schema.h"
#include "base/json.h"

#include <math.h>
#include <string.h>

enum { MAX_DEPTH = 8 };

static json_t *make(const json_t *root, const json_t *schema, const char *name, int32_t depth);

/* What the schema itself offers and takes; borrowed. */
static json_t *offered(const json_t *root, const json_t *schema)
{
    json_t *const offers[] = {json_array_get(json_object_get(schema, "examples"), 0), json_object_get(schema, "example"),
                              json_object_get(schema, "default"), json_object_get(schema, "const"),
                              json_array_get(json_object_get(schema, "enum"), 0)};
    for (size_t i = 0; i < sizeof offers / sizeof offers[0]; i++)
        if (offers[i] && !json_is_null(offers[i]) && ap__schema_fits(root, schema, offers[i], "example", NULL))
            return offers[i];
    return NULL;
}

static json_t *make_text(const json_t *schema, const char *name)
{
    static const char *const formats[][2] = {{"date", "2025-01-31"}, {"date-time", "2025-01-31T12:00:00Z"},
                                             {"time", "12:00:00Z"}, {"email", "ada@example.com"},
                                             {"uri", "https://example.com"}, {"ipv4", "192.0.2.1"},
                                             {"uuid", "123e4567-e89b-12d3-a456-426614174000"}};
    const char *format = ap__json_str_or(schema, "format", "");
    for (size_t i = 0; i < sizeof formats / sizeof formats[0]; i++)
        if (!strcmp(format, formats[i][0]))
            return json_string(formats[i][1]);
    int64_t low = ap__json_i64_or(schema, "minLength", 0), high = ap__json_i64_or(schema, "maxLength", 64);
    char text[65] = "";
    size_t n = strlen(name) < 64 ? strlen(name) : 64;
    memcpy(text, name, n);
    while ((int64_t)n < low && n < 64)
        text[n++] = 'x';
    if (high >= 0 && (int64_t)n > high)
        n = (size_t)high;
    return json_stringn(text, n);
}

static json_t *make_number(const json_t *schema, bool whole)
{
    const json_t *low = json_object_get(schema, "minimum"), *high = json_object_get(schema, "maximum");
    const json_t *above = json_object_get(schema, "exclusiveMinimum"), *below = json_object_get(schema, "exclusiveMaximum");
    double step = json_number_value(json_object_get(schema, "multipleOf")), x = step > 0 ? step : 1;
    double unit = step > 0 ? step : 1;
    if (json_is_number(high) && x > json_number_value(high))
        x = floor(json_number_value(high) / unit) * unit;
    if (json_is_number(below) && x >= json_number_value(below))
        x = whole || step > 0 ? ceil(json_number_value(below) / unit - 1) * unit : json_number_value(below) - 0.5;
    if (json_is_number(low) && x < json_number_value(low))
        x = ceil(json_number_value(low) / unit) * unit;
    if (json_is_number(above) && x <= json_number_value(above))
        x = floor(json_number_value(above) / unit + 1) * unit;
    bool small = fabs(x) < 9e15;
    return small && x == floor(x) ? json_integer((json_int_t)x) : json_real(x);
}

static json_t *make_list(const json_t *root, const json_t *schema, const char *name, int32_t depth)
{
    const json_t *items = json_object_get(schema, "items"), *first = json_object_get(schema, "prefixItems");
    int64_t n = ap__json_i64_or(schema, "minItems", 1), high = ap__json_i64_or(schema, "maxItems", 4);
    json_t *list = json_array();
    if (n < 1)
        n = 1;
    if (n < (int64_t)json_array_size(first))
        n = (int64_t)json_array_size(first);
    for (int64_t i = 0; list && i < n && i < high && i < 4; i++) {
        const json_t *sub = (size_t)i < json_array_size(first) ? json_array_get(first, (size_t)i) : items;
        (void)json_array_append_new(list, make(root, sub, name, depth + 1));
    }
    return list;
}

static json_t *make_object(const json_t *root, const json_t *schema, int32_t depth)
{
    size_t i;
    const json_t *name;
    json_t *object = json_object();
    json_array_foreach(json_object_get(schema, "required"), i, name) {
        const char *key = json_string_value(name);
        if (object && key)
            (void)json_object_set_new(object, key,
                                      make(root, json_object_get(json_object_get(schema, "properties"), key), key,
                                           depth + 1));
    }
    return object;
}

static json_t *make(const json_t *root, const json_t *schema, const char *name, int32_t depth)
{
    schema = ap__schema_resolve(root, schema);
    json_t *given = offered(root, schema);
    if (given)
        return json_incref(given);
    const char *type = ap__schema_type(root, schema);
    const json_t *branches = json_object_get(schema, "anyOf");
    if (!branches)
        branches = json_object_get(schema, "oneOf");
    if (branches && depth < MAX_DEPTH)
        return make(root, json_array_get(branches, 0), name, depth + 1);
    if (!type || depth >= MAX_DEPTH)
        return make_text(schema, name);
    if (!strcmp(type, "integer") || !strcmp(type, "number"))
        return make_number(schema, !strcmp(type, "integer"));
    if (!strcmp(type, "boolean"))
        return json_true();
    if (!strcmp(type, "null"))
        return json_null();
    if (!strcmp(type, "array"))
        return make_list(root, schema, name, depth);
    if (!strcmp(type, "object"))
        return make_object(root, schema, depth);
    return make_text(schema, name);
}

json_t *ap__schema_example(const json_t *root, const json_t *schema, const char *name)
{
    return make(root, schema, name, 0);
}
