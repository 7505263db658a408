/* ids.c - see ids.h. */
#include "model/ids.h"

void ap__ids_deinit(struct ap_ids *ids)
{
    ap__free(ids->id);
    *ids = (struct ap_ids){0};
}

ap_status ap__ids_add(struct ap_ids *ids, int32_t id, struct ap_err *err)
{
    if (ids->n == ids->cap)
        AP_TRY(ap__grow((void **)&ids->id, &ids->cap, ids->n + 1, sizeof *ids->id, err));
    ids->id[ids->n++] = id;
    return AP_OK;
}
