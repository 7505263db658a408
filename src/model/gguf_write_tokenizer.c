/* gguf_write_tokenizer.c - tokenizer.json to a list of V tokens with kinds, scores or merges.
 *
 *     sentencepiece's rules  --> model "llama": the score of a token is minus the rank of its first merge
 *     byte-level with rules that have a name --> model "gpt2", pre = the name
 *     byte-level without     --> model "gpt2", pre "default", and same_text is false
 *
 * Wherever the metadata does not say all of it, the tokenizer.json goes along
 * as tokenizer.huggingface.json, which our own reader prefers. */
#include "model/gguf_write_tokenizer.h"

#include "base/text.h"
#include "model/token_list.h"
#include "model/token_rules.h"
#include "model/tokenizer_files.h"

#include <stdlib.h>
#include <string.h>

#define KEY(name) "tokenizer.ggml." name
enum { MAX_NAME = 32 };

struct writer {
    struct ap_gguf_out *out;
    const char *path;
    char *place;
    json_t *tokenizer, *config; /* tokenizer.json, tokenizer_config.json */
    struct ap_token_list list;
    struct ap_buf spare; /* names of ids that have no token, MAX_NAME bytes each */
    bool sentencepiece, prefix;
};

/* ------------------------------------------------------------------ the list */

static const json_t *model_of(const struct writer *w)
{
    return json_object_get(w->tokenizer, "model");
}

static ap_status place_token(struct writer *w, const char *text, const json_t *id, enum ap_token_kind kind,
                             struct ap_err *err)
{
    json_int_t i = json_integer_value(id);
    if (!json_is_integer(id) || i < 0 || i >= w->list.count)
        return ap__fail(err, AP_E_FORMAT, w->place, "the token `%.100s` has id %lld; the model has %d rows", text,
                        (long long)i, w->list.count);
    w->list.token[i] = (struct ap_listed_token){.text = text, .len = strlen(text), .kind = kind};
    return AP_OK;
}

static bool is_byte(const char *text)
{
    return strlen(text) == 6 && ap__starts_with(text, "<0x") && text[5] == '>';
}

static ap_status place_vocab(struct writer *w, struct ap_err *err)
{
    json_t *vocab = json_object_get(model_of(w), "vocab"), *id;
    const char *text, *unk = ap__json_str_or(model_of(w), "unk_token", "");
    json_object_foreach(vocab, text, id) {
        enum ap_token_kind kind = w->sentencepiece && is_byte(text)          ? AP_KIND_BYTE
                                  : w->sentencepiece && strcmp(text, unk) == 0 ? AP_KIND_UNKNOWN
                                                                               : AP_KIND_NORMAL;
        AP_TRY(place_token(w, text, id, kind, err));
        if (kind == AP_KIND_UNKNOWN)
            w->list.unk = (int32_t)json_integer_value(id);
    }
    return AP_OK;
}

static ap_status place_added(struct writer *w, struct ap_err *err)
{
    const json_t *list = json_object_get(w->tokenizer, "added_tokens");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *item = json_array_get(list, i), *id = json_object_get(item, "id");
        const char *text = ap__json_str_or(item, "content", "");
        bool special = ap__json_bool_or(item, "special", false);
        if (json_is_integer(id) && json_integer_value(id) == w->list.unk && w->list.unk >= 0)
            continue;
        AP_TRY(place_token(w, text, id, special ? AP_KIND_CONTROL : AP_KIND_USER_DEFINED, err));
    }
    return AP_OK;
}

/* Rows of the embedding without a token: padding to a round number. */
static ap_status name_spare(struct writer *w, struct ap_err *err)
{
    size_t n = 0, at = 0;
    for (int32_t i = 0; i < w->list.count; i++)
        n += w->list.token[i].len == 0;
    char *names = ap__alloc_array(n, MAX_NAME);
    if (names == NULL)
        return ap__fail(err, AP_E_MEMORY, w->place, "out of memory for %zu names", n);
    w->spare.data = names;
    for (int32_t i = 0; i < w->list.count; i++) {
        struct ap_listed_token *t = &w->list.token[i];
        if (t->len > 0)
            continue;
        char *name = names + MAX_NAME * at++;
        snprintf(name, MAX_NAME, "[PAD%d]", i);
        *t = (struct ap_listed_token){.text = name, .len = strlen(name), .kind = AP_KIND_UNUSED};
    }
    return AP_OK;
}

/* ------------------------------------------------------------------ merges */

/* The two sides of a merge, ["l", "r"] or "l r"; a text with several spaces is cut at the first that fits. */
static bool sides(const json_t *merge, const json_t *vocab, const char **l, size_t *l_len, const char **r)
{
    const char *text = json_string_value(merge);
    *l = json_string_value(json_array_get(merge, 0));
    *r = json_string_value(json_array_get(merge, 1));
    if (*l && *r) {
        *l_len = strlen(*l);
        return true;
    }
    for (const char *space = text ? strchr(text, ' ') : NULL; space; space = strchr(space + 1, ' ')) {
        *l = text;
        *l_len = (size_t)(space - text);
        *r = space + 1;
        if (json_object_getn(vocab, text, *l_len) && json_object_get(vocab, *r))
            return true;
    }
    return false;
}

static ap_status put_merges(struct writer *w, struct ap_err *err)
{
    const json_t *merges = json_object_get(model_of(w), "merges"), *vocab = json_object_get(model_of(w), "vocab");
    struct ap_buf text;
    ap__buf_init(&text, 0);
    ap_status status = AP_OK;
    ap__gguf_put_array(w->out, KEY("merges"), AP_GGUF_STRING, json_array_size(merges));
    for (size_t i = 0; status == AP_OK && i < json_array_size(merges); i++) {
        const char *l, *r;
        size_t l_len;
        ap__buf_clear(&text);
        if (!sides(json_array_get(merges, i), vocab, &l, &l_len, &r))
            status = ap__fail(err, AP_E_FORMAT, w->place, "merge %zu is not a pair of tokens", i);
        else if (ap__buf_add(&text, l, l_len) != AP_OK || ap__buf_putc(&text, ' ') != AP_OK ||
                 ap__buf_puts(&text, r) != AP_OK)
            status = ap__fail(err, AP_E_MEMORY, w->place, "out of memory for the merges");
        else
            ap__gguf_add_str(w->out, text.data, text.len);
    }
    ap__buf_deinit(&text);
    return status;
}

/* Sentencepiece merges first what has the best score: the earlier a token's first merge, the better. */
static ap_status score_tokens(struct writer *w, struct ap_err *err)
{
    const json_t *merges = json_object_get(model_of(w), "merges"), *vocab = json_object_get(model_of(w), "vocab");
    struct ap_buf joint;
    ap__buf_init(&joint, 0);
    ap_status status = AP_OK;
    for (size_t i = json_array_size(merges); status == AP_OK && i-- > 0;) { /* the first merge is set last */
        const char *l, *r;
        size_t l_len;
        ap__buf_clear(&joint);
        if (!sides(json_array_get(merges, i), vocab, &l, &l_len, &r))
            continue;
        if (ap__buf_add(&joint, l, l_len) != AP_OK || ap__buf_puts(&joint, r) != AP_OK)
            status = ap__fail(err, AP_E_MEMORY, w->place, "out of memory for the scores");
        const json_t *id = status == AP_OK ? json_object_get(vocab, joint.data) : NULL;
        if (id)
            w->list.token[json_integer_value(id)].score = -1.0 - (double)i;
    }
    ap__buf_deinit(&joint);
    return status;
}

/* ------------------------------------------------------------------ metadata */

static void put_columns(const struct writer *w)
{
    const struct ap_token_list *list = &w->list;
    ap__gguf_put_array(w->out, KEY("tokens"), AP_GGUF_STRING, (uint64_t)list->count);
    for (int32_t i = 0; i < list->count; i++)
        ap__gguf_add_str(w->out, list->token[i].text, list->token[i].len);
    ap__gguf_put_array(w->out, KEY("token_type"), AP_GGUF_I32, (uint64_t)list->count);
    for (int32_t i = 0; i < list->count; i++)
        ap__gguf_add_i32(w->out, (int32_t)list->token[i].kind);
    if (!w->sentencepiece)
        return;
    ap__gguf_put_array(w->out, KEY("scores"), AP_GGUF_F32, (uint64_t)list->count);
    for (int32_t i = 0; i < list->count; i++)
        ap__gguf_add_f32(w->out, (float)list->token[i].score);
}

/* A special token of tokenizer_config.json: a text, or an object that holds it. */
static int32_t special_id(const struct writer *w, const char *key, int32_t otherwise)
{
    const json_t *v = json_object_get(w->config, key);
    const char *text = json_string_value(json_is_object(v) ? json_object_get(v, "content") : v);
    for (int32_t i = 0; text && i < w->list.count; i++)
        if (w->list.token[i].len == strlen(text) && memcmp(w->list.token[i].text, text, w->list.token[i].len) == 0)
            return i;
    return otherwise;
}

static void put_id(const struct writer *w, const char *key, int32_t id)
{
    if (id >= 0 && id < w->list.count)
        ap__gguf_put_u32(w->out, key, (uint32_t)id);
}

/* Does the post-processor put something before a text?  Newer folders say it only there. */
static bool adds_bos(const struct writer *w)
{
    char *post = ap__json_dump(json_object_get(w->tokenizer, "post_processor"));
    const json_t *said = json_object_get(w->config, "add_bos_token");
    bool adds = post && strstr(post, "TemplateProcessing") && strstr(post, "\"single\":[{\"SpecialToken\"");
    ap__free(post);
    return json_is_boolean(said) ? json_is_true(said) : adds;
}

static void put_specials(const struct writer *w, int32_t bos, int32_t eos)
{
    const json_t *text = json_object_get(w->config, "chat_template");
    put_id(w, KEY("bos_token_id"), special_id(w, "bos_token", bos));
    put_id(w, KEY("eos_token_id"), special_id(w, "eos_token", eos));
    put_id(w, KEY("padding_token_id"), special_id(w, "pad_token", -1));
    put_id(w, KEY("unknown_token_id"), w->sentencepiece ? w->list.unk : special_id(w, "unk_token", -1));
    ap__gguf_put_bool(w->out, KEY("add_bos_token"), adds_bos(w));
    ap__gguf_put_bool(w->out, KEY("add_eos_token"), ap__json_bool_or(w->config, "add_eos_token", false));
    if (w->sentencepiece)
        ap__gguf_put_bool(w->out, KEY("add_space_prefix"), w->prefix);
    for (size_t i = 0; i < json_array_size(text); i++) /* several by name: the default one */
        if (strcmp(ap__json_str_or(json_array_get(text, i), "name", ""), "default") == 0) {
            text = json_object_get(json_array_get(text, i), "template");
            break;
        }
    if (json_is_string(text))
        ap__gguf_put_str(w->out, "tokenizer.chat_template", json_string_value(text));
}

static ap_status put_whole(const struct writer *w, struct ap_err *err)
{
    char *all = ap__json_dump(w->tokenizer);
    if (all == NULL)
        return ap__fail(err, AP_E_MEMORY, w->place, "out of memory for the tokenizer");
    ap__gguf_put_str(w->out, "tokenizer.huggingface.json", all);
    ap__free(all);
    return AP_OK;
}

/* Nothing of an added token is lost when it swallows no spaces and asks for no word boundary. */
static bool plain_added(const struct writer *w)
{
    const json_t *list = json_object_get(w->tokenizer, "added_tokens");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *t = json_array_get(list, i);
        if (ap__json_bool_or(t, "lstrip", false) || ap__json_bool_or(t, "rstrip", false) ||
            ap__json_bool_or(t, "single_word", false) || ap__json_bool_or(t, "normalized", false))
            return false;
    }
    return true;
}

static ap_status put_all(struct writer *w, int32_t bos, int32_t eos, bool *same_text, struct ap_err *err)
{
    const struct ap_token_rules *rules = w->sentencepiece ? NULL : ap__token_rules_of(w->tokenizer);
    *same_text = w->sentencepiece || rules;
    AP_TRY(place_vocab(w, err));
    AP_TRY(place_added(w, err));
    AP_TRY(name_spare(w, err));
    ap__gguf_put_str(w->out, KEY("model"), w->sentencepiece ? "llama" : "gpt2");
    ap__gguf_put_str(w->out, KEY("pre"), rules ? rules->name : "default");
    if (w->sentencepiece)
        AP_TRY(score_tokens(w, err));
    put_columns(w);
    if (!w->sentencepiece)
        AP_TRY(put_merges(w, err));
    put_specials(w, bos, eos);
    return *same_text && plain_added(w) && json_is_null(json_object_get(w->tokenizer, "pre_tokenizer")) == w->sentencepiece
               ? AP_OK
               : put_whole(w, err);
}

ap_status ap__gguf_put_tokenizer(struct ap_gguf_out *o, const char *path, int32_t V, int32_t bos, int32_t eos,
                                 bool *same_text, struct ap_err *err)
{
    struct writer w = {.out = o, .path = path};
    AP_TRY(ap__tokenizer_files_load(path, &w.tokenizer, &w.place, err));
    ap_status status = ap__tokenizer_files_config(path, &w.config, err);
    w.sentencepiece = ap__token_rules_sentencepiece(w.tokenizer, &w.prefix);
    if (status == AP_OK)
        status = ap__token_list_init(&w.list, w.place, V, err);
    if (status == AP_OK)
        status = put_all(&w, bos, eos, same_text, err);
    ap__buf_deinit(&w.spare);
    ap__token_list_deinit(&w.list);
    json_decref(w.config);
    json_decref(w.tokenizer);
    ap__free(w.place);
    return status;
}
