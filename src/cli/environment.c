/* environment.c - see environment.h. */
#include "cli/environment.h"

#include "base/progress.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Threads that can run at this moment on the whole machine, this one included; 0 when the system does not say. */
static int running_now(void)
{
    int n = 0;
    char line[256];
    FILE *file = fopen("/proc/stat", "re");
    while (file && n == 0 && fgets(line, sizeof line, file))
        (void)sscanf(line, "procs_running %d", &n);
    if (file)
        fclose(file);
    return n;
}

static bool is_set(const char *name) { return getenv(name) != NULL; }

/* Idle OpenMP threads spin by default, which beside another busy program makes a step many times slower; sleeping at
 * once makes it a tenth slower on a quiet machine (docs/SPEED.md, operations, attempt 14). */
static bool settle_spinning(void)
{
    if (is_set("GOMP_SPINCOUNT") || is_set("OMP_WAIT_POLICY"))
        return false;
    return setenv("GOMP_SPINCOUNT", running_now() == 1 ? "10000" : "1000", 1) == 0;
}

/* libgomp has bound this thread to one processor by now, and a program started by it would know no other. */
static bool is_bound(void)
{
    return is_set("OMP_PROC_BIND") || is_set("OMP_PLACES") || is_set("GOMP_CPU_AFFINITY");
}

void ap__environment_settle(char **argv)
{
    if (is_bound())
        return;
    char self[4096];
    ssize_t n = settle_spinning() ? readlink("/proc/self/exe", self, sizeof self - 1) : 0;
    if (n <= 0)
        return;
    self[n] = '\0';
    (void)execv(self, argv);
}
