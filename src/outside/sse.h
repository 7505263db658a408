/* sse.h - events of a text/event-stream, byte by byte as they come.
 *
 *   id: 7 \n data: {"a": \n data: 1} \n\n   -->   on_event("{"a":\n1}"), last_id "7" */
#ifndef AP_SSE_H
#define AP_SSE_H

#include "base/alloc.h"

enum { AP_SSE_MAX_ID = 256 };

struct ap_sse {
    struct ap_buf line, data;
    char id[AP_SSE_MAX_ID + 1];      /* of the event being read */
    char last_id[AP_SSE_MAX_ID + 1]; /* of the last complete one */
    int64_t retry;                   /* milliseconds, as the server wishes; -1 = it says nothing */
    bool other;                      /* an event of another type than "message" */
    bool after_cr, has_data;
};

typedef void (*ap_sse_event)(void *user, const char *data, size_t len);

void ap__sse_init(struct ap_sse *sse, size_t max_event);
void ap__sse_deinit(struct ap_sse *sse);
/* A new connection: what was half read is dropped, the last id stays. */
void ap__sse_restart(struct ap_sse *sse);
/* false: an event is too large, or memory ran out. */
bool ap__sse_feed(struct ap_sse *sse, const char *bytes, size_t len, ap_sse_event on_event, void *user);

#endif
