/* workload.h - the fixed work that is measured: prompts, chains, pairs and results, all of it from seeds.
 *
 *     tool prompt --+-- question 1 --+-- chain 1 \ a pair
 *                   |                +-- chain 2 /
 *                   |                +-- chain 3 \ a pair
 *                   |                +-- chain 4 /
 *                   +-- question 2 ...
 *
 * Token ids are drawn evenly from the vocabulary, so chains of a problem share nothing after the
 * question: the least sharing that chains of one task can have.  Every token of a chain is trained.
 * The pairs of task_pairs.c are real text instead. */
#ifndef AP_WORKLOAD_H
#define AP_WORKLOAD_H

#include "train/batch.h"

/* SmolLM2-135M's shape. */
struct ap_config ap__work_shape(void);

/* A training step's tree.  One chain per problem makes examples for SFT, an even number makes pairs. */
struct ap_work_tree {
    int32_t tool;        /* tokens that all prompts begin with */
    int32_t problems, question; /* each with its own question of so many tokens */
    int32_t chains;      /* per problem */
    int32_t least, most; /* tokens of a chain */
};
struct ap_work_tree ap__work_chains(void); /* 600; 8 of 30; 4 chains of 120 to 250 */
struct ap_work_tree ap__work_pairs(void);  /* nothing shared between 8 pairs; prompts of 400, chains of 200 to 400 */

struct ap_work_examples {
    struct ap_train_example *example; /* (n,) */
    int32_t *prompt;                  /* (n,) tokens before the first trained one, the same in both sequences */
    int32_t n;
    struct ap_arena arena; /* holds them all */
};
ap_status ap__work_examples_make(const struct ap_work_tree *tree, int32_t V, struct ap_work_examples *out,
                                 struct ap_err *err) AP_MUST_CHECK;
/* Pairs like the demo's: problems of its tasks with the real function help, gold chains against careless ones, in the
 * tokens of the model in dir; per_task pairs of different problems each (task_pairs.c). */
ap_status ap__work_examples_tasks(const char *dir, int32_t per_task, struct ap_work_examples *out,
                                  struct ap_err *err) AP_MUST_CHECK;
void ap__work_examples_deinit(struct ap_work_examples *w);

/* Sampling of chains: every call has exactly `call` tokens, all but the last are followed by a result. */
struct ap_work_rollout {
    int32_t tool, problems, question;
    int32_t samples;            /* chains per problem */
    int32_t steps, call, result;
};
struct ap_work_rollout ap__work_rollout(void); /* 600; 8 of 30; 8 samples; 8 steps of 20 and 8 tokens */

struct ap_work_script {
    struct ap_work_rollout shape;
    int32_t *prompt; /* (problems, tool + question) */
    int32_t *result; /* (problems * samples, steps - 1, result) */
};
/* Lives in the arena. */
ap_status ap__work_script_make(const struct ap_work_rollout *shape, int32_t V, struct ap_arena *arena,
                               struct ap_work_script *out, struct ap_err *err) AP_MUST_CHECK;

/* ---- for other programs (work_files.c) ---- */

/* A model folder that transformers opens: random weights in f32, a made-up byte-level tokenizer. */
ap_status ap__work_write_model(const struct ap_config *shape, const char *dir, struct ap_err *err) AP_MUST_CHECK;
/* One line {"prompt_ids": [...], "chosen_ids": [...], "rejected_ids": [...]} per pair. */
ap_status ap__work_write_pairs(const struct ap_work_examples *w, const char *path, struct ap_err *err) AP_MUST_CHECK;
/* {"samples", "steps", "call", "prompts": [[...]], "results": [[[...]]]}. */
ap_status ap__work_write_script(const struct ap_work_script *script, const char *path,
                                struct ap_err *err) AP_MUST_CHECK;
/* tokenizer.json and tokenizer_config.json with V tokens (made_tokenizer.c). */
ap_status ap__work_write_tokenizer(int32_t V, const char *dir, struct ap_err *err) AP_MUST_CHECK;

#endif
