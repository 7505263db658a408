/* data.c - looks for bundled files in the order data.h states. */
#include "base/data.h"

#include "base/file.h"

#include <stdlib.h>

static ap_status try_below(const char *folder, const char *name, char **path, struct ap_err *err)
{
    *path = ap__path_join(folder, name);
    if (*path == NULL)
        return ap__fail(err, AP_E_MEMORY, name, "no memory for a path");
    if (ap__file_exists(*path) || ap__dir_exists(*path))
        return AP_OK;
    ap__free(*path);
    *path = NULL;
    return AP_E_NOT_FOUND; /* described by the caller, when every place has been tried */
}

ap_status ap__data_find(const char *name, char **path, struct ap_err *err)
{
    *path = NULL;
    if (ap__file_exists(name) || ap__dir_exists(name)) {
        *path = ap__strdup(name);
        return *path != NULL ? AP_OK : ap__fail(err, AP_E_MEMORY, name, "no memory for a path");
    }
    const char *below[] = {getenv("APPRENTICE_DATA"), AP_SOURCE_DIR, AP_DATA_DIR};
    for (size_t i = 0; i < sizeof below / sizeof below[0] && name[0] != '/'; i++) {
        if (below[i] == NULL || below[i][0] == '\0')
            continue;
        ap_status status = try_below(below[i], name, path, err);
        if (status != AP_E_NOT_FOUND)
            return status;
    }
    return ap__fail(err, AP_E_NOT_FOUND, name,
                    "no such file or folder, here or below $APPRENTICE_DATA, %s and %s", AP_SOURCE_DIR, AP_DATA_DIR);
}
