/* rng.h - counter-based random streams (DESIGN rule 4).
 *
 * A stream is a pure function of (seed, purpose, a, b, c): who draws from it
 * and when does not depend on scheduling.  Output n is a strong 64-bit mix of
 * key and counter (SplitMix64 finaliser, Steele et al., OOPSLA 2014). */
#ifndef AP_RNG_H
#define AP_RNG_H

#include <stdint.h>

struct ap_rng {
    uint64_t key, counter;
};

/* purpose: short literal, e.g. "sample", "problem", "dropout". */
struct ap_rng ap__rng_make(uint64_t seed, const char *purpose, uint64_t a, uint64_t b, uint64_t c);
uint64_t ap__rng_u64(struct ap_rng *rng);
uint32_t ap__rng_below(struct ap_rng *rng, uint32_t n);               /* [0, n), unbiased; n > 0 */
int64_t ap__rng_range(struct ap_rng *rng, int64_t lo, int64_t hi);    /* [lo, hi] */
double ap__rng_uniform(struct ap_rng *rng);                           /* [0, 1), 53 bits */
double ap__rng_normal(struct ap_rng *rng);                            /* N(0, 1) */
void ap__rng_shuffle(struct ap_rng *rng, void *array, uint32_t n, uint32_t elem_size);
uint64_t ap__hash64(const void *data, uint64_t len, uint64_t seed);   /* content hash, stable */

#endif
