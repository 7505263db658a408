/* result_cache.h - results of pure functions, by function and arguments.
 *
 * Only what a task calls pure is kept, and only results that are no errors.
 * When it is full nothing more is kept: what was found stays found. */
#ifndef AP_RESULT_CACHE_H
#define AP_RESULT_CACHE_H

#include "base/alloc.h"

struct ap_result_cache; /* safe to use by several threads */

ap_status ap__result_cache_new(size_t max_bytes, struct ap_result_cache **out, struct ap_err *err) AP_MUST_CHECK;
void ap__result_cache_free(struct ap_result_cache *cache);
/* *text: a copy (ap__free), or NULL when it is not known. */
ap_status ap__result_cache_find(struct ap_result_cache *cache, const char *function, const char *arguments,
                                char **text, struct ap_err *err) AP_MUST_CHECK;
ap_status ap__result_cache_add(struct ap_result_cache *cache, const char *function, const char *arguments,
                               const char *text, struct ap_err *err) AP_MUST_CHECK;

#endif
