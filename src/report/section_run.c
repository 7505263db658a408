/* section_run.c - what the training data was, what the run cost, and how to make it again. */
#include "report/chart.h"
#include "report/sections.h"


/* ---- data ---- */

static void put_actors(struct ap_buf *out, const struct ap_report *report)
{
    ap__buf_puts(out, "<div class=\"scroll\"><table><thead><tr><th>chains of</th><th class=\"n\">all</th><th "
                      "class=\"n\">"
                      "correct</th><th class=\"n\">and sound</th><th class=\"n\">incorrect</th><th "
                      "class=\"n\">invalid</th>"
                      "<th class=\"n\">tokens written</th></tr></thead><tbody>\n");
    for (size_t i = 0; i < report->actors; i++) {
        const struct ap_report_actor *a = &report->actor[i];
        const int64_t number[] = {a->chains, a->correct, a->sound, a->incorrect, a->invalid, a->new_tokens};
        ap__buf_puts(out, "<tr>");
        ap__html_tag(out, "th", NULL, a->name);
        for (size_t k = 0; k < sizeof number / sizeof *number; k++) {
            ap__buf_puts(out, "<td class=\"n\">");
            ap__html_count(out, number[k]);
            ap__buf_puts(out, "</td>");
        }
        ap__buf_puts(out, "</tr>\n");
    }
    ap__buf_puts(out, "</tbody></table></div>\n");
}

static void put_pairs(struct ap_buf *out, const struct ap_report *report)
{
    ap__buf_puts(out, "<p><b>");
    ap__html_count(out, report->pairs);
    ap__buf_puts(out, " pairs</b>");
    for (size_t i = 0; i < report->tasks; i++) {
        ap__buf_puts(out, i == 0 ? ": " : ", ");
        ap__html_count(out, report->task[i].pairs);
        ap__buf_puts(out, " of ");
        ap__html_text(out, report->task[i].name);
    }
    ap__buf_puts(out, ". By who wrote the chosen and the rejected chain: ");
    for (size_t i = 0; i < report->provenance.n; i++) {
        ap__buf_puts(out, i == 0 ? "" : ", ");
        ap__html_tag(out, "code", NULL, report->provenance.item[i]);
        ap__buf_putc(out, ' ');
        ap__html_count(out, report->provenance_count[i]);
    }
    ap__buf_puts(out, ".</p>\n");
}

static void put_data(struct ap_buf *out, const struct ap_report *report)
{
    if (report->actors == 0)
        return;
    ap__buf_puts(out, "<section><h2>What it was taught with</h2><p class=\"intro\">Chosen chains are correct and "
                      "sound: no "
                      "error observation, and where premises are formalised, each is equivalent to the gold one by the "
                      "prover. A right answer from a wrong chain is neither chosen nor rejected.</p>\n");
    put_actors(out, report);
    if (report->pairs > 0)
        put_pairs(out, report);
    ap__buf_puts(out, "</section>\n");
}

/* ---- cost ---- */

static void put_stages(struct ap_buf *out, const struct ap_report *report)
{
    double total = 0, longest = 0;
    for (size_t i = 0; i < report->stages; i++) {
        total += report->stage[i].seconds;
        longest = report->stage[i].seconds > longest ? report->stage[i].seconds : longest;
    }
    ap__buf_puts(out, "<div class=\"bars stages\">");
    for (size_t i = 0; i < report->stages; i++) {
        const struct ap_stage *s = &report->stage[i];
        double share = longest > 0 ? s->seconds / longest : 0;
        ap__html_tag(out, "span", "name", s->name);
        ap__chart_bar(out, "ink", share, (struct ap_interval){share, share});
        ap__buf_puts(out, "<span class=\"value\">");
        ap__html_seconds(out, s->seconds);
        ap__buf_puts(out, s->state == AP_STAGE_DONE ? "</span>\n" : " <small>not finished</small></span>\n");
    }
    ap__buf_puts(out, "<span class=\"name total\">together</span><span></span><span class=\"value total\">");
    ap__html_seconds(out, total);
    ap__buf_puts(out, "</span></div>\n");
}

static void put_tokens(struct ap_buf *out, const struct ap_report *report)
{
    if (report->tokens_tree <= 0)
        return;
    ap__buf_puts(out, "<p>DPO passed <b>");
    ap__html_count(out, report->tokens_tree);
    ap__buf_puts(out, " tokens</b> through the model; without the token tree, one row per chain, it would have been ");
    ap__html_count(out, report->tokens_flat);
    ap__buf_printf(out, ": <b>%.1f times fewer</b>, for the same loss and gradient.</p>\n",
                   (double)report->tokens_flat / (double)report->tokens_tree);
}

static void put_number(struct ap_buf *out, const struct ap_report *report, const char *key, const char *words)
{
    int64_t n = ap__json_i64_or(report->usage, key, 0);
    if (n == 0)
        return;
    ap__buf_puts(out, ", ");
    ap__html_count(out, n);
    ap__buf_putc(out, ' ');
    ap__buf_puts(out, words);
}

/* A remote teacher: what was asked and paid. */
static void put_usage(struct ap_buf *out, const struct ap_report *report)
{
    if (!report->usage)
        return;
    double cost = ap__json_f64_or(report->usage, "cost", -1);
    ap__buf_puts(out, "<p>The teacher answered <b>");
    ap__html_count(out, ap__json_i64_or(report->usage, "requests", 0));
    ap__buf_puts(out, " requests</b>");
    put_number(out, report, "retries", "retries");
    put_number(out, report, "lost", "requests given up");
    put_number(out, report, "prompt_tokens", "tokens read");
    put_number(out, report, "cached_tokens", "of them from its cache");
    put_number(out, report, "completion_tokens", "tokens written");
    put_number(out, report, "estimated", "answers whose tokens are estimated");
    put_number(out, report, "extra_calls", "calls beside the first of an answer, not used");
    if (cost >= 0)
        ap__buf_printf(out, "; at the recipe's prices that cost <b>%.4f</b>", cost);
    ap__buf_puts(out, ".</p>\n");
}

static void put_cost(struct ap_buf *out, const struct ap_report *report)
{
    if (report->stages == 0)
        return;
    ap__buf_puts(out, "<section><h2>Time and cost</h2><p class=\"intro\">Seconds of work per stage, over all processes that "
                      "worked on "
                      "this run.</p>\n");
    put_stages(out, report);
    put_tokens(out, report);
    put_usage(out, report);
    ap__buf_puts(out, "</section>\n");
}

/* ---- how it was made ---- */

static void put_fact(struct ap_buf *out, const char *name, const char *value)
{
    if (!value)
        return;
    ap__html_tag(out, "dt", NULL, name);
    ap__html_tag(out, "dd", NULL, value);
}

static void put_made(struct ap_buf *out, const struct ap_report *report)
{
    ap__buf_puts(out, "<section><h2>How this was made</h2><dl>");
    put_fact(out, "program", report->version);
    put_fact(out, "seed", report->seed);
    put_fact(out, "teacher", report->teacher_model);
    put_fact(out, "student", report->student_model);
    put_fact(out, "machine", report->machine);
    put_fact(out, "recipe", report->recipe_path);
    ap__buf_puts(out, "</dl>\n");
    if (report->recipe) {
        ap__buf_puts(out, "<details><summary>The recipe as it was read</summary><pre>");
        ap__html_text(out, report->recipe);
        ap__buf_puts(out, "</pre></details>\n");
    }
    ap__buf_puts(out,
                 "<details><summary>How the statistics are done</summary><p>Everything is paired by problem. Greedy "
                 "answers: "
                 "Wilson intervals and McNemar's exact test on the problems that changed. Drawn chains: each problem's "
                 "success rate before and after, Wilcoxon's signed-rank test (exact up to 50 non-zero differences, "
                 "else the "
                 "normal approximation corrected for ties and continuity; zero differences are dropped and counted), "
                 "and a "
                 "percentile bootstrap interval of the mean difference over problems (10\xE2\x80\xAF" "000 "
                 "resamples, seeded). "
                 "Holm's adjustment over the tasks. The same numbers are in <code>summary.json</code>, and "
                 "<code>apprentice compare</code> computes them again.</p></details></section>\n");
}

void ap__section_run(struct ap_buf *out, const struct ap_report *report)
{
    put_data(out, report);
    put_cost(out, report);
    put_made(out, report);
}
