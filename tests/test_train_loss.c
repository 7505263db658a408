/* test_train_loss.c - preference and SFT losses: PyTorch's values, finite differences, limits. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "train/loss.h"
#include <math.h>

/* From PyTorch in float64 with TRL's formulas (loss.h), plus w * -chosen / tokens. */
static const struct {
    enum ap_loss loss_type;
    double beta, smoothing, nll;
    struct ap_pair_logp pair;
    double loss, dchosen, drejected;
} fixtures[] = {
    {AP_LOSS_SIGMOID, 0.1, 0, 0, {-12.5, -14.25, -13, -13.5, 9, 7}, 0.6325990353171691, -0.046879062662624378,
     0.046879062662624378},
    {AP_LOSS_SIGMOID, 0.5, 0, 2, {-3.25, -9.5, -4, -8, 17, 4}, 0.66350307742478543, -0.24018956538971525,
     0.12254250656618586},
    {AP_LOSS_SIGMOID, 0.3, 0.1, 0.7, {-20, -5, -10, -30, 4, 6}, 12.950027536070229, -0.44499173929266561,
     0.26999173929266562},
    {AP_LOSS_HINGE, 0.1, 0, 0, {-12.5, -14.25, -13, -13.5, 9, 7}, 0.875, -0.1, 0.1},
    {AP_LOSS_IPO, 0.1, 0, 0, {-12.5, -14.25, -13, -13.5, 9, 7}, 23.399486646510454, -1.0749559082892415,
     1.3820861678004535},
    {AP_LOSS_IPO, 0.5, 0, 2, {-3.25, -9.5, -4, -8, 17, 4}, 0.71977724913494801, -0.18598615916955016,
     0.2904411764705882},
    {AP_LOSS_ROBUST, 0.3, 0.1, 0.7, {-20, -5, -10, -30, 4, 6}, 15.312527536070229, -0.51249173929266556,
     0.33749173929266563},
    /* Far from zero. */
    {AP_LOSS_SIGMOID, 1, 0.2, 0, {0, -800, -900, 0, 3, 3}, 340, 0.2, -0.2},
    {AP_LOSS_SIGMOID, 1, 0, 1, {-900, 0, 0, -800, 3, 3}, 2000, -1.3333333333333333, 1},
    {AP_LOSS_HINGE, 1, 0, 0.5, {0, -800, -900, 0, 3, 5}, 0, -0.16666666666666666, 0},
    {AP_LOSS_ROBUST, 1, 0.2, 0, {0, -800, -900, 0, 3, 3}, -566.66666666666674, -0.33333333333333337,
     0.33333333333333337},
};
enum { FIXTURES = sizeof fixtures / sizeof *fixtures, SMOOTH_ONES = 7 };

static struct ap_dpo how_of(int i)
{
    return (struct ap_dpo){.beta = fixtures[i].beta, .label_smoothing = fixtures[i].smoothing,
                           .nll_weight = fixtures[i].nll, .loss = fixtures[i].loss_type};
}

/* The pair's loss and what holds the chosen sequence up, as a batch of one adds them. */
static struct ap_pair_loss whole_loss(const struct ap_dpo *how, const struct ap_pair_logp *pair)
{
    struct ap_pair_loss l = ap__loss_dpo(how, pair);
    double dnll;
    l.loss += how->nll_weight * ap__loss_sft(pair->chosen, pair->chosen_tokens, &dnll);
    l.dchosen += how->nll_weight * dnll;
    return l;
}

static void assert_near(double got, double expected, double tolerance)
{
    if (!(fabs(got - expected) <= tolerance * fmax(1.0, fabs(expected))))
        fail_msg("got %.17g, expected %.17g", got, expected);
}

static void every_loss_equals_pytorch_also_far_from_zero(void **state)
{
    (void)state;
    for (int i = 0; i < FIXTURES; i++) {
        struct ap_dpo how = how_of(i);
        struct ap_pair_loss l = whole_loss(&how, &fixtures[i].pair);
        assert_near(l.loss, fixtures[i].loss, 1e-12);
        assert_near(l.dchosen, fixtures[i].dchosen, 1e-12);
        assert_near(l.drejected, fixtures[i].drejected, 1e-12);
    }
}

static void derivatives_agree_with_finite_differences(void **state)
{
    (void)state;
    const double eps = 1e-5;
    for (int i = 0; i < SMOOTH_ONES; i++) {
        struct ap_dpo how = how_of(i);
        struct ap_pair_logp pair = fixtures[i].pair, up = pair, down = pair;
        struct ap_pair_loss l = whole_loss(&how, &pair);
        up.chosen += eps;
        down.chosen -= eps;
        double d = (whole_loss(&how, &up).loss - whole_loss(&how, &down).loss) / (2 * eps);
        assert_near(l.dchosen, d, 1e-8);
        up = down = pair;
        up.rejected += eps;
        down.rejected -= eps;
        d = (whole_loss(&how, &up).loss - whole_loss(&how, &down).loss) / (2 * eps);
        assert_near(l.drejected, d, 1e-8);
    }
}

static void a_loss_is_found_by_its_name(void **state)
{
    (void)state;
    enum ap_loss loss;
    for (int i = 0; i < AP_LOSS_COUNT; i++) {
        assert_true(ap__loss_read(ap__loss_name((enum ap_loss)i), &loss));
        assert_int_equal(loss, i);
    }
    assert_false(ap__loss_read("kto", &loss));
    assert_true(ap__loss_smooths(AP_LOSS_ROBUST) && !ap__loss_smooths(AP_LOSS_IPO));
}

static void robust_without_smoothing_is_sigmoid(void **state)
{
    (void)state;
    struct ap_dpo sigmoid = {.beta = 0.3}, robust = {.beta = 0.3, .loss = AP_LOSS_ROBUST};
    struct ap_pair_loss a = ap__loss_dpo(&sigmoid, &fixtures[2].pair), b = ap__loss_dpo(&robust, &fixtures[2].pair);
    assert_near(a.loss, b.loss, 1e-15);
    assert_near(a.dchosen, b.dchosen, 1e-15);
}

static void a_policy_equal_to_its_reference_has_loss_log_2_and_no_reward(void **state)
{
    (void)state;
    struct ap_dpo how = {.beta = 0.7};
    struct ap_pair_logp pair = {-5.5, -6.25, -5.5, -6.25, 8, 8};
    struct ap_pair_loss l = ap__loss_dpo(&how, &pair);
    assert_near(l.loss, log(2.0), 1e-15);
    assert_true(l.reward_chosen == 0.0 && l.reward_rejected == 0.0);
    assert_near(l.dchosen, -0.35, 1e-15);
    assert_near(l.drejected, 0.35, 1e-15);
}

static void sft_shares_add_up_to_the_mean_nll_per_token(void **state)
{
    (void)state;
    double d1, d2, loss = ap__loss_sft(-6.0, 10, &d1) + ap__loss_sft(-3.0, 10, &d2);
    assert_near(loss, 0.9, 1e-15);
    assert_near(d1, -0.1, 1e-15);
    assert_true(d1 == d2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_loss_equals_pytorch_also_far_from_zero),
        cmocka_unit_test(derivatives_agree_with_finite_differences),
        cmocka_unit_test(a_loss_is_found_by_its_name),
        cmocka_unit_test(robust_without_smoothing_is_sigmoid),
        cmocka_unit_test(a_policy_equal_to_its_reference_has_loss_log_2_and_no_reward),
        cmocka_unit_test(sft_shares_add_up_to_the_mean_nll_per_token),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
