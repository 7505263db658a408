/* test_report.c - the page says everything, is well formed, and lets nobody's text through as markup. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "base/file.h"
#include "report/chart.h"
#include "report/html.h"
#include "report/report.h"
#include "testing.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EVIL "<script>alert(\"1\")</script>&'\x01"

static struct ap_buf page; /* the last report */

static int open_page(void **state)
{
    ap__buf_init(&page, 0);
    return make_dir(state);
}

static int close_page(void **state)
{
    ap__buf_deinit(&page);
    return remove_dir(state);
}

/* ---- a run of two tasks with three templates each ---- */

enum { HELDOUT = 12 };
static const char *const tasks[2] = {"fol-entailment", "math <b>word</b>"};
static const char *const templates[3] = {"chain & \"rules\"", "only", EVIL};

static void add_chain(struct ap_store *store, const char *problem, const char *actor, enum ap_purpose purpose,
                      int32_t sample, bool right)
{
    struct ap_step step[3] = {
        {.call = (char *)"Sum(a=1, b=2)", .result = (char *)"3", .function = (char *)"Sum"},
        {.call = (char *)(right ? "Sum(a=3, b=2)" : "Sum(\"" EVIL "\xff\")"), .result = (char *)(right ? "5" : EVIL),
         .function = (char *)(right ? "Sum" : ""), .error = !right},
        {.call = (char *)"Answer(5)", .result = (char *)"5", .function = (char *)"Answer"}};
    struct ap_stored_chain chain = {
        .key = {problem, actor, purpose, sample},
        .sound = right,
        .chain = {.step = step, .n = 3, .answer = (char *)(right ? "5" : EVIL), .end = AP_END_ANSWER,
                  .verdict = right ? AP_CORRECT : AP_INCORRECT, .new_tokens = 11}};
    OK(ap__store_add_chain(store, &chain, err));
}

static void add_problems(struct ap_store *store, bool finished)
{
    for (int i = 0; i < 2 * HELDOUT; i++) {
        const char *task = tasks[i % 2];
        char id[32], question[96];
        bool train = i < 4;
        snprintf(id, sizeof id, "p%d", i);
        snprintf(question, sizeof question, "Question %d? " EVIL, i);
        struct ap_problem p = {.id = id, .task = (char *)task, .template_name = (char *)templates[i / 2 % 3],
                               .question = question, .answer = (char *)EVIL};
        OK(ap__store_add_problem(store, train ? AP_TRAIN : AP_HELDOUT, &p, err));
        if (train) {
            add_chain(store, id, "teacher", AP_FOR_COLLECT, 0, true);
            add_chain(store, id, "student", AP_FOR_COLLECT, 0, false);
            continue;
        }
        add_chain(store, id, "before", AP_FOR_EVAL, AP_SAMPLE_GREEDY, i / 2 % 4 == 0);
        for (int k = 0; k < 2; k++)
            add_chain(store, id, "before", AP_FOR_EVAL, k, false);
        if (!finished)
            continue;
        add_chain(store, id, "after", AP_FOR_EVAL, AP_SAMPLE_GREEDY, i / 2 % 4 != 0 || i % 2);
        for (int k = 0; k < 2; k++)
            add_chain(store, id, "after", AP_FOR_EVAL, k, i / 2 % 6 != 0);
        add_chain(store, id, "control", AP_FOR_EVAL, AP_SAMPLE_GREEDY, true);
        add_chain(store, id, "teacher", AP_FOR_EVAL, AP_SAMPLE_GREEDY, true);
    }
}

static void add_training(struct ap_store *store, double drift)
{
    for (int step = 1; step <= 30; step++) {
        json_t *m = json_pack("{s:f, s:f, s:f, s:f, s:f, s:I, s:I}", "loss", 1.0 / step, "margin", step / 10.0,
                              "accuracy", 0.9, "drift_chosen", drift, "drift_rejected", -step / 5.0, "tokens_tree",
                              (json_int_t)100, "tokens_flat", (json_int_t)750);
        OK(ap__store_add_metric(store, "dpo", step, m, err));
        OK(ap__store_add_metric(store, "sft", step, m, err));
        json_decref(m);
    }
}

static void fill(struct ap_store *store, bool finished, double drift)
{
    static const char *const meta[][2] = {{"seed", "42"}, {"version", "0.1.0"}, {"recipe", "name: " EVIL},
                                          {"student_declaration", "It was made weak by " EVIL}};
    for (size_t i = 0; i < sizeof meta / sizeof *meta; i++)
        OK(ap__store_set_meta(store, meta[i][0], meta[i][1], err));
    add_problems(store, finished);
    struct ap_pair item[4];
    for (int i = 0; i < 4; i++) /* chains were added teacher, student by turns */
        item[i] = (struct ap_pair){.problem = (char *)(i == 0 ? "p0" : i == 1 ? "p1" : i == 2 ? "p2" : "p3"),
                                   .chosen = 2 * i + 1, .rejected = 2 * i + 2, .divergence = 1,
                                   .provenance = (char *)"teacher>student"};
    struct ap_pairs pairs = {.item = item, .n = 4};
    OK(ap__store_set_pairs(store, &pairs, err));
    OK(ap__store_begin_stage(store, "collect", 1, err));
    OK(ap__store_end_stage(store, true, err));
    if (finished)
        add_training(store, drift);
}

/* Make a run and its report; the page is in `page`. */
static void make_report(bool finished, double drift)
{
    struct ap_store *store = NULL;
    char path[128];
    OK(ap__store_open(dir, AP_STORE_WRITE, &store, err));
    fill(store, finished, drift);
    OK(ap__store_flush(store, err));
    OK(ap__report_write(store, err));
    ap__store_free(store);
    snprintf(path, sizeof path, "%s/report.html", dir);
    OK(ap__file_read(path, 1 << 24, &page, err));
}

static void has(const char *needle)
{
    if (!strstr(ap__buf_cstr(&page), needle))
        fail_msg("the page does not say `%s`", needle);
}

static void has_not(const char *needle)
{
    const char *at = strstr(ap__buf_cstr(&page), needle);
    if (at)
        fail_msg("the page says `%.80s`", at);
}

/* ---- well-formedness: every element is closed in order ---- */

static bool is_void(const char *name)
{
    return strcmp(name, "meta") == 0 || strcmp(name, "br") == 0 || strcmp(name, "!DOCTYPE") == 0;
}

/* Skip a tag's attributes; returns the position of '>'. Quotes must close. */
static const char *end_of_tag(const char *p)
{
    for (; *p && *p != '>'; p++) {
        assert_true(*p != '<');
        if (*p == '"') {
            p = strchr(p + 1, '"');
            assert_non_null(p);
        }
    }
    assert_true(*p == '>');
    return p;
}

static void check_well_formed(const char *html)
{
    char stack[64][16];
    int depth = 0;
    for (const char *p = strchr(html, '<'); p; p = strchr(p, '<')) {
        char name[16] = {0};
        bool closing = *++p == '/';
        p += closing;
        for (size_t n = 0; n < 15 && (isalnum((unsigned char)*p) || *p == '!'); n++)
            name[n] = *p++;
        if (name[0] == '\0')
            fail_msg("a bare `<` before `%.40s`", p);
        p = end_of_tag(p);
        if (is_void(name) || p[-1] == '/')
            continue;
        if (!closing) {
            assert_true(depth < 64);
            memcpy(stack[depth++], name, sizeof name);
        } else if (depth == 0 || strcmp(stack[--depth], name) != 0) {
            fail_msg("</%s> closes <%s> before `%.60s`", name, stack[depth], p);
        }
    }
    assert_int_equal(depth, 0);
}

static void the_page_is_well_formed_and_self_contained(void **state)
{
    (void)state;
    make_report(true, 0.5);
    check_well_formed(page.data);
    static const char *const outside[] = {"http:", "https:", "src=", "href=", "url(", "@import", "<script", "<link", "<img"};
    for (size_t i = 0; i < sizeof outside / sizeof *outside; i++)
        has_not(outside[i]);
}

static void no_text_of_others_becomes_markup(void **state)
{
    (void)state;
    make_report(true, 0.5);
    has_not("<script");
    has_not("alert(\"1\")");
    has_not("math <b>word</b>");
    has("math &lt;b&gt;word&lt;/b&gt;");
    has("&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;&amp;");
    for (size_t i = 0, len; i < page.len; i += len) {
        unsigned char c = (unsigned char)page.data[i];
        assert_true(c >= 0x20 || c == '\n' || c == '\t');
        len = c < 0x80 ? 1 : c < 0xE0 ? 2 : c < 0xF0 ? 3 : 4;
        for (size_t k = 1; k < len; k++) /* UTF-8 throughout, though a model wrote \xff */
            assert_int_equal((unsigned char)page.data[i + k] & 0xC0, 0x80);
    }
}

static void every_task_template_and_number_is_in_the_page(void **state)
{
    (void)state;
    make_report(true, 0.5);
    has("fol-entailment");
    has("chain &amp; &quot;rules&quot;");
    has(">only<");
    has("How the student was made weak");
    has("It was made weak by");
    has("Control (SFT)");
    has("McNemar");
    has("Wilcoxon signed-rank");
    has("A problem that was gained");
    has("A problem that was lost");
    has("A preference pair it was trained on");
    has("class=\"part\"");
    has("Drift of the log-probs");
    has("7.5 times fewer");
    has("teacher&gt;student");
    has("name: &lt;script");
    has("prefers-color-scheme:dark");
}

static void a_falling_chosen_log_prob_is_a_warning(void **state)
{
    (void)state;
    make_report(true, -9.5);
    has("The chosen chains became less likely");
    has("9.5 nats below");
}

static void a_healthy_training_is_no_warning(void **state)
{
    (void)state;
    make_report(true, 0.5);
    has_not("became less likely");
    has("0.5 nats above");
}

static void an_unfinished_run_has_a_report_that_says_so(void **state)
{
    (void)state;
    make_report(false, 0);
    check_well_formed(page.data);
    has("This run is not finished.");
    has("not compared");
    has_not("A problem that was gained");
    has_not("nan");
}

static void an_empty_run_has_a_report_too(void **state)
{
    (void)state;
    struct ap_store *store = NULL;
    OK(ap__store_open(dir, AP_STORE_WRITE, &store, err));
    OK(ap__report_write(store, err));
    ap__store_free(store);
    char path[128];
    snprintf(path, sizeof path, "%s/report.html", dir);
    OK(ap__file_read(path, 1 << 24, &page, err));
    check_well_formed(page.data);
    has("This run is not finished.");
}

/* ---- summary.json ---- */

static const json_t *get(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    if (!value)
        fail_msg("the summary has no `%s`", key);
    return value;
}

static void the_summary_has_the_promised_keys_and_the_pages_numbers(void **state)
{
    (void)state;
    static const char *const rows[] = {"before", "control", "after", "teacher"};
    make_report(true, 0.5);
    json_t *summary = NULL;
    char path[128];
    snprintf(path, sizeof path, "%s/summary.json", dir);
    OK(ap__json_load(path, &summary, err));
    for (int t = 0; t < 2; t++) {
        const json_t *task = get(get(summary, "tasks"), tasks[t]);
        assert_int_equal(json_integer_value(get(task, "problems")), HELDOUT - 2);
        for (int r = 0; r < 4; r++)
            assert_true(json_is_integer(get(get(task, rows[r]), "greedy_correct")));
        assert_true(json_is_real(get(get(task, "before"), "rate")));
        assert_true(json_is_real(get(get(task, "after"), "rate")));
        assert_true(json_is_real(get(get(task, "wilcoxon"), "p")));
        assert_true(json_is_real(get(get(task, "mcnemar"), "p")));
        assert_int_equal(json_array_size(get(task, "templates")), 3);
    }
    const json_t *fol = get(get(summary, "tasks"), tasks[0]);
    assert_int_equal(json_integer_value(get(get(fol, "before"), "greedy_correct")), 2);
    assert_int_equal(json_integer_value(get(get(fol, "after"), "greedy_correct")), 8);
    assert_int_equal(json_integer_value(get(fol, "gained")), 8);
    assert_int_equal(json_integer_value(get(fol, "lost")), 2);
    assert_int_equal(json_integer_value(get(summary, "pairs")), 4);
    assert_int_equal(json_integer_value(get(get(summary, "tokens"), "tree")), 3000);
    assert_int_equal(json_integer_value(get(get(summary, "tokens"), "flat")), 22500);
    assert_true(json_is_number(get(get(summary, "seconds"), "collect")));
    assert_int_equal(json_integer_value(get(summary, "seed")), 42);
    json_decref(summary);
    has("2</b> \xE2\x86\x92 <b>8</b> of 10 held-out problems right");
}

/* ---- pieces ---- */

static void numbers_are_written_as_people_write_them(void **state)
{
    (void)state;
    struct ap_buf out;
    ap__buf_init(&out, 0);
    ap__html_count(&out, 1234567);
    ap__buf_putc(&out, ' ');
    ap__html_count(&out, 1234);
    ap__buf_putc(&out, ' ');
    ap__html_points(&out, -0.412);
    ap__buf_putc(&out, ' ');
    ap__html_points(&out, -0.0001);
    ap__buf_putc(&out, ' ');
    ap__html_p(&out, 3.14e-45);
    ap__buf_putc(&out, ' ');
    ap__html_p(&out, 0.04217);
    ap__buf_putc(&out, ' ');
    ap__html_p(&out, 9.99e-7);
    ap__buf_putc(&out, ' ');
    ap__html_p(&out, 1);
    ap__buf_putc(&out, ' ');
    ap__html_seconds(&out, 3725);
    assert_string_equal(out.data, "1\u202F234\u202F567 1234 \u221241.2 0.0 3.1\u202F\u00D7\u202F10<sup>\u221245</sup> 0.0422 "
                                  "1.0\u202F\u00D7\u202F10<sup>\u22126</sup> 1 1\u202Fh 02\u202Fmin");
    ap__buf_deinit(&out);
}

static void a_plot_survives_constant_single_and_missing_values(void **state)
{
    (void)state;
    double nothing[3] = {NAN, NAN, NAN}, same[30], one[1] = {2}, huge[2] = {-1e12, 3e12};
    for (int i = 0; i < 30; i++)
        same[i] = i == 7 ? (double)NAN : 0.25;
    const struct {
        double *y;
        size_t n;
    } cases[] = {{nothing, 3}, {same, 30}, {one, 1}, {huge, 2}, {one, 0}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct ap_chart_line line = {"after", "x", cases[i].y, cases[i].n};
        struct ap_chart_plot plot = {.title = "t", .note = "n", .line = &line, .lines = 1, .low = NAN, .high = NAN};
        struct ap_buf out;
        ap__buf_init(&out, 1 << 16);
        ap__chart_plot(&out, &plot);
        assert_false(out.failed);
        check_well_formed(out.data);
        assert_null(strstr(out.data, "nan"));
        assert_null(strstr(out.data, "inf"));
        ap__buf_deinit(&out);
    }
}

static void a_report_that_runs_out_of_memory_is_an_error_and_leaves_the_old_one(void **state)
{
    (void)state;
    make_report(true, 0.5);
    struct ap_store *store = NULL;
    OK(ap__store_open(dir, AP_STORE_READ, &store, err));
    for (int64_t n = 1; n < 3000; n = n * 3 / 2 + 1) {
        struct ap_err why = {0};
        ap__alloc_fail_after(n);
        ap_status status = ap__report_write(store, &why);
        ap__alloc_fail_after(0);
        if (status == AP_OK)
            break;
        assert_int_equal(status, AP_E_MEMORY);
    }
    ap__store_free(store);
    char path[128];
    struct ap_buf again;
    ap__buf_init(&again, 0);
    snprintf(path, sizeof path, "%s/report.html", dir);
    OK(ap__file_read(path, 1 << 24, &again, err));
    assert_string_equal(again.data, page.data);
    ap__buf_deinit(&again);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_page, close_page)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_page_is_well_formed_and_self_contained),
        TEST(no_text_of_others_becomes_markup),
        TEST(every_task_template_and_number_is_in_the_page),
        TEST(a_falling_chosen_log_prob_is_a_warning),
        TEST(a_healthy_training_is_no_warning),
        TEST(an_unfinished_run_has_a_report_that_says_so),
        TEST(an_empty_run_has_a_report_too),
        TEST(the_summary_has_the_promised_keys_and_the_pages_numbers),
        cmocka_unit_test(numbers_are_written_as_people_write_them),
        cmocka_unit_test(a_plot_survives_constant_single_and_missing_values),
        TEST(a_report_that_runs_out_of_memory_is_an_error_and_leaves_the_old_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
