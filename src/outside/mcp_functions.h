/* mcp_functions.h - the tools of an MCP server as functions of a registry.
 *
 *   server --tools/list--> tools --typed.h--> functions
 *   call --check--> tools/call --> text, or an observation of what went wrong */
#ifndef AP_MCP_FUNCTIONS_H
#define AP_MCP_FUNCTIONS_H

#include "functions/registry.h"
#include "outside/sandbox.h"

struct ap_mcp_spec {
    const char *name;         /* in messages */
    struct ap_sandbox box;    /* a program, or ... */
    const char *url;          /* ... streamable HTTP when this is not NULL */
    const char *const *headers; /* "Name: value" of HTTP; ends with NULL; may be NULL */
    double timeout, start_timeout; /* seconds */
    size_t max_message;       /* bytes */
    int32_t parallel;         /* calls under way at once, at least 1 */
    bool per_chain;           /* every chain has a server (a session) of its own */
    const char *prefix;       /* before the names of its functions; may be NULL */
    const char *const *tools; /* only these, ends with NULL; NULL = all */
    const char *const *pure;  /* tools whose results may be kept, "*" = all; ends with NULL; may be NULL */
};

/* Starts the server and adds its tools.  Fails when it does not start, lacks a
 * tool that is named, or has one that cannot be described. */
ap_status ap__mcp_add(struct ap_registry *registry, const struct ap_mcp_spec *spec, struct ap_err *err) AP_MUST_CHECK;

#endif
