/* read_ahead.h - mapped bytes brought into memory by threads of their own, while their owner does something else.
 *
 *   model mapped -> _start(its matrices) -> the tokenizer is read, say -> the first pass finds its weights
 *
 * Nothing but time depends on it.  Bytes that are there already cost a thread about 50 microseconds per MiB at most,
 * and get their page tables on the way.  The caller sees to it that the machine has memory for all of it. */
#ifndef AP_READ_AHEAD_H
#define AP_READ_AHEAD_H

#include "base/alloc.h"

struct ap_bytes {
    const void *data; /* (size,) mapped until the end of the reading */
    size_t size;
};

struct ap_read_ahead;
/* Begins to read, first things first; `bytes` is copied.  NULL when there is no memory or no thread: then whoever
 * needs the bytes waits for them as ever. */
struct ap_read_ahead *ap__read_ahead_start(const struct ap_bytes *bytes, size_t n);
/* Waits for what is being read (a few MiB), leaves the rest; NULL is fine.  Call before anything is unmapped. */
void ap__read_ahead_end(struct ap_read_ahead *r);

/* Asks the system for the small files of a folder, which are read by and by: asked for behind hundreds of MiB of weights,
 * each of them would wait for the disk's whole queue.  A folder that cannot be read has none. */
void ap__read_ahead_small_files(const char *dir);

#endif
