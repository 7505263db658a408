/* call_formats.h - what a model says in one turn, in the forms of the model families.
 *
 *   Sum(a=2, b=-3)                                                  Python-like
 *   {"name": "Sum", "arguments": {"a": 2, "b": -3}}                 JSON; "parameters" with Llama 3
 *   <|python_tag|>{...}; {...}       <|python_tag|>Sum.call(a=2)     Llama 3
 *   words <tool_call>\n{...}\n</tool_call>\n<tool_call>...          Hermes, Qwen
 *   words [TOOL_CALLS] [{"name": ..., "arguments": ..., "id": ...}] Mistral
 *   <think> ... </think> and any of these                           thoughts are kept, never run
 *
 * The form is seen from the text itself, so a model may change its mind. */
#ifndef AP_CALL_FORMATS_H
#define AP_CALL_FORMATS_H

#include "functions/registry.h"

/* One turn: words before the calls, then the calls. */
struct ap_calls {
    char *thought;        /* trimmed; NULL when there are none */
    struct ap_call *call; /* (n,) at least one */
    int32_t n;
};

enum { AP_CALLS_MAX = 32 }; /* calls in one turn */

/* As ap__call_parse, which takes the same forms but exactly one call. */
ap_status ap__calls_parse(const char *text, size_t len, struct ap_calls *out, struct ap_err *err) AP_MUST_CHECK;
void ap__calls_deinit(struct ap_calls *calls);

/* The arguments as a JSON object; positional ones get their parameters' names (function may be NULL: argument1,
 * argument2).  Numbers that JSON cannot hold exactly (1/3, huge ones) become strings, which number parameters of
 * JSON calls take.  NULL = out of memory. */
json_t *ap__call_arguments(const struct ap_call *call, const struct ap_function *function);
/* <tool_call>\n{"name": ..., "arguments": ...}\n</tool_call> */
ap_status ap__call_print_hermes(const struct ap_call *call, const struct ap_function *function, struct ap_buf *out,
                                struct ap_err *err) AP_MUST_CHECK;

#endif
