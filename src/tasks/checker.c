/* checker.c - answer against gold answer, four ways; see checker.h. */
#include "tasks/checker.h"

#include "functions/prover.h"
#include "functions/value.h"
#include <ctype.h>
#include <string.h>
#include <strings.h>

enum { MAX_ANSWER = 4096 };

/* Without blanks around. */
static void trim(const char **text, size_t *n)
{
    while (*n > 0 && isspace((unsigned char)**text))
        (*text)++, (*n)--;
    while (*n > 0 && isspace((unsigned char)(*text)[*n - 1]))
        (*n)--;
}

static bool same_text(const char *a, const char *b, bool any_case)
{
    size_t n = strlen(a), m = strlen(b);
    trim(&a, &n);
    trim(&b, &m);
    if (any_case && n > 0 && a[n - 1] == '.')
        n--;
    return n == m && (any_case ? strncasecmp(a, b, n) : memcmp(a, b, n)) == 0;
}

/* The one number in text: "$1,000", "3/4", "12 apples", "about 7 days". */
static bool read_number(const char *text, mpq_t out)
{
    char word[AP_NUMBER_MAX_TEXT + 2];
    if (ap__number_read_lenient(text, out))
        return true;
    bool found = false;
    while (*text) {
        size_t n = strcspn(text, " \t\n");
        mpq_t number;
        mpq_init(number);
        if (n > 0 && n < sizeof word) {
            memcpy(word, text, n);
            word[n] = '\0';
            if (ap__number_read_lenient(word, number)) {
                if (found && !mpq_equal(out, number)) { /* two numbers: which is meant? */
                    mpq_clear(number);
                    return false;
                }
                mpq_set(out, number);
                found = true;
            }
        }
        mpq_clear(number);
        text += n + (text[n] != '\0');
    }
    return found;
}

static ap_status judge_number(const struct ap_checker *checker, const char *answer, const char *gold, bool *correct,
                              struct ap_err *err)
{
    mpq_t a, b, tolerance;
    mpq_inits(a, b, tolerance, NULL);
    ap_status st = AP_OK;
    if (!read_number(gold, b))
        st = ap__fail(err, AP_E_FORMAT, NULL, "the gold answer `%.80s` is no number", gold);
    else if (checker->tolerance && !ap__number_parse(checker->tolerance, tolerance))
        st = ap__fail(err, AP_E_FORMAT, NULL, "the tolerance `%.80s` is no number", checker->tolerance);
    else if (read_number(answer, a)) {
        mpq_sub(a, a, b);
        mpq_abs(a, a);
        *correct = mpq_cmp(a, tolerance) <= 0;
    }
    mpq_clears(a, b, tolerance, NULL);
    return st;
}

static ap_status judge_choice(const struct ap_checker *checker, const char *answer, const char *gold, bool *correct,
                              struct ap_err *err)
{
    for (int32_t i = 0; i < checker->choice_count; i++)
        if (same_text(gold, checker->choices[i], true)) {
            *correct = same_text(answer, checker->choices[i], true);
            return AP_OK;
        }
    return ap__fail(err, AP_E_FORMAT, NULL, "the gold answer `%.80s` is none of the choices", gold);
}

/* An answer that is no formula is wrong; a gold formula that is none is a fault of the data. */
static ap_status judge_formula(const struct ap_checker *checker, const char *answer, const char *gold, bool *correct,
                               struct ap_err *err)
{
    struct ap_arena arena;
    const struct ap_formula *a, *b;
    struct ap_err unread = {0};
    ap__arena_init(&arena, 0);
    ap_status st = ap__formula_parse(gold, strlen(gold), &arena, &b, err);
    if (st == AP_OK) {
        st = ap__formula_parse(answer, strlen(answer), &arena, &a, &unread);
        if (st == AP_OK)
            st = ap__formula_equivalent(checker->prover, a, b, correct, &unread);
        if (st == AP_E_MEMORY)
            *err = unread;
        else
            st = AP_OK;
    }
    ap__arena_deinit(&arena);
    return st;
}

ap_status ap__checker_judge(const struct ap_checker *checker, const char *answer, const char *gold, bool *correct,
                            struct ap_err *err)
{
    *correct = false;
    if (strlen(answer) > MAX_ANSWER)
        return AP_OK;
    switch (checker->kind) {
    case AP_CHECK_EXACT:
        *correct = same_text(answer, gold, false);
        return AP_OK;
    case AP_CHECK_NUMBER:
        return judge_number(checker, answer, gold, correct, err);
    case AP_CHECK_CHOICE:
        return judge_choice(checker, answer, gold, correct, err);
    case AP_CHECK_FORMULA:
        return judge_formula(checker, answer, gold, correct, err);
    }
    return ap__fail(err, AP_E_ARG, NULL, "unknown kind of checker");
}
