/* test_recipe.c - recipes: defaults, every section, and messages that name the line. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "run/recipe.h"

#include <stdio.h>
#include <string.h>

static const char with_adapter[] = "name: x\ntasks: [math-word]\nstudent: {model: models/student, adapter: a}\n";
static const char minimal[] = "name: x\ntasks: [math-word]\nstudent: {model: models/student}\n";

static void a_minimal_recipe_gets_the_defaults(void **state)
{
    (void)state;
    struct ap_recipe r;
    struct ap_err err;
    assert_int_equal(ap__recipe_parse(minimal, "r.yaml", &r, &err), AP_OK);
    assert_string_equal(r.name, "x");
    assert_int_equal(r.task_count, 1);
    assert_int_equal(r.teacher.samples, 0); /* no teacher, no chains of it */
    assert_null(r.teacher.model);
    assert_false(r.evaluate.teacher);
    assert_true(r.control);
    assert_int_equal(r.train.lora.rank, 16);
    ap__recipe_free(&r);
}

static void every_section_is_read(void **state)
{
    (void)state;
    struct ap_recipe r;
    struct ap_err err;
    char text[2048];
    snprintf(text, sizeof text, "%s%s", with_adapter,
             "seed: 7\ncontrol: false\nteacher: {model: t, samples: 3, temperatures: [0, 1.5], base_dtype: nf4,\n"
             "          cache_tokens: 512}\n"
             "collect: {problems: 10, augment: 0.5, gold: chosen, in_flight: 4}\npairs: {per_problem: 5, total: 6}\n"
             "train:\n  lora: {rank: 4, alpha: 8, targets: [q, down]}\n  lr: 0.5\n  schedule: cosine\n  steps: 2\n"
             "  batch: 3\n  beta: 0.1\n  label_smoothing: 0.2\n  loss: robust\n  sft_weight: 0.25\n"
             "  warmup_from_zero: true\n  reference: adapter\n  blame: step\n  nll_weight: 0\n  max_tokens: 100\n  clip: 0\n"
             "  warmup: 0\n  weight_decay: 0.1\nevaluate: {problems: 9, samples: 2, temperature: 1, teacher: false}\n");
    assert_int_equal(ap__recipe_parse(text, "r.yaml", &r, &err), AP_OK);
    assert_int_equal(r.seed, 7);
    assert_false(r.control);
    assert_int_equal(r.teacher.temperature_count, 2);
    assert_true(r.teacher.temperature[1] == 1.5);
    assert_string_equal(r.teacher.base_dtype, "nf4");
    assert_int_equal(r.teacher.cache_tokens, 512);
    assert_null(r.student.base_dtype);
    assert_string_equal(r.collect.gold, "chosen");
    assert_int_equal(r.pairs.total, 6);
    assert_int_equal(r.train.lora.targets, AP_LORA_Q | AP_LORA_DOWN);
    assert_int_equal(r.train.schedule, AP_SCHEDULE_COSINE);
    assert_true(r.train.dpo.label_smoothing == 0.2);
    assert_int_equal(r.train.dpo.loss, AP_LOSS_ROBUST);
    assert_true(r.train.dpo.sft_weight == 0.25);
    assert_true(r.train.warmup_from_zero);
    assert_int_equal(r.train.reference, AP_REFERENCE_ADAPTER);
    assert_int_equal(r.train.blame, AP_BLAME_STEP);
    assert_int_equal(r.evaluate.samples, 2);
    ap__recipe_free(&r);
}

/* Each line is wrong in one way; the message must hold the word and the line must be 4. */
static void a_wrong_recipe_is_explained_with_its_line(void **state)
{
    (void)state;
    static const char *const wrong[][2] = {
        {"evalute: {problems: 5}", "evaluate"}, /* the nearest known key is offered */
        {"train: {step: 5}", "steps"},
        {"train: {schedule: sawtooth}", "hold-linear"},
        {"train: {lora: {targets: [q, w]}}", "gate"},
        {"train: {beta: -1}", "beta"},
        {"train: {loss: kto}", "hinge, ipo, robust"},
        {"train: {loss: ipo, label_smoothing: 0.1}", "sigmoid or robust"},
        {"train: {sft_weight: -1}", "sft_weight"},
        {"train: {reference: adapter}", "a student with an adapter"},
        {"train: {reference: policy}", "base or adapter"},
        {"train: {blame: teacher}", "chain or step"},
        {"collect: {gold: yes please}", "chosen"},
        {"collect: [1, 2]", "section"},
        {"teacher: {samples: 2}", "model"},
        {"teacher: {model: t, temperatures: [hot]}", "temperature"},
        {"teacher: {model: t, base_dtype: q4}", "nf4-single"},
        {"pairs: {total: 1.5}", "total"},
        {"seed: -1", "seed"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct ap_recipe r;
        struct ap_err err;
        char text[1024];
        snprintf(text, sizeof text, "%s%s\n", minimal, wrong[i][0]);
        ap_status status = ap__recipe_parse(text, "r.yaml", &r, &err);
        if (status == AP_OK || strstr(err.message, wrong[i][1]) == NULL || strcmp(err.place, "r.yaml:4") != 0)
            fail_msg("`%s` gave status %d, place `%s`, message `%s`", wrong[i][0], (int)status, err.place, err.message);
    }
}

static void a_recipe_without_tasks_or_student_is_refused(void **state)
{
    (void)state;
    struct ap_recipe r;
    struct ap_err err;
    assert_int_not_equal(ap__recipe_parse("name: x\nstudent: {model: s}\n", "r", &r, &err), AP_OK);
    assert_non_null(strstr(err.message, "tasks"));
    assert_int_not_equal(ap__recipe_parse("name: x\ntasks: [a]\n", "r", &r, &err), AP_OK);
    assert_non_null(strstr(err.message, "student"));
    assert_int_not_equal(ap__recipe_parse("- a\n- b\n", "r", &r, &err), AP_OK);
    assert_int_not_equal(ap__recipe_parse("", "r", &r, &err), AP_OK);
}

static void failing_allocations_leak_nothing(void **state)
{
    (void)state;
    struct ap_recipe r;
    struct ap_err err;
    for (int64_t n = 1; n < 10000; n++) {
        ap__alloc_fail_after(n);
        ap_status status = ap__recipe_parse(minimal, "r.yaml", &r, &err);
        ap__alloc_fail_after(0);
        if (status == AP_OK) {
            ap__recipe_free(&r);
            return;
        }
        assert_int_equal(status, AP_E_MEMORY);
    }
    fail_msg("parsing never succeeded");
}

static void a_remote_teacher_is_read(void **state)
{
    (void)state;
    struct ap_recipe r;
    struct ap_err err;
    char text[2048];
    snprintf(text, sizeof text, "%s%s", minimal,
             "teacher:\n  url: http://h/v1\n  model: m\n  key_env: K\n  style: tools\n  results: tool\n  explain: false\n"
             "  max_tokens: 9\n  extra: {a: 1, b: null}\n  headers: {X-A: b}\n  in_flight: 3\n  requests_per_minute: 4\n"
             "  tokens_per_minute: 5\n  attempts: 6\n  backoff: 0.5\n  timeout: 7\n  price: {input: 1, output: 2}\n"
             "  budget: {cost: 8, tokens: 9}\n  samples: 3\n  temperatures: [0.2]\n");
    assert_int_equal(ap__recipe_parse(text, "r.yaml", &r, &err), AP_OK);
    const struct ap_remote_options *o = &r.teacher.remote;
    assert_true(r.teacher.is_remote && !r.student.is_remote);
    assert_string_equal(o->url, "http://h/v1");
    assert_string_equal(r.teacher.model, "m");
    assert_int_equal(o->form.style, AP_CHAT_TOOLS);
    assert_true(o->form.tool_role && !o->explain);
    assert_int_equal(json_object_size(o->form.extra), 2);
    assert_string_equal(o->headers[0], "X-A: b");
    assert_int_equal(o->in_flight, 3);
    assert_int_equal(o->attempts, 6);
    assert_true(o->price.completion == 2 && o->price.cached < 0 && o->budget == 8 && o->budget_tokens == 9);
    assert_int_equal(r.teacher.samples, 3);
    ap__recipe_free(&r);
}

static void a_wrong_remote_teacher_is_explained(void **state)
{
    (void)state;
    static const char *const wrong[][2] = {
        {"url: http://h, model: m, adapter: a", "adapter"},
        {"url: http://h", "`model`"},
        {"url: http://h, model: m, style: xml", "text or tools"},
        {"url: http://h, model: m, results: x", "user or tool"},
        {"url: http://h, model: m, extra: [1]", "`extra` must be a map"},
        {"url: http://h, model: m, headers: {A: [1]}", "header"},
        {"url: http://h, model: m, in_flight: 0", "in_flight"},
        {"url: http://h, model: m, budget: {cost: 1}", "price"},
        {"url: http://h, model: m, price: {input: 1}", "output"},
        {"url: http://h, model: m, key: sk-1", "unknown key `key`"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct ap_recipe r;
        struct ap_err err;
        char text[512];
        snprintf(text, sizeof text, "%steacher: {%s}\n", minimal, wrong[i][0]);
        assert_int_not_equal(ap__recipe_parse(text, "r.yaml", &r, &err), AP_OK);
        if (strstr(err.message, wrong[i][1]) == NULL)
            fail_msg("`%s` is not in `%s`", wrong[i][1], err.message);
    }
}

static void the_recipes_that_come_along_are_valid(void **state)
{
    (void)state;
    static const char *const path[] = {"recipes/demo.yaml", "recipes/gsm8k.yaml", "recipes/own-model.yaml",
                                        "recipes/own-teacher.yaml"};
    for (size_t i = 0; i < sizeof path / sizeof path[0]; i++) {
        struct ap_recipe r;
        struct ap_err err;
        if (ap__recipe_load(path[i], &r, &err) != AP_OK)
            fail_msg("%s: %s", err.place, err.message);
        ap__recipe_free(&r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_minimal_recipe_gets_the_defaults),
        cmocka_unit_test(every_section_is_read),
        cmocka_unit_test(a_wrong_recipe_is_explained_with_its_line),
        cmocka_unit_test(a_recipe_without_tasks_or_student_is_refused),
        cmocka_unit_test(failing_allocations_leak_nothing),
        cmocka_unit_test(a_remote_teacher_is_read),
        cmocka_unit_test(a_wrong_remote_teacher_is_explained),
        cmocka_unit_test(the_recipes_that_come_along_are_valid),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
