/* test_generators.c - built-in problems: their gold chains, against the functions and the prover.
 *
 * The generators decide their own answers; here Z3 and the exact arithmetic of
 * the functions do it again (the stupid twin). */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "functions/registry.h"
#include "tasks/careless.h"
#include "tasks/augment.h"
#include "tasks/calc.h"
#include "tasks/fol_shape.h"
#include "tasks/task.h"
#include "tasks/words.h"
#include "testing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static struct ap_task *open_task(const char *name)
{
    struct ap_task *task = NULL;
    OK(ap__task_open(name, &task, err));
    return task;
}

/* Run calls; the answer (ap__free it).  No call may be an error. */
static char *run_calls(const struct ap_task *task, char *const *calls, int32_t n, bool errors_ok)
{
    struct ap_env *env = NULL;
    char *answer = NULL;
    OK(ap__env_new(task->functions, &env, err));
    for (int32_t i = 0; i < n; i++) {
        struct ap_call_result result = {0};
        OK(ap__env_call(env, calls[i], strlen(calls[i]), &result, err));
        if (result.error && !errors_ok)
            fail_msg("%s: %s", calls[i], result.text);
        if (result.answered)
            answer = ap__strdup(result.answer);
        ap__call_result_deinit(&result);
    }
    ap__env_free(env);
    return answer;
}

/* What Prove really says, for a chain that ends in Prove, Answer. */
static char *prove_again(const struct ap_task *task, char *const *calls, int32_t n)
{
    struct ap_env *env = NULL;
    char *verdict = NULL;
    OK(ap__env_new(task->functions, &env, err));
    for (int32_t i = 0; i < n - 1; i++) {
        struct ap_call_result result = {0};
        OK(ap__env_call(env, calls[i], strlen(calls[i]), &result, err));
        if (i == n - 2)
            verdict = ap__strdup(result.text);
        ap__call_result_deinit(&result);
    }
    ap__env_free(env);
    return verdict;
}

static void check_problem(const struct ap_task *task, const struct ap_problem *p)
{
    char *answer = run_calls(task, p->call, p->call_count, false);
    if (!answer || strcmp(answer, p->answer) != 0)
        fail_msg("%s: the chain answers %s, gold is %s:\n%s", p->id, answer ? answer : "nothing", p->answer,
                 p->question);
    ap__free(answer);
    assert_true(p->call_count <= task->agent.max_steps);
    if (strcmp(task->name, "fol-entailment") == 0) {
        char *verdict = prove_again(task, p->call, p->call_count);
        if (strcmp(verdict, p->answer) != 0)
            fail_msg("%s: the prover says %s, gold is %s:\n%s", p->id, verdict, p->answer, p->question);
        ap__free(verdict);
        assert_int_equal(p->premise_count + 2, p->call_count);
    }
}

static void check_task(const char *name, enum ap_profile profile, int64_t count)
{
    struct ap_task *task = open_task(name);
    struct ap_problems ps = {0};
    task->train.profile = profile;
    OK(ap__task_problems(task, AP_TRAIN, 11, 0, count, &ps, err));
    assert_int_equal(ps.n, count);
    for (size_t i = 0; i < ps.n; i++)
        check_problem(task, &ps.item[i]);
    ap__problems_deinit(&ps);
    ap__task_free(task);
}

static void gold_chains_of_short_entailment_problems_give_the_gold_answer(void **state)
{
    (void)state;
    check_task("fol-entailment", AP_PROFILE_SHORT, 600);
}

static void gold_chains_of_long_entailment_problems_give_the_gold_answer(void **state)
{
    (void)state;
    check_task("fol-entailment", AP_PROFILE_LONG, 60);
}

static void gold_chains_of_translations_give_the_gold_answer(void **state)
{
    (void)state;
    check_task("fol-translation", AP_PROFILE_SHORT, 2000);
}

static void gold_chains_of_word_problems_give_the_gold_answer(void **state)
{
    (void)state;
    check_task("math-word", AP_PROFILE_SHORT, 2000);
}

static void gold_chains_of_expressions_give_the_gold_answer(void **state)
{
    (void)state;
    check_task("math-expression", AP_PROFILE_SHORT, 2000);
}

/* ---- splits and determinism ---- */

static const char *const all_tasks[] = {"fol-entailment", "fol-translation", "math-word", "math-expression"};

static int compare_hash(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static void check_splits(const char *name)
{
    enum { N = 400 };
    struct ap_task *task = open_task(name);
    struct ap_problems train = {0}, heldout = {0};
    uint64_t hash[2 * N];
    OK(ap__task_problems(task, AP_TRAIN, 1, 0, N, &train, err));
    OK(ap__task_problems(task, AP_HELDOUT, 1, 0, N, &heldout, err));
    for (size_t i = 0; i < N; i++) {
        hash[i] = ap__problem_hash(&train.item[i]);
        hash[N + i] = ap__problem_hash(&heldout.item[i]);
        assert_false(ap__problem_is_heldout(&train.item[i]));
        assert_true(ap__problem_is_heldout(&heldout.item[i]));
    }
    qsort(hash, 2 * N, sizeof hash[0], compare_hash);
    for (size_t i = 1; i < 2 * N; i++)
        assert_true(hash[i] != hash[i - 1]);
    ap__problems_deinit(&train);
    ap__problems_deinit(&heldout);
    ap__task_free(task);
}

static void training_and_heldout_problems_share_no_content_and_repeat_none(void **state)
{
    (void)state;
    for (size_t i = 0; i < 4; i++)
        check_splits(all_tasks[i]);
}

static void check_same(const struct ap_problem *a, const struct ap_problem *b)
{
    assert_string_equal(a->id, b->id);
    assert_string_equal(a->question, b->question);
    assert_string_equal(a->answer, b->answer);
    assert_string_equal(a->template_name, b->template_name);
    assert_int_equal(a->call_count, b->call_count);
    for (int32_t i = 0; i < a->call_count; i++)
        assert_string_equal(a->call[i], b->call[i]);
}

static void a_problem_depends_on_seed_split_and_index_only(void **state)
{
    (void)state;
    for (size_t t = 0; t < 4; t++) {
        struct ap_task *task = open_task(all_tasks[t]);
        struct ap_problems all = {0}, part = {0}, other = {0};
        OK(ap__task_problems(task, AP_TRAIN, 5, 0, 30, &all, err));
        OK(ap__task_problems(task, AP_TRAIN, 5, 20, 10, &part, err));
        OK(ap__task_problems(task, AP_TRAIN, 6, 0, 30, &other, err));
        int32_t differ = 0;
        for (size_t i = 0; i < 10; i++)
            check_same(&all.item[20 + i], &part.item[i]);
        for (size_t i = 0; i < 30; i++)
            differ += strcmp(all.item[i].question, other.item[i].question) != 0;
        assert_true(differ >= 29);
        ap__problems_deinit(&all);
        ap__problems_deinit(&part);
        ap__problems_deinit(&other);
        ap__task_free(task);
    }
}

/* ---- variety ---- */

static int32_t index_of(char names[][40], int32_t *n, const char *name)
{
    int32_t at = 0;
    while (at < *n && strcmp(names[at], name) != 0)
        at++;
    if (at == *n)
        snprintf(names[(*n)++], 40, "%s", name);
    return at;
}

static void answers_are_balanced_within_every_style(void **state)
{
    (void)state;
    char names[64][40];
    int32_t n = 0, count[64][3] = {{0}};
    struct ap_task *task = open_task("fol-entailment");
    struct ap_problems ps = {0};
    task->train.profile = AP_PROFILE_MIXED;
    OK(ap__task_problems(task, AP_TRAIN, 3, 0, 4000, &ps, err));
    for (size_t i = 0; i < ps.n; i++) {
        int32_t at = index_of(names, &n, ps.item[i].template_name);
        count[at][ps.item[i].answer[0] == 'T' ? 0 : ps.item[i].answer[0] == 'F' ? 1 : 2]++;
    }
    for (int32_t i = 0; ap__shape_style(i); i++)
        (void)index_of(names, &n, ap__shape_style(i));
    for (int32_t i = 0; i < n; i++)
        for (int32_t k = 0; k < 3; k++)
            if (5 * count[i][k] < count[i][0] + count[i][1] + count[i][2])
                fail_msg("%s: %d True, %d False, %d Unknown", names[i], count[i][0], count[i][1], count[i][2]);
    assert_true(n >= 12);
    ap__problems_deinit(&ps);
    ap__task_free(task);
}

/* The last step is needed, or the answer could be read off a premise. */
static void a_known_goal_is_no_premise(void **state)
{
    (void)state;
    for (uint64_t key = 0; key < 500; key++) {
        struct ap_shape shape;
        ap__shape_draw(key, AP_PROFILE_MIXED, &shape);
        const struct ap_literal *goal = &shape.theory.goal.lit[0];
        for (int32_t i = 0; i < shape.theory.n_premises && shape.theory.goal.form == AP_FORM_FACT; i++) {
            const struct ap_sentence *s = &shape.theory.premise[i];
            if (s->form == AP_FORM_FACT)
                assert_false(s->lit[0].pred == goal->pred && s->lit[0].subj == goal->subj &&
                             s->lit[0].obj == goal->obj);
        }
        assert_int_equal(ap__theory_decide(&shape.theory, -1), shape.truth);
    }
}

static void word_problems_of_all_templates_are_filled_in(void **state)
{
    (void)state;
    char names[64][40];
    int32_t n = 0;
    struct ap_task *task = open_task("math-word");
    struct ap_problems ps = {0};
    OK(ap__task_problems(task, AP_TRAIN, 3, 0, 3000, &ps, err));
    for (size_t i = 0; i < ps.n; i++) {
        (void)index_of(names, &n, ps.item[i].template_name);
        assert_true(ps.item[i].call_count >= 3 && ps.item[i].call_count <= 5);
        assert_null(strchr(ps.item[i].question, '{'));
        assert_null(strchr(ps.item[i].question, '|'));
    }
    assert_true(n >= 18);
    ap__problems_deinit(&ps);
    ap__task_free(task);
}

/* ---- words ---- */

static void words_are_distinct_and_none_is_a_benchmarks(void **state)
{
    (void)state;
    for (uint64_t key = 0; key < 3000; key++) {
        struct ap_word words[20];
        for (int32_t i = 0; i < 20; i++)
            words[i].kind = (enum ap_word_kind)(i % 5);
        ap__words_draw(key, (enum ap_likeness)(key % 3), words, 20);
        for (int32_t i = 0; i < 20; i++) {
            char text[AP_WORD_TEXT];
            snprintf(text, sizeof text, "%s", words[i].text);
            for (char *part = strtok(text, " "); part; part = strtok(NULL, " "))
                assert_false(ap__word_reserved(part));
            for (int32_t k = 0; k < i; k++)
                assert_string_not_equal(words[i].text, words[k].text);
        }
    }
}

/* Pairs of words that share their first three letters, capitals aside. */
static int32_t count_twins(enum ap_likeness likeness)
{
    int32_t twins = 0;
    for (uint64_t key = 0; key < 200; key++) {
        struct ap_word words[8];
        for (int32_t i = 0; i < 8; i++)
            words[i].kind = (enum ap_word_kind)(i % 5);
        ap__words_draw(key, likeness, words, 8);
        for (int32_t i = 0; i < 8; i++)
            for (int32_t k = 0; k < i; k++)
                twins += strncasecmp(words[i].text, words[k].text, 3) == 0;
    }
    return twins;
}

static void hard_words_begin_alike_and_other_words_rarely_do(void **state)
{
    (void)state;
    assert_in_range(count_twins(AP_WORDS_HARD), 200, 1600);
    assert_in_range(count_twins(AP_WORDS_FREE), 0, 60);
}

static void words_bend_as_in_english(void **state)
{
    (void)state;
    struct ap_buf out;
    ap__buf_init(&out, 0);
    ap__word_plural(&out, "glombus");
    ap__buf_putc(&out, ' ');
    ap__word_plural(&out, "lady");
    ap__buf_putc(&out, ' ');
    ap__word_plural(&out, "toy");
    ap__buf_putc(&out, ' ');
    ap__word_third(&out, "push");
    ap__buf_putc(&out, ' ');
    ap__word_article(&out, "ibbus");
    ap__buf_putc(&out, ' ');
    ap__word_symbol(&out, &(struct ap_word){.kind = AP_WORD_THING, .text = "tall crane"});
    ap__buf_putc(&out, ' ');
    ap__word_symbol(&out, &(struct ap_word){.kind = AP_WORD_VERB, .text = "greet"});
    assert_string_equal(ap__buf_cstr(&out), "glombuses ladies toys pushes an ibbus tall_crane Greets");
    ap__buf_deinit(&out);
}

/* ---- careless chains ---- */

static double careless_rate(const char *name, double p, bool *changed)
{
    enum { N = 600 };
    struct ap_task *task = open_task(name);
    struct ap_problems ps = {0};
    int32_t right = 0;
    OK(ap__task_problems(task, AP_TRAIN, 4, 0, N, &ps, err));
    for (size_t i = 0; i < N; i++) {
        struct ap_rng rng = ap__rng_make(9, "careless", i, 0, 0);
        char **calls;
        int32_t n, slips;
        OK(ap__careless_calls(&ps.item[i], &rng, p, &calls, &n, &slips, err));
        right += strcmp(calls[n - 1], ps.item[i].call[ps.item[i].call_count - 1]) == 0;
        *changed |= slips > 0;
        if (slips == 0)
            assert_int_equal(n, ps.item[i].call_count);
        ap__free(run_calls(task, calls, n, false)); /* a careless chain has no error observation */
        for (int32_t k = 0; k < n; k++)
            ap__free(calls[k]);
        ap__free(calls);
    }
    ap__problems_deinit(&ps);
    ap__task_free(task);
    return right / (double)N;
}

static void careless_chains_are_wrong_about_half_of_the_time(void **state)
{
    (void)state;
    bool changed = false;
    double fol = careless_rate("fol-entailment", 0.6, &changed), math = careless_rate("math-word", 0.6, &changed);
    print_message("careless at 0.6: entailment %.1f %% right, word problems %.1f %%\n", 100 * fol, 100 * math);
    assert_true(changed && fol > 0.35 && fol < 0.57 && math > 0.35 && math < 0.5);
    changed = false;
    assert_true(careless_rate("fol-entailment", 0, &changed) == 1 && !changed);
    assert_true(careless_rate("math-word", 0, &changed) == 1 && !changed);
}

/* ---- augmentation ---- */

static void check_augmented(const struct ap_task *task, const struct ap_problem *p, enum ap_augment kind, bool expected)
{
    struct ap_rng rng = ap__rng_make(2, "augment", ap__problem_hash(p), kind, 0);
    struct ap_problem derived;
    bool possible;
    OK(ap__problem_augment(p, &rng, kind, &derived, &possible, err));
    assert_int_equal(possible, expected);
    if (!possible)
        return;
    check_problem(task, &derived);
    assert_string_not_equal(derived.question, p->question);
    assert_string_equal(derived.origin, p->id);
    assert_string_equal(derived.task, p->task);
    assert_string_equal(derived.template_name, p->template_name);
    assert_int_equal(ap__problem_is_heldout(&derived), ap__problem_is_heldout(p));
    assert_int_equal(derived.call_count, p->call_count);
    if (kind != AP_AUGMENT_RENUMBER && strncmp(p->task, "fol-entail", 10) == 0)
        assert_string_equal(derived.answer, p->answer);
    ap__problem_deinit(&derived);
}

static void derived_problems_have_right_gold_chains_and_keep_the_split(void **state)
{
    (void)state;
    struct ap_task *fol = open_task("fol-entailment"), *math = open_task("math-word");
    struct ap_problems f = {0}, m = {0};
    OK(ap__task_problems(fol, AP_TRAIN, 8, 0, 60, &f, err));
    OK(ap__task_problems(math, AP_HELDOUT, 8, 0, 60, &m, err));
    for (size_t i = 0; i < 60; i++) {
        check_augmented(fol, &f.item[i], AP_AUGMENT_RENAME, true);
        if (f.item[i].premise_count > 3) /* few lines have few orders, perhaps none of the split */
            check_augmented(fol, &f.item[i], AP_AUGMENT_SHUFFLE, true);
        check_augmented(fol, &f.item[i], AP_AUGMENT_RENUMBER, false);
        check_augmented(math, &m.item[i], AP_AUGMENT_RENAME, true);
        check_augmented(math, &m.item[i], AP_AUGMENT_SHUFFLE, false);
        check_augmented(math, &m.item[i], AP_AUGMENT_RENUMBER, true);
    }
    ap__problems_deinit(&f);
    ap__problems_deinit(&m);
    ap__task_free(fol);
    ap__task_free(math);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gold_chains_of_short_entailment_problems_give_the_gold_answer),
        cmocka_unit_test(gold_chains_of_long_entailment_problems_give_the_gold_answer),
        cmocka_unit_test(gold_chains_of_translations_give_the_gold_answer),
        cmocka_unit_test(gold_chains_of_word_problems_give_the_gold_answer),
        cmocka_unit_test(gold_chains_of_expressions_give_the_gold_answer),
        cmocka_unit_test(training_and_heldout_problems_share_no_content_and_repeat_none),
        cmocka_unit_test(a_problem_depends_on_seed_split_and_index_only),
        cmocka_unit_test(answers_are_balanced_within_every_style),
        cmocka_unit_test(a_known_goal_is_no_premise),
        cmocka_unit_test(word_problems_of_all_templates_are_filled_in),
        cmocka_unit_test(words_are_distinct_and_none_is_a_benchmarks),
        cmocka_unit_test(hard_words_begin_alike_and_other_words_rarely_do),
        cmocka_unit_test(words_bend_as_in_english),
        cmocka_unit_test(careless_chains_are_wrong_about_half_of_the_time),
        cmocka_unit_test(derived_problems_have_right_gold_chains_and_keep_the_split),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
