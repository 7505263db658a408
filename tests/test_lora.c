/* test_lora.c - adapters: what they start as, merging, PEFT's folder and its faults. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "base/file.h"
#include "model/peft_config.h"
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

#define WITH(rest) "{\"peft_type\": \"LORA\", \"r\": 4, \"lora_alpha\": 6, " rest "}"
#define ALL_LINEARS "\"target_modules\": \"all-linear\""

static void faults_of_an_adapter_folder_are_named(void **state)
{
    (void)state;
    static const struct {
        const char *config, *message;
    } wrong[] = {
        {"{}", "`peft_type`"},
        {"{\"peft_type\": \"LOHA\"}", "`peft_type` is \"LOHA\""},
        {WITH(ALL_LINEARS ", \"use_dora\": true"), "`use_dora` is true"},
        {WITH(ALL_LINEARS ", \"bias\": \"lora_only\""), "`bias` is \"lora_only\""},
        {WITH(ALL_LINEARS ", \"lora_bias\": true"), "`lora_bias` is true"},
        {WITH(ALL_LINEARS ", \"modules_to_save\": [\"lm_head\"]"), "`modules_to_save` is [\"lm_head\"]"},
        {WITH(ALL_LINEARS ", \"fan_in_fan_out\": true"), "`fan_in_fan_out` is true"},
        {WITH(ALL_LINEARS ", \"init_lora_weights\": \"pissa_niter_4\""), "`init_lora_weights` is \"pissa_niter_4\""},
        {WITH(ALL_LINEARS ", \"target_parameters\": [\"x\"]"), "`target_parameters`"},
        {WITH(ALL_LINEARS ", \"layers_to_transform\": \"x\""), "`layers_to_transform` is \"x\""},
        {WITH(ALL_LINEARS ", \"layers_to_transform\": 0, \"layers_pattern\": \"blocks\""), "`layers_pattern`"},
        {WITH(ALL_LINEARS ", \"rank_pattern\": {\"q_proj\": \"x\"}"), "`rank_pattern`"},
        {WITH(ALL_LINEARS ", \"rank_pattern\": [1]"), "`rank_pattern`"},
        {WITH(ALL_LINEARS ", \"rank_pattern\": {\"q_proj\": 1.5}"), "rank 1.5"},
        {WITH(ALL_LINEARS ", \"alpha_pattern\": {\"1.mlp.up_proj\": -1}"), "`model.layers.1.mlp.up_proj` gets rank 4"},
        {"{\"peft_type\": \"LORA\", \"lora_alpha\": 6, " ALL_LINEARS "}", "`r`"},
        {"{\"peft_type\": \"LORA\", \"r\": 0, \"lora_alpha\": 6, " ALL_LINEARS "}", "rank 0"},
        {WITH("\"target_modules\": null"), "`target_modules` is missing"},
        {WITH("\"target_modules\": 7"), "`target_modules` is 7"},
        {WITH("\"target_modules\": [\"q_proj\", 3]"), "`target_modules` names `?`"},
        {WITH("\"target_modules\": [\"q_proj\", \"lm_head\"]"), "`target_modules` names `lm_head`"},
        {WITH("\"target_modules\": [\"c_attn\"]"), "selects no linear"},
        {WITH("\"target_modules\": \"([\""), "regular expression"},
        {"{\"peft_type\": \"LORA\", \"r\": 8, \"lora_alpha\": 6, " ALL_LINEARS "}",
         "must have shape (8, 32), the file has (4, 32)"},
        {WITH(ALL_LINEARS ", \"rank_pattern\": {\"o_proj\": 2}"), "must have shape (2, 32), the file has (4, 32)"},
        {WITH("\"target_modules\": [\"q_proj\"]"), "`base_model.model.model.layers.0.mlp.down_proj.lora_A.weight` has no place"},
        {WITH(ALL_LINEARS ", \"exclude_modules\": [\"v_proj\"]"), "v_proj.lora_A.weight` has no place"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        check_config(wrong[i].config, AP_E_FORMAT, wrong[i].message);
    check_config("not json", AP_E_PARSE, "");
}

/* Ranks of q_proj and up_proj in both layers as a config gives them, 0 = none; the scale of the last one. */
static void check_shapes(const char *text, const int32_t rank[4], double scale)
{
    char dir[] = "/tmp/apprentice_lora_XXXXXX", path[128];
    struct ap_model *m = NULL;
    struct ap_peft_config c;
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/adapter_config.json", dir);
    OK(ap__file_write(path, text, strlen(text), err));
    OK(ap__model_open(FIXTURE, NULL, &m, err));
    OK(ap__peft_config_read(path, m, &c, err));
    for (int i = 0; i < 4; i++)
        if (c.shape[i / 2 * AP_LINEAR_COUNT + (i % 2 ? AP_LINEAR_UP : AP_LINEAR_Q)].rank != rank[i])
            fail_msg("%s: rank %d of linear %d", text, c.shape[i / 2 * 7 + (i % 2 ? 5 : 0)].rank, i);
    OK(ap__lora_attach(m, c.shape, c.alpha, c.stabilised, err));
    assert_below("scale", fabs((double)m->pair[AP_LINEAR_COUNT + AP_LINEAR_UP].scale - scale), 1e-6, 0);
    ap__free(c.shape);
    ap__model_free(m);
    remove_dir(dir);
}

static void modules_ranks_and_scales_are_chosen_as_peft_does(void **state)
{
    (void)state;
    check_shapes(WITH(ALL_LINEARS), (int32_t[]){4, 4, 4, 4}, 1.5);
    check_shapes(WITH("\"target_modules\": [\"mlp.up_proj\", \"unknown\"]"), (int32_t[]){0, 4, 0, 4}, 1.5);
    check_shapes(WITH("\"target_modules\": [\"model.layers.1.mlp.up_proj\", \"_proj\"]"), (int32_t[]){0, 0, 0, 4}, 1.5);
    check_shapes(WITH("\"target_modules\": \".*\\\\.(q|up)_proj\", \"exclude_modules\": \".*0.*q_proj\""),
                 (int32_t[]){0, 4, 4, 4}, 1.5);
    check_shapes(WITH("\"target_modules\": \"up_proj|.*1\\\\.mlp\\\\.up_proj\""), (int32_t[]){0, 0, 0, 4}, 1.5);
    check_shapes(WITH("\"target_modules\": [\"q_proj\", \"up_proj\"], \"layers_to_transform\": [1]"),
                 (int32_t[]){0, 0, 4, 4}, 1.5);
    check_shapes(WITH("\"target_modules\": [\"model.layers.0.self_attn.q_proj\", \"up_proj\"], "
                      "\"layers_to_transform\": 1, \"layers_pattern\": [\"layers\"]"),
                 (int32_t[]){4, 0, 0, 4}, 1.5);
    check_shapes(WITH(ALL_LINEARS ", \"use_rslora\": true"), (int32_t[]){4, 4, 4, 4}, 3.0);
    check_shapes(WITH(ALL_LINEARS ", \"rank_pattern\": {\"1.*up_proj\": 2, \"up_proj\": 3}, "
                                  "\"alpha_pattern\": {\"p_proj\": 1, \"layers.1.mlp.up_proj\": 7}"),
                 (int32_t[]){4, 3, 4, 2}, 3.5);
    check_shapes(WITH(ALL_LINEARS ", \"peft_version\": \"99\", \"some_new_key\": {\"x\": 1}"), (int32_t[]){4, 4, 4, 4}, 1.5);
}

/* Ranks and alphas of their own, and the square root. */
static void an_uneven_adapter_is_the_same_when_saved_and_loaded(void **state)
{
    (void)state;
    char dir[] = "/tmp/apprentice_lora_XXXXXX";
    struct ap_model *a = NULL, *b = NULL;
    struct ap_lora_shape shape[2 * AP_LINEAR_COUNT] = {[1] = {3, 5.0f}, [5] = {2, 7.5f}, [8] = {6, 5.0f}, [13] = {3, 1.0f}};
    int64_t n, k;
    assert_non_null(mkdtemp(dir));
    OK(ap__model_open(FIXTURE, NULL, &a, err));
    OK(ap__model_open(FIXTURE, NULL, &b, err));
    OK(ap__lora_attach(a, shape, 5.0f, true, err));
    stir(a, 0.1f, 3);
    OK(ap__lora_save(a, dir, NULL, err));
    OK(ap__lora_load(b, dir, err));
    float *u = copy_values(a, &n), *v = copy_values(b, &k);
    assert_int_equal(n, k);
    assert_memory_equal(u, v, (size_t)n * sizeof *u);
    float *x = logits_of(a, &n), *y = logits_of(b, &k);
    assert_memory_equal(x, y, (size_t)n * sizeof *x);
    for (int i = 0; i < 2 * AP_LINEAR_COUNT; i++)
        assert_true(a->pair[i].scale == b->pair[i].scale && a->pair[i].alpha == b->pair[i].alpha);
    ap__free(y);
    ap__free(x);
    ap__free(v);
    ap__free(u);
    ap__model_free(a);
    ap__model_free(b);
    remove_dir(dir);
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
        cmocka_unit_test(modules_ranks_and_scales_are_chosen_as_peft_does),
        cmocka_unit_test(an_uneven_adapter_is_the_same_when_saved_and_loaded),
        cmocka_unit_test(every_failing_allocation_of_a_load_is_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
