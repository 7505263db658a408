/* test_trl.c - whole trainings against TRL's DPOTrainer with PEFT's LoRA (tests/data/trl, README.md there). */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "base/json.h"
#include "base/text.h"
#include "model/safetensors.h"
#include "testing.h"
#include "train/trainer.h"
#include <math.h>
#include <string.h>

#define FOLDER AP_TEST_DATA "/trl"
#define STEP_TOLERANCE 1e-4      /* loss and gradient norm of a step, relative */
#define REFERENCE_TOLERANCE 1e-5 /* log-probs of sequences, relative */
#define ADAPTER_TOLERANCE 1e-4   /* final factors: of each tensor's norm */
#define LOGITS_TOLERANCE 1e-5    /* of the largest logit */

enum { MAX_PAIRS = 32, MAX_LEN = 256, MAX_PARAMS = 64 };

struct fixture {
    const char *name; /* folder */
    json_t *numbers;
    struct ap_safetensors *tensors;
    int32_t token[MAX_PAIRS][2][MAX_LEN];
    uint8_t trained[MAX_PAIRS][2][MAX_LEN];
    struct ap_train_example example[MAX_PAIRS];
    int32_t pairs;
    /* The training that is being compared. */
    const char *loss;
    const json_t *history;
    double worst_loss, worst_norm;
};

static const char *path_of(const struct fixture *f, const char *name)
{
    static char path[256];
    snprintf(path, sizeof path, "%s/%s", f->name, name);
    return path;
}

static double number(const json_t *object, const char *key) { return json_number_value(json_object_get(object, key)); }

static double at(const json_t *object, const char *key, size_t i)
{
    return json_number_value(json_array_get(json_object_get(object, key), i));
}

static void assert_close(const struct fixture *f, const char *what, double got, double expected, double tolerance)
{
    if (!(fabs(got - expected) <= tolerance * fabs(expected)))
        fail_msg("%s, %s, %s: %.9g instead of %.9g", f->name, f->loss, what, got, expected);
}

/* Prompt, then a completion that is trained. */
static struct ap_seq read_seq(const json_t *pair, const char *completion, int32_t *token, uint8_t *trained)
{
    const json_t *part[2] = {json_object_get(pair, "prompt"), json_object_get(pair, completion)};
    int32_t n = 0;
    for (int p = 0; p < 2; p++)
        for (size_t i = 0; i < json_array_size(part[p]); i++, n++) {
            assert_in_range(n, 0, MAX_LEN - 1);
            token[n] = (int32_t)json_integer_value(json_array_get(part[p], i));
            trained[n] = p == 1;
        }
    return (struct ap_seq){token, trained, n};
}

static void open_fixture(struct fixture *f, const char *name)
{
    *f = (struct fixture){.name = name};
    OK(ap__json_load(path_of(f, "expected.json"), &f->numbers, err));
    OK(ap__safetensors_open(path_of(f, "expected.safetensors"), &f->tensors, err));
    const json_t *pairs = json_object_get(f->numbers, "pairs");
    f->pairs = (int32_t)json_array_size(pairs);
    assert_in_range(f->pairs, 1, MAX_PAIRS);
    for (int32_t i = 0; i < f->pairs; i++) {
        const json_t *pair = json_array_get(pairs, (size_t)i);
        f->example[i].chosen = read_seq(pair, "chosen", f->token[i][0], f->trained[i][0]);
        f->example[i].rejected = read_seq(pair, "rejected", f->token[i][1], f->trained[i][1]);
    }
}

static void close_fixture(struct fixture *f)
{
    ap__safetensors_free(f->tensors);
    json_decref(f->numbers);
}

static struct ap_model *open_model(const struct fixture *f, const char *adapter)
{
    struct ap_model *m = NULL;
    OK(ap__model_open(path_of(f, "."), NULL, &m, err));
    if (adapter != NULL)
        OK(ap__lora_load(m, path_of(f, adapter), err));
    return m;
}

/* ---- one training ---- */

static enum ap_loss loss_of(const json_t *history)
{
    enum ap_loss loss;
    assert_true(ap__loss_read(json_string_value(json_array_get(json_object_get(history, "loss_type"), 0)), &loss));
    return loss;
}

static struct ap_train_config config_of(const struct fixture *f)
{
    const json_t *t = json_object_get(f->numbers, "training");
    struct ap_train_config c = ap__train_default();
    c.batch = (int32_t)number(t, "batch");
    c.steps = (int64_t)number(t, "steps");
    c.batch_config.dpo = (struct ap_dpo){.beta = number(t, "beta"), .loss = loss_of(f->history),
                                         .label_smoothing = number(f->history, "label_smoothing"),
                                         .sft_weight = at(f->history, "loss_weights", 1)};
    c.optimizer = (struct ap_optimizer_config){
        .lr = number(t, "learning_rate"), .beta1 = number(t, "adam_beta1"), .beta2 = number(t, "adam_beta2"),
        .eps = number(t, "adam_epsilon"), .weight_decay = number(t, "weight_decay"), .clip = number(t, "max_grad_norm"),
        .schedule = AP_SCHEDULE_LINEAR, .warmup = number(t, "warmup_steps") / number(t, "steps"),
        .warmup_from_zero = true};
    return c;
}

/* The pairs that TRL drew for this step. */
static ap_status same_batch(void *user, int64_t step, struct ap_train_example *out, int32_t cap, int32_t *n,
                            struct ap_err *err)
{
    const struct fixture *f = user;
    const json_t *batch = json_array_get(json_object_get(f->history, "batch"), (size_t)step);
    (void)err;
    *n = (int32_t)json_array_size(batch);
    assert_in_range(*n, 1, cap);
    for (int32_t i = 0; i < *n; i++)
        out[i] = f->example[json_integer_value(json_array_get(batch, (size_t)i))];
    return AP_OK;
}

static ap_status compare_step(void *user, const struct ap_train_metrics *m, struct ap_err *err)
{
    struct fixture *f = user;
    size_t i = (size_t)m->step - 1;
    double loss = at(f->history, "loss", i), norm = at(f->history, "grad_norm", i);
    (void)err;
    f->worst_loss = fmax(f->worst_loss, fabs(m->loss / loss - 1.0));
    f->worst_norm = fmax(f->worst_norm, fabs(m->grad_norm / norm - 1.0));
    assert_close(f, "loss", m->loss, loss, STEP_TOLERANCE);
    assert_close(f, "gradient norm", m->grad_norm, norm, STEP_TOLERANCE);
    assert_true(fabs(m->lr - at(f->history, "lr", i)) < 1e-12);
    return AP_OK;
}

static void compare_reference(struct fixture *f, struct ap_model *m)
{
    bool adapter = strcmp(f->loss, "continued_adapter") == 0;
    const json_t *expected = json_object_get(f->history, "reference");
    OK(ap__train_reference(m, adapter ? AP_REFERENCE_ADAPTER : AP_REFERENCE_BASE, f->example, f->pairs, 0, err));
    for (int32_t i = 0; i < f->pairs; i++) {
        const json_t *pair = json_array_get(expected, (size_t)i);
        assert_close(f, "reference of chosen", f->example[i].ref_chosen, json_number_value(json_array_get(pair, 0)),
                     REFERENCE_TOLERANCE);
        assert_close(f, "reference of rejected", f->example[i].ref_rejected, json_number_value(json_array_get(pair, 1)),
                     REFERENCE_TOLERANCE);
    }
}

/* The largest distance of two adapters' tensors, of the tensor's norm. */
static double adapter_distance(struct ap_model *a, struct ap_model *b)
{
    struct ap_model_param p[MAX_PARAMS], q[MAX_PARAMS];
    double worst = 0.0;
    int32_t n = ap__model_params(a, p, MAX_PARAMS);
    assert_int_equal(n, ap__model_params(b, q, MAX_PARAMS));
    for (int32_t i = 0; i < n; i++) {
        double d = 0.0, s = 0.0;
        assert_string_equal(p[i].name, q[i].name);
        for (int64_t k = 0; k < p[i].n; k++) {
            double x = (double)p[i].w[k], y = (double)q[i].w[k];
            d += (x - y) * (x - y);
            s += y * y;
        }
        worst = fmax(worst, sqrt(d / s));
    }
    return worst;
}

/* Logits of the first chosen sequence against a tensor of the fixture: the largest difference of the largest. */
static double logits_distance(const struct fixture *f, struct ap_model *m, const char *name)
{
    struct ap_tensor_view view;
    struct ap_pack pack;
    struct ap_arena step;
    double worst = 0.0, largest = 0.0;
    OK(ap__safetensors_get(f->tensors, name, &view, err));
    ap__arena_init(&step, 0);
    OK(ap__pack_build(&step, &f->example[0].chosen, 1, 0, &pack, err));
    int64_t n = (int64_t)pack.T * ap__model_config(m)->V;
    assert_int_equal(n, view.shape[0] * view.shape[1]);
    float *logits = ap__arena_alloc(&step, (size_t)n * sizeof *logits);
    const float *expected = view.data;
    OK(ap__model_logits(m, &pack, &step, logits, err));
    for (int64_t i = 0; i < n; i++) {
        worst = fmax(worst, fabs((double)logits[i] - (double)expected[i]));
        largest = fmax(largest, fabs((double)expected[i]));
    }
    ap__arena_deinit(&step);
    return worst / largest;
}

static void compare_training(struct fixture *f)
{
    bool continued = ap__starts_with(f->loss, "continued");
    char logits[64];
    struct ap_model *m = open_model(f, continued ? "sigmoid" : "start"), *theirs = open_model(f, f->loss);
    struct ap_train_config c = config_of(f);
    snprintf(logits, sizeof logits, "logits.%s", f->loss);
    compare_reference(f, m);
    f->worst_loss = f->worst_norm = 0.0;
    OK(ap__train_from(m, &c, same_batch, f, compare_step, f, err));
    double loaded = logits_distance(f, theirs, logits), trained = logits_distance(f, m, logits);
    double distance = adapter_distance(m, theirs);
    print_message("%s, %s: loss within %.1e, gradient norm %.1e, adapter %.1e, logits %.1e; theirs loaded %.1e\n",
                  f->name, f->loss, f->worst_loss, f->worst_norm, distance, trained, loaded);
    assert_true(loaded <= LOGITS_TOLERANCE);
    assert_true(distance <= ADAPTER_TOLERANCE);
    ap__model_free(theirs);
    ap__model_free(m);
}

/* An adapter that PEFT wrote and used. */
static void compare_loaded(struct fixture *f, const char *name)
{
    char logits[64];
    snprintf(logits, sizeof logits, "logits.%s", name);
    struct ap_model *m = open_model(f, name);
    double distance = logits_distance(f, m, logits);
    print_message("%s, %s: logits %.1e\n", f->name, name, distance);
    assert_true(distance <= LOGITS_TOLERANCE);
    ap__model_free(m);
}

static void compare_all(const char *name)
{
    struct fixture f;
    json_t *history, *loaded;
    size_t i;
    open_fixture(&f, name);
    struct ap_model *m = open_model(&f, NULL);
    f.loss = "base";
    assert_true(logits_distance(&f, m, "logits") <= LOGITS_TOLERANCE);
    ap__model_free(m);
    json_object_foreach(json_object_get(f.numbers, "losses"), f.loss, history) {
        f.history = history;
        compare_training(&f);
    }
    json_array_foreach(json_object_get(f.numbers, "loaded"), i, loaded)
        compare_loaded(&f, json_string_value(loaded));
    close_fixture(&f);
}

static void a_llama_trains_as_with_trl_for_every_loss(void **state)
{
    (void)state;
    compare_all(FOLDER "/llama");
}

static void a_qwen2_trains_as_with_trl(void **state)
{
    (void)state;
    compare_all(FOLDER "/qwen2");
}

static const char *given_folder;

static void a_given_folder_computes_as_with_peft(void **state)
{
    (void)state;
    compare_all(given_folder);
}

/* With an argument: a folder laid out like tests/data/trl/llama (scripts/interop/adapters.py makes one). */
int main(int argc, char **argv)
{
    const struct CMUnitTest given[] = {cmocka_unit_test(a_given_folder_computes_as_with_peft)};
    if (argc > 1) {
        given_folder = argv[1];
        return cmocka_run_group_tests(given, NULL, NULL);
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_llama_trains_as_with_trl_for_every_loss),
        cmocka_unit_test(a_qwen2_trains_as_with_trl),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
