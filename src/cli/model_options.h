/* model_options.h - options of commands that ask one model, in a folder or behind a URL.
 *
 *     static const struct ap_option options[] = {AP_LOCAL_OPTIONS, ..., AP_REMOTE_OPTIONS, AP_OPTION_END};
 *     ap__model_options_open(&llm, &err);      the server when one is named, else the folder */
#ifndef AP_MODEL_OPTIONS_H
#define AP_MODEL_OPTIONS_H

#include "cli/options.h"
#include "llm/remote.h"

/* Targets of the tables; one command runs in a process. */
struct ap_local_values {
    const char *model, *adapter, *base_dtype;
    int64_t cache_tokens;
};
extern struct ap_local_values ap__local_values;
struct ap_remote_values {
    const char *url, *model, *key_env, *key_file, *style, *extra, *record, *replay;
    int64_t in_flight, max_tokens;
    bool plain;
};
extern struct ap_remote_values ap__remote_values;

#define AP_LOCAL_OPTIONS                                                                                                \
    AP_OPTION_STR("model", "DIR", &ap__local_values.model, "model folder (default: models/student)"),                   \
    AP_OPTION_STR("adapter", "DIR", &ap__local_values.adapter, "LoRA adapter on top of the model"),                     \
    AP_OPTION_STR("base-dtype", "NAME", &ap__local_values.base_dtype,                                                   \
                  "hold the linears as f32, bf16, int8, nf4 or nf4-single (default: as stored)"),                       \
    AP_OPTION_INT("cache-tokens", 1, 1 << 24, &ap__local_values.cache_tokens,                                           \
                  "of keys and values kept (default: by the model's size)")

#define AP_REMOTE_OPTIONS                                                                                               \
    AP_OPTION_GROUP("A model behind an OpenAI-compatible URL (docs/TEACHERS.md)"),                                       \
    AP_OPTION_STR("url", "URL", &ap__remote_values.url, "ask this server, such as http://localhost:8000/v1"),           \
    AP_OPTION_STR("remote-model", "NAME", &ap__remote_values.model, "the model's name there"),                          \
    AP_OPTION_STR("key-env", "NAME", &ap__remote_values.key_env, "environment variable that holds the key"),            \
    AP_OPTION_STR("key-file", "FILE", &ap__remote_values.key_file, "file that holds the key"),                          \
    AP_OPTION_STR("style", "NAME", &ap__remote_values.style, "calls as text or as tools (default: text)"),              \
    AP_OPTION_FLAG("no-explain", &ap__remote_values.plain, "do not explain how a chain goes (the bundled models know)"), \
    AP_OPTION_STR("extra", "JSON", &ap__remote_values.extra, "put over the request's body; null takes a field away"),   \
    AP_OPTION_INT("max-tokens", 1, 1 << 20, &ap__remote_values.max_tokens, "of one answer (default: 1024)"),            \
    AP_OPTION_INT("requests", 1, AP_REMOTE_MAX_IN_FLIGHT, &ap__remote_values.in_flight, "in flight (default: 64)"),     \
    AP_OPTION_STR("record", "FILE", &ap__remote_values.record, "keep the answers; what is there is not asked again"),   \
    AP_OPTION_STR("replay", "FILE", &ap__remote_values.replay, "answer from such a file, offline")

/* The remote model that the options name, else the local one.  Its folder is looked for among the data that comes
 * along.  AP_E_ARG when an option is wrong or one is missing. */
ap_status ap__model_options_open(struct ap_llm **out, struct ap_err *err) AP_MUST_CHECK;
/* What the model is called: a name at a server, or a folder. */
const char *ap__model_options_name(void);
/* Free it; what a remote model has cost is said on stderr.  NULL is fine. */
void ap__model_options_close(struct ap_llm *llm);

#endif
