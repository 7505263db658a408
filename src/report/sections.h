/* sections.h - the parts of the page, in its order; each appends HTML and leaves out what is not there.
 * Internal to src/report. */
#ifndef AP_SECTIONS_H
#define AP_SECTIONS_H

#include "report/html.h"
#include "report/report_data.h"

extern const char ap__report_style[]; /* style.c: the page's CSS */

void ap__section_headline(struct ap_buf *out, const struct ap_report *report);  /* the answer in a minute */
void ap__section_templates(struct ap_buf *out, const struct ap_report *report); /* by template; failures */
void ap__section_training(struct ap_buf *out, const struct ap_report *report);
void ap__section_chains(struct ap_buf *out, const struct ap_report *report);
void ap__section_run(struct ap_buf *out, const struct ap_report *report);       /* data, time, recipe */

#endif
