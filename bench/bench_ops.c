/* bench_ops.c - how fast the operations are, beside the machine's own sgemm.
 *
 *     bench_ops [repeats [operation]]      CSV on stdout, one line per operation and shape
 *
 * Fixed work and shapes, inputs made outside the timed window, warm-up, then
 * `repeats` timed calls (default 15): median and least.  With an operation only
 * those whose names begin so: linear, attention, rope...  GFLOP/s count the
 * useful multiply-adds twice (attention: visible query-key pairs only), GB/s
 * count every array once; the percentage is against a 1024^3 sgemm measured in
 * the same run.  With OMP_NUM_THREADS=1 the clock is the thread's own processor
 * time, so that other programs on the machine count less. */
#include "base/progress.h"
#include "base/rng.h"
#include "tensor/cpu.h"
#include "tensor/libopenblas.h"
#include "tensor/quant.h"

#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const struct ap_backend *const op = &ap__backend_cpu;
static struct ap_arena arena; /* all inputs and outputs */
static int repeats = 15;
static const char *only = ""; /* what names of operations begin with */
static double peak;
static int lines; /* printed */

static void *take(size_t n, size_t size)
{
    void *p = ap__arena_zalloc(&arena, n * size);
    if (p == NULL) {
        fprintf(stderr, "bench_ops: out of memory\n");
        exit(1);
    }
    return p;
}

static float *numbers(size_t n)
{
    struct ap_rng rng = ap__rng_make(n, "bench", 0, 0, 0);
    float *x = take(n, sizeof *x);
    for (size_t i = 0; i < n; i++)
        x[i] = (float)ap__rng_uniform(&rng) - 0.5f;
    return x;
}

static bool is_wanted(const char *name)
{
    return strncmp(name, only, strlen(only)) == 0;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double now(void)
{
    struct timespec t;
    if (omp_get_max_threads() > 1 || clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t) != 0)
        return ap__now();
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Time call(ctx) and print its line; flops and bytes of one call, either may be 0. */
static double bench(const char *name, const char *shape, void (*call)(void *), void *ctx, double flops, double bytes)
{
    double seconds[64], start = now();
    int warm = 0;
    if (peak > 0 && !is_wanted(name)) /* sgemm, the first, always is */
        return 0;
    while (warm++ < 3 || now() - start < 0.05)
        call(ctx);
    for (int i = 0; i < repeats; i++) {
        start = now();
        call(ctx);
        seconds[i] = now() - start;
    }
    qsort(seconds, (size_t)repeats, sizeof *seconds, by_size);
    double median = seconds[repeats / 2], rate = flops / median * 1e-9;
    printf("%s,%s,%d,%.1f,%.1f,%.1f,%.0f,%.1f\n", name, shape, omp_get_max_threads(), median * 1e6, seconds[0] * 1e6,
           rate, peak > 0 ? 100 * rate / peak : 100, bytes / median * 1e-9);
    fflush(stdout);
    lines++;
    return rate;
}

/* ---- products ---- */

struct product {
    int32_t T, O, I;
    float *y, *x, *dW;
    struct ap_matrix W;
};

static void call_linear(void *ctx)
{
    struct product *p = ctx;
    op->linear(p->y, p->x, &p->W, p->T, false, 1);
}
static void call_linear_dx(void *ctx)
{
    struct product *p = ctx;
    op->linear_dx(p->x, p->y, &p->W, p->T, true, 1e-9f);
}
static void call_linear_dw(void *ctx)
{
    struct product *p = ctx;
    op->linear_dw(p->dW, p->y, p->x, p->T, p->O, p->I, 1e-9f);
}

static void call_sgemm(void *ctx)
{
    struct product *p = ctx;
    ap__cpu_gemm(&(struct ap_gemm){false, true, p->T, p->O, p->I, 1, 0, p->x, p->W.data, p->y, p->I, p->I, p->O});
}

static void bench_product(int32_t T, int32_t O, int32_t I, enum ap_dtype dtype, bool backward)
{
    if (!is_wanted("linear"))
        return;
    struct ap_arena_mark mark = ap__arena_mark(&arena);
    size_t n = (size_t)O * (size_t)I;
    size_t size = ap__matrix_bytes(dtype, O, I);
    float *W = numbers(n);
    void *stored = take(size, 1);
    struct product p = {T, O, I, numbers((size_t)T * (size_t)O), numbers((size_t)T * (size_t)I), W, {dtype, O, I, stored}};
    if (ap__matrix_convert(&p.W, stored, &(struct ap_matrix){AP_F32, O, I, W}, NULL) != AP_OK)
        exit(1);
    double flops = 2.0 * T * O * I, bytes = (double)size + 4.0 * T * (O + I);
    char shape[64];
    snprintf(shape, sizeof shape, "T%d O%d I%d %s", T, O, I, ap__dtype_name(dtype));
    bench("linear", shape, call_linear, &p, flops, bytes);
    if (backward) {
        bench("linear_dx", shape, call_linear_dx, &p, flops, bytes);
        if (dtype == AP_F32)
            bench("linear_dw", shape, call_linear_dw, &p, flops, bytes);
    }
    ap__arena_release(&arena, mark);
}

/* The matrices of a model one after the other, so that they come from memory as in a decode step. */
enum { LAYERS = 30, MATRICES = 7 };
struct layers {
    struct product product[LAYERS * MATRICES];
};

static void call_layers(void *ctx)
{
    struct layers *l = ctx;
    for (int32_t i = 0; i < LAYERS * MATRICES; i++)
        call_linear(&l->product[i]);
}

/* SmolLM2-135M's without the output matrix: 425 MB in f32. */
static void bench_layers(int32_t T, enum ap_dtype dtype)
{
    static const int32_t shapes[MATRICES][2] = {{576, 576}, {192, 576}, {192, 576}, {576, 576}, {1536, 576}, {1536, 576}, {576, 1536}};
    if (!is_wanted("linear"))
        return;
    struct ap_arena_mark mark = ap__arena_mark(&arena);
    struct layers l;
    double flops = 0, bytes = 0;
    float *y = numbers((size_t)T * 1536), *x = numbers((size_t)T * 1536), *W = numbers(1536 * 576);
    for (int32_t i = 0; i < LAYERS * MATRICES; i++) {
        int32_t O = shapes[i % MATRICES][0], I = shapes[i % MATRICES][1];
        size_t size = ap__matrix_bytes(dtype, O, I);
        void *stored = take(size, 1);
        l.product[i] = (struct product){T, O, I, y, x, NULL, {dtype, O, I, stored}};
        if (ap__matrix_convert(&l.product[i].W, stored, &(struct ap_matrix){AP_F32, O, I, W}, NULL) != AP_OK)
            exit(1);
        flops += 2.0 * T * O * I;
        bytes += (double)size;
    }
    char shape[64];
    snprintf(shape, sizeof shape, "T%d %d layers %s", T, LAYERS, ap__dtype_name(dtype));
    bench("linear", shape, call_layers, &l, flops, bytes);
    ap__arena_release(&arena, mark);
}

/* ---- attention ---- */

struct attention {
    struct ap_attn attn;
    struct ap_attn_run *run;
    struct ap_span *span;
    int32_t runs, spans, T; /* T rows so far */
    double pairs;
    float *q, *k, *v, *out, *lse, *dout, *dq, *dk, *dv;
};

static void call_attention(void *ctx)
{
    struct attention *a = ctx;
    op->attention(a->out, a->lse, a->q, a->k, a->v, &a->attn);
}
static void call_attention_d(void *ctx)
{
    struct attention *a = ctx;
    op->attention_d(a->dq, a->dk, a->dv, a->dout, a->out, a->lse, a->q, a->k, a->v, &a->attn);
}

/* A run of len queries below the spans given. */
static struct ap_span run_add(struct attention *a, int32_t len, const struct ap_span *above, int32_t n)
{
    struct ap_span own = {a->T, len};
    a->run[a->runs++] = (struct ap_attn_run){a->T, len, a->T, a->spans, n};
    int32_t context = 0;
    for (int32_t i = 0; i < n; i++) {
        a->span[a->spans++] = above[i];
        context += above[i].len;
    }
    a->pairs += (double)len * context + 0.5 * len * (len + 1);
    a->T += len;
    return own;
}

static struct attention attention_new(int32_t H, int32_t Hkv, int32_t Dh)
{
    struct attention a = {.attn = {.H = H, .Hkv = Hkv, .Dh = Dh, .scale = 0.2f}};
    a.run = take(8192, sizeof *a.run);
    a.span = take(65536, sizeof *a.span);
    return a;
}

static void bench_attention(struct attention *a, const char *name, bool backward)
{
    size_t nq = (size_t)a->T * (size_t)(a->attn.H * a->attn.Dh), nk = (size_t)a->T * (size_t)(a->attn.Hkv * a->attn.Dh);
    char shape[96], label[96];
    a->q = numbers(nq), a->dout = numbers(nq), a->out = numbers(nq), a->dq = numbers(nq);
    a->k = numbers(nk), a->v = numbers(nk), a->dk = numbers(nk), a->dv = numbers(nk);
    a->lse = numbers((size_t)a->T * (size_t)a->attn.H);
    a->attn.run = a->run;
    a->attn.span = a->span;
    a->attn.run_count = a->runs;
    double flops = 4.0 * a->pairs * a->attn.H * a->attn.Dh;
    int32_t queries = 0;
    for (int32_t i = 0; i < a->runs; i++)
        queries += a->run[i].q_len;
    snprintf(shape, sizeof shape, "%s Tq%d runs%d H%d/%d Dh%d", name, queries, a->runs, a->attn.H, a->attn.Hkv,
             a->attn.Dh);
    bench("attention", shape, call_attention, a, flops, 0);
    snprintf(label, sizeof label, "attention_d");
    if (backward)
        bench(label, shape, call_attention_d, a, 2.5 * flops, 0);
}

/* A training pack: a shared prefix, questions, chains that part at every step. */
static void bench_tree(int32_t H, int32_t Hkv, int32_t Dh, int32_t questions, int32_t question_len, int32_t steps,
                       int32_t step_len)
{
    struct ap_arena_mark mark = ap__arena_mark(&arena);
    struct attention a = attention_new(H, Hkv, Dh);
    struct ap_span path[64];
    path[0] = run_add(&a, 300, NULL, 0);
    for (int32_t question = 0; question < questions; question++) {
        path[1] = run_add(&a, question_len, path, 1);
        for (int32_t step = 0; step < steps; step++) { /* a chosen step and a rejected one beside it */
            path[2 + step] = run_add(&a, step_len, path, 2 + step);
            run_add(&a, step_len, path, 2 + step);
        }
    }
    bench_attention(&a, "tree", true);
    ap__arena_release(&arena, mark);
}

/* A decode step: one query per run below the prefix, its question and three spans of its chain. */
static void bench_decode(int32_t runs, int32_t H, int32_t Hkv, int32_t Dh)
{
    struct ap_arena_mark mark = ap__arena_mark(&arena);
    struct attention a = attention_new(H, Hkv, Dh);
    struct ap_span path[5] = {{0, 300}};
    a.T = 300;
    for (int32_t r = 0; r < runs; r++) {
        if (r % 8 == 0) { /* eight chains per question */
            path[1] = (struct ap_span){a.T, 150};
            a.T += 150;
        }
        for (int32_t s = 2; s < 5; s++) {
            path[s] = (struct ap_span){a.T, 20};
            a.T += 20;
        }
        run_add(&a, 1, path, 5);
    }
    for (int32_t r = 0; r < runs; r++) /* queries stand alone, keys in the pool */
        a.run[r].q_start = r;
    bench_attention(&a, "decode", false);
    ap__arena_release(&arena, mark);
}

static void call_attention_layers(void *ctx)
{
    struct attention *a = ctx;
    size_t n = (size_t)a->T * (size_t)(a->attn.Hkv * a->attn.Dh);
    for (size_t l = 0; l < LAYERS; l++)
        op->attention(a->out, NULL, a->q, a->k + l * n, a->v + l * n, &a->attn);
}

/* A decode step through all layers, keys as a session holds them: below 600 common tokens, 30 of a question for every eight
 * branches and 107 of each. */
static void bench_decode_layers(int32_t runs, int32_t H, int32_t Hkv, int32_t Dh)
{
    enum { COMMON = 600, QUESTION = 30, OWN = 106 };
    if (!is_wanted("attention"))
        return;
    struct ap_arena_mark mark = ap__arena_mark(&arena);
    struct attention a = attention_new(H, Hkv, Dh);
    struct ap_span path[3] = {{0, COMMON}};
    a.T = COMMON;
    for (int32_t r = 0; r < runs; r++) {
        if (r % 8 == 0) {
            path[1] = (struct ap_span){a.T, QUESTION};
            a.T += QUESTION;
        }
        path[2] = (struct ap_span){a.T, OWN};
        a.T += OWN;
        run_add(&a, 1, path, 3);
        a.run[r].q_start = r;
    }
    size_t nq = (size_t)(runs * H * Dh), nk = (size_t)a.T * (size_t)(Hkv * Dh);
    a.q = numbers(nq), a.out = numbers(nq), a.k = numbers(LAYERS * nk), a.v = numbers(LAYERS * nk);
    a.attn.run = a.run, a.attn.span = a.span, a.attn.run_count = a.runs, a.attn.head_rows = a.T;
    char shape[96];
    snprintf(shape, sizeof shape, "decode runs%d H%d/%d Dh%d %d layers", runs, H, Hkv, Dh, LAYERS);
    bench("attention", shape, call_attention_layers, &a, LAYERS * 4.0 * a.pairs * H * Dh, LAYERS * 8.0 * (double)nk);
    ap__arena_release(&arena, mark);
}

static void bench_prefill(int32_t len, int32_t H, int32_t Hkv, int32_t Dh)
{
    struct ap_arena_mark mark = ap__arena_mark(&arena);
    struct attention a = attention_new(H, Hkv, Dh);
    run_add(&a, len, NULL, 0);
    bench_attention(&a, "prefill", true);
    ap__arena_release(&arena, mark);
}

/* ---- the rest ---- */

struct rest {
    int32_t T, D, F, V;
    float *x, *y, *z, *w, *rstd, *logp, *lse;
    int32_t *position, *token;
    struct ap_matrix W;
    struct ap_arena scratch;
    float inv_freq[16];
};

static void call_rmsnorm(void *ctx)
{
    struct rest *r = ctx;
    op->rmsnorm(r->y, r->rstd, r->x, &(struct ap_matrix){AP_F32, r->D, 0, r->w}, r->T, 1e-5f);
}
static void call_rmsnorm_d(void *ctx)
{
    struct rest *r = ctx;
    op->rmsnorm_d(r->y, r->w, r->z, r->x, &(struct ap_matrix){AP_F32, r->D, 0, r->w}, r->rstd, r->T);
}
static void call_rope(void *ctx)
{
    struct rest *r = ctx;
    op->rope(r->y, r->position, r->inv_freq, r->T, r->D / 32, 32, false);
}
static void call_swiglu(void *ctx)
{
    struct rest *r = ctx;
    op->swiglu(r->y, r->x, r->z, (int64_t)r->T * r->F);
}
static void call_swiglu_d(void *ctx)
{
    struct rest *r = ctx;
    op->swiglu_d(r->y, r->y, r->y, r->z, r->x, r->z, (int64_t)r->T * r->F);
}
static void call_embedding_d(void *ctx)
{
    struct rest *r = ctx;
    op->embedding_d(r->w, r->x, r->token, r->T, r->D);
}
static void call_logprobs(void *ctx)
{
    struct rest *r = ctx;
    struct ap_err err;
    if (op->logprobs(r->logp, r->lse, NULL, r->x, &r->W, r->position, r->token, r->T, &r->scratch, &err) != AP_OK)
        exit(1);
}
static void call_logprobs_d(void *ctx)
{
    struct rest *r = ctx;
    struct ap_err err;
    if (op->logprobs_d(r->z, r->y, r->logp, r->lse, NULL, r->x, &r->W, r->position, r->token, r->T, &r->scratch, &err) != AP_OK)
        exit(1);
}
static void call_adamw(void *ctx)
{
    struct rest *r = ctx;
    struct ap_adamw opt = {1e-4f, 0.9f, 0.95f, 1e-8f, 0.1f, 10};
    op->adamw(r->y, r->w, r->rstd, r->x, (int64_t)r->V * r->D, &opt, 1);
}
static void call_sumsq(void *ctx)
{
    struct rest *r = ctx;
    r->logp[0] = (float)op->sumsq(r->x, (int64_t)r->T * r->D);
}
static void call_muon(void *ctx)
{
    struct rest *r = ctx;
    struct ap_err err;
    if (op->muon(r->y, r->w, r->x, r->F, r->D, 0.02f, 0.95f, 0, 1, &r->scratch, &err) != AP_OK)
        exit(1);
}

static void bench_rest(int32_t T, int32_t D, int32_t F, int32_t V)
{
    struct ap_arena_mark mark = ap__arena_mark(&arena);
    size_t n = (size_t)T * (size_t)F + (size_t)V * (size_t)D;
    struct rest r = {T, D, F, V, .x = numbers(n), .y = numbers(n), .z = numbers(n), .w = numbers(n), .rstd = numbers(n),
                     .logp = numbers((size_t)T), .lse = numbers((size_t)T), .position = take((size_t)T, 4),
                     .token = take((size_t)T, 4)};
    char shape[64];
    double rows = 4.0 * T * D, wide = 4.0 * T * F, project = 2.0 * T * D * V;
    r.W = (struct ap_matrix){AP_F32, V, D, numbers((size_t)V * (size_t)D)};
    for (int32_t t = 0; t < T; t++) {
        r.position[t] = t % 1000 < T ? t % 1000 : t;
        r.token[t] = t * 7 % V;
    }
    for (size_t i = 0; i < n; i++)
        r.rstd[i] = 1;
    for (int32_t i = 0; i < 16; i++)
        r.inv_freq[i] = 1.0f / (float)(1 + i * i);
    ap__arena_init(&r.scratch, 0);
    snprintf(shape, sizeof shape, "T%d D%d F%d V%d", T, D, F, V);
    bench("rmsnorm", shape, call_rmsnorm, &r, 4.0 * T * D, 2 * rows);
    bench("rmsnorm_d", shape, call_rmsnorm_d, &r, 12.0 * T * D, 6 * rows);
    bench("rope", shape, call_rope, &r, 3.0 * T * D, 2 * rows);
    bench("swiglu", shape, call_swiglu, &r, 0, 3 * wide);
    bench("swiglu_d", shape, call_swiglu_d, &r, 0, 5 * wide);
    bench("embedding_d", shape, call_embedding_d, &r, 0, 3 * rows);
    bench("logprobs", shape, call_logprobs, &r, project, 0);
    bench("logprobs_d", shape, call_logprobs_d, &r, 3 * project, 0);
    bench("adamw", shape, call_adamw, &r, 0, 7.0 * 4 * V * D);
    bench("sumsq", shape, call_sumsq, &r, 0, rows);
    double small = D < F ? D : F, large = D < F ? F : D;
    bench("muon", shape, call_muon, &r, 5 * 2 * (2 * small * small * large + small * small * small), 0);
    ap__arena_deinit(&r.scratch);
    ap__arena_release(&arena, mark);
}

int main(int argc, char **argv)
{
    if (argc > 2)
        only = argv[2];
    if (argc > 1)
        repeats = atoi(argv[1]) > 0 && atoi(argv[1]) <= 64 ? atoi(argv[1]) : repeats;
    struct ap_err err;
    if (ap__libopenblas_load(&err) != AP_OK) {
        fprintf(stderr, "bench_ops: %s\n", err.message);
        return 1;
    }
    ap__arena_init(&arena, 0);
    printf("op,shape,threads,median_us,least_us,gflops,percent_of_sgemm,gbytes\n");
    struct product top = {1024, 1024, 1024, numbers(1 << 20), numbers(1 << 20), numbers(1 << 20),
                          {AP_F32, 1024, 1024, numbers(1 << 20)}};
    peak = bench("sgemm", "1024^3", call_sgemm, &top, 2.0 * 1024 * 1024 * 1024, 0);
    static const int32_t train[][2] = {{128, 128}, {64, 128}, {352, 128}, {128, 352}, {16, 128}, {512, 192}};
    for (size_t i = 0; i < sizeof train / sizeof *train; i++)
        bench_product(4000, train[i][0], train[i][1], AP_F32, true);
    bench_product(1024, 1536, 576, AP_F32, true);
    bench_product(1024, 16, 576, AP_F32, true);
    bench_product(1024, 576, 16, AP_F32, true);
    bench_product(16, 1536, 576, AP_F32, false);
    bench_product(64, 1536, 576, AP_F32, false);
    static const int32_t decode[] = {1, 8, 64, 128, 256};
    for (size_t i = 0; i < sizeof decode / sizeof *decode; i++) {
        bench_product(decode[i], 128, 128, AP_F32, false);
        bench_product(decode[i], 352, 128, AP_F32, false);
        bench_product(decode[i], 600, 128, AP_F32, false);
    }
    bench_product(1, 1536, 576, AP_BF16, false);
    bench_product(16, 1536, 576, AP_BF16, false);
    bench_product(1000, 1536, 576, AP_BF16, true);
    bench_product(1, 4096, 4096, AP_BF16, false);
    bench_product(1, 4096, 4096, AP_F32, false);
    bench_product(8, 4096, 4096, AP_BF16, false);
    static const enum ap_dtype held[] = {AP_F32, AP_BF16, AP_INT8, AP_NF4, AP_NF4_DOUBLE};
    static const int32_t held_rows[] = {1, 4, 16, 32, 256};
    for (size_t i = 0; i < sizeof held_rows / sizeof *held_rows; i++)
        for (size_t k = 0; k < sizeof held / sizeof *held; k++)
            bench_product(held_rows[i], 4096, 4096, held[k], held_rows[i] == 256);
    static const int32_t branches[] = {1, 16, 32, 64, 150};
    for (size_t i = 0; i < sizeof branches / sizeof *branches; i++) {
        bench_layers(branches[i], AP_F32);
        bench_layers(branches[i], AP_BF16);
        bench_layers(branches[i], AP_F16);
    }
    bench_product(64, 49152, 576, AP_F32, false);
    bench_tree(4, 2, 32, 6, 150, 5, 40);
    bench_tree(4, 2, 32, 12, 120, 10, 10);
    bench_tree(6, 2, 32, 6, 150, 5, 40);
    bench_tree(9, 3, 64, 4, 200, 4, 60);
    bench_decode(64, 4, 2, 32);
    bench_decode(128, 4, 2, 32);
    bench_decode(256, 4, 2, 32);
    bench_decode(64, 9, 3, 64);
    bench_decode(32, 32, 8, 128);
    bench_decode_layers(64, 9, 3, 64);
    bench_prefill(1, 4, 2, 32);
    bench_prefill(1000, 4, 2, 32);
    bench_prefill(1000, 32, 8, 128);
    bench_rest(4000, 128, 352, 600);
    ap__arena_deinit(&arena);
    ap__backend_cpu_release();
    if (lines == 1 && !is_wanted("sgemm")) {
        fprintf(stderr, "bench_ops: no operation's name begins with `%s`\n", only);
        return 2;
    }
    return 0;
}
