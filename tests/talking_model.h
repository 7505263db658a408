/* talking_model.h - a tiny model that has learned to call functions, made in a second.
 *
 * Its vocabulary is the 256 bytes and the five markup tokens.  It learns the
 * gold chains of a few sums by heart, so greedy chains are right and sampled
 * ones are right, wrong or broken, as with a real model. */
#ifndef AP_TESTS_TALKING_MODEL_H
#define AP_TESTS_TALKING_MODEL_H

#include "agent/agent.h"
#include "base/json.h"
#include "model/transformer.h"
#include "train/trainer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { TALKING_QUESTIONS = 4 };

static const char *const talking_question[TALKING_QUESTIONS] = {"1 + 2?", "2 + 2 + 5?", "4 + 3?", "3 + 3 + 3?"};
static const char *const talking_gold[TALKING_QUESTIONS][4] = {{"Add(a=1, b=2)", "Answer(3)"},
                                                               {"Add(a=2, b=2)", "Add(a=4, b=5)", "Answer(9)"},
                                                               {"Add(a=4, b=3)", "Answer(7)"},
                                                               {"Add(a=3, b=3)", "Add(a=6, b=3)", "Answer(9)"}};

static ap_status talking_add(struct ap_invocation *call)
{
    return ap_result_number(call, ap_arg_number(call, 0) + ap_arg_number(call, 1));
}

static const struct ap_param talking_params[] = {{"a", AP_TYPE_NUMBER, "first", NULL},
                                                 {"b", AP_TYPE_NUMBER, "second", NULL}};
static const struct ap_function talking_function = {.name = "Add", .description = "adds.", .example = "Add(a=1, b=2)",
                                                    .params = talking_params, .n_params = 2, .run = talking_add};

/* Run expr, which uses `err`, and fail the test with its message unless it succeeds. */
#define MUST(expr)                                               \
    do {                                                         \
        struct ap_err e_ = {0};                                  \
        struct ap_err *err = &e_;                                \
        if ((expr) != AP_OK)                                     \
            fail_msg("%s: %s: %s", #expr, e_.place, e_.message); \
    } while (0)

static inline struct ap_registry *talking_functions(void)
{
    struct ap_registry *functions = NULL;
    MUST(ap__registry_new(&functions, err));
    MUST(ap__registry_add(functions, &talking_function, err));
    return functions;
}

static inline struct ap_agent_config talking_config(const struct ap_registry *functions)
{
    static const char *const bootstrap[] = {"Add(a=0, b=1)"};
    return (struct ap_agent_config){.prompt = "Add up.", .functions = functions, .bootstrap = bootstrap,
                                    .bootstrap_count = 1, .max_steps = 5, .max_bad_calls = 3, .max_call_tokens = 24,
                                    .in_flight = 8};
}

/* The byte alphabet of byte-level BPE: printable bytes stand for themselves, the others follow from U+0100 on. */
static inline void talking_alphabet(json_t *vocab)
{
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
}

static inline void talking_tokenizer(const char *dir)
{
    static const char *const markup[] = {"<|system|>", "<|user|>", "<|assistant|>", "<|tool|>", "<|end|>"};
    char path[256];
    json_t *vocab = json_object(), *added = json_array();
    talking_alphabet(vocab);
    for (int i = 0; i < 5; i++) {
        json_object_set_new(vocab, markup[i], json_integer(256 + i));
        json_array_append_new(added, json_pack("{s:i, s:s, s:b, s:b, s:b, s:b, s:b}", "id", 256 + i, "content", markup[i],
                                               "single_word", 0, "lstrip", 0, "rstrip", 0, "normalized", 0, "special", 1));
    }
    json_t *level = json_pack("{s:s, s:b, s:b, s:b}", "type", "ByteLevel", "add_prefix_space", 0, "trim_offsets", 1,
                              "use_regex", 0);
    json_t *all = json_pack("{s:s, s:o, s:n, s:O, s:O, s:{s:s, s:o, s:[]}}", "version", "1.0", "added_tokens", added,
                            "normalizer", "pre_tokenizer", level, "decoder", level, "model", "type", "BPE", "vocab",
                            vocab, "merges");
    assert_non_null(all);
    snprintf(path, sizeof path, "%s/tokenizer.json", dir);
    assert_int_equal(json_dump_file(all, path, 0), 0);
    json_decref(level);
    json_decref(all);
}

static inline struct ap_config talking_shape(void)
{
    return (struct ap_config){.D = 32, .L = 2, .H = 4, .Hkv = 2, .Dh = 8, .F = 64, .V = 261, .max_position = 1024,
                              .theta = 10000.0f, .eps = 1e-5f, .tied = true, .bos = -1, .eos = -1};
}

static inline void talking_train(struct ap_model *m, const char *dir, const struct ap_agent_config *config)
{
    struct ap_tokenizer *tok = NULL;
    struct ap_template *tmpl = NULL;
    struct ap_chain chain[TALKING_QUESTIONS];
    struct ap_conversation prefix;
    struct ap_train_example example[TALKING_QUESTIONS] = {0};
    static uint8_t trained[TALKING_QUESTIONS][2048];
    MUST(ap__tokenizer_open(dir, &tok, err));
    MUST(ap__template_open(dir, tok, &tmpl, err));
    MUST(ap__prompt_prefix(config, tmpl, &prefix, err));
    for (int i = 0; i < TALKING_QUESTIONS; i++) {
        int32_t n = 0;
        bool ok = false;
        while (talking_gold[i][n])
            n++;
        MUST(ap__prompt_render_after(&prefix, config->functions, tmpl, talking_question[i], talking_gold[i], n, &chain[i],
                                     &ok, err));
        assert_true(ok);
        for (size_t t = 0; t < chain[i].tokens.n; t++)
            trained[i][t] = chain[i].tokens.role[t] == AP_TOKEN_CALL;
        example[i].chosen = (struct ap_seq){chain[i].tokens.id, trained[i], (int32_t)chain[i].tokens.n};
    }
    struct ap_train_config how = ap__train_default();
    how.batch_config.method = AP_METHOD_SFT;
    how.optimizer.muon = true;
    how.optimizer.lr = 0.01;
    how.optimizer.muon_lr = 0.02;
    how.batch = TALKING_QUESTIONS;
    how.steps = 100;
    MUST(ap__train(m, &how, example, TALKING_QUESTIONS, NULL, NULL, err));
    for (int i = 0; i < TALKING_QUESTIONS; i++)
        ap__chain_deinit(&chain[i]);
    ap__conversation_deinit(&prefix);
    ap__template_free(tmpl);
    ap__tokenizer_free(tok);
}

/* Fill the empty folder `dir`; educated: it has learned its sums, else its weights are random. */
static inline void talking_model(const char *dir, const struct ap_registry *functions, bool educated)
{
    struct ap_agent_config config = talking_config(functions);
    struct ap_config shape = talking_shape();
    struct ap_model *m = NULL;
    talking_tokenizer(dir);
    MUST(ap__model_new(&shape, 5, &m, err));
    if (educated)
        talking_train(m, dir, &config);
    MUST(ap__model_save(m, dir, AP_F32, err));
    ap__model_free(m);
}

static inline int talking_remove(const char *dir)
{
    static const char *const name[] = {"model.safetensors", "config.json", "tokenizer.json"};
    char path[256];
    for (size_t i = 0; i < sizeof name / sizeof *name; i++) {
        snprintf(path, sizeof path, "%s/%s", dir, name[i]);
        unlink(path);
    }
    return rmdir(dir);
}

#endif
