/* measure.c - medians, processor time, page cache. */
#include "bench/measure.h"

#include "base/file.h"
#include "base/progress.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double ap__median(double *x, int32_t n)
{
    qsort(x, (size_t)n, sizeof *x, by_size);
    return 0.5 * (x[n / 2] + x[(n - 1) / 2]);
}

double ap__cpu_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static ap_status evict(const char *dir, const char *name, struct ap_err *err)
{
    ap_status status = AP_OK;
    char *path = ap__path_join(dir, name);
    if (path == NULL)
        return ap__fail(err, AP_E_MEMORY, dir, "no memory for a path");
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fdatasync(fd) != 0 || posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) != 0)
        status = ap__fail_errno(err, path, "cannot drop the cached pages");
    if (fd >= 0)
        close(fd);
    ap__free(path);
    return status;
}

ap_status ap__evict_files(const char *dir, struct ap_err *err)
{
    ap_status status = AP_OK;
    DIR *folder = opendir(dir);
    if (folder == NULL)
        return ap__fail_errno(err, dir, "cannot read the folder");
    for (struct dirent *e = readdir(folder); e != NULL && status == AP_OK; e = readdir(folder))
        if (e->d_type == DT_REG || e->d_type == DT_LNK)
            status = evict(dir, e->d_name, err);
    closedir(folder);
    return status;
}
