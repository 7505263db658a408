/* sandbox.c - fork, make small, exec.
 *
 *   we --clone(new processes, new network)--> guard --fork--> program
 *    ^                                          |  reaps, ends as the program ended;
 *    '-- one pipe, closed by a good exec,       '  with it the kernel kills all that is left inside
 *        else errno and the stage that failed
 *
 * Between clone and exec only calls that are safe after a fork of a threaded
 * process are made: all memory is made ready before.  Without namespaces (old
 * or strict kernels) the program is started directly. */
#define _GNU_SOURCE
#include "outside/sandbox.h"
#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MAX_ENV = 128, REPORT_FD = 3 };

enum stage { STAGE_PIPES, STAGE_FOLDER, STAGE_LIMITS, STAGE_EXEC };

/* What went wrong in the child. */
struct report {
    int stage, error;
};

/* All that the child needs, made before the fork. */
struct launch {
    const struct ap_sandbox *box;
    char *program;
    char *env[MAX_ENV + 1]; /* owned */
    int n_env;
    int in[2], out[2], err[2], report[2];
    char uid_map[48], gid_map[48];
};

/* ---- before the fork ---- */

static ap_status add_env(struct launch *l, char *entry, struct ap_err *err)
{
    if (!entry)
        return ap__fail(err, AP_E_MEMORY, NULL, "no memory for an environment");
    if (l->n_env >= MAX_ENV) {
        ap__free(entry);
        return ap__fail(err, AP_E_TOO_LARGE, l->box->argv[0], "more than %d environment variables", MAX_ENV);
    }
    l->env[l->n_env++] = entry;
    return AP_OK;
}

/* NAME=VALUE as it is, NAME with our value when we have one. */
static ap_status pass_env(struct launch *l, const char *name, struct ap_err *err)
{
    if (strchr(name, '='))
        return add_env(l, ap__strdup(name), err);
    const char *value = getenv(name);
    if (!value)
        return AP_OK;
    struct ap_buf text;
    ap__buf_init(&text, 0);
    (void)ap__buf_printf(&text, "%s=%s", name, value);
    char *entry = ap__buf_take(&text);
    ap__buf_deinit(&text);
    return add_env(l, entry, err);
}

static ap_status make_env(struct launch *l, struct ap_err *err)
{
    static const char *const always[] = {"PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR"};
    for (size_t i = 0; i < sizeof always / sizeof always[0]; i++)
        AP_TRY(pass_env(l, always[i], err));
    for (const char *const *name = l->box->env; name && *name; name++)
        AP_TRY(pass_env(l, *name, err));
    return AP_OK;
}

/* The program of that name in PATH. */
static ap_status find_in_path(struct launch *l, struct ap_err *err)
{
    const char *path = getenv("PATH"), *name = l->box->argv[0];
    for (const char *at = path ? path : "/usr/bin:/bin"; at; at = strchr(at, ':') ? strchr(at, ':') + 1 : NULL) {
        int n = (int)strcspn(at, ":");
        struct ap_buf candidate;
        ap__buf_init(&candidate, 0);
        (void)ap__buf_printf(&candidate, "%.*s/%s", n, at, name);
        if (n > 0 && !candidate.failed && access(ap__buf_cstr(&candidate), X_OK) == 0)
            l->program = ap__buf_take(&candidate);
        ap__buf_deinit(&candidate);
        if (l->program)
            return AP_OK;
    }
    return ap__fail(err, AP_E_NOT_FOUND, NULL, "there is no program `%.200s` in PATH", name);
}

static ap_status open_pipes(struct launch *l, struct ap_err *err)
{
    int *pipes[] = {l->in, l->out, l->err, l->report};
    for (size_t i = 0; i < 4; i++)
        if (pipe2(pipes[i], O_CLOEXEC) != 0)
            return ap__fail_errno(err, l->box->argv[0], "cannot make a pipe");
    int ours[] = {l->in[1], l->out[0], l->err[0]};
    for (size_t i = 0; i < 3; i++)
        if (fcntl(ours[i], F_SETFL, O_NONBLOCK) != 0)
            return ap__fail_errno(err, l->box->argv[0], "cannot set up a pipe");
    return AP_OK;
}

static ap_status prepare(struct launch *l, struct ap_err *err)
{
    snprintf(l->uid_map, sizeof l->uid_map, "%ld %ld 1", (long)geteuid(), (long)geteuid());
    snprintf(l->gid_map, sizeof l->gid_map, "%ld %ld 1", (long)getegid(), (long)getegid());
    AP_TRY(make_env(l, err));
    if (strchr(l->box->argv[0], '/'))
        l->program = ap__strdup(l->box->argv[0]);
    else
        AP_TRY(find_in_path(l, err));
    if (!l->program)
        return ap__fail(err, AP_E_MEMORY, NULL, "no memory to start a program");
    return open_pipes(l, err);
}

static void close_pair(int pair[2], int from, int to)
{
    for (int i = from; i <= to; i++) {
        if (pair[i] >= 0)
            close(pair[i]);
        pair[i] = -1;
    }
}

static void launch_deinit(struct launch *l)
{
    close_pair(l->in, 0, 1);
    close_pair(l->out, 0, 1);
    close_pair(l->err, 0, 1);
    close_pair(l->report, 0, 1);
    for (int i = 0; i < l->n_env; i++)
        ap__free(l->env[i]);
    ap__free(l->program);
}

/* ---- in the child: nothing here allocates ---- */

static _Noreturn void child_fail(int stage)
{
    struct report r = {stage, errno};
    ssize_t written = write(REPORT_FD, &r, sizeof r);
    _exit(written == sizeof r ? 127 : 126);
}

static void child_limit(int what, int64_t value)
{
    struct rlimit limit = {(rlim_t)value, (rlim_t)value};
    if (setrlimit(what, &limit) != 0 && errno != EPERM) /* EPERM: a lower one is set already */
        child_fail(STAGE_LIMITS);
}

static void child_limits(const struct ap_sandbox *box)
{
    const int64_t mib = 1024 * 1024;
    child_limit(RLIMIT_CORE, 0);
    if (box->memory_mib > 0) {
        child_limit(RLIMIT_DATA, box->memory_mib * mib);
        child_limit(RLIMIT_AS, box->memory_mib * mib * 4); /* what is only reserved, and shared mappings */
    }
    if (box->cpu_seconds > 0)
        child_limit(RLIMIT_CPU, box->cpu_seconds);
    if (box->file_mib > 0)
        child_limit(RLIMIT_FSIZE, box->file_mib * mib);
}

/* The three streams to 0, 1, 2, the report to 3, the rest closed at exec. */
static void child_streams(const struct launch *l)
{
    int from[] = {l->in[0], l->out[1], l->err[1], l->report[1]};
    for (int i = 0; i < 4; i++) /* above what they will become */
        if (from[i] <= REPORT_FD && (from[i] = fcntl(from[i], F_DUPFD, REPORT_FD + 1)) < 0)
            child_fail(STAGE_PIPES);
    for (int i = 0; i < 4; i++)
        if (dup2(from[i], i) < 0)
            child_fail(STAGE_PIPES);
    (void)fcntl(REPORT_FD, F_SETFD, FD_CLOEXEC);
    if (syscall(SYS_close_range, REPORT_FD + 1, ~0U, 0) != 0)
        for (int fd = REPORT_FD + 1; fd < 4096; fd++)
            close(fd);
}

static void child_signals(void)
{
    sigset_t none;
    for (int s = 1; s < NSIG; s++)
        signal(s, SIG_DFL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

static _Noreturn void child_exec(const struct launch *l)
{
    const struct ap_sandbox *box = l->box;
    (void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    if (box->cwd && chdir(box->cwd) != 0)
        child_fail(STAGE_FOLDER);
    child_limits(box);
    execve(l->program, (char *const *)(uintptr_t)box->argv, l->env);
    child_fail(STAGE_EXEC);
}

static void write_text(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    ssize_t written = write(fd, text, strlen(text)); /* without it the program is nobody: still contained */
    (void)written;
    close(fd);
}

/* A new network has a loopback that is down. */
static void loopback_up(void)
{
    struct ifreq request = {.ifr_name = "lo"};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return;
    request.ifr_flags = IFF_UP;
    (void)ioctl(fd, SIOCSIFFLAGS, &request);
    close(fd);
}

/* The first process inside: starts the program, reaps, ends as it ended. */
static _Noreturn void child_guard(const struct launch *l, unsigned long flags)
{
    if (flags & CLONE_NEWUSER) {
        write_text("/proc/self/setgroups", "deny");
        write_text("/proc/self/uid_map", l->uid_map);
        write_text("/proc/self/gid_map", l->gid_map);
    }
    if (flags & CLONE_NEWNET)
        loopback_up();
    pid_t program = (pid_t)syscall(SYS_clone, (unsigned long)SIGCHLD, 0UL, 0UL, 0UL, 0UL);
    if (program < 0)
        child_fail(STAGE_EXEC);
    if (program == 0)
        child_exec(l);
    for (int fd = 0; fd <= REPORT_FD; fd++)
        close(fd);
    for (;;) {
        int ended = 0;
        pid_t pid = waitpid(-1, &ended, 0);
        if (pid == program)
            _exit(WIFEXITED(ended) ? WEXITSTATUS(ended) : 128 + WTERMSIG(ended));
        if (pid < 0 && errno != EINTR)
            _exit(126);
    }
}

static _Noreturn void child_main(const struct launch *l, unsigned long flags)
{
    (void)setpgid(0, 0);
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    child_signals();
    child_streams(l);
    if (flags != 0)
        child_guard(l, flags);
    child_exec(l);
}

/* ---- the fork ---- */

/* Like fork, in new namespaces. */
static pid_t fork_into(const struct launch *l, unsigned long flags)
{
    pid_t pid = (pid_t)syscall(SYS_clone, flags | (unsigned long)SIGCHLD, 0UL, 0UL, 0UL, 0UL);
    if (pid == 0)
        child_main(l, flags);
    return pid;
}

/* With as much isolation as the kernel allows. */
static pid_t fork_contained(const struct launch *l, bool *contained)
{
    unsigned long spaces = CLONE_NEWPID | (l->box->network ? 0UL : (unsigned long)CLONE_NEWNET);
    *contained = true;
    pid_t pid = fork_into(l, spaces); /* an administrator's right */
    if (pid < 0)
        pid = fork_into(l, spaces | CLONE_NEWUSER);
    if (pid < 0) {
        *contained = false;
        pid = fork_into(l, 0);
    }
    return pid;
}

static ap_status started(struct launch *l, struct ap_sandboxed *out, struct ap_err *err)
{
    static const char *const failed[] = {"its streams could not be set up", "its folder could not be entered",
                                         "its limits could not be set", "it could not be started"};
    struct report r;
    ssize_t n;
    close_pair(l->report, 1, 1);
    do
        n = read(l->report[0], &r, sizeof r);
    while (n < 0 && errno == EINTR);
    if (n == 0) { /* closed by exec */
        out->in = l->in[1];
        out->out = l->out[0];
        out->err = l->err[0];
        l->in[1] = l->out[0] = l->err[0] = -1;
        return AP_OK;
    }
    (void)kill(out->pid, SIGKILL);
    while (waitpid(out->pid, NULL, 0) < 0 && errno == EINTR)
        continue;
    if (n != sizeof r || r.stage < 0 || r.stage > STAGE_EXEC)
        return ap__fail(err, AP_E_IO, l->box->argv[0], "it died while it was started");
    errno = r.error;
    return ap__fail_errno(err, l->box->argv[0], "%s", failed[r.stage]);
}

ap_status ap__sandbox_start(const struct ap_sandbox *box, struct ap_sandboxed *out, struct ap_err *err)
{
    struct launch l = {.box = box, .in = {-1, -1}, .out = {-1, -1}, .err = {-1, -1}, .report = {-1, -1}};
    *out = (struct ap_sandboxed){.pid = -1, .in = -1, .out = -1, .err = -1};
    ap_status status = prepare(&l, err);
    if (status == AP_OK) {
        out->pid = fork_contained(&l, &out->contained);
        status = out->pid < 0 ? ap__fail_errno(err, box->argv[0], "a process could not be made")
                              : started(&l, out, err);
    }
    launch_deinit(&l);
    return status;
}

bool ap__sandbox_can_contain(void)
{
    static const char *const argv[] = {"true", NULL};
    struct ap_sandbox box = {.argv = argv};
    struct ap_sandboxed it;
    if (ap__sandbox_start(&box, &it, NULL) != AP_OK)
        return false;
    while (waitpid(it.pid, NULL, 0) < 0 && errno == EINTR)
        continue;
    close(it.in);
    close(it.out);
    close(it.err);
    return it.contained;
}

/* ---- copies ---- */

ap_status ap__texts_copy(struct ap_arena *arena, const char *const *texts, const char *const **out,
                         struct ap_err *err)
{
    size_t n = 0;
    while (texts && texts[n])
        n++;
    const char **copy = ap__arena_zalloc(arena, (n + 1) * sizeof *copy);
    for (size_t i = 0; copy && i < n; i++)
        if (!(copy[i] = ap__arena_strdup(arena, texts[i])))
            copy = NULL;
    *out = copy;
    return copy ? AP_OK : ap__fail(err, AP_E_MEMORY, NULL, "no memory for a command");
}

ap_status ap__sandbox_copy(struct ap_arena *arena, const struct ap_sandbox *box, struct ap_sandbox *out,
                           struct ap_err *err)
{
    *out = *box;
    AP_TRY(ap__texts_copy(arena, box->argv, &out->argv, err));
    AP_TRY(ap__texts_copy(arena, box->env, &out->env, err));
    out->cwd = box->cwd ? ap__arena_strdup(arena, box->cwd) : NULL;
    return box->cwd && !out->cwd ? ap__fail(err, AP_E_MEMORY, NULL, "no memory for a command") : AP_OK;
}
