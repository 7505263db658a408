/* test_checker.c - which answers count as the gold answer. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "functions/prover.h"
#include "tasks/checker.h"

#include <string.h>

static bool judge(const struct ap_checker *checker, const char *answer, const char *gold)
{
    struct ap_err err = {0};
    bool correct = true;
    if (ap__checker_judge(checker, answer, gold, &correct, &err) != AP_OK)
        fail_msg("%s against %s: %s", answer, gold, err.message);
    return correct;
}

static void exact_answers_are_the_same_text_but_for_blanks_around(void **state)
{
    (void)state;
    const struct ap_checker checker = {.kind = AP_CHECK_EXACT};
    assert_true(judge(&checker, "  Paris\n", "Paris"));
    assert_false(judge(&checker, "paris", "Paris"));
    assert_false(judge(&checker, "Par is", "Paris"));
    assert_true(judge(&checker, "", " "));
}

static void numbers_are_read_as_people_write_them(void **state)
{
    (void)state;
    const struct ap_checker checker = {.kind = AP_CHECK_NUMBER, .tolerance = "0"};
    static const char *const same[][2] = {{"$1,000", "1000"},  {"3/4", "0.75"},       {"12 apples", "12"},
                                          {"12.0", "12"},      {" 7 ", "7"},          {"-5 degrees", "-5"},
                                          {"about 7 days", "7"}, {"18", "18.00"},     {"1e3", "1000"},
                                          {"20%", "20"},       {"1/3", "2/6"}};
    static const char *const different[][2] = {{"13", "12"},   {"twelve", "12"}, {"", "12"}, {"12 of 15", "12"},
                                               {"0.333", "1/3"}, {"12a", "12"},  {"--12", "12"}};
    for (size_t i = 0; i < sizeof same / sizeof same[0]; i++)
        if (!judge(&checker, same[i][0], same[i][1]))
            fail_msg("`%s` should be %s", same[i][0], same[i][1]);
    for (size_t i = 0; i < sizeof different / sizeof different[0]; i++)
        if (judge(&checker, different[i][0], different[i][1]))
            fail_msg("`%s` should not be %s", different[i][0], different[i][1]);
}

static void a_tolerance_is_exact_at_its_edge(void **state)
{
    (void)state;
    const struct ap_checker checker = {.kind = AP_CHECK_NUMBER, .tolerance = "0.01"};
    assert_true(judge(&checker, "3.15", "3.14"));
    assert_true(judge(&checker, "3.13", "3.14"));
    assert_false(judge(&checker, "3.1500001", "3.14"));
}

static void a_gold_answer_that_is_no_number_is_an_error(void **state)
{
    (void)state;
    const struct ap_checker checker = {.kind = AP_CHECK_NUMBER, .tolerance = "0"};
    struct ap_err err = {0};
    bool correct;
    assert_int_equal(ap__checker_judge(&checker, "1", "many", &correct, &err), AP_E_FORMAT);
    assert_non_null(strstr(err.message, "many"));
}

static void a_choice_ignores_case_and_must_be_one_of_the_choices(void **state)
{
    (void)state;
    char *choices[] = {"True", "False", "Unknown"};
    const struct ap_checker checker = {.kind = AP_CHECK_CHOICE, .choices = choices, .choice_count = 3};
    struct ap_err err = {0};
    bool correct;
    assert_true(judge(&checker, "true", "True"));
    assert_true(judge(&checker, "Unknown.", "Unknown"));
    assert_false(judge(&checker, "False", "True"));
    assert_false(judge(&checker, "Truely", "True"));
    assert_false(judge(&checker, "", "True"));
    assert_int_equal(ap__checker_judge(&checker, "True", "Maybe", &correct, &err), AP_E_FORMAT);
}

static void formulas_are_judged_by_equivalence(void **state)
{
    (void)state;
    struct ap_err err = {0};
    struct ap_checker checker = {.kind = AP_CHECK_FORMULA};
    bool correct;
    assert_int_equal(ap__prover_new(&checker.prover, &err), AP_OK);
    assert_true(judge(&checker, "forall y. (Cat(y) -> Pet(y))", "forall x. (Cat(x) -> Pet(x))"));
    assert_true(judge(&checker, "forall x. (not Pet(x) -> not Cat(x))", "forall x. (Cat(x) -> Pet(x))"));
    assert_false(judge(&checker, "forall x. (Pet(x) -> Cat(x))", "forall x. (Cat(x) -> Pet(x))"));
    assert_false(judge(&checker, "forall x. (Cat(x) ->", "forall x. (Cat(x) -> Pet(x))"));
    assert_false(judge(&checker, "Cat(tom, tim)", "Cat(tom)"));
    assert_int_not_equal(ap__checker_judge(&checker, "Cat(tom)", "Cat(", &correct, &err), AP_OK);
    ap__prover_free(checker.prover);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exact_answers_are_the_same_text_but_for_blanks_around),
        cmocka_unit_test(numbers_are_read_as_people_write_them),
        cmocka_unit_test(a_tolerance_is_exact_at_its_edge),
        cmocka_unit_test(a_gold_answer_that_is_no_number_is_an_error),
        cmocka_unit_test(a_choice_ignores_case_and_must_be_one_of_the_choices),
        cmocka_unit_test(formulas_are_judged_by_equivalence),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
