/* process.h - an outside program that we talk to without ever waiting for it.
 *
 *     ap__process_start(&spec, &p, &err);
 *     ap__process_write(p, text, len, &err);  ap__process_close_in(p);
 *     for (;;) {
 *         ap__process_pump(p, &err);                  moves what can be moved
 *         use(ap__process_output(p));                 what it has printed; cut away what is used
 *         if (ap__process_over(p)) break;
 *         ap__waiter_init(&w);  ap__process_wait(p, &w);  ap__waiter_wait(&w);
 *     }
 *     ap__process_free(p);                            kills it and all it has started
 *
 * Any number of them at once.  Memory is bounded: output beyond the ceiling is a
 * state (_flooded), of the error stream only the last lines are kept. */
#ifndef AP_PROCESS_H
#define AP_PROCESS_H

#include "base/waiter.h"
#include "outside/sandbox.h"

struct ap_process_spec {
    struct ap_sandbox box;
    size_t max_output; /* bytes of output that may lie unread */
    size_t max_input;  /* bytes that may wait to be written */
};

struct ap_process;

ap_status ap__process_start(const struct ap_process_spec *spec, struct ap_process **out,
                            struct ap_err *err) AP_MUST_CHECK;
void ap__process_free(struct ap_process *process);

/* Queue bytes for its input.  AP_E_LIMIT when it does not read what is there. */
ap_status ap__process_write(struct ap_process *process, const void *data, size_t len, struct ap_err *err) AP_MUST_CHECK;
void ap__process_close_in(struct ap_process *process); /* after what is queued */
ap_status ap__process_pump(struct ap_process *process, struct ap_err *err) AP_MUST_CHECK;
void ap__process_wait(const struct ap_process *process, struct ap_waiter *waiter);

struct ap_buf *ap__process_output(struct ap_process *process); /* borrowed; the reader may shorten it */
/* The last line of its error stream, "" without one. */
const char *ap__process_last_words(struct ap_process *process);
bool ap__process_flooded(const struct ap_process *process); /* printed more than max_output */
bool ap__process_over(const struct ap_process *process);    /* has ended and all it printed is there */
bool ap__process_contained(const struct ap_process *process);
/* 0 = ended well; *how gets "ended with exit code 3", "was killed by signal 9 (Killed)". */
int ap__process_exit(const struct ap_process *process, char how[96]);
void ap__process_kill(struct ap_process *process);

#endif
