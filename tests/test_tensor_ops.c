/* test_tensor_ops.c - formats, the exponential, optimizers, and what holds for
 * all operations: the same call gives the same bits and allocates nothing. */
#include "test_tensor.h"

#include "tensor/libopenblas.h"
#include "tensor/peak.h"
#include "tensor/vector.h"

static const struct ap_backend *const op = &ap__backend_cpu;

static float float_of(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* ---- dtype ---- */

static void formats_have_the_names_of_safetensors(void **state)
{
    (void)state;
    enum ap_dtype dtype = AP_F16;
    assert_true(ap__dtype_parse("BF16", &dtype));
    assert_int_equal(dtype, AP_BF16);
    assert_false(ap__dtype_parse("I64", &dtype));
    assert_int_equal(dtype, AP_BF16);
    assert_string_equal(ap__dtype_name(AP_F32), "F32");
    assert_string_equal(ap__dtype_name(AP_DTYPE_COUNT), "?");
    assert_int_equal(ap__dtype_size(AP_F16), 2);
}

/* Every 16-bit pattern must survive the way to f32 and back (NaNs as some NaN). */
static void every_16_bit_number_survives_the_way_through_f32(void **state)
{
    (void)state;
    for (int32_t dtype = AP_BF16; dtype <= AP_F16; dtype++) {
        for (uint32_t bits = 0; bits < 65536; bits++) {
            uint16_t in = (uint16_t)bits, out;
            float wide;
            ap__dtype_to_f32(&wide, &in, (enum ap_dtype)dtype, 1);
            ap__dtype_from_f32(&out, &wide, (enum ap_dtype)dtype, 1);
            if (isnan(wide)) {
                ap__dtype_to_f32(&wide, &out, (enum ap_dtype)dtype, 1);
                assert_true(isnan(wide) != 0);
            } else {
                assert_int_equal(in, out);
            }
        }
    }
}

/* All patterns at once and in pieces of any length, against what their bits stand for. */
static void many_16_bit_numbers_are_what_each_stands_for(void **state)
{
    (void)state;
    enum { N = 65536 };
    uint16_t *in = malloc(N * sizeof *in);
    float *out = malloc(N * sizeof *out);
    for (uint32_t bits = 0; bits < N; bits++)
        in[bits] = (uint16_t)bits;
    for (int32_t dtype = AP_BF16; dtype <= AP_F16; dtype++) {
        int32_t mantissa = dtype == AP_F16 ? 10 : 7, bias = dtype == AP_F16 ? 15 : 127;
        for (size_t i = 0, n; i < N; i += n) {
            n = i == 0 ? N / 2 : 1 + i % 77;
            n = i + n < N ? n : N - i;
            ap__dtype_to_f32(out + i, in + i, (enum ap_dtype)dtype, n);
        }
        for (int32_t i = 0; i < N; i++) {
            int32_t fraction = i & ((1 << mantissa) - 1), exponent = (i & 0x7fff) >> mantissa;
            double want = exponent > 0 ? ldexp(1 + ldexp(fraction, -mantissa), exponent - bias) : ldexp(fraction, 1 - bias - mantissa);
            if (exponent == 2 * bias + 1) {
                assert_true(fraction > 0 ? isnan(out[i]) : isinf(out[i]));
            } else if (want != fabs((double)out[i])) {
                fail_msg("%s %04x: got %.9g, want %.9g", ap__dtype_name((enum ap_dtype)dtype), (unsigned)i, (double)out[i], want);
            }
            assert_true(isnan(out[i]) || (signbit(out[i]) != 0) == (i >= 0x8000));
        }
    }
    free(out);
    free(in);
}

/* The nearest 16-bit number by search among its neighbours, ties to the even pattern. */
static void rounding_goes_to_the_nearest_and_ties_to_even(void **state)
{
    (void)state;
    struct ap_rng rng = ap__rng_make(1, "round", 0, 0, 0);
    for (int32_t dtype = AP_BF16; dtype <= AP_F16; dtype++) {
        for (int32_t i = 0; i < 20000; i++) {
            float x = float_of((uint32_t)ap__rng_u64(&rng)), low, high;
            if (i % 2)
                x = (float)ap__rng_normal(&rng) * powf(2, (float)(i % 30 - 20));
            if (i % 3 == 0)
                x = float_of((uint32_t)(ap__rng_u64(&rng) & 0xfffff000u)); /* many exact halves */
            double limit = dtype == AP_F16 ? 65504 : 3.3e38;
            if (!(fabs((double)x) < limit))
                continue;
            uint16_t got, next;
            ap__dtype_from_f32(&got, &x, (enum ap_dtype)dtype, 1);
            ap__dtype_to_f32(&low, &got, (enum ap_dtype)dtype, 1);
            for (int32_t step = -1; step <= 1; step += 2) {
                if ((got & 0x7fff) == 0 && step < 0)
                    continue; /* below zero is zero with the other sign */
                next = (uint16_t)(got + step);
                ap__dtype_to_f32(&high, &next, (enum ap_dtype)dtype, 1);
                double off = fabs((double)low - (double)x), other = fabs((double)high - (double)x);
                assert_true(off < other || (off <= other && got % 2 == 0) || isnan(high) || isinf(high));
            }
        }
    }
    float inside = 65519.0f, outside = 65520.0f;
    uint16_t h;
    ap__dtype_from_f32(&h, &inside, AP_F16, 1);
    assert_int_equal(h, 0x7bff);
    ap__dtype_from_f32(&h, &outside, AP_F16, 1);
    assert_int_equal(h, 0x7c00);
}

/* ---- exponential ---- */

static void the_exponential_is_right_to_two_units_in_the_last_place(void **state)
{
    (void)state;
    double worst = 0;
    for (double x = -63.9; x < 127; x += 0.00137) {
        float f = (float)x;
        double want = exp2((double)f);
        double off = fabs((double)ap__exp2(f) / want - 1);
        worst = off > worst ? off : worst;
    }
    print_message("largest relative error %.2g\n", worst);
    assert_true(worst < 2e-7);
    assert_near((double)ap__exp2(0), 1, 0, "2^0", 0);
    assert_near((double)ap__exp2(-64), 0, 0, "2^-64", 0);
    assert_near((double)ap__exp2(-1e30f), 0, 0, "2^-1e30", 0);
    assert_near((double)ap__exp2(-INFINITY), 0, 0, "2^-inf", 0);
    assert_true(ap__exp2(1e30f) > 1e38f);
    assert_true(isnan(ap__exp2(NAN)) != 0);
}

static void vectors_have_the_same_exponential(void **state)
{
    (void)state;
    static const float edge[] = {-64, -63.999996f, -64.00001f, -65, -126, -140, -1e8f, -1e30f, -INFINITY, 0, 1, 126.9f};
    float x[AP_LANES] = {0}, y[AP_LANES];
    for (size_t i = 0; i < 200000 + sizeof edge / sizeof *edge; i++) {
        int32_t lane = (int32_t)(i % AP_LANES);
        x[lane] = i < 200000 ? (float)(-70 + 0.00097 * (double)i) : edge[i - 200000];
        x[(lane + 1) % AP_LANES] = NAN; /* which says nothing of the lanes beside it */
        ap__vec_store(y, ap__vec_exp2(ap__vec_load(x)));
        double want = (double)ap__exp2(x[lane]);
        assert_near((double)y[lane], want, 2e-7 * want, "2^x of lane", (size_t)lane);
        assert_true(isnan(y[(lane + 1) % AP_LANES]) != 0);
    }
}

static void any_lane_above_a_limit_is_found(void **state)
{
    (void)state;
    float x[AP_LANES];
    for (int32_t lane = 0; lane < AP_LANES; lane++) {
        for (int32_t i = 0; i < AP_LANES; i++)
            x[i] = -1e30f;
        assert_false(ap__vec_above(ap__vec_load(x), -1e30f));
        x[lane] = 2.5f;
        assert_true(ap__vec_above(ap__vec_load(x), 2));
        assert_false(ap__vec_above(ap__vec_load(x), 2.5f));
        x[lane] = NAN;
        assert_false(ap__vec_above(ap__vec_load(x), 2));
    }
}

/* ---- sums ---- */

static void sums_of_squares_are_exact_in_double(void **state)
{
    (void)state;
    static const int64_t sizes[] = {0, 1, 63, 64, 65, 1000, 40000};
    struct ap_rng rng = ap__rng_make(1, "sumsq", 0, 0, 0);
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        size_t n = (size_t)sizes[s];
        float *x = numbers(n, &rng, 3), *y = numbers(n, &rng, 1);
        double want = 0, *before = widened(y, n);
        for (size_t i = 0; i < n; i++)
            want += (double)x[i] * (double)x[i];
        assert_near(op->sumsq(x, sizes[s]), want, 1e-13, "sum", n);
        op->axpy(y, x, -0.5f, sizes[s]);
        for (size_t i = 0; i < n; i++)
            assert_near((double)y[i], before[i] - 0.5 * (double)x[i], 1e-6, "axpy", i);
        free(x), free(y), free(before);
    }
}

/* ---- optimizers ---- */

static void adamw_follows_the_paper(void **state)
{
    (void)state;
    enum { N = 37, STEPS = 5 };
    struct ap_rng rng = ap__rng_make(1, "adamw", 0, 0, 0);
    float *w = numbers(N, &rng, 1), m[N] = {0}, v[N] = {0};
    double *ww = widened(w, N), wm[N] = {0}, wv[N] = {0};
    for (int64_t step = 1; step <= STEPS; step++) {
        struct ap_adamw opt = {0.01f, 0.9f, 0.95f, 1e-8f, 0.1f, step};
        float *g = numbers(N, &rng, 1);
        op->adamw(w, m, v, g, N, &opt, 0.5f);
        for (size_t i = 0; i < N; i++) {
            double gi = 0.5 * (double)g[i];
            wm[i] = 0.9 * wm[i] + 0.1 * gi;
            wv[i] = 0.95 * wv[i] + 0.05 * gi * gi;
            double mean = wm[i] / (1 - pow(0.9, (double)step)), square = wv[i] / (1 - pow(0.95, (double)step));
            ww[i] -= 0.01 * 0.1 * ww[i] + 0.01 * mean / (sqrt(square) + 1e-8);
            assert_near((double)w[i], ww[i], 2e-6, "w", i);
        }
        free(g);
    }
    free(w), free(ww);
}

/* X <- (3/2 X - 1/2 X X^T X) until it stands: the orthogonal factor of g, the slow way. */
static void polar_factor(double *x, int32_t rows, int32_t cols)
{
    double norm = 0, *y = calloc((size_t)(rows * cols), sizeof *y), *a = calloc((size_t)(cols * cols), sizeof *a);
    for (int32_t i = 0; i < rows * cols; i++)
        norm += x[i] * x[i];
    for (int32_t i = 0; i < rows * cols; i++)
        x[i] /= sqrt(norm);
    for (int32_t step = 0; step < 60; step++) {
        for (int32_t i = 0; i < cols * cols; i++) {
            a[i] = 0;
            for (int32_t r = 0; r < rows; r++)
                a[i] += x[r * cols + i / cols] * x[r * cols + i % cols];
        }
        for (int32_t i = 0; i < rows * cols; i++) {
            y[i] = 1.5 * x[i];
            for (int32_t c = 0; c < cols; c++)
                y[i] -= 0.5 * x[i / cols * cols + c] * a[c * cols + i % cols];
        }
        memcpy(x, y, (size_t)(rows * cols) * sizeof *x);
    }
    free(y), free(a);
}

static void muon_moves_along_the_orthogonal_factor(void **state)
{
    (void)state;
    static const int32_t shapes[][2] = {{8, 8}, {24, 10}, {10, 24}, {1, 5}};
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
        struct ap_rng rng = ap__rng_make(s, "muon", 0, 0, 0);
        int32_t rows = shapes[s][0], cols = shapes[s][1];
        size_t n = (size_t)(rows * cols);
        float *w = numbers(n, &rng, 1), *g = numbers(n, &rng, 1), *momentum = numbers(n, &rng, 1);
        double *before = widened(w, n), *x = calloc(n, sizeof *x), dot = 0, moved = 0, size = 0;
        for (size_t i = 0; i < n; i++) {
            double new_momentum = 0.9 * (double)momentum[i] + 2 * (double)g[i];
            x[i] = 2 * (double)g[i] + 0.9 * new_momentum;
        }
        struct ap_arena arena;
        struct ap_err err;
        ap__arena_init(&arena, 0);
        assert_int_equal(op->muon(w, momentum, g, rows, cols, 0.1f, 0.9f, 0.5f, 2.0f, &arena, &err), AP_OK);
        assert_int_equal(arena.used, 0);
        ap__arena_deinit(&arena);
        polar_factor(x, rows, cols);
        double rate = 0.1 * sqrt(rows > cols ? (double)rows / cols : 1);
        for (size_t i = 0; i < n; i++) { /* five steps bring singular values near 1, not to 1 */
            double step = (before[i] * (1 - 0.1 * 0.5) - (double)w[i]) / rate;
            dot += step * x[i];
            moved += step * step;
            size += x[i] * x[i];
        }
        assert_true(dot / sqrt(moved * size) > 0.97);
        assert_near(sqrt(moved / size), 0.95, 0.15, "length", s);
        free(w), free(g), free(momentum), free(before), free(x);
    }
}

static void loading_openblas_leaves_the_environment_as_it_was(void **state)
{
    const char *before = getenv("OPENBLAS_CORETYPE");
    (void)state;
    struct ap_err err;
    assert_int_equal(ap__libopenblas_load(&err), AP_OK);
    assert_ptr_equal(getenv("OPENBLAS_CORETYPE"), before);
    const float A[] = {1, 2, 3, 4}, B[] = {5, 6, 7, 8};
    float C[4];
    ap__libopenblas.sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, 2, 2, 2, 1.0f, A, 2, B, 2, 0.0f, C, 2);
    assert_true(C[0] == 17 && C[1] == 23 && C[2] == 39 && C[3] == 53);
}

static void the_yardstick_never_falls(void **state)
{
    (void)state;
    double first = ap__peak_sgemm(0.02), largest = first;
    assert_true(first > 0.0);
    for (int i = 0; i < 5; i++) {
        double next = ap__peak_sgemm(0.0); /* one product */
        assert_true(next >= largest);
        largest = next;
    }
}

static void muon_reports_missing_memory(void **state)
{
    (void)state;
    float w[4] = {0}, momentum[4] = {0}, g[4] = {1};
    struct ap_arena arena;
    struct ap_err err;
    ap__arena_init(&arena, 100);
    assert_int_equal(op->muon(w, momentum, g, 2, 2, 0.1f, 0.9f, 0, 1, &arena, &err), AP_E_MEMORY);
    assert_int_equal(arena.used, 0);
    ap__arena_deinit(&arena);
}

/* ---- all ---- */

/* A small step through every operation that is large enough for several threads; returns a hash of all results. */
static uint64_t all_operations(struct ap_arena *arena)
{
    enum { T = 600, D = 64, H = 4, HKV = 2, Dh = 16, V = 90 };
    static float x[T * D], y[T * D], z[T * D], k[T * HKV * Dh], v[T * HKV * Dh], lse[T * H], rstd[T], W[V * D], dW[V * D],
        dk[T * HKV * Dh], dv[T * HKV * Dh], m[T * D];
    static int32_t position[T], token[T];
    struct ap_rng rng = ap__rng_make(9, "all", 0, 0, 0);
    float inv_freq[Dh / 2];
    struct ap_err err;
    fill(x, T * D, &rng, 1), fill(W, V * D, &rng, 1), fill(k, T * HKV * Dh, &rng, 1), fill(v, T * HKV * Dh, &rng, 1);
    memset(dW, 0, sizeof dW), memset(dk, 0, sizeof dk), memset(dv, 0, sizeof dv), memset(m, 0, sizeof m);
    for (int32_t t = 0; t < T; t++) {
        position[t] = t;
        token[t] = t * 7 % V;
    }
    for (int32_t i = 0; i < Dh / 2; i++)
        inv_freq[i] = 1.0f / (float)(i + 1);
    struct ap_matrix matrix = {AP_F32, V, D, W}, vector = {AP_F32, D, 0, W};
    struct ap_attn_run run = {0, T, 0, 0, 0};
    struct ap_attn attn = {&run, NULL, 1, H, HKV, Dh, 0.25f, 0, 0};
    struct ap_adamw opt = {0.01f, 0.9f, 0.95f, 1e-8f, 0.1f, 1};
    op->rmsnorm(y, rstd, x, &vector, T, 1e-5f);
    op->rope(y, position, inv_freq, T, H, Dh, false);
    op->attention(z, lse, y, k, v, &attn);
    op->attention_d(m, dk, dv, x, z, lse, y, k, v, &attn);
    op->rmsnorm_d(z, dW, m, x, &vector, rstd, T);
    op->linear_dw(dW, x, z, T, D, D, 1);
    op->swiglu_d(z, y, m, x, z, y, T * D);
    assert_int_equal(op->logprobs(rstd, k, NULL, z, &matrix, position, token, T, arena, &err), AP_OK);
    assert_int_equal(op->logprobs_d(y, dW, rstd, k, NULL, z, &matrix, position, token, T, arena, &err), AP_OK);
    op->embedding_d(dW, y, token, T, D);
    op->adamw(x, m, lse, y, T * H, &opt, 1); /* lse stands in for squares: positive */
    assert_int_equal(op->muon(W, m, dW, V, D, 0.1f, 0.9f, 0, 1, arena, &err), AP_OK);
    uint64_t hash = ap__hash64(x, sizeof x, 1);
    hash = ap__hash64(y, sizeof y, hash);
    hash = ap__hash64(dk, sizeof dk, hash);
    hash = ap__hash64(dv, sizeof dv, hash);
    return ap__hash64(W, sizeof W, hash);
}

static void the_same_calls_give_the_same_bits_and_allocate_nothing_new(void **state)
{
    (void)state;
    struct ap_arena arena;
    ap__arena_init(&arena, 0);
    uint64_t first = all_operations(&arena), allocated = ap__alloc_count();
    for (int32_t i = 0; i < 3; i++)
        assert_true(all_operations(&arena) == first);
    assert_true(ap__alloc_count() == allocated);
    ap__arena_deinit(&arena);
    ap__backend_cpu_release();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(formats_have_the_names_of_safetensors),
        cmocka_unit_test(every_16_bit_number_survives_the_way_through_f32),
        cmocka_unit_test(many_16_bit_numbers_are_what_each_stands_for),
        cmocka_unit_test(rounding_goes_to_the_nearest_and_ties_to_even),
        cmocka_unit_test(the_exponential_is_right_to_two_units_in_the_last_place),
        cmocka_unit_test(vectors_have_the_same_exponential),
        cmocka_unit_test(any_lane_above_a_limit_is_found),
        cmocka_unit_test(sums_of_squares_are_exact_in_double),
        cmocka_unit_test(adamw_follows_the_paper),
        cmocka_unit_test(muon_moves_along_the_orthogonal_factor),
        cmocka_unit_test(loading_openblas_leaves_the_environment_as_it_was),
        cmocka_unit_test(the_yardstick_never_falls),
        cmocka_unit_test(muon_reports_missing_memory),
        cmocka_unit_test(the_same_calls_give_the_same_bits_and_allocate_nothing_new),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
