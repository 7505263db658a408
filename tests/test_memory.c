/* test_memory.c - estimates against what is measured, refusals and their advice. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tiny_model.h"
#include "base/machine.h"
#include "model/memory.h"
#include "model/weights.h"
#include "train/batch.h"

#include <string.h>

enum { LEN = 400 };

static char dir[64];

static int make_dir(void **state)
{
    (void)state;
    snprintf(dir, sizeof dir, "/tmp/apprentice_memory_XXXXXX");
    return mkdtemp(dir) == NULL;
}

static int drop_dir(void **state)
{
    (void)state;
    remove_dir(dir);
    return 0;
}

static struct ap_model *random_model(int32_t D, int32_t L)
{
    struct ap_config shape = tiny_config();
    shape.D = D;
    shape.L = L;
    shape.H = 4;
    shape.Hkv = 2;
    shape.Dh = D / 4;
    shape.F = 5 * D / 2;
    shape.max_position = 2048;
    return tiny_model(&shape, 1);
}

/* What one step takes from its arena at most, for one chain of LEN tokens. */
static size_t measured_step(struct ap_model *m, bool backward)
{
    static int32_t token[LEN];
    static uint8_t trained[LEN];
    for (int t = 0; t < LEN; t++) {
        token[t] = t % 7;
        trained[t] = t > 0;
    }
    struct ap_train_example e = {.chosen = {token, trained, LEN}};
    struct ap_batch_config config = {.method = AP_METHOD_SFT};
    struct ap_batch_sums sums;
    struct ap_arena step;
    ap__arena_init(&step, 0);
    if (backward)
        OK(ap__batch_gradient(m, &config, &e, 1, &step, &sums, err));
    else
        OK(ap__batch_reference(m, AP_REFERENCE_BASE, &e, 1, 0, &step, err));
    size_t peak = step.peak;
    ap__arena_deinit(&step);
    return peak;
}

static void near(const char *what, double estimate, double measured)
{
    if (!(estimate >= 0.95 * measured && estimate <= 1.1 * measured))
        fail_msg("%s: the estimate is %.0f bytes, %.0f were measured", what, estimate, measured);
}

static void activations_are_estimated_within_a_tenth_of_what_a_step_takes(void **state)
{
    (void)state;
    struct ap_lora_config lora = {.rank = 8, .alpha = 8.0f, .targets = AP_LORA_ALL};
    static const int32_t shape[][2] = {{64, 4}, {256, 2}, {128, 12}};
    for (size_t i = 0; i < sizeof shape / sizeof *shape; i++) {
        struct ap_model *m = random_model(shape[i][0], shape[i][1]);
        struct ap_memory_plan plan = {.mode = AP_FULL, .max_tokens = LEN};
        struct ap_memory memory;
        ap__memory_estimate(m, &plan, &memory);
        near("full training", (double)memory.activations, (double)measured_step(m, true));
        plan.recompute = true;
        ap__model_recompute(m, true);
        ap__memory_estimate(m, &plan, &memory);
        near("full training, recomputing", (double)memory.activations, (double)measured_step(m, true));
        ap__model_recompute(m, false);
        plan.mode = AP_FROZEN;
        ap__memory_estimate(m, &plan, &memory);
        near("forward alone", (double)memory.activations, (double)measured_step(m, false));
        OK(ap__model_add_lora(m, &lora, 1, err));
        plan = (struct ap_memory_plan){.mode = AP_LORA, .lora = lora, .max_tokens = LEN};
        ap__memory_estimate(m, &plan, &memory);
        near("adapter training", (double)memory.activations, (double)measured_step(m, true));
        plan.recompute = true;
        ap__model_recompute(m, true);
        ap__memory_estimate(m, &plan, &memory);
        near("adapter training, recomputing", (double)memory.activations, (double)measured_step(m, true));
        ap__model_free(m);
    }
}

static void what_is_trained_counts_four_times(void **state)
{
    (void)state;
    struct ap_model *m = random_model(64, 2);
    struct ap_memory memory;
    int64_t parameters = ap__model_parameters(m) * 4, adapter = 0;
    ap__memory_estimate(m, &(struct ap_memory_plan){.mode = AP_FULL}, &memory);
    assert_int_equal(memory.weights, parameters);
    assert_int_equal(memory.gradients, parameters);
    assert_int_equal(memory.optimizer, 2 * parameters);
    assert_int_equal(memory.total, 4 * parameters + memory.other);
    struct ap_memory_plan plan = {.mode = AP_LORA,
                                  .lora = {.rank = 8, .alpha = 8.0f, .targets = AP_LORA_Q | AP_LORA_UP}};
    OK(ap__model_add_lora(m, &plan.lora, 1, err));
    struct ap_model_param param[64];
    for (int32_t i = 0, n = ap__model_params(m, param, 64); i < n; i++)
        adapter += 4 * param[i].n;
    ap__memory_estimate(m, &plan, &memory);
    assert_int_equal(memory.adapter, adapter);
    assert_int_equal(memory.gradients, adapter);
    assert_int_equal(memory.optimizer, 2 * adapter);
    ap__model_free(m);
}

static void a_given_adapter_counts_as_it_is_stored(void **state)
{
    (void)state;
    struct ap_model *m = random_model(64, 2);
    struct ap_lora_config lora = {.rank = 8, .alpha = 8.0f, .targets = AP_LORA_Q | AP_LORA_UP};
    struct ap_memory_plan made = {.mode = AP_LORA, .lora = lora, .max_tokens = LEN}, given = made;
    struct ap_memory expected, memory;
    OK(ap__model_add_lora(m, &lora, 1, err));
    OK(ap__lora_save(m, dir, NULL, err));
    given.lora = (struct ap_lora_config){.rank = 64, .targets = AP_LORA_ALL};
    OK(ap__memory_plan_adapter(&given, dir, err));
    ap__memory_estimate(m, &made, &expected);
    ap__memory_estimate(m, &given, &memory);
    assert_memory_equal(&memory, &expected, sizeof memory);
    given.mode = AP_FROZEN; /* to sample with it */
    ap__memory_estimate(m, &given, &memory);
    assert_int_equal(memory.adapter, expected.adapter);
    assert_int_equal(memory.gradients, 0);
    OK(ap__memory_plan_adapter(&given, NULL, err));
    ap__model_free(m);
}

static void a_coarser_base_needs_less(void **state)
{
    (void)state;
    static const enum ap_dtype dtypes[] = {AP_F32, AP_BF16, AP_INT8, AP_NF4, AP_NF4_DOUBLE};
    struct ap_model *m = random_model(256, 8);
    struct ap_memory memory;
    int64_t before = INT64_MAX;
    for (size_t i = 0; i < sizeof dtypes / sizeof *dtypes; i++) {
        ap__memory_estimate(m, &(struct ap_memory_plan){.options = {true, dtypes[i]}}, &memory);
        assert_true(memory.weights < before);
        before = memory.weights;
    }
    ap__model_free(m);
}

/* What the plan needs at least, in bytes. */
static int64_t need(const struct ap_model *m, struct ap_memory_plan plan)
{
    struct ap_memory memory;
    plan.recompute = plan.mode != AP_FROZEN;
    ap__memory_estimate(m, &plan, &memory);
    return memory.total;
}

static void check_refusal(const struct ap_model *m, const struct ap_memory_plan *plan, int64_t available,
                          const char *advice)
{
    struct ap_err e = {0};
    char expected[256];
    snprintf(expected, sizeof expected, "needs about %.1f GiB, %.1f GiB are free%s", (double)need(m, *plan) / (1 << 30),
             (double)available / (1 << 30), advice);
    assert_int_equal(ap__memory_check(m, plan, available, "models/big", &e), AP_E_MEMORY);
    assert_string_equal(e.place, "models/big");
    assert_string_equal(e.message, expected);
}

static void a_refusal_says_what_would_fit(void **state)
{
    (void)state;
    struct ap_model *m = random_model(512, 8);
    struct ap_memory_plan plan = {.mode = AP_LORA, .lora = {.rank = 8, .alpha = 8.0f, .targets = AP_LORA_ALL},
                                  .max_tokens = 8192, .dtype_knob = "--base-dtype", .tokens_knob = "--max-tokens"};
    struct ap_memory_plan small = plan, both = plan;
    small.options = (struct ap_model_options){true, AP_INT8};
    OK(ap__memory_check(m, &plan, need(m, plan), "models/big", err));
    OK(ap__memory_check(m, &plan, -1, "models/big", err));
    check_refusal(m, &plan, need(m, small), "; try --base-dtype int8 or --max-tokens 4096");
    small.options.base_dtype = AP_NF4_DOUBLE;
    check_refusal(m, &plan, need(m, small), "; try --base-dtype nf4 or --max-tokens 4096");
    small = plan;
    small.max_tokens = 512;
    check_refusal(m, &plan, need(m, small), "; try --max-tokens 512");
    both.options = (struct ap_model_options){true, AP_NF4_DOUBLE};
    both.max_tokens = 256;
    check_refusal(m, &plan, need(m, both), "; try --max-tokens 256 with --base-dtype nf4");
    check_refusal(m, &plan, 1 << 20, "");
    plan.dtype_knob = NULL;
    check_refusal(m, &plan, need(m, both), "");
    ap__model_free(m);
}

static void a_session_that_is_too_large_is_refused_with_the_tokens_that_fit(void **state)
{
    (void)state;
    struct ap_model *m = random_model(256, 8);
    struct ap_memory_plan plan = {.cache_tokens = 1 << 20, .cache_knob = "--cache-tokens"}, small = plan;
    small.cache_tokens = 1 << 15;
    check_refusal(m, &plan, need(m, small), "; try --cache-tokens 32768");
    ap__model_free(m);
}

static void a_model_is_opened_as_its_plan_says(void **state)
{
    (void)state;
    struct ap_model *m = random_model(64, 2), *opened = NULL;
    struct ap_memory_plan plan = {.options = {true, AP_NF4_DOUBLE}};
    struct ap_err e;
    OK(ap__model_save(m, dir, AP_F32, err));
    OK(ap__model_open(dir, NULL, &opened, err));
    OK(ap__memory_admit(dir, &plan, &opened, err));
    assert_int_equal(ap__layer_weight(opened, 0, AP_SLOT_Q)->W.dtype, AP_NF4_DOUBLE);
    ap__model_free(opened);
    OK(ap__model_open(dir, NULL, &opened, err));
    plan.cache_tokens = INT32_MAX; /* more than any machine has */
    assert_int_equal(ap__memory_admit(dir, &plan, &opened, &e), AP_E_MEMORY);
    assert_null(opened);
    ap__model_free(m);
}

static void this_machine_has_memory(void **state)
{
    (void)state;
    int64_t free_bytes = ap__machine_free_memory();
    assert_true(free_bytes == -1 || free_bytes > 1 << 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(activations_are_estimated_within_a_tenth_of_what_a_step_takes),
        cmocka_unit_test(what_is_trained_counts_four_times),
        cmocka_unit_test_setup_teardown(a_given_adapter_counts_as_it_is_stored, make_dir, drop_dir),
        cmocka_unit_test(a_coarser_base_needs_less),
        cmocka_unit_test(a_refusal_says_what_would_fit),
        cmocka_unit_test(a_session_that_is_too_large_is_refused_with_the_tokens_that_fit),
        cmocka_unit_test_setup_teardown(a_model_is_opened_as_its_plan_says, make_dir, drop_dir),
        cmocka_unit_test(this_machine_has_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
