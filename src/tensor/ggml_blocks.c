/* ggml_blocks.c - GGUF's block formats, unpacked.
 *
 *     Q8_0   d  q0 q1 ... q31                        d * q
 *     Q4_0   d  (q16 q0) (q17 q1) ... (q31 q15)      d * (q - 8), low half of the bytes first
 *     Q4_K   d m  12 bytes of scales  128 bytes      d * sc * q - m * mn; 64 numbers per 32 bytes, low halves first
 *     Q6_K   128 bytes low 4 bits, 64 bytes high 2 bits, 16 scales, d      d * sc * (q - 32)
 *
 * Compiled without fused multiply-add: the reference rounds every product. */
#include "tensor/ggml_blocks.h"

#include <math.h>
#include <string.h>

enum { SMALL = 32, LARGE = 256 };

struct q8_0 {
    uint8_t d[2];
    int8_t q[SMALL];
};
struct q4_0 {
    uint8_t d[2];
    uint8_t q[SMALL / 2];
};
struct q4_k {
    uint8_t d[2], m[2];
    uint8_t scale[12];
    uint8_t q[LARGE / 2];
};
struct q6_k {
    uint8_t low[LARGE / 2], high[LARGE / 4];
    int8_t scale[LARGE / 16];
    uint8_t d[2];
};
_Static_assert(sizeof(struct q8_0) == 34 && sizeof(struct q4_0) == 18, "blocks as they lie in files");
_Static_assert(sizeof(struct q4_k) == 144 && sizeof(struct q6_k) == 210, "blocks as they lie in files");

size_t ap__ggml_block_numbers(enum ap_dtype dtype)
{
    switch (dtype) {
    case AP_Q8_0:
    case AP_Q4_0: return SMALL;
    case AP_Q4_K:
    case AP_Q6_K: return LARGE;
    default: return 0;
    }
}

size_t ap__ggml_block_bytes(enum ap_dtype dtype)
{
    switch (dtype) {
    case AP_Q8_0: return sizeof(struct q8_0);
    case AP_Q4_0: return sizeof(struct q4_0);
    case AP_Q4_K: return sizeof(struct q4_k);
    case AP_Q6_K: return sizeof(struct q6_k);
    default: return 0;
    }
}

static float half(const uint8_t bytes[2])
{
    float x;
    ap__dtype_to_f32(&x, bytes, AP_F16, 1);
    return x;
}

void ap__q8_0_to_f32(float *dst, const void *src, size_t n)
{
    const struct q8_0 *b = src;
    for (size_t at = 0; at < n; at += SMALL, b++) {
        float d = half(b->d);
        for (int i = 0; i < SMALL; i++)
            dst[at + (size_t)i] = (float)b->q[i] * d;
    }
}

void ap__q4_0_to_f32(float *dst, const void *src, size_t n)
{
    const struct q4_0 *b = src;
    for (size_t at = 0; at < n; at += SMALL, b++) {
        float d = half(b->d), *to = dst + at;
        for (int i = 0; i < SMALL / 2; i++)
            to[i] = d * (float)((b->q[i] & 15) - 8);
        for (int i = 0; i < SMALL / 2; i++)
            to[i + SMALL / 2] = d * (float)((b->q[i] >> 4) - 8);
    }
}

/* Scale and minimum of group j of 8: six bits each, packed into twelve bytes. */
static void unpack_scale(const uint8_t scale[12], int j, uint8_t *sc, uint8_t *mn)
{
    if (j < 4) {
        *sc = scale[j] & 63;
        *mn = scale[j + 4] & 63;
    } else {
        *sc = (uint8_t)((scale[j + 4] & 15) | (scale[j - 4] >> 6) << 4);
        *mn = (uint8_t)(scale[j + 4] >> 4 | (scale[j] >> 6) << 4);
    }
}

void ap__q4_k_to_f32(float *dst, const void *src, size_t n)
{
    const struct q4_k *b = src;
    for (size_t at = 0; at < n; at += LARGE, b++) {
        float d = half(b->d), m = half(b->m);
        for (int j = 0; j < 8; j++) {
            const uint8_t *q = b->q + j / 2 * 32;
            float *to = dst + at + (size_t)j * 32;
            uint8_t sc, mn;
            unpack_scale(b->scale, j, &sc, &mn);
            float scale = d * (float)sc, minimum = m * (float)mn;
            for (int i = 0; i < 32; i++)
                to[i] = scale * (float)(j % 2 ? q[i] >> 4 : q[i] & 15) - minimum;
        }
    }
}

void ap__q6_k_to_f32(float *dst, const void *src, size_t n)
{
    const struct q6_k *b = src;
    for (size_t at = 0; at < n; at += LARGE, b++) {
        float d = half(b->d);
        for (int j = 0; j < 8; j++) { /* runs of 32 numbers: four to each half of the block */
            const uint8_t *low = b->low + j / 4 * 64 + j % 2 * 32, *high = b->high + j / 4 * 32;
            int low_bit = j % 4 / 2 * 4, high_bit = j % 4 * 2;
            for (int part = 0; part < 2; part++) { /* each with a scale; so plain that the compiler makes vectors of it */
                float scale = d * (float)b->scale[j * 2 + part], *to = dst + at + (size_t)j * 32 + part * 16;
                for (int i = 0; i < 16; i++) {
                    int q = (low[part * 16 + i] >> low_bit & 15) | (high[part * 16 + i] >> high_bit & 3) << 4;
                    to[i] = scale * (float)(q - 32);
                }
            }
        }
    }
}

/* Of numbers that are not finite, and beside them, nothing sensible can be kept. */
static int8_t nearest(float x, float inverse)
{
    float q = roundf(x * inverse);
    return (int8_t)(q >= -127.0f && q <= 127.0f ? q : 0.0f);
}

void ap__q8_0_from_f32(void *dst, const float *src, size_t n)
{
    struct q8_0 *b = dst;
    for (size_t at = 0; at < n; at += SMALL, b++) {
        float top = 0.0f;
        for (size_t i = 0; i < SMALL; i++)
            top = fmaxf(top, fabsf(src[at + i]));
        float d = top / 127.0f, inverse = d > 0.0f ? 1.0f / d : 0.0f;
        ap__dtype_from_f32(b->d, &d, AP_F16, 1);
        for (size_t i = 0; i < SMALL; i++)
            b->q[i] = nearest(src[at + i], inverse);
    }
}
