/* json_schema.c - a recursive walk over schema and value side by side.
 *
 *   root     the document that $ref points into
 *   schema   what this value must be  --> one sentence about the first keyword that it breaks
 *   value
 *
 * depth bounds the recursion, work all of it: a schema with branches in branches
 * would otherwise cost exponentially. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "outside/json_schema.h"
#include "base/json.h"
#include "base/text.h"

#include <math.h>
#include <pcre2.h>
#include <stdio.h>
#include <string.h>

enum { MAX_DEPTH = 32, MAX_WORK = 20000, MAX_PATH_TEXT = 128, MAX_PATTERN = 1024 };

struct check {
    const json_t *root;
    int32_t depth, work;
    struct ap_buf *why; /* NULL: only the answer counts */
};

static bool fits(struct check *c, const json_t *schema, const json_t *value, const char *path);

static bool refuse(struct check *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static bool refuse(struct check *c, const char *fmt, ...)
{
    va_list ap;
    if (!c->why)
        return false;
    va_start(ap, fmt);
    ap__buf_clear(c->why);
    (void)ap__buf_vprintf(c->why, fmt, ap);
    va_end(ap);
    return false;
}

/* ---- $ref ---- */

/* One step of a pointer: "/a~1b". */
static const json_t *step(const json_t *at, const char *token, size_t n)
{
    char name[256];
    size_t out = 0;
    for (size_t i = 0; i < n && out + 1 < sizeof name; i++) {
        bool escaped = token[i] == '~' && i + 1 < n && (token[i + 1] == '0' || token[i + 1] == '1');
        name[out++] = escaped ? (token[++i] == '0' ? '~' : '/') : token[i];
    }
    name[out] = '\0';
    int64_t index;
    if (json_is_array(at))
        return ap__parse_i64(name, &index) && index >= 0 ? json_array_get(at, (size_t)index) : NULL;
    return json_object_get(at, name);
}

static const json_t *follow(const json_t *root, const char *ref)
{
    const json_t *at = root;
    if (ref[0] != '#')
        return NULL;
    for (ref++; at && *ref == '/';) {
        size_t n = strcspn(ref + 1, "/");
        at = step(at, ref + 1, n);
        ref += 1 + n;
    }
    return *ref == '\0' ? at : NULL;
}

const json_t *ap__schema_resolve(const json_t *root, const json_t *schema)
{
    for (int32_t i = 0; i < MAX_DEPTH && json_is_object(schema); i++) {
        const char *ref = json_string_value(json_object_get(schema, "$ref"));
        if (!ref)
            return schema;
        schema = follow(root, ref);
    }
    return json_is_object(schema) ? NULL : schema; /* a circle of references, or true and false */
}

/* ---- types ---- */

static bool is_whole(const json_t *value)
{
    double x = json_real_value(value);
    return json_is_integer(value) || (json_is_real(value) && x == floor(x));
}

static bool has_type(const json_t *value, const char *type)
{
    if (!strcmp(type, "string"))
        return json_is_string(value);
    if (!strcmp(type, "number"))
        return json_is_number(value);
    if (!strcmp(type, "integer"))
        return is_whole(value);
    if (!strcmp(type, "boolean"))
        return json_is_boolean(value);
    if (!strcmp(type, "array"))
        return json_is_array(value);
    if (!strcmp(type, "object"))
        return json_is_object(value);
    if (!strcmp(type, "null"))
        return json_is_null(value);
    return true; /* unknown to us */
}

static const char *type_words(const char *type)
{
    static const char *const words[][2] = {{"string", "a string"}, {"number", "a number"}, {"integer", "a whole number"},
                                           {"boolean", "True or False"}, {"array", "a list"}, {"object", "an object"},
                                           {"null", "None"}};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (!strcmp(words[i][0], type))
            return words[i][1];
    return type;
}

static const char *value_words(const json_t *value)
{
    static const char *const types[] = {"object", "array", "string", "integer", "number", "boolean", "boolean", "null"};
    return type_words(types[json_typeof(value)]);
}

static bool fits_type(struct check *c, const json_t *type, const json_t *value, const char *path)
{
    size_t i;
    const json_t *one;
    if (json_is_string(type))
        return has_type(value, json_string_value(type)) ||
               refuse(c, "`%s` must be %s, got %s", path, type_words(json_string_value(type)), value_words(value));
    if (!json_is_array(type) || json_array_size(type) == 0)
        return true;
    json_array_foreach(type, i, one)
        if (!json_is_string(one) || has_type(value, json_string_value(one)))
            return true;
    const char *first = json_string_value(json_array_get(type, 0));
    return refuse(c, "`%s` must be %s, got %s", path, type_words(first), value_words(value));
}

/* The type within one keyword: a string, or the only one beside "null" in a list. */
static const char *single_type(const json_t *type)
{
    const char *found = NULL;
    size_t i;
    const json_t *one;
    if (json_is_string(type))
        return json_string_value(type);
    json_array_foreach(type, i, one) {
        const char *text = json_string_value(one);
        if (!text || (found && strcmp(text, "null")))
            return NULL;
        if (strcmp(text, "null"))
            found = text;
    }
    return found;
}

static const char *type_of(const json_t *root, const json_t *schema, int32_t depth);

/* What all branches but those of "null" ask for. */
static const char *branches_type(const json_t *root, const json_t *list, int32_t depth)
{
    const char *found = NULL;
    size_t i;
    const json_t *one;
    json_array_foreach(list, i, one) {
        const char *text = type_of(root, one, depth);
        if (!text || (found && strcmp(text, "null") && strcmp(text, found)))
            return NULL;
        if (strcmp(text, "null"))
            found = text;
    }
    return found;
}

static const char *type_of(const json_t *root, const json_t *schema, int32_t depth)
{
    schema = ap__schema_resolve(root, schema);
    if (!schema || depth > 8)
        return NULL;
    const json_t *type = json_object_get(schema, "type"), *values = json_object_get(schema, "enum");
    const json_t *branches = json_object_get(schema, "anyOf");
    if (type)
        return single_type(type);
    if (!branches)
        branches = json_object_get(schema, "oneOf");
    if (!branches)
        branches = json_object_get(schema, "allOf");
    if (branches)
        return branches_type(root, branches, depth + 1);
    size_t i;
    const json_t *one;
    json_array_foreach(values, i, one)
        if (!json_is_string(one))
            return NULL;
    if (json_array_size(values) > 0 || json_is_string(json_object_get(schema, "const")))
        return "string";
    return json_is_object(json_object_get(schema, "properties")) ? "object" : NULL;
}

const char *ap__schema_type(const json_t *root, const json_t *schema)
{
    return type_of(root, schema, 0);
}

/* ---- single values ---- */

static bool fits_enum(struct check *c, const json_t *values, const json_t *value, const char *path)
{
    size_t i;
    const json_t *one;
    if (json_array_size(values) == 0)
        return true;
    json_array_foreach(values, i, one)
        if (json_equal(one, value) || (json_is_number(one) && json_is_number(value) &&
                                       json_number_value(one) == json_number_value(value)))
            return true;
    if (!c->why)
        return false;
    ap__buf_clear(c->why);
    (void)ap__buf_printf(c->why, "`%s` must be one of ", path);
    json_array_foreach(values, i, one) {
        char *text = i < 32 ? ap__json_dump(one) : NULL;
        (void)ap__buf_printf(c->why, "%s%s", i ? ", " : "", text ? text : "...");
        ap__free(text);
        if (i >= 32)
            break;
    }
    return false;
}

static bool fits_number(struct check *c, const json_t *schema, double x, const char *path)
{
    const json_t *low = json_object_get(schema, "minimum"), *high = json_object_get(schema, "maximum");
    const json_t *above = json_object_get(schema, "exclusiveMinimum"), *below = json_object_get(schema, "exclusiveMaximum");
    const json_t *step_size = json_object_get(schema, "multipleOf");
    if (json_is_number(low) && x < json_number_value(low))
        return refuse(c, "`%s` must be at least %.15g", path, json_number_value(low));
    if (json_is_number(high) && x > json_number_value(high))
        return refuse(c, "`%s` must be at most %.15g", path, json_number_value(high));
    if (json_is_number(above) && x <= json_number_value(above))
        return refuse(c, "`%s` must be more than %.15g", path, json_number_value(above));
    if (json_is_number(below) && x >= json_number_value(below))
        return refuse(c, "`%s` must be less than %.15g", path, json_number_value(below));
    double q = json_number_value(step_size) > 0 ? x / json_number_value(step_size) : 0;
    if (fabs(q - round(q)) > 1e-9 * fmax(1, fabs(q)))
        return refuse(c, "`%s` must be a multiple of %.15g", path, json_number_value(step_size));
    return true;
}

/* A pattern that is broken or takes too long refuses nothing. */
static bool matches(const char *pattern, const char *text)
{
    int error;
    size_t at;
    if (strlen(pattern) > MAX_PATTERN)
        return true;
    pcre2_code *code = pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED, PCRE2_UTF, &error, &at, NULL);
    pcre2_match_context *limits = pcre2_match_context_create(NULL);
    pcre2_match_data *data = code ? pcre2_match_data_create_from_pattern(code, NULL) : NULL;
    int found = 0;
    if (data && limits) {
        pcre2_set_match_limit(limits, 100000);
        pcre2_set_depth_limit(limits, 1000);
        pcre2_set_heap_limit(limits, 1024);
        found = pcre2_match(code, (PCRE2_SPTR)text, PCRE2_ZERO_TERMINATED, 0, 0, data, limits);
    }
    pcre2_match_data_free(data);
    pcre2_match_context_free(limits);
    pcre2_code_free(code);
    return found != PCRE2_ERROR_NOMATCH;
}

static int64_t characters(const json_t *text)
{
    int64_t n = 0;
    const char *s = json_string_value(text);
    for (size_t i = 0; i < json_string_length(text); i++)
        n += ((unsigned char)s[i] & 0xC0) != 0x80;
    return n;
}

static bool fits_string(struct check *c, const json_t *schema, const json_t *value, const char *path)
{
    int64_t n = characters(value), low = ap__json_i64_or(schema, "minLength", 0);
    int64_t high = ap__json_i64_or(schema, "maxLength", INT64_MAX);
    const char *pattern = ap__json_str_or(schema, "pattern", NULL);
    if (n < low)
        return refuse(c, "`%s` must have at least %lld characters", path, (long long)low);
    if (n > high)
        return refuse(c, "`%s` must have at most %lld characters", path, (long long)high);
    if (pattern && !matches(pattern, json_string_value(value)))
        return refuse(c, "`%s` must match %s", path, pattern);
    return true;
}

/* ---- lists and objects ---- */

static bool fits_array(struct check *c, const json_t *schema, const json_t *value, const char *path)
{
    char at[MAX_PATH_TEXT];
    int64_t n = (int64_t)json_array_size(value), low = ap__json_i64_or(schema, "minItems", 0);
    int64_t high = ap__json_i64_or(schema, "maxItems", INT64_MAX);
    const json_t *items = json_object_get(schema, "items"), *first = json_object_get(schema, "prefixItems");
    if (n < low)
        return refuse(c, "`%s` must have at least %lld items", path, (long long)low);
    if (n > high)
        return refuse(c, "`%s` must have at most %lld items", path, (long long)high);
    for (size_t i = 0; i < json_array_size(value); i++) {
        const json_t *sub = i < json_array_size(first) ? json_array_get(first, i) : items;
        snprintf(at, sizeof at, "%.100s[%zu]", path, i);
        if (sub && !json_is_array(sub) && !fits(c, sub, json_array_get(value, i), at))
            return false;
    }
    for (size_t i = 0; json_is_true(json_object_get(schema, "uniqueItems")) && i < json_array_size(value); i++)
        for (size_t j = 0; j < i && c->work++ < MAX_WORK; j++)
            if (json_equal(json_array_get(value, i), json_array_get(value, j)))
                return refuse(c, "`%s` must not have the same item twice", path);
    return true;
}

static bool fits_required(struct check *c, const json_t *schema, const json_t *value, const char *path)
{
    size_t i;
    const json_t *name;
    json_array_foreach(json_object_get(schema, "required"), i, name)
        if (json_is_string(name) && !json_object_get(value, json_string_value(name)))
            return refuse(c, "`%s` must have `%s`", path, json_string_value(name));
    return true;
}

static bool fits_object(struct check *c, const json_t *schema, const json_t *value, const char *path)
{
    char at[MAX_PATH_TEXT];
    const char *key;
    json_t *member;
    const json_t *properties = json_object_get(schema, "properties"), *more = json_object_get(schema, "additionalProperties");
    int64_t n = (int64_t)json_object_size(value);
    if (!fits_required(c, schema, value, path))
        return false;
    if (n < ap__json_i64_or(schema, "minProperties", 0) || n > ap__json_i64_or(schema, "maxProperties", INT64_MAX))
        return refuse(c, "`%s` has too few or too many members", path);
    json_object_foreach((json_t *)(uintptr_t)value, key, member) {
        const json_t *sub = json_object_get(properties, key);
        snprintf(at, sizeof at, "%.60s.%.60s", path, key);
        if (!sub && json_is_false(more) && !json_object_get(schema, "patternProperties"))
            return refuse(c, "`%s` has no member `%.60s`", path, key);
        if (!fits(c, sub ? sub : more, member, at))
            return false;
    }
    return true;
}

/* ---- branches ---- */

static int32_t count_fitting(struct check *c, const json_t *list, const json_t *value, const char *path)
{
    int32_t n = 0;
    size_t i;
    const json_t *one;
    struct ap_buf *why = c->why;
    c->why = NULL;
    json_array_foreach(list, i, one)
        n += fits(c, one, value, path);
    c->why = why;
    return n;
}

static bool fits_branches(struct check *c, const json_t *schema, const json_t *value, const char *path)
{
    const json_t *any = json_object_get(schema, "anyOf"), *one_of = json_object_get(schema, "oneOf");
    const json_t *all = json_object_get(schema, "allOf"), *no = json_object_get(schema, "not"), *one;
    size_t i;
    if (json_array_size(any) > 0 && count_fitting(c, any, value, path) == 0) {
        json_array_foreach(any, i, one) /* the branch that is most likely meant explains */
            if (ap__schema_type(c->root, one) && has_type(value, ap__schema_type(c->root, one)))
                return fits(c, one, value, path);
        return fits(c, json_array_get(any, 0), value, path);
    }
    if (json_array_size(one_of) > 0 && count_fitting(c, one_of, value, path) != 1)
        return refuse(c, "`%s` must fit exactly one of %zu forms", path, json_array_size(one_of));
    json_array_foreach(all, i, one)
        if (!fits(c, one, value, path))
            return false;
    if (json_is_object(no)) {
        json_t *list = json_pack("[O]", no);
        bool fitting = list && count_fitting(c, list, value, path) == 1;
        json_decref(list);
        if (fitting)
            return refuse(c, "`%s` has a value that is not allowed", path);
    }
    return true;
}

static bool fits_here(struct check *c, const json_t *schema, const json_t *value, const char *path)
{
    const json_t *only = json_object_get(schema, "const");
    if (!fits_type(c, json_object_get(schema, "type"), value, path) ||
        !fits_enum(c, json_object_get(schema, "enum"), value, path))
        return false;
    if (only && !json_equal(only, value))
        return refuse(c, "`%s` must be the constant of its schema", path);
    if (json_is_number(value) && !fits_number(c, schema, json_number_value(value), path))
        return false;
    if (json_is_string(value) && !fits_string(c, schema, value, path))
        return false;
    if (json_is_array(value) && !fits_array(c, schema, value, path))
        return false;
    if (json_is_object(value) && !fits_object(c, schema, value, path))
        return false;
    return fits_branches(c, schema, value, path);
}

static bool fits(struct check *c, const json_t *schema, const json_t *value, const char *path)
{
    schema = ap__schema_resolve(c->root, schema);
    if (json_is_false(schema))
        return refuse(c, "`%s` is not allowed", path);
    if (!json_is_object(schema) || c->depth >= MAX_DEPTH || ++c->work > MAX_WORK)
        return true;
    c->depth++;
    bool ok = fits_here(c, schema, value, path);
    c->depth--;
    return ok;
}

bool ap__schema_fits(const json_t *root, const json_t *schema, const json_t *value, const char *path,
                     struct ap_buf *why)
{
    struct check c = {.root = root, .why = why};
    return fits(&c, schema, value, path);
}
