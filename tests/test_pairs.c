/* test_pairs.c - pairs from random chains, against what a slow and simple reading gives. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "base/rng.h"
#include "preference/balance.h"
#include "preference/pairs.h"
#include "store_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PROBLEMS = 30, TEMPLATES = 5 };

static void add_problem(struct ap_store *store, enum ap_split split, int i)
{
    char id[16], question[48], name[16];
    snprintf(id, sizeof id, "p%d", i);
    snprintf(question, sizeof question, "Question number %d?", i);
    snprintf(name, sizeof name, "t%d", i % TEMPLATES);
    struct ap_problem p = problem(id, question);
    p.task = (char *)(i % 3 ? "math" : "fol");
    p.template_name = name;
    OK(ap__store_add_problem(store, split, &p, err));
}

/* calls: space-separated; verdict follows from what the caller wants. */
static int64_t add_chain(struct ap_store *store, int problem, const char *actor, int sample, enum ap_verdict verdict,
                         bool sound, const char *calls)
{
    char id[16], text[256], *save = NULL;
    snprintf(id, sizeof id, "p%d", problem);
    snprintf(text, sizeof text, "%s", calls);
    struct ap_step step[16] = {0};
    struct ap_stored_chain chain = {.key = {id, actor, AP_FOR_COLLECT, sample}, .sound = sound,
                                    .chain = {.step = step, .verdict = verdict}};
    for (char *word = strtok_r(text, " ", &save); word; word = strtok_r(NULL, " ", &save))
        step[chain.chain.n++] = (struct ap_step){.call = word, .result = (char *)"r", .function = (char *)"F"};
    OK(ap__store_add_chain(store, &chain, err));
    return chain.id;
}

static struct ap_pairs build(struct ap_store *store, struct ap_pair_options options, struct ap_pair_counts *counts)
{
    struct ap_pairs pairs = {0};
    OK(ap__pairs_build(store, &options, counts, err));
    OK(ap__store_pairs(store, &pairs, err));
    assert_int_equal(pairs.n, counts->pairs);
    return pairs;
}

/* ---- the stupid twin ---- */

struct flat { /* every chain that was added */
    int64_t id;
    int problem;
    bool good, bad;
    char calls[64];
};
static struct flat flat[4000];
static size_t flats;

static void random_chains(struct ap_store *store, uint64_t seed)
{
    flats = 0;
    struct ap_rng rng = ap__rng_make(seed, "test", 0, 0, 0);
    for (int p = 0; p < PROBLEMS; p++) {
        add_problem(store, AP_TRAIN, p);
        int n = (int)ap__rng_below(&rng, 9);
        for (int i = 0; i < n; i++) {
            struct flat *f = &flat[flats++];
            enum ap_verdict verdict = (enum ap_verdict)ap__rng_below(&rng, 3);
            bool sound = ap__rng_below(&rng, 4) > 0, teacher = ap__rng_below(&rng, 2);
            /* few different texts, so that there are duplicates; the verdict is part of the text */
            snprintf(f->calls, sizeof f->calls, "A%u B%u C%d%d", ap__rng_below(&rng, 2), ap__rng_below(&rng, 2),
                     (int)verdict, sound);
            f->problem = p;
            f->good = verdict == AP_CORRECT && sound;
            f->bad = verdict != AP_CORRECT;
            f->id = add_chain(store, p, teacher ? "teacher" : "student", i, verdict, sound, f->calls);
        }
    }
}

static const struct flat *find(int64_t id)
{
    for (size_t i = 0; i < flats; i++)
        if (flat[i].id == id)
            return &flat[i];
    fail_msg("no chain %lld", (long long)id);
    return NULL;
}

/* Number of different good (or bad) texts of a problem. */
static size_t distinct(int problem, bool good)
{
    size_t n = 0;
    for (size_t i = 0; i < flats; i++) {
        bool fresh = flat[i].problem == problem && (good ? flat[i].good : flat[i].bad);
        for (size_t j = 0; fresh && j < i; j++)
            fresh = flat[j].problem != problem || strcmp(flat[j].calls, flat[i].calls) != 0;
        n += fresh;
    }
    return n;
}

static void random_chains_give_the_pairs_that_a_simple_reading_gives(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 6; seed++) {
        struct ap_store *store = open_store(AP_STORE_WRITE);
        random_chains(store, seed);
        size_t limit = 1 + seed, want = 0;
        for (int p = 0; p < PROBLEMS; p++) {
            size_t combinations = distinct(p, true) * distinct(p, false);
            want += combinations < limit ? combinations : limit;
        }
        struct ap_pair_counts counts;
        struct ap_pairs pairs = build(store, (struct ap_pair_options){.per_problem = (int64_t)limit, .seed = seed}, &counts);
        assert_int_equal(pairs.n, want);
        for (size_t i = 0; i < pairs.n; i++) {
            const struct flat *chosen = find(pairs.item[i].chosen), *rejected = find(pairs.item[i].rejected);
            assert_true(chosen->good && rejected->bad && chosen->problem == rejected->problem);
            int32_t part = chosen->calls[1] != rejected->calls[1] ? 0 : chosen->calls[4] != rejected->calls[4] ? 1 : 2;
            assert_int_equal(pairs.item[i].divergence, part);
            for (size_t j = 0; j < i; j++) {
                const struct flat *c = find(pairs.item[j].chosen), *r = find(pairs.item[j].rejected);
                assert_false(c->problem == chosen->problem && strcmp(c->calls, chosen->calls) == 0 &&
                             strcmp(r->calls, rejected->calls) == 0);
            }
        }
        ap__pairs_deinit(&pairs);
        ap__store_free(store);
        remove_dir(NULL);
        make_dir(NULL);
    }
}

/* ---- single rules ---- */

static void the_teachers_chain_is_chosen_first_and_the_students_rejected_first(void **state)
{
    (void)state;
    struct ap_store *store = open_store(AP_STORE_WRITE);
    add_problem(store, AP_TRAIN, 1);
    add_chain(store, 1, "student", 0, AP_CORRECT, true, "S1");
    add_chain(store, 1, "student", 1, AP_INCORRECT, false, "S2");
    int64_t teacher_good = add_chain(store, 1, "teacher", 0, AP_CORRECT, true, "T1");
    add_chain(store, 1, "teacher", 1, AP_INVALID, false, "T2");
    struct ap_pair_counts counts;
    struct ap_pairs pairs = build(store, (struct ap_pair_options){.per_problem = 1}, &counts);
    assert_int_equal(pairs.n, 1);
    assert_int_equal(pairs.item[0].chosen, teacher_good);
    assert_string_equal(pairs.item[0].provenance, "teacher>student");
    ap__pairs_deinit(&pairs);
    pairs = build(store, (struct ap_pair_options){.per_problem = 9}, &counts);
    assert_int_equal(pairs.n, 4);
    ap__pairs_deinit(&pairs);
    ap__store_free(store);
}

static void a_right_answer_from_an_unsound_chain_is_neither_chosen_nor_rejected(void **state)
{
    (void)state;
    struct ap_store *store = open_store(AP_STORE_WRITE);
    add_problem(store, AP_TRAIN, 1);
    add_chain(store, 1, "teacher", 0, AP_CORRECT, false, "Lucky");
    add_chain(store, 1, "student", 0, AP_INCORRECT, false, "Wrong");
    struct ap_pair_counts counts;
    struct ap_pairs pairs = build(store, (struct ap_pair_options){.per_problem = 4}, &counts);
    assert_int_equal(pairs.n, 0);
    assert_int_equal(counts.correct, 1);
    assert_int_equal(counts.sound, 0);
    assert_int_equal(counts.silent, 1);
    ap__pairs_deinit(&pairs);
    add_chain(store, 1, "teacher", 1, AP_CORRECT, true, "Right");
    pairs = build(store, (struct ap_pair_options){.per_problem = 4}, &counts);
    assert_int_equal(pairs.n, 1);
    ap__pairs_deinit(&pairs);
    ap__store_free(store);
}

static void gold_chains_are_chosen_only_when_asked_for_and_then_they_alone(void **state)
{
    (void)state;
    struct ap_store *store = open_store(AP_STORE_WRITE);
    add_problem(store, AP_TRAIN, 1);
    int64_t gold = add_chain(store, 1, "gold", 0, AP_CORRECT, true, "Gold");
    int64_t teacher = add_chain(store, 1, "teacher", 0, AP_CORRECT, true, "Teacher");
    add_chain(store, 1, "student", 0, AP_INCORRECT, false, "Wrong");
    struct ap_pair_counts counts;
    struct ap_pairs pairs = build(store, (struct ap_pair_options){.per_problem = 4}, &counts);
    assert_int_equal(pairs.n, 1);
    assert_int_equal(pairs.item[0].chosen, teacher);
    ap__pairs_deinit(&pairs);
    pairs = build(store, (struct ap_pair_options){.per_problem = 4, .gold = true}, &counts);
    assert_int_equal(pairs.n, 1);
    assert_int_equal(pairs.item[0].chosen, gold);
    assert_string_equal(pairs.item[0].provenance, "gold>student");
    ap__pairs_deinit(&pairs);
    ap__store_free(store);
}

static void the_divergence_of_a_chain_and_its_prefix_is_where_the_shorter_one_ends(void **state)
{
    (void)state;
    struct ap_step a[3] = {{.call = (char *)"A"}, {.call = (char *)"B"}, {.call = (char *)"C"}};
    struct ap_step b[3] = {{.call = (char *)"A"}, {.call = (char *)"B"}, {.call = (char *)"D"}};
    struct ap_chain x = {.step = a, .n = 3}, y = {.step = b, .n = 3};
    assert_int_equal(ap__pairs_divergence(&x, &y), 2);
    y.n = 2;
    assert_int_equal(ap__pairs_divergence(&x, &y), 2);
    y.n = 0;
    assert_int_equal(ap__pairs_divergence(&x, &y), 0);
}

static void a_chain_collected_on_a_held_out_problem_stops_everything(void **state)
{
    (void)state;
    struct ap_store *store = open_store(AP_STORE_WRITE);
    add_problem(store, AP_HELDOUT, 1);
    add_chain(store, 1, "student", 0, AP_INCORRECT, false, "Wrong");
    struct ap_pair_counts counts;
    struct ap_err why = {0};
    struct ap_pair_options options = {.per_problem = 1};
    assert_int_equal(ap__pairs_build(store, &options, &counts, &why), AP_E_STATE);
    assert_non_null(strstr(why.message, "p1"));
    ap__store_free(store);
}

/* One of five templates hardly ever goes wrong: two problems of it have pairs, against 34 and more. */
static void a_limit_silences_no_template(void **state)
{
    (void)state;
    struct ap_store *store = open_store(AP_STORE_WRITE);
    for (int p = 0; p < 210; p++) {
        bool rare = p % TEMPLATES == 4 && p >= 10;
        add_problem(store, AP_TRAIN, p);
        add_chain(store, p, "teacher", 0, AP_CORRECT, true, "Right");
        add_chain(store, p, "student", 0, rare ? AP_CORRECT : AP_INCORRECT, true, "Other");
        add_chain(store, p, "student", 1, rare ? AP_CORRECT : AP_INCORRECT, true, "Third");
    }
    struct ap_pair_counts counts;
    struct ap_pairs pairs = build(store, (struct ap_pair_options){.per_problem = 2, .total = 60, .seed = 5}, &counts);
    assert_int_equal(pairs.n, 60);
    assert_int_equal(counts.silent, 0);
    int by_task[2] = {0}, by_template[2][TEMPLATES] = {0};
    for (size_t i = 0; i < pairs.n; i++) {
        int p = atoi(pairs.item[i].problem + 1);
        by_task[p % 3 != 0]++;
        by_template[p % 3 != 0][p % TEMPLATES]++;
    }
    assert_int_equal(by_task[0], 30);
    assert_int_equal(by_task[1], 30);
    for (int t = 0; t < 2; t++)
        for (int k = 0; k < 4; k++)
            assert_in_range(by_template[t][k], 6, 8);
    assert_true(by_template[0][4] > 0 && by_template[1][4] > 0);
    ap__pairs_deinit(&pairs);
    ap__store_free(store);
}

static void the_same_seed_gives_the_same_pairs_whatever_order_the_chains_came_in(void **state)
{
    (void)state;
    int64_t kept[2][64];
    size_t n[2] = {0};
    for (int round = 0; round < 2; round++) {
        struct ap_store *store = open_store(AP_STORE_WRITE);
        for (int p = 0; p < 12; p++)
            add_problem(store, AP_TRAIN, p);
        for (int k = 0; k < 12 * 4; k++) {
            int i = round ? 47 - k : k, sample = i % 4, p = i / 4;
            char calls[16];
            snprintf(calls, sizeof calls, "X%d", sample);
            add_chain(store, p, sample < 2 ? "teacher" : "student", sample, sample < 2 ? AP_CORRECT : AP_INCORRECT, true,
                      calls);
        }
        struct ap_pair_counts counts;
        struct ap_pairs pairs = build(store, (struct ap_pair_options){.per_problem = 2, .total = 20, .seed = 9}, &counts);
        for (size_t i = 0; i < pairs.n; i++) {
            struct ap_stored_chain chosen, rejected;
            OK(ap__store_chain(store, pairs.item[i].chosen, false, &chosen, err));
            OK(ap__store_chain(store, pairs.item[i].rejected, false, &rejected, err));
            kept[round][n[round]++] = atoi(chosen.key.problem + 1) * 100 + chosen.key.sample * 10 + rejected.key.sample;
            ap__stored_chain_deinit(&chosen);
            ap__stored_chain_deinit(&rejected);
        }
        ap__pairs_deinit(&pairs);
        ap__store_free(store);
        remove_dir(NULL);
        make_dir(NULL);
    }
    assert_int_equal(n[0], 20);
    assert_int_equal(n[1], 20);
    assert_memory_equal(kept[0], kept[1], 20 * sizeof kept[0][0]);
}

static void even_shares_are_what_handing_out_one_by_one_gives(void **state)
{
    (void)state;
    for (uint64_t round = 0; round < 500; round++) {
        struct ap_rng rng = ap__rng_make(11, "test", round, 0, 0);
        int64_t have[9], quota[9], simple[9] = {0}, sum = 0;
        int64_t n = 1 + ap__rng_below(&rng, 9), total = ap__rng_below(&rng, 120);
        for (int64_t i = 0; i < n; i++)
            sum += have[i] = ap__rng_below(&rng, 3) ? ap__rng_below(&rng, 40) : 0;
        for (int64_t left = total < sum ? total : sum, i = 0; left > 0; i = (i + 1) % n)
            if (simple[i] < have[i]) {
                simple[i]++;
                left--;
            }
        ap__share_evenly(have, n, total, quota);
        int64_t least = INT64_MAX, most = 0, given = 0;
        for (int64_t i = 0; i < n; i++) {
            given += quota[i];
            assert_true(quota[i] <= have[i]);
            if (quota[i] < have[i] && quota[i] < least)
                least = quota[i];
            if (quota[i] > most)
                most = quota[i];
            assert_int_equal(quota[i], simple[i]);
        }
        assert_int_equal(given, total < sum ? total : sum);
        assert_true(least == INT64_MAX || most <= least + 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(random_chains_give_the_pairs_that_a_simple_reading_gives),
        TEST(the_teachers_chain_is_chosen_first_and_the_students_rejected_first),
        TEST(a_right_answer_from_an_unsound_chain_is_neither_chosen_nor_rejected),
        TEST(gold_chains_are_chosen_only_when_asked_for_and_then_they_alone),
        cmocka_unit_test(the_divergence_of_a_chain_and_its_prefix_is_where_the_shorter_one_ends),
        TEST(a_chain_collected_on_a_held_out_problem_stops_everything),
        TEST(a_limit_silences_no_template),
        TEST(the_same_seed_gives_the_same_pairs_whatever_order_the_chains_came_in),
        cmocka_unit_test(even_shares_are_what_handing_out_one_by_one_gives),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
