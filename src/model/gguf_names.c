/* gguf_names.c - a table of names, and the order of rows. */
#include "model/gguf_names.h"

#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *hf, *gguf;
} of_layer[] = {{"input_layernorm", "attn_norm"},         {"self_attn.q_proj", "attn_q"},
                {"self_attn.k_proj", "attn_k"},           {"self_attn.v_proj", "attn_v"},
                {"self_attn.o_proj", "attn_output"},      {"self_attn.q_norm", "attn_q_norm"},
                {"self_attn.k_norm", "attn_k_norm"},      {"post_attention_layernorm", "ffn_norm"},
                {"mlp.gate_proj", "ffn_gate"},            {"mlp.up_proj", "ffn_up"},
                {"mlp.down_proj", "ffn_down"}},
  of_model[] = {{"model.embed_tokens", "token_embd"}, {"model.norm", "output_norm"}, {"lm_head", "output"}};
enum { OF_LAYER = sizeof of_layer / sizeof *of_layer, OF_MODEL = sizeof of_model / sizeof *of_model };

static const char *const kinds[] = {".weight", ".bias"};

/* "PREFIX12.rest": the layer's number and the rest, or NULL. */
static const char *layer_of(const char *name, const char *prefix, long *layer)
{
    char *end;
    size_t n = strlen(prefix);
    if (strncmp(name, prefix, n) != 0 || name[n] < '0' || name[n] > '9')
        return NULL;
    *layer = strtol(name + n, &end, 10);
    return *end == '.' && end - (name + n) < 7 ? end + 1 : NULL;
}

/* name = stem + kind?  *kind is then the kind's place in `kinds`. */
static bool is_named(const char *name, const char *stem, int *kind)
{
    size_t n = strlen(stem);
    for (*kind = 0; *kind < 2; ++*kind)
        if (strncmp(name, stem, n) == 0 && strcmp(name + n, kinds[*kind]) == 0)
            return true;
    return false;
}

static bool translate(const char *name, bool to_gguf, char out[AP_TENSOR_NAME_MAX])
{
    int kind;
    long layer;
    const char *part = layer_of(name, to_gguf ? "model.layers." : "blk.", &layer);
    for (int i = 0; part && i < OF_LAYER; i++) {
        if (!is_named(part, to_gguf ? of_layer[i].hf : of_layer[i].gguf, &kind))
            continue;
        snprintf(out, AP_TENSOR_NAME_MAX, "%s%ld.%s%s", to_gguf ? "blk." : "model.layers.", layer,
                 to_gguf ? of_layer[i].gguf : of_layer[i].hf, kinds[kind]);
        return true;
    }
    for (int i = 0; !part && i < OF_MODEL; i++) {
        if (!is_named(name, to_gguf ? of_model[i].hf : of_model[i].gguf, &kind))
            continue;
        snprintf(out, AP_TENSOR_NAME_MAX, "%s%s", to_gguf ? of_model[i].gguf : of_model[i].hf, kinds[kind]);
        return true;
    }
    return false;
}

bool ap__gguf_name_of(const char *hf, char out[AP_TENSOR_NAME_MAX])
{
    return translate(hf, true, out);
}

bool ap__gguf_hf_name(const char *gguf, char out[AP_TENSOR_NAME_MAX])
{
    return translate(gguf, false, out);
}

const char *ap__gguf_architecture(enum ap_family family)
{
    return family == AP_MISTRAL ? "llama" : ap__family_name(family);
}

int32_t ap__gguf_reordered(const struct ap_config *c, const char *hf)
{
    bool pairs = strstr(hf, ".self_attn.q_proj") || strstr(hf, ".self_attn.k_proj");
    return pairs && (c->family == AP_LLAMA || c->family == AP_MISTRAL) ? c->Dh : 0;
}

/* ------------------------------------------------------------------ rows */

/* Where row r of Hugging Face's order stands in GGUF's. */
static size_t place_of(size_t r, size_t Dh)
{
    size_t i = r % Dh, half = Dh / 2;
    return r - i + (i < half ? 2 * i : 2 * (i - half) + 1);
}

void ap__gguf_reorder(void *dst, const void *src, size_t rows, size_t bytes, int32_t Dh)
{
    for (size_t r = 0; r < rows; r++)
        memcpy((uint8_t *)dst + place_of(r, (size_t)Dh) * bytes, (const uint8_t *)src + r * bytes, bytes);
}

void ap__gguf_reorder_back(void *dst, const void *src, size_t rows, size_t bytes, int32_t Dh)
{
    for (size_t r = 0; r < rows; r++)
        memcpy((uint8_t *)dst + r * bytes, (const uint8_t *)src + place_of(r, (size_t)Dh) * bytes, bytes);
}
