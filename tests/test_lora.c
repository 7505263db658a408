/* test_lora.c - adapters: what they start as, merging, PEFT's folder and its faults. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "base/file.h"
#include "tiny_model.h"

#define FIXTURE AP_TEST_DATA "/tiny_llama"

static float *logits_of(struct ap_model *m, int64_t *n)
{
    static const int32_t token[] = {1, 5, 9, 2, 30, 7, 7, 12};
    static const uint8_t untrained[8];
    struct ap_seq seq = {token, untrained, 8};
    struct ap_pack pack;
    struct ap_arena step;
    *n = 8 * (int64_t)ap__model_config(m)->V;
    float *out = ap__alloc_array((size_t)*n, sizeof *out);
    ap__arena_init(&step, 0);
    OK(ap__pack_build(&step, &seq, 1, 0, &pack, err));
    OK(ap__model_logits(m, &pack, &step, out, err));
    ap__arena_deinit(&step);
    return out;
}

static void a_fresh_adapter_changes_nothing(void **state)
{
    (void)state;
    struct ap_config shape = tiny_config();
    struct ap_model *m = tiny_model(&shape, 1);
    int64_t n;
    float *before = logits_of(m, &n);
    OK(ap__model_add_lora(m, &(struct ap_lora_config){4, 8.0f, AP_LORA_ALL}, 1, err));
    float *after = logits_of(m, &n);
    assert_memory_equal(before, after, (size_t)n * sizeof *after);
    ap__free(after);
    stir(m, 0.1f, 1);
    after = logits_of(m, &n);
    assert_true(relative_error(after, before, n) > 0.01);
    ap__free(after);
    ap__model_use_adapter(m, false);
    after = logits_of(m, &n);
    assert_memory_equal(before, after, (size_t)n * sizeof *after);
    ap__free(after);
    ap__free(before);
    ap__model_free(m);
}

static void only_the_chosen_linears_get_factors(void **state)
{
    (void)state;
    struct ap_config shape = tiny_config();
    struct ap_model *m = tiny_model(&shape, 1);
    struct ap_model_param param[64];
    OK(ap__model_add_lora(m, &(struct ap_lora_config){3, 6.0f, AP_LORA_Q | AP_LORA_DOWN}, 1, err));
    assert_int_equal(ap__model_params(m, param, 64), 2 * 2 * shape.L);
    assert_string_equal(param[0].name, "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight");
    assert_string_equal(param[7].name, "base_model.model.model.layers.1.mlp.down_proj.lora_B.weight");
    assert_true(param[2].rows == 3 && param[2].cols == shape.F && param[3].rows == shape.D && param[3].cols == 3);
    /* Another adapter takes its place. */
    OK(ap__model_add_lora(m, &(struct ap_lora_config){2, 6.0f, AP_LORA_ALL}, 1, err));
    assert_int_equal(ap__model_params(m, param, 64), 2 * 7 * shape.L);
    FAILS(AP_E_STATE, "has an adapter", ap__model_train_full(m, err));
    FAILS(AP_E_ARG, "rank", ap__model_add_lora(m, &(struct ap_lora_config){0, 6.0f, AP_LORA_ALL}, 1, err));
    FAILS(AP_E_ARG, "target", ap__model_add_lora(m, &(struct ap_lora_config){4, 6.0f, 0}, 1, err));
    ap__model_free(m);
}

static void a_saved_adapter_is_the_same_when_loaded(void **state)
{
    (void)state;
    char dir[] = "/tmp/apprentice_lora_XXXXXX";
    struct ap_model *a = NULL, *b = NULL;
    int64_t n;
    assert_non_null(mkdtemp(dir));
    OK(ap__model_open(FIXTURE, NULL, &a, err));
    OK(ap__model_open(FIXTURE, NULL, &b, err));
    FAILS(AP_E_STATE, "no adapter", ap__lora_save(a, dir, "x", err));
    OK(ap__model_add_lora(a, &(struct ap_lora_config){5, 7.5f, AP_LORA_K | AP_LORA_UP | AP_LORA_O}, 3, err));
    stir(a, 0.1f, 3);
    OK(ap__lora_save(a, dir, "models/student", err));
    OK(ap__lora_load(b, dir, err));
    float *x = logits_of(a, &n), *y = logits_of(b, &n);
    assert_memory_equal(x, y, (size_t)n * sizeof *x);
    ap__free(x);
    ap__free(y);
    ap__model_free(a);
    ap__model_free(b);
    remove_dir(dir);
}

/* The fixture's adapter with another config beside it. */
static void check_config(const char *text, ap_status status, const char *message)
{
    char dir[] = "/tmp/apprentice_lora_XXXXXX", path[128];
    struct ap_buf weights;
    struct ap_model *m = NULL;
    assert_non_null(mkdtemp(dir));
    ap__buf_init(&weights, 0);
    OK(ap__file_read(FIXTURE "/adapter/adapter_model.safetensors", 1 << 20, &weights, err));
    snprintf(path, sizeof path, "%s/adapter_model.safetensors", dir);
    OK(ap__file_write(path, weights.data, weights.len, err));
    snprintf(path, sizeof path, "%s/adapter_config.json", dir);
    OK(ap__file_write(path, text, strlen(text), err));
    OK(ap__model_open(FIXTURE, NULL, &m, err));
    FAILS(status, message, ap__lora_load(m, dir, err));
    int64_t n;
    float *still = logits_of(m, &n); /* the model works on without it */
    ap__free(still);
    assert_int_equal(ap__model_params(m, NULL, 0), 0);
    ap__model_free(m);
    ap__buf_deinit(&weights);
    remove_dir(dir);
}

static void faults_of_an_adapter_folder_are_named(void **state)
{
    (void)state;
    check_config("{\"peft_type\": \"LOHA\"}", AP_E_FORMAT, "`peft_type` is `LOHA`");
    check_config("{\"peft_type\": \"LORA\", \"use_dora\": true}", AP_E_FORMAT, "`use_dora`");
    check_config("{\"peft_type\": \"LORA\", \"rank_pattern\": {\"q_proj\": 8}}", AP_E_FORMAT, "`rank_pattern`");
    check_config("{\"peft_type\": \"LORA\", \"bias\": \"all\"}", AP_E_FORMAT, "`bias`");
    check_config("{\"peft_type\": \"LORA\", \"lora_alpha\": 6, \"target_modules\": [\"q_proj\"]}", AP_E_FORMAT, "`r`");
    check_config("{\"peft_type\": \"LORA\", \"r\": 4, \"lora_alpha\": 6, \"target_modules\": [\"c_attn\"]}", AP_E_FORMAT,
                 "`c_attn`");
    check_config("{\"peft_type\": \"LORA\", \"r\": 8, \"lora_alpha\": 6, \"target_modules\": [\"q_proj\"]}", AP_E_FORMAT,
                 "must have shape (8, 32), the file has (4, 32)");
    check_config("{\"peft_type\": \"LORA\", \"r\": 4, \"lora_alpha\": 6, \"target_modules\": [\"q_proj\"]}", AP_E_FORMAT,
                 "28 tensors");
    check_config("{\"peft_type\": \"LORA\", \"r\": 0, \"lora_alpha\": 6, \"target_modules\": [\"q_proj\"]}", AP_E_ARG,
                 "rank");
    check_config("not json", AP_E_PARSE, "");
}

static void every_failing_allocation_of_a_load_is_survived(void **state)
{
    (void)state;
    for (int64_t n = 1, done = 0; !done; n++) {
        struct ap_model *m = NULL;
        struct ap_err e = {0};
        ap__alloc_fail_after(n);
        ap_status status = ap__model_open(FIXTURE, NULL, &m, &e);
        if (status == AP_OK)
            status = ap__lora_load(m, FIXTURE "/adapter", &e);
        ap__alloc_fail_after(0);
        if (status != AP_OK)
            assert_int_equal(status, AP_E_MEMORY);
        done = status == AP_OK;
        ap__model_free(m);
        assert_true(n < 2000);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_fresh_adapter_changes_nothing),
        cmocka_unit_test(only_the_chosen_linears_get_factors),
        cmocka_unit_test(a_saved_adapter_is_the_same_when_loaded),
        cmocka_unit_test(faults_of_an_adapter_folder_are_named),
        cmocka_unit_test(every_failing_allocation_of_a_load_is_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
