/* test_gold_source.c - what a training step on gold chains sees, and what of it is trained. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "run/gold_source.h"
#include "testing.h"

#include <string.h>

enum { PER_STEP = 12 };

static struct ap_tokenizer *tokenizer;
static struct ap_template *tmpl;
static struct ap_task *task;

static int open_all(void **state)
{
    struct ap_err err;
    (void)state;
    bool ok = ap__tokenizer_open("models/student", &tokenizer, &err) == AP_OK &&
              ap__template_open("models/student", tokenizer, &tmpl, &err) == AP_OK &&
              ap__task_open("fol-entailment", &task, &err) == AP_OK;
    return ok ? 0 : -1;
}

static int close_all(void **state)
{
    (void)state;
    ap__task_free(task);
    ap__template_free(tmpl);
    ap__tokenizer_free(tokenizer);
    return 0;
}

static struct ap_gold_source *open_source(void)
{
    struct ap_gold_source *source = NULL;
    struct ap_gold_options options = {.tmpl = tmpl, .seed = 7};
    OK(ap__gold_source_new(&options, &source, err));
    OK(ap__gold_source_add(source, task, PER_STEP, err));
    return source;
}

/* The text of the example's trained tokens: all calls that are imitated, one after the other. */
static void imitated(const struct ap_train_example *e, struct ap_buf *out)
{
    ap__buf_init(out, 0);
    for (int32_t i = 0; i < e->chosen.len; i++)
        if (e->chosen.trained[i])
            OK(ap__tokenizer_decode(tokenizer, &e->chosen.token[i], 1, false, out, err));
}

static void gold_text(int i, struct ap_buf *out)
{
    struct ap_problems problems = {0};
    ap__buf_init(out, 0);
    OK(ap__task_problems(task, AP_TRAIN, 7, 3 * PER_STEP, PER_STEP, &problems, err));
    for (int32_t k = 0; k < problems.item[i].call_count; k++)
        assert_int_equal(ap__buf_puts(out, problems.item[i].call[k]), AP_OK);
    ap__problems_deinit(&problems);
}

static void the_gold_calls_are_trained_and_nothing_else(void **state)
{
    struct ap_train_example example[PER_STEP];
    struct ap_gold_source *source = open_source();
    int32_t n = 0;
    (void)state;
    OK(ap__gold_source_step(source, 3, example, PER_STEP, &n, err));
    assert_int_equal(n, PER_STEP);
    for (int i = 0; i < n; i++) {
        struct ap_buf got, expected;
        imitated(&example[i], &got);
        gold_text(i, &expected);
        assert_string_equal(ap__buf_cstr(&got), ap__buf_cstr(&expected));
        ap__buf_deinit(&got);
        ap__buf_deinit(&expected);
    }
    ap__gold_source_free(source);
}

static void a_step_is_the_same_every_time(void **state)
{
    struct ap_train_example a[PER_STEP], b[PER_STEP];
    struct ap_gold_source *one = open_source(), *two = open_source();
    int32_t n;
    (void)state;
    OK(ap__gold_source_step(two, 0, b, PER_STEP, &n, err));
    OK(ap__gold_source_step(one, 4, a, PER_STEP, &n, err));
    OK(ap__gold_source_step(two, 4, b, PER_STEP, &n, err));
    for (int i = 0; i < n; i++) {
        assert_int_equal(a[i].chosen.len, b[i].chosen.len);
        assert_memory_equal(a[i].chosen.token, b[i].chosen.token, (size_t)a[i].chosen.len * sizeof(int32_t));
        assert_memory_equal(a[i].chosen.trained, b[i].chosen.trained, (size_t)a[i].chosen.len);
    }
    ap__gold_source_free(one);
    ap__gold_source_free(two);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_gold_calls_are_trained_and_nothing_else),
        cmocka_unit_test(a_step_is_the_same_every_time),
    };
    return cmocka_run_group_tests(tests, open_all, close_all);
}
