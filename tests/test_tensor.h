/* test_tensor.h - what the tests of the operations share: random numbers, and
 * gradients against central differences of a reference in double.
 *
 * The reference is written the plain way, so one check covers the forward
 * operation (against the reference) and its backward (against differences). */
#ifndef AP_TEST_TENSOR_H
#define AP_TEST_TENSOR_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "base/rng.h"
#include "tensor/backend.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static inline void fill(float *x, size_t n, struct ap_rng *rng, double size)
{
    for (size_t i = 0; i < n; i++)
        x[i] = (float)(ap__rng_normal(rng) * size);
}

static inline float *numbers(size_t n, struct ap_rng *rng, double size)
{
    float *x = malloc((n + 1) * sizeof *x); /* exact, so that the sanitizer sees an overrun */
    assert_non_null(x);
    fill(x, n, rng, size);
    return x;
}

/* |got - want| <= tolerance * (1 + |want|); on failure says where. */
static inline void assert_near(double got, double want, double tolerance, const char *what, size_t i)
{
    if (!(fabs(got - want) <= tolerance * (1.0 + fabs(want))))
        fail_msg("%s[%zu]: got %.9g, want %.9g", what, i, got, want);
}

/* loss(ctx) in double as a function of the numbers x points at (which ctx reads). */
typedef double (*reference_loss)(void *ctx);

/* gradient[i] against (loss(x+h) - loss(x-h)) / 2h for every `stride`-th number. */
static inline void check_gradient(reference_loss loss, void *ctx, double *x, const float *gradient, size_t n,
                                  size_t stride, double tolerance, const char *what)
{
    const double h = 1e-5;
    for (size_t i = 0; i < n; i += stride) {
        double keep = x[i];
        x[i] = keep + h;
        double up = loss(ctx);
        x[i] = keep - h;
        double down = loss(ctx);
        x[i] = keep;
        assert_near((double)gradient[i], (up - down) / (2 * h), tolerance, what, i);
    }
}

static inline double *widened(const float *x, size_t n)
{
    double *wide = malloc((n + 1) * sizeof *wide);
    assert_non_null(wide);
    for (size_t i = 0; i < n; i++)
        wide[i] = (double)x[i];
    return wide;
}

#endif
