/* read_ahead.c - two threads that map in pieces, so that the disk always has a request waiting.
 *
 *     bytes 0 and what lies behind them: | pie | piece | piece | piec   bytes 7: | ...
 *                                                  ^ thread 0  ^ thread 1         at, offset: the piece that is taken next
 *
 * Huge pages are asked for: where the file system has them (ext4 since Linux
 * 6.16, xfs) the kernel reads 4 MiB at once whatever the device's read-ahead is
 * set to, and page tables have an entry per 2 MiB. */
#include "base/read_ahead.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22 /* Linux 5.14 */
#endif

enum { THREADS = 2, PIECE = 4 << 20, GAP = 64 /* between tensors: alignment */, SMALL_FILE = 32 << 20 };

struct ap_read_ahead {
    pthread_t thread[THREADS];
    int threads;
    pthread_mutex_t lock; /* of what follows */
    size_t at, offset;    /* the next piece: of bytes[at], from this byte on */
    size_t n;
    struct ap_bytes bytes[]; /* (n,) */
};

/* The next piece; false when there is none. */
static bool take_piece(struct ap_read_ahead *r, struct ap_bytes *piece)
{
    pthread_mutex_lock(&r->lock);
    while (r->at < r->n && r->offset >= r->bytes[r->at].size) {
        r->at++;
        r->offset = 0;
    }
    bool more = r->at < r->n;
    if (more) {
        const char *from = (const char *)r->bytes[r->at].data + r->offset;
        size_t left = r->bytes[r->at].size - r->offset, whole = PIECE - (uintptr_t)from % PIECE; /* ends with a large page */
        *piece = (struct ap_bytes){from, left < whole ? left : whole};
        r->offset += piece->size;
    }
    pthread_mutex_unlock(&r->lock);
    return more;
}

/* madvise on all pages that hold some of the bytes. */
static bool advise(const struct ap_bytes *bytes, int advice)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), at = (uintptr_t)bytes->data;
    uintptr_t from = at / page * page, to = (at + bytes->size + page - 1) / page * page;
    return madvise((void *)from, to - from, advice) == 0;
}

static void *read_pieces(void *user)
{
    struct ap_bytes piece;
    while (take_piece(user, &piece))
        if (!advise(&piece, MADV_POPULATE_READ)) /* an older kernel, or a file that became shorter */
            advise(&piece, MADV_WILLNEED);
    return NULL;
}

/* Bytes right behind the last ones become a part of them. */
static bool joins(struct ap_read_ahead *r, const struct ap_bytes *bytes)
{
    if (r->n == 0)
        return false;
    struct ap_bytes *last = &r->bytes[r->n - 1];
    uintptr_t end = (uintptr_t)last->data + last->size, from = (uintptr_t)bytes->data;
    if (from < end || from - end > GAP)
        return false;
    last->size += from - end + bytes->size;
    return true;
}

struct ap_read_ahead *ap__read_ahead_start(const struct ap_bytes *bytes, size_t n)
{
    sigset_t all, before;
    struct ap_read_ahead *r = ap__alloc(sizeof *r + n * sizeof *bytes);
    if (r == NULL)
        return NULL;
    pthread_mutex_init(&r->lock, NULL);
    for (size_t i = 0; i < n; i++)
        if (!joins(r, &bytes[i]))
            r->bytes[r->n++] = bytes[i];
    for (size_t i = 0; i < r->n; i++)
        advise(&r->bytes[i], MADV_HUGEPAGE);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* signals are for the threads that look out for them */
    while (r->threads < THREADS && pthread_create(&r->thread[r->threads], NULL, read_pieces, r) == 0)
        r->threads++;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return r;
}

void ap__read_ahead_end(struct ap_read_ahead *r)
{
    if (r == NULL)
        return;
    pthread_mutex_lock(&r->lock);
    r->at = r->n;
    pthread_mutex_unlock(&r->lock);
    for (int i = 0; i < r->threads; i++)
        pthread_join(r->thread[i], NULL);
    pthread_mutex_destroy(&r->lock);
    ap__free(r);
}

static void ask_for_file(int folder, const char *name)
{
    struct stat info;
    if (fstatat(folder, name, &info, 0) != 0 || !S_ISREG(info.st_mode) || info.st_size > SMALL_FILE)
        return;
    int fd = openat(folder, name, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return;
    (void)posix_fadvise(fd, 0, 0, POSIX_FADV_WILLNEED);
    close(fd);
}

void ap__read_ahead_small_files(const char *dir)
{
    DIR *folder = opendir(dir);
    if (folder == NULL)
        return;
    for (struct dirent *e = readdir(folder); e != NULL; e = readdir(folder))
        ask_for_file(dirfd(folder), e->d_name);
    closedir(folder);
}
