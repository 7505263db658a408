/* test_base_dtype.c - a frozen base in int8 or NF4, and adapters trained on it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tiny_model.h"
#include "model/quantize.h"
#include "train/batch.h"

#include <string.h>

static char dir[64];

static int make_dir(void **state)
{
    (void)state;
    snprintf(dir, sizeof dir, "/tmp/apprentice_base_XXXXXX");
    return mkdtemp(dir) == NULL;
}

static int drop_dir(void **state)
{
    char path[96];
    (void)state;
    static const char *const part[] = {"/stored", "/dense", ""};
    for (int i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "%s%s", dir, part[i]);
        remove_dir(path);
    }
    return 0;
}

static const char *stored(void)
{
    static char path[96];
    snprintf(path, sizeof path, "%s/stored", dir);
    return path;
}

static const char *const names[] = {"int8", "nf4", "nf4-single", "bf16"};
enum { NAMES = sizeof names / sizeof *names };

static struct ap_model *open_as(const char *folder, const char *base_dtype)
{
    struct ap_model *m = NULL;
    struct ap_model_options options;
    OK(ap__base_dtype_read(base_dtype, "--base-dtype", &options, err));
    OK(ap__model_open(folder, &options, &m, err));
    return m;
}

/* A folder of a random model; wide enough that a matrix has more than one group of scales. */
static void save_model(const char *folder, enum ap_dtype dtype)
{
    struct ap_config shape = tiny_config();
    shape.D = 96;
    shape.Dh = 24;
    shape.H = 4;
    shape.Hkv = 2;
    shape.F = 240;
    shape.tied = false;
    struct ap_model *m = tiny_model(&shape, 1);
    OK(ap__model_save(m, folder, dtype, err));
    ap__model_free(m);
}

/* The same numbers as those that base_dtype leaves, as a dense frozen f32 model. */
static struct ap_model *dense_copy(const char *base_dtype)
{
    char dense[96];
    struct ap_model *m = open_as(stored(), base_dtype);
    snprintf(dense, sizeof dense, "%s/dense", dir);
    OK(ap__model_train_full(m, err));
    OK(ap__model_save(m, dense, AP_F32, err));
    ap__model_free(m);
    return open_as(dense, NULL);
}

/* Gradients of an adapter with both factors set, for one preference pair; n of them. */
static float *adapter_gradients(struct ap_model *m, int64_t *n, double *loss)
{
    static const int32_t token[2][10] = {{1, 5, 9, 2, 30, 7, 7, 12, 3, 3}, {1, 5, 9, 2, 30, 11, 4, 4, 6, 8}};
    static const uint8_t trained[10] = {0, 0, 0, 1, 1, 1, 1, 1, 1, 1};
    struct ap_train_example e = {.chosen = {token[0], trained, 10}, .rejected = {token[1], trained, 10},
                                 .ref_chosen = -40.0, .ref_rejected = -41.0};
    struct ap_batch_config config = {.method = AP_METHOD_DPO, .dpo = {.beta = 0.3, .nll_weight = 1.0}};
    struct ap_batch_sums sums;
    struct ap_arena step;
    OK(ap__model_add_lora(m, &(struct ap_lora_config){.rank = 4, .alpha = 8.0f, .targets = AP_LORA_ALL}, 5, err));
    stir(m, 0.05f, 9);
    ap__arena_init(&step, 0);
    OK(ap__batch_gradient(m, &config, &e, 1, &step, &sums, err));
    ap__arena_deinit(&step);
    *loss = sums.loss;
    return copy_gradients(m, n);
}

static void adapters_on_a_quantised_base_have_the_gradients_of_its_dense_copy(void **state)
{
    (void)state;
    save_model(stored(), AP_BF16);
    for (int i = 0; i < NAMES; i++) {
        struct ap_model *q = open_as(stored(), names[i]), *dense = dense_copy(names[i]);
        int64_t n, k;
        double a_loss, b_loss;
        float *a = adapter_gradients(q, &n, &a_loss), *b = adapter_gradients(dense, &k, &b_loss);
        assert_int_equal(n, k);
        assert_below("relative difference of the gradients", relative_error(a, b, n), 1e-5, 0);
        assert_below("difference of the losses", fabs(a_loss - b_loss), 1e-5, 0);
        ap__free(b);
        ap__free(a);
        ap__model_free(dense);
        ap__model_free(q);
    }
}

static void only_the_linears_of_the_blocks_are_quantised(void **state)
{
    (void)state;
    save_model(stored(), AP_BF16);
    struct ap_model *m = open_as(stored(), "nf4");
    for (int32_t i = 0; i < m->weight_count; i++) {
        const struct ap_weight *w = &m->weight[i];
        enum ap_dtype expected = w->W.cols > 0 && w->hidden ? AP_NF4_DOUBLE : AP_BF16;
        assert_int_equal(w->W.dtype, expected);
        assert_true(w->hidden == (w->converted != NULL));
    }
    ap__model_free(m);
}

/* How far the linears of a model opened as base_dtype are from the stored ones. */
static double loss_of_format(const char *base_dtype)
{
    struct ap_model *m = open_as(stored(), base_dtype), *full = open_as(stored(), NULL);
    int64_t n, k;
    OK(ap__model_train_full(m, err));
    OK(ap__model_train_full(full, err));
    float *x = copy_values(m, &n), *y = copy_values(full, &k);
    assert_int_equal(n, k);
    double error = relative_error(x, y, n);
    ap__free(y);
    ap__free(x);
    ap__model_free(full);
    ap__model_free(m);
    return error;
}

static void coarser_formats_lose_more_but_not_much(void **state)
{
    (void)state;
    save_model(stored(), AP_F32);
    double int8 = loss_of_format("int8"), nf4 = loss_of_format("nf4"), single = loss_of_format("nf4-single");
    assert_true(int8 > 1e-3 && int8 < 0.02);
    assert_true(nf4 > 0.05 && nf4 < 0.12);
    assert_true(fabs(nf4 - single) < 2e-3 && nf4 != single);
}

static void an_unknown_base_dtype_is_named_with_its_place(void **state)
{
    (void)state;
    struct ap_model_options options;
    struct ap_err e;
    assert_int_equal(ap__base_dtype_read("int4", "--base-dtype", &options, &e), AP_E_ARG);
    assert_string_equal(e.place, "--base-dtype");
    assert_string_equal(e.message, "is f32, bf16, int8, nf4 or nf4-single, got `int4`");
    OK(ap__base_dtype_read(NULL, NULL, &options, err));
    assert_false(options.convert);
}

static void running_out_of_memory_while_quantising_is_a_status(void **state)
{
    (void)state;
    save_model(stored(), AP_F32);
    struct ap_model_options options = {true, AP_NF4_DOUBLE};
    for (int64_t k = 1;; k++) {
        struct ap_model *m = NULL;
        struct ap_err e;
        ap__alloc_fail_after(k);
        ap_status status = ap__model_open(stored(), &options, &m, &e);
        ap__alloc_fail_after(0);
        if (status == AP_OK) {
            ap__model_free(m);
            assert_true(k > 10);
            return;
        }
        assert_null(m);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(adapters_on_a_quantised_base_have_the_gradients_of_its_dense_copy, make_dir,
                                        drop_dir),
        cmocka_unit_test_setup_teardown(only_the_linears_of_the_blocks_are_quantised, make_dir, drop_dir),
        cmocka_unit_test_setup_teardown(coarser_formats_lose_more_but_not_much, make_dir, drop_dir),
        cmocka_unit_test(an_unknown_base_dtype_is_named_with_its_place),
        cmocka_unit_test_setup_teardown(running_out_of_memory_while_quantising_is_a_status, make_dir, drop_dir),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
