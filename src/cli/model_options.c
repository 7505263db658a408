/* model_options.c - from the command line to an llm, remote or local. */
#include "cli/model_options.h"

#include "base/data.h"
#include "run/recipe_remote.h"

#include <stdio.h>
#include <string.h>

struct ap_local_values ap__local_values = {.model = "models/student"};
struct ap_remote_values ap__remote_values;

static bool is_remote(void) { return ap__remote_values.url != NULL || ap__remote_values.replay != NULL; }

const char *ap__model_options_name(void) { return is_remote() ? ap__remote_values.model : ap__local_values.model; }

static ap_status read_extra(const char *text, json_t **out, struct ap_err *err)
{
    *out = NULL;
    if (text == NULL)
        return AP_OK;
    AP_TRY(ap__json_parse(text, strlen(text), "--extra", out, err));
    if (json_is_object(*out))
        return AP_OK;
    json_decref(*out);
    return ap__fail(err, AP_E_ARG, "--extra", "takes a JSON object");
}

static ap_status open_remote(struct ap_llm **out, struct ap_err *err)
{
    const struct ap_remote_values *v = &ap__remote_values;
    struct ap_remote_options how = ap__remote_defaults();
    json_t *extra;
    *out = NULL;
    if (v->model == NULL)
        return ap__fail(err, AP_E_ARG, NULL, "--url and --replay need --remote-model, the model's name at the server");
    if (v->style != NULL && !ap__chat_style_read(v->style, &how.form.style))
        return ap__fail(err, AP_E_ARG, NULL, "--style takes text or tools, got `%s`", v->style);
    AP_TRY(read_extra(v->extra, &extra, err));
    how.url = v->url;
    how.form.model = v->model;
    how.form.extra = extra;
    how.key_env = v->key_env;
    how.key_file = v->key_file;
    how.explain = !v->plain;
    how.journal = v->record;
    how.replay = v->replay;
    if (v->max_tokens > 0)
        how.form.max_tokens = (int32_t)v->max_tokens;
    if (v->in_flight > 0)
        how.in_flight = (int32_t)v->in_flight;
    ap_status status = ap__llm_remote_open(&how, out, err);
    json_decref(extra);
    return status;
}

static ap_status open_local(struct ap_llm **out, struct ap_err *err)
{
    const struct ap_local_values *v = &ap__local_values;
    char *dir = NULL;
    AP_TRY(ap__data_find(v->model, &dir, err));
    struct ap_local_options how = {.dir = dir, .adapter = v->adapter, .base_dtype = v->base_dtype,
                                   .max_tokens = (int32_t)v->cache_tokens, .dtype_knob = "--base-dtype",
                                   .cache_knob = "--cache-tokens"};
    ap_status status = ap__llm_local_open(&how, out, err);
    ap__free(dir);
    return status;
}

ap_status ap__model_options_open(struct ap_llm **out, struct ap_err *err)
{
    return is_remote() ? open_remote(out, err) : open_local(out, err);
}

static void print_usage(const struct ap_llm *llm)
{
    struct ap_remote_stats s;
    if (!ap__llm_remote_stats(llm, &s))
        return;
    fprintf(stderr, "%lld requests, %lld retries, %lld without an answer; %lld tokens read, %lld written\n",
            (long long)s.usage.answers, (long long)s.usage.retries, (long long)s.usage.lost,
            (long long)s.usage.prompt_tokens, (long long)s.usage.completion_tokens);
    if (s.last_failure[0])
        fprintf(stderr, "the last failure: %s\n", s.last_failure);
}

void ap__model_options_close(struct ap_llm *llm)
{
    if (llm == NULL)
        return;
    print_usage(llm);
    llm->ops->free(llm);
}
