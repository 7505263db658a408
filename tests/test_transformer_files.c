/* test_transformer_files.c - models from and to folders: configs, binding, dtypes, and what is wrong with them. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "base/file.h"
#include "base/text.h"
#include "model/grow.h"
#include "model/safetensors.h"
#include "tiny_model.h"

static char dir[64];

static int make_dir(void **state)
{
    (void)state;
    snprintf(dir, sizeof dir, "/tmp/apprentice_files_XXXXXX");
    return mkdtemp(dir) == NULL;
}

static int drop_dir(void **state)
{
    (void)state;
    remove_dir(dir);
    return 0;
}

static void write_config(const char *text)
{
    char path[128];
    snprintf(path, sizeof path, "%s/config.json", dir);
    OK(ap__file_write(path, text, strlen(text), err));
}

#define SIZES "\"hidden_size\": 64, \"num_hidden_layers\": 3, \"num_attention_heads\": 4, \"intermediate_size\": 96, " \
              "\"vocab_size\": 100"

static void a_config_is_read_with_the_defaults_of_transformers(void **state)
{
    (void)state;
    struct ap_config c;
    write_config("{\"model_type\": \"llama\", " SIZES "}");
    OK(ap__config_load(dir, &c, err));
    assert_true(c.D == 64 && c.L == 3 && c.H == 4 && c.Hkv == 4 && c.Dh == 16 && c.F == 96 && c.V == 100);
    assert_true(c.theta == 10000.0f && c.eps == 1e-6f && !c.tied && c.bos == -1 && c.max_position == 2048);
    write_config("{\"model_type\": \"llama\", " SIZES ", \"num_key_value_heads\": 2, \"head_dim\": 8, \"rms_norm_eps\": "
                 "1e-5, \"rope_theta\": 500000, \"tie_word_embeddings\": true, \"eos_token_id\": [7, 8], "
                 "\"bos_token_id\": 1, \"rope_scaling\": null}");
    OK(ap__config_load(dir, &c, err));
    assert_true(c.Hkv == 2 && c.Dh == 8 && c.theta == 500000.0f && c.eps == 1e-5f && c.tied && c.eos == 7 && c.bos == 1);
    write_config("{\"model_type\": \"llama\", " SIZES ", \"rope_parameters\": {\"rope_type\": \"default\", "
                 "\"rope_theta\": 250}}");
    OK(ap__config_load(dir, &c, err));
    assert_true(c.theta == 250.0f);
}

static void check_refused(const char *text, const char *message)
{
    struct ap_config c;
    write_config(text);
    FAILS(AP_E_FORMAT, message, ap__config_load(dir, &c, err));
}

static void unsupported_configs_are_refused_by_key_and_value(void **state)
{
    (void)state;
    struct ap_config c;
    FAILS(AP_E_NOT_FOUND, "", ap__config_load("/nonexistent", &c, err));
    check_refused("[]", "object");
    check_refused("{\"model_type\": \"gpt2\"}", "`model_type` is gpt2");
    check_refused("{" SIZES "}", "`model_type` is missing");
    check_refused("{\"model_type\": \"llama\", " SIZES ", \"hidden_act\": \"gelu\"}", "`hidden_act` is gelu");
    check_refused("{\"model_type\": \"llama\", " SIZES ", \"attention_bias\": 1}", "`attention_bias` is 1");
    check_refused("{\"model_type\": \"qwen2\", " SIZES ", \"attention_bias\": true, \"num_key_value_heads\": 2}",
                  "`attention_bias` is not supported for `model_type` qwen2");
    check_refused("{\"model_type\": \"llama\", " SIZES ", \"sliding_window\": 64}", "`sliding_window` is 64");
    check_refused("{\"model_type\": \"llama\", " SIZES ", \"quantization_config\": {\"bits\": 4}}",
                  "`quantization_config` is {\"bits\":4}");
    check_refused("{\"model_type\": \"llama\", \"hidden_size\": 64}", "num_hidden_layers");
    check_refused("{\"model_type\": \"llama\", " SIZES ", \"num_key_value_heads\": 3}", "multiple");
    check_refused("{\"model_type\": \"llama\", " SIZES ", \"head_dim\": 7}", "even");
    check_refused("{\"model_type\": \"llama\", " SIZES ", \"head_dim\": 512}", "`head_dim` must be from 1 to 256");
    check_refused("{\"model_type\": \"llama\", " SIZES ", \"num_key_value_heads\": -1}", "positive");
}

static void a_saved_model_is_the_same_when_opened(void **state)
{
    (void)state;
    for (int tied = 0; tied < 2; tied++) {
        struct ap_config shape = tiny_config();
        shape.tied = tied;
        shape.eos = 3;
        struct ap_model *a = tiny_model(&shape, 1), *b = NULL;
        int64_t n, k;
        OK(ap__model_save(a, dir, AP_F32, err));
        OK(ap__model_open(dir, NULL, &b, err));
        const struct ap_config *c = ap__model_config(b);
        assert_true(c->D == shape.D && c->L == shape.L && c->H == shape.H && c->Hkv == shape.Hkv && c->Dh == shape.Dh);
        assert_true(c->F == shape.F && c->V == shape.V && c->max_position == shape.max_position);
        assert_true(c->theta == shape.theta && c->eps == shape.eps && c->tied == shape.tied);
        assert_true(c->bos == shape.bos && c->eos == shape.eos);
        assert_int_equal(ap__model_parameters(b), ap__model_parameters(a));
        OK(ap__model_train_full(b, err));
        float *x = copy_values(a, &n), *y = copy_values(b, &k);
        assert_int_equal(n, k);
        assert_int_equal(n, ap__model_parameters(a));
        assert_memory_equal(x, y, (size_t)n * sizeof *x);
        ap__free(x);
        ap__free(y);
        ap__model_free(a);
        ap__model_free(b);
    }
}

/* A model in bf16 computes what the same numbers in f32 compute. */
static void a_bf16_model_equals_its_rounded_self(void **state)
{
    (void)state;
    static const int32_t token[] = {1, 5, 9, 2, 30, 7, 7, 12};
    static const uint8_t trained[] = {0, 1, 1, 1, 1, 1, 1, 1};
    struct ap_config shape = tiny_config();
    struct ap_model *m = tiny_model(&shape, 1), *mapped = NULL;
    struct ap_train_example e[2] = {{.chosen = {token, trained, 8}}, {.chosen = {token, trained, 8}}};
    struct ap_arena step;
    ap__arena_init(&step, 0);
    OK(ap__model_save(m, dir, AP_BF16, err));
    OK(ap__model_open(dir, NULL, &mapped, err));
    OK(ap__batch_reference(mapped, AP_REFERENCE_BASE, &e[0], 1, 0, &step, err));
    OK(ap__model_train_full(mapped, err)); /* now f32 copies of the same numbers */
    OK(ap__batch_reference(mapped, AP_REFERENCE_BASE, &e[1], 1, 0, &step, err));
    assert_below("log-prob", fabs(e[0].ref_chosen - e[1].ref_chosen), 1e-4, 0);
    OK(ap__batch_reference(m, AP_REFERENCE_BASE, &e[1], 1, 0, &step, err));
    assert_true(e[0].ref_chosen != e[1].ref_chosen);
    ap__arena_deinit(&step);
    ap__model_free(mapped);
    ap__model_free(m);
}

static double logp_of(struct ap_model *m)
{
    static const int32_t token[] = {1, 5, 9, 2, 30, 7, 7, 12};
    static const uint8_t trained[] = {0, 1, 1, 1, 1, 1, 1, 1};
    struct ap_train_example e = {.chosen = {token, trained, 8}};
    struct ap_arena step;
    ap__arena_init(&step, 0);
    OK(ap__batch_reference(m, AP_REFERENCE_BASE, &e, 1, 0, &step, err));
    ap__arena_deinit(&step);
    return e.ref_chosen;
}

/* Matrices widened from bf16 to f32 hold the same numbers; narrowed from f32 they hold the nearest. */
static void matrices_are_held_in_the_dtype_that_was_asked_for(void **state)
{
    (void)state;
    struct ap_config shape = tiny_config();
    struct ap_model *m = tiny_model(&shape, 1), *wide = NULL, *narrow = NULL, *full = NULL;
    OK(ap__model_save(m, dir, AP_BF16, err));
    OK(ap__model_open(dir, &(struct ap_model_options){.convert = true, .base_dtype = AP_F32}, &wide, err));
    OK(ap__model_open(dir, NULL, &full, err));
    OK(ap__model_train_full(full, err));
    assert_below("log-prob of the same numbers", fabs(logp_of(wide) - logp_of(full)), 1e-5, 0);
    OK(ap__model_save(m, dir, AP_F32, err));
    OK(ap__model_open(dir, &(struct ap_model_options){.convert = true, .base_dtype = AP_BF16}, &narrow, err));
    assert_below("log-prob of rounded numbers", fabs(logp_of(narrow) - logp_of(m)), 0.5, 0);
    assert_true(logp_of(narrow) != logp_of(m));
    OK(ap__model_train_full(narrow, err));
    ap__model_free(full);
    ap__model_free(narrow);
    ap__model_free(wide);
    ap__model_free(m);
}

/* Save a model, then write its tensors again with k_proj reshaped or left out, or one more. */
static void tamper(bool reshape, bool leave_out, const char *extra)
{
    struct ap_config shape = tiny_config();
    struct ap_model *m = tiny_model(&shape, 1);
    struct ap_model_param param[64];
    struct ap_tensor_entry entry[66];
    char path[128];
    float number = 0.0f;
    size_t n = 0;
    int32_t count = ap__model_params(m, param, 64);
    OK(ap__model_save(m, dir, AP_F32, err));
    for (int32_t i = 0; i < count; i++) {
        if (i == 3 && leave_out)
            continue;
        entry[n] = (struct ap_tensor_entry){param[i].name, AP_F32, param[i].cols > 0 ? 2 : 1,
                                            {param[i].rows, param[i].cols > 0 ? param[i].cols : 1, 1, 1}, param[i].w};
        if (i == 3 && reshape) {
            entry[n].shape[0] = param[i].cols;
            entry[n].shape[1] = param[i].rows;
        }
        n++;
    }
    if (extra != NULL)
        entry[n++] = (struct ap_tensor_entry){extra, AP_F32, 1, {1, 1, 1, 1}, &number};
    snprintf(path, sizeof path, "%s/model.safetensors", dir);
    OK(ap__safetensors_write(path, entry, n, NULL, err));
    ap__model_free(m);
}

static void wrong_tensors_are_named_with_what_was_expected(void **state)
{
    (void)state;
    struct ap_model *m = NULL;
    tamper(true, false, NULL);
    FAILS(AP_E_FORMAT, "`model.layers.0.self_attn.k_proj.weight` must have shape (12, 24)", ap__model_open(dir, NULL, &m, err));
    tamper(false, true, NULL);
    FAILS(AP_E_NOT_FOUND, "model.layers.0.self_attn.k_proj.weight", ap__model_open(dir, NULL, &m, err));
    tamper(false, false, "model.layers.0.self_attn.q_proj.bias");
    FAILS(AP_E_FORMAT, "`model.layers.0.self_attn.q_proj.bias` has no place", ap__model_open(dir, NULL, &m, err));
    tamper(false, false, "model.layers.0.self_attn.rotary_emb.inv_freq");
    OK(ap__model_open(dir, NULL, &m, err));
    ap__model_free(m);
}

static void a_grown_model_computes_what_it_did(void **state)
{
    (void)state;
    char out[96];
    snprintf(out, sizeof out, "%s/grown", dir);
    for (int f = 0; f < AP_FAMILY_COUNT; f++) {
        struct ap_config shape = tiny_family((enum ap_family)f);
        shape.L = 3;
        shape.window_from = f == AP_QWEN2 ? 2 : 0;
        struct ap_model *m = tiny_model(&shape, 3), *grown = NULL;
        OK(ap__model_save(m, dir, AP_F32, err));
        OK(ap__model_grow(dir, 7, out, err));
        OK(ap__model_open(out, NULL, &grown, err));
        assert_int_equal(ap__model_config(grown)->L, 7);
        assert_below("log-prob", fabs(logp_of(grown) - logp_of(m)), 1e-4, (uint64_t)f);
        ap__model_free(grown);
        ap__model_free(m);
        remove_dir(out);
    }
}

static void a_new_model_needs_a_sound_shape(void **state)
{
    (void)state;
    struct ap_config shape = tiny_config();
    struct ap_model *m = NULL;
    shape.L = 0;
    FAILS(AP_E_FORMAT, "`num_hidden_layers`", ap__model_new(&shape, 1, &m, err));
    shape = tiny_config();
    shape.eps = 0.0f;
    FAILS(AP_E_FORMAT, "rms_norm_eps", ap__model_new(&shape, 1, &m, err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_config_is_read_with_the_defaults_of_transformers),
        cmocka_unit_test(unsupported_configs_are_refused_by_key_and_value),
        cmocka_unit_test(a_saved_model_is_the_same_when_opened),
        cmocka_unit_test(a_bf16_model_equals_its_rounded_self),
        cmocka_unit_test(matrices_are_held_in_the_dtype_that_was_asked_for),
        cmocka_unit_test(wrong_tensors_are_named_with_what_was_expected),
        cmocka_unit_test(a_grown_model_computes_what_it_did),
        cmocka_unit_test(a_new_model_needs_a_sound_shape),
    };
    return cmocka_run_group_tests(tests, make_dir, drop_dir);
}
