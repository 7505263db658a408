/* alloc.c - checked heap allocation and growing buffers (arenas: arena.c).
 *
 *     ap__alloc / ap__realloc --> allowed() --> calloc / realloc
 *                                   counts, and fails the n-th on request
 *
 * The counters are atomic: allocations come from every thread. */
#include "base/alloc.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ALLOC_MAX ((size_t)1 << 40) /* no honest request is larger */
#define BUF_DEFAULT_MAX ((size_t)1 << 30)
#define BUF_FIRST_CAP 64

static _Atomic int64_t fail_countdown; /* 0: never fail */
static _Atomic uint64_t alloc_count;

void ap__alloc_fail_after(int64_t n)
{
    atomic_store(&fail_countdown, n);
}

uint64_t ap__alloc_count(void)
{
    return atomic_load(&alloc_count);
}

static bool allowed(void)
{
    atomic_fetch_add_explicit(&alloc_count, 1, memory_order_relaxed);
    if (atomic_load_explicit(&fail_countdown, memory_order_relaxed) == 0)
        return true;
    return atomic_fetch_sub(&fail_countdown, 1) != 1;
}

void *ap__alloc(size_t size)
{
    return ap__alloc_array(1, size);
}

void *ap__alloc_array(size_t count, size_t size)
{
    if (!allowed() || (size && count > ALLOC_MAX / size))
        return NULL;
    if (count == 0 || size == 0)
        count = size = 1;
    return calloc(count, size);
}

void *ap__realloc(void *p, size_t size)
{
    return allowed() && size <= ALLOC_MAX ? realloc(p, size ? size : 1) : NULL;
}

void ap__free(void *p)
{
    free(p);
}

char *ap__strdup(const char *s)
{
    return s ? ap__strndup(s, strlen(s)) : NULL;
}

char *ap__strndup(const char *s, size_t n)
{
    if (!s)
        return NULL;
    size_t len = strnlen(s, n);
    char *copy = ap__alloc(len + 1);
    if (copy)
        memcpy(copy, s, len);
    return copy;
}

ap_status ap__grow(void **array, size_t *cap, size_t need, size_t elem_size, struct ap_err *err)
{
    if (need <= *cap)
        return AP_OK;
    size_t next = *cap > SIZE_MAX / 2 ? need : 2 * *cap;
    if (next < 16)
        next = 16;
    if (next < need)
        next = need;
    if (elem_size && next > SIZE_MAX / elem_size)
        return ap__fail(err, AP_E_MEMORY, NULL, "an array of %zu elements does not fit in memory", next);

    void *old; /* through memcpy: *array is a typed pointer at the caller */
    memcpy(&old, array, sizeof old);
    void *grown = ap__realloc(old, next * elem_size);
    if (!grown)
        return ap__fail(err, AP_E_MEMORY, NULL, "out of memory (%zu bytes asked)", next * elem_size);
    memcpy(array, &grown, sizeof grown);
    *cap = next;
    return AP_OK;
}

/* ---- growing byte buffer ---- */

void ap__buf_init(struct ap_buf *buf, size_t max)
{
    *buf = (struct ap_buf){.max = max};
}

void ap__buf_deinit(struct ap_buf *buf)
{
    ap__free(buf->data);
    *buf = (struct ap_buf){.max = buf->max};
}

void ap__buf_clear(struct ap_buf *buf)
{
    buf->len = 0;
    buf->failed = false;
    if (buf->data)
        buf->data[0] = '\0';
}

/* Make room for `more` bytes and the NUL. */
static ap_status reserve(struct ap_buf *buf, size_t more)
{
    size_t max = buf->max ? buf->max : BUF_DEFAULT_MAX;
    if (more > max || buf->len > max - more) {
        buf->failed = true;
        return AP_E_TOO_LARGE;
    }
    size_t need = buf->len + more + 1;
    if (need <= buf->cap)
        return AP_OK;
    size_t cap = buf->cap ? 2 * buf->cap : BUF_FIRST_CAP;
    if (cap < need)
        cap = need;
    char *data = ap__realloc(buf->data, cap);
    if (!data) {
        buf->failed = true;
        return AP_E_MEMORY;
    }
    buf->data = data;
    buf->cap = cap;
    return AP_OK;
}

ap_status ap__buf_add(struct ap_buf *buf, const void *data, size_t len)
{
    if (len == 0)
        return AP_OK;
    AP_TRY(reserve(buf, len));
    memcpy(buf->data + buf->len, data, len);
    buf->len += len;
    buf->data[buf->len] = '\0';
    return AP_OK;
}

ap_status ap__buf_puts(struct ap_buf *buf, const char *s)
{
    return ap__buf_add(buf, s, strlen(s));
}

ap_status ap__buf_putc(struct ap_buf *buf, char c)
{
    return ap__buf_add(buf, &c, 1);
}

ap_status ap__buf_printf(struct ap_buf *buf, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    ap_status status = ap__buf_vprintf(buf, fmt, ap);
    va_end(ap);
    return status;
}

ap_status ap__buf_vprintf(struct ap_buf *buf, const char *fmt, va_list ap)
{
    va_list measure;
    va_copy(measure, ap);
    int n = vsnprintf(NULL, 0, fmt, measure);
    va_end(measure);
    if (n < 0) {
        buf->failed = true;
        return AP_E_ARG;
    }
    if (n == 0)
        return AP_OK;
    AP_TRY(reserve(buf, (size_t)n));
    vsnprintf(buf->data + buf->len, (size_t)n + 1, fmt, ap);
    buf->len += (size_t)n;
    return AP_OK;
}

const char *ap__buf_cstr(const struct ap_buf *buf)
{
    return buf->data ? buf->data : "";
}

char *ap__buf_take(struct ap_buf *buf)
{
    if (buf->failed)
        return NULL;
    char *data = buf->data ? buf->data : ap__strdup("");
    *buf = (struct ap_buf){.max = buf->max};
    return data;
}
