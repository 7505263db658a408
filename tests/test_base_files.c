/* test_base_files.c - status, text helpers, files, progress: what callers may rely on. */
#define _GNU_SOURCE
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "base/data.h"
#include "base/file.h"
#include "base/library.h"
#include "base/lock.h"
#include "base/progress.h"
#include "base/read_ahead.h"
#include "base/text.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static struct ap_err err;
static char folder[] = "/tmp/apprentice-test-XXXXXX";

static const char *in_folder(const char *name)
{
    static char path[8][256];
    static int next;
    char *p = path[next++ % 8];
    snprintf(p, sizeof path[0], "%s/%s", folder, name);
    return p;
}

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int entries(const char *path)
{
    int n = 0;
    DIR *dir = opendir(path);
    for (struct dirent *e; (e = readdir(dir)) != NULL;)
        n += e->d_name[0] != '.';
    closedir(dir);
    return n;
}

static int remove_folder(void **state)
{
    (void)state;
    char command[sizeof folder + 16];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command);
}

/* ---- status ---- */

static void a_failure_records_code_place_and_sentence(void **state)
{
    (void)state;
    assert_int_equal(ap__fail(&err, AP_E_PARSE, "x:1", "got %d", 3), AP_E_PARSE);
    assert_int_equal(err.code, AP_E_PARSE);
    assert_string_equal(err.place, "x:1");
    assert_string_equal(err.message, "got 3");
    assert_int_equal(ap__fail(&err, AP_E_ARG, NULL, "outer: %s", err.message), AP_E_ARG);
    assert_string_equal(err.message, "outer: got 3");
    assert_string_equal(err.place, "");
    assert_int_equal(ap__fail(NULL, AP_E_IO, "x", "nobody listens"), AP_E_IO);
    errno = ENOSPC;
    assert_int_equal(ap__fail_errno(&err, "disk", "cannot write"), AP_E_IO);
    assert_string_equal(err.message, "cannot write: No space left on device");
}

static void a_message_that_is_too_long_is_cut_between_characters(void **state)
{
    (void)state;
    char text[2000] = "";
    for (int i = 0; i < 600; i++)
        strcat(text, "\xe2\x88\x80");
    (void)ap__fail(&err, AP_E_ARG, text, "x%s", text);
    assert_true(ap__utf8_valid(err.message, strlen(err.message)));
    assert_true(ap__utf8_valid(err.place, strlen(err.place)));
    assert_true(ap__ends_with(err.message, "..."));
    assert_true(strlen(err.message) > sizeof err.message - 8);
}

static void every_status_has_its_text(void **state)
{
    (void)state;
    assert_string_equal(ap_status_text(AP_OK), "success");
    assert_string_equal(ap_status_text(AP_E_INTERRUPTED), "interrupted");
    assert_string_equal(ap_status_text((ap_status)999), "unknown status");
    assert_string_equal(ap_version(), AP_VERSION);
}

/* ---- text ---- */

static void numbers_are_read_whole_or_not_at_all(void **state)
{
    (void)state;
    static const char *const not_int[] = {"", "-", "1x", " 1", "1 ", "0x10", "9223372036854775808", "1.0", "--1"};
    static const char *const not_float[] = {"", ".", "nan", "inf", "0x1", "1e", " 1", "1,5", "1e999", "-"};
    int64_t i;
    double f;
    assert_true(ap__parse_i64("-9223372036854775808", &i) && i == INT64_MIN);
    assert_true(ap__parse_i64("+7", &i) && i == 7);
    assert_true(ap__parse_f64("-2.5e-3", &f) && f == -2.5e-3);
    assert_true(ap__parse_f64(".5", &f) && f == .5);
    for (size_t k = 0; k < sizeof not_int / sizeof *not_int; k++)
        assert_false(ap__parse_i64(not_int[k], &i));
    for (size_t k = 0; k < sizeof not_float / sizeof *not_float; k++)
        assert_false(ap__parse_f64(not_float[k], &f));
}

/* Decode by the definition: the shortest form of a scalar value that is no surrogate. */
static int utf8_len_slow(const unsigned char *s, size_t n)
{
    for (uint32_t len = 1; len <= 4 && len <= n; len++) {
        static const uint32_t first[] = {0, 0x80, 0x800, 0x10000}, mark[] = {0, 0xC0, 0xE0, 0xF0};
        static const uint32_t lead_bits[] = {7, 5, 4, 3};
        if ((uint32_t)s[0] >> lead_bits[len - 1] != mark[len - 1] >> lead_bits[len - 1])
            continue;
        uint32_t code = s[0] & ((1u << lead_bits[len - 1]) - 1);
        for (uint32_t i = 1; i < len; i++) {
            if (s[i] >> 6 != 2)
                return 0;
            code = code << 6 | (s[i] & 63);
        }
        bool good = code >= first[len - 1] && code <= 0x10FFFF && !(code >= 0xD800 && code <= 0xDFFF);
        return good ? (int)len : 0;
    }
    return 0;
}

static void utf8_is_recognised_as_its_definition_does(void **state)
{
    (void)state;
    static const unsigned char tail[] = {0x00, 0x41, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xFF};
    enum { K = sizeof tail };
    for (int a = 0; a < 256; a++)
        for (int i = 0; i < K * K * K; i++) {
            unsigned char s[4] = {(unsigned char)a, tail[i % K], tail[i / K % K], tail[i / K / K]};
            for (size_t n = 0; n <= 4; n++)
                if (ap__utf8_len((char *)s, n) != utf8_len_slow(s, n))
                    fail_msg("%02x %02x %02x %02x, %zu bytes", s[0], s[1], s[2], s[3], n);
        }
    assert_true(ap__utf8_valid("a\xc3\xa9\xe2\x88\x80", 6));
    assert_false(ap__utf8_valid("a\xc3", 2));
}

static void the_nearest_name_is_near_or_none(void **state)
{
    (void)state;
    static const char *const names[] = {"collect", "train", "eval", "report", "learning_rate"};
    assert_string_equal(ap__nearest("colect", names, 5), "collect");
    assert_string_equal(ap__nearest("Train", names, 5), "train");
    assert_string_equal(ap__nearest("learnrate", names, 5) ? "near" : "none", "none");
    assert_string_equal(ap__nearest("learn_rate", names, 5), "learning_rate");
    assert_null(ap__nearest("xy", names, 5));
    assert_null(ap__nearest("", names, 5));
    assert_null(ap__nearest("tasks", names, 0));
}

static void ranges_are_put_in_words(void **state)
{
    (void)state;
    char text[AP_RANGE_TEXT_MAX];
    ap__range_i64_text(text, 1, 9);
    assert_string_equal(text, "from 1 to 9");
    ap__range_i64_text(text, INT64_MIN, INT64_MAX);
    assert_string_equal(text, "");
    ap__range_f64_text(text, 0, INFINITY);
    assert_string_equal(text, "of at least 0");
    ap__range_f64_text(text, -INFINITY, 0.5);
    assert_string_equal(text, "of at most 0.5");
}

static void html_is_escaped(void **state)
{
    (void)state;
    struct ap_buf buf;
    ap__buf_init(&buf, 0);
    assert_int_equal(ap__buf_html(&buf, "<a href=\"x\">'&'</a>\xc3\xa9"), AP_OK);
    assert_string_equal(buf.data, "&lt;a href=&quot;x&quot;&gt;&#39;&amp;&#39;&lt;/a&gt;\xc3\xa9");
    ap__buf_deinit(&buf);
}

/* ---- files ---- */

static void a_file_is_replaced_whole_and_leaves_no_temporary(void **state)
{
    (void)state;
    const char *path = in_folder("replace.txt");
    struct ap_buf text;
    ap__buf_init(&text, 0);
    assert_int_equal(ap__file_write(path, "old", 3, &err), AP_OK);
    FILE *reader = fopen(path, "r"); /* opened before the replacement: keeps the old content */
    assert_int_equal(ap__file_write(path, "new text", 8, &err), AP_OK);
    char old[16] = "";
    assert_int_equal(fread(old, 1, sizeof old - 1, reader), 3);
    assert_string_equal(old, "old");
    fclose(reader);
    assert_int_equal(ap__file_read(path, 100, &text, &err), AP_OK);
    assert_string_equal(text.data, "new text");
    assert_int_equal(ap__file_read(path, 7, &text, &err), AP_E_TOO_LARGE);
    assert_int_equal(entries(folder), 1);
    ap__buf_deinit(&text);
}

static void a_file_that_cannot_be_written_leaves_the_old_one(void **state)
{
    (void)state;
    const char *dir = in_folder("is_a_folder"), *inside = in_folder("is_a_folder/x");
    assert_int_equal(ap__mkdirs(dir, &err), AP_OK);
    assert_int_equal(ap__file_write(inside, "x", 1, &err), AP_OK);
    int before = entries(folder);
    assert_int_equal(ap__file_write(dir, "y", 1, &err), AP_E_IO); /* rename onto a folder */
    assert_string_equal(err.place, dir);
    assert_int_equal(entries(folder), before);
    assert_true(ap__file_exists(inside));
    assert_int_equal(ap__file_write(in_folder("no/such/folder"), "x", 1, &err), AP_E_IO);
    ap__alloc_fail_after(1);
    assert_int_equal(ap__file_write(inside, "z", 1, &err), AP_E_MEMORY);
    ap__alloc_fail_after(0);
}

static void a_missing_file_is_named(void **state)
{
    (void)state;
    struct ap_map map;
    struct ap_buf text;
    ap__buf_init(&text, 0);
    assert_int_equal(ap__map_open("no/such.file", &map, &err), AP_E_NOT_FOUND);
    assert_int_equal(err.code, AP_E_NOT_FOUND);
    assert_string_equal(err.place, "no/such.file");
    assert_string_equal(err.message, "cannot open the file: No such file or directory");
    assert_int_equal(ap__map_open(folder, &map, &err), AP_E_IO);
    assert_string_equal(err.message, "this is a folder, a file was expected");
    assert_int_equal(ap__file_read("no/such.file", 10, &text, &err), AP_E_NOT_FOUND);
    ap__map_close(&map);
    ap__buf_deinit(&text);
}

static void lines_of_a_map_end_at_newlines_only(void **state)
{
    (void)state;
    static const char text[] = "one\r\n\nthree\xe2\x80\xa8still\nlast";
    static const char *const expected[] = {"one\r", "", "three\xe2\x80\xa8still", "last"};
    const char *path = in_folder("lines"), *line;
    struct ap_map map;
    size_t offset = 0, len, n = 0;
    assert_int_equal(ap__file_write(path, text, sizeof text - 1, &err), AP_OK);
    assert_int_equal(ap__map_open(path, &map, &err), AP_OK);
    for (; ap__map_line(&map, &offset, &line, &len); n++) {
        assert_int_equal(len, strlen(expected[n]));
        assert_memory_equal(line, expected[n], len);
    }
    assert_int_equal(n, 4);
    ap__map_close(&map);
    assert_int_equal(ap__file_write(path, "", 0, &err), AP_OK);
    assert_int_equal(ap__map_open(path, &map, &err), AP_OK);
    assert_null(map.data);
    offset = 0;
    assert_false(ap__map_line(&map, &offset, &line, &len));
    ap__map_close(&map);
}

/* Whether all pages of the bytes are in this process's page tables, as far as /proc tells. */
static bool is_mapped(const uint8_t *data, size_t size)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    FILE *file = fopen("/proc/self/pagemap", "rb");
    bool all = true;
    for (size_t at = 0; file != NULL && all && at < size; at += page) {
        uint64_t entry = 0;
        all = fseek(file, (long)((uintptr_t)(data + at) / page * sizeof entry), SEEK_SET) == 0 &&
              fread(&entry, sizeof entry, 1, file) == 1 && entry >> 63;
    }
    if (file != NULL)
        fclose(file);
    return all;
}

/* Maps the file anew, reads it ahead as parts that end at FIRST and begin at SECOND, and an empty one. */
static void check_reading_ahead(const char *path, const uint8_t *content, size_t size, size_t first, size_t second)
{
    struct ap_map map;
    assert_int_equal(ap__map_open(path, &map, &err), AP_OK);
    const struct ap_bytes bytes[] = {{map.data, first}, {map.data + second, size - second}, {map.data + 1, 0}};
    struct ap_read_ahead *r = ap__read_ahead_start(bytes, 3);
    assert_non_null(r);
    bool mapped = false;
    for (int tries = 0; tries < 1000 && !mapped; tries++) {
        mapped = is_mapped(map.data, first) && is_mapped(map.data + second, size - second);
        usleep(10000);
    }
    assert_true(mapped); /* before anything of it was touched */
    assert_memory_equal(map.data, content, size);
    ap__read_ahead_end(r);
    ap__map_close(&map);
}

static void reading_ahead_maps_all_bytes_and_changes_none(void **state)
{
    (void)state;
    enum { SIZE = (9 << 20) + 5, PART = (5 << 20) + 3 };
    const char *path = in_folder("weights");
    struct ap_map map;
    uint8_t *content = malloc(SIZE);
    for (size_t i = 0; i < SIZE; i++)
        content[i] = (uint8_t)(i * 2654435761u >> 24);
    assert_int_equal(ap__file_write(path, content, SIZE, &err), AP_OK);
    assert_int_equal(ap__map_open(path, &map, &err), AP_OK);
    bool fills = madvise((void *)(uintptr_t)map.data, 1, 22) == 0; /* MADV_POPULATE_READ */
    ap__map_close(&map);
    if (!fills) {
        print_message("Linux before 5.14 reads ahead without filling page tables\n");
        skip();
    }
    check_reading_ahead(path, content, SIZE, PART, PART);
    check_reading_ahead(path, content, SIZE, PART, PART + 40);        /* aligned: still one piece of the file */
    check_reading_ahead(path, content, SIZE, PART, PART + (1 << 20)); /* two */
    check_reading_ahead(path, content, SIZE, 1, SIZE - 1);
    free(content);
}

static void reading_ahead_may_end_at_once_and_need_not_begin(void **state)
{
    (void)state;
    const char *path = in_folder("weights");
    struct ap_map map;
    assert_int_equal(ap__map_open(path, &map, &err), AP_OK);
    for (int i = 0; i < 100; i++) {
        const struct ap_bytes all = {map.data, map.size};
        ap__read_ahead_end(ap__read_ahead_start(&all, 1));
    }
    ap__alloc_fail_after(1);
    assert_null(ap__read_ahead_start(&(struct ap_bytes){map.data, map.size}, 1));
    ap__alloc_fail_after(0);
    ap__read_ahead_end(NULL);
    assert_int_equal(truncate(path, 1), 0); /* gone while it is mapped: whoever reads is killed, reading ahead is not */
    struct ap_read_ahead *r = ap__read_ahead_start(&(struct ap_bytes){map.data, map.size}, 1);
    usleep(50000);
    ap__read_ahead_end(r);
    ap__map_close(&map);
}

/* Whether the whole file is in the page cache. */
static bool is_cached(const char *path, size_t size)
{
    struct ap_map map;
    unsigned char page[1024];
    assert_int_equal(ap__map_open(path, &map, &err), AP_OK);
    assert_int_equal(mincore((void *)(uintptr_t)map.data, size, page), 0);
    bool all = true;
    for (size_t i = 0; i < size / (size_t)sysconf(_SC_PAGESIZE); i++)
        all = all && (page[i] & 1);
    ap__map_close(&map);
    return all;
}

static void small_files_of_a_folder_are_read_ahead(void **state)
{
    (void)state;
    enum { SIZE = 1 << 20 };
    const char *model = in_folder("model"), *path = in_folder("model/tokenizer.json");
    uint8_t *content = calloc(1, SIZE);
    assert_int_equal(ap__mkdirs(model, &err), AP_OK);
    assert_int_equal(mkfifo(in_folder("model/pipe"), 0600), 0); /* nobody writes: to open it would wait for ever */
    assert_int_equal(ap__file_write(path, content, SIZE, &err), AP_OK);
    int fd = open(path, O_RDONLY);
    assert_true(fd >= 0 && fdatasync(fd) == 0 && posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) == 0);
    close(fd);
    if (is_cached(path, SIZE))
        print_message("this file system keeps pages whatever it is told\n");
    ap__read_ahead_small_files(model);
    bool cached = false;
    for (int tries = 0; tries < 1000 && !cached; tries++) {
        cached = is_cached(path, SIZE);
        usleep(10000);
    }
    assert_true(cached);
    ap__read_ahead_small_files(in_folder("nowhere"));
    free(content);
}

static void folders_are_made_with_their_parents(void **state)
{
    (void)state;
    const char *deep = in_folder("a//b/c/"), *file = in_folder("a/file");
    assert_int_equal(ap__mkdirs(deep, &err), AP_OK);
    assert_int_equal(ap__mkdirs(deep, &err), AP_OK);
    assert_true(ap__dir_exists(deep));
    assert_int_equal(ap__file_write(file, "", 0, &err), AP_OK);
    assert_int_equal(ap__mkdirs(in_folder("a/file/x"), &err), AP_E_IO);
    assert_false(ap__dir_exists(file));
    assert_true(ap__file_exists(file));
    assert_false(ap__file_exists(deep));
}

static void paths_are_joined_and_taken_apart(void **state)
{
    (void)state;
    static const char *const cases[][3] = {{"a", "b", "a/b"}, {"a/", "b", "a/b"}, {"", "b", "b"}, {"/", "b", "/b"}};
    for (size_t i = 0; i < 4; i++) {
        char *path = ap__path_join(cases[i][0], cases[i][1]);
        assert_string_equal(path, cases[i][2]);
        assert_string_equal(ap__path_base(path), "b");
        ap__free(path);
    }
    ap__alloc_fail_after(1);
    assert_null(ap__path_join("a", "b"));
    ap__alloc_fail_after(0);
}

static void bundled_files_are_found_below_the_data_folder(void **state)
{
    (void)state;
    char *path;
    assert_int_equal(ap__mkdirs(in_folder("data/tasks"), &err), AP_OK);
    assert_int_equal(ap__file_write(in_folder("data/tasks/own.yaml"), "", 0, &err), AP_OK);
    setenv("APPRENTICE_DATA", in_folder("data"), 1);
    assert_int_equal(ap__data_find("tasks/own.yaml", &path, &err), AP_OK);
    assert_string_equal(path, in_folder("data/tasks/own.yaml"));
    ap__free(path);
    assert_int_equal(ap__data_find("tasks/gone.yaml", &path, &err), AP_E_NOT_FOUND);
    assert_null(path);
    assert_string_equal(err.place, "tasks/gone.yaml");
    for (int64_t n = 1; n <= 2; n++) {
        ap__alloc_fail_after(n);
        ap_status status = ap__data_find("tasks/own.yaml", &path, &err);
        ap__alloc_fail_after(0);
        assert_int_equal(status, n == 1 ? AP_E_MEMORY : AP_OK);
        ap__free(path);
    }
    unsetenv("APPRENTICE_DATA");
}

/* ---- locks ---- */

static int open_lock(void)
{
    int fd = open(in_folder("lock"), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    assert_true(fd >= 0);
    return fd;
}

static void a_lock_of_a_process_on_its_way_out_is_waited_for(void **state)
{
    (void)state;
    int holds[2];
    char byte;
    assert_int_equal(pipe(holds), 0);
    pid_t child = fork();
    if (child == 0) {
        bool taken = ap__lock_take(open_lock(), "lock", "taken", &err) == AP_OK;
        _exit(taken && write(holds[1], "x", 1) == 1 && usleep(300000) == 0 ? 0 : 1);
    }
    assert_int_equal(read(holds[0], &byte, 1), 1);
    double before = ap__now();
    int fd = open_lock(), ended = -1;
    assert_int_equal(ap__lock_take(fd, "lock", "taken", &err), AP_OK);
    assert_true(ap__now() - before > 0.2);
    assert_int_equal(waitpid(child, &ended, 0), child);
    assert_int_equal(ended, 0);
    close(fd);
    close(holds[0]);
    close(holds[1]);
}

static void a_lock_that_stays_taken_is_refused_in_the_end(void **state)
{
    (void)state;
    int first = open_lock(), second = open_lock();
    assert_int_equal(ap__lock_take(first, "lock", "taken", &err), AP_OK);
    assert_int_equal(ap__lock_take(second, "lock", "taken", &err), AP_E_STATE);
    assert_string_equal(err.place, "lock");
    assert_string_equal(err.message, "taken");
    close(first);
    assert_int_equal(ap__lock_take(second, "lock", "taken", &err), AP_OK);
    close(second);
}

/* ---- progress ---- */

static void progress_shows_figures_on_stderr_and_nothing_when_quiet(void **state)
{
    (void)state;
    const char *path = in_folder("stderr");
    struct ap_progress p;
    struct ap_buf text;
    ap__buf_init(&text, 0);
    int saved = dup(STDERR_FILENO);
    assert_non_null(freopen(path, "w", stderr));
    for (int quiet = 1; quiet >= 0; quiet--) {
        ap__progress_quiet(quiet);
        ap__progress_begin(&p, "collect", "chains", 100);
        ap__progress_resume(&p, 40);
        ap__progress_update(&p, 100, "%d correct", 7);
        ap__progress_end(&p);
    }
    fflush(stderr);
    dup2(saved, STDERR_FILENO);
    close(saved);
    assert_int_equal(ap__file_read(path, 4096, &text, &err), AP_OK);
    assert_non_null(strstr(text.data, "collect  100/100 chains"));
    assert_non_null(strstr(text.data, "0:00 in all  7 correct\n"));
    assert_ptr_equal(strchr(text.data, '\n'), strrchr(text.data, '\n')); /* one line: not a terminal */
    ap__buf_deinit(&text);
}

static void an_interrupt_is_a_status_and_not_a_death(void **state)
{
    (void)state;
    ap__interrupt_install();
    assert_int_equal(ap__check_interrupt(&err), AP_OK);
    raise(SIGINT);
    assert_true(ap__interrupted());
    assert_int_equal(ap__check_interrupt(&err), AP_E_INTERRUPTED);
    signal(SIGINT, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
}

/* ---- libraries ---- */

static void a_library_is_loaded_once_with_all_its_functions(void **state)
{
    static const char *const names[] = {"cos", "sqrt"}, *const wrong[] = {"cos", "no_such_function"};
    struct {
        double (*cosine)(double), (*root)(double);
    } functions = {0};
    (void)state;
    struct ap_library library = AP_LIBRARY("libm.so.6", wrong, &functions);
    assert_int_equal(ap__library_load(&library, &err), AP_E_IO);
    assert_string_equal(err.place, "libm.so.6");
    assert_string_equal(err.message, "the library has no function no_such_function");
    library.names = names; /* it may be tried again */
    assert_int_equal(ap__library_load(&library, &err), AP_OK);
    assert_true(functions.cosine(0.0) == 1.0 && functions.root(9.0) == 3.0);
    library.names = NULL; /* not looked at any more */
    assert_int_equal(ap__library_load(&library, &err), AP_OK);
}

static void a_missing_library_is_named(void **state)
{
    (void)state;
    static const char *const names[] = {"x"};
    struct ap_library library = AP_LIBRARY("libno-such.so.1", names, NULL);
    assert_int_equal(ap__library_load(&library, &err), AP_E_IO);
    assert_non_null(strstr(err.message, "libno-such.so.1"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_failure_records_code_place_and_sentence),
        cmocka_unit_test(a_message_that_is_too_long_is_cut_between_characters),
        cmocka_unit_test(every_status_has_its_text),
        cmocka_unit_test(numbers_are_read_whole_or_not_at_all),
        cmocka_unit_test(utf8_is_recognised_as_its_definition_does),
        cmocka_unit_test(the_nearest_name_is_near_or_none),
        cmocka_unit_test(ranges_are_put_in_words),
        cmocka_unit_test(html_is_escaped),
        cmocka_unit_test(a_file_is_replaced_whole_and_leaves_no_temporary),
        cmocka_unit_test(a_file_that_cannot_be_written_leaves_the_old_one),
        cmocka_unit_test(a_missing_file_is_named),
        cmocka_unit_test(lines_of_a_map_end_at_newlines_only),
        cmocka_unit_test(reading_ahead_maps_all_bytes_and_changes_none),
        cmocka_unit_test(reading_ahead_may_end_at_once_and_need_not_begin),
        cmocka_unit_test(small_files_of_a_folder_are_read_ahead),
        cmocka_unit_test(folders_are_made_with_their_parents),
        cmocka_unit_test(paths_are_joined_and_taken_apart),
        cmocka_unit_test(bundled_files_are_found_below_the_data_folder),
        cmocka_unit_test(a_lock_of_a_process_on_its_way_out_is_waited_for),
        cmocka_unit_test(a_lock_that_stays_taken_is_refused_in_the_end),
        cmocka_unit_test(progress_shows_figures_on_stderr_and_nothing_when_quiet),
        cmocka_unit_test(an_interrupt_is_a_status_and_not_a_death),
        cmocka_unit_test(a_library_is_loaded_once_with_all_its_functions),
        cmocka_unit_test(a_missing_library_is_named),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
