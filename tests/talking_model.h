/* talking_model.h - a tiny model that has learned to call functions, made in a second.
 *
 * Its vocabulary is the 256 bytes and a few words, the five markup tokens among them.  It learns the
 * gold chains of a few sums by heart, so greedy chains are right and sampled
 * ones are right, wrong or broken, as with a real model. */
#ifndef AP_TESTS_TALKING_MODEL_H
#define AP_TESTS_TALKING_MODEL_H

#include "agent/agent.h"
#include "chat_fixture.h"
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

/* ---- its chains ---- */

enum { TALKING_CHAINS = 32 };

struct chains {
    struct ap_chain chain[TALKING_CHAINS]; /* by tag */
    int n;
};

static inline ap_status collect(void *user, const struct ap_agent_job *job, struct ap_chain *chain, struct ap_err *err)
{
    struct chains *all = user;
    (void)err;
    all->n++;
    all->chain[job->tag] = *chain;
    *chain = (struct ap_chain){0};
    return AP_OK;
}

static inline void chains_deinit(struct chains *all)
{
    for (int i = 0; i < TALKING_CHAINS; i++)
        ap__chain_deinit(&all->chain[i]);
    all->n = 0;
}

/* ---- making it ---- */

/* A template in the manner of Hermes that shows little, and tokens for what calls repeat: bytes are expensive. */
#define TALKING_TOOLS_TOKENS                                                                                      \
    "<|system|> <|user|> <|assistant|> <|tool|> <|end|> +<tool_call>{\"name\":~\" +\",~\"arguments\":~{ +}}</tool_call> " \
    "+Add +Answer +\"a\":~ +,~\"b\":~ +\"value\":~"
#define TALKING_TOOLS                                                                                             \
    "{%- for m in messages %}{%- if m.role == 'system' %}{{- '<|system|>' + m.content }}"                          \
    "{%- for t in tools %}{{- ' ' + t.function.name }}{%- endfor %}{{- '<|end|>\n' }}"                            \
    "{%- elif m.role == 'user' %}{{- '<|user|>' + m.content + '<|end|>\n' }}"                                     \
    "{%- elif m.role == 'tool' %}{{- '<|tool|>' + m.content + '<|end|>\n' }}"                                     \
    "{%- else %}{{- '<|assistant|>' + m.content }}{%- for c in m.tool_calls %}"                                    \
    "{{- '<tool_call>{\"name\": \"' + c.function.name + '\", \"arguments\": ' + (c.function.arguments | tojson) + '}</tool_call>' }}" \
    "{%- endfor %}{{- '<|end|>\n' }}{%- endif %}{%- endfor %}{%- if add_generation_prompt %}{{- '<|assistant|>' }}{%- endif %}"

static inline struct ap_config talking_shape(void)
{
    return (struct ap_config){.D = 32, .L = 2, .H = 4, .Hkv = 2, .Dh = 8, .F = 64, .V = 261, .max_position = 1024,
                              .theta = 10000.0f, .eps = 1e-5f, .tied = true, .bos = -1, .eos = -1};
}

static inline void talking_train(struct ap_model *m, const char *dir, const struct ap_agent_config *config, int64_t steps)
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
    how.steps = steps;
    MUST(ap__train(m, &how, example, TALKING_QUESTIONS, NULL, NULL, err));
    for (int i = 0; i < TALKING_QUESTIONS; i++)
        ap__chain_deinit(&chain[i]);
    ap__conversation_deinit(&prefix);
    ap__template_free(tmpl);
    ap__tokenizer_free(tok);
}

/* Fill the empty folder `dir`: a model that knows its sums after so many steps, random with 0.  tmpl: its chat
 * template, NULL for the bundled models' markup. */
static inline void talking_model_with(const char *dir, const struct ap_registry *functions, const char *tmpl, int64_t steps)
{
    struct ap_agent_config config = talking_config(functions);
    struct ap_config shape = talking_shape();
    struct ap_model *m = NULL;
    int n = chat_tokenizer(dir, tmpl ? TALKING_TOOLS_TOKENS : "<|system|> <|user|> <|assistant|> <|tool|> <|end|>");
    if (tmpl)
        chat_config(dir, tmpl, NULL);
    shape.V = n;
    MUST(ap__model_new(&shape, 5, &m, err));
    if (steps > 0)
        talking_train(m, dir, &config, steps);
    MUST(ap__model_save(m, dir, AP_F32, err));
    ap__model_free(m);
}

static inline void talking_model(const char *dir, const struct ap_registry *functions, bool educated)
{
    talking_model_with(dir, functions, NULL, educated ? 100 : 0);
}

static inline int talking_remove(const char *dir)
{
    chat_remove(dir);
    return access(dir, F_OK) == 0;
}

#endif
