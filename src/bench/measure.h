/* measure.h - what a measurement needs: medians, processor time, a cold page cache. */
#ifndef AP_MEASURE_H
#define AP_MEASURE_H

#include "base/status.h"
#include <stdint.h>

/* Of n > 0 numbers, which are sorted; of an even number the mean of the middle two. */
double ap__median(double *x, int32_t n);

/* Processor seconds of this process so far, all threads together. */
double ap__cpu_now(void);

/* Ask the system to forget its cached pages of a folder's files, as after a restart.  Pages that were never written to
 * disk, or that a program maps, stay. */
ap_status ap__evict_files(const char *dir, struct ap_err *err);

#endif
