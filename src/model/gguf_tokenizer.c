/* gguf_tokenizer.c - tokenizer.ggml.* and what it means.
 *
 *     tokenizer.huggingface.json                          the tokenizer.json itself, where it is there
 *     tokenizer.ggml.model "llama": tokens, scores, types --> sentencepiece
 *     tokenizer.ggml.model "gpt2":  tokens, merges, types, pre --> byte-level BPE by named rules */
#include "model/gguf_tokenizer.h"

#include "model/token_list.h"
#include "model/token_rules.h"

#include <string.h>

#define KEY(name) "tokenizer.ggml." name

/* ------------------------------------------------------------------ reading the list */

static ap_status read_tokens(const struct ap_gguf *g, struct ap_token_list *list, struct ap_err *err)
{
    struct ap_gguf_array tokens;
    AP_TRY(ap__gguf_array(g, KEY("tokens"), true, &tokens, err));
    if (tokens.type != AP_GGUF_STRING)
        return ap__fail(err, AP_E_FORMAT, ap__gguf_path(g), "`" KEY("tokens") "` must be texts");
    AP_TRY(ap__token_list_init(list, ap__gguf_path(g), tokens.count <= INT32_MAX ? (int64_t)tokens.count : INT32_MAX, err));
    for (int32_t i = 0; i < list->count; i++)
        if (!ap__gguf_next_str(&tokens, &list->token[i].text, &list->token[i].len))
            break;
    return AP_OK;
}

/* One value for each token. */
static ap_status read_column(const struct ap_gguf *g, const char *key, const struct ap_token_list *list,
                             struct ap_gguf_array *out, struct ap_err *err)
{
    AP_TRY(ap__gguf_array(g, key, false, out, err));
    if (out->count != 0 && out->count != (uint64_t)list->count)
        return ap__fail(err, AP_E_FORMAT, ap__gguf_path(g), "`%s` has %llu values for %d tokens", key,
                        (unsigned long long)out->count, list->count);
    return AP_OK;
}

static ap_status read_columns(const struct ap_gguf *g, struct ap_token_list *list, struct ap_err *err)
{
    struct ap_gguf_array kinds, scores;
    AP_TRY(read_column(g, KEY("token_type"), list, &kinds, err));
    AP_TRY(read_column(g, KEY("scores"), list, &scores, err));
    for (int32_t i = 0; i < list->count; i++) {
        int64_t kind = AP_KIND_NORMAL;
        double score = 0.0;
        if (kinds.count && (!ap__gguf_next_i64(&kinds, &kind) || kind < AP_KIND_NORMAL || kind > AP_KIND_BYTE))
            return ap__fail(err, AP_E_FORMAT, ap__gguf_path(g), "`" KEY("token_type") "`: token %d is of no known type", i);
        if (scores.count && !ap__gguf_next_f64(&scores, &score))
            return ap__fail(err, AP_E_FORMAT, ap__gguf_path(g), "`" KEY("scores") "` must be numbers");
        list->token[i].kind = (enum ap_token_kind)kind;
        list->token[i].score = score == score ? score : 0.0;
    }
    return AP_OK;
}

static ap_status read_id(const struct ap_gguf *g, const char *key, const struct ap_token_list *list, int32_t otherwise,
                         int32_t *out, struct ap_err *err)
{
    int64_t id = otherwise < list->count ? otherwise : -1;
    AP_TRY(ap__gguf_i64(g, key, false, &id, err));
    if (id == UINT32_MAX) /* how some writers say "none" */
        id = -1;
    if (id < -1 || id >= list->count)
        return ap__fail(err, AP_E_FORMAT, ap__gguf_path(g), "`%s` is %lld in a vocabulary of %d", key, (long long)id,
                        list->count);
    *out = (int32_t)id;
    return AP_OK;
}

/* What a file does not say is as llama.cpp takes it to be. */
static ap_status read_list(const struct ap_gguf *g, const char **model, const char **rules, struct ap_token_list *list,
                           struct ap_err *err)
{
    *rules = "default";
    AP_TRY(ap__gguf_str(g, KEY("model"), true, model, err));
    AP_TRY(ap__gguf_str(g, KEY("pre"), false, rules, err));
    bool spm = strcmp(*model, "llama") == 0;
    if (!spm && strcmp(*model, "gpt2") != 0)
        return ap__fail(err, AP_E_FORMAT, ap__gguf_path(g), "the tokenizer `%.60s` is not supported (only llama and gpt2)",
                        *model);
    AP_TRY(read_tokens(g, list, err));
    AP_TRY(read_columns(g, list, err));
    AP_TRY(read_id(g, KEY("bos_token_id"), list, spm ? 1 : -1, &list->bos, err));
    AP_TRY(read_id(g, KEY("eos_token_id"), list, spm ? 2 : -1, &list->eos, err));
    AP_TRY(read_id(g, KEY("unknown_token_id"), list, spm ? 0 : -1, &list->unk, err));
    AP_TRY(read_id(g, KEY("padding_token_id"), list, -1, &list->pad, err));
    const struct ap_token_rules *r = spm ? NULL : ap__token_rules_find(*rules);
    list->add_bos = spm || (r && r->add_bos);
    list->space_prefix = true;
    AP_TRY(ap__gguf_bool(g, KEY("add_bos_token"), false, &list->add_bos, err));
    AP_TRY(ap__gguf_bool(g, KEY("add_eos_token"), false, &list->add_eos, err));
    AP_TRY(ap__gguf_bool(g, KEY("add_space_prefix"), false, &list->space_prefix, err));
    return ap__gguf_str(g, "tokenizer.chat_template", false, &list->chat_template, err);
}

/* ------------------------------------------------------------------ the two values */

static ap_status read_merges(const struct ap_gguf *g, json_t *out, struct ap_err *err)
{
    struct ap_gguf_array merges;
    const char *text;
    size_t len;
    AP_TRY(ap__gguf_array(g, KEY("merges"), true, &merges, err));
    while (ap__gguf_next_str(&merges, &text, &len))
        if (json_array_append_new(out, json_stringn(text, len)) != 0)
            return ap__fail(err, AP_E_FORMAT, ap__gguf_path(g), "merge %zu is not valid UTF-8", json_array_size(out));
    return AP_OK;
}

static ap_status make_tokenizer(const struct ap_gguf *g, const struct ap_token_list *list, bool spm, const char *rules,
                                json_t **out, struct ap_err *err)
{
    if (spm)
        return ap__token_list_sentencepiece(list, out, err);
    json_t *merges = json_array();
    ap_status status = merges ? read_merges(g, merges, err) : ap__fail(err, AP_E_MEMORY, ap__gguf_path(g), "out of memory");
    if (status == AP_OK)
        status = ap__token_list_byte_level(list, merges, rules, out, err);
    json_decref(merges);
    return status;
}

ap_status ap__gguf_tokenizer(const struct ap_gguf *g, json_t **out, struct ap_err *err)
{
    const char *model = NULL, *rules = NULL, *ready = NULL;
    struct ap_token_list list = {0};
    AP_TRY(ap__gguf_str(g, "tokenizer.huggingface.json", false, &ready, err));
    if (ready)
        return ap__json_parse(ready, strlen(ready), ap__gguf_path(g), out, err);
    ap_status status = read_list(g, &model, &rules, &list, err);
    if (status == AP_OK)
        status = make_tokenizer(g, &list, strcmp(model, "llama") == 0, rules, out, err);
    ap__token_list_deinit(&list);
    return status;
}

ap_status ap__gguf_tokenizer_config(const struct ap_gguf *g, json_t **out, struct ap_err *err)
{
    const char *model = NULL, *rules = NULL;
    struct ap_token_list list = {0};
    ap_status status = read_list(g, &model, &rules, &list, err);
    if (status == AP_OK)
        status = ap__token_list_config(&list, out, err);
    ap__token_list_deinit(&list);
    return status;
}
