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
#include "model/token_rules.h"
#include "model/tokenizer.h"
#include "model/tokenizer_files.h"
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vocabularies_in_gguf_files_give_llama_cpps_ids),
        cmocka_unit_test(vocab_json_and_merges_txt_give_llama_cpps_ids),
    };
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
