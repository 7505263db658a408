/* replace.h - a large file, written piece by piece, that takes the old one's place at the end.
 *
 *     begin -> add, add, ... -> commit: fsync, rename        readers see the old file or the new one
 *                            -> abandon: the old file stays   */
#ifndef AP_REPLACE_H
#define AP_REPLACE_H

#include "base/alloc.h"
#include <stdint.h>

/* Zero-initialise. */
struct ap_replace {
    char *path, *temporary; /* NULL: nothing is under way */
    int fd;
    uint64_t written; /* bytes so far */
};
ap_status ap__replace_begin(struct ap_replace *r, const char *path, struct ap_err *err) AP_MUST_CHECK;
ap_status ap__replace_add(struct ap_replace *r, const void *data, uint64_t len, struct ap_err *err) AP_MUST_CHECK;
ap_status ap__replace_commit(struct ap_replace *r, struct ap_err *err) AP_MUST_CHECK;
void ap__replace_abandon(struct ap_replace *r); /* after commit: nothing is left to do */

#endif
