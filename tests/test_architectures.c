/* test_architectures.c - every family and scaling against transformers (tests/data/architectures).
 *
 *     test_architectures [FOLDER]     another folder of the same layout, as scripts/interop/models.py makes it */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "base/file.h"
#include "base/json.h"
#include "model/block.h"
#include "model/sampler.h"
#include "model/session.h"
#include "tiny_model.h"

/* Of the largest number of a tensor.  The expected values are float64, ours f32. */
#define F32_TOLERANCE 2e-5
/* Against transformers computing in bf16 throughout, which rounds every activation to 8 bits of mantissa; we
 * round only the weights.  The two are 4.6% apart, and exact arithmetic is as far from bf16 as ours. */
#define BF16_TOLERANCE 6e-2

enum { MAX_LEN = 1024 };

static const char *folder = AP_TEST_DATA "/architectures";

struct fixture {
    json_t *numbers;
    struct ap_safetensors *tensors;
    char dir[64]; /* a folder with a case's configuration and its weights */
};

/* One case of expected.json. */
struct test_case {
    const char *name;
    int32_t token[MAX_LEN], T, prompt;
    const json_t *greedy;
    struct ap_model *m;
};

static int open_fixture(void **state)
{
    static struct fixture f;
    char path[512];
    snprintf(path, sizeof path, "%s/expected.json", folder);
    OK(ap__json_load(path, &f.numbers, err));
    snprintf(path, sizeof path, "%s/expected.safetensors", folder);
    OK(ap__safetensors_open(path, &f.tensors, err));
    snprintf(f.dir, sizeof f.dir, "/tmp/apprentice_arch_XXXXXX");
    *state = &f;
    return mkdtemp(f.dir) == NULL;
}

static int close_fixture(void **state)
{
    struct fixture *f = *state;
    json_decref(f->numbers);
    ap__safetensors_free(f->tensors);
    remove_dir(f->dir);
    return 0;
}

/* Put the case's configuration beside the weights that it shares with others. */
static void lay_out(const struct fixture *f, const char *name, const char *weights)
{
    char from[512], to[512];
    struct ap_map map;
    snprintf(from, sizeof from, "%s/%s/config.json", folder, name);
    snprintf(to, sizeof to, "%s/config.json", f->dir);
    OK(ap__map_open(from, &map, err));
    OK(ap__file_write(to, map.data, map.size, err));
    ap__map_close(&map);
    snprintf(from, sizeof from, "%s/%s/model.safetensors", folder, weights);
    snprintf(to, sizeof to, "%s/model.safetensors", f->dir);
    unlink(to);
    assert_int_equal(symlink(from, to), 0);
}

static struct test_case open_case(const struct fixture *f, const char *name)
{
    const json_t *numbers = json_object_get(f->numbers, name), *ids = json_object_get(numbers, "ids");
    struct test_case c = {.name = name, .T = (int32_t)json_array_size(ids), .greedy = json_object_get(numbers, "greedy"),
                          .prompt = (int32_t)json_integer_value(json_object_get(numbers, "prompt"))};
    assert_in_range(c.T, 1, MAX_LEN);
    for (int32_t i = 0; i < c.T; i++)
        c.token[i] = (int32_t)json_integer_value(json_array_get(ids, (size_t)i));
    lay_out(f, name, json_string_value(json_object_get(numbers, "weights")));
    OK(ap__model_open(f->dir, NULL, &c.m, err));
    return c;
}

/* Largest difference relative to the largest number, against tensor `case.part`. */
static double distance(const struct fixture *f, const char *name, const char *part, const float *got)
{
    char key[128];
    struct ap_tensor_view view;
    double error = 0.0, scale = 0.0;
    snprintf(key, sizeof key, "%s.%s", name, part);
    OK(ap__safetensors_get(f->tensors, key, &view, err));
    const float *want = view.data;
    for (int64_t i = 0; i < view.shape[0] * view.shape[1]; i++) {
        error = fmax(error, fabs((double)got[i] - (double)want[i]));
        scale = fmax(scale, fabs((double)want[i]));
    }
    return error / scale;
}

static void assert_close(const struct fixture *f, const char *name, const char *part, const float *got, double tolerance)
{
    double d = distance(f, name, part, got);
    print_message("%s.%s: %.2g\n", name, part, d);
    if (!(d <= tolerance))
        fail_msg("%s.%s: a difference of %g is more than %g", name, part, d, tolerance);
}

static struct ap_pack pack_of(const struct test_case *c, struct ap_arena *arena)
{
    static const uint8_t trained[MAX_LEN];
    struct ap_seq seq = {c->token, trained, c->T};
    struct ap_pack pack;
    OK(ap__pack_build(arena, &seq, 1, 0, &pack, err));
    return pack;
}

/* (T, V) in an arena, which is cleared first. */
static float *logits_of(const struct test_case *c, struct ap_arena *arena)
{
    ap__arena_reset(arena);
    struct ap_pack pack = pack_of(c, arena);
    float *logits = ap__arena_alloc(arena, (size_t)c->T * (size_t)ap__model_config(c->m)->V * sizeof *logits);
    OK(ap__model_logits(c->m, &pack, arena, logits, err));
    return logits;
}

static void logits_equal_transformers(void **state)
{
    struct fixture *f = *state;
    struct ap_arena arena;
    const char *name;
    json_t *numbers;
    ap__arena_init(&arena, 0);
    json_object_foreach(f->numbers, name, numbers)
    {
        struct test_case c = open_case(f, name);
        assert_close(f, name, "logits", logits_of(&c, &arena), F32_TOLERANCE);
        OK(ap__model_train_full(c.m, err)); /* the same weights, owned */
        assert_close(f, name, "logits", logits_of(&c, &arena), F32_TOLERANCE);
        ap__model_free(c.m);
    }
    ap__arena_deinit(&arena);
}

/* Block by block, as transformer.c goes through them. */
static void check_layers(const struct fixture *f, const struct test_case *c)
{
    const struct ap_config *config = ap__model_config(c->m);
    size_t T = (size_t)c->T, D = (size_t)config->D, Q = (size_t)(config->H * config->Dh), F = (size_t)config->F;
    struct ap_arena arena;
    ap__arena_init(&arena, 0);
    float *x = ap__arena_alloc(&arena, T * D * sizeof *x), *h = ap__arena_alloc(&arena, T * D * sizeof *h);
    float *q = ap__arena_alloc(&arena, 4 * T * Q * sizeof *q), *k = q + T * Q, *v = k + T * Q, *att = v + T * Q;
    float *gate = ap__arena_alloc(&arena, 2 * T * F * sizeof *gate), *up = gate + T * F;
    float *rstd = ap__arena_alloc(&arena, T * (size_t)config->H * sizeof *rstd);
    int32_t position[MAX_LEN];
    for (int32_t t = 0; t < c->T; t++)
        position[t] = t;
    struct ap_attn_run run = {0, c->T, 0, 0, 0};
    struct ap_attn attn = {&run, NULL, 1, config->H, config->Hkv, config->Dh, ap__attention_scale(config), 0, 0};
    struct ap_block_rows rows = {.T = c->T, .position = position, .Q = c->T, .attn = &attn};
    struct ap_block_acts a = {.x = x, .h = h, .rstd1 = rstd, .hq = h, .q_in = q, .k_in = k, .q_rstd = rstd, .k_rstd = rstd,
                              .q = q, .k = k, .v = v, .att = att, .mid = x, .rstd2 = rstd, .gate = gate,
                              .up = up, .act = gate, .out = x};
    c->m->be->embedding(x, c->token, &ap__embedding_weight(c->m)->W, c->T);
    for (int32_t l = 0; l < config->L; l++) {
        char part[32];
        snprintf(part, sizeof part, "hidden.%d", l);
        ap__block_forward(c->m, l, &rows, &a);
        assert_close(f, c->name, part, x, F32_TOLERANCE);
    }
    ap__arena_deinit(&arena);
}

static void hidden_states_after_each_layer_equal_transformers(void **state)
{
    struct fixture *f = *state;
    const char *name;
    json_t *numbers;
    json_object_foreach(f->numbers, name, numbers)
    {
        struct test_case c = open_case(f, name);
        check_layers(f, &c);
        ap__model_free(c.m);
    }
}

static void a_bf16_file_is_as_close_to_bf16_arithmetic_as_that_is_to_exact(void **state)
{
    struct fixture *f = *state;
    struct ap_arena arena;
    struct ap_tensor_view exact;
    if (json_object_get(f->numbers, "qwen2_bf16") == NULL)
        skip();
    struct test_case c = open_case(f, "qwen2_bf16");
    ap__arena_init(&arena, 0);
    assert_close(f, c.name, "logits_bf16", logits_of(&c, &arena), BF16_TOLERANCE);
    OK(ap__safetensors_get(f->tensors, "qwen2_bf16.logits", &exact, err));
    assert_below("exact against bf16", distance(f, c.name, "logits_bf16", exact.data), BF16_TOLERANCE, 0);
    ap__arena_deinit(&arena);
    ap__model_free(c.m);
}

/* Prompt and continuation through a session, the prompt in pieces of `piece` tokens. */
static void check_greedy(const struct test_case *c, int32_t piece)
{
    int32_t V = ap__model_config(c->m)->V, next = 0;
    float *logits = ap__alloc_array((size_t)V, sizeof *logits);
    struct ap_session *s = NULL;
    struct ap_branch *b = NULL;
    OK(ap__session_new(c->m, 2 * MAX_LEN, &s, err));
    OK(ap__session_open(s, &b, err));
    for (int32_t t = 0; t < c->prompt; t += piece) {
        struct ap_extend item = {b, c->token + t, t + piece < c->prompt ? piece : c->prompt - t};
        OK(ap__session_step(s, &item, 1, logits, err));
    }
    for (size_t i = 0; i < json_array_size(c->greedy); i++) {
        next = ap__sample(logits, V, &AP_GREEDY, NULL);
        if (next != json_integer_value(json_array_get(c->greedy, i)))
            fail_msg("%s: token %zu is %d", c->name, i, next);
        OK(ap__session_step(s, &(struct ap_extend){b, &next, 1}, 1, logits, err));
    }
    ap__session_close(s, b);
    ap__session_free(s);
    ap__free(logits);
}

static void greedy_continuations_equal_transformers(void **state)
{
    struct fixture *f = *state;
    const char *name;
    json_t *numbers;
    json_object_foreach(f->numbers, name, numbers)
    {
        struct test_case c = open_case(f, name);
        check_greedy(&c, c.prompt);
        check_greedy(&c, 1);
        check_greedy(&c, 5);
        ap__model_free(c.m);
    }
}

/* Every word of the configuration that the model is computed by. */
static void assert_same_config(const struct ap_config *a, const struct ap_config *b)
{
    const struct ap_rope *r = &a->rope, *s = &b->rope;
    assert_int_equal(a->family, b->family);
    assert_true(a->D == b->D && a->L == b->L && a->H == b->H && a->Hkv == b->Hkv && a->Dh == b->Dh && a->F == b->F);
    assert_true(a->V == b->V && a->max_position == b->max_position && a->tied == b->tied);
    for (int32_t l = 0; l < a->L; l++)
        assert_int_equal(ap__layer_window(a, l), ap__layer_window(b, l));
    assert_true(a->theta == b->theta && a->eps == b->eps && a->bos == b->bos && a->eos == b->eos);
    assert_true(a->attention_bias == b->attention_bias && a->mlp_bias == b->mlp_bias);
    assert_true(r->type == s->type && r->factor == s->factor && r->original_position == s->original_position);
    assert_true(r->low_freq == s->low_freq && r->high_freq == s->high_freq && r->exact_ramp == s->exact_ramp);
    assert_true(r->beta_fast == s->beta_fast && r->beta_slow == s->beta_slow && r->attention == s->attention);
    assert_int_equal(a->other_eos_count, b->other_eos_count);
    assert_memory_equal(a->other_eos, b->other_eos, sizeof a->other_eos);
}

static void a_saved_model_computes_the_same_when_opened(void **state)
{
    struct fixture *f = *state;
    struct ap_arena arena;
    const char *name;
    json_t *numbers;
    ap__arena_init(&arena, 0);
    json_object_foreach(f->numbers, name, numbers)
    {
        char dir[] = "/tmp/apprentice_saved_XXXXXX";
        struct test_case c = open_case(f, name), saved = c;
        assert_non_null(mkdtemp(dir));
        OK(ap__model_save(c.m, dir, AP_F32, err));
        OK(ap__model_open(dir, NULL, &saved.m, err));
        assert_same_config(ap__model_config(saved.m), ap__model_config(c.m));
        assert_int_equal(ap__model_parameters(saved.m), ap__model_parameters(c.m));
        assert_close(f, name, "logits", logits_of(&saved, &arena), F32_TOLERANCE);
        ap__model_free(saved.m);
        ap__model_free(c.m);
        remove_dir(dir);
    }
    ap__arena_deinit(&arena);
}

int main(int argc, char **argv)
{
    folder = argc > 1 ? argv[1] : folder;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(logits_equal_transformers),
        cmocka_unit_test(hidden_states_after_each_layer_equal_transformers),
        cmocka_unit_test(a_bf16_file_is_as_close_to_bf16_arithmetic_as_that_is_to_exact),
        cmocka_unit_test(greedy_continuations_equal_transformers),
        cmocka_unit_test(a_saved_model_computes_the_same_when_opened),
    };
    return cmocka_run_group_tests(tests, open_fixture, close_fixture);
}
