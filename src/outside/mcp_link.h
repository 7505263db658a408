/* mcp_link.h - how messages get to an MCP server and back: one table per transport.
 *
 *   client --send--> link --> server
 *          <--events-- pump <--
 *
 * Nothing here waits.  A link that cannot go on says why in `broken`; its owner
 * closes it and may open it again, which is a new server or session. */
#ifndef AP_MCP_LINK_H
#define AP_MCP_LINK_H

#include "base/waiter.h"
#include "outside/sandbox.h"

/* What a link tells its owner while it is pumped. */
struct ap_mcp_events {
    void *user;
    ap_status (*message)(void *user, const char *text, size_t len, struct ap_err *err); /* one JSON text */
    void (*failed)(void *user, int64_t id, const char *why); /* request `id` will not be answered */
    bool (*pending)(void *user, int64_t id);                 /* is request `id` still waited for? */
};

struct ap_mcp_link {
    const struct ap_mcp_link_ops *ops;
    char broken[256]; /* why it cannot be used; "" = it can */
};

struct ap_mcp_link_ops {
    ap_status (*open)(struct ap_mcp_link *link, struct ap_err *err);
    /* id: of a request; 0 = a notification or an answer of ours */
    ap_status (*send)(struct ap_mcp_link *link, const char *text, size_t len, int64_t id, struct ap_err *err);
    ap_status (*pump)(struct ap_mcp_link *link, const struct ap_mcp_events *events, struct ap_err *err);
    void (*wait)(struct ap_mcp_link *link, struct ap_waiter *waiter);
    void (*agreed)(struct ap_mcp_link *link, const char *version); /* the protocol's revision is known; or NULL */
    void (*forget)(struct ap_mcp_link *link, int64_t id);          /* nobody waits for the request; or NULL */
    bool (*leave)(struct ap_mcp_link *link); /* begin to say goodbye; false = there is nothing to say; or NULL */
    bool (*left)(struct ap_mcp_link *link);  /* go on with that: has it been said, or has it taken too long? */
    void (*close)(struct ap_mcp_link *link); /* waits for a goodbye, half a second at most */
    void (*free)(struct ap_mcp_link *link);
};

/* A program that speaks on its standard streams, one message per line. */
ap_status ap__mcp_stdio_new(const struct ap_sandbox *box, size_t max_message, struct ap_mcp_link **out,
                            struct ap_err *err) AP_MUST_CHECK;

struct ap_mcp_http_spec {
    const char *url;
    const char *const *headers; /* "Name: value", ends with NULL; may be NULL; never shown */
    size_t max_message;
};
/* Streamable HTTP. */
ap_status ap__mcp_http_new(const struct ap_mcp_http_spec *spec, struct ap_mcp_link **out,
                           struct ap_err *err) AP_MUST_CHECK;

void ap__mcp_link_break(struct ap_mcp_link *link, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
