/* bench_process.c - children that work, and children that are timed from their start. */
#include "cli/bench_process.h"

#include "base/progress.h"
#include "bench/measure.h"
#include "bench/repeats.h"

#include <errno.h>
#include <omp.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

/* What a child says at its end. */
struct message {
    ap_status status;
    struct ap_err err;
    struct ap_bench_result result;
};

/* Bytes of data (size,) that could be written or read. */
static size_t write_all(int fd, const void *data, size_t size)
{
    size_t done = 0;
    while (done < size) {
        ssize_t n = write(fd, (const char *)data + done, size - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        done += (size_t)n;
    }
    return done;
}

static size_t read_all(int fd, void *data, size_t size)
{
    size_t done = 0;
    while (done < size) {
        ssize_t n = read(fd, (char *)data + done, size - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        done += (size_t)n;
    }
    return done;
}

static double seconds_of(const struct timeval *t) { return (double)t->tv_sec + 1e-6 * (double)t->tv_usec; }

/* Wait for the child; *memory: its peak in bytes, *cpu: its processor seconds.  False when it did not end by itself and well. */
static bool wait_for(pid_t pid, double *memory, double *cpu)
{
    struct rusage usage = {0};
    int state = 0;
    while (wait4(pid, &state, 0, &usage) < 0)
        if (errno != EINTR)
            return false;
    *memory = 1024.0 * (double)usage.ru_maxrss;
    *cpu = seconds_of(&usage.ru_utime) + seconds_of(&usage.ru_stime);
    return WIFEXITED(state) && WEXITSTATUS(state) == 0;
}

static void child(int fd, ap_bench_work_fn work, void *user)
{
    static struct message m;
    m.status = work(user, &m.result, &m.err);
    _exit(write_all(fd, &m, sizeof m) == sizeof m ? 0 : 1);
}

ap_status ap__bench_fork(ap_bench_work_fn work, void *user, struct ap_bench_result *out, struct ap_err *err)
{
    static struct message m;
    int end[2];
    double memory = 0, cpu = 0;
    if (pipe(end) != 0)
        return ap__fail_errno(err, NULL, "cannot make a pipe");
    pid_t pid = fork();
    if (pid == 0)
        child(end[1], work, user);
    close(end[1]);
    bool heard = pid > 0 && read_all(end[0], &m, sizeof m) == sizeof m;
    close(end[0]);
    if (pid < 0)
        return ap__fail_errno(err, NULL, "cannot start a process");
    if (!wait_for(pid, &memory, &cpu) || !heard)
        return ap__fail(err, AP_E_STATE, NULL, "the process of the workload was ended from outside; out of memory?");
    if (m.status != AP_OK) {
        *err = m.err;
        return m.status;
    }
    *out = m.result;
    out->memory = memory;
    return AP_OK;
}

/* ---- load ---- */

/* One run of the program; seconds until it wrote something. */
static ap_status start_once(const char *model, double *seconds, double *memory, double *cpu, struct ap_err *err)
{
    char *argv[] = {(char *)"apprentice", (char *)"bench", (char *)"first-token", (char *)"--model", (char *)model, NULL};
    posix_spawn_file_actions_t actions;
    int end[2];
    char byte;
    pid_t pid;
    if (pipe(end) != 0)
        return ap__fail_errno(err, NULL, "cannot make a pipe");
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, end[1], STDOUT_FILENO);
    posix_spawn_file_actions_addclose(&actions, end[0]);
    posix_spawn_file_actions_addclose(&actions, end[1]);
    double start = ap__now();
    int failed = posix_spawn(&pid, "/proc/self/exe", &actions, NULL, argv, environ);
    close(end[1]);
    bool wrote = failed == 0 && read_all(end[0], &byte, 1) == 1;
    *seconds = ap__now() - start;
    close(end[0]);
    posix_spawn_file_actions_destroy(&actions);
    if (failed != 0 || !wait_for(pid, memory, cpu) || !wrote)
        return ap__fail(err, AP_E_STATE, model, "the program did not write a token");
    return AP_OK;
}

ap_status ap__bench_load(const struct ap_bench_options *options, bool cold, struct ap_bench_result *out,
                         struct ap_err *err)
{
    static double seconds[AP_BENCH_MAX_REPEATS];
    *out = (struct ap_bench_result){.unit = "starts", .units = 1, .threads = omp_get_max_threads()};
    for (int32_t i = cold ? 0 : -1; i < options->repeats; i++) { /* warm: one run that does not count */
        double memory = 0, cpu = 0;
        AP_TRY(ap__check_interrupt(err));
        if (cold)
            AP_TRY(ap__evict_files(options->model, err));
        AP_TRY(start_once(options->model, &seconds[i < 0 ? 0 : i], &memory, &cpu, err));
        out->memory = memory > out->memory ? memory : out->memory;
        out->cpu += i < 0 ? 0.0 : cpu / options->repeats;
    }
    ap__repeats_summarise(out, seconds, options->repeats);
    return AP_OK;
}
