/* command_function.c - one call of a command function: start, feed, gather, judge.
 *
 *   run: values -> JSON (typed.h) -> known? --> ap__result_later
 *   advance: its turn -> process started, fed
 *            pump; over -> exit code 0 ? output : "Error: ..."
 *            late or flooded -> killed, "Error: ..." */
#include "outside/command_function.h"
#include "base/json.h"
#include "base/progress.h"
#include "functions/invocation.h"
#include "functions/later.h"
#include "outside/process.h"
#include "outside/turns.h"
#include "outside/typed.h"

#include <string.h>

enum { CACHE_BYTES = 16 << 20, INPUT_MAX = 1 << 20 };

struct command {
    struct ap_typed typed;
    struct ap_function function;
    struct ap_process_spec process;
    double timeout;
    struct ap_turns turns; /* without a cache: not pure */
};

/* One call under way. */
struct attempt {
    struct ap_later later;
    struct command *command;
    struct ap_turn turn;
    struct ap_process *process; /* NULL = its turn has not come */
    char *arguments;
    double until;
};

static void attempt_free(struct ap_later *later)
{
    struct attempt *a = (struct attempt *)later;
    ap__process_free(a->process);
    ap__turns_leave(&a->command->turns, &a->turn);
    ap__free(a->arguments);
    ap__free(a);
}

static void attempt_wait(struct ap_later *later, struct ap_waiter *waiter)
{
    struct attempt *a = (struct attempt *)later;
    if (!a->process) {
        ap__turn_wait(&a->command->turns, &a->turn, waiter);
        return;
    }
    ap__process_wait(a->process, waiter);
    ap__waiter_until(waiter, a->until);
}

/* Blanks at its end are no part of a result. */
static void trim(struct ap_buf *text)
{
    while (text->len > 0 && strchr(" \t\r\n", text->data[text->len - 1]) != NULL)
        text->data[--text->len] = '\0';
}

static ap_status judge(struct attempt *a, struct ap_invocation *call)
{
    char how[96];
    struct ap_buf *output = ap__process_output(a->process);
    const char *words = ap__process_last_words(a->process);
    const char *name = a->command->function.name;
    int code = ap__process_exit(a->process, how);
    trim(output);
    if (code != 0)
        return ap__result_refusal(call, "%s %s%s%.300s", name, how, *words ? ": " : "", words);
    if (output->len > 0 && memchr(output->data, '\0', output->len))
        return ap__result_refusal(call, "%s printed bytes that are no text", name);
    if (a->command->turns.cache)
        AP_TRY(ap__result_cache_add(a->command->turns.cache, name, a->arguments, ap__buf_cstr(output), call->err));
    return ap_result_text(call, "%s", ap__buf_cstr(output));
}

/* Not being able to start a program is the call's misfortune, like its death. */
static ap_status start(struct attempt *a, struct ap_invocation *call, bool *done)
{
    struct command *c = a->command;
    struct ap_err why;
    a->until = ap__now() + c->timeout;
    ap_status status = ap__process_start(&c->process, &a->process, &why);
    if (status == AP_OK)
        status = ap__process_write(a->process, a->arguments, strlen(a->arguments), &why);
    if (status == AP_E_MEMORY)
        return ap__fail(call->err, status, c->function.name, "%s", why.message);
    *done = status != AP_OK;
    if (*done)
        return ap__result_refusal(call, "%s: %s", c->function.name, why.message);
    ap__process_close_in(a->process);
    return AP_OK;
}

/* Before the process is there. */
static ap_status wait_for_turn(struct attempt *a, struct ap_invocation *call, bool *done)
{
    bool go;
    AP_TRY(ap__turn_ask(&a->command->turns, &a->turn, call, a->command->function.name, done, &go));
    return go ? start(a, call, done) : AP_OK;
}

static ap_status attempt_advance(struct ap_later *later, struct ap_invocation *call, bool *done)
{
    struct attempt *a = (struct attempt *)later;
    const char *name = a->command->function.name;
    if (!a->process) {
        AP_TRY(wait_for_turn(a, call, done));
        if (*done || !a->process)
            return AP_OK;
    }
    *done = true;
    AP_TRY(ap__process_pump(a->process, call->err));
    if (ap__process_flooded(a->process))
        return ap__result_refusal(call, "%s printed more than %zu bytes", name, a->command->process.max_output);
    if (ap__process_over(a->process))
        return judge(a, call);
    if (ap__now() >= a->until)
        return ap__result_refusal(call, "%s did not end within %g seconds", name, a->command->timeout);
    *done = false;
    return AP_OK;
}

static const struct ap_later_ops attempt_ops = {attempt_advance, attempt_wait, attempt_free};

/* Takes arguments. */
static ap_status attempt(struct command *c, struct ap_invocation *call, char *arguments)
{
    bool known; /* or refused: there is a result */
    ap_status status = ap__turns_known(&c->turns, call, c->function.name, arguments, &known);
    struct attempt *a = status == AP_OK && !known ? ap__alloc(sizeof *a) : NULL;
    if (!a) {
        ap__free(arguments);
        return known || status != AP_OK ? status
                                        : ap__fail(call->err, AP_E_MEMORY, c->function.name, "no memory for a call");
    }
    *a = (struct attempt){.later.ops = &attempt_ops, .command = c, .arguments = arguments};
    ap__turns_join(&c->turns, &a->turn, c->turns.cache ? arguments : NULL);
    status = wait_for_turn(a, call, &known);
    if (status == AP_OK && !known)
        return ap__result_later(call, &a->later);
    attempt_free(&a->later);
    return status;
}

static ap_status run(struct ap_invocation *call)
{
    struct command *c = ap_invocation_user_data(call);
    struct ap_buf why;
    json_t *object;
    ap__buf_init(&why, 0);
    ap_status status = ap__typed_arguments(&c->typed, call, &object, &why, call->err);
    if (status == AP_OK && !object)
        status = ap_result_error(call, "%s", ap__buf_cstr(&why));
    ap__buf_deinit(&why);
    if (!object)
        return status;
    char *arguments = ap__json_dump(object);
    json_decref(object);
    if (!arguments)
        return ap__fail(call->err, AP_E_MEMORY, c->function.name, "no memory for the arguments of a call");
    return attempt(c, call, arguments);
}

/* ---- adding ---- */

static void command_free(void *object)
{
    struct command *c = object;
    ap__typed_deinit(&c->typed);
    ap__turns_deinit(&c->turns);
    ap__free(c);
}

static ap_status fill(struct command *c, const struct ap_command_spec *spec, struct ap_err *err)
{
    AP_TRY(ap__typed_build(&c->typed, spec->name, spec->description, spec->example, spec->schema, err));
    AP_TRY(ap__sandbox_copy(&c->typed.arena, &spec->box, &c->process.box, err));
    c->process.max_output = spec->max_output;
    c->process.max_input = INPUT_MAX;
    c->timeout = spec->timeout;
    c->function = ap__typed_function(&c->typed, run, c);
    return spec->pure ? ap__result_cache_new(CACHE_BYTES, &c->turns.cache, err) : AP_OK;
}

ap_status ap__command_add(struct ap_registry *registry, const struct ap_command_spec *spec, struct ap_err *err)
{
    struct command *c = ap__alloc(sizeof *c);
    if (!c)
        return ap__fail(err, AP_E_MEMORY, spec->name, "no memory for a command");
    ap__turns_init(&c->turns, spec->parallel);
    ap_status status = fill(c, spec, err);
    if (status != AP_OK) {
        command_free(c);
        return status;
    }
    AP_TRY(ap__registry_keep(registry, c, command_free, err));
    return ap__registry_add(registry, &c->function, err);
}
