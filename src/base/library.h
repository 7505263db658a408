/* library.h - shared libraries that are loaded when they are first needed.
 *
 * A large library costs every start of the program, also the many that never
 * call it.  Such a library's functions are pointers in a struct, made of one
 * list, and loaded by whoever opens what needs them:
 *
 *     #define AP_LIBX_FUNCTIONS(F) F(open) F(close)
 *     #define AP_LIBX_POINTER(name) __typeof__(x_##name) *name;
 *     extern struct ap_libx { AP_LIBX_FUNCTIONS(AP_LIBX_POINTER) } ap__libx;
 *
 *     ap__libx_load(err)  once, then  ap__libx.open(...)  for x_open(...) */
#ifndef AP_LIBRARY_H
#define AP_LIBRARY_H

#include "base/status.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

struct ap_library {
    const char *file;         /* a path, or what the dynamic loader finds: "libx.so.4" */
    const char *const *names; /* (n,) "x_open", "x_close" */
    size_t n;
    void *functions; /* a struct of n pointers in the order of names */
    pthread_mutex_t lock;
    bool loaded;
};

/* names_ is an array, functions_ the address of their struct. */
#define AP_LIBRARY(file_, names_, functions_)                                                                      \
    {.file = (file_), .names = (names_), .n = sizeof(names_) / sizeof *(names_), .functions = (functions_),        \
     .lock = PTHREAD_MUTEX_INITIALIZER}

/* Fill in library->functions unless that is done; from any thread.  AP_E_IO when the library or a function of it is not
 * there: the next call tries again.  It is never unloaded. */
ap_status ap__library_load(struct ap_library *library, struct ap_err *err) AP_MUST_CHECK;

#endif
