/* test_linear.c - products with weights in all the ways they are blocked, against three plain loops in double.
 *
 * The shapes are chosen for the edges: few and many rows of input, results that are no whole number of tiles, sums longer
 * than a block, rows that are whole pages apart, a rank of 16 on either side.  A linear with its adapter is compared with
 * the two products one after the other. */
#include "tensor/product.h"
#include "tensor/quant.h"
#include "test_tensor.h"

static const struct ap_backend *const op = &ap__backend_cpu;

struct operands {
    int32_t T, O, I;
    float *x, *W, *dy; /* (T, I), (O, I), (T, O) */
};

/* Sum of a[i] * b[i] for n numbers that are a_step and b_step apart, and of their magnitudes. */
static double dot(const float *a, int32_t a_step, const float *b, int32_t b_step, int32_t n, double *magnitude)
{
    double sum = 0;
    *magnitude = 0;
    for (int32_t i = 0; i < n; i++) {
        double term = (double)a[(size_t)i * (size_t)a_step] * (double)b[(size_t)i * (size_t)b_step];
        sum += term;
        *magnitude += fabs(term);
    }
    return sum;
}

static void check_number(const char *what, const struct operands *p, size_t i, double got, double want, double magnitude)
{
    if (!(fabs(got - want) <= 2e-6 * (1 + magnitude)))
        fail_msg("%s[%zu] of T%d O%d I%d: got %.9g, want %.9g", what, i, p->T, p->O, p->I, got, want);
}

static void check_forward(const struct operands *p, bool accumulate, float scale, struct ap_rng *rng)
{
    size_t n = (size_t)p->T * (size_t)p->O;
    float *y = numbers(n, rng, 1), *before = malloc(n * sizeof *before);
    memcpy(before, y, n * sizeof *y);
    op->linear(y, p->x, &(struct ap_matrix){AP_F32, p->O, p->I, p->W}, p->T, accumulate, scale);
    for (size_t i = 0; i < n; i++) {
        size_t t = i / (size_t)p->O, o = i % (size_t)p->O;
        double magnitude, sum = dot(p->x + t * (size_t)p->I, 1, p->W + o * (size_t)p->I, 1, p->I, &magnitude);
        check_number("y", p, i, (double)y[i], (double)scale * sum + (accumulate ? (double)before[i] : 0), magnitude);
    }
    free(before);
    free(y);
}

static void check_backward(const struct operands *p, float scale, struct ap_rng *rng)
{
    size_t nx = (size_t)p->T * (size_t)p->I, nw = (size_t)p->O * (size_t)p->I, I = (size_t)p->I, O = (size_t)p->O;
    float *dx = numbers(nx, rng, 1), *dW = numbers(nw, rng, 1);
    float *dx0 = malloc(nx * sizeof *dx0), *dW0 = malloc(nw * sizeof *dW0);
    double magnitude, sum;
    memcpy(dx0, dx, nx * sizeof *dx);
    memcpy(dW0, dW, nw * sizeof *dW);
    for (int add = 1; add >= 0; add--) {
        op->linear_dx(dx, p->dy, &(struct ap_matrix){AP_F32, p->O, p->I, p->W}, p->T, add, scale);
        for (size_t i = 0; i < nx; i++) {
            sum = dot(p->dy + i / I * O, 1, p->W + i % I, p->I, p->O, &magnitude);
            check_number("dx", p, i, (double)dx[i], (add ? (double)dx0[i] : 0) + (double)scale * sum, magnitude);
        }
    }
    op->linear_dw(dW, p->dy, p->x, p->T, p->O, p->I, scale);
    for (size_t i = 0; i < nw; i++) {
        sum = dot(p->dy + i / I, p->O, p->x + i % I, p->I, p->T, &magnitude);
        check_number("dW", p, i, (double)dW[i], (double)dW0[i] + (double)scale * sum, magnitude);
    }
    free(dW0);
    free(dx0);
    free(dW);
    free(dx);
}

static void products_equal_plain_loops_at_every_edge(void **state)
{
    (void)state;
    static const int32_t shapes[][3] = {
        {1, 1, 1},      {1, 40, 70},   {3, 17, 33},    {5, 300, 768},   {17, 131, 77},  {64, 192, 576},
        {64, 50, 2048}, {97, 48, 800}, {129, 16, 128}, {300, 130, 16},  {257, 300, 40}, {40, 256, 1537},
        {600, 16, 96},  {33, 1002, 128}, {900, 24, 31}, {31, 33, 1024},
    };
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
        struct operands p = {.T = shapes[s][0], .O = shapes[s][1], .I = shapes[s][2]};
        struct ap_rng rng = ap__rng_make(s, "linear", 0, 0, 0);
        p.x = numbers((size_t)p.T * (size_t)p.I, &rng, 1);
        p.W = numbers((size_t)p.O * (size_t)p.I, &rng, 1);
        p.dy = numbers((size_t)p.T * (size_t)p.O, &rng, 1);
        check_forward(&p, false, 1.0f, &rng);
        check_forward(&p, true, 0.75f, &rng);
        check_backward(&p, 1.0f, &rng);
        check_backward(&p, 2.5f, &rng);
        free(p.dy);
        free(p.W);
        free(p.x);
    }
}

static void check_same(const char *what, const struct operands *p, const float *got, const float *want, size_t n)
{
    for (size_t i = 0; i < n; i++)
        check_number(what, p, i, (double)got[i], (double)want[i], fabs((double)want[i]) + p->I + p->O);
}

/* Both ways with an adapter of rank R, W stored as it is. */
static void check_adapted(const struct operands *p, const struct ap_matrix *W, int32_t R, bool add, struct ap_rng *rng)
{
    size_t T = (size_t)p->T, ny = T * (size_t)p->O, nx = T * (size_t)p->I;
    float *a = numbers((size_t)R * (size_t)p->I, rng, 1), *b = numbers((size_t)R * (size_t)p->O, rng, 1);
    float *u = numbers(T * (size_t)R, rng, 1), *y = numbers(ny, rng, 1), *dx = numbers(nx, rng, 1);
    float *y2 = malloc(ny * sizeof *y2), *dx2 = malloc(nx * sizeof *dx2);
    struct ap_matrix A = {AP_F32, R, p->I, a}, B = {AP_F32, p->O, R, b};
    memcpy(y2, y, ny * sizeof *y);
    memcpy(dx2, dx, nx * sizeof *dx);
    op->linear_adapted(y, p->x, W, u, &B, 0.5f, p->T, add);
    op->linear(y2, p->x, W, p->T, add, 1.0f);
    op->linear(y2, u, &B, p->T, true, 0.5f);
    check_same("y with an adapter", p, y, y2, ny);
    op->linear_adapted_dx(dx, p->dy, W, u, &A, p->T, add);
    op->linear_dx(dx2, p->dy, W, p->T, add, 1.0f);
    op->linear_dx(dx2, u, &A, p->T, true, 1.0f);
    check_same("dx with an adapter", p, dx, dx2, nx);
    free(dx2);
    free(y2);
    free(dx);
    free(y);
    free(u);
    free(b);
    free(a);
}

static void an_adapted_linear_equals_its_two_products(void **state)
{
    (void)state;
    static const int32_t shapes[][3] = {{1, 40, 64}, {7, 300, 768}, {64, 192, 576}, {64, 50, 2048}, {129, 33, 96},
                                        {300, 130, 1600}, {257, 300, 32}, {600, 16, 96}};
    static const int32_t ranks[] = {1, 8, 16, 40, 64, 100};
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
        struct operands p = {.T = shapes[s][0], .O = shapes[s][1], .I = shapes[s][2]};
        struct ap_rng rng = ap__rng_make(s, "adapted", 0, 0, 0);
        size_t n = (size_t)p.O * (size_t)p.I;
        p.x = numbers((size_t)p.T * (size_t)p.I, &rng, 1);
        p.W = numbers(n, &rng, 1);
        p.dy = numbers((size_t)p.T * (size_t)p.O, &rng, 1);
        struct ap_matrix W = {AP_F32, p.O, p.I, p.W}, half = {AP_BF16, p.O, p.I, malloc(2 * n)};
        assert_int_equal(AP_OK, ap__matrix_convert(&half, (void *)(uintptr_t)half.data, &W, NULL));
        for (size_t r = 0; r < sizeof ranks / sizeof *ranks; r++) {
            check_adapted(&p, &W, ranks[r], false, &rng);
            check_adapted(&p, &half, ranks[r], true, &rng);
        }
        free((void *)(uintptr_t)half.data);
        free(p.dy);
        free(p.W);
        free(p.x);
    }
}

/* Whatever reads them, for few rows or many. */
static void weights_in_16_bits_are_those_in_f32(void **state)
{
    (void)state;
    static const int32_t shapes[][2] = {{131, 77}, {300, 768}, {9, 33}};
    for (int32_t dtype = AP_BF16; dtype <= AP_F16; dtype++) {
        for (int32_t s = 0; s < 3 * 70; s++) {
            struct operands p = {.T = 1 + s / 3, .O = shapes[s % 3][0], .I = shapes[s % 3][1]};
            struct ap_rng rng = ap__rng_make((uint64_t)s, "16 bits", 0, 0, 0);
            size_t n = (size_t)p.O * (size_t)p.I, ny = (size_t)p.T * (size_t)p.O;
            float *x = numbers((size_t)p.T * (size_t)p.I, &rng, 1), *W = numbers(n, &rng, 1), *y = numbers(ny, &rng, 1);
            float *want = malloc(ny * sizeof *want);
            uint16_t *half = malloc(n * sizeof *half);
            ap__dtype_from_f32(half, W, (enum ap_dtype)dtype, n);
            ap__dtype_to_f32(W, half, (enum ap_dtype)dtype, n);
            op->linear(y, x, &(struct ap_matrix){(enum ap_dtype)dtype, p.O, p.I, half}, p.T, false, 1);
            op->linear(want, x, &(struct ap_matrix){AP_F32, p.O, p.I, W}, p.T, false, 1);
            check_same("y", &p, y, want, ny);
            free(half);
            free(want);
            free(y);
            free(W);
            free(x);
        }
    }
}

/* What a product asks for is of no consequence: more rows than it has steps, none of them readable, any number of bytes. */
static void a_product_that_asks_ahead_is_the_same_product(void **state)
{
    (void)state;
    enum { M = 61, N = 4 * AP_PANEL, K = 70 };
    struct ap_rng rng = ap__rng_make(1, "ahead", 0, 0, 0);
    float *A = numbers(M * K, &rng, 1), *B = numbers(K * N, &rng, 1), *want = numbers(M * N, &rng, 1);
    float *got = malloc(M * N * sizeof *got);
    for (int32_t repeat = 0; repeat < 500; repeat++) {
        struct ap_product p = {A, B, got, K, N, N, 1 + (int32_t)ap__rng_below(&rng, M),
                               AP_LANES * (1 + (int32_t)ap__rng_below(&rng, N / AP_LANES)), 1 + (int32_t)ap__rng_below(&rng, K),
                               repeat % 2};
        struct ap_ahead ahead = {(const char *)(B + repeat), (ptrdiff_t)ap__rng_below(&rng, 9000),
                                 (int32_t)ap__rng_below(&rng, 9000), 1 + (int32_t)ap__rng_below(&rng, 100)};
        memcpy(got, want, M * N * sizeof *got);
        ap__product_ahead(&p, &ahead);
        p.C = want;
        ap__product(&p);
        assert_memory_equal(got, want, M * N * sizeof *got);
    }
    free(got);
    free(want);
    free(B);
    free(A);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(products_equal_plain_loops_at_every_edge),
        cmocka_unit_test(an_adapted_linear_equals_its_two_products),
        cmocka_unit_test(weights_in_16_bits_are_those_in_f32),
        cmocka_unit_test(a_product_that_asks_ahead_is_the_same_product),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
