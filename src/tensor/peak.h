/* peak.h - what this machine can do at best, to hold everything else against. */
#ifndef AP_PEAK_H
#define AP_PEAK_H

/* GFLOP/s of OpenBLAS's 1024^3 sgemm with the threads that are set: of the fastest product, and of all together. Beside
 * others on the same host these are far apart. */
struct ap_sgemm {
    double best, mean;
};
/* Products for about `seconds`; 0 without memory or without OpenBLAS. */
struct ap_sgemm ap__sgemm_measure(double seconds);
/* The best alone, of this call and all before: what a busy moment shows is not what the machine can do.  One thread at a
 * time. */
double ap__peak_sgemm(double seconds);
#define AP_PEAK_GLANCE 0.1 /* seconds: enough for what a progress line says */

#endif
