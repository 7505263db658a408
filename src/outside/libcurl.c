/* libcurl.c - see libcurl.h. */
#include "outside/libcurl.h"

struct ap_libcurl ap__libcurl;

#define NAME(name) "curl_" #name,
static const char *const names[] = {AP_LIBCURL_FUNCTIONS(NAME)};
static struct ap_library library = AP_LIBRARY(AP_LIBCURL_FILE, names, &ap__libcurl);

static void start(void) { (void)ap__libcurl.global_init(CURL_GLOBAL_DEFAULT); }

ap_status ap__libcurl_load(struct ap_err *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    AP_TRY(ap__library_load(&library, err));
    pthread_once(&once, start);
    return AP_OK;
}
