/* libz3.c - see libz3.h. */
#include "functions/libz3.h"

struct ap_libz3 ap__libz3;

#define NAME(name) "Z3_" #name,
static const char *const names[] = {AP_LIBZ3_FUNCTIONS(NAME)};
static struct ap_library library = AP_LIBRARY(AP_LIBZ3_FILE, names, &ap__libz3);

/* Ceiling for all provers of the process together. */
static void set_memory_ceiling(void) { ap__libz3.global_param_set("memory_max_size", "2000"); /* MB */ }

ap_status ap__libz3_load(struct ap_err *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    AP_TRY(ap__library_load(&library, err));
    pthread_once(&once, set_memory_ceiling);
    return AP_OK;
}
