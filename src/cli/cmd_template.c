/* cmd_template.c - `apprentice template`: the text that a model's chat template makes of a conversation.
 *
 *     MODEL, its config --> template + special tokens --+
 *     FILE.jinja        --> template -------------------+--> render --> stdout
 *     CONVERSATION.json --> messages, tools, ... -------+
 *     --set name=value  --> more variables -------------+ */
#include "base/data.h"
#include "base/file.h"
#include "base/text.h"
#include "cli/command.h"
#include "jinja/jinja.h"
#include "jinja/jinja_chat.h"
#include "model/tokenizer_files.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define TEMPLATE_MAX ((size_t)1 << 20)

static bool generation_prompt;
static struct ap_option_list settings;

static const struct ap_option options[] = {
    AP_OPTION_FLAG("generation-prompt", &generation_prompt, "end with what asks the model to speak"),
    AP_OPTION_LIST("set", "NAME=VALUE", &settings, "a variable of the template; VALUE is JSON, else text"),
    AP_OPTION_END,
};

/* `name=value` into variables: what reads as JSON is JSON, anything else is text. */
static ap_status set_variable(const char *setting, json_t *variables, struct ap_err *err)
{
    const char *sign = strchr(setting, '=');
    if (!sign || sign == setting)
        return ap__fail(err, AP_E_ARG, "--set", "takes NAME=VALUE, got `%s`", setting);
    json_t *value = json_loads(sign + 1, JSON_DECODE_ANY, NULL);
    if (!value && !ap__utf8_valid(setting, strlen(setting)))
        return ap__fail(err, AP_E_ARG, "--set", "`%s` is not valid UTF-8", setting);
    if (!value)
        value = json_string(sign + 1);
    char *name = ap__strndup(setting, (size_t)(sign - setting));
    int failed = name ? json_object_set_new(variables, name, value) : -1;
    if (!name)
        json_decref(value);
    ap__free(name);
    return failed ? ap__fail(err, AP_E_MEMORY, "--set", "out of memory") : AP_OK;
}

/* The template of a model; its name in messages is where it was found. */
static ap_status open_model(const char *name, bool tools, json_t **config, struct ap_jinja **out, struct ap_err *err)
{
    char *path = NULL;
    ap_status status = ap__data_find(name, &path, err);
    if (status == AP_OK)
        status = ap__tokenizer_files_config(path, config, err);
    const char *text = status == AP_OK ? ap__chat_template_text(*config, tools) : NULL;
    if (status == AP_OK && !text)
        status = ap__fail(err, AP_E_NOT_FOUND, name, "has no chat_template; give a .jinja file instead");
    if (status == AP_OK)
        status = ap__jinja_parse(text, strlen(text), name, out, err);
    ap__free(path);
    return status;
}

static ap_status open_file(const char *path, struct ap_jinja **out, struct ap_err *err)
{
    struct ap_buf text;
    ap__buf_init(&text, 0);
    ap_status status = ap__file_read(path, TEMPLATE_MAX, &text, err);
    if (status == AP_OK)
        status = ap__jinja_parse(ap__buf_cstr(&text), text.len, path, out, err);
    ap__buf_deinit(&text);
    return status;
}

static ap_status print_text(const struct ap_jinja *template, const json_t *variables, struct ap_err *err)
{
    struct ap_buf text;
    ap__buf_init(&text, 0);
    ap_status status = ap__jinja_render(template, variables, (int64_t)time(NULL), &text, NULL, err);
    if (status == AP_OK)
        fwrite(ap__buf_cstr(&text), 1, text.len, stdout);
    ap__buf_deinit(&text);
    return status;
}

static ap_status show(const char *where, const char *conversation_path, struct ap_err *err)
{
    json_t *config = NULL, *conversation = NULL, *variables = NULL;
    struct ap_jinja *template = NULL;
    ap_status status = ap__json_load(conversation_path, &conversation, err);
    bool tools = json_is_array(json_object_get(conversation, "tools"));
    if (status == AP_OK)
        status = ap__ends_with(where, ".jinja") ? open_file(where, &template, err)
                                                : open_model(where, tools, &config, &template, err);
    if (status == AP_OK)
        status = ap__chat_variables(config, conversation, conversation_path, generation_prompt, &variables, err);
    for (int i = 0; status == AP_OK && i < settings.n; i++)
        status = set_variable(settings.v[i], variables, err);
    if (status == AP_OK)
        status = print_text(template, variables, err);
    ap__jinja_free(template);
    json_decref(variables);
    json_decref(conversation);
    json_decref(config);
    return status;
}

static int run(int argc, char **argv)
{
    struct ap_args args;
    struct ap_err err = {0};
    int rc = ap__options_parse(&ap__cmd_template, argc, argv, 2, 2, &args);
    if (rc >= 0)
        return rc;
    return show(args.v[0], args.v[1], &err) == AP_OK ? AP_EXIT_OK : ap__cli_fail(&err);
}

const struct ap_command ap__cmd_template = {
    .name = "template",
    .summary = "the text that a chat template makes of a conversation",
    .usage = "MODEL|FILE.jinja CONVERSATION.json",
    .options = options,
    .example = "echo '{\"messages\": [{\"role\": \"user\", \"content\": \"2+2?\"}]}' > hi.json\n"
               "apprentice template models/student hi.json --generation-prompt\n"
               "apprentice template chat.jinja hi.json --set bos_token='<s>' --set enable_thinking=false",
    .run = run,
};
