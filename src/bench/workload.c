/* workload.c - token sequences drawn from seeds. */
#include "bench/workload.h"

#include "base/rng.h"

#include <string.h>

enum { SEED = 1 };

struct ap_config ap__work_shape(void)
{
    return (struct ap_config){.D = 576, .L = 30, .H = 9, .Hkv = 3, .Dh = 64, .F = 1536, .V = 49152, .max_position = 8192,
                              .theta = 100000.0f, .eps = 1e-5f, .tied = true, .bos = -1, .eos = 0};
}

struct ap_work_tree ap__work_chains(void)
{
    return (struct ap_work_tree){.tool = 600, .problems = 8, .question = 30, .chains = 4, .least = 120, .most = 250};
}

struct ap_work_tree ap__work_pairs(void)
{
    return (struct ap_work_tree){.problems = 8, .question = 400, .chains = 2, .least = 200, .most = 400};
}

struct ap_work_rollout ap__work_rollout(void)
{
    return (struct ap_work_rollout){.tool = 600, .problems = 8, .question = 30, .samples = 8, .steps = 8, .call = 20,
                                    .result = 8};
}

/* n token ids of the part `what` with the numbers a, b. */
static void draw(int32_t *token, int32_t n, int32_t V, const char *what, int32_t a, int32_t b)
{
    struct ap_rng rng = ap__rng_make(SEED, what, (uint64_t)a, (uint64_t)b, 0);
    for (int32_t i = 0; i < n; i++)
        token[i] = (int32_t)ap__rng_below(&rng, (uint32_t)V);
}

/* ---- training ---- */

static ap_status make_chain(const struct ap_work_tree *tree, int32_t V, int32_t problem, int32_t chain,
                            struct ap_arena *arena, struct ap_seq *out, struct ap_err *err)
{
    struct ap_rng rng = ap__rng_make(SEED, "length", (uint64_t)problem, (uint64_t)chain, 0);
    int32_t own = (int32_t)ap__rng_range(&rng, tree->least, tree->most), prompt = tree->tool + tree->question;
    size_t len = (size_t)(prompt + own);
    int32_t *token = ap__arena_alloc(arena, len * sizeof *token);
    uint8_t *trained = ap__arena_alloc(arena, len);
    if (token == NULL || trained == NULL)
        return ap__fail(err, AP_E_MEMORY, NULL, "no memory for a chain of %zu tokens", len);
    draw(token, tree->tool, V, "tool", 0, 0);
    draw(token + tree->tool, tree->question, V, "question", problem, 0);
    draw(token + prompt, own, V, "chain", problem, chain);
    memset(trained, 0, (size_t)prompt);
    memset(trained + prompt, 1, (size_t)own);
    *out = (struct ap_seq){token, trained, (int32_t)len};
    return AP_OK;
}

static ap_status make_examples(const struct ap_work_tree *tree, int32_t V, struct ap_work_examples *out,
                               struct ap_err *err)
{
    bool pair = tree->chains > 1;
    size_t n = (size_t)tree->problems * (size_t)(pair ? tree->chains / 2 : 1);
    out->example = ap__arena_zalloc(&out->arena, n * sizeof *out->example);
    out->prompt = ap__arena_alloc(&out->arena, n * sizeof *out->prompt);
    if (out->example == NULL || out->prompt == NULL)
        return ap__fail(err, AP_E_MEMORY, NULL, "no memory for %zu examples", n);
    for (int32_t p = 0; p < tree->problems; p++)
        for (int32_t c = 0; c + pair < tree->chains; c += 1 + pair) {
            struct ap_train_example *e = &out->example[out->n];
            out->prompt[out->n++] = tree->tool + tree->question;
            AP_TRY(make_chain(tree, V, p, c, &out->arena, &e->chosen, err));
            if (pair)
                AP_TRY(make_chain(tree, V, p, c + 1, &out->arena, &e->rejected, err));
        }
    return AP_OK;
}

ap_status ap__work_examples_make(const struct ap_work_tree *tree, int32_t V, struct ap_work_examples *out,
                                 struct ap_err *err)
{
    *out = (struct ap_work_examples){0};
    ap__arena_init(&out->arena, 0);
    ap_status status = make_examples(tree, V, out, err);
    if (status != AP_OK)
        ap__work_examples_deinit(out);
    return status;
}

void ap__work_examples_deinit(struct ap_work_examples *w)
{
    ap__arena_deinit(&w->arena);
    *w = (struct ap_work_examples){0};
}

/* ---- rollouts ---- */

ap_status ap__work_script_make(const struct ap_work_rollout *shape, int32_t V, struct ap_arena *arena,
                               struct ap_work_script *out, struct ap_err *err)
{
    size_t prompt = (size_t)(shape->tool + shape->question), gaps = (size_t)shape->steps - 1;
    size_t chains = (size_t)shape->problems * (size_t)shape->samples, between = gaps * (size_t)shape->result;
    out->shape = *shape;
    out->prompt = ap__arena_alloc(arena, (size_t)shape->problems * prompt * sizeof *out->prompt);
    out->result = ap__arena_alloc(arena, (chains * between + 1) * sizeof *out->result);
    if (out->prompt == NULL || out->result == NULL)
        return ap__fail(err, AP_E_MEMORY, NULL, "no memory for the prompts of %d problems", shape->problems);
    for (int32_t p = 0; p < shape->problems; p++) {
        int32_t *at = out->prompt + (size_t)p * prompt;
        draw(at, shape->tool, V, "tool", 0, 0);
        draw(at + shape->tool, shape->question, V, "question", p, 0);
    }
    for (size_t c = 0; c < chains; c++)
        draw(out->result + c * between, (int32_t)between, V, "result", (int32_t)c, 0);
    return AP_OK;
}
