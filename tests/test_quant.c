/* test_quant.c - weights in blocks: values against bitsandbytes', products against dense copies. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "base/rng.h"
#include "model/safetensors.h"
#include "tensor/ggml_blocks.h"
#include "tensor/nf4.h"
#include "tensor/quant.h"
#include "testing.h"

#include <math.h>
#include <string.h>

static const struct ap_backend *const op = &ap__backend_cpu;
static const enum ap_dtype block_dtypes[] = {AP_INT8, AP_NF4, AP_NF4_DOUBLE, AP_Q8_0, AP_Q4_0, AP_Q4_K, AP_Q6_K};
enum { BLOCK_DTYPES = sizeof block_dtypes / sizeof *block_dtypes };

static float *randoms(size_t n, struct ap_rng *rng)
{
    float *x = malloc(n * sizeof *x);
    for (size_t i = 0; i < n; i++)
        x[i] = (float)(0.05 * ap__rng_normal(rng));
    return x;
}

/* A matrix in GGUF's blocks: any bytes are one, but the f16 scales must be finite and small. */
static void random_blocks(uint8_t *data, size_t bytes, enum ap_dtype dtype, struct ap_rng *rng)
{
    size_t block = ap__ggml_block_bytes(dtype);
    size_t high_byte = dtype == AP_Q6_K ? 209 : 1;
    for (size_t i = 0; i < bytes; i++)
        data[i] = (uint8_t)ap__rng_below(rng, 256);
    for (size_t b = 0; b < bytes; b += block) {
        data[b + high_byte] = 0x18;
        if (dtype == AP_Q4_K)
            data[b + 3] = 0x18;
    }
}

/* W in dtype and its dense f32 copy; both are the caller's to free. */
static struct ap_matrix random_matrix(enum ap_dtype dtype, int32_t rows, int32_t cols, struct ap_rng *rng,
                                      struct ap_matrix *dense)
{
    size_t n = (size_t)rows * (size_t)cols, bytes = ap__matrix_bytes(dtype, rows, cols);
    assert_true(bytes > 0);
    struct ap_matrix W = {dtype, rows, cols, NULL};
    uint8_t *data = calloc(1, bytes);
    if (dtype >= AP_Q8_0) {
        random_blocks(data, bytes, dtype, rng);
    } else {
        float *x = randoms(n, rng);
        OK(ap__matrix_convert(&W, data, &(struct ap_matrix){AP_F32, rows, cols, x}, err));
        free(x);
    }
    W.data = data;
    float *copy = malloc(n * sizeof *copy);
    ap__matrix_to_f32(copy, &W);
    *dense = (struct ap_matrix){AP_F32, rows, cols, copy};
    return W;
}

static void free_matrix(struct ap_matrix *W)
{
    free((void *)(uintptr_t)W->data);
}

/* ---- values ---- */

static void compare_values(struct ap_safetensors *st, const char *name, const char *kind, enum ap_dtype dtype)
{
    struct ap_tensor_view w, expected;
    char full[64];
    snprintf(full, sizeof full, "%s.%s", name, kind);
    OK(ap__safetensors_get(st, name, &w, err));
    OK(ap__safetensors_get(st, full, &expected, err));
    int32_t rows = (int32_t)w.shape[0], cols = (int32_t)w.shape[1];
    struct ap_matrix from = {w.dtype, rows, cols, w.data}, to = {dtype, rows, cols, NULL};
    size_t n = (size_t)rows * (size_t)cols;
    void *data = calloc(1, ap__matrix_bytes(dtype, rows, cols));
    float *got = malloc(n * sizeof *got);
    OK(ap__matrix_convert(&to, data, &from, err));
    to.data = data;
    ap__matrix_to_f32(got, &to);
    for (size_t i = 0; i < n; i++)
        if (got[i] != ((const float *)expected.data)[i])
            fail_msg("%s: number %zu is %.9g, bitsandbytes has %.9g", full, i, (double)got[i],
                     (double)((const float *)expected.data)[i]);
    free(got);
    free(data);
}

static void dequantised_values_equal_those_of_bitsandbytes(void **state)
{
    (void)state;
    struct ap_safetensors *st = NULL;
    OK(ap__safetensors_open(AP_TEST_DATA "/quant/quant.safetensors", &st, err));
    static const char *const names[] = {"even", "odd"};
    for (size_t i = 0; i < 2; i++) {
        compare_values(st, names[i], "int8", AP_INT8);
        compare_values(st, names[i], "nf4", AP_NF4);
        compare_values(st, names[i], "nf4_double", AP_NF4_DOUBLE);
    }
    ap__safetensors_free(st);
}

static void a_piece_of_a_row_is_that_piece_of_the_whole_matrix(void **state)
{
    (void)state;
    struct ap_rng rng = ap__rng_make(3, "pieces", 0, 0, 0);
    for (int d = 0; d < BLOCK_DTYPES; d++) {
        int32_t unit = ap__matrix_unit(block_dtypes[d]), cols = unit > 1 ? 4 * unit : 203;
        struct ap_matrix dense, W = random_matrix(block_dtypes[d], 5, cols, &rng, &dense);
        for (int repeat = 0; repeat < 200; repeat++) {
            int32_t row = (int32_t)ap__rng_below(&rng, 5);
            int32_t from = (int32_t)ap__rng_below(&rng, (uint32_t)(cols / unit)) * unit;
            int32_t n = (int32_t)(1 + ap__rng_below(&rng, (uint32_t)((cols - from) / unit))) * unit;
            float piece[1024];
            ap__matrix_row(piece, &W, row, from, n);
            assert_memory_equal(piece, (const float *)dense.data + row * cols + from, (size_t)n * sizeof *piece);
        }
        free_matrix(&dense);
        free_matrix(&W);
    }
}

/* Bytes from the place of one number to that of another are theirs: with them inverted, no other number changes. */
static void a_number_lies_where_it_is_said_to(void **state)
{
    (void)state;
    static const enum ap_dtype dtypes[] = {AP_F32, AP_BF16, AP_F16, AP_INT8, AP_NF4, AP_NF4_DOUBLE, AP_Q8_0, AP_Q4_0, AP_Q4_K, AP_Q6_K};
    enum { ROWS = 3 };
    struct ap_rng rng = ap__rng_make(5, "places", 0, 0, 0);
    for (size_t d = 0; d < sizeof dtypes / sizeof *dtypes; d++) {
        int32_t unit = ap__matrix_unit(dtypes[d]), n = unit > 1 ? unit : 6, cols = 4 * n;
        struct ap_matrix dense, W = random_matrix(dtypes[d], ROWS, cols, &rng, &dense);
        const float *before = dense.data;
        for (int32_t piece = 0; piece < ROWS * 4; piece++) {
            float after[ROWS * 4 * 256];
            int32_t row = piece / 4, from = piece % 4 * n;
            uint8_t *at = (uint8_t *)(uintptr_t)ap__matrix_at(&W, row, from), *end = (uint8_t *)(uintptr_t)ap__matrix_at(&W, row, from + n);
            assert_true(end > at);
            for (uint8_t *byte = at; byte < end; byte++)
                *byte ^= 0xFF;
            ap__matrix_to_f32(after, &W);
            for (uint8_t *byte = at; byte < end; byte++)
                *byte ^= 0xFF;
            bool inside = false;
            for (int32_t i = 0; i < ROWS * cols; i++) {
                bool same = memcmp(&before[i], &after[i], sizeof *after) == 0, is_in = i / cols == row && i % cols >= from && i % cols < from + n;
                assert_true(same || is_in);
                inside = inside || !same;
            }
            assert_true(inside);
        }
        free_matrix(&dense);
        free_matrix(&W);
    }
}

static void every_nf4_number_is_the_nearest_level_of_its_block(void **state)
{
    (void)state;
    enum { ROWS = 3, COLS = 90, N = ROWS * COLS };
    struct ap_rng rng = ap__rng_make(4, "levels", 0, 0, 0);
    float *x = randoms(N, &rng), all[64], got[N];
    struct ap_matrix W = {AP_NF4, ROWS, COLS, NULL};
    for (int i = 0; i < 64; i++) /* a block that hits every level */
        x[64 + i] = -1.0f + (float)i / 31.5f;
    uint8_t *data = calloc(1, ap__matrix_bytes(AP_NF4, ROWS, COLS));
    OK(ap__matrix_convert(&W, data, &(struct ap_matrix){AP_F32, ROWS, COLS, x}, err));
    W.data = data;
    ap__matrix_to_f32(got, &W);
    memcpy(all, got + 64, sizeof all); /* its scale is 1, so these are the levels */
    for (int i = 0; i < N; i++) {
        int first = i / 64 * 64, end = first + 64 < N ? first + 64 : N;
        float scale = 0;
        for (int j = first; j < end; j++)
            scale = fabsf(x[j]) > scale ? fabsf(x[j]) : scale;
        for (int k = 0; k < 64; k++)
            assert_true(fabsf(x[i] - got[i]) <= fabsf(x[i] - all[k] * scale) + 1e-6f * scale);
    }
    free(data);
    free(x);
}

static void formats_of_blocks_refuse_rows_that_are_no_whole_blocks(void **state)
{
    (void)state;
    assert_int_equal(ap__matrix_bytes(AP_Q4_K, 2, 128), 0);
    assert_int_equal(ap__matrix_bytes(AP_Q4_K, 2, 512), 2 * 2 * 144);
    assert_int_equal(ap__matrix_bytes(AP_BF16, 3, 5), 30);
    assert_int_equal(ap__matrix_bytes(AP_NF4, 1, 65), 2 * 4 + 33);
    assert_int_equal(ap__matrix_bytes(AP_NF4_DOUBLE, 1, 65), 4 + 4 + 4 + 33);
}

static void weights_go_from_any_format_to_another(void **state)
{
    (void)state;
    struct ap_rng rng = ap__rng_make(5, "convert", 0, 0, 0);
    for (int d = 0; d < BLOCK_DTYPES; d++) {
        struct ap_matrix dense, W = random_matrix(block_dtypes[d], 7, 768, &rng, &dense);
        float got[7 * 768];
        OK(ap__matrix_convert(&(struct ap_matrix){AP_F32, 7, 768, NULL}, got, &W, err));
        assert_memory_equal(got, dense.data, sizeof got);
        /* NF4 of the blocks is NF4 of their values. */
        struct ap_matrix small = {AP_NF4, 7, 768, NULL};
        size_t bytes = ap__matrix_bytes(AP_NF4, 7, 768);
        uint8_t *a = calloc(1, bytes), *b = calloc(1, bytes);
        OK(ap__matrix_convert(&small, a, &W, err));
        OK(ap__matrix_convert(&small, b, &dense, err));
        assert_memory_equal(a, b, bytes);
        free(a);
        free(b);
        free_matrix(&dense);
        free_matrix(&W);
    }
}

static void quantising_without_memory_is_a_status(void **state)
{
    (void)state;
    float x[64] = {1};
    uint8_t data[64];
    struct ap_err e;
    ap__alloc_fail_after(1);
    ap_status status = ap__matrix_convert(&(struct ap_matrix){AP_NF4, 1, 64, NULL}, data,
                                          &(struct ap_matrix){AP_F32, 1, 64, x}, &e);
    ap__alloc_fail_after(0);
    assert_int_equal(status, AP_E_MEMORY);
}

/* ---- products ---- */

static void near(const char *what, const float *got, const float *expected, size_t n)
{
    float top = 0;
    for (size_t i = 0; i < n; i++)
        top = fabsf(expected[i]) > top ? fabsf(expected[i]) : top;
    for (size_t i = 0; i < n; i++)
        if (!(fabsf(got[i] - expected[i]) <= 2e-5f * top))
            fail_msg("%s: number %zu is %.7g, over the dense copy it is %.7g", what, i, (double)got[i],
                     (double)expected[i]);
}

/* y = x W^T and dx += dy W, twice so that they accumulate. */
static void check_products(enum ap_dtype dtype, int32_t T, int32_t O, int32_t I, struct ap_rng *rng)
{
    struct ap_matrix dense, W = random_matrix(dtype, O, I, rng, &dense);
    size_t in = (size_t)T * (size_t)I, out = (size_t)T * (size_t)O;
    float *x = randoms(in, rng), *y = randoms(out, rng), *y2 = malloc(out * sizeof *y2);
    float *dx = randoms(in, rng), *dx2 = malloc(in * sizeof *dx2);
    char what[64];
    snprintf(what, sizeof what, "%s T%d O%d I%d", ap__dtype_name(dtype), T, O, I);
    memcpy(dx2, dx, in * sizeof *dx);
    for (int accumulate = 0; accumulate < 2; accumulate++) {
        op->linear(y, x, &W, T, accumulate, 0.5f);
        op->linear(y2, x, &dense, T, accumulate, 0.5f);
        op->linear_dx(dx, y2, &W, T, accumulate, 0.5f);
        op->linear_dx(dx2, y2, &dense, T, accumulate, 0.5f);
    }
    near(what, y, y2, out);
    near(what, dx, dx2, in);
    free(dx2);
    free(dx);
    free(y2);
    free(y);
    free(x);
    free_matrix(&dense);
    free_matrix(&W);
}

static void products_over_blocks_equal_those_over_their_dense_copy(void **state)
{
    (void)state;
    static const int32_t T[] = {1, 3, 4, 16, 17, 150};
    struct ap_rng rng = ap__rng_make(6, "products", 0, 0, 0);
    for (int d = 0; d < BLOCK_DTYPES; d++)
        for (size_t t = 0; t < sizeof T / sizeof *T; t++) {
            check_products(block_dtypes[d], T[t], 5, 256, &rng);
            check_products(block_dtypes[d], T[t], 150, 768, &rng);
            if (T[t] < 20)
                check_products(block_dtypes[d], T[t], 66, 1280, &rng);
            if (ap__matrix_unit(block_dtypes[d]) == 1)
                check_products(block_dtypes[d], T[t], 131, 77, &rng);
        }
}

static void rows_of_an_embedding_in_blocks_are_those_of_its_dense_copy(void **state)
{
    (void)state;
    struct ap_rng rng = ap__rng_make(7, "embedding", 0, 0, 0);
    const int32_t token[] = {4, 0, 4, 8};
    for (int d = 0; d < BLOCK_DTYPES; d++) {
        struct ap_matrix dense, W = random_matrix(block_dtypes[d], 9, 512, &rng, &dense);
        float y[4 * 512], y2[4 * 512];
        op->embedding(y, token, &W, 4);
        op->embedding(y2, token, &dense, 4);
        assert_memory_equal(y, y2, sizeof y);
        free_matrix(&dense);
        free_matrix(&W);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dequantised_values_equal_those_of_bitsandbytes),
        cmocka_unit_test(a_piece_of_a_row_is_that_piece_of_the_whole_matrix),
        cmocka_unit_test(a_number_lies_where_it_is_said_to),
        cmocka_unit_test(every_nf4_number_is_the_nearest_level_of_its_block),
        cmocka_unit_test(formats_of_blocks_refuse_rows_that_are_no_whole_blocks),
        cmocka_unit_test(weights_go_from_any_format_to_another),
        cmocka_unit_test(quantising_without_memory_is_a_status),
        cmocka_unit_test(products_over_blocks_equal_those_over_their_dense_copy),
        cmocka_unit_test(rows_of_an_embedding_in_blocks_are_those_of_its_dense_copy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
