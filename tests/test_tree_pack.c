/* test_tree_pack.c - the packed tree against one sequence at a time.
 *
 * Random families of sequences from several generators; the twin walks each
 * sequence up its parents and compares every token, and counts distinct
 * (prefix, trained) pairs the slow way to know what sharing may save. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "base/rng.h"
#include "tree/token_tree.h"

#include <stdio.h>
#include <string.h>

enum { MAX_SEQS = 24, MAX_LEN = 40 };

struct family {
    int32_t token[MAX_SEQS][MAX_LEN];
    uint8_t trained[MAX_SEQS][MAX_LEN];
    struct ap_seq seq[MAX_SEQS];
    int32_t S;
};

static void family_random(struct family *f, struct ap_rng *rng)
{
    f->S = (int32_t)ap__rng_range(rng, 1, MAX_SEQS);
    uint32_t vocabulary = 1 + ap__rng_below(rng, 4), kind = ap__rng_below(rng, 4);
    for (int32_t s = 0; s < f->S; s++) {
        int32_t len = kind == 0 ? 1 + (int32_t)ap__rng_below(rng, 3) : 1 + (int32_t)ap__rng_below(rng, MAX_LEN);
        int32_t same = 0; /* tokens taken over from an earlier sequence */
        if (s > 0 && kind >= 2) {
            int32_t from = (int32_t)ap__rng_below(rng, (uint32_t)s);
            same = (int32_t)ap__rng_below(rng, (uint32_t)f->seq[from].len + 1);
            if (kind == 3 && ap__rng_below(rng, 3) == 0)
                len = same > 0 ? same : 1; /* ends inside the other, or equals it */
            same = same < len ? same : len;
            memcpy(f->token[s], f->token[from], (size_t)same * sizeof f->token[s][0]);
            memcpy(f->trained[s], f->trained[from], (size_t)same);
        }
        for (int32_t i = same; i < len; i++) {
            f->token[s][i] = (int32_t)ap__rng_below(rng, vocabulary);
            f->trained[s][i] = i > 0 && ap__rng_below(rng, 2);
        }
        f->seq[s] = (struct ap_seq){f->token[s], f->trained[s], len};
    }
}

static bool same_prefix(const struct ap_seq *a, const struct ap_seq *b, int32_t len)
{
    if (a->len < len || b->len < len)
        return false;
    for (int32_t i = 0; i < len; i++) {
        if (a->token[i] != b->token[i] || a->trained[i] != b->trained[i])
            return false;
    }
    return true;
}

/* Distinct prefixes: the number of tokens a perfect tree has. */
static int32_t prefixes_count(const struct family *f)
{
    int32_t count = 0;
    for (int32_t s = 0; s < f->S; s++) {
        for (int32_t len = 1; len <= f->seq[s].len; len++) {
            bool seen = false;
            for (int32_t e = 0; e < s && !seen; e++)
                seen = same_prefix(&f->seq[e], &f->seq[s], len);
            count += !seen;
        }
    }
    return count;
}

static int32_t target_at(const struct ap_pack *pack, int32_t g, int32_t row)
{
    int32_t target = pack->segment[g].first_target;
    for (int32_t t = pack->segment[g].start; t < row; t++)
        for (int32_t i = 0; i < pack->segment[g].target_count; i++)
            target += pack->target_row[pack->segment[g].first_target + i] == pack->parent[t] &&
                      pack->target_token[pack->segment[g].first_target + i] == pack->token[t];
    return target;
}

/* Walk sequence s from its leaf to its root; every token, position and target must be there. */
static void check_sequence(const struct ap_pack *pack, const struct ap_seq *seq, int32_t s)
{
    int32_t g = pack->leaf[s], row = pack->segment[g].start + pack->segment[g].len - 1;
    for (int32_t i = seq->len - 1; i >= 0; i--) {
        assert_int_equal(pack->token[row], seq->token[i]);
        assert_int_equal(pack->position[row], i);
        if (seq->trained[i]) {
            int32_t target = target_at(pack, g, row);
            assert_in_range(target, 0, pack->N - 1);
            assert_int_equal(pack->target_token[target], seq->token[i]);
            assert_int_equal(pack->target_row[target], pack->parent[row]);
        }
        if (row == pack->segment[g].start)
            g = pack->segment[g].parent;
        row = pack->parent[row];
        if (i > 0) {
            assert_true(g >= 0);
            assert_in_range(row, pack->segment[g].start, pack->segment[g].start + pack->segment[g].len - 1);
        }
    }
    assert_int_equal(row, -1);
    assert_int_equal(g, -1);
}

static void check_layout(const struct ap_pack *pack)
{
    int32_t row = 0, target = 0;
    for (int32_t g = 0; g < pack->G; g++) {
        const struct ap_segment *segment = &pack->segment[g];
        assert_int_equal(segment->start, row);
        assert_int_equal(segment->first_target, target);
        assert_true(segment->len > 0);
        assert_true(segment->parent < g);
        int32_t depth = segment->parent < 0
                            ? 0
                            : pack->segment[segment->parent].depth + pack->segment[segment->parent].len;
        assert_int_equal(segment->depth, depth);
        row += segment->len;
        target += segment->target_count;
    }
    assert_int_equal(row, pack->T);
    assert_int_equal(target, pack->N);
}

/* The sums one sequence at a time: log-probs are a function of the target's index. */
static void check_sums(const struct ap_pack *pack, const struct family *f, struct ap_rng *rng)
{
    float logp[MAX_SEQS * MAX_LEN], dlogp[MAX_SEQS * MAX_LEN];
    double sum[MAX_SEQS], dseq[MAX_SEQS], wanted[MAX_SEQS * MAX_LEN] = {0};
    int32_t count[MAX_SEQS];
    for (int32_t i = 0; i < pack->N; i++)
        logp[i] = (float)ap__rng_normal(rng);
    for (int32_t s = 0; s < f->S; s++)
        dseq[s] = ap__rng_normal(rng);
    ap__pack_sum(pack, logp, sum, count);
    ap__pack_scatter(pack, dseq, dlogp);
    for (int32_t s = 0; s < f->S; s++) {
        double naive = 0;
        int32_t trained = 0, g = pack->leaf[s], row = pack->segment[g].start + pack->segment[g].len - 1;
        for (int32_t i = f->seq[s].len - 1; i >= 0; i--) {
            if (f->trained[s][i]) {
                int32_t target = target_at(pack, g, row);
                naive += (double)logp[target];
                wanted[target] += dseq[s];
                trained++;
            }
            if (row == pack->segment[g].start)
                g = pack->segment[g].parent;
            row = pack->parent[row];
        }
        assert_int_equal(count[s], trained);
        assert_float_equal(sum[s], naive, 1e-12);
    }
    for (int32_t i = 0; i < pack->N; i++)
        assert_float_equal(dlogp[i], wanted[i], 1e-5);
    ap__pack_sum(pack, logp, dseq, NULL);
    assert_memory_equal(dseq, sum, (size_t)f->S * sizeof *sum);
}

static void a_random_tree_equals_its_sequences_one_at_a_time(void **state)
{
    (void)state;
    struct ap_arena arena;
    ap__arena_init(&arena, 0);
    for (uint64_t seed = 0; seed < 400; seed++) {
        struct ap_rng rng = ap__rng_make(seed, "tree", 0, 0, 0);
        struct family f;
        struct ap_pack pack;
        struct ap_err err = {0};
        family_random(&f, &rng);
        if (seed % 100 == 0)
            print_message("seeds from %d\n", (int)seed);
        assert_int_equal(ap__pack_build(&arena, f.seq, f.S, 0, &pack, &err), AP_OK);
        int64_t flat = 0;
        for (int32_t s = 0; s < f.S; s++) {
            check_sequence(&pack, &f.seq[s], s);
            flat += f.seq[s].len;
        }
        assert_int_equal(pack.flat_tokens, flat);
        assert_int_equal(pack.T, prefixes_count(&f));
        check_layout(&pack);
        check_sums(&pack, &f, &rng);
        ap__arena_reset(&arena);
    }
    ap__arena_deinit(&arena);
}

static void build(struct ap_arena *arena, const struct ap_seq *seqs, int32_t S, struct ap_pack *pack)
{
    struct ap_err err = {0};
    assert_int_equal(ap__pack_build(arena, seqs, S, 0, pack, &err), AP_OK);
}

static void a_sequence_inside_another_splits_its_segment(void **state)
{
    (void)state;
    const int32_t token[] = {5, 6, 7, 8};
    const uint8_t trained[] = {0, 0, 1, 1};
    const struct ap_seq seqs[] = {{token, trained, 4}, {token, trained, 2}, {token, trained, 4}};
    struct ap_arena arena;
    struct ap_pack pack;
    ap__arena_init(&arena, 0);
    build(&arena, seqs, 3, &pack);
    assert_int_equal(pack.T, 4);
    assert_int_equal(pack.G, 2);
    assert_int_equal(pack.N, 2);
    assert_int_equal(pack.leaf[0], 1);
    assert_int_equal(pack.leaf[1], 0);
    assert_int_equal(pack.leaf[2], 1);
    assert_int_equal(pack.flat_tokens, 10);
    ap__arena_deinit(&arena);
}

static void equal_tokens_that_differ_in_training_are_not_shared(void **state)
{
    (void)state;
    const int32_t token[] = {5, 6, 7};
    const uint8_t first[] = {0, 1, 1}, second[] = {0, 0, 1};
    const struct ap_seq seqs[] = {{token, first, 3}, {token, second, 3}};
    struct ap_arena arena;
    struct ap_pack pack;
    ap__arena_init(&arena, 0);
    build(&arena, seqs, 2, &pack);
    assert_int_equal(pack.T, 5);
    assert_int_equal(pack.G, 3);
    assert_int_equal(pack.N, 3);
    assert_int_equal(pack.position[3], 1);
    assert_int_equal(pack.parent[3], 0);
    ap__arena_deinit(&arena);
}

static void single_tokens_are_roots_of_their_own(void **state)
{
    (void)state;
    const int32_t token[] = {1, 2, 1};
    const uint8_t trained[] = {0, 0, 0};
    const struct ap_seq seqs[] = {{&token[0], trained, 1}, {&token[1], trained, 1}, {&token[2], trained, 1}};
    struct ap_arena arena;
    struct ap_pack pack;
    ap__arena_init(&arena, 0);
    build(&arena, seqs, 3, &pack);
    assert_int_equal(pack.T, 2);
    assert_int_equal(pack.G, 2);
    assert_int_equal(pack.N, 0);
    assert_int_equal(pack.leaf[2], 0);
    ap__arena_deinit(&arena);
}

static void no_sequences_make_an_empty_pack(void **state)
{
    (void)state;
    struct ap_arena arena;
    struct ap_pack pack;
    ap__arena_init(&arena, 0);
    build(&arena, NULL, 0, &pack);
    assert_int_equal(pack.T, 0);
    assert_int_equal(pack.G, 0);
    ap__arena_deinit(&arena);
}

static void bad_input_is_refused_and_leaves_everything_alone(void **state)
{
    (void)state;
    const int32_t token[] = {1, 2, 3};
    const uint8_t plain[] = {0, 0, 0}, first_trained[] = {1, 0, 0};
    const struct ap_seq empty = {token, plain, 0}, wrong = {token, first_trained, 3}, good = {token, plain, 3};
    struct ap_arena arena;
    struct ap_pack pack = {.T = 77};
    struct ap_err err = {0};
    ap__arena_init(&arena, 0);
    assert_int_equal(ap__pack_build(&arena, &empty, 1, 0, &pack, &err), AP_E_ARG);
    assert_int_equal(ap__pack_build(&arena, &wrong, 1, 0, &pack, &err), AP_E_ARG);
    assert_int_equal(ap__pack_build(&arena, &good, 1, 2, &pack, &err), AP_E_TOO_LARGE);
    assert_string_equal(err.message, "3 tokens exceed the limit of 2");
    assert_int_equal(pack.T, 77);
    assert_int_equal(arena.used, 0);
    assert_int_equal(ap__pack_build(&arena, &good, 1, 3, &pack, &err), AP_OK);
    ap__arena_deinit(&arena);
}

static void running_out_of_memory_is_reported(void **state)
{
    (void)state;
    const int32_t token[] = {1, 2, 3};
    const uint8_t plain[] = {0, 0, 0};
    const struct ap_seq good = {token, plain, 3};
    int32_t failures = 0;
    for (size_t ceiling = 64; ceiling < 4096; ceiling += 64) {
        struct ap_arena arena;
        struct ap_pack pack;
        struct ap_err err = {0};
        ap__arena_init(&arena, ceiling);
        ap_status status = ap__pack_build(&arena, &good, 1, 0, &pack, &err);
        assert_true(status == AP_OK || status == AP_E_MEMORY);
        failures += status == AP_E_MEMORY;
        ap__arena_deinit(&arena);
    }
    assert_in_range(failures, 5, 40);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_random_tree_equals_its_sequences_one_at_a_time),
        cmocka_unit_test(a_sequence_inside_another_splits_its_segment),
        cmocka_unit_test(equal_tokens_that_differ_in_training_are_not_shared),
        cmocka_unit_test(single_tokens_are_roots_of_their_own),
        cmocka_unit_test(no_sequences_make_an_empty_pack),
        cmocka_unit_test(bad_input_is_refused_and_leaves_everything_alone),
        cmocka_unit_test(running_out_of_memory_is_reported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
