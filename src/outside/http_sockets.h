/* http_sockets.h - a libcurl multi handle that is driven by a waiter.
 *
 *   curl says which sockets it waits for --> waiter --> what is ready --> curl */
#ifndef AP_HTTP_SOCKETS_H
#define AP_HTTP_SOCKETS_H

#include "base/waiter.h"
#include "outside/libcurl.h"

struct ap_http_sockets {
    CURLM *multi; /* NULL = closed */
    struct pollfd *fd; /* (n,) */
    size_t n, cap;
    double timer; /* when curl wants to be called, <0 = not */
    bool failed;  /* a socket could not be noted for lack of memory */
};

ap_status ap__http_sockets_open(struct ap_http_sockets *sockets, struct ap_err *err) AP_MUST_CHECK;
void ap__http_sockets_close(struct ap_http_sockets *sockets); /* after its transfers */
void ap__http_sockets_pump(struct ap_http_sockets *sockets);
void ap__http_sockets_wait(const struct ap_http_sockets *sockets, struct ap_waiter *waiter);

#endif
