/* export.c - chains and pairs as JSON lines; see export.h for the format.
 *
 *     task    --ap__prompt_prefix, once--> prompt messages (system, bootstrap), tools
 *     problem --its question--> ... and the user's message
 *     chain   --each step-----> assistant tool_calls, tool result
 *     pair    = prompt + chosen + rejected + tools of its task
 *
 * Lines go to a temporary beside the file, which replaces it when all went well. */
#include "store/export.h"
#include "base/file.h"
#include "base/text.h"
#include "functions/call_formats.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct export {
    struct ap_store *store;
    const struct ap_task *const *task; /* (tasks,) borrowed */
    int32_t tasks;
    json_t *tools[64], *prefix[64]; /* (tasks,) their functions, and the messages before a question; made once */
    FILE *file;
    const char *path;
    int64_t lines;
};

/* A model may write any bytes; JSON takes UTF-8. */
static json_t *text_to_json(const char *text)
{
    struct ap_buf clean;
    ap__buf_init(&clean, 0);
    ap__buf_add_valid(&clean, text, strlen(text));
    json_t *json = clean.failed ? NULL : json_string(ap__buf_cstr(&clean));
    ap__buf_deinit(&clean);
    return json;
}

/* ---- calls as tool calls ---- */

/* The model's words: a tool call when they are one call of the task's functions, with what it thought as content;
 * else plain content. */
static json_t *assistant_message(const struct ap_registry *functions, const char *text)
{
    struct ap_calls calls;
    json_t *message = NULL;
    if (ap__calls_parse(text, strlen(text), &calls, NULL) == AP_OK) {
        const struct ap_call *call = calls.call;
        const struct ap_function *function = ap__registry_find(functions, call->name);
        if (function && calls.n == 1)
            message = json_pack("{s:s, s:o*, s:[{s:s, s:{s:s, s:o}}]}", "role", "assistant", "content",
                                calls.thought ? text_to_json(calls.thought) : NULL, "tool_calls", "type", "function",
                                "function", "name", call->name, "arguments", ap__call_arguments(call, function));
        ap__calls_deinit(&calls);
    }
    return message ? message : json_pack("{s:s, s:o}", "role", "assistant", "content", text_to_json(text));
}

static json_t *tool_message(const char *function, const char *result)
{
    json_t *message = json_pack("{s:s, s:o}", "role", "tool", "content", text_to_json(result));
    if (message && function[0])
        json_object_set_new(message, "name", json_string(function));
    return message;
}

static json_t *completion_messages(const struct ap_task *task, const struct ap_chain *chain)
{
    json_t *messages = json_array();
    for (int32_t i = 0; i < chain->n; i++) {
        json_array_append_new(messages, assistant_message(task->functions, chain->step[i].call));
        if (i + 1 < chain->n || !chain->answer) /* nothing is said after the answer */
            json_array_append_new(messages, tool_message(chain->step[i].function, chain->step[i].result));
    }
    return messages;
}

/* The prompt before a question; bootstrap calls are run for it. */
static ap_status prefix_messages(const struct ap_task *task, json_t **out, struct ap_err *err)
{
    struct ap_conversation c;
    AP_TRY(ap__prompt_prefix(&task->agent, NULL, &c, err));
    *out = json_array();
    for (size_t i = 0; i < c.n; i++) {
        const char *text = c.message[i].text;
        bool call = c.message[i].role == AP_ASSISTANT, result = c.message[i].role == AP_TOOL;
        json_array_append_new(*out, call     ? assistant_message(task->functions, text)
                                    : result ? tool_message("", text)
                                             : json_pack("{s:s, s:s}", "role", "system", "content", text));
    }
    ap__conversation_deinit(&c);
    return AP_OK;
}

static json_t *prompt_messages(const json_t *prefix, const char *question)
{
    json_t *messages = json_copy((json_t *)(uintptr_t)prefix); /* the messages in it are shared */
    if (messages)
        json_array_append_new(messages, json_pack("{s:s, s:s}", "role", "user", "content", question));
    return messages;
}

/* ---- lines ---- */

static ap_status find_task(struct export *x, const char *name, int32_t *task, struct ap_err *err)
{
    for (*task = 0; *task < x->tasks; ++*task)
        if (strcmp(x->task[*task]->name, name) == 0)
            return AP_OK;
    return ap__fail(err, AP_E_NOT_FOUND, ap__store_dir(x->store), "the run has problems of the unknown task `%s`",
                    name);
}

static ap_status write_line(struct export *x, json_t *line, struct ap_err *err)
{
    char *text = line ? ap__json_dump(line) : NULL;
    json_decref(line);
    if (!text)
        return ap__fail(err, AP_E_MEMORY, x->path, "a line cannot be made (out of memory, or text that is not UTF-8)");
    bool ok = fputs(text, x->file) >= 0 && fputc('\n', x->file) != EOF;
    ap__free(text);
    x->lines += ok;
    return ok ? AP_OK : ap__fail_errno(err, x->path, "cannot write");
}

static ap_status write_pair(struct export *x, const struct ap_pair *pair, struct ap_err *err)
{
    struct ap_problem problem = {0};
    struct ap_stored_chain chosen = {0}, rejected = {0};
    int32_t t = 0;
    ap_status status = ap__store_problem(x->store, pair->problem, &problem, err);
    if (status == AP_OK)
        status = find_task(x, problem.task, &t, err);
    if (status == AP_OK)
        status = ap__store_chain(x->store, pair->chosen, false, &chosen, err);
    if (status == AP_OK)
        status = ap__store_chain(x->store, pair->rejected, false, &rejected, err);
    if (status == AP_OK)
        status = write_line(x, json_pack("{s:o, s:o, s:o, s:O, s:s, s:s, s:s}", "prompt",
                                         prompt_messages(x->prefix[t], problem.question), "chosen",
                                         completion_messages(x->task[t], &chosen.chain), "rejected",
                                         completion_messages(x->task[t], &rejected.chain), "tools", x->tools[t], "task",
                                         problem.task, "problem", problem.id, "provenance", pair->provenance),
                            err);
    ap__stored_chain_deinit(&chosen);
    ap__stored_chain_deinit(&rejected);
    ap__problem_deinit(&problem);
    return status;
}

static json_t *chain_line(const struct export *x, const struct ap_stored_chain *chain, const struct ap_problem *problem,
                          int32_t task)
{
    const struct ap_chain *c = &chain->chain;
    return json_pack("{s:s, s:s, s:s, s:s, s:i, s:f, s:s, s:s, s:o, s:b, s:o, s:o, s:O}", "problem", problem->id,
                     "task", problem->task, "actor", chain->key.actor, "purpose",
                     chain->key.purpose == AP_FOR_COLLECT ? "collect" : "eval", "sample", chain->key.sample,
                     "temperature", chain->temperature, "verdict", ap__verdict_text(c->verdict), "end",
                     ap__end_text(c->end), "answer", c->answer ? text_to_json(c->answer) : json_null(), "sound",
                     chain->sound, "prompt", prompt_messages(x->prefix[task], problem->question), "completion",
                     completion_messages(x->task[task], c), "tools", x->tools[task]);
}

static ap_status write_chain(void *user, struct ap_stored_chain *chain, struct ap_err *err)
{
    struct export *x = user;
    struct ap_problem problem = {0};
    int32_t t = 0;
    ap_status status = ap__store_problem(x->store, chain->key.problem, &problem, err);
    if (status == AP_OK)
        status = find_task(x, problem.task, &t, err);
    if (status == AP_OK)
        status = write_line(x, chain_line(x, chain, &problem, t), err);
    ap__problem_deinit(&problem);
    return status;
}

/* ---- files ---- */

static ap_status write_all_pairs(struct export *x, struct ap_err *err)
{
    struct ap_pairs pairs = {0};
    ap_status status = ap__store_pairs(x->store, &pairs, err);
    for (size_t i = 0; status == AP_OK && i < pairs.n; i++)
        status = write_pair(x, &pairs.item[i], err);
    ap__pairs_deinit(&pairs);
    return status;
}

static ap_status write_all_chains(struct export *x, struct ap_err *err)
{
    struct ap_chain_filter filter = {.purpose = AP_FOR_COLLECT, .steps = true};
    AP_TRY(ap__store_each_chain(x->store, &filter, write_chain, x, err));
    filter.purpose = AP_FOR_EVAL;
    return ap__store_each_chain(x->store, &filter, write_chain, x, err);
}

static ap_status open_tasks(struct export *x, struct ap_err *err)
{
    if (x->tasks > (int32_t)(sizeof x->tools / sizeof *x->tools))
        return ap__fail(err, AP_E_TOO_LARGE, x->path, "more than %zu tasks", sizeof x->tools / sizeof *x->tools);
    for (int32_t i = 0; i < x->tasks; i++) {
        if (!(x->tools[i] = ap__registry_schema(x->task[i]->functions)))
            return ap__fail(err, AP_E_MEMORY, x->path, "out of memory exporting");
        AP_TRY(prefix_messages(x->task[i], &x->prefix[i], err));
    }
    return AP_OK;
}

/* Closes the file and puts it in place, or removes it. */
static ap_status finish(struct export *x, const char *temporary, ap_status status, struct ap_err *err)
{
    if (fclose(x->file) != 0 && status == AP_OK)
        status = ap__fail_errno(err, x->path, "cannot write");
    if (status == AP_OK && rename(temporary, x->path) != 0)
        status = ap__fail_errno(err, x->path, "cannot replace the file");
    if (status != AP_OK)
        unlink(temporary);
    return status;
}

static ap_status export(struct export *x, ap_status (*write_all)(struct export *x, struct ap_err *err), int64_t *n,
                        struct ap_err *err)
{
    struct ap_buf temporary;
    ap__buf_init(&temporary, 0);
    ap_status status = open_tasks(x, err);
    if (status == AP_OK && ap__buf_printf(&temporary, "%s.tmp", x->path) != AP_OK)
        status = ap__fail(err, AP_E_MEMORY, x->path, "out of memory exporting");
    if (status == AP_OK && !(x->file = fopen(temporary.data, "w")))
        status = ap__fail_errno(err, x->path, "cannot write");
    if (status == AP_OK)
        status = finish(x, temporary.data, write_all(x, err), err);
    if (n)
        *n = x->lines;
    for (int32_t i = 0; i < x->tasks && i < 64; i++) {
        json_decref(x->tools[i]);
        json_decref(x->prefix[i]);
    }
    ap__buf_deinit(&temporary);
    return status;
}

ap_status ap__export_pairs(struct ap_store *store, const struct ap_task *const *task, int32_t tasks,
                           const char *path, int64_t *n, struct ap_err *err)
{
    struct export x = {.store = store, .task = task, .tasks = tasks, .path = path};
    return export(&x, write_all_pairs, n, err);
}

ap_status ap__export_chains(struct ap_store *store, const struct ap_task *const *task, int32_t tasks,
                            const char *path, int64_t *n, struct ap_err *err)
{
    struct export x = {.store = store, .task = task, .tasks = tasks, .path = path};
    return export(&x, write_all_chains, n, err);
}
