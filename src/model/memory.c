/* memory.c - adds up a plan's bytes, compares them with the machine's, and looks for a plan that fits. */
#include "model/memory.h"

#include "base/machine.h"
#include "base/text.h"
#include "model/activations.h"
#include "model/fold.h"
#include "model/worker.h"
#include "tensor/quant.h"
#include <stdio.h>

/* The program itself, the BLAS library's and each thread's buffers. */
#define PROCESS_BYTES ((int64_t)64 << 20)
/* Targets and words whose logits exist at a time (cpu_loss.c), and rows of a session's forward pass (session.c). */
enum { LOSS_TARGETS = 512, LOSS_WORDS = 1024, SESSION_ROWS = 512 };
static const int64_t F = sizeof(float);

static int64_t min64(int64_t a, int64_t b) { return a < b ? a : b; }

/* ---- parts ---- */

static int64_t weight_bytes(const struct ap_model *m, const struct ap_memory_plan *plan)
{
    int64_t bytes = 0;
    for (int32_t i = 0; i < m->weight_count; i++) {
        const struct ap_weight *w = &m->weight[i];
        enum ap_dtype dtype = plan->options.convert && w->hidden ? plan->options.base_dtype : w->W.dtype;
        struct ap_matrix W = ap__as_rows(&w->W);
        bytes += (int64_t)ap__matrix_bytes(plan->mode == AP_FULL ? AP_F32 : dtype, W.rows, W.cols);
    }
    return bytes;
}

/* Matrices of a small model with an adapter folded into all of them. */
static int64_t folded_bytes(const struct ap_model *m, const struct ap_memory_plan *plan)
{
    int64_t n = 0;
    for (int j = 0; j < AP_LINEAR_COUNT; j++) {
        const struct ap_matrix *W = &ap__layer_weight(m, 0, ap__linear_slot(j))->W;
        n += (int64_t)W->rows * W->cols * m->config.L;
    }
    return plan->mode == AP_LORA && n <= AP_FOLDED_NUMBERS ? n * F : 0;
}

/* Gradients of parts that are trained side by side, before they are added up. */
static int64_t worker_bytes(int64_t trained)
{
    return trained <= AP_WORKER_NUMBERS * F ? AP_WORKERS * trained : 0;
}

/* Numbers of the adapter over all layers. */
static int64_t adapter_numbers(const struct ap_model *m, const struct ap_memory_plan *plan)
{
    const struct ap_lora_config *lora = &plan->lora;
    int64_t n = 0;
    if (plan->adapter_numbers > 0)
        return plan->adapter_numbers;
    for (int j = 0; j < AP_LINEAR_COUNT; j++) {
        const struct ap_matrix *W = &ap__layer_weight(m, 0, ap__linear_slot(j))->W;
        if (lora->targets & (1u << j))
            n += (int64_t)lora->rank * (W->rows + W->cols);
    }
    return n * m->config.L;
}

/* Numbers per token: what backward needs of one block, what one block needs without backward, scratch of both ways.
 * They mirror take_block_acts and ap__activations_grads of activations.c. */
static int64_t kept_width(const struct ap_config *c, int32_t rank)
{
    int64_t q = (int64_t)c->H * c->Dh, kv = (int64_t)c->Hkv * c->Dh;
    int64_t head_norms = ap__config_qk_norm(c) ? q + kv + c->H + c->Hkv : 0;
    return 2 * (int64_t)c->D + 2 * q + 2 * kv + 2 * (int64_t)c->F + c->H + 2 + head_norms +
           (int64_t)AP_LINEAR_COUNT * rank;
}

static int64_t passing_width(const struct ap_config *c, int32_t rank)
{
    int64_t q = (int64_t)c->H * c->Dh, kv = (int64_t)c->Hkv * c->Dh;
    return 2 * (int64_t)c->D + 2 * q + 2 * kv + 2 * (int64_t)c->F + c->H + rank;
}

static int64_t scratch_width(const struct ap_config *c, int32_t rank)
{
    return 3 * (int64_t)c->D + 2 * (int64_t)c->H * c->Dh + 2 * (int64_t)c->Hkv * c->Dh + 2 * (int64_t)c->F + rank;
}

/* Gathered rows and logits of a chunk of the loss, and those that are kept. */
static int64_t loss_bytes(const struct ap_config *c, int64_t tokens, bool backward)
{
    int64_t kept = backward ? min64(tokens * c->V, AP_KEPT_LOGITS) : 0;
    return kept * F + min64(tokens, LOSS_TARGETS) * (min64(c->V, LOSS_WORDS) + (backward ? 2 : 1) * (int64_t)c->D) * F;
}

static int64_t activation_bytes(const struct ap_config *c, const struct ap_memory_plan *plan)
{
    int64_t T = plan->max_tokens, ends = 2 * (int64_t)c->D; /* the embedding's rows, the final norm's */
    if (T == 0)
        return 0;
    if (plan->mode == AP_FROZEN)
        return T * (passing_width(c, plan->lora.rank) + ends) * F + loss_bytes(c, T, false);
    int64_t kept = plan->recompute ? kept_width(c, plan->lora.rank) + c->L * (int64_t)c->D
                                   : c->L * kept_width(c, plan->lora.rank);
    return T * (kept + scratch_width(c, plan->lora.rank) + ends) * F + loss_bytes(c, T, true);
}

static int64_t cache_bytes(const struct ap_config *c, const struct ap_memory_plan *plan)
{
    int64_t row = (int64_t)c->L * 2 * c->Hkv * c->Dh * F;
    if (plan->cache_tokens == 0)
        return 0;
    return plan->cache_tokens * row + SESSION_ROWS * passing_width(c, plan->lora.rank) * F +
           (int64_t)plan->in_flight * c->V * F;
}

void ap__memory_estimate(const struct ap_model *stored, const struct ap_memory_plan *plan, struct ap_memory *out)
{
    int64_t adapter = plan->lora.rank > 0 ? adapter_numbers(stored, plan) * F : 0;
    *out = (struct ap_memory){.weights = weight_bytes(stored, plan), .adapter = adapter, .other = PROCESS_BYTES};
    int64_t trained = plan->mode == AP_FULL ? out->weights : plan->mode == AP_LORA ? adapter : 0;
    out->gradients = trained;
    out->optimizer = 2 * trained; /* AdamW's two moments */
    out->activations = activation_bytes(&stored->config, plan) + folded_bytes(stored, plan);
    out->other += worker_bytes(trained);
    out->cache = cache_bytes(&stored->config, plan);
    out->total = out->weights + out->adapter + out->gradients + out->optimizer + out->activations + out->cache +
                 out->other;
}

ap_status ap__memory_plan_adapter(struct ap_memory_plan *plan, const char *dir, struct ap_err *err)
{
    return dir != NULL ? ap__lora_measure(dir, &plan->adapter_numbers, &plan->lora.rank, err) : AP_OK;
}

/* ---- refusal ---- */

static int64_t total_of(const struct ap_model *m, const struct ap_memory_plan *plan)
{
    struct ap_memory memory;
    ap__memory_estimate(m, plan, &memory);
    return memory.total;
}

/* The largest power of two from 256 tokens up that fits in place of *tokens (a member of plan); 0 = none. */
static int32_t tokens_that_fit(const struct ap_model *m, struct ap_memory_plan *plan, int32_t *tokens,
                               int64_t available)
{
    int32_t before = *tokens, found = 0;
    for (int32_t n = 256; n < before && n <= 1 << 24; n *= 2) {
        *tokens = n;
        found = total_of(m, plan) <= available ? n : found;
    }
    *tokens = before;
    return found;
}

/* "knob VALUE" onto advice, behind "or" when there is one already. */
static void advise(struct ap_buf *advice, const char *knob, const char *value)
{
    ap__buf_printf(advice, "%s%s %s", advice->len > 0 ? " or " : "", knob, value);
}

static void advise_tokens(struct ap_buf *advice, const struct ap_model *m, struct ap_memory_plan *plan,
                          const char *knob, int32_t *tokens, int64_t available)
{
    char number[16];
    int32_t fits = knob != NULL ? tokens_that_fit(m, plan, tokens, available) : 0;
    if (fits == 0)
        return;
    snprintf(number, sizeof number, "%d", fits);
    advise(advice, knob, number);
}

/* What alone would make it fit; where nothing does, what does together with NF4. */
static void find_advice(struct ap_buf *advice, const struct ap_model *m, const struct ap_memory_plan *plan,
                        int64_t available)
{
    static const struct {
        enum ap_dtype dtype;
        const char *name;
    } formats[] = {{AP_INT8, "int8"}, {AP_NF4_DOUBLE, "nf4"}};
    struct ap_memory_plan other = *plan;
    bool can_convert = plan->dtype_knob != NULL && plan->mode != AP_FULL;
    for (size_t i = 0; can_convert && advice->len == 0 && i < sizeof formats / sizeof *formats; i++) {
        other.options = (struct ap_model_options){true, formats[i].dtype};
        if (total_of(m, &other) <= available && total_of(m, &other) < total_of(m, plan))
            advise(advice, plan->dtype_knob, formats[i].name);
    }
    other.options = plan->options;
    for (int with_nf4 = 0; with_nf4 <= (can_convert && advice->len == 0); with_nf4++) {
        size_t before = advice->len;
        if (with_nf4)
            other.options = (struct ap_model_options){true, AP_NF4_DOUBLE};
        advise_tokens(advice, m, &other, plan->tokens_knob, &other.max_tokens, available);
        advise_tokens(advice, m, &other, plan->cache_knob, &other.cache_tokens, available);
        if (with_nf4 && advice->len > before)
            ap__buf_printf(advice, " with %s nf4", plan->dtype_knob);
    }
}

ap_status ap__memory_check(const struct ap_model *stored, const struct ap_memory_plan *plan, int64_t available,
                           const char *place, struct ap_err *err)
{
    struct ap_buf advice;
    struct ap_memory_plan least = *plan;
    least.recompute = plan->mode != AP_FROZEN;
    int64_t total = total_of(stored, &least);
    if (available < 0 || total <= available)
        return AP_OK;
    ap__buf_init(&advice, 1 << 10);
    find_advice(&advice, stored, &least, available);
    double gib = 1 << 30;
    ap_status status = ap__fail(err, AP_E_MEMORY, place, "needs about %.1f GiB, %.1f GiB are free%s%s",
                                (double)total / gib, (double)available / gib, advice.len > 0 ? "; try " : "",
                                ap__buf_cstr(&advice));
    ap__buf_deinit(&advice);
    return status;
}

ap_status ap__memory_admit(const char *path, const struct ap_memory_plan *plan, struct ap_model **m,
                           struct ap_err *err)
{
    int64_t available = ap__machine_free_memory();
    ap_status status = ap__memory_check(*m, plan, available, path, err);
    bool recompute = plan->mode != AP_FROZEN && available >= 0 && total_of(*m, plan) > available;
    if (status != AP_OK || plan->options.convert) {
        ap__model_free(*m); /* what is stored was only mapped; now the first large allocations follow */
        *m = NULL;
    }
    if (status == AP_OK && plan->options.convert)
        status = ap__model_open(path, &plan->options, m, err);
    if (status == AP_OK)
        ap__model_recompute(*m, recompute);
    if (status == AP_OK && !plan->options.convert && available >= 0) /* there is memory for it, and a use soon */
        ap__bind_read_ahead(*m);
    return status;
}
