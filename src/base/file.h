/* file.h - whole files: mapped, read, replaced atomically. */
#ifndef AP_FILE_H
#define AP_FILE_H

#include "base/alloc.h"

/* Read-only mapping; data is NULL for an empty file. */
struct ap_map {
    const uint8_t *data; /* (size,) */
    size_t size;
};
ap_status ap__map_open(const char *path, struct ap_map *out, struct ap_err *err) AP_MUST_CHECK;
void ap__map_close(struct ap_map *map);
/* Part of a mapping that is not needed soon: its whole pages leave this process, reading brings them back. */
void ap__map_forget(const void *data, size_t size);

/* Whole file into *out (NUL-terminated); AP_E_TOO_LARGE above max bytes. */
ap_status ap__file_read(const char *path, size_t max, struct ap_buf *out, struct ap_err *err) AP_MUST_CHECK;
/* Write to a temporary beside path, fsync, rename: readers see old or new, never half. */
ap_status ap__file_write(const char *path, const void *data, size_t len, struct ap_err *err) AP_MUST_CHECK;
/* Line-wise reading of large JSONL files: splits at '\n' only.  *line is borrowed from the map;
 * returns false at the end.  Start with *offset = 0. */
bool ap__map_line(const struct ap_map *map, size_t *offset, const char **line, size_t *len);
bool ap__file_exists(const char *path);
bool ap__dir_exists(const char *path);
ap_status ap__mkdirs(const char *path, struct ap_err *err) AP_MUST_CHECK;
/* "dir/name" into a fresh string (ap__free) or NULL when out of memory. */
char *ap__path_join(const char *dir, const char *name);
const char *ap__path_base(const char *path); /* borrowed */

#endif
