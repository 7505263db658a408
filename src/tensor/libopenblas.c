/* libopenblas.c - see libopenblas.h. */
#include "tensor/libopenblas.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

struct ap_libopenblas ap__libopenblas;

static const char *const names[] = {"cblas_sgemm"};
static struct ap_library library = AP_LIBRARY(AP_LIBOPENBLAS_FILE, names, &ap__libopenblas);

#define CORETYPE "OPENBLAS_CORETYPE" /* OpenBLAS reads it while it is loaded */

/* The kernels that it takes by itself are those of a processor of 2004. */
static bool falls_back(void)
{
    bool oldest = false;
    void *handle = dlopen(library.file, RTLD_NOW | RTLD_LOCAL);
    void *symbol = handle ? dlsym(handle, "openblas_get_corename") : NULL;
    if (symbol) {
        char *(*corename)(void);
        memcpy(&corename, &symbol, sizeof corename);
        oldest = strcmp(corename(), "Prescott") == 0;
    }
    if (handle)
        (void)dlclose(handle);
    return oldest;
}

/* Those for this processor's vectors; NULL where it has none, or no one knows. */
static const char *better_kernels(void)
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
        return "SkylakeX";
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        return "Haswell";
#endif
    return NULL;
}

static pthread_once_t once = PTHREAD_ONCE_INIT;
static ap_status loaded;
static struct ap_err why;

static void load(void)
{
    const char *kernels = getenv(CORETYPE) ? NULL : better_kernels();
    bool ask = kernels && falls_back() && setenv(CORETYPE, kernels, 1) == 0;
    loaded = ap__library_load(&library, &why);
    if (ask)
        (void)unsetenv(CORETYPE);
}

ap_status ap__libopenblas_load(struct ap_err *err)
{
    pthread_once(&once, load);
    return loaded == AP_OK ? AP_OK : ap__fail(err, loaded, why.place, "%s", why.message);
}
