/* ids.h - a growing list of token ids. */
#ifndef AP_IDS_H
#define AP_IDS_H

#include "base/alloc.h"

struct ap_ids {
    int32_t *id; /* (n,) */
    size_t n, cap;
};
void ap__ids_deinit(struct ap_ids *ids);
ap_status ap__ids_add(struct ap_ids *ids, int32_t id, struct ap_err *err) AP_MUST_CHECK;

#endif
