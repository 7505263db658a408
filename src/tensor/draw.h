/* draw.h - rows of logits as something to draw from. */
#ifndef AP_DRAW_H
#define AP_DRAW_H

#include <stdbool.h>
#include <stdint.h>

/* The index of the largest of x (n,), the lowest of equal ones; NaN is never the largest, 0 when all are. */
int32_t ap__largest(const float *x, int32_t n);
/* x (n,) = exp((x - top) * scale), scale >= 0, with no x above top; less than 2^-64 is 0. */
void ap__exp_weights(float *x, int32_t n, float top, float scale);
double ap__sum(const float *x, int32_t n);
/* Of the weights p (n,) that are at least `least`: their sum, or how many they are. */
double ap__sum_from(const float *p, int32_t n, float least, bool by_mass);
/* The first index whose weight p (n,) >= 0, with all before it, passes share of the sum, 0 <= share < 1. */
int32_t ap__draw(const float *p, int32_t n, double share);

#endif
