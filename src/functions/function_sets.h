/* function_sets.h - the sets of functions that this program knows by name.
 *
 *   "math", "fol"                  built in
 *   what plug-ins offer            from ap__registry_offer on, for as long as the program runs */
#ifndef AP_FUNCTION_SETS_H
#define AP_FUNCTION_SETS_H

#include "functions/registry.h"

enum { AP_SETS_MAX = 34 };

struct ap_function_set {
    const char *name;
    const struct ap_function *functions; /* (n,) */
    int32_t n;
};

/* All sets; returns how many. */
int32_t ap__function_sets(struct ap_function_set out[AP_SETS_MAX]);
/* One function as a set of one, or a set, of that name; false when there is none. */
bool ap__function_set_find(const char *name, struct ap_function_set *out);
/* AP_E_NOT_FOUND with the nearest name. */
ap_status ap__function_set_fail(const char *name, struct ap_err *err);

#endif
