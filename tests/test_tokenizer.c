/* test_tokenizer.c - ids as Hugging Face's tokenizers gives them, and what broken files do.
 *
 * Twins: naive_bpe below, which looks for the best pair again after every
 * merge; fixtures from Hugging Face (tests/data/tokenizer); and, where the
 * folder is there, llama.cpp's vectors in ../shared/data. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "base/file.h"
#include "base/json.h"
#include "base/rng.h"
#include "base/text.h"
#include "model/bpe.h"
#include "model/pretokenizer.h"
#include "model/vocabulary.h"
#include "tokenizer_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DATA AP_TEST_DATA "/tokenizer/"

static char scratch[] = "/tmp/ap-tokenizer-XXXXXX";

static int make_dir(void **state)
{
    (void)state;
    return mkdtemp(scratch) ? 0 : -1;
}

static int remove_dir(void **state)
{
    (void)state;
    char command[64];
    snprintf(command, sizeof command, "rm -r %s", scratch);
    return system(command);
}

static void print_ids(const char *what, const int32_t *id, size_t n)
{
    print_message("  %s", what);
    for (size_t i = 0; i < n; i++)
        print_message(" %d", id[i]);
    print_message("\n");
}

/* ------------------------------------------------------------------ Hugging Face's ids */

/* Python decodes to text, with U+FFFD where bytes are no UTF-8; those cases are not compared. */
static void check_decoded(const struct ap_tokenizer *tok, const struct ap_ids *ids, const char *expect)
{
    struct ap_buf text;
    struct ap_err err = {0};
    if (strstr(expect, "\xEF\xBF\xBD"))
        return;
    ap__buf_init(&text, 0);
    assert_int_equal(ap__tokenizer_decode(tok, ids->id, ids->n, true, &text, &err), AP_OK);
    assert_string_equal(ap__buf_cstr(&text), expect);
    ap__buf_deinit(&text);
}

static void check_case(const struct ap_tokenizer *tok, const json_t *item)
{
    struct ap_ids got = {0};
    struct ap_err err = {0};
    const json_t *text = json_object_get(item, "text"), *want = json_object_get(item, "ids");
    bool specials = json_is_true(json_object_get(item, "specials")), same;
    assert_int_equal(ap__tokenizer_encode(tok, json_string_value(text), json_string_length(text), specials, &got, &err),
                     AP_OK);
    same = got.n == json_array_size(want);
    for (size_t i = 0; same && i < got.n; i++)
        same = got.id[i] == json_integer_value(json_array_get(want, i));
    if (!same) {
        char *all = json_dumps(want, JSON_COMPACT);
        print_ids("got ", got.id, got.n);
        fail_msg("`%s` (specials %d): expected %s", json_string_value(text), specials, all);
    }
    /* texts with a NUL cannot be compared as strings */
    if (strlen(json_string_value(text)) == json_string_length(text))
        check_decoded(tok, &got, json_string_value(json_object_get(item, "decoded")));
    ap__ids_deinit(&got);
}

static void check_folder(const char *name)
{
    char path[512];
    struct ap_buf text;
    struct ap_err err = {0};
    snprintf(path, sizeof path, DATA "%s", name);
    struct ap_tokenizer *tok = open_at(path);
    snprintf(path, sizeof path, DATA "%s/cases.json", name);
    ap__buf_init(&text, 0);
    assert_int_equal(ap__file_read(path, 1 << 24, &text, &err), AP_OK);
    json_t *cases = json_loadb(text.data, text.len, JSON_ALLOW_NUL, NULL);
    assert_true(json_array_size(cases) > 100);
    for (size_t i = 0; i < json_array_size(cases); i++)
        check_case(tok, json_array_get(cases, i));
    json_decref(cases);
    ap__buf_deinit(&text);
    ap__tokenizer_free(tok);
}

static void byte_level_ids_are_those_of_hugging_face(void **state)
{
    (void)state;
    check_folder("byte-level");
}

static void split_and_ignored_merges_ids_are_those_of_hugging_face(void **state)
{
    (void)state;
    check_folder("split");
}

static void byte_fallback_ids_are_those_of_hugging_face(void **state)
{
    (void)state;
    check_folder("byte-fallback");
}

static void metaspace_ids_are_those_of_hugging_face(void **state)
{
    (void)state;
    check_folder("metaspace");
}

static void whitespace_ids_are_those_of_hugging_face(void **state)
{
    (void)state;
    check_folder("whitespace");
}

static void the_bundled_vocabularys_ids_are_those_of_hugging_face(void **state)
{
    (void)state;
    check_folder("bundled");
}

/* ------------------------------------------------------------------ llama.cpp's vectors */

/* Texts are parted by a line "__ggml_vocab_test__"; line i of ids belongs to text i. */
static int check_vectors(const struct ap_tokenizer *tok, const char *texts, const char *ids)
{
    static const char mark[] = "\n__ggml_vocab_test__\n";
    int count = 0;
    for (const char *end; (end = strstr(texts, mark)) != NULL; texts = end + strlen(mark), count++) {
        struct ap_ids got = {0};
        struct ap_err err = {0};
        assert_int_equal(ap__tokenizer_encode(tok, texts, (size_t)(end - texts), false, &got, &err), AP_OK);
        size_t line = strcspn(ids, "\n");
        const char *at = ids;
        for (size_t i = 0; i < got.n; i++) {
            char *next;
            long want = strtol(at, &next, 10);
            if (next > ids + line || want != got.id[i]) {
                print_ids("got ", got.id, got.n);
                fail_msg("`%.*s`: expected %.*s", (int)(end - texts), texts, (int)line, ids);
            }
            at = next;
        }
        assert_int_equal(strspn(at, " \n") > 0 || *at == '\0', 1); /* nothing is left on the line */
        ids += line + (ids[line] == '\n');
        ap__ids_deinit(&got);
    }
    return count;
}

static void vectors_of_real_models_agree(void **state)
{
    (void)state;
    static const char *const model[][2] = {{"llama-spm", "tokenizers/llama2"},
                                           {"phi-3", "tokenizers/phi-3-mini"},
                                           {"llama-bpe", "derived/tokenizers/llama3"},
                                           {"qwen2", "derived/tokenizers/qwen2"}};
    if (!ap__dir_exists("../shared/data/llamacpp-vocab")) {
        print_message("../shared/data is not here\n");
        skip();
    }
    for (size_t i = 0; i < sizeof model / sizeof *model; i++) {
        char path[256];
        struct ap_buf texts, ids;
        struct ap_err err = {0};
        ap__buf_init(&texts, 0);
        ap__buf_init(&ids, 0);
        snprintf(path, sizeof path, "../shared/data/%s", model[i][1]);
        struct ap_tokenizer *tok = open_at(path);
        snprintf(path, sizeof path, "../shared/data/llamacpp-vocab/ggml-vocab-%s.gguf.inp", model[i][0]);
        assert_int_equal(ap__file_read(path, 1 << 20, &texts, &err), AP_OK);
        snprintf(path, sizeof path, "../shared/data/llamacpp-vocab/ggml-vocab-%s.gguf.out", model[i][0]);
        assert_int_equal(ap__file_read(path, 1 << 20, &ids, &err), AP_OK);
        assert_true(check_vectors(tok, texts.data, ids.data) >= 45);
        ap__buf_deinit(&texts);
        ap__buf_deinit(&ids);
        ap__tokenizer_free(tok);
    }
}

/* ------------------------------------------------------------------ the stupid twin of BPE */

struct naive {
    json_t *rank;  /* "left right" -> rank */
    json_t *vocab; /* spelled tokens -> id */
};

/* Repeatedly merge the leftmost pair of the best rank; parts are spelled tokens. */
static size_t naive_bpe(const struct naive *v, const char *spelled, int32_t *ids)
{
    char part[256][256];
    size_t n = 0;
    for (const char *p = spelled; *p; n++) {
        size_t width = (size_t)ap__utf8_len(p, strlen(p));
        snprintf(part[n], sizeof part[n], "%.*s", (int)width, p);
        p += width;
    }
    for (;;) {
        json_int_t best = INT64_MAX;
        size_t at = 0;
        for (size_t i = 0; i + 1 < n; i++) {
            char pair[520];
            snprintf(pair, sizeof pair, "%s %s", part[i], part[i + 1]);
            const json_t *rank = json_object_get(v->rank, pair);
            if (rank && json_integer_value(rank) < best) {
                best = json_integer_value(rank);
                at = i;
            }
        }
        if (best == INT64_MAX)
            break;
        memmove(part[at] + strlen(part[at]), part[at + 1], strlen(part[at + 1]) + 1);
        memmove(part[at + 1], part[at + 2], (n - at - 2) * sizeof part[0]);
        n--;
    }
    for (size_t i = 0; i < n; i++)
        ids[i] = (int32_t)json_integer_value(json_object_get(v->vocab, part[i]));
    return n;
}

static void merging_with_a_heap_is_merging_the_best_pair_again_and_again(void **state)
{
    (void)state;
    struct ap_err err = {0};
    json_t *root = NULL;
    struct ap_bpe *bpe = NULL;
    struct ap_bpe_scratch room = {0};
    assert_int_equal(ap__json_load(DATA "byte-level/tokenizer.json", &root, &err), AP_OK);
    json_t *model = json_object_get(root, "model"), *merge;
    struct naive v = {.rank = json_object(), .vocab = json_object_get(model, "vocab")};
    size_t i;
    json_array_foreach(json_object_get(model, "merges"), i, merge) {
        char pair[256];
        snprintf(pair, sizeof pair, "%s %s", json_string_value(json_array_get(merge, 0)),
                 json_string_value(json_array_get(merge, 1)));
        json_object_set_new(v.rank, pair, json_integer((json_int_t)i));
    }
    assert_true(json_object_size(v.rank) > 100);
    assert_int_equal(ap__bpe_new(model, "x", true, &bpe, &err), AP_OK);
    struct ap_rng rng = ap__rng_make(5, "twin", 0, 0, 0);
    for (int round = 0; round < 3000; round++) {
        static const char letters[] = "aaeeiistttdnprusoxmh(')=w";
        char text[64];
        int32_t want[64];
        size_t n = ap__rng_below(&rng, 40);
        for (size_t k = 0; k < n; k++)
            text[k] = letters[ap__rng_below(&rng, sizeof letters - 1)];
        text[n] = '\0';
        struct ap_ids got = {0};
        assert_int_equal(ap__bpe_encode(bpe, text, n, &room, &got, &err), AP_OK);
        size_t count = naive_bpe(&v, text, want);
        if (got.n != count || (count && memcmp(got.id, want, count * sizeof *want) != 0)) {
            print_ids("heap ", got.id, got.n);
            print_ids("naive", want, count);
            fail_msg("`%s` differs", text);
        }
        ap__ids_deinit(&got);
    }
    ap__bpe_scratch_deinit(&room);
    ap__bpe_free(bpe);
    json_decref(v.rank);
    json_decref(root);
}

/* ------------------------------------------------------------------ there and back */

static void random_bytes(struct ap_rng *rng, char *text, size_t n)
{
    static const char *const bits[] = {"\xC3\xA9", "\xF0\x9F\x99\x82", "word", " ", "Sum(1, 2)", "\n", "\xE6\xBC\xA2"};
    bool any = ap__rng_below(rng, 2);
    for (size_t i = 0; i < n;) {
        const char *bit = bits[ap__rng_below(rng, 7)];
        size_t len = strlen(bit);
        if (!any && ap__rng_below(rng, 3) && i + len <= n) {
            memcpy(text + i, bit, len);
            i += len;
        } else
            text[i++] = (char)(any ? ap__rng_below(rng, 256) : 32 + ap__rng_below(rng, 95));
    }
}

static void check_roundtrip(const char *folder)
{
    struct ap_tokenizer *tok = open_at(folder);
    struct ap_rng rng = ap__rng_make(9, "roundtrip", 0, 0, 0);
    for (int round = 0; round < 2000; round++) {
        char text[80];
        size_t n = ap__rng_below(&rng, sizeof text);
        random_bytes(&rng, text, n);
        struct ap_ids ids = {0};
        struct ap_buf back;
        struct ap_err err = {0};
        ap__buf_init(&back, 0);
        assert_int_equal(ap__tokenizer_encode(tok, text, n, false, &ids, &err), AP_OK);
        assert_int_equal(ap__tokenizer_decode(tok, ids.id, ids.n, true, &back, &err), AP_OK);
        if (back.len != n || memcmp(ap__buf_cstr(&back), text, n) != 0)
            fail_msg("round %d: %zu bytes came back as %zu", round, n, back.len);
        ap__ids_deinit(&ids);
        ap__buf_deinit(&back);
    }
    ap__tokenizer_free(tok);
}

static void any_bytes_come_back_from_their_ids(void **state)
{
    (void)state;
    check_roundtrip(DATA "bundled");
    check_roundtrip(DATA "split");
    check_roundtrip(DATA "byte-fallback");
}

static void special_tokens_are_plain_text_unless_asked_for(void **state)
{
    (void)state;
    struct ap_tokenizer *tok = open_at(DATA "bundled/tokenizer.json");
    struct ap_ids ids = {0};
    struct ap_buf text;
    struct ap_err err = {0};
    ap__buf_init(&text, 0);
    int32_t end = ap__tokenizer_id(tok, "<|end|>");
    assert_int_equal(end, 4);
    assert_int_equal(ap__tokenizer_encode(tok, "not<|end|>", 10, true, &ids, &err), AP_OK);
    assert_int_equal(ids.n, 2);
    assert_int_equal(ids.id[0], ap__tokenizer_id(tok, "not"));
    assert_int_equal(ids.id[1], end);
    assert_int_equal(ap__tokenizer_decode(tok, ids.id, ids.n, false, &text, &err), AP_OK);
    assert_string_equal(ap__buf_cstr(&text), "not");
    ids.n = 0;
    assert_int_equal(ap__tokenizer_encode(tok, "not<|end|>", 10, false, &ids, &err), AP_OK);
    for (size_t i = 0; i < ids.n; i++)
        assert_int_not_equal(ids.id[i], end);
    assert_int_equal(ap__tokenizer_id(tok, "nonsense"), -1);
    assert_int_equal(ap__tokenizer_id(tok, "\xC4\xA0is"), ap__tokenizer_id(tok, "\xC4\xA0not") - 1);
    assert_int_equal(ap__tokenizer_decode(tok, &(int32_t){99999}, 1, true, &text, &err), AP_E_ARG);
    ap__buf_deinit(&text);
    ap__ids_deinit(&ids);
    ap__tokenizer_free(tok);
}

/* ------------------------------------------------------------------ files that are wrong */

#define MODEL(more) "\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":1,\"ab\":2},\"merges\":[\"a b\"]" more "}"

static const struct {
    const char *json, *expect;
} wrong[] = {
    {"[]", "vocab"},
    {"{\"model\":{\"type\":\"Unigram\"}}", "`Unigram`"},
    {"{\"model\":{\"vocab\":3,\"merges\":[]}}", "vocab"},
    {"{\"model\":{\"vocab\":{\"a\":-1},\"merges\":[]}}", "`a` has no valid id"},
    {"{\"model\":{\"vocab\":{\"a\":\"x\"},\"merges\":[]}}", "`a` has no valid id"},
    {"{\"model\":{\"vocab\":{\"a\":0,\"b\":0},\"merges\":[]}}", "shares its id"},
    {"{\"model\":{\"vocab\":{\"a\":99999999999},\"merges\":[]}}", "limit"},
    {"{\"model\":{\"vocab\":{\"a\":0}}}", "merges"},
    {"{\"model\":{\"vocab\":{\"a\":0},\"merges\":[\"a b\"]}}", "merge 0"},
    {"{\"model\":{\"vocab\":{\"a\":0},\"merges\":[\"a\"]}}", "merge 0"},
    {"{\"model\":{\"vocab\":{\"a\":0},\"merges\":[[\"a\"]]}}", "merge 0"},
    {"{" MODEL(",\"dropout\":0.1") "}", "dropout"},
    {"{" MODEL(",\"end_of_word_suffix\":\"</w>\"") "}", "end_of_word_suffix"},
    {"{" MODEL("") ",\"normalizer\":{\"type\":\"Precompiled\"}}", "`Precompiled`"},
    {"{" MODEL("") ",\"normalizer\":{\"type\":\"Replace\",\"content\":\"\"}}", "pattern"},
    {"{" MODEL("") ",\"pre_tokenizer\":{\"type\":\"BertPreTokenizer\"}}", "`BertPreTokenizer`"},
    {"{" MODEL("") ",\"pre_tokenizer\":{\"type\":\"Split\",\"behavior\":\"Odd\",\"pattern\":{\"String\":\"x\"}}}", "`Odd`"},
    {"{" MODEL("") ",\"pre_tokenizer\":{\"type\":\"Split\",\"behavior\":\"Isolated\",\"pattern\":{\"Regex\":\"(\"}}}",
     "does not compile"},
    {"{" MODEL("") ",\"pre_tokenizer\":{\"type\":\"Split\",\"behavior\":\"Isolated\",\"pattern\":{\"Regex\":\"[a&&b]\"}}}",
     "a set in a set"},
    {"{" MODEL("") ",\"pre_tokenizer\":{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"ByteLevel\"},"
     "{\"type\":\"Digits\"}]}}", "after ByteLevel"},
    {"{" MODEL("") ",\"decoder\":{\"type\":\"WordPiece\"}}", "`WordPiece`"},
    {"{" MODEL("") ",\"decoder\":{\"type\":\"ByteLevel\"}}", "without a ByteLevel"},
    {"{" MODEL("") ",\"added_tokens\":[{\"id\":1,\"content\":\"a\"}]}", "disagrees"},
    {"{" MODEL("") ",\"added_tokens\":[{\"id\":1,\"content\":\"c\"}]}", "disagrees"},
    {"{" MODEL("") ",\"added_tokens\":[{\"id\":5,\"content\":\"c\"},{\"id\":5,\"content\":\"d\"}]}", "two added tokens"},
    {"{" MODEL("") ",\"added_tokens\":[{\"id\":5}]}", "`content`"},
};

static void what_is_wrong_or_unsupported_is_named(void **state)
{
    (void)state;
    char path[64];
    snprintf(path, sizeof path, "%s/tokenizer.json", scratch);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct ap_tokenizer *tok = NULL;
        struct ap_err err = {0};
        assert_int_equal(ap__file_write(path, wrong[i].json, strlen(wrong[i].json), &err), AP_OK);
        ap_status status = ap__tokenizer_open(scratch, &tok, &err);
        if (status == AP_OK || tok || !strstr(err.message, wrong[i].expect) || strcmp(err.place, path) != 0)
            fail_msg("%s\n  expected \"%s\", got %d at %s: %s", wrong[i].json, wrong[i].expect, status, err.place,
                     err.message);
    }
}

/* Open, encode, decode. */
static ap_status use_once(const char *folder)
{
    static const char text[] = "Each  word 12<end> \xFFq\xC3\xA9";
    struct ap_tokenizer *tok = NULL;
    struct ap_ids ids = {0};
    struct ap_buf back;
    struct ap_err err = {0};
    ap__buf_init(&back, 0);
    ap_status status = ap__tokenizer_open(folder, &tok, &err);
    if (status == AP_OK)
        status = ap__tokenizer_encode(tok, text, sizeof text - 1, true, &ids, &err);
    if (status == AP_OK)
        status = ap__tokenizer_decode(tok, ids.id, ids.n, true, &back, &err);
    if (status != AP_OK)
        assert_true(err.message[0] != '\0');
    ap__buf_deinit(&back);
    ap__ids_deinit(&ids);
    ap__tokenizer_free(tok);
    return status;
}

static void failing_allocations_are_errors(void **state)
{
    (void)state;
    static const char *const folders[] = {DATA "byte-level", DATA "split", DATA "byte-fallback", DATA "metaspace"};
    for (size_t i = 0; i < 4; i++) {
        ap_status status = AP_E_MEMORY;
        for (int64_t n = 1; status != AP_OK; n += 1 + n / 64) {
            ap__alloc_fail_after(n);
            status = use_once(folders[i]);
            ap__alloc_fail_after(0);
            if (status != AP_OK && status != AP_E_MEMORY && status != AP_E_TOO_LARGE)
                fail_msg("%s: allocation %lld failed, and that was reported as %d", folders[i], (long long)n, status);
        }
    }
}

/* ------------------------------------------------------------------ the bundled vocabulary */

static void the_words_file_gives_the_committed_tokenizer(void **state)
{
    (void)state;
    struct ap_vocabulary made;
    struct ap_err err = {0};
    struct ap_buf got, want;
    char path[64];
    ap__buf_init(&got, 0);
    ap__buf_init(&want, 0);
    assert_int_equal(ap__vocabulary_write(DATA "bundled/words.txt", scratch, &made, &err), AP_OK);
    snprintf(path, sizeof path, "%s/tokenizer.json", scratch);
    assert_int_equal(ap__file_read(path, 1 << 20, &got, &err), AP_OK);
    assert_int_equal(ap__file_read(DATA "bundled/tokenizer.json", 1 << 20, &want, &err), AP_OK);
    assert_string_equal(got.data, want.data);
    struct ap_tokenizer *tok = open_at(scratch);
    assert_int_equal(ap__tokenizer_size(tok), made.size);
    assert_int_equal(ap__tokenizer_id(tok, "<|end|>"), made.end);
    ap__tokenizer_free(tok);
    ap__buf_deinit(&got);
    ap__buf_deinit(&want);
}

static void the_bundled_words_file_is_valid(void **state)
{
    (void)state;
    struct ap_vocabulary made;
    struct ap_err err = {0};
    if (ap__vocabulary_write("models/vocabulary/words.txt", scratch, &made, &err) != AP_OK)
        fail_msg("%s: %s", err.place, err.message);
    assert_in_range(made.size, 500, 1200);
}

static void wrong_words_are_refused_with_their_line(void **state)
{
    (void)state;
    static const char *const bad[][2] = {{" is\ntwo words\n", ":2"},  {"7\n", ":1"},       {"#\n\nis\nis\n", ":4"},
                                         {"a\\x\n", ":1"},            {"Sum(12\n", ":1"}, {" x\n", ":1"},
                                         {"\xFF\xFE\n", ":1"},       {"parts: st x\n", ":1"}, {"\nparts: stro\n", ":2"},
                                         {"parts: st, bl\n", ":1"},   {"parts: Bl\n", ":1"}};
    char path[64];
    snprintf(path, sizeof path, "%s/words.txt", scratch);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct ap_vocabulary made;
        struct ap_err err = {0};
        assert_int_equal(ap__file_write(path, bad[i][0], strlen(bad[i][0]), &err), AP_OK);
        assert_int_equal(ap__vocabulary_write(path, scratch, &made, &err), AP_E_FORMAT);
        if (!ap__ends_with(err.place, bad[i][1]))
            fail_msg("`%s`: place %s (%s)", bad[i][0], err.place, err.message);
    }
}

static void pieces_are_counted_as_bpe_sees_them(void **state)
{
    (void)state;
    struct ap_tokenizer *tok = open_at(DATA "bundled");
    struct ap_pieces pieces = {0};
    struct ap_err err = {0};
    static const char text[] = "AddPremise('not Dusty(max)')";
    static const char *const want[] = {"AddPremise('", "not", " Dusty", "(", "max", ")')"};
    assert_int_equal(ap__tokenizer_cut(tok, text, strlen(text), &pieces, &err), AP_OK);
    assert_int_equal(pieces.n, 6);
    for (size_t i = 0; i < 6; i++) {
        assert_int_equal(pieces.at[i].len, strlen(want[i]));
        assert_memory_equal(pieces.text.data + pieces.at[i].start, want[i], pieces.at[i].len);
    }
    ap__pieces_deinit(&pieces);
    ap__tokenizer_free(tok);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(byte_level_ids_are_those_of_hugging_face),
        cmocka_unit_test(split_and_ignored_merges_ids_are_those_of_hugging_face),
        cmocka_unit_test(byte_fallback_ids_are_those_of_hugging_face),
        cmocka_unit_test(metaspace_ids_are_those_of_hugging_face),
        cmocka_unit_test(whitespace_ids_are_those_of_hugging_face),
        cmocka_unit_test(the_bundled_vocabularys_ids_are_those_of_hugging_face),
        cmocka_unit_test(vectors_of_real_models_agree),
        cmocka_unit_test(merging_with_a_heap_is_merging_the_best_pair_again_and_again),
        cmocka_unit_test(any_bytes_come_back_from_their_ids),
        cmocka_unit_test(special_tokens_are_plain_text_unless_asked_for),
        cmocka_unit_test(what_is_wrong_or_unsupported_is_named),
        cmocka_unit_test(failing_allocations_are_errors),
        cmocka_unit_test(the_words_file_gives_the_committed_tokenizer),
        cmocka_unit_test(the_bundled_words_file_is_valid),
        cmocka_unit_test(wrong_words_are_refused_with_their_line),
        cmocka_unit_test(pieces_are_counted_as_bpe_sees_them),
    };
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
