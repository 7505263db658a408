/* section_templates.c - where the student gained and where it lost, and how it fails.
 *
 *     each task: a row per problem template, the worst change first, losses drawn as large as gains
 *     each task: greedy chains by what became of them, before, control and after */
#include "report/chart.h"
#include "report/sections.h"

#include <stdlib.h>

/* ---- by template ---- */

static double net(const struct ap_template_row *row)
{
    return (double)(row->after - row->before) / (double)row->problems;
}

static int by_net(const void *a, const void *b)
{
    const struct ap_template_row *x = *(const struct ap_template_row *const *)a;
    const struct ap_template_row *y = *(const struct ap_template_row *const *)b;
    double dx = net(x), dy = net(y);
    return dx != dy ? (dx > dy) - (dx < dy) : (x > y) - (x < y);
}

static void put_template(struct ap_buf *out, const struct ap_template_row *row, int64_t scale)
{
    ap__buf_printf(out, "<tr%s><th scope=\"row\">", row->lost > row->gained ? " class=\"fell\"" : "");
    ap__html_text(out, row->name);
    ap__buf_puts(out, "</th><td class=\"n of\">");
    ap__html_count(out, row->problems);
    ap__buf_puts(out, "</td><td class=\"n\">");
    ap__html_percent_of(out, row->before, row->problems);
    ap__buf_puts(out, "</td><td class=\"n\"><b>");
    ap__html_percent_of(out, row->after, row->problems);
    ap__buf_puts(out, "</b></td><td class=\"chart moves\">");
    ap__chart_move(out, (double)row->before / (double)row->problems, (double)row->after / (double)row->problems);
    ap__buf_printf(out, "</td><td class=\"n %s", row->lost > 0 ? "loss\">\xE2\x88\x92" : "none\">");
    ap__html_count(out, row->lost);
    ap__buf_puts(out, "</td><td class=\"chart\">");
    ap__chart_balance(out, row->gained, row->lost, scale);
    ap__buf_printf(out, "</td><td class=\"n left %s", row->gained > 0 ? "gain\">+" : "none\">");
    ap__html_count(out, row->gained);
    ap__buf_puts(out, "</td></tr>\n");
}

static void put_templates(struct ap_buf *out, const struct ap_report_task *task)
{
    const struct ap_comparison *c = &task->gain;
    const struct ap_template_row **order = ap__alloc_array(c->rows + 1, sizeof *order);
    int64_t scale = 1;
    if (!order) {
        out->failed = true;
        return;
    }
    for (size_t i = 0; i < c->rows; i++) {
        order[i] = &c->row[i];
        scale = c->row[i].gained > scale ? c->row[i].gained : scale;
        scale = c->row[i].lost > scale ? c->row[i].lost : scale;
    }
    qsort(order, c->rows, sizeof *order, by_net);
    ap__html_tag(out, "h3", NULL, task->name);
    ap__buf_puts(out, "<div class=\"scroll\"><table class=\"templates\"><thead><tr><th>template</th><th class=\"n "
                      "of\">problems"
                      "</th><th class=\"n\">before</th><th class=\"n\">after</th><th class=\"chart moves\"><span "
                      "class=\"ticks\">"
                      "<i>0</i><i>50</i><i>100\xE2\x80\xAF%</i></span></th><th class=\"n\">lost</th><th "
                      "class=\"chart\">"
                      "</th><th class=\"n left\">gained</th></tr></thead><tbody>\n");
    for (size_t i = 0; i < c->rows; i++)
        put_template(out, order[i], scale);
    ap__buf_puts(out, "</tbody></table></div>\n");
    ap__free(order);
}

/* ---- failures ---- */

static const struct {
    enum ap_end end;
    const char *class_name, *title;
} kinds[] = {
    {AP_END_ANSWER, "wrong", "wrong answer"},
    {AP_END_STEPS, "steps", "too many steps"},
    {AP_END_BAD_CALLS, "bad-calls", "too many bad calls"},
    {AP_END_LENGTH, "length", "call too long"},
    {AP_END_CONTEXT, "context", "context full"},
};
enum { KINDS = sizeof kinds / sizeof *kinds };

/* Columns that would hold only zeros are left out. */
static bool occurs(const struct ap_report_task *task, size_t kind)
{
    for (int row = 0; row < AP_ROW_COUNT; row++)
        if (task->has[row] && task->rates[row].ends[kinds[kind].end] > 0)
            return true;
    return false;
}

static void put_failure_row(struct ap_buf *out, const struct ap_report_task *task, int row)
{
    const struct ap_rates *r = &task->rates[row];
    struct ap_chart_part part[KINDS + 1] = {{"right", r->greedy_correct}};
    for (size_t k = 0; k < KINDS; k++)
        part[k + 1] = (struct ap_chart_part){kinds[k].class_name, r->ends[kinds[k].end]};
    ap__buf_printf(out, "<tr><th scope=\"row\">%s</th><td class=\"chart\">", ap__row_title[row]);
    ap__chart_stack(out, part, KINDS + 1);
    ap__buf_puts(out, "</td>");
    for (size_t k = 0; k < KINDS + 1; k++) {
        if (k > 0 && !occurs(task, k - 1))
            continue;
        ap__buf_printf(out, "<td class=\"n%s\">", part[k].count == 0 ? " none" : "");
        ap__html_count(out, part[k].count);
        ap__buf_puts(out, "</td>");
    }
    ap__buf_puts(out, "</tr>\n");
}

static void put_failures(struct ap_buf *out, const struct ap_report_task *task)
{
    ap__html_tag(out, "h3", NULL, task->name);
    ap__buf_puts(out, "<div class=\"scroll\"><table class=\"failures\"><thead><tr><th></th><th class=\"chart\"></th>"
                      "<th class=\"n\"><i class=\"key right\"></i>right</th>");
    for (size_t k = 0; k < KINDS; k++)
        if (occurs(task, k))
            ap__buf_printf(out, "<th class=\"n\"><i class=\"key %s\"></i>%s</th>", kinds[k].class_name,
                           kinds[k].title);
    ap__buf_puts(out, "</tr></thead><tbody>\n");
    for (int row = 0; row < AP_ROW_COUNT; row++)
        if (task->has[row])
            put_failure_row(out, task, row);
    ap__buf_puts(out, "</tbody></table></div>\n");
}

static bool any_evaluated(const struct ap_report *report)
{
    for (size_t i = 0; i < report->tasks; i++)
        for (int row = 0; row < AP_ROW_COUNT; row++)
            if (report->task[i].has[row])
                return true;
    return false;
}

void ap__section_templates(struct ap_buf *out, const struct ap_report *report)
{
    bool compared = false;
    for (size_t i = 0; i < report->tasks; i++)
        compared |= report->task[i].compared;
    if (compared)
        ap__buf_puts(out, "<section><h2>By problem template</h2><p class=\"intro\">An average can hide a template "
                          "that got "
                          "worse. The worst change stands first; greedy answers, "
                          "<i class=\"key before\"></i>before and <i class=\"key after\"></i>after.</p>\n");
    for (size_t i = 0; i < report->tasks; i++)
        if (report->task[i].compared)
            put_templates(out, &report->task[i]);
    if (compared)
        ap__buf_puts(out, "</section>\n");
    if (!any_evaluated(report))
        return;
    ap__buf_puts(out, "<section><h2>How chains end</h2><p class=\"intro\">Greedy chains on held-out problems, by what "
                      "became of them.</p>\n");
    for (size_t i = 0; i < report->tasks; i++)
        put_failures(out, &report->task[i]);
    ap__buf_puts(out, "</section>\n");
}
