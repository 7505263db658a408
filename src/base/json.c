/* json.c - parse, read and write JSON with the place in every error.
 *
 *     text --jansson--> json_t --ap__json_str("key")--> value      (long texts: json_quick.c, if it can)
 *                                   |
 *                                   +--> "place: `key` must be a string, got an integer" */
#include "base/json.h"

#include "base/file.h"
#include "base/json_quick.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

enum { LONG_TEXT = 1 << 16 }; /* bytes, from which on jansson's time is felt */

/* The text with .0 behind integers of more digits than an int64 has; strings stay as they are. */
static void widen_integers(const char *text, size_t len, struct ap_buf *out)
{
    enum { MOST_DIGITS = 18 };
    bool string = false;
    for (size_t i = 0; i < len; i++) {
        ap__buf_putc(out, text[i]);
        if (string && text[i] == '\\' && i + 1 < len)
            ap__buf_putc(out, text[++i]);
        else if (text[i] == '"')
            string = !string;
        if (string || !isdigit((unsigned char)text[i]))
            continue;
        size_t first = i;
        while (i + 1 < len && isdigit((unsigned char)text[i + 1]))
            ap__buf_putc(out, text[++i]);
        bool fraction = i + 1 < len && strchr(".eE", text[i + 1]) != NULL;
        fraction = fraction || (first > 0 && strchr(".eE+", text[first - 1]) != NULL);
        fraction = fraction || (first > 1 && text[first - 1] == '-' && strchr("eE", text[first - 2]) != NULL);
        if (!fraction && i - first >= MOST_DIGITS)
            ap__buf_puts(out, ".0");
    }
}

/* Python writes integers of any size ("model_max_length": 10^30 in tokenizer_config.json); they become reals. */
static json_t *parse_wide(const char *text, size_t len, json_error_t *e)
{
    json_t *value = len >= LONG_TEXT ? ap__json_quick(text, len) : NULL;
    value = value ? value : json_loadb(text, len, JSON_DECODE_ANY, e);
    if (value || json_error_code(e) != json_error_numeric_overflow)
        return value;
    struct ap_buf wide;
    ap__buf_init(&wide, 0);
    widen_integers(text, len, &wide);
    if (!wide.failed)
        value = json_loadb(ap__buf_cstr(&wide), wide.len, JSON_DECODE_ANY, e);
    ap__buf_deinit(&wide);
    return value;
}

ap_status ap__json_parse(const char *text, size_t len, const char *place, json_t **out, struct ap_err *err)
{
    json_error_t e;
    *out = parse_wide(text, len, &e);
    if (*out)
        return AP_OK;
    if (json_error_code(&e) == json_error_out_of_memory)
        return ap__fail(err, AP_E_MEMORY, place, "out of memory while reading JSON");
    if (!memchr(text, '\n', len)) /* one line of a JSONL file: place has its number */
        return ap__fail(err, AP_E_PARSE, place, "not valid JSON at column %d: %s", e.column, e.text);
    char where[sizeof err->place];
    snprintf(where, sizeof where, "%s:%d:%d", place ? place : "JSON", e.line, e.column);
    return ap__fail(err, AP_E_PARSE, where, "not valid JSON: %s", e.text);
}

ap_status ap__json_load(const char *path, json_t **out, struct ap_err *err)
{
    struct ap_map map;
    *out = NULL;
    AP_TRY(ap__map_open(path, &map, err));
    const char *text = map.data ? (const char *)map.data : "";
    ap_status status = ap__json_parse(text, map.size, path, out, err);
    ap__map_close(&map);
    return status;
}

static ap_status visit_line(const char *text, struct ap_json_line *line, ap_json_visit visit, void *user,
                            struct ap_err *err)
{
    json_t *json;
    AP_TRY(ap__json_parse(text, line->length, line->place, &json, err));
    line->json = json;
    ap_status status = visit(user, line, err);
    json_decref(json);
    return status;
}

ap_status ap__json_lines(const char *path, size_t max, ap_json_visit visit, void *user, struct ap_err *err)
{
    struct ap_map map;
    AP_TRY(ap__map_open(path, &map, err));
    struct ap_map part = map;
    if (max > 0 && part.size > max)
        part.size = max;
    ap_status status = AP_OK;
    const char *text;
    size_t next = 0, from = 0, length;
    for (size_t number = 1; status == AP_OK && ap__map_line(&part, &next, &text, &length); from = next, number++) {
        char place[sizeof err->place];
        snprintf(place, sizeof place, "%.200s:%zu", path, number);
        struct ap_json_line line = {.place = place, .offset = from, .length = length};
        if (length > 0)
            status = visit_line(text, &line, visit, user, err);
    }
    ap__map_close(&map);
    return status;
}

static const char *type_name(const json_t *value)
{
    switch (json_typeof(value)) {
    case JSON_OBJECT: return "an object";
    case JSON_ARRAY: return "an array";
    case JSON_STRING: return "a string";
    case JSON_INTEGER: return "an integer";
    case JSON_REAL: return "a number with a fraction";
    case JSON_TRUE:
    case JSON_FALSE: return "true or false";
    case JSON_NULL: return "null";
    }
    return "something else";
}

/* The member, or a failure that says what was expected under that key. */
static ap_status member(const json_t *obj, const char *key, const char *place, const char *expected,
                        json_t **out, struct ap_err *err)
{
    if (!json_is_object(obj))
        return ap__fail(err, AP_E_FORMAT, place, "an object with `%s` was expected, got %s", key,
                        obj ? type_name(obj) : "nothing");
    *out = json_object_get(obj, key);
    if (!*out)
        return ap__fail(err, AP_E_FORMAT, place, "`%s` is missing; it must be %s", key, expected);
    return AP_OK;
}

static ap_status wrong_type(const json_t *value, const char *key, const char *place, const char *expected,
                            struct ap_err *err)
{
    return ap__fail(err, AP_E_FORMAT, place, "`%s` must be %s, got %s", key, expected, type_name(value));
}

ap_status ap__json_str(const json_t *obj, const char *key, const char *place, const char **out, struct ap_err *err)
{
    json_t *value;
    AP_TRY(member(obj, key, place, "a string", &value, err));
    if (!json_is_string(value))
        return wrong_type(value, key, place, "a string", err);
    *out = json_string_value(value);
    return AP_OK;
}

ap_status ap__json_i64(const json_t *obj, const char *key, const char *place, int64_t *out, struct ap_err *err)
{
    json_t *value;
    AP_TRY(member(obj, key, place, "an integer", &value, err));
    if (!json_is_integer(value))
        return wrong_type(value, key, place, "an integer", err);
    *out = json_integer_value(value);
    return AP_OK;
}

ap_status ap__json_f64(const json_t *obj, const char *key, const char *place, double *out, struct ap_err *err)
{
    json_t *value;
    AP_TRY(member(obj, key, place, "a number", &value, err));
    if (!json_is_number(value))
        return wrong_type(value, key, place, "a number", err);
    *out = json_number_value(value);
    return AP_OK;
}

ap_status ap__json_array(const json_t *obj, const char *key, const char *place, json_t **out, struct ap_err *err)
{
    json_t *value;
    AP_TRY(member(obj, key, place, "an array", &value, err));
    if (!json_is_array(value))
        return wrong_type(value, key, place, "an array", err);
    *out = value;
    return AP_OK;
}

const char *ap__json_str_or(const json_t *obj, const char *key, const char *otherwise)
{
    const json_t *value = json_object_get(obj, key);
    return json_is_string(value) ? json_string_value(value) : otherwise;
}

int64_t ap__json_i64_or(const json_t *obj, const char *key, int64_t otherwise)
{
    const json_t *value = json_object_get(obj, key);
    return json_is_integer(value) ? json_integer_value(value) : otherwise;
}

double ap__json_f64_or(const json_t *obj, const char *key, double otherwise)
{
    const json_t *value = json_object_get(obj, key);
    return json_is_number(value) ? json_number_value(value) : otherwise;
}

bool ap__json_bool_or(const json_t *obj, const char *key, bool otherwise)
{
    const json_t *value = json_object_get(obj, key);
    return json_is_boolean(value) ? json_is_true(value) : otherwise;
}

static int append(const char *data, size_t len, void *buf)
{
    return ap__buf_add(buf, data, len) == AP_OK ? 0 : -1;
}

static char *dump(const json_t *value, size_t flags)
{
    struct ap_buf buf;
    ap__buf_init(&buf, 0);
    int rc = json_dump_callback(value, append, &buf, flags | JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(17));
    char *text = rc == 0 ? ap__buf_take(&buf) : NULL;
    ap__buf_deinit(&buf);
    return text;
}

char *ap__json_dump(const json_t *value)
{
    return dump(value, JSON_SORT_KEYS);
}

char *ap__json_dump_in_order(const json_t *value)
{
    return dump(value, 0);
}
