/* test_tensor_attention.c - tree attention against a dense mask in double.
 *
 * Random trees are packed; every segment is a run whose spans are its
 * ancestors.  The twin walks `parent` from each token and knows nothing of
 * runs, spans or blocks. */
#include "test_tensor.h"

#include "tensor/attention_plan.h"
#include "tree/token_tree.h"

#include <omp.h>

enum { MAX_SEQS = 12, MAX_LEN = 150 };

/* One attention problem over a random tree with its runs. */
struct problem {
    struct ap_arena arena;
    struct ap_pack pack;
    struct ap_attn attn;
    struct ap_attn_run *run;
    struct ap_span *span;
    float *q, *k, *v, *dout;
    double *wq, *wk, *wv; /* the same in double */
};

static void tree_random(struct problem *p, struct ap_rng *rng, int32_t max_len)
{
    static int32_t token[MAX_SEQS][MAX_LEN];
    static uint8_t trained[MAX_LEN];
    struct ap_seq seq[MAX_SEQS];
    int32_t S = 1 + (int32_t)ap__rng_below(rng, MAX_SEQS), id = 0;
    for (int32_t s = 0; s < S; s++) {
        int32_t len = 1 + (int32_t)ap__rng_below(rng, (uint32_t)max_len), same = 0;
        if (s > 0 && ap__rng_below(rng, 8) > 0) {
            int32_t from = (int32_t)ap__rng_below(rng, (uint32_t)s);
            same = (int32_t)ap__rng_below(rng, (uint32_t)(seq[from].len < len ? seq[from].len : len) + 1);
            memcpy(token[s], token[from], (size_t)same * sizeof token[s][0]);
        }
        for (int32_t i = same; i < len; i++)
            token[s][i] = id++;
        seq[s] = (struct ap_seq){token[s], trained, len};
    }
    struct ap_err err;
    assert_int_equal(ap__pack_build(&p->arena, seq, S, 0, &p->pack, &err), AP_OK);
}

/* Runs in the order of segments, then shuffled; spans are the ancestors, root first. */
static void runs_make(struct problem *p, struct ap_rng *rng)
{
    int32_t G = p->pack.G, spans = 0;
    p->run = ap__arena_alloc(&p->arena, (size_t)G * sizeof *p->run);
    p->span = ap__arena_alloc(&p->arena, (size_t)G * (size_t)G * sizeof *p->span);
    for (int32_t g = 0; g < G; g++) {
        const struct ap_segment *segment = p->pack.segment;
        int32_t depth = 0;
        for (int32_t a = segment[g].parent; a >= 0; a = segment[a].parent)
            depth++;
        p->run[g] = (struct ap_attn_run){segment[g].start, segment[g].len, segment[g].start, spans, depth};
        for (int32_t a = segment[g].parent, i = depth; a >= 0; a = segment[a].parent)
            p->span[spans + --i] = (struct ap_span){segment[a].start, segment[a].len};
        spans += depth;
    }
    if (ap__rng_below(rng, 2))
        ap__rng_shuffle(rng, p->run, (uint32_t)G, sizeof *p->run);
}

static void problem_make(struct problem *p, struct ap_rng *rng, int32_t Hkv, int32_t ratio, int32_t Dh, int32_t max_len)
{
    ap__arena_init(&p->arena, 0);
    tree_random(p, rng, max_len);
    runs_make(p, rng);
    p->attn = (struct ap_attn){.run = p->run, .span = p->span, .run_count = p->pack.G, .H = Hkv * ratio, .Hkv = Hkv,
                               .Dh = Dh, .scale = 1.0f / sqrtf((float)Dh)};
    size_t T = (size_t)p->pack.T, nq = T * (size_t)(p->attn.H * Dh), nk = T * (size_t)(Hkv * Dh);
    p->q = numbers(nq, rng, 1.5);
    p->k = numbers(nk, rng, 1.5);
    p->v = numbers(nk, rng, 1);
    p->dout = numbers(nq, rng, 1);
    p->wq = widened(p->q, nq);
    p->wk = widened(p->k, nk);
    p->wv = widened(p->v, nk);
}

static void problem_free(struct problem *p)
{
    ap__arena_deinit(&p->arena);
    free(p->q);
    free(p->k);
    free(p->v);
    free(p->dout);
    free(p->wq);
    free(p->wk);
    free(p->wv);
}

/* Attention of one query head; out (Dh,), weight and seen (depth+1,): the rows it sees. Returns log-sum-exp. */
static double twin_row(const struct problem *p, int32_t t, int32_t h, double *out, double *weight, int32_t *seen,
                       int32_t *count)
{
    int32_t Dh = p->attn.Dh, kv = h / (p->attn.H / p->attn.Hkv), n = 0;
    const double *q = p->wq + ((size_t)t * (size_t)p->attn.H + (size_t)h) * (size_t)Dh;
    double total = 0;
    for (int32_t u = t; u >= 0 && (p->attn.window == 0 || n < p->attn.window); u = p->pack.parent[u]) {
        const double *k = p->wk + ((size_t)u * (size_t)p->attn.Hkv + (size_t)kv) * (size_t)Dh;
        double score = 0;
        for (int32_t d = 0; d < Dh; d++)
            score += q[d] * k[d];
        weight[n] = exp(score * (double)p->attn.scale);
        total += weight[n];
        seen[n++] = u;
    }
    memset(out, 0, (size_t)Dh * sizeof *out);
    for (int32_t i = 0; i < n; i++) {
        const double *v = p->wv + ((size_t)seen[i] * (size_t)p->attn.Hkv + (size_t)kv) * (size_t)Dh;
        weight[i] /= total;
        for (int32_t d = 0; d < Dh; d++)
            out[d] += weight[i] * v[d];
    }
    *count = n;
    return log(total);
}

static double twin_loss(void *ctx)
{
    const struct problem *p = ctx;
    int32_t Dh = p->attn.Dh, seen[MAX_LEN], count;
    double out[AP_MAX_HEAD_WIDTH], weight[MAX_LEN], loss = 0;
    for (int32_t t = 0; t < p->pack.T; t++) {
        for (int32_t h = 0; h < p->attn.H; h++) {
            twin_row(p, t, h, out, weight, seen, &count);
            for (int32_t d = 0; d < Dh; d++)
                loss += out[d] * (double)p->dout[((size_t)t * (size_t)p->attn.H + (size_t)h) * (size_t)Dh + (size_t)d];
        }
    }
    return loss;
}

/* Gradients of twin_loss by the textbook formulas in double; accumulates. */
static void twin_gradient(const struct problem *p, double *dq, double *dk, double *dv)
{
    int32_t Dh = p->attn.Dh, seen[MAX_LEN], count;
    double out[AP_MAX_HEAD_WIDTH], weight[MAX_LEN];
    for (int32_t t = 0; t < p->pack.T; t++) {
        for (int32_t h = 0; h < p->attn.H; h++) {
            size_t at = ((size_t)t * (size_t)p->attn.H + (size_t)h) * (size_t)Dh;
            twin_row(p, t, h, out, weight, seen, &count);
            double mean = 0;
            for (int32_t d = 0; d < Dh; d++)
                mean += out[d] * (double)p->dout[at + (size_t)d];
            for (int32_t i = 0; i < count; i++) {
                size_t row = (size_t)seen[i] * (size_t)p->attn.Hkv + (size_t)(h / (p->attn.H / p->attn.Hkv));
                const double *k = p->wk + row * (size_t)Dh, *v = p->wv + row * (size_t)Dh;
                double dp = 0;
                for (int32_t d = 0; d < Dh; d++)
                    dp += (double)p->dout[at + (size_t)d] * v[d];
                double ds = weight[i] * (dp - mean) * (double)p->attn.scale;
                for (int32_t d = 0; d < Dh; d++) {
                    dq[at + (size_t)d] += ds * k[d];
                    dk[row * (size_t)Dh + (size_t)d] += ds * p->wq[at + (size_t)d];
                    dv[row * (size_t)Dh + (size_t)d] += weight[i] * (double)p->dout[at + (size_t)d];
                }
            }
        }
    }
}

struct result {
    size_t nq, nk, nl;
    float *out, *lse, *dq, *dk, *dv;
};

static struct result result_of(const struct problem *p)
{
    size_t T = (size_t)p->pack.T, H = (size_t)p->attn.H, Dh = (size_t)p->attn.Dh;
    struct result r = {.nq = T * H * Dh, .nk = T * (size_t)p->attn.Hkv * Dh, .nl = T * H};
    r.out = malloc(r.nq * sizeof(float));
    r.lse = malloc(r.nl * sizeof(float));
    r.dq = malloc(r.nq * sizeof(float));
    r.dk = calloc(r.nk, sizeof(float));
    r.dv = calloc(r.nk, sizeof(float));
    ap__backend_cpu.attention(r.out, r.lse, p->q, p->k, p->v, &p->attn);
    ap__backend_cpu.attention_d(r.dq, r.dk, r.dv, p->dout, r.out, r.lse, p->q, p->k, p->v, &p->attn);
    return r;
}

static void result_free(struct result *r)
{
    free(r->out);
    free(r->lse);
    free(r->dq);
    free(r->dk);
    free(r->dv);
}

static void compare_all(const float *got, const double *want, size_t n, double tolerance, const char *what)
{
    for (size_t i = 0; i < n; i++)
        assert_near((double)got[i], want[i], tolerance, what, i);
}

static void check_against_twin(const struct problem *p)
{
    struct result r = result_of(p);
    double out[AP_MAX_HEAD_WIDTH], weight[MAX_LEN];
    int32_t seen[MAX_LEN], count, Dh = p->attn.Dh;
    for (int32_t t = 0; t < p->pack.T; t++) {
        for (int32_t h = 0; h < p->attn.H; h++) {
            size_t at = (size_t)t * (size_t)p->attn.H + (size_t)h;
            double lse = twin_row(p, t, h, out, weight, seen, &count);
            assert_near((double)r.lse[at], lse, 1e-5, "lse", at);
            compare_all(r.out + at * (size_t)Dh, out, (size_t)Dh, 1e-5, "out");
        }
    }
    double *dq = calloc(r.nq, sizeof *dq), *dk = calloc(r.nk, sizeof *dk), *dv = calloc(r.nk, sizeof *dv);
    twin_gradient(p, dq, dk, dv);
    compare_all(r.dq, dq, r.nq, 2e-5, "dq");
    compare_all(r.dk, dk, r.nk, 2e-5, "dk");
    compare_all(r.dv, dv, r.nk, 2e-5, "dv");
    free(dq);
    free(dk);
    free(dv);
    result_free(&r);
}

static const struct {
    int32_t Hkv, ratio, Dh;
} shapes[] = {{2, 2, 32}, {1, 1, 16}, {1, 4, 64}, {3, 1, 80}, {2, 4, 8}, {1, 3, 128}, {2, 1, 6}, {1, 2, 256}, {1, 48, 16}};
enum { SHAPES = sizeof shapes / sizeof *shapes };

static void tree_attention_equals_a_dense_mask_for_every_shape(void **state)
{
    (void)state;
    for (size_t s = 0; s < SHAPES; s++) {
        for (uint64_t seed = 0; seed < 4; seed++) {
            struct ap_rng rng = ap__rng_make(seed, "attention", s, 0, 0);
            struct problem p;
            print_message("shape %zu seed %d\n", s, (int)seed);
            problem_make(&p, &rng, shapes[s].Hkv, shapes[s].ratio, shapes[s].Dh, shapes[s].Dh > 64 ? 40 : MAX_LEN);
            check_against_twin(&p);
            problem_free(&p);
        }
    }
}

static void a_window_hides_all_but_the_last_keys(void **state)
{
    (void)state;
    static const int32_t window[] = {1, 2, 7, 63, 64, 65, 100, 1 << 24};
    for (size_t w = 0; w < sizeof window / sizeof *window; w++) {
        for (uint64_t seed = 0; seed < 6; seed++) {
            size_t s = (seed + w) % 6;
            struct ap_rng rng = ap__rng_make(seed, "window", w, 0, 0);
            struct problem p;
            print_message("window %d seed %d\n", window[w], (int)seed);
            problem_make(&p, &rng, shapes[s].Hkv, shapes[s].ratio, shapes[s].Dh, MAX_LEN);
            p.attn.window = window[w];
            check_against_twin(&p);
            problem_free(&p);
        }
    }
}

/* x (rows, heads*Dh) as (heads, rows, Dh). */
static float *by_heads(const float *x, size_t rows, size_t heads, size_t Dh)
{
    float *y = malloc(rows * heads * Dh * sizeof *y);
    for (size_t r = 0; r < rows; r++)
        for (size_t h = 0; h < heads; h++)
            memcpy(y + (h * rows + r) * Dh, x + (r * heads + h) * Dh, Dh * sizeof *y);
    return y;
}

static void keys_of_a_head_may_stand_together(void **state)
{
    (void)state;
    for (size_t s = 0; s < SHAPES; s++) {
        struct ap_rng rng = ap__rng_make(s, "heads", 0, 0, 0);
        struct problem p;
        problem_make(&p, &rng, shapes[s].Hkv, shapes[s].ratio, shapes[s].Dh, MAX_LEN);
        struct result r = result_of(&p);
        float *k = by_heads(p.k, (size_t)p.pack.T, (size_t)p.attn.Hkv, (size_t)p.attn.Dh);
        float *v = by_heads(p.v, (size_t)p.pack.T, (size_t)p.attn.Hkv, (size_t)p.attn.Dh);
        float *out = malloc(r.nq * sizeof *out);
        p.attn.head_rows = p.pack.T;
        ap__backend_cpu.attention(out, NULL, p.q, k, v, &p.attn);
        assert_memory_equal(out, r.out, r.nq * sizeof *out);
        free(out);
        free(v);
        free(k);
        result_free(&r);
        problem_free(&p);
    }
}

/* Differences of the twin itself: a wrong twin would hide a wrong operation. */
static void the_gradient_through_a_window_passes_finite_differences(void **state)
{
    (void)state;
    for (size_t s = 0; s < 5; s++) {
        struct ap_rng rng = ap__rng_make(s, "window differences", 0, 0, 0);
        struct problem p;
        problem_make(&p, &rng, shapes[s].Hkv, shapes[s].ratio, shapes[s].Dh, 12);
        p.attn.window = 1 + (int32_t)s;
        struct result r = result_of(&p);
        check_gradient(twin_loss, &p, p.wq, r.dq, r.nq, 1 + r.nq / 40, 2e-5, "dq");
        check_gradient(twin_loss, &p, p.wk, r.dk, r.nk, 1 + r.nk / 40, 2e-5, "dk");
        check_gradient(twin_loss, &p, p.wv, r.dv, r.nk, 1 + r.nk / 40, 2e-5, "dv");
        result_free(&r);
        problem_free(&p);
    }
}

static void the_twins_gradient_passes_finite_differences(void **state)
{
    (void)state;
    for (size_t s = 0; s < 5; s++) {
        struct ap_rng rng = ap__rng_make(s, "differences", 0, 0, 0);
        struct problem p;
        problem_make(&p, &rng, shapes[s].Hkv, shapes[s].ratio, shapes[s].Dh, 12);
        struct result r = result_of(&p);
        check_gradient(twin_loss, &p, p.wq, r.dq, r.nq, 1 + r.nq / 40, 2e-5, "dq");
        check_gradient(twin_loss, &p, p.wk, r.dk, r.nk, 1 + r.nk / 40, 2e-5, "dk");
        check_gradient(twin_loss, &p, p.wv, r.dv, r.nk, 1 + r.nk / 40, 2e-5, "dv");
        result_free(&r);
        problem_free(&p);
    }
}

static void gradients_of_keys_accumulate_and_those_of_queries_do_not(void **state)
{
    (void)state;
    struct ap_rng rng = ap__rng_make(3, "accumulate", 0, 0, 0);
    struct problem p;
    problem_make(&p, &rng, 2, 2, 32, 40);
    struct result once = result_of(&p), twice = result_of(&p);
    ap__backend_cpu.attention_d(twice.dq, twice.dk, twice.dv, p.dout, twice.out, twice.lse, p.q, p.k, p.v, &p.attn);
    assert_memory_equal(once.dq, twice.dq, once.nq * sizeof(float));
    for (size_t i = 0; i < once.nk; i++) {
        assert_near((double)twice.dk[i], 2 * (double)once.dk[i], 1e-5, "dk", i);
        assert_near((double)twice.dv[i], 2 * (double)once.dv[i], 1e-5, "dv", i);
    }
    result_free(&once);
    result_free(&twice);
    problem_free(&p);
}

/* Threads 1..5 cut heads in different places; a repeat must give the same bits, all must agree. */
static void any_number_of_threads_agrees_and_repeats_bit_for_bit(void **state)
{
    (void)state;
    struct ap_rng rng = ap__rng_make(5, "threads", 0, 0, 0);
    struct problem p;
    int keep = omp_get_max_threads();
    problem_make(&p, &rng, 2, 2, 32, MAX_LEN);
    omp_set_num_threads(1);
    struct result serial = result_of(&p);
    for (int threads = 1; threads <= 5; threads++) {
        omp_set_num_threads(threads);
        struct result a = result_of(&p), b = result_of(&p);
        assert_memory_equal(a.out, b.out, a.nq * sizeof(float));
        assert_memory_equal(a.dq, b.dq, a.nq * sizeof(float));
        assert_memory_equal(a.dk, b.dk, a.nk * sizeof(float));
        assert_memory_equal(a.dv, b.dv, a.nk * sizeof(float));
        for (size_t i = 0; i < a.nk; i++) {
            assert_near((double)a.dk[i], (double)serial.dk[i], 1e-5, "dk", i);
            assert_near((double)a.dv[i], (double)serial.dv[i], 1e-5, "dv", i);
        }
        result_free(&a);
        result_free(&b);
    }
    omp_set_num_threads(keep);
    result_free(&serial);
    problem_free(&p);
}

static void attention_without_scratch_is_still_right(void **state)
{
    (void)state;
    struct ap_rng rng = ap__rng_make(6, "scratch", 0, 0, 0);
    struct problem p;
    int keep = omp_get_max_threads();
    problem_make(&p, &rng, 2, 2, 32, MAX_LEN);
    omp_set_num_threads(3);
    ap__backend_cpu_release();
    ap__alloc_fail_after(1);
    check_against_twin(&p);
    ap__alloc_fail_after(0);
    omp_set_num_threads(keep);
    problem_free(&p);
}

static void a_second_identical_call_allocates_nothing(void **state)
{
    (void)state;
    struct ap_rng rng = ap__rng_make(7, "allocate", 0, 0, 0);
    struct problem p;
    int keep = omp_get_max_threads();
    problem_make(&p, &rng, 2, 2, 32, MAX_LEN);
    omp_set_num_threads(3);
    ap__backend_cpu_release();
    uint64_t before = ap__alloc_count();
    struct result a = result_of(&p);
    uint64_t after = ap__alloc_count();
    struct result b = result_of(&p);
    assert_true(after > before); /* three threads on two heads need rows of their own */
    assert_int_equal(ap__alloc_count(), after);
    omp_set_num_threads(keep);
    result_free(&a);
    result_free(&b);
    problem_free(&p);
}

/* A decode step: one query per branch, keys in scattered spans of a pool; the twin is one long run per branch. */
static void decode_runs_see_their_spans_and_themselves(void **state)
{
    (void)state;
    enum { RUNS = 70, POOL = 900, Dh = 32, H = 4, HKV = 2 };
    struct ap_rng rng = ap__rng_make(8, "decode", 0, 0, 0);
    float *q = numbers(RUNS * H * Dh, &rng, 1), *k = numbers(POOL * HKV * Dh, &rng, 1),
          *v = numbers(POOL * HKV * Dh, &rng, 1);
    float *out = malloc(RUNS * H * Dh * sizeof *out), one[H * Dh];
    struct ap_attn_run run[RUNS];
    struct ap_span span[RUNS * 4];
    for (int32_t r = 0; r < RUNS; r++) {
        int32_t question = (int32_t)ap__rng_below(&rng, 5), own = 800 + r;
        span[4 * r] = (struct ap_span){3, 130};
        span[4 * r + 1] = (struct ap_span){200 + 50 * question, 50};
        span[4 * r + 2] = (struct ap_span){500 + r, 1 + (int32_t)ap__rng_below(&rng, 70)};
        span[4 * r + 3] = (struct ap_span){700 + r, 0};
        run[r] = (struct ap_attn_run){RUNS - 1 - r, 1, own, 4 * r, 1 + r % 4};
    }
    struct ap_attn attn = {run, span, RUNS, H, HKV, Dh, 0.2f, 0, 0};
    ap__backend_cpu.attention(out, NULL, q, k, v, &attn);
    for (int32_t r = 0; r < RUNS; r++) { /* gather its keys in one stretch: one span, no sharing */
        float gk[300 * HKV * Dh], gv[300 * HKV * Dh];
        int32_t n = 0;
        for (int32_t s = 0; s <= run[r].span_count; s++) {
            struct ap_span at = s < run[r].span_count ? span[4 * r + s] : (struct ap_span){run[r].own_start, 1};
            memcpy(gk + n * HKV * Dh, k + at.start * HKV * Dh, (size_t)(at.len * HKV * Dh) * sizeof *gk);
            memcpy(gv + n * HKV * Dh, v + at.start * HKV * Dh, (size_t)(at.len * HKV * Dh) * sizeof *gv);
            n += at.len;
        }
        struct ap_span all = {0, n - 1};
        struct ap_attn_run alone = {0, 1, n - 1, 0, 1};
        struct ap_attn single = {&alone, &all, 1, H, HKV, Dh, 0.2f, 0, 0};
        ap__backend_cpu.attention(one, NULL, q + run[r].q_start * H * Dh, gk, gv, &single);
        for (int32_t i = 0; i < H * Dh; i++)
            assert_near((double)out[run[r].q_start * H * Dh + i], (double)one[i], 2e-6, "out", (size_t)i);
    }
    free(q);
    free(k);
    free(v);
    free(out);
}

static void a_stretch_is_of_neighbouring_rows(void **state)
{
    (void)state;
    struct ap_rng rng = ap__rng_make(1, "stretch", 0, 0, 0);
    for (int repeat = 0; repeat < 300; repeat++) {
        struct ap_span span[4];
        struct ap_stream stream = {.span = span, .spans = (int32_t)ap__rng_below(&rng, 5), .own_start = 900,
                                   .own_len = (int32_t)ap__rng_below(&rng, 20)};
        stream.keys = stream.own_len;
        for (int32_t s = 0; s < stream.spans; s++) {
            span[s] = (struct ap_span){(int32_t)ap__rng_below(&rng, 800), (int32_t)ap__rng_below(&rng, 30)};
            stream.keys += span[s].len;
        }
        for (int32_t from = 0; from < stream.keys; from++) {
            int32_t rows[200], first, n = 1 + (int32_t)ap__rng_below(&rng, (uint32_t)(stream.keys - from));
            ap__stream_rows(&stream, from, n, rows);
            int32_t count = ap__stream_stretch(&stream, from, n, &first);
            assert_in_range(count, 1, n);
            for (int32_t i = 0; i < count; i++)
                assert_int_equal(rows[i], first + i);
            /* up to the end, or to that of a span */
            int32_t end = 0, s = 0;
            while (s < stream.spans && end <= from)
                end += span[s++].len;
            assert_int_equal(count, end > from && end - from < n ? end - from : n);
        }
    }
}

static void scores_of_any_size_stay_finite_and_nan_shows(void **state)
{
    (void)state;
    enum { N = 70, Dh = 16 };
    float q[N * Dh], k[N * Dh], v[N * Dh], out[N * Dh], lse[N];
    for (int32_t i = 0; i < N * Dh; i++) {
        q[i] = 100.0f;
        k[i] = i / Dh % 2 ? 50.0f : -50.0f;
        v[i] = (float)(i / Dh);
    }
    struct ap_attn_run run = {0, N, 0, 0, 0};
    struct ap_attn attn = {&run, NULL, 1, 1, 1, Dh, 1.0f, 0, 0};
    ap__backend_cpu.attention(out, lse, q, k, v, &attn);
    for (int32_t t = 0; t < N; t++) { /* only odd keys count, once there is one */
        double odd = (double)((t + 1) / 2), want = t == 0 ? 0 : odd; /* mean of 1, 3, 5, ... */
        assert_near((double)out[t * Dh], want, 1e-5, "out", (size_t)t);
    }
    k[5 * Dh] = NAN;
    ap__backend_cpu.attention(out, lse, q, k, v, &attn);
    assert_true(isnan(out[4 * Dh]) == 0);
    assert_true(isnan(out[5 * Dh]) != 0);
    assert_true(isnan(out[69 * Dh]) != 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tree_attention_equals_a_dense_mask_for_every_shape),
        cmocka_unit_test(a_window_hides_all_but_the_last_keys),
        cmocka_unit_test(keys_of_a_head_may_stand_together),
        cmocka_unit_test(the_gradient_through_a_window_passes_finite_differences),
        cmocka_unit_test(the_twins_gradient_passes_finite_differences),
        cmocka_unit_test(gradients_of_keys_accumulate_and_those_of_queries_do_not),
        cmocka_unit_test(any_number_of_threads_agrees_and_repeats_bit_for_bit),
        cmocka_unit_test(attention_without_scratch_is_still_right),
        cmocka_unit_test(a_second_identical_call_allocates_nothing),
        cmocka_unit_test(decode_runs_see_their_spans_and_themselves),
        cmocka_unit_test(a_stretch_is_of_neighbouring_rows),
        cmocka_unit_test(scores_of_any_size_stay_finite_and_nan_shows),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    ap__backend_cpu_release();
    return failed;
}
