/* report.h - a run as one HTML page without outside references, and the same as summary.json.
 *
 *     store --collect.c--> report data --+--> report.html   (html, chart)
 *                                        '--> summary.json  (summary)
 *
 * Reads only the store, so it can be made again from a run folder at any time, also while the run
 * is not finished: what is missing is left out and named.  Evaluations are the eval chains of the
 * actors "before", "control", "after" and "teacher"; trainings the metrics "dpo" and "sft". */
#ifndef AP_REPORT_H
#define AP_REPORT_H

#include "store/store.h"

/* Write RUN/report.html and RUN/summary.json (each replaced atomically). */
ap_status ap__report_write(struct ap_store *store, struct ap_err *err) AP_MUST_CHECK;

#endif
