/* process.c - the pipes of one sandboxed program.
 *
 *   input (queued) --in-->  program  --out--> output (ceiling: flooded)
 *                                    --err--> last words (a ring of the last bytes)
 *
 * Its end is seen by waitpid; a pipe that some hidden child keeps open does not
 * hold us up, since what matters has been printed by then. */
#define _GNU_SOURCE
#include "outside/process.h"
#include "base/progress.h"
#include "base/text.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CHUNK = 65536, PUMP_MAX = 16 * CHUNK, WORDS_MAX = 2048 };

struct ap_process {
    pid_t pid; /* -1 = reaped */
    int in, out, err;
    int ended; /* as waitpid says */
    bool over, flooded, close_in, contained;
    struct ap_buf input, output, words;
    size_t written; /* of input */
};

ap_status ap__process_start(const struct ap_process_spec *spec, struct ap_process **out, struct ap_err *err)
{
    struct ap_sandboxed it;
    struct ap_process *p = ap__alloc(sizeof *p);
    *out = NULL;
    if (!p)
        return ap__fail(err, AP_E_MEMORY, NULL, "no memory for a process");
    ap_status status = ap__sandbox_start(&spec->box, &it, err);
    if (status != AP_OK) {
        ap__free(p);
        return status;
    }
    p->pid = it.pid;
    p->in = it.in;
    p->out = it.out;
    p->err = it.err;
    p->contained = it.contained;
    ap__buf_init(&p->input, spec->max_input);
    ap__buf_init(&p->output, spec->max_output);
    ap__buf_init(&p->words, 2 * WORDS_MAX);
    *out = p;
    return AP_OK;
}

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

void ap__process_kill(struct ap_process *p)
{
    if (p->pid > 0) { /* not yet reaped, so the number is still its own */
        (void)kill(-p->pid, SIGKILL);
        (void)kill(p->pid, SIGKILL); /* before it has made its group */
    }
}

void ap__process_free(struct ap_process *p)
{
    if (!p)
        return;
    ap__process_kill(p);
    while (p->pid > 0 && waitpid(p->pid, NULL, 0) < 0 && errno == EINTR)
        continue;
    close_fd(&p->in);
    close_fd(&p->out);
    close_fd(&p->err);
    ap__buf_deinit(&p->input);
    ap__buf_deinit(&p->output);
    ap__buf_deinit(&p->words);
    ap__free(p);
}

/* ---- its input ---- */

ap_status ap__process_write(struct ap_process *p, const void *data, size_t len, struct ap_err *err)
{
    if (p->in < 0 || p->close_in)
        return AP_OK; /* it does not listen any more: its end will tell */
    if (p->written > 0) {
        memmove(p->input.data, p->input.data + p->written, p->input.len - p->written);
        p->input.len -= p->written;
        p->written = 0;
    }
    ap_status status = ap__buf_add(&p->input, data, len);
    if (status == AP_E_MEMORY)
        return ap__fail(err, status, NULL, "no memory for the input of a process");
    return status == AP_OK ? AP_OK : ap__fail(err, AP_E_LIMIT, NULL, "it does not read its input");
}

void ap__process_close_in(struct ap_process *p)
{
    p->close_in = true;
}

/* write(2) without the signal that a closed pipe sends. */
static ssize_t write_quietly(int fd, const char *data, size_t len)
{
    sigset_t pipe_signal, before;
    const struct timespec now = {0, 0};
    sigemptyset(&pipe_signal);
    sigaddset(&pipe_signal, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe_signal, &before);
    ssize_t n = write(fd, data, len);
    int error = errno;
    if (n < 0 && error == EPIPE && !sigismember(&before, SIGPIPE))
        while (sigtimedwait(&pipe_signal, NULL, &now) < 0 && errno == EINTR)
            continue;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    errno = error;
    return n;
}

static void pump_in(struct ap_process *p)
{
    while (p->in >= 0 && p->written < p->input.len) {
        size_t left = p->input.len - p->written;
        ssize_t n = write_quietly(p->in, p->input.data + p->written, left < CHUNK ? left : CHUNK);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return;
        if (n < 0)
            close_fd(&p->in);
        else
            p->written += (size_t)n;
    }
    ap__buf_clear(&p->input);
    p->written = 0;
    if (p->close_in)
        close_fd(&p->in);
}

/* ---- its output ---- */

/* Read what is there, at most PUMP_MAX: a flood must not keep us here. */
static ap_status pump_out(struct ap_process *p, struct ap_err *err)
{
    char chunk[CHUNK];
    for (size_t sum = 0; p->out >= 0 && sum < PUMP_MAX && !p->flooded;) {
        size_t room = p->output.max - p->output.len;
        ssize_t n = read(p->out, chunk, room < sizeof chunk ? room + 1 : sizeof chunk);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return AP_OK;
        if (n <= 0) {
            close_fd(&p->out);
            return AP_OK;
        }
        p->flooded = (size_t)n > room;
        if (!p->flooded && ap__buf_add(&p->output, chunk, (size_t)n) != AP_OK)
            return ap__fail(err, AP_E_MEMORY, NULL, "no memory for the output of a process");
        sum += (size_t)n;
    }
    return AP_OK;
}

/* Of what it complains the last bytes are kept. */
static void pump_words(struct ap_process *p)
{
    char chunk[CHUNK];
    for (size_t sum = 0; p->err >= 0 && sum < PUMP_MAX;) {
        ssize_t n = read(p->err, chunk, sizeof chunk);
        if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
            close_fd(&p->err);
        if (n <= 0)
            return;
        size_t keep = (size_t)n < WORDS_MAX ? (size_t)n : WORDS_MAX;
        if (p->words.len + keep > 2 * WORDS_MAX) {
            memmove(p->words.data, p->words.data + p->words.len - WORDS_MAX, WORDS_MAX);
            p->words.len = WORDS_MAX;
        }
        (void)ap__buf_add(&p->words, chunk + n - keep, keep);
        sum += (size_t)n;
    }
}

/* Has the program ended?  Then what is left in the pipes is read once more. */
static ap_status look_for_end(struct ap_process *p, struct ap_err *err)
{
    siginfo_t info = {.si_pid = 0};
    if (p->pid <= 0 || waitid(P_PID, (id_t)p->pid, &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid != p->pid)
        return AP_OK;
    (void)kill(-p->pid, SIGKILL); /* whom it has left behind in its group, while the number is still its own */
    while (waitpid(p->pid, &p->ended, 0) < 0 && errno == EINTR)
        continue;
    p->pid = -1;
    AP_TRY(pump_out(p, err));
    pump_words(p);
    close_fd(&p->in);
    return AP_OK;
}

ap_status ap__process_pump(struct ap_process *p, struct ap_err *err)
{
    pump_in(p);
    AP_TRY(pump_out(p, err));
    pump_words(p);
    AP_TRY(look_for_end(p, err));
    if (p->pid < 0 && !p->over) {
        size_t before = p->output.len;
        AP_TRY(pump_out(p, err));
        p->over = p->output.len == before || p->flooded;
    }
    return AP_OK;
}

void ap__process_wait(const struct ap_process *p, struct ap_waiter *waiter)
{
    if (p->pid < 0)
        ap__waiter_until(waiter, ap__now());
    else if (p->out < 0) /* it is about to end */
        ap__waiter_until(waiter, ap__now() + 0.002);
    if (!p->flooded)
        ap__waiter_add(waiter, p->out, POLLIN);
    ap__waiter_add(waiter, p->err, POLLIN);
    if (p->input.len > p->written)
        ap__waiter_add(waiter, p->in, POLLOUT);
}

/* ---- what is known of it ---- */

struct ap_buf *ap__process_output(struct ap_process *p)
{
    return &p->output;
}

const char *ap__process_last_words(struct ap_process *p)
{
    while (p->words.len > 0 && strchr("\n\r ", p->words.data[p->words.len - 1]))
        p->words.data[--p->words.len] = '\0';
    const char *text = ap__buf_cstr(&p->words), *line = p->words.len ? memrchr(text, '\n', p->words.len) : NULL;
    return line ? line + 1 : text;
}

bool ap__process_flooded(const struct ap_process *p)
{
    return p->flooded;
}

bool ap__process_over(const struct ap_process *p)
{
    return p->over;
}

bool ap__process_contained(const struct ap_process *p)
{
    return p->contained;
}

int ap__process_exit(const struct ap_process *p, char how[96])
{
    /* A guard says the signal as a shell does. */
    int code = WIFEXITED(p->ended) ? WEXITSTATUS(p->ended) : 128 + WTERMSIG(p->ended);
    const char *name = code > 128 ? strsignal(code - 128) : NULL;
    if (code > 128 && code - 128 < NSIG && name)
        snprintf(how, 96, "was killed by signal %d (%s)", code - 128, name);
    else
        snprintf(how, 96, "ended with exit code %d", code);
    return code;
}
