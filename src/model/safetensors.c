/* safetensors.c - read named tensors; nothing in a file is believed unchecked.
 *
 *     open_dir -> shards of the index, or one file
 *        file  -> map -> u64 length -> JSON header -> entries
 *                                      each entry: dtype, shape, [begin, end) -> size agrees, inside the file
 *                        sorted by begin: end of one is the begin of the next, the last ends the file
 *     get      -> binary search by name -> pointer into the map
 */
#include "model/safetensors.h"

#include "base/file.h"

#include <stdlib.h>
#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "tensors are used in place and are little-endian");

enum { HEADER_MAX = 100000000, MAX_TENSORS = 1 << 20, MAX_SHARDS = 4096, MAX_SHAPE = 32 };
#define METADATA_KEY "__metadata__"
#define INDEX_NAME "model.safetensors.index.json"

struct entry {
    const char *name; /* borrowed from the header's JSON */
    struct ap_tensor_view view;
    bool usable; /* dtype and dimensions fit a view */
    uint32_t file;
    uint64_t begin, end; /* within the file's data */
};

struct shard {
    char *path;
    struct ap_map map;
    json_t *header;
};

struct ap_safetensors {
    char *place; /* the file or the folder's index, for messages */
    struct shard *shard;
    size_t shard_count;
    struct entry *entry; /* sorted by name */
    size_t count;
};

/* ------------------------------------------------------------------ reading one header */

/* Element sizes of types that may be in a file though nothing here computes with them. */
static size_t foreign_size(const char *dtype)
{
    static const struct {
        const char *name;
        size_t size;
    } known[] = {{"F64", 8}, {"I64", 8}, {"U64", 8}, {"I32", 4}, {"U32", 4}, {"I16", 2},
                 {"U16", 2}, {"I8", 1},  {"U8", 1},  {"BOOL", 1}, {"F8_E4M3", 1}, {"F8_E5M2", 1}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(dtype, known[i].name) == 0)
            return known[i].size;
    return 0;
}

static ap_status read_dtype(const char *place, struct entry *e, const json_t *info, size_t *size, struct ap_err *err)
{
    const char *name = json_string_value(json_object_get(info, "dtype"));
    if (!name)
        return ap__fail(err, AP_E_FORMAT, place, "tensor `%s` has no `dtype`", e->name);
    e->usable = ap__dtype_parse(name, &e->view.dtype);
    *size = e->usable ? ap__dtype_size(e->view.dtype) : foreign_size(name);
    return AP_OK;
}

/* Shape into the view; *bytes = size * product, checked. */
static ap_status read_shape(const char *place, struct entry *e, const json_t *info, size_t size, uint64_t *bytes,
                            struct ap_err *err)
{
    const json_t *shape = json_object_get(info, "shape");
    size_t ndim = json_array_size(shape);
    if (!json_is_array(shape) || ndim > MAX_SHAPE)
        return ap__fail(err, AP_E_FORMAT, place, "tensor `%s` needs a `shape` of at most %d dimensions", e->name, MAX_SHAPE);
    for (int i = 0; i < AP_TENSOR_MAX_DIMS; i++)
        e->view.shape[i] = 1;
    *bytes = size;
    for (size_t i = 0; i < ndim; i++) {
        const json_t *dim = json_array_get(shape, i);
        int64_t d = json_integer_value(dim);
        if (!json_is_integer(dim) || d < 0)
            return ap__fail(err, AP_E_FORMAT, place, "tensor `%s`: dimension %zu of `shape` is not a size", e->name, i);
        if (__builtin_mul_overflow(*bytes, (uint64_t)d, bytes))
            return ap__fail(err, AP_E_FORMAT, place, "tensor `%s`: `shape` overflows", e->name);
        if (i < AP_TENSOR_MAX_DIMS)
            e->view.shape[i] = d;
    }
    e->usable = e->usable && ndim <= AP_TENSOR_MAX_DIMS;
    e->view.ndim = (int32_t)ndim;
    return AP_OK;
}

static ap_status read_range(const char *place, struct entry *e, const json_t *info, uint64_t data_size,
                            struct ap_err *err)
{
    const json_t *range = json_object_get(info, "data_offsets");
    const json_t *begin = json_array_get(range, 0), *end = json_array_get(range, 1);
    if (json_array_size(range) != 2 || !json_is_integer(begin) || !json_is_integer(end))
        return ap__fail(err, AP_E_FORMAT, place, "tensor `%s` needs `data_offsets` of two integers", e->name);
    int64_t b = json_integer_value(begin), n = json_integer_value(end);
    if (b < 0 || n < b || (uint64_t)n > data_size)
        return ap__fail(err, AP_E_FORMAT, place, "tensor `%s`: bytes %lld to %lld are outside the file's %llu",
                        e->name, (long long)b, (long long)n, (unsigned long long)data_size);
    e->begin = (uint64_t)b;
    e->end = (uint64_t)n;
    return AP_OK;
}

static ap_status read_entry(const struct shard *sh, const char *name, const json_t *info, const uint8_t *data,
                            uint64_t data_size, struct entry *e, struct ap_err *err)
{
    size_t size = 0;
    uint64_t bytes = 0;
    e->name = name;
    if (!json_is_object(info))
        return ap__fail(err, AP_E_FORMAT, sh->path, "tensor `%s` is not described by an object", name);
    AP_TRY(read_dtype(sh->path, e, info, &size, err));
    AP_TRY(read_shape(sh->path, e, info, size, &bytes, err));
    AP_TRY(read_range(sh->path, e, info, data_size, err));
    if (size != 0 && bytes != e->end - e->begin) /* size 0: a type of unknown width */
        return ap__fail(err, AP_E_FORMAT, sh->path, "tensor `%s` takes %llu bytes by its shape, but has %llu", name,
                        (unsigned long long)bytes, (unsigned long long)(e->end - e->begin));
    e->view.data = data + e->begin;
    e->view.bytes = (size_t)(e->end - e->begin);
    return AP_OK;
}

static int by_begin(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    if (x->begin != y->begin)
        return x->begin < y->begin ? -1 : 1;
    return (x->end > y->end) - (x->end < y->end);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct entry *)a)->name, ((const struct entry *)b)->name);
}

/* The tensors of one file must tile its data exactly: no overlap, no hole, no rest. */
static ap_status check_tiling(const struct shard *sh, struct entry *entry, size_t n, uint64_t data_size,
                              struct ap_err *err)
{
    uint64_t at = 0;
    if (n > 0)
        qsort(entry, n, sizeof *entry, by_begin);
    for (size_t i = 0; i < n; i++) {
        if (entry[i].begin != at)
            return ap__fail(err, AP_E_FORMAT, sh->path, "tensor `%s` %s", entry[i].name,
                            entry[i].begin < at ? "overlaps another tensor" : "leaves unused bytes before it");
        at = entry[i].end;
    }
    if (at != data_size)
        return ap__fail(err, AP_E_FORMAT, sh->path, "%llu bytes at the end belong to no tensor",
                        (unsigned long long)(data_size - at));
    return AP_OK;
}

/* Map the file and parse its header; *data_size = bytes after it. */
static ap_status shard_open(struct shard *sh, const uint8_t **data, uint64_t *data_size, struct ap_err *err)
{
    uint64_t length = 0;
    AP_TRY(ap__map_open(sh->path, &sh->map, err));
    if (sh->map.size < sizeof length)
        return ap__fail(err, AP_E_FORMAT, sh->path, "not a safetensors file: only %zu bytes", sh->map.size);
    memcpy(&length, sh->map.data, sizeof length);
    if (length > HEADER_MAX || length > sh->map.size - sizeof length)
        return ap__fail(err, AP_E_FORMAT, sh->path, "not a safetensors file or truncated: header of %llu bytes in %zu",
                        (unsigned long long)length, sh->map.size);
    json_error_t why;
    sh->header = json_loadb((const char *)sh->map.data + sizeof length, (size_t)length, JSON_REJECT_DUPLICATES, &why);
    if (!sh->header)
        return ap__fail(err, AP_E_FORMAT, sh->path, "broken header: %s at byte %d", why.text, why.position);
    if (!json_is_object(sh->header) || json_object_size(sh->header) > MAX_TENSORS)
        return ap__fail(err, AP_E_FORMAT, sh->path, "the header must be an object of at most %d tensors", MAX_TENSORS);
    *data = sh->map.data + sizeof length + length;
    *data_size = sh->map.size - sizeof length - length;
    return AP_OK;
}

/* Append the tensors of shard number `index`. */
static ap_status add_shard(struct ap_safetensors *st, uint32_t index, struct ap_err *err)
{
    struct shard *sh = &st->shard[index];
    const uint8_t *data = NULL;
    uint64_t data_size = 0;
    AP_TRY(shard_open(sh, &data, &data_size, err));
    size_t first = st->count, cap = st->count;
    AP_TRY(ap__grow((void **)&st->entry, &cap, first + json_object_size(sh->header) + 1, sizeof *st->entry, err));
    const char *name;
    json_t *info;
    json_object_foreach(sh->header, name, info) {
        if (strcmp(name, METADATA_KEY) == 0)
            continue;
        struct entry *e = &st->entry[st->count];
        *e = (struct entry){.file = index};
        AP_TRY(read_entry(sh, name, info, data, data_size, e, err));
        st->count++;
    }
    return check_tiling(sh, st->entry + first, st->count - first, data_size, err);
}

/* ------------------------------------------------------------------ files and folders */

static ap_status store_new(const char *place, size_t shards, struct ap_safetensors **out, struct ap_err *err)
{
    struct ap_safetensors *st = ap__alloc(sizeof *st);
    if (st) {
        st->place = ap__strdup(place);
        st->shard = ap__alloc_array(shards, sizeof *st->shard);
        st->shard_count = st->shard ? shards : 0;
    }
    if (!st || !st->place || !st->shard) {
        ap__safetensors_free(st);
        return ap__fail(err, AP_E_MEMORY, place, "out of memory");
    }
    *out = st;
    return AP_OK;
}

void ap__safetensors_free(struct ap_safetensors *st)
{
    if (!st)
        return;
    for (size_t i = 0; i < st->shard_count; i++) {
        json_decref(st->shard[i].header);
        ap__map_close(&st->shard[i].map);
        ap__free(st->shard[i].path);
    }
    ap__free(st->shard);
    ap__free(st->entry);
    ap__free(st->place);
    ap__free(st);
}

ap_status ap__safetensors_open(const char *path, struct ap_safetensors **out, struct ap_err *err)
{
    struct ap_safetensors *st = NULL;
    AP_TRY(store_new(path, 1, &st, err));
    ap_status status = AP_OK;
    st->shard[0].path = ap__strdup(path);
    if (!st->shard[0].path)
        status = ap__fail(err, AP_E_MEMORY, path, "out of memory");
    else
        status = add_shard(st, 0, err);
    if (status != AP_OK) {
        ap__safetensors_free(st);
        return status;
    }
    qsort(st->entry, st->count, sizeof *st->entry, by_name);
    *out = st;
    return AP_OK;
}

/* Number of the shard called `base` among those opened so far, or shard_count. */
static size_t find_shard(const struct ap_safetensors *st, size_t opened, const char *base)
{
    for (size_t i = 0; i < opened; i++)
        if (strcmp(ap__path_base(st->shard[i].path), base) == 0)
            return i;
    return opened;
}

/* Open every distinct file that the index names, in its order. */
static ap_status open_shards(struct ap_safetensors *st, const char *dir, const json_t *map, struct ap_err *err)
{
    size_t opened = 0;
    const char *tensor;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)map, tensor, value) {
        const char *base = json_string_value(value);
        if (!base || *base == '\0' || strchr(base, '/')) /* a name, not a way out of the folder */
            return ap__fail(err, AP_E_FORMAT, st->place, "`weight_map` gives no file name for tensor `%s`", tensor);
        if (find_shard(st, opened, base) < opened)
            continue;
        if (opened == st->shard_count)
            return ap__fail(err, AP_E_TOO_LARGE, st->place, "more than %zu files", st->shard_count);
        st->shard[opened].path = ap__path_join(dir, base);
        if (!st->shard[opened].path)
            return ap__fail(err, AP_E_MEMORY, st->place, "out of memory");
        AP_TRY(add_shard(st, (uint32_t)opened, err));
        opened++;
    }
    return AP_OK;
}

/* Keep the tensors that the index places in the file they came from; all of its tensors must be there. */
static ap_status match_index(struct ap_safetensors *st, const json_t *map, struct ap_err *err)
{
    size_t kept = 0;
    for (size_t i = 0; i < st->count; i++) {
        const char *base = json_string_value(json_object_get(map, st->entry[i].name));
        if (base && strcmp(base, ap__path_base(st->shard[st->entry[i].file].path)) == 0)
            st->entry[kept++] = st->entry[i];
    }
    st->count = kept;
    if (kept > 0)
        qsort(st->entry, kept, sizeof *st->entry, by_name);
    const char *tensor;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)map, tensor, value) {
        const struct entry key = {.name = tensor};
        if (kept == 0 || !bsearch(&key, st->entry, kept, sizeof key, by_name))
            return ap__fail(err, AP_E_FORMAT, st->place, "tensor `%s` is not in the file `%s`", tensor,
                            json_string_value(value));
    }
    return AP_OK;
}

static ap_status open_index(const char *dir, const char *path, struct ap_safetensors **out, struct ap_err *err)
{
    struct ap_safetensors *st = NULL;
    json_t *index = NULL;
    ap_status status = ap__json_load(path, &index, err);
    if (status != AP_OK)
        goto done;
    const json_t *map = json_object_get(index, "weight_map");
    if (!json_is_object(map) || json_object_size(map) > MAX_TENSORS) {
        status = ap__fail(err, AP_E_FORMAT, path, "no `weight_map` object");
        goto done;
    }
    if ((status = store_new(path, MAX_SHARDS, &st, err)) != AP_OK ||
        (status = open_shards(st, dir, map, err)) != AP_OK || (status = match_index(st, map, err)) != AP_OK)
        goto done;
    *out = st;
    st = NULL;
done:
    json_decref(index);
    ap__safetensors_free(st);
    return status;
}

ap_status ap__safetensors_open_dir(const char *dir, struct ap_safetensors **out, struct ap_err *err)
{
    char *index = ap__path_join(dir, INDEX_NAME), *single = ap__path_join(dir, "model.safetensors");
    ap_status status;
    if (!index || !single)
        status = ap__fail(err, AP_E_MEMORY, dir, "out of memory");
    else if (ap__file_exists(index))
        status = open_index(dir, index, out, err);
    else
        status = ap__safetensors_open(single, out, err);
    ap__free(index);
    ap__free(single);
    return status;
}

/* ------------------------------------------------------------------ looking things up */

ap_status ap__safetensors_get(const struct ap_safetensors *st, const char *name, struct ap_tensor_view *out,
                              struct ap_err *err)
{
    const struct entry key = {.name = name};
    const struct entry *e = st->count ? bsearch(&key, st->entry, st->count, sizeof key, by_name) : NULL;
    if (!e)
        return ap__fail(err, AP_E_NOT_FOUND, st->place, "no tensor `%s`", name);
    const struct shard *sh = &st->shard[e->file];
    if (!e->usable)
        return ap__fail(err, AP_E_FORMAT, sh->path,
                        "tensor `%s` is %s with %d dimensions; only F32, BF16 and F16 with up to %d are supported", name,
                        json_string_value(json_object_get(json_object_get(sh->header, name), "dtype")), e->view.ndim,
                        AP_TENSOR_MAX_DIMS);
    if ((uintptr_t)e->view.data % ap__dtype_size(e->view.dtype) != 0)
        return ap__fail(err, AP_E_FORMAT, sh->path, "tensor `%s` is not aligned to its %s elements", name,
                        ap__dtype_name(e->view.dtype));
    *out = e->view;
    return AP_OK;
}

size_t ap__safetensors_count(const struct ap_safetensors *st)
{
    return st->count;
}

const char *ap__safetensors_name(const struct ap_safetensors *st, size_t i)
{
    return st->entry[i].name;
}

const char *ap__safetensors_metadata(const struct ap_safetensors *st, const char *key)
{
    return json_string_value(json_object_get(json_object_get(st->shard[0].header, METADATA_KEY), key));
}
