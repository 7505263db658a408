/* alloc.h - memory: checked allocation, arenas with a ceiling, growing buffers.
 *
 * All heap memory of the library passes through ap__alloc & co. so that tests
 * can make allocation 1, 2, 3, ... fail (ap__alloc_fail_after). */
#ifndef AP_ALLOC_H
#define AP_ALLOC_H

#include "base/status.h"
#include <stdarg.h>
#include <stdbool.h>

/* Zeroed memory or NULL.  ap__alloc_array checks count*size for overflow. */
void *ap__alloc(size_t size);
void *ap__alloc_array(size_t count, size_t size);
void *ap__realloc(void *p, size_t size); /* new bytes are not zeroed */
void ap__free(void *p);                  /* NULL is fine */
char *ap__strdup(const char *s);         /* NULL in, NULL out */
char *ap__strndup(const char *s, size_t n);

/* Grow an array to hold at least `need` elements (doubling); *cap in elements. */
ap_status ap__grow(void **array, size_t *cap, size_t need, size_t elem_size,
                   struct ap_err *err) AP_MUST_CHECK;

/* Tests only: the n-th allocation from now fails (0 switches it off). */
void ap__alloc_fail_after(int64_t n);
/* Number of ap__alloc/ap__realloc calls so far (the hot loop must not move it). */
uint64_t ap__alloc_count(void);

/* Bump allocator.  The ceiling bounds `used`, so what fits is the same at
 * every run; a failed allocation leaves the arena as it was. */
struct ap_arena {
    struct ap_arena_block *head;    /* block in use; older ones before, empty ones after it */
    size_t used, peak, reserved, ceiling; /* bytes; ceiling 0 = none */
    struct ap_arena *worker;                /* (workers,) */
    int32_t workers;
};
struct ap_arena_mark {
    struct ap_arena_block *block;
    size_t block_used, used;
};
void ap__arena_init(struct ap_arena *arena, size_t ceiling);
void ap__arena_deinit(struct ap_arena *arena);
void ap__arena_reset(struct ap_arena *arena); /* keeps its memory, as one block */
/* At least n arenas for as many threads, reset and freed with this one; each has its ceiling.  NULL without memory. */
struct ap_arena *ap__arena_workers(struct ap_arena *arena, int32_t n);
void *ap__arena_alloc(struct ap_arena *arena, size_t size);  /* 64-byte aligned, NOT zeroed */
void *ap__arena_zalloc(struct ap_arena *arena, size_t size); /* zeroed */
char *ap__arena_strdup(struct ap_arena *arena, const char *s);         /* packed: not aligned */
char *ap__arena_strndup(struct ap_arena *arena, const char *s, size_t n); /* n bytes and a NUL */
struct ap_arena_mark ap__arena_mark(const struct ap_arena *arena);
void ap__arena_release(struct ap_arena *arena, struct ap_arena_mark mark);

/* Growing byte buffer, always NUL-terminated once non-empty; max = ceiling in
 * bytes (0 = 1 GiB).  A failed append leaves the buffer as it was and sets
 * `failed`, so that a row of appends may be checked once at the end. */
struct ap_buf {
    char *data; /* (len,) or NULL; use ap__buf_cstr for a never-NULL view */
    size_t len, cap, max;
    bool failed;
};
void ap__buf_init(struct ap_buf *buf, size_t max);
void ap__buf_deinit(struct ap_buf *buf);
void ap__buf_clear(struct ap_buf *buf);
ap_status ap__buf_add(struct ap_buf *buf, const void *data, size_t len);
ap_status ap__buf_puts(struct ap_buf *buf, const char *s);
ap_status ap__buf_putc(struct ap_buf *buf, char c);
ap_status ap__buf_printf(struct ap_buf *buf, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
ap_status ap__buf_vprintf(struct ap_buf *buf, const char *fmt, va_list ap);
const char *ap__buf_cstr(const struct ap_buf *buf); /* borrowed, never NULL */
char *ap__buf_take(struct ap_buf *buf);             /* moves out; "" dup when empty; NULL on failure */

#endif
