/* peak.h - what this machine can do at best, to hold everything else against. */
#ifndef AP_PEAK_H
#define AP_PEAK_H

/* The fastest of OpenBLAS's 1024^3 sgemms within about `seconds`, in GFLOP/s, with the threads that are set. 0 without
 * memory. */
double ap__peak_sgemm(double seconds);
#define AP_PEAK_GLANCE 0.1 /* seconds: enough for what a progress line says */

/* The name (of OPENBLAS_CORETYPE) of kernels that this processor can use, when OpenBLAS does not know the processor and
 * took some without any of its vectors; else NULL. */
const char *ap__blas_better_kernels(void);

#endif
