/* test_train_optimizer.c - schedules, clipping, and AdamW against its formula in double. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "tiny_model.h"
#include "train/optimizer.h"

static void assert_near(double got, double expected)
{
    if (!(fabs(got - expected) <= 1e-12))
        fail_msg("got %.17g, expected %.17g", got, expected);
}

static void schedules_warm_up_hold_and_decay(void **state)
{
    (void)state;
    struct ap_optimizer_config c = ap__optimizer_default();
    c.warmup = 0.1;
    assert_near(ap__schedule_factor(&c, 0, 100), 1.0 / 11.0);
    assert_near(ap__schedule_factor(&c, 9, 100), 10.0 / 11.0);
    assert_near(ap__schedule_factor(&c, 10, 100), 1.0);
    assert_near(ap__schedule_factor(&c, 55, 100), 0.5);
    assert_near(ap__schedule_factor(&c, 99, 100), 1.0 / 90.0);
    c.schedule = AP_SCHEDULE_COSINE;
    c.floor = 0.1;
    assert_near(ap__schedule_factor(&c, 55, 100), 0.55);
    c.schedule = AP_SCHEDULE_HOLD_LINEAR;
    c.hold = 0.4;
    assert_near(ap__schedule_factor(&c, 39, 100), 1.0);
    assert_near(ap__schedule_factor(&c, 70, 100), 0.55);
    c.schedule = AP_SCHEDULE_CONSTANT;
    assert_near(ap__schedule_factor(&c, 99, 100), 1.0);
    c.warmup = 0.0;
    assert_near(ap__schedule_factor(&c, 0, 1), 1.0);
}

/* Three updates of every weight, gradients set by hand, against AdamW and clipping written down in double. */
static void updates_equal_adamw_in_double(void **state)
{
    (void)state;
    struct ap_config shape = tiny_config();
    struct ap_model *m = tiny_model(&shape, 1);
    struct ap_model_param p[64];
    struct ap_optimizer_config c = ap__optimizer_default();
    struct ap_optimizer o;
    int32_t count = ap__model_params(m, p, 64);
    int64_t n;
    c.lr = 0.01;
    c.weight_decay = 0.1;
    c.clip = 0.5;
    OK(ap__optimizer_init(&o, &c, m, err));
    float *start = copy_values(m, &n);
    double *w = ap__alloc_array((size_t)n, sizeof *w), *m1 = ap__alloc_array((size_t)n, sizeof *m1);
    double *m2 = ap__alloc_array((size_t)n, sizeof *m2), norm;
    for (int64_t k = 0; k < n; k++)
        w[k] = (double)start[k];
    for (int step = 1; step <= 3; step++) {
        double scale = 0.5 / (0.01 * step * sqrt((double)n));
        int64_t k = 0;
        for (int32_t i = 0; i < count; i++)
            for (int64_t j = 0; j < p[i].n; j++, k++) {
                double g = (k % 2 ? 1.0 : -1.0) * 0.01 * step;
                p[i].g[j] = (float)g;
                g *= scale < 1.0 ? scale : 1.0;
                m1[k] = 0.9 * m1[k] + 0.1 * g;
                m2[k] = 0.999 * m2[k] + 0.001 * g * g;
                double rate = 0.01 * 0.5, decay = p[i].cols > 0 ? 0.1 : 0.0;
                w[k] -= rate * decay * w[k];
                w[k] -= rate * (m1[k] / (1.0 - pow(0.9, step))) / (sqrt(m2[k] / (1.0 - pow(0.999, step))) + 1e-8);
            }
        OK(ap__optimizer_update(&o, 0.5, &norm, err));
        assert_true(fabs(norm / (0.01 * step * sqrt((double)n)) - 1.0) < 1e-6);
    }
    float *end = copy_values(m, &n);
    for (int64_t k = 0; k < n; k++)
        if (!(fabs((double)end[k] - w[k]) < 2e-6))
            fail_msg("weight %lld: got %.9g, expected %.9g", (long long)k, (double)end[k], w[k]);
    ap__free(m2);
    ap__free(m1);
    ap__free(w);
    ap__free(end);
    ap__free(start);
    ap__optimizer_deinit(&o);
    ap__model_free(m);
}

static void a_gradient_that_is_not_finite_changes_nothing(void **state)
{
    (void)state;
    struct ap_config shape = tiny_config();
    struct ap_model *m = tiny_model(&shape, 1);
    struct ap_model_param p[64];
    struct ap_optimizer_config c = ap__optimizer_default();
    struct ap_optimizer o;
    int64_t n;
    double norm;
    OK(ap__optimizer_init(&o, &c, m, err));
    (void)ap__model_params(m, p, 64);
    float *before = copy_values(m, &n);
    p[3].g[5] = NAN;
    FAILS(AP_E_STATE, "not finite", ap__optimizer_update(&o, 1.0, &norm, err));
    float *after = copy_values(m, &n);
    assert_memory_equal(before, after, (size_t)n * sizeof *after);
    ap__free(before);
    ap__free(after);
    ap__optimizer_deinit(&o);
    ap__model_free(m);
}

static void muon_moves_hidden_matrices_only_by_its_own_rate(void **state)
{
    (void)state;
    struct ap_config shape = tiny_config();
    struct ap_model *m = tiny_model(&shape, 1);
    struct ap_model_param p[64];
    struct ap_optimizer_config c = ap__optimizer_default();
    struct ap_optimizer o;
    int32_t count = ap__model_params(m, p, 64);
    int64_t n;
    double norm;
    c.muon = true;
    c.lr = 0.0;
    OK(ap__optimizer_init(&o, &c, m, err));
    for (int32_t i = 0; i < count; i++)
        for (int64_t k = 0; k < p[i].n; k++)
            p[i].g[k] = (float)((k * 37 + i) % 11) - 5.0f;
    float *before = copy_values(m, &n), *at = before;
    OK(ap__optimizer_update(&o, 1.0, &norm, err));
    for (int32_t i = 0; i < count; i++, at += p[i - 1].n) {
        bool same = memcmp(at, p[i].w, (size_t)p[i].n * sizeof *at) == 0;
        assert_int_equal(same, !p[i].hidden);
    }
    ap__free(before);
    ap__optimizer_deinit(&o);
    ap__model_free(m);
}

static void bad_settings_are_named(void **state)
{
    (void)state;
    struct ap_optimizer_config c = ap__optimizer_default();
    c.warmup = 1.5;
    FAILS(AP_E_ARG, "`warmup` must be from 0 to 1, got 1.5", ap__optimizer_check(&c, err));
    c = ap__optimizer_default();
    c.lr = NAN;
    FAILS(AP_E_ARG, "`lr`", ap__optimizer_check(&c, err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(schedules_warm_up_hold_and_decay),
        cmocka_unit_test(updates_equal_adamw_in_double),
        cmocka_unit_test(a_gradient_that_is_not_finite_changes_nothing),
        cmocka_unit_test(muon_moves_hidden_matrices_only_by_its_own_rate),
        cmocka_unit_test(bad_settings_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
