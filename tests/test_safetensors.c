/* test_safetensors.c - the reader believes nothing, the writer replaces atomically.
 *
 * Hostile files are made from a header text and a number of data bytes, so that
 * each test shows the one thing that is wrong with its file. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "base/file.h"
#include "model/safetensors.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static char dir[] = "/tmp/ap-safetensors-XXXXXX";
static char path[64];

static int make_dir(void **state)
{
    (void)state;
    if (!mkdtemp(dir))
        return -1;
    snprintf(path, sizeof path, "%s/x.safetensors", dir);
    return 0;
}

static int remove_dir(void **state)
{
    (void)state;
    char command[64];
    snprintf(command, sizeof command, "rm -r %s", dir);
    return system(command);
}

static void put(const char *to, const char *header, size_t data_bytes)
{
    uint64_t n = strlen(header);
    FILE *f = fopen(to, "wb");
    assert_non_null(f);
    fwrite(&n, sizeof n, 1, f);
    fwrite(header, 1, (size_t)n, f);
    for (size_t i = 0; i < data_bytes; i++)
        fputc((int)(i & 255), f);
    fclose(f);
}

/* Opening a file of this header and size must fail with a message that contains `expect`. */
static void refuse(const char *header, size_t data_bytes, const char *expect)
{
    struct ap_safetensors *st = NULL;
    struct ap_err err = {0};
    put(path, header, data_bytes);
    if (ap__safetensors_open(path, &st, &err) != AP_E_FORMAT || !strstr(err.message, expect))
        fail_msg("header %s: wanted \"%s\", got \"%s\"", header, expect, err.message);
    assert_string_equal(err.place, path);
    assert_null(st);
}

static void a_header_that_lies_about_ranges_is_refused(void **state)
{
    (void)state;
    refuse("{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 7, "outside the file");
    refuse("{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 9, "belong to no tensor");
    refuse("{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[4,12]}}", 12, "unused bytes");
    refuse("{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[8,0]}}", 8, "outside the file");
    refuse("{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[-8,0]}}", 8, "outside the file");
    refuse("{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},"
           "\"b\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[4,12]}}", 12, "overlaps");
    refuse("{\"a\":{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[0,8]}}", 8, "takes 12 bytes");
    refuse("{\"a\":{\"dtype\":\"F64\",\"shape\":[2],\"data_offsets\":[0,8]}}", 8, "takes 16 bytes");
}

static void shapes_that_overflow_or_make_no_sense_are_refused(void **state)
{
    (void)state;
    refuse("{\"a\":{\"dtype\":\"F32\",\"shape\":[4611686018427387904,4],\"data_offsets\":[0,0]}}", 0, "overflows");
    refuse("{\"a\":{\"dtype\":\"F32\",\"shape\":[-1],\"data_offsets\":[0,4]}}", 4, "not a size");
    refuse("{\"a\":{\"dtype\":\"F32\",\"shape\":[1.5],\"data_offsets\":[0,4]}}", 4, "not a size");
    refuse("{\"a\":{\"dtype\":\"F32\",\"shape\":7,\"data_offsets\":[0,4]}}", 4, "`shape`");
    refuse("{\"a\":{\"dtype\":\"F32\",\"shape\":[1]}}", 4, "`data_offsets`");
    refuse("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4,8]}}", 4, "`data_offsets`");
    refuse("{\"a\":{\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "`dtype`");
    refuse("{\"a\":3}", 0, "object");
}

static void broken_headers_are_refused(void **state)
{
    (void)state;
    refuse("{\"a\":", 0, "broken header");
    refuse("[]", 0, "must be an object");
    refuse("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},"
           "\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "duplicate");
    refuse("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,99999999999999999999]}}", 4, "broken header");
}

static void files_that_end_early_are_refused(void **state)
{
    (void)state;
    struct ap_safetensors *st = NULL;
    struct ap_err err;
    put(path, "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4);
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    char bytes[128];
    size_t n = fread(bytes, 1, sizeof bytes, f);
    fclose(f);
    for (size_t keep = 0; keep < n; keep++) {
        err = (struct ap_err){0};
        assert_int_equal(truncate(path, (off_t)keep), 0);
        assert_int_not_equal(ap__safetensors_open(path, &st, &err), AP_OK);
        assert_true(err.message[0] != '\0');
        f = fopen(path, "wb");
        assert_non_null(f);
        fwrite(bytes, 1, n, f);
        fclose(f);
    }
    assert_int_equal(ap__safetensors_open("/nowhere/x.safetensors", &st, &err), AP_E_NOT_FOUND);
}

static void what_nobody_can_use_may_be_there_but_not_be_asked_for(void **state)
{
    (void)state;
    struct ap_safetensors *st = NULL;
    struct ap_tensor_view view;
    struct ap_err err = {0};
    put(path, "{\"ids\":{\"dtype\":\"I64\",\"shape\":[1],\"data_offsets\":[0,8]},"
              "\"deep\":{\"dtype\":\"F32\",\"shape\":[1,1,1,1,1],\"data_offsets\":[8,12]},"
              "\"new\":{\"dtype\":\"F4\",\"shape\":[2],\"data_offsets\":[12,13]}}", 13);
    assert_int_equal(ap__safetensors_open(path, &st, &err), AP_OK);
    assert_int_equal(ap__safetensors_get(st, "ids", &view, &err), AP_E_FORMAT);
    assert_non_null(strstr(err.message, "`ids` is I64"));
    assert_int_equal(ap__safetensors_get(st, "deep", &view, &err), AP_E_FORMAT);
    assert_int_equal(ap__safetensors_get(st, "new", &view, &err), AP_E_FORMAT);
    assert_int_equal(ap__safetensors_get(st, "old", &view, &err), AP_E_NOT_FOUND);
    assert_non_null(strstr(err.message, "`old`"));
    assert_string_equal(err.place, path);
    ap__safetensors_free(st);
}

static void data_off_its_alignment_is_an_error_not_a_crash(void **state)
{
    (void)state;
    struct ap_safetensors *st = NULL;
    struct ap_tensor_view view;
    struct ap_err err = {0};
    const char *header = "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}";
    char padded[80];
    snprintf(padded, sizeof padded, "%-57s", header); /* 8 + 57 is odd */
    put(path, padded, 4);
    assert_int_equal(ap__safetensors_open(path, &st, &err), AP_OK);
    assert_int_equal(ap__safetensors_get(st, "a", &view, &err), AP_E_FORMAT);
    assert_non_null(strstr(err.message, "aligned"));
    ap__safetensors_free(st);
}

static const float three[] = {1.5f, -2.0f, 3.25f};
static const uint16_t pair[] = {0x3f80, 0xbf80};
static const float six[] = {1, 2, 3, 4, 5, 6};

static const struct ap_tensor_entry sample[] = {
    {.name = "odd", .dtype = AP_BF16, .ndim = 1, .shape = {1}, .data = pair},
    {.name = "w", .dtype = AP_F32, .ndim = 1, .shape = {3}, .data = three},
    {.name = "none", .dtype = AP_F16, .ndim = 2, .shape = {0, 5}, .data = NULL},
    {.name = "m", .dtype = AP_F32, .ndim = 2, .shape = {2, 3}, .data = six},
    {.name = "scalar", .dtype = AP_BF16, .ndim = 0, .data = pair},
};
enum { SAMPLES = sizeof sample / sizeof *sample };

static void check_sample(const char *of)
{
    struct ap_safetensors *st = NULL;
    struct ap_err err = {0};
    assert_int_equal(ap__safetensors_open(of, &st, &err), AP_OK);
    assert_int_equal(ap__safetensors_count(st), SAMPLES);
    assert_string_equal(ap__safetensors_name(st, 0), "m");
    assert_string_equal(ap__safetensors_metadata(st, "format"), "pt");
    for (int i = 0; i < SAMPLES; i++) {
        struct ap_tensor_view v;
        assert_int_equal(ap__safetensors_get(st, sample[i].name, &v, &err), AP_OK);
        assert_int_equal(v.dtype, sample[i].dtype);
        assert_int_equal(v.ndim, sample[i].ndim);
        for (int32_t d = 0; d < v.ndim; d++)
            assert_int_equal(v.shape[d], sample[i].shape[d]);
        if (v.bytes)
            assert_memory_equal(v.data, sample[i].data, v.bytes);
    }
    ap__safetensors_free(st);
}

static json_t *format_pt(void)
{
    return json_pack("{s:s}", "format", "pt");
}

static void what_is_written_is_read_back_aligned(void **state)
{
    (void)state;
    struct ap_err err = {0};
    json_t *meta = format_pt();
    assert_int_equal(ap__safetensors_write(path, sample, SAMPLES, meta, &err), AP_OK);
    check_sample(path);
    assert_int_equal(ap__safetensors_write(path, NULL, 0, meta, &err), AP_OK);
    json_decref(meta);
    struct ap_safetensors *st = NULL;
    assert_int_equal(ap__safetensors_open(path, &st, &err), AP_OK);
    assert_int_equal(ap__safetensors_count(st), 0);
    ap__safetensors_free(st);
}

static void the_writer_refuses_what_could_not_be_read(void **state)
{
    (void)state;
    struct ap_err err = {0};
    struct ap_tensor_entry twice[] = {sample[1], sample[1]};
    assert_int_equal(ap__safetensors_write(path, twice, 2, NULL, &err), AP_E_ARG);
    twice[1].name = "__metadata__";
    assert_int_equal(ap__safetensors_write(path, twice, 2, NULL, &err), AP_E_ARG);
    twice[0].shape[0] = -1;
    assert_int_equal(ap__safetensors_write(path, twice, 1, NULL, &err), AP_E_ARG);
    json_t *meta = json_pack("{s:i}", "n", 1);
    assert_int_equal(ap__safetensors_write(path, sample, SAMPLES, meta, &err), AP_E_ARG);
    json_decref(meta);
}

static void a_full_disk_leaves_the_old_file(void **state)
{
    (void)state;
    struct ap_err err = {0};
    json_t *meta = format_pt();
    assert_int_equal(ap__safetensors_write(path, sample, SAMPLES, meta, &err), AP_OK);
    char temporary[80];
    snprintf(temporary, sizeof temporary, "%s.tmp", path);
    assert_int_equal(symlink("/dev/full", temporary), 0);
    assert_int_equal(ap__safetensors_write(path, sample, 2, meta, &err), AP_E_IO);
    assert_non_null(strstr(err.message, "No space left"));
    assert_string_equal(err.place, path);
    assert_false(ap__file_exists(temporary));
    check_sample(path);

    /* the same in the middle of a file: a limit of 300 bytes stands in for the disk */
    struct rlimit old, small;
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &old);
    small = old;
    small.rlim_cur = 300;
    setrlimit(RLIMIT_FSIZE, &small);
    ap_status status = ap__safetensors_write(path, sample, SAMPLES, meta, &err);
    setrlimit(RLIMIT_FSIZE, &old);
    assert_int_equal(status, AP_E_IO);
    assert_false(ap__file_exists(temporary));
    check_sample(path);
    json_decref(meta);
}

static void put_text(const char *name, const char *text)
{
    char to[128];
    struct ap_err err;
    snprintf(to, sizeof to, "%s/%s", dir, name);
    assert_int_equal(ap__file_write(to, text, strlen(text), &err), AP_OK);
}

static void shards_of_an_index_read_like_one_file(void **state)
{
    (void)state;
    struct ap_err err = {0};
    struct ap_safetensors *st = NULL;
    struct ap_tensor_view v;
    char one[128], two[128];
    snprintf(one, sizeof one, "%s/model-1.safetensors", dir);
    snprintf(two, sizeof two, "%s/model-2.safetensors", dir);
    assert_int_equal(ap__safetensors_write(one, sample, 3, NULL, &err), AP_OK);
    assert_int_equal(ap__safetensors_write(two, sample + 1, SAMPLES - 1, NULL, &err), AP_OK); /* w and none again */
    put_text("model.safetensors.index.json",
             "{\"weight_map\":{\"odd\":\"model-1.safetensors\",\"w\":\"model-2.safetensors\",\"m\":\"model-2.safetensors\"}}");
    assert_int_equal(ap__safetensors_open_dir(dir, &st, &err), AP_OK);
    assert_int_equal(ap__safetensors_count(st), 3);
    assert_int_equal(ap__safetensors_get(st, "w", &v, &err), AP_OK);
    assert_memory_equal(v.data, three, sizeof three);
    assert_int_equal(ap__safetensors_get(st, "scalar", &v, &err), AP_E_NOT_FOUND);
    ap__safetensors_free(st);

    put_text("model.safetensors.index.json", "{\"weight_map\":{\"odd\":\"model-2.safetensors\"}}");
    assert_int_equal(ap__safetensors_open_dir(dir, &st, &err), AP_E_FORMAT);
    assert_non_null(strstr(err.message, "`odd` is not in the file `model-2.safetensors`"));
    put_text("model.safetensors.index.json", "{\"weight_map\":{\"odd\":\"../../etc/passwd\"}}");
    assert_int_equal(ap__safetensors_open_dir(dir, &st, &err), AP_E_FORMAT);
    put_text("model.safetensors.index.json", "{\"weight_map\":{\"odd\":\"model-3.safetensors\"}}");
    assert_int_equal(ap__safetensors_open_dir(dir, &st, &err), AP_E_NOT_FOUND);
    put_text("model.safetensors.index.json", "{}");
    assert_int_equal(ap__safetensors_open_dir(dir, &st, &err), AP_E_FORMAT);
}

static void failing_allocations_are_errors(void **state)
{
    (void)state;
    struct ap_err err = {0};
    assert_int_equal(ap__safetensors_write(path, sample, SAMPLES, NULL, &err), AP_OK);
    ap_status status = AP_E_MEMORY;
    for (int64_t n = 1; status != AP_OK; n++) {
        struct ap_safetensors *st = NULL;
        ap__alloc_fail_after(n);
        status = ap__safetensors_open(path, &st, &err);
        if (status == AP_OK)
            status = ap__safetensors_write(path, sample, SAMPLES, NULL, &err);
        ap__alloc_fail_after(0);
        ap__safetensors_free(st);
        if (status != AP_OK)
            assert_int_equal(status, AP_E_MEMORY);
        assert_true(n < 1000);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_header_that_lies_about_ranges_is_refused),
        cmocka_unit_test(shapes_that_overflow_or_make_no_sense_are_refused),
        cmocka_unit_test(broken_headers_are_refused),
        cmocka_unit_test(files_that_end_early_are_refused),
        cmocka_unit_test(what_nobody_can_use_may_be_there_but_not_be_asked_for),
        cmocka_unit_test(data_off_its_alignment_is_an_error_not_a_crash),
        cmocka_unit_test(what_is_written_is_read_back_aligned),
        cmocka_unit_test(the_writer_refuses_what_could_not_be_read),
        cmocka_unit_test(a_full_disk_leaves_the_old_file),
        cmocka_unit_test(shards_of_an_index_read_like_one_file),
        cmocka_unit_test(failing_allocations_are_errors),
    };
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
