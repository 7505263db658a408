/* test_model_export.c - what is written is what was trained: every format and dtype, layouts, damage, full disks. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "base/file.h"
#include "base/json.h"
#include "base/rng.h"
#include "model/lora.h"
#include "model/model_export.h"
#include "model/save.h"
#include "testing.h"
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define LLAMA AP_TEST_DATA "/trl/llama"
#define QWEN2 AP_TEST_DATA "/trl/qwen2"

/* Run expr and check its status; the message must hold `part`. */
#define FAILS(expected, part, expr)                                                                     \
    do {                                                                                                \
        struct ap_err e_ = {0};                                                                         \
        struct ap_err *err = &e_;                                                                       \
        ap_status s_ = (expr);                                                                          \
        assert_int_equal(s_, expected);                                                                 \
        if (strstr(e_.message, part) == NULL)                                                           \
            fail_msg("%s: the message `%s` lacks `%s`", #expr, e_.message, part);                       \
    } while (0)

enum { SEQS = 3, LEN = 40 };

/* Like in_dir, for as long as the test runs. */
static const char *kept(const char *name)
{
    static char path[32][160];
    static int used;
    return strcpy(path[used++ % 32], in_dir(name));
}

static struct ap_seq *sequences(void)
{
    static int32_t token[SEQS][LEN];
    static uint8_t trained[LEN];
    static struct ap_seq seq[SEQS];
    struct ap_rng rng = ap__rng_make(3, "sequences", 0, 0, 0);
    for (int i = 0; i < SEQS; i++) {
        for (int t = 0; t < LEN; t++)
            token[i][t] = (int32_t)ap__rng_below(&rng, 64);
        seq[i] = (struct ap_seq){token[i], trained, LEN};
    }
    return seq;
}

static void write_and_verify(const struct ap_export *e, enum ap_dtype dtype)
{
    struct ap_export_check check;
    OK(ap__export_write(e, NULL, err));
    OK(ap__export_verify(e, sequences(), SEQS, &check, err));
    print_message("%s of %s: %s, logits within %.1e\n", ap__export_format_name(e->format), e->base + strlen(AP_TEST_DATA),
                  ap__dtype_name(check.dtype), check.error);
    assert_int_equal(check.dtype, dtype);
    assert_int_equal(check.tokens, SEQS * LEN);
    assert_true(check.weights > 500);
    assert_true(check.error <= 0.6 * check.ceiling); /* a deeper model rounds more often: 2.6 of 5 % with five layers in Q8_0 */
}

/* One byte of a file, counted from its end when negative. */
static void flip(const char *path, long at, unsigned char with)
{
    FILE *f = fopen(path, "r+b");
    assert_non_null(f);
    assert_int_equal(fseek(f, at, at < 0 ? SEEK_END : SEEK_SET), 0);
    int byte = fgetc(f);
    assert_int_equal(fseek(f, -1, SEEK_CUR), 0);
    assert_true(fputc(byte ^ with, f) != EOF);
    assert_int_equal(fclose(f), 0);
}

static void replace_in(const char *path, const char *old, const char *new)
{
    struct ap_buf text;
    ap__buf_init(&text, 0);
    OK(ap__file_read(path, 1 << 20, &text, err));
    char *at = strstr(text.data, old);
    assert_non_null(at);
    assert_int_equal(strlen(old), strlen(new));
    memcpy(at, new, strlen(new));
    OK(ap__file_write(path, text.data, text.len, err));
    ap__buf_deinit(&text);
}

/* A copy of a fixture's base in another dtype, in shards up to so many bytes. */
static const char *make_base(const char *from, const char *name, enum ap_dtype dtype, int64_t shard_bytes)
{
    struct ap_model *m = NULL;
    const char *path = kept(name);
    OK(ap__model_open(from, NULL, &m, err));
    OK(ap__model_save_as(m, path, &(struct ap_save_options){.like = from, .cast = true, .dtype = dtype,
                                                            .shard_bytes = shard_bytes}, err));
    ap__model_free(m);
    return path;
}

/* ---- formats ---- */

static void a_merged_folder_computes_what_was_trained(void **state)
{
    (void)state;
    struct ap_export e = {.format = AP_EXPORT_HF, .base = LLAMA, .adapter = LLAMA "/sigmoid", .out = kept("out")};
    write_and_verify(&e, AP_F32);
    e.cast = true;
    e.dtype = AP_BF16;
    write_and_verify(&e, AP_BF16);
    e.dtype = AP_F16;
    write_and_verify(&e, AP_F16);
    e.base = QWEN2; /* biases, a tied head */
    e.adapter = QWEN2 "/ipo";
    e.dtype = AP_F32;
    write_and_verify(&e, AP_F32);
    e.adapter = NULL; /* the base alone */
    write_and_verify(&e, AP_F32);
}

static void a_bf16_base_stays_bf16_and_its_shards_stay_its_shards(void **state)
{
    (void)state;
    json_t *index = NULL, *config = NULL;
    const char *base = make_base(LLAMA, "base", AP_BF16, 20000);
    assert_false(ap__file_exists(in_dir("base/model.safetensors")));
    struct ap_export e = {.format = AP_EXPORT_HF, .base = base, .adapter = LLAMA "/robust", .out = kept("out")};
    write_and_verify(&e, AP_BF16);
    OK(ap__json_load(in_dir("out/model.safetensors.index.json"), &index, err));
    json_t *map = json_object_get(index, "weight_map");
    assert_string_equal(ap__json_str_or(map, "model.embed_tokens.weight", ""), "model-00001-of-00002.safetensors");
    assert_string_equal(ap__json_str_or(map, "lm_head.weight", ""), "model-00002-of-00002.safetensors");
    assert_int_equal(ap__json_i64_or(json_object_get(index, "metadata"), "total_size", 0), 2 * 18080);
    OK(ap__json_load(in_dir("out/config.json"), &config, err));
    assert_string_equal(ap__json_str_or(config, "dtype", ""), "bfloat16");
    json_decref(config);
    json_decref(index);
}

static void an_earlier_layout_does_not_stay_beside_the_new_one(void **state)
{
    (void)state;
    const char *sharded = make_base(LLAMA, "sharded", AP_F32, 30000);
    struct ap_export e = {.format = AP_EXPORT_HF, .base = sharded, .adapter = LLAMA "/hinge", .out = kept("out")};
    write_and_verify(&e, AP_F32);
    assert_true(ap__file_exists(in_dir("out/model.safetensors.index.json")));
    e.base = LLAMA;
    write_and_verify(&e, AP_F32);
    assert_false(ap__file_exists(in_dir("out/model.safetensors.index.json")));
    e.base = sharded;
    write_and_verify(&e, AP_F32);
    assert_false(ap__file_exists(in_dir("out/model.safetensors")));
}

static void an_adapter_goes_out_as_it_is(void **state)
{
    (void)state;
    json_t *config = NULL;
    struct ap_export e = {.format = AP_EXPORT_PEFT, .base = QWEN2, .adapter = QWEN2 "/sigmoid", .out = kept("out"),
                          .base_name = "someone/base"};
    write_and_verify(&e, AP_F32);
    OK(ap__json_load(in_dir("out/adapter_config.json"), &config, err));
    assert_string_equal(ap__json_str_or(config, "base_model_name_or_path", ""), "someone/base");
    json_decref(config);
}

/* llama reorders the rows of q and k, qwen2 does not. */
static void an_adapter_goes_to_gguf_and_back(void **state)
{
    (void)state;
    struct ap_export e = {.format = AP_EXPORT_GGUF_LORA, .base = LLAMA, .adapter = LLAMA "/sigmoid",
                          .out = kept("adapter.gguf")};
    write_and_verify(&e, AP_F32);
    e.base = QWEN2;
    e.adapter = QWEN2 "/sigmoid";
    write_and_verify(&e, AP_F32);
    struct ap_model *m = NULL;
    OK(ap__model_open(LLAMA, NULL, &m, err));
    FAILS(AP_E_FORMAT, "is for `qwen2`", ap__lora_load(m, e.out, err));
    ap__model_free(m);
}

/* Square-root scales, and a linear of its own rank and alpha. */
static void scales_of_their_own_survive_every_format(void **state)
{
    (void)state;
    const char *adapter = kept("uneven");
    struct ap_model *m = NULL;
    struct ap_lora_shape shape[2 * AP_LINEAR_COUNT] = {[0] = {3, 5.0f}, [6] = {2, 7.5f}, [8] = {6, 5.0f}};
    OK(ap__model_open(LLAMA, NULL, &m, err));
    OK(ap__lora_attach(m, shape, 5.0f, true, err));
    struct ap_rng rng = ap__rng_make(5, "factors", 0, 0, 0);
    for (int64_t i = 0; i < m->lora_count; i++)
        m->lora_values[i] = 0.1f * (float)ap__rng_normal(&rng);
    OK(ap__lora_save(m, adapter, NULL, err));
    ap__model_free(m);
    struct ap_export e = {.base = LLAMA, .adapter = adapter, .out = kept("out")};
    for (e.format = AP_EXPORT_HF; e.format < AP_EXPORT_FORMATS; e.format++) {
        if (e.format == AP_EXPORT_GGUF) /* has no tokenizer */
            continue;
        e.out = e.format == AP_EXPORT_GGUF_LORA ? kept("out.gguf") : kept("out");
        write_and_verify(&e, AP_F32);
    }
}

/* What was trained on NF4 weights is merged into those, not into weights that the training never saw. */
static void a_model_is_merged_into_the_weights_it_was_trained_on(void **state)
{
    (void)state;
    struct ap_export_check check;
    struct ap_export e = {.format = AP_EXPORT_HF, .base = LLAMA, .adapter = LLAMA "/ipo", .out = kept("out")};
    OK(ap__base_dtype_read("nf4", NULL, &e.held, err));
    write_and_verify(&e, AP_F32);
    e.held = (struct ap_model_options){0};
    FAILS(AP_E_STATE, "differs from the trained model", ap__export_verify(&e, sequences(), SEQS, &check, err));
}

/* ---- GGUF models, of a base with a tokenizer ---- */

static void a_gguf_file_computes_what_was_trained(void **state)
{
    (void)state;
    const char *adapter = kept("adapter");
    struct ap_model *m = NULL;
    OK(ap__model_open("models/student", NULL, &m, err));
    OK(ap__model_add_lora(m, &(struct ap_lora_config){.rank = 4, .alpha = 8.0f, .targets = AP_LORA_ALL}, 1, err));
    struct ap_rng rng = ap__rng_make(6, "factors", 0, 0, 0);
    for (int64_t i = 0; i < m->lora_count; i++)
        m->lora_values[i] += 0.05f * (float)ap__rng_normal(&rng);
    OK(ap__lora_save(m, adapter, NULL, err));
    ap__model_free(m);
    static const enum ap_dtype dtypes[] = {AP_F32, AP_F16, AP_BF16, AP_Q8_0};
    struct ap_export e = {.format = AP_EXPORT_GGUF, .base = "models/student", .adapter = adapter,
                          .out = kept("out.gguf"), .cast = true};
    for (int i = 0; i < 4; i++) {
        struct ap_export_check check;
        e.dtype = dtypes[i];
        OK(ap__export_write(&e, NULL, err));
        OK(ap__export_verify(&e, sequences(), SEQS, &check, err));
        assert_int_equal(check.dtype, dtypes[i]);
        print_message("gguf: %s, logits within %.1e\n", ap__dtype_name(check.dtype), check.error);
        /* Every layer rounds once more: 2.6 of 5 % with the student's five in Q8_0. */
        assert_true(check.error <= 0.6 * check.ceiling);
    }
    /* And from there to a folder, in what the blocks stand for. */
    struct ap_export back = {.format = AP_EXPORT_HF, .base = e.out, .adapter = adapter, .out = kept("back")};
    write_and_verify(&back, AP_BF16);
    flip(e.out, -5, 0x40);
    FAILS(AP_E_STATE, "differs from the trained model", ap__export_verify(&e, sequences(), SEQS, &(struct ap_export_check){0}, err));
}

/* ---- faults ---- */

static void damage_is_found_and_named(void **state)
{
    (void)state;
    struct ap_export_check check;
    struct ap_export e = {.format = AP_EXPORT_HF, .base = LLAMA, .adapter = LLAMA "/sigmoid", .cast = true,
                          .dtype = AP_BF16, .out = kept("out")};
    char weights[200], config[200];
    snprintf(weights, sizeof weights, "%s/model.safetensors", e.out);
    snprintf(config, sizeof config, "%s/config.json", e.out);
    OK(ap__export_write(&e, NULL, err));
    flip(weights, -2, 1); /* the last number's last bit */
    FAILS(AP_E_STATE, "`lm_head.weight` differs from the trained model: number 2047", ap__export_verify(&e, sequences(), SEQS, &check, err));
    flip(weights, -2, 1);
    OK(ap__export_verify(&e, sequences(), SEQS, &check, err));
    replace_in(config, "\"rope_theta\": 10000.0", "\"rope_theta\": 90000.0");
    FAILS(AP_E_STATE, "frequency 1 of the rotary embedding is 0.05", ap__export_verify(&e, sequences(), SEQS, &check, err));
    OK(ap__export_write(&e, NULL, err));
    replace_in(config, "\"eos_token_id\": 1", "\"eos_token_id\": 3");
    FAILS(AP_E_STATE, "`eos_token_id` is 3, not 1", ap__export_verify(&e, sequences(), SEQS, &check, err));
    OK(ap__export_write(&e, NULL, err));
    replace_in(config, "\"num_hidden_layers\": 2", "\"num_hidden_layers\": 1");
    FAILS(AP_E_FORMAT, "has no place", ap__export_verify(&e, sequences(), SEQS, &check, err));
    e.adapter = LLAMA "/hinge"; /* another adapter than the one that was merged */
    OK(ap__export_write(&e, NULL, err));
    e.adapter = LLAMA "/sigmoid";
    FAILS(AP_E_STATE, "self_attn.q_proj.weight` differs", ap__export_verify(&e, sequences(), SEQS, &check, err));
}

static void damage_of_an_adapter_is_found_and_named(void **state)
{
    (void)state;
    struct ap_export_check check;
    char path[200];
    struct ap_export e = {.format = AP_EXPORT_PEFT, .base = LLAMA, .adapter = LLAMA "/sigmoid", .out = kept("out")};
    snprintf(path, sizeof path, "%s/adapter_model.safetensors", e.out);
    OK(ap__export_write(&e, NULL, err));
    flip(path, -1, 1);
    FAILS(AP_E_STATE, "lora_B.weight` differs", ap__export_verify(&e, sequences(), SEQS, &check, err));
    snprintf(path, sizeof path, "%s/adapter_config.json", e.out);
    OK(ap__export_write(&e, NULL, err));
    replace_in(path, "\"lora_alpha\":8", "\"lora_alpha\":9");
    FAILS(AP_E_STATE, "lora_B.weight` differs", ap__export_verify(&e, sequences(), SEQS, &check, err));
}

static void what_cannot_be_written_is_refused(void **state)
{
    (void)state;
    struct ap_export e = {.format = AP_EXPORT_PEFT, .base = LLAMA, .out = kept("out")};
    FAILS(AP_E_ARG, "needs an adapter", ap__export_write(&e, NULL, err));
    e.adapter = LLAMA "/sigmoid";
    e.cast = true;
    e.dtype = AP_BF16;
    FAILS(AP_E_ARG, "written in F32", ap__export_write(&e, NULL, err));
    e.format = AP_EXPORT_HF;
    e.dtype = AP_Q8_0;
    FAILS(AP_E_ARG, "has no Q8_0", ap__export_write(&e, NULL, err));
    e.format = AP_EXPORT_GGUF;
    e.dtype = AP_NF4;
    FAILS(AP_E_ARG, "has no NF4", ap__export_write(&e, NULL, err));
    e.format = AP_EXPORT_HF;
    e.dtype = AP_F32;
    e.base = make_base(LLAMA, "base", AP_F32, 0);
    e.out = kept("base");
    FAILS(AP_E_ARG, "over the one it comes from", ap__export_write(&e, NULL, err));
    e.adapter = kept("nothing");
    FAILS(AP_E_NOT_FOUND, "", ap__export_write(&e, NULL, err));
}

/* RLIMIT_FSIZE stands in for a full disk. */
static void a_full_disk_leaves_the_old_file(void **state)
{
    (void)state;
    struct ap_export_check check;
    struct ap_export e = {.format = AP_EXPORT_HF, .base = LLAMA, .adapter = LLAMA "/sigmoid", .out = kept("out")};
    struct rlimit old, small;
    OK(ap__export_write(&e, NULL, err));
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &old);
    small = old;
    small.rlim_cur = 30000;
    setrlimit(RLIMIT_FSIZE, &small);
    struct ap_err failure = {0};
    ap_status status = ap__export_write(&e, NULL, &failure);
    setrlimit(RLIMIT_FSIZE, &old);
    assert_int_equal(status, AP_E_IO);
    assert_non_null(strstr(failure.place, "model.safetensors"));
    assert_false(ap__file_exists(in_dir("out/model.safetensors.tmp")));
    OK(ap__export_verify(&e, sequences(), SEQS, &check, err));
}

static void every_failing_allocation_of_an_export_is_survived(void **state)
{
    (void)state;
    struct ap_export e = {.format = AP_EXPORT_HF, .base = LLAMA, .adapter = LLAMA "/sigmoid", .out = kept("out")};
    struct ap_seq *seq = sequences();
    for (int64_t n = 1, done = 0; !done; n += 1 + n / 20) {
        struct ap_err failure = {0};
        struct ap_export_check check;
        ap__alloc_fail_after(n);
        ap_status status = ap__export_write(&e, NULL, &failure);
        if (status == AP_OK)
            status = ap__export_verify(&e, seq, 1, &check, &failure);
        ap__alloc_fail_after(0);
        if (status != AP_OK)
            assert_int_equal(status, AP_E_MEMORY);
        done = status == AP_OK;
        assert_true(n < 20000);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_dir, remove_dir)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_merged_folder_computes_what_was_trained),
        TEST(a_bf16_base_stays_bf16_and_its_shards_stay_its_shards),
        TEST(an_earlier_layout_does_not_stay_beside_the_new_one),
        TEST(an_adapter_goes_out_as_it_is),
        TEST(an_adapter_goes_to_gguf_and_back),
        TEST(scales_of_their_own_survive_every_format),
        TEST(a_model_is_merged_into_the_weights_it_was_trained_on),
        TEST(a_gguf_file_computes_what_was_trained),
        TEST(damage_is_found_and_named),
        TEST(damage_of_an_adapter_is_found_and_named),
        TEST(what_cannot_be_written_is_refused),
        TEST(a_full_disk_leaves_the_old_file),
        TEST(every_failing_allocation_of_an_export_is_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
