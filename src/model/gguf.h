/* gguf.h - a GGUF file, mapped: typed metadata and named tensors, all checked on opening.
 *
 *     "GGUF" version counts | key type value ... | name dims type offset ... | padding | tensor bytes
 *                             metadata             tensor infos                          aligned, by offset
 *
 * After opening, every length and offset lies inside the file, tensors overlap
 * nowhere and have the bytes that their type and shape ask for.  Names here
 * are the file's own ("blk.0.attn_q.weight"); gguf_model.h speaks Hugging Face. */
#ifndef AP_GGUF_H
#define AP_GGUF_H

#include "model/safetensors.h" /* struct ap_tensor_view */

enum ap_gguf_type {
    AP_GGUF_U8, AP_GGUF_I8, AP_GGUF_U16, AP_GGUF_I16, AP_GGUF_U32, AP_GGUF_I32, AP_GGUF_F32, AP_GGUF_BOOL,
    AP_GGUF_STRING, AP_GGUF_ARRAY, AP_GGUF_U64, AP_GGUF_I64, AP_GGUF_F64, AP_GGUF_TYPES
};

struct ap_gguf; /* owns the mapping; everything it hands out dies with it */

/* Every fault of the file is AP_E_FORMAT with the file and the key or tensor. */
ap_status ap__gguf_open(const char *path, struct ap_gguf **out, struct ap_err *err) AP_MUST_CHECK;
void ap__gguf_free(struct ap_gguf *g);
const char *ap__gguf_path(const struct ap_gguf *g);
/* Does the file begin as a GGUF file does?  false also when it cannot be read. */
bool ap__gguf_is(const char *path);

/* Metadata.  An absent key leaves *out untouched (preset your default), and is AP_E_FORMAT when `required`; a value
 * of another type, or one that does not fit, is AP_E_FORMAT always. */
ap_status ap__gguf_i64(const struct ap_gguf *g, const char *key, bool required, int64_t *out,
                       struct ap_err *err) AP_MUST_CHECK;
ap_status ap__gguf_f64(const struct ap_gguf *g, const char *key, bool required, double *out,
                       struct ap_err *err) AP_MUST_CHECK;
ap_status ap__gguf_bool(const struct ap_gguf *g, const char *key, bool required, bool *out,
                        struct ap_err *err) AP_MUST_CHECK;
ap_status ap__gguf_str(const struct ap_gguf *g, const char *key, bool required, const char **out,
                       struct ap_err *err) AP_MUST_CHECK;

/* An array of numbers, booleans or strings, read from front to back. */
struct ap_gguf_array {
    enum ap_gguf_type type; /* of its elements */
    uint64_t count, left;
    const uint8_t *at;
};
/* Absent and not required: count 0. */
ap_status ap__gguf_array(const struct ap_gguf *g, const char *key, bool required, struct ap_gguf_array *out,
                         struct ap_err *err) AP_MUST_CHECK;
/* The next element; false at the end or when it is of another kind.  Text is not NUL-terminated. */
bool ap__gguf_next_str(struct ap_gguf_array *a, const char **text, size_t *len);
bool ap__gguf_next_i64(struct ap_gguf_array *a, int64_t *out);
bool ap__gguf_next_f64(struct ap_gguf_array *a, double *out);

/* Tensors, sorted by name.  The shape is turned round to the order of Hugging Face: the last one is contiguous. */
size_t ap__gguf_count(const struct ap_gguf *g);
const char *ap__gguf_name(const struct ap_gguf *g, size_t i);
/* AP_E_NOT_FOUND names the tensor and the file; AP_E_FORMAT: a type that nothing here computes with. */
ap_status ap__gguf_get(const struct ap_gguf *g, const char *name, struct ap_tensor_view *out,
                       struct ap_err *err) AP_MUST_CHECK;

/* What gguf_write.c must know too. */
enum { AP_GGUF_VERSION = 3, AP_GGUF_ALIGNMENT = 32 };
/* ggml's number of a tensor type; -1 when it has none. */
int ap__gguf_type_of(enum ap_dtype dtype);

#endif
