/* gguf_out.h - a GGUF file's head and tensors, put together and written in order.
 *
 *     put metadata, name all tensors -> begin: the head is written -> the tensors' bytes, in that order -> finish
 *
 * Appends that fail mark the buffers; begin reports it once. */
#ifndef AP_GGUF_OUT_H
#define AP_GGUF_OUT_H

#include "base/replace.h"
#include "model/gguf.h"

/* Zero-initialise. */
struct ap_gguf_out {
    struct ap_buf meta, infos;
    uint64_t keys, tensors;
    uint64_t at; /* bytes of tensors named or, after begin, written */
    struct ap_replace file;
};
void ap__gguf_out_deinit(struct ap_gguf_out *o); /* without finish, nothing is left of the file */

void ap__gguf_put_u32(struct ap_gguf_out *o, const char *key, uint32_t value);
void ap__gguf_put_f32(struct ap_gguf_out *o, const char *key, float value);
void ap__gguf_put_bool(struct ap_gguf_out *o, const char *key, bool value);
void ap__gguf_put_str(struct ap_gguf_out *o, const char *key, const char *text);
/* An array; exactly count elements follow by the functions below. */
void ap__gguf_put_array(struct ap_gguf_out *o, const char *key, enum ap_gguf_type type, uint64_t count);
void ap__gguf_add_str(struct ap_gguf_out *o, const char *text, size_t len);
void ap__gguf_add_f32(struct ap_gguf_out *o, float value);
void ap__gguf_add_i32(struct ap_gguf_out *o, int32_t value);

/* Name the next tensor; rows 0: a vector of cols numbers. */
void ap__gguf_out_tensor(struct ap_gguf_out *o, const char *name, enum ap_dtype dtype, int64_t rows, int64_t cols,
                         uint64_t bytes);
ap_status ap__gguf_out_begin(struct ap_gguf_out *o, const char *path, struct ap_err *err) AP_MUST_CHECK;
/* All bytes of the next tensor. */
ap_status ap__gguf_out_data(struct ap_gguf_out *o, const void *data, uint64_t bytes, struct ap_err *err) AP_MUST_CHECK;
ap_status ap__gguf_out_finish(struct ap_gguf_out *o, struct ap_err *err) AP_MUST_CHECK;

#endif
