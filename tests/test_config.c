/* test_config.c - config.json of every family: what is read, refused and written; frequencies of scaled RoPE. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "base/json.h"
#include "tiny_model.h"

#define SIZES "\"hidden_size\": 64, \"num_hidden_layers\": 3, \"num_attention_heads\": 32, \"intermediate_size\": 96, " \
              "\"vocab_size\": 100"

static ap_status read_text(const char *text, struct ap_config *c, struct ap_err *err)
{
    json_t *root = NULL;
    AP_TRY(ap__json_parse(text, strlen(text), "text", &root, err));
    ap_status status = ap__config_read(root, "text", c, err);
    json_decref(root);
    return status;
}

/* {"model_type": family, sizes, more} */
static const char *config_text(const char *family, const char *more)
{
    static char text[2048];
    snprintf(text, sizeof text, "{\"model_type\": \"%s\", " SIZES "%s%s}", family, more[0] != '\0' ? ", " : "", more);
    return text;
}

static struct ap_config read_good(const char *family, const char *more)
{
    struct ap_config c;
    OK(read_text(config_text(family, more), &c, err));
    return c;
}

static void absent_keys_have_the_defaults_of_their_family(void **state)
{
    (void)state;
    struct ap_config c = read_good("llama", "");
    assert_true(c.family == AP_LLAMA && c.Hkv == 32 && c.Dh == 2 && c.max_position == 2048 && c.window == 0);
    c = read_good("mistral", "");
    assert_true(c.family == AP_MISTRAL && c.Hkv == 8 && c.Dh == 2 && c.max_position == 131072 && c.window == 4096);
    c = read_good("mistral", "\"sliding_window\": null, \"num_key_value_heads\": null");
    assert_true(c.window == 0 && c.Hkv == 32);
    c = read_good("qwen2", "\"sliding_window\": 64");
    assert_true(c.family == AP_QWEN2 && c.Hkv == 32 && c.Dh == 2 && c.max_position == 32768 && c.window == 0);
    assert_true(ap__config_qkv_bias(&c) && !c.attention_bias && !ap__config_qk_norm(&c));
    c = read_good("qwen3", "");
    assert_true(c.family == AP_QWEN3 && c.Dh == 128 && ap__config_qk_norm(&c) && !ap__config_qkv_bias(&c));
    c = read_good("qwen3", "\"head_dim\": null");
    assert_int_equal(c.Dh, 2);
}

static void windows_belong_to_the_layers_that_the_keys_name(void **state)
{
    (void)state;
    struct ap_config c = read_good("mistral", "\"sliding_window\": 16");
    assert_true(ap__layer_window(&c, 0) == 16 && ap__layer_window(&c, 2) == 16);
    c = read_good("qwen2", "\"sliding_window\": 16, \"use_sliding_window\": true, \"max_window_layers\": 2");
    assert_true(ap__layer_window(&c, 1) == 0 && ap__layer_window(&c, 2) == 16);
    c = read_good("qwen2", "\"sliding_window\": 16, \"use_sliding_window\": true"); /* from layer 28 on */
    assert_int_equal(ap__layer_window(&c, 2), 0);
    c = read_good("qwen3", "\"sliding_window\": 16, \"use_sliding_window\": true, \"max_window_layers\": 0, \"layer_types\": "
                           "[\"full_attention\", \"sliding_attention\", \"sliding_attention\"]");
    assert_true(ap__layer_window(&c, 0) == 0 && ap__layer_window(&c, 1) == 16);
    c = read_good("mistral", "\"sliding_window\": null, \"layer_types\": [\"full_attention\", \"full_attention\", "
                             "\"full_attention\"]");
    assert_int_equal(c.window, 0);
}

/* The same scaling in the keys of transformers 5 and 4. */
static void both_generations_of_rope_keys_mean_the_same(void **state)
{
    (void)state;
    struct ap_config a = read_good("llama", "\"rope_parameters\": {\"rope_type\": \"llama3\", \"rope_theta\": 5e5, \"factor\": "
                                            "8, \"low_freq_factor\": 1, \"high_freq_factor\": 4.0, "
                                            "\"original_max_position_embeddings\": 8192}");
    struct ap_config b = read_good("llama", "\"rope_theta\": 500000, \"rope_scaling\": {\"type\": \"llama3\", \"factor\": 8.0, "
                                            "\"low_freq_factor\": 1.0, \"high_freq_factor\": 4, "
                                            "\"original_max_position_embeddings\": 8192}");
    assert_true(a.theta == 500000.0f && b.theta == a.theta && a.rope.type == AP_ROPE_LLAMA3 && b.rope.type == a.rope.type);
    assert_true(a.rope.factor == 8.0 && b.rope.factor == 8.0 && a.rope.low_freq == 1.0 && b.rope.low_freq == 1.0);
    assert_true(a.rope.high_freq == 4.0 && b.rope.high_freq == 4.0 && a.rope.original_position == 8192 &&
                b.rope.original_position == 8192);
}

static void yarn_without_its_optional_keys_is_the_papers(void **state)
{
    (void)state;
    struct ap_config c = read_good("qwen2", "\"rope_scaling\": {\"type\": \"yarn\", \"factor\": 4.0, "
                                            "\"original_max_position_embeddings\": 32768}");
    assert_true(c.rope.beta_fast == 32.0 && c.rope.beta_slow == 1.0 && !c.rope.exact_ramp);
    assert_below("attention", fabs(c.rope.attention - (0.1 * log(4.0) + 1.0)), 1e-12, 0);
    c = read_good("qwen2", "\"max_position_embeddings\": 400, \"rope_scaling\": {\"type\": \"yarn\", "
                           "\"original_max_position_embeddings\": 100}");
    assert_true(c.rope.factor == 4.0);
    c = read_good("qwen2", "\"rope_scaling\": {\"type\": \"yarn\", \"factor\": 4.0}"); /* of what the model has */
    assert_int_equal(c.rope.original_position, 32768);
}

static void check_refused(const char *family, const char *more, const char *message)
{
    struct ap_config c;
    FAILS(AP_E_FORMAT, message, read_text(config_text(family, more), &c, err));
}

static void what_is_not_computed_is_refused_by_key_and_value(void **state)
{
    (void)state;
    check_refused("gemma", "", "`model_type` is gemma, which is not supported (only llama, mistral, qwen2, qwen3)");
    check_refused("llama", "\"sliding_window\": 128", "`sliding_window` is 128");
    check_refused("mistral", "\"sliding_window\": 0", "`sliding_window` must be a positive number, got 0");
    check_refused("mistral", "\"attention_bias\": true", "`attention_bias` is not supported for `model_type` mistral");
    check_refused("qwen3", "\"mlp_bias\": true", "`mlp_bias` is not supported for `model_type` qwen3");
    check_refused("qwen2", "\"use_sliding_window\": \"yes\"", "`use_sliding_window` is yes");
    check_refused("qwen2", "\"use_sliding_window\": true, \"max_window_layers\": -1", "`max_window_layers` is -1");
    check_refused("qwen2", "\"layer_types\": [\"full_attention\"]", "`layer_types` is [\"full_attention\"]");
    check_refused("qwen2", "\"layer_types\": [\"full_attention\", \"full_attention\", \"sliding_attention\"]", "`layer_types`");
    check_refused("qwen3", "\"use_sliding_window\": true, \"layer_types\": [\"sliding_attention\", \"full_attention\", "
                           "\"sliding_attention\"]", "`layer_types`");
    check_refused("mistral", "\"layer_types\": [\"full_attention\", \"full_attention\", \"full_attention\"]", "`layer_types`");
    check_refused("llama", "\"num_experts\": 8", "`num_experts` is 8");
    check_refused("llama", "\"tie_word_embeddings\": 1", "`tie_word_embeddings` is 1");
    check_refused("llama", "\"rms_norm_eps\": 0", "`rms_norm_eps`");
}

static void what_rope_does_not_know_is_refused_by_key_and_value(void **state)
{
    (void)state;
    check_refused("llama", "\"rope_scaling\": {\"type\": \"dynamic\", \"factor\": 2}", "`rope_type` is dynamic");
    check_refused("llama", "\"rope_scaling\": 2", "`rope_scaling` is 2");
    check_refused("llama", "\"rope_scaling\": {\"rope_type\": 3}", "`rope_type` is 3");
    check_refused("llama", "\"rope_scaling\": {\"type\": \"linear\"}", "`factor` is missing");
    check_refused("llama", "\"rope_scaling\": {\"type\": \"linear\", \"factor\": -1}", "`factor`");
    check_refused("llama", "\"rope_scaling\": {\"type\": \"linear\", \"factor\": 2, \"mrope_section\": [1, 2]}",
                  "`mrope_section` is [1,2]");
    check_refused("qwen3", "\"rope_parameters\": {\"full_attention\": {\"rope_type\": \"default\"}}", "`full_attention`");
    check_refused("llama", "\"rope_parameters\": {\"partial_rotary_factor\": 0.5}", "`partial_rotary_factor` is 0.5");
    check_refused("llama", "\"rope_scaling\": {\"rope_type\": \"llama3\", \"factor\": 8, \"low_freq_factor\": 4, "
                           "\"high_freq_factor\": 1, \"original_max_position_embeddings\": 8192}", "`high_freq_factor` (1)");
    check_refused("llama", "\"rope_scaling\": {\"rope_type\": \"llama3\", \"factor\": 8, \"low_freq_factor\": 1}",
                  "`high_freq_factor` is missing");
    check_refused("llama", "\"rope_scaling\": {\"rope_type\": \"yarn\", \"factor\": 8, \"original_max_position_embeddings\": "
                           "10.5}", "whole number, got 10.5");
    check_refused("llama", "\"rope_theta\": 0", "`rope_theta`");
}

/* Read, written, read: the same; and as short as it can be said. */
static void what_is_written_reads_back(void **state)
{
    (void)state;
    struct ap_buf out;
    struct ap_config b, a = read_good("qwen3", "\"rms_norm_eps\": 1e-05, \"rope_theta\": 1000000.0, \"eos_token_id\": "
                                               "[7, 8, 9], \"bos_token_id\": 3, \"attention_bias\": true, "
                                               "\"rope_scaling\": {\"type\": \"yarn\", \"factor\": 3.7, \"truncate\": false}, "
                                               "\"sliding_window\": 11, \"use_sliding_window\": true, "
                                               "\"max_window_layers\": 1");
    ap__buf_init(&out, 0);
    ap__config_write(&a, AP_BF16, &out);
    assert_non_null(strstr(out.data, "\"rms_norm_eps\": 1e-05,"));
    assert_non_null(strstr(out.data, "\"rope_theta\": 1e+06,"));
    assert_non_null(strstr(out.data, "\"torch_dtype\": \"bfloat16\""));
    assert_non_null(strstr(out.data, "[\"Qwen3ForCausalLM\"]"));
    OK(read_text(out.data, &b, err));
    assert_true(b.family == AP_QWEN3 && b.eps == a.eps && b.theta == a.theta && b.bos == 3 && b.eos == 7);
    assert_true(b.other_eos_count == 2 && b.other_eos[0] == 8 && b.other_eos[1] == 9 && b.attention_bias);
    assert_true(b.rope.factor == 3.7 && b.rope.attention == a.rope.attention && b.rope.exact_ramp);
    assert_true(b.window == 11 && b.window_from == 1 && b.Dh == 128);
    ap__buf_deinit(&out);
}

/* ---- frequencies: the published formulas once more, written another way ---- */

static void linear_and_llama3_frequencies_are_those_of_the_formulas(void **state)
{
    (void)state;
    enum { Dh = 64 };
    struct ap_rope linear = {.type = AP_ROPE_LINEAR, .factor = 3.0};
    struct ap_rope llama = {.type = AP_ROPE_LLAMA3, .factor = 8.0, .original_position = 8192, .low_freq = 1.0,
                            .high_freq = 4.0};
    float plain[Dh / 2], f[Dh / 2], g[Dh / 2];
    int short_waves = 0, long_waves = 0;
    ap__rope_frequencies(&(struct ap_rope){0}, 500000.0, Dh, plain);
    ap__rope_frequencies(&linear, 500000.0, Dh, f);
    ap__rope_frequencies(&llama, 500000.0, Dh, g);
    for (int i = 0; i < Dh / 2; i++) {
        double exact = exp(-log(500000.0) * i / (Dh / 2)), wave = 2.0 * 3.14159265358979323846 / exact;
        assert_below("plain", fabs((double)plain[i] / exact - 1.0), 1e-7, 0);
        assert_below("linear", fabs((double)f[i] * 3.0 / exact - 1.0), 2e-7, 0);
        double part = (8192.0 / wave - 1.0) / 3.0; /* how much of the unscaled frequency is kept */
        part = part < 0.0 ? 0.0 : part > 1.0 ? 1.0 : part;
        short_waves += part >= 1.0;
        long_waves += part <= 0.0;
        assert_below("llama3", fabs((double)g[i] / (exact * (part + (1.0 - part) / 8.0)) - 1.0), 2e-7, 0);
    }
    assert_true(short_waves > 0 && long_waves > 0 && short_waves + long_waves < Dh / 2);
}

static void yarn_frequencies_go_from_kept_to_divided(void **state)
{
    (void)state;
    enum { Dh = 128 };
    struct ap_rope r = {.type = AP_ROPE_YARN, .factor = 4.0, .original_position = 32768, .beta_fast = 32.0,
                        .beta_slow = 1.0, .attention = 1.0};
    float plain[Dh / 2], f[Dh / 2];
    ap__rope_frequencies(&(struct ap_rope){0}, 1e6, Dh, plain);
    ap__rope_frequencies(&r, 1e6, Dh, f);
    for (int i = 0; i < Dh / 2; i++) { /* turns within 32768 positions: more than 32 are kept, fewer than 1 divided */
        double turns = 32768.0 * (double)plain[i] / (2.0 * 3.14159265358979323846), ratio = (double)plain[i] / (double)f[i];
        assert_in_range((long)(ratio * 1e6 + 0.5), 1000000, 4000000);
        if (turns > 40.0)
            assert_below("kept", fabs(ratio - 1.0), 1e-6, 0);
        if (turns < 0.8)
            assert_below("divided", fabs(ratio - 4.0), 1e-6, 0);
        if (i > 0)
            assert_true(ratio >= (double)plain[i - 1] / (double)f[i - 1] - 1e-6);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(absent_keys_have_the_defaults_of_their_family),
        cmocka_unit_test(windows_belong_to_the_layers_that_the_keys_name),
        cmocka_unit_test(both_generations_of_rope_keys_mean_the_same),
        cmocka_unit_test(yarn_without_its_optional_keys_is_the_papers),
        cmocka_unit_test(what_is_not_computed_is_refused_by_key_and_value),
        cmocka_unit_test(what_rope_does_not_know_is_refused_by_key_and_value),
        cmocka_unit_test(what_is_written_reads_back),
        cmocka_unit_test(linear_and_llama3_frequencies_are_those_of_the_formulas),
        cmocka_unit_test(yarn_frequencies_go_from_kept_to_divided),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
