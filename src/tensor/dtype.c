/* dtype.c - conversions between f32 and the 16-bit formats.
 *
 *     bits      sign  exponent  mantissa
 *     f32        1       8         23
 *     bf16       1       8          7     the upper half of an f32
 *     f16        1       5         10     smaller range, has its own subnormals
 *
 * bf16 is a shift; to f16 it goes through integer arithmetic so that it is the
 * same on every processor. */
#include "tensor/dtype.h"

#include "tensor/vector.h"

#include <string.h>

_Static_assert(sizeof(float) == 4, "f32 must be four bytes");

static const struct {
    const char *name;
    size_t size;
} dtype_table[AP_DTYPE_COUNT] = {
    [AP_F32] = {"F32", 4},
    [AP_BF16] = {"BF16", 2},
    [AP_F16] = {"F16", 2},
    [AP_INT8] = {"INT8", 0},
    [AP_NF4] = {"NF4", 0},
    [AP_NF4_DOUBLE] = {"NF4-double", 0},
    [AP_Q8_0] = {"Q8_0", 0},
    [AP_Q4_0] = {"Q4_0", 0},
    [AP_Q4_K] = {"Q4_K", 0},
    [AP_Q6_K] = {"Q6_K", 0},
};

size_t ap__dtype_size(enum ap_dtype dtype)
{
    return (unsigned)dtype < AP_DTYPE_COUNT ? dtype_table[dtype].size : 0;
}

const char *ap__dtype_name(enum ap_dtype dtype)
{
    return (unsigned)dtype < AP_DTYPE_COUNT ? dtype_table[dtype].name : "?";
}

bool ap__dtype_parse(const char *name, enum ap_dtype *out)
{
    for (unsigned i = 0; i < AP_DTYPE_PLAIN; i++) {
        if (strcmp(name, dtype_table[i].name) == 0) {
            *out = (enum ap_dtype)i;
            return true;
        }
    }
    return false;
}

static inline float float_of(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static inline uint32_t bits_of(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static inline uint16_t bf16_of(float x)
{
    uint32_t bits = bits_of(x);
    uint32_t rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
    bool nan = (bits & 0x7fffffffu) > 0x7f800000u;
    return (uint16_t)(nan ? (bits >> 16) | 0x40u : rounded); /* rounding could turn a NaN into infinity */
}

static float float_of_f16(uint16_t h)
{
    uint16_t many[AP_LANES] = {h};
    float wide[AP_LANES];
    ap__vec_store(wide, ap__vec_load_f16(many));
    return wide[0];
}

static uint16_t f16_of(float x)
{
    uint32_t bits = bits_of(x), magnitude = bits & 0x7fffffffu;
    uint16_t sign = (uint16_t)((bits >> 16) & 0x8000u);
    if (magnitude > 0x7f800000u)
        return (uint16_t)(sign | 0x7e00u);
    if (magnitude >= 0x477ff000u) /* 65520 and above round to infinity */
        return (uint16_t)(sign | 0x7c00u);
    if (magnitude < 0x38800000u) { /* below 2^-14: adding 0.5 rounds to a multiple of 2^-24 */
        float shifted = float_of(magnitude) + 0.5f;
        return (uint16_t)(sign | (bits_of(shifted) - 0x3f000000u));
    }
    uint32_t rounded = magnitude - 0x38000000u + 0xfffu + ((magnitude >> 13) & 1u);
    return (uint16_t)(sign | rounded >> 13);
}

static inline uint16_t load_u16(const void *src, size_t i)
{
    uint16_t h;
    memcpy(&h, (const uint8_t *)src + 2 * i, sizeof h);
    return h;
}

static inline void store_u16(void *dst, size_t i, uint16_t h)
{
    memcpy((uint8_t *)dst + 2 * i, &h, sizeof h);
}

void ap__dtype_to_f32(float *dst, const void *src, enum ap_dtype dtype, size_t n)
{
    size_t i = 0;
    switch (dtype) {
    case AP_BF16:
        for (; i < n; i++)
            dst[i] = float_of((uint32_t)load_u16(src, i) << 16);
        break;
    case AP_F16:
        for (; i + AP_LANES <= n; i += AP_LANES)
            ap__vec_store(dst + i, ap__vec_load_f16((const uint8_t *)src + 2 * i));
        for (; i < n; i++)
            dst[i] = float_of_f16(load_u16(src, i));
        break;
    default: memcpy(dst, src, n * sizeof *dst); break;
    }
}

void ap__dtype_from_f32(void *dst, const float *src, enum ap_dtype dtype, size_t n)
{
    switch (dtype) {
    case AP_BF16:
        for (size_t i = 0; i < n; i++)
            store_u16(dst, i, bf16_of(src[i]));
        break;
    case AP_F16:
        for (size_t i = 0; i < n; i++)
            store_u16(dst, i, f16_of(src[i]));
        break;
    default: memcpy(dst, src, n * sizeof *src); break;
    }
}
