/* gguf.c - reads GGUF v3; nothing in a file is believed unchecked.
 *
 *     map -> magic, version, counts
 *         -> cursor over metadata: key, type, value (skipped by its type, arrays in arrays to a small depth)
 *         -> cursor over tensor infos: name, dims, type, offset
 *         -> data starts at the next multiple of general.alignment
 *     keys and tensors sorted by name, none twice; tensors in order of offset: inside the file, apart
 *
 * A value stays where it is in the mapping; only keys, names and strings that
 * are asked for as such get a NUL behind them, in an arena. */
#include "model/gguf.h"

#include "base/file.h"
#include "tensor/ggml_blocks.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_KEYS = 1 << 16, MAX_TENSORS = 1 << 20, MAX_NAME = 1 << 16, MAX_DEPTH = 4, MAX_ALIGNMENT = 1 << 16 };
enum { LEAST_VALUE = 8 + 1 + 4 + 1, LEAST_TENSOR = 8 + 1 + 4 + 8 + 4 + 8 }; /* bytes that one takes in the file */
#define MAGIC "GGUF"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "tensors are used in place and are little-endian");

struct value {
    const char *key;
    enum ap_gguf_type type, element; /* element: of an array */
    uint64_t count;                  /* array: elements; string: bytes */
    const uint8_t *data;
    const char *text; /* string */
};

struct tensor {
    const char *name;
    uint32_t type;
    int32_t ndim;
    uint64_t dim[AP_TENSOR_MAX_DIMS]; /* the file's order: the first one is contiguous */
    uint64_t offset, bytes;           /* offset from the start of the data */
};

struct ap_gguf {
    char *path;
    struct ap_map map;
    struct ap_arena arena;
    struct value *value; /* sorted by key */
    size_t values;
    struct tensor *tensor; /* sorted by name */
    size_t tensors;
    const uint8_t *data;
    uint64_t data_size;
};

/* ------------------------------------------------------------------ types */

static const size_t value_size[AP_GGUF_TYPES] = {
    [AP_GGUF_U8] = 1, [AP_GGUF_I8] = 1, [AP_GGUF_U16] = 2, [AP_GGUF_I16] = 2, [AP_GGUF_U32] = 4, [AP_GGUF_I32] = 4,
    [AP_GGUF_F32] = 4, [AP_GGUF_BOOL] = 1, [AP_GGUF_U64] = 8, [AP_GGUF_I64] = 8, [AP_GGUF_F64] = 8};

/* Types of tensors by ggml's numbers; what nothing here computes with has dtype AP_DTYPE_COUNT. */
static const struct {
    const char *name;
    enum ap_dtype dtype;
    uint16_t numbers, bytes; /* of a block */
} tensor_type[] = {
    [0] = {"F32", AP_F32, 1, 4},
    [1] = {"F16", AP_F16, 1, 2},
    [2] = {"Q4_0", AP_Q4_0, 32, 18},
    [3] = {"Q4_1", AP_DTYPE_COUNT, 32, 20},
    [6] = {"Q5_0", AP_DTYPE_COUNT, 32, 22},
    [7] = {"Q5_1", AP_DTYPE_COUNT, 32, 24},
    [8] = {"Q8_0", AP_Q8_0, 32, 34},
    [9] = {"Q8_1", AP_DTYPE_COUNT, 32, 40},
    [10] = {"Q2_K", AP_DTYPE_COUNT, 256, 84},
    [11] = {"Q3_K", AP_DTYPE_COUNT, 256, 110},
    [12] = {"Q4_K", AP_Q4_K, 256, 144},
    [13] = {"Q5_K", AP_DTYPE_COUNT, 256, 176},
    [14] = {"Q6_K", AP_Q6_K, 256, 210},
    [20] = {"IQ4_NL", AP_DTYPE_COUNT, 32, 18},
    [23] = {"IQ4_XS", AP_DTYPE_COUNT, 256, 136},
    [24] = {"I8", AP_DTYPE_COUNT, 1, 1},
    [25] = {"I16", AP_DTYPE_COUNT, 1, 2},
    [26] = {"I32", AP_DTYPE_COUNT, 1, 4},
    [27] = {"I64", AP_DTYPE_COUNT, 1, 8},
    [28] = {"F64", AP_DTYPE_COUNT, 1, 8},
    [30] = {"BF16", AP_BF16, 1, 2},
};
enum { TENSOR_TYPES = sizeof tensor_type / sizeof *tensor_type };

static bool known_type(uint32_t type)
{
    return type < TENSOR_TYPES && tensor_type[type].name != NULL;
}

int ap__gguf_type_of(enum ap_dtype dtype)
{
    for (int i = 0; i < TENSOR_TYPES; i++)
        if (tensor_type[i].name != NULL && tensor_type[i].dtype == dtype && dtype < AP_DTYPE_COUNT)
            return i;
    return -1;
}

/* ------------------------------------------------------------------ the cursor */

struct cursor {
    struct ap_gguf *g;
    const uint8_t *at, *end;
};

static ap_status truncated(const struct cursor *c, const char *what, struct ap_err *err)
{
    return ap__fail(err, AP_E_FORMAT, c->g->path, "the file ends within %s, at byte %zu", what,
                    (size_t)(c->at - c->g->map.data));
}

static ap_status take(struct cursor *c, void *out, size_t size, const char *what, struct ap_err *err)
{
    if ((size_t)(c->end - c->at) < size)
        return truncated(c, what, err);
    memcpy(out, c->at, size);
    c->at += size;
    return AP_OK;
}

static ap_status skip(struct cursor *c, uint64_t size, const char *what, struct ap_err *err)
{
    if ((uint64_t)(c->end - c->at) < size)
        return truncated(c, what, err);
    c->at += size;
    return AP_OK;
}

/* A key or a tensor's name, copied with a NUL. */
static ap_status take_name(struct cursor *c, const char *what, const char **out, struct ap_err *err)
{
    uint64_t len = 0;
    AP_TRY(take(c, &len, sizeof len, what, err));
    if (len == 0 || len > MAX_NAME || len > (uint64_t)(c->end - c->at) || memchr(c->at, '\0', (size_t)len))
        return ap__fail(err, AP_E_FORMAT, c->g->path, "%s of %llu bytes at byte %zu is no name", what,
                        (unsigned long long)len, (size_t)(c->at - c->g->map.data));
    *out = ap__arena_strndup(&c->g->arena, (const char *)c->at, (size_t)len);
    if (*out == NULL)
        return ap__fail(err, AP_E_MEMORY, c->g->path, "out of memory");
    c->at += len;
    return AP_OK;
}

/* ------------------------------------------------------------------ metadata */

static ap_status skip_array(struct cursor *c, const char *key, int depth, enum ap_gguf_type *element, uint64_t *count,
                            struct ap_err *err);

static ap_status skip_string(struct cursor *c, const char *key, struct ap_err *err)
{
    uint64_t len = 0;
    AP_TRY(take(c, &len, sizeof len, key, err));
    return skip(c, len, key, err);
}

static ap_status skip_elements(struct cursor *c, const char *key, enum ap_gguf_type type, uint64_t count, int depth,
                               struct ap_err *err)
{
    uint64_t bytes = 0, inner_count;
    enum ap_gguf_type inner;
    if (type != AP_GGUF_STRING && type != AP_GGUF_ARRAY) {
        if (__builtin_mul_overflow(count, (uint64_t)value_size[type], &bytes))
            return truncated(c, key, err);
        return skip(c, bytes, key, err);
    }
    for (uint64_t i = 0; i < count; i++) { /* each takes eight bytes or more: the file's end is never far */
        if (type == AP_GGUF_STRING)
            AP_TRY(skip_string(c, key, err));
        else
            AP_TRY(skip_array(c, key, depth + 1, &inner, &inner_count, err));
    }
    return AP_OK;
}

static ap_status skip_array(struct cursor *c, const char *key, int depth, enum ap_gguf_type *element, uint64_t *count,
                            struct ap_err *err)
{
    uint32_t type = 0;
    AP_TRY(take(c, &type, sizeof type, key, err));
    AP_TRY(take(c, count, sizeof *count, key, err));
    if (type >= AP_GGUF_TYPES)
        return ap__fail(err, AP_E_FORMAT, c->g->path, "`%s` is an array of elements of unknown type %u", key, type);
    if (depth >= MAX_DEPTH)
        return ap__fail(err, AP_E_FORMAT, c->g->path, "`%s` nests arrays deeper than %d", key, MAX_DEPTH);
    *element = (enum ap_gguf_type)type;
    return skip_elements(c, key, *element, *count, depth, err);
}

static ap_status read_value(struct cursor *c, struct value *v, struct ap_err *err)
{
    uint32_t type = 0;
    AP_TRY(take_name(c, "a key", &v->key, err));
    AP_TRY(take(c, &type, sizeof type, v->key, err));
    if (type >= AP_GGUF_TYPES)
        return ap__fail(err, AP_E_FORMAT, c->g->path, "`%s` has the unknown type %u", v->key, type);
    v->type = (enum ap_gguf_type)type;
    v->data = c->at;
    if (v->type == AP_GGUF_ARRAY) {
        AP_TRY(skip_array(c, v->key, 0, &v->element, &v->count, err));
        v->data += sizeof(uint32_t) + sizeof(uint64_t);
        return AP_OK;
    }
    if (v->type != AP_GGUF_STRING)
        return skip(c, value_size[v->type], v->key, err);
    AP_TRY(skip_string(c, v->key, err));
    v->data += sizeof(uint64_t);
    v->count = (uint64_t)(c->at - v->data);
    v->text = ap__arena_strndup(&c->g->arena, (const char *)v->data, (size_t)v->count);
    return v->text ? AP_OK : ap__fail(err, AP_E_MEMORY, c->g->path, "out of memory for `%s`", v->key);
}

static int by_key(const void *a, const void *b)
{
    return strcmp(((const struct value *)a)->key, ((const struct value *)b)->key);
}

static ap_status read_values(struct cursor *c, uint64_t count, struct ap_err *err)
{
    struct ap_gguf *g = c->g;
    g->value = ap__alloc_array((size_t)count, sizeof *g->value);
    if (g->value == NULL)
        return ap__fail(err, AP_E_MEMORY, g->path, "out of memory for %llu keys", (unsigned long long)count);
    for (; g->values < count; g->values++)
        AP_TRY(read_value(c, &g->value[g->values], err));
    qsort(g->value, g->values, sizeof *g->value, by_key);
    for (size_t i = 1; i < g->values; i++)
        if (by_key(&g->value[i - 1], &g->value[i]) == 0)
            return ap__fail(err, AP_E_FORMAT, g->path, "the key `%s` is there twice", g->value[i].key);
    return AP_OK;
}

/* ------------------------------------------------------------------ tensors */

/* Bytes of a tensor by its type and shape; of an unknown type nothing is known. */
static ap_status count_bytes(const struct ap_gguf *g, struct tensor *t, struct ap_err *err)
{
    uint64_t numbers = 1;
    for (int i = 0; i < t->ndim; i++)
        if (t->dim[i] == 0 || t->dim[i] > INT64_MAX || __builtin_mul_overflow(numbers, t->dim[i], &numbers))
            return ap__fail(err, AP_E_FORMAT, g->path, "tensor `%s`: dimension %d of %llu is no size", t->name, i,
                            (unsigned long long)t->dim[i]);
    if (!known_type(t->type))
        return AP_OK;
    uint64_t block = tensor_type[t->type].numbers;
    if (t->dim[0] % block != 0)
        return ap__fail(err, AP_E_FORMAT, g->path, "tensor `%s`: rows of %llu numbers are no blocks of %llu (%s)", t->name,
                        (unsigned long long)t->dim[0], (unsigned long long)block, tensor_type[t->type].name);
    if (__builtin_mul_overflow(numbers / block, (uint64_t)tensor_type[t->type].bytes, &t->bytes))
        return ap__fail(err, AP_E_FORMAT, g->path, "tensor `%s`: its shape overflows", t->name);
    return AP_OK;
}

static ap_status read_tensor(struct cursor *c, struct tensor *t, struct ap_err *err)
{
    uint32_t ndim = 0;
    AP_TRY(take_name(c, "a tensor's name", &t->name, err));
    AP_TRY(take(c, &ndim, sizeof ndim, t->name, err));
    if (ndim < 1 || ndim > AP_TENSOR_MAX_DIMS)
        return ap__fail(err, AP_E_FORMAT, c->g->path, "tensor `%s` has %u dimensions; 1 to %d are possible", t->name,
                        ndim, AP_TENSOR_MAX_DIMS);
    t->ndim = (int32_t)ndim;
    AP_TRY(take(c, t->dim, ndim * sizeof *t->dim, t->name, err));
    AP_TRY(take(c, &t->type, sizeof t->type, t->name, err));
    AP_TRY(take(c, &t->offset, sizeof t->offset, t->name, err));
    return count_bytes(c->g, t, err);
}

static int by_offset(const void *a, const void *b)
{
    const struct tensor *x = a, *y = b;
    if (x->offset != y->offset)
        return x->offset < y->offset ? -1 : 1;
    return (x->bytes > y->bytes) - (x->bytes < y->bytes);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct tensor *)a)->name, ((const struct tensor *)b)->name);
}

/* Inside the file, aligned, apart from each other. */
static ap_status check_places(struct ap_gguf *g, uint64_t alignment, struct ap_err *err)
{
    uint64_t end = 0;
    qsort(g->tensor, g->tensors, sizeof *g->tensor, by_offset);
    for (size_t i = 0; i < g->tensors; i++) {
        const struct tensor *t = &g->tensor[i];
        if (t->offset % alignment != 0)
            return ap__fail(err, AP_E_FORMAT, g->path, "tensor `%s`: offset %llu is no multiple of the alignment %llu",
                            t->name, (unsigned long long)t->offset, (unsigned long long)alignment);
        if (t->offset > g->data_size || t->bytes > g->data_size - t->offset)
            return ap__fail(err, AP_E_FORMAT, g->path, "tensor `%s`: %llu bytes at %llu are outside the file's %llu",
                            t->name, (unsigned long long)t->bytes, (unsigned long long)t->offset,
                            (unsigned long long)g->data_size);
        if (t->offset < end)
            return ap__fail(err, AP_E_FORMAT, g->path, "tensor `%s` overlaps another tensor", t->name);
        end = t->offset + t->bytes;
    }
    return AP_OK;
}

static ap_status read_tensors(struct cursor *c, uint64_t count, struct ap_err *err)
{
    struct ap_gguf *g = c->g;
    int64_t alignment = AP_GGUF_ALIGNMENT;
    g->tensor = ap__alloc_array((size_t)count, sizeof *g->tensor);
    if (g->tensor == NULL)
        return ap__fail(err, AP_E_MEMORY, g->path, "out of memory for %llu tensors", (unsigned long long)count);
    for (; g->tensors < count; g->tensors++)
        AP_TRY(read_tensor(c, &g->tensor[g->tensors], err));
    AP_TRY(ap__gguf_i64(g, "general.alignment", false, &alignment, err));
    if (alignment < 8 || alignment > MAX_ALIGNMENT || (alignment & (alignment - 1)) != 0)
        return ap__fail(err, AP_E_FORMAT, g->path, "`general.alignment` must be a power of two from 8 to %d, got %lld",
                        MAX_ALIGNMENT, (long long)alignment);
    uint64_t at = (uint64_t)(c->at - g->map.data), start = (at + (uint64_t)alignment - 1) / (uint64_t)alignment *
                                                             (uint64_t)alignment;
    start = start < g->map.size ? start : g->map.size; /* a file without tensors may end before its padding */
    g->data = g->map.data + start;
    g->data_size = g->map.size - start;
    AP_TRY(check_places(g, (uint64_t)alignment, err));
    qsort(g->tensor, g->tensors, sizeof *g->tensor, by_name);
    for (size_t i = 1; i < g->tensors; i++)
        if (by_name(&g->tensor[i - 1], &g->tensor[i]) == 0)
            return ap__fail(err, AP_E_FORMAT, g->path, "tensor `%s` is there twice", g->tensor[i].name);
    return AP_OK;
}

/* ------------------------------------------------------------------ opening */

static ap_status read_file(struct ap_gguf *g, struct ap_err *err)
{
    char magic[4] = {0};
    uint32_t version = 0;
    uint64_t tensors = 0, values = 0;
    AP_TRY(ap__map_open(g->path, &g->map, err));
    if (g->map.size < sizeof magic || memcmp(g->map.data, MAGIC, sizeof magic) != 0)
        return ap__fail(err, AP_E_FORMAT, g->path, "this is no GGUF file");
    struct cursor c = {g, g->map.data, g->map.data + g->map.size};
    AP_TRY(take(&c, magic, sizeof magic, "its head", err));
    AP_TRY(take(&c, &version, sizeof version, "its head", err));
    if (version != AP_GGUF_VERSION)
        return ap__fail(err, AP_E_FORMAT, g->path, "GGUF version %u is not supported, only %d (little-endian)", version,
                        AP_GGUF_VERSION);
    AP_TRY(take(&c, &tensors, sizeof tensors, "its head", err));
    AP_TRY(take(&c, &values, sizeof values, "its head", err));
    if (tensors > MAX_TENSORS || values > MAX_KEYS)
        return ap__fail(err, AP_E_TOO_LARGE, g->path, "%llu tensors and %llu keys; the limits are %d and %d",
                        (unsigned long long)tensors, (unsigned long long)values, MAX_TENSORS, MAX_KEYS);
    if (values * LEAST_VALUE + tensors * LEAST_TENSOR > g->map.size)
        return truncated(&c, "its head", err);
    AP_TRY(read_values(&c, values, err));
    return read_tensors(&c, tensors, err);
}

ap_status ap__gguf_open(const char *path, struct ap_gguf **out, struct ap_err *err)
{
    struct ap_gguf *g = ap__alloc(sizeof *g);
    if (g == NULL)
        return ap__fail(err, AP_E_MEMORY, path, "out of memory");
    ap__arena_init(&g->arena, 0);
    g->path = ap__strdup(path);
    ap_status status = g->path ? read_file(g, err) : ap__fail(err, AP_E_MEMORY, path, "out of memory");
    if (status != AP_OK) {
        ap__gguf_free(g);
        return status;
    }
    *out = g;
    return AP_OK;
}

void ap__gguf_free(struct ap_gguf *g)
{
    if (g == NULL)
        return;
    ap__free(g->tensor);
    ap__free(g->value);
    ap__arena_deinit(&g->arena);
    ap__map_close(&g->map);
    ap__free(g->path);
    ap__free(g);
}

bool ap__gguf_is(const char *path)
{
    struct ap_map map;
    if (ap__map_open(path, &map, NULL) != AP_OK)
        return false;
    bool is = map.size >= 4 && memcmp(map.data, MAGIC, 4) == 0;
    ap__map_close(&map);
    return is;
}

const char *ap__gguf_path(const struct ap_gguf *g)
{
    return g->path;
}

/* ------------------------------------------------------------------ asking for metadata */

static ap_status find(const struct ap_gguf *g, const char *key, bool required, const struct value **out,
                      struct ap_err *err)
{
    const struct value wanted = {.key = key};
    *out = g->values ? bsearch(&wanted, g->value, g->values, sizeof wanted, by_key) : NULL;
    return *out == NULL && required ? ap__fail(err, AP_E_FORMAT, g->path, "the key `%s` is missing", key) : AP_OK;
}

static ap_status wrong_type(const struct ap_gguf *g, const char *key, const char *wanted, struct ap_err *err)
{
    return ap__fail(err, AP_E_FORMAT, g->path, "`%s` must be %s", key, wanted);
}

/* An integer of any width; false for other types and for what an int64_t does not hold. */
static bool integer_at(enum ap_gguf_type type, const uint8_t *p, int64_t *out)
{
    uint64_t bits = 0;
    if (type == AP_GGUF_F32 || type == AP_GGUF_F64 || type >= AP_GGUF_TYPES || value_size[type] == 0)
        return false;
    memcpy(&bits, p, value_size[type]);
    switch (type) {
    case AP_GGUF_I8: *out = (int8_t)bits; return true;
    case AP_GGUF_I16: *out = (int16_t)bits; return true;
    case AP_GGUF_I32: *out = (int32_t)bits; return true;
    case AP_GGUF_BOOL: return false;
    default: *out = (int64_t)bits; return type == AP_GGUF_I64 || bits <= INT64_MAX;
    }
}

static bool real_at(enum ap_gguf_type type, const uint8_t *p, double *out)
{
    int64_t integer;
    float single;
    if (integer_at(type, p, &integer)) {
        *out = (double)integer;
    } else if (type == AP_GGUF_F32) {
        memcpy(&single, p, sizeof single);
        *out = (double)single;
    } else if (type == AP_GGUF_F64) {
        memcpy(out, p, sizeof *out);
    } else {
        return false;
    }
    return true;
}

ap_status ap__gguf_i64(const struct ap_gguf *g, const char *key, bool required, int64_t *out, struct ap_err *err)
{
    const struct value *v;
    AP_TRY(find(g, key, required, &v, err));
    return v == NULL || integer_at(v->type, v->data, out) ? AP_OK : wrong_type(g, key, "an integer", err);
}

ap_status ap__gguf_f64(const struct ap_gguf *g, const char *key, bool required, double *out, struct ap_err *err)
{
    const struct value *v;
    AP_TRY(find(g, key, required, &v, err));
    if (v == NULL)
        return AP_OK;
    return real_at(v->type, v->data, out) && isfinite(*out) ? AP_OK : wrong_type(g, key, "a finite number", err);
}

ap_status ap__gguf_bool(const struct ap_gguf *g, const char *key, bool required, bool *out, struct ap_err *err)
{
    const struct value *v;
    AP_TRY(find(g, key, required, &v, err));
    if (v == NULL)
        return AP_OK;
    if (v->type != AP_GGUF_BOOL)
        return wrong_type(g, key, "true or false", err);
    *out = *v->data != 0;
    return AP_OK;
}

ap_status ap__gguf_str(const struct ap_gguf *g, const char *key, bool required, const char **out, struct ap_err *err)
{
    const struct value *v;
    AP_TRY(find(g, key, required, &v, err));
    if (v == NULL)
        return AP_OK;
    if (v->type != AP_GGUF_STRING || memchr(v->text, '\0', (size_t)v->count))
        return wrong_type(g, key, "a text", err);
    *out = v->text;
    return AP_OK;
}

ap_status ap__gguf_array(const struct ap_gguf *g, const char *key, bool required, struct ap_gguf_array *out,
                         struct ap_err *err)
{
    const struct value *v;
    *out = (struct ap_gguf_array){0};
    AP_TRY(find(g, key, required, &v, err));
    if (v == NULL)
        return AP_OK;
    if (v->type != AP_GGUF_ARRAY || v->element == AP_GGUF_ARRAY)
        return wrong_type(g, key, "an array of plain values", err);
    *out = (struct ap_gguf_array){v->element, v->count, v->count, v->data};
    return AP_OK;
}

bool ap__gguf_next_str(struct ap_gguf_array *a, const char **text, size_t *len)
{
    uint64_t bytes;
    if (a->left == 0 || a->type != AP_GGUF_STRING)
        return false;
    memcpy(&bytes, a->at, sizeof bytes);
    *text = (const char *)a->at + sizeof bytes;
    *len = (size_t)bytes;
    a->at += sizeof bytes + bytes;
    a->left--;
    return true;
}

bool ap__gguf_next_i64(struct ap_gguf_array *a, int64_t *out)
{
    if (a->left == 0 || !integer_at(a->type, a->at, out))
        return false;
    a->at += value_size[a->type];
    a->left--;
    return true;
}

bool ap__gguf_next_f64(struct ap_gguf_array *a, double *out)
{
    if (a->left == 0 || !real_at(a->type, a->at, out))
        return false;
    a->at += value_size[a->type];
    a->left--;
    return true;
}

/* ------------------------------------------------------------------ asking for tensors */

size_t ap__gguf_count(const struct ap_gguf *g)
{
    return g->tensors;
}

const char *ap__gguf_name(const struct ap_gguf *g, size_t i)
{
    return g->tensor[i].name;
}

ap_status ap__gguf_get(const struct ap_gguf *g, const char *name, struct ap_tensor_view *out, struct ap_err *err)
{
    const struct tensor key = {.name = name};
    const struct tensor *t = g->tensors ? bsearch(&key, g->tensor, g->tensors, sizeof key, by_name) : NULL;
    if (t == NULL)
        return ap__fail(err, AP_E_NOT_FOUND, g->path, "no tensor `%s`", name);
    if (!known_type(t->type) || tensor_type[t->type].dtype == AP_DTYPE_COUNT)
        return ap__fail(err, AP_E_FORMAT, g->path,
                        "tensor `%s` is %s (type %u); only F32, F16, BF16, Q8_0, Q4_0, Q4_K and Q6_K are supported", name,
                        known_type(t->type) ? tensor_type[t->type].name : "of another kind", t->type);
    *out = (struct ap_tensor_view){.dtype = tensor_type[t->type].dtype, .ndim = t->ndim, .shape = {1, 1, 1, 1},
                                   .data = g->data + t->offset, .bytes = (size_t)t->bytes};
    for (int32_t i = 0; i < t->ndim; i++)
        out->shape[i] = (int64_t)t->dim[t->ndim - 1 - i];
    return AP_OK;
}
