/* jinja.h - the part of Jinja2 that chat templates use.
 *
 *     template text -> lexer -> parser -> tree -> interpreter + variables (JSON) -> text
 *
 * Trusted to nobody: steps, output and nesting have ceilings, and every fault is
 * AP_E_PARSE (the template cannot be read) or AP_E_FORMAT (it failed while running,
 * raise_exception included) with the template's name and line. */
#ifndef AP_JINJA_H
#define AP_JINJA_H

#include "base/json.h"
#include "base/text.h"

struct ap_jinja; /* a parsed template; immutable, may be shared */

/* name is used in messages only. */
ap_status ap__jinja_parse(const char *source, size_t len, const char *name, struct ap_jinja **out,
                          struct ap_err *err) AP_MUST_CHECK;
void ap__jinja_free(struct ap_jinja *t);

/* Byte ranges of the output that stand inside {% generation %} blocks, ascending. */
struct ap_jinja_spans {
    struct ap_jinja_span {
        size_t begin, end;
    } *span; /* (n,) */
    size_t n, cap;
};
void ap__jinja_spans_deinit(struct ap_jinja_spans *spans);

/* Append the text of the template with `variables` (an object: messages, tools, add_generation_prompt, bos_token, ...).
 * spans may be NULL.  `now` is what strftime_now formats. */
ap_status ap__jinja_render(const struct ap_jinja *t, const json_t *variables, int64_t now, struct ap_buf *out,
                           struct ap_jinja_spans *spans, struct ap_err *err) AP_MUST_CHECK;

#endif
