/* test_bpe.c - what the encoder remembers of tokens, and the byte alphabet.
 *
 * Twins: the same texts for the first time and again, one thread and several.
 * What the ids are is test_tokenizer.c's matter. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "base/json.h"
#include "base/text.h"
#include "model/bpe.h"
#include "model/bytelevel.h"
#include "tokenizer_fixture.h"

#include <stdio.h>
#include <string.h>

#define DATA AP_TEST_DATA "/tokenizer/"

/* ------------------------------------------------------------------ words met before */

/* The texts of all tokens, one after the other. */
static void encode_vocabulary(const struct ap_tokenizer *tok, struct ap_ids *out)
{
    struct ap_err err = {0};
    struct ap_buf text;
    ap__buf_init(&text, 0);
    for (int32_t id = 0; id < ap__tokenizer_size(tok); id++) {
        ap__buf_clear(&text);
        if (ap__tokenizer_decode(tok, &id, 1, true, &text, &err) == AP_OK)
            assert_int_equal(ap__tokenizer_encode(tok, ap__buf_cstr(&text), text.len, false, out, &err), AP_OK);
    }
    ap__buf_deinit(&text);
}

static void expect_same_ids(const struct ap_ids *got, const struct ap_ids *want)
{
    assert_true(want->n > 256);
    assert_int_equal(got->n, want->n);
    assert_memory_equal(got->id, want->id, want->n * sizeof *want->id);
}

/* "abc" is a token that merging does not make: "ab" comes first. */
static void a_token_that_merging_does_not_make_is_never_taken_for_one(void **state)
{
    (void)state;
    static const char text[] = "{\"vocab\": {\"a\": 0, \"b\": 1, \"c\": 2, \"ab\": 3, \"bc\": 4, \"abc\": 5},"
                               " \"merges\": [\"a b\", \"b c\", \"a bc\"]}";
    struct ap_err err = {0};
    struct ap_bpe *bpe = NULL;
    struct ap_bpe_scratch room = {0};
    struct ap_ids ids = {0};
    json_t *model = NULL;
    assert_int_equal(ap__json_parse(text, sizeof text - 1, "x", &model, &err), AP_OK);
    assert_int_equal(ap__bpe_new(model, "x", true, &bpe, &err), AP_OK);
    for (size_t times = 1; times <= 3; times++) {
        assert_int_equal(ap__bpe_encode(bpe, "bc", 2, &room, &ids, &err), AP_OK);
        assert_int_equal(ap__bpe_encode(bpe, "abc", 3, &room, &ids, &err), AP_OK);
        assert_int_equal(ids.n, 3 * times);
        assert_int_equal(ids.id[ids.n - 3], 4);
        assert_int_equal(ids.id[ids.n - 2], 3);
        assert_int_equal(ids.id[ids.n - 1], 2);
    }
    ap__ids_deinit(&ids);
    ap__bpe_scratch_deinit(&room);
    ap__bpe_free(bpe);
    json_decref(model);
}

/* An encoder remembers which tokens are whole; from the second time on it does not merge those. */
static void words_met_before_give_the_ids_they_gave_first(void **state)
{
    (void)state;
    static const char *const folder[] = {"byte-level", "byte-fallback", "metaspace", "split"};
    for (size_t i = 0; i < sizeof folder / sizeof *folder; i++) {
        char path[256];
        struct ap_ids first = {0}, again = {0}, at_once[4] = {{0}};
        snprintf(path, sizeof path, DATA "%s", folder[i]);
        struct ap_tokenizer *tok = open_at(path), *shared = open_at(path);
        encode_vocabulary(tok, &first);
        encode_vocabulary(tok, &again);
        expect_same_ids(&again, &first);
#pragma omp parallel for num_threads(4)
        for (int thread = 0; thread < 4; thread++)
            encode_vocabulary(shared, &at_once[thread]);
        for (int thread = 0; thread < 4; thread++) {
            expect_same_ids(&at_once[thread], &first);
            ap__ids_deinit(&at_once[thread]);
        }
        ap__ids_deinit(&first);
        ap__ids_deinit(&again);
        ap__tokenizer_free(tok);
        ap__tokenizer_free(shared);
    }
}

/* ------------------------------------------------------------------ the byte alphabet */

static void every_byte_comes_back_from_its_character(void **state)
{
    (void)state;
    char bytes[256];
    struct ap_buf spelled, back;
    ap__buf_init(&spelled, 0);
    ap__buf_init(&back, 0);
    for (int b = 0; b < 256; b++)
        bytes[b] = (char)b;
    assert_int_equal(ap__bytelevel_encode(bytes, sizeof bytes, &spelled), AP_OK);
    assert_true(ap__utf8_valid(spelled.data, spelled.len));
    for (size_t n = 0; n <= spelled.len; n++) { /* of all lengths; halves of characters are refused */
        bool halved = n < spelled.len && ((unsigned char)spelled.data[n] & 0xC0) == 0x80;
        ap__buf_clear(&back);
        ap__buf_puts(&back, "before");
        assert_int_equal(ap__bytelevel_decode(spelled.data, n, &back), !halved);
        assert_memory_equal(back.data, "before", 6);
        assert_memory_equal(back.data + 6, bytes, back.len - 6);
        assert_true(halved ? back.len == 6 : n == 0 || back.len > 6);
    }
    assert_int_equal(back.len, 6 + 256);
    assert_false(ap__bytelevel_decode("\xC5\x84", 2, &back)); /* U+0144, the first that stands for nothing */
    assert_false(ap__bytelevel_decode("\xC2\xAD", 2, &back));
    ap__buf_deinit(&spelled);
    ap__buf_deinit(&back);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_token_that_merging_does_not_make_is_never_taken_for_one),
        cmocka_unit_test(words_met_before_give_the_ids_they_gave_first),
        cmocka_unit_test(every_byte_comes_back_from_its_character),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
