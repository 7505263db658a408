/* fold.c - see fold.h. */
#include "model/fold.h"

#include "model/weights.h"

#include <string.h>

static const struct ap_matrix *matrix_of(const struct ap_model *m, int32_t i)
{
    return &ap__layer_weight(m, i / AP_LINEAR_COUNT, ap__linear_slot(i % AP_LINEAR_COUNT))->W;
}

/* Numbers of the matrices that have an adapter in use; 0 when they cannot be folded. */
static int64_t folded_numbers(const struct ap_model *m)
{
    int64_t n = 0;
    for (int32_t i = 0; i < m->config.L * AP_LINEAR_COUNT; i++) {
        const struct ap_matrix *W = matrix_of(m, i);
        if (ap__lora_pair(m, i / AP_LINEAR_COUNT, i % AP_LINEAR_COUNT) == NULL)
            continue;
        if (W->dtype != AP_F32)
            return 0;
        n += (int64_t)W->rows * W->cols;
    }
    return n <= AP_FOLDED_NUMBERS ? n : 0;
}

ap_status ap__fold_adapter(struct ap_model *m, struct ap_arena *arena, struct ap_err *err)
{
    int64_t n = folded_numbers(m);
    float *to = ap__arena_alloc(arena, (size_t)n * sizeof *to);
    if (to == NULL)
        return ap__fail(err, AP_E_MEMORY, NULL, "no memory for %lld folded weights", (long long)n);
    for (int32_t i = 0; n > 0 && i < m->config.L * AP_LINEAR_COUNT; i++) {
        const struct ap_matrix *W = matrix_of(m, i);
        struct ap_lora_pair *p = ap__lora_pair(m, i / AP_LINEAR_COUNT, i % AP_LINEAR_COUNT);
        if (p == NULL)
            continue;
        size_t size = (size_t)W->rows * (size_t)W->cols;
        memcpy(to, W->data, size * sizeof *to);
        m->be->linear_dx(to, p->b, &p->A, W->rows, true, p->scale); /* += scale B A */
        p->folded = (struct ap_matrix){AP_F32, W->rows, W->cols, to};
        to += size;
    }
    return AP_OK;
}

void ap__unfold_adapter(struct ap_model *m)
{
    for (int32_t i = 0; m->pair != NULL && i < m->config.L * AP_LINEAR_COUNT; i++)
        m->pair[i].folded = (struct ap_matrix){0};
}
