/* given.c - given chains in the student's tokens; see given.h. */
#include "run/given.h"

#include "base/rng.h"
#include "model/tokenizer_files.h"

#include <string.h>

void ap__given_init(struct ap_given *g, const struct ap_run *run)
{
    *g = (struct ap_given){.run = run};
}

void ap__given_deinit(struct ap_given *g)
{
    for (int32_t i = 0; i < g->run->recipe.task_count; i++)
        if (g->has_prefix[i])
            ap__conversation_deinit(&g->prefix[i]);
    ap__template_free(g->tmpl);
    ap__tokenizer_free(g->tokenizer);
    ap__given_init(g, g->run);
}

static ap_status open_student(struct ap_given *g, struct ap_err *err)
{
    if (g->tmpl != NULL)
        return AP_OK;
    AP_TRY(ap__tokenizer_open(g->run->student, &g->tokenizer, err));
    return ap__template_open(g->run->student, g->tokenizer, &g->tmpl, err);
}

static ap_status make_prefix(struct ap_given *g, int32_t task, struct ap_err *err)
{
    if (g->has_prefix[task])
        return AP_OK;
    AP_TRY(ap__prompt_prefix(&g->run->task[task]->agent, g->tmpl, &g->prefix[task], err));
    g->has_prefix[task] = true;
    return ap__conversation_encode(&g->prefix[task], g->tmpl, err);
}

ap_status ap__given_render(struct ap_given *g, const struct ap_problem *problem, const char *const *calls, int32_t n,
                           struct ap_chain *out, bool *ok, struct ap_err *err)
{
    int32_t task = 0, tasks = g->run->recipe.task_count;
    while (task < tasks && strcmp(g->run->task[task]->name, problem->task) != 0)
        task++;
    if (task == tasks)
        return ap__fail(err, AP_E_STATE, problem->id, "its task is not in the recipe");
    AP_TRY(open_student(g, err));
    AP_TRY(make_prefix(g, task, err));
    return ap__prompt_render_after(&g->prefix[task], g->run->task[task]->functions, g->tmpl, problem->question, calls, n,
                                   out, ok, err);
}

/* The hash of a JSON value's text. */
static ap_status hash_json(const json_t *value, const char *place, uint64_t *hash, struct ap_err *err)
{
    char *text = ap__json_dump(value);
    if (text == NULL)
        return ap__fail(err, AP_E_MEMORY, place, "no memory to compare tokenizers");
    *hash = ap__hash64(text, strlen(text), *hash);
    ap__free(text);
    return AP_OK;
}

ap_status ap__given_language(const char *model, uint64_t *out, struct ap_err *err)
{
    json_t *tokenizer = NULL, *config = NULL;
    char *place = NULL;
    *out = 0;
    ap_status status = ap__tokenizer_files_load(model, &tokenizer, &place, err);
    if (status == AP_OK)
        status = ap__tokenizer_files_config(model, &config, err);
    if (status == AP_OK)
        status = hash_json(tokenizer, model, out, err);
    const json_t *tmpl = json_object_get(config, "chat_template");
    if (status == AP_OK && tmpl != NULL && json_is_string(tmpl))
        *out = ap__hash64(json_string_value(tmpl), json_string_length(tmpl), *out);
    else if (status == AP_OK && tmpl != NULL)
        status = hash_json(tmpl, model, out, err);
    json_decref(config);
    json_decref(tokenizer);
    ap__free(place);
    return status;
}
