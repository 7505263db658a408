/* journal.h - every answer of a server, one line each, so that nothing is asked twice.
 *
 *     {"answer": "Sum(1, 2)", "attempts": 1, "cached": 0, "calls": 0, "completion": 9, "counted": true,
 *      "finish": "stop", "key": "32 hex digits", "prompt": 210}
 *     {"attempts": 6, "key": "...", "lost": "HTTP 500"}             asked in vain; is asked again
 *
 * The key is made of the request's random stream and its body, so the same run
 * finds its own answers again, and so does the same run elsewhere: a journal is
 * also what a recorded teacher answers from, offline.  A line is written as its
 * answer comes; of a process that is killed at most the last one is torn, and
 * dropped when the file is opened again.  Answers stay in the file; memory holds
 * their places. */
#ifndef AP_JOURNAL_H
#define AP_JOURNAL_H

#include "llm/chat.h"

struct ap_journal_key {
    uint64_t stream, body;
};
struct ap_journal_key ap__journal_key(const struct ap_request *request, const char *body);

struct ap_journal; /* one thread, one writer per file */

/* Called for every line that is there already; lost: why, else NULL. */
typedef void (*ap_journal_visit)(void *user, const struct ap_chat_answer *answer, int32_t attempts, const char *lost);

/* Create or continue a file.  write false: it must be there and stays as it is.  AP_E_STATE when another process
 * writes to it, AP_E_FORMAT at a line (but the last) that is no answer. */
ap_status ap__journal_open(const char *path, bool write, ap_journal_visit visit, void *user, struct ap_journal **out,
                           struct ap_err *err) AP_MUST_CHECK;
void ap__journal_free(struct ap_journal *journal);

/* *found: the answer is in *out, ap__chat_answer_deinit it. */
ap_status ap__journal_find(struct ap_journal *journal, struct ap_journal_key key, struct ap_chat_answer *out,
                           bool *found, struct ap_err *err) AP_MUST_CHECK;
ap_status ap__journal_add(struct ap_journal *journal, struct ap_journal_key key, const struct ap_chat_answer *answer,
                          int32_t attempts, struct ap_err *err) AP_MUST_CHECK;
ap_status ap__journal_add_lost(struct ap_journal *journal, struct ap_journal_key key, const char *why,
                               int32_t attempts, struct ap_err *err) AP_MUST_CHECK;

#endif
