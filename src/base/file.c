/* file.c - files as wholes.
 *
 *     read   open -> fstat -> mmap                         (ap_map)
 *     write  path.PID.N.tmp -> write -> fsync -> rename -> fsync of the folder
 *
 * A reader sees the old file or the new one, never half; a full disk leaves
 * the old file and no temporary behind. */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* Open for reading and refuse what is no regular file (or pipe, for streams). */
static ap_status open_read(const char *path, bool regular, int *fd, struct stat *st, struct ap_err *err)
{
    *fd = open(path, O_RDONLY | O_CLOEXEC);
    if (*fd < 0) {
        bool missing = errno == ENOENT;
        ap_status status = ap__fail_errno(err, path, "cannot open the file");
        if (missing && err)
            err->code = AP_E_NOT_FOUND;
        return missing ? AP_E_NOT_FOUND : status;
    }
    ap_status status = AP_OK;
    if (fstat(*fd, st) != 0)
        status = ap__fail_errno(err, path, "cannot examine the file");
    else if (S_ISDIR(st->st_mode))
        status = ap__fail(err, AP_E_IO, path, "this is a folder, a file was expected");
    else if (regular && !S_ISREG(st->st_mode))
        status = ap__fail(err, AP_E_IO, path, "this is not a regular file");
    if (status != AP_OK) {
        close(*fd);
        *fd = -1;
    }
    return status;
}

ap_status ap__map_open(const char *path, struct ap_map *out, struct ap_err *err)
{
    int fd;
    struct stat st;
    *out = (struct ap_map){0};
    AP_TRY(open_read(path, true, &fd, &st, err));
    ap_status status = AP_OK;
    if (st.st_size > 0) {
        void *data = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (data == MAP_FAILED)
            status = ap__fail_errno(err, path, "cannot map the file into memory");
        else
            *out = (struct ap_map){data, (size_t)st.st_size};
    }
    close(fd);
    return status;
}

void ap__map_close(struct ap_map *map)
{
    if (map->data)
        munmap((void *)(uintptr_t)map->data, map->size);
    *map = (struct ap_map){0};
}

void ap__map_forget(const void *data, size_t size)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), at = (uintptr_t)data;
    uintptr_t from = (at + page - 1) / page * page, to = (at + size) / page * page;
    if (from < to)
        madvise((void *)from, to - from, MADV_DONTNEED); /* a private mapping that nobody wrote to */
}

bool ap__map_line(const struct ap_map *map, size_t *offset, const char **line, size_t *len)
{
    if (*offset >= map->size)
        return false;
    const char *start = (const char *)map->data + *offset;
    size_t left = map->size - *offset;
    const char *end = memchr(start, '\n', left);
    *line = start;
    *len = end ? (size_t)(end - start) : left;
    *offset += *len + (end != NULL);
    return true;
}

ap_status ap__file_read(const char *path, size_t max, struct ap_buf *out, struct ap_err *err)
{
    int fd;
    struct stat st;
    char chunk[16384];
    AP_TRY(open_read(path, false, &fd, &st, err));
    ap_status status = AP_OK;
    ap__buf_clear(out);
    for (;;) {
        ssize_t n = read(fd, chunk, sizeof chunk);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            status = ap__fail_errno(err, path, "cannot read the file");
        if (n <= 0)
            break;
        if ((size_t)n > max - out->len) {
            status = ap__fail(err, AP_E_TOO_LARGE, path, "the file is larger than %zu bytes", max);
            break;
        }
        ap_status added = ap__buf_add(out, chunk, (size_t)n);
        if (added != AP_OK) {
            status = ap__fail(err, added, path, "no memory for the file's %lld bytes", (long long)st.st_size);
            break;
        }
    }
    close(fd);
    return status;
}

static ap_status write_all(int fd, const char *place, const void *data, size_t len, struct ap_err *err)
{
    const char *p = data;
    while (len > 0) {
        ssize_t n = write(fd, p, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return ap__fail_errno(err, place, "cannot write the file");
        p += n;
        len -= (size_t)n;
    }
    return AP_OK;
}

/* Make the rename durable.  Some file systems refuse to sync a folder; the
 * rename itself is done, so that is no failure. */
static void sync_folder(const char *path)
{
    size_t dir_len = (size_t)(ap__path_base(path) - path);
    char *dir = dir_len ? ap__strndup(path, dir_len) : ap__strdup(".");
    int fd = dir ? open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (fd >= 0) {
        (void)fsync(fd);
        close(fd);
    }
    ap__free(dir);
}

ap_status ap__file_write(const char *path, const void *data, size_t len, struct ap_err *err)
{
    static _Atomic unsigned serial;
    struct ap_buf temp;
    ap__buf_init(&temp, 0);
    ap_status status = ap__buf_printf(&temp, "%s.%ld.%u.tmp", path, (long)getpid(), atomic_fetch_add(&serial, 1));
    if (status != AP_OK)
        return ap__fail(err, status, path, "out of memory");

    int fd = open(temp.data, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd < 0) {
        status = ap__fail_errno(err, path, "cannot write the file");
        goto done;
    }
    status = write_all(fd, path, data, len, err);
    if (status == AP_OK && fsync(fd) != 0)
        status = ap__fail_errno(err, path, "cannot write the file");
    if (close(fd) != 0 && status == AP_OK)
        status = ap__fail_errno(err, path, "cannot write the file");
    if (status == AP_OK && rename(temp.data, path) != 0)
        status = ap__fail_errno(err, path, "cannot replace the file");
    if (status == AP_OK)
        sync_folder(path);
    else
        unlink(temp.data);
done:
    ap__buf_deinit(&temp);
    return status;
}

bool ap__file_exists(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && !S_ISDIR(st.st_mode);
}

bool ap__dir_exists(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static ap_status make_dir(const char *path, struct ap_err *err)
{
    if (mkdir(path, 0777) == 0 || ap__dir_exists(path))
        return AP_OK;
    return ap__fail_errno(err, path, "cannot make the folder");
}

ap_status ap__mkdirs(const char *path, struct ap_err *err)
{
    char *prefix = ap__strdup(path);
    if (!prefix)
        return ap__fail(err, AP_E_MEMORY, path, "out of memory");
    ap_status status = AP_OK;
    char *slash = strchr(prefix + (*prefix == '/'), '/');
    for (; slash && status == AP_OK; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        status = make_dir(prefix, err);
        *slash = '/';
    }
    size_t len = strlen(prefix);
    if (status == AP_OK && (len == 0 || prefix[len - 1] != '/'))
        status = make_dir(prefix, err);
    ap__free(prefix);
    return status;
}

char *ap__path_join(const char *dir, const char *name)
{
    size_t n = strlen(dir);
    const char *slash = n == 0 || dir[n - 1] == '/' ? "" : "/";
    struct ap_buf buf;
    ap__buf_init(&buf, 0);
    (void)ap__buf_printf(&buf, "%s%s%s", dir, slash, name);
    char *path = ap__buf_take(&buf);
    ap__buf_deinit(&buf);
    return path;
}

const char *ap__path_base(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}
