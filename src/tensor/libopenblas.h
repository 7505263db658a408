/* libopenblas.h - OpenBLAS's sgemm, loaded when it is first needed.
 *
 * It is 36 MB large, and models need none of it: cpu_linear.c multiplies with
 * their weights.  ap__libopenblas.sgemm(...) is cblas_sgemm(...) once
 * ap__libopenblas_load has succeeded. */
#ifndef AP_LIBOPENBLAS_H
#define AP_LIBOPENBLAS_H

#include "base/library.h"

#include <cblas.h>
#undef I /* cblas.h brings complex.h, whose I is not our number of inputs */

extern struct ap_libopenblas {
    __typeof__(cblas_sgemm) *sgemm;
} ap__libopenblas;

/* From any thread.  An OpenBLAS that does not know the processor, and would take kernels without any of its vectors, is
 * asked for better ones; for that moment OPENBLAS_CORETYPE is in the environment, unless it has been before. */
ap_status ap__libopenblas_load(struct ap_err *err) AP_MUST_CHECK;

#endif
