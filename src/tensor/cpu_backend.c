/* cpu_backend.c - the CPU's table of operations, and the scratch a calling
 * thread keeps between calls. */
#include "tensor/cpu.h"

#include <pthread.h>

const struct ap_backend ap__backend_cpu = {
    .name = "cpu",
    .linear = ap__cpu_linear,
    .linear_dx = ap__cpu_linear_dx,
    .linear_adapted = ap__cpu_linear_adapted,
    .linear_adapted_dx = ap__cpu_linear_adapted_dx,
    .linear_dw = ap__cpu_linear_dw,
    .bias = ap__cpu_bias,
    .bias_d = ap__cpu_bias_d,
    .rmsnorm = ap__cpu_rmsnorm,
    .rmsnorm_d = ap__cpu_rmsnorm_d,
    .rope = ap__cpu_rope,
    .attention = ap__cpu_attention,
    .attention_d = ap__cpu_attention_d,
    .swiglu = ap__cpu_swiglu,
    .swiglu_d = ap__cpu_swiglu_d,
    .embedding = ap__cpu_embedding,
    .embedding_d = ap__cpu_embedding_d,
    .logprobs = ap__cpu_logprobs,
    .logprobs_d = ap__cpu_logprobs_d,
    .axpy = ap__cpu_axpy,
    .sumsq = ap__cpu_sumsq,
    .adamw = ap__cpu_adamw,
    .muon = ap__cpu_muon,
};

void ap__backend_cpu_release(void)
{
    ap__cpu_rope_release();
    ap__cpu_attention_release();
}

/* ---- scratch of a thread, given back when the thread ends ---- */

static pthread_key_t at_end;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static bool has_key;

static void release(void *thread)
{
    (void)thread;
    ap__backend_cpu_release();
}

static void make_key(void)
{
    has_key = pthread_key_create(&at_end, release) == 0;
}

void *ap__scratch_need(struct ap_scratch *scratch, size_t size)
{
    if (size <= scratch->size)
        return scratch->data;
    void *data = ap__alloc(size);
    if (data == NULL)
        return NULL;
    (void)pthread_once(&once, make_key);
    if (has_key)
        (void)pthread_setspecific(at_end, &at_end); /* any value: without one nothing is called */
    ap__free(scratch->data);
    *scratch = (struct ap_scratch){data, size};
    return data;
}

void ap__scratch_free(struct ap_scratch *scratch)
{
    ap__free(scratch->data);
    *scratch = (struct ap_scratch){0};
}
