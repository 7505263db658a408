/* mcp_stdio.c - MCP over the standard streams of a program.
 *
 *   message + "\n" --> its input          its output --lines--> messages
 *   its error stream: the last line says what was wrong when it dies */
#include "outside/mcp_link.h"
#include "outside/process.h"

#include <stdio.h>
#include <string.h>

enum { INPUT_MAX = 4 << 20 };

struct stdio_link {
    struct ap_mcp_link link;
    struct ap_arena arena; /* texts of the box */
    struct ap_process_spec spec;
    struct ap_process *process; /* NULL = closed */
};

void ap__mcp_link_break(struct ap_mcp_link *link, const char *fmt, ...)
{
    va_list ap;
    if (link->broken[0])
        return; /* the first reason is the reason */
    va_start(ap, fmt);
    vsnprintf(link->broken, sizeof link->broken, fmt, ap);
    va_end(ap);
}

static ap_status stdio_open(struct ap_mcp_link *link, struct ap_err *err)
{
    struct stdio_link *l = (struct stdio_link *)link;
    link->broken[0] = '\0';
    return ap__process_start(&l->spec, &l->process, err);
}

static ap_status stdio_send(struct ap_mcp_link *link, const char *text, size_t len, int64_t id, struct ap_err *err)
{
    struct stdio_link *l = (struct stdio_link *)link;
    struct ap_err why;
    (void)id;
    ap_status status = ap__process_write(l->process, text, len, &why);
    if (status == AP_OK)
        status = ap__process_write(l->process, "\n", 1, &why);
    if (status != AP_E_LIMIT)
        return status == AP_OK ? AP_OK : ap__fail(err, status, NULL, "%s", why.message);
    ap__mcp_link_break(link, "does not read what it is sent");
    return AP_OK;
}

/* Whole lines out of the output; what is left begins it. */
static ap_status take_lines(struct stdio_link *l, const struct ap_mcp_events *events, struct ap_err *err)
{
    struct ap_buf *output = ap__process_output(l->process);
    ap_status status = AP_OK;
    size_t used = 0;
    while (status == AP_OK && !l->link.broken[0]) {
        char *line = output->data ? output->data + used : NULL;
        char *end = line ? memchr(line, '\n', output->len - used) : NULL;
        if (!end)
            break;
        size_t n = (size_t)(end - line);
        used += n + 1;
        if (n > 0 && line[n - 1] == '\r')
            n--;
        if (n > 0)
            status = events->message(events->user, line, n, err);
    }
    if (used > 0) {
        memmove(output->data, output->data + used, output->len - used);
        output->len -= used;
    }
    return status;
}

static ap_status stdio_pump(struct ap_mcp_link *link, const struct ap_mcp_events *events, struct ap_err *err)
{
    struct stdio_link *l = (struct stdio_link *)link;
    char how[96];
    AP_TRY(ap__process_pump(l->process, err));
    AP_TRY(take_lines(l, events, err));
    if (ap__process_flooded(l->process))
        ap__mcp_link_break(link, "sent more than %zu bytes at once", l->spec.max_output);
    if (!ap__process_over(l->process))
        return AP_OK;
    const char *words = ap__process_last_words(l->process);
    (void)ap__process_exit(l->process, how);
    ap__mcp_link_break(link, "%s%s%.140s", how, *words ? ": " : "", words);
    return AP_OK;
}

static void stdio_wait(struct ap_mcp_link *link, struct ap_waiter *waiter)
{
    ap__process_wait(((struct stdio_link *)link)->process, waiter);
}

static void stdio_close(struct ap_mcp_link *link)
{
    struct stdio_link *l = (struct stdio_link *)link;
    ap__process_free(l->process);
    l->process = NULL;
}

static void stdio_free(struct ap_mcp_link *link)
{
    struct stdio_link *l = (struct stdio_link *)link;
    stdio_close(link);
    ap__arena_deinit(&l->arena);
    ap__free(l);
}

static const struct ap_mcp_link_ops stdio_ops = {.open = stdio_open, .send = stdio_send, .pump = stdio_pump,
                                                 .wait = stdio_wait, .close = stdio_close, .free = stdio_free};

ap_status ap__mcp_stdio_new(const struct ap_sandbox *box, size_t max_message, struct ap_mcp_link **out,
                            struct ap_err *err)
{
    struct stdio_link *l = ap__alloc(sizeof *l);
    *out = NULL;
    if (!l)
        return ap__fail(err, AP_E_MEMORY, NULL, "no memory for an MCP server");
    l->link.ops = &stdio_ops;
    ap__arena_init(&l->arena, 0);
    l->spec.max_output = max_message;
    l->spec.max_input = INPUT_MAX;
    ap_status status = ap__sandbox_copy(&l->arena, box, &l->spec.box, err);
    if (status != AP_OK)
        stdio_free(&l->link);
    else
        *out = &l->link;
    return status;
}
