/* test_gguf_model.c - models and adapters through GGUF files and back.
 *
 * Twins: the folder that was written out, opened the usual way; the order of
 * rows worked out with a shape of (H, 2, Dh/2) as llama.cpp's converter does. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "model/convert.h"
#include "model/gguf.h"
#include "model/save_gguf.h"
#include "tensor/ggml_blocks.h"
#include "tensor/quant.h"
#include "tiny_model.h"

#define TOKENIZER AP_TEST_DATA "/tokenizer/byte-level"

static char dir[64];

static int make_folder(void **state)
{
    (void)state;
    snprintf(dir, sizeof dir, "/tmp/apprentice_test_XXXXXX");
    return mkdtemp(dir) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    char command[96];
    snprintf(command, sizeof command, "rm -rf '%s'", dir);
    return system(command);
}

static const char *in_dir(const char *name)
{
    static char path[4][160];
    static int turn;
    char *at = path[turn++ % 4];
    snprintf(at, sizeof path[0], "%s/%s", dir, name);
    return at;
}

/* ------------------------------------------------------------------ models */

enum { TOKENS = 24, ROWS = 448 }; /* ROWS: vocabulary of TOKENIZER, rounded up */

/* GGUF cannot say everything that a tiny_family has. */
static struct ap_config family_config(enum ap_family family)
{
    struct ap_config c = tiny_family(family);
    c.V = ROWS;
    c.D = 32;
    c.F = 64;
    if (family == AP_QWEN2)
        c.window = c.window_from = 0;
    return c;
}

static struct ap_model *new_model(const struct ap_config *c)
{
    struct ap_model *m = NULL;
    OK(ap__model_new(c, 7, &m, err));
    stir(m, 0.3f, 11);
    return m;
}

static struct ap_model *open_model(const char *path)
{
    struct ap_model *m = NULL;
    OK(ap__model_open(path, NULL, &m, err));
    return m;
}

/* (TOKENS, V) of one fixed sequence. */
static void logits_of(struct ap_model *m, float *out)
{
    int32_t token[TOKENS];
    uint8_t trained[TOKENS] = {0};
    struct ap_arena arena;
    struct ap_pack pack;
    for (int i = 0; i < TOKENS; i++)
        token[i] = (i * 37 + 5) % m->config.V;
    trained[TOKENS - 1] = 1;
    const struct ap_seq seq = {token, trained, TOKENS};
    ap__arena_init(&arena, 0);
    OK(ap__pack_build(&arena, &seq, 1, TOKENS, &pack, err));
    OK(ap__model_logits(m, &pack, &arena, out, err));
    ap__arena_deinit(&arena);
}

static void same_logits(struct ap_model *a, struct ap_model *b, double tolerance, const char *what)
{
    size_t n = (size_t)TOKENS * (size_t)a->config.V;
    float *x = calloc(n, sizeof *x), *y = calloc(n, sizeof *y);
    double worst = 0.0, largest = 0.0;
    assert_int_equal(a->config.V, b->config.V);
    logits_of(a, x);
    logits_of(b, y);
    for (size_t i = 0; i < n; i++) {
        worst = fmax(worst, fabs((double)x[i] - (double)y[i]));
        largest = fmax(largest, fabs((double)x[i]));
    }
    assert_true(largest > 1.0); /* there is something to compare */
    if (!(worst <= tolerance * largest))
        fail_msg("%s: logits differ by %g of %g", what, worst, largest);
    free(y);
    free(x);
}

static const char *const file_names[] = {"llama.gguf", "mistral.gguf", "qwen2.gguf", "qwen3.gguf"};

static void a_model_written_as_f32_comes_back_with_the_same_bits(void **state)
{
    (void)state;
    for (int family = 0; family < AP_FAMILY_COUNT; family++) {
        struct ap_config c = family_config((enum ap_family)family);
        struct ap_model *m = new_model(&c), *back;
        const char *path = in_dir(file_names[family]);
        OK(ap__model_save_gguf(m, path, "a model", TOKENIZER, AP_F32, NULL, err));
        back = open_model(path);
        assert_int_equal(back->config.family, family);
        for (int32_t i = 0; i < m->weight_count; i++) {
            size_t n = (size_t)ap__weight_size(&m->weight[i]) * sizeof(float);
            assert_string_equal(m->weight[i].name, back->weight[i].name);
            if (memcmp(m->weight[i].W.data, back->weight[i].W.data, n) != 0)
                fail_msg("%s: %s differs", ap__family_name(c.family), m->weight[i].name);
        }
        /* YaRN's factor of attention passes through f32, divided by what llama.cpp puts to it */
        same_logits(m, back, c.rope.type == AP_ROPE_YARN ? 4e-6 : 0.0, ap__family_name(c.family));
        ap__model_free(back);
        ap__model_free(m);
    }
}

/* ------------------------------------------------------------------ other dtypes */

/* What a matrix of a written model must hold: the model's own, rounded to dtype. */
static void check_rounded(struct ap_model *m, struct ap_model *back, enum ap_dtype dtype)
{
    for (int32_t i = 0; i < m->weight_count; i++) {
        struct ap_matrix W = m->weight[i].W, B = back->weight[i].W;
        if (W.cols == 0)
            continue;
        enum ap_dtype want = dtype == AP_Q8_0 && W.cols % 32 != 0 ? AP_F16 : dtype;
        size_t n = (size_t)W.rows * (size_t)W.cols;
        uint8_t *rounded = calloc(n, sizeof(float));
        if (want == AP_Q8_0)
            ap__q8_0_from_f32(rounded, W.data, n);
        else
            ap__dtype_from_f32(rounded, W.data, want, n);
        assert_int_equal(B.dtype, want);
        if (memcmp(rounded, B.data, ap__matrix_bytes(want, W.rows, W.cols)) != 0)
            fail_msg("%s differs as %s", m->weight[i].name, ap__dtype_name(want));
        free(rounded);
    }
}

static void matrices_are_rounded_once_to_the_dtype_asked_for(void **state)
{
    (void)state;
    static const enum ap_dtype dtypes[] = {AP_F16, AP_BF16, AP_Q8_0};
    struct ap_config c = family_config(AP_MISTRAL);
    c.F = 80; /* down_proj is no multiple of 32 wide */
    struct ap_model *m = new_model(&c), *back;
    for (int i = 0; i < 3; i++) {
        OK(ap__model_save_gguf(m, in_dir("m.gguf"), "m", TOKENIZER, dtypes[i], NULL, err));
        back = open_model(in_dir("m.gguf"));
        check_rounded(m, back, dtypes[i]);
        ap__model_free(back);
    }
    FAILS(AP_E_ARG, "not Q4_0", ap__model_save_gguf(m, in_dir("m.gguf"), "m", TOKENIZER, AP_Q4_0, NULL, err));
    ap__model_free(m);
}

static void a_q8_0_model_computes_as_its_dequantised_folder(void **state)
{
    (void)state;
    bool same_text;
    struct ap_config c = family_config(AP_QWEN3);
    struct ap_model *m = new_model(&c), *packed, *plain;
    const char *folder = in_dir("plain");
    OK(ap__model_save_gguf(m, in_dir("packed.gguf"), "packed", TOKENIZER, AP_Q8_0, NULL, err));
    OK(ap__model_convert(&(struct ap_convert){.in = in_dir("packed.gguf"), .out = folder}, &same_text, err));
    packed = open_model(in_dir("packed.gguf"));
    plain = open_model(folder);
    assert_int_equal(packed->weight[0].W.dtype, AP_Q8_0);
    assert_int_equal(plain->weight[0].W.dtype, AP_F32);
    same_logits(packed, plain, 1e-6, "Q8_0");
    ap__model_free(plain);
    ap__model_free(packed);
    ap__model_free(m);
}

/* ------------------------------------------------------------------ files of others */

static void models_written_by_ggml_orgs_package_are_the_folders_models(void **state)
{
    (void)state;
    static const struct {
        const char *file, *folder;
        enum ap_dtype dtype;
        enum ap_family family;
    } fixture[] = {{"mistral.gguf", "mistral_f16", AP_F16, AP_LLAMA}, /* without a window they are the same */
                   {"qwen2.gguf", "qwen2_bf16", AP_BF16, AP_QWEN2},
                   {"qwen3.gguf", "qwen3", AP_F16, AP_QWEN3},
                   {"llama3.gguf", "llama", AP_F16, AP_LLAMA}};
    for (size_t i = 0; i < 4; i++) {
        char path[512];
        struct ap_source *folder = NULL;
        snprintf(path, sizeof path, AP_TEST_DATA "/gguf/%s", fixture[i].file);
        struct ap_model *m = open_model(path);
        snprintf(path, sizeof path, AP_TEST_DATA "/architectures/%s", fixture[i].folder);
        OK(ap__source_open(path, &folder, err));
        const struct ap_config *c = ap__source_config(folder);
        assert_int_equal(m->config.family, fixture[i].family);
        assert_int_equal(m->config.Dh, c->Dh);
        assert_int_equal(m->config.tied, c->tied);
        assert_true(m->config.eps == c->eps);
        for (int32_t k = 0; k < m->weight_count; k++) {
            struct ap_tensor_view v;
            struct ap_matrix W = m->weight[k].W;
            OK(ap__source_get(folder, m->weight[k].name, &v, err));
            size_t n = (size_t)ap__weight_size(&m->weight[k]);
            float *got = calloc(n, sizeof *got), *want = calloc(n, sizeof *want);
            uint16_t *rounded = calloc(n, sizeof *rounded);
            W.cols = W.cols > 0 ? W.cols : 1;
            ap__matrix_to_f32(got, &W);
            ap__dtype_to_f32(want, v.data, v.dtype, n);
            if (m->weight[k].W.cols > 0) {
                ap__dtype_from_f32(rounded, want, fixture[i].dtype, n);
                ap__dtype_to_f32(want, rounded, fixture[i].dtype, n);
            }
            if (memcmp(got, want, n * sizeof *got) != 0)
                fail_msg("%s: %s differs", fixture[i].file, m->weight[k].name);
            free(rounded);
            free(want);
            free(got);
        }
        ap__source_free(folder);
        ap__model_free(m);
    }
}

static void llama_3s_scaling_is_worked_out_from_its_factors(void **state)
{
    (void)state;
    struct ap_model *m = open_model(AP_TEST_DATA "/gguf/llama3.gguf");
    const struct ap_rope *r = &m->config.rope;
    assert_int_equal(r->type, AP_ROPE_LLAMA3);
    assert_true(r->factor == 8.0 && r->low_freq == 1.0 && r->high_freq == 4.0);
    assert_int_equal(r->original_position, 8192);
    ap__model_free(m);
}

/* ------------------------------------------------------------------ adapters */

/* (H, 2, Dh/2, cols) to (H, Dh/2, 2, cols), as converters in Python do it. */
static void reorder_naively(const float *src, int heads, int Dh, int cols, float *dst)
{
    for (int h = 0; h < heads; h++)
        for (int side = 0; side < 2; side++)
            for (int i = 0; i < Dh / 2; i++)
                for (int k = 0; k < cols; k++)
                    dst[((h * (Dh / 2) + i) * 2 + side) * cols + k] = src[((h * 2 + side) * (Dh / 2) + i) * cols + k];
}

static void an_adapters_rows_are_ordered_like_its_matrixs(void **state)
{
    (void)state;
    struct ap_config c = family_config(AP_LLAMA);
    struct ap_model *m = new_model(&c);
    struct ap_gguf *g = NULL;
    struct ap_tensor_view a, b;
    double alpha = 0.0;
    const char *type = "";
    OK(ap__model_add_lora(m, &(struct ap_lora_config){.rank = 3, .alpha = 6.0f, .targets = AP_LORA_ALL}, 5, err));
    stir(m, 0.3f, 2);
    OK(ap__lora_save_gguf(m, in_dir("adapter.gguf"), "an adapter", err));
    OK(ap__gguf_open(in_dir("adapter.gguf"), &g, err));
    assert_int_equal(ap__gguf_count(g), 2 * 7 * c.L);
    OK(ap__gguf_f64(g, "adapter.lora.alpha", true, &alpha, err));
    OK(ap__gguf_str(g, "general.type", true, &type, err));
    assert_true(alpha == 6.0);
    assert_string_equal(type, "adapter");
    OK(ap__gguf_get(g, "blk.1.attn_k.weight.lora_b", &b, err));
    OK(ap__gguf_get(g, "blk.1.attn_k.weight.lora_a", &a, err));
    const struct ap_lora_pair *p = ap__lora_pair(m, 1, AP_LINEAR_K);
    float *want = calloc((size_t)(p->B.rows * 3), sizeof *want);
    reorder_naively(p->b, c.Hkv, c.Dh, 3, want);
    assert_int_equal(b.shape[0], c.Hkv * c.Dh);
    assert_memory_equal(b.data, want, b.bytes);
    assert_memory_equal(a.data, p->a, a.bytes);
    OK(ap__gguf_get(g, "blk.1.attn_v.weight.lora_b", &b, err));
    assert_memory_equal(b.data, ap__lora_pair(m, 1, AP_LINEAR_V)->b, b.bytes);
    free(want);
    ap__gguf_free(g);
    ap__model_free(m);
}

static void a_model_with_its_adapter_is_written_merged(void **state)
{
    (void)state;
    struct ap_config c = family_config(AP_LLAMA);
    struct ap_model *m = new_model(&c), *back;
    OK(ap__model_add_lora(m, &(struct ap_lora_config){.rank = 2, .alpha = 4.0f, .targets = AP_LORA_ALL}, 5, err));
    stir(m, 0.1f, 2);
    OK(ap__model_save_gguf(m, in_dir("merged.gguf"), "merged", TOKENIZER, AP_F32, NULL, err));
    back = open_model(in_dir("merged.gguf"));
    same_logits(m, back, 1e-5, "merged");
    ap__model_free(back);
    ap__model_free(m);
}

static void what_gguf_cannot_say_is_refused(void **state)
{
    (void)state;
    struct ap_config c = family_config(AP_QWEN2);
    c.window = 4;
    struct ap_model *m = new_model(&c);
    FAILS(AP_E_ARG, "sliding window", ap__model_save_gguf(m, in_dir("m.gguf"), "m", TOKENIZER, AP_F32, NULL, err));
    ap__model_free(m);
    c.window = 0;
    c.rope.exact_ramp = true;
    m = new_model(&c);
    FAILS(AP_E_ARG, "truncate", ap__model_save_gguf(m, in_dir("m.gguf"), "m", TOKENIZER, AP_F32, NULL, err));
    FAILS(AP_E_STATE, "no adapter", ap__lora_save_gguf(m, in_dir("a.gguf"), "a", err));
    ap__model_free(m);
}

static void failing_allocations_leave_no_file_behind(void **state)
{
    (void)state;
    struct ap_config c = family_config(AP_LLAMA);
    struct ap_model *m = new_model(&c);
    ap_status status = AP_E_MEMORY;
    for (int64_t n = 1; status != AP_OK; n += 1 + n / 32) {
        struct ap_err fault = {0};
        struct ap_model *back = NULL;
        ap__alloc_fail_after(n);
        status = ap__model_save_gguf(m, in_dir("torture.gguf"), "m", TOKENIZER, AP_Q8_0, NULL, &fault);
        if (status == AP_OK)
            status = ap__model_open(in_dir("torture.gguf"), NULL, &back, &fault);
        ap__alloc_fail_after(0);
        ap__model_free(back);
        if (status != AP_OK && status != AP_E_MEMORY && status != AP_E_TOO_LARGE)
            fail_msg("allocation %lld failed, and that was reported as %d: %s", (long long)n, status, fault.message);
    }
    ap__model_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_model_written_as_f32_comes_back_with_the_same_bits),
        cmocka_unit_test(matrices_are_rounded_once_to_the_dtype_asked_for),
        cmocka_unit_test(a_q8_0_model_computes_as_its_dequantised_folder),
        cmocka_unit_test(models_written_by_ggml_orgs_package_are_the_folders_models),
        cmocka_unit_test(llama_3s_scaling_is_worked_out_from_its_factors),
        cmocka_unit_test(an_adapters_rows_are_ordered_like_its_matrixs),
        cmocka_unit_test(a_model_with_its_adapter_is_written_merged),
        cmocka_unit_test(what_gguf_cannot_say_is_refused),
        cmocka_unit_test(failing_allocations_leave_no_file_behind),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
