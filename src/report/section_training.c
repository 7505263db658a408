/* section_training.c - the two trainings, step by step, and the health figure: does the log-prob of
 * the chosen chains fall?  (Plain DPO may raise the margin by making both less likely.) */
#include "report/chart.h"
#include "report/sections.h"

#include <math.h>

/* Nats per chain below which the chosen log-prob counts as fallen. */
#define DRIFT_WARNING (-1.0)

/* One metric as (n,) doubles; NULL when no step has it, or memory is out and `out` has failed. */
static double *read_series(struct ap_buf *out, const json_t *metrics, const char *key, size_t *n)
{
    bool any = false;
    *n = json_array_size(metrics);
    double *y = ap__alloc_array(*n + 1, sizeof *y);
    out->failed |= !y;
    for (size_t i = 0; y && i < *n; i++) {
        y[i] = ap__report_metric(metrics, i, key);
        any |= isfinite(y[i]);
    }
    if (any)
        return y;
    ap__free(y);
    return NULL;
}

struct series {
    const char *key, *class_name, *label;
};

static void put_plot(struct ap_buf *out, const json_t *metrics, struct ap_chart_plot plot, const struct series *series,
                     size_t n)
{
    struct ap_chart_line line[4];
    double *owned[4];
    plot.line = line;
    plot.lines = 0;
    for (size_t i = 0; i < n; i++) {
        size_t steps;
        double *y = read_series(out, metrics, series[i].key, &steps);
        if (!y)
            continue;
        owned[plot.lines] = y;
        line[plot.lines++] = (struct ap_chart_line){series[i].class_name, series[i].label, y, steps};
    }
    if (plot.lines > 0)
        ap__chart_plot(out, &plot);
    for (size_t i = 0; i < plot.lines; i++)
        ap__free(owned[i]);
}

static void put_dpo_plots(struct ap_buf *out, const json_t *dpo)
{
    static const struct series loss[] = {{"loss", "after", "loss"}};
    static const struct series accuracy[] = {{"accuracy", "after", "accuracy"}};
    static const struct series rewards[] = {{"margin", "ink", "margin"},
                                            {"reward_chosen", "chosen", "chosen"},
                                            {"reward_rejected", "rejected", "rejected"}};
    static const struct series drift[] = {{"drift_chosen", "chosen", "chosen"},
                                          {"drift_rejected", "rejected", "rejected"}};
    static const struct series norm[] = {{"grad_norm", "ink", "gradient norm"}};
    const double none = (double)NAN;
    const struct ap_chart_plot loss_plot = {.title = "DPO loss", .note = "per step", .low = none, .high = none};
    const struct ap_chart_plot accuracy_plot = {
        .title = "Pairs told apart", .note = "share with a positive margin", .low = 0, .high = 1};
    const struct ap_chart_plot rewards_plot = {.title = "Implicit rewards",
                                               .note = "β × log-prob above the reference",
                                               .low = none, .high = none, .zero = true};
    const struct ap_chart_plot drift_plot = {.title = "Drift of the log-probs",
                                             .note = "policy − reference, nats per chain", .low = none,
                                             .high = none, .zero = true};
    const struct ap_chart_plot norm_plot = {
        .title = "Gradient norm", .note = "DPO, before clipping", .low = 0, .high = none};
    put_plot(out, dpo, loss_plot, loss, 1);
    put_plot(out, dpo, accuracy_plot, accuracy, 1);
    put_plot(out, dpo, rewards_plot, rewards, 3);
    put_plot(out, dpo, drift_plot, drift, 2);
    put_plot(out, dpo, norm_plot, norm, 1);
}

static void put_health(struct ap_buf *out, const json_t *dpo)
{
    double drift = ap__report_final(dpo, "drift_chosen");
    if (!isfinite(drift))
        return;
    if (drift < DRIFT_WARNING)
        ap__buf_puts(out, "<aside class=\"note warn\"><h3>The chosen chains became less likely</h3><p>");
    else
        ap__buf_puts(out, "<p class=\"foot\">Health: ");
    ap__buf_puts(out, "over the last tenth of the steps the log-prob of the chosen chains stood ");
    ap__buf_printf(out, "%.1f nats %s the reference. ", fabs(drift), drift < 0 ? "below" : "above");
    if (drift < DRIFT_WARNING)
        ap__buf_puts(out, "Preference training can raise the margin by making both chains less likely, and then "
                          "collapses: lower the learning rate, raise β, or give the NLL term more "
                          "weight.</p></aside>\n");
    else
        ap__buf_printf(out, "More than %.0f nat below would be a warning.</p>\n", -DRIFT_WARNING);
}

void ap__section_training(struct ap_buf *out, const struct ap_report *report)
{
    static const struct series sft[] = {{"loss", "control", "loss"}};
    const struct ap_chart_plot sft_plot = {
        .title = "Control: SFT loss", .note = "on the same chosen chains", .low = 0, .high = (double)NAN};
    if (json_array_size(report->dpo) == 0 && json_array_size(report->sft) == 0)
        return;
    ap__buf_puts(out, "<section><h2>Training</h2><p class=\"intro\">Each point is one batch; the strong line is a "
                      "moving "
                      "mean over a tenth of the steps.</p>\n");
    put_health(out, report->dpo);
    ap__buf_puts(out, "<div class=\"plots\">\n");
    put_dpo_plots(out, report->dpo);
    put_plot(out, report->sft, sft_plot, sft, 1);
    ap__buf_puts(out, "</div></section>\n");
}
