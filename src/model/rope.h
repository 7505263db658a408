/* rope.h - what a model does to the frequencies of its rotary embedding so that
 * more positions fit than it was first trained with.
 *
 *     frequency i of Dh/2     f = theta^(-2i/Dh)          wavelength 2 pi / f positions
 *     linear    f / factor                                Chen et al. 2023 (arXiv 2306.15595)
 *     llama3    short waves keep f, long ones f / factor, in between a blend by wavelength
 *                                                         Llama 3 (arXiv 2407.21783), Meta's reference code
 *     yarn      the same blend by a ramp over i; queries and keys grow by `attention`
 *                                                         Peng et al. 2023 (arXiv 2309.00071), section 3
 *
 * All zero is `default`: nothing is done. */
#ifndef AP_ROPE_H
#define AP_ROPE_H

#include "base/json.h"

enum ap_rope_type { AP_ROPE_DEFAULT, AP_ROPE_LINEAR, AP_ROPE_LLAMA3, AP_ROPE_YARN, AP_ROPE_TYPE_COUNT };

struct ap_rope {
    enum ap_rope_type type;
    double factor;               /* all but default */
    int32_t original_position;   /* llama3, yarn: positions before scaling */
    double low_freq, high_freq;  /* llama3: original_position / wavelength where the blend begins and ends */
    double beta_fast, beta_slow; /* yarn: turns within original_position where the ramp begins and ends */
    double attention;            /* yarn: factor of cos and sin */
    bool exact_ramp;             /* yarn: do not round the ramp's ends to whole i */
};

/* From `rope_parameters` (transformers 5) or `rope_scaling` and `rope_theta` of a config.json.  *theta is set too.
 * AP_E_FORMAT names key and value of what is not supported. */
ap_status ap__rope_read(const json_t *root, const char *place, int32_t max_position, struct ap_rope *out, float *theta,
                        struct ap_err *err) AP_MUST_CHECK;
/* The fields of the type are in their ranges. */
ap_status ap__rope_check(const struct ap_rope *rope, const char *place, struct ap_err *err) AP_MUST_CHECK;
/* The value of `rope_scaling`; a failed append marks the buffer. */
void ap__rope_write(const struct ap_rope *rope, struct ap_buf *out);

/* inv_freq (Dh/2,), overwrites. */
void ap__rope_frequencies(const struct ap_rope *rope, double theta, int32_t Dh, float *inv_freq);
/* Factor of queries and of keys. */
static inline double ap__rope_attention(const struct ap_rope *rope)
{
    return rope->type == AP_ROPE_YARN ? rope->attention : 1.0;
}

#endif
