/* nf4.c - the 16 levels, the 8-bit scales, and both directions of a block.
 *
 *     codes --level--> (64,) --x scale--> f32
 *     f32 --/ largest--> [-1, 1] --nearest level--> codes
 *
 * Compiled without contraction to fused multiply-adds: these values are compared bit for bit. */
#include "tensor/nf4.h"
#include "tensor/vector.h"

#include <math.h>

/* Quantiles of a normal distribution, each end scaled to 1, with an exact 0. */
static const float level[16] = {-1.0f,           -0.696192801f, -0.525073051f, -0.394917488f,
                                -0.284441382f,   -0.18477343f,  -0.0910500363f, 0.0f,
                                0.0795802996f,   0.160930201f,  0.246112302f,  0.337915242f,
                                0.440709829f,    0.562617004f,  0.722956836f,  1.0f};

/* The 8-bit dynamic numbers >= 0: 0, then 2^i steps within each decade from 1e-7 up, then 1 (Dettmers 2015).
 * The lower 127 codes are the negatives of entries 127 ... 1. */
enum { DYNAMIC_ZERO = 127, DYNAMIC_LAST = 255 };
static const float dynamic[DYNAMIC_LAST - DYNAMIC_ZERO + 1] = {
    0.0f, 5.5000004e-07f, 3.2500002e-06f, 7.75e-06f, 2.1249998e-05f, 4.375e-05f, 6.625e-05f, 8.875e-05f,
    0.00015625001f, 0.00026875004f, 0.00038125002f, 0.00049375003f, 0.0006062501f, 0.00071875006f, 0.00083125f,
    0.0009437501f, 0.0012812499f, 0.00184375f, 0.00240625f, 0.00296875f, 0.0035312497f, 0.00409375f, 0.0046562497f,
    0.0052187503f, 0.00578125f, 0.00634375f, 0.00690625f, 0.00746875f, 0.00803125f, 0.00859375f, 0.009156249f,
    0.00971875f, 0.01140625f, 0.01421875f, 0.01703125f, 0.019843752f, 0.02265625f, 0.02546875f, 0.028281251f,
    0.03109375f, 0.03390625f, 0.036718752f, 0.03953125f, 0.042343747f, 0.04515625f, 0.04796875f, 0.05078125f,
    0.05359375f, 0.05640625f, 0.059218753f, 0.06203125f, 0.06484375f, 0.067656256f, 0.070468746f, 0.07328125f,
    0.07609375f, 0.07890625f, 0.08171876f, 0.08453125f, 0.08734375f, 0.09015625f, 0.092968754f, 0.09578126f,
    0.09859375f, 0.107031256f, 0.12109375f, 0.13515624f, 0.14921875f, 0.16328125f, 0.17734376f, 0.19140625f,
    0.20546874f, 0.21953125f, 0.23359375f, 0.24765624f, 0.26171875f, 0.27578127f, 0.28984374f, 0.30390626f,
    0.31796873f, 0.33203125f, 0.34609374f, 0.36015624f, 0.37421876f, 0.38828123f, 0.40234375f, 0.41640624f,
    0.43046874f, 0.44453126f, 0.45859373f, 0.47265625f, 0.4867187f, 0.50078124f, 0.5148437f, 0.5289062f,
    0.54296875f, 0.5570313f, 0.5710938f, 0.58515626f, 0.5992187f, 0.61328125f, 0.6273438f, 0.6414063f, 0.65546876f,
    0.6695312f, 0.68359375f, 0.6976563f, 0.7117188f, 0.72578126f, 0.7398437f, 0.75390625f, 0.7679688f, 0.78203124f,
    0.79609376f, 0.8101562f, 0.82421875f, 0.8382813f, 0.85234374f, 0.86640626f, 0.8804687f, 0.89453125f,
    0.9085938f, 0.92265624f, 0.93671876f, 0.9507812f, 0.96484375f, 0.9789063f, 0.99296874f, 1.0f,
};

static float dynamic_of(int32_t code)
{
    return code >= DYNAMIC_ZERO ? dynamic[code - DYNAMIC_ZERO] : -dynamic[DYNAMIC_ZERO - code];
}

struct ap_nf4 ap__nf4_layout(size_t n, bool small_scales)
{
    struct ap_nf4 l = {.n = n, .blocks = (n + AP_NF4_BLOCK - 1) / AP_NF4_BLOCK, .small_scales = small_scales};
    l.groups = (l.blocks + AP_NF4_GROUP - 1) / AP_NF4_GROUP;
    if (small_scales) {
        l.at_groups = sizeof(float);
        l.at_scales = l.at_groups + l.groups * sizeof(float);
        l.at_codes = l.at_scales + (l.blocks + 3) / 4 * 4;
    } else {
        l.at_codes = l.blocks * sizeof(float);
    }
    l.bytes = l.at_codes + (n + 1) / 2;
    return l;
}

/* ---- to f32 ---- */

static float scale_of(const struct ap_nf4 *nf4, const uint8_t *data, size_t block)
{
    if (!nf4->small_scales)
        return ((const float *)(const void *)data)[block];
    const float *group = (const float *)(const void *)(data + nf4->at_groups);
    float mean = *(const float *)(const void *)data;
    return dynamic_of(data[nf4->at_scales + block]) * group[block / AP_NF4_GROUP] + mean;
}

static float number_of(const uint8_t *codes, size_t i, float scale)
{
    return level[i % 2 == 0 ? codes[i / 2] >> 4 : codes[i / 2] & 15] * scale;
}

/* The codes of AP_LANES numbers: their bytes in every lane, each shifted to its own. */
#if AP_LANES == 16
typedef uint64_t wide_vec __attribute__((vector_size(AP_LANES * 4)));

AP_INLINE ap_uvec codes_of(const uint8_t *codes)
{
    uint64_t bytes;
    memcpy(&bytes, codes, sizeof bytes);
    ap_uvec both = (ap_uvec)(bytes + (wide_vec){0});
    both = __builtin_shuffle(both, (ap_uvec){0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1});
    return both >> (ap_uvec){4, 0, 12, 8, 20, 16, 28, 24, 4, 0, 12, 8, 20, 16, 28, 24} & 15;
}
#elif AP_LANES == 8
AP_INLINE ap_uvec codes_of(const uint8_t *codes)
{
    uint32_t a;
    memcpy(&a, codes, sizeof a);
    return (a + (ap_uvec){0}) >> (ap_uvec){4, 0, 12, 8, 20, 16, 28, 24} & 15;
}
#else
AP_INLINE ap_uvec codes_of(const uint8_t *codes)
{
    return (ap_uvec){codes[0] >> 4, codes[0] & 15, codes[1] >> 4, codes[1] & 15};
}
#endif

/* level[code] for each lane. */
AP_INLINE ap_vec levels_of(ap_uvec code)
{
#if AP_LANES == 16
    return __builtin_shuffle(ap__vec_load(level), (ap_ivec)code);
#elif AP_LANES == 8
    return __builtin_shuffle(ap__vec_load(level), ap__vec_load(level + 8), (ap_ivec)code);
#else
    return (ap_vec){level[code[0]], level[code[1]], level[code[2]], level[code[3]]};
#endif
}

void ap__nf4_to_f32(float *dst, const struct ap_nf4 *nf4, const void *data, size_t at, size_t n)
{
    const uint8_t *codes = (const uint8_t *)data + nf4->at_codes;
    size_t end = at + n;
    while (at < end) {
        float scale = scale_of(nf4, data, at / AP_NF4_BLOCK);
        size_t stop = (at / AP_NF4_BLOCK + 1) * AP_NF4_BLOCK;
        stop = stop < end ? stop : end;
        if (at % 2 == 0)
            for (; at + AP_LANES <= stop; at += AP_LANES, dst += AP_LANES)
                ap__vec_store(dst, levels_of(codes_of(codes + at / 2)) * scale);
        for (; at < stop; at++)
            *dst++ = number_of(codes, at, scale);
    }
}

/* ---- from f32 ---- */

/* Blocks without any magnitude are divided by this. */
#define LEAST_SCALE 1e-38f

static float largest_magnitude(const float *x, size_t n)
{
    float top = 0;
    for (size_t i = 0; i < n; i++)
        top = fabsf(x[i]) > top ? fabsf(x[i]) : top;
    return top;
}

/* scaled (n,) = x / its largest magnitude, which is returned.  A part of a block is divided, a whole one multiplied
 * by the reciprocal: the last bit of bitsandbytes' values depends on it. */
static float scale_down(float *scaled, const float *x, size_t n, size_t whole)
{
    float top = largest_magnitude(x, n), divisor = top > LEAST_SCALE ? top : LEAST_SCALE, factor = 1.0f / divisor;
    for (size_t i = 0; i < n; i++) {
        float s = n == whole ? x[i] * factor : x[i] / divisor;
        s = s > 1.0f ? 1.0f : s;
        scaled[i] = s < -1.0f ? -1.0f : s;
    }
    return n == whole ? top : divisor;
}

/* code (64,): how many of the middles between two levels lie below. */
static void nearest_levels(int32_t *code, const float *scaled)
{
    for (int32_t i = 0; i < AP_NF4_BLOCK; i++)
        code[i] = 0;
    for (int32_t k = 0; k < 15; k++) {
        float middle = (level[k] + level[k + 1]) / 2;
        for (int32_t i = 0; i < AP_NF4_BLOCK; i++)
            code[i] += scaled[i] > middle;
    }
}

void ap__nf4_from_f32(void *data, float *scale, const struct ap_nf4 *nf4, const float *src, size_t at, size_t n)
{
    uint8_t *codes = (uint8_t *)data + nf4->at_codes + at / 2;
    for (size_t done = 0; done < n; done += AP_NF4_BLOCK) {
        float scaled[AP_NF4_BLOCK] = {0};
        int32_t code[AP_NF4_BLOCK];
        size_t count = n - done < AP_NF4_BLOCK ? n - done : AP_NF4_BLOCK;
        scale[(at + done) / AP_NF4_BLOCK] = scale_down(scaled, src + done, count, AP_NF4_BLOCK);
        nearest_levels(code, scaled);
        for (size_t i = 0; i < count; i += 2)
            codes[(done + i) / 2] = (uint8_t)(code[i] << 4 | code[i + 1]);
    }
}

/* The code of the nearest dynamic number: how many of the middles between two lie below. */
static uint8_t nearest_dynamic(float x)
{
    int32_t low = 0, high = DYNAMIC_LAST;
    while (low < high) {
        int32_t middle = (low + high) / 2;
        if (x > (dynamic_of(middle) + dynamic_of(middle + 1)) / 2)
            low = middle + 1;
        else
            high = middle;
    }
    return (uint8_t)low;
}

static void put_small_scales(uint8_t *data, const struct ap_nf4 *nf4, const float *scale)
{
    float *group = (float *)(void *)(data + nf4->at_groups);
    double sum = 0;
    for (size_t b = 0; b < nf4->blocks; b++)
        sum += (double)scale[b];
    float mean = (float)(sum / (double)nf4->blocks);
    *(float *)(void *)data = mean;
#pragma omp parallel for if (nf4->groups > 16)
    for (size_t g = 0; g < nf4->groups; g++) {
        size_t from = g * AP_NF4_GROUP, left = nf4->blocks - from, n = left < AP_NF4_GROUP ? left : AP_NF4_GROUP;
        float x[AP_NF4_GROUP];
        for (size_t i = 0; i < n; i++)
            x[i] = scale[from + i] - mean;
        group[g] = scale_down(x, x, n, AP_NF4_GROUP);
        for (size_t i = 0; i < n; i++)
            data[nf4->at_scales + from + i] = nearest_dynamic(x[i]);
    }
}

void ap__nf4_put_scales(void *data, const struct ap_nf4 *nf4, const float *scale)
{
    if (nf4->small_scales)
        put_small_scales(data, nf4, scale);
    else
        memcpy(data, scale, nf4->blocks * sizeof *scale);
}
