/* chart.c - inline SVG charts; see chart.h.
 *
 *     row charts   viewBox 0 0 1000 20, stretched to the cell; strokes do not scale, so a dot is a
 *                  line of no length with a round cap
 *     plots        viewBox 0 0 420 220: axis texts left and below, the field in between
 *
 * A training's lines are noisy by nature (a step sees one batch): the raw line is drawn faintly, a
 * moving mean over a tenth of the steps on top. */
#include "report/chart.h"
#include "report/html.h"

#include <math.h>
#include <stdio.h>

/* ---- row charts ---- */

static void open_row(struct ap_buf *out, const char *class_name)
{
    ap__buf_printf(out, "<svg class=\"row %s\" viewBox=\"0 0 1000 20\" preserveAspectRatio=\"none\" "
                        "aria-hidden=\"true\">",
                   class_name);
}

static void quarter_lines(struct ap_buf *out)
{
    for (int x = 0; x <= 1000; x += 250)
        ap__buf_printf(out, "<path class=\"grid\" d=\"M%d 0V20\"/>", x);
}

static double share(double value)
{
    return isfinite(value) ? 1000 * fmin(1, fmax(0, value)) : 0;
}

void ap__chart_bar(struct ap_buf *out, const char *class_name, double value, struct ap_interval interval)
{
    open_row(out, "bar");
    quarter_lines(out);
    ap__buf_printf(out, "<rect class=\"%s\" x=\"0\" y=\"4\" width=\"%.1f\" height=\"12\"/>", class_name, share(value));
    ap__buf_printf(out, "<path class=\"whisker\" d=\"M%.1f 10H%.1fM%.1f 6V14M%.1f 6V14\"/></svg>",
                   share(interval.low), share(interval.high), share(interval.low), share(interval.high));
}

void ap__chart_move(struct ap_buf *out, double before, double after)
{
    const char *way = after < before ? "fall" : after > before ? "rise" : "before";
    open_row(out, "move");
    quarter_lines(out);
    ap__buf_printf(out, "<path class=\"link %s\" d=\"M%.1f 10H%.1f\"/>", way, share(before), share(after));
    ap__buf_printf(out, "<path class=\"dot before\" d=\"M%.1f 10h.01\"/>", share(before));
    ap__buf_printf(out, "<path class=\"dot %s\" d=\"M%.1f 10h.01\"/></svg>", way, share(after));
}

void ap__chart_balance(struct ap_buf *out, int64_t gained, int64_t lost, int64_t scale)
{
    double unit = scale > 0 ? 500.0 / (double)scale : 0;
    double left = unit * (double)lost, right = unit * (double)gained;
    open_row(out, "balance");
    ap__buf_printf(out, "<rect class=\"lost\" x=\"%.1f\" y=\"4\" width=\"%.1f\" height=\"12\"/>", 500 - left, left);
    ap__buf_printf(out, "<rect class=\"gained\" x=\"500\" y=\"4\" width=\"%.1f\" height=\"12\"/>", right);
    ap__buf_puts(out, "<path class=\"axis\" d=\"M500 0V20\"/></svg>");
}

void ap__chart_stack(struct ap_buf *out, const struct ap_chart_part *part, size_t n)
{
    int64_t total = 0;
    double at = 0;
    for (size_t i = 0; i < n; i++)
        total += part[i].count;
    open_row(out, "stack");
    for (size_t i = 0; i < n && total > 0; i++) {
        double width = 1000.0 * (double)part[i].count / (double)total;
        if (part[i].count > 0)
            ap__buf_printf(out, "<rect class=\"%s\" x=\"%.1f\" y=\"2\" width=\"%.1f\" height=\"16\"/>",
                           part[i].class_name, at, width);
        at += width;
    }
    ap__buf_puts(out, "</svg>");
}

/* ---- plots ---- */

enum { LEFT = 48, RIGHT = 412, TOP = 10, BOTTOM = 192, HEIGHT = 220 };

struct axes {
    double low, high, step; /* y */
    size_t steps;           /* x: 1 .. steps */
};

/* Smallest of 1, 2, 5 x 10^k that gives at most five intervals. */
static double nice_step(double span)
{
    double unit = pow(10, floor(log10(span / 5) + 1e-9));
    double ratio = span / 5 / unit - 1e-9;
    return unit * (ratio <= 1 ? 1 : ratio <= 2 ? 2 : ratio <= 5 ? 5 : 10);
}

static void include(struct axes *a, double y)
{
    if (!isfinite(y))
        return;
    a->low = fmin(a->low, y);
    a->high = fmax(a->high, y);
}

static struct axes find_axes(const struct ap_chart_plot *plot)
{
    struct axes a = {.low = INFINITY, .high = -INFINITY};
    for (size_t l = 0; l < plot->lines; l++) {
        a.steps = plot->line[l].n > a.steps ? plot->line[l].n : a.steps;
        for (size_t i = 0; i < plot->line[l].n; i++)
            include(&a, plot->line[l].y[i]);
    }
    include(&a, plot->low);
    include(&a, plot->high);
    if (plot->zero)
        include(&a, 0);
    if (!(a.low <= a.high))
        a.low = 0, a.high = 1;
    if (a.high - a.low < 1e-9)
        a.low -= 0.5, a.high += 0.5;
    a.step = nice_step(a.high - a.low);
    a.low = a.step * floor(a.low / a.step + 1e-9);
    a.high = a.step * ceil(a.high / a.step - 1e-9);
    return a;
}

static double x_at(const struct axes *a, double step)
{
    return a->steps > 1 ? LEFT + (RIGHT - LEFT) * (step - 1) / (double)(a->steps - 1) : (LEFT + RIGHT) / 2.0;
}

static double y_at(const struct axes *a, double y)
{
    return BOTTOM - (BOTTOM - TOP) * (y - a->low) / (a->high - a->low);
}

static void draw_axes(struct ap_buf *out, const struct axes *a, bool zero)
{
    int decimals = a->step >= 1 ? 0 : (int)ceil(-log10(a->step) - 1e-9);
    for (int i = 0; i <= (int)lround((a->high - a->low) / a->step); i++) {
        double y = a->low + i * a->step, at = y_at(a, y);
        bool is_zero = zero && fabs(y) < a->step * 1e-6;
        ap__buf_printf(out, "<path class=\"%s\" d=\"M%d %.1fH%d\"/>", is_zero ? "axis" : "grid", LEFT, at, RIGHT);
        ap__buf_printf(out, "<text x=\"%d\" y=\"%.1f\" class=\"end\">", LEFT - 8, at + 4);
        ap__html_number(out, y, decimals);
        ap__buf_puts(out, "</text>");
    }
    ap__buf_printf(out, "<text x=\"%d\" y=\"%d\">step 1</text>", LEFT, HEIGHT - 8);
    ap__buf_printf(out, "<text x=\"%d\" y=\"%d\" class=\"end\">%zu</text>", RIGHT, HEIGHT - 8, a->steps);
}

/* Mean of the finite values within half a window of step i. */
static double smooth(const struct ap_chart_line *line, size_t i, size_t half)
{
    size_t first = i > half ? i - half : 0, last = i + half < line->n - 1 ? i + half : line->n - 1, n = 0;
    double sum = 0;
    for (size_t k = first; k <= last; k++)
        if (isfinite(line->y[k])) {
            sum += line->y[k];
            n++;
        }
    return n > 0 ? sum / (double)n : (double)NAN;
}

static void draw_line(struct ap_buf *out, const struct axes *a, const struct ap_chart_line *line, bool raw)
{
    size_t half = raw ? 0 : line->n / 20;
    bool pen = false;
    ap__buf_printf(out, "<path class=\"line %s%s\" d=\"", line->class_name, raw ? " raw" : "");
    for (size_t i = 0; i < line->n; i++) {
        double y = isfinite(line->y[i]) ? smooth(line, i, half) : (double)NAN;
        if (isfinite(y))
            ap__buf_printf(out, "%c%.1f %.1f", pen ? 'L' : 'M', x_at(a, (double)i + 1), y_at(a, y));
        pen = isfinite(y);
    }
    ap__buf_puts(out, "\"/>");
}

static void draw_legend(struct ap_buf *out, const struct ap_chart_plot *plot)
{
    if (plot->lines < 2)
        return;
    ap__buf_puts(out, "<p class=\"legend\">");
    for (size_t l = 0; l < plot->lines; l++) {
        ap__buf_printf(out, "<span><i class=\"key %s\"></i>", plot->line[l].class_name);
        ap__html_text(out, plot->line[l].label);
        ap__buf_puts(out, "</span>");
    }
    ap__buf_puts(out, "</p>");
}

void ap__chart_plot(struct ap_buf *out, const struct ap_chart_plot *plot)
{
    struct axes a = find_axes(plot);
    ap__buf_puts(out, "<figure class=\"plot\"><figcaption>");
    ap__html_tag(out, "b", NULL, plot->title);
    ap__buf_putc(out, ' ');
    ap__html_tag(out, "span", NULL, plot->note);
    ap__buf_puts(out, "</figcaption>");
    draw_legend(out, plot);
    ap__buf_printf(out, "<svg viewBox=\"0 0 420 %d\" role=\"img\" aria-label=\"", HEIGHT);
    ap__html_text(out, plot->title);
    ap__buf_puts(out, "\">");
    draw_axes(out, &a, plot->zero);
    for (size_t l = 0; l < plot->lines; l++)
        if (plot->line[l].n >= 20)
            draw_line(out, &a, &plot->line[l], true);
    for (size_t l = 0; l < plot->lines; l++)
        draw_line(out, &a, &plot->line[l], false);
    ap__buf_puts(out, "</svg></figure>");
}
