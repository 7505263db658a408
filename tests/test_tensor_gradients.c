/* test_tensor_gradients.c - every operation but attention (which has its own
 * file) and its gradient against a plain reference in double.
 *
 * Loss = sum of dy * y for a random dy, so the operation's backward with dy
 * must give the differences of the reference's loss. */
#include "test_tensor.h"

static const struct ap_backend *const op = &ap__backend_cpu;

/* ---- linear ---- */

struct linear_case {
    int32_t T, O, I;
    double *x, *W, *dy, scale;
};

static double linear_y(const struct linear_case *c, int32_t t, int32_t o)
{
    double sum = 0;
    for (int32_t i = 0; i < c->I; i++)
        sum += c->x[t * c->I + i] * c->W[o * c->I + i];
    return sum * c->scale;
}

static double linear_loss(void *ctx)
{
    const struct linear_case *c = ctx;
    double loss = 0;
    for (int32_t t = 0; t < c->T; t++)
        for (int32_t o = 0; o < c->O; o++)
            loss += c->dy[t * c->O + o] * linear_y(c, t, o);
    return loss;
}

/* W is rounded to dtype first, so the reference sees the same numbers. */
static void check_linear(int32_t T, int32_t O, int32_t I, enum ap_dtype dtype, struct ap_rng *rng)
{
    size_t nx = (size_t)(T * I), nw = (size_t)(O * I), ny = (size_t)(T * O);
    float *x = numbers(nx, rng, 1), *W = numbers(nw, rng, 1), *dy = numbers(ny, rng, 1), *y = numbers(ny, rng, 1);
    float *dx = calloc(nx, sizeof *dx), *dW = calloc(nw, sizeof *dW), scale = 0.7f;
    uint8_t *stored = malloc(nw * ap__dtype_size(dtype) + 1);
    ap__dtype_from_f32(stored, W, dtype, nw);
    ap__dtype_to_f32(W, stored, dtype, nw);
    double *before = widened(y, ny);
    struct linear_case c = {T, O, I, widened(x, nx), widened(W, nw), widened(dy, ny), (double)scale};
    struct ap_matrix matrix = {dtype, O, I, stored};
    double tolerance = 2e-6 * sqrt(I);
    op->linear(y, x, &matrix, T, true, scale);
    for (int32_t i = 0; i < T * O; i++)
        assert_near((double)y[i], before[i] + linear_y(&c, i / O, i % O), tolerance, "y", (size_t)i);
    op->linear(y, x, &matrix, T, false, scale);
    for (int32_t i = 0; i < T * O; i++)
        assert_near((double)y[i], linear_y(&c, i / O, i % O), tolerance, "y", (size_t)i);
    op->linear_dx(dx, dy, &matrix, T, false, scale);
    op->linear_dw(dW, dy, x, T, O, I, scale);
    check_gradient(linear_loss, &c, c.x, dx, nx, 1 + nx / 7, 1e-4, "dx");
    check_gradient(linear_loss, &c, c.W, dW, nw, 1 + nw / 7, 1e-4, "dW");
    op->linear_dx(dx, dy, &matrix, T, true, -scale); /* accumulates: back to zero */
    op->linear_dw(dW, dy, x, T, O, I, -scale);
    for (size_t i = 0; i < nx; i++)
        assert_near((double)dx[i], 0, 1e-4, "dx", i);
    for (size_t i = 0; i < nw; i++)
        assert_near((double)dW[i], 0, 1e-4, "dW", i);
    free(x), free(W), free(dy), free(y), free(dx), free(dW), free(stored), free(before);
    free(c.x), free(c.W), free(c.dy);
}

static void linear_equals_its_reference_in_every_dtype(void **state)
{
    (void)state;
    static const int32_t shapes[][3] = {{1, 1, 1},   {3, 5, 7},     {1, 70, 33},   {2, 64, 530}, {17, 130, 40},
                                        {65, 48, 80}, {200, 64, 96}, {5, 300, 600}, {140, 140, 16},
                                        {1, 401, 513}, {4, 300, 500}, {7, 9, 21}};
    struct ap_rng rng = ap__rng_make(1, "linear", 0, 0, 0);
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++)
        for (int32_t dtype = 0; dtype < AP_DTYPE_PLAIN; dtype++)
            check_linear(shapes[s][0], shapes[s][1], shapes[s][2], (enum ap_dtype)dtype, &rng);
}

/* ---- rmsnorm ---- */

struct norm_case {
    int32_t T, D;
    double *x, *w, *dy, eps;
};

static double norm_rstd(const struct norm_case *c, int32_t t)
{
    double sum = 0;
    for (int32_t d = 0; d < c->D; d++)
        sum += c->x[t * c->D + d] * c->x[t * c->D + d];
    return 1 / sqrt(sum / c->D + c->eps);
}

static double norm_loss(void *ctx)
{
    const struct norm_case *c = ctx;
    double loss = 0;
    for (int32_t t = 0; t < c->T; t++) {
        double rstd = norm_rstd(c, t);
        for (int32_t d = 0; d < c->D; d++)
            loss += c->dy[t * c->D + d] * c->x[t * c->D + d] * rstd * c->w[d];
    }
    return loss;
}

static void rmsnorm_equals_its_reference(void **state)
{
    (void)state;
    static const int32_t shapes[][2] = {{1, 1}, {3, 7}, {5, 64}, {9, 130}, {150, 192}};
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
        struct ap_rng rng = ap__rng_make(s, "rmsnorm", 0, 0, 0);
        int32_t T = shapes[s][0], D = shapes[s][1];
        size_t n = (size_t)(T * D);
        float *x = numbers(n, &rng, 1), *w = numbers((size_t)D, &rng, 1), *dy = numbers(n, &rng, 1);
        float *y = numbers(n, &rng, 1), *rstd = numbers((size_t)T, &rng, 1);
        float *dx = calloc(n, sizeof *dx), *dw = calloc((size_t)D, sizeof *dw);
        struct norm_case c = {T, D, widened(x, n), widened(w, (size_t)D), widened(dy, n), 1e-5};
        struct ap_matrix weight = {AP_F32, D, 0, w};
        op->rmsnorm(y, rstd, x, &weight, T, 1e-5f);
        for (int32_t i = 0; i < T * D; i++)
            assert_near((double)y[i], c.x[i] * norm_rstd(&c, i / D) * c.w[i % D], 2e-6, "y", (size_t)i);
        op->rmsnorm_d(dx, dw, dy, x, &weight, rstd, T);
        check_gradient(norm_loss, &c, c.x, dx, n, 1 + n / 31, 2e-5, "dx");
        check_gradient(norm_loss, &c, c.w, dw, (size_t)D, 1, 5e-5, "dw");
        float first = dx[0], keep = dw[0];
        op->rmsnorm_d(dx, NULL, dy, x, &weight, rstd, T);
        assert_near((double)dx[0], 2 * (double)first, 1e-5, "dx again", 0);
        assert_true(dw[0] <= keep && dw[0] >= keep);
        free(x), free(w), free(dy), free(y), free(rstd), free(dx), free(dw), free(c.x), free(c.w), free(c.dy);
    }
}

static void rmsnorm_may_write_over_its_input(void **state)
{
    (void)state;
    enum { T = 40, D = 24 };
    struct ap_rng rng = ap__rng_make(2, "rmsnorm", 0, 0, 0);
    float *x = numbers(T * D, &rng, 1), *w = numbers(D, &rng, 1), y[T * D], rstd[T];
    struct ap_matrix weight = {AP_F32, D, 0, w};
    op->rmsnorm(y, rstd, x, &weight, T, 1e-6f);
    op->rmsnorm(x, rstd, x, &weight, T, 1e-6f);
    assert_memory_equal(x, y, sizeof y);
    free(x), free(w);
}

/* A vector as a file has it, and the same numbers as f32. */
static void check_vector(int32_t T, int32_t D, enum ap_dtype dtype, struct ap_rng *rng)
{
    size_t n = (size_t)(T * D);
    float *x = numbers(n, rng, 1), *w = numbers((size_t)D, rng, 1), *dy = numbers(n, rng, 1);
    float *y = calloc(n, sizeof *y), *same = calloc(n, sizeof *same), *rstd = calloc((size_t)T, sizeof *rstd);
    uint8_t *stored = malloc((size_t)D * ap__dtype_size(dtype));
    ap__dtype_from_f32(stored, w, dtype, (size_t)D);
    ap__dtype_to_f32(w, stored, dtype, (size_t)D);
    struct ap_matrix given = {dtype, D, 0, stored}, plain = {AP_F32, D, 0, w};
    op->rmsnorm(y, rstd, x, &given, T, 1e-5f);
    op->rmsnorm(same, rstd, x, &plain, T, 1e-5f);
    op->bias(y, &given, T);
    op->bias(same, &plain, T);
    assert_memory_equal(y, same, n * sizeof *y);
    op->rmsnorm_d(y, NULL, dy, x, &given, rstd, T);
    op->rmsnorm_d(same, NULL, dy, x, &plain, rstd, T);
    for (size_t i = 0; i < n; i++) /* sums of pieces are rounded in other places */
        assert_near((double)y[i], (double)same[i], 2e-6, "dx", i);
    free(x), free(w), free(dy), free(y), free(same), free(rstd), free(stored);
}

static void a_vector_of_any_dtype_is_its_numbers(void **state)
{
    (void)state;
    static const int32_t sizes[] = {1, 7, 255, 256, 257, 576, 1500};
    struct ap_rng rng = ap__rng_make(3, "vectors", 0, 0, 0);
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++)
        for (int32_t dtype = 0; dtype < AP_DTYPE_PLAIN; dtype++) {
            check_vector(1, sizes[s], (enum ap_dtype)dtype, &rng);
            check_vector(70, sizes[s], (enum ap_dtype)dtype, &rng);
        }
}

/* ---- bias ---- */

static void a_bias_is_added_to_every_row_and_its_gradient_is_their_sum(void **state)
{
    (void)state;
    static const int32_t shapes[][2] = {{1, 1}, {3, 7}, {5, 64}, {9, 130}, {150, 192}};
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
        struct ap_rng rng = ap__rng_make(s, "bias", 0, 0, 0);
        int32_t T = shapes[s][0], O = shapes[s][1];
        float *x = numbers((size_t)(T * O), &rng, 1), *y = numbers((size_t)(T * O), &rng, 1);
        float *b = numbers((size_t)O, &rng, 1), *db = numbers((size_t)O, &rng, 1), *before = malloc((size_t)O * sizeof *db);
        memcpy(y, x, (size_t)(T * O) * sizeof *y);
        memcpy(before, db, (size_t)O * sizeof *db);
        op->bias(y, &(struct ap_matrix){AP_F32, O, 0, b}, T);
        op->bias_d(db, x, T, O);
        for (int32_t o = 0; o < O; o++) {
            double sum = (double)before[o];
            for (int32_t t = 0; t < T; t++) {
                float want = x[t * O + o] + b[o];
                assert_true(y[t * O + o] >= want && y[t * O + o] <= want);
                sum += (double)x[t * O + o];
            }
            assert_near((double)db[o], sum, 2e-5, "db", (size_t)o);
        }
        free(x), free(y), free(b), free(db), free(before);
    }
}

/* ---- swiglu ---- */

struct swiglu_case {
    size_t n;
    double *gate, *up, *dy;
};

static double swiglu_y(const struct swiglu_case *c, size_t i)
{
    return c->gate[i] / (1 + exp(-c->gate[i])) * c->up[i];
}

static double swiglu_loss(void *ctx)
{
    const struct swiglu_case *c = ctx;
    double loss = 0;
    for (size_t i = 0; i < c->n; i++)
        loss += c->dy[i] * swiglu_y(c, i);
    return loss;
}

static void swiglu_equals_its_reference(void **state)
{
    (void)state;
    enum { N = 203 };
    struct ap_rng rng = ap__rng_make(1, "swiglu", 0, 0, 0);
    float *gate = numbers(N, &rng, 5), *up = numbers(N, &rng, 1), *dy = numbers(N, &rng, 1);
    float y[N], dgate[N], dup[N];
    gate[0] = 300; /* saturated both ways, and further than e^x reaches */
    gate[1] = -300;
    gate[2] = 0;
    struct swiglu_case c = {N, widened(gate, N), widened(up, N), widened(dy, N)};
    op->swiglu(y, gate, up, N);
    for (size_t i = 0; i < N; i++)
        assert_near((double)y[i], swiglu_y(&c, i), 2e-6, "y", i);
    float again[N];
    op->swiglu_d(dgate, dup, again, dy, gate, up, N);
    check_gradient(swiglu_loss, &c, c.gate, dgate, N, 1, 1e-5, "dgate");
    check_gradient(swiglu_loss, &c, c.up, dup, N, 1, 1e-5, "dup");
    op->swiglu_d(gate, up, dy, dy, gate, up, N); /* in place */
    assert_memory_equal(gate, dgate, sizeof dgate);
    assert_memory_equal(up, dup, sizeof dup);
    assert_memory_equal(dy, again, sizeof again);
    for (size_t i = 0; i < N; i++)
        assert_near((double)again[i], (double)y[i], 2e-6, "y again", i);
    free(gate), free(up), free(dy), free(c.gate), free(c.up), free(c.dy);
}

/* ---- rope ---- */

static void rope_turns_by_position_and_its_inverse_turns_back(void **state)
{
    (void)state;
    static const int32_t widths[] = {2, 16, 32, 64, 80, 128};
    for (size_t s = 0; s < sizeof widths / sizeof *widths; s++) {
        enum { T = 37, HEADS = 3 };
        struct ap_rng rng = ap__rng_make(s, "rope", 0, 0, 0);
        int32_t Dh = widths[s], half = Dh / 2, position[T];
        size_t n = (size_t)(T * HEADS * Dh);
        float *x = numbers(n, &rng, 1), *y = malloc(n * sizeof *y), inv_freq[64];
        for (int32_t i = 0; i < half; i++)
            inv_freq[i] = powf(10000.0f, -2.0f * (float)i / (float)Dh);
        for (int32_t t = 0; t < T; t++) /* some far beyond the table */
            position[t] = (int32_t)ap__rng_below(&rng, t % 5 ? 900 : 60000);
        memcpy(y, x, n * sizeof *y);
        op->rope(y, position, inv_freq, T, HEADS, Dh, false);
        for (size_t i = 0; i < n; i++) {
            int32_t d = (int32_t)(i % (size_t)Dh), t = (int32_t)(i / (size_t)(HEADS * Dh));
            double angle = (double)((float)position[t] * inv_freq[d % half]);
            double other = d < half ? -(double)x[i + (size_t)half] : (double)x[i - (size_t)half];
            assert_near((double)y[i], (double)x[i] * cos(angle) + other * sin(angle), 1e-6, "y", i);
        }
        op->rope(y, position, inv_freq, T, HEADS, Dh, true); /* a rotation's gradient is its inverse */
        for (size_t i = 0; i < n; i++)
            assert_near((double)y[i], (double)x[i], 1e-6, "back", i);
        free(x), free(y);
    }
    ap__backend_cpu_release();
}

/* ---- embedding ---- */

static void embedding_looks_up_and_its_gradient_adds_repeats(void **state)
{
    (void)state;
    enum { V = 11, D = 70, T = 300 };
    struct ap_rng rng = ap__rng_make(1, "embedding", 0, 0, 0);
    float *E = numbers(V * D, &rng, 1), *dy = numbers(T * D, &rng, 1), *y = numbers(T * D, &rng, 1);
    float *dE = calloc(V * D, sizeof *dE);
    double *want = calloc(V * D, sizeof *want);
    int32_t token[T];
    uint16_t stored[V * D];
    for (int32_t t = 0; t < T; t++)
        token[t] = (int32_t)ap__rng_below(&rng, V);
    op->embedding(y, token, &(struct ap_matrix){AP_F32, V, D, E}, T);
    for (int32_t t = 0; t < T; t++)
        assert_memory_equal(y + t * D, E + token[t] * D, D * sizeof *E);
    ap__dtype_from_f32(stored, E, AP_BF16, V * D);
    op->embedding(y, token, &(struct ap_matrix){AP_BF16, V, D, stored}, T);
    for (int32_t i = 0; i < T * D; i++) {
        assert_near((double)y[i], (double)E[token[i / D] * D + i % D], 1.0 / 128, "bf16", (size_t)i);
        want[token[i / D] * D + i % D] += (double)dy[i];
    }
    op->embedding_d(dE, dy, token, T, D);
    for (size_t i = 0; i < V * D; i++)
        assert_near((double)dE[i], want[i], 1e-5, "dE", i);
    free(E), free(dy), free(y), free(dE), free(want);
}

/* ---- logprobs ---- */

struct loss_case {
    int32_t T, D, V, N;
    double *h, *W, *dlogp;
    int32_t *row, *token;
};

static double target_logp(const struct loss_case *c, int32_t i)
{
    double total = 0, own = 0;
    for (int32_t v = 0; v < c->V; v++) {
        double logit = 0;
        for (int32_t d = 0; d < c->D; d++)
            logit += c->h[c->row[i] * c->D + d] * c->W[v * c->D + d];
        total += exp(logit);
        own = v == c->token[i] ? logit : own;
    }
    return own - log(total);
}

static double logprobs_loss(void *ctx)
{
    const struct loss_case *c = ctx;
    double loss = 0;
    for (int32_t i = 0; i < c->N; i++)
        loss += c->dlogp[i] * target_logp(c, i);
    return loss;
}

static void check_logprobs(int32_t T, int32_t D, int32_t V, int32_t N, enum ap_dtype dtype, struct ap_rng *rng)
{
    size_t nh = (size_t)(T * D), nw = (size_t)(V * D);
    float *h = numbers(nh, rng, 1), *W = numbers(nw, rng, 0.5), *dlogp = numbers((size_t)N, rng, 1);
    float *logp = numbers((size_t)N, rng, 1), *lse = numbers((size_t)N, rng, 1);
    float *dh = calloc(nh, sizeof *dh), *dW = calloc(nw, sizeof *dW);
    int32_t *row = malloc((size_t)(N + 1) * sizeof *row), *token = malloc((size_t)(N + 1) * sizeof *token);
    uint8_t *stored = malloc(nw * ap__dtype_size(dtype));
    struct ap_arena arena;
    struct ap_err err;
    for (int32_t i = 0; i < N; i++) { /* unsorted, with repeats */
        row[i] = (int32_t)ap__rng_below(rng, (uint32_t)T);
        token[i] = (int32_t)ap__rng_below(rng, (uint32_t)V);
        dlogp[i] = i % 5 == 3 ? 0 : dlogp[i]; /* a target that nothing depends on */
    }
    ap__dtype_from_f32(stored, W, dtype, nw);
    ap__dtype_to_f32(W, stored, dtype, nw);
    struct loss_case c = {T, D, V, N, widened(h, nh), widened(W, nw), widened(dlogp, (size_t)N), row, token};
    struct ap_matrix matrix = {dtype, V, D, stored};
    ap__arena_init(&arena, 0);
    assert_int_equal(op->logprobs(logp, lse, NULL, h, &matrix, row, token, N, &arena, &err), AP_OK);
    for (int32_t i = 0; i < N; i += 1 + N / 50)
        assert_near((double)logp[i], target_logp(&c, i), 5e-6, "logp", (size_t)i);
    assert_int_equal(op->logprobs_d(dh, dW, dlogp, lse, NULL, h, &matrix, row, token, N, &arena, &err), AP_OK);
    check_gradient(logprobs_loss, &c, c.h, dh, nh, 1 + nh / 11, 5e-5, "dh");
    check_gradient(logprobs_loss, &c, c.W, dW, nw, 1 + nw / 11, 5e-5, "dW");
    float *again = calloc(nh, sizeof *again); /* without dW: the same dh */
    assert_int_equal(op->logprobs_d(again, NULL, dlogp, lse, NULL, h, &matrix, row, token, N, &arena, &err), AP_OK);
    assert_memory_equal(again, dh, nh * sizeof *dh);
    float *logits = malloc(((size_t)N * (size_t)V + 1) * sizeof *logits); /* kept instead of computed again: likewise */
    assert_int_equal(op->logprobs(logp, lse, logits, h, &matrix, row, token, N, &arena, &err), AP_OK);
    memset(again, 0, nh * sizeof *again);
    assert_int_equal(op->logprobs_d(again, NULL, dlogp, lse, logits, h, &matrix, row, token, N, &arena, &err), AP_OK);
    assert_memory_equal(again, dh, nh * sizeof *dh);
    free(logits);
    assert_int_equal(arena.used, 0);
    ap__arena_deinit(&arena);
    free(h), free(W), free(dlogp), free(logp), free(lse), free(dh), free(dW), free(row), free(token);
    free(stored), free(again), free(c.h), free(c.W), free(c.dlogp);
}

static void logprobs_and_their_gradient_equal_the_reference(void **state)
{
    (void)state;
    struct ap_rng rng = ap__rng_make(1, "logprobs", 0, 0, 0);
    check_logprobs(1, 1, 2, 1, AP_F32, &rng);
    check_logprobs(5, 16, 33, 12, AP_F32, &rng);
    check_logprobs(40, 24, 61, 700, AP_F32, &rng); /* more targets than a chunk */
    check_logprobs(3, 8, 5000, 4, AP_F32, &rng);
    check_logprobs(20, 8, 2049, 30, AP_F32, &rng); /* three blocks of words */
    check_logprobs(9, 48, 37, 20, AP_BF16, &rng);
    check_logprobs(9, 48, 37, 20, AP_F16, &rng);
    check_logprobs(4, 8, 9, 0, AP_F32, &rng);
}

static void logprobs_report_missing_memory(void **state)
{
    (void)state;
    float h[4] = {0}, W[8] = {0}, logp[1], dh[4] = {0}, d[1] = {1};
    int32_t row[1] = {0}, token[1] = {0};
    struct ap_matrix matrix = {AP_F32, 2, 4, W};
    struct ap_arena arena;
    struct ap_err err;
    ap__arena_init(&arena, 20);
    assert_int_equal(op->logprobs(logp, NULL, NULL, h, &matrix, row, token, 1, &arena, &err), AP_E_MEMORY);
    assert_int_equal(op->logprobs_d(dh, NULL, d, logp, NULL, h, &matrix, row, token, 1, &arena, &err), AP_E_MEMORY);
    assert_int_equal(arena.used, 0);
    ap__arena_deinit(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(linear_equals_its_reference_in_every_dtype),
        cmocka_unit_test(rmsnorm_equals_its_reference),
        cmocka_unit_test(rmsnorm_may_write_over_its_input),
        cmocka_unit_test(a_vector_of_any_dtype_is_its_numbers),
        cmocka_unit_test(a_bias_is_added_to_every_row_and_its_gradient_is_their_sum),
        cmocka_unit_test(swiglu_equals_its_reference),
        cmocka_unit_test(rope_turns_by_position_and_its_inverse_turns_back),
        cmocka_unit_test(embedding_looks_up_and_its_gradient_adds_repeats),
        cmocka_unit_test(logprobs_and_their_gradient_equal_the_reference),
        cmocka_unit_test(logprobs_report_missing_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
