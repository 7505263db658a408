/* worker.c - see worker.h. */
#include "model/worker.h"

#include "model/activations.h"

#include <string.h>

int64_t ap__worker_numbers(const struct ap_model *m) { return m->mode == AP_FULL ? m->value_count : m->lora_count; }

static void *copied(struct ap_arena *arena, const void *from, size_t count, size_t size)
{
    void *to = ap__arena_alloc(arena, count * size);
    return to != NULL ? memcpy(to, from, count * size) : NULL;
}

/* A copy of the tables, whose gradients are the same places of blocks of zeros. */
static struct ap_model *model_again(const struct ap_model *m, struct ap_arena *arena)
{
    struct ap_model *own = copied(arena, m, 1, sizeof *m);
    float *grads = ap__arena_zalloc(arena, (size_t)ap__worker_numbers(m) * sizeof *grads);
    if (own == NULL || grads == NULL)
        return NULL;
    if (m->mode == AP_FULL) {
        own->grads = grads;
        own->weight = copied(arena, m->weight, (size_t)m->weight_count, sizeof *m->weight);
        for (int32_t i = 0; own->weight != NULL && i < m->weight_count; i++)
            own->weight[i].g = grads + (m->weight[i].g - m->grads);
        return own->weight != NULL ? own : NULL;
    }
    int32_t pairs = m->config.L * AP_LINEAR_COUNT;
    own->lora_grads = grads;
    own->pair = copied(arena, m->pair, (size_t)pairs, sizeof *m->pair);
    for (int32_t i = 0; own->pair != NULL && i < pairs; i++) {
        if (own->pair[i].a == NULL)
            continue;
        own->pair[i].da = grads + (m->pair[i].da - m->lora_grads);
        own->pair[i].db = grads + (m->pair[i].db - m->lora_grads);
    }
    return own->pair != NULL ? own : NULL;
}

static int64_t key_width(const struct ap_model *m) { return (int64_t)m->config.Hkv * m->config.Dh; }

/* Numbers of one layer's keys, and how many of them are the trunk's. */
static int64_t layer_numbers(const struct ap_model *m, const struct ap_trunk *t) { return key_width(m) * (t->P + t->most); }
static int64_t trunk_numbers(const struct ap_model *m, const struct ap_trunk *t) { return key_width(m) * t->P; }

struct ap_worker_keys ap__worker_keys_of(const struct ap_trunk *trunk)
{
    return (struct ap_worker_keys){trunk->k, trunk->v};
}

ap_status ap__worker_keys_make(const struct ap_model *m, const struct ap_trunk *trunk, struct ap_arena *arena,
                               struct ap_worker_keys *out, struct ap_err *err)
{
    int64_t layer = layer_numbers(m, trunk), size = m->config.L * layer;
    out->k = ap__arena_alloc(arena, (size_t)size * sizeof *out->k);
    out->v = ap__arena_alloc(arena, (size_t)size * sizeof *out->v);
    if (out->k == NULL || out->v == NULL)
        return ap__fail(err, AP_E_MEMORY, NULL, "no memory for keys and values of %d tokens", trunk->P + trunk->most);
    for (int64_t at = 0; at < size; at += layer) {
        memcpy(out->k + at, trunk->k + at, (size_t)trunk_numbers(m, trunk) * sizeof *out->k);
        memcpy(out->v + at, trunk->v + at, (size_t)trunk_numbers(m, trunk) * sizeof *out->v);
    }
    return AP_OK;
}

ap_status ap__worker_make(const struct ap_model *m, const struct ap_trunk *trunk, struct ap_arena *arena, struct ap_worker *out,
                          struct ap_err *err)
{
    size_t bytes = (size_t)(m->config.L * layer_numbers(m, trunk)) * sizeof(float);
    out->m = model_again(m, arena);
    out->trunk = copied(arena, trunk, 1, sizeof *trunk);
    float *dk = ap__arena_zalloc(arena, bytes), *dv = ap__arena_zalloc(arena, bytes);
    if (out->m == NULL || out->trunk == NULL || dk == NULL || dv == NULL)
        return ap__fail(err, AP_E_MEMORY, NULL, "no memory for gradients of %lld numbers", (long long)ap__worker_numbers(m));
    out->trunk->dk = dk;
    out->trunk->dv = dv;
    return AP_OK;
}

void ap__worker_use(struct ap_worker *worker, const struct ap_worker_keys *keys)
{
    worker->trunk->k = keys->k;
    worker->trunk->v = keys->v;
}

/* to += from, which becomes 0. */
static void move(const struct ap_model *m, float *to, float *from, int64_t n)
{
    m->be->axpy(to, from, 1.0f, n);
    memset(from, 0, (size_t)n * sizeof *from);
}

void ap__worker_collect(struct ap_worker *worker, struct ap_model *m, struct ap_trunk *trunk)
{
    if (m->mode == AP_FULL)
        move(m, m->grads, worker->m->grads, m->value_count);
    else
        move(m, m->lora_grads, worker->m->lora_grads, m->lora_count);
    for (int32_t l = 0; l < m->config.L; l++) {
        int64_t at = l * layer_numbers(m, trunk);
        move(m, trunk->dk + at, worker->trunk->dk + at, trunk_numbers(m, trunk));
        move(m, trunk->dv + at, worker->trunk->dv + at, trunk_numbers(m, trunk));
    }
}
