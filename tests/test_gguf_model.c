/* test_gguf_model.c - models and adapters through GGUF files and back.
 *
 * Twins: the folder that was written out, opened the usual way; the order of
 * rows worked out with a shape of (H, 2, Dh/2) as llama.cpp's converter does. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "model/folder.h"
#include "model/gguf.h"
#include "model/gguf_names.h"
#include "model/save.h"
#include "model/save_gguf.h"
#include "model/source.h"
#include "model/tokenizer.h"
#include "tensor/quant.h"
#include "tiny_model.h"

#define TOKENIZER AP_TEST_DATA "/tokenizer/byte-level"

static char dir[64];

static int make_folder(void **state)
{
    (void)state;
    snprintf(dir, sizeof dir, "/tmp/apprentice_test_XXXXXX");
    return mkdtemp(dir) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    char command[96];
    snprintf(command, sizeof command, "rm -rf '%s'", dir);
    return system(command);
}

static const char *in_dir(const char *name)
{
    static char path[4][160];
    static int turn;
    char *at = path[turn++ % 4];
    snprintf(at, sizeof path[0], "%s/%s", dir, name);
    return at;
}

/* ------------------------------------------------------------------ models */

enum { TOKENS = 24, ROWS = 448 }; /* ROWS: vocabulary of TOKENIZER, rounded up */

/* GGUF cannot say everything that a tiny_family has. */
static struct ap_config family_config(enum ap_family family)
{
    struct ap_config c = tiny_family(family);
    c.V = ROWS;
    c.D = 32;
    c.F = 64;
    if (family == AP_QWEN2)
        c.window = c.window_from = 0;
    return c;
}

static struct ap_model *new_model(const struct ap_config *c)
{
    struct ap_model *m = NULL;
    OK(ap__model_new(c, 7, &m, err));
    stir(m, 0.3f, 11);
    return m;
}

static struct ap_model *open_model(const char *path)
{
    struct ap_model *m = NULL;
    OK(ap__model_open(path, NULL, &m, err));
    return m;
}

/* (TOKENS, V) of one fixed sequence. */
static void logits_of(struct ap_model *m, float *out)
{
    int32_t token[TOKENS];
    uint8_t trained[TOKENS] = {0};
    struct ap_arena arena;
    struct ap_pack pack;
    for (int i = 0; i < TOKENS; i++)
        token[i] = (i * 37 + 5) % m->config.V;
    trained[TOKENS - 1] = 1;
    const struct ap_seq seq = {token, trained, TOKENS};
    ap__arena_init(&arena, 0);
    OK(ap__pack_build(&arena, &seq, 1, TOKENS, &pack, err));
    OK(ap__model_logits(m, &pack, &arena, out, err));
    ap__arena_deinit(&arena);
}

static void same_logits(struct ap_model *a, struct ap_model *b, double tolerance, const char *what)
{
    size_t n = (size_t)TOKENS * (size_t)a->config.V;
    float *x = calloc(n, sizeof *x), *y = calloc(n, sizeof *y);
    double worst = 0.0, largest = 0.0;
    assert_int_equal(a->config.V, b->config.V);
    logits_of(a, x);
    logits_of(b, y);
    for (size_t i = 0; i < n; i++) {
        worst = fmax(worst, fabs((double)x[i] - (double)y[i]));
        largest = fmax(largest, fabs((double)x[i]));
    }
    assert_true(largest > 1.0); /* there is something to compare */
    if (!(worst <= tolerance * largest))
        fail_msg("%s: logits differ by %g of %g", what, worst, largest);
    free(y);
    free(x);
}

static const char *const file_names[] = {"llama.gguf", "mistral.gguf", "qwen2.gguf", "qwen3.gguf"};

static void a_model_written_as_f32_comes_back_with_the_same_bits(void **state)
{
    (void)state;
    for (int family = 0; family < AP_FAMILY_COUNT; family++) {
        struct ap_config c = family_config((enum ap_family)family);
        struct ap_model *m = new_model(&c), *back;
        const char *path = in_dir(file_names[family]);
        OK(ap__model_save_gguf(m, path, "a model", TOKENIZER, AP_F32, NULL, err));
        back = open_model(path);
        assert_int_equal(back->config.family, family);
        for (int32_t i = 0; i < m->weight_count; i++) {
            size_t n = (size_t)ap__weight_size(&m->weight[i]) * sizeof(float);
            assert_string_equal(m->weight[i].name, back->weight[i].name);
            if (memcmp(m->weight[i].W.data, back->weight[i].W.data, n) != 0)
                fail_msg("%s: %s differs", ap__family_name(c.family), m->weight[i].name);
        }
        /* YaRN's factor of attention passes through f32, divided by what llama.cpp puts to it */
        same_logits(m, back, c.rope.type == AP_ROPE_YARN ? 4e-6 : 0.0, ap__family_name(c.family));
        ap__model_free(back);
        ap__model_free(m);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_model_written_as_f32_comes_back_with_the_same_bits),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
