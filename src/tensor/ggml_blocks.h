/* ggml_blocks.h - GGUF's block formats to f32, and f32 to the one that is written.
 *
 *     format   numbers   bytes   per block
 *     Q8_0        32       34    f16 scale, 32 x int8
 *     Q4_0        32       18    f16 scale, 32 x 4 bits; value = scale * (q - 8)
 *     Q4_K       256      144    f16 scale and minimum of 8 x (6-bit scale, 6-bit minimum) for 32 numbers each, 4 bits
 *     Q6_K       256      210    6 bits, 16 x int8 scale for 16 numbers each, f16 scale of scales
 *
 * The values are those of ggml's reference, bit for bit. */
#ifndef AP_GGML_BLOCKS_H
#define AP_GGML_BLOCKS_H

#include "tensor/dtype.h"

/* Numbers and bytes of one block; 0 for formats that are none of these. */
size_t ap__ggml_block_numbers(enum ap_dtype dtype);
size_t ap__ggml_block_bytes(enum ap_dtype dtype);

/* dst (n,) f32 from src, overwrites.  n is a multiple of the block's numbers; src needs no alignment. */
void ap__q8_0_to_f32(float *dst, const void *src, size_t n);
void ap__q4_0_to_f32(float *dst, const void *src, size_t n);
void ap__q4_k_to_f32(float *dst, const void *src, size_t n);
void ap__q6_k_to_f32(float *dst, const void *src, size_t n);
/* dst (n / 32 blocks) from src (n,) f32, overwrites.  Rounds half away from zero. */
void ap__q8_0_from_f32(void *dst, const float *src, size_t n);

#endif
