/* save_gguf.c - slots and adapter pairs handed to gguf_write.c, one after the other.
 *
 * A GGUF adapter has one alpha and scales each pair by alpha / R.  Pairs that
 * are scaled otherwise (patterns of ranks or alphas, rank-stabilised) have the
 * difference put into their B. */
#include "model/save_gguf.h"

#include "model/gguf_write.h"
#include "model/lora.h"
#include "model/save.h"

#include <math.h>

/* ------------------------------------------------------------------ the model */

struct slots {
    const struct ap_model *m;
    double *scratch; /* (widest row,) */
};

static ap_status slot_values(void *context, size_t i, float *out, struct ap_err *err)
{
    const struct slots *s = context;
    int32_t rows, cols;
    (void)err;
    ap__slot_shape(s->m, (int32_t)i, &rows, &cols);
    ap__merged_rows(s->m, (int32_t)i, 0, rows, out, s->scratch);
    return AP_OK;
}

ap_status ap__model_save_gguf(const struct ap_model *m, const char *path, const char *name, const char *tokenizer,
                              enum ap_dtype dtype, bool *same_text, struct ap_err *err)
{
    size_t n = (size_t)m->weight_count;
    int32_t widest = 1;
    struct ap_gguf_tensor *tensor = ap__alloc_array(n, sizeof *tensor);
    for (size_t i = 0; tensor && i < n; i++) {
        int32_t rows, cols;
        tensor[i] = (struct ap_gguf_tensor){m->weight[i].name, m->weight[i].W.rows, m->weight[i].W.cols};
        ap__slot_shape(m, (int32_t)i, &rows, &cols);
        widest = cols > widest ? cols : widest;
    }
    struct slots slots = {m, ap__alloc_array((size_t)widest, sizeof(double))};
    const struct ap_gguf_model model = {.name = name, .config = &m->config, .tokenizer = tokenizer, .tensor = tensor,
                                        .tensors = n, .values = slot_values, .context = &slots};
    ap_status status = tensor && slots.scratch ? ap__gguf_write_model(path, &model, dtype, same_text, err)
                                               : ap__fail(err, AP_E_MEMORY, path, "out of memory for %zu tensors", n);
    ap__free(slots.scratch);
    ap__free(tensor);
    return status;
}

/* ------------------------------------------------------------------ the adapter */

/* B times factor, (O, R). */
static ap_status scaled_copy(const struct ap_lora_pair *p, double factor, float **out, const char *path,
                             struct ap_err *err)
{
    size_t n = (size_t)p->B.rows * (size_t)p->B.cols;
    *out = ap__alloc_array(n, sizeof **out);
    if (*out == NULL)
        return ap__fail(err, AP_E_MEMORY, path, "out of memory for `%s`", p->name_b);
    for (size_t k = 0; k < n; k++)
        (*out)[k] = (float)(factor * (double)p->b[k]);
    return AP_OK;
}

/* What GGUF would call the pair's alpha: scale * R. */
static double alpha_of(const struct ap_model *m, const struct ap_lora_pair *p)
{
    return m->lora_stabilised ? (double)p->alpha * sqrt((double)p->A.rows) : (double)p->alpha;
}

/* All pairs that there are. */
struct pairs {
    struct ap_gguf_lora *lora; /* (L * 7,) */
    char (*module)[64];
    float **copy; /* B where it had to be scaled */
    size_t n;
    double alpha;
};

static ap_status list_pairs(const struct ap_model *m, struct pairs *all, const char *path, struct ap_err *err)
{
    for (int32_t i = 0; i < m->config.L * AP_LINEAR_COUNT; i++) {
        const struct ap_lora_pair *p = &m->pair[i];
        if (p->a == NULL)
            continue;
        size_t n = all->n++;
        ap__lora_module(m, i / AP_LINEAR_COUNT, i % AP_LINEAR_COUNT, all->module[n]);
        all->lora[n] = (struct ap_gguf_lora){all->module[n], p->A.rows, p->A.cols, p->B.rows, p->a, p->b};
        all->alpha = n == 0 ? alpha_of(m, p) : all->alpha;
        if (alpha_of(m, p) == all->alpha)
            continue;
        AP_TRY(scaled_copy(p, alpha_of(m, p) / all->alpha, &all->copy[n], path, err));
        all->lora[n].b = all->copy[n];
    }
    return AP_OK;
}

ap_status ap__lora_save_gguf(const struct ap_model *m, const char *path, const char *name, struct ap_err *err)
{
    size_t most = (size_t)m->config.L * AP_LINEAR_COUNT;
    struct pairs all = {ap__alloc_array(most, sizeof *all.lora), ap__alloc_array(most, sizeof *all.module),
                        ap__alloc_array(most, sizeof *all.copy), 0, 0.0};
    ap_status status = AP_OK;
    if (m->pair == NULL)
        status = ap__fail(err, AP_E_STATE, path, "the model has no adapter to write");
    else if (!all.lora || !all.module || !all.copy)
        status = ap__fail(err, AP_E_MEMORY, path, "out of memory for %zu pairs", most);
    if (status == AP_OK)
        status = list_pairs(m, &all, path, err);
    if (status == AP_OK)
        status = ap__gguf_write_lora(path, name, &m->config, (float)all.alpha, all.lora, all.n, err);
    for (size_t i = 0; i < all.n; i++)
        ap__free(all.copy[i]);
    ap__free(all.copy);
    ap__free(all.module);
    ap__free(all.lora);
    return status;
}
