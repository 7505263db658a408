/* token_rules.c - a table of named ways to cut text.
 *
 * Two tokenizer.json files may write the same rules differently (a sequence of
 * one, options that matter only to offsets), so rules are compared by a
 * flat text of what counts:
 *
 *     {Sequence [{Split "\p{N}" Isolated}, {ByteLevel}]} --> "Split \p{N} Isolated 0|ByteLevel 0 1|" */
#include "model/token_rules.h"

#include <stdio.h>
#include <string.h>

#define SPLIT(regex) "{\"type\":\"Split\",\"pattern\":{\"Regex\":\"" regex "\"},\"behavior\":\"Isolated\",\"invert\":false}"
#define BYTES "{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"trim_offsets\":true,\"use_regex\":false}"
#define GPT2_BYTES "{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"trim_offsets\":true,\"use_regex\":true}"
#define SEQUENCE(list) "{\"type\":\"Sequence\",\"pretokenizers\":[" list "]}"
#define GPT2 "'s|'t|'re|'ve|'m|'ll|'d| ?\\\\p{L}+| ?\\\\p{N}+| ?[^\\\\s\\\\p{L}\\\\p{N}]+|\\\\s+(?!\\\\S)"
#define MODERN(digits)                                                                                 \
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\\\r\\\\n\\\\p{L}\\\\p{N}]?\\\\p{L}+|" digits                     \
    "| ?[^\\\\s\\\\p{L}\\\\p{N}]+[\\\\r\\\\n]*|\\\\s*[\\\\r\\\\n]+|\\\\s+(?!\\\\S)|\\\\s+"

/* The first of equal ones is the name that is written. */
static const struct ap_token_rules table[] = {
    {"llama-bpe", "null", SEQUENCE(SPLIT(MODERN("\\\\p{N}{1,3}")) "," BYTES), true, true},
    {"llama3", "null", SEQUENCE(SPLIT(MODERN("\\\\p{N}{1,3}")) "," BYTES), true, true},
    {"llama-v3", "null", SEQUENCE(SPLIT(MODERN("\\\\p{N}{1,3}")) "," BYTES), true, true},
    {"qwen2", "{\"type\":\"NFC\"}", SEQUENCE(SPLIT(MODERN("\\\\p{N}")) "," BYTES), false, false},
    {"deepseek-r1-qwen", "{\"type\":\"NFC\"}", SEQUENCE(SPLIT(MODERN("\\\\p{N}")) "," BYTES), false, false},
    {"smollm", "null", SEQUENCE("{\"type\":\"Digits\",\"individual_digits\":true}," GPT2_BYTES), false, false},
    {"gpt-2", "null", GPT2_BYTES, false, false},
    {"phi-2", "null", GPT2_BYTES, false, false},
    {"default", "null",
     SEQUENCE(SPLIT("[\\\\p{P}\\\\$\\\\+<=>\\\\^~\\\\|]+") "," SPLIT(GPT2) "," SPLIT("\\\\p{N}+") ","
              SPLIT("[0-9][0-9][0-9]") "," BYTES), false, false},
};
enum { RULES = sizeof table / sizeof *table };

const struct ap_token_rules *ap__token_rules_find(const char *name)
{
    for (int i = 0; i < RULES; i++)
        if (strcmp(table[i].name, name) == 0)
            return &table[i];
    return NULL;
}

const char *ap__token_rules_names(void)
{
    return "llama-bpe, qwen2, smollm, gpt-2, default";
}

/* ------------------------------------------------------------------ comparing rules */

static void flatten_one(const json_t *spec, const char *type, struct ap_buf *out)
{
    const json_t *pattern = json_object_get(spec, "pattern");
    ap__buf_printf(out, "%s ", type);
    if (strcmp(type, "Split") == 0)
        ap__buf_printf(out, "%s%s %s %d", ap__json_str_or(pattern, "Regex", ""), ap__json_str_or(pattern, "String", ""),
                       ap__json_str_or(spec, "behavior", ""), ap__json_bool_or(spec, "invert", false));
    else if (strcmp(type, "ByteLevel") == 0)
        ap__buf_printf(out, "%d %d", ap__json_bool_or(spec, "add_prefix_space", true),
                       ap__json_bool_or(spec, "use_regex", true));
    else if (strcmp(type, "Digits") == 0)
        ap__buf_printf(out, "%d", ap__json_bool_or(spec, "individual_digits", false));
    else if (strcmp(type, "NFC") != 0) { /* whatever else has options is spelled out */
        char *all = ap__json_dump(spec);
        ap__buf_puts(out, all ? all : "?");
        ap__free(all);
    }
    ap__buf_putc(out, '|');
}

static void flatten(const json_t *spec, int depth, struct ap_buf *out)
{
    const char *type = ap__json_str_or(spec, "type", "");
    if (!json_is_object(spec) || depth > 8)
        return;
    if (strcmp(type, "Sequence") != 0) {
        flatten_one(spec, type, out);
        return;
    }
    const json_t *list = json_object_get(spec, "pretokenizers");
    list = list ? list : json_object_get(spec, "normalizers");
    for (size_t i = 0; i < json_array_size(list); i++)
        flatten(json_array_get(list, i), depth + 1, out);
}

/* Both parts of a tokenizer, flat. */
static void describe(const json_t *normalizer, const json_t *pre_tokenizer, struct ap_buf *out)
{
    ap__buf_clear(out);
    flatten(normalizer, 0, out);
    ap__buf_putc(out, '/');
    flatten(pre_tokenizer, 0, out);
}

const struct ap_token_rules *ap__token_rules_of(const json_t *tokenizer)
{
    const struct ap_token_rules *found = NULL;
    struct ap_buf want, have;
    ap__buf_init(&want, 0);
    ap__buf_init(&have, 0);
    describe(json_object_get(tokenizer, "normalizer"), json_object_get(tokenizer, "pre_tokenizer"), &want);
    bool ignore = ap__json_bool_or(json_object_get(tokenizer, "model"), "ignore_merges", false);
    for (int i = 0; i < RULES && !found; i++) {
        json_t *normalizer = json_loads(table[i].normalizer, JSON_DECODE_ANY, NULL);
        json_t *pre_tokenizer = json_loads(table[i].pre_tokenizer, 0, NULL);
        describe(normalizer, pre_tokenizer, &have);
        if (!want.failed && !have.failed && table[i].ignore_merges == ignore &&
            strcmp(ap__buf_cstr(&want), ap__buf_cstr(&have)) == 0)
            found = &table[i];
        json_decref(pre_tokenizer);
        json_decref(normalizer);
    }
    ap__buf_deinit(&have);
    ap__buf_deinit(&want);
    return found;
}

#define METASPACE "\xE2\x96\x81"

bool ap__token_rules_sentencepiece(const json_t *tokenizer, bool *prefix)
{
    const json_t *normalizer = json_object_get(tokenizer, "normalizer"), *pre = json_object_get(tokenizer, "pre_tokenizer");
    if (!json_is_object(pre)) { /* spaces are replaced by the normalizer */
        struct ap_buf text;
        ap__buf_init(&text, 0);
        flatten(normalizer, 0, &text);
        const char *replace = strstr(ap__buf_cstr(&text), "Replace ");
        bool is = replace && strstr(replace, "\"content\":\"" METASPACE "\"") && strstr(replace, "\"String\":\" \"");
        *prefix = strstr(ap__buf_cstr(&text), "Prepend ") != NULL;
        ap__buf_deinit(&text);
        return is;
    }
    *prefix = strcmp(ap__json_str_or(pre, "prepend_scheme",
                                     ap__json_bool_or(pre, "add_prefix_space", true) ? "always" : "never"), "never") != 0;
    return !json_is_object(normalizer) && strcmp(ap__json_str_or(pre, "type", ""), "Metaspace") == 0 &&
           !ap__json_bool_or(pre, "split", true) && strcmp(ap__json_str_or(pre, "replacement", METASPACE), METASPACE) == 0;
}
