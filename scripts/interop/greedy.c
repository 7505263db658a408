/* greedy.c - what interop.py compares others with: models and adapters to export, and this program's own greedy ids.
 *
 *     greedy new FAMILY TOKENIZER DIR          a random model of a family with the tokenizer of another folder
 *     greedy adapter MODEL DIR                 a random adapter of rank 4 on all linears
 *     greedy ids MODEL ADAPTER|- COUNT < IDS   JSON: the first step's logits, COUNT greedy ids
 *
 * Built by `make interop` against the library's insides; no part of the program. */
#include "base/json.h"
#include "base/rng.h"
#include "model/folder.h"
#include "model/sampler.h"
#include "model/session.h"
#include "model/tokenizer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TRY(expr)                                                                \
    do {                                                                         \
        struct ap_err e_ = {0}, *err = &e_;                                      \
        if ((expr) != AP_OK) {                                                   \
            fprintf(stderr, "greedy: %s: %s\n", e_.place, e_.message);           \
            exit(1);                                                             \
        }                                                                        \
    } while (0)

/* Sizes that GGUF's Q8_0 takes whole, and all that sets a family apart. */
static struct ap_config config_of(const char *family, int32_t V)
{
    struct ap_config c = {.D = 64, .L = 3, .H = 4, .Hkv = 2, .Dh = 16, .F = 96, .V = V, .max_position = 512,
                          .theta = 10000.0f, .eps = 1e-5f, .tied = true, .bos = -1, .eos = -1};
    for (int f = 0; f < AP_FAMILY_COUNT; f++)
        if (strcmp(family, ap__family_name((enum ap_family)f)) == 0)
            c.family = (enum ap_family)f;
    if (c.family == AP_QWEN3)
        c.Dh = 32;
    if (c.family == AP_QWEN2)
        c.rope = (struct ap_rope){.type = AP_ROPE_YARN, .factor = 4.0, .original_position = 128, .beta_fast = 32.0,
                                  .beta_slow = 1.0, .attention = 1.138629436};
    if (strcmp(family, "llama3") == 0)
        c.rope = (struct ap_rope){.type = AP_ROPE_LLAMA3, .factor = 8.0, .original_position = 64, .low_freq = 1.0,
                                  .high_freq = 4.0};
    if (strcmp(family, "linear") == 0)
        c.rope = (struct ap_rope){.type = AP_ROPE_LINEAR, .factor = 2.0};
    c.tied = c.family != AP_MISTRAL;
    return c;
}

/* Everything that is trainable moves, so that every part of the model matters. */
static void stir(struct ap_model *m, double size, uint64_t seed)
{
    struct ap_model_param param[256];
    int32_t n = ap__model_params(m, param, 256);
    struct ap_rng rng = ap__rng_make(seed, "stir", 0, 0, 0);
    for (int32_t i = 0; i < n; i++)
        for (int64_t k = 0; k < param[i].n; k++)
            param[i].w[k] += (float)(size * ap__rng_normal(&rng));
}

static void make_model(const char *family, const char *tokenizer, const char *dir)
{
    struct ap_tokenizer *tok = NULL;
    struct ap_model *m = NULL;
    TRY(ap__tokenizer_open(tokenizer, &tok, err));
    struct ap_config c = config_of(family, ap__tokenizer_size(tok));
    TRY(ap__model_new(&c, 3, &m, err));
    stir(m, 0.1, 1);
    TRY(ap__model_save(m, dir, AP_F32, err));
    TRY(ap__folder_copy_tokenizer(tokenizer, dir, err));
    ap__model_free(m);
    ap__tokenizer_free(tok);
}

static void make_adapter(const char *model, const char *dir)
{
    struct ap_model *m = NULL;
    TRY(ap__model_open(model, NULL, &m, err));
    TRY(ap__model_add_lora(m, &(struct ap_lora_config){.rank = 4, .alpha = 8.0f, .targets = AP_LORA_ALL}, 2, err));
    stir(m, 0.05, 4);
    TRY(ap__lora_save(m, dir, model, err));
    ap__model_free(m);
}

static void print_ids(struct ap_model *m, struct ap_ids *ids, int count)
{
    struct ap_session *s = NULL;
    struct ap_branch *b = NULL;
    int32_t V = ap__model_config(m)->V;
    float *logits = calloc((size_t)V, sizeof *logits);
    json_t *first = json_array(), *made = json_array();
    struct ap_rng rng = ap__rng_make(1, "sample", 0, 0, 0);
    TRY(ap__session_new(m, (int32_t)ids->n + count, &s, err));
    TRY(ap__session_open(s, &b, err));
    int32_t last = 0;
    for (int i = 0; i < count; i++) {
        struct ap_extend item = {b, i ? &last : ids->id, i ? 1 : (int32_t)ids->n};
        TRY(ap__session_step(s, &item, 1, logits, err));
        for (int32_t k = 0; i == 0 && k < V; k++)
            json_array_append_new(first, json_real((double)logits[k]));
        last = ap__sample(logits, V, &AP_GREEDY, &rng);
        json_array_append_new(made, json_integer(last));
    }
    json_t *all = json_pack("{s:o, s:o}", "logits", first, "ids", made);
    json_dumpf(all, stdout, JSON_COMPACT);
    json_decref(all);
    ap__session_close(s, b);
    ap__session_free(s);
    free(logits);
}

static void compute(const char *model, const char *adapter, int count)
{
    struct ap_model *m = NULL;
    struct ap_ids ids = {0};
    int id;
    TRY(ap__model_open(model, NULL, &m, err));
    if (strcmp(adapter, "-") != 0)
        TRY(ap__lora_load(m, adapter, err));
    while (scanf("%d", &id) == 1)
        TRY(ap__ids_add(&ids, id, err));
    print_ids(m, &ids, count);
    ap__ids_deinit(&ids);
    ap__model_free(m);
}

int main(int argc, char **argv)
{
    if (argc == 5 && strcmp(argv[1], "new") == 0)
        make_model(argv[2], argv[3], argv[4]);
    else if (argc == 4 && strcmp(argv[1], "adapter") == 0)
        make_adapter(argv[2], argv[3]);
    else if (argc == 5 && strcmp(argv[1], "ids") == 0)
        compute(argv[2], argv[3], atoi(argv[4]));
    else
        return 2;
    return 0;
}
