/* typed_arguments.c - the values of a call as the JSON object that is sent.
 *
 *   value + its schema --> JSON:  number -> integer or real;  text where an object is asked for -> that object
 *   whole object + the schema --> fits, or one sentence */
#include "outside/typed.h"
#include "base/json.h"
#include "functions/invocation.h"
#include "outside/json_schema.h"

#include <string.h>

static json_t *to_json(const json_t *root, const json_t *schema, const struct ap_value *value);

static json_t *number_to_json(const mpq_t number)
{
    mpz_t whole;
    json_t *out;
    if (mpz_cmp_ui(mpq_denref(number), 1) != 0)
        return json_real(mpq_get_d(number));
    mpz_init_set(whole, mpq_numref(number));
    out = mpz_fits_slong_p(whole) ? json_integer(mpz_get_si(whole)) : json_real(mpz_get_d(whole));
    mpz_clear(whole);
    return out;
}

/* Text where the schema wants an object, or a list, is JSON; what is none stays text and is refused then. */
static json_t *text_to_json(const json_t *root, const json_t *schema, const char *text)
{
    const char *type = ap__schema_type(root, schema);
    json_t *parsed = NULL;
    if (type && (!strcmp(type, "object") || !strcmp(type, "array")) &&
        ap__json_parse(text, strlen(text), NULL, &parsed, NULL) == AP_OK)
        return parsed;
    return json_string(text);
}

static json_t *list_to_json(const json_t *root, const json_t *schema, const struct ap_value *value)
{
    const json_t *resolved = ap__schema_resolve(root, schema), *items = json_object_get(resolved, "items");
    const json_t *first = json_object_get(resolved, "prefixItems");
    json_t *list = json_array();
    for (int32_t i = 0; list && i < value->as.list.n; i++) {
        const json_t *sub = (size_t)i < json_array_size(first) ? json_array_get(first, (size_t)i) : items;
        if (json_array_append_new(list, to_json(root, sub, &value->as.list.items[i])) != 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

static json_t *to_json(const json_t *root, const json_t *schema, const struct ap_value *value)
{
    switch (value->kind) {
    case AP_VALUE_NONE: return json_null();
    case AP_VALUE_BOOL: return json_boolean(value->as.boolean);
    case AP_VALUE_NUMBER: return number_to_json(value->as.number);
    case AP_VALUE_STRING: return text_to_json(root, schema, value->as.string);
    case AP_VALUE_LIST: return list_to_json(root, schema, value);
    }
    return NULL;
}

ap_status ap__typed_arguments(const struct ap_typed *typed, const struct ap_invocation *call, json_t **out,
                              struct ap_buf *why, struct ap_err *err)
{
    json_t *object = json_object();
    *out = NULL;
    bool fine = object != NULL;
    for (int32_t i = 0; fine && i < typed->n; i++) {
        const struct ap_value *value = ap__invocation_arg(call, i);
        const char *otherwise = typed->params[i].otherwise;
        if (value->kind == AP_VALUE_NONE && otherwise) /* left out */
            continue;
        fine = json_object_set_new(object, typed->keys[i], to_json(typed->schema, typed->schemas[i], value)) == 0;
    }
    for (int32_t i = 0; fine && i < typed->n; i++) { /* one by one: with the names that the model knows */
        const json_t *value = json_object_get(object, typed->keys[i]);
        if (value && !ap__schema_fits(typed->schema, typed->schemas[i], value, typed->params[i].name, why)) {
            json_decref(object);
            return AP_OK;
        }
    }
    if (fine && !ap__schema_fits(typed->schema, typed->schema, object, typed->name, why)) {
        json_decref(object);
        return AP_OK;
    }
    if (!fine || why->failed) {
        json_decref(object);
        return ap__fail(err, AP_E_MEMORY, typed->name, "no memory for the arguments of a call");
    }
    *out = object;
    return AP_OK;
}
