/* dtype.h - the number formats that weights come in, and the one converter
 * per pair of the plain ones.
 *
 *     file (bf16, f16, f32) --to_f32--> compute in f32 --from_f32--> file
 *
 * Names are those of safetensors ("F32", "BF16", "F16").  Conversions to f32
 * are exact; conversions from f32 round to nearest, ties to even.
 *
 * Block formats share scales among neighbours, so a single number of theirs has
 * no size and no address: quant.h knows how their matrices lie in memory. */
#ifndef AP_DTYPE_H
#define AP_DTYPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum ap_dtype {
    AP_F32,
    AP_BF16,
    AP_F16,
    AP_DTYPE_PLAIN, /* so many plain formats; the others are block formats */
    AP_INT8 = AP_DTYPE_PLAIN, /* one scale per row */
    AP_NF4,                   /* 16 normal-distributed levels, one scale per 64 numbers */
    AP_NF4_DOUBLE,            /* the same, its scales in 8 bits */
    AP_Q8_0,                  /* GGUF's block formats */
    AP_Q4_0,
    AP_Q4_K,
    AP_Q6_K,
    AP_DTYPE_COUNT
};

/* Bytes per element; 0 for block formats. */
size_t ap__dtype_size(enum ap_dtype dtype);
/* "F32", "BF16", "F16", "NF4", "Q4_K", ...; "?" for anything else. */
const char *ap__dtype_name(enum ap_dtype dtype);
/* The plain dtype called `name`; false when there is none and *out is untouched. */
bool ap__dtype_parse(const char *name, enum ap_dtype *out);

/* dst (n,) f32 from src (n,) of a plain dtype, overwrites.  src needs no alignment. */
void ap__dtype_to_f32(float *dst, const void *src, enum ap_dtype dtype, size_t n);
/* dst (n,) of a plain dtype from src (n,) f32, overwrites.  NaN stays NaN. */
void ap__dtype_from_f32(void *dst, const float *src, enum ap_dtype dtype, size_t n);

#endif
