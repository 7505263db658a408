/* vector.h - the vectors that kernels are written in, and an exponential.
 *
 * GCC's vector extensions at the width of the machine; with less than AVX the
 * compiler splits them and everything stays correct. */
#ifndef AP_VECTOR_H
#define AP_VECTOR_H

#include <stdint.h>
#include <string.h>

#if defined(__AVX512F__)
#define AP_LANES 16
#elif defined(__AVX__)
#define AP_LANES 8
#else
#define AP_LANES 4
#endif

#define AP_LOG2E 1.44269504088896341f
#define AP_LN2 0.693147180559945309f

#define AP_INLINE static inline __attribute__((always_inline))

typedef float ap_vec __attribute__((vector_size(AP_LANES * 4)));
typedef float ap_vec_any __attribute__((vector_size(AP_LANES * 4), aligned(4), may_alias));

AP_INLINE ap_vec ap__vec_load(const float *p)
{
    return *(const ap_vec_any *)p;
}
AP_INLINE void ap__vec_store(float *p, ap_vec x)
{
    *(ap_vec_any *)p = x;
}
AP_INLINE ap_vec ap__vec_set(float x)
{
    return x - (ap_vec){0};
}
/* 2^x = 2^n 2^f with n the nearest integer, |f| <= 1/2.  2^f by a polynomial of
 * degree 6 through Chebyshev nodes (error 5e-9, so 1e-7 with rounding).
 * Below 2^-126 the result is 0, above 2^127 it is 2^127; NaN stays NaN. */
#define AP_EXP2_MIN -126.0f
#define AP_EXP2_MAX 127.0f
#define AP_EXP2_MAGIC 12582912.0f /* 1.5 * 2^23: adding it rounds to an integer */
#define AP_EXP2_MAGIC_BITS 0x4b400000u
#define AP_EXP2_POLY(f)                                                                                            \
    (1.0f + (f) * (6.9314718803e-01f +                                                                             \
                   (f) * (2.4022650761e-01f +                                                                      \
                          (f) * (5.5503571142e-02f +                                                               \
                                 (f) * (9.6180825573e-03f + (f) * (1.3390863365e-03f + (f) * 1.5453162942e-04f))))))

AP_INLINE float ap__exp2(float x)
{
    float y = x > AP_EXP2_MAX ? AP_EXP2_MAX : x;
    float t = y + AP_EXP2_MAGIC, f = y - (t - AP_EXP2_MAGIC), power;
    uint32_t bits;
    memcpy(&bits, &t, sizeof bits);
    bits = (bits - AP_EXP2_MAGIC_BITS + 127u) << 23;
    memcpy(&power, &bits, sizeof power);
    return x < AP_EXP2_MIN ? 0.0f : AP_EXP2_POLY(f) * power;
}

#endif
