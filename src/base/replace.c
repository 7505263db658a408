/* replace.c - path.PID.tmp -> write ... -> fsync -> rename to path. */
#include "base/replace.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

enum { MAX_WRITE = 1 << 30 };

ap_status ap__replace_begin(struct ap_replace *r, const char *path, struct ap_err *err)
{
    struct ap_buf temporary;
    *r = (struct ap_replace){.fd = -1};
    ap__buf_init(&temporary, 0);
    (void)ap__buf_printf(&temporary, "%s.%d.tmp", path, (int)getpid());
    r->path = ap__strdup(path);
    r->temporary = ap__buf_take(&temporary);
    ap__buf_deinit(&temporary);
    if (r->path == NULL || r->temporary == NULL) {
        ap__replace_abandon(r);
        return ap__fail(err, AP_E_MEMORY, path, "out of memory");
    }
    r->fd = open(r->temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (r->fd >= 0)
        return AP_OK;
    ap_status status = ap__fail_errno(err, path, "cannot create a temporary file beside it");
    ap__replace_abandon(r);
    return status;
}

ap_status ap__replace_add(struct ap_replace *r, const void *data, uint64_t len, struct ap_err *err)
{
    const char *p = data;
    while (len > 0) {
        ssize_t n = write(r->fd, p, len > MAX_WRITE ? (size_t)MAX_WRITE : (size_t)len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return ap__fail_errno(err, r->path, "cannot write");
        p += n;
        len -= (uint64_t)n;
        r->written += (uint64_t)n;
    }
    return AP_OK;
}

ap_status ap__replace_commit(struct ap_replace *r, struct ap_err *err)
{
    ap_status status = fsync(r->fd) == 0 ? AP_OK : ap__fail_errno(err, r->path, "cannot write");
    if (close(r->fd) != 0 && status == AP_OK)
        status = ap__fail_errno(err, r->path, "cannot write");
    r->fd = -1;
    if (status == AP_OK && rename(r->temporary, r->path) != 0)
        status = ap__fail_errno(err, r->path, "cannot replace the file");
    if (status == AP_OK) { /* the temporary has become the file */
        ap__free(r->temporary);
        r->temporary = NULL;
    }
    ap__replace_abandon(r);
    return status;
}

void ap__replace_abandon(struct ap_replace *r)
{
    if (r->temporary != NULL) {
        if (r->fd >= 0)
            close(r->fd);
        unlink(r->temporary);
    }
    ap__free(r->temporary);
    ap__free(r->path);
    *r = (struct ap_replace){.fd = -1};
}
