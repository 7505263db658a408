/* nf4.h - weights in 4 bits as bitsandbytes holds them (Dettmers et al. 2023, QLoRA).
 *
 *     numbers   n in row-major order, whatever the rows' length
 *     block     64 of them: scale = largest magnitude, each number the nearest of 16 levels times it
 *     codes     4 bits, the first of two numbers in the upper half of the byte
 *
 *     scales as f32        | scale f32 (B,)                                      | codes (n/2,) |
 *     scales in 8 bits     | mean f32 | group scale f32 (B/256,) | u8 (B,), pad 4 | codes (n/2,) |
 *
 * B = n/64 rounded up.  In 8 bits ("double quantisation") a scale is the mean of
 * all scales plus a dynamic 8-bit number times the scale of its 256 neighbours.
 * Values equal those of bitsandbytes bit for bit, with one reservation: it sums
 * the mean in f32 in an order that depends on the processor, here it is a double. */
#ifndef AP_NF4_H
#define AP_NF4_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { AP_NF4_BLOCK = 64, AP_NF4_GROUP = 256 };

/* Where the parts of n numbers lie; w is what they are read from, the others what they are written to. */
struct ap_nf4 {
    size_t n, blocks, groups;
    bool small_scales;      /* in 8 bits */
    size_t at_groups, at_scales, at_codes, bytes; /* offsets; groups and mean only with small scales */
};
struct ap_nf4 ap__nf4_layout(size_t n, bool small_scales);

/* dst (n,) f32 = numbers [at, at + n) of data, overwrites. */
void ap__nf4_to_f32(float *dst, const struct ap_nf4 *nf4, const void *data, size_t at, size_t n);

/* Codes and scales of the blocks that start with number `at`, a multiple of the block: src (n,), where n
 * is one too unless these are the last.  scale (B,) is indexed from the first block of all. */
void ap__nf4_from_f32(void *data, float *scale, const struct ap_nf4 *nf4, const float *src, size_t at, size_t n);
/* All scales (B,), into their place in data. */
void ap__nf4_put_scales(void *data, const struct ap_nf4 *nf4, const float *scale);

#endif
