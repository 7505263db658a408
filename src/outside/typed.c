/* typed.c - JSON Schema --> parameters, help, example; a call's values --> JSON.
 *
 *   {"type": "object",                              Weather(city: string, days: number = None)
 *    "properties": {"city": {"type": "string"},       "gives the forecast. days: a whole number, 1 to 14."
 *                   "days": {"type": "integer",       Weather(city='Oslo')
 *                            "maximum": 14}},
 *    "required": ["city"]}                          {"city": "Oslo"}
 */
#include "outside/typed.h"
#include "base/json.h"
#include "base/text.h"
#include "functions/call_scan.h"
#include "functions/invocation.h"
#include "outside/json_schema.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { MAX_DESCRIPTION = 400, MAX_PARAM_HELP = 120, MAX_HELP = 1200, MAX_SCHEMA_TEXT = 65536, MAX_EXAMPLE = 1024 };

/* ---- names and texts ---- */

void ap__name_from(const char *text, size_t max, struct ap_buf *out)
{
    size_t n = 0;
    if (*text >= '0' && *text <= '9' && ap__buf_putc(out, '_') == AP_OK)
        n++;
    for (; *text && n < max; text++) {
        bool fine = (*text >= 'a' && *text <= 'z') || (*text >= 'A' && *text <= 'Z') || (*text >= '0' && *text <= '9');
        if (((unsigned char)*text & 0xC0) == 0x80) /* one _ per character */
            continue;
        (void)ap__buf_putc(out, fine ? *text : '_');
        n++;
    }
    if (n == 0)
        (void)ap__buf_putc(out, '_');
}

void ap__describe(struct ap_buf *out, const char *text, size_t max)
{
    size_t start = out->len, n = strlen(text);
    bool blank = true;
    for (size_t i = 0; i < n && out->len - start < max;) {
        int length = ap__utf8_len(text + i, n - i);
        bool space = length == 0 || (unsigned char)text[i] <= ' ' || text[i] == 127;
        if (!space)
            (void)ap__buf_add(out, text + i, (size_t)length);
        else if (!blank)
            (void)ap__buf_putc(out, ' ');
        blank = space;
        i += length > 0 ? (size_t)length : 1;
        if (out->len - start >= max && i < n)
            (void)ap__buf_puts(out, "...");
    }
    while (out->len > start && out->data[out->len - 1] == ' ')
        out->data[--out->len] = '\0';
    if (out->len > start && !strchr(".!?", out->data[out->len - 1]))
        (void)ap__buf_putc(out, '.');
}

static ap_status no_memory(const struct ap_typed *t, struct ap_err *err)
{
    return ap__fail(err, AP_E_MEMORY, t->name, "no memory for a function");
}

/* The text of a buffer, kept in the arena; NULL when either had no memory. */
static const char *keep(struct ap_typed *t, struct ap_buf *text)
{
    const char *kept = text->failed ? NULL : ap__arena_strdup(&t->arena, ap__buf_cstr(text));
    ap__buf_deinit(text);
    return kept;
}

/* ---- parameters ---- */

static enum ap_type param_type(const char *type)
{
    if (!type)
        return AP_TYPE_ANY;
    if (!strcmp(type, "boolean"))
        return AP_TYPE_BOOL;
    if (!strcmp(type, "number") || !strcmp(type, "integer"))
        return AP_TYPE_NUMBER;
    if (!strcmp(type, "string") || !strcmp(type, "object")) /* an object is its text */
        return AP_TYPE_STRING;
    return !strcmp(type, "array") ? AP_TYPE_LIST : AP_TYPE_ANY;
}

static bool allows_null(const json_t *root, const json_t *schema)
{
    json_t *null = json_null();
    return ap__schema_fits(root, schema, null, "", NULL);
}

/* JSON as it stands in a call; false when a call cannot say it. */
static bool print_literal(const json_t *value, struct ap_buf *out)
{
    char text[40];
    switch (json_typeof(value)) {
    case JSON_NULL: return ap__buf_puts(out, "None") == AP_OK;
    case JSON_TRUE: return ap__buf_puts(out, "True") == AP_OK;
    case JSON_FALSE: return ap__buf_puts(out, "False") == AP_OK;
    case JSON_INTEGER: return ap__buf_printf(out, "%lld", (long long)json_integer_value(value)) == AP_OK;
    case JSON_REAL:
        for (int precision = 15; precision <= 17; precision++) {
            snprintf(text, sizeof text, "%.*g", precision, json_real_value(value));
            double back;
            if (ap__parse_f64(text, &back) && back == json_real_value(value))
                break;
        }
        return ap__buf_puts(out, text) == AP_OK;
    case JSON_STRING: {
        struct ap_value string = {.kind = AP_VALUE_STRING, .as.string = (char *)(uintptr_t)json_string_value(value)};
        if (strlen(string.as.string) != json_string_length(value))
            return false;
        ap__value_print_quoted(&string, out);
        return true;
    }
    case JSON_ARRAY: {
        (void)ap__buf_putc(out, '[');
        for (size_t i = 0; i < json_array_size(value); i++)
            if ((i > 0 && ap__buf_puts(out, ", ") != AP_OK) || !print_literal(json_array_get(value, i), out))
                return false;
        return ap__buf_putc(out, ']') == AP_OK;
    }
    case JSON_OBJECT: break;
    }
    char *json = ap__json_dump(value);
    bool fine = json && ap__buf_puts(out, json) == AP_OK;
    ap__free(json);
    return fine;
}

/* The default as a call has it; one that cannot be said is the server's own business. */
static const char *default_of(struct ap_typed *t, const json_t *schema)
{
    const json_t *given = json_object_get(ap__schema_resolve(t->schema, schema), "default");
    struct ap_buf text;
    struct ap_value value;
    ap__buf_init(&text, 256);
    bool fine = given && ap__schema_fits(t->schema, schema, given, "", NULL) && print_literal(given, &text) &&
                ap__call_parse_value(ap__buf_cstr(&text), text.len, &value, NULL) == AP_OK;
    if (fine)
        ap__value_deinit(&value);
    else
        ap__buf_clear(&text);
    if (!fine)
        (void)ap__buf_puts(&text, "None");
    return keep(t, &text);
}

static bool is_required(const json_t *schema, const char *key)
{
    size_t i;
    const json_t *name;
    json_array_foreach(json_object_get(schema, "required"), i, name)
        if (json_is_string(name) && !strcmp(json_string_value(name), key))
            return true;
    return false;
}

/* A name of its own for parameter t->n. */
static const char *param_name(struct ap_typed *t, const char *key)
{
    for (int32_t copy = 1; copy <= AP_CALL_MAX_ARGS + 1; copy++) {
        struct ap_buf text;
        ap__buf_init(&text, 0);
        ap__name_from(key, AP_CALL_MAX_NAME - 4, &text);
        if (copy > 1)
            (void)ap__buf_printf(&text, "_%d", copy);
        bool taken = false;
        for (int32_t i = 0; i < t->n; i++)
            taken = taken || !strcmp(t->params[i].name, ap__buf_cstr(&text));
        if (!taken)
            return keep(t, &text);
        ap__buf_deinit(&text);
    }
    return NULL;
}

static ap_status add_param(struct ap_typed *t, const char *key, const json_t *schema, bool required,
                           struct ap_err *err)
{
    struct ap_buf text;
    const char *type = ap__schema_type(t->schema, schema);
    const char *said = ap__json_str_or(schema, "description", NULL);
    ap__buf_init(&text, 0);
    ap__describe(&text, said ? said : "", MAX_PARAM_HELP);
    struct ap_param param = {.type = allows_null(t->schema, schema) && required ? AP_TYPE_ANY : param_type(type),
                             .description = keep(t, &text),
                             .otherwise = required ? NULL : default_of(t, schema)};
    param.name = param_name(t, key);
    t->keys[t->n] = ap__arena_strdup(&t->arena, key);
    if (!param.name || !param.description || !t->keys[t->n] || (!required && !param.otherwise))
        return no_memory(t, err);
    t->schemas[t->n] = schema;
    t->params[t->n++] = param;
    return AP_OK;
}

static ap_status add_params(struct ap_typed *t, struct ap_err *err)
{
    const char *key;
    json_t *schema, *properties = json_object_get(t->schema, "properties");
    size_t n = json_object_size(properties);
    if (n > AP_CALL_MAX_ARGS)
        return ap__fail(err, AP_E_TOO_LARGE, t->name, "%zu parameters; at most %d are possible", n, AP_CALL_MAX_ARGS);
    t->params = ap__arena_zalloc(&t->arena, (n + 1) * sizeof *t->params);
    t->keys = ap__arena_zalloc(&t->arena, (n + 1) * sizeof *t->keys);
    t->schemas = ap__arena_zalloc(&t->arena, (n + 1) * sizeof *t->schemas);
    if (!t->params || !t->keys || !t->schemas)
        return no_memory(t, err);
    for (int32_t required = 1; required >= 0; required--)
        json_object_foreach(properties, key, schema)
            if (is_required(t->schema, key) == (bool)required)
                AP_TRY(add_param(t, key, schema, required, err));
    return AP_OK;
}

/* ---- help ---- */

static bool print_choices(const struct ap_typed *t, int32_t i, struct ap_buf *out)
{
    const json_t *values = json_object_get(ap__schema_resolve(t->schema, t->schemas[i]), "enum"), *one;
    size_t k;
    if (json_array_size(values) == 0 || json_array_size(values) > 16)
        return false;
    json_array_foreach(values, k, one) {
        (void)ap__buf_puts(out, k == 0 ? "" : k + 1 < json_array_size(values) ? ", " : " or ");
        (void)print_literal(one, out);
    }
    return true;
}

/* ", at least 1, at most 14" */
static void print_bounds(const json_t *schema, struct ap_buf *out)
{
    static const char *const keys[][2] = {{"minimum", "at least"}, {"exclusiveMinimum", "more than"},
                                          {"maximum", "at most"}, {"exclusiveMaximum", "less than"}};
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        const json_t *bound = json_object_get(schema, keys[i][0]);
        if (json_is_number(bound))
            (void)ap__buf_printf(out, ", %s %.15g", keys[i][1], json_number_value(bound));
    }
}

/* "days: a whole number, at least 1. How far to look." as far as the signature does not say it. */
static void print_param_help(const struct ap_typed *t, int32_t i, struct ap_buf *out)
{
    const json_t *schema = ap__schema_resolve(t->schema, t->schemas[i]);
    const char *type = ap__schema_type(t->schema, t->schemas[i]), *said = t->params[i].description;
    struct ap_buf text;
    ap__buf_init(&text, 1024);
    if (!print_choices(t, i, &text)) {
        if (type && !strcmp(type, "integer"))
            (void)ap__buf_puts(&text, "a whole number");
        else if (type && !strcmp(type, "object"))
            (void)ap__buf_puts(&text, "an object {\"key\": value}");
        size_t before = text.len;
        print_bounds(schema, &text);
        if (before == 0 && text.len > 0) /* without the first ", " */
            memmove(text.data, text.data + 2, text.len -= 2);
        if (text.data)
            text.data[text.len] = '\0';
    }
    if (text.len > 0 || *said)
        (void)ap__buf_printf(out, " %s: %s%s%s", t->params[i].name, ap__buf_cstr(&text),
                             text.len == 0 ? "" : *said ? ". " : ".", said);
    ap__buf_deinit(&text);
}

static ap_status make_description(struct ap_typed *t, const char *description, struct ap_err *err)
{
    struct ap_buf text;
    ap__buf_init(&text, 0);
    ap__describe(&text, description ? description : "", MAX_DESCRIPTION);
    for (int32_t i = 0; i < t->n && text.len < MAX_HELP; i++)
        print_param_help(t, i, &text);
    if (text.len > 0 && text.data[0] == ' ')
        memmove(text.data, text.data + 1, text.len--);
    t->description = keep(t, &text);
    return t->description ? AP_OK : no_memory(t, err);
}

/* ---- example ---- */

static void print_example(const struct ap_typed *t, struct ap_buf *out)
{
    int32_t given = 0;
    (void)ap__buf_printf(out, "%s(", t->name);
    for (int32_t i = 0; i < t->n; i++) {
        json_t *value = t->params[i].otherwise ? NULL : ap__schema_example(t->schema, t->schemas[i], t->keys[i]);
        if (!value)
            continue;
        (void)ap__buf_printf(out, "%s%s=", given++ > 0 ? ", " : "", t->params[i].name);
        if (!print_literal(value, out))
            out->failed = true;
        json_decref(value);
    }
    (void)ap__buf_putc(out, ')');
}

/* The author's example must be a call; one of ours that is none means that no simple one exists. */
static ap_status make_example(struct ap_typed *t, const char *example, struct ap_err *err)
{
    struct ap_buf text;
    struct ap_call call;
    struct ap_err why;
    ap__buf_init(&text, MAX_EXAMPLE);
    if (example)
        (void)ap__buf_puts(&text, example);
    else
        print_example(t, &text);
    ap_status status = text.failed ? AP_E_TOO_LARGE : ap__call_parse(ap__buf_cstr(&text), text.len, &call, &why);
    if (status == AP_OK)
        ap__call_deinit(&call);
    if (status == AP_OK)
        t->example = keep(t, &text);
    else
        ap__buf_deinit(&text);
    if (status == AP_E_MEMORY || (status == AP_OK && !t->example))
        return no_memory(t, err);
    if (status == AP_E_TOO_LARGE)
        return ap__fail(err, AP_E_FORMAT, t->name, "no short example can be made; give one");
    return status == AP_OK ? AP_OK : ap__fail(err, AP_E_FORMAT, t->name, "its example is no call: %s", why.message);
}

/* ---- the published schema: the given one, with the parameters' names ---- */

static ap_status publish(struct ap_typed *t, struct ap_err *err)
{
    json_t *copy = json_copy(t->schema), *properties = json_object(), *required = json_array();
    for (int32_t i = 0; i < t->n; i++) {
        (void)json_object_set(properties, t->params[i].name, (json_t *)(uintptr_t)t->schemas[i]);
        if (!t->params[i].otherwise)
            (void)json_array_append_new(required, json_string(t->params[i].name));
    }
    (void)json_object_set_new(copy, "type", json_string("object"));
    (void)json_object_set_new(copy, "properties", properties);
    (void)json_object_set_new(copy, "required", required);
    char *text = copy ? ap__json_dump(copy) : NULL;
    json_decref(copy);
    if (!text)
        return no_memory(t, err);
    bool large = strlen(text) > MAX_SCHEMA_TEXT;
    t->published = large ? NULL : ap__arena_strdup(&t->arena, text);
    ap__free(text);
    if (large)
        return ap__fail(err, AP_E_TOO_LARGE, t->name, "its schema is longer than %d bytes", MAX_SCHEMA_TEXT);
    return t->published ? AP_OK : no_memory(t, err);
}

static ap_status build(struct ap_typed *t, const char *name, const char *description, const char *example,
                       const json_t *schema, struct ap_err *err)
{
    const char *type = json_string_value(json_object_get(schema, "type"));
    t->name = ap__arena_strdup(&t->arena, name);
    t->schema = schema ? json_deep_copy(schema) : json_object();
    if (!t->name || !t->schema)
        return ap__fail(err, AP_E_MEMORY, name, "no memory for a function");
    if (!ap__scan_is_name(t->name))
        return ap__fail(err, AP_E_ARG, t->name, "a function's name must be letters, digits and `_`");
    if (!json_is_object(t->schema) || (type && strcmp(type, "object")))
        return ap__fail(err, AP_E_FORMAT, name, "the schema of its arguments is not that of an object");
    AP_TRY(add_params(t, err));
    AP_TRY(make_description(t, description, err));
    AP_TRY(make_example(t, example, err));
    return publish(t, err);
}

ap_status ap__typed_build(struct ap_typed *typed, const char *name, const char *description, const char *example,
                          const json_t *schema, struct ap_err *err)
{
    *typed = (struct ap_typed){0};
    ap__arena_init(&typed->arena, 0);
    ap_status status = build(typed, name, description, example, schema, err);
    if (status != AP_OK)
        ap__typed_deinit(typed);
    return status;
}

void ap__typed_deinit(struct ap_typed *typed)
{
    json_decref(typed->schema);
    ap__arena_deinit(&typed->arena);
    *typed = (struct ap_typed){0};
}

struct ap_function ap__typed_function(const struct ap_typed *typed, ap_status (*run)(struct ap_invocation *call),
                                      void *user_data)
{
    return (struct ap_function){.name = typed->name,
                                .description = typed->description,
                                .example = typed->example,
                                .params = typed->params,
                                .n_params = typed->n,
                                .schema = typed->published,
                                .run = run,
                                .user_data = user_data};
}
