/* vector.h - the vectors that kernels are written in, and an exponential.
 *
 * GCC's vector extensions at the width of the machine; with less than AVX the
 * compiler splits them and everything stays correct. */
#ifndef AP_VECTOR_H
#define AP_VECTOR_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#if defined(__AVX__)
#include <immintrin.h> /* for what vector extensions lack in C: max, and a comparison of all at once */
#endif

#if defined(__AVX512F__)
#define AP_LANES 16
#elif defined(__AVX__)
#define AP_LANES 8
#else
#define AP_LANES 4
#endif

#define AP_LOG2E 1.44269504088896341f
#define AP_LN2 0.693147180559945309f

/* Of buffers that vectors are read from: none of them lies in two lines of the cache. */
#define AP_ALIGNED _Alignas(64)

#define AP_INLINE static inline __attribute__((always_inline))

/* Of counts and sizes of blocks. */
AP_INLINE int32_t ap__min32(int32_t a, int32_t b)
{
    return a < b ? a : b;
}

typedef float ap_vec __attribute__((vector_size(AP_LANES * 4)));
typedef int32_t ap_ivec __attribute__((vector_size(AP_LANES * 4)));
typedef uint32_t ap_uvec __attribute__((vector_size(AP_LANES * 4)));
typedef float ap_vec_any __attribute__((vector_size(AP_LANES * 4), aligned(4), may_alias));

AP_INLINE ap_vec ap__vec_load(const float *p)
{
    return *(const ap_vec_any *)p;
}
AP_INLINE void ap__vec_store(float *p, ap_vec x)
{
    *(ap_vec_any *)p = x;
}
typedef uint16_t ap_half_any __attribute__((vector_size(AP_LANES * 2), aligned(2), may_alias));

/* AP_LANES numbers of f16, exact; NaN may become another NaN. */
AP_INLINE ap_vec ap__vec_load_f16(const void *p)
{
#if defined(__AVX512F__)
    return (ap_vec)_mm512_cvtph_ps(_mm256_loadu_si256(p));
#elif defined(__AVX__) && defined(__F16C__)
    return (ap_vec)_mm256_cvtph_ps(_mm_loadu_si128(p));
#else
    ap_uvec h = __builtin_convertvector(*(const ap_half_any *)p, ap_uvec), exponent = h & 0x7c00, bits = (h & 0x7fff) << 13;
    ap_vec small = __builtin_convertvector((ap_ivec)(h & 0x3ff), ap_vec) * 0x1p-24f; /* zero or subnormal in f16 */
    ap_uvec is_small = (ap_uvec)(exponent == 0), is_special = (ap_uvec)(exponent == 0x7c00); /* infinity or NaN */
    bits = (bits + (112u << 23)) | (is_special & 0x7f800000u);
    return (ap_vec)((h & 0x8000) << 16 | (is_small & (ap_uvec)small) | (~is_small & bits));
#endif
}
/* The same of bf16. */
AP_INLINE ap_vec ap__vec_load_bf16(const void *p)
{
    return (ap_vec)(__builtin_convertvector(*(const ap_half_any *)p, ap_uvec) << 16);
}
/* The larger of each pair; where b is NaN, b. */
AP_INLINE ap_vec ap__vec_max(ap_vec a, ap_vec b)
{
#if defined(__AVX512F__)
    return (ap_vec)_mm512_max_ps((__m512)a, (__m512)b);
#elif defined(__AVX__)
    return (ap_vec)_mm256_max_ps((__m256)a, (__m256)b);
#else
    for (int i = 0; i < AP_LANES; i++)
        b[i] = a[i] > b[i] ? a[i] : b[i];
    return b;
#endif
}

/* Whether any of the numbers is above the limit; NaN is not. */
AP_INLINE bool ap__vec_above(ap_vec x, float limit)
{
#if defined(__AVX512F__)
    return _mm512_cmp_ps_mask((__m512)x, _mm512_set1_ps(limit), _CMP_GT_OQ) != 0;
#elif defined(__AVX__)
    return _mm256_movemask_ps(_mm256_cmp_ps((__m256)x, _mm256_set1_ps(limit), _CMP_GT_OQ)) != 0;
#else
    for (int i = 0; i < AP_LANES; i++)
        if (x[i] > limit)
            return true;
    return false;
#endif
}

/* A constant vector of f(lane, step); GCC folds masks only when they are written out. */
#define AP_EACH4(f, at, step) f((at), step), f((at) + 1, step), f((at) + 2, step), f((at) + 3, step)
#if AP_LANES == 16
#define AP_EACH(f, step)                                                                                           \
    ((ap_ivec){AP_EACH4(f, 0, step), AP_EACH4(f, 4, step), AP_EACH4(f, 8, step), AP_EACH4(f, 12, step)})
#elif AP_LANES == 8
#define AP_EACH(f, step) ((ap_ivec){AP_EACH4(f, 0, step), AP_EACH4(f, 4, step)})
#else
#define AP_EACH(f, step) ((ap_ivec){AP_EACH4(f, 0, step)})
#endif

#define AP_CROSS(lane, step) (((lane) ^ (step)) % AP_LANES)
/* x combined over all lanes; step AP_LANES crosses nothing and does not harm a maximum. */
AP_INLINE float ap__vec_largest(ap_vec x)
{
    x = ap__vec_max(x, __builtin_shuffle(x, AP_EACH(AP_CROSS, 8)));
    x = ap__vec_max(x, __builtin_shuffle(x, AP_EACH(AP_CROSS, 4)));
    x = ap__vec_max(x, __builtin_shuffle(x, AP_EACH(AP_CROSS, 2)));
    return ap__vec_max(x, __builtin_shuffle(x, AP_EACH(AP_CROSS, 1)))[0];
}
AP_INLINE float ap__vec_sum(ap_vec x)
{
    if (AP_LANES > 8)
        x += __builtin_shuffle(x, AP_EACH(AP_CROSS, 8));
    if (AP_LANES > 4)
        x += __builtin_shuffle(x, AP_EACH(AP_CROSS, 4));
    x += __builtin_shuffle(x, AP_EACH(AP_CROSS, 2));
    return (x + __builtin_shuffle(x, AP_EACH(AP_CROSS, 1)))[0];
}

/* x (AP_LANES rows) becomes its transpose: for step 1, 2, 4, 8 the off-diagonal quarters of
 * every square of 2 step x 2 step change places. */
#define AP_LOW(lane, step) ((lane) & (step) ? AP_LANES + (lane) - (step) : (lane))
#define AP_HIGH(lane, step) ((lane) & (step) ? AP_LANES + (lane) : (lane) + (step))
#define AP_SWAP_QUARTERS(x, step)                                                                                  \
    _Pragma("GCC unroll 16") for (int32_t i_ = 0; i_ < AP_LANES; i_++)                                             \
    {                                                                                                              \
        if (i_ & (step))                                                                                           \
            continue;                                                                                              \
        ap_vec a_ = (x)[i_], b_ = (x)[(i_ + (step)) % AP_LANES];                                                   \
        (x)[i_] = __builtin_shuffle(a_, b_, AP_EACH(AP_LOW, step));                                                \
        (x)[(i_ + (step)) % AP_LANES] = __builtin_shuffle(a_, b_, AP_EACH(AP_HIGH, step));                         \
    }
AP_INLINE void ap__vec_transpose(ap_vec x[AP_LANES])
{
    AP_SWAP_QUARTERS(x, 1)
    AP_SWAP_QUARTERS(x, 2)
#if AP_LANES > 4
    AP_SWAP_QUARTERS(x, 4)
#endif
#if AP_LANES > 8
    AP_SWAP_QUARTERS(x, 8)
#endif
}

/* 2^x = 2^n 2^f with n the nearest integer, |f| <= 1/2.  2^f by a polynomial of
 * degree 6 through Chebyshev nodes (error 5e-9, so 1e-7 with rounding).  Up to
 * 2^-64 the result is 0, above 2^127 it is 2^127; NaN stays NaN.  Powers are parts
 * of a sum of 1 here, so those are nothing; but a gradient times one of them would
 * be a subnormal number, and some processors take a hundred cycles for each. */
#define AP_EXP2_MIN -64.0f
#define AP_EXP2_MAX 127.0f
#define AP_EXP2_MAGIC 12582912.0f /* 1.5 * 2^23: adding it rounds to an integer */
#define AP_EXP2_BITS (127u - 0x4b400000u) /* from the bits of that sum to a biased exponent */
#define AP_EXP2_POLY(f)                                                                                            \
    (1.0f + (f) * (6.9314718803e-01f +                                                                             \
                   (f) * (2.4022650761e-01f +                                                                      \
                          (f) * (5.5503571142e-02f +                                                               \
                                 (f) * (9.6180825573e-03f + (f) * (1.3390863365e-03f + (f) * 1.5453162942e-04f))))))

AP_INLINE float ap__exp2(float x)
{
    float y = x > AP_EXP2_MAX ? AP_EXP2_MAX : x, power;
    y = y < AP_EXP2_MIN ? AP_EXP2_MIN : y;
    float t = y + AP_EXP2_MAGIC, f = y - (t - AP_EXP2_MAGIC);
    uint32_t bits;
    memcpy(&bits, &t, sizeof bits);
    bits = (bits + AP_EXP2_BITS) << 23;
    memcpy(&power, &bits, sizeof power);
    return AP_EXP2_POLY(f) * (y > AP_EXP2_MIN ? power : 0.0f);
}

/* The same for x <= AP_EXP2_MAX. */
AP_INLINE ap_vec ap__vec_exp2(ap_vec x)
{
#if defined(__AVX512F__) /* has an instruction for 2^n, and masks cost nothing */
    ap_vec n = (x + AP_EXP2_MAGIC) - AP_EXP2_MAGIC, f = x - n;
    __mmask16 above = _mm512_cmp_ps_mask((__m512)x, _mm512_set1_ps(AP_EXP2_MIN), _CMP_NLE_UQ);
    return (ap_vec)_mm512_maskz_scalef_ps(above, (__m512)AP_EXP2_POLY(f), (__m512)n);
#else
    x = ap__vec_max(AP_EXP2_MIN - (ap_vec){0}, x);
    ap_vec t = x + AP_EXP2_MAGIC, f = x - (t - AP_EXP2_MAGIC);
    ap_uvec power = ((ap_uvec)t + AP_EXP2_BITS) << 23;
    return AP_EXP2_POLY(f) * (ap_vec)(power & (ap_uvec)(x > AP_EXP2_MIN));
#endif
}

#endif
