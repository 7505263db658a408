/* sse.c - lines end with LF, CR or both; a blank line ends an event.
 *
 *   "data: x" data += x, LF between    "id: x" no NUL, not too long    "retry: n"    "event: x"    ": x" comment */
#include "outside/sse.h"
#include "base/text.h"

#include <stdio.h>
#include <string.h>

void ap__sse_init(struct ap_sse *sse, size_t max_event)
{
    *sse = (struct ap_sse){.retry = -1};
    ap__buf_init(&sse->line, max_event);
    ap__buf_init(&sse->data, max_event);
}

void ap__sse_deinit(struct ap_sse *sse)
{
    ap__buf_deinit(&sse->line);
    ap__buf_deinit(&sse->data);
}

void ap__sse_restart(struct ap_sse *sse)
{
    ap__buf_clear(&sse->line);
    ap__buf_clear(&sse->data);
    sse->other = sse->after_cr = sse->has_data = false;
    memcpy(sse->id, sse->last_id, sizeof sse->id);
}

static void end_event(struct ap_sse *sse, ap_sse_event on_event, void *user)
{
    memcpy(sse->last_id, sse->id, sizeof sse->last_id);
    if (sse->has_data && !sse->other && sse->data.len > 0)
        on_event(user, sse->data.data, sse->data.len);
    ap__buf_clear(&sse->data);
    sse->other = sse->has_data = false;
}

/* A field is noted; false when data grows too large. */
static bool end_line(struct ap_sse *sse, ap_sse_event on_event, void *user)
{
    const char *line = ap__buf_cstr(&sse->line), *value = strchr(line, ':');
    size_t name = value ? (size_t)(value - line) : sse->line.len;
    if (sse->line.len == 0) {
        end_event(sse, on_event, user);
        return true;
    }
    value = value ? value + 1 : line + sse->line.len;
    if (*value == ' ')
        value++;
    size_t len = sse->line.len - (size_t)(value - line);
    bool fine = true;
    int64_t number;
    if (name == 4 && !memcmp(line, "data", 4)) {
        fine = (!sse->has_data || ap__buf_putc(&sse->data, '\n') == AP_OK) &&
               ap__buf_add(&sse->data, value, len) == AP_OK;
        sse->has_data = true;
    } else if (name == 2 && !memcmp(line, "id", 2) && len <= AP_SSE_MAX_ID && !memchr(value, '\0', len)) {
        snprintf(sse->id, sizeof sse->id, "%s", value);
    } else if (name == 5 && !memcmp(line, "retry", 5) && ap__parse_i64(value, &number) && number >= 0) {
        sse->retry = number;
    } else if (name == 5 && !memcmp(line, "event", 5)) {
        sse->other = strcmp(value, "message") != 0;
    }
    ap__buf_clear(&sse->line);
    return fine;
}

bool ap__sse_feed(struct ap_sse *sse, const char *bytes, size_t len, ap_sse_event on_event, void *user)
{
    bool fine = true;
    for (size_t i = 0; i < len && fine;) {
        if (bytes[i] == '\n' && sse->after_cr) { /* the second half of CR LF */
            sse->after_cr = false;
            i++;
            continue;
        }
        size_t n = 0;
        while (i + n < len && bytes[i + n] != '\n' && bytes[i + n] != '\r')
            n++;
        fine = ap__buf_add(&sse->line, bytes + i, n) == AP_OK;
        i += n;
        if (i < len && fine) {
            sse->after_cr = bytes[i++] == '\r';
            fine = end_line(sse, on_event, user);
        } else if (n > 0) {
            sse->after_cr = false;
        }
    }
    return fine;
}
