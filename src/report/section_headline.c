/* section_headline.c - did the student learn, by how much, and is it real?
 *
 *     title (one sentence) -> a card per task -> declaration of the weak start
 *     -> table: before, control, after, teacher, tests -> accuracy chart */
#include "report/chart.h"
#include "report/sections.h"

#include <string.h>

enum outcome { NOT_COMPARED, NO_DIFFERENCE, BETTER, WORSE };

static enum outcome outcome_of(const struct ap_report_task *task)
{
    if (!task->compared)
        return NOT_COMPARED;
    if (task->wilcoxon_holm >= 0.05)
        return NO_DIFFERENCE;
    return task->gain.difference > 0 ? BETTER : WORSE;
}

static size_t count(const struct ap_report *report, enum outcome wanted)
{
    size_t n = 0;
    for (size_t i = 0; i < report->tasks; i++)
        n += outcome_of(&report->task[i]) == wanted;
    return n;
}

/* ---- title ---- */

static void put_title(struct ap_buf *out, const struct ap_report *report)
{
    size_t compared = report->tasks - count(report, NOT_COMPARED), better = count(report, BETTER);
    size_t worse = count(report, WORSE);
    ap__buf_puts(out, "<h1>");
    if (compared == 0)
        ap__buf_puts(out, "This run is not finished.");
    else if (better == 0)
        ap__buf_puts(out, "The student did not measurably improve.");
    else if (better == compared)
        ap__buf_puts(out, compared == 1   ? "The student learned the task."
                          : compared == 2 ? "The student learned both tasks."
                                          : "The student learned all the tasks.");
    else
        ap__buf_printf(out, "The student learned %zu of %zu tasks.", better, compared);
    if (worse > 0)
        ap__buf_printf(out, " <span class=\"loss\">It got worse at %zu.</span>", worse);
    ap__buf_puts(out, "</h1>\n");
}

static void put_lede(struct ap_buf *out, const struct ap_report *report)
{
    int64_t train = 0;
    for (size_t i = 0; i < report->tasks; i++)
        train += report->task[i].train_problems;
    ap__buf_puts(out, "<p class=\"lede\">One small model answers held-out problems before and after preference "
                      "training "
                      "(DPO) on ");
    ap__html_count(out, report->pairs);
    ap__buf_puts(out, " pairs of right and wrong chains from ");
    ap__html_count(out, train);
    ap__buf_puts(out, " training problems. No held-out problem shares its content with a training problem.</p>\n");
}

static const char *run_name(const struct ap_report *report)
{
    const char *slash = strrchr(report->dir, '/');
    return slash && slash[1] ? slash + 1 : report->dir;
}

static void put_masthead(struct ap_buf *out, const struct ap_report *report)
{
    ap__buf_puts(out, "<header><p class=\"kicker\">Apprentice <span>report of run</span> ");
    ap__html_tag(out, "b", NULL, run_name(report));
    if (report->seed) {
        ap__buf_puts(out, " <span>seed</span> ");
        ap__html_tag(out, "b", NULL, report->seed);
    }
    ap__buf_puts(out, "</p>\n");
    put_title(out, report);
    put_lede(out, report);
    ap__buf_puts(out, "</header>\n");
}

/* ---- cards ---- */

static void put_card_tests(struct ap_buf *out, const struct ap_report_task *task)
{
    const struct ap_comparison *c = &task->gain;
    ap__buf_printf(out, "<p class=\"tests\">%s ", c->sampled ? "Success rate over drawn chains" : "Greedy answers");
    ap__buf_puts(out, "<b>");
    ap__html_points(out, c->difference);
    ap__buf_puts(out, " points</b> ");
    ap__html_interval(out, c->difference_interval);
    ap__buf_puts(out, "<br>Wilcoxon <i>p</i> = ");
    ap__html_p(out, task->wilcoxon_holm);
    ap__buf_puts(out, " &ensp; McNemar <i>p</i> = ");
    ap__html_p(out, task->mcnemar_holm);
    ap__buf_puts(out, "</p>");
}

/* What else answered the same problems. */
static void put_card_others(struct ap_buf *out, const struct ap_report_task *task)
{
    static const int rows[] = {AP_ROW_CONTROL, AP_ROW_TEACHER};
    ap__buf_puts(out, "<p class=\"counts\"><span class=\"gain\">");
    ap__html_count(out, task->gain.gained);
    ap__buf_puts(out, " gained</span>, <span class=\"loss\">");
    ap__html_count(out, task->gain.lost);
    ap__buf_puts(out, " lost</span>");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct ap_rates *r = &task->rates[rows[i]];
        if (!task->has[rows[i]])
            continue;
        ap__buf_printf(out, "<span class=\"quiet\"> \xC2\xB7 %s ",
                       rows[i] == AP_ROW_CONTROL ? "SFT control" : "teacher");
        ap__html_percent_of(out, r->greedy_correct, r->problems);
        ap__buf_puts(out, "</span>");
    }
    ap__buf_puts(out, "</p>");
}

/* Templates that lost more than they gained; an average must not hide them. */
static void put_card_losses(struct ap_buf *out, const struct ap_report_task *task)
{
    enum { SHOWN = 3 };
    size_t fallen = 0;
    for (size_t i = 0; i < task->gain.rows; i++) {
        const struct ap_template_row *row = &task->gain.row[i];
        if (row->lost <= row->gained)
            continue;
        if (fallen < SHOWN) {
            ap__buf_puts(out, fallen == 0 ? "<p class=\"counts loss\">Worse at " : "; ");
            ap__html_text(out, row->name);
            ap__buf_printf(out, " (%lld \xE2\x86\x92 %lld of %lld)", (long long)row->before, (long long)row->after,
                           (long long)row->problems);
        }
        fallen++;
    }
    if (fallen > SHOWN)
        ap__buf_printf(out, "; and %zu more", fallen - SHOWN);
    if (fallen > 0)
        ap__buf_puts(out, "</p>");
}

static void put_card(struct ap_buf *out, const struct ap_report_task *task)
{
    static const char *const words[] = {"not compared", "no measurable difference", "better", "worse"};
    static const char *const classes[] = {"flat", "flat", "better", "worse"};
    enum outcome outcome = outcome_of(task);
    const struct ap_rates *before = &task->gain.before, *after = &task->gain.after;
    ap__buf_printf(out, "<article class=\"card %s\"><h2>", classes[outcome]);
    ap__html_text(out, task->name);
    ap__buf_printf(out, " <span class=\"chip %s\">%s</span></h2>", classes[outcome], words[outcome]);
    if (outcome == NOT_COMPARED) {
        ap__buf_puts(out, "<p class=\"tests\">The evaluations before and after are not both there "
                          "yet.</p></article>\n");
        return;
    }
    ap__buf_puts(out, "<p class=\"big\"><span class=\"was\">");
    ap__html_percent_of(out, before->greedy_correct, before->problems);
    ap__buf_puts(out, "</span> <span class=\"arrow\">\xE2\x86\x92</span> <span class=\"is\">");
    ap__html_percent_of(out, after->greedy_correct, after->problems);
    ap__buf_puts(out, "</span></p><p class=\"counts\"><b>");
    ap__html_count(out, before->greedy_correct);
    ap__buf_puts(out, "</b> \xE2\x86\x92 <b>");
    ap__html_count(out, after->greedy_correct);
    ap__buf_puts(out, "</b> of ");
    ap__html_count(out, after->problems);
    ap__buf_puts(out, " held-out problems right</p>");
    put_card_others(out, task);
    put_card_losses(out, task);
    put_card_tests(out, task);
    ap__buf_puts(out, "</article>\n");
}

static void put_declaration(struct ap_buf *out, const struct ap_report *report)
{
    if (!report->declaration)
        return;
    ap__buf_puts(out, "<aside class=\"note\"><h3>How the student was made weak</h3><p>");
    ap__html_text(out, report->declaration);
    ap__buf_puts(out, "</p></aside>\n");
}

/* ---- table ---- */

static void put_rate_cell(struct ap_buf *out, const struct ap_report_task *task, int row)
{
    const struct ap_rates *r = &task->rates[row];
    if (!task->has[row]) {
        ap__buf_puts(out, "<td class=\"none\">not evaluated</td>");
        return;
    }
    ap__buf_puts(out, "<td><b>");
    ap__html_percent_of(out, r->greedy_correct, r->problems);
    ap__buf_puts(out, "</b> <small>");
    ap__html_interval(out, r->greedy);
    ap__buf_puts(out, "</small><br><span class=\"quiet\">");
    ap__html_count(out, r->greedy_correct);
    ap__buf_puts(out, " of ");
    ap__html_count(out, r->problems);
    if (r->samples > 0) {
        ap__buf_puts(out, "<br>drawn ");
        ap__html_percent(out, r->rate);
    }
    ap__buf_puts(out, "</span></td>");
}

/* A row of the table that holds something for every task. */
typedef void (*task_cell)(struct ap_buf *out, const struct ap_report_task *task);

static void put_difference(struct ap_buf *out, const struct ap_report_task *task)
{
    ap__buf_puts(out, "<b>");
    ap__html_points(out, task->gain.difference);
    ap__buf_puts(out, "</b> <small>");
    ap__html_interval(out, task->gain.difference_interval);
    ap__buf_printf(out, "</small><br><span class=\"quiet\">%s</span>",
                   task->gain.sampled ? "mean success rate, bootstrap" : "greedy answers, bootstrap");
}

static void put_changes(struct ap_buf *out, const struct ap_report_task *task)
{
    ap__buf_puts(out, "<b class=\"gain\">");
    ap__html_count(out, task->gain.gained);
    ap__buf_puts(out, "</b> gained<br><b class=\"loss\">");
    ap__html_count(out, task->gain.lost);
    ap__buf_puts(out, "</b> lost");
}

static void put_wilcoxon(struct ap_buf *out, const struct ap_report_task *task)
{
    char method[96];
    ap__wilcoxon_describe(&task->gain.wilcoxon, method);
    ap__html_p(out, task->wilcoxon_holm);
    ap__buf_puts(out, "<br><span class=\"quiet\">");
    ap__html_text(out, method);
    ap__buf_puts(out, "</span>");
}

static void put_mcnemar(struct ap_buf *out, const struct ap_report_task *task)
{
    ap__html_p(out, task->mcnemar_holm);
    ap__buf_puts(out, "<br><span class=\"quiet\">exact, greedy answers</span>");
}

static void put_over_control(struct ap_buf *out, const struct ap_report_task *task)
{
    ap__buf_puts(out, "<b>");
    ap__html_points(out, task->over_control.difference);
    ap__buf_puts(out, "</b> <small>");
    ap__html_interval(out, task->over_control.difference_interval);
    ap__buf_puts(out, "</small><br><span class=\"quiet\">Wilcoxon <i>p</i> = ");
    ap__html_p(out, task->over_control.wilcoxon.p);
    ap__buf_puts(out, "</span>");
}

static void put_test_row(struct ap_buf *out, const struct ap_report *report, const char *title, task_cell put,
                         bool control)
{
    ap__buf_printf(out, "<tr><th scope=\"row\">%s</th>", title);
    for (size_t i = 0; i < report->tasks; i++) {
        const struct ap_report_task *task = &report->task[i];
        bool there = control ? task->control_compared : task->compared;
        ap__buf_puts(out, there ? "<td>" : "<td class=\"none\">\xE2\x80\x93");
        if (there)
            put(out, task);
        ap__buf_puts(out, "</td>");
    }
    ap__buf_puts(out, "</tr>\n");
}

static bool any_row(const struct ap_report *report, int row)
{
    for (size_t i = 0; i < report->tasks; i++)
        if (report->task[i].has[row])
            return true;
    return false;
}

static bool any_evaluated(const struct ap_report *report)
{
    for (int row = 0; row < AP_ROW_COUNT; row++)
        if (any_row(report, row))
            return true;
    return false;
}

static bool any_control(const struct ap_report *report)
{
    for (size_t i = 0; i < report->tasks; i++)
        if (report->task[i].control_compared)
            return true;
    return false;
}

static void put_table(struct ap_buf *out, const struct ap_report *report)
{
    ap__buf_puts(out, "<section><h2>The numbers</h2><p class=\"intro\">Right answers on held-out problems, greedy, "
                      "with "
                      "95\xE2\x80\xAF% intervals (Wilson); below them the mean success rate of chains drawn with "
                      "temperature. The control is the same student trained by SFT on the same chosen chains with the "
                      "same number of steps.</p>\n<div class=\"scroll\"><table class=\"numbers\"><thead><tr><th></th>");
    for (size_t i = 0; i < report->tasks; i++)
        ap__html_tag(out, "th", NULL, report->task[i].name);
    ap__buf_puts(out, "</tr></thead><tbody>\n");
    for (int row = 0; row < AP_ROW_COUNT; row++) {
        if (!any_row(report, row))
            continue;
        ap__buf_printf(out, "<tr><th scope=\"row\"><i class=\"key %s\"></i>%s</th>", ap__row_actor[row],
                       ap__row_title[row]);
        for (size_t i = 0; i < report->tasks; i++)
            put_rate_cell(out, &report->task[i], row);
        ap__buf_puts(out, "</tr>\n");
    }
    put_test_row(out, report, "After \xE2\x88\x92 before <small>points</small>", put_difference, false);
    put_test_row(out, report, "Greedy answers changed", put_changes, false);
    put_test_row(out, report, "Wilcoxon signed-rank <i>p</i>", put_wilcoxon, false);
    put_test_row(out, report, "McNemar <i>p</i>", put_mcnemar, false);
    if (any_control(report))
        put_test_row(out, report, "After \xE2\x88\x92 control <small>points</small>", put_over_control, true);
    ap__buf_puts(out, "</tbody></table></div>\n");
    if (report->tasks > 1)
        ap__buf_printf(out, "<p class=\"foot\">Two-sided tests; <i>p</i>-values of after against before are adjusted "
                            "for "
                            "the %zu tasks (Holm).</p>",
                       report->tasks);
    ap__buf_puts(out, "</section>\n");
}

/* ---- accuracy chart ---- */

static void put_accuracy_row(struct ap_buf *out, const struct ap_report_task *task, int row)
{
    const struct ap_rates *r = &task->rates[row];
    double value = (double)r->greedy_correct / (double)r->problems;
    ap__buf_printf(out, "<span class=\"name\">%s</span>", ap__row_title[row]);
    ap__chart_bar(out, ap__row_actor[row], value, r->greedy);
    ap__buf_puts(out, "<span class=\"value\">");
    ap__html_percent(out, value);
    ap__buf_puts(out, "</span>\n");
}

static void put_accuracy(struct ap_buf *out, const struct ap_report *report)
{
    ap__buf_puts(out, "<figure class=\"accuracy\"><figcaption><b>Held-out problems answered right</b> <span>greedy, "
                      "with "
                      "95\xE2\x80\xAF% intervals</span></figcaption>\n<div class=\"bars\">");
    for (size_t i = 0; i < report->tasks; i++) {
        ap__html_tag(out, "h4", NULL, report->task[i].name);
        for (int row = 0; row < AP_ROW_COUNT; row++)
            if (report->task[i].has[row] && report->task[i].rates[row].problems > 0)
                put_accuracy_row(out, &report->task[i], row);
    }
    ap__buf_puts(out, "<span></span><span class=\"ticks\"><i>0</i><i>25</i><i>50</i><i>75</i>"
                      "<i>100\xE2\x80\xAF%</i></span><span></span></div></figure>\n");
}

void ap__section_headline(struct ap_buf *out, const struct ap_report *report)
{
    put_masthead(out, report);
    ap__buf_puts(out, "<div class=\"cards\">\n");
    for (size_t i = 0; i < report->tasks; i++)
        put_card(out, &report->task[i]);
    ap__buf_puts(out, "</div>\n");
    put_declaration(out, report);
    if (any_evaluated(report)) {
        put_accuracy(out, report);
        put_table(out, report);
    }
}
