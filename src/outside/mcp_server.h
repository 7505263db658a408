/* mcp_server.h - a registry's functions as an MCP server.
 *
 *   line in --_handle--> line out, or nothing (a notification)
 *
 * One session: its premises and other state are those of one env, and begin anew
 * with `initialize`.  Reasoning and Answer are no tools: they belong to chains. */
#ifndef AP_MCP_SERVER_H
#define AP_MCP_SERVER_H

#include "functions/registry.h"

enum { AP_MCP_SERVER_MAX_MESSAGE = 1 << 20 };

struct ap_mcp_server;

/* The registry is borrowed. */
ap_status ap__mcp_server_new(const struct ap_registry *registry, struct ap_mcp_server **out,
                             struct ap_err *err) AP_MUST_CHECK;
void ap__mcp_server_free(struct ap_mcp_server *server);
/* *reply is overwritten; empty = nothing is to be sent.  Whatever is sent is answered;
 * not AP_OK only when memory runs out. */
ap_status ap__mcp_server_handle(struct ap_mcp_server *server, const char *text, size_t len, struct ap_buf *reply,
                                struct ap_err *err) AP_MUST_CHECK;
/* The answer to a message longer than AP_MCP_SERVER_MAX_MESSAGE. */
ap_status ap__mcp_server_too_long(struct ap_buf *reply, struct ap_err *err) AP_MUST_CHECK;

#endif
