/* dtype.h - the number formats that weights come in, and the one converter
 * per pair of them.
 *
 *     file (bf16, f16, f32) --to_f32--> compute in f32 --from_f32--> file
 *
 * Names are those of safetensors ("F32", "BF16", "F16").  Conversions to f32
 * are exact; conversions from f32 round to nearest, ties to even. */
#ifndef AP_DTYPE_H
#define AP_DTYPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum ap_dtype { AP_F32, AP_BF16, AP_F16, AP_DTYPE_COUNT };

/* Bytes per element. */
size_t ap__dtype_size(enum ap_dtype dtype);
/* "F32", "BF16", "F16"; "?" for anything else. */
const char *ap__dtype_name(enum ap_dtype dtype);
/* The dtype called `name`; false when there is none and *out is untouched. */
bool ap__dtype_parse(const char *name, enum ap_dtype *out);

/* dst (n,) f32 from src (n,) of dtype, overwrites.  src needs no alignment. */
void ap__dtype_to_f32(float *dst, const void *src, enum ap_dtype dtype, size_t n);
/* dst (n,) of dtype from src (n,) f32, overwrites.  NaN stays NaN. */
void ap__dtype_from_f32(void *dst, const float *src, enum ap_dtype dtype, size_t n);

#endif
