/* test_gguf.c - the GGUF reader against ggml-org's package (tests/data/gguf), and against files that are wrong. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "base/file.h"
#include "base/rng.h"
#include "model/gguf.h"
#include "tensor/ggml_blocks.h"
#include "testing.h"

#include <math.h>
#include <string.h>

#define DATA AP_TEST_DATA "/gguf/"

static struct ap_gguf *open_at(const char *path)
{
    struct ap_gguf *g = NULL;
    OK(ap__gguf_open(path, &g, err));
    return g;
}

/* ------------------------------------------------------------------ metadata */

static void values_of_every_type_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *key;
        int64_t value;
    } integers[] = {{"u8", 200}, {"i8", -100}, {"u16", 60000}, {"i16", -30000}, {"u32", 4000000000},
                    {"i32", -2000000000}, {"u64", INT64_C(1) << 40}, {"i64", -(INT64_C(1) << 40)}};
    struct ap_gguf *g = open_at(DATA "kinds.gguf");
    for (size_t i = 0; i < sizeof integers / sizeof *integers; i++) {
        int64_t got = 0;
        double real = 0.0;
        OK(ap__gguf_i64(g, integers[i].key, true, &got, err));
        OK(ap__gguf_f64(g, integers[i].key, true, &real, err));
        if (got != integers[i].value || real != (double)integers[i].value)
            fail_msg("%s is %lld", integers[i].key, (long long)got);
    }
    double real = 0.0;
    bool yes = false, no = true;
    const char *text = NULL;
    OK(ap__gguf_f64(g, "f32", true, &real, err));
    assert_true(real == 0.5);
    OK(ap__gguf_f64(g, "f64", true, &real, err));
    assert_true(real == -0.1);
    OK(ap__gguf_bool(g, "yes", true, &yes, err));
    OK(ap__gguf_bool(g, "no", true, &no, err));
    assert_true(yes && !no);
    OK(ap__gguf_str(g, "text", true, &text, err));
    assert_string_equal(text, "d\xC3\xA9j\xC3\xA0 vu");
    ap__gguf_free(g);
}

static void arrays_are_read_from_front_to_back(void **state)
{
    (void)state;
    static const char *const words[] = {"one", "", "three"};
    struct ap_gguf *g = open_at(DATA "kinds.gguf");
    struct ap_gguf_array a;
    const char *text;
    size_t len;
    int64_t n;
    double x;
    OK(ap__gguf_array(g, "words", true, &a, err));
    for (int i = 0; i < 3; i++) {
        assert_true(ap__gguf_next_str(&a, &text, &len));
        assert_int_equal(len, strlen(words[i]));
        assert_memory_equal(text, words[i], len);
    }
    assert_false(ap__gguf_next_str(&a, &text, &len));
    OK(ap__gguf_array(g, "numbers", true, &a, err));
    assert_int_equal(a.count, 3);
    assert_false(ap__gguf_next_str(&a, &text, &len));
    for (int i = 1; i <= 3; i++)
        assert_true(ap__gguf_next_i64(&a, &n) && n == i);
    assert_false(ap__gguf_next_i64(&a, &n));
    OK(ap__gguf_array(g, "reals", true, &a, err));
    assert_false(ap__gguf_next_i64(&a, &n));
    assert_true(ap__gguf_next_f64(&a, &x) && x == 0.25 && ap__gguf_next_f64(&a, &x) && x == -4.0);
    ap__gguf_free(g);
}

static void absent_keys_keep_the_default_and_wrong_types_are_named(void **state)
{
    (void)state;
    struct ap_gguf *g = open_at(DATA "kinds.gguf");
    struct ap_err err = {0};
    struct ap_gguf_array a;
    int64_t n = 7;
    bool flag = true;
    const char *text = "default";
    double x = 0.0;
    assert_int_equal(ap__gguf_i64(g, "nowhere", false, &n, &err), AP_OK);
    assert_int_equal(n, 7);
    assert_int_equal(ap__gguf_array(g, "nowhere", false, &a, &err), AP_OK);
    assert_int_equal(a.count, 0);
    assert_int_equal(ap__gguf_i64(g, "nowhere", true, &n, &err), AP_E_FORMAT);
    assert_non_null(strstr(err.message, "`nowhere` is missing"));
    assert_int_equal(ap__gguf_i64(g, "f32", false, &n, &err), AP_E_FORMAT);
    assert_non_null(strstr(err.message, "`f32` must be an integer"));
    assert_int_equal(ap__gguf_i64(g, "huge", false, &n, &err), AP_E_FORMAT);
    assert_int_equal(ap__gguf_i64(g, "yes", false, &n, &err), AP_E_FORMAT);
    assert_int_equal(ap__gguf_bool(g, "u8", false, &flag, &err), AP_E_FORMAT);
    assert_int_equal(ap__gguf_str(g, "u8", false, &text, &err), AP_E_FORMAT);
    assert_int_equal(ap__gguf_f64(g, "text", false, &x, &err), AP_E_FORMAT);
    assert_int_equal(ap__gguf_array(g, "text", false, &a, &err), AP_E_FORMAT);
    assert_int_equal(ap__gguf_array(g, "nested", false, &a, &err), AP_E_FORMAT);
    ap__gguf_free(g);
}

/* ------------------------------------------------------------------ blocks */

static struct ap_tensor_view view_of(const struct ap_gguf *g, const char *name)
{
    struct ap_tensor_view v;
    OK(ap__gguf_get(g, name, &v, err));
    return v;
}

static void blocks_unpack_to_the_references_bits(void **state)
{
    (void)state;
    static const struct {
        const char *name, *expected;
        enum ap_dtype dtype;
        void (*unpack)(float *, const void *, size_t);
    } formats[] = {{"Q8_0", "Q8_0.f32", AP_Q8_0, ap__q8_0_to_f32},
                   {"Q4_0", "Q4_0.f32", AP_Q4_0, ap__q4_0_to_f32},
                   {"Q4_K", "Q4_K.f32", AP_Q4_K, ap__q4_k_to_f32},
                   {"Q6_K", "Q6_K.f32", AP_Q6_K, ap__q6_k_to_f32}};
    struct ap_gguf *g = open_at(DATA "blocks.gguf");
    for (size_t i = 0; i < 4; i++) {
        struct ap_tensor_view v = view_of(g, formats[i].name), want = view_of(g, formats[i].expected);
        size_t n = (size_t)(v.shape[0] * v.shape[1]);
        float *got = calloc(n, sizeof *got);
        assert_int_equal(v.dtype, formats[i].dtype);
        assert_int_equal(v.shape[0], 3);
        assert_int_equal(v.shape[1], want.shape[1]);
        assert_int_equal(want.bytes, n * sizeof *got);
        formats[i].unpack(got, v.data, n);
        for (size_t k = 0; k < n; k++)
            if (memcmp(&got[k], (const float *)want.data + k, sizeof *got) != 0)
                fail_msg("%s: number %zu is %.9g, not %.9g", formats[i].name, k, (double)got[k],
                         (double)((const float *)want.data)[k]);
        free(got);
    }
    ap__gguf_free(g);
}

static void numbers_round_to_the_references_q8_0(void **state)
{
    (void)state;
    struct ap_gguf *g = open_at(DATA "blocks.gguf");
    struct ap_tensor_view x = view_of(g, "numbers.f32"), want = view_of(g, "numbers");
    uint8_t *got = calloc(1, want.bytes);
    ap__q8_0_from_f32(got, x.data, (size_t)(x.shape[0] * x.shape[1]));
    assert_memory_equal(got, want.data, want.bytes);
    free(got);
    ap__gguf_free(g);
}

static void numbers_that_are_none_break_nothing(void **state)
{
    (void)state;
    float x[32] = {0}, back[32];
    uint8_t block[34];
    const float odd[] = {NAN, INFINITY, -INFINITY, 1e-40f, 3.4e38f};
    for (size_t i = 0; i < 5; i++) {
        x[3] = odd[i];
        x[4] = 1.0f;
        ap__q8_0_from_f32(block, x, 32);
        ap__q8_0_to_f32(back, block, 32);
    }
}

/* ------------------------------------------------------------------ files that are wrong */

/* A file put together by hand. */
static struct ap_buf file;

static void u32(uint32_t x) { ap__buf_add(&file, &x, sizeof x); }
static void u64(uint64_t x) { ap__buf_add(&file, &x, sizeof x); }
static void text(const char *s)
{
    u64(strlen(s));
    ap__buf_puts(&file, s);
}

static void head(uint32_t version, uint64_t tensors, uint64_t keys)
{
    ap__buf_clear(&file);
    ap__buf_puts(&file, "GGUF");
    u32(version);
    u64(tensors);
    u64(keys);
}

static void tensor(const char *name, uint32_t type, uint64_t cols, uint64_t rows, uint64_t offset)
{
    text(name);
    u32(2);
    u64(cols);
    u64(rows);
    u32(type);
    u64(offset);
}

static void data(size_t bytes)
{
    while (file.len % 32)
        ap__buf_putc(&file, 0);
    for (size_t i = 0; i < bytes; i++)
        ap__buf_putc(&file, (char)i);
}

static void save_file(void)
{
    OK(ap__file_write(in_dir("x.gguf"), file.data, file.len, err));
}

static void refused(ap_status status, const char *part)
{
    struct ap_gguf *g = NULL;
    struct ap_err fault = {0};
    save_file();
    ap_status got = ap__gguf_open(in_dir("x.gguf"), &g, &fault);
    if (got != status || !strstr(fault.message, part))
        fail_msg("expected %d `%s`, got %d: %s", status, part, got, fault.message);
}

static void a_well_made_file_opens(void **state)
{
    (void)state;
    struct ap_gguf *g = NULL;
    head(3, 2, 1);
    text("k"), u32(AP_GGUF_U32), u32(5);
    tensor("b", 0, 4, 2, 0);
    tensor("a", 8, 32, 1, 32);
    data(32 + 34);
    save_file();
    OK(ap__gguf_open(in_dir("x.gguf"), &g, err));
    assert_int_equal(ap__gguf_count(g), 2);
    assert_string_equal(ap__gguf_name(g, 0), "a");
    struct ap_tensor_view v = view_of(g, "a");
    assert_int_equal(v.bytes, 34);
    assert_int_equal(v.shape[0], 1);
    assert_int_equal(v.shape[1], 32);
    assert_int_equal(*(const uint8_t *)v.data, 32);
    ap__gguf_free(g);
}

static void wrong_heads_are_refused(void **state)
{
    (void)state;
    ap__buf_clear(&file);
    refused(AP_E_FORMAT, "no GGUF file");
    ap__buf_puts(&file, "GGML and more");
    refused(AP_E_FORMAT, "no GGUF file");
    head(2, 0, 0);
    refused(AP_E_FORMAT, "version 2");
    head(3, UINT64_C(1) << 40, 0);
    refused(AP_E_TOO_LARGE, "limits");
    head(3, 100000, 0);
    refused(AP_E_FORMAT, "ends within its head");
}

static void wrong_metadata_is_refused(void **state)
{
    (void)state;
    head(3, 0, 1), u64(UINT64_C(1) << 50), ap__buf_puts(&file, "long key");
    refused(AP_E_FORMAT, "is no name");
    head(3, 0, 1), text("k"), u32(99), u64(0);
    refused(AP_E_FORMAT, "unknown type 99");
    head(3, 0, 1), text("k"), u32(AP_GGUF_STRING), u64(1000), ap__buf_puts(&file, "short");
    refused(AP_E_FORMAT, "ends within k");
    head(3, 0, 1), text("k"), u32(AP_GGUF_ARRAY), u32(AP_GGUF_U64), u64(UINT64_C(1) << 62);
    refused(AP_E_FORMAT, "ends within k");
    head(3, 0, 1), text("k"), u32(AP_GGUF_ARRAY), u32(50), u64(1);
    refused(AP_E_FORMAT, "unknown type 50");
    head(3, 0, 1), text("k"), u32(AP_GGUF_ARRAY);
    for (int i = 0; i < 9; i++)
        u32(AP_GGUF_ARRAY), u64(1);
    refused(AP_E_FORMAT, "nests arrays");
    head(3, 0, 2), text("k"), u32(AP_GGUF_U32), u32(1), text("k"), u32(AP_GGUF_U32), u32(2);
    refused(AP_E_FORMAT, "`k` is there twice");
    head(3, 0, 1), text("general.alignment"), u32(AP_GGUF_U32), u32(48);
    refused(AP_E_FORMAT, "power of two");
}

static void wrong_tensors_are_refused(void **state)
{
    (void)state;
    head(3, 1, 0), text("a"), u32(9), u64(1), u64(1), u64(1), u64(1), u64(0), u64(0);
    refused(AP_E_FORMAT, "9 dimensions");
    head(3, 1, 0), tensor("a", 0, 0, 2, 0), data(64);
    refused(AP_E_FORMAT, "no size");
    head(3, 1, 0), tensor("a", 0, UINT64_C(1) << 60, UINT64_C(1) << 60, 0), data(64);
    refused(AP_E_FORMAT, "no size");
    head(3, 1, 0), tensor("a", 0, UINT64_C(1) << 61, 2, 0), data(64);
    refused(AP_E_FORMAT, "overflows");
    head(3, 1, 0), tensor("a", 8, 40, 2, 0), data(128);
    refused(AP_E_FORMAT, "no blocks of 32");
    head(3, 1, 0), tensor("a", 0, 8, 2, 0), data(63);
    refused(AP_E_FORMAT, "outside the file");
    head(3, 1, 0), tensor("a", 0, 8, 2, UINT64_MAX - 31), data(64);
    refused(AP_E_FORMAT, "outside the file");
    head(3, 1, 0), tensor("a", 0, 4, 1, 4), data(64);
    refused(AP_E_FORMAT, "alignment");
    head(3, 2, 0), tensor("a", 0, 16, 1, 0), tensor("b", 0, 16, 1, 32), data(128);
    refused(AP_E_FORMAT, "overlaps");
    head(3, 2, 0), tensor("a", 0, 4, 1, 0), tensor("a", 0, 4, 1, 32), data(64);
    refused(AP_E_FORMAT, "there twice");
}

static void tensors_of_other_types_are_refused_when_asked_for(void **state)
{
    (void)state;
    struct ap_gguf *g = NULL;
    struct ap_tensor_view v;
    struct ap_err err = {0};
    head(3, 2, 0), tensor("a", 13, 256, 1, 0), tensor("b", 77, 256, 1, 192), data(500);
    save_file();
    g = open_at(in_dir("x.gguf"));
    assert_int_equal(ap__gguf_get(g, "a", &v, &err), AP_E_FORMAT);
    assert_non_null(strstr(err.message, "`a` is Q5_K"));
    assert_int_equal(ap__gguf_get(g, "b", &v, &err), AP_E_FORMAT);
    assert_non_null(strstr(err.message, "type 77"));
    assert_int_equal(ap__gguf_get(g, "c", &v, &err), AP_E_NOT_FOUND);
    ap__gguf_free(g);
}

/* Open and, if that works, read all that there is. */
static void read_all(const char *path)
{
    struct ap_gguf *g = NULL;
    struct ap_err err = {0};
    unsigned sum = 0;
    if (ap__gguf_open(path, &g, &err) != AP_OK) {
        assert_true(err.message[0] != '\0');
        return;
    }
    for (size_t i = 0; i < ap__gguf_count(g); i++) {
        struct ap_tensor_view v;
        if (ap__gguf_get(g, ap__gguf_name(g, i), &v, &err) != AP_OK)
            continue;
        for (size_t k = 0; k < v.bytes; k++)
            sum += ((const uint8_t *)v.data)[k];
    }
    assert_true(sum < UINT32_MAX);
    ap__gguf_free(g);
}

static void every_truncation_and_many_flipped_bits_are_survived(void **state)
{
    (void)state;
    struct ap_buf whole;
    ap__buf_init(&whole, 0);
    OK(ap__file_read(DATA "kinds.gguf", 1 << 20, &whole, err));
    for (size_t n = 0; n < whole.len; n++) {
        OK(ap__file_write(in_dir("x.gguf"), whole.data, n, err));
        read_all(in_dir("x.gguf"));
    }
    ap__buf_clear(&whole);
    OK(ap__file_read(DATA "blocks.gguf", 1 << 20, &whole, err));
    struct ap_rng rng = ap__rng_make(4, "bits", 0, 0, 0);
    for (int round = 0; round < 400; round++) {
        size_t at = ap__rng_below(&rng, 700); /* where the head is */
        char was = whole.data[at];
        whole.data[at] = (char)(was ^ (1 << ap__rng_below(&rng, 8)));
        OK(ap__file_write(in_dir("x.gguf"), whole.data, whole.len, err));
        read_all(in_dir("x.gguf"));
        whole.data[at] = was;
    }
    ap__buf_deinit(&whole);
}

static void failing_allocations_are_errors(void **state)
{
    (void)state;
    ap_status status = AP_E_MEMORY;
    for (int64_t n = 1; status != AP_OK; n++) {
        struct ap_gguf *g = NULL;
        struct ap_err err = {0};
        ap__alloc_fail_after(n);
        status = ap__gguf_open(DATA "blocks.gguf", &g, &err);
        ap__alloc_fail_after(0);
        if (status != AP_OK && status != AP_E_MEMORY)
            fail_msg("allocation %lld failed, and that was reported as %d", (long long)n, status);
        ap__gguf_free(g);
    }
}

static int end_file(void **state)
{
    ap__buf_deinit(&file);
    return remove_dir(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_of_every_type_are_read),
        cmocka_unit_test(arrays_are_read_from_front_to_back),
        cmocka_unit_test(absent_keys_keep_the_default_and_wrong_types_are_named),
        cmocka_unit_test(blocks_unpack_to_the_references_bits),
        cmocka_unit_test(numbers_round_to_the_references_q8_0),
        cmocka_unit_test(numbers_that_are_none_break_nothing),
        cmocka_unit_test(a_well_made_file_opens),
        cmocka_unit_test(wrong_heads_are_refused),
        cmocka_unit_test(wrong_metadata_is_refused),
        cmocka_unit_test(wrong_tensors_are_refused),
        cmocka_unit_test(tensors_of_other_types_are_refused_when_asked_for),
        cmocka_unit_test(every_truncation_and_many_flipped_bits_are_survived),
        cmocka_unit_test(failing_allocations_are_errors),
    };
    ap__buf_init(&file, 0);
    return cmocka_run_group_tests(tests, make_dir, end_file);
}
