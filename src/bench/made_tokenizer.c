/* made_tokenizer.c - a byte-level BPE tokenizer of any size for models with random weights.
 *
 *     id 0          <|endoftext|>
 *     ids 1..256    the bytes
 *     ids 257..V-1  merges of an earlier token of letters with a short one, drawn from a seed
 *
 * Its files are as large as a real tokenizer's and take as long to read; what its tokens say means nothing. */
#include "bench/workload.h"

#include "base/file.h"
#include "base/json.h"
#include "base/rng.h"
#include "model/bytelevel.h"

#include <string.h>

enum { SEED = 1, FIRST_MERGE = 257, MAX_PIECE = 31, SHORT = 700, MAX_TRIES = 1000 };

struct making {
    json_t *vocab, *merges;
    char (*piece)[MAX_PIECE + 1]; /* (V,) those of letters, else "" */
    int32_t *letters, letter_count;  /* ids of pieces of letters */
};

static ap_status no_memory(struct ap_err *err)
{
    return ap__fail(err, AP_E_MEMORY, NULL, "no memory for a tokenizer");
}

static ap_status add_bytes(struct making *m, int32_t V, struct ap_err *err)
{
    json_object_set_new(m->vocab, "<|endoftext|>", json_integer(0));
    for (int32_t b = 0; b < 256 && b + 1 < V; b++) {
        struct ap_buf name;
        char byte = (char)b;
        ap__buf_init(&name, 16);
        ap_status status = ap__bytelevel_encode(&byte, 1, &name);
        if (status == AP_OK && json_object_set_new(m->vocab, ap__buf_cstr(&name), json_integer(b + 1)) != 0)
            status = AP_E_MEMORY;
        ap__buf_deinit(&name);
        if (status != AP_OK)
            return no_memory(err);
        if (b >= 'a' && b <= 'z') {
            m->piece[b + 1][0] = byte;
            m->letters[m->letter_count++] = b + 1;
        }
    }
    return AP_OK;
}

/* Join two pieces drawn from rng to the token `id`; false when they make nothing new. */
static bool try_merge(struct making *m, int32_t id, struct ap_rng *rng)
{
    char both[2 * MAX_PIECE + 1], rule[2 * MAX_PIECE + 2];
    const char *a = m->piece[m->letters[ap__rng_below(rng, (uint32_t)m->letter_count)]];
    const char *b = m->piece[m->letters[ap__rng_below(rng, (uint32_t)(m->letter_count < SHORT ? m->letter_count : SHORT))]];
    snprintf(both, sizeof both, "%s%s", a, b);
    snprintf(rule, sizeof rule, "%s %s", a, b);
    if (strlen(both) > MAX_PIECE || json_object_get(m->vocab, both) != NULL)
        return false;
    memcpy(m->piece[id], both, strlen(both) + 1);
    m->letters[m->letter_count++] = id;
    return json_object_set_new(m->vocab, both, json_integer(id)) == 0 &&
           json_array_append_new(m->merges, json_string(rule)) == 0;
}

static ap_status add_merges(struct making *m, int32_t V, struct ap_err *err)
{
    struct ap_rng rng = ap__rng_make(SEED, "merges", 0, 0, 0);
    for (int32_t id = FIRST_MERGE; id < V; id++) {
        int tries = 0;
        while (!try_merge(m, id, &rng))
            if (++tries == MAX_TRIES)
                return ap__fail(err, AP_E_TOO_LARGE, NULL, "cannot make up %d tokens", V);
    }
    return AP_OK;
}

static ap_status save(const char *dir, const char *name, json_t *json, struct ap_err *err)
{
    char *path = ap__path_join(dir, name), *text = ap__json_dump(json);
    ap_status status = path != NULL && text != NULL ? ap__file_write(path, text, strlen(text), err) : no_memory(err);
    ap__free(text);
    ap__free(path);
    json_decref(json);
    return status;
}

static ap_status write_files(const struct making *m, const char *dir, struct ap_err *err)
{
    json_t *special = json_pack("{s:i, s:s, s:b, s:b, s:b, s:b, s:b}", "id", 0, "content", "<|endoftext|>",
                                "single_word", 0, "lstrip", 0, "rstrip", 0, "normalized", 0, "special", 1);
    json_t *cut = json_pack("{s:s, s:b, s:b, s:b}", "type", "ByteLevel", "add_prefix_space", 0, "trim_offsets", 1,
                            "use_regex", 1);
    json_t *bpe = json_pack("{s:s, s:n, s:n, s:n, s:n, s:b, s:b, s:O, s:O}", "type", "BPE", "dropout", "unk_token",
                            "continuing_subword_prefix", "end_of_word_suffix", "fuse_unk", 0, "byte_fallback", 0,
                            "vocab", m->vocab, "merges", m->merges);
    json_t *all = json_pack("{s:s, s:n, s:n, s:[o], s:n, s:O, s:n, s:o, s:o}", "version", "1.0", "truncation",
                            "padding", "added_tokens", special, "normalizer", "pre_tokenizer", cut, "post_processor",
                            "decoder", cut, "model", bpe);
    json_t *config = json_pack("{s:s, s:s, s:s, s:b}", "tokenizer_class", "PreTrainedTokenizerFast", "eos_token",
                               "<|endoftext|>", "pad_token", "<|endoftext|>", "clean_up_tokenization_spaces", 0);
    if (all == NULL || config == NULL) {
        json_decref(all);
        json_decref(config);
        return no_memory(err);
    }
    ap_status status = save(dir, "tokenizer.json", all, err), second;
    second = save(dir, "tokenizer_config.json", config, status == AP_OK ? err : NULL);
    return status != AP_OK ? status : second;
}

ap_status ap__work_write_tokenizer(int32_t V, const char *dir, struct ap_err *err)
{
    struct making m = {.vocab = json_object(), .merges = json_array()};
    m.piece = ap__alloc_array((size_t)V + FIRST_MERGE, sizeof *m.piece);
    m.letters = ap__alloc_array((size_t)V + FIRST_MERGE, sizeof *m.letters);
    ap_status status = m.vocab != NULL && m.merges != NULL && m.piece != NULL && m.letters != NULL ? AP_OK
                                                                                                  : no_memory(err);
    if (status == AP_OK)
        status = add_bytes(&m, V, err);
    if (status == AP_OK)
        status = add_merges(&m, V, err);
    if (status == AP_OK)
        status = write_files(&m, dir, err);
    ap__free(m.letters);
    ap__free(m.piece);
    json_decref(m.merges);
    json_decref(m.vocab);
    return status;
}
