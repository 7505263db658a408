/* mcp_client.h - one MCP server as we see it: started when needed, asked, given up, started again.
 *
 *                open, initialize          tools/list, page by page
 *     DOWN -------------------> STARTING ------------------> LISTING -----> READY
 *      ^                           |                            |   ^---------'| tools/list_changed
 *      '--- broken, hanging, late, talking nonsense: every call under way gets an observation
 *
 * Many calls at once; nothing waits: ap__mcp_advance goes on with the server and
 * looks whether the call has its result.  A call that is late is cancelled and
 * the server is asked whether it lives (ping); one that does not say so is
 * killed.  A server that keeps dying is started less and less often. */
#ifndef AP_MCP_CLIENT_H
#define AP_MCP_CLIENT_H

#include "outside/mcp_link.h"
#include <jansson.h>

enum { AP_MCP_MAX_TOOLS = 256 };

struct ap_mcp_config {
    const char *name; /* in messages; copied */
    double timeout;       /* seconds for a call; progress prolongs it, to four times that at most */
    double start_timeout; /* seconds until it has listed its tools */
};

struct ap_mcp;
struct ap_mcp_call;

/* The link is taken, also on failure. */
ap_status ap__mcp_new(const struct ap_mcp_config *config, struct ap_mcp_link *link, struct ap_mcp **out,
                      struct ap_err *err) AP_MUST_CHECK;
void ap__mcp_free(struct ap_mcp *mcp); /* after its calls */
/* Begin to end the session without waiting, after its calls; true: it goes on in _left, until that is true.
 * _free may be called at any time, and waits then. */
bool ap__mcp_leave(struct ap_mcp *mcp);
bool ap__mcp_left(struct ap_mcp *mcp);
void ap__mcp_left_wait(struct ap_mcp *mcp, struct ap_waiter *waiter);

/* Start it, wait for its tools, hand out a copy of the list: [{name, description, inputSchema, ...}]. */
ap_status ap__mcp_list(struct ap_mcp *mcp, json_t **tools, struct ap_err *err) AP_MUST_CHECK;
/* Stop the server; the next call starts it again. */
void ap__mcp_stop(struct ap_mcp *mcp);

/* arguments is taken, also on failure. */
ap_status ap__mcp_call_new(struct ap_mcp *mcp, const char *tool, json_t *arguments, struct ap_mcp_call **out,
                           struct ap_err *err) AP_MUST_CHECK;
/* When done: _text is the result, or with _error what went wrong. */
ap_status ap__mcp_call_advance(struct ap_mcp_call *call, bool *done, struct ap_err *err) AP_MUST_CHECK;
void ap__mcp_call_wait(struct ap_mcp_call *call, struct ap_waiter *waiter);
const char *ap__mcp_call_text(const struct ap_mcp_call *call);
bool ap__mcp_call_error(const struct ap_mcp_call *call);
void ap__mcp_call_free(struct ap_mcp_call *call); /* cancels it when it is not done */

#endif
