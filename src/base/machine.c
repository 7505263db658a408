/* machine.c - processor, memory and system in one line; memory that is left. */
#include "base/machine.h"

#include <stdbool.h>
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

/* ---- free memory ---- */

/* The number behind `key` in a file of lines "key number"; without a key, the file's first number. -1 = none. */
static int64_t read_number(const char *path, const char *key)
{
    char line[256];
    long long value = -1;
    FILE *file = fopen(path, "r");
    while (file != NULL && value < 0 && fgets(line, sizeof line, file) != NULL)
        if (strncmp(line, key, strlen(key)) == 0 && sscanf(line + strlen(key), "%lld", &value) != 1)
            value = -1;
    if (file != NULL)
        fclose(file);
    return value;
}

/* The two versions of control groups: how /proc/self/cgroup begins their lines, where they are, and their files. */
struct hierarchy {
    const char *mark, *root, *limit, *used, *active, *inactive;
};
static const struct hierarchy hierarchies[] = {
    {"0::", "/sys/fs/cgroup", "memory.max", "memory.current", "active_file ", "inactive_file "},
    {":memory:", "/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_active_file ",
     "total_inactive_file "},
};

/* This process's folder in a hierarchy into out; false when there is none. */
static bool read_group(const struct hierarchy *h, char *out, size_t cap)
{
    char line[512];
    bool found = false;
    FILE *file = fopen("/proc/self/cgroup", "r");
    while (file != NULL && !found && fgets(line, sizeof line, file) != NULL) {
        const char *at = strstr(line, h->mark);
        found = at != NULL;
        line[strcspn(line, "\n")] = '\0';
        if (found)
            snprintf(out, cap, "%s%s", h->root, at + strlen(h->mark));
    }
    if (file != NULL)
        fclose(file);
    return found;
}

static int64_t read_in(const char *group, const char *name, const char *key)
{
    char path[700];
    snprintf(path, sizeof path, "%s/%s", group, name);
    return read_number(path, key);
}

/* What is left of one group's limit; cached file pages would be given up. -1 = unlimited. */
static int64_t left_in_group(const struct hierarchy *h, const char *group)
{
    int64_t limit = read_in(group, h->limit, ""), used = read_in(group, h->used, "");
    int64_t active = read_in(group, "memory.stat", h->active), inactive = read_in(group, "memory.stat", h->inactive);
    if (limit < 0 || used < 0)
        return -1;
    used -= (active > 0 ? active : 0) + (inactive > 0 ? inactive : 0);
    return used < 0 ? limit : limit > used ? limit - used : 0;
}

int64_t ap__machine_free_memory(void)
{
    char group[600];
    int64_t kib = read_number("/proc/meminfo", "MemAvailable:"), least = kib < 0 ? -1 : kib * 1024;
    for (size_t i = 0; i < sizeof hierarchies / sizeof *hierarchies; i++) {
        const struct hierarchy *h = &hierarchies[i];
        bool inside = read_group(h, group, sizeof group);
        while (inside) { /* every group above has a limit of its own */
            int64_t left = left_in_group(h, group);
            if (left >= 0 && (least < 0 || left < least))
                least = left;
            *strrchr(group, '/') = '\0';
            inside = strlen(group) >= strlen(h->root);
        }
    }
    return least;
}
