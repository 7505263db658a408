/* grow.c - block expansion, tensor by tensor.
 *
 *     every tensor of the model --not of a block--> as it is
 *                               --of block b-----> once for each new block that stands for b */
#include "model/grow.h"

#include "base/file.h"
#include "base/text.h"
#include "model/config.h"
#include "model/folder.h"
#include "model/safetensors.h"

#include <stdio.h>
#include <string.h>

static const char BLOCK[] = "model.layers.";

struct growth {
    struct ap_safetensors *source;
    struct ap_arena arena; /* names and zeros */
    struct ap_tensor_entry *entry;
    size_t n, cap;
    int32_t from, to; /* blocks before and after */
};

/* Block number of a tensor and what follows it, or -1. */
static int block_of(const char *name, const char **rest)
{
    int block = -1, used = 0;
    if (!ap__starts_with(name, BLOCK) || sscanf(name + sizeof BLOCK - 1, "%d%n", &block, &used) != 1)
        return -1;
    *rest = name + sizeof BLOCK - 1 + used;
    return block;
}

static ap_status add(struct growth *g, const char *name, const struct ap_tensor_view *t, bool zero, struct ap_err *err)
{
    AP_TRY(ap__grow((void **)&g->entry, &g->cap, g->n + 1, sizeof *g->entry, err));
    struct ap_tensor_entry *e = &g->entry[g->n++];
    *e = (struct ap_tensor_entry){.name = ap__arena_strdup(&g->arena, name), .dtype = t->dtype, .ndim = t->ndim,
                                  .data = zero ? ap__arena_zalloc(&g->arena, t->bytes) : t->data};
    memcpy(e->shape, t->shape, sizeof e->shape);
    return e->name != NULL && e->data != NULL ? AP_OK : ap__fail(err, AP_E_MEMORY, name, "no memory for a tensor");
}

/* New block i stands for the old block i * from / to; all but the first of them add nothing. */
static ap_status add_copies(struct growth *g, int block, const char *rest, const struct ap_tensor_view *t,
                            struct ap_err *err)
{
    bool output = ap__starts_with(rest, ".self_attn.o_proj.") || ap__starts_with(rest, ".mlp.down_proj.");
    bool first = true;
    for (int64_t i = 0; i < g->to; i++) {
        char name[256];
        if (i * g->from / g->to != block)
            continue;
        snprintf(name, sizeof name, "%s%d%s", BLOCK, (int)i, rest);
        AP_TRY(add(g, name, t, output && !first, err));
        first = false;
    }
    return AP_OK;
}

static ap_status add_all(struct growth *g, struct ap_err *err)
{
    for (size_t i = 0; i < ap__safetensors_count(g->source); i++) {
        const char *name = ap__safetensors_name(g->source, i), *rest = NULL;
        struct ap_tensor_view t;
        AP_TRY(ap__safetensors_get(g->source, name, &t, err));
        int block = block_of(name, &rest);
        AP_TRY(block < 0 ? add(g, name, &t, false, err) : add_copies(g, block, rest, &t, err));
    }
    return AP_OK;
}

static ap_status write_folder(struct growth *g, struct ap_config *config, const char *dir, const char *out,
                              struct ap_err *err)
{
    char *path = ap__path_join(out, "model.safetensors");
    json_t *metadata = json_pack("{s:s}", "format", "pt");
    ap_status status = path != NULL && metadata != NULL ? ap__mkdirs(out, err)
                                                        : ap__fail(err, AP_E_MEMORY, out, "no memory for a model");
    if (status == AP_OK)
        status = ap__safetensors_write(path, g->entry, g->n, metadata, err);
    /* The first new block that stands for a block with a window. */
    int64_t from = ((int64_t)config->window_from * g->to + g->from - 1) / g->from;
    config->window_from = from < g->to ? (int32_t)from : config->window_from > 0 ? g->to : 0;
    config->L = g->to;
    if (status == AP_OK)
        status = ap__config_save(config, out, g->entry[0].dtype, err);
    if (status == AP_OK)
        status = ap__folder_copy_tokenizer(dir, out, err);
    json_decref(metadata);
    ap__free(path);
    return status;
}

ap_status ap__model_grow(const char *dir, int32_t layers, const char *out, struct ap_err *err)
{
    struct ap_config config;
    struct growth g = {.to = layers};
    AP_TRY(ap__config_load(dir, &config, err));
    g.from = config.L;
    if (layers <= config.L)
        return ap__fail(err, AP_E_ARG, dir, "the model has %d layers; it can only grow, not to %d", config.L, layers);
    ap__arena_init(&g.arena, 0);
    ap_status status = ap__safetensors_open_dir(dir, &g.source, err);
    if (status == AP_OK)
        status = add_all(&g, err);
    if (status == AP_OK)
        status = write_folder(&g, &config, dir, out, err);
    ap__safetensors_free(g.source);
    ap__free(g.entry);
    ap__arena_deinit(&g.arena);
    return status;
}
