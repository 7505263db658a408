/* remote_options.h - options of commands that can ask a model behind a URL.
 *
 *     static const struct ap_option options[] = {..., AP_REMOTE_OPTIONS, AP_OPTION_END};
 *     ap__model_open_either(&local, &llm, &err);      the server when one is named, else the folder */
#ifndef AP_REMOTE_OPTIONS_H
#define AP_REMOTE_OPTIONS_H

#include "cli/options.h"
#include "llm/remote.h"

/* Targets of the table; one command runs in a process. */
struct ap_remote_values {
    const char *url, *model, *key_env, *key_file, *style, *extra, *record, *replay;
    int64_t in_flight, max_tokens;
    bool plain;
};
extern struct ap_remote_values ap__remote_values;

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

bool ap__remote_wanted(void);
/* The remote model that the options name, else the local one.  local->dir is looked for among the data that comes
 * along; its knobs are set here.  AP_E_ARG when an option is wrong or one is missing. */
ap_status ap__model_open_either(const struct ap_local_options *local, struct ap_llm **out, struct ap_err *err) AP_MUST_CHECK;
/* What it has cost, to stderr; nothing for local models. */
void ap__remote_print_usage(const struct ap_llm *llm);

#endif
