/* cpu_rope.c - rotary position embedding (Su et al. 2021), Hugging Face layout:
 * number i of a head turns with number i + Dh/2.
 *
 *     position --table--> cos, sin (Dh/2 each)     x1' = x1 cos - x2 sin
 *                                                  x2' = x2 cos + x1 sin
 *
 * A calling thread keeps the table of positions seen so far for the last
 * frequencies it was called with; far positions are computed as they come. */
#include "tensor/cpu.h"

#include <math.h>
#include <string.h>

enum { TABLE_POSITIONS = 8192, TABLE_GROWTH = 256 };

/* cs (positions, 2, half): cosines, then sines. */
struct table {
    const float *cs;
    int32_t positions, half;
};

static _Thread_local struct {
    struct ap_scratch cs, inv_freq;
    int32_t positions, half;
} cache;

void ap__cpu_rope_release(void)
{
    ap__scratch_free(&cache.cs);
    ap__scratch_free(&cache.inv_freq);
    cache.positions = cache.half = 0;
}

/* cs (2, half) for one position. */
static void angles(float *cs, const float *inv_freq, int32_t half, int32_t position)
{
    for (int32_t i = 0; i < half; i++) {
        float angle = (float)position * inv_freq[i];
        cs[i] = cosf(angle);
        cs[half + i] = sinf(angle);
    }
}

/* A table up to the largest position, as far as TABLE_POSITIONS and memory go. */
static struct table table_get(const int32_t *position, const float *inv_freq, int32_t T, int32_t half)
{
    size_t freq_size = (size_t)half * sizeof *inv_freq;
    if (cache.half != half || cache.positions == 0 || memcmp(cache.inv_freq.data, inv_freq, freq_size) != 0) {
        cache.positions = 0;
        cache.half = half;
        if (ap__scratch_need(&cache.inv_freq, freq_size) == NULL)
            return (struct table){NULL, 0, half};
        memcpy(cache.inv_freq.data, inv_freq, freq_size);
    }
    int32_t need = 0;
    for (int32_t t = 0; t < T; t++)
        need = position[t] >= need ? position[t] + 1 : need;
    need = (need + TABLE_GROWTH - 1) / TABLE_GROWTH * TABLE_GROWTH;
    need = need < TABLE_POSITIONS ? need : TABLE_POSITIONS;
    if (need > cache.positions) {
        float *cs = ap__scratch_need(&cache.cs, (size_t)need * 2 * freq_size);
        cache.positions = 0; /* what was there may have moved away */
        if (cs == NULL)
            return (struct table){NULL, 0, half};
        for (int32_t p = 0; p < need; p++)
            angles(cs + (size_t)p * 2 * (size_t)half, inv_freq, half, p);
        cache.positions = need;
    }
    return (struct table){cache.cs.data, cache.positions, half};
}

static void head_turn(float *restrict x, const float *restrict cs, int32_t half, float direction)
{
#pragma omp simd
    for (int32_t i = 0; i < half; i++) {
        float c = cs[i], s = cs[half + i] * direction, x1 = x[i], x2 = x[half + i];
        x[i] = x1 * c - x2 * s;
        x[half + i] = x2 * c + x1 * s;
    }
}

void ap__cpu_rope(float *x, const int32_t *position, const float *inv_freq, int32_t T, int32_t heads, int32_t Dh,
                  bool inverse)
{
    struct table table = table_get(position, inv_freq, T, Dh / 2);
#pragma omp parallel for if ((int64_t)T * heads * Dh > AP_PARALLEL_MIN)
    for (int32_t t = 0; t < T; t++) {
        float far[AP_MAX_HEAD_WIDTH];
        const float *cs = far;
        if (position[t] < table.positions)
            cs = table.cs + (size_t)position[t] * (size_t)Dh;
        else
            angles(far, inv_freq, table.half, position[t]);
        for (int32_t h = 0; h < heads; h++)
            head_turn(x + ((size_t)t * (size_t)heads + (size_t)h) * (size_t)Dh, cs, table.half, inverse ? -1.0f : 1.0f);
    }
}
