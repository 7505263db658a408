/* verify.c - is what was written the model that was trained?
 *
 *     shape     what the weights do not say: positions, the norms' epsilon, the window, the end token
 *     weights   piece by piece: trained (+ adapter) --round to the written dtype--> the same number, bit for bit
 *     adapter   its factors, bit for bit
 *     logits    trained: W x + s B (A x)   written: merged and rounded, or base and adapter as reloaded
 *
 * The first two find a single wrong number.  The last one is what counts: it would find what the others forgot, and
 * says how far the rounding takes the model from what was trained. */
#include "model/model_export.h"

#include "model/lora.h"
#include "model/save.h"
#include "tensor/draw.h"
#include "tensor/ggml_blocks.h"
#include "tensor/quant.h"
#include <math.h>
#include <string.h>

enum { PIECE = 1 << 20 };

/* What rounding of the weights explains, of the logits' norm.  Seen: up to half of it, for tiny models, whose sums
 * are short. */
static double ceiling_of(enum ap_dtype dtype)
{
    switch (dtype) {
    case AP_F32: return 1e-4;
    case AP_F16: return 1e-2;
    default: return 5e-2;
    }
}

/* ---- shape ---- */

static ap_status compare_shape(const struct ap_model *trained, const struct ap_model *written, const char *place,
                               struct ap_err *err)
{
    const struct ap_config *t = &trained->config, *w = &written->config;
    const struct {
        const char *name;
        double trained, written;
    } numbers[] = {{"vocab_size", t->V, w->V},
                   {"num_attention_heads", t->H, w->H},
                   {"num_key_value_heads", t->Hkv, w->Hkv},
                   {"head_dim", t->Dh, w->Dh},
                   {"rms_norm_eps", (double)t->eps, (double)w->eps},
                   {"sliding_window", t->window, w->window},
                   {"eos_token_id", t->eos, w->eos},
                   {"max_position_embeddings", t->max_position, w->max_position}};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (numbers[i].trained != numbers[i].written)
            return ap__fail(err, AP_E_STATE, place, "`%s` is %.9g, not %.9g as in the trained model", numbers[i].name,
                            numbers[i].written, numbers[i].trained);
    for (int32_t i = 0; i < t->Dh / 2; i++)
        if (!(fabsf(written->inv_freq[i] - trained->inv_freq[i]) <= 1e-6f * trained->inv_freq[i]))
            return ap__fail(err, AP_E_STATE, place, "frequency %d of the rotary embedding is %.9g, not %.9g", i,
                            (double)written->inv_freq[i], (double)trained->inv_freq[i]);
    return AP_OK;
}

/* ---- weights ---- */

struct buffers {
    float *expected, *got;
    double *scratch;
    void *blocks;    /* room for a piece in any dtype */
    int32_t numbers; /* of a piece, at least a row */
};

static ap_status make_buffers(const struct ap_model *m, struct buffers *b, struct ap_err *err)
{
    int32_t rows, cols, widest = 0;
    for (int32_t i = 0; i < m->weight_count; i++) {
        ap__slot_shape(m, i, &rows, &cols);
        widest = cols > widest ? cols : widest;
    }
    b->numbers = widest > PIECE ? widest : PIECE;
    b->expected = ap__alloc_array((size_t)b->numbers, sizeof *b->expected);
    b->got = ap__alloc_array((size_t)b->numbers, sizeof *b->got);
    b->blocks = ap__alloc_array((size_t)b->numbers, sizeof(double));
    b->scratch = ap__alloc_array((size_t)widest, sizeof *b->scratch);
    return b->expected != NULL && b->got != NULL && b->blocks != NULL && b->scratch != NULL
               ? AP_OK
               : ap__fail(err, AP_E_MEMORY, NULL, "no memory to compare weights");
}

static void free_buffers(struct buffers *b)
{
    ap__free(b->scratch);
    ap__free(b->blocks);
    ap__free(b->got);
    ap__free(b->expected);
}

/* x (n,) to what it becomes in dtype. */
static void round_to(float *x, enum ap_dtype dtype, void *blocks, size_t n)
{
    if (dtype == AP_Q8_0) {
        ap__q8_0_from_f32(blocks, x, n);
        ap__q8_0_to_f32(x, blocks, n);
    } else if (dtype != AP_F32) {
        ap__dtype_from_f32(blocks, x, dtype, n);
        ap__dtype_to_f32(x, blocks, dtype, n);
    }
}

static ap_status differs(const char *place, const char *name, size_t at, float expected, float got, struct ap_err *err)
{
    return ap__fail(err, AP_E_STATE, place, "tensor `%s` differs from the trained model: number %zu is %.9g, not %.9g",
                    name, at, (double)got, (double)expected);
}

/* Index of the first difference, or n. */
static size_t first_difference(const float *x, const float *y, size_t n)
{
    size_t i = 0;
    while (i < n && memcmp(&x[i], &y[i], sizeof *x) == 0)
        i++;
    return i;
}

static ap_status compare_values(const struct ap_model *trained, const struct ap_model *written, int32_t i,
                                const struct buffers *b, const char *place, struct ap_err *err)
{
    int32_t rows, cols;
    ap__slot_shape(trained, i, &rows, &cols);
    for (int32_t first = 0, n; first < rows; first += n) {
        n = b->numbers / cols < rows - first ? b->numbers / cols : rows - first;
        size_t numbers = (size_t)n * (size_t)cols;
        ap__merged_rows(trained, i, first, n, b->expected, b->scratch);
        ap__merged_rows(written, i, first, n, b->got, b->scratch);
        round_to(b->expected, written->weight[i].W.dtype, b->blocks, numbers);
        size_t at = first_difference(b->expected, b->got, numbers);
        if (at < numbers)
            return differs(place, trained->weight[i].name, (size_t)first * (size_t)cols + at, b->expected[at], b->got[at],
                           err);
    }
    return AP_OK;
}

static ap_status compare_slot(const struct ap_model *trained, const struct ap_model *written, int32_t i,
                              const struct buffers *b, const char *place, struct ap_err *err)
{
    const struct ap_weight *t = &trained->weight[i], *w = &written->weight[i];
    if (strcmp(t->name, w->name) != 0 || t->W.rows != w->W.rows || t->W.cols != w->W.cols)
        return ap__fail(err, AP_E_STATE, place, "has `%s` (%d, %d) where the trained model has `%s` (%d, %d)", w->name,
                        w->W.rows, w->W.cols, t->name, t->W.rows, t->W.cols);
    return compare_values(trained, written, i, b, place, err);
}

static ap_status compare_weights(const struct ap_model *trained, const struct ap_model *written, const char *place,
                                 struct ap_export_check *out, struct ap_err *err)
{
    struct buffers b = {0};
    if (trained->weight_count != written->weight_count)
        return ap__fail(err, AP_E_STATE, place, "has %d tensors, the trained model %d", written->weight_count,
                        trained->weight_count);
    ap_status status = make_buffers(trained, &b, err);
    for (int32_t i = 0; i < trained->weight_count && status == AP_OK; i++) {
        status = compare_slot(trained, written, i, &b, place, err);
        out->weights += ap__weight_size(&trained->weight[i]);
    }
    free_buffers(&b);
    return status;
}

/* ---- adapters ---- */

/* The file of one alpha may have taken a part of the scale into B. */
static ap_status compare_pair(const struct ap_lora_pair *t, const struct ap_lora_pair *w, const char *place,
                              struct ap_err *err)
{
    size_t na = (size_t)t->A.rows * (size_t)t->A.cols, nb = (size_t)t->B.rows * (size_t)t->B.cols;
    if ((w->a == NULL) != (t->a == NULL) || w->A.rows != t->A.rows)
        return ap__fail(err, AP_E_STATE, place, "`%s` has rank %d, not %d", t->name_a[0] ? t->name_a : w->name_a,
                        w->A.rows, t->A.rows);
    if (t->a == NULL)
        return AP_OK;
    size_t at = first_difference(t->a, w->a, na);
    if (at < na)
        return differs(place, t->name_a, at, t->a[at], w->a[at], err);
    for (at = 0; at < nb; at++) {
        double expected = (double)t->scale * (double)t->b[at], got = (double)w->scale * (double)w->b[at];
        if (!(fabs(got - expected) <= 1e-6 * fabs(expected)))
            return differs(place, t->name_b, at, (float)expected, (float)got, err);
    }
    return AP_OK;
}

static ap_status compare_adapters(const struct ap_model *trained, const struct ap_model *written, const char *place,
                                  struct ap_export_check *out, struct ap_err *err)
{
    for (int32_t i = 0; i < trained->config.L * AP_LINEAR_COUNT; i++)
        AP_TRY(compare_pair(&trained->pair[i], &written->pair[i], place, err));
    out->weights = trained->lora_count;
    return AP_OK;
}

/* ---- logits ---- */

/* Sums over all logits. */
struct squares {
    double difference, trained;
};

/* Logits (T, V) of both models on one sequence into *out. */
static void note_logits(const float *x, const float *y, size_t T, size_t V, struct squares *sum,
                        struct ap_export_check *out)
{
    for (size_t i = 0; i < T * V; i++) {
        double d = fabs((double)x[i] - (double)y[i]);
        out->difference = fmax(out->difference, d);
        out->largest = fmax(out->largest, fabs((double)x[i]));
        sum->difference += d * d; /* here a NaN stays */
        sum->trained += (double)x[i] * (double)x[i];
    }
    for (size_t t = 0; t < T; t++)
        out->other_choice += ap__largest(x + t * V, (int32_t)V) != ap__largest(y + t * V, (int32_t)V);
    out->tokens += (int64_t)T;
}

static ap_status compare_sequence(struct ap_model *trained, struct ap_model *written, const struct ap_seq *seq,
                                  struct ap_arena *step, struct squares *sum, struct ap_export_check *out,
                                  struct ap_err *err)
{
    struct ap_pack pack;
    size_t V = (size_t)trained->config.V;
    ap__arena_reset(step);
    AP_TRY(ap__pack_build(step, seq, 1, 0, &pack, err));
    float *x = ap__arena_alloc(step, (size_t)pack.T * V * sizeof *x);
    float *y = ap__arena_alloc(step, (size_t)pack.T * V * sizeof *y);
    if (x == NULL || y == NULL)
        return ap__fail(err, AP_E_MEMORY, NULL, "no memory for the logits of %d tokens", pack.T);
    AP_TRY(ap__model_logits(trained, &pack, step, x, err));
    AP_TRY(ap__model_logits(written, &pack, step, y, err));
    note_logits(x, y, (size_t)pack.T, V, sum, out);
    return AP_OK;
}

static ap_status compare_logits(struct ap_model *trained, struct ap_model *written, const struct ap_seq *seq, int32_t n,
                                const char *place, struct ap_export_check *out, struct ap_err *err)
{
    struct ap_arena step;
    struct squares sum = {0};
    ap__arena_init(&step, 0);
    ap_status status = AP_OK;
    for (int32_t i = 0; i < n && status == AP_OK; i++)
        status = compare_sequence(trained, written, &seq[i], &step, &sum, out, err);
    ap__arena_deinit(&step);
    AP_TRY(status);
    out->error = sqrt(sum.difference / (sum.trained > 0.0 ? sum.trained : 1.0));
    if (!(out->error <= out->ceiling))
        return ap__fail(err, AP_E_STATE, place,
                        "logits differ from the trained model's by %.2g %%, up to %.3g; rounding to %s explains %g %%",
                        100.0 * out->error, out->difference, ap__dtype_name(out->dtype), 100.0 * out->ceiling);
    return AP_OK;
}

/* ---- both ---- */

static ap_status open_written(const struct ap_export *e, struct ap_model **out, struct ap_err *err)
{
    if (e->format == AP_EXPORT_HF || e->format == AP_EXPORT_GGUF)
        return ap__model_open(e->out, NULL, out, err);
    struct ap_export reloaded = *e;
    reloaded.adapter = e->out;
    return ap__export_open_trained(&reloaded, out, err);
}

ap_status ap__export_verify(const struct ap_export *e, const struct ap_seq *seq, int32_t n,
                            struct ap_export_check *out, struct ap_err *err)
{
    bool merged = e->format == AP_EXPORT_HF || e->format == AP_EXPORT_GGUF;
    struct ap_model *trained = NULL, *written = NULL;
    *out = (struct ap_export_check){0};
    ap_status status = ap__export_open_trained(e, &trained, err);
    if (status == AP_OK)
        status = open_written(e, &written, err);
    if (status == AP_OK) {
        out->dtype = merged ? ap__layer_weight(written, 0, AP_SLOT_DOWN)->W.dtype : AP_F32;
        out->ceiling = ceiling_of(out->dtype);
        status = compare_shape(trained, written, e->out, err);
    }
    if (status == AP_OK)
        status = merged ? compare_weights(trained, written, e->out, out, err)
                        : compare_adapters(trained, written, e->out, out, err);
    if (status == AP_OK)
        status = compare_logits(trained, written, seq, n, e->out, out, err);
    ap__model_free(written);
    ap__model_free(trained);
    return status;
}
