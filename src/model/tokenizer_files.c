/* tokenizer_files.c - finds a tokenizer, whatever its form.
 *
 *     tokenizer.json                                     as it is
 *     vocab.json + merges.txt + added tokens             GPT-2's and Qwen2's slow tokenizers
 *     tokenizer.model                                    sentencepiece.c
 *     model.gguf                                         gguf_tokenizer.c */
#include "model/tokenizer_files.h"

#include "base/file.h"
#include "base/text.h"
#include "model/gguf_tokenizer.h"
#include "model/sentencepiece.h"
#include "model/token_list.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_TEXT = 1 << 28 };

static ap_status no_memory(const char *place, struct ap_err *err)
{
    return ap__fail(err, AP_E_MEMORY, place, "out of memory for the tokenizer");
}

/* ------------------------------------------------------------------ JSON beside other files */

/* dir/name, or an empty object when there is no such file. */
static ap_status load_beside(const char *dir, const char *name, json_t **out, struct ap_err *err)
{
    char *path = ap__path_join(dir, name);
    if (path == NULL)
        return no_memory(dir, err);
    ap_status status = AP_OK;
    if (ap__file_exists(path))
        status = ap__json_load(path, out, err);
    else if ((*out = json_object()) == NULL)
        status = no_memory(path, err);
    if (status == AP_OK && !json_is_object(*out)) {
        status = ap__fail(err, AP_E_FORMAT, path, "the file must hold an object");
        json_decref(*out);
        *out = NULL;
    }
    ap__free(path);
    return status;
}

/* ------------------------------------------------------------------ vocab.json + merges.txt */

/* One slow tokenizer's files. */
struct slow {
    const char *dir;
    json_t *vocab, *config, *added, *merges;
};

static ap_status read_merges(struct slow *s, struct ap_err *err)
{
    struct ap_map map = {0};
    char *path = ap__path_join(s->dir, "merges.txt");
    ap_status status = path ? ap__map_open(path, &map, err) : no_memory(s->dir, err);
    const char *line;
    size_t offset = 0, len;
    for (size_t number = 1; status == AP_OK && ap__map_line(&map, &offset, &line, &len); number++) {
        len -= len > 0 && line[len - 1] == '\r';
        if (len == 0 || (number == 1 && len > 8 && memcmp(line, "#version", 8) == 0))
            continue;
        if (json_array_append_new(s->merges, json_stringn(line, len)) != 0)
            status = ap__fail(err, AP_E_FORMAT, path, "line %zu is not valid UTF-8", number);
    }
    ap__map_close(&map);
    ap__free(path);
    return status;
}

/* Texts are borrowed from the keys of s->vocab. */
static ap_status list_vocab(const struct slow *s, struct ap_token_list *list, struct ap_err *err)
{
    const char *text;
    json_t *id;
    json_int_t highest = -1;
    json_object_foreach(s->vocab, text, id)
        highest = json_integer_value(id) > highest ? json_integer_value(id) : highest;
    AP_TRY(ap__token_list_init(list, s->dir, highest < INT32_MAX ? highest + 1 : INT32_MAX, err));
    json_object_foreach(s->vocab, text, id) {
        json_int_t i = json_integer_value(id);
        if (!json_is_integer(id) || i < 0 || list->token[i].len > 0)
            return ap__fail(err, AP_E_FORMAT, s->dir, "vocab.json: `%.100s` has no id of its own", text);
        list->token[i].text = text;
        list->token[i].len = strlen(text);
    }
    return AP_OK;
}

static ap_status append_added(json_t *tokens, int64_t id, const char *text, const json_t *flags, bool special,
                              const char *place, struct ap_err *err)
{
    json_t *item = flags ? json_copy((json_t *)(uintptr_t)flags)
                         : json_pack("{s:s, s:b, s:b, s:b, s:b, s:b}", "content", text, "single_word", 0, "lstrip", 0,
                                     "rstrip", 0, "normalized", 0, "special", special);
    if (item == NULL || json_object_set_new(item, "id", json_integer(id)) != 0 ||
        json_array_append_new(tokens, item) != 0)
        return no_memory(place, err);
    return AP_OK;
}

/* tokenizer_config.json lists them with their flags; older folders have added_tokens.json with ids alone. */
static ap_status add_tokens(const struct slow *s, json_t *tokens, struct ap_err *err)
{
    static const char end_of_text[] = "<|endoftext|>";
    json_t *decoder = json_object_get(s->config, "added_tokens_decoder"), *value;
    const char *key;
    json_object_foreach(decoder, key, value) {
        int64_t id;
        if (!ap__parse_i64(key, &id) || !json_is_object(value))
            return ap__fail(err, AP_E_FORMAT, s->dir, "tokenizer_config.json: `added_tokens_decoder` has no token `%.60s`",
                            key);
        AP_TRY(append_added(tokens, id, NULL, value, true, s->dir, err));
    }
    if (json_object_size(decoder) > 0)
        return AP_OK;
    json_object_foreach(s->added, key, value)
        AP_TRY(append_added(tokens, json_integer_value(value), key, NULL, true, s->dir, err));
    value = json_object_get(s->vocab, end_of_text); /* special to these tokenizers without being declared */
    if (value && !json_object_get(s->added, end_of_text))
        AP_TRY(append_added(tokens, json_integer_value(value), end_of_text, NULL, true, s->dir, err));
    return AP_OK;
}

static ap_status make_slow(struct slow *s, json_t **out, struct ap_err *err)
{
    struct ap_token_list list = {0};
    const char *class = ap__json_str_or(s->config, "tokenizer_class", "GPT2Tokenizer");
    bool gpt2 = ap__starts_with(class, "GPT2Tokenizer"), qwen2 = ap__starts_with(class, "Qwen2Tokenizer");
    if (!gpt2 && !qwen2)
        return ap__fail(err, AP_E_FORMAT, s->dir,
                        "vocab.json + merges.txt of a `%.60s` are not supported (only GPT2Tokenizer and Qwen2Tokenizer)",
                        class);
    AP_TRY(read_merges(s, err));
    ap_status status = list_vocab(s, &list, err);
    if (status == AP_OK)
        status = ap__token_list_byte_level(&list, s->merges, gpt2 ? "gpt-2" : "qwen2", out, err);
    ap__token_list_deinit(&list);
    if (status == AP_OK)
        status = add_tokens(s, json_object_get(*out, "added_tokens"), err);
    return status;
}

static ap_status load_slow(const char *dir, json_t **out, struct ap_err *err)
{
    struct slow s = {.dir = dir, .merges = json_array()};
    json_t *made = NULL;
    ap_status status = s.merges ? load_beside(dir, "vocab.json", &s.vocab, err) : no_memory(dir, err);
    if (status == AP_OK)
        status = load_beside(dir, "tokenizer_config.json", &s.config, err);
    if (status == AP_OK)
        status = load_beside(dir, "added_tokens.json", &s.added, err);
    if (status == AP_OK)
        status = make_slow(&s, &made, err);
    if (status == AP_OK)
        *out = json_incref(made);
    json_decref(made);
    json_decref(s.added);
    json_decref(s.config);
    json_decref(s.vocab);
    json_decref(s.merges);
    return status;
}

/* ------------------------------------------------------------------ whatever is there */

static ap_status load_gguf(const char *path, ap_status (*read)(const struct ap_gguf *, json_t **, struct ap_err *),
                           json_t **out, struct ap_err *err)
{
    struct ap_gguf *g = NULL;
    ap_status status = ap__gguf_open(path, &g, err);
    if (status == AP_OK)
        status = read(g, out, err);
    ap__gguf_free(g);
    return status;
}

static ap_status load_folder(const char *dir, json_t **out, char **place, struct ap_err *err)
{
    ap_status status = AP_OK;
    char *json = ap__path_join(dir, "tokenizer.json"), *vocab = ap__path_join(dir, "vocab.json");
    char *merges = ap__path_join(dir, "merges.txt"), *model = ap__path_join(dir, "tokenizer.model"), *from = json;
    if (!json || !vocab || !merges || !model) {
        status = no_memory(dir, err);
    } else if (!ap__file_exists(json) && ap__file_exists(vocab) && ap__file_exists(merges)) {
        from = vocab;
        status = load_slow(dir, out, err);
    } else if (!ap__file_exists(json) && ap__file_exists(model)) {
        from = model;
        status = ap__sentencepiece_load(model, out, err);
    } else {
        status = ap__json_load(json, out, err);
    }
    if (status == AP_OK && (*place = ap__strdup(from)) == NULL) {
        json_decref(*out);
        *out = NULL;
        status = no_memory(dir, err);
    }
    ap__free(model);
    ap__free(merges);
    ap__free(vocab);
    ap__free(json);
    return status;
}

ap_status ap__tokenizer_files_load(const char *path, json_t **out, char **place, struct ap_err *err)
{
    json_t *made = NULL;
    if (ap__dir_exists(path))
        return load_folder(path, out, place, err);
    AP_TRY(ap__gguf_is(path) ? load_gguf(path, ap__gguf_tokenizer, &made, err) : ap__json_load(path, &made, err));
    if ((*place = ap__strdup(path)) == NULL) {
        json_decref(made);
        return no_memory(path, err);
    }
    *out = made;
    return AP_OK;
}

/* ------------------------------------------------------------------ tokenizer_config.json */

/* Newer folders keep the template in a file of its own, which then counts. */
static ap_status read_template(const char *dir, json_t *config, struct ap_err *err)
{
    struct ap_buf text;
    char *path = ap__path_join(dir, "chat_template.jinja");
    ap_status status = path ? AP_OK : no_memory(dir, err);
    ap__buf_init(&text, 0);
    if (status == AP_OK && ap__file_exists(path)) {
        status = ap__file_read(path, MAX_TEXT, &text, err);
        if (status == AP_OK &&
            json_object_set_new(config, "chat_template", json_stringn(ap__buf_cstr(&text), text.len)) != 0)
            status = ap__fail(err, AP_E_FORMAT, path, "not valid UTF-8");
    }
    ap__buf_deinit(&text);
    ap__free(path);
    return status;
}

static ap_status load_config(const char *dir, json_t **out, struct ap_err *err)
{
    json_t *config = NULL;
    ap_status status = load_beside(dir, "tokenizer_config.json", &config, err);
    if (status == AP_OK)
        status = read_template(dir, config, err);
    if (status == AP_OK)
        *out = json_incref(config);
    json_decref(config);
    return status;
}

ap_status ap__tokenizer_files_config(const char *path, json_t **out, struct ap_err *err)
{
    if (ap__dir_exists(path))
        return load_config(path, out, err);
    if (ap__gguf_is(path))
        return load_gguf(path, ap__gguf_tokenizer_config, out, err);
    size_t len = (size_t)(ap__path_base(path) - path); /* the folder, with its slash */
    char *dir = len > 0 ? ap__strndup(path, len) : ap__strdup(".");
    ap_status status = dir ? load_config(dir, out, err) : no_memory(path, err);
    ap__free(dir);
    return status;
}
