/* llama2c.c - reads llama2.c's two files; what it makes is a model folder like any other.
 *
 *     model.bin      header -> shape -> where each tensor lies -> q and k reordered -> model.safetensors
 *     tokenizer.bin  -> list of sentencepiece's tokens -> tokenizer.json */
#include "model/llama2c.h"

#include "base/file.h"
#include "base/text.h"
#include "model/config.h"
#include "model/folder.h"
#include "model/gguf_names.h"
#include "model/safetensors.h"
#include "model/token_list.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HEADER = 7, LAYER_TENSORS = 9, MAX_TOKEN_BYTES = 1 << 12 };

/* ------------------------------------------------------------------ the model */

static ap_status read_header(const struct ap_map *map, const char *path, struct ap_config *c, struct ap_err *err)
{
    int32_t h[HEADER];
    if (map->size < sizeof h)
        return ap__fail(err, AP_E_FORMAT, path, "this is no checkpoint of llama2.c: it has only %zu bytes", map->size);
    memcpy(h, map->data, sizeof h);
    *c = (struct ap_config){.family = AP_LLAMA, .D = h[0], .F = h[1], .L = h[2], .H = h[3], .Hkv = h[4],
                            .V = h[5] < 0 && h[5] > INT32_MIN ? -h[5] : h[5], .max_position = h[6], .tied = h[5] > 0,
                            .theta = 10000.0f, .eps = 1e-5f, .bos = 1, .eos = 2};
    c->Dh = c->H > 0 ? c->D / c->H : 0;
    AP_TRY(ap__config_check(c, path, err));
    return c->Dh * c->H == c->D ? AP_OK
                                : ap__fail(err, AP_E_FORMAT, path, "this is no checkpoint of llama2.c: %d is no multiple "
                                           "of %d heads", c->D, c->H);
}

/* Tensors of one kind lie together, layer after layer, in this order; NULL: of the model. */
struct kind {
    const char *name;
    int64_t rows, cols; /* rows 0: a vector */
    bool layered;
};

enum { KINDS = 14 };

static void list_kinds(const struct ap_config *c, struct kind out[KINDS])
{
    const int64_t D = c->D, q = (int64_t)c->H * c->Dh, kv = (int64_t)c->Hkv * c->Dh, F = c->F;
    const struct kind all[KINDS] = {
        {"model.embed_tokens", c->V, D, false}, {"input_layernorm", 0, D, true},
        {"self_attn.q_proj", q, D, true},       {"self_attn.k_proj", kv, D, true},
        {"self_attn.v_proj", kv, D, true},      {"self_attn.o_proj", D, q, true},
        {"post_attention_layernorm", 0, D, true}, {"mlp.gate_proj", F, D, true},
        {"mlp.down_proj", D, F, true},          {"mlp.up_proj", F, D, true},
        {"model.norm", 0, D, false},            {NULL, c->max_position, c->Dh / 2, false}, /* cosines, sines: */
        {NULL, c->max_position, c->Dh / 2, false},                                          /* worked out anew */
        {c->tied ? NULL : "lm_head", c->tied ? 0 : c->V, c->tied ? 0 : D, false}};
    memcpy(out, all, sizeof all);
}

struct tensors {
    struct ap_tensor_entry *entry;
    char (*name)[AP_TENSOR_NAME_MAX];
    size_t n;
    float **copy; /* reordered ones */
};

static ap_status add_tensor(struct tensors *t, const struct ap_config *c, const struct kind *k, int32_t layer,
                            const uint8_t *data, const char *path, struct ap_err *err)
{
    size_t n = t->n++, row = (size_t)k->cols * sizeof(float);
    if (k->layered)
        snprintf(t->name[n], sizeof t->name[n], "model.layers.%d.%s.weight", layer, k->name);
    else
        snprintf(t->name[n], sizeof t->name[n], "%s.weight", k->name);
    t->entry[n] = (struct ap_tensor_entry){.name = t->name[n], .dtype = AP_F32, .ndim = k->rows > 0 ? 2 : 1,
                                           .shape = {k->rows > 0 ? k->rows : k->cols, k->rows > 0 ? k->cols : 1, 1, 1},
                                           .data = data};
    if (ap__gguf_reordered(c, t->name[n]) == 0)
        return AP_OK;
    t->copy[n] = ap__alloc_array((size_t)k->rows, row);
    if (t->copy[n] == NULL)
        return ap__fail(err, AP_E_MEMORY, path, "out of memory for `%s`", t->name[n]);
    ap__gguf_reorder_back(t->copy[n], data, (size_t)k->rows, row, c->Dh);
    t->entry[n].data = t->copy[n];
    return AP_OK;
}

static ap_status find_tensors(struct tensors *t, const struct ap_config *c, const struct ap_map *map, const char *path,
                              struct ap_err *err)
{
    struct kind kind[KINDS];
    size_t at = HEADER * sizeof(int32_t);
    list_kinds(c, kind);
    for (int i = 0; i < KINDS; i++) {
        size_t bytes = (size_t)(kind[i].rows > 0 ? kind[i].rows : kind[i].cols > 0) * (size_t)kind[i].cols * sizeof(float);
        for (int32_t l = 0; l < (kind[i].layered ? c->L : 1); l++, at += bytes) {
            if (bytes > map->size - at)
                return ap__fail(err, AP_E_FORMAT, path, "the file ends within %s of layer %d",
                                kind[i].name ? kind[i].name : "its tables", l);
            if (kind[i].name != NULL)
                AP_TRY(add_tensor(t, c, &kind[i], l, map->data + at, path, err));
        }
    }
    return at == map->size ? AP_OK
                           : ap__fail(err, AP_E_FORMAT, path, "%zu bytes at the end belong to no tensor", map->size - at);
}

static ap_status write_model(const struct ap_config *c, const struct ap_map *map, const char *path, const char *dir,
                             struct ap_err *err)
{
    size_t most = (size_t)c->L * LAYER_TENSORS + 3;
    struct tensors t = {ap__alloc_array(most, sizeof *t.entry), ap__alloc_array(most, sizeof *t.name), 0,
                        ap__alloc_array(most, sizeof *t.copy)};
    char *out = ap__path_join(dir, "model.safetensors");
    json_t *metadata = json_pack("{s:s}", "format", "pt"); /* transformers refuses files without it */
    bool room = t.entry && t.name && t.copy && out && metadata;
    ap_status status = room ? find_tensors(&t, c, map, path, err) : ap__fail(err, AP_E_MEMORY, path, "out of memory");
    if (status == AP_OK)
        status = ap__mkdirs(dir, err);
    if (status == AP_OK)
        status = ap__safetensors_write(out, t.entry, t.n, metadata, err);
    if (status == AP_OK)
        status = ap__config_save(c, dir, AP_F32, err);
    for (size_t i = 0; t.copy && i < t.n; i++)
        ap__free(t.copy[i]);
    json_decref(metadata);
    ap__free(out);
    ap__free(t.copy);
    ap__free(t.name);
    ap__free(t.entry);
    return status;
}

/* ------------------------------------------------------------------ the tokenizer */

/* Sentencepiece's spelling: spaces are U+2581 again. */
static ap_status spell(struct ap_listed_token *t, struct ap_arena *arena, const char *path, struct ap_err *err)
{
    size_t spaces = 0, at = 0;
    for (size_t i = 0; i < t->len; i++)
        spaces += t->text[i] == ' ';
    char *text = ap__arena_alloc(arena, t->len + 2 * spaces + 1);
    if (text == NULL)
        return ap__fail(err, AP_E_MEMORY, path, "out of memory for the tokens");
    for (size_t i = 0; i < t->len; i++) {
        if (t->text[i] == ' ') {
            memcpy(text + at, "\xE2\x96\x81", 3);
            at += 3;
        } else {
            text[at++] = t->text[i];
        }
    }
    t->text = text;
    t->len = at;
    return AP_OK;
}

static bool is_byte(const struct ap_listed_token *t)
{
    return t->len == 6 && memcmp(t->text, "<0x", 3) == 0 && t->text[5] == '>';
}

static ap_status read_tokens(const struct ap_map *map, const char *path, struct ap_arena *arena,
                             struct ap_token_list *list, struct ap_err *err)
{
    static const char *const specials[] = {"<unk>", "<s>", "</s>"};
    size_t at = sizeof(int32_t); /* of the longest token */
    for (int32_t i = 0; i < list->count; i++) {
        struct ap_listed_token *t = &list->token[i];
        float score;
        int32_t len;
        if (map->size < at || map->size - at < sizeof score + sizeof len)
            return ap__fail(err, AP_E_FORMAT, path, "the file ends before token %d", i);
        memcpy(&score, map->data + at, sizeof score);
        memcpy(&len, map->data + at + sizeof score, sizeof len);
        at += sizeof score + sizeof len;
        if (len < 0 || len > MAX_TOKEN_BYTES || (size_t)len > map->size - at)
            return ap__fail(err, AP_E_FORMAT, path, "token %d has %d bytes", i, len);
        *t = (struct ap_listed_token){(const char *)map->data + at, (size_t)len, score == score ? (double)score : 0.0,
                                      AP_KIND_NORMAL};
        at += (size_t)len;
        if (i < 3)
            *t = (struct ap_listed_token){specials[i], strlen(specials[i]), 0.0, i ? AP_KIND_CONTROL : AP_KIND_UNKNOWN};
        else if (is_byte(t))
            t->kind = AP_KIND_BYTE;
        else
            AP_TRY(spell(t, arena, path, err));
    }
    return at == map->size ? AP_OK : ap__fail(err, AP_E_FORMAT, path, "more than %d tokens", list->count);
}

static ap_status write_tokenizer(struct ap_token_list *list, const char *dir, struct ap_err *err)
{
    json_t *tokenizer = NULL, *config = NULL;
    list->unk = 0;
    list->bos = 1;
    list->eos = 2;
    list->add_bos = list->space_prefix = true;
    ap_status status = ap__token_list_sentencepiece(list, &tokenizer, err);
    if (status == AP_OK)
        status = ap__token_list_config(list, &config, err);
    if (status == AP_OK)
        status = ap__folder_write_tokenizer(tokenizer, config, dir, err);
    json_decref(config);
    json_decref(tokenizer);
    return status;
}

static ap_status convert_tokenizer(const char *path, int32_t V, const char *dir, struct ap_err *err)
{
    struct ap_map map;
    struct ap_token_list list = {0};
    struct ap_arena arena;
    AP_TRY(ap__map_open(path, &map, err));
    ap__arena_init(&arena, 0);
    ap_status status = ap__token_list_init(&list, path, V, err);
    if (status == AP_OK && V < 3)
        status = ap__fail(err, AP_E_FORMAT, path, "a vocabulary of %d tokens has no unknown, first and last one", V);
    if (status == AP_OK)
        status = read_tokens(&map, path, &arena, &list, err);
    if (status == AP_OK)
        status = write_tokenizer(&list, dir, err);
    ap__token_list_deinit(&list);
    ap__arena_deinit(&arena);
    ap__map_close(&map);
    return status;
}

ap_status ap__llama2c_convert(const char *model, const char *tokenizer, const char *dir, struct ap_err *err)
{
    struct ap_map map;
    struct ap_config c;
    AP_TRY(ap__map_open(model, &map, err));
    ap_status status = read_header(&map, model, &c, err);
    if (status == AP_OK)
        status = write_model(&c, &map, model, dir, err);
    ap__map_close(&map);
    AP_TRY(status);
    return convert_tokenizer(tokenizer, c.V, dir, err);
}
