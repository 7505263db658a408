/* test_store_failures.c - foreign and damaged files, a full disk, folders that cannot be written,
 * failing allocations: one clear error each, and nothing that was recorded is lost. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "base/file.h"
#include "store/store.h"
#include "store_fixture.h"

#include <fcntl.h>
#include <signal.h>
#include <sqlite3.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static void write_file(const char *name, const char *text)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    OK(ap__file_write(path, text, strlen(text), err));
}

static void foreign_and_broken_files_are_refused_with_their_path(void **state)
{
    (void)state;
    struct ap_store *store = NULL;
    struct ap_err why = {0};
    assert_int_equal(ap__store_open(dir, AP_STORE_READ, &store, &why), AP_E_NOT_FOUND);
    write_file("run.db", "This is certainly not a database, whatever its name may say. ........................");
    assert_int_equal(ap__store_open(dir, AP_STORE_WRITE, &store, &why), AP_E_FORMAT);
    assert_non_null(strstr(why.place, "run.db"));
    assert_int_equal(ap__store_open(dir, AP_STORE_READ, &store, &why), AP_E_FORMAT);

    char path[128];
    snprintf(path, sizeof path, "%s/run.db", dir);
    unlink(path);
    sqlite3 *db;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "CREATE TABLE problems(x)", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    assert_int_equal(ap__store_open(dir, AP_STORE_WRITE, &store, &why), AP_E_FORMAT);
    assert_non_null(strstr(why.message, "not a run's store"));
    unlink(path);
    store = open_store(AP_STORE_WRITE);
    ap__store_free(store);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "PRAGMA user_version = 99", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    assert_int_equal(ap__store_open(dir, AP_STORE_READ, &store, &why), AP_E_FORMAT);
    assert_non_null(strstr(why.message, "99"));
}

static ap_status any_chain(void *user, struct ap_stored_chain *chain, struct ap_err *err)
{
    (void)user;
    (void)chain;
    (void)err;
    return AP_OK;
}

static void a_damaged_store_is_an_error_and_not_a_crash(void **state)
{
    (void)state;
    struct ap_store *store = open_store(AP_STORE_WRITE);
    add_problems(store, 60);
    for (int i = 0; i < 60; i++) {
        char id[16];
        snprintf(id, sizeof id, "p%03d", i);
        add_two_steps(store, id, "teacher", 0);
    }
    ap__store_free(store);
    char path[128];
    snprintf(path, sizeof path, "%s/run.db", dir);
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    int fd = open(path, O_RDWR);
    char junk[4096];
    memset(junk, 0xA5, sizeof junk);
    for (off_t at = 4096; at + 4096 <= st.st_size; at += 4096)
        assert_int_equal(pwrite(fd, junk, sizeof junk, at), sizeof junk);
    close(fd);
    struct ap_err why = {0};
    ap_status status = ap__store_open(dir, AP_STORE_READ, &store, &why);
    if (status == AP_OK) {
        struct ap_chain_filter filter = {.steps = true, .tokens = true};
        status = ap__store_each_chain(store, &filter, any_chain, NULL, &why);
        ap__store_free(store);
    }
    assert_int_equal(status, AP_E_FORMAT);
    assert_non_null(strstr(why.place, "run.db"));
    assert_non_null(strstr(why.message, "damaged"));
}

/* RLIMIT_FSIZE stands in for a full disk: writes beyond it fail. */
static void child_fills_the_disk(int fd)
{
    struct ap_store *store = NULL;
    struct ap_err why = {0};
    signal(SIGXFSZ, SIG_IGN);
    if (ap__store_open(dir, AP_STORE_WRITE, &store, &why) != AP_OK)
        _exit(2);
    struct rlimit limit = {400 * 1024, 400 * 1024};
    setrlimit(RLIMIT_FSIZE, &limit);
    ap_status status = AP_OK;
    int32_t committed = 0;
    for (int32_t i = 0; status == AP_OK && i < 100000; i++) {
        struct ap_step step = {.call = (char *)"F()", .result = (char *)"x", .function = (char *)"F"};
        struct ap_stored_chain chain = {.key = {"p000", "student", AP_FOR_COLLECT, i}, .chain = {.step = &step, .n = 1}};
        status = ap__store_add_chain(store, &chain, &why);
        if (status == AP_OK && i % 10 == 9 && (status = ap__store_flush(store, &why)) == AP_OK)
            committed = i + 1;
    }
    if (write(fd, &committed, sizeof committed) != sizeof committed)
        _exit(3);
    ap__store_free(store);
    _exit(status == AP_E_DATABASE && strstr(why.place, "run.db") ? 0 : 4);
}

static void a_full_disk_is_an_error_with_its_place_and_loses_nothing_committed(void **state)
{
    (void)state;
    struct ap_store *store = open_store(AP_STORE_WRITE);
    add_problems(store, 1);
    ap__store_free(store);
    int pipefd[2], status = 0;
    int32_t committed = 0;
    assert_int_equal(pipe(pipefd), 0);
    pid_t pid = fork();
    if (pid == 0)
        child_fills_the_disk(pipefd[1]);
    assert_int_equal(read(pipefd[0], &committed, sizeof committed), sizeof committed);
    waitpid(pid, &status, 0);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    assert_true(committed > 0);
    store = open_store(AP_STORE_WRITE);
    assert_true(count(store, "student") >= committed);
    add_two_steps(store, "p000", "teacher", 0); /* and it goes on */
    ap__store_free(store);
    close(pipefd[0]);
    close(pipefd[1]);
}

static void a_run_in_a_folder_that_cannot_be_written_is_one_clear_error(void **state)
{
    (void)state;
    struct ap_store *store = NULL;
    struct ap_err why = {0};
    assert_int_equal(ap__store_open("/proc/no/such/run", AP_STORE_WRITE, &store, &why), AP_E_IO);
    assert_null(store);
    assert_non_null(strstr(why.place, "/proc"));
}

static void a_finished_store_can_be_read_from_a_read_only_folder(void **state)
{
    (void)state;
    struct ap_store *store = open_store(AP_STORE_WRITE);
    add_problems(store, 3);
    ap__store_free(store);
    chmod(dir, 0555);
    bool root = geteuid() == 0;
    if (root && seteuid(65534) != 0) {
        chmod(dir, 0755);
        skip();
    }
    struct ap_err open_err = {0};
    ap_status status = ap__store_open(dir, AP_STORE_READ, &store, &open_err);
    int64_t n = 0;
    if (status == AP_OK)
        status = ap__store_count_problems(store, NULL, AP_TRAIN, &n, &open_err);
    ap__store_free(status == AP_OK ? store : NULL);
    if (root)
        assert_int_equal(seteuid(0), 0);
    chmod(dir, 0755);
    if (status != AP_OK)
        fail_msg("%s: %s", open_err.place, open_err.message);
    assert_int_equal(n, 3);
}

static void every_allocation_may_fail_while_a_chain_is_added_and_read(void **state)
{
    (void)state;
    struct ap_store *store = open_store(AP_STORE_WRITE);
    add_problems(store, 1);
    add_two_steps(store, "p000", "teacher", 0);
    bool failed = true;
    for (int64_t n = 1; failed && n < 200; n++) {
        struct ap_buf order;
        struct ap_err why = {0};
        struct ap_stored_chain chain = {0};
        ap__buf_init(&order, 0);
        ap__alloc_fail_after(n);
        ap_status status = ap__store_chain(store, 1, true, &chain, &why);
        if (status == AP_OK)
            status = ap__store_set_meta(store, "k", "v", &why);
        ap__alloc_fail_after(0);
        failed = status != AP_OK;
        if (failed)
            assert_int_equal(status, AP_E_MEMORY);
        ap__stored_chain_deinit(&chain);
        ap__buf_deinit(&order);
    }
    assert_false(failed);
    ap__store_free(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(foreign_and_broken_files_are_refused_with_their_path),
        TEST(a_damaged_store_is_an_error_and_not_a_crash),
        TEST(a_full_disk_is_an_error_with_its_place_and_loses_nothing_committed),
        TEST(a_run_in_a_folder_that_cannot_be_written_is_one_clear_error),
        TEST(a_finished_store_can_be_read_from_a_read_only_folder),
        TEST(every_allocation_may_fail_while_a_chain_is_added_and_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
