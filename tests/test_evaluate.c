/* test_evaluate.c - outcomes from stores and files, and what comparing two of them says. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "base/file.h"
#include "base/rng.h"
#include "evaluate/evaluate.h"
#include "store_fixture.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>


/* samples 0 = greedy only */
static void add(struct ap_results *r, uint64_t hash, const char *name, int greedy, int successes, int samples)
{
    char id[32];
    snprintf(id, sizeof id, "id-%llu", (unsigned long long)hash);
    struct ap_outcome o = {.id = ap__strdup(id), .template_name = ap__strdup(name), .hash = hash, .has_greedy = greedy >= 0,
                           .verdict = greedy > 0 ? AP_CORRECT : AP_INCORRECT, .successes = successes, .samples = samples};
    OK(ap__results_add(r, &o, err));
}

static void fill(struct ap_results *r, uint64_t seed, int n, int samples, uint32_t percent)
{
    static const char *const names[] = {"apples", "trains", "ages"};
    *r = (struct ap_results){.name = ap__strdup("x"), .task = ap__strdup("math"), .model = ap__strdup("m")};
    struct ap_rng rng = ap__rng_make(seed, "test", 0, 0, 0);
    for (int i = 0; i < n; i++) {
        int successes = 0;
        for (int k = 0; k < samples; k++)
            successes += ap__rng_below(&rng, 100) < percent;
        add(r, 1000 + (uint64_t)i, names[i % 3], ap__rng_below(&rng, 100) < percent, successes, samples);
    }
}

static void comparing_agrees_with_counting_one_by_one(void **state)
{
    (void)state;
    struct ap_results a, b;
    fill(&a, 1, 200, 4, 40);
    fill(&b, 2, 230, 4, 80);
    struct ap_comparison c;
    OK(ap__compare(&a, &b, 0, &c, err));
    assert_int_equal(c.matched, 200);
    assert_int_equal(c.only_before, 0);
    assert_int_equal(c.only_after, 30);
    int gained = 0, lost = 0;
    double mean = 0, d[200];
    for (size_t i = 0; i < 200; i++) {
        bool was = a.item[i].verdict == AP_CORRECT, is = b.item[i].verdict == AP_CORRECT;
        gained += !was && is;
        lost += was && !is;
        d[i] = (b.item[i].successes - a.item[i].successes) / 4.0;
        mean += d[i] / 200;
    }
    assert_int_equal(c.gained, gained);
    assert_int_equal(c.lost, lost);
    assert_true(c.mcnemar_p == ap__mcnemar(gained, lost));
    assert_true(c.sampled);
    assert_true(fabs(c.difference - mean) < 1e-12);
    assert_true(c.difference_interval.low < mean && mean < c.difference_interval.high);
    struct ap_wilcoxon w;
    assert_int_equal(ap__wilcoxon(d, 200, AP_ZEROS_DROP, AP_WILCOXON_AUTO, true, &w, NULL), AP_OK);
    assert_true(c.wilcoxon.p == w.p && w.p < 1e-6);
    assert_int_equal(c.before.problems, 200);
    assert_int_equal(c.after.problems, 200);
    assert_int_equal(c.after.samples, 800);
    ap__comparison_deinit(&c);
    ap__results_deinit(&a);
    ap__results_deinit(&b);
}

static void losses_stand_beside_gains_in_every_templates_row(void **state)
{
    (void)state;
    struct ap_results a = {0}, b = {0};
    for (uint64_t i = 0; i < 30; i++) {
        add(&a, i, i < 10 ? "easy" : "blind", i >= 10, 0, 0);
        add(&b, i, i < 10 ? "easy" : "blind", i < 10, 0, 0);
    }
    struct ap_comparison c;
    OK(ap__compare(&a, &b, 0, &c, err));
    assert_int_equal(c.rows, 2);
    assert_string_equal(c.row[0].name, "blind");
    assert_int_equal(c.row[0].problems, 20);
    assert_int_equal(c.row[0].lost, 20);
    assert_int_equal(c.row[0].gained, 0);
    assert_int_equal(c.row[1].gained, 10);
    assert_false(c.sampled);
    assert_true(fabs(c.difference + 10.0 / 30) < 1e-12);
    json_t *json = ap__comparison_to_json(&c);
    assert_non_null(json);
    assert_int_equal(ap__json_i64_or(json, "lost", -1), 20);
    assert_int_equal(json_array_size(json_object_get(json, "templates")), 2);
    json_decref(json);
    ap__comparison_deinit(&c);
    ap__results_deinit(&a);
    ap__results_deinit(&b);
}

static void thirds_tie_as_thirds(void **state)
{
    (void)state;
    struct ap_results a = {0}, b = {0};
    for (uint64_t i = 0; i < 3; i++) {
        add(&a, i, "t", 0, (int)i, 3); /* 0/3 1/3 2/3 -> 1/3 2/3 3/3: all differences are 1/3 */
        add(&b, i, "t", 0, (int)i + 1, 3);
    }
    struct ap_comparison c;
    OK(ap__compare(&a, &b, 0, &c, err));
    assert_int_equal(c.wilcoxon.tied, 3);
    ap__comparison_deinit(&c);
    ap__results_deinit(&a);
    ap__results_deinit(&b);
}

static void evaluations_without_a_common_problem_cannot_be_compared(void **state)
{
    (void)state;
    struct ap_results a = {0}, b = {0};
    add(&a, 1, "t", 1, 0, 0);
    add(&b, 2, "t", 1, 0, 0);
    struct ap_comparison c;
    struct ap_err why = {0};
    assert_int_equal(ap__compare(&a, &b, 0, &c, &why), AP_E_NOT_FOUND);
    assert_non_null(strstr(why.message, "no problem in common"));
    ap__results_deinit(&a);
    ap__results_deinit(&b);
}

static void results_survive_a_file(void **state)
{
    (void)state;
    struct ap_results a, b;
    fill(&a, 3, 20, 4, 50);
    a.item[3].verdict = AP_INVALID;
    a.item[3].end = AP_END_BAD_CALLS;
    a.item[4].has_greedy = false;
    a.item[4].verdict = AP_INVALID;
    OK(ap__results_save(&a, in_dir("results.json"), err));
    OK(ap__results_load(in_dir("results.json"), &b, err));
    assert_int_equal(b.n, 20);
    assert_string_equal(b.task, "math");
    assert_string_equal(b.model, "m");
    for (size_t i = 0; i < 20; i++) {
        assert_string_equal(a.item[i].id, b.item[i].id);
        assert_string_equal(a.item[i].template_name, b.item[i].template_name);
        assert_true(a.item[i].hash == b.item[i].hash);
        assert_int_equal(a.item[i].has_greedy, b.item[i].has_greedy);
        assert_int_equal(a.item[i].verdict, b.item[i].verdict);
        assert_int_equal(a.item[i].end, b.item[i].end);
        assert_int_equal(a.item[i].successes, b.item[i].successes);
        assert_int_equal(a.item[i].samples, b.item[i].samples);
    }
    ap__results_deinit(&a);
    ap__results_deinit(&b);
}

static void refuses(const char *text, const char *needle)
{
    struct ap_results r;
    struct ap_err why = {0};
    OK(ap__file_write(in_dir("results.json"), text, strlen(text), err));
    assert_int_not_equal(ap__results_load(in_dir("results.json"), &r, &why), AP_OK);
    char all[1024];
    snprintf(all, sizeof all, "%s: %s", why.place, why.message);
    if (!strstr(all, needle))
        fail_msg("`%s` does not mention `%s`", all, needle);
    ap__results_deinit(&r);
}

static void a_broken_results_file_is_refused_with_the_problem_that_is_wrong(void **state)
{
    (void)state;
    refuses("{\"task\": \"m\"", "results.json");
    refuses("{\"problems\": []}", "task");
    refuses("{\"task\": \"m\"}", "problems");
    refuses("{\"task\": \"m\", \"problems\": [{\"id\": \"a\", \"hash\": \"12\"}]}", "16 hex digits");
    refuses("{\"task\": \"m\", \"problems\": [{\"id\": \"a\", \"hash\": \"00000000000000zz\"}]}", "problem 1");
    refuses("{\"task\": \"m\", \"problems\": [{\"id\": \"a\", \"hash\": \"0000000000000001\", \"greedy\": 1}]}", "greedy");
    refuses("{\"task\": \"m\", \"problems\": [{\"id\": \"a\", \"hash\": \"0000000000000001\", \"successes\": 3, "
            "\"samples\": 2}]}", "3 successes in 2 samples");
}

/* ---- from a store ---- */

static void add_eval(struct ap_store *store, const char *problem, int sample, enum ap_verdict verdict, enum ap_end end)
{
    struct ap_stored_chain chain = {.key = {problem, "before", AP_FOR_EVAL, sample},
                                    .chain = {.verdict = verdict, .end = end}};
    OK(ap__store_add_chain(store, &chain, err));
}

static void a_stores_eval_chains_become_outcomes(void **state)
{
    (void)state;
    struct ap_store *store = open_store(AP_STORE_WRITE);
    const char *id[3] = {"c", "a", "b"};
    for (int i = 0; i < 3; i++) {
        char question[16];
        snprintf(question, sizeof question, "Q%d?", i);
        struct ap_problem p = problem(id[i], question);
        OK(ap__store_add_problem(store, AP_HELDOUT, &p, err));
    }
    add_eval(store, "b", AP_SAMPLE_GREEDY, AP_INVALID, AP_END_STEPS);
    add_eval(store, "c", AP_SAMPLE_GREEDY, AP_CORRECT, AP_END_ANSWER);
    for (int k = 0; k < 4; k++)
        add_eval(store, "c", k, k ? AP_CORRECT : AP_INCORRECT, AP_END_ANSWER);
    struct ap_results r;
    OK(ap__results_from_store(store, "before", "math", &r, err));
    assert_int_equal(r.n, 2);
    assert_string_equal(r.item[0].id, "c");
    assert_int_equal(r.item[0].successes, 3);
    assert_int_equal(r.item[0].samples, 4);
    assert_true(r.item[0].greedy_chain > 0);
    assert_string_equal(r.item[1].id, "b");
    assert_int_equal(r.item[1].verdict, AP_INVALID);
    struct ap_rates rates;
    ap__results_rates(&r, &rates);
    assert_int_equal(rates.problems, 2);
    assert_int_equal(rates.greedy_correct, 1);
    assert_int_equal(rates.ends[AP_END_STEPS], 1);
    assert_true(rates.rate == 0.75);
    ap__results_deinit(&r);
    struct ap_err why = {0};
    assert_int_equal(ap__results_from_store(store, "after", "math", &r, &why), AP_E_NOT_FOUND);
    assert_non_null(strstr(why.message, "after"));
    ap__store_free(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(comparing_agrees_with_counting_one_by_one),
        cmocka_unit_test(losses_stand_beside_gains_in_every_templates_row),
        cmocka_unit_test(thirds_tie_as_thirds),
        cmocka_unit_test(evaluations_without_a_common_problem_cannot_be_compared),
        TEST(results_survive_a_file),
        TEST(a_broken_results_file_is_refused_with_the_problem_that_is_wrong),
        TEST(a_stores_eval_chains_become_outcomes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
