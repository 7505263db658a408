/* mcp_state.h - what mcp_client.c and mcp_receive.c share: the server and its calls. */
#ifndef AP_MCP_STATE_H
#define AP_MCP_STATE_H

#include "outside/mcp_client.h"
#include "outside/mcp_message.h"
#include <pthread.h>

enum mcp_state { MCP_DOWN, MCP_STARTING, MCP_LISTING, MCP_READY };

struct ap_mcp {
    pthread_mutex_t lock;
    char *name;
    struct ap_mcp_link *link; /* open unless DOWN */
    double timeout, start_timeout;
    enum mcp_state state;
    int64_t next_id;
    int64_t state_id;   /* STARTING, LISTING: the request that is to be answered */
    double state_until; /* until when */
    int64_t ping_id;    /* 0 = none under way */
    double ping_until;
    json_t *listing, *tools; /* the list being read; the last complete one */
    int32_t pages;
    double listed; /* when that was */
    bool relist, listing_wanted;
    int32_t junk;     /* lines that were no messages */
    int32_t failures; /* in a row */
    double rest_until;
    char why[320]; /* it was lost */
    struct ap_mcp_call *calls;
};

struct ap_mcp_call {
    struct ap_mcp *mcp;
    struct ap_mcp_call *next;
    char *tool;
    json_t *arguments;
    int64_t id; /* 0 = not sent */
    double sent, until, at_most;
    bool done, error;
    struct ap_buf text;
};

/* ---- mcp_client.c ---- */

void ap__mcp_call_finish(struct ap_mcp_call *call, bool error, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
struct ap_mcp_call *ap__mcp_find(struct ap_mcp *mcp, int64_t id);
/* Takes params. */
ap_status ap__mcp_send(struct ap_mcp *mcp, int64_t id, const char *method, json_t *params,
                       struct ap_err *err) AP_MUST_CHECK;
/* cursor NULL = from the beginning. */
ap_status ap__mcp_ask_for_tools(struct ap_mcp *mcp, const char *cursor, struct ap_err *err) AP_MUST_CHECK;

/* ---- mcp_receive.c: the link's events; user is the struct ap_mcp ---- */

ap_status ap__mcp_on_message(void *user, const char *text, size_t len, struct ap_err *err) AP_MUST_CHECK;
void ap__mcp_on_failed(void *user, int64_t id, const char *why);
bool ap__mcp_on_pending(void *user, int64_t id);

#endif
