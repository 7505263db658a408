/* mcp_message.h - the JSON-RPC messages of the Model Context Protocol.
 *
 * Revisions 2024-11-05 to 2025-11-25: what we use is the same in all of them but
 * for batches (2025-03-26 alone) and the header of HTTP (from 2025-06-18). */
#ifndef AP_MCP_MESSAGE_H
#define AP_MCP_MESSAGE_H

#include "base/alloc.h"
#include <jansson.h>

#define AP_MCP_LATEST "2025-11-25"

enum { AP_RPC_PARSE = -32700, AP_RPC_REQUEST = -32600, AP_RPC_METHOD = -32601, AP_RPC_PARAMS = -32602,
       AP_RPC_INTERNAL = -32603 };

bool ap__mcp_revision_known(const char *version);

/* {"jsonrpc": "2.0", "id": id, "method": method, "params": params} as text; id 0 = a notification.
 * Takes params (NULL = none). */
ap_status ap__mcp_request(int64_t id, const char *method, json_t *params, struct ap_buf *out,
                          struct ap_err *err) AP_MUST_CHECK;
/* The answer to a request of theirs: result (taken) or, when it is NULL, the error. */
ap_status ap__mcp_answer(const json_t *id, json_t *result, int code, const char *message, struct ap_buf *out,
                         struct ap_err *err) AP_MUST_CHECK;
/* Parse what a stranger sent; numbers beyond 64 bits become reals. */
ap_status ap__mcp_parse(const char *text, size_t len, json_t **out, struct ap_err *err) AP_MUST_CHECK;

/* The result of tools/call as text: its texts, what is no text by a note in brackets.
 * *error: the tool says that it failed.  AP_E_FORMAT with what is wrong. */
ap_status ap__mcp_result_text(const json_t *result, struct ap_buf *out, bool *error, struct ap_err *err) AP_MUST_CHECK;

#endif
