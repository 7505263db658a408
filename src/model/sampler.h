/* sampler.h - choose the next token from logits. */
#ifndef AP_SAMPLER_H
#define AP_SAMPLER_H

#include "base/rng.h"
#include "base/status.h"
#include <stdbool.h>

struct ap_sampling {
    float temperature; /* 0 = greedy (ties: lowest id) */
    int32_t top_k;     /* 0 = off */
    float top_p;       /* 1 = off */
    float min_p;       /* 0 = off */
};
#define AP_GREEDY ((struct ap_sampling){.temperature = 0.0f, .top_p = 1.0f})

/* logits (V,) are overwritten as scratch. Order: temperature, top-k, top-p, min-p, draw (inverse CDF over ids). */
int32_t ap__sample(float *logits, int32_t V, const struct ap_sampling *how, struct ap_rng *rng);

#endif
