/* data.h - where the files that come along are found: tasks/, models/, recipes/.
 *
 * A name is looked for as it is given (a path of the user's), then below
 * $APPRENTICE_DATA, the source tree this was built from, and the folder it
 * was installed to. */
#ifndef AP_DATA_H
#define AP_DATA_H

#include "base/alloc.h"

/* name: "models/student", "tasks/math-word.yaml" or any path.  *path: ap__free it.
 * AP_E_NOT_FOUND says where it was looked for. */
ap_status ap__data_find(const char *name, char **path, struct ap_err *err) AP_MUST_CHECK;

#endif
