/* sandbox.h - starts a program that we do not trust, with pipes to it.
 *
 *   own process group        killed as a whole
 *   own process namespace    where the kernel allows: what it starts and hides dies with it
 *   own network namespace    where the kernel allows and no network is granted: only a loopback of its own
 *   limits                   private memory, address space, CPU time, size of files, no core
 *   environment              PATH, HOME, LANG, LC_ALL, TZ, TMPDIR and what is listed
 *
 * It dies with the thread that started it. */
#ifndef AP_SANDBOX_H
#define AP_SANDBOX_H

#include "base/alloc.h"
#include <sys/types.h>

struct ap_sandbox {
    const char *const *argv; /* ends with NULL; argv[0] is looked up in PATH, or below cwd when it has a slash */
    const char *cwd;         /* NULL = ours */
    const char *const *env;  /* more names to pass on, or NAME=VALUE; ends with NULL; may be NULL */
    bool network;            /* granted */
    int64_t memory_mib;      /* private memory; four times that of address space; 0 = no limit */
    int64_t cpu_seconds;     /* 0 = no limit */
    int64_t file_mib;        /* of a file that it writes; 0 = no limit */
};

struct ap_sandboxed {
    pid_t pid;
    int in, out, err; /* our ends of its streams: non-blocking, closed on exec */
    bool contained;   /* it has namespaces of its own as described above */
};

/* Fails with a sentence when the program cannot be started. */
ap_status ap__sandbox_start(const struct ap_sandbox *box, struct ap_sandboxed *out, struct ap_err *err) AP_MUST_CHECK;

/* A copy of what `box` points to, and of a list of texts that ends with NULL (NULL = empty). */
ap_status ap__sandbox_copy(struct ap_arena *arena, const struct ap_sandbox *box, struct ap_sandbox *out,
                           struct ap_err *err) AP_MUST_CHECK;
ap_status ap__texts_copy(struct ap_arena *arena, const char *const *texts, const char *const **out,
                         struct ap_err *err) AP_MUST_CHECK;

/* Can programs be kept from the network here? */
bool ap__sandbox_can_contain(void);

#endif
