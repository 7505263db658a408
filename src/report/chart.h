/* chart.h - the report's charts as inline SVG.
 *
 * Row charts (bar, move, balance, stack) have no text and stretch to the width of their cell: the
 * words and numbers beside them are HTML and keep their size on a phone.  Plots have axes with text
 * and keep their proportions.  Colours come from the page's style by class, so that charts follow
 * its light and dark modes. */
#ifndef AP_CHART_H
#define AP_CHART_H

#include "base/alloc.h"
#include "evaluate/statistics.h"

/* Bar from 0 to value (a share) with the interval as a whisker. */
void ap__chart_bar(struct ap_buf *out, const char *class_name, double value, struct ap_interval interval);
/* Two dots on a track from 0 to 1, before and after, with a line between; falls are marked. */
void ap__chart_move(struct ap_buf *out, double before, double after);
/* Losses to the left of the middle, gains to the right, both on the same scale. */
void ap__chart_balance(struct ap_buf *out, int64_t gained, int64_t lost, int64_t scale);

struct ap_chart_part {
    const char *class_name;
    int64_t count;
};
/* Parts of a whole, side by side. */
void ap__chart_stack(struct ap_buf *out, const struct ap_chart_part *part, size_t n);

struct ap_chart_line {
    const char *class_name, *label;
    const double *y; /* (n,) by step 1, 2, ...; NaN = a gap */
    size_t n;
};
struct ap_chart_plot {
    const char *title, *note;
    const struct ap_chart_line *line; /* (lines,) */
    size_t lines;
    double low, high; /* the axis covers at least these; NaN = only the data */
    bool zero;        /* draw the line y = 0 */
};
/* A figure: title, legend when there are several lines, axes, each line raw and smoothed. */
void ap__chart_plot(struct ap_buf *out, const struct ap_chart_plot *plot);

#endif
