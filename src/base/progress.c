/* progress.c - one progress line on stderr, and the interrupt flag.
 *
 *     terminal   "collect [#########.....]  412/1000 chains  31.2/s  0:19 left  note", redrawn
 *     otherwise  the same without the bar, one line every 15 seconds and at the end
 *
 * This is the one place of the library that writes to stderr: a long stage
 * without a sign of life looks like a hang.  ap__progress_quiet silences it. */
#include "base/progress.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define BAR_WIDTH 24
#define TERMINAL_PERIOD 0.1 /* seconds between redraws */
#define PLAIN_PERIOD 15.0   /* seconds between lines */

static bool all_quiet;
static volatile sig_atomic_t interrupted;

double ap__now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

void ap__progress_quiet(bool quiet)
{
    all_quiet = quiet;
}

void ap__progress_begin(struct ap_progress *p, const char *label, const char *unit, int64_t total)
{
    *p = (struct ap_progress){.total = total, .started = ap__now()};
    snprintf(p->label, sizeof p->label, "%s", label);
    snprintf(p->unit, sizeof p->unit, "%s", unit);
    p->last_shown = p->started;
    p->terminal = isatty(STDERR_FILENO);
    p->quiet = all_quiet;
}

void ap__progress_resume(struct ap_progress *p, int64_t done)
{
    p->done = p->resumed = done;
}

static void add_bar(struct ap_buf *line, int64_t done, int64_t total)
{
    int64_t filled = done >= total ? BAR_WIDTH : done * BAR_WIDTH / total;
    (void)ap__buf_puts(line, " [");
    for (int64_t i = 0; i < BAR_WIDTH; i++)
        (void)ap__buf_putc(line, i < filled ? '#' : '.');
    (void)ap__buf_putc(line, ']');
}

static void add_time(struct ap_buf *line, double seconds, const char *what)
{
    int64_t s = (int64_t)(seconds + 0.5);
    if (s >= 3600)
        (void)ap__buf_printf(line, "  %" PRId64 ":%02d:%02d %s", s / 3600, (int)(s / 60 % 60), (int)(s % 60), what);
    else
        (void)ap__buf_printf(line, "  %d:%02d %s", (int)(s / 60), (int)(s % 60), what);
}

static void add_figures(struct ap_buf *line, const struct ap_progress *p, double elapsed, bool last)
{
    if (p->total > 0)
        (void)ap__buf_printf(line, "  %" PRId64 "/%" PRId64 " %s", p->done, p->total, p->unit);
    else
        (void)ap__buf_printf(line, "  %" PRId64 " %s", p->done, p->unit);
    double rate = elapsed > 0 ? (double)(p->done - p->resumed) / elapsed : 0;
    if (rate > 0)
        (void)ap__buf_printf(line, rate < 10 ? "  %.2f/s" : "  %.0f/s", rate);
    if (last)
        add_time(line, elapsed, "in all");
    else if (rate > 0 && p->total > p->done)
        add_time(line, (double)(p->total - p->done) / rate, "left");
    if (p->note[0])
        (void)ap__buf_printf(line, "  %s", p->note);
}

/* A line that did not fit in memory is not shown: progress never fails a run. */
static void show(struct ap_progress *p, double now, bool last)
{
    struct ap_buf line;
    ap__buf_init(&line, 1024);
    if (p->terminal)
        (void)ap__buf_puts(&line, "\r\033[K");
    (void)ap__buf_puts(&line, p->label);
    if (p->terminal && p->total > 0)
        add_bar(&line, p->done, p->total);
    add_figures(&line, p, now - p->started, last);
    if (last || !p->terminal)
        (void)ap__buf_putc(&line, '\n');
    if (!line.failed)
        fputs(line.data, stderr);
    fflush(stderr);
    ap__buf_deinit(&line);
    p->last_shown = now;
}

void ap__progress_update(struct ap_progress *p, int64_t done, const char *note_fmt, ...)
{
    p->done = done;
    if (note_fmt) {
        va_list ap;
        va_start(ap, note_fmt);
        vsnprintf(p->note, sizeof p->note, note_fmt, ap);
        va_end(ap);
    }
    double now = ap__now();
    if (!p->quiet && now - p->last_shown >= (p->terminal ? TERMINAL_PERIOD : PLAIN_PERIOD))
        show(p, now, false);
}

void ap__progress_end(struct ap_progress *p)
{
    if (!p->quiet)
        show(p, ap__now(), true);
}

/* ---- interrupt ---- */

static void on_signal(int sig)
{
    (void)sig;
    interrupted = 1;
}

void ap__interrupt_install(void)
{
    /* Reset after the first: the second signal takes its default and ends the program. */
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND};
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

bool ap__interrupted(void)
{
    return interrupted != 0;
}

ap_status ap__check_interrupt(struct ap_err *err)
{
    return interrupted ? ap__fail(err, AP_E_INTERRUPTED, NULL, "interrupted") : AP_OK;
}
