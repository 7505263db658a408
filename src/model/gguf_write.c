/* gguf_write.c - what is in a model's and in an adapter's GGUF file.
 *
 *     model     general.*  ARCH.*  tokenizer.*  |  token_embd, blk.N.*, output_norm, output, rope_freqs
 *     adapter   general.type adapter, adapter.type lora, adapter.lora.alpha  |  blk.N.*.weight.lora_a, .lora_b
 *
 * lora_b is reordered like the rows of the matrix it is added to. */
#include "model/gguf_write.h"

#include "base/file.h"
#include "model/gguf_config.h"
#include "model/gguf_names.h"
#include "model/gguf_out.h"
#include "model/gguf_write_tokenizer.h"
#include "tensor/backend.h"
#include "tensor/ggml_blocks.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* ------------------------------------------------------------------ metadata of the shape */

static const char *key_of(const struct ap_config *c, const char *name, char out[128])
{
    snprintf(out, 128, "%s.%s", ap__gguf_architecture(c->family), name);
    return out;
}

static void put_sizes(struct ap_gguf_out *o, const struct ap_config *c)
{
    const struct {
        const char *name;
        int32_t value;
    } sizes[] = {{"vocab_size", c->V},
                 {"context_length", c->max_position},
                 {"embedding_length", c->D},
                 {"block_count", c->L},
                 {"feed_forward_length", c->F},
                 {"attention.head_count", c->H},
                 {"attention.head_count_kv", c->Hkv},
                 {"attention.key_length", c->Dh},
                 {"attention.value_length", c->Dh},
                 {"rope.dimension_count", c->Dh}};
    char key[128];
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        ap__gguf_put_u32(o, key_of(c, sizes[i].name, key), (uint32_t)sizes[i].value);
    ap__gguf_put_f32(o, key_of(c, "attention.layer_norm_rms_epsilon", key), c->eps);
    ap__gguf_put_f32(o, key_of(c, "rope.freq_base", key), c->theta);
    if (c->family == AP_MISTRAL && c->window > 0)
        ap__gguf_put_u32(o, key_of(c, "attention.sliding_window", key), (uint32_t)c->window);
}

static void put_yarn(struct ap_gguf_out *o, const struct ap_config *c)
{
    char key[128];
    ap__gguf_put_u32(o, key_of(c, "rope.scaling.original_context_length", key), (uint32_t)c->rope.original_position);
    ap__gguf_put_f32(o, key_of(c, "rope.scaling.yarn_beta_fast", key), (float)c->rope.beta_fast);
    ap__gguf_put_f32(o, key_of(c, "rope.scaling.yarn_beta_slow", key), (float)c->rope.beta_slow);
    double usual = 0.1 * log(c->rope.factor) + 1.0; /* what llama.cpp multiplies with by itself */
    if (fabs(c->rope.attention - usual) > 1e-6)
        ap__gguf_put_f32(o, key_of(c, "rope.scaling.attn_factor", key), (float)(c->rope.attention / usual));
}

static void put_rope(struct ap_gguf_out *o, const struct ap_config *c)
{
    const struct ap_rope *r = &c->rope;
    char key[128];
    switch (r->type) {
    case AP_ROPE_LLAMA3:
        ap__gguf_put_f32(o, key_of(c, AP_GGUF_LLAMA3_FACTOR, key), (float)r->factor);
        ap__gguf_put_f32(o, key_of(c, AP_GGUF_LLAMA3_LOW, key), (float)r->low_freq);
        ap__gguf_put_f32(o, key_of(c, AP_GGUF_LLAMA3_HIGH, key), (float)r->high_freq);
        ap__gguf_put_u32(o, key_of(c, AP_GGUF_LLAMA3_ORIGINAL, key), (uint32_t)r->original_position);
        break;
    case AP_ROPE_LINEAR:
    case AP_ROPE_YARN:
        ap__gguf_put_str(o, key_of(c, "rope.scaling.type", key), r->type == AP_ROPE_LINEAR ? "linear" : "yarn");
        ap__gguf_put_f32(o, key_of(c, "rope.scaling.factor", key), (float)r->factor);
        if (r->type == AP_ROPE_YARN)
            put_yarn(o, c);
        break;
    case AP_ROPE_DEFAULT:
    case AP_ROPE_TYPE_COUNT: break;
    }
}

/* What GGUF has no words for must not be lost silently. */
static ap_status check_expressible(const struct ap_config *c, const char *path, struct ap_err *err)
{
    if (c->rope.type == AP_ROPE_YARN && c->rope.exact_ramp)
        return ap__fail(err, AP_E_ARG, path, "GGUF cannot say that YaRN's ramp is not rounded (`truncate` false)");
    if (c->window > 0 && c->family != AP_MISTRAL)
        return ap__fail(err, AP_E_ARG, path, "GGUF cannot say that a %s model has a sliding window",
                        ap__family_name(c->family));
    return AP_OK;
}

/* ------------------------------------------------------------------ tensors of a model */

struct model_writer {
    struct ap_gguf_out out;
    const char *path;
    const struct ap_gguf_model *model;
    enum ap_dtype dtype;
    float *values, *ordered; /* (largest tensor,) */
    void *bytes;             /* the same in any dtype */
};

static size_t numbers_of(const struct ap_gguf_tensor *t)
{
    return (size_t)t->rows * (size_t)(t->cols > 0 ? t->cols : 1);
}

/* In what a tensor is written; llama.cpp wants vectors as F32. */
static enum ap_dtype dtype_of(const struct ap_gguf_tensor *t, enum ap_dtype wanted)
{
    if (t->cols == 0)
        return AP_F32;
    size_t block = ap__ggml_block_numbers(wanted);
    return block > 0 && (size_t)t->cols % block != 0 ? AP_F16 : wanted;
}

static size_t bytes_of(size_t numbers, enum ap_dtype dtype)
{
    size_t block = ap__ggml_block_numbers(dtype);
    return block > 0 ? numbers / block * ap__ggml_block_bytes(dtype) : numbers * ap__dtype_size(dtype);
}

static ap_status name_tensors(struct model_writer *w, struct ap_err *err)
{
    for (size_t i = 0; i < w->model->tensors; i++) {
        const struct ap_gguf_tensor *t = &w->model->tensor[i];
        enum ap_dtype dtype = dtype_of(t, w->dtype);
        char name[AP_TENSOR_NAME_MAX];
        if (!ap__gguf_name_of(t->name, name))
            return ap__fail(err, AP_E_ARG, w->path, "GGUF has no name for the tensor `%s`", t->name);
        ap__gguf_out_tensor(&w->out, name, dtype, t->cols > 0 ? t->rows : 0, t->cols > 0 ? t->cols : t->rows,
                            bytes_of(numbers_of(t), dtype));
    }
    if (w->model->config->rope.type == AP_ROPE_LLAMA3)
        ap__gguf_out_tensor(&w->out, AP_GGUF_ROPE_FACTORS, AP_F32, 0, w->model->config->Dh / 2,
                            (uint64_t)w->model->config->Dh / 2 * sizeof(float));
    return AP_OK;
}

static ap_status write_tensor(struct model_writer *w, size_t i, struct ap_err *err)
{
    const struct ap_gguf_tensor *t = &w->model->tensor[i];
    enum ap_dtype dtype = dtype_of(t, w->dtype);
    size_t n = numbers_of(t);
    const float *values = w->values;
    int32_t Dh = ap__gguf_reordered(w->model->config, t->name);
    AP_TRY(w->model->values(w->model->context, i, w->values, err));
    if (Dh > 0) {
        ap__gguf_reorder(w->ordered, w->values, (size_t)t->rows, n / (size_t)t->rows * sizeof(float), Dh);
        values = w->ordered;
    }
    if (dtype == AP_Q8_0)
        ap__q8_0_from_f32(w->bytes, values, n);
    else
        ap__dtype_from_f32(w->bytes, values, dtype, n);
    return ap__gguf_out_data(&w->out, w->bytes, bytes_of(n, dtype), err);
}

static ap_status write_tensors(struct model_writer *w, struct ap_err *err)
{
    size_t largest = 0;
    for (size_t i = 0; i < w->model->tensors; i++)
        largest = numbers_of(&w->model->tensor[i]) > largest ? numbers_of(&w->model->tensor[i]) : largest;
    w->values = ap__alloc_array(largest, sizeof(float));
    w->ordered = ap__alloc_array(largest, sizeof(float));
    w->bytes = ap__alloc_array(largest, sizeof(float));
    if (!w->values || !w->ordered || !w->bytes)
        return ap__fail(err, AP_E_MEMORY, w->path, "out of memory for a tensor of %zu numbers", largest);
    for (size_t i = 0; i < w->model->tensors; i++)
        AP_TRY(write_tensor(w, i, err));
    if (w->model->config->rope.type != AP_ROPE_LLAMA3)
        return AP_OK;
    float factors[AP_MAX_HEAD_WIDTH / 2];
    ap__gguf_rope_factors(w->model->config, factors);
    return ap__gguf_out_data(&w->out, factors, (uint64_t)w->model->config->Dh / 2 * sizeof(float), err);
}

/* general.file_type: what most matrices are, by llama.cpp's numbers. */
static uint32_t file_type(enum ap_dtype dtype)
{
    switch (dtype) {
    case AP_F16: return 1;
    case AP_Q8_0: return 7;
    case AP_BF16: return 32;
    default: return 0;
    }
}

static ap_status write_model(struct model_writer *w, bool *same_text, struct ap_err *err)
{
    const struct ap_config *c = w->model->config;
    AP_TRY(check_expressible(c, w->path, err));
    ap__gguf_put_str(&w->out, "general.architecture", ap__gguf_architecture(c->family));
    ap__gguf_put_str(&w->out, "general.type", "model");
    ap__gguf_put_str(&w->out, "general.name", w->model->name);
    ap__gguf_put_u32(&w->out, "general.file_type", file_type(w->dtype));
    ap__gguf_put_u32(&w->out, "general.quantization_version", 2);
    put_sizes(&w->out, c);
    put_rope(&w->out, c);
    AP_TRY(ap__gguf_put_tokenizer(&w->out, w->model->tokenizer, c->V, c->bos, c->eos, same_text, err));
    AP_TRY(name_tensors(w, err));
    AP_TRY(ap__gguf_out_begin(&w->out, w->path, err));
    AP_TRY(write_tensors(w, err));
    return ap__gguf_out_finish(&w->out, err);
}

ap_status ap__gguf_write_model(const char *path, const struct ap_gguf_model *model, enum ap_dtype dtype,
                               bool *same_text, struct ap_err *err)
{
    struct model_writer w = {.path = path, .model = model, .dtype = dtype};
    bool same = false;
    if (dtype != AP_F32 && dtype != AP_F16 && dtype != AP_BF16 && dtype != AP_Q8_0)
        return ap__fail(err, AP_E_ARG, path, "GGUF files are written as F32, F16, BF16 or Q8_0, not %s",
                        ap__dtype_name(dtype));
    ap_status status = write_model(&w, &same, err);
    if (same_text)
        *same_text = same;
    ap__free(w.bytes);
    ap__free(w.ordered);
    ap__free(w.values);
    ap__gguf_out_deinit(&w.out);
    return status;
}

/* ------------------------------------------------------------------ adapters */

static ap_status name_lora(struct ap_gguf_out *o, const char *path, const struct ap_gguf_lora *l, struct ap_err *err)
{
    char hf[AP_TENSOR_NAME_MAX], name[AP_TENSOR_NAME_MAX], full[AP_TENSOR_NAME_MAX + 8];
    snprintf(hf, sizeof hf, "%.*s.weight", AP_TENSOR_NAME_MAX - 8, l->module);
    if (!ap__gguf_name_of(hf, name))
        return ap__fail(err, AP_E_ARG, path, "GGUF has no name for the module `%s`", l->module);
    snprintf(full, sizeof full, "%s.lora_a", name);
    ap__gguf_out_tensor(o, full, AP_F32, l->rank, l->in, (uint64_t)l->rank * (uint64_t)l->in * sizeof(float));
    snprintf(full, sizeof full, "%s.lora_b", name);
    ap__gguf_out_tensor(o, full, AP_F32, l->out, l->rank, (uint64_t)l->out * (uint64_t)l->rank * sizeof(float));
    return AP_OK;
}

static ap_status write_pair(struct ap_gguf_out *o, const char *path, const struct ap_config *c,
                            const struct ap_gguf_lora *l, struct ap_err *err)
{
    uint64_t a_bytes = (uint64_t)l->rank * (uint64_t)l->in * sizeof(float), row = (uint64_t)l->rank * sizeof(float);
    int32_t Dh = ap__gguf_reordered(c, l->module);
    AP_TRY(ap__gguf_out_data(o, l->a, a_bytes, err));
    if (Dh == 0)
        return ap__gguf_out_data(o, l->b, row * (uint64_t)l->out, err);
    float *ordered = ap__alloc_array((size_t)l->out, (size_t)row);
    if (ordered == NULL)
        return ap__fail(err, AP_E_MEMORY, path, "out of memory for `%s`", l->module);
    ap__gguf_reorder(ordered, l->b, (size_t)l->out, (size_t)row, Dh);
    ap_status status = ap__gguf_out_data(o, ordered, row * (uint64_t)l->out, err);
    ap__free(ordered);
    return status;
}

ap_status ap__gguf_write_lora(const char *path, const char *name, const struct ap_config *config, float alpha,
                              const struct ap_gguf_lora *lora, size_t n, struct ap_err *err)
{
    struct ap_gguf_out o = {0};
    ap_status status = AP_OK;
    ap__gguf_put_str(&o, "general.architecture", ap__gguf_architecture(config->family));
    ap__gguf_put_str(&o, "general.type", "adapter");
    ap__gguf_put_str(&o, "general.name", name);
    ap__gguf_put_u32(&o, "general.file_type", file_type(AP_F32));
    ap__gguf_put_str(&o, "adapter.type", "lora");
    ap__gguf_put_f32(&o, "adapter.lora.alpha", alpha);
    for (size_t i = 0; status == AP_OK && i < n; i++)
        status = name_lora(&o, path, &lora[i], err);
    if (status == AP_OK)
        status = ap__gguf_out_begin(&o, path, err);
    for (size_t i = 0; status == AP_OK && i < n; i++)
        status = write_pair(&o, path, config, &lora[i], err);
    if (status == AP_OK)
        status = ap__gguf_out_finish(&o, err);
    ap__gguf_out_deinit(&o);
    return status;
}
