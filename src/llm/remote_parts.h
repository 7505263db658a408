/* remote_parts.h - what remote.c (requests, their order), remote_http.c (transfers) and remote_reply.c (what a reply
 * means) share.
 *
 *     ask: waiting --ap__ask_send--> flying --reply--> ap__reply_read --> fate: answer, again, lost, context, stop */
#ifndef AP_REMOTE_PARTS_H
#define AP_REMOTE_PARTS_H

#include "base/rng.h"
#include "llm/journal.h"
#include "llm/pace.h"
#include "llm/remote.h"
#include "outside/http_sockets.h"

enum {
    AP_REPLY_MAX_BODY = 8 << 20,
    AP_REPLY_MAX_HEADERS = 64 << 10,
    AP_REPLY_WHY = 160,
};

enum ap_ask_state { AP_ASK_WAITING, AP_ASK_FLYING, AP_ASK_DONE };

/* What one attempt came to. */
enum ap_fate {
    AP_FATE_ANSWER,
    AP_FATE_AGAIN,   /* it may be better the next time */
    AP_FATE_LOST,    /* this request will not be answered */
    AP_FATE_REFUSED, /* this request is not taken; if none ever was, we are wrong and not the request */
    AP_FATE_CONTEXT, /* the conversation is longer than the model can read */
    AP_FATE_STOP,    /* no request will be answered */
};

struct ap_reply {
    CURLcode result;
    long status;
    struct ap_buf body;
    size_t header_bytes;
    double retry_after; /* seconds, -1 = not told */
    bool too_large, no_memory;
};

/* One request of the agent. */
struct ap_ask {
    struct ap_ask *next;
    struct ap_remote *remote;
    struct ap_request request;
    enum ap_ask_state state;
    char *body;
    struct ap_journal_key key;
    struct ap_estimate estimate; /* reserved while it flies */
    struct ap_rng rng;           /* of its waits */
    int32_t attempts;
    double due; /* not before */
    CURL *easy; /* while it flies */
    struct ap_reply reply;
    /* done */
    struct ap_chat_answer answer; /* .text NULL: error says why there is none */
    bool lost;
    char error[AP_REPLY_WHY];
};

struct ap_remote {
    struct ap_llm base;
    struct ap_http_sockets sockets;
    char *url, *key; /* key NULL = none */
    char *model;
    struct ap_chat_form form;
    struct curl_slist *headers; /* with the key */
    int32_t in_flight, max_in_flight, attempts;
    double backoff, connect_timeout, idle_timeout, timeout;
    struct ap_window requests, tokens;
    struct ap_meter meter;
    struct ap_journal *journal;
    bool offline;
    struct ap_ask *first, **last; /* in order of submission */
    double not_before;  /* the server has asked for a pause */
    double look_again;  /* when a waiting ask may be sent; far away when only a reply can change it */
    bool out_of_budget; /* an ask waits for nothing but money */
    int64_t answered;   /* by the server or from the journal */
    int32_t lost_in_a_row;
    int64_t replayed;
    char last_failure[AP_REPLY_WHY];
    struct ap_err stopped; /* .code != AP_OK: every poll says so */
};

/* Hand the request to curl.  AP_E_MEMORY. */
ap_status ap__ask_send(struct ap_ask *ask, struct ap_err *err) AP_MUST_CHECK;
void ap__ask_end(struct ap_ask *ask); /* its transfer is over, or to be dropped */
/* The next transfer that is over, or NULL. */
struct ap_ask *ap__ask_next_over(struct ap_remote *remote);

/* The URL that is asked, the headers and the key, from the options. */
ap_status ap__remote_address(struct ap_remote *remote, const struct ap_remote_options *options,
                             struct ap_err *err) AP_MUST_CHECK;

/* What the reply means; an answer goes to *answer, else why (AP_REPLY_WHY bytes) says what is wrong.  AP_E_MEMORY. */
ap_status ap__reply_read(const struct ap_reply *reply, struct ap_chat_answer *answer, enum ap_fate *fate, char *why,
                         struct ap_err *err) AP_MUST_CHECK;
/* Stars in the place of the key wherever it stands in text. */
void ap__key_hide(const char *key, char *text);

#endif
