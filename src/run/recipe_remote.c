/* recipe_remote.c - reads a remote teacher: where it is, how it is asked, what it may cost.
 *
 *     teacher:
 *       url: https://api.example.com/v1           key_env: API_KEY | key_file: ~/.key    key_header: api-key
 *       model: some-model                         style: text | tools   results: user | tool   explain: true
 *       extra: {reasoning_effort: low}            max_tokens: 1024      headers: {X-Team: a}
 *       in_flight, requests_per_minute, tokens_per_minute, attempts, backoff, connect_timeout, idle_timeout, timeout
 *       price: {input, cached, output}            budget: {cost, tokens}
 *       replay: answers.jsonl                     samples, temperatures as with a local teacher */
#include "run/recipe_remote.h"

#include "base/yaml_json.h"
#include "llm/pace.h"

#include <string.h>

enum { MAX_HEADERS = 32 };

#define KNOWN(...) (const char *const[]){__VA_ARGS__}, sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *)

bool ap__recipe_is_remote(const struct ap_yaml *map)
{
    return ap__yaml_get(map, "url") != NULL || ap__yaml_get(map, "replay") != NULL;
}

void ap__recipe_remote_deinit(struct ap_recipe_actor *actor)
{
    json_decref((json_t *)(uintptr_t)actor->remote.form.extra);
    actor->remote.form.extra = NULL;
}

bool ap__chat_style_read(const char *text, enum ap_chat_style *out)
{
    if (strcmp(text, "text") != 0 && strcmp(text, "tools") != 0)
        return false;
    *out = text[1] == 'e' ? AP_CHAT_TEXT : AP_CHAT_TOOLS;
    return true;
}

/* The value of `key` must be one of two words; *second is left alone when the key is absent. */
static ap_status read_choice(const struct ap_yaml_doc *doc, const struct ap_yaml *map, const char *key,
                             const char *first_word, const char *second_word, bool *second, struct ap_err *err)
{
    const char *text = NULL;
    AP_TRY(ap__yaml_str(doc, map, key, false, &text, err));
    if (text == NULL)
        return AP_OK;
    *second = strcmp(text, second_word) == 0;
    if (*second || strcmp(text, first_word) == 0)
        return AP_OK;
    return ap__yaml_fail(doc, ap__yaml_get(map, key), err, "`%s` takes %s or %s, got `%s`", key, first_word, second_word,
                         text);
}

/* A map under key, or NULL. */
static ap_status read_map(const struct ap_yaml_doc *doc, const struct ap_yaml *map, const char *key,
                          const struct ap_yaml **out, struct ap_err *err)
{
    *out = ap__yaml_get(map, key);
    if (*out != NULL && (*out)->kind != AP_YAML_MAP)
        return ap__yaml_fail(doc, *out, err, "`%s` must be a map", key);
    return AP_OK;
}

static ap_status read_headers(struct ap_yaml_doc *doc, const struct ap_yaml *map, struct ap_remote_options *out,
                              struct ap_err *err)
{
    const struct ap_yaml *headers;
    AP_TRY(read_map(doc, map, "headers", &headers, err));
    if (headers == NULL)
        return AP_OK;
    const char **line = ap__arena_alloc(&doc->arena, (size_t)(headers->count + 1) * sizeof *line);
    if (line == NULL)
        return ap__fail(err, AP_E_MEMORY, doc->path, "no memory for headers");
    if (headers->count > MAX_HEADERS)
        return ap__yaml_fail(doc, headers, err, "at most %d headers", MAX_HEADERS);
    for (int32_t i = 0; i < headers->count; i++) {
        const struct ap_yaml *h = headers->child[i];
        struct ap_buf text;
        if (h->kind != AP_YAML_SCALAR)
            return ap__yaml_fail(doc, h, err, "a header must be a text");
        ap__buf_init(&text, 0);
        ap__buf_printf(&text, "%s: %s", h->key, h->text);
        line[i] = text.failed ? NULL : ap__arena_strdup(&doc->arena, ap__buf_cstr(&text));
        ap__buf_deinit(&text);
        if (line[i] == NULL)
            return ap__fail(err, AP_E_MEMORY, doc->path, "no memory for headers");
    }
    out->headers = line;
    out->header_count = headers->count;
    return AP_OK;
}

static ap_status read_form(const struct ap_yaml_doc *doc, const struct ap_yaml *map, struct ap_remote_options *out,
                           struct ap_err *err)
{
    bool tools = false;
    int64_t max_tokens = out->form.max_tokens;
    const struct ap_yaml *extra;
    AP_TRY(ap__yaml_str(doc, map, "model", true, &out->form.model, err));
    AP_TRY(read_choice(doc, map, "style", "text", "tools", &tools, err));
    AP_TRY(read_choice(doc, map, "results", "user", "tool", &out->form.tool_role, err));
    AP_TRY(ap__yaml_bool(doc, map, "explain", false, &out->explain, err));
    AP_TRY(ap__yaml_i64(doc, map, "max_tokens", false, 1, 1 << 20, &max_tokens, err));
    AP_TRY(read_map(doc, map, "extra", &extra, err));
    out->form.style = tools ? AP_CHAT_TOOLS : AP_CHAT_TEXT;
    out->form.max_tokens = (int32_t)max_tokens;
    out->form.extra = extra != NULL ? ap__yaml_to_json(extra) : NULL;
    if (extra != NULL && out->form.extra == NULL)
        return ap__fail(err, AP_E_MEMORY, doc->path, "no memory for `extra`");
    return AP_OK;
}

static ap_status read_limits(const struct ap_yaml_doc *doc, const struct ap_yaml *map, struct ap_remote_options *out,
                             struct ap_err *err)
{
    int64_t in_flight = out->in_flight, attempts = out->attempts;
    AP_TRY(ap__yaml_i64(doc, map, "in_flight", false, 1, AP_REMOTE_MAX_IN_FLIGHT, &in_flight, err));
    AP_TRY(ap__yaml_i64(doc, map, "requests_per_minute", false, 1, INT32_MAX, &out->requests_per_minute, err));
    AP_TRY(ap__yaml_i64(doc, map, "tokens_per_minute", false, 1, INT64_MAX / 4, &out->tokens_per_minute, err));
    AP_TRY(ap__yaml_i64(doc, map, "attempts", false, 1, 100, &attempts, err));
    AP_TRY(ap__yaml_f64(doc, map, "backoff", false, 0.001, AP_BACKOFF_LONGEST, &out->backoff, err));
    AP_TRY(ap__yaml_f64(doc, map, "connect_timeout", false, 0.1, 3600, &out->connect_timeout, err));
    AP_TRY(ap__yaml_f64(doc, map, "idle_timeout", false, 1, 86400, &out->idle_timeout, err));
    AP_TRY(ap__yaml_f64(doc, map, "timeout", false, 0.1, 86400, &out->timeout, err));
    out->in_flight = (int32_t)in_flight;
    out->attempts = (int32_t)attempts;
    return AP_OK;
}

static ap_status read_money(const struct ap_yaml_doc *doc, const struct ap_yaml *map, struct ap_remote_options *out,
                            struct ap_err *err)
{
    const struct ap_yaml *price, *budget;
    AP_TRY(read_map(doc, map, "price", &price, err));
    AP_TRY(read_map(doc, map, "budget", &budget, err));
    if (price != NULL) {
        AP_TRY(ap__yaml_check_keys(doc, price, KNOWN("input", "cached", "output"), err));
        AP_TRY(ap__yaml_f64(doc, price, "input", true, 0, 1e6, &out->price.prompt, err));
        AP_TRY(ap__yaml_f64(doc, price, "cached", false, 0, 1e6, &out->price.cached, err));
        AP_TRY(ap__yaml_f64(doc, price, "output", true, 0, 1e6, &out->price.completion, err));
    }
    if (budget != NULL) {
        AP_TRY(ap__yaml_check_keys(doc, budget, KNOWN("cost", "tokens"), err));
        AP_TRY(ap__yaml_f64(doc, budget, "cost", false, 1e-6, 1e9, &out->budget, err));
        AP_TRY(ap__yaml_i64(doc, budget, "tokens", false, 1, INT64_MAX / 4, &out->budget_tokens, err));
    }
    if (out->budget > 0 && price == NULL)
        return ap__yaml_fail(doc, budget, err, "a budget of cost needs `price` (per million tokens)");
    return AP_OK;
}

ap_status ap__recipe_read_remote(struct ap_yaml_doc *doc, const struct ap_yaml *map, struct ap_recipe_actor *actor,
                                 struct ap_err *err)
{
    struct ap_remote_options *o = &actor->remote;
    *o = ap__remote_defaults();
    actor->is_remote = true;
    AP_TRY(ap__yaml_check_keys(doc, map,
                               KNOWN("url", "model", "key_env", "key_file", "key_header", "headers", "style", "results",
                                     "explain", "max_tokens", "extra", "in_flight", "requests_per_minute",
                                     "tokens_per_minute", "attempts", "backoff", "connect_timeout", "idle_timeout",
                                     "timeout", "price", "budget", "replay", "samples", "temperatures"),
                               err));
    AP_TRY(ap__yaml_str(doc, map, "url", false, &o->url, err));
    AP_TRY(ap__yaml_str(doc, map, "replay", false, &o->replay, err));
    AP_TRY(ap__yaml_str(doc, map, "key_env", false, &o->key_env, err));
    AP_TRY(ap__yaml_str(doc, map, "key_file", false, &o->key_file, err));
    AP_TRY(ap__yaml_str(doc, map, "key_header", false, &o->key_header, err));
    AP_TRY(read_headers(doc, map, o, err));
    AP_TRY(read_limits(doc, map, o, err));
    AP_TRY(read_money(doc, map, o, err));
    return read_form(doc, map, o, err);
}
