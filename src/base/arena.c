/* arena.c - bump allocation in a chain of blocks.
 *
 *     block <-> block <-> block <-> block
 *     full      full      head      empty, kept from before a release
 *
 * An allocation comes from the head; when it does not fit, from the next kept
 * block, else from a new one put after the head.  A mark is a position in the
 * chain; releasing it empties all that lies behind.  One arena per lifetime.
 *
 * A reset melts a chain into one block that would have held everything so far:
 * work of varying size repeats in bounded memory and without the heap.
 *
 * Threads that work side by side take from workers, arenas of their own that live
 * as long as the one they belong to. */
#include "base/alloc.h"

#include <string.h>
#include <sys/mman.h>

#define ALIGN ((size_t)64)
#define HUGE_PAGE ((size_t)2 << 20)
#define BLOCK_MIN ((size_t)64 << 10)
#define BLOCK_MAX ((size_t)64 << 20) /* larger only when one allocation needs it */

struct ap_arena_block {
    struct ap_arena_block *prev, *next;
    size_t size, used; /* bytes of data */
    uint8_t *data;     /* (size,), 64-byte aligned, behind this header */
};

void ap__arena_init(struct ap_arena *arena, size_t ceiling)
{
    *arena = (struct ap_arena){.ceiling = ceiling};
}

static struct ap_arena_block *first_block(const struct ap_arena *arena)
{
    struct ap_arena_block *b = arena->head;
    while (b && b->prev)
        b = b->prev;
    return b;
}

static void free_blocks(struct ap_arena *arena)
{
    struct ap_arena_block *b = first_block(arena);
    while (b) {
        struct ap_arena_block *next = b->next;
        ap__free(b);
        b = next;
    }
    arena->head = NULL;
    arena->used = arena->reserved = 0;
}

void ap__arena_deinit(struct ap_arena *arena)
{
    for (int32_t i = 0; i < arena->workers; i++)
        free_blocks(&arena->worker[i]);
    ap__free(arena->worker);
    free_blocks(arena);
    ap__arena_init(arena, arena->ceiling);
}

/* Fewer and larger pages for what is used again and again; the first use of such a page costs more. */
static void ask_for_huge_pages(struct ap_arena_block *b)
{
#ifdef MADV_HUGEPAGE
    size_t skip = (HUGE_PAGE - (uintptr_t)b->data % HUGE_PAGE) % HUGE_PAGE;
    if (b->size >= skip + HUGE_PAGE)
        (void)madvise(b->data + skip, (b->size - skip) / HUGE_PAGE * HUGE_PAGE, MADV_HUGEPAGE);
#else
    (void)b;
#endif
}

/* A new block of at least `need` bytes behind the head, which it becomes; NULL without memory. */
static struct ap_arena_block *push_block(struct ap_arena *arena, size_t need)
{
    struct ap_arena_block *head = arena->head;
    size_t size = head ? 2 * head->size : BLOCK_MIN;
    if (size > BLOCK_MAX)
        size = BLOCK_MAX;
    if (arena->ceiling && size > arena->ceiling - arena->used)
        size = arena->ceiling - arena->used;
    if (size < need)
        size = need;
    if (size > SIZE_MAX / 4)
        return NULL;
    struct ap_arena_block *b = ap__alloc(sizeof *b + ALIGN + size);
    if (!b)
        return NULL;
    uintptr_t start = ((uintptr_t)(b + 1) + ALIGN - 1) / ALIGN * ALIGN;
    b->data = (uint8_t *)b + (start - (uintptr_t)b);
    b->size = size;
    b->prev = head;
    b->next = head ? head->next : NULL;
    if (b->prev)
        b->prev->next = b;
    if (b->next)
        b->next->prev = b;
    arena->head = b;
    arena->reserved += size;
    return b;
}

void ap__arena_reset(struct ap_arena *arena)
{
    size_t peak = arena->peak;
    struct ap_arena_block *head = arena->head;
    for (int32_t i = 0; i < arena->workers; i++)
        ap__arena_reset(&arena->worker[i]);
    if (!head || (!head->prev && !head->next)) {
        ap__arena_release(arena, (struct ap_arena_mark){0});
        return;
    }
    free_blocks(arena);
    struct ap_arena_block *melted = push_block(arena, peak + peak / 8 + ALIGN);
    if (melted) /* without memory for it the chain just grows anew */
        ask_for_huge_pages(melted);
}

struct ap_arena *ap__arena_workers(struct ap_arena *arena, int32_t n)
{
    if (n <= arena->workers)
        return arena->worker;
    struct ap_arena *worker = ap__realloc(arena->worker, (size_t)n * sizeof *worker);
    if (worker == NULL)
        return NULL;
    arena->worker = worker;
    while (arena->workers < n)
        ap__arena_init(&worker[arena->workers++], arena->ceiling);
    return worker;
}

static void *take(struct ap_arena *arena, size_t size, size_t align)
{
    struct ap_arena_block *b = arena->head;
    size_t at = b ? (b->used + align - 1) / align * align : 0;
    size_t padding = b ? at - b->used : 0;
    bool fits = b && at <= b->size && size <= b->size - at;
    if (!fits)
        padding = at = 0;
    if (size > SIZE_MAX / 4)
        return NULL;
    if (arena->ceiling && (size > arena->ceiling || arena->used > arena->ceiling - size ||
                           padding > arena->ceiling - size - arena->used))
        return NULL;
    if (!fits) {
        if (b && b->next && size <= b->next->size)
            arena->head = b = b->next; /* kept and empty */
        else
            b = push_block(arena, size);
        if (!b)
            return NULL;
    }
    b->used = at + size;
    arena->used += padding + size;
    if (arena->used > arena->peak)
        arena->peak = arena->used;
    return b->data + at;
}

void *ap__arena_alloc(struct ap_arena *arena, size_t size)
{
    return take(arena, size ? size : 1, ALIGN);
}

void *ap__arena_zalloc(struct ap_arena *arena, size_t size)
{
    void *p = ap__arena_alloc(arena, size);
    if (p)
        memset(p, 0, size);
    return p;
}

char *ap__arena_strdup(struct ap_arena *arena, const char *s)
{
    return ap__arena_strndup(arena, s, strlen(s));
}

char *ap__arena_strndup(struct ap_arena *arena, const char *s, size_t n)
{
    if (n == SIZE_MAX)
        return NULL;
    char *copy = take(arena, n + 1, 1);
    if (copy) {
        memcpy(copy, s, n);
        copy[n] = '\0';
    }
    return copy;
}

struct ap_arena_mark ap__arena_mark(const struct ap_arena *arena)
{
    const struct ap_arena_block *b = arena->head;
    return (struct ap_arena_mark){arena->head, b ? b->used : 0, arena->used};
}

void ap__arena_release(struct ap_arena *arena, struct ap_arena_mark mark)
{
    /* An empty mark was taken before the first block: back to its start. */
    struct ap_arena_block *target = mark.block ? mark.block : first_block(arena);
    for (struct ap_arena_block *b = arena->head; b && b != target; b = b->prev)
        b->used = 0;
    if (target)
        target->used = mark.block_used;
    arena->head = target;
    arena->used = mark.used;
}
