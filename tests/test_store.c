/* test_store.c - what was recorded stays recorded and comes back: order, kills, resumes, readers. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "store/store.h"
#include "store_fixture.h"

#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- what goes in comes out ---- */

static ap_status check_chain(void *user, struct ap_stored_chain *c, struct ap_err *err)
{
    (void)err;
    assert_string_equal(c->key.problem, "p003");
    assert_string_equal(c->key.actor, "teacher");
    assert_int_equal(c->key.sample, (*(int *)user)++);
    assert_true(c->temperature == 0.7);
    assert_true(c->stream == UINT64_MAX - 3);
    assert_int_equal(c->sound, c->key.sample % 2 == 0);
    assert_int_equal(c->chain.verdict, AP_INCORRECT);
    assert_int_equal(c->chain.end, AP_END_BAD_CALLS);
    assert_int_equal(c->chain.n, 2);
    assert_string_equal(c->chain.step[0].function, "Sum");
    assert_string_equal(c->chain.step[1].result, "it's a \"bad\" call");
    assert_true(c->chain.step[1].error);
    assert_int_equal(c->chain.step[0].token_first, 2);
    assert_int_equal(c->chain.step[0].token_count, 2);
    if (c->key.sample == 1)
        assert_null(c->chain.answer);
    else
        assert_string_equal(c->chain.answer, "5");
    assert_int_equal(c->chain.tokens.n, 6);
    assert_int_equal(c->chain.tokens.id[1], -7);
    assert_int_equal(c->chain.tokens.id[2], 300 + c->key.sample);
    assert_int_equal(c->chain.tokens.id[3], 70000);
    assert_int_equal(c->chain.tokens.role[4], 2);
    return AP_OK;
}

static void a_chain_is_read_back_as_it_was_added(void **state)
{
    (void)state;
    struct ap_store *store = open_store(AP_STORE_WRITE);
    add_problems(store, 5);
    add_two_steps(store, "p003", "teacher", 2);
    add_two_steps(store, "p003", "teacher", 0);
    add_two_steps(store, "p003", "teacher", 1);
    add_two_steps(store, "p002", "teacher", 0);
    int seen = 0;
    struct ap_chain_filter filter = {.problem = "p003", .actor = "teacher", .steps = true, .tokens = true};
    OK(ap__store_each_chain(store, &filter, check_chain, &seen, err));
    assert_int_equal(seen, 3);
    ap__store_free(store);
    seen = 0;
    store = open_store(AP_STORE_READ);
    OK(ap__store_each_chain(store, &filter, check_chain, &seen, err));
    assert_int_equal(seen, 3);
    ap__store_free(store);
}

static ap_status append_key(void *user, struct ap_stored_chain *c, struct ap_err *err)
{
    (void)err;
    char line[64];
    snprintf(line, sizeof line, "%s %s %d\n", c->key.problem, c->key.actor, c->key.sample);
    ap__buf_puts(user, line);
    return AP_OK;
}

static void chains_come_in_the_order_of_their_keys_whatever_order_they_were_made_in(void **state)
{
    (void)state;
    struct ap_store *store = open_store(AP_STORE_WRITE);
    add_problems(store, 3);
    add_two_steps(store, "p002", "student", 1);
    add_two_steps(store, "p000", "teacher", 1);
    add_two_steps(store, "p000", "student", 0);
    add_two_steps(store, "p002", "student", AP_SAMPLE_GREEDY);
    add_two_steps(store, "p000", "teacher", 0);
    struct ap_buf order;
    ap__buf_init(&order, 0);
    struct ap_chain_filter filter = {.task = "math"};
    OK(ap__store_each_chain(store, &filter, append_key, &order, err));
    assert_string_equal(order.data, "p000 student 0\np000 teacher 0\np000 teacher 1\np002 student -1\np002 student 1\n");
    ap__buf_deinit(&order);
    ap__store_free(store);
}

static void a_chain_key_is_taken_once_and_a_chain_needs_its_problem(void **state)
{
    (void)state;
    struct ap_store *store = open_store(AP_STORE_WRITE);
    add_problems(store, 1);
    add_two_steps(store, "p000", "teacher", 0);
    struct ap_err why = {0};
    struct ap_stored_chain again = {.key = {"p000", "teacher", AP_FOR_COLLECT, 0}};
    assert_int_equal(ap__store_add_chain(store, &again, &why), AP_E_EXISTS);
    struct ap_stored_chain lost = {.key = {"p999", "teacher", AP_FOR_COLLECT, 0}};
    assert_int_equal(ap__store_add_chain(store, &lost, &why), AP_E_NOT_FOUND);
    assert_non_null(strstr(why.message, "p999"));
    assert_int_equal(count(store, NULL), 1);
    ap__store_free(store);
}

/* ---- problems ---- */

static void train_and_held_out_never_share_content(void **state)
{
    (void)state;
    struct ap_store *store = open_store(AP_STORE_WRITE);
    struct ap_err why = {0};
    struct ap_problem a = problem("a", "How many apples?"), b = problem("b", "how  MANY apples?");
    OK(ap__store_add_problem(store, AP_TRAIN, &a, err));
    OK(ap__store_add_problem(store, AP_TRAIN, &a, err));
    assert_int_equal(ap__store_add_problem(store, AP_HELDOUT, &b, &why), AP_E_EXISTS);
    assert_non_null(strstr(why.message, "overlap"));
    b.task = (char *)"another-task";
    assert_int_equal(ap__store_add_problem(store, AP_HELDOUT, &b, &why), AP_E_EXISTS);
    b.task = (char *)"math";
    assert_int_equal(ap__store_add_problem(store, AP_TRAIN, &b, &why), AP_E_EXISTS);
    assert_non_null(strstr(why.message, "same content"));
    assert_int_equal(ap__store_add_problem(store, AP_HELDOUT, &a, &why), AP_E_EXISTS);
    a.question = (char *)"Something else?";
    assert_int_equal(ap__store_add_problem(store, AP_TRAIN, &a, &why), AP_E_EXISTS);
    assert_non_null(strstr(why.message, "two different"));
    int64_t n = 0;
    OK(ap__store_count_problems(store, NULL, AP_TRAIN, &n, err));
    assert_int_equal(n, 1);
    ap__store_free(store);
}

static void problems_come_back_in_order_and_by_task(void **state)
{
    (void)state;
    struct ap_store *store = open_store(AP_STORE_WRITE);
    struct ap_problem z = problem("z", "zebra?"), a = problem("a", "ant?"), f = problem("f", "fly?");
    f.task = (char *)"fol";
    OK(ap__store_add_problem(store, AP_HELDOUT, &z, err));
    OK(ap__store_add_problem(store, AP_HELDOUT, &f, err));
    OK(ap__store_add_problem(store, AP_HELDOUT, &a, err));
    struct ap_problems out = {0};
    OK(ap__store_problems(store, "math", AP_HELDOUT, &out, err));
    assert_int_equal(out.n, 2);
    assert_string_equal(out.item[0].id, "z");
    assert_string_equal(out.item[1].question, "ant?");
    assert_string_equal(out.item[1].template_name, "t");
    ap__problems_deinit(&out);
    OK(ap__store_problems(store, NULL, AP_TRAIN, &out, err));
    assert_int_equal(out.n, 0);
    ap__problems_deinit(&out);
    struct ap_names tasks = {0};
    OK(ap__store_tasks(store, &tasks, err));
    assert_int_equal(tasks.n, 2);
    assert_string_equal(tasks.item[0], "math");
    assert_string_equal(tasks.item[1], "fol");
    ap__names_deinit(&tasks);
    ap__store_free(store);
}

/* ---- kills and resumes ---- */

/* In a child: add chains one by one, tell the parent about each, until killed. */
static void child_collects(int fd)
{
    struct ap_store *store = NULL;
    struct ap_err why;
    if (ap__store_open(dir, AP_STORE_WRITE, &store, &why) != AP_OK)
        _exit(2);
    for (int i = 0; i < 400; i++) {
        char id[32];
        snprintf(id, sizeof id, "p%03d", i / 4);
        if (exists(store, id, "student", i % 4))
            continue;
        add_two_steps(store, id, "student", i % 4);
        if (write(fd, &i, sizeof i) != sizeof i)
            _exit(3);
    }
    if (ap__store_flush(store, &why) != AP_OK)
        _exit(4);
    ap__store_free(store);
    _exit(0);
}

/* Kill the child after it has said `limit` chains; *last = the last it said. True when it came to its end. */
static bool run_child(int limit, int *last)
{
    int pipefd[2], status = 0, i;
    assert_int_equal(pipe(pipefd), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        close(pipefd[0]);
        child_collects(pipefd[1]);
    }
    close(pipefd[1]);
    for (int n = 0; n < limit && read(pipefd[0], &i, sizeof i) == sizeof i; n++)
        *last = i;
    kill(pid, SIGKILL);
    waitpid(pid, &status, 0);
    close(pipefd[0]);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static ap_status chain_is_whole(void *user, struct ap_stored_chain *c, struct ap_err *err)
{
    (void)user;
    (void)err;
    assert_int_equal(c->chain.n, 2);
    assert_int_equal(c->chain.tokens.n, 6);
    return AP_OK;
}

static void killed_at_any_instant_a_run_loses_at_most_the_open_batch_and_ends_the_same(void **state)
{
    (void)state;
    struct ap_store *store = open_store(AP_STORE_WRITE);
    add_problems(store, 100);
    ap__store_free(store);
    bool finished = false;
    for (int round = 0; !finished && round < 40; round++) {
        int last = -1;
        finished = run_child(37 + 29 * round, &last);
        store = open_store(AP_STORE_READ);
        int64_t n = count(store, "student");
        assert_true(n >= last + 1 - AP_STORE_BATCH);
        struct ap_chain_filter filter = {.steps = true, .tokens = true};
        OK(ap__store_each_chain(store, &filter, chain_is_whole, NULL, err));
        ap__store_free(store);
    }
    assert_true(finished);
    store = open_store(AP_STORE_READ);
    assert_int_equal(count(store, "student"), 400);
    ap__store_free(store);
}

static void two_writers_cannot_work_on_one_run_but_a_reader_can_look(void **state)
{
    (void)state;
    struct ap_store *first = open_store(AP_STORE_WRITE), *second = NULL;
    struct ap_err why = {0};
    add_problems(first, 2);
    assert_int_equal(ap__store_open(dir, AP_STORE_WRITE, &second, &why), AP_E_STATE);
    assert_null(second);
    assert_non_null(strstr(why.message, "another process"));
    struct ap_store *reader = open_store(AP_STORE_READ);
    int64_t n = 0;
    OK(ap__store_count_problems(reader, NULL, AP_TRAIN, &n, err));
    assert_int_equal(n, 2);
    struct ap_problem p = problem("x", "x?");
    assert_int_equal(ap__store_add_problem(reader, AP_TRAIN, &p, &why), AP_E_STATE);
    ap__store_free(reader);
    ap__store_free(first);
    second = open_store(AP_STORE_WRITE);
    ap__store_free(second);
}

/* ---- the rest of the record ---- */

static void pairs_are_replaced_whole_and_keep_their_reference(void **state)
{
    (void)state;
    struct ap_store *store = open_store(AP_STORE_WRITE);
    add_problems(store, 1);
    for (int i = 0; i < 4; i++)
        add_two_steps(store, "p000", "student", i);
    struct ap_pair item[2] = {
        {.problem = (char *)"p000", .chosen = 1, .rejected = 2, .divergence = 1, .provenance = (char *)"student>student"},
        {.problem = (char *)"p000", .chosen = 1, .rejected = 3, .divergence = 0, .provenance = (char *)"student>student"}};
    struct ap_pairs pairs = {.item = item, .n = 2}, out = {0};
    OK(ap__store_set_pairs(store, &pairs, err));
    OK(ap__store_set_reference(store, 2, -10.25, -12.5, err));
    struct ap_err why = {0};
    assert_int_equal(ap__store_set_reference(store, 3, 0, 0, &why), AP_E_NOT_FOUND);
    OK(ap__store_pairs(store, &out, err));
    assert_int_equal(out.n, 2);
    assert_int_equal(out.item[0].id, 1);
    assert_false(out.item[0].has_reference);
    assert_true(out.item[1].has_reference);
    assert_true(out.item[1].ref_chosen == -10.25 && out.item[1].ref_rejected == -12.5);
    assert_string_equal(out.item[1].provenance, "student>student");
    ap__pairs_deinit(&out);
    pairs.n = 1;
    OK(ap__store_set_pairs(store, &pairs, err));
    OK(ap__store_pairs(store, &out, err));
    assert_int_equal(out.n, 1);
    ap__pairs_deinit(&out);
    OK(ap__store_clear_chains(store, "student", AP_FOR_COLLECT, err));
    OK(ap__store_pairs(store, &out, err));
    assert_int_equal(out.n, 0);
    assert_int_equal(count(store, NULL), 0);
    ap__pairs_deinit(&out);
    ap__store_free(store);
}

static void metrics_come_back_by_step_and_can_be_cut_for_a_resume(void **state)
{
    (void)state;
    struct ap_store *store = open_store(AP_STORE_WRITE);
    for (int step = 4; step >= 0; step--) {
        json_t *values = json_pack("{s:f}", "loss", 0.125 * step);
        OK(ap__store_add_metric(store, "dpo", step, values, err));
        OK(ap__store_add_metric(store, "sft", step, values, err));
        json_decref(values);
    }
    OK(ap__store_clear_metrics(store, "dpo", 3, err));
    json_t *out = NULL;
    OK(ap__store_metrics(store, "dpo", &out, err));
    assert_int_equal(json_array_size(out), 3);
    assert_int_equal(ap__json_i64_or(json_array_get(out, 2), "step", -1), 2);
    assert_true(ap__json_f64_or(json_array_get(out, 2), "loss", -1) == 0.25);
    json_decref(out);
    json_t *note = json_pack("{s:s}", "model", "models/student");
    OK(ap__store_set_evaluation(store, "before", "math", note, err));
    OK(ap__store_set_evaluation(store, "before", "math", note, err));
    json_decref(note);
    OK(ap__store_evaluations(store, &out, err));
    assert_int_equal(json_array_size(out), 1);
    assert_string_equal(ap__json_str_or(json_array_get(out, 0), "name", ""), "before");
    json_decref(out);
    char *value = NULL;
    OK(ap__store_set_meta(store, "seed", "1", err));
    OK(ap__store_set_meta(store, "seed", "2", err));
    OK(ap__store_meta(store, "seed", &value, err));
    assert_string_equal(value, "2");
    ap__free(value);
    OK(ap__store_meta(store, "nothing", &value, err));
    assert_null(value);
    ap__store_free(store);
}

static void a_stage_adds_up_its_seconds_over_processes(void **state)
{
    (void)state;
    struct ap_store *store = open_store(AP_STORE_WRITE);
    struct ap_stage stage;
    OK(ap__store_stage(store, "collect", &stage, err));
    assert_int_equal(stage.state, AP_STAGE_NEW);
    OK(ap__store_begin_stage(store, "collect", 77, err));
    struct ap_err why = {0};
    assert_int_equal(ap__store_begin_stage(store, "pairs", 1, &why), AP_E_STATE);
    usleep(30000);
    OK(ap__store_set_meta(store, "k", "v", err));
    OK(ap__store_flush(store, err));
    ap__store_free(store); /* as if killed: the stage never ended */
    store = open_store(AP_STORE_WRITE);
    OK(ap__store_stage(store, "collect", &stage, err));
    assert_int_equal(stage.state, AP_STAGE_STARTED);
    assert_int_equal(stage.fingerprint, 77);
    double first = stage.seconds;
    assert_true(first >= 0.03);
    OK(ap__store_begin_stage(store, "collect", 77, err));
    usleep(20000);
    OK(ap__store_end_stage(store, true, err));
    OK(ap__store_stage(store, "collect", &stage, err));
    assert_int_equal(stage.state, AP_STAGE_DONE);
    assert_true(stage.seconds >= first + 0.02);
    OK(ap__store_begin_stage(store, "collect", 78, err));
    OK(ap__store_end_stage(store, false, err));
    struct ap_stage *all = NULL;
    size_t n = 0;
    OK(ap__store_stages(store, &all, &n, err));
    assert_int_equal(n, 1);
    assert_int_equal(all[0].state, AP_STAGE_STARTED);
    assert_true(all[0].seconds < first);
    ap__free(all);
    ap__store_free(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_chain_is_read_back_as_it_was_added),
        TEST(chains_come_in_the_order_of_their_keys_whatever_order_they_were_made_in),
        TEST(a_chain_key_is_taken_once_and_a_chain_needs_its_problem),
        TEST(train_and_held_out_never_share_content),
        TEST(problems_come_back_in_order_and_by_task),
        TEST(killed_at_any_instant_a_run_loses_at_most_the_open_batch_and_ends_the_same),
        TEST(two_writers_cannot_work_on_one_run_but_a_reader_can_look),
        TEST(pairs_are_replaced_whole_and_keep_their_reference),
        TEST(metrics_come_back_by_step_and_can_be_cut_for_a_resume),
        TEST(a_stage_adds_up_its_seconds_over_processes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
