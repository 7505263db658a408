/* task_storage.h - what a struct ap_task owns besides its registry. */
#ifndef AP_TASK_STORAGE_H
#define AP_TASK_STORAGE_H

#include "tasks/task.h"

struct ap_task_storage {
    struct ap_arena arena;        /* all texts of the YAML */
    struct ap_problems file[2];   /* by split: the problems of a file, read at first use */
    bool loaded[2];
};
/* One of the import formats' names. */
bool ap__format_known(const char *format);

#endif
