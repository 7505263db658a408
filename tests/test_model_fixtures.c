/* test_model_fixtures.c - the engine against PyTorch and transformers (tests/data/tiny_llama). */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "base/json.h"
#include "model/safetensors.h"
#include "model/sampler.h"
#include "model/session.h"
#include "train/batch.h"
#include <math.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FOLDER AP_TEST_DATA "/tiny_llama"
#define LOGITS_TOLERANCE 2e-5
#define LOGP_TOLERANCE 1e-5
#define GRADIENT_TOLERANCE 1e-4

enum { PAIRS = 2, MAX_LEN = 64, MAX_PARAMS = 64 };

struct fixture {
    json_t *numbers;
    struct ap_safetensors *tensors;
    int32_t token[PAIRS][2][MAX_LEN];
    uint8_t trained[PAIRS][2][MAX_LEN];
    struct ap_train_example example[PAIRS];
    struct ap_batch_config config;
    struct ap_arena step;
};

#define OK(expr)                                                                                       \
    do {                                                                                               \
        struct ap_err e_ = {0};                                                                        \
        struct ap_err *err = &e_;                                                                      \
        ap_status s_ = (expr);                                                                         \
        if (s_ != AP_OK)                                                                               \
            fail_msg("%s: %s: %s", #expr, e_.place, e_.message);                                       \
    } while (0)

static double number(const json_t *v) { return json_number_value(v); }

static struct ap_seq read_seq(const json_t *seq, int32_t *token, uint8_t *trained)
{
    const json_t *ids = json_object_get(seq, "ids"), *mask = json_object_get(seq, "trained");
    int32_t n = (int32_t)json_array_size(ids);
    assert_in_range(n, 2, MAX_LEN);
    for (int32_t i = 0; i < n; i++) {
        token[i] = (int32_t)json_integer_value(json_array_get(ids, (size_t)i));
        trained[i] = (uint8_t)json_integer_value(json_array_get(mask, (size_t)i));
    }
    return (struct ap_seq){token, trained, n};
}

static void set_refs(struct fixture *f, const char *key)
{
    for (size_t i = 0; i < PAIRS; i++) {
        const json_t *ref = json_array_get(json_object_get(f->numbers, key), i);
        f->example[i].ref_chosen = number(json_array_get(ref, 0));
        f->example[i].ref_rejected = number(json_array_get(ref, 1));
    }
}

static int open_fixture(void **state)
{
    static struct fixture f;
    OK(ap__json_load(FOLDER "/expected.json", &f.numbers, err));
    OK(ap__safetensors_open(FOLDER "/expected.safetensors", &f.tensors, err));
    for (size_t i = 0; i < PAIRS; i++) {
        const json_t *pair = json_array_get(json_object_get(f.numbers, "pairs"), i);
        f.example[i].chosen = read_seq(json_array_get(pair, 0), f.token[i][0], f.trained[i][0]);
        f.example[i].rejected = read_seq(json_array_get(pair, 1), f.token[i][1], f.trained[i][1]);
    }
    const json_t *dpo = json_object_get(f.numbers, "dpo");
    f.config.dpo = (struct ap_dpo){.beta = number(json_object_get(dpo, "beta")),
                                   .label_smoothing = number(json_object_get(dpo, "label_smoothing")),
                                   .nll_weight = number(json_object_get(dpo, "nll_weight"))};
    ap__arena_init(&f.step, 0);
    *state = &f;
    return 0;
}

static int close_fixture(void **state)
{
    struct fixture *f = *state;
    json_decref(f->numbers);
    ap__safetensors_free(f->tensors);
    ap__arena_deinit(&f->step);
    return 0;
}

static struct ap_model *open_model(bool adapter)
{
    struct ap_model *m = NULL;
    OK(ap__model_open(FOLDER, NULL, &m, err));
    if (adapter)
        OK(ap__lora_load(m, FOLDER "/adapter", err));
    return m;
}

/* |got - expected| <= tolerance |expected| in the 2-norm (or the largest element's with `largest`). */
static void assert_close(const char *name, const float *got, const float *expected, int64_t n, double tolerance,
                         bool largest)
{
    double error = 0.0, scale = 0.0;
    for (int64_t i = 0; i < n; i++) {
        double d = fabs((double)got[i] - (double)expected[i]), e = fabs((double)expected[i]);
        error = largest ? fmax(error, d) : error + d * d;
        scale = largest ? fmax(scale, e) : scale + e * e;
    }
    error = largest ? error : sqrt(error);
    scale = largest ? scale : sqrt(scale);
    if (!(error <= tolerance * scale))
        fail_msg("%s: error %g of %g is more than %g", name, error, scale, tolerance);
}

static void assert_number(const char *name, double got, double expected, double tolerance)
{
    if (!(fabs(got - expected) <= tolerance * fabs(expected)))
        fail_msg("%s: got %.12g, expected %.12g", name, got, expected);
}

static void check_logits(struct fixture *f, struct ap_model *m, const char *name)
{
    struct ap_pack pack;
    struct ap_tensor_view view;
    OK(ap__safetensors_get(f->tensors, name, &view, err));
    ap__arena_reset(&f->step);
    OK(ap__pack_build(&f->step, &f->example[0].chosen, 1, 0, &pack, err));
    float *logits = ap__arena_alloc(&f->step, view.bytes);
    OK(ap__model_logits(m, &pack, &f->step, logits, err));
    assert_int_equal(view.shape[0], pack.T);
    assert_close(name, logits, view.data, view.shape[0] * view.shape[1], LOGITS_TOLERANCE, true);
}

static void check_gradients(struct fixture *f, struct ap_model *m, const char *loss)
{
    struct ap_model_param param[MAX_PARAMS];
    int32_t n = ap__model_params(m, param, MAX_PARAMS);
    assert_in_range(n, 1, MAX_PARAMS);
    for (int32_t i = 0; i < n; i++) {
        char name[256];
        struct ap_tensor_view view;
        snprintf(name, sizeof name, "%s.%s", loss, param[i].name);
        OK(ap__safetensors_get(f->tensors, name, &view, err));
        assert_int_equal(view.bytes, (size_t)param[i].n * sizeof(float));
        assert_close(name, param[i].g, view.data, param[i].n, GRADIENT_TOLERANCE, false);
    }
}

static void check_loss(struct fixture *f, struct ap_model *m, const char *loss)
{
    char key[64];
    struct ap_batch_sums sums;
    snprintf(key, sizeof key, "loss_%s", loss);
    ap__model_zero_grad(m);
    OK(ap__batch_gradient(m, &f->config, f->example, PAIRS, &f->step, &sums, err));
    assert_number(key, sums.loss, number(json_object_get(f->numbers, key)), LOGP_TOLERANCE);
    check_gradients(f, m, loss);
}

static void logits_equal_transformers(void **state)
{
    struct ap_model *m = open_model(false);
    check_logits(*state, m, "logits");
    OK(ap__model_train_full(m, err));
    check_logits(*state, m, "logits");
    ap__model_free(m);
}

static void logits_with_an_adapter_equal_pytorch(void **state)
{
    struct ap_model *m = open_model(true);
    check_logits(*state, m, "logits_adapted");
    ap__model_use_adapter(m, false);
    check_logits(*state, m, "logits");
    ap__model_free(m);
}

static void a_saved_model_has_the_adapter_merged_in(void **state)
{
    char dir[] = "/tmp/apprentice_merge_XXXXXX", path[128];
    struct ap_model *m = open_model(true), *merged = NULL;
    assert_non_null(mkdtemp(dir));
    OK(ap__model_save(m, dir, AP_F32, err));
    OK(ap__model_open(dir, NULL, &merged, err));
    check_logits(*state, merged, "logits_adapted");
    ap__model_free(merged);
    ap__model_free(m);
    snprintf(path, sizeof path, "%s/model.safetensors", dir);
    unlink(path);
    snprintf(path, sizeof path, "%s/config.json", dir);
    unlink(path);
    rmdir(dir);
}

static void reference_logprobs_equal_pytorch(void **state)
{
    struct fixture *f = *state;
    struct ap_model *m = open_model(true);
    OK(ap__batch_reference(m, AP_REFERENCE_BASE, f->example, PAIRS, 0, &f->step, err));
    for (size_t i = 0; i < PAIRS; i++) {
        const json_t *ref = json_array_get(json_object_get(f->numbers, "ref"), i);
        assert_number("chosen", f->example[i].ref_chosen, number(json_array_get(ref, 0)), LOGP_TOLERANCE);
        assert_number("rejected", f->example[i].ref_rejected, number(json_array_get(ref, 1)), LOGP_TOLERANCE);
    }
    ap__model_free(m);
}

static void dpo_loss_and_gradients_of_all_weights_equal_pytorch(void **state)
{
    struct fixture *f = *state;
    struct ap_model *m = open_model(false);
    OK(ap__model_train_full(m, err));
    f->config.method = AP_METHOD_DPO;
    set_refs(f, "ref_moved");
    check_loss(f, m, "dpo_full");
    ap__model_free(m);
}

static void dpo_loss_and_gradients_of_an_adapter_equal_pytorch(void **state)
{
    struct fixture *f = *state;
    struct ap_model *m = open_model(true);
    f->config.method = AP_METHOD_DPO;
    set_refs(f, "ref");
    check_loss(f, m, "dpo_lora");
    ap__model_free(m);
}

static void sft_loss_and_gradients_equal_pytorch(void **state)
{
    struct fixture *f = *state;
    struct fixture sft = *f;
    struct ap_model *m = open_model(false);
    OK(ap__model_train_full(m, err));
    sft.config.method = AP_METHOD_SFT;
    for (size_t i = 0; i < PAIRS; i++)
        sft.example[i].rejected.len = 0;
    check_loss(&sft, m, "sft_full");
    f->step = sft.step;
    ap__model_free(m);
}

static void check_greedy(struct fixture *f, struct ap_model *m, const char *key)
{
    const json_t *greedy = json_object_get(f->numbers, "greedy"), *ids = json_object_get(greedy, key);
    int32_t prompt[MAX_LEN], n = (int32_t)json_array_size(json_object_get(greedy, "prompt"));
    float logits[64];
    struct ap_session *s = NULL;
    struct ap_branch *b = NULL;
    assert_in_range(ap__model_config(m)->V, 1, 64);
    for (int32_t i = 0; i < n; i++)
        prompt[i] = (int32_t)json_integer_value(json_array_get(json_object_get(greedy, "prompt"), (size_t)i));
    OK(ap__session_new(m, 256, &s, err));
    OK(ap__session_open(s, &b, err));
    struct ap_extend item = {b, prompt, n};
    for (size_t i = 0; i < json_array_size(ids); i++) {
        OK(ap__session_step(s, &item, 1, logits, err));
        prompt[0] = ap__sample(logits, ap__model_config(m)->V, &AP_GREEDY, NULL);
        assert_int_equal(prompt[0], json_integer_value(json_array_get(ids, i)));
        item.n = 1;
    }
    ap__session_close(s, b);
    ap__session_free(s);
}

static void greedy_continuations_equal_pytorch(void **state)
{
    struct ap_model *m = open_model(true);
    check_greedy(*state, m, "adapted");
    ap__model_use_adapter(m, false);
    check_greedy(*state, m, "base");
    ap__model_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(logits_equal_transformers),
        cmocka_unit_test(logits_with_an_adapter_equal_pytorch),
        cmocka_unit_test(a_saved_model_has_the_adapter_merged_in),
        cmocka_unit_test(reference_logprobs_equal_pytorch),
        cmocka_unit_test(dpo_loss_and_gradients_of_all_weights_equal_pytorch),
        cmocka_unit_test(dpo_loss_and_gradients_of_an_adapter_equal_pytorch),
        cmocka_unit_test(sft_loss_and_gradients_equal_pytorch),
        cmocka_unit_test(greedy_continuations_equal_pytorch),
    };
    return cmocka_run_group_tests(tests, open_fixture, close_fixture);
}
