/* remote.h - an llm behind an OpenAI-compatible HTTP endpoint: hundreds of requests at once.
 *
 *     struct ap_remote_options how = ap__remote_defaults();
 *     how.url = "http://localhost:8000/v1";  how.model = "Qwen/Qwen3-32B";  how.key_env = "API_KEY";
 *     how.journal = "runs/x/teacher.jsonl";
 *     ap__llm_remote_open(&how, &llm, &err);       then submit, poll, wait as with any llm
 *
 *     submit --> in the journal? --yes-------------------------------> completion
 *                     '--no--> waits for its turn --> HTTP --answer--> journal
 *                                   ^  (limits, budget)  |
 *                                   '--- backoff <-------+--given up--> completion: lost
 *                                                        '--refused---> poll fails: the run stops
 *
 * The key goes into one header of requests to this URL and nowhere else: not
 * into messages, the journal or answers, and redirects are not followed. */
#ifndef AP_REMOTE_H
#define AP_REMOTE_H

#include "llm/usage.h"

enum { AP_REMOTE_MAX_IN_FLIGHT = 512 };

struct ap_remote_options {
    const char *url;            /* base ("http://host:8000/v1") or the whole .../chat/completions; NULL with replay */
    struct ap_chat_form form;
    bool explain;               /* tell in the prompt how a chain goes */
    const char *key_env, *key_file; /* where the key is, at most one; NULL = no key */
    const char *key_header;     /* NULL: "Authorization: Bearer KEY", else "NAME: KEY" */
    const char *const *headers; /* (header_count,) "Name: value" */
    int32_t header_count;
    int32_t in_flight;          /* requests at once */
    int64_t requests_per_minute, tokens_per_minute; /* 0 = no limit */
    int32_t attempts;           /* for one answer */
    double backoff;             /* seconds after the first failure, doubled with each */
    double connect_timeout, idle_timeout, timeout; /* seconds: to connect, without a byte, for one attempt */
    struct ap_price price;
    double budget;              /* money; 0 = none */
    int64_t budget_tokens;      /* 0 = none */
    const char *journal;        /* file of answers, continued; NULL = none */
    const char *replay;         /* such a file that is read only, and nothing is asked; NULL = ask */
};
struct ap_remote_options ap__remote_defaults(void);

/* AP_E_ARG with what is wrong with an option.  Nothing is asked yet. */
ap_status ap__llm_remote_open(const struct ap_remote_options *options, struct ap_llm **out,
                              struct ap_err *err) AP_MUST_CHECK;

/* So far, with what the journal tells of earlier processes. */
struct ap_remote_stats {
    struct ap_usage usage;
    double cost;
    bool priced;        /* cost means something */
    int64_t replayed;   /* requests of this process that the journal answered */
    char last_failure[160]; /* why the last request was lost, or "" */
};
/* false: the llm is no remote one. */
bool ap__llm_remote_stats(const struct ap_llm *llm, struct ap_remote_stats *out);

#endif
