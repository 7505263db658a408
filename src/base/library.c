/* library.c - dlopen, and dlsym for every name. */
#include "base/library.h"

#include <dlfcn.h>
#include <string.h>

static ap_status load(struct ap_library *library, struct ap_err *err)
{
    void *handle = dlopen(library->file, RTLD_NOW | RTLD_LOCAL);
    if (handle == NULL)
        return ap__fail(err, AP_E_IO, NULL, "a library that this needs cannot be loaded: %s", dlerror());
    for (size_t i = 0; i < library->n; i++) {
        void *symbol = dlsym(handle, library->names[i]);
        if (symbol == NULL) {
            (void)dlclose(handle);
            return ap__fail(err, AP_E_IO, library->file, "the library has no function %s", library->names[i]);
        }
        memcpy((char *)library->functions + i * sizeof symbol, &symbol, sizeof symbol);
    }
    return AP_OK;
}

ap_status ap__library_load(struct ap_library *library, struct ap_err *err)
{
    pthread_mutex_lock(&library->lock);
    ap_status status = library->loaded ? AP_OK : load(library, err);
    library->loaded = status == AP_OK;
    pthread_mutex_unlock(&library->lock);
    return status;
}
