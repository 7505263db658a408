/* rng.c - random numbers as a function of what they are for.
 *
 *     seed, purpose, a, b, c --absorb--> key
 *     output n = mix(key ^ mix(n * golden ratio))
 *
 * Two rounds of mixing, so that streams whose keys differ by a multiple of the
 * increment are not shifted copies of one another. */
#include "base/rng.h"

#include <math.h>
#include <string.h>

#define GOLDEN UINT64_C(0x9E3779B97F4A7C15)

/* SplitMix64 finaliser: a bijection in which each input bit flips half the output. */
static uint64_t mix(uint64_t z)
{
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

static uint64_t absorb(uint64_t state, uint64_t word)
{
    return mix((state ^ word) + GOLDEN);
}

uint64_t ap__hash64(const void *data, uint64_t len, uint64_t seed)
{
    const uint8_t *p = data;
    uint64_t h = absorb(seed, len);
    while (len > 0) {
        uint64_t word = 0, n = len < 8 ? len : 8;
        for (uint64_t i = 0; i < n; i++) /* little endian on every machine */
            word |= (uint64_t)p[i] << (8 * i);
        h = absorb(h, word);
        p += n;
        len -= n;
    }
    return h;
}

struct ap_rng ap__rng_make(uint64_t seed, const char *purpose, uint64_t a, uint64_t b, uint64_t c)
{
    uint64_t key = ap__hash64(purpose, strlen(purpose), seed);
    key = absorb(absorb(absorb(key, a), b), c);
    return (struct ap_rng){.key = key};
}

uint64_t ap__rng_u64(struct ap_rng *rng)
{
    rng->counter++;
    return mix(rng->key ^ mix(rng->counter * GOLDEN));
}

/* [0, n) without bias: multiply, and draw again in the short first interval
 * (Lemire, ACM TOMACS 2019). */
static uint64_t below64(struct ap_rng *rng, uint64_t n)
{
    unsigned __int128 product = (unsigned __int128)ap__rng_u64(rng) * n;
    if ((uint64_t)product < n) {
        uint64_t floor = (0 - n) % n;
        while ((uint64_t)product < floor)
            product = (unsigned __int128)ap__rng_u64(rng) * n;
    }
    return (uint64_t)(product >> 64);
}

uint32_t ap__rng_below(struct ap_rng *rng, uint32_t n)
{
    return (uint32_t)below64(rng, n);
}

int64_t ap__rng_range(struct ap_rng *rng, int64_t lo, int64_t hi)
{
    uint64_t span = (uint64_t)hi - (uint64_t)lo + 1; /* 0: all 2^64 */
    uint64_t offset = span ? below64(rng, span) : ap__rng_u64(rng);
    return (int64_t)((uint64_t)lo + offset);
}

double ap__rng_uniform(struct ap_rng *rng)
{
    return (double)(ap__rng_u64(rng) >> 11) * 0x1p-53;
}

/* Box and Muller 1958; the second value is dropped so that a stream's state
 * stays key and counter. */
double ap__rng_normal(struct ap_rng *rng)
{
    double u = 1.0 - ap__rng_uniform(rng); /* (0, 1] */
    double v = ap__rng_uniform(rng);
    return sqrt(-2.0 * log(u)) * cos(6.283185307179586476925 * v);
}

static void swap_bytes(uint8_t *a, uint8_t *b, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        uint8_t t = a[i];
        a[i] = b[i];
        b[i] = t;
    }
}

void ap__rng_shuffle(struct ap_rng *rng, void *array, uint32_t n, uint32_t elem_size)
{
    uint8_t *base = array;
    for (uint32_t i = n; i > 1; i--) {
        uint32_t j = ap__rng_below(rng, i);
        swap_bytes(base + (size_t)(i - 1) * elem_size, base + (size_t)j * elem_size, elem_size);
    }
}
