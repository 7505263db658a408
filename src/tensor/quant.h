/* quant.h - matrices of weights in every format: their bytes, to f32, and from one format to another.
 *
 *     matrix (bf16, Q4_K, ...) --row pieces--> f32 --> products (cpu_linear.c, cpu_gemv.c)
 *                                              f32 --> another format (QLoRA's frozen base)
 *
 *     plain     (rows, cols) numbers
 *     INT8      largest magnitude f32 (rows,) | int8 (rows, cols); value = int8 * magnitude / 127
 *     NF4       nf4.h, over the flattened matrix
 *     Q8_0 ...  ggml_blocks.h, every row a whole number of blocks
 *
 * A matrix is one piece of memory whose layout follows from format and shape, so a struct ap_matrix needs no more
 * than a pointer.  INT8 and NF4 values are bitsandbytes', bit for bit. */
#ifndef AP_QUANT_H
#define AP_QUANT_H

#include "tensor/backend.h"

/* Bytes of a (rows, cols) matrix, both positive; 0 when a format of blocks cannot hold rows of this length. */
size_t ap__matrix_bytes(enum ap_dtype dtype, int32_t rows, int32_t cols);
/* Columns can be read in pieces that start at multiples of this: numbers of a GGUF block, else 1. */
int32_t ap__matrix_unit(enum ap_dtype dtype);

/* dst (n,) f32 = numbers [from, from + n) of a row, overwrites.  from and n are multiples of the unit. */
void ap__matrix_row(float *dst, const struct ap_matrix *W, int32_t row, int32_t from, int32_t n);
/* Where that number lies, or the byte or block it is in. */
const void *ap__matrix_at(const struct ap_matrix *W, int32_t row, int32_t from);
/* dst (rows, cols) f32, overwrites. */
void ap__matrix_to_f32(float *dst, const struct ap_matrix *W);
/* out->data (ap__matrix_bytes of out's dtype and shape, zeroed) from W of the same shape and any dtype.  out's dtype
 * is plain, INT8 or NF4.  Fails only for lack of memory. */
ap_status ap__matrix_convert(const struct ap_matrix *out, void *data, const struct ap_matrix *W,
                             struct ap_err *err) AP_MUST_CHECK;

#endif
