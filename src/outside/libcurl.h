/* libcurl.h - libcurl's functions, loaded when HTTP is first spoken.
 *
 * It brings thirty libraries (TLS, Kerberos, LDAP, ...).  ap__libcurl.easy_init()
 * is curl_easy_init(), and so on, once ap__libcurl_load has succeeded. */
#ifndef AP_LIBCURL_H
#define AP_LIBCURL_H

#include "base/library.h"

#include <curl/curl.h>

#define AP_LIBCURL_FUNCTIONS(F)                                                                              \
    F(easy_cleanup) F(easy_getinfo) F(easy_init) F(easy_setopt) F(easy_strerror) F(getdate) F(global_init)  \
    F(multi_add_handle) F(multi_cleanup) F(multi_info_read) F(multi_init) F(multi_remove_handle)            \
    F(multi_setopt) F(multi_socket_action) F(slist_append) F(slist_free_all)

#define AP_LIBCURL_POINTER(name) __typeof__(curl_##name) *name;
extern struct ap_libcurl {
    AP_LIBCURL_FUNCTIONS(AP_LIBCURL_POINTER)
} ap__libcurl;

ap_status ap__libcurl_load(struct ap_err *err) AP_MUST_CHECK; /* and start it; from any thread */

#endif
