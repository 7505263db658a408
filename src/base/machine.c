/* machine.c - processor, memory and system in one line. */
#include "base/machine.h"

#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

/* The first "model name" of /proc/cpuinfo, or "". */
static void read_processor(char *out, size_t cap)
{
    char line[256];
    FILE *file = fopen("/proc/cpuinfo", "r");
    out[0] = '\0';
    while (file != NULL && out[0] == '\0' && fgets(line, sizeof line, file) != NULL) {
        char *colon = strchr(line, ':');
        if (strncmp(line, "model name", 10) != 0 || colon == NULL)
            continue;
        line[strcspn(line, "\n")] = '\0';
        snprintf(out, cap, "%s, ", colon + 1 + strspn(colon + 1, " "));
    }
    if (file != NULL)
        fclose(file);
}

void ap__machine_describe(char *out, size_t cap)
{
    char processor[200];
    struct utsname name;
    read_processor(processor, sizeof processor);
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    double gib = (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE) / (double)(1 << 30);
    if (uname(&name) != 0)
        name.sysname[0] = name.release[0] = '\0';
    snprintf(out, cap, "%s%ld processors, %.0f GiB, %s %s", processor, cores, gib, name.sysname, name.release);
}
