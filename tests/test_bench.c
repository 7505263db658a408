/* test_bench.c - the benchmark measures the work that it says: the same every time, counted right, written whole. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "base/file.h"
#include "base/json.h"
#include "model/account.h"
#include "bench/bench.h"
#include "bench/measure.h"
#include "model/tokenizer.h"
#include "model/weights.h"
#include "testing.h"

#include <math.h>
#include <string.h>

static const struct ap_config SHAPE = {.D = 16, .L = 3, .H = 4, .Hkv = 2, .Dh = 8, .F = 24, .V = 400, .max_position = 512,
                                       .theta = 10000.0f, .eps = 1e-5f, .tied = true, .bos = -1, .eos = 0};

/* ---- what the work is ---- */

static void the_work_is_the_same_every_time(void **state)
{
    (void)state;
    struct ap_work_tree tree = ap__work_chains();
    struct ap_work_examples a, b;
    OK(ap__work_examples_make(&tree, 49152, &a, err));
    OK(ap__work_examples_make(&tree, 49152, &b, err));
    assert_int_equal(a.n, 16);
    for (int32_t i = 0; i < a.n; i++) {
        const struct ap_seq *x = &a.example[i].chosen, *y = &b.example[i].chosen;
        assert_int_equal(a.prompt[i], 630);
        assert_in_range(x->len, 630 + 120, 630 + 250);
        assert_int_equal(x->len, y->len);
        assert_memory_equal(x->token, y->token, (size_t)x->len * sizeof *x->token);
        assert_int_equal(x->trained[629], 0);
        assert_int_equal(x->trained[630], 1);
    }
    ap__work_examples_deinit(&a);
    ap__work_examples_deinit(&b);
}

static void pack_of(struct ap_work_examples *w, struct ap_pack *pack)
{
    struct ap_seq seq[64];
    int32_t n = 0;
    for (int32_t i = 0; i < w->n; i++) {
        seq[n++] = w->example[i].chosen;
        if (w->example[i].rejected.len > 0)
            seq[n++] = w->example[i].rejected;
    }
    OK(ap__pack_build(&w->arena, seq, n, 0, pack, err));
}

static void chains_share_the_prompt_and_nothing_else(void **state)
{
    (void)state;
    struct ap_work_tree tree = ap__work_chains();
    struct ap_work_examples w;
    struct ap_pack pack;
    int64_t own = 0;
    OK(ap__work_examples_make(&tree, 49152, &w, err));
    for (int32_t i = 0; i < w.n; i++)
        own += w.example[i].chosen.len + w.example[i].rejected.len - 2 * 630;
    pack_of(&w, &pack);
    assert_int_equal(pack.T, 600 + 8 * 30 + own);
    assert_int_equal(pack.flat_tokens, 32 * 630 + own);
    assert_int_equal(pack.N, own);
    ap__work_examples_deinit(&w);
}

static void pairs_share_nothing_between_each_other(void **state)
{
    (void)state;
    struct ap_work_tree tree = ap__work_pairs();
    struct ap_work_examples w;
    struct ap_pack pack;
    int64_t tokens = 0;
    OK(ap__work_examples_make(&tree, 49152, &w, err));
    assert_int_equal(w.n, 8);
    for (int32_t i = 0; i < w.n; i++)
        tokens += w.example[i].chosen.len + w.example[i].rejected.len - 400;
    pack_of(&w, &pack);
    assert_int_equal(pack.T, tokens);
    ap__work_examples_deinit(&w);
}

static void pairs_of_tasks_train_calls_alone(void **state)
{
    (void)state;
    struct ap_work_examples w;
    OK(ap__work_examples_tasks("models/student", 2, &w, err));
    assert_int_equal(w.n, 4);
    for (int32_t i = 0; i < w.n; i++) {
        const struct ap_seq *good = &w.example[i].chosen, *bad = &w.example[i].rejected;
        int32_t untrained = 0;
        assert_true(w.prompt[i] > 100 && w.prompt[i] < good->len && w.prompt[i] < bad->len);
        assert_memory_equal(good->token, bad->token, (size_t)w.prompt[i] * sizeof *good->token);
        assert_false(good->len == bad->len && memcmp(good->token, bad->token, (size_t)good->len * sizeof *good->token) == 0);
        for (int32_t t = w.prompt[i]; t < good->len; t++)
            untrained += !good->trained[t];
        assert_true(untrained > 0);
    }
    ap__work_examples_deinit(&w);
}

/* ---- what it costs ---- */

/* Operations of one step (R 0: of all weights), by asking a model that leaves out what is not necessary. */
static double watched(const struct ap_config *c, const struct ap_pack *pack, int32_t R)
{
    struct ap_model *m;
    struct ap_arena step;
    struct ap_activations *acts;
    struct ap_lora_config lora = {.rank = R, .alpha = 8, .targets = AP_LORA_ALL};
    struct ap_timed_row row[AP_TIMED_MAX];
    float logp[256], dlogp[256];
    double gflop = 0;
    OK(ap__model_new(c, 1, &m, err));
    if (R > 0)
        OK(ap__model_add_lora(m, &lora, 1, err));
    m->be = ap__timed_backend(m->be);
    ap__arena_init(&step, 0);
    OK(ap__model_forward(m, pack, &step, true, logp, &acts, err));
    for (int32_t i = 0; i < pack->N; i++)
        dlogp[i] = 1.0f;
    OK(ap__model_backward(m, pack, acts, dlogp, &step, err));
    int32_t n = ap__timed_rows(row);
    for (int32_t i = 0; i < n; i++)
        gflop += row[i].gflop;
    ap__arena_deinit(&step);
    ap__model_free(m);
    return 1e9 * gflop;
}

/* Two chains of one prompt; what they predict follows right after it, so no row in between is superfluous. */
static void operations_are_those_that_a_model_makes(void **state)
{
    (void)state;
    struct ap_work_tree tree = {.tool = 20, .problems = 3, .question = 7, .chains = 1, .least = 9, .most = 15};
    for (int32_t layers = 1; layers <= 3; layers++) {
        struct ap_config c = SHAPE;
        struct ap_work_examples w;
        struct ap_work_size size;
        struct ap_pack pack;
        c.L = layers;
        OK(ap__work_examples_make(&tree, c.V, &w, err));
        pack_of(&w, &pack);
        OK(ap__account_pack(&c, &pack, 0, &w.arena, &size, err));
        assert_int_equal((int)size.T, pack.T);
        assert_int_equal((int)size.Q, pack.N);
        for (int32_t R = 0; R <= 4; R += 4) {
            double counted = ap__account_step(&c, &size, R), seen = watched(&c, &pack, R);
            if (fabs(counted - seen) > 1e-9 * seen)
                fail_msg("%d layers, rank %d: counted %.0f operations, the model made %.0f", layers, R, counted, seen);
        }
        ap__work_examples_deinit(&w);
    }
}

static void a_row_that_predicts_several_tokens_counts_once(void **state)
{
    (void)state;
    struct ap_work_tree tree = {.tool = 5, .problems = 1, .question = 3, .chains = 4, .least = 6, .most = 6};
    struct ap_work_examples w;
    struct ap_work_size size;
    struct ap_pack pack;
    double pairs = 0;
    OK(ap__work_examples_make(&tree, 40000, &w, err));
    pack_of(&w, &pack);
    OK(ap__account_pack(&SHAPE, &pack, 0, &w.arena, &size, err));
    for (int32_t t = 0; t < pack.T; t++)
        for (int32_t u = t; u >= 0; u = pack.parent[u])
            pairs += SHAPE.L - 1;
    for (int32_t i = 0; i < pack.N; i++) /* of the four that one row predicts, one counts */
        for (int32_t u = pack.target_row[i]; u >= 0; u = pack.parent[u])
            pairs += pack.target_row[i] == 7 ? 0.25 : 1.0;
    assert_int_equal(pack.N, 24);
    assert_int_equal((int)size.Q, 1 + 4 * 5);
    assert_true(size.P == pairs);
    ap__work_examples_deinit(&w);
}

static void a_window_bounds_what_is_counted(void **state)
{
    (void)state;
    struct ap_config c = SHAPE;
    struct ap_work_size size = {0};
    c.window = 4;
    c.window_from = 1;
    ap__account_add(&c, 9, true, 2.0, &size);
    ap__account_add(&c, 2, false, 1.0, &size);
    assert_true(size.T == 3 && size.Q == 2 && size.P == 2 * (10 + 4 + 4) + (3 + 3));
}

static void medians_are_in_the_middle(void **state)
{
    (void)state;
    double odd[] = {5, 1, 3}, even[] = {4, 1, 2, 9};
    assert_true(ap__median(odd, 3) == 3.0);
    assert_true(ap__median(even, 4) == 3.0);
}

/* ---- measuring ---- */

static void steps_are_measured_with_the_reference_as_check(void **state)
{
    (void)state;
    struct ap_work_tree tree = {.tool = 20, .problems = 2, .question = 5, .chains = 2, .least = 6, .most = 9};
    struct ap_bench_options options = {.model = in_dir("model"), .warm = 1, .repeats = 3, .profile = true};
    static struct ap_bench_result r;
    struct ap_work_examples w;
    OK(ap__work_write_model(&SHAPE, options.model, err));
    OK(ap__work_examples_make(&tree, SHAPE.V, &w, err));
    OK(ap__bench_train(&options, &w, &r, err));
    assert_string_equal(r.unit, "pairs");
    assert_int_equal(r.repeats, 3);
    assert_true(r.least > 0 && r.least <= r.seconds && r.seconds <= r.most && r.gflop > 0 && r.peak > 0);
    assert_true(r.tokens_tree < r.tokens_flat);
    assert_true(fabs(r.check[0] - (w.example[0].ref_chosen + w.example[1].ref_chosen) / 2) < 1e-9);
    assert_true(r.check[0] < -30.0); /* 6 to 9 tokens of 400 */
    assert_true(r.rows > 5 && r.row[0].seconds >= r.row[1].seconds);
    ap__work_examples_deinit(&w);
}

/* The log-probability of the likeliest token after a prompt, computed without a session. */
static double first_by_logits(struct ap_model *m, const int32_t *prompt, int32_t n)
{
    static float logits[64 * 400];
    static uint8_t untrained[64];
    struct ap_seq seq = {prompt, untrained, n};
    struct ap_arena arena;
    struct ap_pack pack;
    double best = -1e9, sum = 0;
    ap__arena_init(&arena, 0);
    OK(ap__pack_build(&arena, &seq, 1, 0, &pack, err));
    OK(ap__model_logits(m, &pack, &arena, logits, err));
    const float *last = logits + (size_t)(n - 1) * 400;
    for (int32_t i = 0; i < 400; i++) {
        best = fmax(best, (double)last[i]);
        sum += exp((double)last[i]);
    }
    ap__arena_deinit(&arena);
    return best - log(sum);
}

static void rollouts_have_the_first_log_probabilities_as_check(void **state)
{
    (void)state;
    struct ap_work_rollout shape = {.tool = 20, .problems = 3, .question = 5, .samples = 4, .steps = 3, .call = 6, .result = 2};
    struct ap_bench_options options = {.model = in_dir("model"), .warm = 1, .repeats = 2};
    static struct ap_bench_result r;
    struct ap_work_script script;
    struct ap_arena arena;
    struct ap_model *m;
    OK(ap__work_write_model(&SHAPE, options.model, err));
    OK(ap__bench_rollout(&options, &shape, &r, err));
    assert_true(r.units == 12 && r.checks == 3 && r.repeats == 2);
    assert_true(r.tokens_tree == 20 + 3 * 5 + 12 * (3 * 6 - 1 + 2 * 2));
    ap__arena_init(&arena, 0);
    OK(ap__work_script_make(&shape, SHAPE.V, &arena, &script, err));
    OK(ap__model_open(options.model, NULL, &m, err));
    for (int32_t p = 0; p < 3; p++)
        assert_true(fabs(r.check[p] - first_by_logits(m, script.prompt + 25 * p, 25)) < 1e-5);
    ap__model_free(m);
    ap__arena_deinit(&arena);
}

static void the_first_token_is_text(void **state)
{
    (void)state;
    char text[256] = "";
    const char *model = in_dir("model");
    FILE *out = fmemopen(text, sizeof text, "w");
    assert_non_null(out);
    OK(ap__work_write_model(&SHAPE, model, err));
    OK(ap__bench_first_token(model, "How many?", out, err));
    fclose(out);
    assert_true(strlen(text) > 0 && text[strlen(text) - 1] == '\n');
    OK(ap__evict_files(model, err));
}

/* ---- files ---- */

static void a_made_tokenizer_reads_what_it_writes(void **state)
{
    (void)state;
    static const char text[] = "Sum(2, 3) \xC3\xA9t\xC3\xA9\nthe quick brown fox jumps over the lazy dog, and again";
    struct ap_tokenizer *tok;
    struct ap_ids ids = {0};
    struct ap_buf back;
    OK(ap__work_write_tokenizer(2000, dir, err));
    OK(ap__tokenizer_open(dir, &tok, err));
    assert_int_equal(ap__tokenizer_size(tok), 2000);
    OK(ap__tokenizer_encode(tok, text, strlen(text), false, &ids, err));
    assert_true(ids.n < strlen(text));
    ap__buf_init(&back, 0);
    OK(ap__tokenizer_decode(tok, ids.id, ids.n, false, &back, err));
    assert_string_equal(ap__buf_cstr(&back), text);
    ap__buf_deinit(&back);
    ap__ids_deinit(&ids);
    ap__tokenizer_free(tok);
}

static void compare_ids(const json_t *list, const int32_t *id, int32_t n)
{
    assert_int_equal(json_array_size(list), n);
    for (int32_t i = 0; i < n; i++)
        assert_int_equal(json_integer_value(json_array_get(list, (size_t)i)), id[i]);
}

static void pairs_are_written_whole(void **state)
{
    (void)state;
    struct ap_work_tree tree = {.tool = 4, .problems = 2, .question = 3, .chains = 2, .least = 2, .most = 5};
    struct ap_work_examples w;
    struct ap_map map;
    const char *line;
    size_t offset = 0, len;
    OK(ap__work_examples_make(&tree, 1000, &w, err));
    OK(ap__work_write_pairs(&w, in_dir("pairs.jsonl"), err));
    OK(ap__map_open(in_dir("pairs.jsonl"), &map, err));
    for (int32_t i = 0; i < w.n; i++) {
        const struct ap_seq *good = &w.example[i].chosen, *bad = &w.example[i].rejected;
        json_t *row;
        assert_true(ap__map_line(&map, &offset, &line, &len));
        OK(ap__json_parse(line, len, "pairs", &row, err));
        compare_ids(json_object_get(row, "prompt_ids"), good->token, 7);
        compare_ids(json_object_get(row, "chosen_ids"), good->token + 7, good->len - 7);
        compare_ids(json_object_get(row, "rejected_ids"), bad->token + 7, bad->len - 7);
        json_decref(row);
    }
    assert_false(ap__map_line(&map, &offset, &line, &len));
    ap__map_close(&map);
    ap__work_examples_deinit(&w);
}

static void a_script_is_written_whole(void **state)
{
    (void)state;
    struct ap_work_rollout shape = {.tool = 4, .problems = 2, .question = 3, .samples = 2, .steps = 3, .call = 6, .result = 2};
    struct ap_work_script script;
    struct ap_arena arena;
    json_t *root;
    ap__arena_init(&arena, 0);
    OK(ap__work_script_make(&shape, 1000, &arena, &script, err));
    OK(ap__work_write_script(&script, in_dir("rollout.json"), err));
    OK(ap__json_load(in_dir("rollout.json"), &root, err));
    compare_ids(json_array_get(json_object_get(root, "prompts"), 1), script.prompt + 7, 7);
    const json_t *results = json_object_get(root, "results");
    assert_int_equal(json_array_size(results), 4);
    compare_ids(json_array_get(json_array_get(results, 3), 1), script.result + 3 * 4 + 2, 2);
    json_decref(root);
    ap__arena_deinit(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_work_is_the_same_every_time),
        cmocka_unit_test(chains_share_the_prompt_and_nothing_else),
        cmocka_unit_test(pairs_share_nothing_between_each_other),
        cmocka_unit_test(pairs_of_tasks_train_calls_alone),
        cmocka_unit_test(operations_are_those_that_a_model_makes),
        cmocka_unit_test(a_row_that_predicts_several_tokens_counts_once),
        cmocka_unit_test(a_window_bounds_what_is_counted),
        cmocka_unit_test(medians_are_in_the_middle),
        cmocka_unit_test_setup_teardown(steps_are_measured_with_the_reference_as_check, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(rollouts_have_the_first_log_probabilities_as_check, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(the_first_token_is_text, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(a_made_tokenizer_reads_what_it_writes, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(pairs_are_written_whole, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(a_script_is_written_whole, make_dir, remove_dir),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    ap__backend_cpu_release();
    return failed;
}
