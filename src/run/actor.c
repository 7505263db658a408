/* actor.c - opens and closes actors; see actor.h. */
#include "run/actor.h"

#include "base/file.h"

static ap_status open_local(const struct ap_recipe_actor *who, const char *dir, const char *adapter,
                            struct ap_llm **out, struct ap_err *err)
{
    struct ap_local_options how = {.dir = dir, .adapter = adapter, .base_dtype = who->base_dtype,
                                   .max_tokens = (int32_t)who->cache_tokens, .dtype_knob = "base_dtype:",
                                   .cache_knob = "cache_tokens:"};
    return ap__llm_local_open(&how, out, err);
}

/* What the command line says goes before the recipe, which is fixed for a folder. */
static ap_status open_remote(const struct ap_run *run, const struct ap_recipe_actor *who, struct ap_llm **out,
                             struct ap_err *err)
{
    struct ap_remote_options how = who->remote;
    const struct ap_run_overrides *o = &run->overrides;
    char *journal = ap__path_join(ap__store_dir(run->store), "teacher.jsonl");
    if (journal == NULL)
        return ap__fail(err, AP_E_MEMORY, NULL, "no memory for a path");
    how.journal = journal;
    how.url = o->url != NULL ? o->url : how.url;
    how.replay = o->replay != NULL ? o->replay : o->url != NULL ? NULL : how.replay;
    how.budget = o->budget > 0 ? o->budget : how.budget;
    how.budget_tokens = o->budget_tokens > 0 ? o->budget_tokens : how.budget_tokens;
    ap_status status = ap__llm_remote_open(&how, out, err);
    ap__free(journal);
    return status;
}

ap_status ap__actor_open(const struct ap_run *run, const struct ap_recipe_actor *who, const char *dir,
                         const char *adapter, struct ap_llm **out, struct ap_err *err)
{
    return who->is_remote ? open_remote(run, who, out, err) : open_local(who, dir, adapter, out, err);
}

/* For the report: what asking has come to, over all processes of the run. */
static ap_status note_usage(const struct ap_run *run, const struct ap_remote_stats *s, struct ap_err *err)
{
    const struct ap_usage *u = &s->usage;
    json_t *json = json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "requests", (json_int_t)u->answers, "retries",
                             (json_int_t)u->retries, "lost", (json_int_t)u->lost, "estimated", (json_int_t)u->estimated,
                             "extra_calls", (json_int_t)u->extra_calls, "prompt_tokens", (json_int_t)u->prompt_tokens,
                             "cached_tokens", (json_int_t)u->cached_tokens, "completion_tokens",
                             (json_int_t)u->completion_tokens);
    if (json != NULL && s->priced)
        json_object_set_new(json, "cost", json_real(s->cost));
    char *text = json != NULL ? ap__json_dump(json) : NULL;
    json_decref(json);
    if (text == NULL)
        return ap__fail(err, AP_E_MEMORY, NULL, "no memory for the teacher's usage");
    ap_status status = ap__store_set_meta(run->store, "teacher_usage", text, err);
    ap__free(text);
    return status;
}

ap_status ap__actor_close(const struct ap_run *run, struct ap_llm *llm, ap_status status, struct ap_err *err)
{
    struct ap_remote_stats s;
    struct ap_err second; /* the first failure is the one to tell */
    if (llm == NULL)
        return status;
    if (ap__llm_remote_stats(llm, &s)) {
        ap_status noted = note_usage(run, &s, status == AP_OK ? err : &second);
        status = status == AP_OK ? noted : status;
        ap__run_say(run, "teacher: %lld requests, %lld retries, %lld + %lld tokens%s", (long long)s.usage.answers,
                    (long long)s.usage.retries, (long long)s.usage.prompt_tokens, (long long)s.usage.completion_tokens,
                    s.replayed > 0 ? " (with what was answered before)" : "");
        if (s.priced)
            ap__run_say(run, "teacher: cost %.4f", s.cost);
    }
    llm->ops->free(llm);
    return status;
}

ap_status ap__actor_lost(const struct ap_run *run, const struct ap_llm *llm, const char *task, int64_t lost,
                         int64_t planned, struct ap_err *err)
{
    struct ap_remote_stats s;
    if (lost == 0)
        return AP_OK;
    (void)ap__llm_remote_stats(llm, &s);
    if (lost > planned / 10 + 1)
        return ap__fail(err, AP_E_LIMIT, task,
                        "%lld of %lld chains got no answer (%s); start again to ask for these alone", (long long)lost,
                        (long long)planned, s.last_failure);
    ap__run_say(run, "warning: %s: %lld of %lld chains got no answer and are left out (%s)", task, (long long)lost,
                (long long)planned, s.last_failure);
    return AP_OK;
}
