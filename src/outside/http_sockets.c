/* http_sockets.c - curl_multi_socket_action over poll(2).
 *
 *   on_socket, on_timer: curl's wishes     pump: poll(0) of all, then the timer */
#include "outside/http_sockets.h"
#include "base/progress.h"

#include <string.h>

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *user, void *per_socket)
{
    struct ap_http_sockets *s = user;
    size_t i = 0;
    (void)easy;
    (void)per_socket;
    while (i < s->n && s->fd[i].fd != fd)
        i++;
    if (what == CURL_POLL_REMOVE) {
        if (i < s->n)
            s->fd[i] = s->fd[--s->n];
        return 0;
    }
    if (i == s->n && ap__grow((void **)&s->fd, &s->cap, s->n + 1, sizeof *s->fd, NULL) != AP_OK) {
        s->failed = true;
        return -1;
    }
    if (i == s->n)
        s->n++;
    s->fd[i] = (struct pollfd){.fd = fd,
                               .events = (short)((what & CURL_POLL_IN ? POLLIN : 0) | (what & CURL_POLL_OUT ? POLLOUT : 0))};
    return 0;
}

static int on_timer(CURLM *multi, long milliseconds, void *user)
{
    struct ap_http_sockets *s = user;
    (void)multi;
    s->timer = milliseconds < 0 ? -1 : ap__now() + (double)milliseconds / 1000;
    return 0;
}

ap_status ap__http_sockets_open(struct ap_http_sockets *s, struct ap_err *err)
{
    *s = (struct ap_http_sockets){.timer = -1};
    AP_TRY(ap__libcurl_load(err));
    s->multi = ap__libcurl.multi_init();
    if (!s->multi)
        return ap__fail(err, AP_E_MEMORY, NULL, "no memory for HTTP");
    ap__libcurl.multi_setopt(s->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    ap__libcurl.multi_setopt(s->multi, CURLMOPT_SOCKETDATA, s);
    ap__libcurl.multi_setopt(s->multi, CURLMOPT_TIMERFUNCTION, on_timer);
    ap__libcurl.multi_setopt(s->multi, CURLMOPT_TIMERDATA, s);
    ap__libcurl.multi_setopt(s->multi, CURLMOPT_MAX_HOST_CONNECTIONS, 64L);
    return AP_OK;
}

void ap__http_sockets_close(struct ap_http_sockets *s)
{
    if (s->multi)
        ap__libcurl.multi_cleanup(s->multi);
    ap__free(s->fd);
    *s = (struct ap_http_sockets){.timer = -1};
}

void ap__http_sockets_pump(struct ap_http_sockets *s)
{
    int running;
    struct pollfd ready[AP_WAITER_MAX];
    size_t n = s->n < AP_WAITER_MAX ? s->n : AP_WAITER_MAX;
    if (n > 0)
        memcpy(ready, s->fd, n * sizeof *ready);
    if (n > 0 && poll(ready, (nfds_t)n, 0) > 0)
        for (size_t i = 0; i < n; i++) {
            int what = (ready[i].revents & POLLIN ? CURL_CSELECT_IN : 0) |
                       (ready[i].revents & POLLOUT ? CURL_CSELECT_OUT : 0) |
                       (ready[i].revents & (POLLERR | POLLHUP | POLLNVAL) ? CURL_CSELECT_ERR : 0);
            if (what != 0)
                (void)ap__libcurl.multi_socket_action(s->multi, ready[i].fd, what, &running);
        }
    if (s->timer >= 0 && ap__now() >= s->timer) {
        s->timer = -1;
        (void)ap__libcurl.multi_socket_action(s->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    }
}

void ap__http_sockets_wait(const struct ap_http_sockets *s, struct ap_waiter *waiter)
{
    for (size_t i = 0; i < s->n; i++)
        ap__waiter_add(waiter, s->fd[i].fd, s->fd[i].events);
    if (s->timer >= 0)
        ap__waiter_until(waiter, s->timer);
}
