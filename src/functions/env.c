/* env.c - one chain's calls: text -> checked arguments -> function -> observation.
 *
 *   text --ap__call_parse--> call --bind--> values[] in parameter order --run--> result
 *     |  not a call             |  unknown name, missing, surplus, wrong type       |
 *     '---------------- "Error: ..." + signature + example <------------------------'
 *
 * Shared state of functions (the premises of a chain) is made at the first
 * call and lives in the env. */
#include "functions/invocation.h"
#include "base/progress.h"
#include "base/text.h"
#include "functions/later.h"
#include <stdio.h>
#include <string.h>

enum { MAX_STATES = 16 };

struct ap_env {
    const struct ap_registry *registry;
    struct {
        const struct ap_state_kind *kind;
        void *object;
    } states[MAX_STATES];
    int32_t n_states;
};

ap_status ap__env_new(const struct ap_registry *registry, struct ap_env **out, struct ap_err *err)
{
    *out = ap__alloc(sizeof **out);
    if (*out == NULL)
        return ap__fail(err, AP_E_MEMORY, NULL, "no memory for a chain's environment");
    (*out)->registry = registry;
    return AP_OK;
}

void ap__env_free(struct ap_env *env)
{
    if (env == NULL)
        return;
    for (int32_t i = 0; i < env->n_states; i++)
        env->states[i].kind->destroy(env->states[i].object);
    ap__free(env);
}

void ap__call_result_deinit(struct ap_call_result *result)
{
    ap__free(result->text);
    ap__free(result->function);
    ap__free(result->answer);
    memset(result, 0, sizeof *result);
}

/* ---- state ---- */

static ap_status find_state(struct ap_env *env, const struct ap_function *function, void **out, struct ap_err *err)
{
    *out = NULL;
    if (function->state == NULL)
        return AP_OK;
    for (int32_t i = 0; i < env->n_states; i++) {
        if (env->states[i].kind == function->state) {
            *out = env->states[i].object;
            return AP_OK;
        }
    }
    if (env->n_states >= MAX_STATES)
        return ap__fail(err, AP_E_TOO_LARGE, function->name, "more than %d kinds of state", MAX_STATES);
    ap_status status = function->state->create(function->user_data, out);
    if (status != AP_OK)
        return ap__fail(err, status, function->name, "its state could not be created");
    env->states[env->n_states].kind = function->state;
    env->states[env->n_states++].object = *out;
    return AP_OK;
}

/* ---- observations about wrong calls ---- */

static void add_signature_and_example(struct ap_invocation *call)
{
    const struct ap_function *function = call->function;
    ap__buf_puts(&call->text, ". ");
    if (function == NULL) {
        int32_t n = ap__registry_count(call->registry); /* Reasoning, Answer, then the task's */
        function = ap__registry_at(call->registry, n > 2 ? 2 : n - 1);
        ap__buf_printf(&call->text, "Write one call, for example: %s", function->example);
        return;
    }
    ap__function_signature(function, &call->text);
    ap__buf_printf(&call->text, ", for example: %s", function->example);
}

static void unknown_function(struct ap_invocation *call, const char *name)
{
    const char *names[AP_REGISTRY_MAX_FUNCTIONS];
    int32_t n = ap__registry_count(call->registry);
    for (int32_t i = 0; i < n; i++)
        names[i] = ap__registry_at(call->registry, i)->name;
    const char *near = ap__nearest(name, names, (size_t)n);
    ap__invocation_begin_error(call);
    ap__buf_printf(&call->text, "there is no function %s", name);
    if (near != NULL) {
        ap__buf_printf(&call->text, "; did you mean %s", near);
        call->function = ap__registry_find(call->registry, near);
        call->example = true;
        return;
    }
    ap__buf_puts(&call->text, ". The functions are ");
    for (int32_t i = 0; i < n; i++)
        ap__buf_printf(&call->text, "%s%s", i > 0 ? ", " : "", names[i]);
}

/* Where the function's name probably begins in text that is no call. */
static size_t name_start(const char *text, size_t len)
{
    static const char blanks[] = " \t\r\n\":{", key[] = "\"name\"";
    const size_t n = sizeof key - 1;
    size_t start = 0;
    for (size_t i = 0; len > n && text[0] == '{' && i < len - n && start == 0; i++)
        start = memcmp(text + i, key, n) == 0 ? i + n : 0;
    while (start < len && text[start] != '\0' && strchr(blanks, text[start]) != NULL)
        start++;
    return start;
}

/* Text that is not a call: show the function that it seems to name. */
static void unreadable(struct ap_invocation *call, const char *text, size_t len, const char *why)
{
    char name[AP_CALL_MAX_NAME + 1];
    size_t start = name_start(text, len), n = 0;
    while (start + n < len && n < AP_CALL_MAX_NAME && text[start + n] != '\0' &&
           strchr("( =\n\"", text[start + n]) == NULL)
        n++;
    memcpy(name, text + start, n);
    name[n] = '\0';
    call->function = ap__registry_find(call->registry, name);
    ap__invocation_say_error(call, "%s", why);
}

/* ---- binding arguments to parameters ---- */

static bool type_fits(const struct ap_param *param, enum ap_value_kind kind)
{
    enum ap_type type = param->type;
    if (kind == AP_VALUE_NONE && param->otherwise != NULL && strcmp(param->otherwise, "None") == 0)
        return true; /* saying the default is fine */
    static const enum ap_value_kind kinds[] = {AP_VALUE_NONE, AP_VALUE_BOOL, AP_VALUE_NUMBER, AP_VALUE_STRING,
                                               AP_VALUE_LIST};
    return type == AP_TYPE_ANY || kinds[type] == kind;
}

/* Repeated arguments go on with the letters: a, b, c, ... */
const char *ap__function_arg_name(const struct ap_function *function, int32_t i, char buffer[24])
{
    if (i < function->n_params)
        return function->params[i].name;
    const char *last = function->params[function->n_params - 1].name;
    int32_t letter = last[0] + (i - function->n_params + 1);
    if (last[1] == '\0' && letter <= 'z')
        snprintf(buffer, 24, "%c", (char)letter);
    else
        snprintf(buffer, 24, "%.8s%d", last, i - function->n_params + 2);
    return buffer;
}

/* Position of keyword `name`, -1 when the function has none. */
static int32_t find_param(const struct ap_function *function, const char *name)
{
    char buffer[24];
    int32_t max = function->max_args > function->n_params ? function->max_args : function->n_params;
    for (int32_t i = 0; i < max; i++) {
        if (strcmp(ap__function_arg_name(function, i, buffer), name) == 0)
            return i;
    }
    return -1;
}

/* JSON has no exact fractions and no large integers: a string may stand for a number there. */
static void read_number(struct ap_value *value)
{
    mpq_t number;
    mpq_init(number);
    if (ap__number_parse(value->as.string, number)) {
        ap__value_deinit(value);
        ap__value_init(value);
        ap__value_set_number(value, number);
    }
    mpq_clear(number);
}

/* Move arg's value to its place; false after saying what is wrong. */
static bool bind_arg(struct ap_invocation *call, struct ap_arg *arg, int32_t index, bool json,
                     bool given[AP_CALL_MAX_ARGS])
{
    const struct ap_function *function = call->function;
    char buffer[24];
    int32_t max = function->max_args > function->n_params ? function->max_args : function->n_params;
    int32_t at = arg->name != NULL ? find_param(function, arg->name) : index;
    if (at < 0) {
        ap__invocation_say_error(call, "%s has no parameter `%.64s`", function->name, arg->name);
        return false;
    }
    if (at >= max) {
        ap__invocation_say_error(call, "%s takes at most %d argument%s", function->name, max, max == 1 ? "" : "s");
        return false;
    }
    const char *name = ap__function_arg_name(function, at, buffer);
    if (given[at]) {
        ap__invocation_say_error(call, "argument `%s` is given twice", name);
        return false;
    }
    const struct ap_param *param = &function->params[at < function->n_params ? at : function->n_params - 1];
    enum ap_type type = param->type;
    if (json && type == AP_TYPE_NUMBER && arg->value.kind == AP_VALUE_STRING)
        read_number(&arg->value);
    if (!type_fits(param, arg->value.kind)) {
        static const enum ap_value_kind kinds[] = {AP_VALUE_NONE, AP_VALUE_BOOL, AP_VALUE_NUMBER, AP_VALUE_STRING,
                                                   AP_VALUE_LIST};
        ap__invocation_say_error(call, "`%s` must be %s, got %s", name, ap__value_kind_text(kinds[type]),
                  ap__value_kind_text(arg->value.kind));
        return false;
    }
    given[at] = true;
    call->values[at] = arg->value;
    ap__value_init(&arg->value);
    if (at >= call->n)
        call->n = at + 1;
    return true;
}

/* Every parameter and every repeated argument before the last must be there. */
static ap_status fill_defaults(struct ap_invocation *call, const bool given[AP_CALL_MAX_ARGS], bool *ok)
{
    const struct ap_function *function = call->function;
    char buffer[24];
    *ok = true;
    if (call->n < function->n_params)
        call->n = function->n_params;
    for (int32_t i = 0; i < call->n; i++) {
        if (given[i])
            continue;
        const char *otherwise = i < function->n_params ? function->params[i].otherwise : NULL;
        if (otherwise == NULL) {
            ap__invocation_say_error(call, "argument `%s` is missing", ap__function_arg_name(function, i, buffer));
            *ok = false;
            return AP_OK;
        }
        AP_TRY(ap__call_parse_value(otherwise, strlen(otherwise), &call->values[i], call->err));
    }
    return AP_OK;
}

/* Takes the values out of `parsed`. */
static ap_status bind(struct ap_invocation *call, struct ap_call *parsed, bool *ok)
{
    bool given[AP_CALL_MAX_ARGS] = {false};
    *ok = true;
    for (int32_t i = 0; i < parsed->n && *ok; i++)
        *ok = bind_arg(call, &parsed->args[i], i, parsed->json, given);
    return *ok ? fill_defaults(call, given, ok) : AP_OK;
}

/* ---- the call ---- */

static ap_status run_parsed(struct ap_invocation *call, struct ap_call *parsed)
{
    bool ok;
    call->function = ap__registry_find(call->registry, parsed->name);
    if (call->function == NULL) {
        unknown_function(call, parsed->name);
        return AP_OK;
    }
    AP_TRY(bind(call, parsed, &ok));
    if (!ok)
        return AP_OK;
    AP_TRY(find_state(call->env, call->function, &call->state, call->err));
    ap_status status = call->function->run(call);
    if (status != AP_OK && call->err != NULL && call->err->code != status)
        return ap__fail(call->err, status, call->function->name, "the function failed");
    return status;
}

static ap_status parse_and_run(struct ap_invocation *call, const char *text, size_t len)
{
    struct ap_call parsed;
    struct ap_err why;
    ap_status status = ap__call_parse(text, len, &parsed, &why);
    if (status == AP_E_MEMORY)
        return ap__fail(call->err, status, NULL, "%s", why.message);
    if (status != AP_OK) {
        unreadable(call, text, len, why.message);
        return AP_OK;
    }
    status = run_parsed(call, &parsed);
    ap__call_deinit(&parsed);
    return status;
}

/* One line of valid UTF-8 within AP_OBSERVATION_MAX. */
static char *tidy(const char *text)
{
    size_t n = strlen(text), i = 0;
    struct ap_buf out;
    ap__buf_init(&out, 0);
    while (i < n && out.len <= AP_OBSERVATION_MAX - 8) {
        int step = ap__utf8_len(text + i, n - i);
        if (step == 0 || (unsigned char)text[i] < 32)
            ap__buf_putc(&out, step == 0 ? '?' : ' ');
        else
            ap__buf_add(&out, text + i, (size_t)step);
        i += step > 0 ? (size_t)step : 1;
    }
    if (i < n)
        ap__buf_puts(&out, "...");
    char *tidied = ap__buf_take(&out);
    ap__buf_deinit(&out);
    return tidied;
}

static ap_status hand_over(struct ap_invocation *call, struct ap_call_result *out)
{
    if (call->error && call->example)
        add_signature_and_example(call);
    out->error = call->error;
    out->answered = call->answered && !call->error;
    out->text = call->text.failed ? NULL : tidy(ap__buf_cstr(&call->text));
    out->function = ap__strdup(call->function != NULL ? call->function->name : "");
    if (out->answered) {
        out->answer = call->answer;
        call->answer = NULL;
    }
    if (out->text != NULL && out->function != NULL)
        return AP_OK;
    ap__call_result_deinit(out);
    return ap__fail(call->err, AP_E_MEMORY, NULL, "no memory for an observation");
}

/* ---- calls that take their time ---- */

struct ap_running {
    struct ap_invocation call;
    struct ap_later *later; /* NULL = the result is there */
};

void ap__running_free(struct ap_running *running)
{
    if (running == NULL)
        return;
    if (running->later != NULL)
        running->later->ops->free(running->later);
    for (int32_t i = 0; i < AP_CALL_MAX_ARGS; i++)
        ap__value_deinit(&running->call.values[i]);
    ap__free(running->call.answer);
    ap__buf_deinit(&running->call.text);
    ap__free(running);
}

ap_status ap__env_start(struct ap_env *env, const char *text, size_t len, struct ap_running **out, struct ap_err *err)
{
    struct ap_err local = {0};
    struct ap_running *running = ap__alloc(sizeof *running);
    *out = NULL;
    if (running == NULL)
        return ap__fail(err, AP_E_MEMORY, NULL, "no memory for a call");
    struct ap_invocation *call = &running->call;
    *call = (struct ap_invocation){.env = env, .registry = env->registry, .err = err != NULL ? err : &local};
    call->err->code = AP_OK;
    ap__buf_init(&call->text, 0);
    ap_status status = parse_and_run(call, text, len);
    running->later = call->later;
    call->err = NULL;
    if (status != AP_OK)
        ap__running_free(running);
    else
        *out = running;
    return status;
}

ap_status ap__running_advance(struct ap_running *running, bool *done, struct ap_err *err)
{
    struct ap_err local = {0};
    struct ap_later *later = running->later;
    *done = later == NULL;
    if (later == NULL)
        return AP_OK;
    running->call.err = err != NULL ? err : &local;
    ap_status status = later->ops->advance(later, &running->call, done);
    running->call.err = NULL;
    if (status == AP_OK && *done) {
        running->later = NULL;
        later->ops->free(later);
    }
    return status;
}

void ap__running_wait(struct ap_running *running, struct ap_waiter *waiter)
{
    if (running->later != NULL)
        running->later->ops->wait(running->later, waiter);
    else
        ap__waiter_until(waiter, 0);
}

ap_status ap__running_finish(struct ap_running *running, struct ap_call_result *out, struct ap_err *err)
{
    struct ap_err local = {0};
    memset(out, 0, sizeof *out);
    running->call.err = err != NULL ? err : &local;
    ap_status status = hand_over(&running->call, out);
    ap__running_free(running);
    return status;
}

ap_status ap__env_call(struct ap_env *env, const char *text, size_t len, struct ap_call_result *out,
                       struct ap_err *err)
{
    struct ap_running *running;
    struct ap_waiter waiter;
    bool done = false;
    memset(out, 0, sizeof *out);
    AP_TRY(ap__env_start(env, text, len, &running, err));
    ap_status status = ap__running_advance(running, &done, err);
    while (status == AP_OK && !done) {
        ap__waiter_init(&waiter);
        ap__running_wait(running, &waiter);
        ap__waiter_wait(&waiter);
        status = ap__check_interrupt(err);
        if (status == AP_OK)
            status = ap__running_advance(running, &done, err);
    }
    if (status == AP_OK)
        return ap__running_finish(running, out, err);
    ap__running_free(running);
    return status;
}
