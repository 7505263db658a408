/* safetensors_write.c - named tensors to a file, without holding them all.
 *
 *     begin  -> entries in file order (wide types first, so that all are aligned) -> header padded to 8 bytes
 *     put    -> their bytes, piece by piece, into a temporary beside the file
 *     commit -> all bytes there? -> fsync -> rename: readers see the old file or the new one
 */
#include "model/safetensors.h"

#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define METADATA_KEY "__metadata__"
enum { HEADER_MAX = 100000000 };

struct ap_safetensors_writer {
    char *path, *temporary;
    int fd;
    uint64_t left; /* bytes of tensors that are still to come */
};

/* ---- header ---- */

static ap_status entry_bytes(const char *path, const struct ap_tensor_entry *e, uint64_t *out, struct ap_err *err)
{
    uint64_t bytes = ap__dtype_size(e->dtype);
    if (bytes == 0 || e->ndim < 0 || e->ndim > AP_TENSOR_MAX_DIMS)
        return ap__fail(err, AP_E_ARG, path, "tensor `%s` has no valid dtype and shape", e->name);
    for (int32_t i = 0; i < e->ndim; i++)
        if (e->shape[i] < 0 || __builtin_mul_overflow(bytes, (uint64_t)e->shape[i], &bytes))
            return ap__fail(err, AP_E_ARG, path, "tensor `%s`: dimension %d is %lld", e->name, i,
                            (long long)e->shape[i]);
    *out = bytes;
    return AP_OK;
}

static json_t *describe(const struct ap_tensor_entry *e, uint64_t begin, uint64_t end)
{
    json_t *shape = json_array();
    for (int32_t i = 0; shape && i < e->ndim; i++)
        json_array_append_new(shape, json_integer(e->shape[i]));
    if (json_array_size(shape) != (size_t)e->ndim) {
        json_decref(shape);
        return NULL;
    }
    return json_pack("{s:s, s:o, s:[I,I]}", "dtype", ap__dtype_name(e->dtype), "shape", shape, "data_offsets",
                     (json_int_t)begin, (json_int_t)end);
}

/* All entries, in their order; *total = bytes of all. */
static ap_status describe_all(const char *path, const struct ap_tensor_entry *entry, size_t n, json_t *header,
                              uint64_t *total, struct ap_err *err)
{
    *total = 0;
    for (size_t i = 0; i < n; i++) {
        uint64_t bytes = 0;
        AP_TRY(entry_bytes(path, &entry[i], &bytes, err));
        if (json_object_get(header, entry[i].name) || strcmp(entry[i].name, METADATA_KEY) == 0)
            return ap__fail(err, AP_E_ARG, path, "the tensor name `%s` is taken", entry[i].name);
        if (json_object_set_new(header, entry[i].name, describe(&entry[i], *total, *total + bytes)) != 0)
            return ap__fail(err, AP_E_ARG, path, "cannot describe tensor `%s`", entry[i].name);
        *total += bytes;
    }
    return AP_OK;
}

static ap_status check_metadata(const char *path, const json_t *metadata, struct ap_err *err)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)metadata, key, value)
        if (!json_is_string(value))
            return ap__fail(err, AP_E_ARG, path, "metadata `%s` must be a string", key);
    return AP_OK;
}

static ap_status build_header(const char *path, const struct ap_tensor_entry *entry, size_t n, const json_t *metadata,
                              struct ap_buf *out, uint64_t *total, struct ap_err *err)
{
    uint64_t length = 0;
    char *text = NULL;
    json_t *header = json_object();
    ap_status status = check_metadata(path, metadata, err);
    if (status == AP_OK && metadata && json_object_set(header, METADATA_KEY, (json_t *)(uintptr_t)metadata) != 0)
        status = ap__fail(err, AP_E_MEMORY, path, "out of memory");
    if (status == AP_OK)
        status = describe_all(path, entry, n, header, total, err);
    if (status != AP_OK)
        goto done;
    text = json_dumps(header, JSON_COMPACT);
    if (!text) {
        status = ap__fail(err, AP_E_MEMORY, path, "out of memory");
        goto done;
    }
    length = (strlen(text) + 7) / 8 * 8;
    ap__buf_add(out, &length, sizeof length);
    ap__buf_printf(out, "%-*s", (int)length, text);
    if (out->failed)
        status = ap__fail(err, AP_E_MEMORY, path, "out of memory");
done:
    free(text);
    json_decref(header);
    return status;
}

/* Stable: wide types first. */
static ap_status sort_entries(const char *path, struct ap_tensor_entry *entry, size_t n, struct ap_err *err)
{
    size_t at = 0;
    struct ap_tensor_entry *sorted = ap__alloc_array(n + 1, sizeof *sorted);
    if (!sorted)
        return ap__fail(err, AP_E_MEMORY, path, "out of memory");
    for (size_t width = 4; width >= 2; width /= 2)
        for (size_t i = 0; i < n; i++)
            if (ap__dtype_size(entry[i].dtype) == width)
                sorted[at++] = entry[i];
    if (at == n && n > 0)
        memcpy(entry, sorted, n * sizeof *entry);
    ap__free(sorted);
    return at == n ? AP_OK : ap__fail(err, AP_E_ARG, path, "a tensor has no valid dtype and shape");
}

/* ---- the file ---- */

static ap_status write_all(const struct ap_safetensors_writer *w, const void *data, uint64_t len, struct ap_err *err)
{
    const char *p = data;
    while (len > 0) {
        ssize_t n = write(w->fd, p, len > (1u << 30) ? (1u << 30) : (size_t)len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return ap__fail_errno(err, w->path, "cannot write");
        p += n;
        len -= (uint64_t)n;
    }
    return AP_OK;
}

static ap_status create(struct ap_safetensors_writer *w, const char *path, struct ap_err *err)
{
    struct ap_buf temporary;
    ap__buf_init(&temporary, 0);
    (void)ap__buf_printf(&temporary, "%s.tmp", path);
    w->temporary = ap__buf_take(&temporary);
    w->path = ap__strdup(path);
    ap__buf_deinit(&temporary);
    if (w->temporary == NULL || w->path == NULL)
        return ap__fail(err, AP_E_MEMORY, path, "out of memory");
    w->fd = open(w->temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    return w->fd >= 0 ? AP_OK : ap__fail_errno(err, path, "cannot create a temporary file beside it");
}

static void release(struct ap_safetensors_writer *w)
{
    ap__free(w->temporary);
    ap__free(w->path);
    ap__free(w);
}

void ap__safetensors_abandon(struct ap_safetensors_writer *w)
{
    if (w == NULL)
        return;
    if (w->fd >= 0) {
        close(w->fd);
        unlink(w->temporary);
    }
    release(w);
}

ap_status ap__safetensors_begin(const char *path, struct ap_tensor_entry *entry, size_t n, const json_t *metadata,
                                struct ap_safetensors_writer **out, struct ap_err *err)
{
    struct ap_buf header;
    struct ap_safetensors_writer *w = ap__alloc(sizeof *w);
    if (w == NULL)
        return ap__fail(err, AP_E_MEMORY, path, "out of memory");
    w->fd = -1;
    ap__buf_init(&header, HEADER_MAX);
    ap_status status = sort_entries(path, entry, n, err);
    if (status == AP_OK)
        status = build_header(path, entry, n, metadata, &header, &w->left, err);
    if (status == AP_OK)
        status = create(w, path, err);
    if (status == AP_OK)
        status = write_all(w, header.data, header.len, err);
    ap__buf_deinit(&header);
    if (status != AP_OK)
        ap__safetensors_abandon(w);
    else
        *out = w;
    return status;
}

ap_status ap__safetensors_put(struct ap_safetensors_writer *w, const void *data, size_t bytes, struct ap_err *err)
{
    if (bytes > w->left)
        return ap__fail(err, AP_E_ARG, w->path, "more bytes than the tensors take");
    w->left -= bytes;
    return write_all(w, data, bytes, err);
}

ap_status ap__safetensors_commit(struct ap_safetensors_writer *w, struct ap_err *err)
{
    ap_status status = AP_OK;
    if (w->left > 0)
        status = ap__fail(err, AP_E_ARG, w->path, "%llu bytes of tensors were not written", (unsigned long long)w->left);
    if (status == AP_OK && fsync(w->fd) != 0)
        status = ap__fail_errno(err, w->path, "cannot write");
    if (close(w->fd) != 0 && status == AP_OK)
        status = ap__fail_errno(err, w->path, "cannot write");
    if (status == AP_OK && rename(w->temporary, w->path) != 0)
        status = ap__fail_errno(err, w->path, "cannot replace");
    if (status != AP_OK)
        unlink(w->temporary);
    release(w);
    return status;
}

ap_status ap__safetensors_write(const char *path, const struct ap_tensor_entry *entry, size_t n,
                                const json_t *metadata, struct ap_err *err)
{
    struct ap_safetensors_writer *w = NULL;
    struct ap_tensor_entry *order = ap__alloc_array(n + 1, sizeof *order);
    if (order == NULL)
        return ap__fail(err, AP_E_MEMORY, path, "out of memory");
    if (n > 0)
        memcpy(order, entry, n * sizeof *order);
    ap_status status = ap__safetensors_begin(path, order, n, metadata, &w, err);
    for (size_t i = 0; i < n && status == AP_OK; i++) {
        uint64_t bytes = 0;
        status = entry_bytes(path, &order[i], &bytes, err);
        if (status == AP_OK)
            status = ap__safetensors_put(w, order[i].data, (size_t)bytes, err);
    }
    if (status == AP_OK)
        status = ap__safetensors_commit(w, err);
    else
        ap__safetensors_abandon(w);
    ap__free(order);
    return status;
}
