/* token_list.c - tokens to the value of a tokenizer.json.
 *
 *     normal, unused, byte  --> model.vocab
 *     control, unknown      --> added_tokens, special     (unknown is in the vocabulary, too)
 *     user-defined          --> added_tokens, found in any text
 *
 * Sentencepiece has no merges, it merges any two neighbours whose joint text
 * is a token, the one with the best score first.  So every way to cut a token
 * into two tokens is a merge, ordered by the token's score. */
#include "model/token_list.h"

#include "base/text.h"
#include "model/token_rules.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_TOKENS = 1 << 24, MAX_MERGES = 1 << 24 };

ap_status ap__token_list_init(struct ap_token_list *list, const char *place, int64_t count, struct ap_err *err)
{
    *list = (struct ap_token_list){.place = place, .bos = -1, .eos = -1, .unk = -1, .pad = -1};
    if (count < 1 || count > MAX_TOKENS)
        return ap__fail(err, AP_E_FORMAT, place, "a vocabulary has from 1 to %d tokens, got %lld", MAX_TOKENS,
                        (long long)count);
    list->token = ap__alloc_array((size_t)count, sizeof *list->token);
    if (list->token == NULL)
        return ap__fail(err, AP_E_MEMORY, place, "out of memory for %lld tokens", (long long)count);
    list->count = (int32_t)count;
    for (int32_t i = 0; i < list->count; i++)
        list->token[i] = (struct ap_listed_token){.text = "", .kind = AP_KIND_NORMAL};
    return AP_OK;
}

void ap__token_list_deinit(struct ap_token_list *list)
{
    ap__free(list->token);
    *list = (struct ap_token_list){0};
}

static ap_status no_memory(const struct ap_token_list *list, struct ap_err *err)
{
    return ap__fail(err, AP_E_MEMORY, list->place, "out of memory for the vocabulary");
}

/* ------------------------------------------------------------------ vocabulary and added tokens */

static bool is_added(enum ap_token_kind kind)
{
    return kind == AP_KIND_CONTROL || kind == AP_KIND_USER_DEFINED || kind == AP_KIND_UNKNOWN;
}

static ap_status check_text(const struct ap_token_list *list, int32_t id, struct ap_err *err)
{
    const struct ap_listed_token *t = &list->token[id];
    if (memchr(t->text, '\0', t->len) || !ap__utf8_valid(t->text, t->len))
        return ap__fail(err, AP_E_FORMAT, list->place, "token %d is not valid UTF-8", id);
    return AP_OK;
}

/* text -> id; of equal texts the first one counts, the others can only be decoded. */
static ap_status make_vocab(const struct ap_token_list *list, bool unknown, json_t *vocab, struct ap_err *err)
{
    for (int32_t id = 0; id < list->count; id++) {
        const struct ap_listed_token *t = &list->token[id];
        AP_TRY(check_text(list, id, err));
        if (t->len == 0 || (is_added(t->kind) && !(unknown && t->kind == AP_KIND_UNKNOWN)) ||
            json_object_getn(vocab, t->text, t->len))
            continue;
        if (json_object_setn_new(vocab, t->text, t->len, json_integer(id)) != 0)
            return no_memory(list, err);
    }
    return AP_OK;
}

static ap_status make_added(const struct ap_token_list *list, json_t *added, struct ap_err *err)
{
    for (int32_t id = 0; id < list->count; id++) {
        const struct ap_listed_token *t = &list->token[id];
        if (!is_added(t->kind) || t->len == 0)
            continue;
        json_t *item = json_pack("{s:i, s:s%, s:b, s:b, s:b, s:b, s:b}", "id", id, "content", t->text, t->len,
                                 "single_word", 0, "lstrip", 0, "rstrip", 0, "normalized", 0, "special",
                                 t->kind != AP_KIND_USER_DEFINED);
        if (json_array_append_new(added, item) != 0)
            return no_memory(list, err);
    }
    return AP_OK;
}

/* "<s> $A" when a beginning is wanted: for transformers; here the template sees to it. */
static json_t *post_processor(const struct ap_token_list *list)
{
    if (!list->add_bos || list->bos < 0)
        return json_null();
    const struct ap_listed_token *t = &list->token[list->bos];
    json_t *bos = json_stringn(t->text, t->len);
    json_t *start = json_pack("{s:{s:O, s:i}}", "SpecialToken", "id", bos, "type_id", 0);
    json_t *text = json_pack("{s:{s:s, s:i}}", "Sequence", "id", "A", "type_id", 0);
    json_t *other = json_pack("{s:{s:s, s:i}}", "Sequence", "id", "B", "type_id", 1);
    json_t *tokens = json_object();
    json_object_setn_new(tokens, t->text, t->len,
                         json_pack("{s:O, s:[i], s:[O]}", "id", bos, "ids", list->bos, "tokens", bos));
    json_t *made = json_pack("{s:s, s:[O,O], s:[O,O,O], s:O}", "type", "TemplateProcessing", "single", start, text,
                             "pair", start, text, other, "special_tokens", tokens);
    json_decref(tokens);
    json_decref(other);
    json_decref(text);
    json_decref(start);
    json_decref(bos);
    return made;
}

/* Everything around the model; takes over what it is given. */
static ap_status put_together(const struct ap_token_list *list, json_t *model, json_t *normalizer, json_t *pre_tokenizer,
                              json_t *decoder, json_t **out, struct ap_err *err)
{
    json_t *added = json_array();
    ap_status status = model && normalizer && pre_tokenizer && decoder && added ? make_added(list, added, err)
                                                                              : no_memory(list, err);
    if (status == AP_OK) {
        *out = json_pack("{s:s, s:n, s:n, s:O, s:O, s:O, s:o, s:O, s:O}", "version", "1.0", "truncation", "padding",
                         "added_tokens", added, "normalizer", normalizer, "pre_tokenizer", pre_tokenizer,
                         "post_processor", post_processor(list), "decoder", decoder, "model", model);
        status = *out ? AP_OK : no_memory(list, err);
    }
    json_decref(added);
    json_decref(decoder);
    json_decref(pre_tokenizer);
    json_decref(normalizer);
    json_decref(model);
    return status;
}

/* ------------------------------------------------------------------ sentencepiece */

struct merge {
    const char *text; /* of the whole token */
    uint32_t left, len; /* bytes of its left part, of all */
    int32_t ids[2], id;
    double score;
};

struct merges {
    struct merge *at;
    size_t n, cap;
};

static int32_t id_of(const json_t *vocab, const char *text, size_t len)
{
    const json_t *id = json_object_getn(vocab, text, len);
    return id ? (int32_t)json_integer_value(id) : -1;
}

/* Only what is plain text merges. */
static bool merges_to(const struct ap_token_list *list, int32_t id)
{
    return id >= 0 && list->token[id].kind == AP_KIND_NORMAL;
}

static ap_status split_token(const struct ap_token_list *list, const json_t *vocab, int32_t id, struct merges *m,
                             struct ap_err *err)
{
    const struct ap_listed_token *t = &list->token[id];
    for (size_t cut = (size_t)ap__utf8_len(t->text, t->len); cut < t->len;
         cut += (size_t)ap__utf8_len(t->text + cut, t->len - cut)) {
        int32_t left = id_of(vocab, t->text, cut), right = id_of(vocab, t->text + cut, t->len - cut);
        if (!merges_to(list, left) || !merges_to(list, right))
            continue;
        if (m->n >= MAX_MERGES)
            return ap__fail(err, AP_E_TOO_LARGE, list->place, "more than %d merges", MAX_MERGES);
        AP_TRY(ap__grow((void **)&m->at, &m->cap, m->n + 1, sizeof *m->at, err));
        m->at[m->n++] = (struct merge){t->text, (uint32_t)cut, (uint32_t)t->len, {left, right}, id, t->score};
    }
    return AP_OK;
}

static int best_first(const void *a, const void *b)
{
    const struct merge *x = a, *y = b;
    if (x->score != y->score)
        return x->score > y->score ? -1 : 1;
    if (x->id != y->id)
        return x->id < y->id ? -1 : 1;
    return x->ids[0] != y->ids[0] ? (x->ids[0] > y->ids[0]) - (x->ids[0] < y->ids[0])
                                  : (x->ids[1] > y->ids[1]) - (x->ids[1] < y->ids[1]);
}

static ap_status make_merges(const struct ap_token_list *list, const json_t *vocab, json_t *out, struct ap_err *err)
{
    struct merges m = {0};
    ap_status status = AP_OK;
    for (int32_t id = 0; status == AP_OK && id < list->count; id++)
        if (list->token[id].len > 0 && merges_to(list, id))
            status = split_token(list, vocab, id, &m, err);
    if (m.n > 0)
        qsort(m.at, m.n, sizeof *m.at, best_first);
    for (size_t i = 0; status == AP_OK && i < m.n; i++) {
        const struct merge *x = &m.at[i];
        json_t *pair = json_pack("[s%, s%]", x->text, (size_t)x->left, x->text + x->left, (size_t)(x->len - x->left));
        if (json_array_append_new(out, pair) != 0)
            status = no_memory(list, err);
    }
    ap__free(m.at);
    return status;
}

static json_t *spaces_to_metaspace(bool prefix)
{
    json_t *replace = json_pack("{s:s, s:{s:s}, s:s}", "type", "Replace", "pattern", "String", " ", "content",
                                "\xE2\x96\x81");
    return prefix ? json_pack("{s:s, s:[{s:s, s:s}, o]}", "type", "Sequence", "normalizers", "type", "Prepend", "prepend",
                              "\xE2\x96\x81", replace)
                  : replace;
}

static json_t *metaspace_to_spaces(bool prefix)
{
    json_t *list = json_pack("[{s:s, s:{s:s}, s:s}, {s:s}, {s:s}]", "type", "Replace", "pattern", "String",
                             "\xE2\x96\x81", "content", " ", "type", "ByteFallback", "type", "Fuse");
    if (prefix && list)
        json_array_append_new(list, json_pack("{s:s, s:s, s:i, s:i}", "type", "Strip", "content", " ", "start", 1,
                                              "stop", 0));
    return json_pack("{s:s, s:o}", "type", "Sequence", "decoders", list);
}

static bool has_bytes(const struct ap_token_list *list)
{
    for (int32_t id = 0; id < list->count; id++)
        if (list->token[id].kind == AP_KIND_BYTE)
            return true;
    return false;
}

ap_status ap__token_list_sentencepiece(const struct ap_token_list *list, json_t **out, struct ap_err *err)
{
    json_t *vocab = json_object(), *merges = json_array(), *model = NULL;
    ap_status status = vocab && merges ? make_vocab(list, true, vocab, err) : no_memory(list, err);
    if (status == AP_OK)
        status = make_merges(list, vocab, merges, err);
    if (status == AP_OK) {
        const struct ap_listed_token *unk = list->unk >= 0 ? &list->token[list->unk] : NULL;
        model = json_pack("{s:s, s:n, s:o, s:n, s:n, s:b, s:b, s:b, s:O, s:O}", "type", "BPE", "dropout", "unk_token",
                          unk ? json_stringn(unk->text, unk->len) : json_null(), "continuing_subword_prefix",
                          "end_of_word_suffix", "fuse_unk", 1, "byte_fallback", has_bytes(list), "ignore_merges", 0,
                          "vocab", vocab, "merges", merges);
        status = put_together(list, model, spaces_to_metaspace(list->space_prefix), json_null(),
                              metaspace_to_spaces(list->space_prefix), out, err);
    }
    json_decref(merges);
    json_decref(vocab);
    return status;
}

/* ------------------------------------------------------------------ byte-level */

ap_status ap__token_list_byte_level(const struct ap_token_list *list, json_t *merges, const char *rules, json_t **out,
                                    struct ap_err *err)
{
    const struct ap_token_rules *r = ap__token_rules_find(rules);
    json_t *vocab = json_object(), *model = NULL;
    if (r == NULL) {
        json_decref(vocab);
        return ap__fail(err, AP_E_FORMAT, list->place, "the pre-tokenizer `%.60s` is not known (only %s)", rules,
                        ap__token_rules_names());
    }
    ap_status status = vocab ? make_vocab(list, false, vocab, err) : no_memory(list, err);
    if (status == AP_OK) {
        model = json_pack("{s:s, s:n, s:n, s:n, s:n, s:b, s:b, s:b, s:O, s:O}", "type", "BPE", "dropout", "unk_token",
                          "continuing_subword_prefix", "end_of_word_suffix", "fuse_unk", 0, "byte_fallback", 0,
                          "ignore_merges", r->ignore_merges, "vocab", vocab, "merges", merges);
        status = put_together(list, model, json_loads(r->normalizer, JSON_DECODE_ANY, NULL),
                              json_loads(r->pre_tokenizer, 0, NULL),
                              json_pack("{s:s, s:b, s:b, s:b}", "type", "ByteLevel", "add_prefix_space", 1,
                                        "trim_offsets", 1, "use_regex", 1),
                              out, err);
    }
    json_decref(vocab);
    return status;
}

/* ------------------------------------------------------------------ tokenizer_config.json */

static json_t *text_of(const struct ap_token_list *list, int32_t id)
{
    return id >= 0 && id < list->count && list->token[id].len > 0
               ? json_stringn(list->token[id].text, list->token[id].len)
               : json_null();
}

ap_status ap__token_list_config(const struct ap_token_list *list, json_t **out, struct ap_err *err)
{
    json_t *made = json_pack("{s:s, s:o, s:o, s:o, s:o, s:b, s:b, s:b}", "tokenizer_class", "PreTrainedTokenizerFast",
                             "bos_token", text_of(list, list->bos), "eos_token", text_of(list, list->eos), "unk_token",
                             text_of(list, list->unk), "pad_token", text_of(list, list->pad), "add_bos_token",
                             list->add_bos, "add_eos_token", list->add_eos, "clean_up_tokenization_spaces", 0);
    if (made && list->chat_template && json_object_set_new(made, "chat_template", json_string(list->chat_template)) != 0) {
        json_decref(made);
        return ap__fail(err, AP_E_FORMAT, list->place, "the chat template is not valid UTF-8");
    }
    *out = made;
    return made ? AP_OK : no_memory(list, err);
}
