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

ap_status ap__worker_make(const struct ap_model *m, const struct ap_trunk *trunk, struct ap_arena *arena, struct ap_worker *out,
                        struct ap_err *err)
{
    int64_t rows = key_width(m) * trunk->P, layer = key_width(m) * (trunk->P + trunk->most);
    out->m = model_again(m, arena);
    if (out->m == NULL)
        return ap__fail(err, AP_E_MEMORY, NULL, "no memory for gradients of %lld numbers", (long long)ap__worker_numbers(m));
    AP_TRY(ap__trunk_make(&m->config, trunk->P, trunk->most, arena, &out->trunk, err));
    for (int32_t l = 0; l < m->config.L; l++) {
        memcpy(out->trunk->k + l * layer, trunk->k + l * layer, (size_t)rows * sizeof(float));
        memcpy(out->trunk->v + l * layer, trunk->v + l * layer, (size_t)rows * sizeof(float));
    }
    return AP_OK;
}

void ap__worker_collect(const struct ap_worker *worker, struct ap_model *m, struct ap_trunk *trunk)
{
    int64_t rows = key_width(m) * trunk->P, layer = key_width(m) * (trunk->P + trunk->most);
    bool full = m->mode == AP_FULL;
    m->be->axpy(full ? m->grads : m->lora_grads, full ? worker->m->grads : worker->m->lora_grads, 1.0f, ap__worker_numbers(m));
    for (int32_t l = 0; l < m->config.L; l++) {
        m->be->axpy(trunk->dk + l * layer, worker->trunk->dk + l * layer, 1.0f, rows);
        m->be->axpy(trunk->dv + l * layer, worker->trunk->dv + l * layer, 1.0f, rows);
    }
}
