/* test_train_loss.c - DPO and SFT losses: PyTorch's values, finite differences, limits. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "train/loss.h"
#include <math.h>

/* From PyTorch in float64 with TRL's formula: -(1-e) logsigmoid(h) - e logsigmoid(-h), plus w * -chosen / tokens. */
static const struct {
    struct ap_dpo how;
    struct ap_pair_logp pair;
    double loss, dchosen, drejected;
} fixtures[] = {
    {{0.1, 0, 0}, {-12.5, -14.25, -13, -13.5, 9}, 0.6325990353171691, -0.046879062662624378, 0.046879062662624378},
    {{0.5, 0, 2}, {-3.25, -9.5, -4, -8, 17}, 0.66350307742478543, -0.24018956538971525, 0.12254250656618586},
    {{0.3, 0.1, 0.7}, {-20, -5, -10, -30, 4}, 12.950027536070229, -0.44499173929266561, 0.26999173929266562},
    {{1, 0.2, 0}, {0, -800, -900, 0, 3}, 340, 0.20000000000000001, -0.20000000000000001},
    {{1, 0, 1}, {-900, 0, 0, -800, 3}, 2000, -1.3333333333333333, 1},
};

static void assert_near(double got, double expected, double tolerance)
{
    if (!(fabs(got - expected) <= tolerance * fmax(1.0, fabs(expected))))
        fail_msg("got %.17g, expected %.17g", got, expected);
}

static void dpo_equals_pytorch_also_far_from_zero(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof fixtures / sizeof *fixtures; i++) {
        struct ap_pair_loss l = ap__loss_dpo(&fixtures[i].how, &fixtures[i].pair);
        assert_near(l.loss, fixtures[i].loss, 1e-12);
        assert_near(l.dchosen, fixtures[i].dchosen, 1e-12);
        assert_near(l.drejected, fixtures[i].drejected, 1e-12);
    }
}

static void dpo_derivatives_agree_with_finite_differences(void **state)
{
    (void)state;
    const double eps = 1e-5;
    for (int i = 0; i < 3; i++) {
        struct ap_pair_logp pair = fixtures[i].pair, up = pair, down = pair;
        struct ap_pair_loss l = ap__loss_dpo(&fixtures[i].how, &pair);
        up.chosen += eps;
        down.chosen -= eps;
        double d = (ap__loss_dpo(&fixtures[i].how, &up).loss - ap__loss_dpo(&fixtures[i].how, &down).loss) / (2 * eps);
        assert_near(l.dchosen, d, 1e-8);
        up = down = pair;
        up.rejected += eps;
        down.rejected -= eps;
        d = (ap__loss_dpo(&fixtures[i].how, &up).loss - ap__loss_dpo(&fixtures[i].how, &down).loss) / (2 * eps);
        assert_near(l.drejected, d, 1e-8);
    }
}

static void a_policy_equal_to_its_reference_has_loss_log_2_and_no_reward(void **state)
{
    (void)state;
    struct ap_dpo how = {.beta = 0.7};
    struct ap_pair_logp pair = {-5.5, -6.25, -5.5, -6.25, 8};
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
        cmocka_unit_test(dpo_equals_pytorch_also_far_from_zero),
        cmocka_unit_test(dpo_derivatives_agree_with_finite_differences),
        cmocka_unit_test(a_policy_equal_to_its_reference_has_loss_log_2_and_no_reward),
        cmocka_unit_test(sft_shares_add_up_to_the_mean_nll_per_token),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
