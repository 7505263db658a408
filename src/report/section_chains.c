/* section_chains.c - chains side by side, with the step where they part.
 *
 *     question
 *     the steps they share
 *     left: from where they part | right: from where they part
 *     answer and verdict         | answer and verdict */
#include "report/sections.h"

#include <string.h>

static void put_step(struct ap_buf *out, const struct ap_step *step, int32_t number, bool parting)
{
    ap__buf_printf(out, "<li%s%s><span class=\"no\">%d</span><span><code>", parting ? " class=\"part\"" : "",
                   parting ? " title=\"here they part\"" : "", number + 1);
    ap__html_text(out, step->call);
    ap__buf_puts(out, "</code>");
    if (step->error || strcmp(step->function, "Answer") != 0) { /* an answer's result says nothing new */
        ap__buf_printf(out, " <span class=\"result%s\">", step->error ? " error" : "");
        ap__html_text(out, step->result);
        ap__buf_puts(out, "</span>");
    }
    ap__buf_puts(out, "</span></li>\n");
}

static void put_steps(struct ap_buf *out, const struct ap_chain *chain, int32_t first, int32_t end, int32_t parting)
{
    ap__buf_puts(out, "<ol>");
    for (int32_t i = first; i < end; i++)
        put_step(out, &chain->step[i], i, i == parting);
    ap__buf_puts(out, "</ol>\n");
}

static void put_verdict(struct ap_buf *out, const struct ap_chain *chain)
{
    ap__buf_printf(out, "<p class=\"verdict\"><span class=\"chip %s\">%s</span> ",
                   chain->verdict == AP_CORRECT ? "better" : "worse", ap__verdict_text(chain->verdict));
    if (chain->answer) {
        ap__buf_puts(out, "answer ");
        ap__html_tag(out, "code", NULL, chain->answer);
    } else {
        ap__buf_puts(out, "no answer: ");
        ap__html_text(out, ap__end_text(chain->end));
    }
    ap__buf_puts(out, "</p>");
}

static void put_branch(struct ap_buf *out, const char *title, const struct ap_chain *chain, int32_t divergence)
{
    ap__buf_puts(out, "<div class=\"branch\">");
    ap__html_tag(out, "h5", NULL, title);
    put_steps(out, chain, divergence, chain->n, divergence);
    put_verdict(out, chain);
    ap__buf_puts(out, "</div>\n");
}

static void put_example(struct ap_buf *out, const struct ap_report_task *task, const struct ap_example *e)
{
    ap__buf_puts(out, "<article class=\"example\"><h4>");
    ap__html_text(out, e->title);
    ap__buf_puts(out, " <span>");
    ap__html_text(out, task->name);
    if (e->problem.template_name && e->problem.template_name[0]) {
        ap__buf_puts(out, ", ");
        ap__html_text(out, e->problem.template_name);
    }
    ap__buf_puts(out, "</span></h4><blockquote>");
    ap__html_text(out, e->problem.question);
    ap__buf_puts(out, "</blockquote><p class=\"gold\">right answer ");
    ap__html_tag(out, "code", NULL, e->problem.answer);
    ap__buf_puts(out, "</p>\n");
    if (e->divergence > 0) {
        ap__buf_printf(out, "<div class=\"trunk\"><h5>%d shared step%s</h5>", e->divergence,
                       e->divergence == 1 ? "" : "s");
        put_steps(out, &e->left.chain, 0, e->divergence, -1);
        ap__buf_puts(out, "</div>");
    }
    ap__buf_puts(out, "<div class=\"branches\">");
    put_branch(out, e->left_title, &e->left.chain, e->divergence);
    put_branch(out, e->right_title, &e->right.chain, e->divergence);
    ap__buf_puts(out, "</div></article>\n");
}

void ap__section_chains(struct ap_buf *out, const struct ap_report *report)
{
    int32_t examples = 0;
    for (size_t i = 0; i < report->tasks; i++)
        examples += report->task[i].examples;
    if (examples == 0)
        return;
    ap__buf_puts(out, "<section><h2>Chains side by side</h2><p class=\"intro\">One call per step, its result behind "
                      "it. "
                      "The marked step is where two chains of a problem part. Shown are the first problems of their "
                      "kind, "
                      "not the nicest.</p>\n");
    for (size_t i = 0; i < report->tasks; i++)
        for (int32_t e = 0; e < report->task[i].examples; e++)
            put_example(out, &report->task[i], &report->task[i].example[e]);
    ap__buf_puts(out, "</section>\n");
}
