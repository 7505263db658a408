/* chat_fixture.h - model folders of the tests that hold a tokenizer of bytes and a chat template.
 *
 * Every byte is a token, and so is each word of the folder's list: special ones
 * as they are, others with a + before them.  Then text and tokens can be laid
 * side by side. */
#ifndef AP_TESTS_CHAT_FIXTURE_H
#define AP_TESTS_CHAT_FIXTURE_H

#include "base/file.h"
#include "llm/llm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Run expr, which uses `err`, and fail the test with its message unless it succeeds. */
#ifndef MUST
#define MUST(expr)                                               \
    do {                                                         \
        struct ap_err e_ = {0};                                  \
        struct ap_err *err = &e_;                                \
        if ((expr) != AP_OK)                                     \
            fail_msg("%s: %s: %s", #expr, e_.place, e_.message); \
    } while (0)
#endif

/* The byte alphabet of byte-level BPE: printable bytes stand for themselves, the others follow from U+0100 on. */
static inline json_t *chat_alphabet(void)
{
    json_t *vocab = json_object();
    int other = 256;
    for (int b = 0; b < 256; b++) {
        bool printable = (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174;
        int code = printable ? b : other++;
        char utf8[3] = {(char)code, 0, 0};
        if (code >= 128) {
            utf8[0] = (char)(0xC0 | code >> 6);
            utf8[1] = (char)(0x80 | (code & 63));
        }
        json_object_set_new(vocab, utf8, json_integer(b));
    }
    return vocab;
}

static inline void chat_write(const char *dir, const char *name, const char *text)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    MUST(ap__file_write(path, text, strlen(text), err));
}

static inline void chat_write_json(const char *dir, const char *name, json_t *value)
{
    char *text = json_dumps(value, 0);
    assert_non_null(text);
    chat_write(dir, name, text);
    free(text);
    json_decref(value);
}

/* added: words behind blanks, ~ stands for a blank in them. Returns how many tokens there are. */
static inline int chat_tokenizer(const char *dir, const char *added)
{
    json_t *vocab = chat_alphabet(), *list = json_array();
    int n = 256;
    for (const char *at = added; *at; n++) {
        size_t len = strcspn(at, " "), plain = at[0] == '+';
        char text[64] = "";
        memcpy(text, at + plain, len - plain);
        for (char *blank = text; (blank = strchr(blank, '~')) != NULL;)
            *blank = ' ';
        json_t *word = json_string(text);
        json_object_set_new(vocab, json_string_value(word), json_integer(n));
        json_array_append_new(list, json_pack("{s:i, s:o, s:b, s:b, s:b, s:b, s:b}", "id", n, "content", word, "single_word",
                                              0, "lstrip", 0, "rstrip", 0, "normalized", 0, "special", !plain));
        at += len + (at[len] == ' ');
    }
    json_t *level = json_pack("{s:s, s:b, s:b, s:b}", "type", "ByteLevel", "add_prefix_space", 0, "trim_offsets", 1,
                              "use_regex", 0);
    chat_write_json(dir, "tokenizer.json",
                    json_pack("{s:s, s:o, s:n, s:O, s:o, s:{s:s, s:o, s:[]}}", "version", "1.0", "added_tokens", list,
                              "normalizer", "pre_tokenizer", level, "decoder", level, "model", "type", "BPE", "vocab", vocab,
                              "merges"));
    return n;
}

/* config: further members of tokenizer_config.json; stolen; may be NULL. tmpl may be NULL: no template. */
static inline void chat_config(const char *dir, const char *tmpl, json_t *config)
{
    config = config ? config : json_object();
    if (tmpl)
        json_object_set_new(config, "chat_template", json_string(tmpl));
    chat_write_json(dir, "tokenizer_config.json", config);
}

static inline void chat_remove(const char *dir)
{
    static const char *const name[] = {"tokenizer.json", "tokenizer_config.json", "generation_config.json", "config.json",
                                       "chat_template.jinja", "model.safetensors"};
    char path[512];
    for (size_t i = 0; i < sizeof name / sizeof *name; i++) {
        snprintf(path, sizeof path, "%s/%s", dir, name[i]);
        unlink(path);
    }
    rmdir(dir);
}

/* ---- templates of the tests, each in the manner of a family ---- */

#define CHAT_HERMES_TOKENS "<|im_start|> <|im_end|> <|endoftext|> +<tool_call> +</tool_call> +<think> +</think>"
#define CHAT_HERMES                                                                                               \
    "{%- if tools %}{{- '<|im_start|>system\\n' }}{%- if messages[0].role == 'system' %}"                          \
    "{{- messages[0].content + '\\n' }}{%- endif %}{{- 'You may call:' }}"                                         \
    "{%- for tool in tools %}{{- '\\n' + (tool | tojson) }}{%- endfor %}{{- '<|im_end|>\\n' }}"                    \
    "{%- elif messages[0].role == 'system' %}{{- '<|im_start|>system\\n' + messages[0].content + '<|im_end|>\\n' }}{%- endif %}" \
    "{%- for m in messages %}"                                                                                     \
    "{%- if m.role == 'user' %}{{- '<|im_start|>user\\n' + m.content + '<|im_end|>\\n' }}"                         \
    "{%- elif m.role == 'assistant' %}{{- '<|im_start|>assistant\\n' + m.content }}"                               \
    "{%- for c in m.tool_calls %}{%- if m.content or not loop.first %}{{- '\\n' }}{%- endif %}"                    \
    "{{- '<tool_call>\\n{\"name\": \"' + c.function.name + '\", \"arguments\": ' + (c.function.arguments | tojson) + '}\\n</tool_call>' }}" \
    "{%- endfor %}{{- '<|im_end|>\\n' }}"                                                                          \
    "{%- elif m.role == 'tool' %}{{- '<|im_start|>user\\n<tool_response>\\n' + m.content + '\\n</tool_response><|im_end|>\\n' }}" \
    "{%- endif %}{%- endfor %}{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}"

/* Users and assistants must alternate, the tools stand before the last question, ids have nine characters. */
#define CHAT_MISTRAL_TOKENS "<s> </s> [INST] [/INST] [AVAILABLE_TOOLS] [/AVAILABLE_TOOLS] [TOOL_CALLS] [TOOL_RESULTS] [/TOOL_RESULTS]"
#define CHAT_MISTRAL                                                                                              \
    "{%- if messages[0].role == 'system' %}{%- set system = messages[0].content %}{%- set turns = messages[1:] %}"  \
    "{%- else %}{%- set turns = messages %}{%- endif %}"                                                           \
    "{%- set ns = namespace(i=0, last=-1) %}"                                                                      \
    "{%- for m in turns %}{%- if m.role == 'user' %}{%- set ns.last = loop.index0 %}{%- endif %}"                  \
    "{%- if m.role == 'user' or (m.role == 'assistant' and m.tool_calls is not defined) %}"                        \
    "{%- if (m.role == 'user') != (ns.i % 2 == 0) %}{{- raise_exception('roles must alternate') }}{%- endif %}"    \
    "{%- set ns.i = ns.i + 1 %}{%- endif %}{%- endfor %}{{- bos_token }}"                                          \
    "{%- for m in turns %}{%- if m.role == 'user' %}"                                                              \
    "{%- if tools is not none and loop.index0 == ns.last %}{{- '[AVAILABLE_TOOLS] ' + (tools | tojson) + '[/AVAILABLE_TOOLS]' }}{%- endif %}" \
    "{%- if loop.last and system is defined %}{{- '[INST] ' + system + '\\n\\n' + m.content + '[/INST]' }}"        \
    "{%- else %}{{- '[INST] ' + m.content + '[/INST]' }}{%- endif %}"                                              \
    "{%- elif m.tool_calls is defined %}{{- '[TOOL_CALLS] [' }}{%- for c in m.tool_calls %}"                       \
    "{%- if c.id is not defined or c.id | length != 9 %}{{- raise_exception('ids have nine characters') }}{%- endif %}" \
    "{{- (c.function | tojson)[:-1] + ', \"id\": \"' + c.id + '\"}' }}{{- ', ' if not loop.last else ']' + eos_token }}{%- endfor %}" \
    "{%- elif m.role == 'assistant' %}{{- ' ' + m.content | trim + eos_token }}"                                   \
    "{%- elif m.role == 'tool' %}{{- '[TOOL_RESULTS] {\"content\": ' + m.content | string + ', \"call_id\": \"' + m.tool_call_id + '\"}[/TOOL_RESULTS]' }}" \
    "{%- endif %}{%- endfor %}"

/* The tools stand in the first user message, one call a turn, results as JSON. */
#define CHAT_LLAMA_TOKENS "<|begin_of_text|> <|start_header_id|> <|end_header_id|> <|eot_id|> <|eom_id|> <|python_tag|>"
#define CHAT_LLAMA                                                                                                \
    "{{- bos_token }}{%- if messages[0]['role'] == 'system' %}{%- set system = messages[0]['content'] | trim %}"    \
    "{%- set messages = messages[1:] %}{%- else %}{%- set system = '' %}{%- endif %}"                              \
    "{{- '<|start_header_id|>system<|end_header_id|>\\n\\nToday Date: ' + strftime_now('%d %b %Y') + '\\n\\n' + system + '<|eot_id|>' }}" \
    "{%- if tools is not none %}{%- set first = messages[0]['content'] | trim %}{%- set messages = messages[1:] %}" \
    "{{- '<|start_header_id|>user<|end_header_id|>\\n\\nThe functions:\\n' }}"                                     \
    "{%- for t in tools %}{{- t | tojson(indent=4) + '\\n\\n' }}{%- endfor %}{{- first + '<|eot_id|>' }}{%- endif %}" \
    "{%- for m in messages %}{%- if 'tool_calls' in m %}"                                                          \
    "{%- if m.tool_calls | length != 1 %}{{- raise_exception('one call at a time') }}{%- endif %}"                 \
    "{{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n{\"name\": \"' + m.tool_calls[0].function.name + '\", \"parameters\": ' }}" \
    "{{- m.tool_calls[0].function.arguments | tojson }}{{- '}<|eot_id|>' }}"                                       \
    "{%- elif m.role == 'tool' %}{{- '<|start_header_id|>ipython<|end_header_id|>\\n\\n' + m.content | tojson + '<|eot_id|>' }}" \
    "{%- else %}{{- '<|start_header_id|>' + m.role + '<|end_header_id|>\\n\\n' + m.content | trim + '<|eot_id|>' }}" \
    "{%- endif %}{%- endfor %}"                                                                                    \
    "{%- if add_generation_prompt %}{{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}{%- endif %}"

/* No system role, no tools, strict alternation. */
#define CHAT_GEMMA_TOKENS "<bos> <start_of_turn> <end_of_turn>"
#define CHAT_GEMMA                                                                                                \
    "{{ bos_token }}{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system role') }}{% endif %}"    \
    "{% for m in messages %}{% if (m['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('must alternate') }}{% endif %}" \
    "{{ '<start_of_turn>' + ('model' if m['role'] == 'assistant' else m['role']) + '\\n' + m['content'] | trim + '<end_of_turn>\\n' }}" \
    "{% endfor %}{% if add_generation_prompt %}{{ '<start_of_turn>model\\n' }}{% endif %}"

/* Shows the tools and asks for <tool_call>, but knows no tool_calls. */
#define CHAT_ASKING                                                                                               \
    "{{- '<|im_start|>system\\n' + (messages[0].content if messages[0].role == 'system' else '') }}"               \
    "{%- if tools %}{{- '\\n' + (tools | tojson) + '\\nAnswer with <tool_call>\\n{}\\n</tool_call>' }}{%- endif %}"  \
    "{{- '<|im_end|>\\n' }}{%- for m in messages %}"                                                               \
    "{%- if m.role in ['user', 'tool'] %}{{- '<|im_start|>user\\n' + m.content + '<|im_end|>\\n' }}"               \
    "{%- elif m.role == 'assistant' %}{{- '<|im_start|>assistant\\n' + m.content + '<|im_end|>\\n' }}{%- endif %}"  \
    "{%- endfor %}{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}"

/* Thoughts are shown of the latest turn only. */
#define CHAT_REWRITING                                                                                            \
    "{%- for m in messages %}{%- set late = loop.index0 > messages | length - 3 %}"                                \
    "{{- '<|im_start|>' + m.role + '\n' + (m.content if late else m.content.split('</think>')[-1]) + '<|im_end|>\n' }}" \
    "{%- endfor %}{%- if add_generation_prompt %}{{- '<|im_start|>assistant\n' }}{%- endif %}"

/* Thoughts are never shown, and an empty one stands in the last turn. */
#define CHAT_THOUGHTLESS                                                                                          \
    "{%- for m in messages %}{{- '<|im_start|>' + m.role + '\n' }}"                                               \
    "{%- if m.role == 'assistant' and loop.last %}{{- '<think>\n\n</think>\n\n' }}{%- endif %}"                  \
    "{{- m.content.split('</think>')[-1] | trim + '<|im_end|>\n' }}"                                              \
    "{%- endfor %}{%- if add_generation_prompt %}{{- '<|im_start|>assistant\n' }}{%- endif %}"

#endif
