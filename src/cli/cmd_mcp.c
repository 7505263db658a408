/* cmd_mcp.c - `apprentice mcp`: our functions as an MCP server on standard input and output.
 *
 *   stdin --lines--> ap__mcp_server_handle --lines--> stdout
 *
 * Ends with the input.  A line that is too long is answered by an error and
 * skipped up to its end. */
#include "cli/command.h"
#include "cli/functions.h"
#include "base/progress.h"
#include "outside/mcp_server.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct talk {
    struct ap_mcp_server *server;
    struct ap_buf line, reply;
    bool skipping; /* the rest of a line that is too long */
    struct ap_err *err;
};

static ap_status say(struct talk *t)
{
    if (t->reply.len == 0)
        return AP_OK;
    (void)ap__buf_putc(&t->reply, '\n');
    bool sent = !t->reply.failed && fwrite(t->reply.data, 1, t->reply.len, stdout) == t->reply.len && fflush(stdout) == 0;
    return sent ? AP_OK : ap__fail_errno(t->err, "standard output", "cannot write");
}

static ap_status end_line(struct talk *t)
{
    ap_status status = AP_OK;
    ap__buf_clear(&t->reply);
    if (!t->skipping && strspn(ap__buf_cstr(&t->line), " \t\r") < t->line.len)
        status = ap__mcp_server_handle(t->server, t->line.data, t->line.len, &t->reply, t->err);
    t->skipping = false;
    ap__buf_clear(&t->line);
    return status == AP_OK ? say(t) : status;
}

static ap_status take(struct talk *t, const char *data, size_t len)
{
    while (len > 0) {
        const char *end = memchr(data, '\n', len);
        size_t n = end ? (size_t)(end - data) : len;
        if (!t->skipping && ap__buf_add(&t->line, data, n) != AP_OK) {
            t->skipping = true;
            ap__buf_clear(&t->reply);
            AP_TRY(ap__mcp_server_too_long(&t->reply, t->err));
            AP_TRY(say(t));
        }
        if (end)
            AP_TRY(end_line(t));
        n += end != NULL;
        data += n;
        len -= n;
    }
    return AP_OK;
}

static ap_status serve(struct talk *t)
{
    static char chunk[65536];
    for (;;) {
        ssize_t n = read(STDIN_FILENO, chunk, sizeof chunk);
        if (n < 0 && errno == EINTR && !ap__interrupted())
            continue;
        if (n < 0 && errno != EINTR)
            return ap__fail_errno(t->err, "standard input", "cannot read");
        if (n <= 0)
            return n == 0 && t->line.len > 0 ? end_line(t) : AP_OK;
        AP_TRY(take(t, chunk, (size_t)n));
    }
}

static int run(int argc, char **argv)
{
    struct ap_args args;
    struct ap_err err = {0};
    struct ap_functions functions = {0};
    struct talk talk = {.err = &err};
    int rc = ap__options_parse(&ap__cmd_mcp, argc, argv, 0, 1, &args);
    if (rc >= 0)
        return rc;
    ap__buf_init(&talk.line, AP_MCP_SERVER_MAX_MESSAGE);
    ap__buf_init(&talk.reply, 0);
    ap_status status = ap__functions_open(args.n > 0 ? args.v[0] : "math,fol", &functions, &err);
    if (status == AP_OK)
        status = ap__mcp_server_new(functions.registry, &talk.server, &err);
    if (status == AP_OK)
        status = serve(&talk);
    ap__mcp_server_free(talk.server);
    ap__functions_close(&functions);
    ap__buf_deinit(&talk.line);
    ap__buf_deinit(&talk.reply);
    return status == AP_OK ? AP_EXIT_OK : ap__cli_fail(&err);
}

const struct ap_command ap__cmd_mcp = {
    .name = "mcp",
    .summary = "offer functions to any agent: an MCP server on standard input and output",
    .usage = "[SET]",
    .example = "apprentice mcp\n"
               "apprentice mcp fol\n"
               "apprentice mcp my-task.yaml",
    .run = run,
};
