/* store_fixture.h - what the tests of the store share: problems, chains, counting them.
 * The including file has cmocka's headers and store/store.h already. */
#ifndef AP_STORE_FIXTURE_H
#define AP_STORE_FIXTURE_H

#include "testing.h"

AP_TEST_HELPER struct ap_store *open_store(enum ap_store_mode mode)
{
    struct ap_store *store = NULL;
    OK(ap__store_open(dir, mode, &store, err));
    return store;
}

AP_TEST_HELPER struct ap_problem problem(const char *id, const char *question)
{
    return (struct ap_problem){.id = (char *)id, .task = (char *)"math", .template_name = (char *)"t",
                               .question = (char *)question, .answer = (char *)"5"};
}

AP_TEST_HELPER void add_problems(struct ap_store *store, int n)
{
    for (int i = 0; i < n; i++) {
        char id[32], question[64];
        snprintf(id, sizeof id, "p%03d", i);
        snprintf(question, sizeof question, "What is %d and one?", i);
        struct ap_problem p = problem(id, question);
        OK(ap__store_add_problem(store, AP_TRAIN, &p, err));
    }
    OK(ap__store_flush(store, err));
}

/* A chain of two steps whose contents follow from its key. */
AP_TEST_HELPER void add_two_steps(struct ap_store *store, const char *id, const char *actor, int32_t sample)
{
    int32_t token[6] = {1, -7, 300 + sample, 70000, 5, 6};
    uint8_t role[6] = {0, 0, 1, 1, 2, 1};
    char call[64];
    snprintf(call, sizeof call, "Sum(a=%s, b=%d)", id + 1, sample);
    struct ap_step step[2] = {
        {.call = call, .result = (char *)"5", .function = (char *)"Sum", .token_first = 2, .token_count = 2},
        {.call = (char *)"Answer('5'", .result = (char *)"it's a \"bad\" call", .function = (char *)"", .error = true,
         .token_first = 5, .token_count = 1}};
    struct ap_stored_chain chain = {
        .key = {.problem = id, .actor = actor, .purpose = AP_FOR_COLLECT, .sample = sample},
        .temperature = 0.7,
        .stream = UINT64_MAX - 3,
        .sound = sample % 2 == 0,
        .chain = {.step = step, .n = 2, .answer = sample == 1 ? NULL : (char *)"5", .end = AP_END_BAD_CALLS,
                  .verdict = AP_INCORRECT, .tokens = {.id = token, .role = role, .n = 6}, .new_tokens = 3,
                  .seconds = 0.25}};
    OK(ap__store_add_chain(store, &chain, err));
    assert_true(chain.id > 0);
}

AP_TEST_HELPER bool exists(struct ap_store *store, const char *id, const char *actor, int32_t sample)
{
    bool there = false;
    struct ap_chain_key key = {id, actor, AP_FOR_COLLECT, sample};
    OK(ap__store_chain_exists(store, &key, &there, err));
    return there;
}

AP_TEST_HELPER int64_t count(struct ap_store *store, const char *actor)
{
    int64_t n = -1;
    struct ap_chain_filter filter = {.actor = actor, .purpose = AP_FOR_COLLECT};
    OK(ap__store_count_chains(store, &filter, &n, err));
    return n;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_dir, remove_dir)

#endif
