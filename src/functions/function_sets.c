/* function_sets.c - a short table: two built-in sets, then those of plug-ins under a lock. */
#include "functions/function_sets.h"
#include "base/text.h"

#include <pthread.h>
#include <string.h>

enum { BUILT_IN = 2, MAX_NAMES = 512 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct ap_function_set offered[AP_SETS_MAX - BUILT_IN]; /* (n_offered,) */
static int32_t n_offered;

int32_t ap__function_sets(struct ap_function_set out[AP_SETS_MAX])
{
    out[0] = (struct ap_function_set){.name = "math"};
    out[0].functions = ap__math_functions(&out[0].n);
    out[1] = (struct ap_function_set){.name = "fol"};
    out[1].functions = ap__fol_functions(&out[1].n);
    pthread_mutex_lock(&lock);
    int32_t n = BUILT_IN + n_offered;
    memcpy(out + BUILT_IN, offered, (size_t)n_offered * sizeof *out);
    pthread_mutex_unlock(&lock);
    return n;
}

bool ap__function_set_find(const char *name, struct ap_function_set *out)
{
    struct ap_function_set sets[AP_SETS_MAX];
    int32_t n = ap__function_sets(sets);
    for (int32_t s = 0; s < n; s++) {
        if (strcmp(sets[s].name, name) == 0) {
            *out = sets[s];
            return true;
        }
    }
    for (int32_t s = 0; s < n; s++) {
        for (int32_t i = 0; i < sets[s].n; i++) {
            if (strcmp(sets[s].functions[i].name, name) == 0) {
                *out = (struct ap_function_set){name, &sets[s].functions[i], 1};
                return true;
            }
        }
    }
    return false;
}

ap_status ap__function_set_fail(const char *name, struct ap_err *err)
{
    struct ap_function_set sets[AP_SETS_MAX];
    const char *names[MAX_NAMES];
    size_t count = 0;
    int32_t n = ap__function_sets(sets);
    for (int32_t s = 0; s < n; s++) {
        for (int32_t i = -1; i < sets[s].n && count < MAX_NAMES; i++)
            names[count++] = i < 0 ? sets[s].name : sets[s].functions[i].name;
    }
    const char *near = ap__nearest(name, names, count);
    if (near != NULL)
        return ap__fail(err, AP_E_NOT_FOUND, NULL, "there is no function or set `%.64s`; did you mean `%s`?", name,
                        near);
    return ap__fail(err, AP_E_NOT_FOUND, NULL, "there is no function or set `%.64s`; the sets are `math` and `fol`",
                    name);
}

ap_status ap__registry_offer(const char *name, const struct ap_function *functions, int32_t n, struct ap_err *err)
{
    struct ap_function_set known;
    struct ap_registry *trial;
    if (ap__function_set_find(name, &known))
        return known.functions == functions && known.n == n
                   ? AP_OK
                   : ap__fail(err, AP_E_EXISTS, NULL, "there is a function or set `%.64s` already", name);
    AP_TRY(ap__registry_new(&trial, err));
    ap_status status = AP_OK;
    for (int32_t i = 0; i < n && status == AP_OK; i++) {
        if (functions[i].name != NULL && ap__function_set_find(functions[i].name, &known))
            status = ap__fail(err, AP_E_EXISTS, NULL, "there is a function or set `%.64s` already", functions[i].name);
        else
            status = ap__registry_add(trial, &functions[i], err);
    }
    ap__registry_free(trial);
    if (status != AP_OK)
        return status;
    pthread_mutex_lock(&lock);
    bool room = n_offered < AP_SETS_MAX - BUILT_IN;
    if (room)
        offered[n_offered++] = (struct ap_function_set){name, functions, n};
    pthread_mutex_unlock(&lock);
    return room ? AP_OK : ap__fail(err, AP_E_TOO_LARGE, name, "more than %d sets of functions", AP_SETS_MAX);
}
