/* timed.h - a back end that does what another does and writes down how long it took.
 *
 *     model -> timed table -> (clock, the other table's operation, clock) -> rows by operation and matrix shape
 *
 * For `apprentice bench --profile`.  There is one set of rows for the process, because operations carry no
 * context. */
#ifndef AP_TIMED_H
#define AP_TIMED_H

#include "tensor/backend.h"

enum { AP_TIMED_MAX = 48 };

struct ap_timed_row {
    char op[16];
    int32_t O, I; /* of the matrix; 0 for operations without one */
    int64_t calls;
    double seconds, gflop; /* gflop: useful multiply-adds twice; 0 where they are no measure */
};

/* The table to use instead of base; forgets what was counted before. */
const struct ap_backend *ap__timed_backend(const struct ap_backend *base);
/* Count from now on. */
void ap__timed_clear(void);
/* Rows of what was counted since, the longest first; returns their number. */
int32_t ap__timed_rows(struct ap_timed_row out[AP_TIMED_MAX]);

#endif
