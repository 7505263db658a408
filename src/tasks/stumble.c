/* stumble.c - see stumble.h.  All faults lie between the call's first `(` and its end. */
#include "tasks/stumble.h"

#include <string.h>

enum { ECHO_MIN = 2, ECHO_SPREAD = 11, SKIP_SPREAD = 14, ENDING = 2 };

/* call = [0, from) + inner text [from, to) + closing quote and parenthesis */
struct inner {
    const char *call;
    size_t from, to, len;
};

static size_t below(struct ap_rng *rng, size_t n)
{
    return n > 0 ? ap__rng_below(rng, (uint32_t)n) : 0;
}

/* The call with [cut, resume) replaced by text (n,). */
static ap_status replace(const struct inner *in, size_t cut, size_t resume, const char *text, size_t n,
                         struct ap_buf *out)
{
    ap__buf_clear(out);
    AP_TRY(ap__buf_add(out, in->call, cut));
    AP_TRY(ap__buf_add(out, text, n));
    return ap__buf_add(out, in->call + resume, in->len - resume);
}

/* What was just written once more, once or twice; then on as before, or to the end at once. */
static ap_status say_twice(const struct inner *in, struct ap_rng *rng, struct ap_buf *out)
{
    size_t at = in->from + 1 + below(rng, in->to - in->from), back = ECHO_MIN + below(rng, ECHO_SPREAD);
    if (back > at - in->from)
        back = at - in->from;
    char echo[2 * (ECHO_MIN + ECHO_SPREAD)];
    size_t times = 1 + below(rng, 2);
    for (size_t i = 0; i < times; i++)
        memcpy(echo + i * back, in->call + at - back, back);
    return replace(in, at, below(rng, 2) ? at : in->to, echo, times * back, out);
}

static ap_status leave_out(const struct inner *in, struct ap_rng *rng, struct ap_buf *out)
{
    size_t at = in->from + below(rng, in->to - in->from), end = at + 1 + below(rng, SKIP_SPREAD);
    return replace(in, at, end < in->to ? end : in->to, "", 0, out);
}

static ap_status cut_short(const struct inner *in, struct ap_rng *rng, struct ap_buf *out)
{
    return replace(in, in->from + below(rng, in->to - in->from), in->to, "", 0, out);
}

/* ", tom" up to what closes the argument; without a comma something is left out instead. */
static ap_status forget_argument(const struct inner *in, struct ap_rng *rng, struct ap_buf *out)
{
    size_t start = in->from + below(rng, in->to - in->from);
    const char *comma = memchr(in->call + start, ',', in->to - start);
    if (comma == NULL)
        comma = memchr(in->call + in->from, ',', in->to - in->from);
    if (comma == NULL)
        return leave_out(in, rng, out);
    size_t at = (size_t)(comma - in->call);
    return replace(in, at, at + 1 + strcspn(comma + 1, ",)"), "", 0, out);
}

ap_status ap__stumble(const char *call, struct ap_rng *rng, struct ap_buf *out)
{
    struct inner in = {.call = call, .len = strlen(call)};
    in.from = strcspn(call, "(");
    in.from += in.from < in.len;
    in.to = in.len > in.from + ENDING ? in.len - ENDING : in.from;
    if (in.to == in.from)
        return replace(&in, in.len, in.len, "", 0, out);
    switch (ap__rng_below(rng, 4)) {
    case 0:
        return say_twice(&in, rng, out);
    case 1:
        return leave_out(&in, rng, out);
    case 2:
        return cut_short(&in, rng, out);
    default:
        return forget_argument(&in, rng, out);
    }
}
