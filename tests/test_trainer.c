/* test_trainer.c - the loop: it learns, it repeats itself bit for bit, it survives being stopped. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "tiny_model.h"
#include "train/checkpoint.h"
#include "train/trainer.h"

enum { PAIRS = 6, LEN = 12, STEPS = 10 };

struct pairs {
    int32_t token[PAIRS][2][LEN];
    uint8_t trained[LEN];
    struct ap_train_example example[PAIRS];
};

/* Pairs of one prompt each; chosen and rejected part after half of their length. */
static void make_pairs(struct pairs *p, int32_t V)
{
    struct ap_rng rng = ap__rng_make(4, "pairs", 0, 0, 0);
    for (int t = 0; t < LEN; t++)
        p->trained[t] = t >= LEN / 3;
    for (int i = 0; i < PAIRS; i++) {
        for (int t = 0; t < LEN; t++) {
            p->token[i][0][t] = (int32_t)ap__rng_below(&rng, (uint32_t)V);
            p->token[i][1][t] = t < LEN / 2 ? p->token[i][0][t] : (int32_t)ap__rng_below(&rng, (uint32_t)V);
        }
        p->example[i] = (struct ap_train_example){.chosen = {p->token[i][0], p->trained, LEN},
                                                  .rejected = {p->token[i][1], p->trained, LEN}};
    }
}

struct history {
    double loss[256];
    struct ap_train_metrics last;
    int64_t stop_at; /* pretend Ctrl-C after this step */
    int32_t count;
};

static ap_status note(void *user, const struct ap_train_metrics *metrics, struct ap_err *err)
{
    struct history *h = user;
    h->loss[h->count++] = metrics->loss;
    h->last = *metrics;
    return metrics->step == h->stop_at ? ap__fail(err, AP_E_INTERRUPTED, NULL, "stopped") : AP_OK;
}

static struct ap_train_config dpo_config(int64_t steps)
{
    struct ap_train_config c = ap__train_default();
    c.batch_config.dpo = (struct ap_dpo){.beta = 0.5, .nll_weight = 1.0};
    c.optimizer.lr = 2e-2;
    c.batch = 4;
    c.steps = steps;
    c.seed = 11;
    return c;
}

static struct ap_model *lora_model(void)
{
    struct ap_config shape = tiny_config();
    struct ap_model *m = tiny_model(&shape, 3);
    OK(ap__model_add_lora(m, &(struct ap_lora_config){4, 8.0f, AP_LORA_ALL}, 5, err));
    return m;
}

static void dpo_with_an_adapter_learns_to_prefer_the_chosen_chains(void **state)
{
    (void)state;
    struct ap_model *m = lora_model();
    struct ap_train_config c = dpo_config(60);
    struct pairs p;
    struct history log = {0};
    make_pairs(&p, tiny_config().V);
    OK(ap__train_reference(m, AP_REFERENCE_BASE, p.example, PAIRS, 0, err));
    OK(ap__train(m, &c, p.example, PAIRS, note, &log, err));
    assert_int_equal(log.count, 60);
    double chosen = 0.0;
    for (int i = 0; i < PAIRS; i++)
        chosen += p.example[i].ref_chosen / PAIRS;
    assert_true(chosen < -10.0);
    assert_true(log.last.loss < 0.5 * log.loss[0]);
    assert_true(log.last.accuracy == 1.0);
    assert_true(log.last.margin > 1.0);
    assert_true(log.last.drift_chosen > 1.0);
    assert_true(log.last.tree_tokens < log.last.flat_tokens);
    ap__model_free(m);
}

static void the_first_step_of_dpo_has_no_margin(void **state)
{
    (void)state;
    struct ap_model *m = lora_model();
    struct ap_train_config c = dpo_config(1);
    struct pairs p;
    struct history log = {0};
    c.batch_config.dpo.nll_weight = 0.0;
    make_pairs(&p, tiny_config().V);
    OK(ap__train_reference(m, AP_REFERENCE_BASE, p.example, PAIRS, 0, err));
    OK(ap__train(m, &c, p.example, PAIRS, note, &log, err));
    assert_below("loss minus ln 2", fabs(log.loss[0] - M_LN2), 1e-6, 0);
    assert_below("margin", fabs(log.last.margin), 1e-5, 0);
    ap__model_free(m);
}

static void a_token_budget_of_the_reference_pass_changes_nothing_but_rounding(void **state)
{
    (void)state;
    struct ap_model *m = lora_model();
    struct pairs p, q;
    make_pairs(&p, tiny_config().V);
    q = p;
    OK(ap__train_reference(m, AP_REFERENCE_BASE, p.example, PAIRS, 0, err));
    OK(ap__train_reference(m, AP_REFERENCE_BASE, q.example, PAIRS, 2 * LEN, err));
    for (int i = 0; i < PAIRS; i++) {
        assert_below("chosen", fabs(p.example[i].ref_chosen - q.example[i].ref_chosen), 1e-4, 0);
        assert_below("rejected", fabs(p.example[i].ref_rejected - q.example[i].ref_rejected), 1e-4, 0);
    }
    FAILS(AP_E_TOO_LARGE, "", ap__train_reference(m, AP_REFERENCE_BASE, q.example, PAIRS, LEN, err));
    ap__model_free(m);
}

/* Train and return the adapter's values. */
static float *train_values(const struct ap_train_config *c, struct pairs *p, struct history *log, int64_t *n)
{
    struct ap_model *m = lora_model();
    struct ap_err failure = {0};
    OK(ap__train_reference(m, AP_REFERENCE_BASE, p->example, PAIRS, 0, err));
    ap_status status = ap__train(m, c, p->example, PAIRS, note, log, &failure);
    assert_int_equal(status, log->stop_at > 0 ? AP_E_INTERRUPTED : AP_OK);
    float *values = copy_values(m, n);
    ap__model_free(m);
    return values;
}

static void the_same_seed_gives_the_same_adapter_bit_for_bit(void **state)
{
    (void)state;
    struct ap_train_config c = dpo_config(STEPS);
    struct pairs p;
    int64_t n;
    make_pairs(&p, tiny_config().V);
    float *a = train_values(&c, &p, &(struct history){0}, &n), *b = train_values(&c, &p, &(struct history){0}, &n);
    assert_memory_equal(a, b, (size_t)n * sizeof *a);
    c.seed++;
    float *other = train_values(&c, &p, &(struct history){0}, &n);
    assert_memory_not_equal(a, other, (size_t)n * sizeof *a);
    ap__free(other);
    ap__free(b);
    ap__free(a);
}

static void a_stopped_training_goes_on_to_the_same_bits(void **state)
{
    (void)state;
    char dir[] = "/tmp/apprentice_trainer_XXXXXX";
    struct ap_train_config c = dpo_config(STEPS);
    struct pairs p;
    struct history whole = {0}, first = {.stop_at = 4}, second = {0}, third = {0};
    int64_t n;
    make_pairs(&p, tiny_config().V);
    float *straight = train_values(&c, &p, &whole, &n);
    assert_non_null(mkdtemp(dir));
    c.checkpoint_dir = dir;
    c.checkpoint_every = 3;
    ap__free(train_values(&c, &p, &first, &n));
    float *resumed = train_values(&c, &p, &second, &n);
    assert_int_equal(first.count, 4);
    assert_int_equal(second.count, STEPS - 4);
    assert_memory_equal(straight, resumed, (size_t)n * sizeof *straight);
    assert_memory_equal(whole.loss + 4, second.loss, (STEPS - 4) * sizeof *whole.loss);
    float *done = train_values(&c, &p, &third, &n); /* nothing left to do */
    assert_int_equal(third.count, 0);
    assert_memory_equal(straight, done, (size_t)n * sizeof *straight);
    ap__free(done);
    ap__free(resumed);
    ap__free(straight);
    remove_dir(dir);
}

static void a_checkpoint_of_another_training_is_refused(void **state)
{
    (void)state;
    char dir[] = "/tmp/apprentice_trainer_XXXXXX";
    struct ap_train_config c = dpo_config(2);
    struct pairs p;
    int64_t n;
    make_pairs(&p, tiny_config().V);
    assert_non_null(mkdtemp(dir));
    c.checkpoint_dir = dir;
    ap__free(train_values(&c, &p, &(struct history){0}, &n));
    struct ap_model *m = lora_model();
    c.optimizer.lr *= 2.0;
    FAILS(AP_E_STATE, "other settings", ap__train(m, &c, p.example, PAIRS, NULL, NULL, err));
    c.optimizer.lr /= 2.0;
    p.token[1][0][5]++;
    FAILS(AP_E_STATE, "other settings or examples", ap__train(m, &c, p.example, PAIRS, NULL, NULL, err));
    ap__model_free(m);
    remove_dir(dir);
}

/* ---- a source of fresh examples ---- */

struct copying {
    int32_t token[8][9];
    uint8_t trained[9];
};

/* Copy three tokens: a b c # a b c. */
static ap_status make_copies(void *user, int64_t step, struct ap_train_example *out, int32_t cap, int32_t *n,
                             struct ap_err *err)
{
    struct copying *c = user;
    (void)err;
    *n = cap < 8 ? cap : 8;
    for (int32_t i = 0; i < *n; i++) {
        struct ap_rng rng = ap__rng_make(1, "copy", (uint64_t)step, (uint64_t)i, 0);
        for (int t = 0; t < 3; t++)
            c->token[i][t] = c->token[i][4 + t] = 1 + (int32_t)ap__rng_below(&rng, 6);
        c->token[i][3] = 0;
        out[i] = (struct ap_train_example){.chosen = {c->token[i], c->trained, 7}};
    }
    return AP_OK;
}

static void check_copying(bool muon)
{
    struct ap_config shape = tiny_config();
    struct ap_model *m = NULL;
    struct ap_train_config c = ap__train_default();
    struct copying copying = {.trained = {0, 0, 0, 0, 1, 1, 1, 0, 0}};
    struct history log = {0};
    shape.V = 8;
    shape.D = 32;
    shape.Dh = 8;
    OK(ap__model_new(&shape, 2, &m, err));
    c.batch_config.method = AP_METHOD_SFT;
    c.batch = 8;
    c.steps = 250;
    c.optimizer.muon = muon;
    c.optimizer.lr = muon ? 5e-3 : 8e-3;
    OK(ap__train_from(m, &c, make_copies, &copying, note, &log, err));
    assert_below("first loss", fabs(log.loss[0] - 3.0 * M_LN2), 0.2, 0);
    assert_below("last loss", log.last.loss, 0.2, 0);
    ap__model_free(m);
}

static void full_training_on_fresh_examples_learns_to_copy(void **state)
{
    (void)state;
    check_copying(false);
    check_copying(true);
}

static void a_source_that_returns_nothing_is_an_error(void **state)
{
    (void)state;
    struct ap_model *m = lora_model();
    struct ap_train_config c = dpo_config(2);
    c.steps = 0;
    FAILS(AP_E_ARG, "number of steps", ap__train_from(m, &c, make_copies, NULL, NULL, NULL, err));
    FAILS(AP_E_ARG, "no examples", ap__train(m, &c, NULL, 0, NULL, NULL, err));
    ap__model_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dpo_with_an_adapter_learns_to_prefer_the_chosen_chains),
        cmocka_unit_test(the_first_step_of_dpo_has_no_margin),
        cmocka_unit_test(a_token_budget_of_the_reference_pass_changes_nothing_but_rounding),
        cmocka_unit_test(the_same_seed_gives_the_same_adapter_bit_for_bit),
        cmocka_unit_test(a_stopped_training_goes_on_to_the_same_bits),
        cmocka_unit_test(a_checkpoint_of_another_training_is_refused),
        cmocka_unit_test(full_training_on_fresh_examples_learns_to_copy),
        cmocka_unit_test(a_source_that_returns_nothing_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
