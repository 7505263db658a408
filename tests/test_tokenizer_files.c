/* test_tokenizer_files.c - tokenizers from everything that is no tokenizer.json.
 *
 * llama.cpp's vectors through its own GGUF vocabularies, GPT-2's and Qwen2's
 * vocab.json + merges.txt, sentencepiece models: those in ../shared/data, when
 * that is there.  Twin: the tokenizer.json of the same model. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "base/file.h"
#include "base/json.h"
#include "base/text.h"
#include "model/gguf_write_tokenizer.h"
#include "model/tokenizer.h"
#include "testing.h"

#include <string.h>

#define SHARED "../shared/data/"

static void need_shared_data(void)
{
    if (!ap__dir_exists(SHARED "llamacpp-vocab")) {
        print_message(SHARED " is not here\n");
        skip();
    }
}

/* ------------------------------------------------------------------ llama.cpp's vectors */

static void check_vector(const struct ap_tokenizer *tok, const char *text, size_t len, const char *ids)
{
    struct ap_ids got = {0};
    size_t line = strcspn(ids, "\n");
    char *next = (char *)(uintptr_t)ids;
    OK(ap__tokenizer_encode(tok, text, len, false, &got, err));
    for (size_t i = 0; i < got.n; i++)
        if (strtol(next, &next, 10) != got.id[i] || next > ids + line)
            fail_msg("`%.*s`: id %zu is %d; expected %.*s", (int)len, text, i, got.id[i], (int)line, ids);
    if (next + strspn(next, " ") < ids + line)
        fail_msg("`%.*s`: only %zu ids; expected %.*s", (int)len, text, got.n, (int)line, ids);
    ap__ids_deinit(&got);
}

/* Texts are parted by a line "__ggml_vocab_test__"; line i of ids belongs to text i. */
static int check_vectors(const struct ap_tokenizer *tok, const char *texts, const char *ids)
{
    static const char mark[] = "\n__ggml_vocab_test__\n";
    int count = 0;
    for (bool last = false; !last; count++) {
        const char *end = strstr(texts, mark);
        last = end == NULL;
        check_vector(tok, texts, last ? strlen(texts) : (size_t)(end - texts), ids);
        texts = last ? texts : end + strlen(mark);
        ids += strcspn(ids, "\n");
        ids += *ids == '\n';
    }
    return count;
}

static void check_model(const char *vectors, const char *from)
{
    char path[256];
    struct ap_buf texts, ids;
    struct ap_tokenizer *tok = NULL;
    ap__buf_init(&texts, 0);
    ap__buf_init(&ids, 0);
    OK(ap__tokenizer_open(from, &tok, err));
    snprintf(path, sizeof path, SHARED "llamacpp-vocab/ggml-vocab-%s.gguf.inp", vectors);
    OK(ap__file_read(path, 1 << 20, &texts, err));
    snprintf(path, sizeof path, SHARED "llamacpp-vocab/ggml-vocab-%s.gguf.out", vectors);
    OK(ap__file_read(path, 1 << 20, &ids, err));
    int count = check_vectors(tok, texts.data, ids.data);
    print_message("%s from %s: %d of 47 as llama.cpp\n", vectors, ap__path_base(from), count);
    assert_int_equal(count, 47);
    ap__buf_deinit(&texts);
    ap__buf_deinit(&ids);
    ap__tokenizer_free(tok);
}

static void vocabularies_in_gguf_files_give_llama_cpps_ids(void **state)
{
    (void)state;
    need_shared_data();
    check_model("llama-spm", SHARED "llamacpp-vocab/ggml-vocab-llama-spm.gguf");
    check_model("phi-3", SHARED "llamacpp-vocab/ggml-vocab-phi-3.gguf");
    check_model("gpt-2", SHARED "llamacpp-vocab/ggml-vocab-gpt-2.gguf");
}

static void vocab_json_and_merges_txt_give_llama_cpps_ids(void **state)
{
    (void)state;
    need_shared_data();
    check_model("gpt-2", SHARED "tokenizers/gpt2");
    check_model("qwen2", SHARED "tokenizers/qwen2"); /* CRLF line ends */
}

static void a_tokenizer_model_gives_the_ids_of_its_tokenizer_json(void **state)
{
    (void)state;
    need_shared_data();
    char command[512];
    /* Mistral's tokenizer.model, alone in a folder, against its own tokenizer.json */
    snprintf(command, sizeof command, "mkdir -p '%s' && cp '" SHARED "tokenizers/mistral-7b-v0.1/tokenizer.model' '%s'",
             in_dir("spm"), in_dir("spm"));
    assert_int_equal(system(command), 0);
    struct ap_tokenizer *model = NULL, *json = NULL;
    struct ap_buf texts;
    struct ap_ids a = {0}, b = {0};
    ap__buf_init(&texts, 0);
    OK(ap__tokenizer_open(in_dir("spm"), &model, err));
    OK(ap__tokenizer_open(SHARED "tokenizers/mistral-7b-v0.1", &json, err));
    OK(ap__file_read(SHARED "llamacpp-vocab/ggml-vocab-llama-spm.gguf.inp", 1 << 20, &texts, err));
    OK(ap__tokenizer_encode(model, texts.data, texts.len, false, &a, err));
    OK(ap__tokenizer_encode(json, texts.data, texts.len, false, &b, err));
    assert_int_equal(a.n, b.n);
    assert_memory_equal(a.id, b.id, a.n * sizeof *a.id);
    ap__ids_deinit(&b);
    ap__ids_deinit(&a);
    ap__buf_deinit(&texts);
    ap__tokenizer_free(json);
    ap__tokenizer_free(model);
}

/* ------------------------------------------------------------------ written to GGUF and read again */

/* A file with nothing but a tokenizer. */
static void write_vocabulary(const char *folder, int32_t V, const char *path, bool *same_text)
{
    struct ap_gguf_out o = {0};
    OK(ap__gguf_put_tokenizer(&o, folder, V, -1, -1, same_text, err));
    OK(ap__gguf_out_begin(&o, path, err));
    OK(ap__gguf_out_finish(&o, err));
    ap__gguf_out_deinit(&o);
}

static void tokenizers_written_to_gguf_give_llama_cpps_ids(void **state)
{
    (void)state;
    static const struct {
        const char *vectors, *folder;
        int32_t V;
    } model[] = {{"llama-spm", "tokenizers/llama2", 32000},
                 {"phi-3", "tokenizers/phi-3-mini", 32064},
                 {"gpt-2", "tokenizers/gpt2", 50257},
                 {"llama-bpe", "derived/tokenizers/llama3", 128256},
                 {"qwen2", "derived/tokenizers/qwen2", 151936}};
    need_shared_data();
    for (size_t i = 0; i < sizeof model / sizeof *model; i++) {
        char folder[256];
        bool same_text = false;
        snprintf(folder, sizeof folder, SHARED "%s", model[i].folder);
        write_vocabulary(folder, model[i].V, in_dir("vocabulary.gguf"), &same_text);
        assert_true(same_text);
        check_model(model[i].vectors, in_dir("vocabulary.gguf"));
    }
}

static void what_gguf_has_no_words_for_goes_along_whole(void **state)
{
    (void)state;
    static const char *const folders[] = {"byte-level", "split", "byte-fallback", "metaspace", "bundled"};
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        char folder[256];
        bool same_text;
        struct ap_tokenizer *was = NULL, *is = NULL;
        struct ap_ids a = {0}, b = {0};
        static const char text[] = " Each  word 12<end> \xFFq\xC3\xA9 <s>ab 3.5\n\tI've";
        snprintf(folder, sizeof folder, AP_TEST_DATA "/tokenizer/%s", folders[i]);
        OK(ap__tokenizer_open(folder, &was, err));
        write_vocabulary(folder, ap__tokenizer_size(was) + 3, in_dir("vocabulary.gguf"), &same_text);
        OK(ap__tokenizer_open(in_dir("vocabulary.gguf"), &is, err));
        OK(ap__tokenizer_encode(was, text, sizeof text - 1, true, &a, err));
        OK(ap__tokenizer_encode(is, text, sizeof text - 1, true, &b, err));
        assert_int_equal(a.n, b.n);
        assert_memory_equal(a.id, b.id, a.n * sizeof *a.id);
        ap__ids_deinit(&b);
        ap__ids_deinit(&a);
        ap__tokenizer_free(is);
        ap__tokenizer_free(was);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vocabularies_in_gguf_files_give_llama_cpps_ids),
        cmocka_unit_test(vocab_json_and_merges_txt_give_llama_cpps_ids),
        cmocka_unit_test(a_tokenizer_model_gives_the_ids_of_its_tokenizer_json),
        cmocka_unit_test(tokenizers_written_to_gguf_give_llama_cpps_ids),
        cmocka_unit_test(what_gguf_has_no_words_for_goes_along_whole),
    };
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
