/* test_llama2c.c - llama2.c's checkpoints: the fixture's tensors and ids, and the story of stories260K.
 *
 * Twins: the folder that tests/data/llama2c/generate.py wrote the checkpoint from, its ids by the plain rule; the text
 * that the page of stories260K documents (in ../shared/data, when that is there). */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "base/file.h"
#include "model/convert.h"
#include "model/llama2c.h"
#include "model/sampler.h"
#include "model/session.h"
#include "model/source.h"
#include "model/tokenizer.h"
#include "testing.h"

#include <string.h>

#define DATA AP_TEST_DATA "/llama2c/"
#define STORIES "../shared/data/stories260K/"

static void tensors_come_out_as_they_went_in(void **state)
{
    (void)state;
    struct ap_source *got = NULL, *want = NULL;
    OK(ap__llama2c_convert(DATA "model.bin", DATA "tokenizer.bin", in_dir("model"), err));
    OK(ap__source_open(in_dir("model"), &got, err));
    OK(ap__source_open(AP_TEST_DATA "/tiny_llama", &want, err));
    assert_int_equal(ap__source_count(got), ap__source_count(want));
    for (size_t i = 0; i < ap__source_count(want); i++) {
        struct ap_tensor_view a, b;
        OK(ap__source_get(want, ap__source_name(want, i), &a, err));
        OK(ap__source_get(got, ap__source_name(want, i), &b, err));
        assert_int_equal(a.bytes, b.bytes);
        if (memcmp(a.data, b.data, a.bytes) != 0)
            fail_msg("%s differs", ap__source_name(want, i));
    }
    const struct ap_config *c = ap__source_config(got), *d = ap__source_config(want);
    assert_int_equal(c->Hkv, d->Hkv);
    assert_int_equal(c->max_position, d->max_position);
    assert_true(c->tied && c->theta == 10000.0f);
    ap__source_free(want);
    ap__source_free(got);
}

static void ids_are_those_of_the_plain_rule(void **state)
{
    (void)state;
    json_t *cases = NULL;
    struct ap_tokenizer *tok = NULL;
    OK(ap__llama2c_convert(DATA "model.bin", DATA "tokenizer.bin", in_dir("model"), err));
    OK(ap__tokenizer_open(in_dir("model"), &tok, err));
    OK(ap__json_load(DATA "cases.json", &cases, err));
    assert_true(json_array_size(cases) > 10);
    for (size_t i = 0; i < json_array_size(cases); i++) {
        const json_t *item = json_array_get(cases, i), *want = json_object_get(item, "ids");
        const char *text = json_string_value(json_object_get(item, "text"));
        struct ap_ids ids = {0};
        struct ap_buf back;
        ap__buf_init(&back, 0);
        OK(ap__tokenizer_encode(tok, text, strlen(text), false, &ids, err));
        bool same = ids.n == json_array_size(want);
        for (size_t k = 0; same && k < ids.n; k++)
            same = ids.id[k] == json_integer_value(json_array_get(want, k));
        if (!same)
            fail_msg("`%s` has other ids", text);
        OK(ap__tokenizer_decode(tok, ids.id, ids.n, true, &back, err));
        assert_string_equal(ap__buf_cstr(&back), text);
        ap__buf_deinit(&back);
        ap__ids_deinit(&ids);
    }
    json_decref(cases);
    ap__tokenizer_free(tok);
}

/* Greedy text of up to `most` tokens behind the first one, which is not in it; ends where the model ends it. */
static void tell(const char *path, int most, struct ap_buf *out)
{
    struct ap_model *m = NULL;
    struct ap_tokenizer *tok = NULL;
    struct ap_session *s = NULL;
    struct ap_branch *b = NULL;
    struct ap_ids ids = {0};
    OK(ap__model_open(path, NULL, &m, err));
    OK(ap__tokenizer_open(path, &tok, err));
    OK(ap__session_new(m, most + 1, &s, err));
    OK(ap__session_open(s, &b, err));
    float *logits = calloc((size_t)ap__model_config(m)->V, sizeof *logits);
    struct ap_rng rng = ap__rng_make(1, "sample", 0, 0, 0);
    int32_t token = 1;
    for (int i = 0; i < most; i++) {
        struct ap_extend item = {b, &token, 1};
        OK(ap__session_step(s, &item, 1, logits, err));
        token = ap__sample(logits, ap__model_config(m)->V, &AP_GREEDY, &rng);
        if (token == 1)
            break;
        OK(ap__ids_add(&ids, token, err));
    }
    OK(ap__tokenizer_decode(tok, ids.id, ids.n, false, out, err));
    free(logits);
    ap__ids_deinit(&ids);
    ap__session_close(s, b);
    ap__session_free(s);
    ap__tokenizer_free(tok);
    ap__model_free(m);
}

static void check_story(const char *path)
{
    struct ap_buf page, story;
    ap__buf_init(&page, 0);
    ap__buf_init(&story, 0);
    OK(ap__file_read(STORIES "stories260K.md", 1 << 20, &page, err));
    const char *from = strstr(page.data, "-t 0.0\n");
    assert_non_null(from);
    from += strlen("-t 0.0\n");
    const char *end = strstr(from, "\n```");
    assert_non_null(end);
    tell(path, 256, &story); /* as many steps as run.c takes */
    if (story.len != (size_t)(end - from) || memcmp(story.data, from, story.len) != 0)
        fail_msg("%s tells\n%s", path, ap__buf_cstr(&story));
    ap__buf_deinit(&story);
    ap__buf_deinit(&page);
}

static void stories260k_tells_the_documented_story(void **state)
{
    (void)state;
    bool same_text = false;
    if (!ap__file_exists(STORIES "stories260K.bin")) {
        print_message(STORIES " is not here\n");
        skip();
    }
    const struct ap_convert folder = {.in = STORIES "stories260K.bin", .tokenizer = STORIES "tok512.bin",
                                      .out = in_dir("stories")};
    OK(ap__model_convert(&folder, &same_text, err));
    check_story(in_dir("stories"));
    const struct ap_convert gguf = {.in = in_dir("stories"), .out = in_dir("stories.gguf")};
    OK(ap__model_convert(&gguf, &same_text, err));
    assert_true(same_text); /* llama.cpp cuts text as sentencepiece does */
    check_story(in_dir("stories.gguf"));
}

/* The first bytes of a file of this package, changed, are refused with a message. */
static void refused(const char *source, size_t keep, size_t at, char byte, const char *part)
{
    struct ap_buf bytes;
    struct ap_err fault = {0};
    bool model = strstr(source, "model") != NULL;
    ap__buf_init(&bytes, 0);
    OK(ap__file_read(source, 1 << 20, &bytes, err));
    bytes.data[at] = byte;
    OK(ap__file_write(in_dir("wrong.bin"), bytes.data, keep < bytes.len ? keep : bytes.len, err));
    ap_status status = ap__llama2c_convert(model ? in_dir("wrong.bin") : DATA "model.bin",
                                           model ? DATA "tokenizer.bin" : in_dir("wrong.bin"), in_dir("out"), &fault);
    if (status != AP_E_FORMAT || !strstr(fault.message, part))
        fail_msg("%zu bytes, byte %zu %d: %d %s", keep, at, byte, status, fault.message);
    ap__buf_deinit(&bytes);
}

static void wrong_files_are_refused(void **state)
{
    (void)state;
    refused(DATA "model.bin", 20, 0, 32, "only 20 bytes");
    refused(DATA "model.bin", SIZE_MAX, 3, 0x70, "hidden_size");
    refused(DATA "model.bin", SIZE_MAX, 12, 5, "multiple");
    refused(DATA "model.bin", 30000, 0, 32, "the file ends within");
    refused(DATA "model.bin", SIZE_MAX, 24, 1, "belong to no tensor");
    refused(DATA "tokenizer.bin", 100, 0, 0, "ends before token");
    refused(DATA "tokenizer.bin", SIZE_MAX, 11, 0x7F, "token 0 has");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tensors_come_out_as_they_went_in),
        cmocka_unit_test(ids_are_those_of_the_plain_rule),
        cmocka_unit_test(stories260k_tells_the_documented_story),
        cmocka_unit_test(wrong_files_are_refused),
    };
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
