/* safetensors.h - named tensors in a mapped file, checked before use, and their writer.
 *
 *     +--------+----------------------+-----------------------------+
 *     | n: u64 | JSON header, n bytes | tensor bytes, back to back  |
 *     +--------+----------------------+-----------------------------+
 *       little-endian                   offsets are relative to here
 *
 * The header gives each name its dtype, shape and byte range.  Opening checks all
 * of it: ranges lie inside the file, have exactly the size that dtype and shape
 * ask for, overlap nowhere and leave no holes; a name occurs once.  After that a view is just a pointer.
 * A folder may hold one model.safetensors or shards with model.safetensors.index.json;
 * both look the same through this interface. */
#ifndef AP_SAFETENSORS_H
#define AP_SAFETENSORS_H

#include "base/json.h"
#include "tensor/dtype.h"

enum { AP_TENSOR_MAX_DIMS = 4 };

struct ap_safetensors; /* owns the mapping(s); views die with it */

/* Numbers are little-endian and aligned to their size. */
struct ap_tensor_view {
    enum ap_dtype dtype;
    int32_t ndim;                     /* 0 = a scalar */
    int64_t shape[AP_TENSOR_MAX_DIMS]; /* entries past ndim are 1 */
    const void *data;                 /* borrowed from the mapping */
    size_t bytes;
};

/* One file. Every fault of the file is AP_E_FORMAT with the file and the tensor's name. */
ap_status ap__safetensors_open(const char *path, struct ap_safetensors **out, struct ap_err *err) AP_MUST_CHECK;
/* A model folder: the shards that model.safetensors.index.json names when there is one, else model.safetensors. */
ap_status ap__safetensors_open_dir(const char *dir, struct ap_safetensors **out, struct ap_err *err) AP_MUST_CHECK;
void ap__safetensors_free(struct ap_safetensors *st);

/* AP_E_NOT_FOUND names the tensor and the file.  AP_E_FORMAT: a dtype that nothing here computes with or more than
 * four dimensions (such tensors may be in the file as long as nobody asks for them), or data not aligned to its type. */
ap_status ap__safetensors_get(const struct ap_safetensors *st, const char *name, struct ap_tensor_view *out,
                              struct ap_err *err) AP_MUST_CHECK;
size_t ap__safetensors_count(const struct ap_safetensors *st);
const char *ap__safetensors_name(const struct ap_safetensors *st, size_t i); /* sorted by name; borrowed */
/* The value of a key of the file's __metadata__, or NULL (single files only). */
const char *ap__safetensors_metadata(const struct ap_safetensors *st, const char *key);

struct ap_tensor_entry {
    const char *name;
    enum ap_dtype dtype;
    int32_t ndim;
    int64_t shape[AP_TENSOR_MAX_DIMS];
    const void *data; /* contiguous, size given by dtype and shape */
};

/* Write n tensors (wide types first, so that all are aligned; otherwise in this order), streaming to a temporary,
 * path + ".tmp", that replaces path at the end: readers see the old file or the new one, and a full disk leaves the
 * old one.  metadata: an object of strings, or NULL; borrowed. */
ap_status ap__safetensors_write(const char *path, const struct ap_tensor_entry *entry, size_t n,
                                const json_t *metadata, struct ap_err *err) AP_MUST_CHECK;

/* The same for tensors that are made one piece at a time.  begin sorts the entries (whose data is not read) into the
 * file's order; then their bytes are put, in that order, in pieces of any size; commit ends the file, abandon leaves
 * the old one (NULL is fine).  Both release the writer. */
struct ap_safetensors_writer;
ap_status ap__safetensors_begin(const char *path, struct ap_tensor_entry *entry, size_t n, const json_t *metadata,
                                struct ap_safetensors_writer **out, struct ap_err *err) AP_MUST_CHECK;
ap_status ap__safetensors_put(struct ap_safetensors_writer *w, const void *data, size_t bytes,
                              struct ap_err *err) AP_MUST_CHECK;
ap_status ap__safetensors_commit(struct ap_safetensors_writer *w, struct ap_err *err) AP_MUST_CHECK;
void ap__safetensors_abandon(struct ap_safetensors_writer *w);

#endif
